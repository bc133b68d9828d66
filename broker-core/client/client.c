/* client.c - one Kafka connection as a client. Loop thread.
 *
 * Kafka answers the requests of a connection in order, so the calls in flight are a queue and each
 * frame belongs to its head. A call that timed out stays in the queue with nobody to tell, since
 * its answer may still come. The first steps (versions, SASL) are calls of our own; what the owner
 * calls meanwhile is encoded and waits, and is sent before `ready` is told. */
#include "client/client.h"

#include "base/mem.h"
#include "wire/header.h"
#include "wire/messages.h"

#include <assert.h>

#define CLIENT_MAGIC 0x434c4e54u
#define REQUEST_MAX (96u << 20)
#define RESPONSE_ARENA_MAX (256u << 20)
#define WAITING_BYTES_MAX (16u << 20)
#define TIMEOUT_DEFAULT_MS 30000
#define API_COUNT 93
#define CORRELATION_AT 8 /* in a frame: behind size, key and version */
#define TEXT_MAX 512
#define API_VERSIONS_VERSION 3
#define SASL_AUTHENTICATE_VERSION 1 /* tells errors apart, and every broker since 2.2 knows it */

enum api { SASL_HANDSHAKE = 17, API_VERSIONS = 18, SASL_AUTHENTICATE = 36 };

enum state { CONNECTING, PREPARING, READY, CLOSED };

struct call {
    struct call *next;
    client_done done; /* NULL: timed out, nobody waits */
    void *arg;
    int64_t deadline;
    int32_t correlation;
    int16_t api_key;
    int16_t version;
    struct buf frame; /* while it waits */
};

struct queue {
    struct call *first, *last;
};

struct client {
    uint32_t magic;
    enum state state;
    struct loop *loop;
    struct stream *stream;
    const struct client_events *events;
    void *owner;
    struct timer timer;
    struct arena arena;
    struct queue sent;
    struct queue waiting; /* for the connection to be ready */
    size_t waiting_bytes;
    int in_flight;        /* both */
    int32_t correlation;
    int timeout_ms;
    int64_t connect_deadline; /* INT64_MAX once ready */
    status why;               /* of a close that we decided on */
    int depth;                /* callbacks under way */
    bool freed;
    struct {
        int16_t min, max; /* max < min: not served */
    } versions[API_COUNT];
    char client_id[TEXT_MAX], user[TEXT_MAX], password[TEXT_MAX], principal[TEXT_MAX];
};

static void client_frame(struct stream *stream, struct bytes frame, void *owner);
static void client_stream_closed(struct stream *stream, status why, void *owner);
static void client_connected(struct stream *stream, void *owner);
static void client_timer(struct timer *timer);

static const struct stream_events stream_events = {
    .frame = client_frame,
    .closed = client_stream_closed,
    .connected = client_connected,
};

/* --- making and freeing ----------------------------------------------------------------------- */

static bool client_copy_options(struct client *c, const struct client_options *o)
{
    return str_copy(c->client_id, TEXT_MAX, o->client_id.data ? o->client_id : STR("leat")) &&
           str_copy(c->user, TEXT_MAX, o->user) && str_copy(c->password, TEXT_MAX, o->password) &&
           str_copy(c->principal, TEXT_MAX, o->principal);
}

static status client_dial(struct client *c, const struct client_options *o)
{
    if (o->unix_name) {
        return stream_connect_unix(c->loop, o->unix_dir, o->unix_name, CLIENT_FRAME_MAX,
                                   &stream_events, c, &c->stream);
    }
    return stream_connect(c->loop, o->addr ? o->addr : "127.0.0.1", o->port, CLIENT_FRAME_MAX,
                          &stream_events, c, &c->stream);
}

status client_new(struct loop *loop, const struct client_options *options,
                  const struct client_events *events, void *owner, struct client **ret_client)
{
    struct client *c = mem_zalloc(sizeof *c);
    if (!c) return FAIL(NO_MEMORY);
    c->magic = CLIENT_MAGIC;
    c->loop = loop;
    c->events = events;
    c->owner = owner;
    c->why = OK;
    c->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_DEFAULT_MS;
    c->connect_deadline = loop_now(loop) + CLIENT_CONNECT_TIMEOUT_MS;
    for (int i = 0; i < API_COUNT; i++) c->versions[i].max = -1;
    arena_init(&c->arena, RESPONSE_ARENA_MAX);
    timer_init(&c->timer, client_timer);
    status made = client_copy_options(c, options) ? client_dial(c, options) : FAIL(INVALID);
    if (is_ok(made)) made = loop_timer_set(loop, &c->timer, c->connect_deadline);
    if (failed(made)) {
        client_free(c);
        return made;
    }
    *ret_client = c;
    return OK;
}

