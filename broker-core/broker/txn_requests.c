/* txn_requests.c - what producers ask of the coordinator, and how a change of state becomes durable and
 * then holds. Loop thread. */
#include "broker/txn.h"

static void answer(struct txn_wait *w, status error, int64_t producer_id, int16_t epoch)
{
    struct txn_result result = { error, producer_id, epoch };
    w->done(w, &result);
}

static void refuse(struct txn_wait *w, status error) { answer(w, error, -1, TXN_EPOCH_NONE); }

/* --- a change becomes durable ----------------------------------------------------------------- */
/* What an end of TV2 tells is what will hold once its markers are written. */
static void answer_waiter(struct txn *t)
{
    struct txn_wait *w = TAKE(t->waiter);
    if (w == NULL) return;
    if (w->answer == TXN_ANSWER_CONCURRENT) refuse(w, FAIL(CONCURRENT_TRANSACTIONS));
    else if (w->answer == TXN_ANSWER_PLAIN) answer(w, OK, -1, TXN_EPOCH_NONE);
    else if (t->now.next_id != -1) answer(w, OK, t->now.next_id, 0);
    else answer(w, OK, t->now.producer_id, t->now.epoch);
}

static void line_moves(struct txn *t);

static void durable(struct plog_wait *wait, status result)
{
    struct txn *t = CONTAINER_OF(wait, struct txn, durable);
    (void)result; /* the topic cannot be deleted, and no wait outlives the store */
    t->pending = false;
    if (t->next.state == TXN_DEAD) {
        txn_free(t);
        return;
    }
    txn_data_done(&t->now);
    t->now = t->next;
    t->next = (struct txn_data){ 0 };
    txn_watch(t);
    answer_waiter(t);
    if (t->now.state == TXN_PREPARE_COMMIT || t->now.state == TXN_PREPARE_ABORT) txn_markers_start(t);
    line_moves(t);
}

status txn_write(struct txn *t, struct txn_data *take_next, struct txn_wait *wait)
{
    int64_t end;
    status s = txn_log_append(t->coordinator, t->id, take_next, &t->log, &end);
    if (failed(s)) {
        txn_data_done(take_next);
        return s;
    }
    t->next = *take_next;
    t->pending = true;
    t->waiter = wait;
    t->durable.done = durable;
    plog_wait(t->log, &t->durable, end);
    return OK;
}

static void write_for(struct txn *t, struct txn_data *take_next, struct txn_wait *wait)
{
    status s = txn_write(t, take_next, wait);
    if (failed(s)) refuse(wait, s);
}

/* --- InitProducerId --------------------------------------------------------------------------- */
void txn_init(struct txn_coordinator *c, struct str id, int32_t timeout_ms, int64_t producer_id,
              int16_t epoch, struct txn_wait *wait)
{
    struct txn *t;
    struct txn_data next;
    status s = timeout_ms > 0 && timeout_ms <= c->options.max_timeout_ms
                   ? txn_get(c, id, &t)
                   : FAIL(INVALID_TRANSACTION_TIMEOUT);
    if (failed(s)) {
        refuse(wait, s);
        return;
    }
    bool fresh = t->now.epoch == TXN_EPOCH_NONE && !t->pending;
    s = txn_rule_init(t, producer_id, epoch, timeout_ms, loop_wall(c->options.loop), &next);
    /* An open transaction is aborted first; the client asks again and is then given an epoch. */
    wait->answer = is_ok(s) && next.state == TXN_EMPTY ? TXN_ANSWER_IDS : TXN_ANSWER_CONCURRENT;
    if (is_ok(s)) s = txn_write(t, &next, wait);
    if (is_ok(s)) return;
    if (fresh) txn_free(t);
    refuse(wait, s);
}

/* --- adding partitions ------------------------------------------------------------------------ */
void txn_add(struct txn_coordinator *c, const struct txn_key *key,
             const struct txn_partitions *partitions, bool tv2, struct txn_wait *wait)
{
    struct txn *t = txn_find(c, key->id);
    struct txn_data next;
    bool write = false;
    status s = t ? txn_rule_add(t, key, partitions, tv2, loop_wall(c->options.loop), &write, &next)
                 : FAIL(INVALID_PRODUCER_ID_MAPPING);
    wait->answer = TXN_ANSWER_PLAIN;
    if (write) write_for(t, &next, wait);
    else answer(wait, s, -1, TXN_EPOCH_NONE);
}

