/* offset_reset.c - the steps of a reset: the group (and the one to copy), the partitions meant, where
 * their logs begin and end, the plan; then audit and commit. Domain thread. */
#include "domain/offset_reset.h"

#include "domain/failpoint.h"
#include "domain/reset_resume.h"
#include "domain/topics.h"
#include "wire/messages.h"

#include <jansson.h>
#include <stdlib.h>

enum { OFFSET_COMMIT = 8, OFFSET_COMMIT_VERSION = 8, OFFSET_DELETE = 47, OFFSET_DELETE_VERSION = 0 };
#define AUDIT_PARTITIONS_MAX 1000 /* more are counted only */
#define MEMBERS_NAMED_MAX 5

static const struct str principal = { "User:leat", 9 };

struct reset {
    struct domain *domain;
    struct actor actor;
    struct reset_query query;
    struct arena *arena;
    struct group_info *group, *from; /* NULL: not loaded, or there is none */
    struct reset_plan plan;
    struct partition_offsets *ends, *times; /* one a row */
    struct topic_offsets *end_topics, *time_topics;
    int32_t topic_count;
    int64_t noted;               /* reset_resume.h */
    struct why why;
    reset_done done;
    void *arg;
};

const char *reset_to_name(enum reset_to to)
{
    static const char *const names[] = { "earliest", "latest", "offset", "timestamp", "shift", "group" };
    return names[to];
}

static void finish(struct reset *r, status result)
{
    if (is_ok(result)) result = arena_check(r->arena);
    r->done(r->arg, result, &r->why, is_ok(result) ? &r->plan : NULL);
}

/* --- audit -------------------------------------------------------------------------------------- */

static json_t *text_json(struct str s) { return json_stringn(s.data ? s.data : "", s.len); }

/* {"topic-partition": offset}, before or after. */
static json_t *offsets_json(const struct reset_plan *plan, bool after)
{
    json_t *o = json_object();
    char name[300];
    for (int32_t i = 0; i < plan->count && i < AUDIT_PARTITIONS_MAX; i++) {
        const struct reset_row *row = &plan->rows[i];
        int64_t offset = after ? row->target : row->current;
        snprintf(name, sizeof name, "%.*s-%d", STR_ARG(row->topic), (int)row->partition);
        json_object_set_new(o, name, offset >= 0 ? json_integer(offset) : json_null());
    }
    return o;
}

static json_t *detail_json(const struct reset *r)
{
    const struct reset_query *q = &r->query;
    json_t *o = json_pack("{s:s}", "to", reset_to_name(q->to));
    if (q->to == RESET_GROUP) json_object_set_new(o, "from_group", text_json(q->from_group));
    else if (q->to >= RESET_OFFSET) json_object_set_new(o, "value", json_integer(q->value));
    if (r->plan.count > AUDIT_PARTITIONS_MAX)
        json_object_set_new(o, "partitions_not_listed",
                            json_integer(r->plan.count - AUDIT_PARTITIONS_MAX));
    return o;
}

struct commit_note { /* of the commit that follows an audit row, reset_resume.h */
    const struct offset_commit_request *commit;
    int64_t id;
};

/* An audit row of its own transaction, with a note of the commit that follows (NULL: none). Takes detail, and
 * the offsets before and after (NULL: none). */
static status audit_and_note(struct domain *domain, const struct actor *actor, const char *cluster_id,
                             struct arena *arena, const char *operation, struct str group, json_t *detail,
                             json_t *before, json_t *after, struct commit_note *note)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct str resource = arena_printf(arena, "group=%.*s", STR_ARG(group));
    char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;
    json_decref(detail);
    status result = text && resource.data ? change_begin(domain, cluster_id, actor, &change)
                                          : FAIL(NO_MEMORY);
    if (is_ok(result) && (before || after)) change_note(change, "offsets", TAKE(before), TAKE(after));
    json_decref(before);
    json_decref(after);
    if (is_ok(result)) result = change_audit(change, operation, resource.data, text);
    free(text); /* tidy: allowed, jansson's */
    if (is_ok(result) && note) result = reset_note(domain, cluster_id, note->commit, &note->id);
    TRY(result);
    return change_commit_now(&change);
}

static status audit(struct domain *domain, const struct actor *actor, const char *cluster_id,
                    struct arena *arena, const char *operation, struct str group, json_t *detail,
                    json_t *before, json_t *after)
{
    return audit_and_note(domain, actor, cluster_id, arena, operation, group, detail, before, after, NULL);
}