static void client_release(struct client *c)
{
    arena_done(&c->arena);
    c->magic = 0;
    explicit_bzero(c->password, sizeof c->password);
    mem_free(c);
}

static void client_enter(struct client *c)
{
    assert(c->magic == CLIENT_MAGIC);
    c->depth++;
}

/* False when the client is gone. */
static bool client_leave(struct client *c)
{
    bool alive = !c->freed;
    if (--c->depth == 0 && !alive) client_release(c);
    return alive;
}

static void queue_put(struct queue *q, struct call *call)
{
    if (q->last) q->last->next = call;
    else q->first = call;
    q->last = call;
}

static struct call *queue_take(struct queue *q)
{
    struct call *call = q->first;
    if (!call) return NULL;
    q->first = call->next;
    if (!q->first) q->last = NULL;
    call->next = NULL;
    return call;
}

/* Takes a call that is in no queue to its end. */
static void client_finish(struct client *c, struct call *call, status result, const void *response)
{
    c->in_flight--;
    if (call->done) call->done(call->arg, result, response);
    buf_done(&call->frame);
    mem_free(call);
}

static void client_fail_calls(struct client *c, status why)
{
    struct call *call;
    while ((call = queue_take(&c->sent))) client_finish(c, call, why, NULL);
    while ((call = queue_take(&c->waiting))) client_finish(c, call, why, NULL);
    c->waiting_bytes = 0;
}

void client_free(struct client *c)
{
    if (!c || c->freed) return;
    client_enter(c);
    c->freed = true;
    c->state = CLOSED;
    loop_timer_clear(c->loop, &c->timer);
    if (c->stream) stream_close(c->stream);
    client_fail_calls(c, FAIL(CLOSED));
    client_leave(c);
}

/* --- ending ----------------------------------------------------------------------------------- */

static void client_stream_closed(struct stream *stream, status why, void *owner)
{
    struct client *c = owner;
    (void)stream;
    c->stream = NULL;
    if (c->freed) return;
    client_enter(c);
    c->state = CLOSED;
    loop_timer_clear(c->loop, &c->timer);
    status told = failed(c->why) ? c->why : why;
    client_fail_calls(c, failed(c->why) ? c->why : FAIL(CLOSED));
    if (!c->freed && c->events && c->events->closed) c->events->closed(c, told, c->owner);
    client_leave(c);
}

static void client_break(struct client *c, status why)
{
    if (c->state == CLOSED) return;
    c->why = why;
    stream_close(c->stream);
}

/* --- time ------------------------------------------------------------------------------------- */

static int64_t queue_deadline(const struct queue *q, int64_t next)
{
    for (const struct call *call = q->first; call; call = call->next) {
        if (call->done && call->deadline < next) next = call->deadline;
    }
    return next;
}

static void client_rearm(struct client *c)
{
    if (c->state == CLOSED) return;
    int64_t next = queue_deadline(&c->sent, c->connect_deadline);
    next = queue_deadline(&c->waiting, next);
    if (next == INT64_MAX) {
        loop_timer_clear(c->loop, &c->timer);
        return;
    }
    status armed = loop_timer_set(c->loop, &c->timer, next);
    if (failed(armed)) client_break(c, armed);
}

/* The first call whose time is over and that somebody waits for. */
static struct call *queue_overdue(struct queue *q, int64_t now)
{
    for (struct call *call = q->first; call; call = call->next) {
        if (call->done && call->deadline <= now) return call;
    }
    return NULL;
}

static struct call *client_overdue(struct client *c, int64_t now)
{
    struct call *call = queue_overdue(&c->sent, now);
    return call ? call : queue_overdue(&c->waiting, now);
}

static void client_timer(struct timer *timer)
{
    struct client *c = CONTAINER_OF(timer, struct client, timer);
    int64_t now = loop_now(c->loop);
    struct call *call;
    client_enter(c);
    if (now >= c->connect_deadline) client_break(c, FAIL(REQUEST_TIMED_OUT));
    while (!c->freed && (call = client_overdue(c, now))) {
        client_done done = call->done;
        call->done = NULL;
        done(call->arg, FAIL(REQUEST_TIMED_OUT), NULL);
    }
    if (!c->freed) client_rearm(c);
    client_leave(c);
}

/* --- calls ------------------------------------------------------------------------------------ */

int16_t client_version_to(const struct client *c, int16_t api_key, int16_t highest)
{
    const struct wire_message *m = wire_request(api_key);
    if (!m || api_key >= API_COUNT) return -1;
    int16_t max = m->unstable_last ? (int16_t)(m->max_version - 1) : m->max_version;
    int16_t min = m->min_version;
    if (c->versions[api_key].max < max) max = c->versions[api_key].max;
    if (c->versions[api_key].min > min) min = c->versions[api_key].min;
    if (highest < max) max = highest;
    return max >= min ? max : -1;
}

