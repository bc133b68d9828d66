/* alter_replica_log_dirs.c - AlterReplicaLogDirs (key 34): moves partitions between log dirs. There is
 * one: a partition is in it already, and every other dir is unknown. */
#include "broker/handler.h"

#include "broker/authorizer.h"

typedef struct alter_replica_log_dirs_request_alter_replica_log_dir asked_dir;
typedef struct alter_replica_log_dirs_request_alter_replica_log_dir_topic asked_topic;
typedef struct alter_replica_log_dirs_response_alter_replica_log_dir_topic_result topic_answer;
typedef struct alter_replica_log_dirs_response_alter_replica_log_dir_partition_result
    partition_answer;

static void topic_fill(struct request *r, status dir, const asked_topic *asked, topic_answer *answer)
{
    const struct topic *topic = image_topic(r->broker->image, asked->name);
    int32_t n = asked->partitions_count < 0 ? 0 : asked->partitions_count;
    answer->topic_name = asked->name;
    answer->partitions = ARENA_ARRAY(r->arena, partition_answer, n);
    if (!answer->partitions) return;
    answer->partitions_count = n;
    for (int32_t i = 0; i < n; i++) {
        int32_t partition = asked->partitions[i];
        bool exists = topic && partition >= 0 && partition < topic->partitions;
        answer->partitions[i].partition_index = partition;
        answer->partitions[i].error_code = status_kafka(failed(dir) ? dir
                                                        : exists    ? OK
                                                        : FAIL(UNKNOWN_TOPIC_OR_PARTITION));
    }
}

void handle_alter_replica_log_dirs(struct request *r)
{
    const struct alter_replica_log_dirs_request *body = r->body;
    struct alter_replica_log_dirs_response response;
    wire_default(&alter_replica_log_dirs_response_message, &response);
    bool allowed = authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER);
    struct str own = str_c(r->broker->log_dir);
    int32_t topics = 0;
    for (int32_t i = 0; i < body->dirs_count; i++)
        if (body->dirs[i].topics_count > 0) topics += body->dirs[i].topics_count;
    response.results = ARENA_ARRAY(r->arena, topic_answer, topics);
    for (int32_t i = 0; response.results && i < body->dirs_count; i++) {
        const asked_dir *asked = &body->dirs[i];
        status dir = !allowed                  ? FAIL(CLUSTER_AUTHORIZATION_FAILED)
                     : str_eq(asked->path, own) ? OK
                                                : FAIL(LOG_DIR_NOT_FOUND);
        for (int32_t t = 0; t < asked->topics_count; t++)
            topic_fill(r, dir, &asked->topics[t], &response.results[response.results_count++]);
    }
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
