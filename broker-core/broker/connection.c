/* connection.c - one client's connection, on the loop thread.
 *
 * Invariants: replies leave in the order of their requests; a request is on its connection's list
 * from arrival until its reply was queued for sending, or belongs to nobody (connection NULL) after
 * the connection ended; the connection's memory goes at the end of the turn in which it ended. */
#include "broker/connection.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/api_versions.h"
#include "broker/audit.h"
#include "broker/authorizer.h"
#include "broker/client_list.h"
#include "broker/connection_rate.h"
#include "broker/control.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTION_MAGIC 0x434f4e4eu
#define ARENA_MAX (16u << 20) /* beside the size of the frame itself */
#define REPLY_MAX (128u << 20)
#define FRAME_MAX_DEFAULT (100u << 20) /* socket.request.max.bytes */
#define FRAME_SLACK (1u << 20)
#define LARGE (256u << 10) /* a request or reply that leaves memory to give back */
#define SASL_HANDSHAKE_KEY 17
#define SASL_AUTHENTICATE_KEY 36

static void connection_frame(struct stream *stream, struct bytes frame, void *owner);
static void connection_ended(struct stream *stream, status why, void *owner);
static void connection_connected(struct stream *stream, void *owner);
static void connection_drained(struct stream *stream, void *owner);
static void connection_flush(struct connection *c);
static void connection_finish(struct connection *c);
static void connection_reading(struct connection *c);
static void connection_free(struct deferred *d);
static void connection_unmute(struct timer *timer);
static void connection_idle(struct timer *timer);
static void request_free(struct request *r);

static const struct stream_events connection_events = {
    .frame = connection_frame,
    .closed = connection_ended,
    .connected = connection_connected,
    .drained = connection_drained,
};

/* --- life --------------------------------------------------------------------------------------- */

static size_t connection_frame_max(const struct connection *c)
{
    if (!c->authenticated) return CONNECTION_FRAME_BEFORE_AUTH;
    int64_t plan = c->broker->image->limits.message_bytes;
    if (plan < 0 || plan > FRAME_MAX_DEFAULT - FRAME_SLACK) return FRAME_MAX_DEFAULT;
    return (size_t)plan + FRAME_SLACK;
}

/* Only this user or root may speak on the Unix socket: who connects is leatd. */
static bool connection_trusted_peer(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0) return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

static bool connection_admitted(struct broker *b, int fd, bool local)
{
    if (b->stopping) return false;
    if (local) return connection_trusted_peer(fd);
    int64_t max = b->image->limits.connections;
    return max < 0 || b->connection_count < max;
}

static status connection_stream(struct connection *c, int fd)
{
    struct loop *loop = c->broker->loop;
    size_t max = connection_frame_max(c);
    if (!c->endpoint || !c->endpoint->tls)
        return stream_accept(loop, fd, max, &connection_events, c, &c->stream);
    return stream_accept_tls(loop, fd, c->endpoint->tls, max, &connection_events, c, &c->stream);
}

void connection_accept(struct broker *b, int fd, const struct endpoint *endpoint)
{
    bool local = !endpoint;
    if (!local && connection_rate_exceeded(b, fd)) return;
    struct connection *c = connection_admitted(b, fd, local) ? mem_zalloc(sizeof *c) : NULL;
    if (!c) {
        close(fd);
        b->stats.connections_refused++;
        return;
    }
    c->magic = CONNECTION_MAGIC;
    c->broker = b;
    c->local = local;
    c->endpoint = endpoint;
    c->authenticated = endpoint && endpoint->options->security == SECURITY_PLAINTEXT;
    c->principal = c->authenticated ? STR(PRINCIPAL_ANONYMOUS) : STR_NULL;
    c->last_active = c->connected_at = loop_now(b->loop);
    c->session_until = -1;
    c->end.run = connection_free;
    timer_init(&c->mute, connection_unmute);
    timer_init(&c->idle, connection_idle);
    sasl_init(&c->sasl, local);
    if (failed(connection_stream(c, fd))) {
        sasl_done(&c->sasl);
        mem_free(c);
        b->stats.connections_refused++;
        return;
    }
    str_copy(c->host, sizeof c->host, local ? STR("127.0.0.1") : str_c(stream_peer(c->stream)));
    DL_APPEND(b->connections, c);
    if (!local) b->connection_count++;
    b->stats.connections_opened++;
    control_touch(b->control);
    if (!local && b->options.max_idle_ms > 0)
        (void)loop_timer_set(b->loop, &c->idle, c->last_active + b->options.max_idle_ms);
}

