/* test_plog_time.c - timestamp lookup across segments and codecs, and the indexes behind it. */
#include "base/mem.h"
#include "fault/store_kit.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)
#define T0 1600000000000

static int setup(void **state)
{
    struct kit *k = mem_alloc(sizeof *k);
    kit_init(k, 1);
    k->config.segment_bytes = 20000;
    assert_ok(kit_open(k));
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    kit_done(*state);
    mem_free(*state);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

/* Record i has timestamp T0 + 10 i; four records to a batch, every codec in turn. */
static struct plog *fill(struct kit *k, int batches)
{
    struct plog *log = kit_log(k, 0, 0);
    for (int b = 0; b < batches; b++) {
        struct batch_options options = batch_options_default;
        struct batch_builder builder;
        struct buf bytes;
        struct append_result r;
        options.codec = (enum codec)(b % CODEC_COUNT);
        batch_builder_init(&builder, &options);
        uint8_t value[300];
        for (int i = 0; i < 4; i++) {
            random_bytes(value, sizeof value);
            assert_ok(batch_builder_add(&builder, T0 + (b * 4 + i) * 10, BYTES_NULL,
                                        bytes_of(value, sizeof value), NULL, 0));
        }
        buf_init(&bytes, 1 << 20);
        assert_ok(batch_builder_finish(&builder, &bytes));
        batch_builder_done(&builder);
        assert_ok(plog_append(log, bytes.data, bytes.len, APPEND_CLIENT, &r));
        buf_done(&bytes);
    }
    return log;
}

static void check_all(struct plog *log, int records)
{
    int64_t offset, ts;
    int32_t epoch;
    for (int i = 0; i < records; i++) {
        assert_ok(plog_offset_for_time(log, T0 + i * 10, &offset, &ts, &epoch));
        assert_int_equal(offset, i);
        assert_int_equal(ts, T0 + i * 10);
        assert_ok(plog_offset_for_time(log, T0 + i * 10 - 5, &offset, &ts, &epoch));
        assert_int_equal(offset, i);
    }
    assert_ok(plog_offset_for_time(log, T0 + records * 10, &offset, &ts, &epoch));
    assert_int_equal(offset, -1);
    assert_int_equal(ts, -1);
    assert_ok(plog_offset_of_max_time(log, &offset, &ts, &epoch));
    assert_int_equal(offset, records - 1);
    assert_int_equal(plog_last_timestamp(log), T0 + (records - 1) * 10);
}

static void test_every_record_is_found_inside_its_batch(void **state)
{
    struct kit *k = *state;
    struct plog *log = fill(k, 100);
    assert_true(log->count > 3);
    check_all(log, 400);
    kit_reopen(k); /* closed segments by their index files */
    log = kit_log(k, 0, 0);
    check_all(log, 400);
    assert_ok(store_stop(k->store));
    kit_reopen(k);
    check_all(kit_log(k, 0, 0), 400);
}

static void test_a_lost_or_damaged_index_is_made_again(void **state)
{
    struct kit *k = *state;
    struct fs *fs = sim_fs(k->sim);
    struct plog *log = fill(k, 100);
    for (int round = 0; round < 2; round++) {
        assert_ok(store_stop(k->store));
        kit_reopen(k);
        log = kit_log(k, 0, 0);
        assert_false(log->segments[0]->indexed);
        for (uint32_t i = 0; i + 1 < log->count; i++) {
            char path[96];
            struct file *file;
            segment_path(log->segments[i], ".index", path, sizeof path);
            if (round == 0) {
                assert_ok(fs->ops->unlink(fs, path));
                assert_ok(segment_need_index(log->segments[i]));
                segment_save_index(log->segments[i]);
            } else {
                assert_ok(fs->ops->open(fs, path, FS_WRITE, &file));
                assert_ok(fs->ops->pwrite(fs, file, "?", 1, 40 + i));
                fs->ops->close(fs, file);
            }
        }
        check_all(log, 400);
    }
}

static void test_records_below_the_start_are_not_found(void **state)
{
    struct kit *k = *state;
    struct plog *log = fill(k, 20);
    int64_t offset, ts;
    int32_t epoch;
    assert_ok(plog_set_start(log, 30, NULL));
    assert_ok(plog_offset_for_time(log, 0, &offset, &ts, &epoch));
    assert_int_equal(offset, 30);
    assert_ok(plog_offset_for_time(log, T0 + 100, &offset, &ts, &epoch));
    assert_int_equal(offset, 30);
}

static void test_an_empty_log_has_no_times(void **state)
{
    struct kit *k = *state;
    int64_t offset, ts;
    int32_t epoch;
    struct plog *log = kit_log(k, 0, 0);
    assert_ok(plog_offset_for_time(log, 0, &offset, &ts, &epoch));
    assert_int_equal(offset, -1);
    assert_ok(plog_offset_of_max_time(log, &offset, &ts, &epoch));
    assert_int_equal(offset, -1);
    assert_int_equal(plog_last_timestamp(log), -1);
}

static void test_the_table_stays_small_and_right(void **state)
{
    (void)state;
    struct index index;
    index_init(&index);
    for (uint32_t i = 0; i < 100000; i++) index_add(&index, i, i * 1000, i ? (int64_t)i - 1 : INT64_MIN);
    assert_true(index.count <= 4096);
    for (uint32_t i = 0; i < 100000; i += 997) {
        uint32_t at = index_find_offset(&index, i);
        assert_true(at <= i * 1000);
        assert_true(i * 1000 - at <= index.interval * 2);
        at = index_find_time(&index, i);
        assert_true(at <= i * 1000);
        assert_true(i * 1000 - at <= index.interval * 2);
    }
    index_done(&index);
    index_limit(&index, 0, 80); /* as a topic may ask: each batch, ten entries */
    for (uint32_t i = 0; i < 1000; i++) {
        index_add(&index, i, i * 1000, i ? (int64_t)i - 1 : INT64_MIN);
        assert_true(index.count <= 10);
        if (i < 10) assert_int_equal(index_find_offset(&index, i), i * 1000);
    }
    assert_true(index.count >= 4);
    index_done(&index);
    for (uint32_t i = 0; i < 100000; i++) index_add(&index, i, i * 1000, i ? (int64_t)i - 1 : INT64_MIN);
    index_cut(&index, 5000000);
    assert_true(index_find_offset(&index, 99999) < 5000000);
    index_done(&index);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_record_is_found_inside_its_batch),
        T(a_lost_or_damaged_index_is_made_again),
        T(records_below_the_start_are_not_found),
        T(an_empty_log_has_no_times),
        cmocka_unit_test(test_the_table_stays_small_and_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
