/* test_compaction.c - what compaction keeps of a log, when it runs, and what it never touches. */
#include "fault/compact_kit.h"
#include "storage/key_map.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static int setup(void **state)
{
    static struct ck c;
    ck_init(&c, 7);
    assert_int_equal(kit_open(&c.kit).code, E_OK);
    *state = &c;
    return 0;
}

static int teardown(void **state)
{
    ck_done(*state);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

/* Offsets of what is stored, as text: "3 4 7". */
static const char *stored(struct ck *c)
{
    static char text[512];
    int64_t offsets[128];
    int n = ck_offsets(c, offsets, 128);
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%lld", i ? " " : "",
                               (long long)offsets[i]);
    return text;
}

static void test_the_last_record_of_each_key_stays_under_its_offset(void **state)
{
    struct ck *c = *state;
    ck_put(c, 1, 1); /* 0 */
    ck_put(c, 2, 1);
    ck_put(c, 1, 1);
    ck_put(c, 3, 1);
    ck_put(c, 2, 1); /* 4 */
    ck_roll(c);
    ck_put(c, 3, 1); /* 5: in the active segment, which is not looked at */
    ck_compact(c);
    assert_string_equal(stored(c), "2 3 4 5");
    ck_check(c);
    struct buf out;
    struct read_result r;
    buf_init(&out, 1 << 20);
    assert_int_equal(plog_read(ck_log(c), 0, plog_end(ck_log(c)), 1, true, &out, &r).code, E_OK);
    assert_int_equal(r.next_offset, 3); /* an offset that is gone reads on with the next one */
    buf_done(&out);
}

static void test_small_segments_become_one(void **state)
{
    struct ck *c = *state;
    c->kit.config.min_compaction_lag_ms = 1000; /* all of it in one pass */
    for (int i = 0; i < 6; i++) {
        ck_put(c, i % 2, 1);
        ck_roll(c);
    }
    int64_t before = plog_bytes(ck_log(c));
    assert_int_equal(ck_log(c)->count, 7);
    c->kit.now += 1000;
    ck_compact(c);
    assert_string_equal(stored(c), "4 5");
    assert_int_equal(ck_log(c)->count, 2);
    assert_true(plog_bytes(ck_log(c)) < before);
    assert_int_equal(store_bytes(c->kit.store), plog_bytes(ck_log(c)));
    kit_reopen(&c->kit);
    assert_string_equal(stored(c), "4 5");
    assert_int_equal(plog_end(ck_log(c)), 6);
}

static void test_batches_keep_what_stays_of_them(void **state)
{
    struct ck *c = *state;
    static const enum codec codecs[] = { CODEC_NONE, CODEC_GZIP, CODEC_LZ4, CODEC_ZSTD };
    for (int i = 0; i < 4; i++) ck_put_many(c, 10, codecs[i], 0); /* keys 0…9 each time */
    ck_put_many(c, 5, CODEC_ZSTD, 0);
    ck_roll(c);
    ck_compact(c);
    assert_string_equal(stored(c), "35 36 37 38 39 40 41 42 43 44");
    ck_check(c);
}

static void test_a_tombstone_stays_until_its_time_is_over(void **state)
{
    struct ck *c = *state;
    c->kit.config.delete_retention_ms = 1000;
    ck_put(c, 1, 1);
    ck_put(c, 2, 1);
    ck_put(c, 1, 0); /* 2: tombstone */
    ck_roll(c);
    ck_compact(c);
    assert_string_equal(stored(c), "1 2");
    c->kit.now += 999;
    ck_put(c, 3, 1);
    ck_roll(c);
    ck_compact(c);
    assert_string_equal(stored(c), "1 2 3");
    c->kit.now += 2;
    ck_put(c, 4, 1);
    ck_roll(c);
    ck_compact(c);
    assert_string_equal(stored(c), "1 3 4");
    ck_check(c);
}

static void test_timestamps_survive_the_delete_horizon(void **state)
{
    struct ck *c = *state;
    c->kit.config.delete_retention_ms = 1000000;
    int64_t at = c->kit.now;
    ck_put(c, 1, 0);
    ck_roll(c);
    ck_compact(c);
    int64_t offset, ts;
    int32_t epoch;
    assert_int_equal(plog_offset_for_time(ck_log(c), at, &offset, &ts, &epoch).code, E_OK);
    assert_int_equal(offset, 0);
    assert_int_equal(ts, at);
}

static void test_aborted_records_go_and_committed_ones_keep_their_marker(void **state)
{
    struct ck *c = *state;
    ck_txn(c, 70, 1);         /* 0 */
    ck_end(c, 70, false);     /* 1: abort */
    ck_txn(c, 70, 2);         /* 2 */
    ck_end(c, 70, true);      /* 3: commit */
    ck_txn(c, 71, 3);         /* 4 */
    ck_end(c, 71, true);      /* 5 */
    ck_put(c, 3, 1);          /* 6: nothing of 71's transaction is left */
    ck_roll(c);
    ck_compact(c);
    assert_string_equal(stored(c), "1 2 3 6");
    ck_check(c);
    kit_reopen(&c->kit);
    assert_string_equal(stored(c), "1 2 3 6");
}

