/* fetch.c - Fetch (key 1). A request is answered at once when it has an error, enough bytes, or may
 * not wait; otherwise it is parked on its partitions until one of them moves or max_wait is over.
 *
 * What to read and which partitions an answer names is up to the fetch session (KIP-227). Whole stored
 * batches are sent, beginning with the one that contains the offset; the first non-empty partition
 * gets one batch even beyond the limits, so that a consumer always goes on.
 *
 * The loop waits for no disk: what is not in memory is brought there on a lane (warm.h) and the fetch goes
 * on where it was. Stretches of some size are not read here at all: they are parts of the reply, and
 * the stream reads them when its socket has room. */
#include "broker/handler.h"

#include "broker/authorizer.h"
#include "broker/clients.h"
#include "broker/fetch_session.h"
#include "broker/leader.h"
#include "broker/parked.h"
#include "storage/log_source.h"
#include "storage/warm.h"
#include "wire/batch.h"

#define RESPONSE_MAX (8u << 20) /* records of one answer; the client's max_bytes may be less */
#define PART_MIN (16u << 10)   /* records of a partition that become a part of the reply */
#define CHECKED_MAX (1u << 20) /* of a partition, where batches have to be checked */
#define PATIENCE 64            /* times that something is brought in for one partition; then wait */
#define MAX_WAIT_MS (5 * 60 * 1000)
#define READS_A_TURN 128        /* partitions; each takes two microseconds */
#define LOOKS 64                /* partitions looked at between two looks at how long the turn is */
#define TOPIC_IDS_SINCE 13
#define LEADER_HINTS_SINCE 16 /* KIP-951 */

typedef struct fetch_request_fetch_partition asked_partition;
typedef struct fetch_response_partition_data partition_answer;
typedef struct fetch_response_fetchable_topic_response topic_answer;
typedef struct fetch_response_aborted_transaction aborted_answer;

struct fetch_item { /* one partition of the request */
    const asked_partition *asked;
    struct topic_stats *stats;
    struct plog *log;       /* NULL with a failure, or when the log ended while parked */
    struct parked_log *waits; /* NULL: not parked */
    struct uuid topic_id;
    status failure;
    size_t records_at, records_len; /* within fetch.records, unless they are a part */
    bool is_part;
    int64_t records;
    int64_t bound_seen; /* `available` is what there was up to here; -1: not known yet */
    int64_t available;
    size_t aborted_at;              /* within fetch.aborted */
    int32_t aborted_count;
};

struct fetch {
    struct request *request;
    struct fetch_context context;
    struct parked parked;
    struct parked_log *logs;
    struct fetch_item *items; /* one for each of the context's targets */
    int32_t count;
    size_t max_bytes;
    int64_t min_bytes;
    int64_t until;
    int32_t looked;    /* is there enough? So many items were looked at, */
    int64_t available; /* and have so much */
    bool again;       /* something has moved since that began */
    bool reading;     /* it is ready, or late: items below `at` are read */
    int32_t at;
    size_t bytes;     /* of records, wherever they are */
    struct warm warm;
    struct timer next; /* set: it goes on in the next turn */
    bool enough;       /* was done in this one */
    struct read_miss miss;
    int warmed;       /* how often, for the item at `at` */
    status unreadable; /* why the last attempt failed, for the item at `at` */
    struct buf records;
    struct buf aborted; /* aborted_answer, for readers of committed records */
};

/* --- what is asked for ------------------------------------------------------ */

static status fetch_find(struct request *r, const struct fetch_target *target,
                         const struct topic **ret_topic)
{
    bool by_id = r->version >= TOPIC_IDS_SINCE;
    const struct image *image = r->broker->image;
    const struct topic *found = by_id ? image_topic_by_id(image, target->topic_id)
                                      : image_topic(image, target->topic);
    *ret_topic = NULL;
    if (by_id && !found) return FAIL(UNKNOWN_TOPIC_ID);
    if (!authorize(r, OP_READ, RES_TOPIC, found ? found->name : target->topic))
        return FAIL(TOPIC_AUTHORIZATION_FAILED);
    if (!found) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    *ret_topic = found;
    return OK;
}