void connection_close(struct connection *c)
{
    if (c->stream) stream_close(c->stream);
}

static void connection_ended(struct stream *stream, status why, void *owner)
{
    struct connection *c = owner;
    assert(c->magic == CONNECTION_MAGIC && c->stream == stream);
    struct broker *b = c->broker;
    if (stream_trouble(stream)) {
        log_warn("client %s on the %s port: %s; connection closed", c->host,
                 c->endpoint ? security_name(c->endpoint->options->security) : "local",
                 stream_trouble(stream));
        if (!c->authenticated && !c->local)
            audit_note(b->audit, AUDIT_TLS_FAILED, STR(""), c->host, "", stream_trouble(stream));
    }
    if (why.code == E_LIMIT)
        log_warn("client %s sent a frame larger than %zu bytes; connection closed", c->host,
                 connection_frame_max(c));
    c->stream = NULL;
    c->closing = true;
    c->working = NULL;
    client_lists_gone(b->client_lists, c);
    client_done(c);
    DL_DELETE(b->connections, c);
    if (!c->local) b->connection_count--;
    b->stats.connections_closed++;
    control_touch(b->control);
    loop_timer_clear(b->loop, &c->mute);
    loop_timer_clear(b->loop, &c->idle);
    for (struct request *r = c->first; r; r = c->first) {
        DL_DELETE(c->first, r);
        r->connection = NULL;
        if (r->answered) request_free(r);
        else if (r->abandoned) r->abandoned(r);
    }
    c->queued = 0;
    loop_defer(b->loop, &c->end);
}

static void connection_free(struct deferred *d)
{
    struct connection *c = CONTAINER_OF(d, struct connection, end);
    assert(c->magic == CONNECTION_MAGIC);
    c->magic = 0;
    sasl_done(&c->sasl);
    mem_free(c);
}

void connection_authenticated(struct connection *c)
{
    c->authenticated = true;
    c->login = sasl_login(&c->sasl);
    c->principal = sasl_principal(&c->sasl);
    if (c->stream) stream_set_max_frame(c->stream, connection_frame_max(c));
}

/* The TLS handshake is over: who came with a certificate is known already. */
static void connection_connected(struct stream *stream, void *owner)
{
    struct connection *c = owner;
    const char *name = stream_client_name(stream);
    bool anonymous = !*name && c->endpoint->options->security == SECURITY_SSL;
    if (!*name && !anonymous) return;
    if (failed(sasl_external(&c->sasl, anonymous ? STR("ANONYMOUS") : str_c(name)))) {
        log_warn("client %s: the name in its certificate is too long; connection closed", c->host);
        connection_close(c);
        return;
    }
    connection_authenticated(c);
    if (!anonymous) audit_note(c->broker->audit, AUDIT_LOGIN, c->principal, c->host, "", "certificate");
}

void connection_limits_changed(struct connection *c)
{
    if (c->stream) stream_set_max_frame(c->stream, connection_frame_max(c));
}

static void connection_idle(struct timer *timer)
{
    struct connection *c = CONTAINER_OF(timer, struct connection, idle);
    int64_t until = c->last_active + c->broker->options.max_idle_ms;
    int64_t now = loop_now(c->broker->loop);
    if (c->queued) until = now + c->broker->options.max_idle_ms;
    if (until > now) (void)loop_timer_set(c->broker->loop, timer, until);
    else connection_close(c);
}

/* --- when to read --------------------------------------------------------------------------------- */

static void connection_reading(struct connection *c)
{
    if (!c->stream || c->closing) return;
    bool pause = c->muted || c->held || c->over_memory || c->queued >= CONNECTION_QUEUE ||
                 stream_unsent(c->stream) > CONNECTION_UNSENT_MAX;
    if (pause == c->paused) return;
    c->paused = pause;
    if (pause) stream_pause(c->stream);
    else stream_resume(c->stream);
}

static void connection_drained(struct stream *stream, void *owner)
{
    (void)stream;
    connection_reading(owner);
}

static void connection_unmute(struct timer *timer)
{
    struct connection *c = CONTAINER_OF(timer, struct connection, mute);
    c->muted = false;
    connection_reading(c);
}

