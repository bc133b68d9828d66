/* exchange.c - one request and its answer, between libmicrohttpd and an api handler. Which thread
 * owns it when is written in http_int.h. */
#include "http/http_int.h"

#include "api/access.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/uuid.h"
#include "domain/domain.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <utlist.h>

static struct exchange *exchange_of(const struct api_request *rq)
{
    struct exchange *x = rq->exchange;
    if (x->magic != EXCHANGE_MAGIC) abort();
    return x;
}

/* --- life ------------------------------------------------------------------------------------- */

static void name_request(struct exchange *x)
{
    uint8_t r[16];
    random_bytes(r, sizeof r);
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    snprintf(x->rq.request_id, sizeof x->rq.request_id,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0], r[1],
             r[2],
             r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12], r[13], r[14], r[15]);
}

static void name_address(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info ? info->client_addr : NULL;
    const void *ip = NULL;
    if (a && a->sa_family == AF_INET) ip = &((const struct sockaddr_in *)(const void *)a)->sin_addr;
    if (a && a->sa_family == AF_INET6) {
        ip = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
    }
    if (!ip || !inet_ntop(a->sa_family, ip, x->rq.address, sizeof x->rq.address)) {
        str_copy(x->rq.address, sizeof x->rq.address, STR("unknown"));
    }
}

struct exchange *exchange_new(struct http *http, struct MHD_Connection *connection, const char *uri)
{
    struct exchange *x = mem_zalloc(sizeof *x);
    if (!x) return NULL;
    x->magic = EXCHANGE_MAGIC;
    x->http = http;
    x->connection = connection;
    atomic_init(&x->refs, 1);
    arena_init(&x->arena, HTTP_ARENA_MAX);
    buf_init(&x->body, HTTP_BODY_MAX);
    buf_init(&x->stream, HTTP_STREAM_QUEUE_MAX);
    pthread_mutex_init(&x->lock, NULL);
    struct str whole = arena_str(&x->arena, str_c(uri));
    const char *mark = whole.data ? memchr(whole.data, '?', whole.len) : NULL;
    x->target_len = whole.len;
    x->rq.path = (struct str){ whole.data, mark ? (size_t)(mark - whole.data) : whole.len };
    x->rq.raw_query = mark ? (struct str){ mark + 1, whole.len - x->rq.path.len - 1 } : STR("");
    x->rq.arena = &x->arena;
    x->rq.http = &exchange_http;
    x->rq.exchange = x;
    x->rq.domain = http->domain;
    name_request(x);
    name_address(x);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    x->peer = info ? info->socket_context : NULL;
    pthread_mutex_lock(&http->lock);
    DL_APPEND(http->exchanges, x);
    pthread_mutex_unlock(&http->lock);
    return x;
}

void exchange_unref(struct exchange *x)
{
    if (atomic_fetch_sub(&x->refs, 1) != 1) return;
    struct http *http = x->http;
    pthread_mutex_lock(&http->lock);
    DL_DELETE(http->exchanges, x);
    bool last = http->stopped && !http->exchanges;
    pthread_mutex_unlock(&http->lock);
    if (x->response) MHD_destroy_response(x->response);
    atomic_fetch_sub(&x->http->bodies, x->body.cap);
    json_decref(x->rq.json);
    buf_done(&x->body);
    buf_done(&x->stream);
    arena_done(&x->arena);
    pthread_mutex_destroy(&x->lock);
    x->magic = 0;
    mem_free(x);
    if (last) http_release(http);
}

static void let_go(struct deferred *deferred)
{
    exchange_unref(CONTAINER_OF(deferred, struct exchange, letting_go));
}

void exchange_let_go(struct exchange *x)
{
    x->letting_go.run = let_go;
    if (x->http->stopping) exchange_unref(x); /* the loop turns no more */
    else loop_defer(x->http->domain->loop, &x->letting_go);
}

struct MHD_Response *exchange_plain_error(const struct exchange *x, int http, const char *detail)
{
    bool kafka = x->rq.route && x->rq.route->dialect == KAFKA;
    char text[400];
    int n = kafka ? snprintf(text, sizeof text, "{\"error_code\":%d,\"message\":\"%s\"}", http, detail)
                  : snprintf(text, sizeof text,
                             "{\"errors\":[{\"id\":\"%s\",\"status\":\"%d\",\"code\":\"%s\",\"title\":"
                             "\"%s\",\"detail\":\"%s\",\"source\":{}}]}",
                             x->rq.request_id, http, http == 503 ? "service_unavailable" : "internal_error",
                             http == 503 ? "Service unavailable" : "Internal error", detail);
    struct MHD_Response *r = MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);
    if (r) MHD_add_response_header(r, "Content-Type", "application/json");
    return r;
}

