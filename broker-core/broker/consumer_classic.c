/* consumer_classic.c - members that speak the classic protocol within a consumer-protocol group, as
 * while its consumers are moved from one protocol to the other one by one. Loop thread.
 *
 * JoinGroup is a heartbeat that says what is owned; its answer names nobody as leader, so the member
 * only syncs, and gets what it is assigned. Heartbeat answers REBALANCE_IN_PROGRESS when there is
 * something to join for; who does not come within its rebalance timeout is put out. */
#include "broker/consumer.h"

#include "base/mem.h"
#include "wire/codec.h"
#include "wire/messages.h"

enum { SYNC_ARENA = 64 << 20 };

/* --- joining ---------------------------------------------------------------------------------- */
static void refuse(struct join_waiter *w, status error, struct str member_id)
{
    struct join_result r = { .error = error, .generation = -1, .member_id = member_id };
    w->member = NULL;
    w->done(w, &r);
}

/* At least one of its protocols is one that all classic members have. */
static bool is_supported(const struct group *g, const struct join_request *q)
{
    size_t classic = consumer_classic_count(g);
    if (!str_eq(q->protocol_type, STR("consumer"))) return false;
    for (int32_t i = 0; i < q->protocols_count; i++) {
        size_t have = 0;
        for (const struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next)
            for (int32_t k = 0; m->classic && k < m->protocols_count; k++)
                have += str_cmp(m->protocols[k].name, q->protocols[i].name) == 0;
        if (have >= classic) return true;
    }
    return false;
}

static struct tps owned_by(struct consumer_op *op, const struct consumer_protocol_subscription *s)
{
    size_t n = 0;
    for (int32_t i = 0; i < s->owned_partitions_count; i++)
        n += (size_t)s->owned_partitions[i].partitions_count;
    struct tps out = tps_room(&op->arena, n);
    for (int32_t i = 0; out.at != NULL && i < s->owned_partitions_count; i++) {
        const struct topic *t = image_topic(op->group->coordinator->options.image,
                                            s->owned_partitions[i].topic);
        for (int32_t k = 0; t != NULL && k < s->owned_partitions[i].partitions_count; k++)
            out.at[out.count++] = (struct tp){ t->id, s->owned_partitions[i].partitions[k] };
    }
    tps_sort(&out);
    return out;
}

static void update(struct consumer_member *m, const struct join_request *q,
                   struct consumer_protocol_subscription *s)
{
    if (!str_is_null(q->instance_id)) m->instance_id = q->instance_id;
    if (s->rack_id.len > 0) m->rack_id = s->rack_id;
    m->rebalance_timeout_ms = q->rebalance_timeout_ms;
    m->names = s->topics;
    m->names_count = consumer_sort_names(s->topics, s->topics_count);
    m->regex = STR(""); /* classic members match for themselves */
    m->client_id = q->client_id;
    m->client_host = q->client_host;
    m->classic = true;
    m->session_timeout_ms = q->session_timeout_ms;
    m->protocols = (struct group_protocol *)q->protocols; /* borrowed: only read */
    m->protocols_count = q->protocols_count;
}

/* The one member of the consumer protocol is replaced by this: then all are classic. */
static bool is_last_one(const struct group *g, struct str instance_id)
{
    const struct consumer_member *old = consumer_static(g, instance_id);
    return old != NULL && !old->classic &&
           consumer_classic_count(g) + 1 == HASH_COUNT(g->consumer->members) &&
           HASH_COUNT(g->consumer->members) <= (size_t)g->coordinator->options.group_max_size;
}

