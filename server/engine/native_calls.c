/* native_calls.c - Kafka requests to a broker over kafka.sock, one connection a principal. Domain
 * thread. Connections are made when first needed and end with the broker's control connection. */
#include "engine/native_int.h"

#include "base/log.h"

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

static void client_drop(struct principal_client *pc)
{
    struct client *client = TAKE(pc->client);
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
    static const struct client_events events = { .closed = client_closed };
    struct engine *engine = node->engine;
    /* The list is in order of use: the front one has been idle longest. */
    for (struct principal_client *old = node->clients, *next;
         old && node->client_count >= NODE_CLIENTS_MAX; old = next) {
        next = old->next;
        if (client_in_flight(old->client) == 0) client_drop(old);
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
    (void)arena;
    status s = FAIL(BROKER_NOT_AVAILABLE);
    struct principal_client *pc = node && node->greeted ? client_for(node, principal) : NULL;
    struct call *call = pc ? mem_zalloc(sizeof *call) : NULL;
    if (call) {
        *call = (struct call){ done, arg };
        s = client_call_within(pc->client, api_key, version, request, (int)timeout_ms, answered,
                               call);
        if (is_ok(s)) return;
        mem_free(call);
        if (s.code == E_CLOSED) s = FAIL(BROKER_NOT_AVAILABLE);
    }
    engine_later(engine, NULL, done, arg, s);
}
