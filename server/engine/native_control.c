/* native_control.c - the control connection to one broker. Domain thread.
 *
 * A broker is hostile by assumption: its frames are bounded, read by the bounded codec, and whatever
 * does not fit ends the connection, not leatd. After a lost connection the next dial comes from the
 * supervisor (the process is ready again), or from a timer while the process still runs. */
#include "engine/native_int.h"

#include "base/log.h"
#include "cluster/delta.h"

#include <string.h>

#define FRAME_MAX (16u << 20) /* the largest: a report of many topics, a forwarded request */
#define FRAME_ARENA (32u << 20)
#define OUT_MAX (DELTA_MAX + (1u << 20))
#define REDIAL_MS 200

void node_send(struct node *node, const struct wire_message *message, const void *object)
{
    struct buf out;
    if (!node->control) return;
    buf_init(&out, OUT_MAX);
    status s = control_frame(&out, node->protocol, message, object);
    if (is_ok(s)) s = stream_send(node->control, &out);
    buf_done(&out);
    if (is_ok(s)) return;
    log_warn("%s: a control message cannot be sent: %s", node->id, status_text(s));
    node_hang_up(node);
}

void node_end_waiters(struct node *node, int64_t up_to, status result)
{
    struct waiter *w, *next;
    DL_FOREACH_SAFE(node->waiters, w, next) {
        if (w->version > up_to) continue;
        DL_DELETE(node->waiters, w);
        node->waiter_count--;
        engine_later(node->engine, w->done, NULL, w->arg, result);
        mem_free(w);
    }
    if (!node->waiters) loop_timer_clear(node->engine->loop, &node->deadline);
}

void node_send_image(struct node *node)
{
    const struct engine_events *e = &node->engine->events;
    struct buf records;
    int64_t from, to;
    buf_init(&records, DELTA_MAX);
    status s = e->image(e->arg, node->id, &records);
    if (is_ok(s)) s = buf_check(&records);
    if (is_ok(s)) s = delta_versions(buf_bytes(&records), &from, &to);
    if (is_ok(s) && to != node->acknowledged) {
        struct control_image image = { .from_version = from, .to_version = to,
                                       .records = buf_bytes(&records) };
        node->sent = to;
        node_send(node, &control_image_message, &image);
    } else if (is_ok(s)) {
        node->sent = to;
        node_end_waiters(node, to, OK);
    } else {
        log_error("%s: its image cannot be made: %s", node->id, status_text(s));
    }
    buf_done(&records);
}

void node_tell_format(struct node *node)
{
    if (!node->greeted || !node->format || node->format >= node->confirmed ||
        control_message_version(&control_format_message, node->protocol) < 0)
        return;
    node->format = node->confirmed;
    node_send(node, &control_format_message, &(struct control_format){ .format = (int16_t)node->confirmed });
}

static void hello_received(struct node *node, const struct control_hello *hello)
{
    if (node->greeted || !control_hello_fits(hello) ||
        (hello->cluster_id.len && !str_eq_c(hello->cluster_id, node->id))) {
        log_warn("%s: its broker (%.*s) is not one to be controlled by this leatd", node->id,
                 STR_ARG(hello->program));
        node_hang_up(node);
        return;
    }
    if (hello->max_version < CONTROL_VERSION_PREVIOUS) {
        /* It would refuse an image with what is new; records it has are none the worse for it. One that is
         * a version behind goes on until its upgrade: it is not told what it does not know. */
        log_info("%s: its broker is of an older version (%.*s) and is started anew", node->id,
                 STR_ARG(hello->program));
        node_hang_up(node);
        (void)supervisor_restart(node->engine->supervisor, node->proc_id); /* tried again at its hello */
        return;
    }
    node->greeted = true;
    node->protocol = control_agreed(hello);
    node->life++;
    node->refused = false;
    node->watched_at = 0;
    node->landlock = hello->landlock;
    if (!str_copy(node->program, sizeof node->program, hello->program)) node->program[0] = 0;
    node->acknowledged = hello->image_version;
    node->format = hello->format;
    node_tell_format(node);
    node_figures_begin(node);
    if (control_message_version(&control_lags_message, node->protocol) < 0) lags_clear(&node->lags);
    node_send_image(node);
    if (node->hold) node_send(node, &control_hold_message, &(struct control_hold){ .hold = true });
    if (node->engine->events.changed)
        node->engine->events.changed(node->engine->events.arg, node->id);
}

static void ack_received(struct node *node, const struct control_ack *ack)
{
    if (ack->error_code) {
        bool whole_was_refused = node->acknowledged == -1;
        log_error("%s: its broker refuses metadata version %lld: %.*s", node->id,
                  (long long)node->sent, STR_ARG(ack->message));
        node->acknowledged = -1;
        if (whole_was_refused) {
            node->refused = true;
            node_end_waiters(node, INT64_MAX, FAIL(PENDING));
        } else {
            node_send_image(node);
        }
        return;
    }
    if (ack->version > node->sent) return; /* not a version we ever gave */
    node->acknowledged = ack->version;
    node_end_waiters(node, ack->version, OK);
    if (node->engine->events.changed)
        node->engine->events.changed(node->engine->events.arg, node->id);
}

