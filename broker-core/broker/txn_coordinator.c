/* txn_coordinator.c - the life of the coordinator: options, its table of transactional ids, start by
 * replay, end. Loop thread. */
#include "base/log.h"
#include "broker/txn_coordinator.h"

#include "base/mem.h"
#include "broker/txn.h"
#include "cluster/delta.h"

void txn_options_init(struct txn_options *options)
{
    *options = (struct txn_options){
        .max_timeout_ms = 900000,
        .id_expiration_ms = 604800000,
        .retry_ms = 1000,
        .ids_max = 100000,
        .id_bytes_max = 64u << 20,
    };
}

status txn_coordinator_new(const struct txn_options *options, struct txn_coordinator **ret_coordinator)
{
    struct txn_coordinator *c = mem_zalloc(sizeof(*c));
    if (c == NULL) return FAIL(NO_MEMORY);
    c->options = *options;
    timer_init(&c->expiry, txn_expiry_fire);
    *ret_coordinator = c;
    return OK;
}

void txn_coordinator_free(struct txn_coordinator *c)
{
    if (c == NULL) return;
    while (c->txns != NULL) txn_free(c->txns);
    loop_timer_clear(c->options.loop, &c->expiry);
    mem_free(c);
}

/* --- the table -------------------------------------------------------------------------------- */
struct txn *txn_find(const struct txn_coordinator *c, struct str id)
{
    struct txn *t = NULL;
    HASH_FIND(hh, c->txns, id.data, id.len, t);
    return t;
}

static struct txn *txn_new(struct txn_coordinator *c, struct str id, int64_t producer_id)
{
    struct txn *t = mem_zalloc(sizeof(*t));
    char *copy = t ? mem_memdup(id.data, id.len) : NULL;
    if (copy == NULL) {
        mem_free(t);
        return NULL;
    }
    t->coordinator = c;
    t->id = (struct str){ copy, id.len };
    t->now = (struct txn_data){ .producer_id = producer_id, .previous_id = -1, .next_id = -1,
                                .epoch = TXN_EPOCH_NONE, .last_epoch = TXN_EPOCH_NONE,
                                .started_at = -1, .updated_at = loop_wall(c->options.loop) };
    timer_init(&t->timeout, txn_timeout_fire);
    timer_init(&t->retry, txn_retry_fire);
    return t;
}

status txn_add_id(struct txn_coordinator *c, struct str id, int64_t producer_id, struct txn **ret_txn)
{
    struct txn *t = txn_new(c, id, producer_id);
    if (t == NULL) return FAIL(NO_MEMORY);
    HASH_ADD_KEYPTR(hh, c->txns, t->id.data, t->id.len, t);
    if (!HASH_ADDED(hh, t)) {
        mem_free((char *)(uintptr_t)t->id.data);
        mem_free(t);
        return FAIL(NO_MEMORY);
    }
    c->id_bytes += id.len;
    *ret_txn = t;
    return OK;
}

status txn_get(struct txn_coordinator *c, struct str id, struct txn **ret_txn)
{
    struct txn *t = txn_find(c, id);
    if (t != NULL) {
        *ret_txn = t;
        return OK;
    }
    if (HASH_COUNT(c->txns) >= c->options.ids_max || c->id_bytes + id.len > c->options.id_bytes_max)
        return FAIL(LIMIT);
    int64_t producer_id = c->options.producer_id(c->options.arg);
    return producer_id < 0 ? FAIL(COORDINATOR_NOT_AVAILABLE) : txn_add_id(c, id, producer_id, ret_txn);
}

static void refuse(struct txn_wait *w)
{
    struct txn_result result = { FAIL(COORDINATOR_NOT_AVAILABLE), -1, -1 };
    w->line = NULL;
    w->done(w, &result);
}

void txn_free(struct txn *t)
{
    struct txn_coordinator *c = t->coordinator;
    HASH_DEL(c->txns, t);
    c->id_bytes -= t->id.len;
    if (t->pending) plog_unwait(t->log, &t->durable);
    loop_timer_clear(c->options.loop, &t->timeout);
    loop_timer_clear(c->options.loop, &t->retry);
    txn_markers_forget(t);
    if (t->waiter != NULL) refuse(TAKE(t->waiter));
    while (t->line != NULL) {
        struct txn_wait *w = t->line;
        DL_DELETE(t->line, w);
        refuse(w);
    }
    txn_data_done(&t->now);
    txn_data_done(&t->next);
    mem_free((char *)(uintptr_t)t->id.data);
    mem_free(t);
}

/* --- start ------------------------------------------------------------------------------------ */
/* What was being ended when the last start ended goes on. */
static void resume(struct txn_coordinator *c)
{
    struct txn *t, *tmp;
    HASH_ITER(hh, c->txns, t, tmp) {
        txn_watch(t);
        if (t->now.state == TXN_PREPARE_COMMIT || t->now.state == TXN_PREPARE_ABORT)
            txn_markers_start(t);
    }
}

status txn_coordinator_load(struct txn_coordinator *c)
{
    const struct topic *topic = image_topic(c->options.image, STR(TRANSACTION_STATE_TOPIC));
    if (c->loaded || c->loading || c->damaged || topic == NULL) return OK;
    for (int32_t p = 0; p < topic->partitions; p++) {
        struct plog *log = store_find(c->options.store, topic->id, p);
        if (log == NULL) continue;
        status s = txn_log_load(c, log);
        c->damaged = s.code == E_CORRUPT || s.code == E_KAFKA_STORAGE_ERROR;
        if (c->damaged) log_error("__transaction_state-%d is damaged: no transaction is served", (int)p);
        if (c->damaged) return OK;
        TRY(s);
    }
    c->loaded = true;
    resume(c);
    return OK;
}

void txn_coordinator_loading(struct txn_coordinator *c) { c->loading = true; }

void txn_coordinator_loaded(struct txn_coordinator *c, bool read)
{
    c->loading = false;
    c->loaded = read;
    if (read) resume(c);
}

void txn_coordinator_unreadable(struct txn_coordinator *c)
{
    c->loading = false;
    c->damaged = true;
}

status txn_coordinator_ready(struct txn_coordinator *c)
{
    if (c == NULL) return FAIL(COORDINATOR_NOT_AVAILABLE);
    if (c->loading) return FAIL(COORDINATOR_LOAD_IN_PROGRESS);
    if (!c->loaded) TRY(txn_coordinator_load(c));
    return c->loaded ? OK : FAIL(COORDINATOR_NOT_AVAILABLE);
}
