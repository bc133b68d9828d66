/* kafka_groups.c - consumer groups, their consumers and lag. DOMAIN: every answer is a join of what the
 * broker says (domain/groups.h). The handlers differ in what they show of it. */
#include "api/handlers.h"
#include "api/kafka.h"

#include "domain/groups.h"

#include <ctype.h>
#include <stdlib.h>

#define GROUP_BASE KAFKA_BASE "/consumer-groups/%s"

struct view {
    struct api_request *rq;
    struct kafka_scope *scope;
    void (*show)(struct view *v, const struct group_info *g); /* one group */
};

/* --- objects ---------------------------------------------------------------------------------- */

/* "PreparingRebalance" -> "PREPARING_REBALANCE" */
static json_t *upper_name(struct str name)
{
    char out[64];
    size_t n = 0;
    for (size_t i = 0; i < name.len && n + 2 < sizeof out; i++) {
        if (i && isupper((unsigned char)name.data[i])) out[n++] = '_';
        out[n++] = (char)toupper((unsigned char)name.data[i]);
    }
    return n ? json_stringn(out, n) : json_string("UNKNOWN");
}

static json_t *group_json(struct view *v, const struct group_info *g)
{
    struct api_request *rq = v->rq;
    struct str id = str_c(v->scope->id);
    json_t *o = kafka_object("KafkaConsumerGroup", v->scope->id, api_url(rq, GROUP_BASE, id, g->id),
                             kafka_crn(rq, v->scope->id, "/consumer-group=%.*s", STR_ARG(g->id)));
    PUT(o, "consumer_group_id", api_str(g->id));
    PUT(o, "is_simple", json_boolean(g->protocol_type.len == 0));
    PUT(o, "partition_assignor", api_str(g->protocol.data ? g->protocol : STR("")));
    PUT(o, "state", upper_name(g->state));
    PUT(o, "type", upper_name(g->type));
    PUT(o, "is_mixed_consumer_group", json_boolean(g->mixed));
    PUT(o, "coordinator", kafka_related(api_url(rq, KAFKA_BASE "/brokers/1", id)));
    PUT(o, "consumers", kafka_related(api_url(rq, GROUP_BASE "/consumers", id, g->id)));
    PUT(o, "lag_summary", kafka_related(api_url(rq, GROUP_BASE "/lag-summary", id, g->id)));
    return o;
}

static json_t *consumer_json(struct view *v, const struct group_info *g, const struct group_member *m)
{
    struct api_request *rq = v->rq;
    struct str id = str_c(v->scope->id), member = m->member_id;
    json_t *o = kafka_object("KafkaConsumer", v->scope->id,
                             api_url(rq, GROUP_BASE "/consumers/%s", id, g->id, member),
                             kafka_crn(rq, v->scope->id, "/consumer-group=%.*s/consumer=%.*s",
                                       STR_ARG(g->id), STR_ARG(member)));
    PUT(o, "consumer_group_id", api_str(g->id));
    PUT(o, "consumer_id", api_str(member));
    PUT(o, "instance_id", api_str(m->instance_id));
    PUT(o, "client_id", api_str(m->client_id));
    PUT(o, "assignments",
        kafka_related(api_url(rq, GROUP_BASE "/consumers/%s/assignments", id, g->id, member)));
    return o;
}

static json_t *assignment_json(struct view *v, const struct group_info *g,
                               const struct group_member *m, const struct group_partition *p)
{
    struct api_request *rq = v->rq;
    struct str id = str_c(v->scope->id), n = arena_printf(rq->arena, "%d", p->partition);
    struct str self = api_url(rq, GROUP_BASE "/consumers/%s/assignments/%s/partitions/%s", id, g->id,
                              m->member_id, p->topic, n);
    json_t *o = kafka_object("KafkaConsumerAssignment", v->scope->id, self, STR_NULL);
    PUT(o, "consumer_group_id", api_str(g->id));
    PUT(o, "consumer_id", api_str(m->member_id));
    PUT(o, "topic_name", api_str(p->topic));
    PUT(o, "partition_id", json_integer(p->partition));
    PUT(o, "partition",
        kafka_related(api_url(rq, KAFKA_BASE "/topics/%s/partitions/%s", id, p->topic, n)));
    PUT(o, "lag",
        kafka_related(api_url(rq, GROUP_BASE "/lags/%s/partitions/%s", id, g->id, p->topic, n)));
    return o;
}