static status build(struct consumer_op *op, const struct join_request *q, struct str id,
                    bool *ret_downgrade)
{
    struct consumer_protocol_subscription subscription;
    bool joining = str_is_null(q->instance_id) || q->member_id.len == 0, ignored = false;
    if (failed(consumer_decode_subscription(&op->arena, q->protocols[0].metadata, &subscription)))
        return FAIL(INCONSISTENT_GROUP_PROTOCOL);
    TRY(consumer_op_member(op, id, q->instance_id, joining, true));
    *ret_downgrade = is_last_one(op->group, q->instance_id);
    struct consumer_member base = op->now;
    update(&op->now, q, &subscription);
    consumer_batch_member(op->batch, &op->now);
    bool changed = !consumer_same_names(&base, &op->now) || base.regex.len > 0;
    if (base.regex.len > 0) TRY(consumer_op_regexes(op, NULL, &ignored));
    op->subscription_changed = changed;
    struct tps owned = owned_by(op, &subscription);
    TRY(arena_check(&op->arena));
    if (*ret_downgrade) {
        if (!changed) consumer_reconcile(op, &owned);
        return OK;
    }
    bool image_changed =
        op->consumer->checked_version != op->group->coordinator->options.image->version;
    if (changed || op->epoch == 0 || image_changed)
        TRY(consumer_op_epoch(op, changed || op->epoch == 0));
    TRY(consumer_op_target(op));
    consumer_reconcile(op, &owned);
    return OK;
}

static void joined(struct group_wait *wait, status result)
{
    struct join_waiter *w = CONTAINER_OF(wait, struct join_waiter, wait);
    const struct join_request *q = w->request;
    if (failed(result)) {
        refuse(w, FAIL(COORDINATOR_NOT_AVAILABLE), q->member_id);
        return;
    }
    struct join_result r = { .error = OK, .generation = w->generation,
                             .protocol_type = STR("consumer"), .protocol = q->protocols[0].name,
                             .leader = STR(""), .member_id = str_c(w->member_id) };
    w->member = NULL;
    w->done(w, &r);
}

static status commit(struct consumer_op *op, const struct join_request *q, struct join_waiter *w,
                     bool downgrade)
{
    struct group *g = op->group;
    w->generation = op->now.epoch;
    if (downgrade) {
        w->generation = op->subscription_changed ? op->now.epoch : op->consumer->epoch;
        return consumer_downgrade(op, !op->subscription_changed);
    }
    TRY(consumer_op_commit(op));
    struct consumer_member *m = consumer_find(g, str_c(w->member_id));
    if (m == NULL) return FAIL(UNKNOWN_MEMBER_ID);
    g->consumer->checked_version = g->coordinator->options.image->version;
    loop_timer_clear(g->coordinator->options.loop, &m->join);
    consumer_arm_session(m);
    consumer_arm_rebalance(m);
    consumer_arm(m, &m->sync, q->rebalance_timeout_ms);
    return OK;
}

static status check_join(const struct group *g, const struct join_request *q, struct str id)
{
    if (q->member_id.len > 500) return FAIL(UNKNOWN_MEMBER_ID);
    if (HASH_COUNT(g->consumer->members) >= (size_t)g->coordinator->options.group_max_size &&
        consumer_find(g, id) == NULL)
        return FAIL(GROUP_MAX_SIZE_REACHED);
    if (q->protocols_count > CONSUMER_PROTOCOLS_MAX) return FAIL(INCONSISTENT_GROUP_PROTOCOL);
    return is_supported(g, q) ? OK : FAIL(INCONSISTENT_GROUP_PROTOCOL);
}

void consumer_classic_join(struct group *g, const struct join_request *q, struct join_waiter *w)
{
    struct consumer_op op;
    bool downgrade = false;
    struct str id = q->member_id;
    char text[UUID_TEXT];
    if (id.len == 0) {
        uuid_format(uuid_new(), text);
        id = str_c(text);
    }
    status s = check_join(g, q, id);
    if (is_ok(s) && q->ask_member_id && q->member_id.len == 0 && str_is_null(q->instance_id)) {
        refuse(w, FAIL(MEMBER_ID_REQUIRED), id);
        return;
    }
    if (is_ok(s)) s = consumer_op_init(&op, g);
    if (failed(s)) {
        refuse(w, s, q->member_id);
        return;
    }
    (void)str_copy(w->member_id, sizeof(w->member_id), id);
    s = build(&op, q, id, &downgrade);
    if (is_ok(s)) s = commit(&op, q, w, downgrade);
    consumer_op_done(&op);
    w->wait.done = joined;
    if (failed(s))
        refuse(w, s, q->member_id);
    else if (!group_wait_written(g, &w->wait))
        joined(&w->wait, OK);
}