/* Partitions of those behind it in the line with the same producer come along: one record for all. */
static status add_line(struct txn *t, const struct txn_key *key, struct txn_data *next)
{
    for (const struct txn_wait *w = t->line; w != NULL; w = w->next)
        if (w->key.producer_id == key->producer_id && w->key.epoch == key->epoch)
            TRY(txn_partitions_add_all(&next->partitions, w->partitions));
    return OK;
}

/* The first in the line: true when it is over with it. */
static bool line_first(struct txn *t, status *ret)
{
    struct txn_data next;
    bool write = false;
    const struct txn_wait *w = t->line;
    *ret = txn_rule_add(t, &w->key, w->partitions, true, loop_wall(t->coordinator->options.loop), &write,
                        &next);
    if (ret->code == E_CONCURRENT_TRANSACTIONS) return false;
    if (!write) return true;
    *ret = add_line(t, &w->key, &next);
    if (failed(*ret)) {
        txn_data_done(&next);
        return true;
    }
    *ret = txn_write(t, &next, NULL);
    return failed(*ret);
}

static void line_moves(struct txn *t)
{
    status s;
    while (t->line != NULL && line_first(t, &s)) {
        struct txn_wait *w = t->line;
        DL_DELETE(t->line, w);
        w->line = NULL;
        answer(w, s.code == E_PRODUCER_FENCED ? FAIL(INVALID_PRODUCER_EPOCH) : s, -1, TXN_EPOCH_NONE);
    }
}

void txn_join(struct txn_coordinator *c, const struct txn_key *key,
              const struct txn_partitions *partitions, struct txn_wait *wait)
{
    struct txn *t = txn_find(c, key->id);
    if (t == NULL) {
        refuse(wait, FAIL(INVALID_PRODUCER_ID_MAPPING));
        return;
    }
    wait->key = *key;
    wait->partitions = partitions;
    wait->line = t;
    bool first = t->line == NULL;
    DL_APPEND(t->line, wait);
    if (first) line_moves(t);
}

bool txn_line_is_empty(const struct txn_coordinator *c, struct str id)
{
    const struct txn *t = txn_find(c, id);
    return t == NULL || t->line == NULL;
}

bool txn_join_abandon(struct txn_wait *wait)
{
    struct txn *t = wait->line;
    if (t == NULL) return false;
    DL_DELETE(t->line, wait);
    wait->line = NULL;
    return true;
}

status txn_verify(const struct txn_coordinator *c, const struct txn_key *key, struct str topic,
                  int32_t partition, bool abortable)
{
    const struct txn *t = txn_find(c, key->id);
    status s = t ? txn_rule_verify(t, key, topic, partition) : FAIL(INVALID_PRODUCER_ID_MAPPING);
    if (s.code == E_PRODUCER_FENCED) return FAIL(INVALID_PRODUCER_EPOCH);
    if (s.code == E_TRANSACTION_ABORTABLE && !abortable) return FAIL(INVALID_TXN_STATE);
    return s;
}

/* --- EndTxn ----------------------------------------------------------------------------------- */
void txn_end(struct txn_coordinator *c, const struct txn_key *key, bool commit, bool tv2,
             struct txn_wait *wait)
{
    struct txn *t = txn_find(c, key->id);
    struct txn_data next;
    bool write = false;
    status s = t ? txn_rule_end(t, key, commit, tv2, loop_wall(c->options.loop), &write, &next)
                 : FAIL(INVALID_PRODUCER_ID_MAPPING);
    wait->answer = tv2 ? TXN_ANSWER_IDS : TXN_ANSWER_PLAIN;
    if (write) write_for(t, &next, wait);
    else if (is_ok(s) && tv2) answer(wait, OK, t->now.producer_id, t->now.epoch);
    else answer(wait, s, -1, TXN_EPOCH_NONE);
}

void txn_fence(struct txn *t)
{
    struct txn_data next;
    status s = txn_rule_fence(t, loop_wall(t->coordinator->options.loop), &next);
    if (is_ok(s)) s = txn_write(t, &next, NULL);
    if (failed(s)) /* again a little later */
        (void)loop_timer_set(t->coordinator->options.loop, &t->timeout,
                             loop_now(t->coordinator->options.loop) + t->coordinator->options.retry_ms);
}
