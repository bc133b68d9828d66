/* test_model_producer_state.c - producer_state against a naive model: an array of producers and the
 * plain list of all transactions and epochs. Random batches, markers, retries, expirations and round
 * trips through a snapshot; after each the verdicts on batches to come are compared. */
#include "storage/producer_state.h"

#include "base/mem.h"
#include "unit/model.h"

#define IDS 12
#define TXNS 4000
#define EPOCHS 200
#define KEPT 5 /* batches of a producer */

struct known { /* a producer, the plain way */
    bool known;
    int16_t epoch;
    int32_t coordinator_epoch;
    int64_t seen, txn; /* first offset of its open transaction, or -1 */
    struct producer_batch batches[KEPT];
    int count;
};
struct span {
    int64_t id, first, last; /* last: marker, or -1 */
    bool aborted;
};
struct model {
    struct model_random random;
    struct producer_state ps;
    struct known known[IDS];
    struct span txns[TXNS];
    int txn_count;
    struct epoch_start epochs[EPOCHS];
    int epoch_count;
    int64_t end, now, high_watermark;
    int32_t epoch; /* leader's */
};

static int64_t below(struct model *m, int64_t n) { return model_below(&m->random, n); }

/* --- the naive side --------------------------------------------------------------------------- */

static enum err naive_verdict(const struct model *m, const struct batch_header *h,
                              enum append_origin origin, const struct producer_batch **ret_duplicate)
{
    const struct known *p = &m->known[h->producer_id];
    bool txn = h->attributes & BATCH_TRANSACTIONAL;
    int64_t last = ((int64_t)h->base_sequence + h->last_offset_delta) & INT32_MAX;
    *ret_duplicate = NULL;
    for (int i = 0; p->known && p->epoch == h->producer_epoch && i < p->count; i++)
        if (p->batches[i].first == h->base_sequence && p->batches[i].last == last)
            *ret_duplicate = &p->batches[i];
    if (*ret_duplicate) return E_OK;
    if (p->known && h->producer_epoch < p->epoch) return E_INVALID_PRODUCER_EPOCH;
    bool open = p->known && p->txn >= 0;
    if (origin == APPEND_CLIENT && txn && !(open && p->epoch == h->producer_epoch))
        return E_INVALID_TXN_STATE;
    int64_t expected = 0;
    if (!p->known) expected = origin == APPEND_VERIFIED_TV2 ? 0 : h->base_sequence;
    else if (p->epoch == h->producer_epoch && p->count)
        expected = ((int64_t)p->batches[p->count - 1].last + 1) & INT32_MAX;
    if (h->base_sequence != expected) return E_OUT_OF_ORDER_SEQUENCE_NUMBER;
    return !txn && open ? E_INVALID_TXN_STATE : E_OK;
}

static struct known *naive_fold(struct model *m, const struct batch_header *h)
{
    struct known *p = &m->known[h->producer_id];
    if (!p->known) *p = (struct known){ .known = true, .coordinator_epoch = -1, .txn = -1 };
    if (p->epoch != h->producer_epoch) p->count = 0;
    p->epoch = h->producer_epoch;
    p->seen = m->now;
    return p;
}

static void naive_data(struct model *m, const struct batch_header *h)
{
    struct known *p = naive_fold(m, h);
    if (h->attributes & BATCH_TRANSACTIONAL && p->txn < 0) {
        p->txn = h->base_offset;
        m->txns[m->txn_count++] = (struct span){ h->producer_id, h->base_offset, -1, false };
    }
    if (p->count == KEPT) {
        for (int i = 1; i < KEPT; i++) p->batches[i - 1] = p->batches[i];
        p->count--;
    }
    int32_t last = (int32_t)(((int64_t)h->base_sequence + h->last_offset_delta) & INT32_MAX);
    p->batches[p->count++] = (struct producer_batch){ h->base_sequence, last, batch_last_offset(h),
                                                      h->max_timestamp };
}

static void naive_marker(struct model *m, const struct batch_header *h,
                         const struct producer_marker *marker)
{
    struct known *p = naive_fold(m, h);
    p->coordinator_epoch = marker->coordinator_epoch;
    for (int i = 0; i < m->txn_count; i++) {
        struct span *t = &m->txns[i];
        if (t->id != h->producer_id || t->last >= 0) continue;
        t->last = h->base_offset;
        t->aborted = marker->type == CONTROL_ABORT;
    }
    p->txn = -1;
}

static int64_t naive_unstable(const struct model *m)
{
    int64_t first = INT64_MAX;
    for (int i = 0; i < m->txn_count; i++) {
        const struct span *t = &m->txns[i];
        if ((t->last < 0 || t->last >= m->high_watermark) && t->first < first) first = t->first;
    }
    return first;
}

/* --- both sides ------------------------------------------------------------------------------- */

