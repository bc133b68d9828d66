/* native_liveness.c - is there somebody at home? A broker that runs and answers nothing (a loop without
 * end, a stopped process) is killed, to be started again. Domain thread.
 *
 * Whatever a broker says is a sign of life; to one that was silent for a third of the limit an
 * ApiVersions request is sent, through the same door and loop as everybody's. A broker that has not
 * greeted yet is not judged: recovery may take its time. */
#include "engine/native_int.h"

#include <stdio.h>

#define API_VERSIONS 18
#define API_VERSIONS_VERSION 3
#define RETRY_MS 500

struct ping {
    struct engine *engine;
    char id[40];
    uint64_t life;
    struct arena arena;
};

static void look_again(struct node *node, int64_t ms)
{
    struct loop *loop = node->engine->loop;
    (void)loop_timer_set(loop, &node->liveness, loop_now(loop) + ms);
}

static void judge(struct node *node)
{
    char verdict[128];
    int64_t silent = loop_now(node->engine->loop) - node->heard_at;
    if (silent < node->engine->liveness_ms) {
        look_again(node, RETRY_MS);
        return;
    }
    snprintf(verdict, sizeof verdict, "it did not answer for %lld s (hung or stopped)",
             (long long)(silent + 500) / 1000);
    supervisor_kill(node->engine->supervisor, node->proc_id, verdict);
}

static void answered(void *arg, status result, const void *response)
{
    struct ping *ping = arg;
    struct node *node = engine_node(ping->engine, ping->id);
    (void)response;
    if (node && node->life == ping->life && node->greeted) {
        if (is_ok(result)) node_heard(node);
        else judge(node);
    }
    arena_done(&ping->arena);
    mem_free(ping);
}

static void look(struct timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, liveness);
    struct engine *engine = node->engine;
    int64_t third = engine->liveness_ms / 3, silent = loop_now(engine->loop) - node->heard_at;
    if (!node->greeted) return;
    if (silent < third) {
        look_again(node, third - silent);
        return;
    }
    struct ping *ping = mem_zalloc(sizeof *ping);
    if (!ping) {
        look_again(node, third);
        return;
    }
    const struct api_versions_request request = { STR("leatd"), STR(LEAT_VERSION) };
    ping->engine = engine;
    ping->life = node->life;
    memcpy(ping->id, node->id, sizeof ping->id);
    arena_init(&ping->arena, 1 << 16);
    engine_call(engine, node->id, STR("User:leat"), API_VERSIONS, API_VERSIONS_VERSION, &request,
                &ping->arena, third, answered, ping);
}

void node_liveness_init(struct node *node) { timer_init(&node->liveness, look); }

void node_heard(struct node *node)
{
    struct engine *engine = node->engine;
    node->heard_at = loop_now(engine->loop);
    if (engine->liveness_ms > 0 && node->greeted && !node->liveness.slot)
        look_again(node, engine->liveness_ms / 3);
}

void engine_set_liveness(struct engine *engine, int64_t ms) { engine->liveness_ms = ms; }