static json_t *lag_json(struct view *v, const struct group_info *g, const struct group_lag *l)
{
    struct api_request *rq = v->rq;
    struct str id = str_c(v->scope->id), n = arena_printf(rq->arena, "%d", l->partition);
    const struct group_member *m = l->member;
    json_t *o = kafka_object(
        "KafkaConsumerLag", v->scope->id,
        api_url(rq, GROUP_BASE "/lags/%s/partitions/%s", id, g->id, l->topic, n),
        kafka_crn(rq, v->scope->id, "/consumer-group=%.*s/lag=%.*s/partition=%d", STR_ARG(g->id),
                  STR_ARG(l->topic), l->partition));
    PUT(o, "consumer_group_id", api_str(g->id));
    PUT(o, "topic_name", api_str(l->topic));
    PUT(o, "partition_id", json_integer(l->partition));
    PUT(o, "consumer_id", m ? api_str(m->member_id) : json_string(""));
    PUT(o, "instance_id", m ? api_str(m->instance_id) : json_null());
    PUT(o, "client_id", m ? api_str(m->client_id) : json_string(""));
    PUT(o, "current_offset", json_integer(l->current));
    PUT(o, "log_end_offset", json_integer(l->end));
    PUT(o, "lag", json_integer(l->lag));
    return o;
}

/* --- handlers --------------------------------------------------------------------------------- */

static void fail_404(struct api_request *rq, const char *what, struct str name)
{
    struct str text = arena_printf(rq->arena, "%s %.*s cannot be found.", what, STR_ARG(name));
    api_fail_kafka(rq, 404, 404, text.data);
}

static void one_loaded(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct view *v = arg;
    if (is_ok(result) && count != 1) result = FAIL(GROUP_ID_NOT_FOUND);
    if (is_ok(result)) result = groups[0].result;
    if (result.code == E_GROUP_ID_NOT_FOUND) {
        fail_404(v->rq, "Consumer Group", api_param(v->rq, "consumer_group_id"));
    }
    else if (failed(result)) kafka_fail(v->rq, result, STR_NULL);
    else v->show(v, &groups[0]);
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(((const struct group_info *)a)->id, ((const struct group_info *)b)->id);
}

static void all_loaded(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct view *v = arg;
    if (failed(result)) {
        kafka_fail(v->rq, result, STR_NULL);
        return;
    }
    if (count) qsort(groups, (size_t)count, sizeof *groups, by_id);
    json_t *data = json_array();
    for (int32_t i = 0; i < count; i++) {
        if (failed(groups[i].result) || !kafka_shows_group(v->scope, groups[i].id)) continue;
        json_array_append_new(data, group_json(v, &groups[i]));
    }
    api_reply_kafka_list(v->rq, "KafkaConsumerGroupList", data);
}

static void load(struct api_request *rq, bool lags, void (*show)(struct view *v,
    const struct group_info *g))
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct view *v = s ? ARENA_NEW(rq->arena, struct view) : NULL;
    if (!v) return;
    *v = (struct view){ rq, s, show };
    groups_load(rq->domain, s->id, s->principal, show ? api_param(rq, "consumer_group_id")
                : STR_NULL, lags, rq->arena,
                show ? one_loaded : all_loaded, v);
}

static void show_group(struct view *v, const struct group_info *g) { api_reply(v->rq, 200,
    group_json(v, g)); }

static void show_consumers(struct view *v, const struct group_info *g)
{
    json_t *data = json_array();
    for (int32_t i = 0; i < g->member_count; i++) {
        json_array_append_new(data, consumer_json(v, g, &g->members[i]));
    }
    api_reply_kafka_list(v->rq, "KafkaConsumerList", data);
}

static const struct group_member *member_of(struct view *v, const struct group_info *g)
{
    struct str id = api_param(v->rq, "consumer_id");
    for (int32_t i = 0; i < g->member_count; i++) {
        if (str_eq(g->members[i].member_id, id)) return &g->members[i];
    }
    fail_404(v->rq, "Consumer", id);
    return NULL;
}

static void show_consumer(struct view *v, const struct group_info *g)
{
    const struct group_member *m = member_of(v, g);
    if (m) api_reply(v->rq, 200, consumer_json(v, g, m));
}

static void show_assignments(struct view *v, const struct group_info *g)
{
    const struct group_member *m = member_of(v, g);
    if (!m) return;
    json_t *data = json_array();
    for (int32_t i = 0; i < m->assigned_count; i++) {
        json_array_append_new(data, assignment_json(v, g, m, &m->assigned[i]));
    }
    api_reply_kafka_list(v->rq, "KafkaConsumerAssignmentList", data);
}

