/* records_search.c - the rounds of a search. Domain thread.
 *
 * A cursor is a partition with a range of offsets [low, high) still to look at. Forward it shrinks from
 * below, newest first from above, a window at a time. `mark` is how far in time the cursor is: a timestamp
 * forward, its negative backward, so that "before" is "smaller" for both. */
#include "domain/records_search.h"

#include "base/mem.h"
#include "wire/messages.h"

#include <stdlib.h>

enum { FETCH = 1, FETCH_VERSION = 12 };
#define WINDOW_FIRST 64
#define WINDOW_MAX 16384
#define CURSORS_A_ROUND 32
#define PARTITION_BYTES (256 << 10)
#define PROGRESS_EVERY_MS 250
#define BUSY_WAIT_MS 20
#define BUSY_MAX_MS 30000
#define FILTER_STEPS (64LL << 30)

struct cursor {
    int64_t low, high;     /* not looked at */
    int64_t begin, pos, target; /* the window under way: [begin, target), read up to pos */
    int64_t window;        /* how wide the next one is, newest first */
    int64_t mark, furthest;/* furthest: the largest key met so far */
    bool done, asked;
};
struct held {
    int64_t key, offset;   /* these three are negative when newest first */
    int32_t partition;
    size_t size;
    void *item;
};
struct search {
    struct domain *domain;
    struct search_query query;
    struct search_events events;
    char cluster_id[ID_TEXT], principal[48];
    struct arena arena, round; /* of the search; of the request under way */
    struct topic_offsets topic, from, to;
    struct cursor *cursors;
    struct scan_cursor *places;
    struct search_state state;
    struct held *heap;         /* the first key on top */
    size_t heap_count, heap_cap, heap_bytes;
    struct timer timer;
    int64_t deadline, progress_at, busy_since; /* busy_since 0: not busy */
    int64_t steps;
    const char *over;          /* why it ends; NULL: it goes on */
    bool begun, asking, stopped;
};

static bool newest(const struct search *s) { return s->query.from == SCAN_NEWEST; }
static int64_t key_of(const struct search *s, int64_t timestamp)
{
    return newest(s) ? -timestamp : timestamp;
}

/* --- what was found, in order of time ---------------------------------------------------------- */

static bool before(const struct held *a, const struct held *b)
{
    if (a->key != b->key) return a->key < b->key;
    if (a->partition != b->partition) return a->partition < b->partition;
    return a->offset < b->offset;
}

