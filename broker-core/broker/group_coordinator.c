/* group_coordinator.c - the life of the coordinator: options, start by replay, end. Loop thread. */
#include "base/log.h"
#include "broker/group_coordinator.h"

#include "base/mem.h"
#include "broker/consumer.h"

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
static void begin(struct group_coordinator *c)
{
    struct group *g, *tmp;
    HASH_ITER(hh, c->groups, g, tmp) {
        if (g->consumer != NULL) consumer_begin(g);
        if (g->consumer == NULL && str_is_null(g->protocol_type) && g->offsets == NULL &&
            g->pending_offsets == NULL) {
            group_free(g); /* it was deleted */
            continue;
        }
        for (struct member *m = g->members; m != NULL; m = m->hh.next)
            group_restart_session(m, m->session_timeout_ms);
        if (g->members != NULL && g->leader == NULL) {
            g->leader = g->members;
            group_prepare_rebalance(g);
        }
        group_expire_by(c, group_next_expiry(g));
    }
}

status group_coordinator_load(struct group_coordinator *c)
{
    const struct topic *topic = image_topic(c->options.image, OFFSETS_TOPIC);
    if (c->loaded || c->damaged || topic == NULL) return OK;
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
    begin(c);
    return OK;
}

status group_coordinator_ready(struct group_coordinator *c)
{
    if (c == NULL) return FAIL(COORDINATOR_NOT_AVAILABLE);
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
