/* test_store.c - a store on a real folder with a real loop and its lanes: group commit, direct syncs,
 * checkpoints beside appends, a clean stop, and the file seam's own rules. */
#include "base/mem.h"
#include "storage/storage_int.h"
#include "wire/batch.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)
#define PARTITIONS 50
#define MANY 600 /* more than may be dirty there */

struct fixture {
    char folder[64];
    struct fs *fs;
    struct loop *loop;
    struct store *store;
    struct log_config config;
    struct store_tuning tuning;
    struct uuid topic;
    int done, fatal;
};

static bool known(void *arg, struct uuid topic, int32_t partition, struct log_config *ret)
{
    struct fixture *f = arg;
    (void)partition;
    *ret = f->config;
    return uuid_eq(topic, f->topic);
}

static void fatal(void *arg, status why)
{
    (void)why;
    ((struct fixture *)arg)->fatal++;
}

static void open_store(struct fixture *f)
{
    int fd = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(fs_posix_new(fd, &f->fs));
    assert_ok(loop_new(&f->loop));
    struct store_options options = { .fs = f->fs, .loop = f->loop, .known = known, .fatal = fatal,
                                     .tuning = &f->tuning, .arg = f };
    assert_ok(store_open(&options, &f->store));
}

static void close_store(struct fixture *f)
{
    store_free(f->store);
    loop_free(f->loop);
    fs_posix_free(f->fs);
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/leat-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->config = log_config_default;
    f->tuning = store_tuning_default;
    memset(f->topic.b, 7, 16);
    open_store(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close_store(f);
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    assert_int_equal(system(command), 0);
    mem_free(f);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

struct waiter {
    struct plog_wait wait;
    struct fixture *f;
};

static void waiter_done(struct plog_wait *wait, status result)
{
    struct waiter *w = CONTAINER_OF(wait, struct waiter, wait);
    assert_ok(result);
    w->f->done++;
}

static void append(struct fixture *f, int partition, size_t size, struct waiter *w)
{
    struct batch_builder builder;
    struct buf bytes;
    struct append_result r;
    uint8_t *value = mem_zalloc(size);
    batch_builder_init(&builder, NULL);
    assert_ok(batch_builder_add(&builder, 1700000000000, BYTES_NULL, bytes_of(value, size), NULL, 0));
    buf_init(&bytes, 1 << 22);
    assert_ok(batch_builder_finish(&builder, &bytes));
    batch_builder_done(&builder);
    mem_free(value);
    struct plog *log = store_log(f->store, f->topic, partition, &f->config);
    assert_ok(plog_append(log, bytes.data, bytes.len, APPEND_COORDINATOR, &r));
    buf_done(&bytes);
    if (!w) return;
    *w = (struct waiter){ .wait = { .done = waiter_done }, .f = f };
    plog_wait(log, &w->wait, r.end_offset);
}

static void wait_for(struct fixture *f, int done)
{
    for (int i = 0; i < 100000 && f->done < done; i++) loop_turn(f->loop, 1000);
    assert_int_equal(f->done, done);
}

static void test_one_sync_answers_every_partition(void **state)
{
    struct fixture *f = *state;
    struct waiter *w = mem_zalloc(PARTITIONS * sizeof *w);
    for (int round = 1; round <= 5; round++) {
        uint64_t before = f->store->rounds;
        for (int p = 0; p < PARTITIONS; p++) append(f, p, 100, &w[p]);
        assert_int_equal(f->done, (round - 1) * PARTITIONS); /* nothing before the sync */
        wait_for(f, round * PARTITIONS);
        assert_int_equal(f->store->rounds, before + 1);
    }
    assert_int_equal(f->store->directs[0] + f->store->directs[1], 0);
    mem_free(w);
}

static void test_large_appends_sync_their_own_segment(void **state)
{
    struct fixture *f = *state;
    struct waiter w[8];
    for (int p = 0; p < 8; p++) append(f, p, 200000, &w[p]);
    wait_for(f, 8);
    assert_true(f->store->position < 8 * 200000);
    for (int p = 0; p < 8; p++) {
        struct plog *log = store_find(f->store, f->topic, p);
        assert_int_equal(plog_high_watermark(log), 1);
    }
}

static void test_all_is_there_after_a_kill_and_after_a_stop(void **state)
{
    struct fixture *f = *state;
    struct waiter *w = mem_zalloc(2000 * sizeof *w);
    f->tuning.journal_cap = 200000; /* checkpoints run beside the appends */
    f->tuning.journal_hard = 400000;
    f->tuning.direct_min = 8000;
    f->config.segment_bytes = 100000;
    close_store(f);
    open_store(f);
    for (int i = 0; i < 2000; i++) {
        append(f, i % 7, i % 11 == 0 ? 9000 : 300, &w[i]);
        if (i % 3 == 0) loop_turn(f->loop, 0);
        if (i % 500 == 499) {
            struct plog *log = store_find(f->store, f->topic, 1);
            assert_ok(plog_set_start(log, plog_high_watermark(log) / 2, NULL));
        }
    }
    wait_for(f, 2000);
    for (int life = 0; life < 3; life++) {
        if (life) assert_ok(store_stop(f->store));
        close_store(f);
        open_store(f);
        for (int p = 0; p < 7; p++) {
            struct plog *log = store_find(f->store, f->topic, p);
            struct buf out;
            buf_init(&out, 1 << 24);
            assert_int_equal(plog_end(log), p < 2000 % 7 ? 286 : 285);
            for (int64_t at = plog_start(log); at < plog_end(log);) {
                struct read_result r;
                assert_ok(plog_read(log, at, plog_end(log), 1 << 20, true, &out, &r));
                assert_true(r.next_offset > at);
                at = r.next_offset;
            }
            buf_done(&out);
        }
    }
    assert_int_equal(f->fatal, 0);
    mem_free(w);
}

static void test_many_partitions_stay_within_the_descriptors(void **state)
{
    struct fixture *f = *state;
    f->store->files.dirty_max = 512;
    for (int p = 0; p < MANY; p++) {
        append(f, p, 50, NULL);
        loop_turn(f->loop, 0);
    }
    for (int i = 0; i < 200 && (f->store->tasks || f->store->checkpoint_wanted); i++)
        loop_turn(f->loop, 1000);
    assert_true(f->store->files.count <= FILES_OPEN_MAX + f->store->files.dirty_max + 10);
    for (int p = 0; p < MANY; p++) append(f, p, 50, NULL);
    assert_ok(store_stop(f->store));
    close_store(f);
    open_store(f);
    for (int p = 0; p < MANY; p++) assert_int_equal(plog_end(store_find(f->store, f->topic, p)), 2);
    assert_true(f->store->files.count <= FILES_OPEN_MAX + 1);
}

static void test_flush_ms_syncs_what_the_page_cache_held_so_long(void **state)
{
    struct fixture *f = *state;
    f->config.flush = false;
    f->config.flush_ms = 20;
    for (int round = 1; round <= 2; round++) { /* the timer serves again */
        append(f, 0, 100, NULL);
        append(f, 0, 100, NULL);
        struct plog *log = store_find(f->store, f->topic, 0);
        assert_int_equal(log->high_watermark, 2 * round);
        assert_true(log->durable < 2 * round);
        for (int i = 0; i < 100000 && log->durable < 2 * round; i++) loop_turn(f->loop, 1000);
        assert_int_equal(log->durable, 2 * round);
    }
}

static void test_paths_cannot_leave_the_folder(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = { "/etc/passwd", "..", "../x", "a/../../x", "a/..", "" };
    struct file *file;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(f->fs->ops->open(f->fs, bad[i], FS_READ, &file).code, E_NOT_PERMITTED);
        assert_int_equal(f->fs->ops->unlink(f->fs, bad[i]).code, E_NOT_PERMITTED);
        assert_int_equal(f->fs->ops->rename(f->fs, "journal-0", bad[i]).code, E_NOT_PERMITTED);
        assert_int_equal(f->fs->ops->mkdir(f->fs, bad[i]).code, E_NOT_PERMITTED);
    }
    assert_ok(f->fs->ops->mkdir(f->fs, "..a"));
    assert_int_equal(f->fs->ops->mkdir(f->fs, "..a").code, E_EXISTS);
    assert_int_equal(f->fs->ops->open(f->fs, "none", FS_READ, &file).code, E_NOT_FOUND);
    char path[96];
    snprintf(path, sizeof path, "%s/link", f->folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_true(failed(f->fs->ops->open(f->fs, "link", FS_READ, &file)));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(one_sync_answers_every_partition),
        T(large_appends_sync_their_own_segment),
        T(all_is_there_after_a_kill_and_after_a_stop),
        T(many_partitions_stay_within_the_descriptors),
        T(flush_ms_syncs_what_the_page_cache_held_so_long),
        T(paths_cannot_leave_the_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
