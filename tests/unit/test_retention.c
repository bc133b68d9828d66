/* test_retention.c - retention by time and size, the cleaner's limit, deleted topics, the trash. */
#include "base/mem.h"
#include "fault/store_kit.h"
#include "storage/files.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)

static int setup(void **state)
{
    struct kit *k = mem_alloc(sizeof *k);
    kit_init(k, 1);
    k->config.segment_bytes = 1000;
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

static size_t files_in(struct kit *k, const char *folder, const char *suffix)
{
    struct name_list names;
    size_t n = 0;
    if (failed(files_list(sim_fs(k->sim), folder, &names))) return 0;
    for (size_t i = 0; i < names.count; i++) n += strstr(names.names[i], suffix) != NULL;
    name_list_done(&names);
    return n;
}

static void fill(struct kit *k, struct plog *log, int batches)
{
    for (int i = 0; i < batches; i++, k->now += 1000)
        assert_ok(kit_append(k, log, &(struct kit_batch){ .value_size = 200, .tag = i }, NULL));
}

static void test_size_keeps_the_newest_segments(void **state)
{
    struct kit *k = *state;
    k->config.retention_bytes = 3000;
    struct plog *log = kit_log(k, 0, 0);
    fill(k, log, 40); /* three to a segment */
    int64_t before = plog_bytes(log);
    (void)store_retain(k->store);
    assert_true(plog_start(log) > 0);
    assert_true(plog_bytes(log) < before);
    assert_true(plog_bytes(log) >= 3000);
    assert_true(plog_bytes(log) < 3000 + 1000);
    assert_int_equal(files_in(k, log->folder, ".log"), log->count);
    assert_int_equal(store_bytes(k->store), plog_bytes(log));
    int64_t start = plog_start(log);
    kit_reopen(k);
    log = kit_log(k, 0, 0);
    assert_int_equal(plog_start(log), start);
    assert_int_equal(plog_end(log), 40);
}

static void test_no_size_at_all_empties_the_log(void **state)
{
    struct kit *k = *state;
    k->config.retention_bytes = 0;
    struct plog *log = kit_log(k, 0, 0);
    fill(k, log, 8);
    (void)store_retain(k->store);
    assert_int_equal(plog_start(log), 8);
    assert_int_equal(plog_bytes(log), 0);
    fill(k, log, 1);
    assert_int_equal(plog_end(log), 9);
}

static void test_time_expires_all_and_the_log_goes_on(void **state)
{
    struct kit *k = *state;
    k->config.retention_ms = 60000;
    struct plog *log = kit_log(k, 0, 0);
    fill(k, log, 10);
    int64_t next = store_retain(k->store);
    assert_int_equal(plog_start(log), 0);
    assert_true(next > k->now && next < k->now + 61000);
    k->now = next;
    (void)store_retain(k->store);
    assert_true(plog_start(log) > 0);
    k->now += 100000;
    (void)store_retain(k->store);
    assert_int_equal(plog_start(log), 10);
    assert_int_equal(plog_end(log), 10);
    assert_int_equal(plog_bytes(log), 0);
    kit_reopen(k);
    log = kit_log(k, 0, 0);
    assert_int_equal(plog_start(log), 10);
    fill(k, log, 1);
    assert_int_equal(plog_end(log), 11);
}

static void test_a_record_is_kept_for_its_whole_time_and_not_a_millisecond_more(void **state)
{
    struct kit *k = *state;
    k->config.retention_ms = 60000;
    struct plog *log = kit_log(k, 0, 0);
    assert_ok(kit_append(k, log, &(struct kit_batch){ .value_size = 200 }, NULL));
    k->now += 60000;
    int64_t next = store_retain(k->store);
    assert_int_equal(plog_start(log), 0);
    assert_int_equal(next, k->now + 1);
    k->now = next;
    (void)store_retain(k->store);
    assert_int_equal(plog_start(log), 1);
}

static void test_nothing_goes_before_a_checkpoint_allows_it(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    fill(k, log, 12);
    assert_int_equal(log->rp.segment, 0);
    assert_ok(plog_set_start(log, 9, NULL)); /* asks for a checkpoint, which runs at once here */
    assert_true(log->rp.segment > 0);
    assert_true(log->rp.snapshot >= log->rp.segment);
    assert_int_equal(plog_start(log), 9);
    assert_int_equal(log->segments[0]->base, 9);
}

static void test_compacted_topics_are_not_expired(void **state)
{
    struct kit *k = *state;
    k->config.cleanup_delete = false;
    k->config.retention_ms = 1;
    k->config.retention_bytes = 1;
    struct plog *log = kit_log(k, 0, 0);
    fill(k, log, 10);
    k->now += 1000000;
    assert_int_equal(store_retain(k->store), INT64_MAX);
    assert_int_equal(plog_start(log), 0);
}

static void test_a_deleted_topic_leaves_no_folder(void **state)
{
    struct kit *k = *state;
    for (int p = 0; p < 3; p++) fill(k, kit_log(k, 0, p), 5);
    fill(k, kit_log(k, 1, 0), 5);
    assert_int_equal(files_in(k, ".", "-"), 3 + 1 + 1); /* and a journal */
    k->known[0] = false;
    store_delete_topic(k->store, k->topics[0], 0, INT32_MAX);
    assert_int_equal(files_in(k, ".", "-"), 1 + 1);
    kit_reopen(k);
    assert_null(store_find(k->store, k->topics[0], 0));
    assert_int_equal(plog_end(kit_log(k, 1, 0)), 5);
}

static void test_a_folder_without_a_topic_waits_a_day_in_the_trash(void **state)
{
    struct kit *k = *state;
    fill(k, kit_log(k, 0, 0), 5);
    k->known[0] = false; /* an image from an old backup */
    kit_reopen(k);
    assert_int_equal(files_in(k, "trash", "-"), 1);
    int64_t next = store_retain(k->store);
    assert_int_equal(next, k->now + 24 * 3600 * 1000);
    assert_int_equal(files_in(k, "trash", "-"), 1);
    k->now = next;
    (void)store_retain(k->store);
    assert_int_equal(files_in(k, "trash", "-"), 0);
}

static void test_files_wait_as_long_as_the_topic_says(void **state)
{
    struct kit *k = *state;
    k->config.retention_bytes = 3000;
    k->config.file_delete_delay_ms = 60000;
    struct plog *log = kit_log(k, 0, 0);
    fill(k, log, 40);
    size_t all = files_in(k, log->folder, ".log");
    int64_t next = store_retain(k->store);
    assert_true(log->count < all);
    assert_int_equal(store_bytes(k->store), plog_bytes(log)); /* what waits does not count */
    assert_int_equal(files_in(k, log->folder, ".log"), all);
    assert_true(next > k->now && next <= k->now + 60001);
    k->now += 60000;
    (void)store_retain(k->store);
    assert_int_equal(files_in(k, log->folder, ".log"), log->count);
    fill(k, log, 10);
    (void)store_retain(k->store);
    assert_true(files_in(k, log->folder, ".log") > log->count);
    kit_reopen(k); /* a start finds what waited, below the log start */
    log = kit_log(k, 0, 0);
    assert_int_equal(files_in(k, log->folder, ".log"), log->count);
}

static void test_the_image_and_the_lock_are_left_alone(void **state)
{
    struct kit *k = *state;
    struct fs *fs = sim_fs(k->sim);
    struct file *file;
    assert_ok(fs->ops->open(fs, "image", FS_WRITE | FS_CREATE, &file));
    fs->ops->close(fs, file);
    assert_ok(fs->ops->open(fs, "lock", FS_WRITE | FS_CREATE, &file));
    fs->ops->close(fs, file);
    fill(k, kit_log(k, 0, 0), 2);
    kit_reopen(k);
    assert_int_equal(files_in(k, ".", "image"), 1);
    assert_int_equal(files_in(k, ".", "lock"), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(size_keeps_the_newest_segments),
        T(no_size_at_all_empties_the_log),
        T(time_expires_all_and_the_log_goes_on),
        T(a_record_is_kept_for_its_whole_time_and_not_a_millisecond_more),
        T(nothing_goes_before_a_checkpoint_allows_it),
        T(compacted_topics_are_not_expired),
        T(a_deleted_topic_leaves_no_folder),
        T(a_folder_without_a_topic_waits_a_day_in_the_trash),
        T(files_wait_as_long_as_the_topic_says),
        T(the_image_and_the_lock_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
