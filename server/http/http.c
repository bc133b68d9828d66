/* http.c - the daemon: listening socket, the library's threads, and the path of a request through
 * framing, routing, authentication, body and handler. All of it on HTTP threads. */
#include "http/http.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "domain/domain.h"
#include "http/http_int.h"
#include "http/tls_files.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

/* --- this thread's database ------------------------------------------------------------------- */

static _Thread_local struct db *reader;

static struct db *reader_get(struct http *http)
{
    if (reader) return reader;
    char path[1024];
    struct db *db = NULL;
    snprintf(path, sizeof path, "%s/leat.db", http->data_dir);
    pthread_mutex_lock(&http->lock);
    if (http->reader_count < (int)ARRAY_LEN(http->readers) && is_ok(db_open_reader(path, &db))) {
        http->readers[http->reader_count++] = db;
    }
    pthread_mutex_unlock(&http->lock);
    reader = db;
    return db;
}

/* --- the first look at a request -------------------------------------------------------------- */

static bool method_of(const char *name, enum api_method *ret)
{
    if (strcmp(name, "HEAD") == 0) name = "GET"; /* the library leaves the body out */
    for (int i = 0; i < METHOD_COUNT; i++) {
        if (strcmp(name, api_method_name((enum api_method)i)) == 0) {
            *ret = (enum api_method)i;
            return true;
        }
    }
    return false;
}

/* "https://host:port" or http as the client named us; only what a host and port may hold. */
static void base_url(struct exchange *x)
{
    const char *host = exchange_header(x, "Host");
    bool fine = host && host[0] && strlen(host) < 260;
    for (const char *p = host; fine && *p; p++) {
        fine = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
               strchr(".-_:[]", *p);
    }
    const char *scheme = x->http->tls ? "https" : "http";
    x->rq.base_url = arena_printf(&x->arena, "%s://%s", scheme, fine ? host : x->http->authority);
}

static void allow_header(struct exchange *x)
{
    char text[64] = "";
    size_t n = 0;
    enum api_method asked = x->rq.method;
    for (int m = 0; m < METHOD_COUNT; m++) {
        x->rq.method = (enum api_method)m;
        if (failed(api_match(&x->rq))) continue;
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? ", " : "",
                              api_method_name((enum api_method)m));
    }
    x->rq.method = asked;
    (void)api_match(&x->rq);
    x->rq.http->set_header(&x->rq, "Allow", text);
}

/* Answers what has no handler. The dialect of an unknown path is guessed from its beginning. */
static void no_route(struct exchange *x, status why)
{
    static const struct api_route unknown_kafka = { .dialect = KAFKA },
        unknown = { .dialect = CONTROL };
    bool kafka = str_starts(x->rq.path, STR("/kafka/")) || str_starts(x->rq.path, STR("/v3/"));
    if (why.code == E_UNSUPPORTED_VERSION) allow_header(x);
    if (!x->rq.route) x->rq.route = kafka ? &unknown_kafka : &unknown;
    int http = why.code == E_UNSUPPORTED_VERSION ? 405 : why.code == E_NOT_FOUND ? 404 : 400;
    const char *detail = http == 405 ? "This path exists, but not for this method."
                         : http == 404 ? "There is no such path in this API."
                                       : "The path holds a broken percent-escape or text that is not UTF-8.";
    if (x->rq.route->dialect == KAFKA) api_fail_kafka(&x->rq, http, http, detail);
    else api_fail_at(&x->rq, http, NULL, detail, NULL, NULL);
}

/* A name that the client gave, when it can stand in a log and in a header. */
static void take_request_id(struct exchange *x)
{
    const char *id = exchange_header(x, "X-Request-Id");
    size_t n = id ? strlen(id) : 0;
    if (n == 0 || n >= sizeof x->rq.request_id) return;
    for (const char *p = id; *p; p++) {
        bool fine = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    strchr(".-_:", *p);
        if (!fine) return;
    }
    memcpy(x->rq.request_id, id, n + 1);
}

