/* leat_group_offsets.c - /leat/v1: moving and forgetting what a group committed. DOMAIN. */
#include "api/handlers.h"
#include "api/kafka.h"

#include "domain/offset_reset.h"
#include "domain/watchers.h"

#define RESET_TOPICS_MAX 1000

struct pending_reset {
    struct api_request *rq;
    const char *cluster_id;
    struct reset_query query;
};

/* --- the answer ------------------------------------------------------------------------------------- */

static json_t *offset_json(int64_t offset) { return offset >= 0 ? json_integer(offset) : json_null(); }

static json_t *row_json(const struct reset_row *row)
{
    int64_t moved = row->current >= 0 ? row->target - row->current : 0;
    json_t *o = json_object();
    PUT(o, "topic", api_str(row->topic));
    PUT(o, "partition", json_integer(row->partition));
    PUT(o, "current_offset", offset_json(row->current));
    PUT(o, "new_offset", json_integer(row->target));
    PUT(o, "log_start_offset", json_integer(row->start));
    PUT(o, "log_end_offset", json_integer(row->end));
    PUT(o, "skipped", json_integer(moved > 0 ? moved : 0));
    PUT(o, "repeated", json_integer(moved < 0 ? -moved : 0));
    PUT(o, "lag", json_integer(row->end - row->target));
    PUT(o, "clamped", json_boolean(row->clamped));
    return o;
}

static void answered(void *arg, status result, const struct why *why, const struct reset_plan *plan)
{
    struct pending_reset *p = arg;
    struct api_request *rq = p->rq;
    if (failed(result)) {
        api_fail(rq, result, why && why->text[0] ? why->text : NULL);
        return;
    }
    json_t *o = json_object(), *rows = json_array();
    int64_t skipped = 0, repeated = 0, lag = 0;
    for (int32_t i = 0; i < plan->count; i++) {
        const struct reset_row *row = &plan->rows[i];
        int64_t moved = row->current >= 0 ? row->target - row->current : 0;
        skipped += moved > 0 ? moved : 0;
        repeated += moved < 0 ? -moved : 0;
        lag += row->end - row->target;
        json_array_append_new(rows, row_json(row));
    }
    PUT(o, "kind", json_string("OffsetReset"));
    PUT(o, "group_id", api_str(p->query.group));
    PUT(o, "to", json_string(reset_to_name(p->query.to)));
    PUT(o, "dry_run", json_boolean(p->query.dry_run));
    PUT(o, "applied", json_boolean(plan->applied));
    PUT(o, "blocked_by", api_str(plan->blocked));
    PUT(o, "skipped", json_integer(skipped));
    PUT(o, "repeated", json_integer(repeated));
    PUT(o, "lag", json_integer(lag));
    PUT(o, "partitions", rows);
    if (plan->applied) watchers_tell(rq->domain, p->cluster_id, "groups");
    api_reply(rq, 200, o);
}

/* --- the body --------------------------------------------------------------------------------------- */

static bool bad(struct api_request *rq, const char *pointer, const char *detail)
{
    api_fail_at(rq, 422, NULL, detail, pointer, NULL);
    return false;
}

static bool read_number(struct api_request *rq, const json_t *body, const char *name, const char *pointer,
                        bool may_be_negative, int64_t *ret)
{
    const json_t *v = json_object_get(body, name);
    if (!json_is_integer(v) || (!may_be_negative && json_integer_value(v) < 0)) {
        struct str text = arena_printf(rq->arena, "%s must be a whole number%s with this \"to\".", name,
                                       may_be_negative ? "" : " from 0");
        return bad(rq, pointer, text.data);
    }
    *ret = json_integer_value(v);
    return true;
}

static bool read_target(struct api_request *rq, const json_t *body, struct reset_query *q)
{
    struct str to = api_get_str(body, "to");
    for (q->to = RESET_EARLIEST; q->to <= RESET_GROUP; q->to++) {
        if (str_eq_c(to, reset_to_name(q->to))) break;
    }
    switch (q->to) {
    case RESET_EARLIEST:
    case RESET_LATEST: return true;
    case RESET_OFFSET: return read_number(rq, body, "offset", "/offset", false, &q->value);
    case RESET_TIME: return read_number(rq, body, "timestamp", "/timestamp", false, &q->value);
    case RESET_SHIFT: return read_number(rq, body, "shift", "/shift", true, &q->value);
    case RESET_GROUP:
        q->from_group = api_get_str(body, "from_group");
        if (q->from_group.len && !str_eq(q->from_group, q->group)) return true;
        return bad(rq, "/from_group", "from_group names the other group, whose offsets are copied.");
    }
    return bad(rq, "/to", "to is one of earliest, latest, offset, timestamp, shift and group.");
}

