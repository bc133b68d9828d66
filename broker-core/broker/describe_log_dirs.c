/* describe_log_dirs.c - DescribeLogDirs (key 35): the data folder, its space, and the size of every
 * partition in it. */
#include "broker/handler.h"

#include "broker/authorizer.h"

#include <sys/statvfs.h>

typedef struct describe_log_dirs_request_describable_log_dir_topic asked_topic;
typedef struct describe_log_dirs_response_describe_log_dirs_result dir_answer;
typedef struct describe_log_dirs_response_describe_log_dirs_topic topic_answer;
typedef struct describe_log_dirs_response_describe_log_dirs_partition partition_answer;

/* --- the folder --------------------------------------------------------------------------------- */

/* A plan's storage limit is the smaller disk that the cluster really has. KIP-827. */
static status log_dir_space(const struct broker *b, int64_t *ret_total, int64_t *ret_usable)
{
    struct statvfs fs;
    if (fstatvfs(b->data_fd, &fs) < 0) return FAIL(KAFKA_STORAGE_ERROR);
    int64_t total = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    int64_t usable = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    int64_t plan = b->image->limits.storage_bytes;
    if (plan >= 0) {
        int64_t left = plan - store_user_bytes(b->store);
        if (left < 0) left = 0;
        if (total > plan) total = plan;
        if (usable > left) usable = left;
    }
    *ret_total = total;
    *ret_usable = usable;
    return OK;
}

/* --- partitions --------------------------------------------------------------------------------- */

static void partition_add(struct request *r, const struct topic *topic, int32_t partition,
                          topic_answer *answer)
{
    if (partition < 0 || partition >= topic->partitions) return; /* Kafka leaves it out */
    const struct plog *log = store_find(r->broker->store, topic->id, partition);
    if (log && plog_offline(log)) return; /* as a replica in a failed directory: it has no log */
    answer->partitions[answer->partitions_count++] = (partition_answer){
        .partition_index = partition,
        .partition_size = log ? plog_bytes(log) : 0, /* nothing was written to it yet */
    };
}

static bool topic_begin(struct request *r, const struct topic *topic, int32_t partitions,
                        topic_answer *answer)
{
    answer->name = arena_str(r->arena, topic->name);
    answer->partitions = ARENA_ARRAY(r->arena, partition_answer, partitions);
    return answer->partitions != NULL;
}

static void topics_all(struct request *r, dir_answer *dir)
{
    const struct image *image = r->broker->image;
    dir->topics = ARENA_ARRAY(r->arena, topic_answer, HASH_COUNT(image->topics));
    struct topic *topic, *next;
    HASH_ITER(hh, image->topics, topic, next) {
        topic_answer *answer = dir->topics ? &dir->topics[dir->topics_count] : NULL;
        if (!answer || !topic_begin(r, topic, topic->partitions, answer)) return;
        for (int32_t p = 0; p < topic->partitions; p++) partition_add(r, topic, p, answer);
        dir->topics_count++;
    }
}

static void topics_named(struct request *r, const asked_topic *asked, int32_t count,
                         dir_answer *dir)
{
    dir->topics = ARENA_ARRAY(r->arena, topic_answer, count);
    for (int32_t i = 0; dir->topics && i < count; i++) {
        const struct topic *topic = image_topic(r->broker->image, asked[i].topic);
        int32_t n = asked[i].partitions_count < 0 ? 0 : asked[i].partitions_count;
        topic_answer *answer = &dir->topics[dir->topics_count];
        if (!topic) continue;
        if (!topic_begin(r, topic, n, answer)) return;
        for (int32_t p = 0; p < n; p++) partition_add(r, topic, asked[i].partitions[p], answer);
        if (answer->partitions_count) dir->topics_count++;
    }
}

void handle_describe_log_dirs(struct request *r)
{
    const struct describe_log_dirs_request *body = r->body;
    struct describe_log_dirs_response response;
    dir_answer dir;
    wire_default(&describe_log_dirs_response_message, &response);
    wire_default_struct(&describe_log_dirs_response_describe_log_dirs_result_struct, &dir);
    if (!authorize(r, OP_DESCRIBE, RES_CLUSTER, AUTHORIZER_CLUSTER)) {
        response.error_code = status_kafka(FAIL(CLUSTER_AUTHORIZATION_FAILED));
        request_reply(r, &response);
        return;
    }
    dir.log_dir = str_c(r->broker->log_dir);
    dir.error_code = status_kafka(log_dir_space(r->broker, &dir.total_bytes, &dir.usable_bytes));
    if (body->topics_count < 0) topics_all(r, &dir);
    else topics_named(r, body->topics, body->topics_count, &dir);
    response.results = &dir;
    response.results_count = 1;
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