static bool too_long(struct exchange *x)
{
    static const struct api_route none = { .dialect = CONTROL };
    int http = 0;
    if (x->rq.path.len + x->rq.raw_query.len > HTTP_TARGET_MAX) http = 414;
    else if (framing_headers(x->connection) > HTTP_HEADER_COUNT_MAX) http = 431;
    if (!http) return false;
    x->rq.route = &none;
    x->must_close = true;
    api_fail_at(&x->rq, http, NULL,
                http == 414 ? "The path and query are longer than 8192 bytes."
                            : "There are more than 100 headers.", NULL, NULL);
    return true;
}

/* Everything that can be decided from the headers. True: go on to the body and the handler. */
static bool admit(struct exchange *x, const char *url, const char *method, const char *version)
{
    static const struct api_route none = { .dialect = CONTROL };
    const char *fault = framing_target_fault(url, x->target_len, version);
    if (!fault) fault = framing_fault(x->connection, version);
    if (fault) {
        x->rq.route = &none;
        x->must_close = true; /* where this message ends is not known */
        atomic_fetch_add(&x->http->rejected, 1);
        api_fail_at(&x->rq, 400, NULL, fault, NULL, NULL);
        return false;
    }
    if (!method_of(method, &x->rq.method)) {
        x->rq.route = &none;
        api_fail_at(&x->rq, 405, NULL, "This method is not used here.", NULL, NULL);
        return false;
    }
    if (too_long(x)) return false;
    take_request_id(x);
    base_url(x);
    if (!files_is_api(x->rq.path)) return true;
    status found = api_match(&x->rq);
    if (failed(found)) {
        no_route(x, found);
        return false;
    }
    x->rq.content_type = exchange_header(x, "Content-Type");
    struct db *db = reader_get(x->http);
    if (!db) {
        api_fail(&x->rq, FAIL(BUSY), "The database cannot be opened.");
        return false;
    }
    return auth_check(x, db) && limits_admit(x);
}

/* --- body ------------------------------------------------------------------------------------- */

static bool takes_records(const struct api_request *rq)
{
    return rq->method == POST && strncmp(rq->route->operation, "produceRecords", 14) == 0;
}

static bool too_large(struct exchange *x)
{
    const char *text = "The body is larger than this resource takes.";
    if (x->rq.route && x->rq.route->dialect == KAFKA) api_fail_kafka(&x->rq, 413, 413, text);
    else api_fail_at(&x->rq, 413, NULL, text, NULL, NULL);
    return false;
}

/* -1: not said. */
static int64_t announced(const struct exchange *x)
{
    const char *length = exchange_header(x, "Content-Length");
    int64_t n;
    return length && str_to_i64(str_c(length), &n) ? n : -1;
}

static bool body_announced(struct exchange *x)
{
    x->body.max = x->rq.route && takes_records(&x->rq) ? HTTP_PRODUCE_BODY_MAX : HTTP_BODY_MAX;
    return announced(x) > (int64_t)x->body.max ? too_large(x) : true;
}

/* A client that has begun to upload reads its answer only afterwards: an upload of moderate size is
 * taken and thrown away first. */
static bool drains(const struct exchange *x)
{
    int64_t n = announced(x);
    bool chunked = exchange_header(x, "Transfer-Encoding") != NULL;
    if (x->must_close || exchange_header(x, "Expect")) return false;
    return chunked || (n > 0 && n <= HTTP_DISCARD_MAX);
}

static bool body_add(struct exchange *x, const char *data, size_t n)
{
    size_t before = x->body.cap;
    buf_put(&x->body, data, n);
    size_t grown = x->body.cap - before;
    size_t all = atomic_fetch_add(&x->http->bodies, grown) + grown;
    if (x->body.failed) return too_large(x);
    if (all > HTTP_BODIES_MAX) {
        api_fail(&x->rq, FAIL(BUSY), NULL);
        return false;
    }
    return true;
}

