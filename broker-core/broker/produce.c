/* produce.c - Produce (key 0): one record batch per partition, appended at arrival.
 *
 * A request of very many partitions (each may need a new folder and file) is appended some partitions a
 * turn, and what came behind it on its connection waits, so batches keep their order. Otherwise
 * only the answer waits: with acks=all until every appended batch is below the high watermark of
 * its partition (durable on a flushing topic) or the request's time is over. The body points into
 * the frame (HANDLER_BORROWS), so whatever the answer needs is copied at arrival.
 *
 * A partition that takes its first batch of a transaction has to be in that transaction. Up to v11 the
 * producer has said so before (AddPartitionsToTxn), which is looked up; from v12 on (KIP-890) it is added
 * here, and the whole request waits in the line of its transactional id until that is durable. Those
 * behind it wait there, too, so batches keep their order. */
#include "broker/handler.h"

#include "base/log.h"
#include "broker/authorizer.h"
#include "broker/clients.h"
#include "broker/produce_pack.h"
#include "broker/txn.h"
#include "wire/batch.h"

#include <stdio.h>

#define ZSTD_SINCE 7       /* Produce version that may carry zstd */
#define ABORTABLE_SINCE 11 /* … whose clients know TRANSACTION_ABORTABLE */
#define TV2_SINCE 12       /* … that adds partitions to transactions */
#define JOIN_MS 1000       /* at most so long a request waits in the line of its transactional id */
#define APPENDS_A_TURN_MIN 2 /* partitions; then it depends on how long the turn is already */

typedef struct produce_response_partition_produce_response partition_answer;
typedef struct produce_response_topic_produce_response topic_answer;

struct produce_wait {
    struct plog_wait wait;
    struct produce *produce;
    struct plog *log; /* NULL: this one is over */
    partition_answer *answer;
};

struct produce { /* of one request, in its arena */
    struct request *request;
    struct produce_response response;
    struct produce_wait *waits;
    int32_t wait_count;
    int32_t open; /* waits that are not over, and the request itself while it appends */
    int32_t topic, partition; /* the next to be appended: indexes in the request */
    int32_t appended; /* partitions, in this turn */
    struct timer next; /* set: it goes on in the next turn */
    int32_t throttle_ms;
    struct timer timer;
    bool failed; /* some partition was refused */
    status refused; /* what every partition is refused with */
    bool transactional;
    struct txn_key key; /* of the transactional batches */
    struct txn_partitions joining;
    struct txn_wait join;
    status joined;
    struct pack pack; /* batches that were prepared on a lane */
    bool kept;        /* the body lives as long as the request */
    bool in_line;     /* of its transactional id, where those behind it wait: it is appended at once */
    bool resting;     /* the connection is held */
};

/* --- answering ---------------------------------------------------------------------------------- */

static void produce_answer(struct produce *p)
{
    struct request *r = p->request;
    loop_timer_clear(r->broker->loop, &p->timer);
    p->response.throttle_time_ms = p->throttle_ms;
    request_reply_throttled(r, &p->response, p->throttle_ms);
}

static void produce_wait_done(struct plog_wait *wait, status result)
{
    struct produce_wait *w = CONTAINER_OF(wait, struct produce_wait, wait);
    struct produce *p = w->produce;
    w->log = NULL;
    if (failed(result)) w->answer->error_code = status_kafka(result);
    if (--p->open == 0) produce_answer(p);
}

/* The frame goes when the handler returns; a request that waits before it has appended all needs what
 * the rest of it says. */
static void produce_keep(struct produce *p, struct produce_request *body)
{
    struct arena *a = p->request->arena;
    if (p->kept) return;
    p->kept = true;
    p->key.id = body->transactional_id = arena_str(a, body->transactional_id);
    for (int32_t i = p->topic; i < body->topic_data_count; i++) {
        struct produce_request_topic_produce_data *t = &body->topic_data[i];
        t->name = arena_str(a, t->name);
        for (int32_t k = i == p->topic ? p->partition : 0; k < t->partition_data_count; k++)
            t->partition_data[k].records = arena_bytes(a, t->partition_data[k].records);
    }
}

