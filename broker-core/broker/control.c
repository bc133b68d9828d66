/* control.c - the broker's end of the control protocol. Loop thread.
 *
 * One leatd at a time. A connection is a guest until it said hello; then it takes the place of the
 * older one (a restarted leatd must not wait for the death of its predecessor to be noticed), so one
 * that only knocks disturbs nobody. While a change of the image is being made durable the
 * stream is paused, so what leatd sends is obeyed strictly in order, and an answer to a forwarded
 * request is seen only after the image change it caused. A report is sent only after control_touch,
 * and, while somebody watches, one more that shows the rates at rest: an idle broker has no timer. */
#include "broker/control.h"

#include "base/log.h"
#include "broker/audit.h"
#include "broker/backup.h"
#include "broker/client_list.h"
#include "broker/image_commit.h"
#include "broker/report.h"
#include "broker/time_lag.h"
#include "cluster/control_frame.h"
#include "cluster/delta.h"
#include "cluster/image_file.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAME_MAX (DELTA_MAX + (1u << 20))
#define FRAME_MAX_BEFORE_HELLO 4096
#define FRAME_ARENA (4u << 20)
#define ADMIN_TIMEOUT_MS 5000
#define ADMIN_PENDING_MAX 200
#define ADMIN_BODY_MAX (4u << 20)
#define REPORT_SLOW_MS 60000
#define REPORT_FAST_MS 1000
#define LAGS_MS 5000 /* … while nobody watches */
#define WATCH_MAX_MS 60000
#define GUESTS_MAX 4
#define LAST_WORDS_TURNS 5 /* of the loop, for what leatd has not taken yet */

struct pending { /* an admin request that leatd has not answered yet */
    int64_t token, deadline;
    int16_t api_key, version;
    struct arena *arena;
    controller_done done;
    void *arg;
    struct pending *prev, *next;
};

struct control {
    struct controller controller; /* first: what the broker knows */
    struct broker *broker;
    struct listener *listener;
    struct stream *guests[GUESTS_MAX]; /* accepted, no hello yet */
    struct stream *stream; /* leatd, greeted; NULL: away */
    int16_t protocol;      /* the version agreed with it */
    struct backup backup;
    struct client_lists clients;
    struct image_commit commit;
    struct stream *committing_for; /* who asked for the change on its way; may be gone */
    struct pending *pending;       /* oldest first, so soonest deadline first */
    int pending_count;
    int64_t next_token;
    struct timer admin_timer, report_timer;
    struct report *report;
    int64_t reported_at, watched_until;
    int32_t watch_interval;
    bool report_at_rest; /* the next report is sent even if nothing changed */
    int64_t started_at;
    bool stopping;
};

static void send_to(struct stream *stream, int16_t protocol, const struct wire_message *message,
                    const void *object)
{
    struct buf out;
    buf_init(&out, FRAME_MAX);
    status s = control_frame(&out, protocol, message, object);
    if (is_ok(s)) s = stream_send(stream, &out);
    buf_done(&out);
    if (failed(s)) stream_close(stream);
}

static void message_send(struct control *c, const struct wire_message *message,
                         const void *object)
{
    if (c->stream) send_to(c->stream, c->protocol, message, object);
}

static void tell(void *arg, const struct wire_message *message, const void *object)
{
    message_send(arg, message, object);
}

static bool audit_send(void *arg, const struct control_audit *message)
{
    struct control *c = arg;
    if (!c->stream || control_message_version(&control_audit_message, c->protocol) < 0) return false;
    message_send(c, &control_audit_message, message);
    return true;
}

static bool lags_send(void *arg, const struct control_lags *message)
{
    struct control *c = arg;
    message_send(c, &control_lags_message, message);
    return c->stream != NULL;
}

static int64_t lags_interval(void *arg)
{
    const struct control *c = arg;
    if (!c->stream || c->stopping || control_message_version(&control_lags_message, c->protocol) < 0)
        return -1;
    return loop_now(c->broker->loop) < c->watched_until ? c->watch_interval : LAGS_MS;
}

/* --- admin requests -------------------------------------------------------------------------------- */
static void pending_end(struct control *c, struct pending *p, status result, void *response)
{
    DL_DELETE(c->pending, p);
    c->pending_count--;
    p->done(p->arg, result, response);
    mem_free(p);
}

