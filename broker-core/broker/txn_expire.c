/* txn_expire.c - transactions that take too long, and transactional ids nobody uses any more. Loop thread.
 *
 * An open transaction has a timer of its own, set to its transaction.timeout.ms; there is none while
 * nothing is open. One timer more looks for ids that were not used for transactional.id.expiration.ms;
 * it is set to when the first could be, and not more often than EXPIRY_EVERY_MS. */
#include "broker/txn.h"

#include "base/log.h"

enum { EXPIRY_EVERY_MS = 3600000 };

static bool is_idle(const struct txn *t)
{
    return t->now.state == TXN_EMPTY || t->now.state == TXN_COMPLETE_COMMIT ||
           t->now.state == TXN_COMPLETE_ABORT;
}

static int64_t expires_at(const struct txn *t)
{
    int64_t after = t->coordinator->options.id_expiration_ms;
    return t->now.updated_at > INT64_MAX - after ? INT64_MAX : t->now.updated_at + after;
}

static void expiry_by(struct txn_coordinator *c, int64_t wall_ms)
{
    struct loop *loop = c->options.loop;
    int64_t delay = wall_ms - loop_wall(loop);
    int64_t at = loop_now(loop) + (delay < 0 ? 0 : delay + 1); /* two clocks round differently: not early */
    if (c->expiry.slot != 0 && c->expiry.at <= at) return;
    mem_must(is_ok(loop_timer_set(loop, &c->expiry, at)) ? c : NULL);
}

void txn_watch(struct txn *t)
{
    struct loop *loop = t->coordinator->options.loop;
    if (t->now.state != TXN_PREPARE_COMMIT && t->now.state != TXN_PREPARE_ABORT) {
        txn_markers_forget(t);
        loop_timer_clear(loop, &t->retry);
    }
    if (t->now.state != TXN_ONGOING) {
        loop_timer_clear(loop, &t->timeout);
        /* The timer that runs is early enough: ids are only used later than it knows. */
        if (is_idle(t) && t->coordinator->expiry.slot == 0) expiry_by(t->coordinator, expires_at(t));
        return;
    }
    int64_t left = t->now.started_at + t->now.timeout_ms - loop_wall(loop);
    if (left > t->now.timeout_ms) left = t->now.timeout_ms; /* the wall clock was set back */
    mem_must(is_ok(loop_timer_set(loop, &t->timeout, loop_now(loop) + (left > 0 ? left + 1 : 0))) ? t
                                                                                                : NULL);
}

void txn_timeout_fire(struct timer *timer)
{
    struct txn *t = CONTAINER_OF(timer, struct txn, timeout);
    if (t->pending || t->now.state != TXN_ONGOING) return; /* txn_watch looks again */
    log_info("transactional id %.*s: its transaction took longer than %d ms and is aborted",
             STR_ARG(t->id), t->now.timeout_ms);
    txn_fence(t);
}

static void expire(struct txn *t)
{
    struct txn_data next = t->now;
    next.partitions = (struct txn_partitions){ 0 };
    next.state = TXN_DEAD;
    (void)txn_write(t, &next, NULL); /* should it fail: at the next look */
}

void txn_expiry_fire(struct timer *timer)
{
    struct txn_coordinator *c = CONTAINER_OF(timer, struct txn_coordinator, expiry);
    int64_t now = loop_wall(c->options.loop), next = INT64_MAX;
    struct txn *t, *tmp;
    HASH_ITER(hh, c->txns, t, tmp) {
        if (!is_idle(t) || t->pending) continue; /* looked at when it is idle again, or next time */
        int64_t at = expires_at(t);
        if (at <= now) expire(t);
        else if (at < next) next = at;
    }
    if (c->txns == NULL) return;
    int64_t soonest = now + EXPIRY_EVERY_MS;
    expiry_by(c, next > soonest && next != INT64_MAX ? next : soonest);
}
