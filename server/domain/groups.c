/* groups.c - the join behind every view of groups: ListGroups, DescribeGroups, OffsetFetch, and
 * ListOffsets for all partitions that any of them committed. Four requests (five with groups of
 * the consumer protocol), however many groups.
 * Domain thread. What a broker answers is only believed as far as the codec checked it. */
#include "domain/groups.h"

#include <stdio.h>

#include "engine/lags.h"
#include "wire/messages.h"

#include <stdlib.h>

enum { OFFSET_FETCH = 9, DESCRIBE_GROUPS = 15, LIST_GROUPS = 16, DELETE_GROUPS = 42,
       CONSUMER_GROUP_DESCRIBE = 69 };
enum { OFFSET_FETCH_VERSION = 9, DESCRIBE_GROUPS_VERSION = 5, LIST_GROUPS_VERSION = 5,
       DELETE_GROUPS_VERSION = 2, CONSUMER_GROUP_DESCRIBE_VERSION = 1 };

struct groups_load {
    struct domain *domain;
    const char *cluster_id;
    struct str principal;
    struct arena *arena;
    bool lags, listed;
    struct group_info *groups;
    int32_t count;
    struct topic_offsets *topics;
    int32_t topic_count;
    groups_done done;
    void *arg;
};

static void fail(struct groups_load *l, status result) { l->done(l->arg, result, NULL, 0); }

static void call(struct groups_load *l, int16_t key, int16_t version, const void *request,
                 engine_response done)
{
    if (l->arena->failed) {
        fail(l, FAIL(NO_MEMORY));
        return;
    }
    engine_call(l->domain->engine, l->cluster_id, l->principal, key, version, request, l->arena,
                CALL_TIMEOUT_MS, done, l);
}

static struct group_info *group_find(struct groups_load *l, struct str id, int32_t hint)
{
    if (hint < l->count && str_eq(l->groups[hint].id, id)) return &l->groups[hint];
    for (int32_t i = 0; i < l->count; i++) {
        if (str_eq(l->groups[i].id, id)) return &l->groups[i];
    }
    return NULL;
}

/* --- ends of the logs, lag -------------------------------------------------------------------- */

static const struct partition_offsets *offsets_find(struct groups_load *l, struct str topic,
                                                    int32_t partition)
{
    int32_t low = 0, high = l->topic_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (str_cmp(l->topics[middle].topic, topic) < 0) low = middle + 1;
        else high = middle;
    }
    if (low == l->topic_count || !str_eq(l->topics[low].topic, topic)) return NULL;
    for (int32_t i = 0; i < l->topics[low].count; i++) {
        if (l->topics[low].partitions[i].partition == partition) return &l->topics[low].partitions[i];
    }
    return NULL;
}

/* The broker tells the time of the oldest record some moments after a commit: one of an offset beyond
 * the one that is committed now (it was reset) says nothing. */
static int64_t time_lag_of(struct groups_load *l, const struct group_info *g, const struct group_lag *lag)
{
    const struct engine_partition_lag *told =
        engine_lag_of(l->domain->engine, l->cluster_id, g->id, lag->topic, lag->partition);
    if (lag->end < 0) return -1;
    if (lag->lag == 0) return 0;
    if (!told || told->committed > lag->current) return -1;
    return engine_time_lag(told->oldest_at, domain_wall());
}

static void lags_fill(struct groups_load *l, struct group_info *g)
{
    g->time_lag = -1;
    for (int32_t i = 0; i < g->lag_count; i++) {
        struct group_lag *lag = &g->lags[i];
        const struct partition_offsets *o = offsets_find(l, lag->topic, lag->partition);
        lag->start = o && is_ok(o->result) ? o->start : -1;
        lag->end = o && is_ok(o->result) ? o->end : -1;
        lag->lag = lag->end >= 0 && lag->end > lag->current ? lag->end - lag->current : 0;
        lag->time_lag = time_lag_of(l, g, lag);
        if (lag->time_lag > g->time_lag) g->time_lag = lag->time_lag;
        g->total_lag += lag->lag;
        if (!g->worst || lag->lag > g->max_lag) {
            g->worst = lag;
            g->max_lag = lag->lag;
        }
    }
}

