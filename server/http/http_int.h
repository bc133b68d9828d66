/* http_int.h - what the files of this folder share: the exchange, one request and its answer.
 *
 * Who touches an exchange when: the HTTP thread until the connection is suspended; then the domain
 * thread, until it answers (which resumes the connection); then the HTTP thread again. `lock`
 * guards what both may touch at once: answered, response, suspended, stream. It is freed when both
 * sides have let go (refs). */
#pragma once
#include "api/api.h"
#include "domain/domain.h"
#include "http/peers.h"
#include "http/http.h"
#include "http/rate_limit.h"
#include "io/loop.h"
#include "store/db.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define HTTP_THREADS 2
#define HTTP_CONNECTIONS_MAX 4000      /* or half of the descriptors that the process may have */
#define HTTP_ADDRESS_CONNECTIONS_MAX 1000 /* of one address; more are closed */
#define HTTP_HEADER_COUNT_MAX 100      /* of a request; the library's pool bounds their bytes */
#define HTTP_TARGET_MAX 8192           /* bytes of its path and query */
#define HTTP_TIMEOUT_S 60
#define HTTP_BODY_MAX (1u << 20)
#define HTTP_PRODUCE_BODY_MAX (20u << 20)
#define HTTP_DISCARD_MAX (8u << 20)    /* of a refused upload; then the connection is closed */
#define HTTP_BODIES_MAX (256u << 20)   /* of all requests together */
#define HTTP_DOMAIN_WAITING_MAX 800    /* requests at the domain at once */
#define HTTP_ARENA_MAX (48u << 20)
#define HTTP_STREAM_QUEUE_MAX (1u << 20)
#define HTTP_HEADERS_MAX 12            /* that handlers may add to an answer */

#define EXCHANGE_MAGIC 0x65786368u

struct exchange {
    uint32_t magic;
    struct http *http;
    struct MHD_Connection *connection;
    struct peer *peer;   /* HTTP thread, while the connection is open; NULL: not watched */
    atomic_int refs;
    struct arena arena;
    struct api_request rq;
    size_t target_len;       /* path and query, with the question mark */
    bool routed;             /* headers were looked at */
    bool rejected;           /* answered before its handler: what is uploaded is thrown away */
    bool must_close;         /* the connection cannot go on after the answer */
    struct buf body;
    size_t discarded;        /* of an upload that was refused */

    struct { char name[40], value[512]; } headers[HTTP_HEADERS_MAX];
    int header_count;

    pthread_mutex_t lock;
    bool answered, suspended, closed; /* closed: the client's side is over */
    bool at_domain;          /* a handler there has not answered yet */
    int status;
    struct MHD_Response *response;
    struct hold hold;        /* an answer that waits for the change it tells of to be durable */
    int held_status;
    struct MHD_Response *held;
    struct job job;          /* to the domain thread */
    struct deferred letting_go; /* the handler's reference, dropped at the end of the turn */

    bool streaming, stream_ended;
    bool handler_done;       /* a stream's handler has let go */
    struct buf stream;       /* events not yet sent */
    void (*gone)(void *arg);
    void *gone_arg;
    struct job gone_job;

    struct exchange *prev, *next;
};

struct http {
    struct domain *domain;
    struct MHD_Daemon *daemon;
    uint16_t port;
    char authority[128];     /* for self links when a request names no usable host */
    char *data_dir;
    struct peers *peers; /* connections, and how long each may take */
    int web_fd;              /* -1: no console */

    pthread_mutex_t lock;    /* exchanges, readers */
    struct exchange *exchanges;
    struct db *readers[16];
    int reader_count;
    bool stopping;           /* the domain's loop has ended */
    bool stopped;            /* so has the daemon: freed with the last exchange */
    atomic_size_t bodies;
    atomic_int at_domain;
    atomic_llong requests, by_class[6], rejected, limited;
    struct rate_limit *rates;
    struct tls_files *tls;   /* NULL: plain HTTP */
};

/* exchange.c */
extern const struct api_http exchange_http;
struct exchange *exchange_new(struct http *http, struct MHD_Connection *connection, const char *uri);
void exchange_unref(struct exchange *x);
/* Domain thread: the handler's reference. At the end of the loop's turn, since a handler that answers
 * goes on with its request for a few lines. */
void exchange_let_go(struct exchange *x);
/* Queues the stored answer on the connection; HTTP thread. */
enum MHD_Result exchange_send(struct exchange *x);
/* An error of which no handler can be asked any more; detail is written as it is. */
struct MHD_Response *exchange_plain_error(const struct exchange *x, int http, const char *detail);
bool exchange_to_domain(struct exchange *x); /* suspends, and posts; false: answered (busy) */
const char *exchange_header(const struct exchange *x, const char *name);
void exchange_common_headers(struct exchange *x, struct MHD_Response *response);

/* events.c */
void events_begin(struct api_request *rq, void (*gone)(void *arg), void *arg);
status events_put(struct api_request *rq, const char *name, json_t *data);
status events_put_id(struct api_request *rq, const char *name, const char *id, json_t *data);
void events_end(struct api_request *rq);
void events_closed(struct exchange *x); /* the client left; HTTP thread */
void events_stop(struct exchange *x);   /* the service ends; the domain's thread */

/* http.c */
void http_release(struct http *http); /* once stopped and without exchanges */

/* auth.c: fills rq->caller; false: answered */
bool auth_check(struct exchange *x, struct db *db);

/* limits.c: one request of whoever asks, as told by rq->caller; false: answered with 429 */
bool limits_admit(struct exchange *x);
/* One more failed authentication from this address; false: answered with 429 */
bool limits_failed_auth(struct exchange *x);

/* framing.c: how many headers the request has */
int framing_headers(struct MHD_Connection *connection);
/* NULL, or what is wrong with the message's framing */
const char *framing_target_fault(const char *url, size_t len, const char *version);
const char *framing_fault(struct MHD_Connection *connection, const char *version);

/* files.c */
bool files_is_api(struct str path);
enum MHD_Result files_send(struct exchange *x);
