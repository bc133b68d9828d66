/* leat_records.c - records for people: a page of them, and a live tail. DOMAIN. Read through the Kafka
 * protocol as the caller's principal, so a cluster key sees what its ACLs allow. */
#include "api/handlers.h"
#include "api/kafka.h"
#include "api/leat_records.h"

#include <stdio.h>
#include <stdlib.h>

#define VALUE_MAX_DEFAULT (64 << 10)
#define TAIL_EVERY_MS 500
#define TAIL_LIMIT 200          /* records an event cycle: a faster topic is sampled */
#define TAIL_PING_CYCLES 30

/* --- a record as JSON ------------------------------------------------------------------------- */

static json_t *data_json(struct bytes data, size_t size)
{
    if (!data.data) return json_pack("{s:s, s:n, s:i}", "encoding", "null", "data", "size", 0);
    /* Cutting may have split a character: what is left of it is cut too. */
    size_t text = data.len;
    for (int i = 0; i < 4 && text && text < size && !api_is_utf8(data.data, text); i++) text--;
    json_t *string = api_is_utf8(data.data, text) ? json_stringn((const char *)data.data, text)
        : NULL;
    if (string) {
        return json_pack("{s:s, s:o, s:I}", "encoding", "utf8", "data", string, "size", (json_int_t)size);
    }
    char *out = mem_alloc(4 * ((data.len + 2) / 3) + 1);
    if (!out) return json_null();
    size_t n = base64_encode(data.data, data.len, out);
    json_t *json = json_pack("{s:s, s:s%, s:I}", "encoding", "base64", "data", out, n, "size",
                             (json_int_t)size);
    mem_free(out);
    return json;
}

static json_t *headers_json(const struct scan_record *r)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < r->header_count; i++) {
        json_t *header = data_json(r->headers[i].value, r->headers[i].value.len);
        json_object_set_new(header, "name", api_str(r->headers[i].key));
        json_object_set(header, "value", json_object_get(header, "data"));
        json_object_del(header, "data");
        json_object_del(header, "size");
        json_array_append_new(list, header);
    }
    return list;
}

json_t *leat_record_json(const struct scan_record *r)
{
    json_t *o = json_object();
    PUT(o, "partition", json_integer(r->partition));
    PUT(o, "offset", json_integer(r->offset));
    PUT(o, "timestamp", json_integer(r->timestamp));
    PUT(o, "timestamp_type", json_string(r->append_time ? "LogAppendTime" : "CreateTime"));
    PUT(o, "key", data_json(r->key, r->key_size));
    PUT(o, "value", data_json(r->value, r->value_size));
    PUT(o, "headers", headers_json(r));
    PUT(o, "truncated", json_boolean(r->truncated));
    return o;
}

static json_t *cursors_json(const struct scan_result *scan)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < scan->cursor_count; i++) {
        const struct scan_cursor *c = &scan->cursors[i];
        json_t *o = json_object();
        PUT(o, "partition_id", json_integer(c->partition));
        PUT(o, "start_offset", json_integer(c->start));
        PUT(o, "end_offset", json_integer(c->end));
        PUT(o, "next_offset", json_integer(c->next));
        json_array_append_new(list, o);
    }
    return list;
}

/* --- what is asked ---------------------------------------------------------------------------- */

static bool bad(struct api_request *rq, const char *parameter, const char *detail)
{
    api_fail_at(rq, 400, NULL, detail, NULL, parameter);
    return false;
}

bool leat_record_filter(struct api_request *rq, struct arena *arena, struct record_filter **ret)
{
    struct str text = rq->http->query(rq, "filter", 0);
    struct why why;
    size_t at;
    *ret = NULL;
    if (text.len == 0) return true;
    status parsed = record_filter_parse(text, arena, ret, &at, &why);
    if (is_ok(parsed)) return true;
    if (parsed.code != E_INVALID) {
        api_fail(rq, parsed, NULL);
        return false;
    }
    struct str said = arena_printf(rq->arena, "The filter cannot be read at character %zu: %s.", at,
                                   why.text);
    return bad(rq, "filter", said.data ? said.data : why.text);
}

