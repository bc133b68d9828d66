/* group_join.c - joining a group, and the join phase of a rebalance. Loop thread.
 *
 * A rebalance begins with PREPARING: all members are to join again. It ends when all have, or after
 * the largest rebalance timeout; dynamic members that did not come are dropped, static ones
 * (KIP-345) kept. Out of EMPTY it waits group.initial.rebalance.delay.ms instead, prolonged by
 * newcomers. Then the generation rises and every member that joined is answered. */
#include "broker/consumer.h"

#include "base/mem.h"

#include <stdio.h>

static void answer(struct join_waiter *w, const struct join_result *result)
{
    w->member = NULL;
    w->done(w, result);
}

static void refuse(struct join_waiter *w, status error, struct str member_id)
{
    struct join_result r = { .error = error, .generation = -1, .member_id = member_id };
    answer(w, &r);
}

void group_answer_join(struct member *m, const struct join_result *result)
{
    struct join_waiter *w = TAKE(m->join);
    m->joining = false;
    if (w != NULL) answer(w, result);
}

bool group_join_abandon(struct join_waiter *w)
{
    if (w->member == NULL) return false;
    w->member->join = NULL; /* it stays a member that has joined; its session will tell */
    w->member = NULL;
    return true;
}

/* The member waits for the end of the join phase. A request it had waiting already (the client gave
 * it up and asked again) is sent back. */
static void park(struct member *m, struct join_waiter *w)
{
    struct join_result again = { .error = FAIL(REBALANCE_IN_PROGRESS), .generation = -1,
                                 .member_id = m->id };
    group_answer_join(m, &again);
    m->join = w;
    m->joining = true;
    w->member = m;
}

static void arm(struct group *g, int64_t delay_ms)
{
    struct loop *loop = g->coordinator->options.loop;
    mem_must(is_ok(loop_timer_set(loop, &g->rebalance, loop_now(loop) + delay_ms)) ? g : NULL);
}

/* --- the join phase --------------------------------------------------------------------------- */
void group_prepare_rebalance(struct group *g)
{
    if (g->state == GROUP_PREPARING || g->state == GROUP_DEAD) return;
    if (g->state == GROUP_COMPLETING) group_refuse_syncs(g, FAIL(REBALANCE_IN_PROGRESS));
    for (struct member *m = g->members; m != NULL; m = m->hh.next) m->sync_pending = false;
    g->initial = g->state == GROUP_EMPTY;
    g->newcomer = false;
    group_enter(g, GROUP_PREPARING);
    int32_t timeout = group_rebalance_timeout(g);
    if (g->initial) {
        int32_t delay = g->coordinator->options.image->limits.group_initial_delay_ms;
        if (delay < 0) delay = 0;
        g->delay_left_ms = timeout > delay ? timeout - delay : 0;
        arm(g, delay);
        return;
    }
    arm(g, timeout);
    group_maybe_complete_join(g);
}

static bool all_joined(const struct group *g)
{
    if (g->pending != NULL) return false;
    for (const struct member *m = g->members; m != NULL; m = m->hh.next)
        if (!m->joining) return false;
    return true;
}

static void complete_join(struct group *g);

void group_maybe_complete_join(struct group *g)
{
    if (g->state == GROUP_PREPARING && !g->initial && all_joined(g)) complete_join(g);
}

void group_members_left(struct group *g)
{
    if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING)
        group_prepare_rebalance(g);
    else
        group_maybe_complete_join(g);
}

void group_join_phase_over(struct group *g)
{
    int32_t delay = g->coordinator->options.image->limits.group_initial_delay_ms;
    if (g->initial && g->newcomer && g->delay_left_ms > 0 && delay > 0) {
        if (delay > g->delay_left_ms) delay = g->delay_left_ms;
        g->newcomer = false;
        g->delay_left_ms -= delay;
        arm(g, delay);
        return;
    }
    complete_join(g);
}

static void drop_absent(struct group *g)
{
    struct member *m, *tmp;
    HASH_ITER(hh, g->members, m, tmp) {
        if (!m->joining && str_is_null(m->instance_id))
            group_remove_member(m, FAIL(UNKNOWN_MEMBER_ID));
    }
}

