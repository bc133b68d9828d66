/* delete_records.c - DeleteRecords (key 21): moves the start of partitions up. The answer waits until
 * every new start is durable, or the request's time is over. */
#include "broker/handler.h"

#include "base/log.h"
#include "broker/audit.h"
#include "broker/authorizer.h"

#include <stdio.h>

#define AT_HIGH_WATERMARK -1 /* as offset: everything that can be read */
#define NO_LOW_WATERMARK -1

typedef struct delete_records_request_delete_records_topic asked_topic;
typedef struct delete_records_response_delete_records_topic_result topic_answer;
typedef struct delete_records_response_delete_records_partition_result partition_answer;

struct start_wait {
    struct plog_wait wait;
    struct deleting *deleting;
    struct plog *log; /* NULL: this one is over */
    partition_answer *answer;
    struct str topic;
    int64_t before; /* where it began */
};

struct deleting { /* of one request, in its arena */
    struct request *request;
    struct delete_records_response response;
    struct start_wait *waits;
    int32_t wait_count, open;
    struct timer timer;
};

/* --- answering ---------------------------------------------------------------------------------- */

static void deleting_answer(struct deleting *d)
{
    loop_timer_clear(d->request->broker->loop, &d->timer);
    request_reply(d->request, &d->response);
}

static void note(const struct request *r, const struct start_wait *w)
{
    char resource[280], name[280];
    if (r->local) return; /* leatd tells of what it does itself */
    snprintf(resource, sizeof resource, "topic=%.*s", STR_ARG(w->topic));
    snprintf(name, sizeof name, "%.*s-%d", STR_ARG(w->topic), (int)w->answer->partition_index);
    audit_note_change(r->broker->audit, AUDIT_RECORDS_DELETED, r->principal, r->client_host.data,
                      resource, name, w->before, w->answer->low_watermark);
}

static void start_moved(struct plog_wait *wait, status result)
{
    struct start_wait *w = CONTAINER_OF(wait, struct start_wait, wait);
    struct deleting *d = w->deleting;
    w->answer->error_code = status_kafka(result);
    if (is_ok(result)) {
        w->answer->low_watermark = plog_start(w->log);
        if (w->answer->low_watermark > w->before) note(d->request, w);
    }
    w->log = NULL;
    if (--d->open == 0) deleting_answer(d);
}

static void deleting_stop(struct deleting *d)
{
    for (int32_t i = 0; i < d->wait_count; i++) {
        struct start_wait *w = &d->waits[i];
        if (!w->log) continue;
        plog_unwait(w->log, &w->wait);
        w->log = NULL;
        w->answer->error_code = status_kafka(FAIL(REQUEST_TIMED_OUT));
    }
}

static void deleting_late(struct timer *timer)
{
    struct deleting *d = CONTAINER_OF(timer, struct deleting, timer);
    deleting_stop(d);
    deleting_answer(d);
}

static void deleting_abandoned(struct request *r)
{
    struct deleting *d = r->state;
    deleting_stop(d);
    loop_timer_clear(r->broker->loop, &d->timer);
    request_drop(r);
}

/* --- what is asked for -------------------------------------------------------------------------- */

static status delete_check(struct request *r, bool allowed, const struct topic *topic,
                           int32_t partition)
{
    if (!allowed) return FAIL(TOPIC_AUTHORIZATION_FAILED);
    if (!topic || partition < 0 || partition >= topic->partitions)
        return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (topic->internal) return FAIL(INVALID_TOPIC_EXCEPTION);
    struct log_config config;
    broker_log_config(r->broker, topic, &config);
    /* Kafka: the records of a topic that is only compacted are not deleted by offset. */
    return config.cleanup_compact && !config.cleanup_delete ? FAIL(POLICY_VIOLATION) : OK;
}

static status delete_partition(struct deleting *d, const struct topic *topic, int32_t partition,
                               int64_t offset, partition_answer *answer)
{
    struct plog *log = broker_log(d->request->broker, topic, partition);
    if (!log) return FAIL(KAFKA_STORAGE_ERROR);
    if (offset == AT_HIGH_WATERMARK) offset = plog_high_watermark(log);
    struct start_wait *w = &d->waits[d->wait_count];
    *w = (struct start_wait){ .wait = { .done = start_moved }, .deleting = d, .log = log,
                              .answer = answer, .topic = topic->name, .before = plog_start(log) };
    TRY(plog_set_start(log, offset, &w->wait));
    d->wait_count++;
    d->open++;
    return OK;
}

static void delete_topic(struct deleting *d, const asked_topic *asked, topic_answer *answer)
{
    struct request *r = d->request;
    int32_t n = asked->partitions_count < 0 ? 0 : asked->partitions_count;
    const struct topic *topic = image_topic(r->broker->image, asked->name);
    bool allowed = authorize(r, OP_DELETE, RES_TOPIC, asked->name);
    answer->name = asked->name;
    answer->partitions_count = n;
    for (int32_t i = 0; i < n; i++) {
        partition_answer *row = &answer->partitions[i];
        row->partition_index = asked->partitions[i].partition_index;
        row->low_watermark = NO_LOW_WATERMARK;
        status refused = delete_check(r, allowed, topic, row->partition_index);
        if (is_ok(refused))
            refused = delete_partition(d, topic, row->partition_index, asked->partitions[i].offset,
                                       row);
        row->error_code = status_kafka(refused);
    }
}

/* All memory is taken before the first start is moved. */
static struct deleting *deleting_new(struct request *r, const struct delete_records_request *body)
{
    struct deleting *d = ARENA_NEW(r->arena, struct deleting);
    int32_t topics = body->topics_count < 0 ? 0 : body->topics_count, partitions = 0;
    topic_answer *answers = ARENA_ARRAY(r->arena, topic_answer, topics);
    for (int32_t i = 0; answers && i < topics; i++) {
        int32_t n = body->topics[i].partitions_count;
        answers[i].partitions = ARENA_ARRAY(r->arena, partition_answer, n < 0 ? 0 : n);
        partitions += n < 0 ? 0 : n;
    }
    struct start_wait *waits = ARENA_ARRAY(r->arena, struct start_wait, partitions);
    if (r->arena->failed) return NULL;
    d->request = r;
    d->waits = waits;
    wire_default(&delete_records_response_message, &d->response);
    d->response.topics = answers;
    d->response.topics_count = topics;
    timer_init(&d->timer, deleting_late);
    r->state = d;
    return d;
}

void handle_delete_records(struct request *r)
{
    const struct delete_records_request *body = r->body;
    struct deleting *d = deleting_new(r, body);
    if (!d) {
        (void)request_out_of_memory(r);
        return;
    }
    d->open = 1; /* nobody answers before all partitions were asked */
    for (int32_t i = 0; i < d->response.topics_count; i++)
        delete_topic(d, &body->topics[i], &d->response.topics[i]);
    if (--d->open == 0) {
        deleting_answer(d);
        return;
    }
    r->abandoned = deleting_abandoned;
    int32_t timeout = body->timeout_ms > 0 ? body->timeout_ms : 0;
    if (failed(loop_timer_set(r->broker->loop, &d->timer, r->arrived + timeout)))
        log_warn("no memory for the timer of a DeleteRecords request: it waits as long as it takes");
}
