/* heartbeat.c - Heartbeat (key 12): a member says it is alive and hears of rebalances. */
#include "broker/authorizer.h"
#include "broker/clients.h"
#include "broker/group.h"
#include "broker/handler.h"

void handle_heartbeat(struct request *r)
{
    const struct heartbeat_request *body = r->body;
    struct member_key key = { .group_id = body->group_id, .member_id = body->member_id,
                              .instance_id = body->group_instance_id,
                              .generation = body->generation_id };
    status s = authorize(r, OP_READ, RES_GROUP, body->group_id)
                   ? group_coordinator_ready(r->broker->groups)
                   : FAIL(GROUP_AUTHORIZATION_FAILED);
    if (is_ok(s)) client_is_member(r, key.group_id, key.member_id);
    if (is_ok(s)) s = group_heartbeat(r->broker->groups, &key);
    struct heartbeat_response response;
    wire_default(&heartbeat_response_message, &response);
    response.error_code = status_kafka(s);
    request_reply(r, &response);
}
