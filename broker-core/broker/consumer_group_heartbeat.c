/* consumer_group_heartbeat.c - ConsumerGroupHeartbeat (key 68, KIP-848): a member joins, tells what it
 * owns, hears what it is to own, or leaves. */
#include "broker/authorizer.h"
#include "broker/clients.h"
#include "broker/consumer.h"
#include "broker/handler.h"

#include "base/mem.h"

struct beating {
    struct request *request;
    struct consumer_answer answer;
    struct group_wait wait;
};

static void reply(struct request *r, status error, struct str why, const struct consumer_answer *a)
{
    struct consumer_group_heartbeat_response response;
    wire_default(&consumer_group_heartbeat_response_message, &response);
    response.error_code = status_kafka(error);
    response.error_message = why;
    if (is_ok(error)) {
        response.member_id = a->member_id;
        response.member_epoch = a->epoch;
        response.heartbeat_interval_ms = a->interval_ms;
        if (a->has_assignment) {
            response.assignment = ARENA_NEW(r->arena, struct consumer_group_heartbeat_response_assignment);
            if (request_out_of_memory(r)) return;
            response.assignment->topic_partitions = (void *)tps_wire(
                r->arena, &a->assignment, &response.assignment->topic_partitions_count);
            if (request_out_of_memory(r)) return;
        }
    }
    request_reply(r, &response);
}

static void refuse(struct request *r, status error)
{
    const struct consumer_group_heartbeat_request *body = r->body;
    struct str why = str_c(status_text(error));
    if (error.code == E_UNSUPPORTED_ASSIGNOR)
        why = arena_printf(r->arena, "ServerAssignor %.*s is not supported. Supported assignors: %s.",
                           STR_ARG(body->server_assignor), ASSIGNOR_NAMES);
    if (request_out_of_memory(r)) return;
    reply(r, error, why, NULL);
}

static void durable(struct group_wait *wait, status result)
{
    struct beating *b = CONTAINER_OF(wait, struct beating, wait);
    if (failed(result))
        refuse(b->request, FAIL(COORDINATOR_NOT_AVAILABLE));
    else
        reply(b->request, OK, STR_NULL, &b->answer);
}

static bool is_empty(struct str s)
{
    return !str_is_null(s) && s.len == 0;
}

/* What Kafka takes for an invalid request. */
static status check_form(const struct request *r)
{
    const struct consumer_group_heartbeat_request *body = r->body;
    bool needs_id = r->version >= 1 || body->member_epoch > 0 ||
                    body->member_epoch == CONSUMER_LEAVE_EPOCH;
    if ((needs_id && body->member_id.len == 0) || body->member_id.len > 500 ||
        body->group_id.len == 0 || is_empty(body->instance_id) || is_empty(body->rack_id))
        return FAIL(INVALID_REQUEST);
    if (body->subscribed_topic_names_count > CONSUMER_NAMES_MAX) return FAIL(INVALID_REQUEST);
    if (body->member_epoch == CONSUMER_JOIN_EPOCH &&
        (body->rebalance_timeout_ms == -1 || body->topic_partitions_count != 0 ||
         (body->subscribed_topic_names_count < 0 && str_is_null(body->subscribed_topic_regex))))
        return FAIL(INVALID_REQUEST);
    if (body->member_epoch < CONSUMER_LEAVE_STATIC_EPOCH ||
        (body->member_epoch == CONSUMER_LEAVE_STATIC_EPOCH && str_is_null(body->instance_id)))
        return FAIL(INVALID_REQUEST);
    if (!str_is_null(body->server_assignor) && assignor_find(body->server_assignor) == NULL)
        return FAIL(UNSUPPORTED_ASSIGNOR);
    return OK;
}

static status check(struct request *r)
{
    const struct consumer_group_heartbeat_request *body = r->body;
    if (!authorize(r, OP_READ, RES_GROUP, body->group_id)) return FAIL(GROUP_AUTHORIZATION_FAILED);
    for (int32_t i = 0; i < body->subscribed_topic_names_count; i++)
        if (!authorize(r, OP_DESCRIBE, RES_TOPIC, body->subscribed_topic_names[i]))
            return FAIL(TOPIC_AUTHORIZATION_FAILED);
    TRY(group_coordinator_ready(r->broker->groups));
    return check_form(r);
}

static void fill(struct consumer_heartbeat *q, struct request *r)
{
    const struct consumer_group_heartbeat_request *body = r->body;
    *q = (struct consumer_heartbeat){
        .group_id = body->group_id,
        .member_id = body->member_id,
        .instance_id = body->instance_id,
        .rack_id = body->rack_id,
        .client_id = r->client_id,
        .client_host = arena_printf(r->arena, "/%.*s", STR_ARG(r->client_host)),
        .who = { r->principal, r->client_host, r->super },
        .epoch = body->member_epoch,
        .rebalance_timeout_ms = body->rebalance_timeout_ms,
        .names = body->subscribed_topic_names_count < 0 ? NULL : body->subscribed_topic_names,
        .names_count = body->subscribed_topic_names_count,
        .regex = body->subscribed_topic_regex,
        .assignor = body->server_assignor,
        .has_owned = body->topic_partitions_count >= 0,
        .owned = tps_unwire(r->arena, body->topic_partitions, body->topic_partitions_count),
    };
    if (body->subscribed_topic_names_count == 0) /* none is not unchanged */
        q->names = ARENA_NEW(r->arena, struct str);
    if (q->member_id.len > 0) return;
    char *id = arena_alloc(r->arena, UUID_TEXT);
    if (id == NULL) return;
    uuid_format(uuid_new(), id);
    q->member_id = str_c(id);
}

void handle_consumer_group_heartbeat(struct request *r)
{
    status s = check(r);
    if (failed(s)) {
        refuse(r, s);
        return;
    }
    struct beating *b = ARENA_NEW(r->arena, struct beating);
    struct consumer_heartbeat q;
    if (b != NULL) fill(&q, r);
    if (request_out_of_memory(r)) return;
    client_is_member(r, q.group_id, q.member_id);
    b->request = r;
    b->wait.done = durable;
    s = consumer_heartbeat(r->broker->groups, &q, r->arena, &b->answer);
    if (failed(s)) {
        refuse(r, s);
        return;
    }
    struct group *g = group_find(r->broker->groups, q.group_id);
    if (g == NULL || !group_wait_written(g, &b->wait)) reply(r, OK, STR_NULL, &b->answer);
}
