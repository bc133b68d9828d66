/* offset_fetch.c - OffsetFetch (key 9): committed offsets of one group (v1-7) or several (v8+). The
 * answer waits until all it tells is durable. Built as v8's groups; older forms are copied from it. */
#include "base/mem.h"
#include "broker/authorizer.h"
#include "broker/consumer.h"
#include "broker/handler.h"

typedef struct offset_fetch_response_offset_fetch_response_group out_group;
typedef struct offset_fetch_response_offset_fetch_response_topics out_topic;
typedef struct offset_fetch_response_offset_fetch_response_partitions out_partition;
typedef struct offset_fetch_request_offset_fetch_request_group in_group;
typedef struct offset_fetch_request_offset_fetch_request_topics in_topic;

struct fetching {
    struct request *request;
    in_group *asked;
    out_group *groups;
    int32_t count, waited; /* groups [0, waited) are durable */
    struct group_wait wait;
};

/* --- what is asked, in v8's form -------------------------------------------------------------- */
static bool fill_old(struct fetching *f)
{
    struct request *r = f->request;
    const struct offset_fetch_request *body = r->body;
    f->count = 1;
    f->asked = ARENA_NEW(r->arena, in_group);
    if (f->asked == NULL) return false;
    f->asked->group_id = body->group_id;
    f->asked->member_epoch = -1;
    f->asked->topics_count = body->topics_count;
    if (body->topics_count <= 0) return true;
    f->asked->topics = ARENA_ARRAY(r->arena, in_topic, body->topics_count);
    if (f->asked->topics == NULL) return false;
    for (int32_t i = 0; i < body->topics_count; i++)
        f->asked->topics[i] = (in_topic){
            .name = body->topics[i].name,
            .partition_indexes = body->topics[i].partition_indexes,
            .partition_indexes_count = body->topics[i].partition_indexes_count,
        };
    return true;
}

/* --- the answer ------------------------------------------------------------------------------- */
static void put_partition(out_partition *p, int32_t index, const struct committed *o, status error)
{
    *p = (out_partition){ .partition_index = index, .committed_offset = -1,
                          .committed_leader_epoch = -1, .metadata = STR(""),
                          .error_code = status_kafka(error) };
    if (o == NULL || failed(error)) return;
    p->committed_offset = o->offset;
    p->committed_leader_epoch = o->leader_epoch;
    p->metadata = o->metadata;
}

static status check_topic(struct request *r, const in_topic *t, struct str *ret_name)
{
    *ret_name = t->name;
    if (r->version >= 10) {
        const struct topic *topic = image_topic_by_id(r->broker->image, t->topic_id);
        if (topic == NULL) return FAIL(UNKNOWN_TOPIC_ID);
        *ret_name = topic->name;
    }
    return authorize(r, OP_DESCRIBE, RES_TOPIC, *ret_name) ? OK : FAIL(TOPIC_AUTHORIZATION_FAILED);
}

/* KIP-447: a reader that asks for stable offsets comes again while a transaction may change them. */
static status check_stable(const struct request *r, const struct group *g, struct str topic,
                           int32_t partition)
{
    const struct offset_fetch_request *body = r->body;
    bool unstable = body->require_stable && g != NULL && group_offset_is_pending(g, topic, partition);
    return unstable ? FAIL(UNSTABLE_OFFSET_COMMIT) : OK;
}

static bool put_topic(struct request *r, const struct group *g, const in_topic *t, out_topic *out)
{
    struct str name;
    int32_t n = t->partition_indexes_count < 0 ? 0 : t->partition_indexes_count;
    status s = check_topic(r, t, &name);
    out->name = t->name;
    out->topic_id = t->topic_id;
    out->partitions = ARENA_ARRAY(r->arena, out_partition, n);
    if (out->partitions == NULL) return false;
    out->partitions_count = n;
    for (int32_t i = 0; i < n; i++) {
        int32_t index = t->partition_indexes[i];
        put_partition(&out->partitions[i], index, g ? group_offset(g, name, index) : NULL,
                      failed(s) ? s : check_stable(r, g, name, index));
    }
    return true;
}

