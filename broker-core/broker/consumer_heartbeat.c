/* consumer_heartbeat.c - ConsumerGroupHeartbeat: joining, staying, leaving, and being put out when a
 * member is not heard of for its session, or does not give partitions back in time. Loop thread. */
#include "broker/consumer.h"

#include "base/mem.h"

/* --- timers ----------------------------------------------------------------------------------- */
void consumer_arm(struct consumer_member *m, struct timer *timer, int32_t ms)
{
    struct loop *loop = m->group->coordinator->options.loop;
    status s = loop_timer_set(loop, timer, loop_now(loop) + (ms > 0 ? ms : 0));
    mem_must(is_ok(s) ? m : NULL);
}

void consumer_arm_session(struct consumer_member *m)
{
    consumer_arm(m, &m->session, m->classic ? m->session_timeout_ms
                                            : m->group->coordinator->options.consumer_session_ms);
}

void consumer_arm_rebalance(struct consumer_member *m)
{
    if (!m->classic && m->state == CONSUMER_UNREVOKED) {
        m->rebalance_epoch = m->epoch;
        consumer_arm(m, &m->rebalance, m->rebalance_timeout_ms);
    } else {
        loop_timer_clear(m->group->coordinator->options.loop, &m->rebalance);
    }
}

static void put_out(struct consumer_member *m, struct timer *timer)
{
    const struct consumer_member *one = m;
    if (failed(consumer_fence(m->group, &one, 1)))
        consumer_arm(m, timer, 1000); /* could not be written: still a member */
}

static void session_over(struct timer *t)
{
    put_out(CONTAINER_OF(t, struct consumer_member, session), t);
}

static void join_over(struct timer *t)
{
    put_out(CONTAINER_OF(t, struct consumer_member, join), t);
}

static void sync_over(struct timer *t)
{
    put_out(CONTAINER_OF(t, struct consumer_member, sync), t);
}

static void rebalance_over(struct timer *t)
{
    struct consumer_member *m = CONTAINER_OF(t, struct consumer_member, rebalance);
    if (m->epoch == m->rebalance_epoch) put_out(m, t);
}

void consumer_timers_init(struct consumer_member *m)
{
    timer_init(&m->session, session_over);
    timer_init(&m->rebalance, rebalance_over);
    timer_init(&m->join, join_over);
    timer_init(&m->sync, sync_over);
}

/* --- whose request is it? --------------------------------------------------------------------- */
static void begin_member(struct consumer_op *op, const struct consumer_member *m, struct str id)
{
    op->has_now = true;
    op->before = m;
    if (m != NULL)
        op->now = *m;
    else
        op->now = (struct consumer_member){ .group = op->group, .id = id, .regex = STR(""),
                                            .rebalance_timeout_ms = -1 };
}

/* KIP-345: the instance comes back under a new member id and keeps what it had. */
static void replace(struct consumer_op *op, const struct consumer_member *old, struct str id)
{
    begin_member(op, NULL, id);
    op->replaced = old;
    op->now = *old;
    op->now.id = id;
    op->now.epoch = op->now.previous_epoch = 0;
    consumer_batch_no_member(op->batch, old->id);
    consumer_batch_member(op->batch, &op->now);
    consumer_batch_target(op->batch, id, &old->target);
    consumer_batch_current(op->batch, &op->now);
    op->now.has_target = true;
}

status consumer_op_member(struct consumer_op *op, struct str id, struct str instance_id, bool joining,
                          bool classic)
{
    const struct consumer_member *m = consumer_find(op->group, id);
    if (str_is_null(instance_id)) {
        if (m == NULL && !joining) return FAIL(UNKNOWN_MEMBER_ID);
        begin_member(op, m, id);
        return OK;
    }
    const struct consumer_member *fixed = consumer_static(op->group, instance_id);
    if (!joining) {
        if (fixed == NULL) return FAIL(UNKNOWN_MEMBER_ID);
        if (!str_eq(fixed->id, id)) return FAIL(FENCED_INSTANCE_ID);
        begin_member(op, fixed, id);
    } else if (fixed == NULL) {
        begin_member(op, m, id);
    } else {
        if (!classic && !fixed->classic && fixed->epoch != CONSUMER_LEAVE_STATIC_EPOCH)
            return FAIL(UNRELEASED_INSTANCE_ID);
        replace(op, fixed, id);
    }
    return OK;
}

/* A smaller epoch may be that of an answer that got lost. */
static status check_epoch(const struct consumer_member *m, const struct consumer_heartbeat *q)
{
    if (q->epoch == CONSUMER_JOIN_EPOCH || q->epoch == m->epoch) return OK;
    if (q->epoch > m->epoch || q->epoch != m->previous_epoch || !q->has_owned ||
        !tps_within(&q->owned, &m->assigned))
        return FAIL(FENCED_MEMBER_EPOCH);
    return OK;
}