static void pass(struct ck *c)
{
    ck_put(c, 9, 1);
    ck_roll(c);
    ck_compact(c);
}

static void count_aborted(void *arg, const struct aborted_txn *txn)
{
    (void)txn;
    ++*(uint32_t *)arg;
}

static uint32_t told_aborted(struct ck *c)
{
    uint32_t n = 0;
    struct plog *log = ck_log(c);
    assert_int_equal(plog_aborted(log, 0, plog_end(log), count_aborted, &n).code, E_OK);
    return n;
}

static void test_an_abort_marker_goes_when_its_records_and_its_time_are_over(void **state)
{
    struct ck *c = *state;
    c->kit.config.delete_retention_ms = 1000;
    ck_txn(c, 70, 1);     /* 0 */
    ck_end(c, 70, false); /* 1: abort */
    ck_txn(c, 70, 2);     /* 2 */
    ck_end(c, 70, true);  /* 3: commit */
    pass(c);              /* 4: its records go */
    assert_string_equal(stored(c), "1 2 3 4");
    pass(c);              /* 5: its time begins */
    assert_string_equal(stored(c), "1 2 3 5");
    c->kit.now += 999;
    pass(c);              /* 6 */
    assert_string_equal(stored(c), "1 2 3 6");
    assert_int_equal(told_aborted(c), 1);
    ck_check(c);
    c->kit.now += 2;
    pass(c);              /* 7 */
    assert_string_equal(stored(c), "2 3 7");
    assert_int_equal(told_aborted(c), 0); /* or 70's committed record would be left out */
    ck_check(c);
    kit_reopen(&c->kit);
    assert_string_equal(stored(c), "2 3 7");
    assert_int_equal(told_aborted(c), 0);
    ck_check(c);
}

static void test_nothing_above_an_open_transaction_is_touched(void **state)
{
    struct ck *c = *state;
    ck_put(c, 1, 1);
    ck_put(c, 1, 1);
    ck_roll(c);
    ck_txn(c, 70, 2); /* 2 */
    ck_put(c, 1, 1);
    ck_put(c, 1, 1);
    ck_roll(c);
    ck_compact(c);
    assert_string_equal(stored(c), "1 2 3 4");
    ck_end(c, 70, true);
    ck_roll(c);
    ck_compact(c);
    assert_string_equal(stored(c), "2 4 5");
}

static void test_a_log_is_compacted_when_it_is_dirty_enough_and_not_again(void **state)
{
    struct ck *c = *state;
    c->kit.config.min_cleanable_dirty_ratio = 0.5;
    for (int i = 0; i < 10; i++) ck_put(c, i, 1);
    ck_roll(c);
    ck_compact(c);
    int64_t cleaned = ck_log(c)->clean_end;
    assert_int_equal(cleaned, 10);
    ck_put(c, 0, 1);
    ck_roll(c);
    ck_compact(c);
    assert_int_equal(ck_log(c)->clean_end, 10); /* a tenth is dirty */
    kit_reopen(&c->kit);
    ck_compact(c);
    assert_int_equal(ck_log(c)->clean_end, 10); /* known from the folder */
    for (int i = 0; i < 30; i++) ck_put(c, i, 1);
    ck_roll(c);
    ck_compact(c);
    assert_int_equal(ck_log(c)->clean_end, 41);
    ck_check(c);
}

static void test_what_a_roll_closed_is_compacted_once_it_is_durable(void **state)
{
    struct ck *c = *state;
    struct kit *k = &c->kit;
    k->config.segment_bytes = 400;
    kit_by_hand(k);
    kit_reopen(k);
    struct kit_batch b = { .records = 1, .keys = true, .value_size = 100 };
    while (ck_log(c)->count < 3) assert_int_equal(kit_append(k, ck_log(c), &b, NULL).code, E_OK);
    assert_int_equal(plog_high_watermark(ck_log(c)), 0); /* the roll saw nothing that could be compacted */
    do {
        kit_run_jobs(k);
        store_turn(k->store);
    } while (k->store->wants_turn || k->store->tasks);
    assert_int_equal(plog_high_watermark(ck_log(c)), plog_end(ck_log(c)));
    assert_int_equal(ck_log(c)->clean_end, plog_active(ck_log(c))->base);
}

static void test_records_have_to_be_as_old_as_the_lag_says(void **state)
{
    struct ck *c = *state;
    c->kit.config.min_compaction_lag_ms = 5000;
    ck_put(c, 1, 1);
    ck_put(c, 1, 1);
    ck_roll(c);
    ck_compact(c);
    assert_string_equal(stored(c), "0 1");
    c->kit.now += 5000;
    ck_compact(c);
    assert_string_equal(stored(c), "1");
}