static void produce_stop_waiting(struct produce *p)
{
    for (int32_t i = 0; i < p->wait_count; i++) {
        struct produce_wait *w = &p->waits[i];
        if (!w->log) continue;
        plog_unwait(w->log, &w->wait);
        w->log = NULL;
        w->answer->error_code = status_kafka(FAIL(REQUEST_TIMED_OUT));
    }
}

static void produce_late(struct timer *timer)
{
    struct produce *p = CONTAINER_OF(timer, struct produce, timer);
    produce_stop_waiting(p);
    produce_answer(p);
}

static void produce_abandoned(struct request *r)
{
    struct produce *p = r->state;
    produce_stop_waiting(p);
    loop_timer_clear(r->broker->loop, &p->timer);
    loop_timer_clear(r->broker->loop, &p->next);
    pack_free(&p->pack);
    request_drop(r);
}

/* --- one partition ---------------------------------------------------------------------------------- */

struct target { /* where a partition's records go */
    const struct topic *topic;
    struct plog *log;
    struct topic_stats *stats;
};

/* Everything that can be said without looking into the records. */
static status produce_check(struct request *r, const struct produce_request *body,
                            const struct topic *topic, int32_t partition, struct bytes records)
{
    if (!topic || partition < 0 || partition >= topic->partitions)
        return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (topic->internal) return FAIL(INVALID_TOPIC_EXCEPTION);
    if (body->acks < -1 || body->acks > 1) return FAIL(INVALID_REQUIRED_ACKS);
    /* The factor is virtual, and so is the number of replicas in sync. */
    if (body->acks == -1 && topic->config.min_insync_replicas > topic->replication_factor)
        return FAIL(NOT_ENOUGH_REPLICAS);
    if (records.len < BATCH_HEADER_SIZE) return FAIL(INVALID_RECORD);
    const struct limits *limits = &r->broker->image->limits;
    if (limits->message_bytes >= 0 && (int64_t)records.len > limits->message_bytes)
        return FAIL(MESSAGE_TOO_LARGE);
    return OK;
}

static void produce_explain(struct request *r, const struct append_result *result,
                            partition_answer *answer)
{
    if (!result->why.text[0]) return;
    answer->error_message = arena_str(r->arena, str_c(result->why.text));
    int32_t n = result->bad_count < RECORD_ERRORS_MAX ? result->bad_count : RECORD_ERRORS_MAX;
    if (n == 0) return;
    answer->record_errors =
        ARENA_ARRAY(r->arena, struct produce_response_batch_index_and_error_message, n);
    if (!answer->record_errors) return;
    answer->record_errors_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct why why;
        record_error_explain(&result->bad[i], &why);
        answer->record_errors[i].batch_index = result->bad[i].index;
        answer->record_errors[i].batch_index_error_message = arena_str(r->arena, str_c(why.text));
    }
}

static void produce_count(struct broker *b, struct topic_stats *stats, size_t bytes,
                          int32_t records)
{
    stats->bytes_in += (int64_t)bytes;
    stats->records_in += records;
    b->stats.bytes_in += (int64_t)bytes;
    b->stats.records_in += records;
}

static bool is_transactional(const struct batch_header *h)
{
    return (h->attributes & BATCH_TRANSACTIONAL) && h->producer_id >= 0;
}

static bool is_open(const struct plog *log, const struct txn_key *key)
{
    int16_t epoch;
    return log && plog_txn_open(log, key->producer_id, &epoch, NULL) && epoch == key->epoch;
}

/* What the coordinator says, as producers expect it: errors that pass are NOT_ENOUGH_REPLICAS to those
 * that would not try again otherwise. */