/* --- a heartbeat ------------------------------------------------------------------------------ */
static bool same_metadata(const struct consumer_member *a, const struct consumer_member *b)
{
    return str_eq(a->instance_id, b->instance_id) && str_eq(a->rack_id, b->rack_id) &&
           str_cmp(a->client_id, b->client_id) == 0 &&
           str_cmp(a->client_host, b->client_host) == 0 && str_eq(a->regex, b->regex) &&
           str_eq(a->assignor, b->assignor) && a->classic == b->classic &&
           a->rebalance_timeout_ms == b->rebalance_timeout_ms && consumer_same_names(a, b);
}

static void update(struct consumer_op *op, const struct consumer_heartbeat *q)
{
    struct consumer_member *m = &op->now;
    if (!str_is_null(q->instance_id)) m->instance_id = q->instance_id;
    if (!str_is_null(q->rack_id)) m->rack_id = q->rack_id;
    if (!str_is_null(q->assignor)) m->assignor = q->assignor;
    if (!str_is_null(q->regex)) m->regex = q->regex;
    if (q->rebalance_timeout_ms >= 0) m->rebalance_timeout_ms = q->rebalance_timeout_ms;
    if (q->names != NULL) {
        m->names = ARENA_ARRAY(&op->arena, struct str, q->names_count);
        m->names_count = 0;
        if (m->names == NULL) return;
        memcpy(m->names, q->names, (size_t)q->names_count * sizeof(*m->names));
        m->names_count = consumer_sort_names(m->names, q->names_count);
    }
    m->client_id = q->client_id;
    m->client_host = q->client_host;
    m->classic = false; /* the protocols of its classic past are no longer written */
}

static status beat(struct consumer_op *op, const struct consumer_heartbeat *q,
                   struct consumer_member *ret_base)
{
    struct group_coordinator *c = op->group->coordinator;
    TRY(consumer_op_member(op, q->member_id, q->instance_id, q->epoch == CONSUMER_JOIN_EPOCH, false));
    TRY(check_epoch(&op->now, q));
    *ret_base = op->now;
    update(op, q);
    TRY(arena_check(&op->arena));
    bool is_new = op->before == NULL && op->replaced == NULL;
    if (is_new || !same_metadata(ret_base, &op->now)) consumer_batch_member(op->batch, &op->now);
    bool names_changed = !consumer_same_names(ret_base, &op->now), regexes_changed = false;
    bool regex_changed = str_cmp(ret_base->regex, op->now.regex) != 0;
    bool image_changed = op->consumer->checked_version != c->options.image->version;
    if (regex_changed || image_changed || consumer_op_regexes_due(op))
        TRY(consumer_op_regexes(op, &q->who, &regexes_changed));
    op->subscription_changed = names_changed || regex_changed;
    bool bump = op->epoch == 0 || op->subscription_changed || regexes_changed;
    if (bump || image_changed) TRY(consumer_op_epoch(op, bump));
    TRY(consumer_op_target(op));
    consumer_reconcile(op, q->has_owned ? &q->owned : NULL);
    return OK;
}

static status fill_answer(const struct consumer_member *m, const struct consumer_heartbeat *q,
                          bool changed, struct arena *arena, struct consumer_answer *ret)
{
    bool whole = q->rebalance_timeout_ms >= 0 && q->has_owned &&
                 (q->names != NULL || !str_is_null(q->regex));
    ret->member_id = arena_str(arena, m->id);
    ret->epoch = m->epoch;
    ret->interval_ms = m->group->coordinator->options.consumer_heartbeat_ms;
    ret->has_assignment = q->epoch == CONSUMER_JOIN_EPOCH || whole || changed;
    if (ret->has_assignment) ret->assignment = tps_or(arena, &m->assigned, &TPS_NONE);
    return arena_check(arena);
}

static status stay(struct group *g, const struct consumer_heartbeat *q, struct arena *arena,
                   struct consumer_answer *ret)
{
    struct consumer_op op;
    struct consumer_member base;
    TRY(consumer_op_init(&op, g));
    status s = beat(&op, q, &base);
    bool assigned = is_ok(s) && !tps_eq(&base.assigned, &op.now.assigned);
    bool moved = assigned || op.now.state != base.state || op.now.epoch != base.epoch;
    if (is_ok(s)) s = consumer_op_commit(&op);
    struct consumer_member *m = is_ok(s) ? consumer_find(g, q->member_id) : NULL;
    if (m != NULL) {
        g->consumer->checked_version = g->coordinator->options.image->version;
        loop_timer_clear(g->coordinator->options.loop, &m->join);
        loop_timer_clear(g->coordinator->options.loop, &m->sync);
        consumer_arm_session(m);
        if (moved) consumer_arm_rebalance(m);
        s = fill_answer(m, q, assigned, arena, ret);
    }
    consumer_op_done(&op);
    return s;
}

