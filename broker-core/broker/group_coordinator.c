/* group_coordinator.c - the life of the coordinator: options, start by replay, end. Loop thread. */
#include "base/log.h"
#include "broker/group_coordinator.h"

#include "base/mem.h"
#include "broker/consumer.h"

#define BEGIN_A_LOOK 16 /* groups, between two looks at how long the turn is */

void group_options_init(struct group_options *options)
{
    *options = (struct group_options){
        .offsets_retention_ms = 10080 * 60000LL,
        .session_min_ms = 6000,
        .session_max_ms = 1800000,
        .group_max_size = 2000,
        .consumer_session_ms = 45000,
        .consumer_heartbeat_ms = 5000,
        .new_member_ms = 300000,
        .groups_max = 100000,
    };
}

status group_coordinator_new(const struct group_options *options,
                             struct group_coordinator **ret_coordinator)
{
    struct group_coordinator *c = mem_zalloc(sizeof(*c));
    if (c == NULL) return FAIL(NO_MEMORY);
    c->options = *options;
    timer_init(&c->expiry, group_expire_fire);
    *ret_coordinator = c;
    return OK;
}

void group_coordinator_free(struct group_coordinator *c)
{
    if (c == NULL) return;
    while (c->waits != NULL) {
        struct group_wait *w = c->waits;
        DL_DELETE(c->waits, w);
        plog_unwait(w->log, &w->plog);
        w->coordinator = NULL;
        w->done(w, FAIL(CLOSED));
    }
    while (c->groups != NULL) group_free(c->groups);
    loop_timer_clear(c->options.loop, &c->expiry);
    mem_free(c);
}

/* Members of before the restart have a session's time to be heard of. */
static void begin_one(struct group_coordinator *c, struct group *g)
{
    if (g->consumer != NULL) consumer_begin(g);
    if (g->consumer == NULL && str_is_null(g->protocol_type) && g->offsets == NULL &&
        g->pending_offsets == NULL) {
        group_free(g); /* it was deleted */
        return;
    }
    for (struct member *m = g->members; m != NULL; m = m->hh.next)
        group_restart_session(m, m->session_timeout_ms);
    if (g->members != NULL && g->leader == NULL) {
        g->leader = g->members;
        group_prepare_rebalance(g);
    }
    group_expire_by(c, group_next_expiry(g));
}

/* False: the turn is long, and some are left. */
static bool begin(struct group_coordinator *c, const struct loop *loop)
{
    if (!c->begins) c->beginning = c->groups;
    c->begins = true;
    for (uint32_t n = 1; c->beginning; n++) {
        struct group *g = c->beginning;
        c->beginning = g->hh.next;
        begin_one(c, g);
        if (loop && n % BEGIN_A_LOOK == 0 && loop_turn_is_long(loop)) return false;
    }
    return true;
}

status group_coordinator_load(struct group_coordinator *c)
{
    const struct topic *topic = image_topic(c->options.image, OFFSETS_TOPIC);
    if (c->loaded || c->loading || c->damaged || topic == NULL) return OK;
    for (int32_t p = 0; p < topic->partitions; p++) {
        struct plog *log = store_find(c->options.store, topic->id, p);
        if (log == NULL) continue;
        status s = group_load(c, log);
        /* A group that is not there would begin anew, without its offsets: none is, then. */
        c->damaged = s.code == E_CORRUPT || s.code == E_KAFKA_STORAGE_ERROR;
        if (c->damaged) log_error("__consumer_offsets-%d is damaged: no consumer group is served", (int)p);
        if (c->damaged) return OK;
        TRY(s);
    }
    c->loaded = true;
    (void)begin(c, NULL);
    return OK;
}

void group_coordinator_loading(struct group_coordinator *c) { c->loading = true; }

bool group_coordinator_loaded(struct group_coordinator *c, bool read, const struct loop *loop)
{
    if (read && !begin(c, loop)) return false;
    c->loaded = read;
    c->loading = false;
    return true;
}

void group_coordinator_unreadable(struct group_coordinator *c)
{
    c->loading = false;
    c->damaged = true;
}

status group_coordinator_ready(struct group_coordinator *c)
{
    if (c == NULL) return FAIL(COORDINATOR_NOT_AVAILABLE);
    if (c->loading) return FAIL(COORDINATOR_LOAD_IN_PROGRESS);
    if (!c->loaded) TRY(group_coordinator_load(c));
    return c->loaded ? OK : FAIL(COORDINATOR_NOT_AVAILABLE);
}

void group_coordinator_topic_deleted(struct group_coordinator *c, struct topic *topic)
{
    if (c == NULL) return;
    struct group *g, *tmp;
    HASH_ITER(hh, c->groups, g, tmp) {
        /* Should it fail, the id of the topic tells the next start that they are stale. */
        (void)group_delete_offsets(g, topic->name, NULL, 0);
    }
}
