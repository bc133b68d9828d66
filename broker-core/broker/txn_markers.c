/* txn_markers.c - from Prepare… to Complete…: a marker in every partition of a transaction. Loop thread.
 *
 * The state is durable before the first marker is written, and every marker before the transaction is
 * complete; a marker may be written twice (a restart in between), which readers do not notice. A
 * partition that is gone needs none. */
#include "broker/txn.h"

#include "base/log.h"

static void complete(struct txn *t);

static void retry_later(struct txn *t)
{
    struct loop *loop = t->coordinator->options.loop;
    if (t->retry.slot != 0) return;
    mem_must(is_ok(loop_timer_set(loop, &t->retry, loop_now(loop) + t->coordinator->options.retry_ms))
                 ? t
                 : NULL);
}

static void marker_over(struct txn_marker_wait *m)
{
    struct txn *t = m->txn;
    m->over = true;
    if (--t->markers_open == 0) complete(t);
}

static void marker_durable(struct plog_wait *wait, status result)
{
    struct txn_marker_wait *m = CONTAINER_OF(wait, struct txn_marker_wait, wait);
    (void)result; /* an error: its topic was deleted meanwhile */
    m->log = NULL;
    marker_over(m);
}

/* True when nothing has to be waited for. */
static bool marker_write(struct txn_marker_wait *m)
{
    struct txn *t = m->txn;
    const struct txn_options *o = &t->coordinator->options;
    struct txn_marker marker = {
        .topic = m->topic, .partition = m->partition, .producer_id = t->now.producer_id,
        .producer_epoch = t->now.epoch, .commit = t->now.state == TXN_PREPARE_COMMIT,
        .tv2 = t->now.client_version >= TXN_TV2,
    };
    struct plog *log = NULL;
    int64_t end = 0;
    status s = o->marker(o->arg, &marker, &log, &end);
    if (s.code == E_INVALID_PRODUCER_EPOCH || s.code == E_TRANSACTION_COORDINATOR_FENCED) {
        log_warn("transactional id %.*s: partition %.*s-%d takes no marker (%s)", STR_ARG(t->id),
                 STR_ARG(m->topic), m->partition, status_text(s));
        return true;
    }
    if (failed(s)) {
        retry_later(t);
        return false;
    }
    if (log == NULL) return true;
    m->log = log;
    m->wait.done = marker_durable;
    plog_wait(log, &m->wait, end);
    return false;
}

/* All that are neither written nor waited for. */
static void write_all(struct txn *t)
{
    t->markers_open++; /* none completes the transaction while this goes round */
    for (int64_t i = 0; i < t->marker_count; i++) {
        struct txn_marker_wait *m = &t->markers[i];
        if (m->over || m->log != NULL) continue;
        if (marker_write(m)) marker_over(m);
    }
    if (--t->markers_open == 0) complete(t);
}

void txn_markers_start(struct txn *t)
{
    const struct txn_partitions *set = &t->now.partitions;
    t->markers = mem_zalloc((size_t)(set->total + 1) * sizeof(*t->markers));
    if (t->markers == NULL) {
        retry_later(t);
        return;
    }
    t->marker_count = 0;
    for (int32_t i = 0; i < set->count; i++)
        for (int32_t k = 0; k < set->topics[i].count; k++)
            t->markers[t->marker_count++] = (struct txn_marker_wait){
                .txn = t, .topic = set->topics[i].name, .partition = set->topics[i].partitions[k],
            };
    t->markers_open = t->marker_count;
    write_all(t);
}

void txn_markers_forget(struct txn *t)
{
    for (int64_t i = 0; i < t->marker_count; i++)
        if (t->markers[i].log != NULL) plog_unwait(t->markers[i].log, &t->markers[i].wait);
    mem_free(TAKE(t->markers));
    t->marker_count = t->markers_open = 0;
}

static void complete(struct txn *t)
{
    struct txn_data next;
    txn_rule_complete(t, loop_wall(t->coordinator->options.loop), &next);
    if (failed(txn_write(t, &next, NULL))) retry_later(t);
}

void txn_retry_fire(struct timer *timer)
{
    struct txn *t = CONTAINER_OF(timer, struct txn, retry);
    if (t->pending) return;
    if (t->markers == NULL) txn_markers_start(t);
    else if (t->markers_open == 0) complete(t);
    else write_all(t);
}
