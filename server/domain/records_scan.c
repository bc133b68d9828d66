/* records_scan.c - reads records for people: newest first across partitions, or forward from a place.
 * Domain thread.
 *
 * Newest first: each partition is read backwards in windows of offsets that double. A round reads one
 * window of every partition that could still hold something newer than the worst record kept; the
 * scan is complete when there is none. Forward: each partition is read until it gave `limit`. */
#include "domain/records.h"

#include "wire/messages.h"

#include <stdlib.h>

enum { FETCH = 1, FETCH_VERSION = 12 };
#define WINDOW_FIRST 16
#define WINDOW_MAX 4096
#define FETCHES_MAX 200
#define FETCH_BYTES (2 << 20)
#define FETCH_PARTITION_BYTES (512 << 10)

struct scan {
    struct domain *domain;
    const char *cluster_id;
    struct str principal;
    struct scan_query query;
    struct scan_result out;
    struct topic_offsets topic;
    struct topic_offsets times; /* SCAN_TIME: where to begin */
    size_t cap;                 /* of out.records */
    int64_t window;
    int64_t deadline;
    int fetches;
    int64_t steps;              /* that the filter may still take */
    struct arena *arena;
    scan_done done;
    void *arg;
};

static bool newest(const struct scan *s) { return s->query.from == SCAN_NEWEST; }

/* --- the end ---------------------------------------------------------------------------------- */

static int by_offset(const void *a, const void *b)
{
    const struct scan_record *x = a, *y = b;
    if (x->partition != y->partition) return x->partition < y->partition ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}
static int older_first(const void *a, const void *b)
{
    const struct scan_record *x = a, *y = b;
    return x->order != y->order ? (x->order < y->order ? -1 : 1) : by_offset(a, b);
}
static int newer_first(const void *a, const void *b) { return older_first(b, a); }

/* By time across partitions, and within each by offset, whatever times its producers wrote: a record counts
 * as no older than one that stands before it there, and read backwards as no newer than one behind it. */
static void sort(struct scan *s)
{
    struct scan_record *r = s->out.records;
    size_t n = (size_t)s->out.count;
    if (!n) return;
    qsort(r, n, sizeof *r, by_offset);
    for (size_t i = 0; i < n; i++) {
        struct scan_record *one = &r[newest(s) ? n - 1 - i : i], *last = newest(s) ? one + 1 : one - 1;
        one->order = one->timestamp;
        if (!i || last->partition != one->partition) continue;
        if (newest(s) ? last->order < one->order : last->order > one->order) one->order = last->order;
    }
    qsort(r, n, sizeof *r, newest(s) ? newer_first : older_first);
}

static struct scan_cursor *cursor_of(struct scan *s, int32_t partition)
{
    for (int32_t i = 0; i < s->out.cursor_count; i++) {
        if (s->out.cursors[i].partition == partition) return &s->out.cursors[i];
    }
    return NULL;
}

/* Where each partition goes on, given which records are shown and which were cut. */
static void set_next(struct scan *s, int32_t shown)
{
    for (int32_t i = 0; i < s->out.cursor_count; i++) {
        struct scan_cursor *c = &s->out.cursors[i];
        c->next = newest(s) ? c->end : c->pos;
    }
    for (int32_t i = 0; i < s->out.count; i++) {
        const struct scan_record *r = &s->out.records[i];
        struct scan_cursor *c = cursor_of(s, r->partition);
        bool counts = newest(s) ? i < shown : i >= shown;
        if (c && counts && r->offset < c->next) c->next = r->offset;
    }
}

static void finish(struct scan *s, bool complete)
{
    sort(s);
    int32_t shown = s->out.count < s->query.limit ? s->out.count : s->query.limit;
    set_next(s, shown);
    s->out.count = shown;
    s->out.complete = complete;
    if (s->arena->failed) s->done(s->arg, FAIL(NO_MEMORY), NULL);
    else s->done(s->arg, OK, &s->out);
}

