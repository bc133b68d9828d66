/* test_io_errors_life.c - one life with all that a store does, in which the n-th call of a kind fails
 * once, for every n until nothing fails any more; and the same for the recovery behind it.
 *
 * After each fault: nothing is served that was not written, as it was written; nothing acknowledged is
 * missing after a start; who is refused is told KAFKA_STORAGE_ERROR; a full disk is survived and the
 * next append is taken; a failed sync ends the store. LEAT_IO_STEP=N takes every n-th n only. */
#include "base/mem.h"
#include "fault/compact_kit.h"
#include "storage/checkpoint.h"
#include "storage/storage_int.h"
#include "unit/model.h"
#include "unit/model_log.h"

#include <stdio.h>

#define SIDES 3
#define STEPS 48
#define RECOVERED_LIVES 48 /* what a recovery has to do differs with where its life ended */
#define CALLS_MAX 3000

static const struct store_tuning small = { .direct_min = 1500, .span_max = 6000, .frame_max = 16384,
                                           .journal_cap = 3 * 4096, .journal_hard = 6 * 4096,
                                           .tail_max = 12000, .snapshot_every = 4000,
                                           .recovery_syncs = 1 };
static const char *const names[SIM_CALLS] = {
    [SIM_OPEN] = "open", [SIM_PWRITE] = "pwrite", [SIM_TRUNCATE] = "truncate",
    [SIM_DATASYNC] = "datasync", [SIM_SYNC_DIR] = "sync_dir", [SIM_SYNC_ALL] = "sync_all",
    [SIM_RENAME] = "rename", [SIM_UNLINK] = "unlink", [SIM_MKDIR] = "mkdir",
    [SIM_ALLOCATE] = "allocate", [SIM_PREAD] = "pread", [SIM_LOOK] = "look",
};

struct side { /* a partition */
    struct life *life;
    int topic;
    struct model_log model;
    int64_t due;    /* acknowledged as durable */
    int64_t wanted; /* log start asked for */
    int64_t start;  /* seen */
};
struct promise {
    struct plog_wait wait;
    struct side *side;
};
struct life {
    struct kit kit;
    struct side sides[SIDES]; /* topics 0, 1 flush, 2 leaves it to the page cache; each one partition */
    struct promise promises[STEPS * SIDES * 2];
    int promised, refused, reads_failed;
    enum sim_call call;
    enum err code;
    int64_t n;
    bool by_hand;
};

#define CHECK(l, condition, format, ...)                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s %d with %s%s: " format, names[(l)->call], (int)(l)->n,                    \
                     status_name(status_of((l)->code)),                                            \
                     (l)->by_hand ? ", jobs by hand" : "" __VA_OPT__(, ) __VA_ARGS__);             \
    } while (0)

static struct plog *log_of(struct side *s) { return kit_log(&s->life->kit, s->topic, 0); }

static void promise_done(struct plog_wait *wait, status result)
{
    struct promise *p = CONTAINER_OF(wait, struct promise, wait);
    if (is_ok(result) && wait->offset > p->side->due) p->side->due = wait->offset;
}

/* --- what happens ----------------------------------------------------------------------------- */

/* The append was taken, or refused in the right words and without a trace. */
static void taken(struct side *s, status result, struct ml_batch *b, const struct append_result *r)
{
    struct life *l = s->life;
    if (failed(result)) {
        CHECK(l, result.code == E_KAFKA_STORAGE_ERROR, "an append is refused with %s", status_name(result));
        CHECK(l, plog_end(log_of(s)) == ml_end(&s->model), "a refused append left something behind");
        l->refused++;
        mem_free(b->times);
        buf_done(&b->bytes);
        return;
    }
    b->base = r->base_offset;
    b->end = r->end_offset;
    b->epoch = store_epoch(l->kit.store);
    CHECK(l, b->base == ml_end(&s->model), "an append went to %d", (int)b->base);
    ml_add(&s->model, b);
    if (s->topic == 2) return; /* promised is the page cache: a power cut may take it */
    struct promise *p = &l->promises[l->promised++];
    *p = (struct promise){ .side = s, .wait.done = promise_done };
    plog_wait(log_of(s), &p->wait, r->end_offset);
}

