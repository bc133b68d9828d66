/* consumer_group_describe.c - ConsumerGroupDescribe (key 69, KIP-848): epochs, members, what each has
 * and is to have. Groups of the classic protocol are not found here. */
#include "broker/authorizer.h"
#include "broker/consumer.h"
#include "broker/handler.h"

#include "base/mem.h"

typedef struct consumer_group_describe_response_described_group described;
typedef struct consumer_group_describe_response_member out_member;
typedef struct consumer_group_describe_response_topic_partitions out_topic;

/* Topics that are gone are left out. */
static void put_assignment(struct request *r, const struct tps *set,
                           struct consumer_group_describe_response_assignment *out)
{
    int32_t count;
    struct wire_tps *topics = tps_wire(r->arena, set, &count);
    out->topic_partitions = ARENA_ARRAY(r->arena, out_topic, count);
    if (topics == NULL || out->topic_partitions == NULL) return;
    for (int32_t i = 0; i < count; i++) {
        const struct topic *t = image_topic_by_id(r->broker->image, topics[i].topic_id);
        if (t == NULL) continue;
        out->topic_partitions[out->topic_partitions_count++] = (out_topic){
            .topic_id = t->id, .topic_name = t->name, .partitions = topics[i].partitions,
            .partitions_count = topics[i].partitions_count,
        };
    }
}

static void put_members(struct request *r, const struct group *g, described *out)
{
    out->members = ARENA_ARRAY(r->arena, out_member, HASH_COUNT(g->consumer->members));
    if (out->members == NULL) return;
    for (const struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next) {
        out_member *e = &out->members[out->members_count++];
        wire_default_struct(&consumer_group_describe_response_member_struct, e);
        e->member_id = m->id;
        e->instance_id = m->instance_id;
        e->rack_id = m->rack_id;
        e->member_epoch = m->epoch;
        e->client_id = m->client_id;
        e->client_host = m->client_host;
        e->subscribed_topic_names = m->names;
        e->subscribed_topic_names_count = m->names_count;
        e->subscribed_topic_regex = m->regex;
        e->member_type = m->classic ? 0 : 1;
        put_assignment(r, &m->assigned, &e->assignment);
        put_assignment(r, &m->target, &e->target_assignment);
    }
}

/* Kafka shows no member at all when one has a topic the asker may not see. */
static bool may_see(struct request *r, const struct tps *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (i > 0 && uuid_eq(set->at[i].topic, set->at[i - 1].topic)) continue;
        const struct topic *t = image_topic_by_id(r->broker->image, set->at[i].topic);
        if (t != NULL && !authorize(r, OP_DESCRIBE, RES_TOPIC, t->name)) return false;
    }
    return true;
}

static bool may_see_all(struct request *r, const struct group *g)
{
    for (const struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next) {
        for (int32_t i = 0; i < m->names_count; i++)
            if (!authorize(r, OP_DESCRIBE, RES_TOPIC, m->names[i])) return false;
        if (!may_see(r, &m->assigned) || !may_see(r, &m->target)) return false;
    }
    return true;
}

static struct str vote(struct request *r, const struct group *g)
{
    size_t n = 0;
    const struct consumer_member **all =
        ARENA_ARRAY(r->arena, const struct consumer_member *, HASH_COUNT(g->consumer->members));
    for (const struct consumer_member *m = g->consumer->members; all && m; m = m->hh.next)
        all[n++] = m;
    return consumer_assignor(all, n)->name;
}

static void fail(described *out, status s, struct str why)
{
    out->error_code = status_kafka(s);
    out->error_message = why;
}

static void put_group(struct request *r, struct str id, described *out)
{
    const struct consumer_group_describe_request *body = r->body;
    wire_default_struct(&consumer_group_describe_response_described_group_struct, out);
    out->group_id = id;
    status s = authorize(r, OP_DESCRIBE, RES_GROUP, id) ? group_coordinator_ready(r->broker->groups)
                                                        : FAIL(GROUP_AUTHORIZATION_FAILED);
    if (is_ok(s) && id.len == 0) s = FAIL(INVALID_GROUP_ID);
    const struct group *g = is_ok(s) ? group_find(r->broker->groups, id) : NULL;
    if (failed(s)) {
        fail(out, s, STR_NULL);
    } else if (g == NULL || g->consumer == NULL) {
        fail(out, FAIL(GROUP_ID_NOT_FOUND),
             arena_printf(r->arena, g ? "Group %.*s is not a consumer group."
                                      : "Group %.*s not found.", STR_ARG(id)));
    } else if (!may_see_all(r, g)) {
        fail(out, FAIL(TOPIC_AUTHORIZATION_FAILED),
             STR("The described group uses topics that the client is not authorized to describe."));
    } else {
        out->group_state = str_c(consumer_group_state(g));
        out->group_epoch = g->consumer->epoch;
        out->assignment_epoch = g->consumer->assignment_epoch;
        out->assignor_name = vote(r, g);
        if (body->include_authorized_operations)
            out->authorized_operations = authorized_operations(r, RES_GROUP, id);
        put_members(r, g, out);
    }
}

void handle_consumer_group_describe(struct request *r)
{
    const struct consumer_group_describe_request *body = r->body;
    struct consumer_group_describe_response response;
    wire_default(&consumer_group_describe_response_message, &response);
    int32_t n = body->group_ids_count < 0 ? 0 : body->group_ids_count;
    response.groups = ARENA_ARRAY(r->arena, described, n);
    for (int32_t i = 0; response.groups != NULL && i < n; i++)
        put_group(r, body->group_ids[i], &response.groups[i]);
    if (request_out_of_memory(r)) return;
    response.groups_count = n;
    request_reply(r, &response);
}