/* --- records of a response -------------------------------------------------------------------- */

/* Does the filter let it pass? When its steps are spent, nothing passes and the scan ends. */
static bool passes(struct scan *s, const struct scan_cursor *c, const struct record *r)
{
    bool match = true;
    if (s->query.filter &&
        failed(record_filter_match(s->query.filter, c->partition, r, &s->steps, &match)))
        return false;
    return match;
}

static struct bytes keep(struct scan *s, struct bytes b, bool *truncated)
{
    if (b.len > (size_t)s->query.value_max) {
        b.len = (size_t)s->query.value_max;
        *truncated = true;
    }
    return arena_bytes(s->arena, b);
}

static void keep_headers(struct scan *s, const struct record *r, struct scan_record *to)
{
    struct record_header *headers = NULL;
    if (r->header_count <= 0 || failed(record_headers(r, s->arena, &headers))) return;
    for (int32_t i = 0; i < r->header_count; i++) {
        headers[i].key = arena_str(s->arena, headers[i].key);
        headers[i].value = keep(s, headers[i].value, &to->truncated);
    }
    to->headers = headers;
    to->header_count = r->header_count;
}

static void add(struct scan *s, struct scan_cursor *c, const struct record *r, bool append_time)
{
    if ((size_t)s->out.count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 256;
        struct scan_record *more = ARENA_ARRAY(s->arena, struct scan_record, cap);
        if (!more) return;
        if (s->out.count) memcpy(more, s->out.records, (size_t)s->out.count * sizeof *more);
        s->out.records = more;
        s->cap = cap;
    }
    struct scan_record *to = &s->out.records[s->out.count++];
    *to = (struct scan_record){ .partition = c->partition, .offset = r->offset, .timestamp = r->timestamp,
                                .append_time = append_time, .key_size = r->key.len,
                                .value_size = r->value.len };
    to->key = keep(s, r->key, &to->truncated);
    to->value = keep(s, r->value, &to->truncated);
    keep_headers(s, r, to);
    c->matched++;
}

/* The offset to go on at: behind the batch, or at the record where the limit was reached. */
static int64_t take_batch(struct scan *s, struct scan_cursor *c, struct bytes batch,
                          const struct batch_header *h)
{
    struct batch_reader reader;
    struct record r;
    int64_t next = batch_last_offset(h) + 1;
    if (h->attributes & BATCH_CONTROL) return next;
    if (failed(batch_reader_init(&reader, batch, SCAN_BYTES_MAX))) {
        c->result = FAIL(CORRUPT_MESSAGE);
        return next;
    }
    while (batch_reader_next(&reader, &r)) {
        if (r.offset < c->pos || r.offset >= c->target) continue;
        if (!newest(s) && c->matched >= s->query.limit) {
            next = r.offset;
            break;
        }
        s->out.scanned_records++;
        s->out.scanned_bytes += r.size;
        if (r.timestamp < c->oldest_time) c->oldest_time = r.timestamp;
        if (!passes(s, c, &r)) continue;
        add(s, c, &r, h->attributes & BATCH_LOG_APPEND_TIME);
    }
    batch_reader_done(&reader);
    return next;
}

/* True when the partition got on. */
static bool take_partition(struct scan *s, const struct fetch_response_partition_data *p)
{
    struct scan_cursor *c = cursor_of(s, p->partition_index);
    if (!c || c->idle || c->pos >= c->target) return false;
    if (p->error_code) {
        c->result = status_from_kafka(p->error_code);
        c->idle = true;
        return true;
    }
    struct bytes records = p->records, batch;
    struct batch_header h;
    bool moved = false;
    while (c->pos < c->target && batch_next(&records, &batch, &h, NULL)) {
        int64_t next = take_batch(s, c, batch, &h);
        if (next > c->pos) {
            c->pos = next;
            moved = true;
        }
        if (!newest(s) && c->matched >= s->query.limit) {
            c->idle = true;
            break;
        }
    }
    if (c->pos > c->target) c->pos = c->target;
    return moved;
}

