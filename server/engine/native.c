/* native.c - the engine over Leat's own brokers: its nodes and the public operations. Domain thread.
 *
 * A node is known from attach to detach; whether its broker is there is the supervisor's news. A
 * push never fails: a broker that is away gets the whole image when it greets. */
#include "engine/native_int.h"

#include "base/log.h"
#include "cluster/delta.h"

#include <stdio.h>
#include <string.h>

#define ACK_TIMEOUT_MS 5000
#define WATCH_AGAIN_MS 5000
#define WATCH_FOR_MS 15000
#define WATCH_INTERVAL_MS 1000

struct node *engine_node(const struct engine *engine, const char *cluster_id)
{
    struct node *node = NULL;
    HASH_FIND_STR(engine->nodes, cluster_id, node);
    return node;
}

static void run_later(struct job *job)
{
    struct later *l = CONTAINER_OF(job, struct later, job);
    if (l->done) l->done(l->arg, l->result);
    if (l->response) l->response(l->arg, l->result, NULL);
    mem_free(l);
}

void engine_later(struct engine *engine, engine_done done, engine_response response, void *arg,
                  status result)
{
    struct later *l = mem_zalloc(sizeof *l);
    if (!l) {
        if (done) done(arg, result);
        if (response) response(arg, result, NULL);
        return;
    }
    *l = (struct later){ .job = { .done = run_later }, .done = done, .response = response,
                         .arg = arg, .result = result };
    loop_post(engine->loop, &l->job);
}

/* --- the supervisor's news ------------------------------------------------------------------------- */
/* "lkc-abc-1" -> "lkc-abc"; helpers are "demo-lkc-abc". */
static void cluster_of(const char *proc_id, char ret_id[40])
{
    bool helper = strncmp(proc_id, "demo-", 5) == 0;
    const char *from = helper ? proc_id + 5 : proc_id;
    const char *end = helper ? NULL : strrchr(from, '-');
    size_t len = end ? (size_t)(end - from) : strlen(from);
    if (len > 39) len = 39;
    memcpy(ret_id, from, len);
    ret_id[len] = 0;
}

static void proc_ready(void *arg, const char *proc_id)
{
    char id[40];
    cluster_of(proc_id, id);
    struct node *node = engine_node(arg, id);
    if (node && strcmp(node->proc_id, proc_id) == 0) node_dial(node);
}

static void proc_changed(void *arg, const char *proc_id)
{
    struct engine *engine = arg;
    char id[40];
    cluster_of(proc_id, id);
    if (engine->events.changed) engine->events.changed(engine->events.arg, id);
}

status engine_new(struct loop *loop, struct supervisor *supervisor,
                  const struct engine_events *events, struct engine **ret_engine)
{
    struct engine *engine = mem_zalloc(sizeof *engine);
    if (!engine) return FAIL(NO_MEMORY);
    engine->loop = loop;
    engine->supervisor = supervisor;
    engine->events = *events;
    const struct supervisor_events news = { proc_ready, proc_changed, engine };
    supervisor_set_events(supervisor, &news);
    *ret_engine = engine;
    return OK;
}

void engine_set_endings(struct engine *engine, const struct engine_endings *endings)
{
    engine->endings = *endings;
}

static void node_free(struct node *node)
{
    struct engine *engine = node->engine;
    HASH_DEL(engine->nodes, node);
    node_hang_up(node);
    node_close_clients(node);
    node_end_waiters(node, INT64_MAX, FAIL(PENDING));
    node_backup_lost(node);
    node_clients_lost(node);
    loop_timer_clear(engine->loop, &node->deadline);
    loop_timer_clear(engine->loop, &node->redial);
    loop_timer_clear(engine->loop, &node->liveness);
    figures_clear(&node->figures);
    lags_clear(&node->lags);
    mem_free(node);
}

void engine_free(struct engine *engine)
{
    if (!engine) return;
    struct node *node, *next;
    struct admin_call *call, *next_call;
    static const struct supervisor_events none;
    supervisor_set_events(engine->supervisor, &none);
    HASH_ITER(hh, engine->nodes, node, next) node_free(node);
    HASH_ITER(hh, engine->admin_calls, call, next_call) {
        HASH_DEL(engine->admin_calls, call);
        arena_done(&call->arena);
        mem_free(call);
    }
    mem_free(engine);
}

/* --- nodes ----------------------------------------------------------------------------------------- */
static void deadline_passed(struct timer *timer)
{
    struct node *node = CONTAINER_OF(timer, struct node, deadline);
    int64_t now = loop_now(node->engine->loop);
    while (node->waiters && node->waiters->deadline <= now) {
        struct waiter *w = node->waiters;
        DL_DELETE(node->waiters, w);
        node->waiter_count--;
        w->done(w->arg, FAIL(PENDING));
        mem_free(w);
    }
    if (node->waiters)
        (void)loop_timer_set(node->engine->loop, &node->deadline, node->waiters->deadline);
}