static bool read_query(struct api_request *rq, const struct topic_row *row, struct scan_query *ret)
{
    struct str from = rq->http->query(rq, "from", 0);
    int64_t limit, value_max, partition;
    *ret = (struct scan_query){ .topic = row->topic.name, .partitions = row->topic.partitions };
    if (!api_query_i64(rq, "limit", 50, 1, SCAN_LIMIT_MAX, &limit)) return false;
    if (!api_query_i64(rq, "max_bytes", VALUE_MAX_DEFAULT, 1, SCAN_VALUE_MAX, &value_max)) {
        return false;
    }
    if (!api_query_i64(rq, "offset", -1, 0, INT64_MAX, &ret->offset)) return false;
    if (!api_query_i64(rq, "timestamp", -1, 0, INT64_MAX, &ret->time)) return false;
    if (!api_query_i64(rq, "partition", -1, 0, row->topic.partitions - 1, &partition)) return false;
    ret->limit = (int32_t)limit;
    ret->value_max = (int32_t)value_max;
    ret->partition = (int32_t)partition;
    if (!from.data || str_eq_c(from, "newest")) ret->from = SCAN_NEWEST;
    else if (str_eq_c(from, "oldest")) ret->from = SCAN_OLDEST;
    else if (str_eq_c(from, "offset")) ret->from = SCAN_OFFSET;
    else if (str_eq_c(from, "timestamp")) ret->from = SCAN_TIME;
    else return bad(rq, "from", "from must be newest, oldest, offset or timestamp.");
    if (ret->from == SCAN_OFFSET && ret->offset < 0) {
        return bad(rq, "offset", "from=offset needs offset.");
    }
    if (ret->from == SCAN_TIME && ret->time < 0) {
        return bad(rq, "timestamp", "from=timestamp needs timestamp, in milliseconds.");
    }
    return true;
}

struct pending_page {
    struct api_request *rq;
    struct scan_query query;
};

static void scanned(void *arg, status result, const struct scan_result *scan)
{
    struct pending_page *p = arg;
    struct api_request *rq = p->rq;
    record_filter_done(p->query.filter);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return;
    }
    json_t *data = json_array(), *o = json_object();
    for (int32_t i = 0; i < scan->count; i++) {
        json_array_append_new(data, leat_record_json(&scan->records[i]));
    }
    PUT(o, "kind", json_string("RecordList"));
    PUT(o, "data", data);
    PUT(o, "scanned", json_pack("{s:I, s:I}", "records", (json_int_t)scan->scanned_records, "bytes",
                                (json_int_t)scan->scanned_bytes));
    PUT(o, "complete", json_boolean(scan->complete));
    PUT(o, "partitions", cursors_json(scan));
    api_reply(rq, 200, o);
}

void leat_records_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (!s || !kafka_topic(rq, s, &row) || !kafka_permit(rq, s, OP_READ, RES_TOPIC, row.topic.name)) {
        return;
    }
    struct pending_page *p = ARENA_NEW(rq->arena, struct pending_page);
    if (!p) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    p->rq = rq;
    if (read_query(rq, &row, &p->query) && leat_record_filter(rq, rq->arena, &p->query.filter))
        records_scan(rq->domain, s->id, s->principal, &p->query, rq->arena, scanned, p);
}

/* --- live tail -------------------------------------------------------------------------------- */

/* One reader of a topic's end. Each cycle scans the newest records, and sends those behind what was
 * sent before; so a topic faster than TAIL_LIMIT a cycle is sampled at its newest end. */
struct tail {
    struct api_request *rq;
    struct domain *domain;
    char cluster_id[ID_TEXT], principal[48];
    struct scan_query query;
    int64_t *sent;          /* per partition: the next offset; -1: not known yet */
    struct arena arena;     /* of the cycle */
    struct arena filter;    /* what query.filter lives in: the request may go during a cycle */
    struct timer timer;
    bool scanning, gone, first;
    int quiet;              /* cycles without an event */
};

static void tail_free(struct tail *t)
{
    loop_timer_clear(t->domain->loop, &t->timer);
    arena_done(&t->arena);
    mem_free(t->sent);
    mem_free((void *)(uintptr_t)t->query.topic.data);
    record_filter_done(t->query.filter);
    arena_done(&t->filter);
    mem_free(t);
}

static void tail_stop(struct tail *t)
{
    t->rq->http->stream_end(t->rq);
    tail_free(t);
}