static void admin_arm(struct control *c)
{
    if (c->pending) (void)loop_timer_set(c->broker->loop, &c->admin_timer, c->pending->deadline);
    else loop_timer_clear(c->broker->loop, &c->admin_timer);
}

static void admin_timer_fire(struct timer *timer)
{
    struct control *c = CONTAINER_OF(timer, struct control, admin_timer);
    int64_t now = loop_now(c->broker->loop);
    while (c->pending && c->pending->deadline <= now)
        pending_end(c, c->pending, FAIL(REQUEST_TIMED_OUT), NULL);
    admin_arm(c);
}

static void forward(struct control *c, struct pending *p, const struct control_admin *admin)
{
    p->token = c->next_token++;
    p->deadline = loop_now(c->broker->loop) + ADMIN_TIMEOUT_MS;
    DL_APPEND(c->pending, p);
    c->pending_count++;
    admin_arm(c);
    struct control_admin message = *admin;
    message.token = p->token;
    message_send(c, &control_admin_message, &message);
}

static void control_submit(struct controller *controller,
                           const struct controller_request *request, controller_done done,
                           void *arg)
{
    struct control *c = (struct control *)controller;
    const struct wire_message *m = wire_request(request->api_key);
    if (!c->stream || c->stopping) {
        done(arg, FAIL(REQUEST_TIMED_OUT), NULL); /* leatd is away: said at once */
        return;
    }
    struct buf body;
    buf_init(&body, ADMIN_BODY_MAX);
    status s = m ? wire_encode(m, request->version, request->body, &body) : FAIL(INVALID_REQUEST);
    struct pending *p =
        is_ok(s) && c->pending_count < ADMIN_PENDING_MAX ? mem_zalloc(sizeof(*p)) : NULL;
    if (!p) {
        done(arg, failed(s) ? s : FAIL(REQUEST_TIMED_OUT), NULL);
    } else {
        *p = (struct pending){ .api_key = request->api_key, .version = request->version,
                               .arena = request->arena, .done = done, .arg = arg };
        forward(c, p,
                &(struct control_admin){ .api_key = request->api_key,
                                         .api_version = request->version,
                                         .principal = request->principal,
                                         .client_host = request->client_host,
                                         .body = buf_bytes(&body) });
    }
    buf_done(&body);
}

static status decode_answer(const struct pending *p, struct bytes body, void **ret_response)
{
    const struct wire_message *m = wire_response(p->api_key);
    struct bytes own = arena_bytes(p->arena, body); /* the frame ends with this call */
    void *response = arena_alloc(p->arena, wire_object_size(m));
    TRY(arena_check(p->arena));
    wire_default(m, response);
    TRY(wire_decode(m, p->version, own, p->arena, response, NULL));
    *ret_response = response;
    return OK;
}

static void admin_answered(struct control *c, const struct control_admin_reply *reply)
{
    struct pending *p;
    DL_SEARCH_SCALAR(c->pending, p, token, reply->token);
    if (!p) return; /* timed out meanwhile */
    void *response = NULL;
    status s = reply->error_code ? status_from_kafka(reply->error_code) : OK;
    if (is_ok(s) && !reply->body.data) s = FAIL(UNKNOWN_SERVER_ERROR);
    if (is_ok(s)) s = decode_answer(p, reply->body, &response);
    pending_end(c, p, s, response);
    admin_arm(c);
}

/* --- the image ------------------------------------------------------------------------------------- */
static void acknowledge(struct control *c, status result)
{
    struct control_ack ack = {
        .version = c->broker->image->version,
        .error_code = status_kafka(result),
        .message = failed(result) ? str_c(status_text(result)) : STR_NULL,
    };
    message_send(c, &control_ack_message, &ack);
}

static void image_committed(void *arg, status result)
{
    struct control *c = arg;
    bool same = c->stream && c->stream == c->committing_for;
    c->committing_for = NULL;
    if (is_ok(result)) control_touch(c);
    if (!c->stream) return;
    if (same) acknowledge(c, result);
    if (c->stream) stream_resume(c->stream);
}