static void redial(struct timer *timer) { node_dial(CONTAINER_OF(timer, struct node, redial)); }

status engine_attach(struct engine *engine, const char *cluster_id)
{
    if (engine_node(engine, cluster_id)) return OK;
    struct node *node = mem_zalloc(sizeof *node);
    if (!node) return FAIL(NO_MEMORY);
    node->engine = engine;
    node->sent = node->acknowledged = -1;
    str_copy(node->id, sizeof node->id, str_c(cluster_id));
    snprintf(node->proc_id, sizeof node->proc_id, "%.39s-1", cluster_id);
    timer_init(&node->deadline, deadline_passed);
    timer_init(&node->redial, redial);
    node_liveness_init(node);
    node_backup_init(node);
    HASH_ADD_STR(engine->nodes, id, node);
    if (!HASH_ADDED(hh, node)) {
        mem_free(node);
        return FAIL(NO_MEMORY);
    }
    struct proc_info info;
    if (supervisor_info(engine->supervisor, node->proc_id, &info) && info.state == PROC_RUNNING)
        node_dial(node);
    return OK;
}

void engine_detach(struct engine *engine, const char *cluster_id)
{
    struct node *node = engine_node(engine, cluster_id);
    if (node) node_free(node);
}

static bool wait_for_ack(struct node *node, int64_t version, engine_done done, void *arg)
{
    struct loop *loop = node->engine->loop;
    if (node->waiter_count >= NODE_WAITERS_MAX) return false;
    struct waiter *w = mem_zalloc(sizeof *w);
    if (!w) return false;
    *w = (struct waiter){ .version = version, .deadline = loop_now(loop) + ACK_TIMEOUT_MS,
                          .done = done, .arg = arg };
    DL_APPEND(node->waiters, w);
    node->waiter_count++;
    if (node->waiters == w) (void)loop_timer_set(loop, &node->deadline, w->deadline);
    return true;
}

void engine_push(struct engine *engine, const char *cluster_id, int64_t version,
                 struct bytes delta, engine_done done, void *arg)
{
    struct node *node = engine_node(engine, cluster_id);
    if (!node || !node->greeted || node->refused || !wait_for_ack(node, version, done, arg)) {
        engine_later(engine, done, NULL, arg, FAIL(PENDING));
        return;
    }
    if (node->sent >= version) return; /* an image sent meanwhile contains it */
    if (node->sent != version - 1) {
        node_send_image(node);
        return;
    }
    struct control_image image = { .from_version = version - 1, .to_version = version,
                                   .records = delta };
    node->sent = version;
    node_send(node, &control_image_message, &image);
}

const struct engine_figures *engine_figures(struct engine *engine, const char *cluster_id)
{
    struct node *node = engine_node(engine, cluster_id);
    if (!node || !node->figures.shown.known) return NULL;
    figures_settle(&node->figures, loop_wall(engine->loop));
    return &node->figures.shown;
}

const struct engine_topic_figures *engine_topic_figures(struct engine *engine, const char *cluster_id,
                                                        struct str topic)
{
    struct node *node = engine_node(engine, cluster_id);
    return node && node->figures.shown.known ? figures_topic(&node->figures, topic) : NULL;
}

void engine_watch(struct engine *engine, const char *cluster_id)
{
    struct node *node = engine_node(engine, cluster_id);
    if (!node || !node->greeted) return;
    int64_t now = loop_now(engine->loop);
    if (node->watched_at && now - node->watched_at < WATCH_AGAIN_MS) return;
    node->watched_at = now;
    node_send(node, &control_watch_message,
              &(struct control_watch){ .interval_ms = WATCH_INTERVAL_MS, .for_ms = WATCH_FOR_MS });
}

void engine_hold(struct engine *engine, const char *cluster_id, bool hold)
{
    struct node *node = engine_node(engine, cluster_id);
    if (!node || node->hold == hold) return;
    node->hold = hold;
    if (node->greeted) node_send(node, &control_hold_message, &(struct control_hold){ .hold = hold });
}

const char *engine_program(struct engine *engine, const char *cluster_id)
{
    struct node *node = engine_node(engine, cluster_id);
    return node && node->greeted ? node->program : "";
}

int engine_landlock(struct engine *engine, const char *cluster_id)
{
    struct node *node = engine_node(engine, cluster_id);
    return node && node->greeted ? node->landlock : 0;
}

int64_t engine_version(struct engine *engine, const char *cluster_id)
{
    struct node *node = engine_node(engine, cluster_id);
    return node && node->greeted ? node->acknowledged : -1;
}

int engine_format(struct engine *engine, const char *cluster_id)
{
    struct node *node = engine_node(engine, cluster_id);
    return node && node->greeted ? node->format : 0;
}

void engine_set_format(struct engine *engine, const char *cluster_id, int format)
{
    struct node *node = engine_node(engine, cluster_id);
    if (!node) return;
    node->confirmed = format;
    node_tell_format(node);
}