/* --- commit ------------------------------------------------------------------------------------- */

static void committed(void *arg, status result, const void *response)
{
    struct reset *r = arg;
    reset_answered(r->domain, r->noted);
    if (is_ok(result)) result = reset_result(response);
    r->plan.applied = is_ok(result);
    if (is_ok(result)) {
        finish(r, OK);
        return;
    }
    bool joined = result.code == E_UNKNOWN_MEMBER_ID || result.code == E_ILLEGAL_GENERATION ||
        result.code == E_REBALANCE_IN_PROGRESS || result.code == E_STALE_MEMBER_EPOCH;
    json_t *detail = json_pack("{s:s}", "error", status_name(result));
    (void)audit(r->domain, &r->actor, r->query.cluster_id, r->arena, "group.reset_offsets_failed",
                r->query.group, detail, NULL, NULL);
    if (joined) {
        why_set(&r->why, "A consumer has joined the group meanwhile; nothing was changed.");
        result = FAIL(NON_EMPTY_GROUP);
    }
    finish(r, result);
}

static void commit(struct reset *r)
{
    typedef struct offset_commit_request_offset_commit_request_topic topic_out;
    typedef struct offset_commit_request_offset_commit_request_partition partition_out;
    struct offset_commit_request request;
    wire_default(&offset_commit_request_message, &request);
    partition_out *p = ARENA_ARRAY(r->arena, partition_out, r->plan.count);
    request.group_id = r->query.group;
    request.member_id = STR("");
    request.topics = ARENA_ARRAY(r->arena, topic_out, r->topic_count);
    if (r->arena->failed) {
        finish(r, FAIL(NO_MEMORY));
        return;
    }
    for (int32_t t = 0, k = 0; t < r->topic_count; t++) {
        topic_out *to = &request.topics[request.topics_count++];
        wire_default_struct(&offset_commit_request_offset_commit_request_topic_struct, to);
        to->name = r->end_topics[t].topic;
        to->partitions = &p[k];
        to->partitions_count = r->end_topics[t].count;
        for (int32_t i = 0; i < to->partitions_count; i++, k++) {
            p[k] = (partition_out){ .partition_index = r->plan.rows[k].partition,
                                    .committed_offset = r->plan.rows[k].target,
                                    .committed_leader_epoch = -1, .committed_metadata = STR("") };
        }
    }
    struct commit_note note = { .commit = &request };
    status stands = audit_and_note(r->domain, &r->actor, r->query.cluster_id, r->arena,
                                   "group.reset_offsets", r->query.group, detail_json(r),
                                   offsets_json(&r->plan, false), offsets_json(&r->plan, true), &note);
    r->noted = note.id;
    if (failed(stands)) {
        finish(r, stands);
        return;
    }
    failpoint("reset.noted");
    engine_call(r->domain->engine, r->query.cluster_id, principal, OFFSET_COMMIT,
                OFFSET_COMMIT_VERSION, &request, r->arena, CALL_TIMEOUT_MS, committed, r);
}

/* --- the plan ----------------------------------------------------------------------------------- */

/* Who has to stop first; null: nobody. */
static struct str blocked_by(struct reset *r)
{
    const struct group_info *g = r->group;
    struct str names = STR("");
    if (!g || g->member_count == 0) return STR_NULL;
    for (int32_t i = 0; i < g->member_count && i < MEMBERS_NAMED_MAX; i++) {
        const struct group_member *m = &g->members[i];
        bool slash = m->client_host.len && m->client_host.data[0] == '/'; /* as brokers write hosts */
        struct str host = { m->client_host.data + slash, m->client_host.len - slash };
        names = arena_printf(r->arena, "%.*s%s%.*s at %.*s", STR_ARG(names), i ? ", " : "",
                             STR_ARG(m->client_id.len ? m->client_id : m->member_id),
                             STR_ARG(host));
    }
    int32_t more = g->member_count - MEMBERS_NAMED_MAX;
    if (more > 0) names = arena_printf(r->arena, "%.*s and %d more", STR_ARG(names), (int)more);
    return arena_printf(r->arena, "The group %.*s has %d %s (%.*s): stop %s first.", STR_ARG(g->id),
                        (int)g->member_count, g->member_count == 1 ? "member" : "members",
                        STR_ARG(names), g->member_count == 1 ? "it" : "them");
}