static status produce_in_transaction(const struct produce *p, const struct target *t,
                                     enum append_origin *ret_origin, struct why *why)
{
    struct request *r = p->request;
    bool tv2 = r->version >= TV2_SINCE;
    *ret_origin = APPEND_CLIENT;
    if (is_open(t->log, &p->key)) return OK;
    *ret_origin = tv2 ? APPEND_VERIFIED_TV2 : APPEND_VERIFIED;
    status s = txn_coordinator_ready(r->broker->txns);
    if (is_ok(s))
        s = tv2 ? p->joined
                : txn_verify(r->broker->txns, &p->key, t->topic->name, plog_partition(t->log),
                             r->version >= ABORTABLE_SINCE);
    if (s.code == E_INVALID_TXN_STATE)
        why_set(why, "Partition was not added to the transaction");
    bool passes = s.code == E_COORDINATOR_NOT_AVAILABLE || s.code == E_COORDINATOR_LOAD_IN_PROGRESS ||
                  (s.code == E_CONCURRENT_TRANSACTIONS && !tv2);
    if (!passes) return s;
    why_set(why, "Unable to verify the partition has been added to the transaction. Underlying error: "
                 "%s", status_name(s));
    return FAIL(NOT_ENOUGH_REPLICAS);
}

static status produce_store(const struct target *t, struct bytes records, struct pack_item *packed,
                            enum append_origin origin, struct append_result *result)
{
    /* The frame is ours until the handler returns; offsets and epoch are set in place. */
    if (!packed)
        return plog_append(t->log, (uint8_t *)(uintptr_t)records.data, records.len, origin, result);
    *result = packed->result;
    TRY(packed->outcome);
    return plog_append_prepared(t->log, &packed->prepared, origin, result);
}

/* Appends; *ret_end is where the high watermark has to come. */
static status produce_append(struct produce *p, const struct target *t, struct bytes records,
                             struct pack_item *packed, partition_answer *answer, int64_t *ret_end)
{
    struct request *r = p->request;
    struct batch_header header;
    TRY(batch_header_peek(records, &header));
    if (batch_codec(&header) == CODEC_ZSTD && r->version < ZSTD_SINCE)
        return FAIL(UNSUPPORTED_COMPRESSION_TYPE);
    struct append_result result = { 0 };
    enum append_origin origin = APPEND_CLIENT;
    status appended = is_transactional(&header) ? produce_in_transaction(p, t, &origin, &result.why) : OK;
    if (is_ok(appended)) appended = produce_store(t, records, packed, origin, &result);
    if (failed(appended)) {
        produce_explain(r, &result, answer);
        return appended;
    }
    answer->base_offset = result.base_offset;
    answer->log_append_time_ms = result.append_time_ms;
    answer->log_start_offset = plog_start(t->log);
    *ret_end = result.end_offset;
    if (result.duplicate) return OK;
    produce_count(r->broker, t->stats, records.len, header.record_count);
    client_produced(r, t->topic->id, records.len, header.record_count, header.producer_id);
    return OK;
}

static void produce_partition(struct produce *p, const struct target *topic,
                              struct produce_request_partition_produce_data *data, status refused,
                              partition_answer *answer)
{
    struct request *r = p->request;
    const struct produce_request *body = r->body;
    struct target t = *topic;
    struct pack_item *packed = pack_item_of(&p->pack, data);
    int64_t end = 0;
    wire_default_struct(&produce_response_partition_produce_response_struct, answer);
    answer->index = data->index;
    answer->base_offset = -1;
    if (is_ok(refused))
        refused = produce_check(r, body, t.topic, data->index, data->records);
    if (is_ok(refused)) {
        t.log = broker_log(r->broker, t.topic, data->index);
        refused = t.log ? produce_append(p, &t, data->records, packed, answer, &end)
                        : FAIL(KAFKA_STORAGE_ERROR);
    }
    answer->error_code = status_kafka(refused);
    if (failed(refused)) {
        p->failed = true;
        if (t.stats) t.stats->failed_produce++;
    } else if (body->acks == -1 || (body->acks == 1 && t.topic->config.log.flush_messages == 1)) {
        struct produce_wait *w = &p->waits[p->wait_count++];
        *w = (struct produce_wait){ .wait = { .done = produce_wait_done }, .produce = p, .log = t.log,
                                    .answer = answer };
        p->open++;
        plog_wait(w->log, &w->wait, end);
    }
}