static void fetch_item_fill(struct request *r, struct fetch_item *item, const struct topic *topic,
                            status found, const asked_partition *asked)
{
    item->asked = asked;
    item->failure = found;
    item->bound_seen = -1;
    if (failed(found)) return;
    struct broker *b = r->broker;
    item->topic_id = topic->id;
    item->stats = stats_topic(&b->stats, topic->id);
    item->stats->fetch_requests++;
    if (asked->partition < 0 || asked->partition >= topic->partitions) {
        item->failure = FAIL(UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    item->log = broker_log(b, topic, asked->partition);
    item->failure = item->log && !plog_offline(item->log)
                        ? leader_epoch_check(b, asked->current_leader_epoch)
                        : FAIL(KAFKA_STORAGE_ERROR);
    if (is_ok(item->failure) && (asked->fetch_offset < plog_start(item->log) ||
                                 asked->fetch_offset > plog_end(item->log)))
        item->failure = FAIL(OFFSET_OUT_OF_RANGE);
    if (failed(item->failure)) item->stats->failed_fetch++;
}

static bool same_topic(const struct fetch_target *a, const struct fetch_target *b)
{
    return uuid_eq(a->topic_id, b->topic_id) && str_eq(a->topic, b->topic);
}

static bool fetch_fill(struct fetch *f)
{
    struct request *r = f->request;
    const struct fetch_target *targets = f->context.targets;
    const struct topic *topic = NULL;
    status found = OK;
    f->count = f->context.count;
    f->items = ARENA_ARRAY(r->arena, struct fetch_item, f->count);
    f->logs = ARENA_ARRAY(r->arena, struct parked_log, f->count);
    if (r->arena->failed) return false;
    for (int32_t i = 0; i < f->count; i++) {
        if (i == 0 || !same_topic(&targets[i], &targets[i - 1])) {
            found = fetch_find(r, &targets[i], &topic);
            if (is_ok(found)) client_fetches(r, topic->id);
        }
        fetch_item_fill(r, &f->items[i], topic, found, &targets[i].asked);
    }
    return true;
}

/* --- is there enough? ------------------------------------------------------ */

static bool fetch_committed(const struct request *r)
{
    const struct fetch_request *body = r->body;
    return body->isolation_level == 1;
}

/* read_committed sees up to the last stable offset, everyone else up to the high watermark. */
static int64_t fetch_bound(const struct request *r, const struct plog *log)
{
    return fetch_committed(r) ? plog_stable(log) : plog_high_watermark(log);
}

static size_t partition_max(const struct fetch_item *item)
{
    return item->asked->partition_max_bytes > 0 ? (size_t)item->asked->partition_max_bytes : 0;
}

/* What the item has for the request; false: it is to be answered at once. */
static bool fetch_look(struct fetch *f, struct fetch_item *item)
{
    if (failed(item->failure) || !item->log) return false;
    int64_t offset = item->asked->fetch_offset, bound = fetch_bound(f->request, item->log);
    if (offset >= bound) return offset >= plog_start(item->log);
    if (bound != item->bound_seen) {
        size_t max = partition_max(item) > 0 ? partition_max(item) : 1;
        item->available = f->min_bytes <= 1 ? 1 : (int64_t)plog_available(item->log, offset, bound, max);
        if (f->miss.segment) return false;
        item->bound_seen = bound;
    }
    f->available += item->available;
    return f->available < f->min_bytes;
}

/* Is there something at once, or as much as was asked for? Also true when that could not be found out
 * without waiting for the disk: f->miss. Goes on where it was; f->enough: not all is known yet. */
static bool fetch_ready(struct fetch *f)
{
    struct loop *loop = f->request->broker->loop;
    for (; f->looked < f->count; f->looked++, f->warmed = 0) {
        f->enough = f->looked % LOOKS == LOOKS - 1 && loop_turn_is_long(loop) && !f->enough;
        if (f->enough) return false;
        if (!fetch_look(f, &f->items[f->looked])) return true;
    }
    bool ready = f->available >= f->min_bytes;
    f->looked = 0;
    f->available = 0;
    return ready;
}

/* --- the answer ------------------------------------------------------ */

static void fetch_aborted_one(void *arg, const struct aborted_txn *txn)
{
    aborted_answer a;
    wire_default_struct(&fetch_response_aborted_transaction_struct, &a);
    a.producer_id = txn->producer_id;
    a.first_offset = txn->first_offset;
    buf_put(arg, &a, sizeof a);
}

/* The transactions of which the records up to `end` may hold some that were aborted (KIP-98). */
static status fetch_aborted(struct fetch *f, struct fetch_item *item, int64_t end)
{
    item->aborted_at = f->aborted.len;
    status found = plog_aborted(item->log, item->asked->fetch_offset, end, fetch_aborted_one, &f->aborted);
    if (found.code == E_BUSY) f->aborted.len = item->aborted_at;
    TRY(found);
    TRY(buf_check(&f->aborted));
    item->aborted_count = (int32_t)((f->aborted.len - item->aborted_at) / sizeof(aborted_answer));
    return OK;
}

static bool fetch_add_part(struct fetch *f, struct plog *log, const struct log_span *span)
{
    struct request *r = f->request;
    struct stream_source *source = log_source_new(log, span);
    if (!source) return false;
    if (is_ok(request_add_part(r, source, span->len))) return true;
    source->free(source);
    return false;
}

/* With the bytes in hand: what was not checked since the start of the broker, and what is known to be
 * damaged somewhere. */
static status fetch_checked(struct fetch *f, struct fetch_item *item, int64_t bound, size_t max,
                            bool at_least_one)
{
    struct read_result result = { 0 };
    struct batch_header h;
    status read = plog_read(item->log, item->asked->fetch_offset, bound,
                            max < CHECKED_MAX ? max : CHECKED_MAX, at_least_one, &f->records, &result);
    size_t len = f->records.len - item->records_at;
    if (is_ok(read) && len && fetch_committed(f->request)) read = fetch_aborted(f, item, result.next_offset);
    if (failed(read)) {
        f->records.len = item->records_at;
        return read;
    }
    struct bytes left = bytes_of(f->records.data + item->records_at, len), batch;
    while (batch_next(&left, &batch, &h, NULL)) item->records += h.record_count;
    item->records_len = len;
    f->bytes += len;
    return OK;
}

/* BUSY: not now, and nothing has changed. */
static status fetch_read(struct fetch *f, struct fetch_item *item, bool at_least_one)
{
    int64_t offset = item->asked->fetch_offset, bound = fetch_bound(f->request, item->log);
    struct log_span span;
    item->records_at = f->records.len;
    if (offset >= bound) return OK;
    size_t left = f->bytes < f->max_bytes ? f->max_bytes - f->bytes : 0;
    size_t max = partition_max(item) < left ? partition_max(item) : left;
    if (!max && !at_least_one) return OK;
    status found = plog_span(item->log, offset, bound, max, at_least_one, &span);
    if (found.code == E_CORRUPT || (is_ok(found) && span.unchecked))
        return fetch_checked(f, item, bound, max, at_least_one);
    TRY(found);
    if (span.len && fetch_committed(f->request)) TRY(fetch_aborted(f, item, span.next_offset));
    item->is_part = span.len >= PART_MIN && fetch_add_part(f, item->log, &span);
    if (!item->is_part) {
        status read = plog_span_read(item->log, &span, &f->records);
        if (read.code == E_CORRUPT) return fetch_checked(f, item, bound, max, at_least_one);
        TRY(read);
    }
    item->records_len = span.len;
    item->records = span.records;
    f->bytes += span.len;
    return OK;
}

/* The items from f->at on; BUSY: that was enough for one turn, or f->miss has to be brought in first. */
static status fetch_read_all(struct fetch *f)
{
    struct request *r = f->request;
    size_t before = 0;
    int reads = 0;
    for (; f->at < f->count; f->at++, f->warmed = 0, f->unreadable = OK) {
        struct fetch_item *item = &f->items[f->at];
        if (is_ok(item->failure) && !item->log)
            item->failure = r->version >= TOPIC_IDS_SINCE ? FAIL(UNKNOWN_TOPIC_ID)
                                                          : FAIL(UNKNOWN_TOPIC_OR_PARTITION);
        if (failed(item->failure)) continue;
        f->enough = reads == READS_A_TURN;
        if (f->enough) return FAIL(BUSY);
        before = f->bytes;
        store_only_cached(r->broker->store, f->warmed < PATIENCE ? &f->miss : NULL);
        status read = failed(f->unreadable) ? f->unreadable : fetch_read(f, item, f->bytes == 0);
        store_only_cached(r->broker->store, NULL);
        if (read.code == E_BUSY && f->warmed < PATIENCE) return read;
        if (failed(read)) {
            item->failure = read;
            item->stats->failed_fetch++;
        }
        reads += f->bytes > before;
    }
    return OK;
}

static void fetch_count(struct fetch *f, const struct fetch_item *item)
{
    struct broker *b = f->request->broker;
    item->stats->bytes_out += (int64_t)item->records_len;
    item->stats->records_out += item->records;
    b->stats.bytes_out += (int64_t)item->records_len;
    b->stats.records_out += item->records;
    client_fetched(f->request, item->topic_id, item->records_len, item->records);
}

/* KIP-595's truncation detection: the log of the leader has gone another way below the offset. */
static void fetch_diverging(const struct fetch_item *item, partition_answer *answer)
{
    int32_t epoch;
    int64_t end;
    if (item->asked->last_fetched_epoch < 0) return;
    plog_epoch_end(item->log, item->asked->last_fetched_epoch, &epoch, &end);
    if (epoch < 0 || (epoch >= item->asked->last_fetched_epoch && end >= item->asked->fetch_offset))
        return;
    answer->diverging_epoch.epoch = epoch;
    answer->diverging_epoch.end_offset = end;
}

static void fetch_partition_answer(struct fetch *f, const struct fetch_item *item,
                                   partition_answer *answer)
{
    wire_default_struct(&fetch_response_partition_data_struct, answer);
    answer->partition_index = item->asked->partition;
    answer->error_code = status_kafka(item->failure);
    answer->high_watermark = -1;
    answer->aborted_transactions_count = -1; /* null, but for readers of committed records */
    answer->records = bytes_of("", 0);
    if (failed(item->failure)) {
        if (f->request->version < LEADER_HINTS_SINCE || !leader_hinted(item->failure)) return;
        answer->current_leader.leader_id = f->request->broker->options.node_id;
        answer->current_leader.leader_epoch = store_epoch(f->request->broker->store);
        return;
    }
    answer->high_watermark = plog_high_watermark(item->log);
    answer->last_stable_offset = plog_stable(item->log);
    answer->log_start_offset = plog_start(item->log);
    fetch_diverging(item, answer);
    if (fetch_committed(f->request)) {
        answer->aborted_transactions_count = item->aborted_count;
        if (item->aborted_count)
            answer->aborted_transactions = (aborted_answer *)(f->aborted.data + item->aborted_at);
    }
    if (!item->records_len) return;
    answer->records = bytes_of(item->is_part ? wire_hole : f->records.data + item->records_at,
                               item->records_len);
    fetch_count(f, item);
}

static void fetch_release(struct fetch *f)
{
    warm_stop(&f->warm);
    loop_timer_clear(f->request->broker->loop, &f->next);
    parked_leave(&f->parked);
    buf_done(&f->records);
    buf_done(&f->aborted);
}

/* The answers that are sent, partitions of one topic that follow each other under its name. */
static void fetch_group(struct fetch *f, partition_answer *answers, const bool *send,
                        topic_answer *topics, struct fetch_response *response)
{
    const struct fetch_target *targets = f->context.targets, *last = NULL;
    int32_t kept = 0;
    response->responses = topics;
    for (int32_t i = 0; i < f->count; i++) {
        if (!send[i]) continue;
        if (!last || !same_topic(last, &targets[i]))
            topics[response->responses_count++] = (topic_answer){
                .topic = targets[i].topic.data ? targets[i].topic : STR(""),
                .topic_id = targets[i].topic_id, .partitions = &answers[kept] };
        last = &targets[i];
        topics[response->responses_count - 1].partitions_count++;
        answers[kept++] = answers[i];
    }
}

/* KIP-951: where the leaders are reached that partitions of this answer name. */
static void fetch_endpoints(struct fetch *f, struct fetch_response *response)
{
    for (int32_t i = 0; i < f->count; i++) {
        if (f->request->version < LEADER_HINTS_SINCE || !leader_hinted(f->items[i].failure)) continue;
        struct broker *b = f->request->broker;
        response->node_endpoints = ARENA_NEW(f->request->arena, struct fetch_response_node_endpoint);
        if (!response->node_endpoints) return;
        *response->node_endpoints = (struct fetch_response_node_endpoint){
            b->options.node_id, str_c(endpoint_host(f->request->endpoint)),
            endpoint_port(f->request->endpoint), STR_NULL };
        response->node_endpoints_count = 1;
        return;
    }
}

static bool fetch_topics_answer(struct fetch *f, struct fetch_response *response)
{
    struct request *r = f->request;
    partition_answer *answers = ARENA_ARRAY(r->arena, partition_answer, f->count);
    topic_answer *topics = ARENA_ARRAY(r->arena, topic_answer, f->count);
    bool *send = ARENA_ARRAY(r->arena, bool, f->count);
    if (r->arena->failed) return false;
    for (int32_t i = 0; i < f->count; i++) fetch_partition_answer(f, &f->items[i], &answers[i]);
    status ended = fetch_session_end(r->broker->fetch_sessions, &f->context, answers,
                                     loop_now(r->broker->loop), send);
    response->session_id = f->context.session_id;
    response->error_code = status_kafka(ended);
    if (failed(ended)) {
        request_drop_parts(r);
        return true;
    }
    fetch_group(f, answers, send, topics, response);
    fetch_endpoints(f, response);
    return !r->arena->failed;
}

static void fetch_answer(struct fetch *f)
{
    struct request *r = f->request;
    struct fetch_response response;
    parked_leave(&f->parked);
    wire_default(&fetch_response_message, &response);
    if (!fetch_topics_answer(f, &response)) {
        fetch_release(f);
        (void)request_out_of_memory(r);
        return;
    }
    response.throttle_time_ms = quota_fetch(r, f->bytes);
    /* The reply has a copy of these bytes: f lives in the arena, its buffers do not. */
    struct buf records = buf_take(&f->records), aborted = buf_take(&f->aborted);
    request_reply_throttled(r, &response, response.throttle_time_ms);
    buf_done(&records);
    buf_done(&aborted);
}

/* --- waiting ------------------------------------------------------ */

static void fetch_abandoned(struct request *r)
{
    fetch_release(r->state);
    request_drop(r);
}

/* From here on it hears of logs that move or end. */
static void fetch_park(struct fetch *f)
{
    struct request *r = f->request;
    if (r->state) return;
    r->state = f;
    r->abandoned = fetch_abandoned;
    for (int32_t i = 0; i < f->count; i++) {
        struct fetch_item *item = &f->items[i];
        if (failed(item->failure) || !item->log) continue;
        item->waits = &f->logs[f->parked.count];
        parked_add(&f->parked, item->log);
    }
}

/* A log that ended while the request was parked is not there any more. */
static void fetch_notice_ended(struct fetch *f)
{
    for (int32_t i = 0; i < f->count; i++)
        if (f->items[i].waits && !f->items[i].waits->log) f->items[i].log = NULL;
}

static void fetch_go(struct fetch *f);

static void fetch_warmed(struct warm *warm, status result)
{
    struct fetch *f = CONTAINER_OF(warm, struct fetch, warm);
    if (f->reading) f->unreadable = result;
    else if (failed(result)) f->reading = true; /* the answer says so, of whatever cannot be read */
    fetch_notice_ended(f);
    fetch_go(f);
}

static void fetch_warm(struct fetch *f)
{
    fetch_park(f);
    f->warmed++;
    quota_work_pause(f->request);
    status started = warm_start(f->request->broker->store, &f->miss, &f->warm);
    if (failed(started)) fetch_warmed(&f->warm, started);
}

static void fetch_next(struct timer *timer)
{
    struct fetch *f = CONTAINER_OF(timer, struct fetch, next);
    fetch_notice_ended(f);
    fetch_go(f);
}

static void fetch_rest(struct fetch *f)
{
    fetch_park(f);
    quota_work_pause(f->request);
    timer_init(&f->next, fetch_next);
    struct loop *loop = f->request->broker->loop;
    if (failed(loop_timer_set(loop, &f->next, loop_now(loop)))) fetch_go(f);
}

/* Goes on as far as possible without waiting: for records, for the disk, for others' turn. */
static void fetch_go(struct fetch *f)
{
    struct request *r = f->request;
    quota_work_begin(r);
    if (!f->reading) {
        f->miss = (struct read_miss){ 0 };
        store_only_cached(r->broker->store, f->warmed < PATIENCE ? &f->miss : NULL);
        bool late = f->parked.late || f->until <= r->arrived || f->count == 0, ready = late || fetch_ready(f);
        store_only_cached(r->broker->store, NULL);
        if (!ready && (f->enough || f->again)) {
            f->again &= f->enough;
            fetch_rest(f);
            return;
        }
        if (!ready) {
            fetch_park(f);
            ready = failed(parked_until(&f->parked, f->until));
        } else if (f->miss.segment && f->warmed < PATIENCE) {
            fetch_warm(f);
            return;
        }
        if (!ready) {
            quota_work_pause(r);
            return;
        }
        f->reading = true;
        f->warmed = 0;
    }
    if (is_ok(fetch_read_all(f))) fetch_answer(f);
    else if (f->enough) fetch_rest(f);
    else fetch_warm(f);
}

static void fetch_wake(struct parked *parked)
{
    struct fetch *f = CONTAINER_OF(parked, struct fetch, parked);
    fetch_notice_ended(f);
    f->again = f->warm.task || f->next.slot; /* else when that has come */
    if (!f->again) fetch_go(f);
}

/* --- the request ------------------------------------------------------ */

static void fetch_answer_empty(struct request *r, status error, int32_t session_id,
                               int32_t throttle_ms)
{
    struct fetch_response response;
    wire_default(&fetch_response_message, &response);
    response.error_code = status_kafka(error);
    response.session_id = session_id;
    response.throttle_time_ms = throttle_ms;
    request_reply_throttled(r, &response, throttle_ms);
}

/* The session of the request, and what it reads; false: it is answered already. */
static bool fetch_begin(struct fetch *f)
{
    struct request *r = f->request;
    status begun = fetch_session_begin(r->broker->fetch_sessions, r->body,
                                       r->version >= TOPIC_IDS_SINCE, loop_now(r->broker->loop),
                                       r->arena, &f->context);
    if (request_out_of_memory(r)) return false;
    int32_t owed = is_ok(begun) ? quota_fetch_owed(r) : 0;
    if (is_ok(begun) && owed <= 0) return true;
    fetch_answer_empty(r, begun, f->context.session_id, owed);
    return false;
}

void handle_fetch(struct request *r)
{
    const struct fetch_request *body = r->body;
    r->broker->stats.fetch_requests++;
    struct fetch *f = ARENA_NEW(r->arena, struct fetch);
    if (!f) {
        (void)request_out_of_memory(r);
        return;
    }
    f->request = r;
    if (!fetch_begin(f)) return;
    f->max_bytes = body->max_bytes > 0 && (size_t)body->max_bytes < RESPONSE_MAX
                       ? (size_t)body->max_bytes
                       : RESPONSE_MAX;
    f->min_bytes = body->min_bytes < (int64_t)f->max_bytes ? body->min_bytes : (int64_t)f->max_bytes;
    int32_t wait = body->max_wait_ms < MAX_WAIT_MS ? body->max_wait_ms : MAX_WAIT_MS;
    f->until = r->arrived + (wait > 0 ? wait : 0);
    f->warm.done = fetch_warmed;
    buf_init(&f->records, SIZE_MAX);
    buf_init(&f->aborted, SIZE_MAX);
    if (!fetch_fill(f)) {
        (void)request_out_of_memory(r);
        return;
    }
    parked_init(&f->parked, r->broker->loop, f->logs, fetch_wake);
    fetch_go(f);
}
