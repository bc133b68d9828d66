/* sync_group.c - SyncGroup (key 14). Followers wait until the leader's assignment is durable. */
#include "base/mem.h"
#include "broker/authorizer.h"
#include "broker/clients.h"
#include "broker/group.h"
#include "broker/handler.h"

struct syncing {
    struct request *request;
    struct sync_request q;
    struct sync_waiter waiter;
};

static void reply(struct request *r, const struct sync_result *result)
{
    struct sync_group_response response;
    wire_default(&sync_group_response_message, &response);
    response.error_code = status_kafka(result->error);
    response.protocol_type = result->protocol_type;
    response.protocol_name = result->protocol;
    response.assignment = result->assignment.data ? result->assignment : bytes_of("", 0);
    request_reply(r, &response);
}

static void synced(struct sync_waiter *waiter, const struct sync_result *result)
{
    reply(CONTAINER_OF(waiter, struct syncing, waiter)->request, result);
}

static void abandoned(struct request *r)
{
    struct syncing *s = r->state;
    if (group_sync_abandon(&s->waiter)) request_drop(r);
}

static void fill(struct syncing *s, struct request *r)
{
    const struct sync_group_request *body = r->body;
    int32_t n = body->assignments_count < 0 ? 0 : body->assignments_count;
    struct sync_assignment *assignments = ARENA_ARRAY(r->arena, struct sync_assignment, n);
    for (int32_t i = 0; assignments != NULL && i < n; i++)
        assignments[i] = (struct sync_assignment){ body->assignments[i].member_id,
                                                   body->assignments[i].assignment };
    s->request = r;
    s->waiter.done = synced;
    s->q = (struct sync_request){
        .key = { .group_id = body->group_id, .member_id = body->member_id,
                 .instance_id = body->group_instance_id, .generation = body->generation_id },
        .protocol_type = body->protocol_type,
        .protocol = body->protocol_name,
        .assignments = assignments,
        .assignments_count = n,
    };
}

void handle_sync_group(struct request *r)
{
    const struct sync_group_request *body = r->body;
    struct sync_result refused = { 0 };
    refused.error = authorize(r, OP_READ, RES_GROUP, body->group_id)
                        ? group_coordinator_ready(r->broker->groups)
                        : FAIL(GROUP_AUTHORIZATION_FAILED);
    if (failed(refused.error)) {
        reply(r, &refused);
        return;
    }
    if (r->version >= 5 && (str_is_null(body->protocol_type) || str_is_null(body->protocol_name))) {
        refused.error = FAIL(INCONSISTENT_GROUP_PROTOCOL); /* KIP-559 demands both */
        reply(r, &refused);
        return;
    }
    struct syncing *s = ARENA_NEW(r->arena, struct syncing);
    if (s != NULL) fill(s, r);
    if (request_out_of_memory(r)) return;
    client_is_member(r, body->group_id, body->member_id);
    r->state = s;
    r->abandoned = abandoned;
    group_sync(r->broker->groups, &s->q, &s->waiter);
}