/* --- to the domain thread and back ------------------------------------------------------------ */

static void run_at_domain(struct job *job)
{
    struct exchange *x = CONTAINER_OF(job, struct exchange, job);
    x->rq.db = x->http->domain->db;
    x->rq.route->handler(&x->rq);
}

bool exchange_to_domain(struct exchange *x)
{
    if (atomic_fetch_add(&x->http->at_domain, 1) >= HTTP_DOMAIN_WAITING_MAX) {
        atomic_fetch_sub(&x->http->at_domain, 1);
        api_fail(&x->rq, FAIL(BUSY), NULL);
        return false;
    }
    atomic_fetch_add(&x->refs, 1); /* the handler's, let go when it answers or its stream ends */
    x->suspended = true;
    x->at_domain = true;
    x->rq.db = NULL;
    MHD_suspend_connection(x->connection);
    x->job.done = run_at_domain;
    domain_post(x->http->domain, &x->job);
    return true;
}

/* Stores the answer; wakes the connection when it waits for one. */
static void deliver(struct exchange *x, int code, struct MHD_Response *response)
{
    pthread_mutex_lock(&x->lock);
    if (x->answered && !x->at_domain) abort(); /* a handler answers once */
    if (x->response) MHD_destroy_response(x->response);
    x->answered = true;
    x->status = code;
    x->response = response;
    bool held = x->at_domain;
    x->at_domain = false;
    if (x->suspended && !x->closed) MHD_resume_connection(x->connection);
    x->suspended = false;
    pthread_mutex_unlock(&x->lock);
    if (held) {
        atomic_fetch_sub(&x->http->at_domain, 1);
        exchange_let_go(x);
    }
}

static void release_held(struct hold *hold)
{
    struct exchange *x = CONTAINER_OF(hold, struct exchange, hold);
    struct MHD_Response *response = x->held;
    x->held = NULL;
    deliver(x, x->held_status, response);
}

/* What a handler at the domain answers leaves once all that it may tell of is durable. */
static void answer_with(struct exchange *x, int code, struct MHD_Response *response)
{
    if (x->held) abort(); /* a handler answers once */
    if (x->at_domain && !x->http->stopping && domain_hold(x->http->domain, &x->hold)) {
        x->hold.run = release_held;
        x->held_status = code;
        x->held = response;
        return;
    }
    deliver(x, code, response);
}

/* --- what handlers call ----------------------------------------------------------------------- */

/* A handler whose answer needs a role never asked for it (api/access.def): its answer stays here. */
static json_t *withhold(const struct api_request *rq, json_t *take_body)
{
    log_error("http: %s answered without asking who may have it", rq->route->operation);
    json_decref(take_body);
    if (rq->route->dialect == KAFKA)
        return json_pack("{s:i, s:s}", "error_code", 50002, "message", "The operation checks no role.");
    return json_pack("{s:[{s:s, s:s, s:s, s:s}]}", "errors", "id", rq->request_id, "status", "500", "code",
                     "internal_error", "detail", "The operation checks no role.");
}

static void http_answer(struct api_request *rq, int code, json_t *body)
{
    struct exchange *x = exchange_of(rq);
    if (!access_was_asked(rq, code)) {
        body = withhold(rq, body);
        code = 500;
    }
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct MHD_Response *response;
    if (body && !text) {
        code = 500;
        response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_buffer(text ? strlen(text) : 0, text ? text
                                                   : (void *)"",
                                                   text ? MHD_RESPMEM_MUST_FREE
                                                   : MHD_RESPMEM_PERSISTENT);
        if (!response) free(text); /* tidy: allowed, jansson's */
    }
    json_decref(body);
    if (response && text) MHD_add_response_header(response, "Content-Type", "application/json");
    answer_with(x, code, response);
}

static void http_answer_bytes(struct api_request *rq, int code, const char *type, struct buf *take)
{
    struct exchange *x = exchange_of(rq);
    struct MHD_Response *response = NULL;
    if (!take->failed) {
        response = take->len ? MHD_create_response_from_buffer_with_free_callback(take->len,
            take->data, mem_free)
                             : MHD_create_response_from_buffer(0, (void *)"",
                             MHD_RESPMEM_PERSISTENT);
    }
    if (response && take->len) (void)buf_take(take);
    else buf_done(take);
    if (response) MHD_add_response_header(response, "Content-Type", type);
    answer_with(x, code, response);
}

