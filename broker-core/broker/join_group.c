/* join_group.c - JoinGroup (key 11). The request waits in its group until the join phase is over. */
#include "base/mem.h"
#include "broker/authorizer.h"
#include "broker/group.h"
#include "broker/handler.h"

struct joining {
    struct request *request;
    struct join_request q;
    struct join_waiter waiter;
};

static void reply(struct request *r, const struct join_result *result)
{
    struct join_group_response response;
    wire_default(&join_group_response_message, &response);
    response.error_code = status_kafka(result->error);
    response.generation_id = result->generation;
    response.protocol_type = result->protocol_type;
    response.protocol_name = result->protocol;
    response.leader = result->leader;
    response.member_id = result->member_id;
    response.skip_assignment = result->skip_assignment;
    const struct group *g = result->members_of;
    if (g != NULL) {
        response.members = ARENA_ARRAY(r->arena, struct join_group_response_join_group_response_member,
                                       HASH_COUNT(g->members));
        if (request_out_of_memory(r)) return;
        for (const struct member *m = g->members; m != NULL; m = m->hh.next) {
            struct join_group_response_join_group_response_member *e =
                &response.members[response.members_count++];
            e->member_id = m->id;
            e->group_instance_id = m->instance_id;
            e->metadata = group_metadata_of(m, result->protocol);
        }
    }
    request_reply(r, &response);
}

static void joined(struct join_waiter *waiter, const struct join_result *result)
{
    reply(CONTAINER_OF(waiter, struct joining, waiter)->request, result);
}

static void abandoned(struct request *r)
{
    struct joining *j = r->state;
    if (group_join_abandon(&j->waiter)) request_drop(r);
}

static void fill(struct joining *j, struct request *r)
{
    const struct join_group_request *body = r->body;
    int32_t n = body->protocols_count < 0 ? 0 : body->protocols_count;
    struct group_protocol *protocols = ARENA_ARRAY(r->arena, struct group_protocol, n);
    for (int32_t i = 0; protocols != NULL && i < n; i++)
        protocols[i] = (struct group_protocol){ body->protocols[i].name, body->protocols[i].metadata };
    j->request = r;
    j->waiter.done = joined;
    j->q = (struct join_request){
        .group_id = body->group_id,
        .member_id = body->member_id,
        .instance_id = body->group_instance_id,
        .client_id = r->client_id,
        .client_host = arena_printf(r->arena, "/%.*s", STR_ARG(r->client_host)),
        .protocol_type = body->protocol_type,
        .session_timeout_ms = body->session_timeout_ms,
        .rebalance_timeout_ms = body->rebalance_timeout_ms < 0 ? body->session_timeout_ms
                                                                 : body->rebalance_timeout_ms,
        .protocols = protocols,
        .protocols_count = n,
        .ask_member_id = r->version >= 4,
        .skip_assignment = r->version >= 9,
    };
}

void handle_join_group(struct request *r)
{
    const struct join_group_request *body = r->body;
    struct join_result refused = { .generation = -1, .member_id = body->member_id };
    refused.error = authorize(r, OP_READ, RES_GROUP, body->group_id)
                        ? group_coordinator_ready(r->broker->groups)
                        : FAIL(GROUP_AUTHORIZATION_FAILED);
    if (failed(refused.error)) {
        reply(r, &refused);
        return;
    }
    struct joining *j = ARENA_NEW(r->arena, struct joining);
    if (j != NULL) fill(j, r);
    if (request_out_of_memory(r)) return;
    r->state = j;
    r->abandoned = abandoned;
    group_join(r->broker->groups, &j->q, &j->waiter);
}