static void do_append(struct side *s, int step, int64_t producer)
{
    struct life *l = s->life;
    const struct ml_batch *last = producer ? ml_last(&s->model, producer, 0) : NULL;
    struct ml_batch b = { .producer = producer, .kind = producer > 2 ? ML_IN_TXN : ML_PLAIN };
    struct append_result r;
    if (last) b.sequence = last->sequence + 2;
    b.producer_epoch = producer && ml_producer_epoch(&s->model, producer) > 0
                           ? ml_producer_epoch(&s->model, producer) : 0;
    struct kit_batch k = { .records = 2, .value_size = step % 7 == 3 ? 2600 : 20 + (size_t)step % 5 * 150,
                           .tag = (uint64_t)step, .producer_id = producer, .epoch = b.producer_epoch,
                           .sequence = b.sequence,
                           .attributes = producer > 2 ? BATCH_TRANSACTIONAL : 0 };
    b.times = mem_must(mem_zalloc(2 * sizeof *b.times));
    buf_init(&b.bytes, 1 << 20);
    kit_make(&l->kit, &k, &b.bytes);
    status result = plog_append(log_of(s), b.bytes.data, b.bytes.len, APPEND_VERIFIED, &r);
    taken(s, result, &b, &r);
}

static void do_marker(struct side *s, bool commit)
{
    struct life *l = s->life;
    struct ml_batch b = { .producer = 3, .kind = commit ? ML_COMMIT : ML_ABORT };
    struct append_result r;
    if (ml_producer_epoch(&s->model, 3) < 0) return;
    b.times = mem_must(mem_zalloc(sizeof *b.times));
    buf_init(&b.bytes, 1 << 10);
    assert_int_equal(batch_put_marker(&b.bytes, commit ? CONTROL_COMMIT : CONTROL_ABORT, 3, 0, 1,
                                      l->kit.now).code, E_OK);
    batch_set_base_offset(b.bytes.data, ml_end(&s->model));
    batch_set_leader_epoch(b.bytes.data, store_epoch(l->kit.store));
    taken(s, plog_append_marker(log_of(s), 3, 0, commit, 1, false, &r), &b, &r);
}

static void do_start(struct side *s)
{
    struct plog *log = log_of(s);
    int64_t start = (plog_start(log) + plog_high_watermark(log)) / 2;
    status result = plog_set_start(log, start, NULL);
    CHECK(s->life, is_ok(result) || result.code == E_KAFKA_STORAGE_ERROR, "log start: %s",
          status_name(result));
    if (start > s->wanted) s->wanted = start;
}

/* Another topic comes and goes; what it holds is no matter here. */
static void do_other_topic(struct life *l, int step)
{
    if (step % 8 == 7) {
        store_delete_topic(l->kit.store, l->kit.topics[3], 0, INT32_MAX);
        l->kit.topics[3].b[1]++;
        return;
    }
    status s = kit_append(&l->kit, kit_log(&l->kit, 3, 0), &(struct kit_batch){ .value_size = 300 }, NULL);
    CHECK(l, is_ok(s) || s.code == E_KAFKA_STORAGE_ERROR, "an append elsewhere: %s", status_name(s));
    l->refused += failed(s);
}

/* --- what is read ----------------------------------------------------------------------------- */

