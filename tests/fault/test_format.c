/* The format of a data folder: the older one is read and kept until it is raised, and files of a newer
 * program are refused with a sentence before anything is changed. */
#include "fault/store_kit.h"

#include "base/crc32c.h"
#include "base/format.h"
#include "storage/checkpoint.h"
#include "storage/files.h"
#include "storage/producer_state.h"
#include "storage/storage_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

static void write_some(struct kit *k, int records)
{
    for (int i = 0; i < records; i++)
        assert_true(is_ok(kit_append(k, kit_log(k, 1, 0),
                                     &(struct kit_batch){ .producer_id = 7, .sequence = i }, NULL)));
}

static void magic_of(struct kit *k, const char *path, char ret[5])
{
    struct buf in;
    buf_init(&in, 1 << 26);
    assert_true(is_ok(files_read(sim_fs(k->sim), path, &in)));
    memcpy(ret, in.data, 4);
    ret[4] = 0;
    buf_done(&in);
}

static void put(struct kit *k, const char *path, int64_t at, const void *bytes, size_t n)
{
    struct fs *fs = sim_fs(k->sim);
    struct file *file;
    assert_true(is_ok(fs->ops->open(fs, path, FS_WRITE, &file)));
    assert_true(is_ok(fs->ops->pwrite(fs, file, bytes, n, at)));
    fs->ops->close(fs, file);
}

static void test_an_older_folder_keeps_its_format_until_it_is_raised(void **state)
{
    struct kit k;
    char magic[5];
    (void)state;
    kit_init(&k, 1);
    k.options.format = FORMAT_OLDEST;
    assert_true(is_ok(kit_open(&k)));
    write_some(&k, 3);
    k.options.format = 0;
    for (int life = 0; life < 3; life++) {
        if (life != 1) assert_true(is_ok(store_stop(k.store)));
        kit_reopen(&k);
        magic_of(&k, "checkpoint", magic);
        assert_string_equal(magic, "LCP1");
        assert_int_equal(store_format(k.store), FORMAT_OLDEST);
        assert_int_equal(plog_end(kit_log(&k, 1, 0)), 3);
    }
    store_raise_format(k.store, FORMAT_NEWEST);
    magic_of(&k, "checkpoint", magic);
    assert_string_equal(magic, "LCP2");
    store_raise_format(k.store, FORMAT_OLDEST); /* there is no way back */
    store_raise_format(k.store, FORMAT_NEWEST + 1);
    kit_reopen(&k);
    assert_int_equal(store_format(k.store), FORMAT_NEWEST);
    assert_int_equal(plog_end(kit_log(&k, 1, 0)), 3);
    kit_done(&k);
}

static void test_a_new_folder_has_the_newest_format(void **state)
{
    struct kit k;
    char magic[5];
    (void)state;
    kit_init(&k, 1);
    assert_true(is_ok(kit_open(&k)));
    magic_of(&k, "checkpoint", magic);
    assert_string_equal(magic, "LCP2");
    kit_done(&k);
}

static void assert_refused(struct kit *k, const char *name)
{
    int64_t changes = sim_changes(k->sim);
    assert_int_equal(kit_open(k).code, E_FORMAT);
    assert_non_null(strstr(k->why.text, name));
    assert_non_null(strstr(k->why.text, "newer version"));
    assert_int_equal(sim_changes(k->sim), changes); /* nothing was touched */
}

static void test_a_checkpoint_of_a_newer_program_is_refused_and_nothing_is_changed(void **state)
{
    struct kit k;
    struct buf out;
    (void)state;
    kit_init(&k, 1);
    assert_true(is_ok(kit_open(&k)));
    write_some(&k, 3);
    struct checkpoint_header h = { k.store->store_id, k.store->generation, k.store->sequence, 0, 0 };
    kit_close(&k);
    put(&k, "checkpoint", 3, "9", 1); /* a number that is told by the name of the format … */
    assert_refused(&k, "checkpoint");
    buf_init(&out, 1 << 16);
    checkpoint_begin(&out, FORMAT_NEWEST + 1); /* … or by what stands in it */
    assert_true(is_ok(checkpoint_end(&out, &h)));
    put(&k, "checkpoint", 0, out.data, out.len);
    buf_done(&out);
    assert_refused(&k, "checkpoint");
    kit_done(&k);
}

static void test_a_journal_of_a_newer_program_is_refused_and_nothing_is_changed(void **state)
{
    struct kit k;
    (void)state;
    kit_init(&k, 1);
    assert_true(is_ok(kit_open(&k)));
    write_some(&k, 3);
    kit_close(&k);
    put(&k, "journal-0", 3, "2", 1);
    assert_refused(&k, "journal-0");
    put(&k, "journal-0", 3, "1", 1);
    assert_true(is_ok(kit_open(&k)));
    assert_int_equal(plog_end(kit_log(&k, 1, 0)), 3);
    kit_done(&k);
}

static void test_a_snapshot_of_a_newer_program_is_refused_and_nothing_is_changed(void **state)
{
    struct store_tuning tuning = store_tuning_default;
    struct kit k;
    char path[PATH_SIZE];
    (void)state;
    kit_init(&k, 1);
    tuning.snapshot_every = 1;
    k.options.tuning = &tuning;
    assert_true(is_ok(kit_open(&k)));
    write_some(&k, 3);
    assert_true(is_ok(store_stop(k.store)));
    struct plog *log = kit_log(&k, 1, 0);
    assert_true(log->rp.snapshot > 0);
    snprintf(path, sizeof path, "%s/%020lld.snap", log->folder, (long long)log->rp.snapshot);
    kit_close(&k);
    put(&k, path, 3, "3", 1);
    assert_refused(&k, "snapshot");
    put(&k, path, 3, "2", 1);
    assert_true(is_ok(kit_open(&k)));
    kit_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_older_folder_keeps_its_format_until_it_is_raised),
        cmocka_unit_test(test_a_new_folder_has_the_newest_format),
        cmocka_unit_test(test_a_checkpoint_of_a_newer_program_is_refused_and_nothing_is_changed),
        cmocka_unit_test(test_a_journal_of_a_newer_program_is_refused_and_nothing_is_changed),
        cmocka_unit_test(test_a_snapshot_of_a_newer_program_is_refused_and_nothing_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