/* --- the other requests ----------------------------------------------------------------------- */
static status find(struct group *g, const struct member_key *key, struct consumer_member **ret_member)
{
    struct consumer_member *m = consumer_find(g, key->member_id);
    if (!str_is_null(key->instance_id)) {
        const struct consumer_member *fixed = consumer_static(g, key->instance_id);
        if (fixed == NULL) return FAIL(UNKNOWN_MEMBER_ID);
        if (fixed != m) return FAIL(FENCED_INSTANCE_ID);
    }
    if (m == NULL || !m->classic) return FAIL(UNKNOWN_MEMBER_ID);
    if (m->epoch != key->generation) return FAIL(ILLEGAL_GENERATION);
    *ret_member = m;
    return OK;
}

static void expect_join(struct consumer_member *m)
{
    if (m->join.slot == 0) consumer_arm(m, &m->join, m->rebalance_timeout_ms);
}

static status check_sync(struct group *g, const struct sync_request *q, struct consumer_member **ret)
{
    TRY(find(g, &q->key, ret));
    struct consumer_member *m = *ret;
    if ((!str_is_null(q->protocol_type) && !str_eq(q->protocol_type, STR("consumer"))) ||
        (!str_is_null(q->protocol) && str_cmp(q->protocol, m->protocols[0].name) != 0))
        return FAIL(INCONSISTENT_GROUP_PROTOCOL);
    if (g->consumer->epoch > m->epoch && m->state != CONSUMER_UNREVOKED) {
        expect_join(m);
        return FAIL(REBALANCE_IN_PROGRESS);
    }
    return OK;
}

void consumer_classic_sync(struct group *g, const struct sync_request *q, struct sync_waiter *w)
{
    struct consumer_member *m = NULL;
    struct sync_result r = { .assignment = bytes_of("", 0) };
    struct arena arena;
    arena_init(&arena, SYNC_ARENA);
    r.error = check_sync(g, q, &m);
    if (is_ok(r.error)) {
        r.protocol_type = q->protocol_type;
        r.protocol = q->protocol;
        r.assignment = consumer_encode_assignment(&arena, g->coordinator->options.image,
                                                  &m->assigned, m->protocols[0].metadata);
        r.error = arena_check(&arena);
        loop_timer_clear(g->coordinator->options.loop, &m->sync);
        consumer_arm_session(m);
    }
    w->member = NULL;
    w->done(w, &r);
    arena_done(&arena);
}

status consumer_classic_heartbeat(struct group *g, const struct member_key *key)
{
    struct consumer_member *m = NULL;
    TRY(find(g, key, &m));
    consumer_arm_session(m);
    if (m->epoch >= g->consumer->epoch && m->state != CONSUMER_UNREVOKED &&
        (m->state != CONSUMER_UNRELEASED || consumer_waits(m)))
        return OK;
    expect_join(m);
    return FAIL(REBALANCE_IN_PROGRESS);
}

static status find_leaving(struct group *g, const struct member_key *key,
                           const struct consumer_member **ret_member)
{
    const struct consumer_member *m = consumer_find(g, key->member_id);
    if (!str_is_null(key->instance_id)) {
        const struct consumer_member *fixed = consumer_static(g, key->instance_id);
        if (fixed == NULL) return FAIL(UNKNOWN_MEMBER_ID);
        if (key->member_id.len > 0 && fixed != m) return FAIL(FENCED_INSTANCE_ID);
        m = fixed;
    }
    if (m == NULL) return FAIL(UNKNOWN_MEMBER_ID);
    *ret_member = m;
    return OK;
}

static bool is_listed(const struct consumer_member **list, size_t n, const struct consumer_member *m)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == m) return true;
    return false;
}

status consumer_classic_leave(struct group *g, const struct member_key *members, int32_t count,
                              status *ret_errors)
{
    size_t n = 0;
    CLEANUP_MEM const struct consumer_member **leaving =
        mem_zalloc((size_t)(count + 1) * sizeof(struct consumer_member *));
    if (leaving == NULL) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < count; i++) {
        const struct consumer_member *m = NULL;
        ret_errors[i] = find_leaving(g, &members[i], &m);
        if (is_ok(ret_errors[i]) && !is_listed(leaving, n, m)) leaving[n++] = m;
    }
    return consumer_fence(g, leaving, n);
}
