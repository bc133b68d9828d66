/* Commit rounds and checkpoints while the disk takes its time: jobs are worked by hand, so each test says
 * which sync has returned and which has not. */
#include "fault/store_kit.h"

#include "storage/storage_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#define JOBS 256

struct fixture {
    struct kit kit;
    struct job *jobs[LANE_COUNT][JOBS];
    int count[LANE_COUNT], worked[LANE_COUNT]; /* of the first ones */
    struct store_tuning tuning;
};

static void submit(void *arg, struct job *job, enum lane lane)
{
    struct fixture *f = CONTAINER_OF(arg, struct fixture, kit);
    assert_true(f->count[lane] < JOBS);
    f->jobs[lane][f->count[lane]++] = job;
}

/* The lane does its next job; the loop has not heard of it. */
static void work(struct fixture *f, enum lane lane)
{
    assert_true(f->worked[lane] < f->count[lane]);
    struct job *job = f->jobs[lane][f->worked[lane]++];
    job->work(job);
}

/* The loop hears of the oldest one that is done. */
static void hear(struct fixture *f, enum lane lane)
{
    assert_true(f->worked[lane] > 0);
    struct job *job = f->jobs[lane][0];
    f->count[lane]--;
    f->worked[lane]--;
    memmove(f->jobs[lane], f->jobs[lane] + 1, (size_t)f->count[lane] * sizeof f->jobs[lane][0]);
    job->done(job);
    store_turn(f->kit.store);
}

static void run_lane(struct fixture *f, enum lane lane)
{
    while (f->count[lane]) {
        if (!f->worked[lane]) work(f, lane);
        hear(f, lane);
    }
}

static void run_all(struct fixture *f)
{
    for (bool more = true; more;) {
        more = false;
        store_turn(f->kit.store);
        for (int lane = 0; lane < LANE_COUNT; lane++) {
            more |= f->count[lane] > 0;
            run_lane(f, (enum lane)lane);
        }
    }
}

static void setup(struct fixture *f, bool by_hand)
{
    memset(f, 0, sizeof *f);
    kit_init(&f->kit, 1);
    f->tuning = store_tuning_default;
    f->kit.options.tuning = &f->tuning;
    if (by_hand) f->kit.options.submit = submit;
    assert_int_equal(kit_open(&f->kit).code, E_OK);
}

static void teardown(struct fixture *f)
{
    kit_done(&f->kit);
}

static struct plog *append(struct fixture *f, int partition, size_t size)
{
    struct plog *log = kit_log(&f->kit, 0, partition);
    struct kit_batch b = { .value_size = size, .tag = (uint64_t)partition };
    assert_int_equal(kit_append(&f->kit, log, &b, NULL).code, E_OK);
    return log;
}

static int64_t syncs(struct fixture *f) { return sim_count(f->kit.sim, SIM_DATASYNC); }

/* --- rounds ------------------------------------------------------------------------------------- */

static void test_what_comes_during_a_sync_is_one_round_that_needs_no_turn_to_begin(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    struct plog *first = append(&f, 0, 50);
    store_turn(f.kit.store);
    int64_t before = syncs(&f);
    work(&f, LANE_COMMIT); /* synced, and the loop does not know */
    struct plog *second = append(&f, 1, 50);
    store_turn(f.kit.store);
    append(&f, 0, 70);
    store_turn(f.kit.store);
    for (int i = 2; i < 100; i++) append(&f, i, 50);
    store_turn(f.kit.store);
    assert_int_equal(f.count[LANE_COMMIT], 2);
    work(&f, LANE_COMMIT);
    assert_int_equal(syncs(&f), before + 2);
    assert_int_equal(plog_high_watermark(first), 0); /* nothing is told before the loop hears of it */
    hear(&f, LANE_COMMIT);
    assert_int_equal(plog_high_watermark(first), 1);
    assert_int_equal(plog_high_watermark(second), 0);
    hear(&f, LANE_COMMIT);
    assert_int_equal(f.kit.store->rounds, 2);
    for (int i = 0; i < 100; i++) {
        struct plog *log = kit_log(&f.kit, 0, i);
        assert_int_equal(plog_high_watermark(log), plog_end(log));
    }
    kit_reopen(&f.kit);
    assert_int_equal(plog_end(kit_log(&f.kit, 0, 0)), 2);
    assert_int_equal(plog_end(kit_log(&f.kit, 0, 99)), 1);
    teardown(&f);
}

