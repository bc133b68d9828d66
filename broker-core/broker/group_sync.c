/* group_sync.c - the second half of a rebalance (the leader's assignment goes to all), heartbeats
 * and sessions. Loop thread.
 *
 * The leader's assignment is written to the offsets topic; when it is durable the group is STABLE
 * and all parked SyncGroups are answered. Members that do not sync within the largest rebalance
 * timeout are dropped, which begins the next rebalance. */
#include "broker/consumer.h"

#include "base/mem.h"

static void answer(struct sync_waiter *w, status error, const struct group *g, struct bytes given)
{
    struct sync_result r = { .error = error, .assignment = given };
    if (g != NULL) {
        r.protocol_type = g->protocol_type;
        r.protocol = g->protocol;
    }
    w->member = NULL;
    w->done(w, &r);
}

static void refuse(struct sync_waiter *w, status error)
{
    answer(w, error, NULL, bytes_of("", 0));
}

void group_answer_sync(struct member *m, status error)
{
    struct sync_waiter *w = TAKE(m->sync);
    if (w == NULL) return;
    if (failed(error))
        refuse(w, error);
    else
        answer(w, OK, m->group, m->assignment);
}

void group_refuse_syncs(struct group *g, status error)
{
    struct member *m, *tmp;
    HASH_ITER(hh, g->members, m, tmp) {
        group_restart_session(m, m->session_timeout_ms);
        group_answer_sync(m, error);
    }
}

bool group_sync_abandon(struct sync_waiter *w)
{
    struct member *m = w->member;
    if (m == NULL) return false;
    m->sync = NULL;
    w->member = NULL;
    group_restart_session(m, m->session_timeout_ms);
    return true;
}

/* --- sessions --------------------------------------------------------------------------------- */
void group_restart_session(struct member *m, int32_t timeout_ms)
{
    struct loop *loop = m->group->coordinator->options.loop;
    status s = loop_timer_set(loop, &m->session, loop_now(loop) + timeout_ms);
    mem_must(is_ok(s) ? m : NULL);
}

void group_session_expired(struct timer *timer)
{
    struct member *m = CONTAINER_OF(timer, struct member, session);
    struct group *g = m->group;
    /* Who waits for us is not silent; its session starts again with the answer. */
    if (!m->is_new && (m->joining || m->sync != NULL)) return;
    group_remove_member(m, FAIL(UNKNOWN_MEMBER_ID));
    group_members_left(g);
}

status group_heartbeat(struct group_coordinator *c, const struct member_key *key)
{
    if (key->group_id.len == 0) return FAIL(INVALID_GROUP_ID);
    struct group *g = group_find(c, key->group_id);
    if (g == NULL) return FAIL(UNKNOWN_MEMBER_ID);
    if (g->consumer != NULL) return consumer_classic_heartbeat(g, key);
    struct member *m;
    TRY(group_check_member(g, key->member_id, key->instance_id, &m));
    if (key->generation != g->generation) return FAIL(ILLEGAL_GENERATION);
    group_restart_session(m, m->session_timeout_ms);
    return g->state == GROUP_PREPARING ? FAIL(REBALANCE_IN_PROGRESS) : OK;
}

/* --- the sync phase --------------------------------------------------------------------------- */
void group_start_sync_phase(struct group *g)
{
    struct loop *loop = g->coordinator->options.loop;
    int64_t at = loop_now(loop) + group_rebalance_timeout(g);
    mem_must(is_ok(loop_timer_set(loop, &g->rebalance, at)) ? g : NULL);
}

static bool all_synced(const struct group *g)
{
    for (const struct member *m = g->members; m != NULL; m = m->hh.next)
        if (m->sync_pending) return false;
    return true;
}

static void has_synced(struct member *m)
{
    m->sync_pending = false;
    if (all_synced(m->group))
        loop_timer_clear(m->group->coordinator->options.loop, &m->group->rebalance);
}

void group_sync_phase_over(struct group *g)
{
    if (g->state != GROUP_COMPLETING && g->state != GROUP_STABLE) return;
    bool dropped = false;
    struct member *m, *tmp;
    HASH_ITER(hh, g->members, m, tmp) {
        if (!m->sync_pending) continue;
        group_remove_member(m, FAIL(UNKNOWN_MEMBER_ID));
        dropped = true;
    }
    if (dropped) group_prepare_rebalance(g);
}

