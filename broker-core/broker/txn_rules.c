/* txn_rules.c - what may follow what: Kafka's TransactionCoordinator and TransactionMetadata as functions
 * of the state, without effects. Loop thread.
 *
 * Epochs (KIP-360, KIP-890): each InitProducerId raises the epoch, and so does each end of a transaction
 * of TV2, so that nothing sent before can be taken for something sent after. When epochs are used up the
 * id gets another producer id. A client may repeat a request whose answer it did not get: it is known by
 * the epoch before the last bump. */
#include "broker/txn.h"

static const char *const names[TXN_STATE_COUNT] = {
    "Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead",
    "PrepareEpochFence",
};

const char *txn_state_name(enum txn_state state) { return names[state]; }

bool txn_state_parse(struct str name, enum txn_state *ret)
{
    for (int i = 0; i < TXN_STATE_COUNT; i++) {
        if (!str_eq_c(name, names[i])) continue;
        *ret = (enum txn_state)i;
        return true;
    }
    return false;
}

void txn_data_done(struct txn_data *data) { txn_partitions_done(&data->partitions); }

static bool is_preparing(const struct txn *t)
{
    return t->now.state == TXN_PREPARE_COMMIT || t->now.state == TXN_PREPARE_ABORT;
}

/* A record is on its way to disk, or markers are: the next state is known already. */
static bool is_busy(const struct txn *t) { return t->pending || is_preparing(t); }

static bool is_exhausted(int16_t epoch) { return epoch >= TXN_EPOCH_LAST; }

/* The state as it is, but for the partitions, which are left out. */
static struct txn_data as_it_is(const struct txn *t, enum txn_state state, int64_t now)
{
    struct txn_data next = t->now;
    next.partitions = (struct txn_partitions){ 0 };
    next.previous_id = t->now.producer_id;
    next.state = state;
    next.updated_at = now;
    return next;
}

static status new_producer_id(struct txn *t, int64_t *ret)
{
    const struct txn_options *o = &t->coordinator->options;
    int64_t id = o->producer_id(o->arg);
    if (id < 0) return FAIL(COORDINATOR_NOT_AVAILABLE);
    *ret = id;
    return OK;
}

/* --- InitProducerId --------------------------------------------------------------------------- */
/* Who says which producer it was may be: the one of a fresh id, the present one, or the one before it
 * whose epochs were used up (a retry). */
static bool may_claim(const struct txn *t, int64_t producer_id, int16_t epoch)
{
    return t->now.epoch == TXN_EPOCH_NONE || producer_id == t->now.producer_id ||
           (producer_id == t->now.previous_id && is_exhausted(epoch));
}

static status bump(const struct txn *t, bool claims, int16_t epoch, struct txn_data *next)
{
    if (claims && t->now.epoch != TXN_EPOCH_NONE && epoch != t->now.epoch)
        return epoch == t->now.last_epoch ? OK /* a retry: the answer was lost */ : FAIL(PRODUCER_FENCED);
    next->last_epoch = claims ? t->now.epoch : TXN_EPOCH_NONE;
    next->epoch = (int16_t)(t->now.epoch + 1);
    return OK;
}

status txn_rule_init(struct txn *t, int64_t producer_id, int16_t epoch, int32_t timeout_ms,
                     int64_t now, struct txn_data *ret_next)
{
    bool claims = producer_id != -1;
    if (is_busy(t)) return FAIL(CONCURRENT_TRANSACTIONS);
    if (claims && !may_claim(t, producer_id, epoch)) return FAIL(PRODUCER_FENCED);
    if (t->now.state == TXN_ONGOING) return txn_rule_fence(t, now, ret_next);
    struct txn_data next = as_it_is(t, TXN_EMPTY, now);
    next.timeout_ms = timeout_ms;
    next.started_at = -1;
    if (is_exhausted(t->now.epoch) && (!claims || epoch == t->now.epoch)) {
        TRY(new_producer_id(t, &next.producer_id));
        next.last_epoch = claims ? t->now.epoch : TXN_EPOCH_NONE;
        next.epoch = 0;
    } else if (is_exhausted(t->now.epoch) && epoch != t->now.last_epoch) {
        return FAIL(PRODUCER_FENCED);
    } else {
        TRY(bump(t, claims, epoch, &next));
    }
    *ret_next = next;
    return OK;
}

/* Under an epoch its client never gets, so that whoever is still writing is refused. */
status txn_rule_fence(const struct txn *t, int64_t now, struct txn_data *ret_next)
{
    struct txn_data next = as_it_is(t, TXN_PREPARE_ABORT, now);
    next.epoch = (int16_t)(t->now.epoch + 1);
    next.last_epoch = t->now.epoch;
    next.client_version = TXN_TV2;
    next.next_id = -1;
    status s = txn_partitions_add_all(&next.partitions, &t->now.partitions);
    if (failed(s)) txn_data_done(&next);
    else *ret_next = next;
    return s;
}

/* --- AddPartitionsToTxn ----------------------------------------------------------------------- */
static status check_producer(const struct txn *t, const struct txn_key *key)
{
    if (key->producer_id != t->now.producer_id) return FAIL(INVALID_PRODUCER_ID_MAPPING);
    if (key->epoch != t->now.epoch) return FAIL(PRODUCER_FENCED);
    return OK;
}