static void image_received(struct control *c, const struct control_image *message)
{
    int64_t from, to;
    struct buf delta;
    buf_init(&delta, DELTA_MAX);
    status s = delta_versions(message->records, &from, &to);
    if (is_ok(s) && (from != message->from_version || to != message->to_version)) s = FAIL(MALFORMED);
    if (is_ok(s)) {
        buf_put(&delta, message->records.data, message->records.len);
        s = image_commit_start(&c->commit, &delta, image_committed, c);
    }
    buf_done(&delta);
    if (failed(s)) {
        log_warn("image %lld -> %lld is refused: %s", (long long)message->from_version,
                 (long long)message->to_version, status_text(s));
        acknowledge(c, s);
        return;
    }
    c->committing_for = c->stream;
    stream_pause(c->stream);
}

/* --- reports --------------------------------------------------------------------------------------- */
static int64_t report_due(const struct control *c)
{
    struct loop *loop = c->broker->loop;
    int64_t now = loop_now(loop), slow = c->reported_at + REPORT_SLOW_MS;
    if (now < c->watched_until) return c->reported_at + c->watch_interval;
    int64_t minute = now + report_minute_left(c->broker->image->cluster_id, loop_wall(loop));
    return minute < slow ? minute : slow;
}

void control_touch(struct control *c)
{
    if (!c || !c->stream || c->report_timer.slot || c->stopping) return;
    (void)loop_timer_set(c->broker->loop, &c->report_timer, report_due(c));
}

void control_touch_now(struct control *c)
{
    if (!c || !c->stream || c->stopping) return;
    (void)loop_timer_set(c->broker->loop, &c->report_timer, loop_now(c->broker->loop));
}

void control_topic_ends(struct control *c, const struct topic *topic)
{
    if (!c) return;
    report_topic_ends(c->report, topic);
    control_touch(c);
}

/* Tells what changed since the last report; with `anyway` also that nothing did. */
static bool report_tell(struct control *c, bool anyway)
{
    struct buf out;
    bool changed;
    buf_init(&out, FRAME_MAX);
    status s = report_frame(c->report, c->protocol, anyway, &out, &changed);
    if (is_ok(s) && out.len) s = stream_send(c->stream, &out);
    buf_done(&out);
    if (failed(s)) log_warn("a report could not be sent: %s", status_text(s));
    return is_ok(s) && changed;
}

static void report_timer_fire(struct timer *timer)
{
    struct control *c = CONTAINER_OF(timer, struct control, report_timer);
    if (!c->stream) return;
    bool changed = report_tell(c, c->report_at_rest);
    c->reported_at = loop_now(c->broker->loop);
    bool watched = c->reported_at < c->watched_until;
    c->report_at_rest = changed && watched;
    if (c->report_at_rest) control_touch(c);
}

static void watch_received(struct control *c, const struct control_watch *watch)
{
    int32_t interval = watch->interval_ms < REPORT_FAST_MS ? REPORT_FAST_MS : watch->interval_ms;
    int32_t span = watch->for_ms > WATCH_MAX_MS ? WATCH_MAX_MS : watch->for_ms;
    bool watched = loop_now(c->broker->loop) < c->watched_until;
    c->watch_interval = interval;
    c->watched_until = loop_now(c->broker->loop) + (span < 0 ? 0 : span);
    if (!watched) c->report_at_rest = true; /* what it looks like now, changed or not */
    if (!watched || c->report_timer.slot)
        (void)loop_timer_set(c->broker->loop, &c->report_timer, report_due(c));
    if (!watched) time_lag_hurry(c->broker->time_lag);
}

/* --- the connection -------------------------------------------------------------------------------- */
static void hello_send(struct control *c, struct stream *stream)
{
    const struct broker *b = c->broker;
    struct control_hello hello = {
        .min_version = CONTROL_VERSION_MIN,
        .max_version = CONTROL_VERSION_MAX,
        .program = STR("leat-broker " LEAT_VERSION),
        .cluster_id = str_c(b->options.cluster_id ? b->options.cluster_id : b->image->cluster_id),
        .node_id = b->options.node_id,
        .image_version = b->image->version,
        .port = broker_port(b),
        .started_at = c->started_at,
        .landlock = (int16_t)b->landlock,
        .format = (int16_t)(b->store ? store_format(b->store) : 0),
    };
    send_to(stream, CONTROL_VERSION_MIN, &control_hello_message, &hello);
}