/* All offsets of the group, topic by topic: counts first, since the arena does not grow. */
static out_topic *find_topic(out_group *out, struct str name)
{
    for (int32_t i = 0; i < out->topics_count; i++)
        if (str_eq(out->topics[i].name, name)) return &out->topics[i];
    return NULL;
}

static bool count_topics(struct request *r, const struct group *g, out_group *out)
{
    out->topics = ARENA_ARRAY(r->arena, out_topic, HASH_COUNT(g->offsets));
    if (out->topics == NULL) return false;
    for (const struct committed *o = g->offsets; o != NULL; o = o->hh.next) {
        out_topic *t = find_topic(out, o->topic);
        if (t == NULL) {
            const struct topic *topic = image_topic(r->broker->image, o->topic);
            if (r->version >= 10 && topic == NULL) continue;
            if (!authorize(r, OP_DESCRIBE, RES_TOPIC, o->topic)) continue;
            t = &out->topics[out->topics_count++];
            t->name = o->topic;
            if (topic != NULL) t->topic_id = topic->id;
        }
        t->partitions_count++;
    }
    return true;
}

static bool put_all(struct request *r, const struct group *g, out_group *out)
{
    if (!count_topics(r, g, out)) return false;
    for (int32_t i = 0; i < out->topics_count; i++) {
        out_topic *t = &out->topics[i];
        t->partitions = ARENA_ARRAY(r->arena, out_partition, t->partitions_count);
        if (t->partitions == NULL) return false;
        t->partitions_count = 0;
    }
    for (const struct committed *o = g->offsets; o != NULL; o = o->hh.next) {
        out_topic *t = find_topic(out, o->topic);
        if (t != NULL)
            put_partition(&t->partitions[t->partitions_count++], o->partition, o,
                          check_stable(r, g, o->topic, o->partition));
    }
    return true;
}

/* A member of the consumer protocol says who it is, and must be up to date (v9+). */
static status check_member(const struct group *g, const in_group *asked)
{
    if (g == NULL || g->consumer == NULL) return OK;
    if (str_is_null(asked->member_id) && asked->member_epoch < 0) return OK;
    const struct consumer_member *m = consumer_find(g, asked->member_id);
    if (m == NULL) return FAIL(UNKNOWN_MEMBER_ID);
    if (m->epoch == asked->member_epoch) return OK;
    return m->classic ? FAIL(ILLEGAL_GENERATION) : FAIL(STALE_MEMBER_EPOCH);
}

static bool put_group(struct request *r, const in_group *asked, out_group *out)
{
    wire_default_struct(&offset_fetch_response_offset_fetch_response_group_struct, out);
    out->group_id = asked->group_id;
    status s = authorize(r, OP_DESCRIBE, RES_GROUP, asked->group_id)
                   ? group_coordinator_ready(r->broker->groups)
                   : FAIL(GROUP_AUTHORIZATION_FAILED);
    const struct group *g = is_ok(s) ? group_find(r->broker->groups, asked->group_id) : NULL;
    if (is_ok(s)) s = check_member(g, asked);
    out->error_code = status_kafka(s);
    if (failed(s)) return true;
    if (asked->topics_count < 0) return g == NULL || put_all(r, g, out);
    out->topics = ARENA_ARRAY(r->arena, out_topic, asked->topics_count);
    if (out->topics == NULL) return false;
    for (int32_t i = 0; i < asked->topics_count; i++)
        if (!put_topic(r, g, &asked->topics[i], &out->topics[out->topics_count++])) return false;
    return true;
}