static void test_a_round_behind_a_failed_sync_is_not_written(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    struct plog *log = append(&f, 0, 50);
    store_turn(f.kit.store);
    append(&f, 1, 50);
    sim_fail_at(f.kit.sim, SIM_DATASYNC, 1, E_IO);
    work(&f, LANE_COMMIT);
    store_turn(f.kit.store);
    int64_t writes = sim_count(f.kit.sim, SIM_PWRITE);
    work(&f, LANE_COMMIT);
    assert_int_equal(sim_count(f.kit.sim, SIM_PWRITE), writes);
    hear(&f, LANE_COMMIT);
    hear(&f, LANE_COMMIT);
    assert_int_equal(f.kit.fatal, 1);
    assert_int_equal(plog_high_watermark(log), 0);
    assert_int_equal(plog_high_watermark(kit_log(&f.kit, 0, 1)), 0);
    teardown(&f);
}

static void test_rounds_that_find_no_space_sync_their_segments(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    struct plog *log = append(&f, 0, 50);
    store_turn(f.kit.store);
    append(&f, 1, 50);
    append(&f, 0, 50);
    sim_fail_at(f.kit.sim, SIM_PWRITE, 1, E_NO_SPACE);
    work(&f, LANE_COMMIT);
    store_turn(f.kit.store);
    work(&f, LANE_COMMIT);
    run_all(&f);
    assert_int_equal(f.kit.fatal, 0);
    assert_int_equal(f.kit.store->rounds, 0);
    assert_int_equal(plog_high_watermark(log), 2);
    assert_int_equal(plog_high_watermark(kit_log(&f.kit, 0, 1)), 1);
    append(&f, 2, 50); /* the checkpoint has made room */
    run_all(&f);
    assert_int_equal(f.kit.store->rounds, 1);
    kit_reopen(&f.kit);
    assert_int_equal(plog_end(kit_log(&f.kit, 0, 0)), 2);
    teardown(&f);
}

static void test_a_checkpoint_finds_its_gap_between_rounds_that_never_stop(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    append(&f, 0, 50);
    store_turn(f.kit.store);
    checkpoint_want(f.kit.store);
    for (int i = 1; i < 20 && !f.kit.store->checkpoint; i++) {
        append(&f, i, 50);
        store_turn(f.kit.store);
        if (!f.worked[LANE_COMMIT]) work(&f, LANE_COMMIT);
        append(&f, i, 50);
        store_turn(f.kit.store);
        hear(&f, LANE_COMMIT);
    }
    assert_non_null(f.kit.store->checkpoint);
    run_all(&f);
    assert_true(f.kit.store->other_free);
    teardown(&f);
}

static void test_a_round_takes_no_more_than_a_frame(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    append(&f, 0, 50);
    store_turn(f.kit.store);
    for (int i = 0; i < 40; i++) {
        append(&f, i % 8, 50000);
        store_turn(f.kit.store);
    }
    run_all(&f);
    for (int i = 0; i < 8; i++) {
        struct plog *log = kit_log(&f.kit, 0, i);
        assert_int_equal(plog_high_watermark(log), plog_end(log));
    }
    kit_reopen(&f.kit);
    for (int i = 0; i < 8; i++) assert_int_equal(plog_end(kit_log(&f.kit, 0, i)), i ? 5 : 6);
    teardown(&f);
}

/* --- checkpoints ---------------------------------------------------------------------------------- */

static void test_commits_go_on_while_a_checkpoint_waits_for_its_syncs(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    f.kit.store->tuning.checkpoint_slice = 4;
    for (int i = 0; i < 20; i++) append(&f, i, 50);
    run_all(&f);
    checkpoint_want(f.kit.store);
    store_turn(f.kit.store);
    int slices = 0;
    for (; !f.kit.store->other_free; slices++) {
        assert_int_equal(f.count[LANE_BACKGROUND], 1);
        struct plog *log = append(&f, slices * 3, 50); /* captured already, being captured, or not yet */
        store_turn(f.kit.store);
        run_lane(&f, LANE_COMMIT);
        assert_int_equal(plog_high_watermark(log), plog_end(log));
        work(&f, LANE_BACKGROUND);
        assert_int_equal(f.kit.store->other_free, false);
        hear(&f, LANE_BACKGROUND);
    }
    assert_int_equal(slices, 5);
    run_all(&f);
    assert_null(f.kit.store->checkpoint); /* all logs have heard of it */
    assert_true(f.kit.store->files.dirty < 10);
    kit_reopen(&f.kit);
    for (int i = 0; i < 20; i++)
        assert_int_equal(plog_end(kit_log(&f.kit, 0, i)), i % 3 == 0 && i < 15 ? 2 : 1);
    teardown(&f);
}