/* KIP-219: replies still go out at once, but the client is not read for a while. From the moment of the
 * charge: what a pipelining client has sent ahead would be taken in otherwise. */
static void connection_throttle(struct connection *c, int32_t ms)
{
    struct broker *b = c->broker;
    b->stats.throttle_ms += ms;
    b->stats.throttled_requests++;
    int64_t until = loop_now(b->loop) + ms;
    if (c->muted && c->mute.at > until) return;
    c->muted = is_ok(loop_timer_set(b->loop, &c->mute, until));
    connection_reading(c);
}

void request_hold(struct request *r, bool hold)
{
    if (!r->connection) return;
    r->connection->held = hold;
    connection_reading(r->connection);
}

void request_throttle(struct request *r, int32_t ms)
{
    if (ms <= 0 || r->throttled || !r->connection) return;
    r->throttled = true;
    connection_throttle(r->connection, ms);
}

static int64_t memory_budget(const struct broker *b)
{
    int64_t budget = b->image->limits.memory_bytes;
    return budget > 0 ? budget : INT64_MAX;
}

static void memory_take(struct connection *c, size_t bytes)
{
    struct broker *b = c->broker;
    b->memory_used += (int64_t)bytes;
    if (b->memory_used <= memory_budget(b)) return;
    c->over_memory = true;
    b->memory_short = true;
}

static void memory_give_back(struct broker *b, size_t bytes)
{
    b->memory_used -= (int64_t)bytes;
    if (!b->memory_short || b->memory_used > memory_budget(b) / 2) return;
    b->memory_short = false;
    struct connection *c, *next;
    DL_FOREACH_SAFE(b->connections, c, next) {
        if (!c->over_memory) continue;
        c->over_memory = false;
        connection_reading(c);
    }
}

/* --- requests in ------------------------------------------------------------------------------------ */

/* Ends the connection after what is answered already. */
static void connection_refuse(struct connection *c, const char *why)
{
    log_warn("client %s%s%s: %s; connection closed", c->host, *c->software ? " " : "", c->software,
             why);
    c->broker->stats.failed_requests++;
    c->closing = true;
    if (!c->first && c->stream) connection_finish(c);
    else if (c->stream) stream_pause(c->stream); /* connection_flush ends it */
}

static struct request *request_new(struct connection *c, const struct handler *handler,
                                   const struct request_header *header, size_t frame_bytes)
{
    struct request *r = request_take(c->broker, ARENA_MAX + frame_bytes, REPLY_MAX);
    if (!r) return NULL;
    r->arena = &r->memory;
    r->broker = c->broker;
    r->handler = handler;
    r->header = *header;
    r->version = header->api_version;
    r->principal = arena_str(r->arena, c->principal);
    r->client_host = arena_str(r->arena, str_c(c->host));
    r->client_id = r->header.client_id = arena_str(r->arena, header->client_id);
    r->endpoint = c->endpoint ? c->endpoint : &c->broker->endpoints[0];
    r->local = c->local;
    r->super = c->local && str_eq(c->principal, AUTHORIZER_SUPER);
    r->frame_bytes = frame_bytes;
    r->arrived = loop_now(c->broker->loop);
    if (r->arena->failed) {
        request_free(r);
        return NULL;
    }
    return r;
}

static void connection_append(struct connection *c, struct request *r)
{
    r->connection = c;
    DL_APPEND(c->first, r);
    c->queued++;
    r->charged = r->frame_bytes;
    memory_take(c, r->charged);
}

static void connection_refuse_version(struct connection *c, const struct request_header *h)
{
    char why[256];
    snprintf(why, sizeof why, "\"%.*s\" asked for %s (key %d) version %d, which is not served",
             (int)(h->client_id.len > 64 ? 64 : h->client_id.len), h->client_id.data,
             wire_api_name(h->api_key), h->api_key, h->api_version);
    connection_refuse(c, why);
}

static status request_decode(struct request *r, struct bytes body)
{
    const struct wire_message *m = r->header.request;
    r->body = arena_alloc(r->arena, wire_object_size(m));
    if (!(r->handler->flags & HANDLER_BORROWS)) body = arena_bytes(r->arena, body);
    TRY(arena_check(r->arena));
    return wire_decode(m, r->version, body, r->arena, r->body, NULL);
}

