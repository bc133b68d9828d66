/* api.h - REST resources: a request in, an answer out; knows no HTTP library.
 *
 * Every route names where its handler runs. READ handlers run on an HTTP thread with that thread's
 * read-only database and must answer before they return. DOMAIN handlers run on the domain thread
 * with the writing database, the engine and the supervisor, and may answer later (from a
 * callback); the connection is suspended meanwhile. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include <jansson.h>

struct domain; /* server/domain/domain.h */
struct db;     /* server/store/db.h */

enum api_method { GET, POST, PUT, PATCH, DELETE, METHOD_COUNT };
const char *api_method_name(enum api_method method);
enum api_where { READ, DOMAIN };
enum api_dialect { CONTROL, KAFKA, LEAT }; /* decides error bodies and lists; LEAT as CONTROL */

/* Who asks, found by server/http before the handler runs. */
enum api_door { DOOR_NONE, DOOR_SESSION, DOOR_CLOUD_KEY, DOOR_CLUSTER_KEY };
struct api_caller {
    enum api_door door;
    char owner[40];       /* u-… or sa-… */
    char key_id[24];      /* API key, or "" */
    char cluster_id[40];  /* cluster key: the one cluster it opens */
    char groups[1024];    /* session: the groups of who is signed in, each with a newline behind it */
    char principal[48];   /* for the Kafka door: "User:sa-…" with a cluster key, else "User:leat" */
};

enum api_access {
    ANYONE,     /* login page, health */
    CLOUD,      /* session or cloud key; a cluster key gets 401 */
    CLUSTER     /* session, cloud key, or the cluster key of the {cluster_id} in the path */
};

struct api_request {
    enum api_method method;
    const struct api_route *route;
    struct str path;                 /* as sent (still percent-encoded), without query */
    struct str raw_query;            /* behind the '?', as sent */
    struct str params[8];            /* decoded, in the order of the {…} in the route's path */
    struct str body;
    struct str base_url;             /* "http://host:port" of this request, for self links */
    const char *content_type;        /* NULL when absent */
    char request_id[64];
    char address[64];
    struct api_caller caller;
    struct arena *arena;             /* lives until the answer was sent */
    struct db *db;                   /* READ: this thread's read-only one; DOMAIN: the writer */
    struct domain *domain;           /* both; READ handlers must not touch engine or supervisor */
    const struct api_http *http;     /* the adapter's side, see below */
    void *exchange;                  /* the adapter's own */
    json_t *json;                    /* of api_body(); freed with the request */
    struct access *access;           /* access.c's own: the caller's roles; NULL: not looked at */
};

/* The name of the cookie that holds the session: over HTTPS one that browsers take from us alone. */
const char *api_session_cookie(const struct api_request *rq);

/* What the adapter (server/http, or a test) offers to handlers. */
struct api_http {
    /* A query parameter by name, the n-th of that name (0 first); null when absent. */
    struct str (*query)(const struct api_request *rq, const char *name, int n);
    const char *(*header)(const struct api_request *rq, const char *name);
    void (*set_header)(struct api_request *rq, const char *name, const char *value);
    /* Once per request. Takes body (jansson reference; NULL = empty). */
    void (*answer)(struct api_request *rq, int status, json_t *body);
    void (*answer_bytes)(struct api_request *rq, int status, const char *type, struct buf *take);
    /* Server-sent events: begin, then events as they come; gone() is called when the client left. */
    void (*stream_begin)(struct api_request *rq, void (*gone)(void *arg), void *arg);
    /* Takes data. name NULL: a ping. BUSY: the client is too slow. */
    status (*stream_event)(struct api_request *rq, const char *name, json_t *data);
    /* The same with an id, which a client that comes back names as Last-Event-ID. name NULL: the id alone,
     * which the client remembers and does not tell anybody. */
    status (*stream_event_id)(struct api_request *rq, const char *name, const char *id, json_t *data);
    void (*stream_end)(struct api_request *rq);
    /* Appends the adapter's own figures (Prometheus text). */
    void (*metrics)(struct api_request *rq, struct buf *out);
};