static int64_t wanted(const struct reset *r, int32_t i)
{
    const struct reset_row *row = &r->plan.rows[i];
    int64_t shifted;
    switch (r->query.to) {
    case RESET_EARLIEST: return row->start;
    case RESET_LATEST: return row->end;
    case RESET_OFFSET: return r->query.value;
    case RESET_TIME: return r->times[i].start >= 0 ? r->times[i].start : row->end;
    case RESET_SHIFT:
        if (!__builtin_add_overflow(row->current, r->query.value, &shifted)) return shifted;
        return r->query.value < 0 ? INT64_MIN : INT64_MAX;
    case RESET_GROUP: break;
    }
    return row->target; /* of the other group */
}

static void plan(struct reset *r)
{
    for (int32_t i = 0; i < r->plan.count; i++) {
        struct reset_row *row = &r->plan.rows[i];
        const struct partition_offsets *o = &r->ends[i];
        if (failed(o->result) || o->start < 0 || o->end < 0) {
            finish(r, failed(o->result) ? o->result : FAIL(BROKER_NOT_AVAILABLE));
            return;
        }
        row->start = o->start;
        row->end = o->end;
        int64_t target = wanted(r, i);
        row->target = target < row->start ? row->start : target > row->end ? row->end : target;
        row->clamped = row->target != target;
    }
    r->plan.blocked = blocked_by(r);
    if (r->query.dry_run) {
        finish(r, OK);
    } else if (r->plan.blocked.data) {
        why_set(&r->why, "%.*s", STR_ARG(r->plan.blocked));
        finish(r, FAIL(NON_EMPTY_GROUP));
    } else {
        commit(r);
    }
}

/* --- where the logs begin and end ----------------------------------------------------------------- */

static void times_known(void *arg, status result)
{
    struct reset *r = arg;
    for (int32_t i = 0; is_ok(result) && i < r->plan.count; i++) result = r->times[i].result;
    if (failed(result)) finish(r, result);
    else plan(r);
}

static void ends_known(void *arg, status result)
{
    struct reset *r = arg;
    if (failed(result)) {
        finish(r, result);
    } else if (r->query.to == RESET_TIME) {
        offsets_at_time(r->domain, r->query.cluster_id, principal, r->query.value, r->time_topics,
                        r->topic_count, r->arena, times_known, r);
    } else {
        plan(r);
    }
}

