/* leat_search.c - a search through a topic's records as server-sent events: record, progress, end. DOMAIN.
 * Read through the Kafka protocol as the caller's principal. Closing the connection ends the search. */
#include "api/handlers.h"
#include "api/kafka.h"
#include "api/leat_records.h"

#include "domain/records_search.h"

#define VALUE_MAX (64 << 10)  /* as JSON at most six times so much */
#define EVENT_CARE (128 << 10)
#define EVENT_MAX (900 << 10)

struct search_stream {
    struct api_request *rq;
    struct search *search;
    struct arena arena;       /* the filter's: the request may go before the search does */
    struct search_query query;
    bool gone;
};

static void stream_free(struct search_stream *t)
{
    record_filter_done(t->query.filter);
    arena_done(&t->arena);
    mem_free(t);
}

/* --- events ------------------------------------------------------------------------------------------ */

/* An event has to fit into the queue of a stream: of what is too large as JSON the headers are left out. */
static void *keep(void *arg, const struct scan_record *record)
{
    (void)arg;
    json_t *o = leat_record_json(record);
    size_t size = record->key.len + record->value.len;
    for (int32_t i = 0; i < record->header_count; i++)
        size += record->headers[i].key.len + record->headers[i].value.len;
    if (o && size > EVENT_CARE && json_dumpb(o, NULL, 0, JSON_COMPACT) > EVENT_MAX) {
        PUT(o, "headers", json_array());
        PUT(o, "truncated", json_true());
    }
    return o;
}

static void drop(void *arg, void *item)
{
    (void)arg;
    json_decref(item);
}

static status tell(void *arg, void *item)
{
    struct search_stream *t = arg;
    status put = t->rq->http->stream_event(t->rq, "record", json_incref(item));
    if (is_ok(put)) json_decref(item);
    return put;
}

static json_t *state_json(const struct search_state *state)
{
    json_t *partitions = json_array(), *o = json_object();
    for (int32_t i = 0; i < state->cursor_count; i++) {
        const struct scan_cursor *c = &state->cursors[i];
        json_t *p = json_pack("{s:i, s:I, s:I, s:I}", "partition_id", (int)c->partition, "start_offset",
                              (json_int_t)c->start, "end_offset", (json_int_t)c->end, "next_offset",
                              (json_int_t)c->next);
        if (failed(c->result)) PUT(p, "error", json_string(status_text(c->result)));
        json_array_append_new(partitions, p);
    }
    PUT(o, "found", json_integer(state->told));
    PUT(o, "scanned", json_pack("{s:I, s:I}", "records", (json_int_t)state->records, "bytes",
                                (json_int_t)state->bytes));
    PUT(o, "unreadable_batches", json_integer(state->unreadable));
    PUT(o, "left", json_integer(state->left));
    PUT(o, "partitions", partitions);
    return o;
}

static status progress(void *arg, const struct search_state *state)
{
    struct search_stream *t = arg;
    return t->rq->http->stream_event(t->rq, "progress", state_json(state));
}

static void done(void *arg, status result, const char *why, const struct search_state *state)
{
    struct search_stream *t = arg;
    if (!t->gone) {
        json_t *o = state_json(state);
        PUT(o, "complete", json_boolean(is_ok(result) && strcmp(why, "end") == 0));
        if (is_ok(result)) PUT(o, "reason", json_string(why));
        else PUT(o, "error", json_string(status_text(result)));
        (void)t->rq->http->stream_event(t->rq, is_ok(result) ? "end" : "error", o); /* it ends anyway */
        t->rq->http->stream_end(t->rq);
    }
    stream_free(t);
}

static void gone(void *arg)
{
    struct search_stream *t = arg;
    t->gone = true;
    search_stop(t->search);
}

/* --- what is asked ------------------------------------------------------------------------------------ */

static bool bad(struct api_request *rq, const char *parameter, const char *detail)
{
    api_fail_at(rq, 400, NULL, detail, NULL, parameter);
    return false;
}

static bool read_from(struct api_request *rq, struct search_query *q)
{
    struct str from = rq->http->query(rq, "from", 0);
    if (!from.data || str_eq_c(from, "newest")) q->from = SCAN_NEWEST;
    else if (str_eq_c(from, "oldest")) q->from = SCAN_OLDEST;
    else if (str_eq_c(from, "offset")) q->from = SCAN_OFFSET;
    else if (str_eq_c(from, "timestamp")) q->from = SCAN_TIME;
    else return bad(rq, "from", "from must be newest, oldest, offset or timestamp.");
    if (q->from == SCAN_OFFSET && q->offset < 0) return bad(rq, "offset", "from=offset needs offset.");
    if (q->from == SCAN_TIME && q->time < 0)
        return bad(rq, "timestamp", "from=timestamp needs timestamp, in milliseconds.");
    return true;
}

static bool read_query(struct api_request *rq, const struct topic_row *row, struct search_query *q)
{
    int64_t partition, value_max;
    if (!api_query_i64(rq, "partition", -1, 0, row->topic.partitions - 1, &partition) ||
        !api_query_i64(rq, "max_value_bytes", VALUE_MAX, 1, VALUE_MAX, &value_max) ||
        !api_query_i64(rq, "offset", -1, 0, INT64_MAX, &q->offset) ||
        !api_query_i64(rq, "timestamp", -1, 0, INT64_MAX, &q->time) ||
        !api_query_i64(rq, "to_offset", -1, 0, INT64_MAX - 1, &q->to_offset) ||
        !api_query_i64(rq, "to_timestamp", -1, 0, INT64_MAX - 1, &q->to_time) ||
        !api_query_i64(rq, "limit", 100, 1, SEARCH_LIMIT_MAX, &q->limit) ||
        !api_query_i64(rq, "max_records", 1000000, 1, SEARCH_RECORDS_MAX, &q->max_records) ||
        !api_query_i64(rq, "max_bytes", 1LL << 30, 1, SEARCH_BYTES_MAX, &q->max_bytes) ||
        !api_query_i64(rq, "max_ms", 60000, 1, SEARCH_TIME_MAX_MS, &q->max_ms)) {
        return false;
    }
    q->topic = row->topic.name;
    q->partitions = row->topic.partitions;
    q->partition = (int32_t)partition;
    q->value_max = (int32_t)value_max;
    return read_from(rq, q);
}

void leat_records_search(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (!s || !kafka_topic(rq, s, &row) || !kafka_permit(rq, s, OP_READ, RES_TOPIC, row.topic.name)) return;
    struct search_stream *t = mem_zalloc(sizeof *t);
    if (!t) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    t->rq = rq;
    t->query.cluster_id = s->id;
    t->query.principal = s->principal;
    arena_init(&t->arena, 1 << 20);
    struct search_events events = { keep, tell, drop, progress, done, t };
    if (!read_query(rq, &row, &t->query) || !leat_record_filter(rq, &t->arena, &t->query.filter)) {
        stream_free(t);
        return;
    }
    status started = search_start(rq->domain, &t->query, &events, &t->search);
    if (is_ok(started)) {
        rq->http->stream_begin(rq, gone, t);
        return;
    }
    stream_free(t);
    if (started.code == E_BUSY)
        api_fail_at(rq, 429, NULL, "Sixteen searches are under way; try again when one has ended.",
                    NULL, NULL);
    else api_fail(rq, started, NULL);
}