static void connection_request(struct connection *c, struct bytes frame)
{
    struct request_header header;
    size_t body_at;
    if (failed(request_header_parse(frame, &header, &body_at))) {
        connection_refuse(c, "the request header cannot be read");
        return;
    }
    const struct handler *handler = handler_find(header.api_key);
    bool served = handler && header.request && header.api_version >= handler->min_version &&
                  header.api_version <= handler->max_version;
    bool fallback = !served && header.api_key == API_VERSIONS_KEY;
    if (!served && !fallback) {
        connection_refuse_version(c, &header);
        return;
    }
    if (!c->authenticated && !(handler->flags & HANDLER_BEFORE_AUTH)) {
        connection_refuse(c, "a request came before authentication");
        return;
    }
    bool authenticates = header.api_key == SASL_HANDSHAKE_KEY || header.api_key == SASL_AUTHENTICATE_KEY;
    if (c->session_until >= 0 && loop_now(c->broker->loop) >= c->session_until && !authenticates) {
        connection_refuse(c, "its session has expired and it did not authenticate again");
        return;
    }
    struct request *r = request_new(c, handler, &header, frame.len);
    if (!r) {
        connection_refuse(c, "no memory for a request");
        return;
    }
    client_named(c, header.client_id);
    quota_work_begin(r);
    struct bytes body = bytes_of(frame.data + body_at, frame.len - body_at);
    status decoded = fallback ? OK : request_decode(r, body);
    if (failed(decoded)) {
        char why[256];
        snprintf(why, sizeof why, "\"%.*s\" sent a %s request version %d that cannot be read (%s)",
                 (int)(header.client_id.len > 64 ? 64 : header.client_id.len), header.client_id.data,
                 wire_api_name(header.api_key), header.api_version, status_name(decoded));
        request_free(r);
        connection_refuse(c, why);
        return;
    }
    connection_append(c, r);
    c->working = r;
    if (fallback) api_versions_refuse(r);
    else handler->handle(r);
    if (c->working) quota_work_pause(r); /* it waits for its answer */
    c->working = NULL;
}

static void connection_frame(struct stream *stream, struct bytes frame, void *owner)
{
    struct connection *c = owner;
    assert(c->magic == CONNECTION_MAGIC && c->stream == stream);
    if (c->closing) return;
    struct broker *b = c->broker;
    c->last_active = loop_now(b->loop);
    b->stats.requests++;
    b->stats.request_bytes += (int64_t)frame.len + 4;
    if (c->raw_tokens && !c->authenticated) connection_raw_token(c, frame);
    else connection_request(c, frame);
    connection_reading(c);
}

/* --- replies out -------------------------------------------------------------------------------------- */

static void request_free(struct request *r)
{
    if (r->charged) memory_give_back(r->broker, r->charged);
    request_drop_parts(r);
    request_give(r->broker, r);
}

/* Nothing more is read or answered; the connection ends when the client has what was sent. */
static void connection_finish(struct connection *c)
{
    c->closing = c->finished = true;
    stream_close_when_sent(c->stream);
}

/* The first request is answered: its bytes go, and what it asked for the connection happens. */
static void connection_send_first(struct connection *c)
{
    struct request *r = c->first;
    DL_DELETE(c->first, r);
    c->queued--;
    r->connection = NULL;
    c->broker->stats.reply_bytes += (int64_t)r->reply.len;
    for (int i = 0; i < r->part_count; i++) c->broker->stats.reply_bytes += (int64_t)r->parts[i].len;
    control_touch(c->broker->control);
    bool close = r->close_after;
    if (r->reply.len >= LARGE || r->frame_bytes >= LARGE) broker_used_memory(c->broker);
    status sent = r->silent ? OK
                  : r->part_count ? stream_send_parts(c->stream, &r->reply, TAKE(r->parts), r->part_count)
                  : r->reply.len <= STREAM_COPY_MAX ? stream_send_copy(c->stream, buf_bytes(&r->reply))
                                                    : stream_send(c->stream, &r->reply);
    request_free(r);
    if (failed(sent)) {
        connection_close(c);
        return;
    }
    if (close) connection_finish(c);
}

static void connection_flush(struct connection *c)
{
    while (c->stream && !c->finished && c->first && c->first->answered) connection_send_first(c);
    if (!c->stream || c->finished) return;
    if (c->closing && !c->first) connection_finish(c);
    else connection_reading(c);
}