/* --- the library's callbacks ------------------------------------------------------------------ */

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *x = exchange_new(arg, connection, uri);
    if (x) peer_enter(x->peer, PEER_HEADERS);
    return x;
}

static enum MHD_Result run_handler(struct exchange *x)
{
    peer_enter(x->peer, PEER_SERVICE);
    if (!x->rq.route) return files_send(x);
    x->rq.body = bytes_str(buf_bytes(&x->body));
    if (x->rq.route->where == DOMAIN) {
        return exchange_to_domain(x) ? MHD_YES : exchange_send(x);
    }
    x->rq.db = reader_get(x->http);
    x->rq.route->handler(&x->rq);
    if (!x->answered) abort(); /* a READ handler answers before it returns */
    return exchange_send(x);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    (void)arg;
    (void)connection;
    struct exchange *x = *context;
    if (!x || x->magic != EXCHANGE_MAGIC || !x->rq.path.data) return MHD_NO;
    if (!x->routed) {
        x->routed = true;
        peer_enter(x->peer, PEER_BODY);
        if (admit(x, url, method, version) && body_announced(x)) return MHD_YES;
        x->rejected = true;
        if (drains(x)) return MHD_YES;
        if (announced(x) > 0) x->must_close = true;
        return exchange_send(x);
    }
    if (*upload_size) {
        size_t n = *upload_size;
        peer_sent(x->peer, n);
        *upload_size = 0;
        if (!x->rejected && !body_add(x, upload, n)) x->rejected = true;
        if (x->rejected) x->discarded += n; /* the answer can be sent once the upload ended */
        return x->discarded > HTTP_DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    pthread_mutex_lock(&x->lock);
    bool answered = x->answered;
    pthread_mutex_unlock(&x->lock);
    return answered ? exchange_send(x) : run_handler(x);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    struct exchange *x = *context;
    if (!x) return;
    *context = NULL;
    peer_enter(x->peer, PEER_IDLE);
    x->peer = NULL;
    pthread_mutex_lock(&x->lock);
    x->closed = true;
    x->suspended = false;
    pthread_mutex_unlock(&x->lock);
    events_closed(x);
    exchange_unref(x);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = arg;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        peer_gone(*socket_context);
        *socket_context = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *socket_context = info ? peer_new(http->peers, info->connect_fd) : NULL;
}

/* Paths and queries are decoded by the router, segment by segment. */
static size_t no_unescape(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

/* --- start and stop --------------------------------------------------------------------------- */

static status listen_at(const char *address, struct why *why, int *ret_fd, uint16_t *ret_port)
{
    char host[128];
    const char *colon = strrchr(address, ':');
    int64_t port = 0;
    struct str name = { address, colon ? (size_t)(colon - address) : strlen(address) };
    if (name.len > 1 && name.data[0] == '[') name = (struct str){ name.data + 1, name.len - 2 };
    if (name.len == 0) name = STR("127.0.0.1");
    if (!colon || !str_to_i64(str_c(colon + 1), &port) || port > 65535 ||
        !str_copy(host, sizeof host, name)) {
        why_set(why, "%s is not ADDRESS:PORT", address);
        return FAIL(INVALID);
    }
    struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%d", (int)port);
    if (getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, service, &hints,
                    &found) != 0) {
        why_set(why, "%s is not a numeric address", host);
        return FAIL(INVALID);
    }
    int one = 1;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
                 bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 512) == 0;
    int e = errno;
    struct sockaddr_storage self;
    socklen_t len = sizeof self;
    freeaddrinfo(found);
    if (!bound || getsockname(fd, (struct sockaddr *)&self, &len) != 0) {
        if (fd >= 0) close(fd);
        why_set(why, "cannot listen on %s: %s", address, strerror(e));
        return status_from_errno(e);
    }
    in_port_t raw = self.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&self)->sin6_port
                                               : ((struct sockaddr_in *)(void *)&self)->sin_port;
    *ret_port = ntohs(raw);
    *ret_fd = fd;
    return OK;
}