static void test_the_longest_lag_closes_a_segment_that_nobody_writes_to(void **state)
{
    struct ck *c = *state;
    c->kit.config.max_compaction_lag_ms = 5000;
    c->kit.config.min_cleanable_dirty_ratio = 1;
    ck_put(c, 1, 1);
    ck_put(c, 1, 1);
    ck_compact(c);
    assert_string_equal(stored(c), "0 1");
    c->kit.now += 5001;
    ck_compact(c);
    assert_string_equal(stored(c), "1");
}

static void test_sequences_of_producers_go_on_behind_compacted_batches(void **state)
{
    struct ck *c = *state;
    struct append_result r;
    struct kit_batch b = { .producer_id = 9, .keys = true };
    for (b.sequence = 0; b.sequence < 4; b.sequence++)
        assert_int_equal(kit_append(&c->kit, ck_log(c), &b, &r).code, E_OK);
    ck_roll(c);
    ck_compact(c);
    struct buf out;
    struct read_result read;
    buf_init(&out, 1 << 20);
    assert_int_equal(plog_read(ck_log(c), 0, 4, 1 << 20, true, &out, &read).code, E_OK);
    assert_int_equal(get_be64(out.data), 3); /* the first batch that is left */
    buf_done(&out);
    kit_reopen(&c->kit);
    assert_int_equal(kit_append(&c->kit, ck_log(c), &b, &r).code, E_OK);
    assert_false(r.duplicate);
    assert_int_equal(kit_append(&c->kit, ck_log(c), &b, &r).code, E_OK);
    assert_true(r.duplicate);
}

static void test_a_damaged_batch_stops_compaction_of_its_log_and_loses_nothing(void **state)
{
    struct ck *c = *state;
    c->kit.config.min_compaction_lag_ms = 1000;
    ck_put(c, 1, 1);
    ck_put(c, 1, 1);
    ck_roll(c);
    c->kit.now += 1000;
    struct segment *s = ck_log(c)->segments[0];
    struct fs *fs = sim_fs(c->kit.sim);
    uint8_t wrong = 0xff;
    assert_int_equal(segment_open(s, 0).code, E_OK);
    assert_int_equal(fs->ops->pwrite(fs, s->file, &wrong, 1, BATCH_HEADER_SIZE + 5).code, E_OK);
    ck_compact(c);
    assert_true(ck_log(c)->uncleanable);
    assert_int_equal(ck_log(c)->segments[0]->size, s->size);
    assert_int_equal(c->kit.fatal, 0);
}

static void test_a_full_disk_postpones_compaction(void **state)
{
    struct ck *c = *state;
    c->kit.config.min_compaction_lag_ms = 1000;
    ck_put(c, 1, 1);
    ck_put(c, 1, 1);
    ck_roll(c);
    c->kit.now += 1000;
    sim_fail_at(c->kit.sim, SIM_PWRITE, 1, E_NO_SPACE);
    ck_compact(c);
    assert_string_equal(stored(c), "0 1");
    assert_int_equal(c->kit.fatal, 0);
    c->kit.now += 60001;
    ck_compact(c);
    assert_string_equal(stored(c), "1");
}

static void test_a_map_that_is_full_compacts_in_several_passes(void **state)
{
    struct key_map map;
    (void)state;
    assert_int_equal(key_map_init(&map, 1).code, E_OK);
    status s = OK;
    int n = 0;
    for (; is_ok(s); n++) s = key_map_put(&map, bytes_of(&n, sizeof n), n);
    assert_int_equal(s.code, E_LIMIT);
    for (int i = 0; i < n - 1; i++) assert_int_equal(key_map_get(&map, bytes_of(&i, sizeof i)), i);
    assert_int_equal(key_map_get(&map, bytes_of("no", 2)), -1);
    key_map_done(&map);
}

static void test_random_logs_keep_their_last_records(void **state)
{
    struct ck *c = *state;
    c->kit.config.delete_retention_ms = 50;
    for (int round = 0; round < 400; round++) {
        ck_step(c);
        if (round % 50 == 49) kit_reopen(&c->kit);
        ck_check(c);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_last_record_of_each_key_stays_under_its_offset),
        T(test_small_segments_become_one),
        T(test_batches_keep_what_stays_of_them),
        T(test_a_tombstone_stays_until_its_time_is_over),
        T(test_timestamps_survive_the_delete_horizon),
        T(test_aborted_records_go_and_committed_ones_keep_their_marker),
        T(test_an_abort_marker_goes_when_its_records_and_its_time_are_over),
        T(test_nothing_above_an_open_transaction_is_touched),
        T(test_a_log_is_compacted_when_it_is_dirty_enough_and_not_again),
        T(test_what_a_roll_closed_is_compacted_once_it_is_durable),
        T(test_records_have_to_be_as_old_as_the_lag_says),
        T(test_the_longest_lag_closes_a_segment_that_nobody_writes_to),
        T(test_sequences_of_producers_go_on_behind_compacted_batches),
        T(test_a_damaged_batch_stops_compaction_of_its_log_and_loses_nothing),
        T(test_a_full_disk_postpones_compaction),
        T(test_a_map_that_is_full_compacts_in_several_passes),
        T(test_random_logs_keep_their_last_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