static void request_answered(struct request *r)
{
    assert(!r->answered);
    r->answered = true;
    struct connection *c = r->connection;
    if (c && c->working == r) c->working = NULL;
    if (!c) {
        request_free(r);
        return;
    }
    if (r->reply.len) {
        memory_take(c, r->reply.len);
        r->charged += r->reply.len;
    }
    if (c->first == r) connection_flush(c);
}

status request_add_part(struct request *r, struct stream_source *source, size_t len)
{
    int count = r->part_count;
    if ((count & (count - 1)) == 0) { /* grows at powers of two */
        size_t cap = count ? (size_t)count * 2 : 1;
        struct stream_part *parts = mem_realloc(r->parts, cap * sizeof *parts);
        if (!parts) return FAIL(NO_MEMORY);
        r->parts = parts;
    }
    r->parts[r->part_count++] = (struct stream_part){ .len = len, .source = source };
    return OK;
}

void request_drop_parts(struct request *r)
{
    if (r->parts) stream_parts_free(TAKE(r->parts), r->part_count);
    r->part_count = 0;
}

static status request_place_parts(struct request *r, const struct buf *holes)
{
    const struct wire_gap *gaps = (const void *)holes->data;
    if (holes->len != (size_t)r->part_count * sizeof *gaps) return FAIL(INVALID);
    for (int i = 0; i < r->part_count; i++) {
        assert(gaps[i].len == r->parts[i].len);
        r->parts[i].at = gaps[i].at;
    }
    return OK;
}

static bool request_encode(struct request *r, const void *response)
{
    if (!r->connection) return true;
    bool error = false;
    struct buf holes;
    buf_init(&holes, (size_t)r->part_count * sizeof(struct wire_gap));
    status encoded = r->arena->failed ? FAIL(NO_MEMORY)
                                      : response_frame_with_holes(&r->reply, &r->header, r->version,
                                                                  response, &holes, &error);
    if (error) r->broker->stats.failed_requests++;
    if (is_ok(encoded)) encoded = request_place_parts(r, &holes);
    buf_done(&holes);
    if (is_ok(encoded)) return true;
    log_warn("the answer to %s version %d for client %s cannot be written (%s)",
             wire_api_name(r->header.api_key), r->version, r->connection->host,
             status_name(encoded));
    return false;
}

/* The answer says how long its client is throttled by quotas that its handler does not know of. */
static void request_put_throttle(struct request *r, const void *response)
{
    int32_t *told = wire_find_int32(wire_response(r->header.api_key), r->version, "ThrottleTimeMs",
                                    (void *)response);
    if (told && *told < r->throttle_ms) *told = r->throttle_ms;
    if (r->connection) connection_throttle(r->connection, r->throttle_ms);
}

void request_reply_throttled(struct request *r, const void *response, int32_t throttle_ms)
{
    request_throttle(r, throttle_ms);
    quota_work_done(r);
    if (r->throttle_ms > 0) request_put_throttle(r, response);
    quota_work_begin(r);
    bool encoded = request_encode(r, response);
    quota_work_pause(r);
    if (!encoded) {
        r->silent = r->close_after = true;
        request_drop_parts(r);
        buf_done(&r->reply);
    }
    request_answered(r);
}

void request_reply(struct request *r, const void *response)
{
    request_reply_throttled(r, response, 0);
}

void request_reply_and_close(struct request *r, const void *response)
{
    r->close_after = true;
    request_reply_throttled(r, response, 0);
}

void request_no_reply(struct request *r, int32_t throttle_ms)
{
    r->silent = true;
    r->work_since = 0; /* as in Kafka, its time is nobody's */
    request_throttle(r, throttle_ms);
    request_answered(r);
}

void request_close(struct request *r, const char *why)
{
    if (r->connection)
        log_warn("client %s, %s version %d: %s; connection closed", r->connection->host,
                 wire_api_name(r->header.api_key), r->header.api_version, why);
    r->broker->stats.failed_requests++;
    r->silent = r->close_after = true;
    request_answered(r);
}

void request_drop(struct request *r)
{
    r->silent = r->close_after = true;
    request_answered(r);
}

bool request_out_of_memory(struct request *r)
{
    if (!r->arena->failed) return false;
    request_close(r, "the request needs more memory than it may use");
    return true;
}