/* --- the request --------------------------------------------------------------------------------------- */

static bool produce_has_time(struct produce *p)
{
    if (p->appended++ < APPENDS_A_TURN_MIN || p->in_line) return true;
    return !loop_turn_is_long(p->request->broker->loop);
}

static void produce_topic_begin(struct produce *p, const struct produce_request_topic_produce_data *data,
                                struct topic_stats *stats, topic_answer *answer)
{
    struct arena *a = p->request->arena;
    int32_t n = data->partition_data_count < 0 ? 0 : data->partition_data_count;
    if (stats) stats->produce_requests++;
    answer->name = arena_str(a, data->name);
    answer->topic_id = data->topic_id;
    answer->partition_responses = ARENA_ARRAY(a, partition_answer, n);
    if (answer->partition_responses) answer->partition_responses_count = n;
}

/* From p->partition on; false: not all of it in this turn. */
static bool produce_topic(struct produce *p, struct produce_request_topic_produce_data *data,
                          topic_answer *answer)
{
    struct request *r = p->request;
    struct broker *b = r->broker;
    struct target t = { 0 };
    status refused = OK;
    bool by_id = r->version >= 13;
    t.topic = by_id ? image_topic_by_id(b->image, data->topic_id) : image_topic(b->image, data->name);
    struct str name = by_id && t.topic ? t.topic->name : data->name;
    if (by_id && !t.topic) refused = FAIL(UNKNOWN_TOPIC_ID);
    else if (!authorize(r, OP_WRITE, RES_TOPIC, name)) refused = FAIL(TOPIC_AUTHORIZATION_FAILED);
    if (failed(p->refused)) refused = p->refused;
    if (is_ok(refused) && t.topic) t.stats = stats_topic(&b->stats, t.topic->id);
    if (!answer->partition_responses) produce_topic_begin(p, data, t.stats, answer);
    for (int32_t *i = &p->partition; *i < answer->partition_responses_count; (*i)++) {
        if (!produce_has_time(p)) return false;
        produce_partition(p, &t, &data->partition_data[*i], refused, &answer->partition_responses[*i]);
    }
    p->partition = 0;
    return true;
}

static void produce_next(struct timer *timer);

static struct produce *produce_new(struct request *r, struct produce_request *body)
{
    struct produce *p = ARENA_NEW(r->arena, struct produce);
    int32_t partitions = 0;
    if (body->topic_data_count < 0) body->topic_data_count = 0;
    for (int32_t i = 0; i < body->topic_data_count; i++)
        if (body->topic_data[i].partition_data_count > 0)
            partitions += body->topic_data[i].partition_data_count;
    topic_answer *topics = ARENA_ARRAY(r->arena, topic_answer, body->topic_data_count);
    struct produce_wait *waits = ARENA_ARRAY(r->arena, struct produce_wait, partitions);
    if (r->arena->failed) return NULL;
    p->request = r;
    p->waits = waits;
    wire_default(&produce_response_message, &p->response);
    p->response.responses = topics;
    p->response.responses_count = body->topic_data_count;
    timer_init(&p->timer, produce_late);
    timer_init(&p->next, produce_next);
    r->state = p;
    p->open = 1;
    return p;
}

