/* produce.c - Produce (key 0): one record batch per partition, appended at arrival.
 *
 * Only the answer waits: with acks=all until every appended batch is below the high watermark of
 * its partition (durable on a flushing topic) or the request's time is over. The body points into
 * the frame (HANDLER_BORROWS), so whatever the answer needs is copied at arrival. */
#include "broker/handler.h"

#include "base/log.h"
#include "broker/authorizer.h"
#include "wire/batch.h"

#include <stdio.h>

#define ZSTD_SINCE 7 /* Produce version that may carry zstd */

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
    int32_t wait_count, open;
    int32_t throttle_ms;
    struct timer timer;
    bool failed; /* some partition was refused */
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
    if (limits->storage_bytes >= 0 &&
        store_bytes(r->broker->store) + (int64_t)records.len > limits->storage_bytes)
        return FAIL(POLICY_VIOLATION);
    return OK;
}

static void produce_explain(struct request *r, const struct append_result *result,
                            partition_answer *answer)
{
    if (!result->why.text[0]) return;
    answer->error_message = arena_str(r->arena, str_c(result->why.text));
    if (result->bad_record < 0) return;
    answer->record_errors =
        ARENA_NEW(r->arena, struct produce_response_batch_index_and_error_message);
    if (!answer->record_errors) return;
    answer->record_errors_count = 1;
    answer->record_errors->batch_index = result->bad_record;
    answer->record_errors->batch_index_error_message = answer->error_message;
}

static void produce_count(struct broker *b, struct topic_stats *stats, size_t bytes,
                          int32_t records)
{
    stats->bytes_in += (int64_t)bytes;
    stats->records_in += records;
    b->stats.bytes_in += (int64_t)bytes;
    b->stats.records_in += records;
}

/* Appends; *ret_end is where the high watermark has to come. */
static status produce_append(struct request *r, const struct target *t, struct bytes records,
                             partition_answer *answer, int64_t *ret_end)
{
    struct batch_header header;
    TRY(batch_header_peek(records, &header));
    if (batch_codec(&header) == CODEC_ZSTD && r->version < ZSTD_SINCE)
        return FAIL(UNSUPPORTED_COMPRESSION_TYPE);
    struct append_result result = { .bad_record = -1 };
    /* The frame is ours until the handler returns; offsets and epoch are set in place. */
    status appended = plog_append(t->log, (uint8_t *)(uintptr_t)records.data, records.len,
                                  APPEND_CLIENT, &result);
    if (failed(appended)) {
        produce_explain(r, &result, answer);
        return appended;
    }
    answer->base_offset = result.base_offset;
    answer->log_append_time_ms = result.append_time_ms;
    answer->log_start_offset = plog_start(t->log);
    *ret_end = result.end_offset;
    if (!result.duplicate) produce_count(r->broker, t->stats, records.len, header.record_count);
    return OK;
}

static void produce_partition(struct produce *p, const struct target *topic,
                              struct produce_request_partition_produce_data *data, status refused,
                              partition_answer *answer)
{
    struct request *r = p->request;
    const struct produce_request *body = r->body;
    struct target t = *topic;
    int64_t end = 0;
    wire_default_struct(&produce_response_partition_produce_response_struct, answer);
    answer->index = data->index;
    answer->base_offset = -1;
    if (is_ok(refused))
        refused = produce_check(r, body, t.topic, data->index, data->records);
    if (is_ok(refused)) {
        t.log = broker_log(r->broker, t.topic, data->index);
        refused = t.log ? produce_append(r, &t, data->records, answer, &end)
                        : FAIL(KAFKA_STORAGE_ERROR);
    }
    answer->error_code = status_kafka(refused);
    if (failed(refused)) {
        p->failed = true;
        if (t.stats) t.stats->failed_produce++;
    } else if (body->acks == -1) {
        p->waits[p->wait_count++] = (struct produce_wait){
            .wait = { .done = produce_wait_done }, .produce = p, .log = t.log, .answer = answer,
        };
        p->waits[p->wait_count - 1].wait.offset = end;
    }
}

/* --- the request --------------------------------------------------------------------------------------- */

static void produce_topic(struct produce *p, struct produce_request_topic_produce_data *data,
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
    if (is_ok(refused) && t.topic) {
        t.stats = stats_topic(&b->stats, t.topic->id);
        t.stats->produce_requests++;
    }
    answer->name = arena_str(r->arena, data->name);
    answer->topic_id = data->topic_id;
    int32_t n = data->partition_data_count < 0 ? 0 : data->partition_data_count;
    answer->partition_responses = ARENA_ARRAY(r->arena, partition_answer, n);
    if (!answer->partition_responses) return;
    answer->partition_responses_count = n;
    for (int32_t i = 0; i < n; i++)
        produce_partition(p, &t, &data->partition_data[i], refused,
                          &answer->partition_responses[i]);
}

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
    r->state = p;
    return p;
}

/* acks=all: the answer follows when the last wait is over. */
static void produce_wait_all(struct produce *p, int32_t timeout_ms)
{
    struct request *r = p->request;
    p->open = p->wait_count;
    r->abandoned = produce_abandoned;
    if (failed(loop_timer_set(r->broker->loop, &p->timer,
                              r->arrived + (timeout_ms > 0 ? timeout_ms : 0))))
        log_warn("no memory for the timer of a Produce request: it waits as long as it takes");
    for (int32_t i = 0; i < p->wait_count; i++)
        plog_wait(p->waits[i].log, &p->waits[i].wait, p->waits[i].wait.offset);
}

void handle_produce(struct request *r)
{
    struct produce_request *body = r->body;
    int16_t acks = body->acks;
    int32_t timeout_ms = body->timeout_ms;
    r->broker->stats.produce_requests++;
    struct produce *p = produce_new(r, body);
    if (!p) {
        (void)request_out_of_memory(r);
        return;
    }
    for (int32_t i = 0; i < body->topic_data_count; i++)
        produce_topic(p, &body->topic_data[i], &p->response.responses[i]);
    broker_appended(r->broker);
    p->throttle_ms = quota_produce(r, r->frame_bytes);
    request_throttle(r, p->throttle_ms);
    if (acks == 0) {
        /* There is no answer that could carry the error: the end of the connection says it. */
        if (p->failed) request_close(r, "a Produce request with acks=0 failed");
        else request_no_reply(r, p->throttle_ms);
        return;
    }
    if (request_out_of_memory(r)) return;
    if (p->wait_count) produce_wait_all(p, timeout_ms);
    else produce_answer(p);
}