static void check_read(struct side *s, bool must)
{
    struct life *l = s->life;
    struct plog *log = log_of(s);
    struct buf out;
    size_t first, n, at = 0;
    int64_t bound = plog_high_watermark(log), offset, ts;
    int32_t epoch;
    buf_init(&out, 1 << 26);
    status read = kit_read_all(log, bound, &out);
    CHECK(l, is_ok(read) || (!must && read.code == l->code), "a read says %s", status_name(read));
    n = ml_read(&s->model, plog_start(log), bound, SIZE_MAX / 2, true, &first);
    for (size_t i = 0; i < n && is_ok(read); i++) {
        const struct buf *b = &s->model.batches[first + i].bytes;
        CHECK(l, out.len - at >= b->len && memcmp(out.data + at, b->data, b->len) == 0,
              "topic %d: what is read at %d was not written so", s->topic,
              (int)s->model.batches[first + i].base);
        at += b->len;
    }
    if (is_ok(read)) CHECK(l, at == out.len, "topic %d: read too much", s->topic);
    buf_done(&out);
    status time = plog_offset_for_time(log, l->kit.now - 50, &offset, &ts, &epoch);
    CHECK(l, is_ok(time) || (!must && time.code == l->code), "a look-up by time says %s", status_name(time));
    l->reads_failed += failed(read) + failed(time);
    if (plog_start(log) > s->start) s->start = plog_start(log);
}

struct told {
    struct aborted_txn txns[256];
    size_t count;
};

static void told_one(void *arg, const struct aborted_txn *txn)
{
    struct told *t = arg;
    if (t->count < 256) t->txns[t->count++] = *txn;
}

static void check_aborted(struct side *s, bool must)
{
    struct told told = { .count = 0 };
    struct aborted_txn expected[256];
    struct life *l = s->life;
    struct plog *log = log_of(s);
    status result = plog_aborted(log, plog_start(log), plog_end(log), told_one, &told);
    CHECK(l, is_ok(result) || (!must && result.code == l->code), "aborted transactions: %s",
          status_name(result));
    if (failed(result)) return;
    size_t n = ml_aborted(&s->model, plog_start(log), plog_end(log), expected, 256);
    CHECK(l, told.count == n && (!n || memcmp(told.txns, expected, n * sizeof *expected) == 0),
          "topic %d: %zu aborted transactions are told, not %zu", s->topic, told.count, n);
}

/* --- lives ------------------------------------------------------------------------------------ */

static void step(struct life *l, int i)
{
    struct side *s = &l->sides[i % SIDES];
    do_append(s, i, 0);
    do_append(&l->sides[(i + 1) % SIDES], i, 1);
    if (i % 3 != 2) do_append(s, i, 3);
    if (i % 3 != 1) do_marker(s, i % 2);
    if (i % 5 == 4) do_start(&l->sides[i / 5 % SIDES]);
    if (i % 11 == 10) (void)store_retain(l->kit.store);
    if (i % 9 == 8) checkpoint_want(l->kit.store);
    do_other_topic(l, i);
    check_read(s, false);
    check_aborted(s, false);
    l->kit.now += 10;
    for (int k = i % 3; l->by_hand && k < 3; k++) {
        store_turn(l->kit.store);
        for (int lane = 0; lane < LANE_COUNT; lane++) (void)kit_run_job(&l->kit, (enum lane)lane);
    }
}

static void life_init(struct life *l, enum sim_call call, enum err code, int64_t n)
{
    *l = (struct life){ .call = call, .code = code, .n = n, .by_hand = n % 2 };
    kit_init(&l->kit, (uint64_t)n * SIM_CALLS + call);
    l->kit.config.segment_bytes = 4000;
    l->kit.config.retention_bytes = 15000;
    l->kit.options.tuning = &small;
    l->kit.flush_os[2] = true;
    if (l->by_hand) kit_by_hand(&l->kit);
    for (int i = 0; i < SIDES; i++) l->sides[i] = (struct side){ .life = l, .topic = i };
    assert_int_equal(kit_open(&l->kit).code, E_OK);
}

static void life_done(struct life *l)
{
    for (int i = 0; i < SIDES; i++) ml_done(&l->sides[i].model);
    kit_done(&l->kit);
    assert_int_equal(mem_outstanding(), 0);
}

static void live(struct life *l)
{
    for (int i = 0; i < STEPS && !l->kit.fatal; i++) step(l, i);
    if (l->kit.fatal || l->n % 3 == 0) return;
    if (l->by_hand) kit_run_jobs(&l->kit);
    if (!l->kit.fatal) (void)store_stop(l->kit.store);
}

