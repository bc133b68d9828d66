/* native_clients.c - asking a broker who is connected, and who uses a topic. Domain thread.
 *
 * An answer comes in parts, which are kept until the last one, bounded; a broker that does not end is not
 * waited for. Several may ask at once, each is answered by its token. */
#include "engine/native_int.h"

#define ANSWER_MS 5000
#define ASKS_MAX 12        /* of one broker, under way */
#define CLIENTS_MAX 2000   /* more than a broker names */
#define ANSWER_ARENA (8u << 20)

struct client_ask {
    struct node *node;
    int64_t token;
    struct timer deadline;
    struct arena arena; /* of the clients */
    struct engine_client *clients;
    size_t count;
    engine_clients_done done;
    void *arg;
    struct client_ask *prev, *next;
};

static void ask_end(struct client_ask *ask, status result, int64_t others)
{
    struct node *node = ask->node;
    DL_DELETE(node->client_asks, ask);
    node->client_ask_count--;
    loop_timer_clear(node->engine->loop, &ask->deadline);
    ask->done(ask->arg, result, is_ok(result) ? ask->clients : NULL, is_ok(result) ? ask->count : 0, others);
    arena_done(&ask->arena);
    mem_free(ask);
}

static void ask_late(struct timer *timer)
{
    ask_end(CONTAINER_OF(timer, struct client_ask, deadline), FAIL(REQUEST_TIMED_OUT), 0);
}

static enum engine_group_match match_of(int8_t match)
{
    bool known = match >= ENGINE_GROUP_NONE && match <= ENGINE_GROUP_SEVERAL;
    return known ? (enum engine_group_match)match : ENGINE_GROUP_NONE;
}

static void take_client(struct client_ask *ask, const struct control_clients_part_client_row *row)
{
    struct arena *a = &ask->arena;
    ask->clients[ask->count++] = (struct engine_client){
        .principal = arena_str(a, row->principal), .client_id = arena_str(a, row->client_id),
        .address = arena_str(a, row->address),
        .software_name = arena_str(a, row->software_name),
        .software_version = arena_str(a, row->software_version),
        .group_id = row->group.data ? arena_str(a, row->group) : STR_NULL,
        .group_match = match_of(row->group_match), .by_leatd = row->local,
        .connected_at = row->connected_at, .produced_at = row->produced_at, .fetched_at = row->fetched_at,
        .bytes_in = row->bytes_in, .records_in = row->records_in,
        .bytes_out = row->bytes_out, .records_out = row->records_out,
        .producer_id = row->producer_id, .topics = row->topics,
    };
}

void node_clients_part(struct node *node, const struct control_clients_part *part)
{
    struct client_ask *ask;
    DL_SEARCH_SCALAR(node->client_asks, ask, token, part->token);
    if (!ask) return; /* given up meanwhile */
    if (ask->count + (size_t)part->clients_count > CLIENTS_MAX) {
        ask_end(ask, FAIL(LIMIT), 0);
        return;
    }
    for (int32_t i = 0; i < part->clients_count; i++) take_client(ask, &part->clients[i]);
    status result = part->error_code ? status_from_kafka(part->error_code) : arena_check(&ask->arena);
    if (failed(result) || part->last) ask_end(ask, result, part->others);
}

void node_clients_lost(struct node *node)
{
    while (node->client_asks) ask_end(node->client_asks, FAIL(BROKER_NOT_AVAILABLE), 0);
}

status engine_clients(struct engine *engine, const char *cluster_id, struct str topic,
                      engine_clients_done done, void *arg)
{
    struct node *node = engine_node(engine, cluster_id);
    if (!node || !node->greeted) return FAIL(BROKER_NOT_AVAILABLE);
    if (control_message_version(&control_clients_message, node->protocol) < 0)
        return FAIL(UNSUPPORTED_VERSION);
    if (node->client_ask_count >= ASKS_MAX) return FAIL(BUSY);
    struct client_ask *ask = mem_zalloc(sizeof *ask);
    if (!ask) return FAIL(NO_MEMORY);
    *ask = (struct client_ask){ .node = node, .token = ++node->client_token, .done = done, .arg = arg };
    arena_init(&ask->arena, ANSWER_ARENA);
    ask->clients = ARENA_ARRAY(&ask->arena, struct engine_client, CLIENTS_MAX);
    timer_init(&ask->deadline, ask_late);
    status made = arena_check(&ask->arena);
    if (is_ok(made))
        made = loop_timer_set(engine->loop, &ask->deadline, loop_now(engine->loop) + ANSWER_MS);
    if (failed(made)) {
        arena_done(&ask->arena);
        mem_free(ask);
        return made;
    }
    DL_APPEND(node->client_asks, ask);
    node->client_ask_count++;
    struct control_clients message = { .token = ask->token, .topic = topic };
    node_send(node, &control_clients_message, &message);
    return OK;
}
