/* client_group.c - offsets of a consumer group, from outside of it. Loop thread. */
#include "client/client_int.h"

typedef struct offset_commit_request_offset_commit_request_topic commit_topic;
typedef struct offset_commit_request_offset_commit_request_partition commit_partition;

#define VERSION_MAX 9    /* from 10 on both requests name topics by their id */
#define GROUPS_VERSION 8 /* OffsetFetch asks for several groups */

/* --- commit ----------------------------------------------------------------------------------- */

struct commit_op {
    client_commit_done done;
    void *arg;
};

static void committed(void *arg, status result, const void *response)
{
    struct commit_op op = *(struct commit_op *)arg;
    const struct offset_commit_response *r = response;
    mem_free(arg);
    for (int32_t i = 0; is_ok(result) && i < r->topics_count; i++) {
        for (int32_t j = 0; is_ok(result) && j < r->topics[i].partitions_count; j++) {
            int16_t error = r->topics[i].partitions[j].error_code;
            if (error) result = status_from_kafka(error);
        }
    }
    op.done(op.arg, result);
}

static commit_topic *topic_of(struct offset_commit_request *rq, struct str name)
{
    for (int32_t i = 0; i < rq->topics_count; i++) {
        if (str_eq(rq->topics[i].name, name)) return &rq->topics[i];
    }
    commit_topic *t = &rq->topics[rq->topics_count++];
    wire_default_struct(&offset_commit_request_offset_commit_request_topic_struct, t);
    t->name = name;
    return t;
}

/* Offsets by topic: counted first, then each topic gets its part of one array. */
static status fill_topics(struct offset_commit_request *rq, struct arena *arena,
                          const struct client_group_offset *offsets, int count)
{
    rq->topics = ARENA_ARRAY(arena, commit_topic, count);
    commit_partition *next = ARENA_ARRAY(arena, commit_partition, count);
    TRY(arena_check(arena));
    for (int i = 0; i < count; i++) topic_of(rq, offsets[i].topic)->partitions_count++;
    for (int32_t i = 0; i < rq->topics_count; i++) {
        rq->topics[i].partitions = next;
        next += rq->topics[i].partitions_count;
        rq->topics[i].partitions_count = 0;
    }
    for (int i = 0; i < count; i++) {
        commit_topic *t = topic_of(rq, offsets[i].topic);
        commit_partition *p = &t->partitions[t->partitions_count++];
        wire_default_struct(&offset_commit_request_offset_commit_request_partition_struct, p);
        p->partition_index = offsets[i].partition;
        p->committed_offset = offsets[i].offset;
        p->committed_metadata = offsets[i].metadata;
    }
    return OK;
}

static status commit_send(struct client *client, struct str group,
                          const struct client_group_offset *offsets, int count,
                          struct commit_op *op)
{
    struct offset_commit_request rq;
    struct arena arena;
    wire_default(&offset_commit_request_message, &rq);
    rq.group_id = group;
    arena_init(&arena, REQUEST_ARENA_MAX);
    status sent = fill_topics(&rq, &arena, offsets, count);
    if (is_ok(sent)) {
        sent = client_call_to(client, API_OFFSET_COMMIT, VERSION_MAX, &rq, 0, committed, op);
    }
    arena_done(&arena);
    return sent;
}

status client_commit(struct client *client, struct str group,
                     const struct client_group_offset *offsets, int count,
                     client_commit_done done, void *arg)
{
    if (count < 1) return FAIL(INVALID);
    struct commit_op *op = mem_zalloc(sizeof *op);
    if (!op) return FAIL(NO_MEMORY);
    *op = (struct commit_op){ done, arg };
    status sent = commit_send(client, group, offsets, count, op);
    if (failed(sent)) mem_free(op);
    return sent;
}

/* --- fetch ------------------------------------------------------------------------------------ */

struct committed_op {
    client_committed_done done;
    void *arg;
    int16_t version;
};