static void crash(struct life *l, bool power)
{
    for (int i = 0; i < SIDES; i++)
        if (power && l->sides[i].topic == 2) l->sides[i].due = 0;
    kit_close(&l->kit);
    sim_crash(l->kit.sim, power);
    l->kit.fatal = 0;
}

static void check_side(struct side *s)
{
    struct life *l = s->life;
    struct plog *log = log_of(s);
    struct model_log *m = &s->model;
    int64_t end = plog_end(log);
    CHECK(l, end >= s->due, "topic %d ends at %d, %d was acknowledged", s->topic, (int)end, (int)s->due);
    CHECK(l, end <= ml_end(m) && ml_is_border(m, end), "topic %d ends at %d", s->topic, (int)end);
    CHECK(l, plog_start(log) >= s->start, "topic %d: the start moved back", s->topic);
    ml_cut(m, end);
    m->start = plog_start(log);
    m->high_watermark = end;
    check_read(s, true);
    check_aborted(s, true);
    CHECK(l, plog_stable(log) == ml_stable(m), "topic %d: stable %d, not %d", s->topic,
          (int)plog_stable(log), (int)ml_stable(m));
    const struct ml_batch *last = ml_last(m, 1, 0);
    int16_t epoch = 0;
    int32_t sequence = -1;
    bool found = producer_state_find(&log->producers, 1, &epoch, &sequence);
    CHECK(l, found == (last != NULL) && (!last || sequence == last->sequence + 1),
          "topic %d: the producer is at %d", s->topic, (int)sequence);
    int refused = l->refused;
    do_append(s, 1, 1); /* it serves again */
    CHECK(l, l->refused == refused, "topic %d takes no append after the start", s->topic);
}

static void check_start(struct life *l)
{
    status s = kit_open(&l->kit);
    CHECK(l, is_ok(s), "the next start: %s %s", status_name(s), l->kit.why.text);
    for (int i = 0; i < SIDES; i++) check_side(&l->sides[i]);
    if (l->by_hand) kit_run_jobs(&l->kit);
}

static bool is_sync(enum sim_call call)
{
    return call == SIM_DATASYNC || call == SIM_SYNC_DIR || call == SIM_SYNC_ALL;
}

/* One life with one fault; false: it was over before the n-th call. */
static bool run_life(enum sim_call call, enum err code, int64_t n)
{
    static struct life l;
    life_init(&l, call, code, n);
    sim_fail_at(l.kit.sim, call, n, code);
    live(&l);
    bool hit = sim_failed(l.kit.sim);
    if (!hit) CHECK(&l, !l.kit.fatal && !l.refused && !l.reads_failed, "something failed without a fault");
    bool told = true; /* of the job in which it happened */
    for (int lane = 0; lane < LANE_COUNT; lane++) told &= l.kit.lane_count[lane] == 0;
    if (hit && is_sync(call) && told) CHECK(&l, l.kit.fatal, "a failed sync did not end the store");
    if (hit && code == E_NO_SPACE && !is_sync(call)) {
        CHECK(&l, !l.kit.fatal, "a full disk ended the store");
        CHECK(&l, l.refused <= 1, "%d appends were refused", l.refused);
    }
    crash(&l, n % 4 > 1);
    check_start(&l);
    life_done(&l);
    return hit;
}

/* One of several lives, its end, and one fault in the recovery; a start without a fault then has it all. */
static bool run_recovery(int64_t life, enum sim_call call, enum err code, int64_t n)
{
    static struct life l;
    life_init(&l, call, code, life);
    l.n = n;
    for (int i = 0; i < 9 + life * 7 % STEPS; i++) step(&l, i);
    crash(&l, life % 4 > 1);
    sim_fail_at(l.kit.sim, call, n, code);
    status s = kit_open(&l.kit);
    bool hit = sim_failed(l.kit.sim);
    if (failed(s)) CHECK(&l, hit && (s.code == E_IO || s.code == code), "recovery says %s %s",
                         status_name(s), l.kit.why.text);
    if (hit && is_sync(call)) CHECK(&l, failed(s), "a failed sync was ignored by recovery");
    crash(&l, n % 5 == 0);
    check_start(&l);
    life_done(&l);
    return hit;
}