/* --- the leader's assignment ------------------------------------------------------------------ */
struct assignment_op {
    struct group_wait wait;
    int32_t generation;
    size_t id_len;
    char id[];
};

static void give_out(struct group *g)
{
    group_enter(g, GROUP_STABLE);
    struct member *m, *tmp;
    HASH_ITER(hh, g->members, m, tmp) {
        group_restart_session(m, m->session_timeout_ms);
        group_answer_sync(m, OK);
    }
}

static void assignment_durable(struct group_wait *wait, status result)
{
    struct assignment_op *op = CONTAINER_OF(wait, struct assignment_op, wait);
    struct str id = { op->id, op->id_len };
    struct group *g = wait->coordinator ? group_find(wait->coordinator, id) : NULL;
    /* A new rebalance may have begun meanwhile; then this assignment is of no use. */
    if (g != NULL && g->state == GROUP_COMPLETING && g->generation == op->generation) {
        if (is_ok(result)) {
            give_out(g);
        } else {
            group_refuse_syncs(g, FAIL(COORDINATOR_NOT_AVAILABLE));
            group_prepare_rebalance(g);
        }
    }
    mem_free(op);
}

/* Members the leader left out get an empty assignment. */
static status set_assignments(struct group *g, const struct sync_request *q)
{
    for (struct member *m = g->members; m != NULL; m = m->hh.next)
        if (!group_set_bytes(&m->assignment, BYTES_NULL)) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < q->assignments_count; i++) {
        struct member *m = group_find_member(g, q->assignments[i].member_id);
        if (m != NULL && !group_set_bytes(&m->assignment, q->assignments[i].assignment))
            return FAIL(NO_MEMORY);
    }
    return OK;
}

static status assign(struct group *g, const struct sync_request *q)
{
    TRY(set_assignments(g, q));
    struct assignment_op *op = mem_zalloc(sizeof(*op) + g->id.len);
    if (op == NULL) return FAIL(NO_MEMORY);
    struct plog *log = NULL;
    int64_t end = 0;
    status s = group_write(g, &log, &end);
    if (failed(s)) {
        mem_free(op);
        return s;
    }
    op->generation = g->generation;
    op->id_len = g->id.len;
    memcpy(op->id, g->id.data, g->id.len);
    op->wait.done = assignment_durable;
    group_wait_durable(g->coordinator, &op->wait, log, end);
    return OK;
}

/* --- a request -------------------------------------------------------------------------------- */
static status check(struct group *g, const struct sync_request *q, struct member **ret_member)
{
    if (g == NULL) return FAIL(UNKNOWN_MEMBER_ID);
    TRY(group_check_member(g, q->key.member_id, q->key.instance_id, ret_member));
    if (q->key.generation != g->generation) return FAIL(ILLEGAL_GENERATION);
    if ((!str_is_null(q->protocol_type) && !str_eq(q->protocol_type, g->protocol_type)) ||
        (!str_is_null(q->protocol) && !str_eq(q->protocol, g->protocol)))
        return FAIL(INCONSISTENT_GROUP_PROTOCOL);
    if (g->state == GROUP_PREPARING) return FAIL(REBALANCE_IN_PROGRESS);
    return g->state == GROUP_EMPTY ? FAIL(UNKNOWN_MEMBER_ID) : OK;
}

void group_sync(struct group_coordinator *c, const struct sync_request *q, struct sync_waiter *w)
{
    w->member = NULL;
    struct group *g = group_find(c, q->key.group_id);
    struct member *m = NULL;
    if (g != NULL && g->consumer != NULL) {
        consumer_classic_sync(g, q, w);
        return;
    }
    status s = q->key.group_id.len == 0 ? FAIL(INVALID_GROUP_ID) : check(g, q, &m);
    if (failed(s)) {
        refuse(w, s);
        return;
    }
    has_synced(m);
    group_restart_session(m, m->session_timeout_ms);
    if (g->state == GROUP_STABLE) {
        answer(w, OK, g, m->assignment);
        return;
    }
    group_answer_sync(m, FAIL(REBALANCE_IN_PROGRESS)); /* one it sent before and gave up */
    m->sync = w;
    w->member = m;
    if (m != g->leader) return;
    s = assign(g, q);
    if (failed(s)) {
        group_refuse_syncs(g, FAIL(COORDINATOR_NOT_AVAILABLE));
        group_prepare_rebalance(g);
    }
}
