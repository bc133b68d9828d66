/* leave_group.c - LeaveGroup (key 13): one member (v0-2) or a list of them (v3+), by member id or by
 * instance id. */
#include "broker/authorizer.h"
#include "broker/group.h"
#include "broker/handler.h"

static status leave(struct request *r, const struct member_key *members, int32_t n,
                    status *errors)
{
    const struct leave_group_request *body = r->body;
    if (!authorize(r, OP_READ, RES_GROUP, body->group_id))
        return FAIL(GROUP_AUTHORIZATION_FAILED);
    TRY(group_coordinator_ready(r->broker->groups));
    return group_leave(r->broker->groups, body->group_id, members, n, errors);
}

static void leave_one(struct request *r)
{
    const struct leave_group_request *body = r->body;
    struct member_key member = { .group_id = body->group_id, .member_id = body->member_id };
    struct leave_group_response response;
    wire_default(&leave_group_response_message, &response);
    status error = OK;
    status s = leave(r, &member, 1, &error);
    response.error_code = status_kafka(failed(s) ? s : error);
    request_reply(r, &response);
}

void handle_leave_group(struct request *r)
{
    const struct leave_group_request *body = r->body;
    if (r->version < 3) {
        leave_one(r);
        return;
    }
    int32_t n = body->members_count < 0 ? 0 : body->members_count;
    struct leave_group_response response;
    wire_default(&leave_group_response_message, &response);
    struct member_key *members = ARENA_ARRAY(r->arena, struct member_key, n);
    status *errors = ARENA_ARRAY(r->arena, status, n);
    response.members = ARENA_ARRAY(r->arena, struct leave_group_response_member_response, n);
    if (request_out_of_memory(r)) return;
    for (int32_t i = 0; i < n; i++)
        members[i] = (struct member_key){ .group_id = body->group_id,
                                          .member_id = body->members[i].member_id,
                                          .instance_id = body->members[i].group_instance_id };
    status s = leave(r, members, n, errors);
    response.error_code = status_kafka(s);
    for (int32_t i = 0; is_ok(s) && i < n; i++)
        response.members[response.members_count++] = (struct leave_group_response_member_response){
            .member_id = members[i].member_id,
            .group_instance_id = members[i].instance_id,
            .error_code = status_kafka(errors[i]),
        };
    request_reply(r, &response);
}