/* A compacted log; compact_kit aborts when something is missing or was never written. A new file that
 * cannot be synced only ends the pass: nothing relies on it. */
static bool run_compaction(enum sim_call call, enum err code, int64_t n)
{
    static struct ck c;
    ck_init(&c, 1 + (uint64_t)n % 5);
    c.kit.config.segment_bytes = 900;
    c.kit.config.delete_retention_ms = 60;
    assert_int_equal(kit_open(&c.kit).code, E_OK);
    sim_fail_at(c.kit.sim, call, n, code);
    for (int i = 0; i < 70 && !c.kit.fatal; i++) ck_step(&c);
    bool hit = sim_failed(c.kit.sim);
    /* Swapping the files takes no space: whatever fails there is grave. */
    bool takes_space = call == SIM_OPEN || call == SIM_PWRITE || call == SIM_MKDIR;
    if (takes_space && code == E_NO_SPACE && c.kit.fatal)
        fail_msg("compaction, %s %d: a full disk ended the store", names[call], (int)n);
    kit_close(&c.kit);
    sim_crash(c.kit.sim, n % 4 > 1);
    c.kit.fatal = 0;
    assert_int_equal(kit_open(&c.kit).code, E_OK);
    ck_recovered(&c);
    ck_check(&c);
    ck_compact(&c);
    ck_check(&c);
    assert_true(ck_put(&c, 1, 1));
    ck_done(&c);
    return hit;
}

static int64_t stride(void) { return model_env("LEAT_IO_STEP", 1); }

static void sweep(bool (*run)(enum sim_call, enum err, int64_t), enum sim_call call, enum err code,
                  int64_t by)
{
    int64_t n = 1, misses = 0;
    /* Lives differ a little with n: only some misses in a row are the end. */
    for (; n < CALLS_MAX && misses < 3; n += by) misses = run(call, code, n) ? 0 : misses + 1;
    assert_true(n < CALLS_MAX);
}

/* Each call of each recovery: a life by itself makes the same calls every time, so one miss is its end. */
static void sweep_recoveries(enum sim_call call, enum err code)
{
    int64_t faults = 0, n;
    for (int64_t life = 1; life <= RECOVERED_LIVES; life++, faults += n > 1) {
        for (n = 1; n < CALLS_MAX && run_recovery(life, call, code, n); n += stride()) continue;
        assert_true(n < CALLS_MAX);
    }
    assert_true(faults > 0 || call == SIM_ALLOCATE); /* nothing here makes a reserve */
}

static void sweep_all(bool (*run)(enum sim_call, enum err, int64_t))
{
    for (enum sim_call call = 0; call < SIM_CALLS; call++) {
        sweep(run, call, E_IO, stride());
        if (call < SIM_PREAD) sweep(run, call, E_NO_SPACE, stride());
    }
}

static void test_one_failing_call_in_a_life_costs_nothing_acknowledged(void **state)
{
    (void)state;
    sweep_all(run_life);
}

static void test_one_failing_call_in_a_recovery_costs_nothing(void **state)
{
    (void)state;
    for (enum sim_call call = 0; call < SIM_CALLS; call++) {
        sweep_recoveries(call, E_IO);
        if (call < SIM_PREAD) sweep_recoveries(call, E_NO_SPACE);
    }
}

static void test_one_failing_call_while_a_log_is_compacted_costs_nothing(void **state)
{
    (void)state;
    sweep_all(run_compaction);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_failing_call_in_a_life_costs_nothing_acknowledged),
        cmocka_unit_test(test_one_failing_call_in_a_recovery_costs_nothing),
        cmocka_unit_test(test_one_failing_call_while_a_log_is_compacted_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