/* acks=all: the answer follows when the last wait is over. */
static void produce_wait_all(struct produce *p, int32_t timeout_ms)
{
    struct request *r = p->request;
    r->abandoned = produce_abandoned;
    if (failed(loop_timer_set(r->broker->loop, &p->timer,
                              r->arrived + (timeout_ms > 0 ? timeout_ms : 0))))
        log_warn("no memory for the timer of a Produce request: it waits as long as it takes");
}

/* The rest in the next turn; false: without memory it is done now. */
static bool produce_rest(struct produce *p)
{
    struct request *r = p->request;
    bool first = !p->resting;
    produce_keep(p, r->body);
    if (r->arena->failed || failed(loop_timer_set(r->broker->loop, &p->next, loop_now(r->broker->loop))))
        return false;
    quota_work_pause(r);
    p->resting = true;
    r->state = p;
    r->abandoned = produce_abandoned;
    if (first) request_hold(r, true);
    return true;
}

static void produce_all(struct produce *p)
{
    struct request *r = p->request;
    const struct produce_request *body = r->body;
    for (p->appended = 0; p->topic < body->topic_data_count; p->topic++) {
        topic_answer *answer = &p->response.responses[p->topic];
        while (!produce_topic(p, &body->topic_data[p->topic], answer)) {
            if (produce_rest(p)) return;
            p->in_line = true; /* no pause any more */
        }
    }
    pack_free(&p->pack);
    r->abandoned = NULL;
    if (p->resting) request_hold(r, false);
    broker_appended(r->broker);
    p->throttle_ms = quota_produce(r, r->frame_bytes);
    request_throttle(r, p->throttle_ms);
    if (body->acks == 0) {
        /* There is no answer that could carry the error: the end of the connection says it. */
        if (p->failed) request_close(r, "a Produce request with acks=0 failed");
        else request_no_reply(r, p->throttle_ms);
        return;
    }
    if (r->arena->failed) produce_stop_waiting(p);
    if (request_out_of_memory(r)) return;
    if (--p->open) produce_wait_all(p, body->timeout_ms);
    else produce_answer(p);
}

static void produce_next(struct timer *timer)
{
    struct produce *p = CONTAINER_OF(timer, struct produce, next);
    quota_work_begin(p->request);
    produce_all(p);
}

/* --- transactions --------------------------------------------------------------------------------------- */

/* Which producer the transactional batches are of: one at most, and it may write under its id. */
static status produce_scan(struct produce *p, const struct produce_request *body)
{
    struct batch_header h;
    bool several = false;
    for (int32_t i = 0; i < body->topic_data_count; i++) {
        const struct produce_request_topic_produce_data *t = &body->topic_data[i];
        for (int32_t k = 0; k < t->partition_data_count; k++) {
            if (failed(batch_header_peek(t->partition_data[k].records, &h)) || !is_transactional(&h))
                continue;
            if (p->transactional && (p->key.producer_id != h.producer_id ||
                                     p->key.epoch != h.producer_epoch))
                several = true;
            p->transactional = true;
            p->key.producer_id = h.producer_id;
            p->key.epoch = h.producer_epoch;
        }
    }
    if (!p->transactional) return OK;
    p->key.id = body->transactional_id;
    if (str_is_null(p->key.id) || !authorize(p->request, OP_WRITE, RES_TRANSACTIONAL_ID, p->key.id))
        return FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    return several ? FAIL(INVALID_PRODUCER_ID_MAPPING) : OK;
}

/* The partitions of one topic that are not in the transaction yet, as far as this partition's log knows. */
static status produce_collect(struct produce *p, const struct produce_request_topic_produce_data *data)
{
    struct request *r = p->request;
    const struct image *image = r->broker->image;
    const struct topic *topic = r->version >= 13 ? image_topic_by_id(image, data->topic_id)
                                                 : image_topic(image, data->name);
    if (!topic || topic->internal ||
        (!r->super && !authorizer_allows(image, r->principal, r->client_host, OP_WRITE, RES_TOPIC,
                                         topic->name)))
        return OK;
    for (int32_t i = 0; i < data->partition_data_count; i++) {
        const struct produce_request_partition_produce_data *d = &data->partition_data[i];
        struct batch_header h;
        if (d->index < 0 || d->index >= topic->partitions ||
            failed(batch_header_peek(d->records, &h)) || !is_transactional(&h) ||
            is_open(store_find(r->broker->store, topic->id, d->index), &p->key))
            continue;
        TRY(txn_partitions_add(&p->joining, topic->name, d->index));
    }
    return OK;
}