static struct batch_header a_batch(struct model *m)
{
    int64_t id = below(m, IDS);
    const struct known *p = &m->known[id];
    struct batch_header h = { .base_offset = m->end, .leader_epoch = m->epoch, .producer_id = id,
                              .producer_epoch = p->known ? p->epoch : (int16_t)below(m, 3),
                              .last_offset_delta = (int32_t)below(m, 5),
                              .max_timestamp = below(m, 100000) };
    h.record_count = h.last_offset_delta + 1;
    if (p->known && p->count) h.base_sequence = (int32_t)((p->batches[p->count - 1].last + 1LL) & INT32_MAX);
    else if (!p->known && model_chance(&m->random, 20)) h.base_sequence = INT32_MAX - (int32_t)below(m, 9);
    if (model_chance(&m->random, 8)) {
        h.producer_epoch++;
        h.base_sequence = 0;
    } else if (model_chance(&m->random, 5) && h.producer_epoch > 0) {
        h.producer_epoch--;
    } else if (model_chance(&m->random, 8)) {
        h.base_sequence = (int32_t)((h.base_sequence + below(m, 7)) & INT32_MAX);
    } else if (model_chance(&m->random, 15) && p->known && p->count) { /* a retry, mostly */
        const struct producer_batch *b = &p->batches[below(m, p->count)];
        h.base_sequence = b->first;
        if (model_chance(&m->random, 90))
            h.last_offset_delta = (int32_t)(((int64_t)b->last - b->first) & INT32_MAX);
    }
    if (model_chance(&m->random, p->known && p->txn >= 0 ? 95 : 40))
        h.attributes = BATCH_TRANSACTIONAL;
    return h;
}

static void step_batch(struct model *m)
{
    static const enum append_origin origins[] = { APPEND_CLIENT, APPEND_VERIFIED, APPEND_VERIFIED_TV2 };
    enum append_origin origin = origins[below(m, 3)];
    struct batch_header h = a_batch(m);
    const struct producer_batch *duplicate;
    struct producer_batch first = { 0 };
    bool is_duplicate;
    enum err expected = naive_verdict(m, &h, origin, &duplicate);
    status s = producer_state_check(&m->ps, &h, origin, &is_duplicate, &first);
    MODEL_CHECK(&m->random, s.code == expected, "producer %d: %s, the model says %d",
                (int)h.producer_id, status_name(s), expected);
    MODEL_CHECK(&m->random, is_duplicate == (duplicate != NULL), "duplicate or not");
    if (duplicate)
        MODEL_CHECK(&m->random, first.last_offset == duplicate->last_offset &&
                                    first.timestamp == duplicate->timestamp, "the wrong duplicate");
    if (failed(s) || duplicate) return;
    assert_int_equal(producer_state_fold(&m->ps, &h, NULL, m->now).code, E_OK);
    naive_data(m, &h);
    m->end = batch_last_offset(&h) + 1;
}

static void step_marker(struct model *m)
{
    int64_t id = below(m, IDS);
    struct known *p = &m->known[id];
    struct producer_marker marker = { model_chance(&m->random, 50) ? CONTROL_ABORT : CONTROL_COMMIT,
                                      (int32_t)below(m, 4) };
    bool tv2 = model_chance(&m->random, 50), duplicate;
    struct batch_header h = { .base_offset = m->end, .leader_epoch = m->epoch, .producer_id = id,
                              .attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL, .base_sequence = -1,
                              .record_count = 1, .max_timestamp = m->now,
                              .producer_epoch = (int16_t)((p->known ? p->epoch : 0) + below(m, 3)) };
    if (model_chance(&m->random, 10) && h.producer_epoch > 0) h.producer_epoch--;
    enum err expected = E_OK;
    bool there = false;
    if (p->known && (h.producer_epoch < p->epoch ||
                     (tv2 && h.producer_epoch == p->epoch && p->txn >= 0)))
        expected = E_INVALID_PRODUCER_EPOCH;
    else if (p->known && marker.coordinator_epoch < p->coordinator_epoch)
        expected = E_TRANSACTION_COORDINATOR_FENCED;
    else
        there = p->known && tv2 && h.producer_epoch == p->epoch && !p->count && p->coordinator_epoch >= 0;
    status s = producer_state_check_marker(&m->ps, id, h.producer_epoch, marker.coordinator_epoch, tv2,
                                           &duplicate);
    MODEL_CHECK(&m->random, s.code == expected, "marker of %d: %s, the model says %d", (int)id,
                status_name(s), expected);
    MODEL_CHECK(&m->random, duplicate == there, "marker there already or not");
    if (failed(s) || duplicate || m->txn_count + 1 >= TXNS) return;
    assert_int_equal(producer_state_fold(&m->ps, &h, &marker, m->now).code, E_OK);
    naive_marker(m, &h, &marker);
    m->end++;
}

static void step_expire(struct model *m)
{
    int64_t since = m->now - below(m, 4000);
    producer_state_expire(&m->ps, since);
    for (int i = 0; i < IDS; i++) {
        struct known *p = &m->known[i];
        if (p->known && p->txn < 0 && p->seen < since) p->known = false;
    }
}

/* Through a snapshot and back; a flipped bit of it is noticed. Taken below the high watermark: ended
 * transactions that still hold readers back are no part of it. */