static bool guest_leaves(struct control *c, const struct stream *stream)
{
    for (int i = 0; i < GUESTS_MAX; i++)
        if (c->guests[i] == stream) {
            c->guests[i] = NULL;
            return true;
        }
    return false;
}

/* The guest becomes the leatd that controls. */
static void hello_received(struct control *c, struct stream *guest, const struct control_hello *hello)
{
    if (!control_hello_fits(hello)) {
        log_warn("%.*s speaks another control protocol", STR_ARG(hello->program));
        stream_close(guest);
        return;
    }
    (void)guest_leaves(c, guest);
    if (c->stream) stream_close(c->stream);
    c->stream = guest;
    c->protocol = control_agreed(hello);
    backup_over(&c->backup);
    client_lists_over(&c->clients);
    stream_set_max_frame(guest, FRAME_MAX);
    if (c->commit.busy) stream_pause(guest);
    log_info("%.*s is in control", STR_ARG(hello->program));
    report_forget(c->report);
    c->watched_until = 0;
    c->reported_at = loop_now(c->broker->loop) - REPORT_SLOW_MS;
    control_touch(c); /* a first, whole report */
    time_lag_forget(c->broker->time_lag);
    audit_touch(c->broker->audit);
}

static void message_received(struct control *c, const struct wire_message *m, const void *object)
{
    if (m == &control_image_message) {
        image_received(c, object);
    } else if (m == &control_admin_reply_message) {
        admin_answered(c, object);
    } else if (m == &control_watch_message) {
        watch_received(c, object);
    } else if (m == &control_hold_message) {
        store_hold(c->broker->store, ((const struct control_hold *)object)->hold);
    } else if (m == &control_backup_message) {
        backup_received(&c->backup, object);
    } else if (m == &control_clients_message) {
        client_lists_asked(&c->clients, object);
    } else if (m == &control_format_message) {
        store_raise_format(c->broker->store, ((const struct control_format *)object)->format);
    } else if (m == &control_stop_message) {
        log_info("asked to stop");
        broker_stop(c->broker);
    } else {
        stream_close(c->stream); /* not for a broker */
    }
}

static void frame_received(struct stream *stream, struct bytes frame, void *owner)
{
    struct control *c = owner;
    struct arena arena;
    const struct wire_message *message;
    const void *object;
    arena_init(&arena, FRAME_ARENA);
    status s = control_parse(frame, &arena, &message, &object);
    bool hello = is_ok(s) && message == &control_hello_message;
    if (failed(s)) log_warn("a control message cannot be read: %s", status_text(s));
    else if (stream == c->stream) message_received(c, message, object);
    else if (hello) hello_received(c, stream, object);
    arena_done(&arena);
    if (failed(s) || (stream != c->stream && !hello)) stream_close(stream);
}

static void stream_ended(struct stream *stream, status why, void *owner)
{
    struct control *c = owner;
    (void)why;
    if (guest_leaves(c, stream) || stream != c->stream) return;
    c->stream = NULL;
    loop_timer_clear(c->broker->loop, &c->report_timer);
    time_lag_forget(c->broker->time_lag);
    while (c->pending) pending_end(c, c->pending, FAIL(REQUEST_TIMED_OUT), NULL);
    admin_arm(c);
    if (c->broker->store) store_hold(c->broker->store, false); /* nobody would ever let go */
    backup_over(&c->backup);
    client_lists_over(&c->clients);
    if (!c->stopping) log_info("leatd is gone; the last image stays in force");
}

static const struct stream_events stream_events = { frame_received, stream_ended, NULL, NULL };

/* Only leatd of the same user (or root) may control. */
static bool peer_may(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
    return peer.uid == geteuid() || peer.uid == 0;
}

/* A place for a guest; the one who has said nothing longest goes when all are taken. */
static struct stream **guest_place(struct control *c)
{
    for (int i = 0; i < GUESTS_MAX; i++)
        if (!c->guests[i]) return &c->guests[i];
    stream_close(c->guests[0]);
    memmove(&c->guests[0], &c->guests[1], (GUESTS_MAX - 1) * sizeof(c->guests[0]));
    c->guests[GUESTS_MAX - 1] = NULL;
    return &c->guests[GUESTS_MAX - 1];
}