typedef void (*api_handler)(struct api_request *rq);
struct api_route {
    enum api_method method;
    const char *path;          /* "/kafka/v3/clusters/{cluster_id}/topics/{topic_name}" */
    enum api_dialect dialect;
    enum api_where where;
    enum api_access access;
    api_handler handler;
    const char *operation;     /* operationId in openapi.yaml, and the name in audit and metrics */
};
/* The whole table (api/routes.def), and a lookup: fills rq->route and params. NOT_FOUND for an
 * unknown path, UNSUPPORTED_VERSION for a known path with another method (405). */
const struct api_route *api_routes(size_t *ret_count);
status api_match(struct api_request *rq);
/* A parameter of the path by its name in the template; null when the route has none such. */
struct str api_param(const struct api_request *rq, const char *name);
bool api_is_utf8(const void *text, size_t len);
/* %XX decoded into the arena ('+' too when plus_is_space). INVALID: broken escape, NUL, no UTF-8. */
status api_decode(struct arena *arena, struct str text, bool plus_is_space, struct str *ret);

/* --- answers (answer.c) ----------------------------------------------------------------------- */
void api_reply(struct api_request *rq, int status, json_t *body);        /* takes body */
/* The dialect's error body; detail in sentences (NULL: the status's text). pointer/parameter: where
 * in the request (control dialect), NULL otherwise. */
void api_fail(struct api_request *rq, status error, const char *detail);
void api_fail_at(struct api_request *rq, int http, const char *code, const char *detail,
                 const char *pointer, const char *parameter);
void api_fail_kafka(struct api_request *rq, int http, int error_code, const char *message);
/* 200/201/204 as asked, but 202 with Leat-Pending when the result is PENDING (a change that the
 * broker has not acknowledged yet), and an error body when it failed. Takes body. */
void api_reply_change(struct api_request *rq, status result, const struct why *why, int status,
                      int64_t version, json_t *body);
bool api_is_json(const char *content_type); /* application/json, whatever its parameters */
/* Body as a JSON object; answers 400/415/422 itself and returns NULL when it is none. */
json_t *api_body(struct api_request *rq); /* borrowed; freed with the request */
/* A page of a list: page_size/page_token (offset-free: token = last id). CONTROL: 10, at most 100;
 * LEAT: 50, at most 1000. */
struct api_page { int size; struct str after; };
bool api_page(struct api_request *rq, struct api_page *ret_page); /* false: answered 400 */
/* next_after NULL: last page. total < 0: not said. api_version NULL (LEAT): none. */
void api_reply_list(struct api_request *rq, const char *api_version, const char *kind,
                    json_t *take_data, const char *next_after, int64_t total);
/* The Kafka dialect's list: whole, metadata {self, next: null}. */
int api_kafka_code(status error); /* error_code of the Kafka dialect */
void api_reply_kafka_list(struct api_request *rq, const char *kind, json_t *take_data);
/* The same for a list that may be long: between the two its items are written as text (json_text.h), with
 * commas between them. */
#define LIST_TEXT_MAX (64u << 20) /* a longer one is answered 413 */
void api_kafka_list_begin(struct api_request *rq, const char *kind, struct buf *out);
void api_kafka_list_end(struct api_request *rq, struct buf *take);

/* --- helpers for bodies ----------------------------------------------------------------------- */
json_t *api_str(struct str s);                 /* JSON string; null when s is null or no UTF-8 */
json_t *api_time(int64_t ms);                  /* RFC 3339, UTC; null when ms <= 0 */
/* base_url + "/kafka/v3/…" with %-encoded parts: each %s of the format is encoded. */
struct str api_url(struct api_request *rq, const char *format, ...);
bool api_is_unreserved(char c); /* in a URL, see RFC 3986 §2.3 */
struct str api_encode(struct arena *arena, struct str text); /* %XX for all but unreserved */
/* A member of a JSON object as a view; null when absent, null or no string. */
struct str api_get_str(const json_t *object, const char *name);
/* A query parameter as a number; false: answered 400. Absent: fallback. */
bool api_query_i64(struct api_request *rq, const char *name, int64_t fallback, int64_t min,
                   int64_t max, int64_t *ret);