int16_t client_version(const struct client *c, int16_t api_key)
{
    return client_version_to(c, api_key, INT16_MAX);
}

bool client_ready(const struct client *c) { return c->state == READY; }
int client_in_flight(const struct client *c) { return c->in_flight; }

static status client_send(struct client *c, struct call *call)
{
    call->correlation = c->correlation;
    put_be32(call->frame.data + CORRELATION_AT, (uint32_t)call->correlation);
    TRY(stream_send(c->stream, &call->frame));
    c->correlation = c->correlation == INT32_MAX ? 0 : c->correlation + 1;
    queue_put(&c->sent, call);
    return OK;
}

static status client_wait(struct client *c, struct call *call)
{
    if (call->frame.len > WAITING_BYTES_MAX - c->waiting_bytes) return FAIL(BUSY);
    c->waiting_bytes += call->frame.len;
    queue_put(&c->waiting, call);
    return OK;
}

static status client_start(struct client *c, int16_t api_key, int16_t version, const void *request,
                           int timeout_ms, bool wait, client_done done, void *arg)
{
    if (c->in_flight >= CLIENT_IN_FLIGHT_MAX) return FAIL(BUSY);
    struct call *call = mem_zalloc(sizeof *call);
    if (!call) return FAIL(NO_MEMORY);
    *call = (struct call){ .done = done,
                           .arg = arg,
                           .deadline = loop_now(c->loop) + timeout_ms,
                           .api_key = api_key,
                           .version = version };
    buf_init(&call->frame, REQUEST_MAX);
    status started =
        request_frame(&call->frame, api_key, version, 0, str_c(c->client_id), request);
    if (is_ok(started)) started = wait ? client_wait(c, call) : client_send(c, call);
    if (failed(started)) {
        buf_done(&call->frame);
        mem_free(call);
        return started;
    }
    c->in_flight++;
    if (c->timer.slot == 0 || call->deadline < c->timer.at) client_rearm(c);
    return OK;
}

/* One of our own first steps. */
static void client_step(struct client *c, int16_t api_key, int16_t version, const void *request,
                        client_done done)
{
    status sent = client_start(c, api_key, version, request, c->timeout_ms, false, done, c);
    if (failed(sent)) client_break(c, sent);
}

/* What waited goes out, unless nobody waits for it any more or the other side does not know it. */
static void client_send_waiting(struct client *c)
{
    struct call *call;
    c->waiting_bytes = 0;
    while (!c->freed && c->state == READY && (call = queue_take(&c->waiting))) {
        bool known = call->version >= c->versions[call->api_key].min &&
                     call->version <= c->versions[call->api_key].max;
        status sent = !call->done ? FAIL(REQUEST_TIMED_OUT)
                      : known     ? client_send(c, call)
                                  : FAIL(UNSUPPORTED_VERSION);
        if (failed(sent)) client_finish(c, call, sent, NULL);
    }
}

static int16_t highest_known(int16_t api_key)
{
    const struct wire_message *m = wire_request(api_key);
    return m ? (int16_t)(m->max_version - m->unstable_last) : -1;
}

status client_call_within(struct client *c, int16_t api_key, int16_t version, const void *request,
                          int timeout_ms, client_done done, void *arg)
{
    assert(c->magic == CLIENT_MAGIC && done);
    bool wait = c->state == CONNECTING || c->state == PREPARING;
    if (c->state == CLOSED) return FAIL(CLOSED);
    if (version < 0) version = wait ? highest_known(api_key) : client_version(c, api_key);
    if (version < 0 || api_key < 0 || api_key >= API_COUNT) return FAIL(UNSUPPORTED_VERSION);
    return client_start(c, api_key, version, request, timeout_ms, wait, done, arg);
}