static void accepted(int fd, void *owner)
{
    struct control *c = owner;
    struct stream *stream;
    if (!peer_may(fd)) {
        log_warn("a stranger was refused on " CONTROL_SOCKET);
        close(fd);
        return;
    }
    struct stream **place = guest_place(c);
    if (failed(stream_accept(c->broker->loop, fd, FRAME_MAX_BEFORE_HELLO, &stream_events, c, &stream)))
        return;
    *place = stream;
    hello_send(c, stream);
}

/* --- start and stop -------------------------------------------------------------------------------- */
static status load_image(struct broker *b)
{
    status s = image_file_read(b->fs, b->image);
    if (s.code == E_NOT_FOUND) {
        /* nothing yet: nobody can log in, nothing is allowed, until leatd sends the first one */
        b->image->limits.authorise = true;
        b->image->limits.auto_create_topics = false;
        s = OK;
    }
    TRY(s);
    const char *id = b->options.cluster_id;
    if (id && b->image->cluster_id[0] && strcmp(id, b->image->cluster_id) != 0)
        return FAIL(INCONSISTENT_CLUSTER_ID);
    if (id && !str_copy(b->image->cluster_id, sizeof(b->image->cluster_id), str_c(id)))
        return FAIL(INVALID);
    return OK;
}

status control_start(struct broker *b, struct control **ret_control)
{
    static const struct controller_ops ops = { control_submit };
    TRY(load_image(b));
    struct control *c = mem_zalloc(sizeof(*c));
    if (!c) return FAIL(NO_MEMORY);
    c->controller.ops = &ops;
    c->broker = b;
    c->started_at = loop_wall(b->loop);
    c->watch_interval = REPORT_FAST_MS;
    backup_init(&c->backup, b, tell, c);
    client_lists_init(&c->clients, b, tell, c);
    b->client_lists = &c->clients;
    image_commit_init(&c->commit, b);
    timer_init(&c->admin_timer, admin_timer_fire);
    timer_init(&c->report_timer, report_timer_fire);
    status s = report_new(b, &c->report);
    if (is_ok(s)) s = audit_new(b->loop, audit_send, c, &b->audit);
    const struct time_lag_listener listener = { lags_send, lags_interval, c };
    if (is_ok(s)) s = time_lag_new(b, &listener, &b->time_lag);
    if (is_ok(s))
        s = listener_new_unix(b->loop, b->run_fd, CONTROL_SOCKET, accepted, c, &c->listener);
    if (failed(s)) {
        time_lag_free(TAKE(b->time_lag));
        audit_free(TAKE(b->audit));
        b->client_lists = NULL;
        report_free(c->report);
        mem_free(c);
        return s;
    }
    b->controller = &c->controller;
    *ret_control = c;
    return OK;
}

void control_stop(struct control *c)
{
    if (!c) return;
    struct broker *b = c->broker;
    c->stopping = true;
    time_lag_free(TAKE(b->time_lag));
    audit_free(TAKE(b->audit));
    if (c->stream) (void)report_tell(c, false); /* what this process counted is not known to anybody else */
    for (int i = 0; i < LAST_WORDS_TURNS && c->stream && stream_unsent(c->stream); i++)
        (void)loop_turn(b->loop, 0);
    listener_free(c->listener);
    unlinkat(b->run_fd, CONTROL_SOCKET, 0);
    image_commit_finish(&c->commit);
    if (c->stream) stream_close(c->stream);
    for (int i = 0; i < GUESTS_MAX; i++)
        if (c->guests[i]) stream_close(c->guests[i]);
    while (c->pending) pending_end(c, c->pending, FAIL(REQUEST_TIMED_OUT), NULL);
    loop_timer_clear(b->loop, &c->admin_timer);
    loop_timer_clear(b->loop, &c->report_timer);
    report_free(c->report);
    b->controller = NULL;
    b->control = NULL;
    client_lists_over(&c->clients);
    b->client_lists = NULL;
    mem_free(c);
}