static struct str http_query(const struct api_request *rq, const char *name, int n)
{
    struct str left = rq->raw_query;
    while (left.len) {
        const char *amp = memchr(left.data, '&', left.len);
        struct str part = { left.data, amp ? (size_t)(amp - left.data) : left.len };
        left = amp ? (struct str){ amp + 1, left.len - part.len - 1 } : STR("");
        const char *equals = part.len ? memchr(part.data, '=', part.len) : NULL;
        struct str key = { part.data, equals ? (size_t)(equals - part.data) : part.len };
        struct str value = equals ? (struct str){ equals + 1, part.len - key.len - 1 } : STR("");
        struct str decoded;
        if (failed(api_decode(rq->arena, key, true, &decoded)) || !str_eq_c(decoded, name)) {
            continue;
        }
        if (n-- > 0) continue;
        return is_ok(api_decode(rq->arena, value, true, &decoded)) ? decoded : STR("");
    }
    return STR_NULL;
}

const char *exchange_header(const struct exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static const char *http_header(const struct api_request *rq, const char *name)
{
    return exchange_header(exchange_of(rq), name);
}

static void http_set_header(struct api_request *rq, const char *name, const char *value)
{
    struct exchange *x = exchange_of(rq);
    if (x->header_count == HTTP_HEADERS_MAX) return;
    if (!str_copy(x->headers[x->header_count].name, sizeof x->headers[0].name, str_c(name))) return;
    if (!str_copy(x->headers[x->header_count].value, sizeof x->headers[0].value, str_c(value))) {
        return;
    }
    x->header_count++;
}

static void http_metrics(struct api_request *rq, struct buf *out)
{
    struct http *http = exchange_of(rq)->http;
    buf_printf(out, "# HELP leat_http_requests_total Requests answered, by class of status.\n"
                    "# TYPE leat_http_requests_total counter\n");
    for (int i = 1; i < 6; i++) {
        buf_printf(out, "leat_http_requests_total{class=\"%dxx\"} %lld\n", i,
                   (long long)atomic_load(&http->by_class[i]));
    }
    buf_printf(out, "# HELP leat_http_rejected_total Messages refused for their framing.\n"
                    "# TYPE leat_http_rejected_total counter\nleat_http_rejected_total %lld\n",
               (long long)atomic_load(&http->rejected));
    buf_printf(out, "# HELP leat_http_limited_total Requests refused because of their rate.\n"
                    "# TYPE leat_http_limited_total counter\nleat_http_limited_total %lld\n",
               (long long)atomic_load(&http->limited));
    buf_printf(out, "# HELP leat_http_cut_total Connections cut off: too slow, or idle "
                    "while the door was nearly full.\n"
                    "# TYPE leat_http_cut_total counter\nleat_http_cut_total %lld\n",
               (long long)peers_cut(http->peers));
    buf_printf(out, "# HELP leat_http_waiting Requests waiting for the domain thread.\n"
                    "# TYPE leat_http_waiting gauge\nleat_http_waiting %d\n",
               atomic_load(&http->at_domain));
}

const struct api_http exchange_http = {
    .query = http_query,
    .header = http_header,
    .set_header = http_set_header,
    .answer = http_answer,
    .answer_bytes = http_answer_bytes,
    .stream_begin = events_begin,
    .stream_event = events_put,
    .stream_event_id = events_put_id,
    .stream_end = events_end,
    .metrics = http_metrics,
};

/* --- out -------------------------------------------------------------------------------------- */

void exchange_common_headers(struct exchange *x, struct MHD_Response *response)
{
    static const char *const fixed[][2] = {
        { "X-Content-Type-Options", "nosniff" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cross-Origin-Resource-Policy", "same-origin" },
        { "Content-Security-Policy",
          "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
          "form-action 'self'; frame-ancestors 'none'" },
    };
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        MHD_add_response_header(response, fixed[i][0], fixed[i][1]);
    }
    if (x->http->tls)
        MHD_add_response_header(response, "Strict-Transport-Security", "max-age=31536000");
    MHD_add_response_header(response, "X-Request-Id", x->rq.request_id);
    for (int i = 0; i < x->header_count; i++) {
        MHD_add_response_header(response, x->headers[i].name, x->headers[i].value);
    }
}

enum MHD_Result exchange_send(struct exchange *x)
{
    pthread_mutex_lock(&x->lock);
    struct MHD_Response *response = x->response;
    int code = x->status;
    x->response = NULL;
    pthread_mutex_unlock(&x->lock);
    if (!response) return MHD_NO; /* no memory even for an answer: close */
    if (!x->streaming) peer_enter(x->peer, PEER_ANSWER);
    if (code >= 500) log_info("http: request %s was answered %d", x->rq.request_id, code);
    exchange_common_headers(x, response);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    if (x->must_close) MHD_add_response_header(response, "Connection", "close");
    atomic_fetch_add(&x->http->requests, 1);
    if (code >= 100 && code < 600) atomic_fetch_add(&x->http->by_class[code / 100], 1);
    enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)code, response);
    MHD_destroy_response(response);
    return result;
}
