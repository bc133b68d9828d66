/* describe_quorum.c - DescribeQuorum (key 55, KIP-595, KIP-836): the quorum of one. The broker is the
 * only voter and leads; its metadata log is the image, whose version stands for the log's end. */
#include "broker/handler.h"

#include "broker/authorizer.h"

#define METADATA_TOPIC "__cluster_metadata"

typedef struct describe_quorum_request_topic_data asked_topic;
typedef struct describe_quorum_response_topic_data topic_answer;
typedef struct describe_quorum_response_partition_data partition_answer;
typedef struct describe_quorum_response_replica_state replica_state;
typedef struct describe_quorum_response_node node_answer;
typedef struct describe_quorum_response_listener listener_answer;

/* As Kafka: exactly the one partition that has a quorum, or everything asked for is unknown. */
static bool asks_for_metadata(const struct describe_quorum_request *body)
{
    return body->topics_count == 1 && str_eq_c(body->topics[0].topic_name, METADATA_TOPIC) &&
           body->topics[0].partitions_count == 1 &&
           body->topics[0].partitions[0].partition_index == 0;
}

static void quorum_fill(struct request *r, partition_answer *answer)
{
    struct broker *b = r->broker;
    replica_state *voter = ARENA_NEW(r->arena, replica_state);
    if (!voter) return;
    int64_t now = loop_wall(b->loop);
    *voter = (replica_state){
        .replica_id = b->options.node_id,
        .log_end_offset = b->image->version,
        .last_fetch_timestamp = now,
        .last_caught_up_timestamp = now,
    };
    if (r->version >= 2) voter->replica_directory_id = b->image->store_id;
    answer->leader_id = b->options.node_id;
    answer->leader_epoch = store_epoch(b->store);
    answer->high_watermark = b->image->version;
    answer->current_voters = voter;
    answer->current_voters_count = 1;
}

static void topic_fill(struct request *r, const asked_topic *asked, bool known,
                       topic_answer *answer)
{
    int32_t n = asked->partitions_count < 0 ? 0 : asked->partitions_count;
    answer->topic_name = asked->topic_name;
    answer->partitions = ARENA_ARRAY(r->arena, partition_answer, n);
    if (!answer->partitions) return;
    answer->partitions_count = n;
    for (int32_t i = 0; i < n; i++) {
        partition_answer *row = &answer->partitions[i];
        wire_default_struct(&describe_quorum_response_partition_data_struct, row);
        row->partition_index = asked->partitions[i].partition_index;
        if (known) {
            quorum_fill(r, row);
            continue;
        }
        row->error_code = status_kafka(FAIL(UNKNOWN_TOPIC_OR_PARTITION));
        row->error_message = str_c(status_text(FAIL(UNKNOWN_TOPIC_OR_PARTITION)));
    }
}

static void node_fill(struct request *r, struct describe_quorum_response *response)
{
    struct broker *b = r->broker;
    node_answer *node = ARENA_NEW(r->arena, node_answer);
    listener_answer *listener = ARENA_NEW(r->arena, listener_answer);
    if (!node || !listener) return;
    *listener = (listener_answer){ STR("CONTROLLER"), str_c(endpoint_host(r->endpoint)),
                                   (uint16_t)endpoint_port(r->endpoint) };
    *node = (node_answer){ b->options.node_id, listener, 1 };
    response->nodes = node;
    response->nodes_count = 1;
}

void handle_describe_quorum(struct request *r)
{
    const struct describe_quorum_request *body = r->body;
    struct describe_quorum_response response;
    wire_default(&describe_quorum_response_message, &response);
    if (!authorize(r, OP_DESCRIBE, RES_CLUSTER, AUTHORIZER_CLUSTER)) {
        response.error_code = status_kafka(FAIL(CLUSTER_AUTHORIZATION_FAILED));
        response.error_message = str_c(status_text(FAIL(CLUSTER_AUTHORIZATION_FAILED)));
        request_reply(r, &response);
        return;
    }
    int32_t n = body->topics_count < 0 ? 0 : body->topics_count;
    bool known = asks_for_metadata(body);
    response.topics = ARENA_ARRAY(r->arena, topic_answer, n);
    response.topics_count = n;
    for (int32_t i = 0; response.topics && i < n; i++)
        topic_fill(r, &body->topics[i], known, &response.topics[i]);
    if (known && r->version >= 2) node_fill(r, &response);
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
