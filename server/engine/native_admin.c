/* native_admin.c - Kafka admin requests that a broker authorised and forwards. Domain thread.
 *
 * Only what Kafka has and only for the connection's own cluster: the cluster is the node, never a
 * field of the message. The answer goes back on the same connection or nowhere. */
#include "engine/native_int.h"

#include "base/log.h"

#define ADMIN_ARENA (16u << 20)
#define ADMIN_ANSWER_MAX (15u << 20)

static void answer_error(struct node *node, int64_t broker_token, status error)
{
    node_send(node, &control_admin_reply_message,
              &(struct control_admin_reply){ .token = broker_token,
                                             .error_code = status_kafka(error) });
}

static struct admin_call *call_new(struct node *node, const struct control_admin *admin)
{
    struct admin_call *call = mem_zalloc(sizeof *call);
    if (!call) return NULL;
    *call = (struct admin_call){ .token = ++node->engine->next_token, .node = node,
                                 .stream = node->control, .broker_token = admin->token,
                                 .api_key = admin->api_key, .version = admin->api_version };
    arena_init(&call->arena, ADMIN_ARENA);
    HASH_ADD(hh, node->engine->admin_calls, token, sizeof call->token, call);
    if (HASH_ADDED(hh, call)) {
        node->admin_count++;
        return call;
    }
    mem_free(call);
    return NULL;
}

static void call_end(struct engine *engine, struct admin_call *call)
{
    HASH_DEL(engine->admin_calls, call);
    if (call->node) call->node->admin_count--;
    arena_done(&call->arena);
    mem_free(call);
}

void node_admin_received(struct node *node, const struct control_admin *admin)
{
    struct engine *engine = node->engine;
    const struct wire_message *m = wire_request(admin->api_key);
    if (!m || admin->api_version < m->min_version || admin->api_version > m->max_version) {
        answer_error(node, admin->token, FAIL(UNSUPPORTED_VERSION));
        return;
    }
    struct admin_call *call = node->admin_count < NODE_ADMIN_MAX ? call_new(node, admin) : NULL;
    if (!call) {
        answer_error(node, admin->token, FAIL(REQUEST_TIMED_OUT));
        return;
    }
    struct bytes body = arena_bytes(&call->arena, admin->body);
    struct str principal = arena_str(&call->arena, admin->principal);
    struct str client_host = arena_str(&call->arena, admin->client_host);
    void *request = arena_alloc(&call->arena, wire_object_size(m));
    status s = arena_check(&call->arena);
    if (is_ok(s)) {
        wire_default(m, request);
        s = wire_decode(m, admin->api_version, body, &call->arena, request, NULL);
    }
    if (failed(s)) {
        answer_error(node, admin->token, s);
        call_end(engine, call);
        return;
    }
    engine->events.admin(engine->events.arg, node->id,
                         &(struct engine_admin){ .token = call->token, .api_key = admin->api_key,
                                                 .version = admin->api_version,
                                                 .request = request, .principal = principal,
                                                 .client_host = client_host,
                                                 .arena = &call->arena });
}

void engine_answer(struct engine *engine, uint64_t token, status result, const void *response)
{
    struct admin_call *call = NULL;
    HASH_FIND(hh, engine->admin_calls, &token, sizeof token, call);
    if (!call) return;
    struct node *node = call->node;
    if (node && node->control == call->stream) {
        struct buf body;
        buf_init(&body, ADMIN_ANSWER_MAX);
        if (is_ok(result) && response)
            result = wire_encode(wire_response(call->api_key), call->version, response, &body);
        if (is_ok(result)) {
            node_send(node, &control_admin_reply_message,
                      &(struct control_admin_reply){ .token = call->broker_token,
                                                     .body = buf_bytes(&body) });
        } else {
            answer_error(node, call->broker_token, result);
        }
        buf_done(&body);
    }
    call_end(engine, call);
}

/* Their broker is gone: the domain still answers, to nobody. */
void node_admin_lost(struct node *node)
{
    struct admin_call *call, *next;
    HASH_ITER(hh, node->engine->admin_calls, call, next) {
        if (call->node != node) continue;
        call->node = NULL;
        node->admin_count--;
    }
}
