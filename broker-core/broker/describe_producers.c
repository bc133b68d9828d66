/* describe_producers.c - DescribeProducers (key 61, KIP-664): who writes to a partition, and since which
 * offset a transaction is open there. */
#include "broker/authorizer.h"
#include "broker/handler.h"

typedef struct describe_producers_request_topic_request in_topic;
typedef struct describe_producers_response_topic_response out_topic;
typedef struct describe_producers_response_partition_response out_partition;
typedef struct describe_producers_response_producer_state out_producer;

struct filling {
    out_partition *out;
    int32_t room; /* elements of out->active_producers */
};

static void count_one(void *arg, const struct plog_producer *p)
{
    (void)p;
    ++*(int32_t *)arg;
}

static void fill_one(void *arg, const struct plog_producer *p)
{
    const struct filling *f = arg;
    if (f->out->active_producers_count >= f->room) return;
    f->out->active_producers[f->out->active_producers_count++] = (out_producer){
        .producer_id = p->producer_id,
        .producer_epoch = p->epoch,
        .last_sequence = p->last_sequence,
        .last_timestamp = p->last_timestamp,
        .coordinator_epoch = p->coordinator_epoch,
        .current_txn_start_offset = p->txn_first_offset,
    };
}

static status fill_partition(struct request *r, const struct topic *topic, out_partition *out)
{
    if (out->partition_index < 0 || out->partition_index >= topic->partitions)
        return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    const struct plog *log = store_find(r->broker->store, topic->id, out->partition_index);
    if (log == NULL) return OK; /* nothing was written */
    struct filling f = { .out = out };
    plog_producers(log, count_one, &f.room);
    out->active_producers = ARENA_ARRAY(r->arena, out_producer, f.room);
    if (out->active_producers == NULL) return FAIL(NO_MEMORY);
    plog_producers(log, fill_one, &f);
    return OK;
}

static status check_topic(struct request *r, struct str name, const struct topic **ret_topic)
{
    if (!authorize(r, OP_READ, RES_TOPIC, name)) return FAIL(TOPIC_AUTHORIZATION_FAILED);
    *ret_topic = image_topic(r->broker->image, name);
    return *ret_topic ? OK : FAIL(UNKNOWN_TOPIC_OR_PARTITION);
}

static bool fill_topic(struct request *r, const in_topic *in, out_topic *out)
{
    const struct topic *topic = NULL;
    status refused = check_topic(r, in->name, &topic);
    out->name = in->name;
    out->partitions = ARENA_ARRAY(r->arena, out_partition, in->partition_indexes_count);
    if (out->partitions == NULL) return false;
    for (int32_t i = 0; i < in->partition_indexes_count; i++) {
        out_partition *p = &out->partitions[out->partitions_count++];
        wire_default_struct(&describe_producers_response_partition_response_struct, p);
        p->partition_index = in->partition_indexes[i];
        status s = failed(refused) ? refused : fill_partition(r, topic, p);
        p->error_code = status_kafka(s);
        if (failed(s)) p->error_message = str_c(status_text(s));
    }
    return true;
}

void handle_describe_producers(struct request *r)
{
    const struct describe_producers_request *body = r->body;
    struct describe_producers_response response;
    wire_default(&describe_producers_response_message, &response);
    response.topics = ARENA_ARRAY(r->arena, out_topic, body->topics_count);
    bool ok = response.topics != NULL;
    for (int32_t i = 0; ok && i < body->topics_count; i++) {
        ok = fill_topic(r, &body->topics[i], &response.topics[i]);
        response.topics_count++;
    }
    if (ok) request_reply(r, &response);
    else (void)request_out_of_memory(r);
}