static int by_place(const void *a, const void *b)
{
    const struct reset_row *x = a, *y = b;
    int c = str_cmp(x->topic, y->topic);
    return c ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

/* Rows in order, each once; beside them the arrays that the broker's answers go to. */
static void ask_ends(struct reset *r)
{
    struct reset_plan *p = &r->plan;
    qsort(p->rows, (size_t)p->count, sizeof *p->rows, by_place);
    int32_t kept = 0;
    for (int32_t i = 0; i < p->count; i++) {
        if (kept == 0 || by_place(&p->rows[kept - 1], &p->rows[i]) != 0) p->rows[kept++] = p->rows[i];
    }
    p->count = kept;
    r->ends = ARENA_ARRAY(r->arena, struct partition_offsets, kept);
    r->times = ARENA_ARRAY(r->arena, struct partition_offsets, kept);
    r->end_topics = ARENA_ARRAY(r->arena, struct topic_offsets, kept);
    r->time_topics = ARENA_ARRAY(r->arena, struct topic_offsets, kept);
    if (r->arena->failed) {
        finish(r, FAIL(NO_MEMORY));
        return;
    }
    for (int32_t i = 0; i < kept; i++) {
        const struct reset_row *row = &p->rows[i];
        r->ends[i] = r->times[i] = (struct partition_offsets){ row->partition, -1, -1, OK, -1 };
        if (i == 0 || !str_eq(row->topic, row[-1].topic)) {
            r->end_topics[r->topic_count] = (struct topic_offsets){ row->topic, &r->ends[i], 0 };
            r->time_topics[r->topic_count++] = (struct topic_offsets){ row->topic, &r->times[i], 0 };
        }
        r->end_topics[r->topic_count - 1].count++;
        r->time_topics[r->topic_count - 1].count++;
    }
    offsets_load(r->domain, r->query.cluster_id, principal, r->end_topics, r->topic_count, r->arena,
                 ends_known, r);
}

/* --- which partitions ------------------------------------------------------------------------------- */

static int64_t committed_of(const struct group_info *g, struct str topic, int32_t partition)
{
    int32_t low = 0, high = g ? g->lag_count : 0;
    while (low < high) { /* by topic, partition */
        int32_t middle = low + (high - low) / 2;
        const struct group_lag *l = &g->lags[middle];
        int c = str_cmp(l->topic, topic);
        if (c == 0) c = (l->partition > partition) - (l->partition < partition);
        if (c == 0) return l->current;
        if (c < 0) low = middle + 1;
        else high = middle;
    }
    return -1;
}

/* A partition that the reset means; left out when there is nothing to shift or to copy. */
static status add_row(struct reset *r, struct str topic, int32_t partition)
{
    struct reset_row row = { .topic = topic, .partition = partition,
                             .current = committed_of(r->group, topic, partition) };
    if (r->query.to == RESET_SHIFT && row.current < 0) return OK;
    if (r->query.to == RESET_GROUP) {
        row.target = committed_of(r->from, topic, partition);
        if (row.target < 0) return OK;
    }
    if (r->plan.count == RESET_PARTITIONS_MAX) {
        why_set(&r->why, "At most %d partitions are reset at once; name topics.", RESET_PARTITIONS_MAX);
        return FAIL(PRECONDITION);
    }
    r->plan.rows[r->plan.count++] = row;
    return OK;
}

/* required: the topic was named, so it must be there. */
static status add_topic(struct reset *r, const struct reset_topic *t, bool required)
{
    struct topic_row topic;
    status found = topics_get(r->domain->db, r->query.cluster_id, t->topic, r->arena, &topic);
    if (found.code == E_UNKNOWN_TOPIC_OR_PARTITION) {
        if (!required) return OK;
        why_set(&r->why, "There is no topic %.*s.", STR_ARG(t->topic));
    }
    TRY(found);
    for (int32_t i = 0; i < t->count; i++) {
        if (t->partitions[i] < 0 || t->partitions[i] >= topic.topic.partitions) {
            why_set(&r->why, "The topic %.*s has partitions 0 to %d, not %d.", STR_ARG(t->topic),
                    (int)topic.topic.partitions - 1, (int)t->partitions[i]);
            return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
        }
        TRY(add_row(r, topic.topic.name, t->partitions[i]));
    }
    for (int32_t i = 0; t->count == 0 && i < topic.topic.partitions; i++)
        TRY(add_row(r, topic.topic.name, i));
    return OK;
}

static status choose(struct reset *r)
{
    const struct reset_query *q = &r->query;
    const struct group_info *source = q->to == RESET_GROUP ? r->from : r->group;
    r->plan.rows = ARENA_ARRAY(r->arena, struct reset_row, RESET_PARTITIONS_MAX);
    if (!r->plan.rows) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < q->topic_count; i++) TRY(add_topic(r, &q->topics[i], true));
    for (int32_t i = 0; q->topic_count == 0 && source && i < source->lag_count; i++) {
        struct str topic = source->lags[i].topic;
        if (i && str_eq(topic, source->lags[i - 1].topic)) continue;
        TRY(add_topic(r, &(struct reset_topic){ .topic = topic }, false));
    }
    if (r->plan.count) return OK;
    why_set(&r->why, "There is nothing to reset: the group %.*s has no committed offsets%s.",
            STR_ARG(q->to == RESET_GROUP ? q->from_group : q->group),
            q->topic_count ? " in these topics" : ""); /* only when shifting or copying */
    return FAIL(PRECONDITION);
}

static void groups_known(struct reset *r)
{
    status chosen = choose(r);
    if (failed(chosen)) finish(r, chosen);
    else ask_ends(r);
}

/* --- the groups --------------------------------------------------------------------------------- */

static void from_loaded(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct reset *r = arg;
    if (is_ok(result)) result = count == 1 ? groups[0].result : FAIL(GROUP_ID_NOT_FOUND);
    if (failed(result)) {
        if (result.code == E_GROUP_ID_NOT_FOUND)
            why_set(&r->why, "Group %.*s cannot be found.", STR_ARG(r->query.from_group));
        finish(r, result);
        return;
    }
    r->from = &groups[0];
    groups_known(r);
}

static void group_loaded(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct reset *r = arg;
    const struct reset_query *q = &r->query;
    if (is_ok(result)) result = count == 1 ? groups[0].result : FAIL(GROUP_ID_NOT_FOUND);
    bool make = result.code == E_GROUP_ID_NOT_FOUND && (q->topic_count || q->to == RESET_GROUP);
    if (failed(result) && !make) {
        if (result.code == E_GROUP_ID_NOT_FOUND)
            why_set(&r->why, "Group %.*s cannot be found.", STR_ARG(q->group));
        finish(r, result);
        return;
    }
    if (is_ok(result)) r->group = &groups[0];
    if (q->to == RESET_GROUP)
        groups_load(r->domain, q->cluster_id, principal, q->from_group, true, r->arena, from_loaded, r);
    else groups_known(r);
}