static void ends_known(void *arg, status result)
{
    struct groups_load *l = arg;
    if (failed(result)) {
        fail(l, result);
        return;
    }
    for (int32_t i = 0; i < l->count; i++) lags_fill(l, &l->groups[i]);
    l->done(l->arg, OK, l->groups, l->count);
}

static int by_topic_partition(const void *a, const void *b)
{
    const struct group_partition *x = a, *y = b;
    int c = str_cmp(x->topic, y->topic);
    return c ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

/* Every partition once, grouped by topic in order of name. */
static void collect_topics(struct groups_load *l, struct group_partition *all, size_t count)
{
    qsort(all, count, sizeof *all, by_topic_partition);
    l->topics = ARENA_ARRAY(l->arena, struct topic_offsets, count + 1);
    struct partition_offsets *partitions = ARENA_ARRAY(l->arena, struct partition_offsets,
                                                       count + 1);
    if (l->arena->failed) return;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (i && by_topic_partition(&all[i - 1], &all[i]) == 0) continue;
        struct topic_offsets *last = l->topic_count ? &l->topics[l->topic_count - 1] : NULL;
        if (!last || !str_eq(last->topic, all[i].topic)) {
            last = &l->topics[l->topic_count++];
            *last = (struct topic_offsets){ all[i].topic, &partitions[used], 0 };
        }
        partitions[used++] = (struct partition_offsets){ all[i].partition, -1, -1, OK, -1 };
        last->count++;
    }
}

static void ask_ends(struct groups_load *l)
{
    size_t count = 0;
    for (int32_t i = 0; i < l->count; i++) count += (size_t)l->groups[i].lag_count;
    struct group_partition *all = ARENA_ARRAY(l->arena, struct group_partition, count + 1);
    size_t n = 0;
    for (int32_t i = 0; all && i < l->count; i++) {
        for (int32_t k = 0; k < l->groups[i].lag_count; k++) {
            all[n++] = (struct group_partition){ l->groups[i].lags[k].topic,
                                                l->groups[i].lags[k].partition };
        }
    }
    if (all) collect_topics(l, all, n);
    if (l->arena->failed) {
        fail(l, FAIL(NO_MEMORY));
        return;
    }
    offsets_load(l->domain, l->cluster_id, l->principal, l->topics, l->topic_count, l->arena,
                 ends_known, l);
}

/* --- committed offsets ------------------------------------------------------------------------ */

static const struct group_member *reader_of(const struct group_info *g, struct str topic,
                                            int32_t partition)
{
    for (int32_t i = 0; i < g->member_count; i++) {
        const struct group_member *m = &g->members[i];
        for (int32_t k = 0; k < m->assigned_count; k++) {
            if (m->assigned[k].partition == partition && str_eq(m->assigned[k].topic, topic)) {
                return m;
            }
        }
    }
    return NULL;
}

