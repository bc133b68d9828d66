/* elect_leaders.c - ElectLeaders (key 43): the one replica of every partition leads it already, so an
 * election is never needed. */
#include "broker/handler.h"

#include "broker/authorizer.h"

enum { ELECT_PREFERRED, ELECT_UNCLEAN };

typedef struct elect_leaders_request_topic_partitions asked_topic;
typedef struct elect_leaders_response_replica_election_result topic_answer;
typedef struct elect_leaders_response_partition_result partition_answer;

static void partition_fill(struct request *r, const struct topic *topic, status refused,
                           struct str name, partition_answer *row)
{
    int32_t p = row->partition_id;
    status result = failed(refused)                                ? refused
                    : topic && p >= 0 && p < topic->partitions ? FAIL(ELECTION_NOT_NEEDED)
                                                                 : FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    row->error_code = status_kafka(result);
    row->error_message =
        result.code == E_ELECTION_NOT_NEEDED
            ? STR("Leader election not needed for topic partition.")
        : failed(refused) ? str_c(status_text(refused))
        : topic           ? arena_printf(r->arena, "No such partition as %.*s-%d", STR_ARG(name), p)
                          : arena_printf(r->arena, "No such topic as %.*s", STR_ARG(name));
}

static void topic_fill(struct request *r, const asked_topic *asked, status refused,
                       topic_answer *answer)
{
    const struct topic *topic = image_topic(r->broker->image, asked->topic);
    int32_t n = asked->partitions_count < 0 ? 0 : asked->partitions_count;
    answer->topic = asked->topic;
    answer->partition_result = ARENA_ARRAY(r->arena, partition_answer, n);
    if (!answer->partition_result) return;
    answer->partition_result_count = n;
    for (int32_t i = 0; i < n; i++) {
        answer->partition_result[i].partition_id = asked->partitions[i];
        partition_fill(r, topic, refused, asked->topic, &answer->partition_result[i]);
    }
}

/* Every topic; of its partitions those that needed an election, which is none. */
static void topics_all(struct request *r, struct elect_leaders_response *response)
{
    const struct image *image = r->broker->image;
    response->replica_election_results =
        ARENA_ARRAY(r->arena, topic_answer, HASH_COUNT(image->topics));
    if (!response->replica_election_results) return;
    struct topic *topic, *next;
    HASH_ITER(hh, image->topics, topic, next)
        response->replica_election_results[response->replica_election_results_count++].topic =
            arena_str(r->arena, topic->name);
}

void handle_elect_leaders(struct request *r)
{
    const struct elect_leaders_request *body = r->body;
    struct elect_leaders_response response;
    wire_default(&elect_leaders_response_message, &response);
    status refused = OK;
    if (!authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER))
        refused = FAIL(CLUSTER_AUTHORIZATION_FAILED);
    else if (r->version >= 1 && body->election_type != ELECT_PREFERRED &&
             body->election_type != ELECT_UNCLEAN)
        refused = FAIL(INVALID_REQUEST);
    response.error_code = status_kafka(refused);
    if (body->topic_partitions_count < 0) {
        if (is_ok(refused)) topics_all(r, &response);
    } else {
        int32_t n = body->topic_partitions_count;
        response.replica_election_results = ARENA_ARRAY(r->arena, topic_answer, n);
        response.replica_election_results_count = n;
        for (int32_t i = 0; response.replica_election_results && i < n; i++)
            topic_fill(r, &body->topic_partitions[i], refused,
                       &response.replica_election_results[i]);
    }
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