static void show_assignment(struct view *v, const struct group_info *g)
{
    const struct group_member *m = member_of(v, g);
    struct str topic = api_param(v->rq, "topic_name"), partition = api_param(v->rq, "partition_id");
    int64_t n = -1;
    (void)str_to_i64(partition, &n);
    if (!m) return;
    for (int32_t i = 0; i < m->assigned_count; i++) {
        if (m->assigned[i].partition != n || !str_eq(m->assigned[i].topic, topic)) continue;
        api_reply(v->rq, 200, assignment_json(v, g, m, &m->assigned[i]));
        return;
    }
    fail_404(v->rq, "Consumer assignment of partition", partition);
}

static json_t *summary_json(struct view *v, const struct group_info *g, const struct group_lag *w)
{
    struct api_request *rq = v->rq;
    struct str id = str_c(v->scope->id), n = arena_printf(rq->arena, "%d", w->partition);
    struct str member = w->member ? w->member->member_id : STR("");
    json_t *o = kafka_object(
        "KafkaConsumerGroupLagSummary", v->scope->id, api_url(rq, GROUP_BASE "/lag-summary", id, g->id),
        kafka_crn(rq, v->scope->id, "/consumer-group=%.*s/lag-summary", STR_ARG(g->id)));
    PUT(o, "consumer_group_id", api_str(g->id));
    PUT(o, "max_lag_consumer_id", api_str(member));
    PUT(o, "max_lag_instance_id", w->member ? api_str(w->member->instance_id) : json_null());
    PUT(o, "max_lag_client_id", api_str(w->member ? w->member->client_id : STR("")));
    PUT(o, "max_lag_topic_name", api_str(w->topic));
    PUT(o, "max_lag_partition_id", json_integer(w->partition));
    PUT(o, "max_lag", json_integer(w->lag));
    PUT(o, "total_lag", json_integer(g->total_lag));
    PUT(o, "max_lag_consumer", kafka_related(api_url(rq, GROUP_BASE "/consumers/%s", id, g->id, member)));
    PUT(o, "max_lag_partition",
        kafka_related(api_url(rq, KAFKA_BASE "/topics/%s/partitions/%s", id, w->topic, n)));
    return o;
}

static void show_summary(struct view *v, const struct group_info *g)
{
    if (g->worst) api_reply(v->rq, 200, summary_json(v, g, g->worst));
    else api_fail_kafka(v->rq, 404, 404,
                        "Consumer group lag summary not found: the group has committed no offsets.");
}

static int by_lag(const void *a, const void *b)
{
    const struct group_lag *x = a, *y = b;
    if (x->lag != y->lag) return x->lag > y->lag ? -1 : 1;
    int c = str_cmp(x->topic, y->topic);
    return c ? c : x->partition - y->partition;
}

static void show_lags(struct view *v, const struct group_info *g)
{
    if (g->lag_count == 0) {
        api_fail_kafka(v->rq, 404, 404, "Consumer lags not found.");
        return;
    }
    qsort(g->lags, (size_t)g->lag_count, sizeof *g->lags, by_lag);
    json_t *data = json_array();
    for (int32_t i = 0; i < g->lag_count; i++) {
        json_array_append_new(data, lag_json(v, g, &g->lags[i]));
    }
    api_reply_kafka_list(v->rq, "KafkaConsumerLagList", data);
}

static void show_lag(struct view *v, const struct group_info *g)
{
    struct str topic = api_param(v->rq, "topic_name"), partition = api_param(v->rq, "partition_id");
    int64_t n = -1;
    (void)str_to_i64(partition, &n);
    for (int32_t i = 0; i < g->lag_count; i++) {
        if (g->lags[i].partition != n || !str_eq(g->lags[i].topic, topic)) continue;
        api_reply(v->rq, 200, lag_json(v, g, &g->lags[i]));
        return;
    }
    fail_404(v->rq, "Consumer lag of partition", partition);
}

void kafka_groups_list(struct api_request *rq) { load(rq, false, NULL); }
void kafka_groups_get(struct api_request *rq) { load(rq, false, show_group); }
void kafka_consumers_list(struct api_request *rq) { load(rq, false, show_consumers); }
void kafka_consumers_get(struct api_request *rq) { load(rq, false, show_consumer); }
void kafka_assignments_list(struct api_request *rq) { load(rq, false, show_assignments); }
void kafka_assignments_get(struct api_request *rq) { load(rq, false, show_assignment); }
void kafka_lag_summary(struct api_request *rq) { load(rq, true, show_summary); }
void kafka_lags_list(struct api_request *rq) { load(rq, true, show_lags); }
void kafka_lags_get(struct api_request *rq) { load(rq, true, show_lag); }