static void produce_joined(struct txn_wait *join, const struct txn_result *result)
{
    struct produce *p = CONTAINER_OF(join, struct produce, join);
    struct request *r = p->request;
    loop_timer_clear(r->broker->loop, &p->timer);
    timer_init(&p->timer, produce_late);
    r->abandoned = NULL;
    txn_partitions_done(&p->joining);
    p->joined = result->error;
    produce_all(p);
}

static void produce_join_late(struct timer *timer)
{
    struct produce *p = CONTAINER_OF(timer, struct produce, timer);
    struct txn_result late = { FAIL(CONCURRENT_TRANSACTIONS), -1, TXN_EPOCH_NONE };
    if (txn_join_abandon(&p->join)) produce_joined(&p->join, &late);
}

static void produce_join_abandoned(struct request *r)
{
    struct produce *p = r->state;
    if (!txn_join_abandon(&p->join)) return;
    loop_timer_clear(r->broker->loop, &p->timer);
    txn_partitions_done(&p->joining);
    pack_free(&p->pack);
    request_drop(r);
}

/* True: the request waits in the line. */
static bool produce_join(struct produce *p, struct produce_request *body)
{
    struct request *r = p->request;
    struct txn_coordinator *c = r->broker->txns;
    if (r->version < TV2_SINCE || failed(txn_coordinator_ready(c))) return false;
    status s = OK;
    for (int32_t i = 0; is_ok(s) && i < body->topic_data_count; i++)
        s = produce_collect(p, &body->topic_data[i]);
    bool needed = is_ok(s) && (p->joining.total > 0 || !txn_line_is_empty(c, p->key.id));
    if (needed) produce_keep(p, body);
    if (!needed || r->arena->failed) {
        if (failed(s) || r->arena->failed) p->refused = FAIL(NO_MEMORY);
        txn_partitions_done(&p->joining);
        return false;
    }
    r->abandoned = produce_join_abandoned;
    p->in_line = true;
    p->join.done = produce_joined;
    timer_init(&p->timer, produce_join_late);
    (void)loop_timer_set(r->broker->loop, &p->timer, loop_now(r->broker->loop) + JOIN_MS);
    txn_join(c, &p->key, &p->joining, &p->join);
    return true;
}

static void produce_go_on(struct produce *p)
{
    if (p->transactional && is_ok(p->refused) && produce_join(p, p->request->body)) return;
    produce_all(p);
}

static void produce_packed(struct pack *pack)
{
    struct produce *p = CONTAINER_OF(pack, struct produce, pack);
    p->request->state = p;
    produce_go_on(p);
}

/* True: batches are prepared on a lane, and the request goes on then. */
static bool produce_pack(struct produce *p, struct produce_request *body)
{
    struct request *r = p->request;
    int32_t count = pack_count(r, body);
    if (count == 0) return false;
    produce_keep(p, body);
    if (!r->arena->failed && pack_start(&p->pack, r, body, count, produce_packed)) return true;
    p->pack.count = 0;
    p->refused = FAIL(NO_MEMORY);
    return false;
}

void handle_produce(struct request *r)
{
    struct produce_request *body = r->body;
    r->broker->stats.produce_requests++;
    struct produce *p = produce_new(r, body);
    if (!p) {
        (void)request_out_of_memory(r);
        return;
    }
    p->refused = produce_scan(p, body);
    if (is_ok(p->refused) && produce_pack(p, body)) return;
    produce_go_on(p);
}