static bool read_partitions(struct api_request *rq, const json_t *list, struct reset_topic *ret)
{
    if (!list || json_is_null(list)) return true;
    size_t n = json_is_array(list) ? json_array_size(list) : 0;
    int32_t *partitions = n && n <= RESET_PARTITIONS_MAX ? ARENA_ARRAY(rq->arena, int32_t, n) : NULL;
    for (size_t i = 0; partitions && i < n; i++) {
        const json_t *p = json_array_get(list, i);
        int64_t index = json_is_integer(p) ? json_integer_value(p) : -1;
        if (index < 0 || index > INT32_MAX) partitions = NULL;
        else partitions[i] = (int32_t)index;
    }
    if (!partitions) return bad(rq, "/topics", "partitions is a list of numbers, with one at least.");
    ret->partitions = partitions;
    ret->count = (int32_t)n;
    return true;
}

static bool read_topics(struct api_request *rq, const json_t *body, struct reset_query *q)
{
    const json_t *list = json_object_get(body, "topics");
    if (!list || json_is_null(list)) return true;
    size_t n = json_is_array(list) ? json_array_size(list) : 0;
    struct reset_topic *topics = n && n <= RESET_TOPICS_MAX
        ? ARENA_ARRAY(rq->arena, struct reset_topic, n) : NULL;
    for (size_t i = 0; topics && i < n; i++) {
        const json_t *t = json_array_get(list, i);
        topics[i].topic = api_get_str(t, "topic");
        if (!topics[i].topic.data) topics = NULL;
        else if (!read_partitions(rq, json_object_get(t, "partitions"), &topics[i])) return false;
    }
    if (!topics) {
        return bad(rq, "/topics", "topics is a list of {\"topic\": …, \"partitions\": [0, …]}, with one "
                                  "at least and 1000 at most; without it, all topics are meant.");
    }
    q->topics = topics;
    q->topic_count = (int32_t)n;
    return true;
}

/* The other group and the topics that the body names, besides the group of the path. */
static bool may_see(struct api_request *rq, const struct kafka_scope *s, const struct reset_query *q)
{
    if (q->to == RESET_GROUP && !kafka_permit(rq, s, OP_DESCRIBE, RES_GROUP, q->from_group)) return false;
    for (int32_t i = 0; i < q->topic_count; i++)
        if (!kafka_permit(rq, s, OP_DESCRIBE, RES_TOPIC, q->topics[i].topic)) return false;
    return true;
}

void leat_groups_reset_offsets(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    const json_t *body = s ? api_body(rq) : NULL;
    if (!body) return;
    struct actor actor = kafka_actor(rq);
    struct pending_reset *p = ARENA_NEW(rq->arena, struct pending_reset);
    if (!p) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    const json_t *dry = json_object_get(body, "dry_run");
    *p = (struct pending_reset){ rq, s->id, { .cluster_id = s->id, .group = api_param(rq, "group_id"),
                                              .dry_run = json_is_true(dry) } };
    if (dry && !json_is_boolean(dry)) {
        bad(rq, "/dry_run", "dry_run is true or false.");
        return;
    }
    if (!read_target(rq, body, &p->query) || !read_topics(rq, body, &p->query)) return;
    if (!may_see(rq, s, &p->query)) return;
    offset_reset(rq->domain, &actor, &p->query, rq->arena, answered, p);
}

/* --- forgetting ------------------------------------------------------------------------------------- */

static void forgotten(void *arg, status result)
{
    struct api_request *rq = arg;
    const char *detail = NULL;
    if (result.code == E_GROUP_SUBSCRIBED_TO_TOPIC || result.code == E_NON_EMPTY_GROUP) {
        api_fail_at(rq, 409, NULL, "The group has members that read this topic: stop them first.", NULL,
                    NULL);
        return;
    }
    if (result.code == E_GROUP_ID_NOT_FOUND) detail = "This group cannot be found.";
    if (result.code == E_UNKNOWN_TOPIC_OR_PARTITION) detail = "There is no such topic or partition.";
    if (failed(result)) {
        api_fail(rq, result, detail);
        return;
    }
    struct str cluster = arena_str(rq->arena, api_param(rq, "cluster_id"));
    if (cluster.data) watchers_tell(rq->domain, cluster.data, "groups");
    api_reply(rq, 204, NULL);
}

void leat_groups_delete_offsets(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    int64_t partition;
    if (!s || !api_query_i64(rq, "partition", -1, 0, INT32_MAX, &partition)) return;
    struct actor actor = kafka_actor(rq);
    offset_delete(rq->domain, &actor, s->id, api_param(rq, "group_id"), api_param(rq, "topic_name"),
                  (int32_t)partition, rq->arena, forgotten, rq);
}
