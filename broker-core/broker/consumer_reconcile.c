/* consumer_reconcile.c - how a member gets from what it has to what it is to have, one step with
 * every heartbeat: give back, then take what is free, then wait for the rest (see consumer.h). */
#include "broker/consumer.h"

static bool has(const struct consumer_member *m, struct tp tp)
{
    return tps_has(&m->assigned, tp) || tps_has(&m->revoking, tp);
}

/* Somebody else has it, or has not given it back yet. */
static bool is_held(const struct group *g, const struct consumer_member *self,
                    const struct consumer_member *replaced, struct tp tp)
{
    for (const struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next)
        if (m != self && m != replaced && has(m, tp)) return true;
    return false;
}

bool consumer_waits(const struct consumer_member *m)
{
    for (size_t i = 0; i < m->target.count; i++)
        if (!tps_has(&m->assigned, m->target.at[i]) && is_held(m->group, m, NULL, m->target.at[i]))
            return true;
    return false;
}

/* Not knowing what it owns is owning it. */
static bool still_owns(const struct tps *owned, const struct tps *revoked)
{
    return owned == NULL || tps_touch(owned, revoked);
}

static struct tps of_subscribed_topics(struct consumer_op *op, const struct tps *set)
{
    struct tps out = tps_room(&op->arena, set->count);
    bool wanted = false;
    for (size_t i = 0; out.at != NULL && i < set->count; i++) {
        if (i == 0 || !uuid_eq(set->at[i].topic, set->at[i - 1].topic)) {
            const struct topic *t =
                image_topic_by_id(op->group->coordinator->options.image, set->at[i].topic);
            wanted = t != NULL && consumer_op_subscribes(op, &op->now, t->name);
        }
        if (wanted) out.at[out.count++] = set->at[i];
    }
    return out;
}

static void revoke(struct consumer_member *m, struct tps kept, struct tps lost)
{
    m->state = CONSUMER_UNREVOKED;
    m->assigned = kept;
    m->revoking = lost;
}

/* On to the target, as far as it goes. */
static void advance(struct consumer_op *op, const struct tps *owned)
{
    struct consumer_member *m = &op->now;
    struct tps target = of_subscribed_topics(op, &m->target);
    struct tps kept = tps_and(&op->arena, &m->assigned, &target);
    struct tps lost = tps_minus(&op->arena, &m->assigned, &kept);
    m->previous_epoch = m->epoch;
    if (lost.count > 0 && still_owns(owned, &lost)) {
        revoke(m, kept, lost);
        return;
    }
    struct tps wanted = tps_minus(&op->arena, &target, &kept);
    struct tps free = tps_room(&op->arena, wanted.count);
    for (size_t i = 0; free.at != NULL && i < wanted.count; i++)
        if (!is_held(op->group, op->before, op->replaced, wanted.at[i]))
            free.at[free.count++] = wanted.at[i];
    m->assigned = tps_or(&op->arena, &kept, &free);
    m->revoking = TPS_NONE;
    m->epoch = op->assignment_epoch;
    m->state = free.count < wanted.count ? CONSUMER_UNRELEASED : CONSUMER_STABLE;
}

/* The subscription has changed, but it may not go on yet: what it does not subscribe to any more it
 * gives back all the same. */
static void shrink(struct consumer_op *op, const struct tps *owned)
{
    struct consumer_member *m = &op->now;
    struct tps kept = of_subscribed_topics(op, &m->assigned);
    if (kept.count == m->assigned.count) return;
    struct tps lost = tps_minus(&op->arena, &m->assigned, &kept);
    lost = tps_or(&op->arena, &lost, &m->revoking);
    if (still_owns(owned, &lost))
        revoke(m, kept, lost);
    else
        m->assigned = kept;
}

static bool is_same(const struct consumer_member *a, const struct consumer_member *b)
{
    return a->epoch == b->epoch && a->previous_epoch == b->previous_epoch && a->state == b->state &&
           tps_eq(&a->assigned, &b->assigned) && tps_eq(&a->revoking, &b->revoking);
}

void consumer_reconcile(struct consumer_op *op, const struct tps *owned)
{
    struct consumer_member *m = &op->now, was = *m;
    if (!op->subscription_changed && consumer_reconciled(m, op->assignment_epoch)) return;
    bool go_on = m->state == CONSUMER_UNRELEASED ||
                 (m->state == CONSUMER_STABLE && m->epoch != op->assignment_epoch) ||
                 (m->state == CONSUMER_UNREVOKED && !still_owns(owned, &m->revoking));
    if (go_on)
        advance(op, owned);
    else if (op->subscription_changed)
        shrink(op, owned);
    if (!is_same(m, &was)) consumer_batch_current(op->batch, m);
}