/* --- older forms ------------------------------------------------------------------------------ */
/* v1 has no place for an error of the group but its partitions. */
static bool spread_error(struct request *r, const in_group *asked, out_group *out)
{
    if (r->version >= 2 || out->error_code == 0 || asked->topics_count <= 0) return true;
    out->topics = ARENA_ARRAY(r->arena, out_topic, asked->topics_count);
    if (out->topics == NULL) return false;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        out_topic *t = &out->topics[out->topics_count++];
        int32_t n = asked->topics[i].partition_indexes_count;
        t->name = asked->topics[i].name;
        t->partitions = ARENA_ARRAY(r->arena, out_partition, n < 0 ? 0 : n);
        if (t->partitions == NULL) return false;
        for (int32_t k = 0; k < n; k++) {
            out_partition *p = &t->partitions[t->partitions_count++];
            put_partition(p, asked->topics[i].partition_indexes[k], NULL, OK);
            p->error_code = out->error_code;
        }
    }
    return true;
}

static bool put_old(struct request *r, const out_group *g, struct offset_fetch_response *response)
{
    typedef struct offset_fetch_response_offset_fetch_response_topic old_topic;
    typedef struct offset_fetch_response_offset_fetch_response_partition old_partition;
    response->error_code = g->error_code;
    response->topics = ARENA_ARRAY(r->arena, old_topic, g->topics_count);
    if (response->topics == NULL) return false;
    for (int32_t i = 0; i < g->topics_count; i++) {
        old_topic *t = &response->topics[response->topics_count++];
        t->name = g->topics[i].name;
        t->partitions = ARENA_ARRAY(r->arena, old_partition, g->topics[i].partitions_count);
        if (t->partitions == NULL) return false;
        for (int32_t k = 0; k < g->topics[i].partitions_count; k++) {
            const out_partition *p = &g->topics[i].partitions[k];
            t->partitions[t->partitions_count++] = (old_partition){
                .partition_index = p->partition_index,
                .committed_offset = p->committed_offset,
                .committed_leader_epoch = p->committed_leader_epoch,
                .metadata = p->metadata,
                .error_code = p->error_code,
            };
        }
    }
    return true;
}

static void reply(struct fetching *f)
{
    struct request *r = f->request;
    struct offset_fetch_response response;
    wire_default(&offset_fetch_response_message, &response);
    f->groups = ARENA_ARRAY(r->arena, out_group, f->count);
    bool ok = f->groups != NULL;
    for (int32_t i = 0; ok && i < f->count; i++) ok = put_group(r, &f->asked[i], &f->groups[i]);
    if (ok && r->version < 8)
        ok = spread_error(r, f->asked, f->groups) && put_old(r, f->groups, &response);
    if (!ok) {
        (void)request_out_of_memory(r);
        return;
    }
    if (r->version >= 8) {
        response.groups = f->groups;
        response.groups_count = f->count;
    }
    request_reply(r, &response);
}

static void go_on(struct fetching *f)
{
    struct group_coordinator *c = f->request->broker->groups;
    while (c != NULL && f->waited < f->count) {
        struct group *g = group_find(c, f->asked[f->waited++].group_id);
        if (g != NULL && group_wait_written(g, &f->wait)) return;
    }
    reply(f);
}

static void durable(struct group_wait *wait, status result)
{
    struct fetching *f = CONTAINER_OF(wait, struct fetching, wait);
    if (failed(result)) /* the broker is about to end */
        request_close(f->request, "offsets could not be made durable");
    else
        go_on(f);
}

void handle_offset_fetch(struct request *r)
{
    const struct offset_fetch_request *body = r->body;
    struct fetching *f = ARENA_NEW(r->arena, struct fetching);
    if (f != NULL) f->request = r;
    if (f != NULL && r->version >= 8) {
        f->asked = body->groups;
        f->count = body->groups_count < 0 ? 0 : body->groups_count;
    }
    if (f == NULL || (r->version < 8 && !fill_old(f))) {
        (void)request_out_of_memory(r);
        return;
    }
    f->wait.done = durable;
    go_on(f);
}