/* --- rounds ----------------------------------------------------------------------------------- */

static void go_on(struct scan *s);

static void fetched(void *arg, status result, const void *response)
{
    struct scan *s = arg;
    const struct fetch_response *r = response;
    if (is_ok(result)) result = status_from_kafka(r->error_code);
    if (failed(result)) {
        s->done(s->arg, result, NULL);
        return;
    }
    bool moved = false;
    for (int32_t i = 0; i < r->responses_count; i++) {
        for (int32_t k = 0; k < r->responses[i].partitions_count; k++) {
            if (take_partition(s, &r->responses[i].partitions[k])) moved = true;
        }
    }
    if (!moved) { /* nothing is there up to the targets: compacted away */
        for (int32_t i = 0; i < s->out.cursor_count; i++) {
            struct scan_cursor *c = &s->out.cursors[i];
            if (c->pos < c->target) c->pos = c->target;
        }
    }
    go_on(s);
}

static void fetch(struct scan *s, int32_t wanted)
{
    struct fetch_request request;
    struct fetch_request_fetch_topic topic;
    wire_default(&fetch_request_message, &request);
    wire_default_struct(&fetch_request_fetch_topic_struct, &topic);
    topic.topic = s->query.topic;
    topic.partitions = ARENA_ARRAY(s->arena, struct fetch_request_fetch_partition, wanted);
    for (int32_t i = 0; topic.partitions && i < s->out.cursor_count; i++) {
        const struct scan_cursor *c = &s->out.cursors[i];
        if (c->idle || c->pos >= c->target) continue;
        struct fetch_request_fetch_partition *p = &topic.partitions[topic.partitions_count++];
        wire_default_struct(&fetch_request_fetch_partition_struct, p);
        p->partition = c->partition;
        p->fetch_offset = c->pos;
        p->partition_max_bytes = FETCH_PARTITION_BYTES;
    }
    if (s->arena->failed) {
        s->done(s->arg, FAIL(NO_MEMORY), NULL);
        return;
    }
    request.replica_id = -1;
    request.max_wait_ms = 0;
    request.min_bytes = 0;
    request.max_bytes = FETCH_BYTES;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    s->fetches++;
    engine_call(s->domain->engine, s->cluster_id, s->principal, FETCH, FETCH_VERSION, &request,
                s->arena,
                CALL_TIMEOUT_MS, fetched, s);
}

/* The time of the worst record that will be shown; INT64_MIN while there are fewer than asked for. */
static int64_t threshold(struct scan *s)
{
    if (s->out.count < s->query.limit) return INT64_MIN;
    sort(s);
    return s->out.records[s->query.limit - 1].order;
}

/* Opens the next window of each partition that may hold newer records; false: none does. */
static bool next_windows(struct scan *s)
{
    int64_t least = threshold(s);
    bool any = false;
    for (int32_t i = 0; i < s->out.cursor_count; i++) {
        struct scan_cursor *c = &s->out.cursors[i];
        if (c->idle || c->low <= c->start || c->oldest_time < least) continue;
        c->target = c->low;
        c->low = c->low - s->window > c->start ? c->low - s->window : c->start;
        c->pos = c->low;
        any = true;
    }
    if (s->window < WINDOW_MAX) s->window *= 2;
    return any;
}