status txn_rule_add(const struct txn *t, const struct txn_key *key, const struct txn_partitions *add,
                    bool tv2, int64_t now, bool *ret_write, struct txn_data *ret_next)
{
    *ret_write = false;
    if (is_busy(t)) return FAIL(CONCURRENT_TRANSACTIONS);
    TRY(check_producer(t, key));
    bool ongoing = t->now.state == TXN_ONGOING;
    if (ongoing && txn_partitions_has_all(&t->now.partitions, add)) return OK;
    struct txn_data next = as_it_is(t, TXN_ONGOING, now);
    if (!ongoing) next.started_at = now;
    next.client_version = tv2 ? TXN_TV2 : TXN_TV0;
    status s = ongoing ? txn_partitions_add_all(&next.partitions, &t->now.partitions) : OK;
    if (is_ok(s)) s = txn_partitions_add_all(&next.partitions, add);
    if (failed(s)) {
        txn_data_done(&next);
        return s;
    }
    *ret_write = true;
    *ret_next = next;
    return OK;
}

status txn_rule_verify(const struct txn *t, const struct txn_key *key, struct str topic,
                       int32_t partition)
{
    TRY(check_producer(t, key));
    if (is_preparing(t)) return FAIL(CONCURRENT_TRANSACTIONS);
    bool added = t->now.state == TXN_ONGOING &&
                 txn_partitions_has(&t->now.partitions, topic, partition);
    return added ? OK : FAIL(TRANSACTION_ABORTABLE);
}

/* --- EndTxn ----------------------------------------------------------------------------------- */
static status prepare(struct txn *t, bool commit, bool tv2, int64_t now, struct txn_data *ret_next)
{
    struct txn_data next = as_it_is(t, commit ? TXN_PREPARE_COMMIT : TXN_PREPARE_ABORT, now);
    next.next_id = -1;
    if (tv2) {
        if (is_exhausted(t->now.epoch)) TRY(new_producer_id(t, &next.next_id));
        next.epoch = (int16_t)(t->now.epoch + 1);
        next.last_epoch = t->now.epoch;
    }
    next.client_version = tv2 ? TXN_TV2 : TXN_TV0;
    if (t->now.state != TXN_ONGOING) next.started_at = now; /* an abort of nothing */
    status s = txn_partitions_add_all(&next.partitions, &t->now.partitions);
    if (failed(s)) txn_data_done(&next);
    else *ret_next = next;
    return s;
}

static status end_tv1(struct txn *t, const struct txn_key *key, bool commit, bool *ret_prepare)
{
    TRY(check_producer(t, key));
    if (is_busy(t)) return FAIL(CONCURRENT_TRANSACTIONS);
    switch (t->now.state) {
    case TXN_ONGOING: *ret_prepare = true; return OK;
    case TXN_COMPLETE_COMMIT: return commit ? OK : FAIL(INVALID_TXN_STATE);
    case TXN_COMPLETE_ABORT: return commit ? FAIL(INVALID_TXN_STATE) : OK;
    default: return FAIL(INVALID_TXN_STATE);
    }
}

/* KIP-890: the same epoch means the next transaction, the one before it a retry. */
static status end_tv2(struct txn *t, const struct txn_key *key, bool commit, bool *ret_prepare)
{
    bool retry_over = t->now.previous_id == key->producer_id && key->epoch == TXN_EPOCH_LAST &&
                      t->now.epoch == 0;
    bool retry_bump = t->now.epoch == key->epoch + 1;
    bool current = t->now.epoch == key->epoch;
    bool complete = t->now.state == TXN_COMPLETE_COMMIT || t->now.state == TXN_COMPLETE_ABORT;
    if (is_busy(t)) return FAIL(CONCURRENT_TRANSACTIONS);
    if (t->now.producer_id != key->producer_id && !retry_over) return FAIL(INVALID_PRODUCER_ID_MAPPING);
    if (!current && !(complete && (retry_bump || retry_over))) return FAIL(PRODUCER_FENCED);
    bool retry = retry_bump || retry_over;
    switch (t->now.state) {
    case TXN_ONGOING: *ret_prepare = true; return OK;
    case TXN_COMPLETE_COMMIT:
        if (retry) return commit ? OK : FAIL(INVALID_TXN_STATE);
        break;
    case TXN_COMPLETE_ABORT:
        if (retry) return commit ? FAIL(INVALID_TXN_STATE) : OK;
        break;
    default: break;
    }
    if (commit) return FAIL(INVALID_TXN_STATE);
    *ret_prepare = true;
    return OK;
}

status txn_rule_end(struct txn *t, const struct txn_key *key, bool commit, bool tv2, int64_t now,
                    bool *ret_write, struct txn_data *ret_next)
{
    *ret_write = false;
    TRY(tv2 ? end_tv2(t, key, commit, ret_write) : end_tv1(t, key, commit, ret_write));
    if (!*ret_write) return OK;
    status s = prepare(t, commit, tv2, now, ret_next);
    if (failed(s)) *ret_write = false;
    return s;
}

void txn_rule_complete(const struct txn *t, int64_t now, struct txn_data *ret_next)
{
    bool commit = t->now.state == TXN_PREPARE_COMMIT;
    struct txn_data next = as_it_is(t, commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT, now);
    if (t->now.client_version >= TXN_TV2 && t->now.next_id != -1) {
        next.producer_id = t->now.next_id;
        next.epoch = 0;
    }
    next.next_id = -1;
    *ret_next = next;
}
