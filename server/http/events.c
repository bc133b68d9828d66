/* events.c - server-sent events: a bounded queue between the domain thread, which puts events in,
 * and the library's reader on an HTTP thread, which sleeps (suspended connection) while it is empty.
 *
 * A client that does not read fills its queue; then its stream ends, and the browser connects
 * again. A client that left is noticed when the next event or ping cannot be sent. */
#include "http/http_int.h"

#include "domain/domain.h"

#include <stdlib.h>

static struct exchange *exchange_of_rq(const struct api_request *rq)
{
    struct exchange *x = rq->exchange;
    if (x->magic != EXCHANGE_MAGIC) abort();
    return x;
}

static ssize_t read_events(void *arg, uint64_t position, char *out, size_t max)
{
    (void)position;
    struct exchange *x = arg;
    pthread_mutex_lock(&x->lock);
    ssize_t n = 0;
    if (x->stream.len) {
        n = (ssize_t)(x->stream.len < max ? x->stream.len : max);
        memcpy(out, x->stream.data, (size_t)n);
        memmove(x->stream.data, x->stream.data + n, x->stream.len - (size_t)n);
        x->stream.len -= (size_t)n;
        if (x->stream_ended) peer_enter(x->peer, PEER_ANSWER); /* what is left has an end */
    } else if (x->stream_ended) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        x->suspended = true;
        MHD_suspend_connection(x->connection);
    }
    pthread_mutex_unlock(&x->lock);
    return n;
}

static void wake_locked(struct exchange *x)
{
    if (!x->suspended || x->closed) return;
    x->suspended = false;
    MHD_resume_connection(x->connection);
}

void events_begin(struct api_request *rq, void (*gone)(void *arg), void *arg)
{
    struct exchange *x = exchange_of_rq(rq);
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, read_events, x, NULL);
    if (response) MHD_add_response_header(response, "Content-Type", "text/event-stream");
    pthread_mutex_lock(&x->lock);
    x->streaming = true;
    x->gone = gone;
    x->gone_arg = arg;
    x->answered = true;
    x->status = 200;
    x->response = response;
    x->at_domain = false;
    atomic_fetch_sub(&x->http->at_domain, 1);
    wake_locked(x); /* the handler's reference is kept until the stream ends */
    pthread_mutex_unlock(&x->lock);
}

status events_put(struct api_request *rq, const char *name, json_t *data)
{
    return events_put_id(rq, name, NULL, data);
}

status events_put_id(struct api_request *rq, const char *name, const char *id, json_t *data)
{
    struct exchange *x = exchange_of_rq(rq);
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
    json_decref(data);
    pthread_mutex_lock(&x->lock);
    size_t before = x->stream.len;
    if (id) buf_printf(&x->stream, "id: %s\n%s", id, name ? "" : "\n");
    if (name) buf_printf(&x->stream, "event: %s\ndata: %s\n\n", name, text ? text : "{}");
    else if (!id) buf_put_str(&x->stream, STR(": ping\n\n"));
    status result = OK;
    if (x->stream.failed) {
        x->stream.len = before;
        x->stream.failed = false;
        result = FAIL(BUSY);
    } else {
        wake_locked(x);
    }
    pthread_mutex_unlock(&x->lock);
    free(text); /* tidy: allowed, jansson's */
    return result;
}

/* True for the first that ends the handler's side of a stream. */
static bool handler_ends(struct exchange *x)
{
    pthread_mutex_lock(&x->lock);
    bool first = !x->handler_done;
    x->handler_done = true;
    x->stream_ended = true;
    wake_locked(x);
    pthread_mutex_unlock(&x->lock);
    return first;
}

void events_end(struct api_request *rq)
{
    struct exchange *x = exchange_of_rq(rq);
    if (handler_ends(x)) exchange_let_go(x);
}

/* Domain thread: the handler hears that its client left, unless it ended the stream itself. */
static void tell_gone(struct job *job)
{
    struct exchange *x = CONTAINER_OF(job, struct exchange, gone_job);
    if (handler_ends(x)) {
        if (x->gone) x->gone(x->gone_arg);
        exchange_let_go(x);
    }
    exchange_unref(x); /* the job's own */
}

void events_closed(struct exchange *x)
{
    if (!x->streaming || x->http->stopping) return;
    atomic_fetch_add(&x->refs, 1);
    x->gone_job.done = tell_gone;
    domain_post(x->http->domain, &x->gone_job);
}

void events_stop(struct exchange *x)
{
    if (!x->streaming || !handler_ends(x)) return;
    if (x->gone) x->gone(x->gone_arg);
    exchange_unref(x);
}