static int by_lag_place(const void *a, const void *b)
{
    const struct group_lag *x = a, *y = b;
    int c = str_cmp(x->topic, y->topic);
    return c ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

static void take_offsets(struct groups_load *l, struct group_info *g,
                         const struct offset_fetch_response_offset_fetch_response_group *answer)
{
    size_t count = 0;
    for (int32_t t = 0; t < answer->topics_count; t++) count += (size_t)answer->topics[t].partitions_count;
    g->lags = ARENA_ARRAY(l->arena, struct group_lag, count + 1);
    if (failed(status_from_kafka(answer->error_code)) && is_ok(g->result)) {
        g->result = status_from_kafka(answer->error_code);
    }
    for (int32_t t = 0; g->lags && t < answer->topics_count; t++) {
        struct str topic = arena_str(l->arena, answer->topics[t].name);
        for (int32_t p = 0; p < answer->topics[t].partitions_count; p++) {
            const struct offset_fetch_response_offset_fetch_response_partitions *at =
                &answer->topics[t].partitions[p];
            if (at->error_code || at->committed_offset < 0) continue;
            g->lags[g->lag_count++] = (struct group_lag){
                .topic = topic, .partition = at->partition_index, .current = at->committed_offset,
                .member = reader_of(g, topic, at->partition_index) };
        }
    }
    if (g->lag_count) qsort(g->lags, (size_t)g->lag_count, sizeof *g->lags, by_lag_place);
}

static void offsets_known(void *arg, status result, const void *response)
{
    struct groups_load *l = arg;
    if (failed(result)) {
        fail(l, result);
        return;
    }
    const struct offset_fetch_response *r = response;
    for (int32_t i = 0; i < r->groups_count; i++) {
        struct group_info *g = group_find(l, r->groups[i].group_id, i);
        if (g) take_offsets(l, g, &r->groups[i]);
    }
    ask_ends(l);
}

static void ask_offsets(struct groups_load *l)
{
    struct offset_fetch_request request;
    wire_default(&offset_fetch_request_message, &request);
    request.groups_count = l->count;
    request.groups = ARENA_ARRAY(l->arena, struct offset_fetch_request_offset_fetch_request_group,
                                 l->count + 1);
    for (int32_t i = 0; request.groups && i < l->count; i++) {
        wire_default_struct(&offset_fetch_request_offset_fetch_request_group_struct,
                            &request.groups[i]);
        request.groups[i].group_id = l->groups[i].id;
        request.groups[i].topics_count = -1; /* all */
    }
    call(l, OFFSET_FETCH, OFFSET_FETCH_VERSION, &request, offsets_known);
}

/* --- members ---------------------------------------------------------------------------------- */

/* ConsumerProtocolAssignment: version, then the message. What cannot be read shows as nothing. */
static void take_assignment(struct groups_load *l, struct group_member *m, struct bytes in)
{
    struct consumer_protocol_assignment a;
    if (in.len < 2) return;
    int16_t version = (int16_t)get_be16(in.data);
    const struct wire_message *message = &consumer_protocol_assignment_message;
    if (version > message->max_version) version = message->max_version;
    if (version < message->min_version) return;
    if (failed(wire_decode(message, version, bytes_of(in.data + 2, in.len - 2), l->arena, &a,
        NULL))) {
        return;
    }
    size_t count = 0;
    for (int32_t i = 0; i < a.assigned_partitions_count; i++) {
        count += (size_t)(a.assigned_partitions[i].partitions_count > 0
                          ? a.assigned_partitions[i].partitions_count : 0);
    }
    m->assigned = ARENA_ARRAY(l->arena, struct group_partition, count + 1);
    for (int32_t i = 0; m->assigned && i < a.assigned_partitions_count; i++) {
        struct str topic = arena_str(l->arena, a.assigned_partitions[i].topic);
        for (int32_t k = 0; k < a.assigned_partitions[i].partitions_count; k++) {
            m->assigned[m->assigned_count++] =
                (struct group_partition){ topic, a.assigned_partitions[i].partitions[k] };
        }
    }
}

static void take_description(struct groups_load *l, struct group_info *g,
                             const struct describe_groups_response_described_group *d)
{
    g->result = status_from_kafka(d->error_code);
    g->state = arena_str(l->arena, d->group_state);
    g->protocol_type = arena_str(l->arena, d->protocol_type);
    g->protocol = arena_str(l->arena, d->protocol_data);
    if (g->type.len == 0) g->type = STR("classic"); /* as ListGroups says it */
    if (is_ok(g->result) && str_eq_c(g->state, "Dead")) g->result = FAIL(GROUP_ID_NOT_FOUND);
    g->members = ARENA_ARRAY(l->arena, struct group_member, d->members_count + 1);
    for (int32_t i = 0; g->members && i < d->members_count; i++) {
        const struct describe_groups_response_described_group_member *from = &d->members[i];
        struct group_member *m = &g->members[g->member_count++];
        m->member_id = arena_str(l->arena, from->member_id);
        m->instance_id = arena_str(l->arena, from->group_instance_id);
        m->client_id = arena_str(l->arena, from->client_id);
        m->client_host = arena_str(l->arena, from->client_host);
        if (str_eq_c(d->protocol_type, "consumer")) take_assignment(l, m, from->member_assignment);
    }
}

/* --- those of the consumer protocol (KIP-848), which DescribeGroups takes for dead ------------ */
static void go_on(struct groups_load *l)
{
    if (l->arena->failed) fail(l, FAIL(NO_MEMORY));
    else if (l->lags && l->count) ask_offsets(l);
    else l->done(l->arg, OK, l->groups, l->count);
}

static void take_consumer(struct groups_load *l, struct group_info *g,
                          const struct consumer_group_describe_response_described_group *d)
{
    g->result = status_from_kafka(d->error_code);
    if (failed(g->result)) return;
    g->state = arena_str(l->arena, d->group_state);
    g->type = STR("consumer");
    g->protocol_type = STR("consumer");
    g->protocol = arena_str(l->arena, d->assignor_name);
    g->members = ARENA_ARRAY(l->arena, struct group_member, d->members_count + 1);
    for (int32_t i = 0; g->members && i < d->members_count; i++) {
        const struct consumer_group_describe_response_member *from = &d->members[i];
        struct group_member *m = &g->members[g->member_count++];
        m->member_id = arena_str(l->arena, from->member_id);
        m->instance_id = arena_str(l->arena, from->instance_id);
        m->client_id = arena_str(l->arena, from->client_id);
        m->client_host = arena_str(l->arena, from->client_host);
        g->mixed = g->mixed || from->member_type == 0; /* a classic one */
        size_t count = 0;
        for (int32_t k = 0; k < from->assignment.topic_partitions_count; k++)
            count += (size_t)from->assignment.topic_partitions[k].partitions_count;
        m->assigned = ARENA_ARRAY(l->arena, struct group_partition, count + 1);
        for (int32_t k = 0; m->assigned && k < from->assignment.topic_partitions_count; k++) {
            const struct consumer_group_describe_response_topic_partitions *t =
                &from->assignment.topic_partitions[k];
            struct str topic = arena_str(l->arena, t->topic_name);
            for (int32_t p = 0; p < t->partitions_count; p++)
                m->assigned[m->assigned_count++] =
                    (struct group_partition){ topic, t->partitions[p] };
        }
    }
}

static void consumers_described(void *arg, status result, const void *response)
{
    struct groups_load *l = arg;
    if (failed(result)) {
        fail(l, result);
        return;
    }
    const struct consumer_group_describe_response *r = response;
    for (int32_t i = 0; i < r->groups_count; i++) {
        struct group_info *g = group_find(l, r->groups[i].group_id, i);
        if (g) take_consumer(l, g, &r->groups[i]);
    }
    go_on(l);
}

static void ask_consumer_descriptions(struct groups_load *l)
{
    struct consumer_group_describe_request request;
    wire_default(&consumer_group_describe_request_message, &request);
    request.group_ids = ARENA_ARRAY(l->arena, struct str, l->count + 1);
    for (int32_t i = 0; request.group_ids && i < l->count; i++)
        if (l->groups[i].result.code == E_GROUP_ID_NOT_FOUND)
            request.group_ids[request.group_ids_count++] = l->groups[i].id;
    if (l->arena->failed || request.group_ids_count == 0) {
        go_on(l);
        return;
    }
    call(l, CONSUMER_GROUP_DESCRIBE, CONSUMER_GROUP_DESCRIBE_VERSION, &request, consumers_described);
}

static void described(void *arg, status result, const void *response)
{
    struct groups_load *l = arg;
    if (failed(result)) {
        fail(l, result);
        return;
    }
    const struct describe_groups_response *r = response;
    for (int32_t i = 0; i < r->groups_count; i++) {
        struct group_info *g = group_find(l, r->groups[i].group_id, i);
        if (g) take_description(l, g, &r->groups[i]);
    }
    ask_consumer_descriptions(l);
}

static void ask_descriptions(struct groups_load *l)
{
    struct describe_groups_request request;
    wire_default(&describe_groups_request_message, &request);
    request.groups_count = l->count;
    request.groups = ARENA_ARRAY(l->arena, struct str, l->count + 1);
    for (int32_t i = 0; request.groups && i < l->count; i++) request.groups[i] = l->groups[i].id;
    call(l, DESCRIBE_GROUPS, DESCRIBE_GROUPS_VERSION, &request, described);
}

/* --- which groups ----------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
    return str_cmp(((const struct group_info *)a)->id, ((const struct group_info *)b)->id);
}

static void listed(void *arg, status result, const void *response)
{
    struct groups_load *l = arg;
    const struct list_groups_response *r = response;
    if (is_ok(result)) result = status_from_kafka(r->error_code);
    if (failed(result)) {
        fail(l, result);
        return;
    }
    l->groups = ARENA_ARRAY(l->arena, struct group_info, r->groups_count + 1);
    for (int32_t i = 0; l->groups && i < r->groups_count && i < GROUPS_MAX; i++) {
        struct group_info *g = &l->groups[l->count++];
        g->id = arena_str(l->arena, r->groups[i].group_id);
        g->type = arena_str(l->arena, r->groups[i].group_type);
    }
    if (l->count) qsort(l->groups, (size_t)l->count, sizeof *l->groups, by_id);
    if (l->count == 0 && !l->arena->failed) l->done(l->arg, OK, l->groups, 0);
    else ask_descriptions(l);
}

void groups_load(struct domain *domain, const char *cluster_id, struct str principal, struct str id,
                 bool lags, struct arena *arena, groups_done done, void *arg)
{
    struct groups_load *l = ARENA_NEW(arena, struct groups_load);
    if (!l) {
        done(arg, FAIL(NO_MEMORY), NULL, 0);
        return;
    }
    *l = (struct groups_load){ .domain = domain, .cluster_id = cluster_id, .principal = principal,
                               .arena = arena, .lags = lags, .done = done, .arg = arg };
    if (id.data) {
        l->groups = ARENA_NEW(arena, struct group_info);
        if (l->groups) l->groups[l->count++] = (struct group_info){ .id = arena_str(arena, id) };
        ask_descriptions(l);
        return;
    }
    struct list_groups_request request;
    wire_default(&list_groups_request_message, &request);
    call(l, LIST_GROUPS, LIST_GROUPS_VERSION, &request, listed);
}

/* --- delete ----------------------------------------------------------------------------------- */

struct groups_delete {
    group_deleted done;
    void *arg;
};

static void deleted(void *arg, status result, const void *response)
{
    struct groups_delete *d = arg;
    const struct delete_groups_response *r = response;
    if (is_ok(result)) {
        result = r->results_count == 1 ? status_from_kafka(r->results[0].error_code)
            : FAIL(MALFORMED);
    }
    d->done(d->arg, result);
}

void groups_delete(struct domain *domain, const char *cluster_id, struct str principal,
                   struct str id, struct arena *arena, group_deleted done, void *arg)
{
    struct groups_delete *d = ARENA_NEW(arena, struct groups_delete);
    if (!d) {
        done(arg, FAIL(NO_MEMORY));
        return;
    }
    *d = (struct groups_delete){ done, arg };
    struct delete_groups_request request;
    wire_default(&delete_groups_request_message, &request);
    request.groups_names = &id;
    request.groups_names_count = 1;
    engine_call(domain->engine, cluster_id, principal, DELETE_GROUPS, DELETE_GROUPS_VERSION,
                &request, arena,
                CALL_TIMEOUT_MS, deleted, d);
}

json_t *groups_offsets_json(const struct group_info *group, struct str topic, int32_t partition)
{
    json_t *o = json_object();
    char name[300];
    for (int32_t i = 0; i < group->lag_count && json_object_size(o) < 500; i++) {
        const struct group_lag *l = &group->lags[i];
        if (topic.data && !str_eq(topic, l->topic)) continue;
        if (partition >= 0 && partition != l->partition) continue;
        snprintf(name, sizeof name, "%.*s-%d", STR_ARG(l->topic), (int)l->partition);
        json_object_set_new(o, name, json_integer(l->current));
    }
    return o;
}