static void tail_gone(void *arg)
{
    struct tail *t = arg;
    t->gone = true;
    if (!t->scanning) tail_free(t);
}

static bool tail_send(struct tail *t, const struct scan_result *scan)
{
    int32_t sent = 0;
    for (int32_t i = scan->count - 1; i >= 0; i--) { /* oldest of them first */
        const struct scan_record *r = &scan->records[i];
        if (r->partition < 0 || r->partition >= t->query.partitions || t->first) continue;
        if (t->sent[r->partition] >= 0 && r->offset < t->sent[r->partition]) continue;
        if (failed(t->rq->http->stream_event(t->rq, "record", leat_record_json(r)))) return false;
        sent++;
    }
    for (int32_t i = 0; i < scan->cursor_count; i++) {
        const struct scan_cursor *c = &scan->cursors[i];
        if (c->partition >= 0 && c->partition < t->query.partitions && c->end >= 0) {
            t->sent[c->partition] = c->end;
        }
    }
    t->first = false;
    t->quiet = sent ? 0 : t->quiet + 1;
    if (sent || t->quiet == 1) {
        return is_ok(t->rq->http->stream_event(t->rq, "progress", json_pack("{s:i, s:o}", "records",
            (int)sent, "partitions",
                                                                      cursors_json(scan))));
    }
    if (t->quiet % TAIL_PING_CYCLES == 0) {
        return is_ok(t->rq->http->stream_event(t->rq, NULL, NULL));
    }
    return true;
}

static void tail_scanned(void *arg, status result, const struct scan_result *scan)
{
    struct tail *t = arg;
    t->scanning = false;
    if (t->gone) {
        tail_free(t);
        return;
    }
    bool over = result.code == E_TOPIC_AUTHORIZATION_FAILED ||
        result.code == E_UNKNOWN_TOPIC_OR_PARTITION;
    bool fine = is_ok(result) ? tail_send(t, scan)
        : !over; /* a broker that is away may come back */
    status timed = loop_timer_set(t->domain->loop, &t->timer,
                                  loop_now(t->domain->loop) + TAIL_EVERY_MS);
    if (!fine || failed(timed)) tail_stop(t);
}

static void tail_cycle(struct timer *timer)
{
    struct tail *t = CONTAINER_OF(timer, struct tail, timer);
    arena_done(&t->arena);
    arena_init(&t->arena, 48 << 20);
    t->scanning = true;
    records_scan(t->domain, t->cluster_id, str_c(t->principal), &t->query, &t->arena, tail_scanned,
                 t);
}

static struct str str_own(struct str s)
{
    return s.data ? (struct str){ mem_memdup(s.data, s.len ? s.len : 1), s.len } : STR_NULL;
}

static struct tail *tail_new(struct api_request *rq, const struct kafka_scope *s,
                             const struct scan_query *query)
{
    struct tail *t = mem_zalloc(sizeof *t);
    int64_t *sent = mem_alloc((size_t)query->partitions * sizeof *sent);
    if (!t || !sent) {
        mem_free(t);
        mem_free(sent);
        return NULL;
    }
    *t = (struct tail){ .rq = rq, .domain = rq->domain, .query = *query, .sent = sent, .first = true };
    for (int32_t i = 0; i < query->partitions; i++) sent[i] = -1;
    str_copy(t->cluster_id, sizeof t->cluster_id, str_c(s->id));
    str_copy(t->principal, sizeof t->principal, s->principal);
    t->query.topic = str_own(query->topic);
    t->query.from = SCAN_NEWEST;
    t->query.limit = TAIL_LIMIT;
    arena_init(&t->arena, 48 << 20);
    arena_init(&t->filter, 1 << 20);
    timer_init(&t->timer, tail_cycle);
    return t;
}

void leat_records_tail(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    struct scan_query query;
    if (!s || !kafka_topic(rq, s, &row) || !kafka_permit(rq, s, OP_READ, RES_TOPIC, row.topic.name)) {
        return;
    }
    if (!read_query(rq, &row, &query)) return;
    struct tail *t = tail_new(rq, s, &query);
    if (!t) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    if (!leat_record_filter(rq, &t->filter, &t->query.filter)) {
        tail_free(t);
        return;
    }
    rq->http->stream_begin(rq, tail_gone, t);
    tail_cycle(&t->timer);
}
