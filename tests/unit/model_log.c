/* model_log.c - the log of a partition, the naive way. Slow on purpose: every answer is a walk. */
#include "unit/model_log.h"

#include "base/mem.h"

static void batch_done(struct ml_batch *b)
{
    mem_free(b->times);
    buf_done(&b->bytes);
}

void ml_done(struct model_log *m)
{
    while (m->count) batch_done(&m->batches[--m->count]);
    mem_free(m->batches);
    *m = (struct model_log){ 0 };
}

void ml_add(struct model_log *m, const struct ml_batch *b)
{
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->batches = mem_must(mem_realloc(m->batches, m->cap * sizeof *m->batches));
    }
    m->batches[m->count++] = *b;
}

void ml_cut(struct model_log *m, int64_t end)
{
    while (m->count && m->batches[m->count - 1].base >= end) batch_done(&m->batches[--m->count]);
}

int64_t ml_end(const struct model_log *m)
{
    return m->count ? m->batches[m->count - 1].end : 0;
}

bool ml_is_border(const struct model_log *m, int64_t offset)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->batches[i].base == offset) return true;
    return offset == ml_end(m);
}

/* --- reading ---------------------------------------------------------------------------------- */

size_t ml_read(const struct model_log *m, int64_t offset, int64_t bound, size_t max_bytes,
               bool at_least_one, size_t *ret_first)
{
    size_t i = 0, taken = 0, bytes = 0;
    while (i < m->count && m->batches[i].end <= offset) i++;
    *ret_first = i;
    for (; i < m->count && m->batches[i].end <= bound; i++, taken++) {
        bytes += m->batches[i].bytes.len;
        if (bytes > max_bytes && !(at_least_one && taken == 0)) break;
    }
    return taken;
}

size_t ml_available(const struct model_log *m, int64_t offset, int64_t bound)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->batches[i].end > offset && m->batches[i].end <= bound) bytes += m->batches[i].bytes.len;
    return bytes;
}

/* --- times and epochs ------------------------------------------------------------------------- */

bool ml_time(const struct model_log *m, int64_t ts, int64_t *ret_offset, int64_t *ret_ts,
             int32_t *ret_epoch)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct ml_batch *b = &m->batches[i];
        for (int64_t o = b->base; o < b->end; o++) {
            if (o < m->start || o >= m->high_watermark || b->times[o - b->base] < ts) continue;
            *ret_offset = o;
            *ret_ts = b->times[o - b->base];
            *ret_epoch = b->epoch;
            return true;
        }
    }
    return false;
}

bool ml_max_time(const struct model_log *m, int64_t *ret_offset, int64_t *ret_ts, int32_t *ret_epoch)
{
    int64_t max = -1;
    for (size_t i = 0; i < m->count; i++) {
        const struct ml_batch *b = &m->batches[i];
        for (int64_t o = b->base; o < b->end; o++)
            if (o >= m->start && o < m->high_watermark && b->times[o - b->base] > max)
                max = b->times[o - b->base];
    }
    return max >= 0 && ml_time(m, max, ret_offset, ret_ts, ret_epoch);
}

int32_t ml_epoch_at(const struct model_log *m, int64_t offset)
{
    int32_t epoch = -1;
    for (size_t i = 0; i < m->count && m->batches[i].base <= offset; i++) epoch = m->batches[i].epoch;
    return epoch;
}

void ml_epoch_end(const struct model_log *m, int32_t epoch, int32_t current, int32_t *ret_epoch,
                  int64_t *ret_end)
{
    *ret_epoch = -1;
    *ret_end = -1;
    if (epoch < 0 || epoch > current) return;
    *ret_epoch = epoch;
    *ret_end = ml_end(m);
    if (epoch == current) return;
    for (size_t i = 0; i < m->count; i++) {
        if (m->batches[i].epoch <= epoch) continue;
        *ret_end = m->batches[i].base > m->start ? m->batches[i].base : m->start;
        break;
    }
    int32_t largest = -1;
    for (size_t i = 0; i < m->count; i++)
        if (m->batches[i].epoch <= epoch) largest = m->batches[i].epoch;
    if (largest >= 0) *ret_epoch = largest;
}

/* --- producers and transactions --------------------------------------------------------------- */

int64_t ml_open(const struct model_log *m, int64_t producer)
{
    int64_t first = -1;
    for (size_t i = 0; i < m->count; i++) {
        const struct ml_batch *b = &m->batches[i];
        if (b->producer != producer || b->kind == ML_PLAIN) continue;
        if (b->kind != ML_IN_TXN) first = -1;
        else if (first < 0) first = b->base;
    }
    return first;
}

/* Calls each transaction's begin and marker; the open ones have marker -1. */
static size_t transactions(const struct model_log *m, struct aborted_txn *ret, enum ml_kind *ret_end,
                           size_t max)
{
    int64_t first[ML_PRODUCERS + 1];
    size_t n = 0;
    for (int p = 0; p <= ML_PRODUCERS; p++) first[p] = -1;
    for (size_t i = 0; i < m->count; i++) {
        const struct ml_batch *b = &m->batches[i];
        if (b->kind == ML_PLAIN) continue;
        int64_t *at = &first[b->producer];
        if (b->kind == ML_IN_TXN && *at < 0) *at = b->base;
        if (b->kind == ML_IN_TXN || *at < 0) continue;
        if (n < max) {
            ret[n] = (struct aborted_txn){ b->producer, *at, b->base };
            ret_end[n++] = b->kind;
        }
        *at = -1;
    }
    return n;
}

#define TRANSACTIONS_MAX 4096

int64_t ml_stable(const struct model_log *m)
{
    static struct aborted_txn all[TRANSACTIONS_MAX];
    static enum ml_kind ends[TRANSACTIONS_MAX];
    int64_t stable = m->high_watermark;
    size_t n = transactions(m, all, ends, TRANSACTIONS_MAX);
    for (size_t i = 0; i < n; i++)
        if (all[i].last_offset >= m->high_watermark && all[i].first_offset < stable)
            stable = all[i].first_offset;
    for (int64_t p = 1; p <= ML_PRODUCERS; p++) {
        int64_t first = ml_open(m, p);
        if (first >= 0 && first < stable) stable = first;
    }
    return stable > m->start ? stable : m->start;
}

size_t ml_aborted(const struct model_log *m, int64_t from, int64_t to, struct aborted_txn *ret, size_t max)
{
    static struct aborted_txn all[TRANSACTIONS_MAX];
    static enum ml_kind ends[TRANSACTIONS_MAX];
    size_t n = transactions(m, all, ends, TRANSACTIONS_MAX), found = 0;
    for (size_t i = 0; i < n; i++)
        if (ends[i] == ML_ABORT && all[i].last_offset >= from && all[i].first_offset < to && found < max)
            ret[found++] = all[i];
    return found;
}

int16_t ml_producer_epoch(const struct model_log *m, int64_t producer)
{
    int16_t epoch = -1;
    for (size_t i = 0; i < m->count; i++)
        if (m->batches[i].producer == producer) epoch = m->batches[i].producer_epoch;
    return epoch;
}

const struct ml_batch *ml_last(const struct model_log *m, int64_t producer, int n)
{
    int16_t epoch = ml_producer_epoch(m, producer);
    for (size_t i = m->count; i > 0; i--) {
        const struct ml_batch *b = &m->batches[i - 1];
        if (b->producer != producer) continue;
        if (b->producer_epoch != epoch) return NULL;
        if (b->kind < ML_COMMIT && n-- == 0) return b;
    }
    return NULL;
}