/* A leader has to have joined, since it will be asked for the assignment. */
static bool elect_leader(struct group *g)
{
    if (g->leader == NULL || g->leader->joining) return true;
    for (struct member *m = g->members; m != NULL; m = m->hh.next)
        if (m->joining) {
            g->leader = m;
            return true;
        }
    return false;
}

static void answer_joined(struct group *g)
{
    struct member *m, *tmp;
    HASH_ITER(hh, g->members, m, tmp) {
        bool joined = m->joining;
        m->is_new = false;
        m->sync_pending = true;
        group_restart_session(m, m->session_timeout_ms);
        if (!joined) continue; /* static, kept, absent */
        struct join_result r = { .error = OK, .generation = g->generation,
                                 .protocol_type = g->protocol_type, .protocol = g->protocol,
                                 .leader = g->leader->id, .member_id = m->id,
                                 .members_of = m == g->leader ? g : NULL };
        group_answer_join(m, &r);
    }
}

static void complete_join(struct group *g)
{
    loop_timer_clear(g->coordinator->options.loop, &g->rebalance);
    g->initial = false;
    drop_absent(g);
    if (!elect_leader(g)) {
        /* Only absent static members are left: their sessions will end, or one comes back. */
        arm(g, group_rebalance_timeout(g));
        return;
    }
    g->generation = g->generation == INT32_MAX ? 1 : g->generation + 1;
    struct str protocol = group_vote(g);
    mem_must(group_set_text(&g->protocol, protocol) ? g : NULL);
    if (g->members == NULL) {
        group_enter(g, GROUP_EMPTY);
        (void)group_write(g, NULL, NULL); /* only tells a restart that it is empty */
        return;
    }
    group_enter(g, GROUP_COMPLETING);
    group_start_sync_phase(g);
    answer_joined(g);
}

/* --- a request -------------------------------------------------------------------------------- */
static size_t joining_count(const struct group *g)
{
    size_t n = 0;
    for (const struct member *m = g->members; m != NULL; m = m->hh.next) n += m->joining;
    return n;
}

static bool has_room(const struct group *g, struct str member_id)
{
    size_t max = (size_t)g->coordinator->options.group_max_size;
    const struct member *m = group_find_member(g, member_id);
    if (HASH_COUNT(g->pending) >= max && m == NULL && group_pending(g, member_id) == NULL)
        return false;
    if (g->state == GROUP_EMPTY) return true;
    if (g->state == GROUP_PREPARING) return (m && m->joining) || joining_count(g) < max;
    return m != NULL || HASH_COUNT(g->members) < max;
}

/* `<client or instance id>-<uuid>`, as Kafka's. */
static struct str make_id(const struct join_request *q, char *text, size_t size)
{
    struct str stem = str_is_null(q->instance_id) ? q->client_id : q->instance_id;
    if (stem.len > 400) stem.len = 400;
    uint8_t r[16];
    random_bytes(r, sizeof(r));
    r[6] = (uint8_t)((r[6] & 0x0f) | 0x40);
    r[8] = (uint8_t)((r[8] & 0x3f) | 0x80);
    int n = snprintf(text, size,
                     "%.*s-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                     STR_ARG(stem), r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9],
                     r[10], r[11], r[12], r[13], r[14], r[15]);
    return (struct str){ text, (size_t)n };
}

static void add_and_rebalance(struct group *g, const struct join_request *q, struct join_waiter *w,
                              struct str id)
{
    struct pending_member *pending = group_pending(g, id);
    struct member *m = group_add_member(g, q, id); /* copies the id */
    if (pending != NULL) group_remove_pending(pending);
    if (m == NULL) {
        refuse(w, FAIL(NO_MEMORY), q->member_id);
        return;
    }
    m->is_new = true;
    if (g->state == GROUP_PREPARING && g->initial) g->newcomer = true;
    park(m, w);
    /* It knows no member id yet and cannot send heartbeats: its wait has an end of its own. */
    group_restart_session(m, g->coordinator->options.new_member_ms);
    group_prepare_rebalance(g);
    group_maybe_complete_join(g);
}