static void lags_received(struct node *node, const struct control_lags *told)
{
    if (told->others > 0 && node->lags.others == 0)
        log_warn("%s: its groups have committed more offsets than its broker follows: the lag of %d more is "
                 "not in alerts, metrics and history", node->id, (int)told->others);
    node->lags.others = told->others;
    lags_apply(&node->lags, told);
    if (node->engine->events.changed)
        node->engine->events.changed(node->engine->events.arg, node->id);
}

static void message_received(struct node *node, const struct wire_message *m, const void *object,
                             struct bytes frame)
{
    if (m == &control_hello_message) {
        hello_received(node, object);
    } else if (!node->greeted) {
        node_hang_up(node);
    } else if (m == &control_ack_message) {
        ack_received(node, object);
    } else if (m == &control_admin_message) {
        node_admin_received(node, object);
    } else if (m == &control_audit_message) {
        const struct engine_events *e = &node->engine->events;
        if (e->audit) e->audit(e->arg, node->id, object);
    } else if (m == &control_backup_part_message) {
        node_backup_part(node, object, frame);
    } else if (m == &control_backup_taken_message) {
        node_backup_taken(node, object);
    } else if (m == &control_clients_part_message) {
        node_clients_part(node, object);
    } else if (m == &control_lags_message) {
        lags_received(node, object);
    } else if (m == &control_report_message) {
        node_report_received(node, object);
        if (node->engine->events.changed)
            node->engine->events.changed(node->engine->events.arg, node->id);
    } else {
        node_hang_up(node);
    }
}

static void frame_received(struct stream *stream, struct bytes frame, void *owner)
{
    struct node *node = owner;
    struct arena arena;
    const struct wire_message *message;
    const void *object;
    if (stream != node->control) return;
    arena_init(&arena, FRAME_ARENA);
    status s = control_parse(frame, &arena, &message, &object);
    if (is_ok(s)) message_received(node, message, object, frame);
    if (is_ok(s)) node_heard(node);
    arena_done(&arena);
    if (is_ok(s)) return;
    log_warn("%s: its broker sent a message that cannot be read: %s", node->id, status_text(s));
    node_hang_up(node);
}

/* The connection is over, whoever ended it. */
static void gone(struct node *node)
{
    struct proc_info info;
    node->control = NULL;
    node->greeted = false;
    node->protocol = CONTROL_VERSION_MIN; /* in which the next hello is said */
    loop_timer_clear(node->engine->loop, &node->liveness);
    node->sent = node->acknowledged = -1;
    node_admin_lost(node);
    node_backup_lost(node);
    node_clients_lost(node);
    node_close_clients(node);
    node_end_waiters(node, INT64_MAX, FAIL(PENDING));
    if (supervisor_info(node->engine->supervisor, node->proc_id, &info) &&
        info.state == PROC_RUNNING)
        (void)loop_timer_set(node->engine->loop, &node->redial,
                             loop_now(node->engine->loop) + REDIAL_MS);
}

static void stream_ended(struct stream *stream, status why, void *owner)
{
    struct node *node = owner;
    (void)why;
    if (node && stream == node->control) gone(node);
}

static void connected(struct stream *stream, void *owner)
{
    struct node *node = owner;
    if (stream != node->control) return;
    node_send(node, &control_hello_message,
              &(struct control_hello){ .min_version = CONTROL_VERSION_MIN,
                                       .max_version = CONTROL_VERSION_MAX,
                                       .program = STR("leatd " LEAT_VERSION),
                                       .cluster_id = str_c(node->id), .node_id = -1,
                                       .image_version = -1 });
}

void node_hang_up(struct node *node)
{
    struct stream *stream = TAKE(node->control);
    if (!stream) return;
    stream_set_owner(stream, NULL);
    gone(node);
    stream_close(stream);
}

void node_dial(struct node *node)
{
    static const struct stream_events events = { frame_received, stream_ended, connected, NULL };
    struct engine *engine = node->engine;
    struct proc_info info;
    if (node->control) return;
    if (!supervisor_info(engine->supervisor, node->proc_id, &info) || info.state != PROC_RUNNING)
        return; /* its readiness will be told */
    int dir = supervisor_run_dir(engine->supervisor, node->proc_id);
    status s = stream_connect_unix(engine->loop, dir, CONTROL_SOCKET, FRAME_MAX, &events, node,
                                   &node->control);
    if (is_ok(s)) return;
    node->control = NULL;
    (void)loop_timer_set(engine->loop, &node->redial, loop_now(engine->loop) + REDIAL_MS);
}