status client_call(struct client *c, int16_t api_key, int16_t version, const void *request,
                   client_done done, void *arg)
{
    return client_call_within(c, api_key, version, request, c->timeout_ms, done, arg);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* An ApiVersions answer with an error is of version 0, whatever was asked. */
static int16_t response_version(const struct call *call, struct bytes body)
{
    bool unsupported = call->api_key == API_VERSIONS && body.len >= 2 && get_be16(body.data) != 0;
    return unsupported ? 0 : call->version;
}

static status client_decode(struct client *c, const struct call *call, struct bytes frame,
                            void **ret_response)
{
    int32_t correlation;
    size_t at;
    const struct wire_message *m = wire_response(call->api_key);
    TRY(response_header_parse(frame, call->api_key, call->version, &correlation, &at));
    struct bytes body = { frame.data + at, frame.len - at };
    if (correlation != call->correlation) return FAIL(MALFORMED);
    void *response = arena_alloc(&c->arena, wire_object_size(m));
    if (!response) return FAIL(NO_MEMORY);
    TRY(wire_decode(m, response_version(call, body), body, &c->arena, response, NULL));
    *ret_response = response;
    return OK;
}

static void client_frame(struct stream *stream, struct bytes frame, void *owner)
{
    struct client *c = owner;
    struct call *call = c->sent.first;
    (void)stream;
    client_enter(c);
    if (!call) {
        client_break(c, FAIL(MALFORMED));
        client_leave(c);
        return;
    }
    void *response = NULL;
    status result = client_decode(c, call, frame, &response);
    client_finish(c, queue_take(&c->sent), result, response);
    if (!c->freed) {
        arena_reset(&c->arena);
        /* Whoever cannot be understood once will not be understood again. */
        if (failed(result)) client_break(c, result);
        else if (c->state == READY && !c->sent.first) client_rearm(c);
    }
    client_leave(c);
}

/* --- the first steps -------------------------------------------------------------------------- */

static void client_ask_versions(struct client *c, int16_t version);

static void client_prepared(struct client *c)
{
    c->state = READY;
    c->connect_deadline = INT64_MAX;
    explicit_bzero(c->password, sizeof c->password);
    client_rearm(c);
    client_send_waiting(c);
    if (c->freed || c->state != READY) return;
    if (c->events && c->events->ready) c->events->ready(c, c->owner);
}

static void client_authenticated(void *arg, status result, const void *response)
{
    struct client *c = arg;
    const struct sasl_authenticate_response *r = response;
    if (failed(result) || c->state != PREPARING) return;
    if (r->error_code) client_break(c, status_from_kafka(r->error_code));
    else client_prepared(c);
}

static void client_authenticate(struct client *c)
{
    struct sasl_authenticate_request rq;
    uint8_t token[2 * TEXT_MAX + 2];
    wire_default(&sasl_authenticate_request_message, &rq);
    if (c->principal[0]) {
        rq.auth_bytes = str_bytes(str_c(c->principal));
    } else { /* RFC 4616: no authorization identity, then name and password behind NULs */
        size_t user = strlen(c->user), password = strlen(c->password);
        token[0] = token[1 + user] = 0;
        memcpy(token + 1, c->user, user);
        memcpy(token + 2 + user, c->password, password);
        rq.auth_bytes = bytes_of(token, 2 + user + password);
    }
    client_step(c, SASL_AUTHENTICATE, SASL_AUTHENTICATE_VERSION, &rq, client_authenticated);
    explicit_bzero(token, sizeof token);
}

static void client_shook_hands(void *arg, status result, const void *response)
{
    struct client *c = arg;
    const struct sasl_handshake_response *r = response;
    if (failed(result) || c->state != PREPARING) return;
    if (r->error_code) client_break(c, status_from_kafka(r->error_code));
    else client_authenticate(c);
}

static void client_shake_hands(struct client *c)
{
    struct sasl_handshake_request rq;
    wire_default(&sasl_handshake_request_message, &rq);
    rq.mechanism = c->principal[0] ? STR("LEAT-PRINCIPAL") : STR("PLAIN");
    client_step(c, SASL_HANDSHAKE, 1, &rq, client_shook_hands);
}

static void client_got_versions(void *arg, status result, const void *response)
{
    struct client *c = arg;
    const struct api_versions_response *r = response;
    if (failed(result) || c->state != PREPARING) return;
    if (r->error_code == status_kafka(FAIL(UNSUPPORTED_VERSION)) && c->correlation == 1) {
        client_ask_versions(c, 0);
        return;
    }
    if (r->error_code) {
        client_break(c, status_from_kafka(r->error_code));
        return;
    }
    for (int32_t i = 0; i < r->api_keys_count; i++) {
        int16_t key = r->api_keys[i].api_key;
        if (key < 0 || key >= API_COUNT) continue;
        c->versions[key].min = r->api_keys[i].min_version;
        c->versions[key].max = r->api_keys[i].max_version;
    }
    if (c->user[0] || c->principal[0]) client_shake_hands(c);
    else client_prepared(c);
}

static void client_ask_versions(struct client *c, int16_t version)
{
    struct api_versions_request rq;
    wire_default(&api_versions_request_message, &rq);
    rq.client_software_name = STR("leat");
    rq.client_software_version = STR(LEAT_VERSION);
    client_step(c, API_VERSIONS, version, &rq, client_got_versions);
}

static void client_connected(struct stream *stream, void *owner)
{
    struct client *c = owner;
    (void)stream;
    client_enter(c);
    c->state = PREPARING;
    client_ask_versions(c, API_VERSIONS_VERSION);
    client_leave(c);
}