static void on_log(void *arg, const char *format, va_list args)
{
    (void)arg;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    size_t n = strcspn(text, "\n");
    text[n] = 0;
    log_debug("http: %s", text);
}

void http_release(struct http *http)
{
    for (int i = 0; i < http->reader_count; i++) db_free(http->readers[i]);
    if (http->web_fd >= 0) close(http->web_fd);
    tls_files_close(http->tls);
    pthread_mutex_destroy(&http->lock);
    peers_free(http->peers);
    rate_limit_free(http->rates);
    mem_free(http->data_dir);
    mem_free(http);
}

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* So that accept() never runs out of descriptors: a door that cannot accept could only spin. */
static int connections_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return HTTP_CONNECTIONS_MAX;
    rlim_t half = limit.rlim_cur / 2;
    return half < HTTP_CONNECTIONS_MAX ? (int)half : HTTP_CONNECTIONS_MAX;
}

static status daemon_start(struct http *http, int fd, struct why *why)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_files_callback() },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)PRIORITIES },
        { MHD_OPTION_END, 0, NULL },
    };
    if (!http->tls) tls[0].option = MHD_OPTION_END;
    int max = connections_max();
    http->peers = mem_must(peers_new(max));
    http->daemon = MHD_start_daemon(
        http->tls ? flags | MHD_USE_TLS : flags, http->port, NULL, NULL, on_request, http,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_THREADS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)HTTP_ADDRESS_CONNECTIONS_MAX,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)(32 * 1024), MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    if (http->daemon) return OK;
    why_set(why, "the HTTP server did not start on port %u", http->port);
    return FAIL(IO);
}

status http_start(const struct http_options *options, struct domain *domain, struct why *why,
                  struct http **ret_http)
{
    int fd = -1;
    uint16_t port = 0;
    TRY(listen_at(options->listen, why, &fd, &port));
    struct http *http = mem_must(mem_zalloc(sizeof *http));
    http->domain = domain;
    http->port = port;
    http->web_fd = -1;
    http->data_dir = mem_must(mem_strdup(options->data_dir));
    http->rates = mem_must(rate_limit_new(options->requests_per_s, options->requests_burst));
    pthread_mutex_init(&http->lock, NULL);
    if (options->web_dir) http->web_fd = open(options->web_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    snprintf(http->authority, sizeof http->authority, "127.0.0.1:%u", port);
    status result = OK;
    if (options->tls_chain) result = tls_files_open(options->tls_chain, options->tls_key, why, &http->tls);
    if (is_ok(result)) result = daemon_start(http, fd, why);
    if (failed(result)) {
        close(fd);
        http_release(http);
        return result;
    }
    *ret_http = http;
    return OK;
}

uint16_t http_port(const struct http *http) { return http->port; }

/* Answers 503 to all that waits for the domain thread, which has ended. */
static void release_waiting(struct http *http)
{
    struct exchange *x;
    pthread_mutex_lock(&http->lock);
    http->stopping = true;
    DL_FOREACH(http->exchanges, x) {
        pthread_mutex_lock(&x->lock);
        if (x->suspended && !x->closed) {
            if (!x->answered) {
                x->answered = true;
                x->status = 503;
                x->response = exchange_plain_error(x, 503, "The service is being stopped.");
            }
            x->stream_ended = true;
            x->suspended = false;
            MHD_resume_connection(x->connection);
        }
        pthread_mutex_unlock(&x->lock);
    }
    pthread_mutex_unlock(&http->lock);
}

/* An exchange whose handler has not answered stays until it does: when the engine is freed, its calls
 * end. The last one takes http along. */
void http_stop(struct http *http)
{
    if (!http) return;
    int fd = MHD_quiesce_daemon(http->daemon);
    release_waiting(http);
    MHD_stop_daemon(http->daemon);
    if (fd >= 0) close(fd);
    struct exchange *x, *next;
    DL_FOREACH_SAFE(http->exchanges, x, next) events_stop(x);
    http->stopped = true;
    if (!http->exchanges) http_release(http);
}
