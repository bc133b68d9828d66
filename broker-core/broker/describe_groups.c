/* describe_groups.c - DescribeGroups (key 15): states and members. A group that does not exist is
 * "Dead" (from v6 with GROUP_ID_NOT_FOUND). */
#include "base/mem.h"
#include "broker/authorizer.h"
#include "broker/group.h"
#include "broker/handler.h"

typedef struct describe_groups_response_described_group described;

static bool put_members(struct request *r, const struct group *g, described *out)
{
    out->members = ARENA_ARRAY(r->arena, struct describe_groups_response_described_group_member,
                               HASH_COUNT(g->members));
    if (out->members == NULL) return false;
    bool stable = g->state == GROUP_STABLE; /* else the protocol is not chosen yet */
    for (const struct member *m = g->members; m != NULL; m = m->hh.next) {
        struct describe_groups_response_described_group_member *e =
            &out->members[out->members_count++];
        e->member_id = m->id;
        e->group_instance_id = m->instance_id;
        e->client_id = m->client_id;
        e->client_host = m->client_host;
        e->member_metadata = stable ? group_metadata_of(m, g->protocol) : bytes_of("", 0);
        e->member_assignment = m->assignment;
    }
    return true;
}

static bool put_group(struct request *r, struct str id, described *out)
{
    const struct describe_groups_request *body = r->body;
    wire_default_struct(&describe_groups_response_described_group_struct, out);
    out->group_id = id;
    status s = authorize(r, OP_DESCRIBE, RES_GROUP, id) ? group_coordinator_ready(r->broker->groups)
                                                        : FAIL(GROUP_AUTHORIZATION_FAILED);
    out->error_code = status_kafka(s);
    if (failed(s)) return true;
    const struct group *g = group_find(r->broker->groups, id);
    bool found = g != NULL && g->consumer == NULL;
    if (body->include_authorized_operations && (found || r->version < 6))
        out->authorized_operations = authorized_operations(r, RES_GROUP, id);
    if (!found) { /* to ConsumerGroupDescribe it is there */
        out->group_state = str_c(group_state_name(GROUP_DEAD));
        if (r->version < 6) return true;
        out->error_code = status_kafka(FAIL(GROUP_ID_NOT_FOUND));
        out->error_message = arena_printf(r->arena, g ? "Group %.*s is not a classic group."
                                                      : "Group %.*s not found.", STR_ARG(id));
        return true;
    }
    out->group_state = str_c(group_state_name(g->state));
    out->protocol_type = str_is_null(g->protocol_type) ? STR("") : g->protocol_type;
    if (g->state == GROUP_STABLE && !str_is_null(g->protocol)) out->protocol_data = g->protocol;
    return put_members(r, g, out);
}

void handle_describe_groups(struct request *r)
{
    const struct describe_groups_request *body = r->body;
    struct describe_groups_response response;
    wire_default(&describe_groups_response_message, &response);
    int32_t n = body->groups_count < 0 ? 0 : body->groups_count;
    response.groups = ARENA_ARRAY(r->arena, described, n);
    for (int32_t i = 0; response.groups != NULL && i < n; i++)
        if (!put_group(r, body->groups[i], &response.groups[i])) break;
    if (request_out_of_memory(r)) return;
    response.groups_count = n;
    request_reply(r, &response);
}
