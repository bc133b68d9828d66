/* leat_groups.c - groups in one call: the table, the worst of them, and one with everything. DOMAIN. */
#include "api/handlers.h"
#include "api/kafka.h"

#include "domain/groups.h"
#include "domain/watchers.h"

struct view {
    struct api_request *rq;
    struct kafka_scope *scope;
    json_t *offsets; /* of a group that is deleted, before */
};

static json_t *topics_json(const struct group_info *g)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < g->lag_count; i++) { /* in order of topic */
        if (i && str_eq(g->lags[i].topic, g->lags[i - 1].topic)) continue;
        json_array_append_new(list, api_str(g->lags[i].topic));
    }
    return list;
}

static json_t *ms_json(int64_t ms) { return ms >= 0 ? json_integer(ms) : json_null(); }

static json_t *topic_lags_json(const struct group_info *g)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < g->lag_count;) { /* in order of topic */
        const struct group_lag *first = &g->lags[i];
        int64_t lag = 0, time_lag = -1;
        for (; i < g->lag_count && str_eq(g->lags[i].topic, first->topic); i++) {
            lag += g->lags[i].lag;
            if (g->lags[i].time_lag > time_lag) time_lag = g->lags[i].time_lag;
        }
        json_t *o = json_object();
        PUT(o, "topic", api_str(first->topic));
        PUT(o, "lag", json_integer(lag));
        PUT(o, "time_lag_ms", ms_json(time_lag));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *group_json(const struct group_info *g)
{
    const struct group_lag *w = g->worst;
    json_t *o = json_object();
    PUT(o, "group_id", api_str(g->id));
    PUT(o, "state", api_str(g->state));
    PUT(o, "type", api_str(g->type));
    PUT(o, "protocol_type", api_str(g->protocol_type));
    PUT(o, "protocol", api_str(g->protocol));
    PUT(o, "members", json_integer(g->member_count));
    PUT(o, "member_count", json_integer(g->member_count));
    PUT(o, "topics", topics_json(g));
    PUT(o, "topic_lags", topic_lags_json(g));
    PUT(o, "total_lag", w ? json_integer(g->total_lag) : json_null());
    PUT(o, "max_lag", w ? json_integer(g->max_lag) : json_null());
    PUT(o, "time_lag_ms", ms_json(w ? g->time_lag : -1));
    PUT(o, "worst_topic", w ? api_str(w->topic) : json_null());
    PUT(o, "worst_partition", w ? json_integer(w->partition) : json_null());
    return o;
}

static json_t *assignments_json(const struct group_member *m)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < m->assigned_count;) {
        struct str topic = m->assigned[i].topic;
        json_t *partitions = json_array();
        for (; i < m->assigned_count && str_eq(m->assigned[i].topic, topic); i++) {
            json_array_append_new(partitions, json_integer(m->assigned[i].partition));
        }
        json_array_append_new(list, json_pack("{s:o, s:o}", "topic", api_str(topic), "partitions",
                                              partitions));
    }
    return list;
}

static json_t *members_json(const struct group_info *g)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < g->member_count; i++) {
        const struct group_member *m = &g->members[i];
        json_t *o = json_object();
        PUT(o, "member_id", api_str(m->member_id));
        PUT(o, "client_id", api_str(m->client_id));
        PUT(o, "client_host", api_str(m->client_host));
        PUT(o, "instance_id", api_str(m->instance_id));
        PUT(o, "assignments", assignments_json(m));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *lags_json(const struct group_info *g)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < g->lag_count; i++) {
        const struct group_lag *l = &g->lags[i];
        const struct group_member *m = l->member;
        json_t *o = json_object();
        PUT(o, "topic", api_str(l->topic));
        PUT(o, "partition", json_integer(l->partition));
        PUT(o, "member_id", m ? api_str(m->member_id) : json_null());
        PUT(o, "client_id", m ? api_str(m->client_id) : json_null());
        PUT(o, "client_host", m ? api_str(m->client_host) : json_null());
        PUT(o, "current_offset", json_integer(l->current));
        PUT(o, "log_start_offset", l->start >= 0 ? json_integer(l->start) : json_null());
        PUT(o, "log_end_offset", l->end >= 0 ? json_integer(l->end) : json_null());
        PUT(o, "lag", l->end >= 0 ? json_integer(l->lag) : json_null());
        PUT(o, "time_lag_ms", ms_json(l->time_lag));
        json_array_append_new(list, o);
    }
    return list;
}

