/* offset_for_leader_epoch.c - OffsetForLeaderEpoch (key 23, KIP-320): where the records of a leader
 * epoch end, so that a consumer sees whether the log went another way below its position. */
#include "broker/handler.h"

#include "broker/authorizer.h"
#include "broker/leader.h"

typedef struct offset_for_leader_epoch_request_offset_for_leader_topic asked_topic;
typedef struct offset_for_leader_epoch_request_offset_for_leader_partition asked_partition;
typedef struct offset_for_leader_epoch_response_offset_for_leader_topic_result topic_answer;
typedef struct offset_for_leader_epoch_response_epoch_end_offset partition_answer;

static status epoch_end(struct request *r, struct str topic, const asked_partition *asked,
                        partition_answer *answer)
{
    status found = OK;
    struct plog *log = broker_find_log(r->broker, topic, asked->partition, &found);
    if (!log) return found;
    TRY(leader_epoch_check(r->broker, asked->current_leader_epoch));
    plog_epoch_end(log, asked->leader_epoch, &answer->leader_epoch, &answer->end_offset);
    return OK;
}

static void topic_fill(struct request *r, const asked_topic *asked, topic_answer *answer)
{
    int32_t n = asked->partitions_count < 0 ? 0 : asked->partitions_count;
    bool allowed = authorize(r, OP_DESCRIBE, RES_TOPIC, asked->topic);
    answer->topic = asked->topic;
    answer->partitions = ARENA_ARRAY(r->arena, partition_answer, n);
    if (!answer->partitions) return;
    answer->partitions_count = n;
    for (int32_t i = 0; i < n; i++) {
        partition_answer *row = &answer->partitions[i];
        wire_default_struct(&offset_for_leader_epoch_response_epoch_end_offset_struct, row);
        row->partition = asked->partitions[i].partition;
        row->error_code = status_kafka(
            allowed ? epoch_end(r, asked->topic, &asked->partitions[i], row)
                    : FAIL(TOPIC_AUTHORIZATION_FAILED));
    }
}

void handle_offset_for_leader_epoch(struct request *r)
{
    const struct offset_for_leader_epoch_request *body = r->body;
    struct offset_for_leader_epoch_response response;
    wire_default(&offset_for_leader_epoch_response_message, &response);
    int32_t n = body->topics_count < 0 ? 0 : body->topics_count;
    response.topics = ARENA_ARRAY(r->arena, topic_answer, n);
    response.topics_count = n;
    for (int32_t i = 0; response.topics && i < n; i++)
        topic_fill(r, &body->topics[i], &response.topics[i]);
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