static status heap_put(struct search *s, struct held item)
{
    if (s->heap_count == s->heap_cap) {
        size_t cap = s->heap_cap ? s->heap_cap * 2 : 64;
        struct held *more = mem_realloc(s->heap, cap * sizeof *more);
        if (!more) return FAIL(NO_MEMORY);
        s->heap = more;
        s->heap_cap = cap;
    }
    size_t i = s->heap_count++;
    for (; i && before(&item, &s->heap[(i - 1) / 2]); i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = item;
    s->heap_bytes += item.size;
    return OK;
}

static void heap_drop_first(struct search *s)
{
    struct held last = s->heap[--s->heap_count];
    s->heap_bytes -= s->heap[0].size;
    size_t i = 0;
    for (;;) {
        size_t k = 2 * i + 1;
        if (k >= s->heap_count) break;
        if (k + 1 < s->heap_count && before(&s->heap[k + 1], &s->heap[k])) k++;
        if (!before(&s->heap[k], &last)) break;
        s->heap[i] = s->heap[k];
        i = k;
    }
    if (s->heap_count) s->heap[i] = last;
}

/* --- the end ----------------------------------------------------------------------------------- */

static void search_free(struct search *s)
{
    loop_timer_clear(s->domain->loop, &s->timer);
    while (s->heap_count) s->events.drop(s->events.arg, s->heap[--s->heap_count].item);
    mem_free(s->heap);
    arena_done(&s->round);
    arena_done(&s->arena);
    s->domain->searches--;
    mem_free(s);
}

static void fill_state(struct search *s)
{
    s->state.left = 0;
    for (int32_t i = 0; i < s->state.cursor_count; i++) {
        const struct cursor *c = &s->cursors[i];
        int64_t low = !newest(s) && c->pos > c->low ? c->pos : c->low;
        s->places[i].next = newest(s) ? c->high : low;
        if (!c->done) s->state.left += c->high - low;
    }
}

static void finish(struct search *s, status result, const char *why)
{
    fill_state(s);
    s->events.done(s->events.arg, s->stopped ? FAIL(CONFLICT) : result, is_ok(result) ? why : "", &s->state);
    search_free(s);
}

void search_stop(struct search *search)
{
    search->stopped = true;
    if (!search->asking) finish(search, OK, "");
}

static void again(struct search *s, int64_t delay_ms)
{
    status set = loop_timer_set(s->domain->loop, &s->timer, loop_now(s->domain->loop) + delay_ms);
    if (failed(set)) finish(s, set, "");
}

/* --- looking at records ------------------------------------------------------------------------ */

static struct bytes cut(const struct search *s, struct bytes b, bool *truncated)
{
    if (b.len <= (size_t)s->query.value_max) return b;
    *truncated = true;
    return bytes_of(b.data, (size_t)s->query.value_max);
}

static status found(struct search *s, int32_t partition, const struct record *r, bool append_time)
{
    struct scan_record to = { .partition = partition, .offset = r->offset, .timestamp = r->timestamp,
                              .append_time = append_time, .key_size = r->key.len,
                              .value_size = r->value.len };
    to.key = cut(s, r->key, &to.truncated);
    to.value = cut(s, r->value, &to.truncated);
    if (r->header_count > 0 && is_ok(record_headers(r, &s->round, &to.headers)))
        to.header_count = r->header_count;
    for (int32_t i = 0; i < to.header_count; i++)
        to.headers[i].value = cut(s, to.headers[i].value, &to.truncated);
    struct held item = { .key = key_of(s, r->timestamp), .offset = newest(s) ? -r->offset : r->offset,
                         .partition = newest(s) ? -partition : partition, .size = (size_t)r->size + 512,
                         .item = s->events.keep(s->events.arg, &to) };
    if (!item.item) return FAIL(NO_MEMORY);
    status put = heap_put(s, item);
    if (failed(put)) s->events.drop(s->events.arg, item.item);
    else s->state.found++;
    return put;
}

static status look_at(struct search *s, struct cursor *c, int32_t partition, const struct record *r,
                      bool append)
{
    bool match = true;
    s->state.records++;
    s->state.bytes += r->size;
    int64_t key = key_of(s, r->timestamp);
    if (key > c->furthest) c->furthest = key;
    if (!newest(s)) c->mark = c->furthest;
    if (s->query.to_time >= 0 && r->timestamp > s->query.to_time) return OK;
    if (s->query.filter && failed(record_filter_match(s->query.filter, partition, r, &s->steps, &match)))
        s->over = "filter";
    return match ? found(s, partition, r, append) : OK;
}

static size_t plain_max(size_t size)
{
    size_t most = size * SEARCH_PLAIN_RATIO;
    if (most < 1 << 20) most = 1 << 20;
    return most < SEARCH_PLAIN_MAX ? most : SEARCH_PLAIN_MAX;
}

/* Where to go on: behind the batch, or where the search ended within it. */
static status look_at_batch(struct search *s, struct cursor *c, int32_t partition, struct bytes batch,
                            const struct batch_header *h, int64_t *ret_next)
{
    struct batch_reader reader;
    struct record r;
    status result = OK;
    *ret_next = batch_last_offset(h) + 1;
    if (h->attributes & BATCH_CONTROL) return OK;
    int64_t begin = loop_nanos();
    if (failed(batch_reader_init(&reader, batch, plain_max(h->size)))) {
        s->state.unreadable++;
        return OK;
    }
    if (loop_nanos() - begin > SEARCH_INFLATE_MS * 1000000LL) s->over = "max_ms";
    while (is_ok(result) && !s->over && batch_reader_next(&reader, &r)) {
        if (r.offset < c->pos) continue;
        if (r.offset >= c->target) break;
        if (s->state.records >= s->query.max_records) s->over = "max_records";
        else if (s->state.bytes >= s->query.max_bytes) s->over = "max_bytes";
        else result = look_at(s, c, partition, &r, h->attributes & BATCH_LOG_APPEND_TIME);
        if (s->over || failed(result)) *ret_next = r.offset;
    }
    if (failed(batch_reader_result(&reader))) s->state.unreadable++;
    batch_reader_done(&reader);
    return result;
}

static status look_at_partition(struct search *s, const struct fetch_response_partition_data *p, bool *moved)
{
    int32_t at = 0;
    while (at < s->state.cursor_count && s->places[at].partition != p->partition_index) at++;
    if (at == s->state.cursor_count || !s->cursors[at].asked) return OK;
    struct cursor *c = &s->cursors[at];
    if (p->error_code) {
        s->places[at].result = status_from_kafka(p->error_code);
        c->done = true;
        *moved = true;
        return OK;
    }
    struct bytes records = p->records, batch;
    struct batch_header h;
    status why = OK;
    while (!s->over && c->pos < c->target && batch_next(&records, &batch, &h, &why)) {
        int64_t next;
        TRY(look_at_batch(s, c, p->partition_index, batch, &h, &next));
        if (next <= c->pos) continue;
        c->pos = next < c->target ? next : c->target;
        *moved = true;
    }
    if (failed(why) && why.code != E_TRUNCATED) s->state.unreadable++;
    return OK;
}

/* --- rounds ------------------------------------------------------------------------------------ */

static void open_window(struct search *s, struct cursor *c)
{
    if (c->pos < c->target) return; /* one is under way */
    c->target = c->high;
    c->begin = newest(s) && c->high - c->low > c->window ? c->high - c->window : c->low;
    c->pos = c->begin;
}

/* When it was read wholly. Newest first nothing may be told before that: it is read upwards. */
static void close_window(struct search *s, struct cursor *c)
{
    if (c->pos < c->target) return;
    if (newest(s)) c->high = c->begin;
    else c->low = c->target;
    c->pos = c->target = c->low;
    c->mark = c->furthest;
    if (c->window < WINDOW_MAX) c->window *= 2;
    c->done = c->low >= c->high;
}

static void fetched(void *arg, status result, const void *response)
{
    struct search *s = arg;
    const struct fetch_response *r = response;
    bool moved = false;
    s->asking = false;
    if (s->stopped) {
        finish(s, OK, "");
        return;
    }
    if (is_ok(result)) result = status_from_kafka(r->error_code);
    for (int32_t i = 0; is_ok(result) && i < r->responses_count; i++) {
        for (int32_t k = 0; is_ok(result) && k < r->responses[i].partitions_count; k++)
            result = look_at_partition(s, &r->responses[i].partitions[k], &moved);
    }
    for (int32_t i = 0; i < s->state.cursor_count; i++) {
        struct cursor *c = &s->cursors[i];
        if (!c->asked) continue;
        c->asked = false;
        if (!moved && !s->over) c->pos = c->target; /* nothing is there: compacted away */
        close_window(s, c);
    }
    if (is_ok(result)) again(s, 0);
    else finish(s, result, "");
}

/* Among those not done and not yet chosen the one with the smallest mark; NULL: none. */
static struct cursor *next_cursor(struct search *s)
{
    struct cursor *best = NULL;
    for (int32_t i = 0; i < s->state.cursor_count; i++) {
        struct cursor *c = &s->cursors[i];
        if (!c->done && !c->asked && (!best || c->mark < best->mark)) best = c;
    }
    return best;
}

static void fetch(struct search *s)
{
    struct fetch_request request;
    struct fetch_request_fetch_topic topic;
    arena_reset(&s->round);
    wire_default(&fetch_request_message, &request);
    wire_default_struct(&fetch_request_fetch_topic_struct, &topic);
    topic.topic = s->query.topic;
    topic.partitions = ARENA_ARRAY(&s->round, struct fetch_request_fetch_partition, CURSORS_A_ROUND);
    int64_t mark = 0;
    while (topic.partitions && topic.partitions_count < CURSORS_A_ROUND) {
        struct cursor *c = next_cursor(s);
        /* Those that were not looked at at all go together; of the others only the one that is behind. */
        if (!c || (topic.partitions_count && (c->mark != mark || mark != INT64_MIN))) break;
        mark = c->mark;
        open_window(s, c);
        c->asked = true;
        struct fetch_request_fetch_partition *p = &topic.partitions[topic.partitions_count++];
        wire_default_struct(&fetch_request_fetch_partition_struct, p);
        p->partition = s->places[c - s->cursors].partition;
        p->fetch_offset = c->pos;
        p->partition_max_bytes = PARTITION_BYTES;
    }
    if (failed(arena_check(&s->round))) {
        finish(s, FAIL(NO_MEMORY), "");
        return;
    }
    request.replica_id = -1;
    request.max_bytes = SEARCH_FETCH_BYTES;
    request.session_epoch = -1;
    request.topics = &topic;
    request.topics_count = 1;
    request.max_wait_ms = request.min_bytes = 0;
    s->asking = true;
    engine_call(s->domain->engine, s->cluster_id, str_c(s->principal), FETCH, FETCH_VERSION, &request,
                &s->round, CALL_TIMEOUT_MS, fetched, s);
}

/* Tells what nothing can come before any more. OK: go on; BUSY: later. */
static status tell(struct search *s)
{
    const struct cursor *behind = s->over ? NULL : next_cursor(s);
    bool crowded = s->heap_count > SEARCH_HELD_RECORDS || s->heap_bytes > SEARCH_HELD_BYTES;
    while (s->heap_count && s->state.told < s->query.limit &&
           (crowded || !behind || s->heap[0].key < behind->mark)) {
        TRY(s->events.tell(s->events.arg, s->heap[0].item));
        heap_drop_first(s);
        s->state.told++;
        crowded = s->heap_count > SEARCH_HELD_RECORDS / 2 || s->heap_bytes > SEARCH_HELD_BYTES / 2;
    }
    return OK;
}

static status progress(struct search *s, int64_t now)
{
    if (now < s->progress_at) return OK;
    s->progress_at = now + PROGRESS_EVERY_MS;
    fill_state(s);
    status said = s->events.progress(s->events.arg, &s->state);
    return said.code == E_BUSY ? OK : said; /* the next one says more */
}

static void ends_known(void *arg, status result);

static void round_begin(struct timer *timer)
{
    struct search *s = CONTAINER_OF(timer, struct search, timer);
    int64_t now = loop_now(s->domain->loop);
    if (!s->begun) {
        s->begun = s->asking = true;
        offsets_load(s->domain, s->cluster_id, str_c(s->principal), &s->topic, 1, &s->arena, ends_known, s);
        return;
    }
    if (!s->over && now >= s->deadline) s->over = "max_ms";
    status told = tell(s);
    if (is_ok(told)) told = progress(s, now);
    if (told.code == E_BUSY) {
        if (!s->busy_since) s->busy_since = now;
        if (now - s->busy_since > BUSY_MAX_MS) finish(s, OK, "slow");
        else again(s, BUSY_WAIT_MS);
        return;
    }
    s->busy_since = 0;
    if (failed(told)) finish(s, told, "");
    else if (s->state.told >= s->query.limit) finish(s, OK, "limit");
    else if (s->over) finish(s, OK, s->over);
    else if (!next_cursor(s)) finish(s, OK, "end");
    else fetch(s);
}

/* --- the beginning ----------------------------------------------------------------------------- */

static void place(struct search *s)
{
    const struct search_query *q = &s->query;
    for (int32_t i = 0; i < s->topic.count; i++) {
        const struct partition_offsets *o = &s->topic.partitions[i];
        struct cursor *c = &s->cursors[i];
        int64_t low = o->start, high = o->end;
        s->places[i] = (struct scan_cursor){ .partition = o->partition, .start = o->start, .end = o->end,
                                             .result = o->result };
        if (q->from == SCAN_OFFSET && q->offset > low) low = q->offset;
        if (q->from == SCAN_TIME)
            low = s->from.partitions[i].start >= 0 ? s->from.partitions[i].start : high;
        if (q->to_offset >= 0 && q->to_offset < high) high = q->to_offset + 1;
        if (q->to_time >= 0 && s->to.partitions[i].start >= 0 && s->to.partitions[i].start < high)
            high = s->to.partitions[i].start;
        *c = (struct cursor){ .low = low, .high = high > low ? high : low, .window = WINDOW_FIRST,
                              .mark = INT64_MIN, .furthest = INT64_MIN, .pos = low, .target = low };
        c->done = failed(o->result) || o->start < 0 || c->low >= c->high;
    }
}

static bool went_wrong(struct search *s, status result)
{
    s->asking = false;
    for (int32_t i = 0; is_ok(result) && i < s->topic.count; i++) {
        enum err code = s->topic.partitions[i].result.code;
        if (code == E_TOPIC_AUTHORIZATION_FAILED || code == E_UNKNOWN_TOPIC_OR_PARTITION)
            result = s->topic.partitions[i].result;
    }
    if (is_ok(result) && !s->stopped) return false;
    finish(s, result, "");
    return true;
}

static void to_known(void *arg, status result)
{
    struct search *s = arg;
    if (went_wrong(s, result)) return;
    place(s);
    again(s, 0);
}

static void from_known(void *arg, status result)
{
    struct search *s = arg;
    if (went_wrong(s, result)) return;
    if (s->query.to_time < 0) {
        to_known(s, OK);
        return;
    }
    s->asking = true;
    offsets_at_time(s->domain, s->cluster_id, str_c(s->principal), s->query.to_time + 1, &s->to, 1, &s->arena,
                    to_known, s);
}

static void ends_known(void *arg, status result)
{
    struct search *s = arg;
    if (went_wrong(s, result)) return;
    if (s->query.from != SCAN_TIME) {
        from_known(s, OK);
        return;
    }
    s->asking = true;
    offsets_at_time(s->domain, s->cluster_id, str_c(s->principal), s->query.time, &s->from, 1, &s->arena,
                    from_known, s);
}

static struct topic_offsets wanted(struct search *s)
{
    const struct search_query *q = &s->query;
    if (q->partition < 0) return offsets_of_topic(q->topic, q->partitions, &s->arena);
    struct topic_offsets one = offsets_of_topic(q->topic, 1, &s->arena);
    if (one.count) one.partitions[0].partition = q->partition;
    return one;
}

status search_start(struct domain *domain, const struct search_query *query,
                    const struct search_events *events, struct search **ret_search)
{
    if (domain->searches >= SEARCHES_MAX) return FAIL(BUSY);
    struct search *s = mem_zalloc(sizeof *s);
    if (!s) return FAIL(NO_MEMORY);
    *s = (struct search){ .domain = domain, .query = *query, .events = *events, .steps = FILTER_STEPS };
    domain->searches++;
    arena_init(&s->arena, 16 << 20);
    arena_init(&s->round, 48 << 20);
    timer_init(&s->timer, round_begin);
    str_copy(s->cluster_id, sizeof s->cluster_id, str_c(query->cluster_id));
    str_copy(s->principal, sizeof s->principal, query->principal);
    s->query.topic = arena_str(&s->arena, query->topic);
    s->topic = wanted(s);
    s->from = wanted(s);
    s->to = wanted(s);
    s->cursors = ARENA_ARRAY(&s->arena, struct cursor, s->topic.count);
    s->places = ARENA_ARRAY(&s->arena, struct scan_cursor, s->topic.count);
    s->state.cursors = s->places;
    s->state.cursor_count = s->topic.count;
    s->deadline = loop_now(domain->loop) + query->max_ms;
    s->progress_at = loop_now(domain->loop) + PROGRESS_EVERY_MS;
    status timed = arena_check(&s->arena);
    if (is_ok(timed)) timed = loop_timer_set(domain->loop, &s->timer, loop_now(domain->loop));
    if (failed(timed)) {
        search_free(s);
        return timed;
    }
    *ret_search = s;
    return OK;
}