static void all_loaded(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct view *v = arg;
    if (failed(result)) {
        api_fail(v->rq, result, NULL);
        return;
    }
    json_t *data = json_array();
    for (int32_t i = 0; i < count; i++) {
        if (failed(groups[i].result) || !kafka_shows_group(v->scope, groups[i].id)) continue;
        json_array_append_new(data, group_json(&groups[i]));
    }
    api_reply_list(v->rq, NULL, "GroupList", data, NULL, (int64_t)json_array_size(data));
}

static void not_found(struct api_request *rq)
{
    struct str text = arena_printf(rq->arena, "Group %.*s cannot be found.",
                                   STR_ARG(api_param(rq, "group_id")));
    api_fail_at(rq, 404, NULL, text.data, NULL, NULL);
}

static void one_loaded(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct view *v = arg;
    if (is_ok(result)) result = count == 1 ? groups[0].result : FAIL(GROUP_ID_NOT_FOUND);
    if (result.code == E_GROUP_ID_NOT_FOUND) {
        not_found(v->rq);
        return;
    }
    if (failed(result)) {
        api_fail(v->rq, result, NULL);
        return;
    }
    json_t *group = group_json(&groups[0]);
    json_object_set_new(group, "kind", json_string("Group"));
    json_object_set_new(group, "members", members_json(&groups[0]));
    json_object_set_new(group, "lags", lags_json(&groups[0]));
    /* Whoever looks at it looks again: what is told of it meanwhile is a second old, not five. */
    engine_watch(v->rq->domain->engine, v->scope->id);
    api_reply(v->rq, 200, group);
}

/* NULL: answered. */
static struct view *view_new(struct api_request *rq, struct kafka_scope *s)
{
    struct view *v = s ? ARENA_NEW(rq->arena, struct view) : NULL;
    if (v) *v = (struct view){ .rq = rq, .scope = s };
    return v;
}

void leat_groups_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct view *v = view_new(rq, s);
    if (v) groups_load(rq->domain, s->id, s->principal, STR_NULL, true, rq->arena, all_loaded, v);
}

void leat_groups_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct view *v = view_new(rq, s);
    if (v) {
        groups_load(rq->domain, s->id, s->principal, api_param(rq, "group_id"), true, rq->arena,
                    one_loaded, v);
    }
}

/* Takes offsets. */
static void audit_deletion(struct api_request *rq, const struct view *v, json_t *offsets)
{
    struct actor actor = kafka_actor(rq);
    CLEANUP_CHANGE struct change *change = NULL;
    struct str group = api_param(rq, "group_id");
    struct str resource = arena_printf(rq->arena, "group=%.*s", STR_ARG(group));
    if (!resource.data || failed(change_begin(rq->domain, v->scope->id, &actor, &change))) {
        json_decref(offsets);
        return;
    }
    change_note(change, "group_id", api_str(group), NULL);
    change_note(change, "offsets", offsets, NULL);
    if (is_ok(change_audit(change, "group.delete", resource.data, NULL))) (void)change_commit_now(&change);
}

static void deleted(void *arg, status result)
{
    struct view *v = arg;
    struct api_request *rq = v->rq;
    json_t *offsets = TAKE(v->offsets);
    if (is_ok(result)) {
        audit_deletion(rq, v, TAKE(offsets));
        watchers_tell(rq->domain, v->scope->id, "groups");
        api_reply(rq, 204, NULL);
    } else if (result.code == E_GROUP_ID_NOT_FOUND) {
        not_found(rq);
    } else if (result.code == E_NON_EMPTY_GROUP) {
        api_fail_at(rq, 409, NULL, "The group still has members: stop its consumers first.", NULL,
                    NULL);
    } else {
        api_fail(rq, result, NULL);
    }
    json_decref(offsets);
}

/* What it had committed was read, for the audit log. */
static void delete_known(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct view *v = arg;
    struct api_request *rq = v->rq;
    if (is_ok(result) && count == 1) v->offsets = groups_offsets_json(&groups[0], STR_NULL, -1);
    groups_delete(rq->domain, v->scope->id, v->scope->principal, api_param(rq, "group_id"), rq->arena,
                  deleted, v);
}

void leat_groups_delete(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct view *v = view_new(rq, s);
    if (v) {
        groups_load(rq->domain, s->id, s->principal, api_param(rq, "group_id"), true, rq->arena,
                    delete_known, v);
    }
}
