/* native_calls.c - Kafka requests to a broker over kafka.sock, one connection a principal. Domain
 * thread. Connections are made when first needed and end with the broker's control connection.
 *
 * A call made while its connection is still being made waits as encoded bytes in its caller's arena
 * (the request itself may be gone by then) and is sent when the connection is ready. */
#include "engine/native_int.h"

#include "base/log.h"

#define WAITING_MAX 64          /* calls a connection */
#define WAITING_BYTES (32 << 20) /* of one request */

struct call {
    engine_response done;
    void *arg;
};

static void answered(void *arg, status result, const void *response)
{
    struct call *call = arg;
    if (result.code == E_CLOSED) result = FAIL(BROKER_NOT_AVAILABLE);
    call->done(call->arg, result, response);
    mem_free(call);
}

struct waiting_call { /* in the arena of its caller */
    struct call *call;
    int16_t api_key, version;
    struct bytes request;
    struct arena *arena;
    int64_t deadline;
    struct waiting_call *prev, *next;
};

static struct waiting_call *waiting_take(struct principal_client *pc)
{
    struct waiting_call *w = pc->waiting;
    if (!w) return NULL;
    DL_DELETE(pc->waiting, w);
    pc->waiting_count--;
    return w;
}

static status call_wait(struct principal_client *pc, struct call *call, int16_t api_key, int16_t version,
                        const void *request, struct arena *arena, int64_t timeout_ms)
{
    struct buf out;
    struct waiting_call *w = ARENA_NEW(arena, struct waiting_call);
    if (pc->waiting_count == WAITING_MAX) return FAIL(BUSY);
    buf_init(&out, WAITING_BYTES);
    status s = wire_encode(wire_request(api_key), version, request, &out);
    struct bytes bytes = is_ok(s) ? arena_bytes(arena, buf_bytes(&out)) : BYTES_NULL;
    buf_done(&out);
    TRY(s);
    TRY(arena_check(arena));
    *w = (struct waiting_call){ .call = call, .api_key = api_key, .version = version, .request = bytes,
                                .arena = arena,
                                .deadline = loop_now(pc->node->engine->loop) + timeout_ms };
    DL_APPEND(pc->waiting, w);
    pc->waiting_count++;
    return OK;
}

static status waiting_send(struct principal_client *pc, const struct waiting_call *w)
{
    const struct wire_message *m = wire_request(w->api_key);
    void *request = arena_alloc(w->arena, wire_object_size(m));
    int64_t left = w->deadline - loop_now(pc->node->engine->loop);
    if (!request) return FAIL(NO_MEMORY);
    if (left <= 0) return FAIL(REQUEST_TIMED_OUT);
    TRY(wire_decode(m, w->version, w->request, w->arena, request, NULL));
    return client_call_within(pc->client, w->api_key, w->version, request, (int)left, answered, w->call);
}

static void client_is_ready(struct client *client, void *owner)
{
    struct principal_client *pc = owner;
    struct waiting_call *w;
    (void)client;
    while ((w = waiting_take(pc))) {
        struct call *call = w->call; /* w is gone once done was called */
        status s = waiting_send(pc, w);
        if (failed(s)) answered(call, s, NULL);
    }
}

static void client_drop(struct principal_client *pc)
{
    struct client *client = TAKE(pc->client);
    struct waiting_call *w;
    while ((w = waiting_take(pc))) answered(w->call, FAIL(BROKER_NOT_AVAILABLE), NULL);
    DL_DELETE(pc->node->clients, pc);
    pc->node->client_count--;
    client_free(client);
    mem_free(pc);
}

static void client_closed(struct client *client, status why, void *owner)
{
    struct principal_client *pc = owner;
    (void)client;
    log_debug("%s: the connection as %s ended: %s", pc->node->id, pc->principal, status_text(why));
    client_drop(pc);
}

void node_close_clients(struct node *node)
{
    while (node->clients) client_drop(node->clients);
}

static struct principal_client *client_open(struct node *node, struct str principal)
{
    static const struct client_events events = { .ready = client_is_ready, .closed = client_closed };
    struct engine *engine = node->engine;
    /* The list is in order of use: the front one has been idle longest. */
    for (struct principal_client *old = node->clients, *next;
         old && node->client_count >= NODE_CLIENTS_MAX; old = next) {
        next = old->next;
        if (client_in_flight(old->client) == 0 && !old->waiting) client_drop(old);
    }
    if (node->client_count >= NODE_CLIENTS_MAX) return NULL;
    struct principal_client *pc = mem_zalloc(sizeof *pc);
    if (!pc) return NULL;
    pc->node = node;
    struct client_options options = {
        .unix_name = "kafka.sock", .client_id = STR("leatd"), .principal = principal,
        .unix_dir = supervisor_run_dir(engine->supervisor, node->proc_id),
    };
    if (!str_copy(pc->principal, sizeof pc->principal, principal) ||
        failed(client_new(engine->loop, &options, &events, pc, &pc->client))) {
        mem_free(pc);
        return NULL;
    }
    DL_APPEND(node->clients, pc);
    node->client_count++;
    return pc;
}

static struct principal_client *client_for(struct node *node, struct str principal)
{
    struct principal_client *pc;
    DL_FOREACH(node->clients, pc) {
        if (!str_eq_c(principal, pc->principal)) continue;
        DL_DELETE(node->clients, pc);
        DL_APPEND(node->clients, pc);
        return pc;
    }
    return client_open(node, principal);
}

void engine_call(struct engine *engine, const char *cluster_id, struct str principal,
                 int16_t api_key, int16_t version, const void *request, struct arena *arena,
                 int64_t timeout_ms, engine_response done, void *arg)
{
    struct node *node = engine_node(engine, cluster_id);
    status s = FAIL(BROKER_NOT_AVAILABLE);
    struct principal_client *pc = node && node->greeted ? client_for(node, principal) : NULL;
    struct call *call = pc ? mem_zalloc(sizeof *call) : NULL;
    if (call) {
        *call = (struct call){ done, arg };
        s = client_ready(pc->client)
                ? client_call_within(pc->client, api_key, version, request, (int)timeout_ms, answered, call)
                : call_wait(pc, call, api_key, version, request, arena, timeout_ms);
        if (is_ok(s)) return;
        mem_free(call);
        if (s.code == E_CLOSED) s = FAIL(BROKER_NOT_AVAILABLE);
    }
    engine_later(engine, NULL, done, arg, s);
}