static void go_on(struct scan *s)
{
    int32_t wanted = 0;
    for (int turn = 0; turn < 2 && wanted == 0; turn++) {
        for (int32_t i = 0; i < s->out.cursor_count; i++) {
            wanted += !s->out.cursors[i].idle && s->out.cursors[i].pos < s->out.cursors[i].target;
        }
        if (wanted == 0 && (!newest(s) || !next_windows(s))) {
            finish(s, true);
            return;
        }
    }
    bool spent = s->out.scanned_records >= SCAN_RECORDS_MAX ||
        s->out.scanned_bytes >= SCAN_BYTES_MAX ||
                 s->fetches >= FETCHES_MAX || s->steps < 0 || loop_now(s->domain->loop) >= s->deadline ||
                 s->arena->failed;
    if (spent) finish(s, false);
    else fetch(s, wanted);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void place_cursors(struct scan *s)
{
    for (int32_t i = 0; i < s->topic.count; i++) {
        const struct partition_offsets *o = &s->topic.partitions[i];
        struct scan_cursor *c = &s->out.cursors[i];
        *c = (struct scan_cursor){ .partition = o->partition, .start = o->start, .end = o->end,
                                   .target = o->end, .pos = o->start, .low = o->end,
                                   .oldest_time = INT64_MAX, .result = o->result };
        c->idle = failed(o->result) || o->start < 0 || o->end <= o->start;
        if (newest(s)) c->pos = c->target; /* the first window comes with go_on */
        if (s->query.from == SCAN_OFFSET) c->pos = s->query.offset;
        if (s->query.from == SCAN_TIME) c->pos = s->times.partitions[i].start;
        if (s->query.from == SCAN_TIME && c->pos < 0) c->pos = c->end; /* nothing that young */
        if (c->pos < c->start) c->pos = c->start;
        if (c->pos > c->end) c->pos = c->end;
    }
}

static void times_known(void *arg, status result)
{
    struct scan *s = arg;
    if (failed(result)) {
        s->done(s->arg, result, NULL);
        return;
    }
    place_cursors(s);
    go_on(s);
}

static void ends_known(void *arg, status result)
{
    struct scan *s = arg;
    for (int32_t i = 0; is_ok(result) && i < s->topic.count; i++) {
        if (s->topic.partitions[i].result.code == E_TOPIC_AUTHORIZATION_FAILED ||
            s->topic.partitions[i].result.code == E_UNKNOWN_TOPIC_OR_PARTITION) {
            result = s->topic.partitions[i].result;
        }
    }
    if (failed(result)) {
        s->done(s->arg, result, NULL);
        return;
    }
    if (s->query.from == SCAN_TIME) {
        offsets_at_time(s->domain, s->cluster_id, s->principal, s->query.time, &s->times, 1,
                        s->arena,
                        times_known, s);
        return;
    }
    place_cursors(s);
    go_on(s);
}

static struct topic_offsets offsets_wanted(const struct scan_query *q, struct arena *arena)
{
    if (q->partition < 0) return offsets_of_topic(q->topic, q->partitions, arena);
    struct topic_offsets one = offsets_of_topic(q->topic, 1, arena);
    if (one.count) one.partitions[0].partition = q->partition;
    return one;
}

void records_scan(struct domain *domain, const char *cluster_id, struct str principal,
                  const struct scan_query *query, struct arena *arena, scan_done done, void *arg)
{
    struct scan *s = ARENA_NEW(arena, struct scan);
    if (!s) {
        done(arg, FAIL(NO_MEMORY), NULL);
        return;
    }
    *s = (struct scan){ .domain = domain, .cluster_id = cluster_id, .principal = principal, .query = *query,
                        .window = WINDOW_FIRST, .steps = SCAN_FILTER_STEPS, .arena = arena, .done = done,
                        .arg = arg };
    s->deadline = loop_now(domain->loop) + SCAN_TIME_MAX_MS;
    s->topic = offsets_wanted(query, arena);
    s->times = offsets_wanted(query, arena);
    s->out.cursors = ARENA_ARRAY(arena, struct scan_cursor, s->topic.count + 1);
    s->out.cursor_count = s->topic.count;
    while (s->window < WINDOW_MAX && s->topic.count && s->window * s->topic.count < query->limit) {
        s->window *= 2;
    }
    if (arena->failed) done(arg, FAIL(NO_MEMORY), NULL);
    else offsets_load(domain, cluster_id, principal, &s->topic, 1, arena, ends_known, s);
}