static status update(struct member *m, const struct join_request *q)
{
    TRY(group_set_protocols(m, q->protocols, q->protocols_count));
    m->session_timeout_ms = q->session_timeout_ms;
    m->rebalance_timeout_ms = q->rebalance_timeout_ms;
    return OK;
}

static void rejoin_and_rebalance(struct member *m, const struct join_request *q,
                                 struct join_waiter *w)
{
    struct group *g = m->group;
    status s = update(m, q);
    if (failed(s)) {
        refuse(w, s, q->member_id);
        return;
    }
    park(m, w);
    group_prepare_rebalance(g);
    group_maybe_complete_join(g);
}

/* Nothing changed for this member: the current generation. */
static void answer_current(struct member *m, struct join_waiter *w, bool list_members)
{
    struct group *g = m->group;
    struct join_result r = { .error = OK, .generation = g->generation,
                             .protocol_type = g->protocol_type, .protocol = g->protocol,
                             .leader = g->leader->id, .member_id = m->id,
                             .members_of = list_members ? g : NULL };
    group_restart_session(m, m->session_timeout_ms);
    answer(w, &r);
}

/* --- a static member came back under a new id ------------------------------------------------- */
static void replaced_is_durable(struct group_wait *wait, status result)
{
    struct join_waiter *w = CONTAINER_OF(wait, struct join_waiter, wait);
    const struct join_request *q = w->request;
    struct group *g = wait->coordinator ? group_find(wait->coordinator, q->group_id) : NULL;
    struct member *m = g ? group_find_member(g, str_c(w->member_id)) : NULL;
    if (failed(result) || m == NULL) {
        refuse(w, failed(result) ? FAIL(COORDINATOR_NOT_AVAILABLE) : FAIL(UNKNOWN_MEMBER_ID),
               q->member_id);
        return;
    }
    /* Before v9 a leader must not take itself for it, as it would assign anew: it is told the old
     * leader id. Later ones get the members and skip_assignment (KIP-814). */
    bool leads = m == g->leader;
    struct join_result r = { .error = OK, .generation = g->generation,
                             .protocol_type = g->protocol_type, .protocol = g->protocol,
                             .leader = q->skip_assignment ? g->leader->id : str_c(w->old_leader),
                             .member_id = m->id, .skip_assignment = q->skip_assignment && leads,
                             .members_of = q->skip_assignment && leads ? g : NULL };
    answer(w, &r);
}

static void keep_assignment(struct member *m, const struct join_request *q, struct join_waiter *w,
                            struct str old_id)
{
    struct group *g = m->group;
    struct plog *log = NULL;
    int64_t end = 0;
    status s = group_write(g, &log, &end);
    if (failed(s)) {
        s = group_rename_member(m, old_id); /* as if it had not asked */
        refuse(w, FAIL(COORDINATOR_NOT_AVAILABLE), q->member_id);
        return;
    }
    w->wait.done = replaced_is_durable;
    group_wait_durable(g->coordinator, &w->wait, log, end);
}

static void replace_static(struct member *m, const struct join_request *q, struct join_waiter *w,
                           struct str new_id)
{
    struct group *g = m->group;
    char old_id[512];
    snprintf(old_id, sizeof(old_id), "%.*s", STR_ARG(m->id));
    snprintf(w->old_leader, sizeof(w->old_leader), "%.*s", STR_ARG(g->leader->id));
    snprintf(w->member_id, sizeof(w->member_id), "%.*s", STR_ARG(new_id));
    struct join_result fenced = { .error = FAIL(FENCED_INSTANCE_ID), .generation = -1,
                                  .member_id = m->id };
    group_answer_join(m, &fenced);
    group_answer_sync(m, FAIL(FENCED_INSTANCE_ID));
    status s = update(m, q);
    if (is_ok(s)) s = group_rename_member(m, new_id);
    if (failed(s)) {
        refuse(w, s, q->member_id);
        return;
    }
    group_restart_session(m, m->session_timeout_ms);
    struct str vote = group_vote(g);
    if (g->state == GROUP_STABLE && str_eq(vote, g->protocol)) {
        keep_assignment(m, q, w, str_c(old_id));
        return;
    }
    park(m, w);
    group_prepare_rebalance(g);
    group_maybe_complete_join(g);
}

