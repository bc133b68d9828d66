/* alter_partition_reassignments.c - AlterPartitionReassignments (key 45): a partition can be put on
 * the one broker, where it is; nothing is ever under way, so nothing can be cancelled. */
#include "broker/handler.h"

#include "broker/authorizer.h"

typedef struct alter_partition_reassignments_request_reassignable_topic asked_topic;
typedef struct alter_partition_reassignments_request_reassignable_partition asked_partition;
typedef struct alter_partition_reassignments_response_reassignable_topic_response topic_answer;
typedef struct alter_partition_reassignments_response_reassignable_partition_response
    partition_answer;

static status replicas_check(const struct broker *b, const asked_partition *asked, struct why *why)
{
    if (asked->replicas_count == 0) {
        why_set(why, "The manual partition assignment includes an empty replica list.");
        return FAIL(INVALID_REPLICA_ASSIGNMENT);
    }
    for (int32_t i = 0; i < asked->replicas_count; i++) {
        if (asked->replicas[i] != b->options.node_id) {
            why_set(why, "The manual partition assignment includes broker %d, but no such broker "
                         "is registered.", asked->replicas[i]);
            return FAIL(INVALID_REPLICA_ASSIGNMENT);
        }
        if (i > 0) {
            why_set(why, "The manual partition assignment includes the broker %d more than once.",
                    asked->replicas[i]);
            return FAIL(INVALID_REPLICA_ASSIGNMENT);
        }
    }
    return OK;
}

static status reassign(const struct broker *b, struct str name, const asked_partition *asked,
                       struct why *why)
{
    const struct topic *topic = image_topic(b->image, name);
    int32_t p = asked->partition_index;
    if (!topic) {
        why_set(why, "Unable to find a topic named %.*s.", STR_ARG(name));
        return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    }
    if (p < 0 || p >= topic->partitions) {
        why_set(why, "Unable to find partition %.*s:%d.", STR_ARG(name), p);
        return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    }
    if (asked->replicas_count < 0) { /* null: cancel */
        why_set(why, "No partition reassignment is in progress.");
        return FAIL(NO_REASSIGNMENT_IN_PROGRESS);
    }
    return replicas_check(b, asked, why);
}

static void topic_fill(struct request *r, const asked_topic *asked, status refused,
                       topic_answer *answer)
{
    int32_t n = asked->partitions_count < 0 ? 0 : asked->partitions_count;
    answer->name = asked->name;
    answer->partitions = ARENA_ARRAY(r->arena, partition_answer, n);
    if (!answer->partitions) return;
    answer->partitions_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct why why = { "" };
        status result = failed(refused)
                            ? refused
                            : reassign(r->broker, asked->name, &asked->partitions[i], &why);
        answer->partitions[i].partition_index = asked->partitions[i].partition_index;
        answer->partitions[i].error_code = status_kafka(result);
        if (failed(result))
            answer->partitions[i].error_message = arena_str(
                r->arena, str_c(why.text[0] ? why.text : status_text(result)));
    }
}

void handle_alter_partition_reassignments(struct request *r)
{
    const struct alter_partition_reassignments_request *body = r->body;
    struct alter_partition_reassignments_response response;
    wire_default(&alter_partition_reassignments_response_message, &response);
    response.allow_replication_factor_change = body->allow_replication_factor_change;
    status refused = authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER)
                         ? OK
                         : FAIL(CLUSTER_AUTHORIZATION_FAILED);
    response.error_code = status_kafka(refused);
    response.error_message = failed(refused) ? str_c(status_text(refused)) : STR_NULL;
    int32_t n = body->topics_count < 0 ? 0 : body->topics_count;
    response.responses = ARENA_ARRAY(r->arena, topic_answer, n);
    response.responses_count = n;
    for (int32_t i = 0; response.responses && i < n; i++)
        topic_fill(r, &body->topics[i], refused, &response.responses[i]);
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