static void test_a_journal_that_no_checkpoint_frees_stays_bounded(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    f.kit.store->tuning.journal_cap = 4 * FRAME_ALIGN;
    f.kit.store->tuning.journal_hard = 8 * FRAME_ALIGN;
    for (int i = 0; i < 100; i++) { /* the background lane hangs */
        struct plog *log = append(&f, i % 10, 50);
        store_turn(f.kit.store);
        run_lane(&f, LANE_COMMIT);
        run_lane(&f, LANE_DIRECT);
        run_lane(&f, LANE_DIRECT_2);
        assert_int_equal(plog_high_watermark(log), plog_end(log));
        assert_true(f.kit.store->position <= f.kit.store->tuning.journal_hard + FRAME_ALIGN);
    }
    run_all(&f);
    append(&f, 0, 50);
    run_all(&f);
    assert_int_equal(f.kit.store->position, FRAME_ALIGN); /* the journal is used again */
    kit_reopen(&f.kit);
    for (int i = 0; i < 10; i++) assert_int_equal(plog_end(kit_log(&f.kit, 0, i)), i ? 10 : 11);
    teardown(&f);
}

static void test_a_topic_deleted_during_a_checkpoint_is_left_out(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    f.kit.store->tuning.checkpoint_slice = 2;
    for (int i = 0; i < 8; i++) append(&f, i, 50);
    struct plog *other = kit_log(&f.kit, 1, 0);
    struct kit_batch b = { .tag = 1 };
    assert_int_equal(kit_append(&f.kit, other, &b, NULL).code, E_OK);
    run_all(&f);
    checkpoint_want(f.kit.store);
    store_turn(f.kit.store);
    work(&f, LANE_BACKGROUND);
    hear(&f, LANE_BACKGROUND);
    f.kit.known[0] = false;
    store_delete_topic(f.kit.store, f.kit.topics[0], 0, INT32_MAX);
    run_all(&f);
    assert_true(f.kit.store->other_free);
    kit_reopen(&f.kit);
    assert_int_equal(plog_end(kit_log(&f.kit, 1, 0)), 1);
    assert_null(store_find(f.kit.store, f.kit.topics[0], 0));
    teardown(&f);
}

static void test_a_large_append_does_not_hold_up_small_ones(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, true);
    struct plog *large[6];
    for (int i = 0; i < 6; i++) large[i] = append(&f, i, 100000);
    store_turn(f.kit.store);
    assert_int_equal(f.count[LANE_DIRECT] + f.count[LANE_DIRECT_2], 4);
    struct plog *small = append(&f, 9, 50);
    store_turn(f.kit.store);
    run_lane(&f, LANE_COMMIT); /* with the two large ones that found no slot */
    assert_int_equal(plog_high_watermark(small), 1);
    assert_int_equal(plog_high_watermark(large[0]), 0);
    run_all(&f);
    for (int i = 0; i < 6; i++) assert_int_equal(plog_high_watermark(large[i]), 1);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_comes_during_a_sync_is_one_round_that_needs_no_turn_to_begin),
        cmocka_unit_test(test_a_round_behind_a_failed_sync_is_not_written),
        cmocka_unit_test(test_rounds_that_find_no_space_sync_their_segments),
        cmocka_unit_test(test_a_checkpoint_finds_its_gap_between_rounds_that_never_stop),
        cmocka_unit_test(test_a_round_takes_no_more_than_a_frame),
        cmocka_unit_test(test_commits_go_on_while_a_checkpoint_waits_for_its_syncs),
        cmocka_unit_test(test_a_journal_that_no_checkpoint_frees_stays_bounded),
        cmocka_unit_test(test_a_topic_deleted_during_a_checkpoint_is_left_out),
        cmocka_unit_test(test_a_large_append_does_not_hold_up_small_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