/* --- going ------------------------------------------------------------------------------------ */
static status fence(struct consumer_op *op)
{
    bool ignored = false;
    if (consumer_can_downgrade(op->group, op->leaving, op->leaving_count))
        return consumer_downgrade(op, false);
    for (size_t i = 0; i < op->leaving_count; i++)
        consumer_batch_no_member(op->batch, op->leaving[i]->id);
    TRY(consumer_op_regexes(op, NULL, &ignored));
    TRY(consumer_op_epoch(op, true));
    return consumer_op_commit(op);
}

status consumer_fence(struct group *g, const struct consumer_member **members, size_t count)
{
    struct consumer_op op;
    if (count == 0) return OK;
    TRY(consumer_op_init(&op, g));
    op.leaving = members;
    op.leaving_count = count;
    status s = fence(&op);
    consumer_op_done(&op);
    return s;
}

/* A static member that will be back: its partitions are kept for it, until its session ends. */
static status pause(struct consumer_member *m)
{
    struct consumer_op op;
    TRY(consumer_op_init(&op, m->group));
    begin_member(&op, m, m->id);
    op.now.epoch = CONSUMER_LEAVE_STATIC_EPOCH;
    op.now.revoking = TPS_NONE;
    consumer_batch_current(op.batch, &op.now);
    status s = consumer_op_commit(&op);
    consumer_op_done(&op);
    return s;
}

static status leave(struct group *g, const struct consumer_heartbeat *q, struct arena *arena,
                    struct consumer_answer *ret)
{
    struct consumer_member *m = consumer_find(g, q->member_id);
    if (!str_is_null(q->instance_id)) {
        struct consumer_member *fixed = consumer_static(g, q->instance_id);
        if (fixed == NULL) return FAIL(UNKNOWN_MEMBER_ID);
        if (fixed != m) return FAIL(FENCED_INSTANCE_ID);
    }
    if (m == NULL) return FAIL(UNKNOWN_MEMBER_ID);
    const struct consumer_member *one = m;
    if (q->epoch == CONSUMER_LEAVE_STATIC_EPOCH && !str_is_null(q->instance_id))
        TRY(pause(m));
    else
        TRY(consumer_fence(g, &one, 1));
    ret->member_id = arena_str(arena, q->member_id);
    ret->epoch = q->epoch;
    return arena_check(arena);
}

/* --- in which group? -------------------------------------------------------------------------- */
/* An empty group of the other protocol makes way. */
static status take_empty(struct group *g)
{
    if (!str_is_null(g->protocol_type)) {
        CLEANUP(group_batch) struct group_batch *b = NULL;
        TRY(group_batch_new(g->coordinator, g->id, &b));
        group_batch_no_group(b);
        TRY(group_batch_commit(b));
    }
    while (g->pending != NULL) group_remove_pending(g->pending);
    return consumer_group_new(g);
}

static status open_group(struct group_coordinator *c, const struct consumer_heartbeat *q,
                         struct group **ret_group, bool *ret_fresh)
{
    struct group *g = group_find(c, q->group_id);
    bool joining = q->epoch == CONSUMER_JOIN_EPOCH;
    *ret_fresh = false;
    if (g == NULL || g->consumer == NULL) {
        if (!joining) return FAIL(GROUP_ID_NOT_FOUND);
        *ret_fresh = g == NULL;
        if (g == NULL) TRY(group_get(c, q->group_id, &g));
        if (g->members == NULL) {
            TRY(take_empty(g));
        } else {
            if (q->regex.len > 0) TRY(consumer_check_regex(q->regex)); /* before it is converted */
            TRY(consumer_upgrade(g));
        }
    }
    *ret_group = g;
    size_t max = (size_t)c->options.group_max_size;
    if (q->epoch >= 0 && HASH_COUNT(g->consumer->members) >= max &&
        consumer_find(g, q->member_id) == NULL)
        return FAIL(GROUP_MAX_SIZE_REACHED);
    return OK;
}

/* What was only made for a request that failed. */
static void close_group(struct group *g, bool fresh)
{
    if (g == NULL || g->consumer == NULL || g->consumer->members != NULL || g->consumer->epoch > 0)
        return;
    consumer_group_free(g);
    if (fresh && g->offsets == NULL) group_free(g);
}

status consumer_heartbeat(struct group_coordinator *c, const struct consumer_heartbeat *q,
                          struct arena *arena, struct consumer_answer *ret)
{
    struct group *g = NULL;
    bool fresh = false;
    *ret = (struct consumer_answer){ .epoch = 0 };
    status s = open_group(c, q, &g, &fresh);
    if (is_ok(s))
        s = q->epoch < 0 ? leave(g, q, arena, ret) : stay(g, q, arena, ret);
    if (failed(s)) close_group(g, fresh);
    return s;
}
