/* test_io_errors.c - the n-th call of a kind fails, for every n until a run meets no fault.
 *
 * After each fault: nothing was acknowledged that a kill and recovery then lose, a failed sync ends
 * the store at once, a full disk does not. */
#include "fault/store_kit.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define PARTITIONS 3
#define RUNS_MAX 400

static const struct store_tuning small = { .direct_min = 1500, .span_max = 6000, .frame_max = 16384,
                                           .journal_cap = 3 * 4096, .journal_hard = 6 * 4096,
                                           .tail_max = 12000, .snapshot_every = 4000, .fold_max = 1 << 30,
                                           .recovery_syncs = 1 };

struct promise {
    struct plog_wait wait;
    int64_t *due;
};

static void promise_done(struct plog_wait *wait, status result)
{
    struct promise *p = CONTAINER_OF(wait, struct promise, wait);
    if (is_ok(result) && wait->offset > *p->due) *p->due = wait->offset;
}

struct outcome {
    int64_t due[PARTITIONS];
    int refused; /* appends answered with an error while the store lived */
    bool fatal;
};

/* A transaction of one batch that is aborted. A marker that was refused leaves it open for the next
 * one to end. */
static status abort_one(struct kit *k, struct plog *log, int16_t epoch)
{
    struct append_result r;
    TRY(kit_append_as(k, log, &(struct kit_batch){ .producer_id = 9, .epoch = epoch,
                                                   .attributes = BATCH_TRANSACTIONAL },
                      APPEND_VERIFIED, &r));
    return plog_append_marker(log, 9, epoch, false, 0, false, &r);
}

/* Some 60 appends of different sizes with rolls, checkpoints, log starts, aborted transactions and a
 * clean stop. */
static void body(struct kit *k, struct outcome *o)
{
    struct promise promises[60] = { 0 };
    for (int i = 0; i < 60 && !k->fatal; i++) {
        int p = i % PARTITIONS;
        struct plog *log = kit_log(k, 0, p);
        struct append_result r;
        status s = kit_append(k, log, &(struct kit_batch){ .value_size = 50 + i % 7 * 300,
                                                            .tag = (uint64_t)i }, &r);
        if (failed(s)) o->refused++;
        if (i % 2 && failed(abort_one(k, log, (int16_t)i))) o->refused++;
        promises[i].wait.done = promise_done;
        promises[i].due = &o->due[p];
        if (is_ok(s)) plog_wait(log, &promises[i].wait, r.end_offset);
        if (i == 30) (void)plog_set_start(log, plog_high_watermark(log) / 2, NULL);
        if (i % 20 == 19) (void)store_retain(k->store);
    }
    if (!k->fatal) (void)store_stop(k->store);
    o->fatal = k->fatal > 0;
}

struct aborts {
    int64_t markers[200]; /* in the log */
    int count, listed;
};

static void abort_listed(void *arg, const struct aborted_txn *txn)
{
    struct aborts *a = arg;
    assert_true(a->listed < a->count);
    assert_int_equal(txn->last_offset, a->markers[a->listed++]);
    assert_int_equal(txn->producer_id, 9);
}

/* Every marker in the log has its transaction in the index, and nothing else is there. */
static void check_aborts(struct plog *log, struct aborts *a)
{
    assert_int_equal(plog_aborted(log, plog_start(log), plog_end(log), abort_listed, a).code, E_OK);
    assert_int_equal(a->listed, a->count);
    int64_t first = plog_end(log);
    (void)plog_txn_open(log, 9, NULL, &first);
    if (first < plog_start(log)) first = plog_start(log);
    assert_int_equal(plog_stable(log), first);
}

static void check(struct kit *k, const struct outcome *o, enum sim_call call, int64_t n, bool power)
{
    kit_close(k);
    sim_crash(k->sim, power);
    status s = kit_open(k);
    if (failed(s)) fprintf(stderr, "call %d, n %d: %s %s\n", call, (int)n, status_name(s), k->why.text);
    assert_int_equal(s.code, E_OK);
    for (int p = 0; p < PARTITIONS; p++) {
        struct plog *log = kit_log(k, 0, p);
        struct buf out;
        buf_init(&out, 1 << 26);
        if (plog_end(log) < o->due[p])
            fprintf(stderr, "call %d, n %d: end %lld, due %lld\n", call, (int)n,
                    (long long)plog_end(log), (long long)o->due[p]);
        assert_true(plog_end(log) >= o->due[p]);
        assert_int_equal(kit_read_all(log, plog_end(log), &out).code, E_OK);
        int64_t at = -1;
        struct aborts aborts = { .count = 0 };
        struct bytes left = buf_bytes(&out), batch;
        struct batch_header h;
        while (batch_next(&left, &batch, &h, NULL)) {
            assert_int_equal(batch_check_crc(batch).code, E_OK);
            if (at >= 0) assert_int_equal(h.base_offset, at);
            at = h.base_offset + 1;
            if (h.attributes & BATCH_CONTROL && h.base_offset >= plog_start(log))
                aborts.markers[aborts.count++] = h.base_offset;
        }
        check_aborts(log, &aborts);
        if (plog_end(log) > plog_start(log)) assert_int_equal(at, plog_end(log));
        buf_done(&out);
    }
    /* It serves again. */
    assert_int_equal(kit_append(k, kit_log(k, 0, 0), &(struct kit_batch){ 0 }, NULL).code, E_OK);
}

