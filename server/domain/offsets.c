/* offsets.c - ListOffsets and DescribeLogDirs for many topics at once. Domain thread. */
#include "domain/offsets.h"

#include "wire/messages.h"

enum { LIST_OFFSETS = 2, LIST_OFFSETS_VERSION = 7, DESCRIBE_LOG_DIRS = 35,
       DESCRIBE_LOG_DIRS_VERSION = 4 };
enum { LATEST = -1, EARLIEST = -2 };

struct load {
    struct domain *domain;
    const char *cluster_id;
    struct str principal;
    struct topic_offsets *topics;
    int32_t count;
    struct arena *arena;
    int64_t timestamp;   /* of the call under way */
    bool only;           /* one call, into start */
    offsets_done done;
    void *arg;
};

static struct topic_offsets *topic_find(struct load *l, struct str name, int32_t hint)
{
    if (hint < l->count && str_eq(l->topics[hint].topic, name)) return &l->topics[hint];
    for (int32_t i = 0; i < l->count; i++) {
        if (str_eq(l->topics[i].topic, name)) return &l->topics[i];
    }
    return NULL;
}

static void take(struct load *l, struct topic_offsets *topic,
                 const struct list_offsets_response_list_offsets_topic_response *answer)
{
    for (int32_t i = 0; i < answer->partitions_count; i++) {
        const struct list_offsets_response_list_offsets_partition_response *p = &answer->partitions[i];
        for (int32_t k = 0; k < topic->count; k++) {
            struct partition_offsets *mine = &topic->partitions[(i + k) % topic->count];
            if (mine->partition != p->partition_index) continue;
            status result = status_from_kafka(p->error_code);
            if (failed(result)) mine->result = result;
            else if (l->timestamp == LATEST) mine->end = p->offset;
            else mine->start = p->offset;
            break;
        }
    }
}

static void answered(void *arg, status result, const void *response);

static void call(struct load *l)
{
    struct list_offsets_request request;
    wire_default(&list_offsets_request_message, &request);
    request.replica_id = -1;
    request.topics_count = l->count;
    request.topics = ARENA_ARRAY(l->arena, struct list_offsets_request_list_offsets_topic,
                                 l->count);
    for (int32_t i = 0; request.topics && i < l->count; i++) {
        const struct topic_offsets *t = &l->topics[i];
        struct list_offsets_request_list_offsets_partition *p =
            ARENA_ARRAY(l->arena, struct list_offsets_request_list_offsets_partition, t->count);
        for (int32_t k = 0; p && k < t->count; k++) {
            p[k] = (struct list_offsets_request_list_offsets_partition){
                .partition_index = t->partitions[k].partition, .current_leader_epoch = -1,
                .timestamp = l->timestamp };
        }
        request.topics[i] = (struct list_offsets_request_list_offsets_topic){ t->topic, p, p
            ? t->count : 0 };
    }
    if (l->arena->failed) {
        l->done(l->arg, FAIL(NO_MEMORY));
        return;
    }
    engine_call(l->domain->engine, l->cluster_id, l->principal, LIST_OFFSETS, LIST_OFFSETS_VERSION,
                &request,
                l->arena, CALL_TIMEOUT_MS, answered, l);
}

static void answered(void *arg, status result, const void *response)
{
    struct load *l = arg;
    if (failed(result)) {
        l->done(l->arg, result);
        return;
    }
    const struct list_offsets_response *r = response;
    for (int32_t i = 0; i < r->topics_count; i++) {
        struct topic_offsets *topic = topic_find(l, r->topics[i].name, i);
        if (topic) take(l, topic, &r->topics[i]);
    }
    if (l->only || l->timestamp == LATEST) {
        l->done(l->arg, OK);
        return;
    }
    l->timestamp = LATEST;
    call(l);
}

static void load(struct load from)
{
    struct load *l = ARENA_NEW(from.arena, struct load);
    if (!l) {
        from.done(from.arg, FAIL(NO_MEMORY));
        return;
    }
    *l = from;
    if (l->count == 0) l->done(l->arg, OK);
    else call(l);
}

void offsets_load(struct domain *domain, const char *cluster_id, struct str principal,
                  struct topic_offsets *topics, int32_t count, struct arena *arena,
                  offsets_done done, void *arg)
{
    load((struct load){ domain, cluster_id, principal, topics, count, arena, EARLIEST, false, done,
                       arg });
}

void offsets_at_time(struct domain *domain, const char *cluster_id, struct str principal,
                     int64_t time_ms, struct topic_offsets *topics, int32_t count,
                     struct arena *arena, offsets_done done, void *arg)
{
    load((struct load){ domain, cluster_id, principal, topics, count, arena, time_ms, true, done,
                       arg });
}

/* --- sizes -------------------------------------------------------------------------------------- */

typedef struct describe_log_dirs_request_describable_log_dir_topic sized_topic;

static void take_sizes(struct topic_offsets *topic,
                       const struct describe_log_dirs_response_describe_log_dirs_topic *answer)
{
    for (int32_t i = 0; i < answer->partitions_count; i++) {
        for (int32_t k = 0; k < topic->count; k++) {
            struct partition_offsets *mine = &topic->partitions[(i + k) % topic->count];
            if (mine->partition != answer->partitions[i].partition_index) continue;
            mine->bytes = answer->partitions[i].partition_size;
            break;
        }
    }
}

static void sizes_answered(void *arg, status result, const void *response)
{
    struct load *l = arg;
    const struct describe_log_dirs_response *r = response;
    if (is_ok(result)) result = status_from_kafka(r->error_code);
    for (int32_t d = 0; is_ok(result) && d < r->results_count; d++) {
        for (int32_t i = 0; i < r->results[d].topics_count; i++) {
            struct topic_offsets *topic = topic_find(l, r->results[d].topics[i].name, i);
            if (topic) take_sizes(topic, &r->results[d].topics[i]);
        }
    }
    l->done(l->arg, result);
}

void sizes_load(struct domain *domain, const char *cluster_id, struct str principal,
                struct topic_offsets *topics, int32_t count, struct arena *arena, offsets_done done,
                void *arg)
{
    struct load *l = ARENA_NEW(arena, struct load);
    struct describe_log_dirs_request request = { ARENA_ARRAY(arena, sized_topic, count), count };
    for (int32_t i = 0; request.topics && i < count; i++) {
        int32_t *p = ARENA_ARRAY(arena, int32_t, topics[i].count);
        for (int32_t k = 0; p && k < topics[i].count; k++) p[k] = topics[i].partitions[k].partition;
        request.topics[i] = (sized_topic){ topics[i].topic, p, p ? topics[i].count : 0 };
    }
    if (arena->failed) {
        done(arg, FAIL(NO_MEMORY));
        return;
    }
    *l = (struct load){ domain, cluster_id, principal, topics, count, arena, 0, true, done, arg };
    engine_call(domain->engine, cluster_id, principal, DESCRIBE_LOG_DIRS, DESCRIBE_LOG_DIRS_VERSION,
                &request, arena, CALL_TIMEOUT_MS, sizes_answered, l);
}

struct topic_offsets offsets_of_topic(struct str topic, int32_t count, struct arena *arena)
{
    struct partition_offsets *p = ARENA_ARRAY(arena, struct partition_offsets, count);
    for (int32_t i = 0; p && i < count; i++) p[i] = (struct partition_offsets){ i, -1, -1, OK, -1 };
    return (struct topic_offsets){ topic, p, p ? count : 0 };
}
