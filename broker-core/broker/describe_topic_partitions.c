/* describe_topic_partitions.c - DescribeTopicPartitions (key 75, KIP-966): topics in order of their
 * names, at most so many partitions an answer; a cursor says where the next answer goes on. */
#include "broker/handler.h"

#include "broker/authorizer.h"
#include "broker/leader.h"

#include <stdlib.h>

#define PARTITION_LIMIT 2000 /* max.request.partition.size.limit */

typedef struct describe_topic_partitions_response_describe_topic_partitions_response_topic
    topic_answer;
typedef struct describe_topic_partitions_response_describe_topic_partitions_response_partition
    partition_answer;
typedef struct describe_topic_partitions_response_cursor next_cursor;

struct listing { /* of one request */
    struct request *request;
    struct str *names; /* ascending */
    int32_t count;
    bool all;          /* not named by the client: what it may not see is left out */
    int32_t remaining; /* partitions that still fit */
    struct describe_topic_partitions_response response;
};

/* --- which topics ------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Sorted, each once, and none before the cursor. */
static void names_settle(struct listing *l)
{
    const struct describe_topic_partitions_request *body = l->request->body;
    int32_t kept = 0;
    if (l->count) qsort(l->names, (size_t)l->count, sizeof *l->names, compare_names);
    for (int32_t i = 0; i < l->count; i++) {
        if (kept && str_eq(l->names[kept - 1], l->names[i])) continue;
        if (body->cursor && str_cmp(l->names[i], body->cursor->topic_name) < 0) continue;
        l->names[kept++] = l->names[i];
    }
    l->count = kept;
}

static bool names_collect(struct listing *l)
{
    struct request *r = l->request;
    const struct describe_topic_partitions_request *body = r->body;
    const struct image *image = r->broker->image;
    l->all = body->topics_count <= 0;
    size_t n = l->all ? HASH_COUNT(image->topics) : (size_t)body->topics_count;
    l->names = ARENA_ARRAY(r->arena, struct str, n);
    if (!l->names) return false;
    if (l->all) {
        struct topic *topic, *next;
        HASH_ITER(hh, image->topics, topic, next) l->names[l->count++] = topic->name;
    } else {
        for (int32_t i = 0; i < body->topics_count; i++) l->names[l->count++] = body->topics[i].name;
    }
    names_settle(l);
    return true;
}

/* --- one topic ---------------------------------------------------------------------------------- */

static void partitions_fill(struct listing *l, const struct topic *topic, int32_t from,
                            topic_answer *answer)
{
    struct request *r = l->request;
    struct broker *b = r->broker;
    int32_t n = topic->partitions - from;
    if (n > l->remaining) n = l->remaining;
    if (n < 0) n = 0;
    int32_t *node = ARENA_NEW(r->arena, int32_t);
    answer->partitions = ARENA_ARRAY(r->arena, partition_answer, n);
    if (!node || !answer->partitions) return;
    *node = b->options.node_id;
    answer->partitions_count = n;
    for (int32_t i = 0; i < n; i++) {
        partition_answer *p = &answer->partitions[i];
        p->partition_index = from + i;
        p->leader_id = b->options.node_id;
        p->leader_epoch = store_epoch(b->store);
        p->replica_nodes = p->isr_nodes = node;
        p->replica_nodes_count = p->isr_nodes_count = 1;
        if (!leader_offline(b, topic, p->partition_index)) continue;
        p->error_code = status_kafka(FAIL(LEADER_NOT_AVAILABLE));
        p->leader_id = -1;
        p->offline_replicas = node;
        p->offline_replicas_count = 1;
    }
}

static void topic_refused(topic_answer *answer, struct str name, status error)
{
    answer->error_code = status_kafka(error);
    answer->name = name;
    answer->is_internal = false;
}

/* Where the answer goes on when the topic did not fit, or -1. */
static int32_t topic_add(struct listing *l, struct str name)
{
    struct request *r = l->request;
    const struct describe_topic_partitions_request *body = r->body;
    const struct topic *topic = image_topic(r->broker->image, name);
    bool allowed = authorize(r, OP_DESCRIBE, RES_TOPIC, name);
    if (l->all && (!allowed || !topic)) return -1;
    topic_answer *answer = &l->response.topics[l->response.topics_count++];
    wire_default_struct(
        &describe_topic_partitions_response_describe_topic_partitions_response_topic_struct, answer);
    if (!allowed || !topic) {
        bool illegal = failed(topic_name_check(name, NULL));
        topic_refused(answer, name,
                      !allowed  ? FAIL(TOPIC_AUTHORIZATION_FAILED)
                      : illegal ? FAIL(INVALID_TOPIC_EXCEPTION)
                                : FAIL(UNKNOWN_TOPIC_OR_PARTITION));
        return -1;
    }
    bool goes_on = body->cursor && str_eq(body->cursor->topic_name, name);
    int32_t from = goes_on ? body->cursor->partition_index : 0;
    answer->name = arena_str(r->arena, name);
    answer->topic_id = topic->id;
    answer->is_internal = topic->internal;
    answer->topic_authorized_operations = authorized_operations(r, RES_TOPIC, name);
    partitions_fill(l, topic, from, answer);
    l->remaining -= answer->partitions_count;
    int32_t next = from + answer->partitions_count;
    return next < topic->partitions ? next : -1;
}

static bool cursor_set(struct listing *l, struct str name, int32_t partition)
{
    next_cursor *cursor = ARENA_NEW(l->request->arena, next_cursor);
    if (!cursor) return false;
    *cursor = (next_cursor){ arena_str(l->request->arena, name), partition };
    l->response.next_cursor = cursor;
    return true;
}

static void topics_fill(struct listing *l)
{
    l->response.topics = ARENA_ARRAY(l->request->arena, topic_answer, l->count);
    for (int32_t i = 0; l->response.topics && i < l->count; i++) {
        int32_t next = l->remaining > 0 ? topic_add(l, l->names[i]) : 0;
        if (next < 0) continue;
        (void)cursor_set(l, l->names[i], next);
        return;
    }
}

void handle_describe_topic_partitions(struct request *r)
{
    const struct describe_topic_partitions_request *body = r->body;
    if (body->cursor && body->cursor->partition_index < 0) {
        /* The answer has no place for an error of the request: Kafka fails it as a whole. */
        request_close(r, "the cursor of a DescribeTopicPartitions request is below 0");
        return;
    }
    struct listing l = { .request = r, .remaining = body->response_partition_limit };
    if (l.remaining > PARTITION_LIMIT) l.remaining = PARTITION_LIMIT;
    if (l.remaining < 1) l.remaining = 1;
    wire_default(&describe_topic_partitions_response_message, &l.response);
    if (names_collect(&l)) topics_fill(&l);
    if (!request_out_of_memory(r)) request_reply(r, &l.response);
}