static bool run(enum sim_call call, int64_t n, enum err code, bool power, struct outcome *o)
{
    struct kit k;
    kit_init(&k, (uint64_t)n * 8 + call);
    k.config.segment_bytes = 4000;
    k.config.retention_bytes = 12000;
    k.options.tuning = &small;
    assert_int_equal(kit_open(&k).code, E_OK);
    *o = (struct outcome){ 0 };
    sim_fail_at(k.sim, call, n, code);
    body(&k, o);
    bool hit = sim_failed(k.sim);
    check(&k, o, call, n, power);
    kit_done(&k);
    assert_int_equal(mem_outstanding(), 0);
    return hit;
}

static void sweep(enum sim_call call, enum err code, bool expect_fatal)
{
    struct outcome o;
    for (int power = 0; power < 2; power++) {
        int64_t n = 1;
        for (; n < RUNS_MAX; n++) {
            if (!run(call, n, code, power, &o)) break;
            if (expect_fatal) assert_true(o.fatal);
        }
        assert_true(n > 1);
        assert_true(n < RUNS_MAX);
        assert_false(o.fatal);
        assert_int_equal(o.refused, 0);
    }
}

static void test_a_failed_sync_ends_the_store(void **state)
{
    (void)state;
    sweep(SIM_DATASYNC, E_IO, true);
    sweep(SIM_DATASYNC, E_NO_SPACE, true);
    sweep(SIM_SYNC_DIR, E_IO, true);
}

static void test_a_failed_write_loses_nothing_acknowledged(void **state)
{
    (void)state;
    sweep(SIM_PWRITE, E_IO, false);
    sweep(SIM_RENAME, E_IO, false);
    sweep(SIM_OPEN, E_IO, false);
    sweep(SIM_MKDIR, E_IO, false);
    sweep(SIM_UNLINK, E_IO, false);
}

static void test_a_full_disk_is_survived(void **state)
{
    (void)state;
    sweep(SIM_PWRITE, E_NO_SPACE, false);
    sweep(SIM_OPEN, E_NO_SPACE, false);
    sweep(SIM_MKDIR, E_NO_SPACE, false);
}

static void test_a_full_disk_is_not_fatal_and_the_store_goes_on(void **state)
{
    (void)state;
    for (int64_t n = 1; n < RUNS_MAX; n++) {
        struct outcome o;
        if (!run(SIM_PWRITE, n, E_NO_SPACE, false, &o)) break;
        assert_false(o.fatal);
        assert_true(o.refused <= 1);
    }
}

static void test_a_write_that_cannot_be_undone_ends_the_store(void **state)
{
    (void)state;
    struct kit k;
    kit_init(&k, 5);
    assert_int_equal(kit_open(&k).code, E_OK);
    assert_int_equal(kit_append(&k, kit_log(&k, 0, 0), &(struct kit_batch){ 0 }, NULL).code, E_OK);
    sim_fail_at(k.sim, SIM_PWRITE, 1, E_NO_SPACE);
    sim_fail_at(k.sim, SIM_TRUNCATE, 1, E_IO);
    status s = kit_append(&k, kit_log(&k, 0, 0), &(struct kit_batch){ 0 }, NULL);
    assert_int_equal(s.code, E_KAFKA_STORAGE_ERROR);
    assert_int_equal(k.fatal, 1);
    kit_close(&k);
    sim_crash(k.sim, false);
    assert_int_equal(kit_open(&k).code, E_OK);
    assert_int_equal(plog_end(kit_log(&k, 0, 0)), 1);
    kit_done(&k);
}

static void test_recovery_on_a_failing_disk_can_be_repeated(void **state)
{
    (void)state;
    static const enum sim_call calls[] = { SIM_PWRITE, SIM_DATASYNC, SIM_SYNC_DIR, SIM_SYNC_ALL, SIM_RENAME };
    for (size_t c = 0; c < ARRAY_LEN(calls); c++) {
        for (int64_t n = 1; n < RUNS_MAX; n++) {
            struct kit k;
            struct outcome o = { 0 };
            kit_init(&k, (uint64_t)n);
            k.config.segment_bytes = 4000;
            k.options.tuning = &small;
            assert_int_equal(kit_open(&k).code, E_OK);
            sim_die_at(k.sim, 60 + n);
            body(&k, &o);
            kit_close(&k);
            sim_crash(k.sim, n % 2);
            sim_fail_at(k.sim, calls[c], n, n % 3 ? E_IO : E_NO_SPACE);
            status s = kit_open(&k);
            bool hit = sim_failed(k.sim);
            assert_int_equal(is_ok(s), !hit);
            check(&k, &o, calls[c], n, n % 4 == 0);
            kit_done(&k);
            if (!hit) break;
            assert_true(n + 1 < RUNS_MAX);
        }
    }
    assert_int_equal(mem_outstanding(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_sync_ends_the_store),
        cmocka_unit_test(test_a_failed_write_loses_nothing_acknowledged),
        cmocka_unit_test(test_a_full_disk_is_survived),
        cmocka_unit_test(test_a_full_disk_is_not_fatal_and_the_store_goes_on),
        cmocka_unit_test(test_a_write_that_cannot_be_undone_ends_the_store),
        cmocka_unit_test(test_recovery_on_a_failing_disk_can_be_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