/* Up to version 7 the answer is about one group, later about a list; both into one form. */
static status flatten(const struct offset_fetch_response *r, struct client_group_offset **ret,
                      int *ret_count)
{
    size_t total = 0;
    for (int32_t i = 0; i < r->topics_count; i++) total += (size_t)r->topics[i].partitions_count;
    struct client_group_offset *all = mem_zalloc((total + 1) * sizeof *all);
    if (!all) return FAIL(NO_MEMORY);
    int n = 0;
    for (int32_t i = 0; i < r->topics_count; i++) {
        for (int32_t j = 0; j < r->topics[i].partitions_count; j++) {
            const struct offset_fetch_response_offset_fetch_response_partition *p =
                &r->topics[i].partitions[j];
            all[n++] = (struct client_group_offset){
                r->topics[i].name, p->partition_index, p->committed_offset, p->metadata,
                p->error_code ? status_from_kafka(p->error_code) : OK
            };
        }
    }
    *ret = all;
    *ret_count = n;
    return OK;
}

static status flatten_group(const struct offset_fetch_response *r,
                            struct client_group_offset **ret, int *ret_count)
{
    if (r->groups_count != 1) return FAIL(MALFORMED);
    const struct offset_fetch_response_offset_fetch_response_group *g = r->groups;
    if (g->error_code) return status_from_kafka(g->error_code);
    size_t total = 0;
    for (int32_t i = 0; i < g->topics_count; i++) total += (size_t)g->topics[i].partitions_count;
    struct client_group_offset *all = mem_zalloc((total + 1) * sizeof *all);
    if (!all) return FAIL(NO_MEMORY);
    int n = 0;
    for (int32_t i = 0; i < g->topics_count; i++) {
        for (int32_t j = 0; j < g->topics[i].partitions_count; j++) {
            const struct offset_fetch_response_offset_fetch_response_partitions *p =
                &g->topics[i].partitions[j];
            all[n++] = (struct client_group_offset){
                g->topics[i].name, p->partition_index, p->committed_offset, p->metadata,
                p->error_code ? status_from_kafka(p->error_code) : OK
            };
        }
    }
    *ret = all;
    *ret_count = n;
    return OK;
}

static void got_committed(void *arg, status result, const void *response)
{
    struct committed_op op = *(struct committed_op *)arg;
    const struct offset_fetch_response *r = response;
    struct client_group_offset *offsets = NULL;
    int count = 0;
    mem_free(arg);
    if (is_ok(result) && r->error_code) result = status_from_kafka(r->error_code);
    if (is_ok(result)) {
        result = op.version >= GROUPS_VERSION ? flatten_group(r, &offsets, &count)
                                              : flatten(r, &offsets, &count);
    }
    op.done(op.arg, result, offsets, count);
    mem_free(offsets);
}

status client_committed(struct client *client, struct str group, client_committed_done done,
                        void *arg)
{
    struct offset_fetch_request rq;
    struct offset_fetch_request_offset_fetch_request_group g;
    struct committed_op *op = mem_zalloc(sizeof *op);
    if (!op) return FAIL(NO_MEMORY);
    int16_t version = VERSION_MAX;
    if (client_ready(client)) version = client_version_to(client, API_OFFSET_FETCH, VERSION_MAX);
    *op = (struct committed_op){ done, arg, version };
    wire_default(&offset_fetch_request_message, &rq);
    wire_default_struct(&offset_fetch_request_offset_fetch_request_group_struct, &g);
    if (version >= GROUPS_VERSION) {
        g.group_id = group;
        g.topics_count = -1; /* all */
        rq.groups = &g;
        rq.groups_count = 1;
    } else {
        rq.group_id = group;
        rq.topics_count = -1;
    }
    status sent = client_call_to(client, API_OFFSET_FETCH, VERSION_MAX, &rq, 0, got_committed, op);
    if (failed(sent)) mem_free(op);
    return sent;
}