static void step_snapshot(struct model *m)
{
    struct buf out;
    struct producer_state damaged = { 0 };
    m->high_watermark = m->end;
    txns_settle(&m->ps.txns, m->end);
    buf_init(&out, 1 << 22);
    assert_int_equal(producer_state_encode(&m->ps, m->end, &out).code, E_OK);
    size_t at = (size_t)below(m, (int64_t)out.len);
    uint8_t bit = (uint8_t)(1 << below(m, 8));
    out.data[at] ^= bit;
    status s = producer_state_decode(buf_bytes(&out), m->end, m->now, &damaged);
    MODEL_CHECK(&m->random, s.code == E_CORRUPT, "a flipped bit at %zu was not noticed", at);
    MODEL_CHECK(&m->random, !damaged.table, "something is left of a damaged snapshot");
    out.data[at] ^= bit;
    producer_state_done(&m->ps);
    assert_int_equal(producer_state_decode(buf_bytes(&out), m->end, m->now, &m->ps).code, E_OK);
    buf_done(&out);
}

/* --- comparing -------------------------------------------------------------------------------- */

struct producers_told {
    struct model *m;
    int count;
};

static void check_producer(void *arg, const struct plog_producer *told)
{
    struct producers_told *t = arg;
    struct model *m = t->m;
    const struct known *p = &m->known[told->producer_id];
    t->count++;
    MODEL_CHECK(&m->random, p->known && p->epoch == told->epoch && p->txn == told->txn_first_offset &&
                                p->coordinator_epoch == told->coordinator_epoch &&
                                told->last_sequence == (p->count ? p->batches[p->count - 1].last : -1),
                "producer %d is told wrong", (int)told->producer_id);
}

static void check_aborted(struct model *m)
{
    uint32_t at = 0;
    for (int64_t end = 0; end < m->end; end++) { /* by their markers */
        int found = -1;
        for (int i = 0; i < m->txn_count && found < 0; i++)
            if (m->txns[i].last == end && m->txns[i].aborted) found = i;
        if (found < 0) continue;
        MODEL_CHECK(&m->random, at < m->ps.aborted.recent_count, "an aborted transaction is missing");
        const struct aborted_entry *e = &m->ps.aborted.recent[at++];
        MODEL_CHECK(&m->random, e->last == end && e->first == m->txns[found].first &&
                                    e->producer_id == m->txns[found].id, "aborted at %d is wrong", (int)end);
    }
    MODEL_CHECK(&m->random, at == m->ps.aborted.recent_count, "one aborted transaction too many");
}

static void check(struct model *m)
{
    struct producers_told told = { m, 0 };
    int known = 0;
    for (int i = 0; i < IDS; i++) known += m->known[i].known;
    producer_state_each(&m->ps, check_producer, &told);
    MODEL_CHECK(&m->random, told.count == known && (int)m->ps.count == known, "%d producers, not %d",
                told.count, known);
    MODEL_CHECK(&m->random, txns_unstable(&m->ps.txns) == naive_unstable(m), "unstable from %lld, not %lld",
                (long long)txns_unstable(&m->ps.txns), (long long)naive_unstable(m));
    for (int i = 0; i < 10; i++) {
        int64_t offset = below(m, m->end + 5);
        int32_t epoch = -1;
        for (int e = 0; e < m->epoch_count && m->epochs[e].start <= offset; e++) epoch = m->epochs[e].epoch;
        MODEL_CHECK(&m->random, producer_state_epoch_at(&m->ps, offset) == epoch, "epoch of %lld",
                    (long long)offset);
    }
}

static void step_epoch(struct model *m) /* a start of the broker; seen with the first batch */
{
    struct batch_header h = { .base_offset = m->end, .leader_epoch = m->epoch + 1 + (int)below(m, 2),
                              .producer_id = -1, .producer_epoch = -1, .base_sequence = -1,
                              .record_count = 1 };
    if (m->epoch_count == EPOCHS) return;
    m->epoch = h.leader_epoch;
    assert_int_equal(producer_state_fold(&m->ps, &h, NULL, m->now).code, E_OK);
    m->epochs[m->epoch_count++] = (struct epoch_start){ m->epoch, m->end };
    m->end++;
}

static void run(int seed)
{
    struct model *m = mem_must(mem_zalloc(sizeof *m));
    m->random = model_seed(seed);
    m->now = 1000000;
    step_epoch(m);
    for (int i = 0; i < 1500 && m->txn_count + 1 < TXNS; i++, m->random.step = i) {
        int x = (int)below(m, 1000);
        m->now += below(m, 20);
        if (x < 700) step_batch(m);
        else if (x < 900) step_marker(m);
        else if (x < 950) {
            m->high_watermark += below(m, m->end - m->high_watermark + 1);
            txns_settle(&m->ps.txns, m->high_watermark);
        } else if (x < 970) step_expire(m);
        else if (x < 985) step_epoch(m);
        else if (x < 990) step_snapshot(m);
        check(m);
    }
    check_aborted(m);
    producer_state_done(&m->ps);
    mem_free(m);
    assert_int_equal(mem_outstanding(), 0);
}

static void test_verdicts_and_state_are_those_of_a_plain_list(void **state)
{
    (void)state;
    model_runs(run, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts_and_state_are_those_of_a_plain_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