/* --- which case is it? ------------------------------------------------------------------------ */
static void join_new(struct group *g, const struct join_request *q, struct join_waiter *w)
{
    char text[512];
    struct str id = make_id(q, text, sizeof(text));
    struct member *before = group_static_member(g, q->instance_id);
    if (before != NULL) {
        replace_static(before, q, w, id);
    } else if (q->ask_member_id && str_is_null(q->instance_id)) {
        status s = group_add_pending(g, id, q->session_timeout_ms);
        refuse(w, is_ok(s) ? FAIL(MEMBER_ID_REQUIRED) : s, is_ok(s) ? id : q->member_id);
    } else {
        add_and_rebalance(g, q, w, id);
    }
}

static void join_known(struct group *g, const struct join_request *q, struct join_waiter *w)
{
    if (group_pending(g, q->member_id) != NULL && str_is_null(q->instance_id)) {
        add_and_rebalance(g, q, w, q->member_id);
        return;
    }
    struct member *m = NULL;
    status s = group_check_member(g, q->member_id, q->instance_id, &m);
    if (failed(s)) {
        refuse(w, s, q->member_id);
        return;
    }
    bool same = group_same_protocols(m, q->protocols, q->protocols_count);
    if (g->state == GROUP_COMPLETING && same) /* its answer was lost */
        answer_current(m, w, m == g->leader);
    else if (g->state == GROUP_STABLE && same && m != g->leader)
        answer_current(m, w, false);
    else
        rejoin_and_rebalance(m, q, w);
}

/* An empty group of the consumer protocol makes way. */
static status end_consumer(struct group *g)
{
    CLEANUP(group_batch) struct group_batch *b = NULL;
    TRY(group_batch_new(g->coordinator, g->id, &b));
    consumer_batch_no_group(b, g);
    return group_batch_commit(b);
}

static status check_join(const struct group_coordinator *c, const struct group *g,
                         const struct join_request *q)
{
    if (q->group_id.len == 0) return FAIL(INVALID_GROUP_ID);
    if (q->session_timeout_ms < c->options.session_min_ms ||
        q->session_timeout_ms > c->options.session_max_ms)
        return FAIL(INVALID_SESSION_TIMEOUT);
    if ((g == NULL && q->member_id.len > 0) || q->member_id.len > 500) return FAIL(UNKNOWN_MEMBER_ID);
    return OK;
}

static status check_classic_join(const struct group *g, const struct join_request *q)
{
    if (g != NULL && !has_room(g, q->member_id)) return FAIL(GROUP_MAX_SIZE_REACHED);
    bool fits = g != NULL ? group_supports(g, q->protocol_type, q->protocols, q->protocols_count)
                          : q->protocol_type.len > 0 && q->protocols_count > 0;
    return fits ? OK : FAIL(INCONSISTENT_GROUP_PROTOCOL);
}

void group_join(struct group_coordinator *c, const struct join_request *q, struct join_waiter *w)
{
    struct group *g = group_find(c, q->group_id);
    bool unknown = q->member_id.len == 0;
    status s = OK;
    w->request = q;
    w->member = NULL;
    w->wait.coordinator = NULL;
    if (g != NULL && g->consumer != NULL && g->consumer->members == NULL) s = end_consumer(g);
    if (is_ok(s)) s = check_join(c, g, q);
    if (is_ok(s) && g != NULL && g->consumer != NULL) {
        consumer_classic_join(g, q, w);
        return;
    }
    if (is_ok(s)) s = check_classic_join(g, q);
    if (is_ok(s) && g == NULL) s = group_get(c, q->group_id, &g);
    if (failed(s))
        refuse(w, s, q->member_id);
    else if (unknown)
        join_new(g, q, w);
    else
        join_known(g, q, w);
}