void offset_reset(struct domain *domain, const struct actor *actor, const struct reset_query *query,
                  struct arena *arena, reset_done done, void *arg)
{
    struct reset *r = ARENA_NEW(arena, struct reset);
    if (!r) {
        done(arg, FAIL(NO_MEMORY), NULL, NULL);
        return;
    }
    *r = (struct reset){ .domain = domain, .actor = *actor, .query = *query, .arena = arena,
                         .done = done, .arg = arg };
    groups_load(domain, query->cluster_id, principal, query->group, true, arena, group_loaded, r);
}

/* --- forgetting offsets ----------------------------------------------------------------------------- */

struct forget {
    struct domain *domain;
    struct actor actor;
    const char *cluster_id;
    struct str group, topic;
    int32_t partition; /* -1: all */
    struct offset_delete_request_offset_delete_request_topic wanted;
    struct arena *arena;
    group_deleted done;
    void *arg;
};

static status forget_result(const struct offset_delete_response *response)
{
    TRY(status_from_kafka(response->error_code));
    for (int32_t t = 0; t < response->topics_count; t++) {
        for (int32_t p = 0; p < response->topics[t].partitions_count; p++)
            TRY(status_from_kafka(response->topics[t].partitions[p].error_code));
    }
    return OK;
}

static void forgotten(void *arg, status result, const void *response)
{
    struct forget *f = arg;
    if (is_ok(result)) result = forget_result(response);
    if (failed(result))
        (void)audit(f->domain, &f->actor, f->cluster_id, f->arena, "group.delete_offsets_failed", f->group,
                    json_pack("{s:s}", "error", status_name(result)), NULL, NULL);
    f->done(f->arg, result);
}

static status forget_audit(const struct forget *f, const struct group_info *group)
{
    json_t *detail = json_pack("{s:o}", "topic", text_json(f->topic));
    if (f->partition >= 0) json_object_set_new(detail, "partition", json_integer(f->partition));
    return audit(f->domain, &f->actor, f->cluster_id, f->arena, "group.delete_offsets", f->group, detail,
                 groups_offsets_json(group, f->topic, f->partition), NULL);
}

/* What is there was read: it is told, then deleted. */
static void forget_known(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct forget *f = arg;
    struct offset_delete_request request;
    if (is_ok(result) && count == 0) result = FAIL(GROUP_ID_NOT_FOUND);
    if (is_ok(result)) result = groups[0].result;
    if (is_ok(result)) result = forget_audit(f, &groups[0]);
    if (failed(result)) {
        f->done(f->arg, result);
        return;
    }
    wire_default(&offset_delete_request_message, &request);
    request.group_id = f->group;
    request.topics = &f->wanted;
    request.topics_count = 1;
    engine_call(f->domain->engine, f->cluster_id, principal, OFFSET_DELETE, OFFSET_DELETE_VERSION, &request,
                f->arena, CALL_TIMEOUT_MS, forgotten, f);
}

void offset_delete(struct domain *domain, const struct actor *actor, const char *cluster_id,
                   struct str group, struct str topic, int32_t partition, struct arena *arena,
                   group_deleted done, void *arg)
{
    struct topic_row row;
    struct forget *f = ARENA_NEW(arena, struct forget);
    status result = f ? topics_get(domain->db, cluster_id, topic, arena, &row) : FAIL(NO_MEMORY);
    if (is_ok(result) && partition >= row.topic.partitions) result = FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (is_ok(result)) {
        *f = (struct forget){ .domain = domain, .actor = *actor, .cluster_id = cluster_id, .group = group,
                              .topic = topic, .partition = partition, .arena = arena, .done = done,
                              .arg = arg };
        f->wanted.name = topic;
        f->wanted.partitions_count = partition < 0 ? row.topic.partitions : 1;
        f->wanted.partitions =
            ARENA_ARRAY(arena, struct offset_delete_request_offset_delete_request_partition,
                        f->wanted.partitions_count);
        if (!f->wanted.partitions) result = FAIL(NO_MEMORY);
    }
    if (failed(result)) {
        done(arg, result);
        return;
    }
    for (int32_t i = 0; i < f->wanted.partitions_count; i++)
        f->wanted.partitions[i].partition_index = partition < 0 ? i : partition;
    groups_load(domain, cluster_id, principal, group, true, arena, forget_known, f);
}
