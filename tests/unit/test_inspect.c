/* test_inspect.c - what `leat-broker check` says of good and of damaged folders, and what `dump` prints. */
#include "fault/store_kit.h"
#include "storage/inspect.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct told {
    char *text;
    size_t len;
    struct inspect_totals totals;
    status result;
};

static void check(struct kit *k, struct told *t)
{
    free(t->text);
    FILE *out = open_memstream(&t->text, &t->len);
    t->result = inspect_check(sim_fs(k->sim), out, &t->totals);
    fclose(out);
}

static void dump(struct kit *k, const char *name, struct told *t)
{
    free(t->text);
    FILE *out = open_memstream(&t->text, &t->len);
    t->result = inspect_dump(sim_fs(k->sim), name, true, out);
    fclose(out);
}

static struct told told;

static int setup(void **state)
{
    static struct kit k;
    kit_init(&k, 3);
    k.config.segment_bytes = 1000;
    assert_int_equal(kit_open(&k).code, E_OK);
    struct plog *log = kit_log(&k, 0, 0);
    for (int i = 0; i < 20; i++) {
        struct kit_batch b = { .records = 3, .producer_id = 9, .sequence = 3 * i, .keys = true };
        assert_int_equal(kit_append(&k, log, &b, NULL).code, E_OK);
    }
    *state = &k;
    return 0;
}

static int teardown(void **state)
{
    kit_done(*state);
    free(told.text);
    told = (struct told){ 0 };
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

/* One byte of a segment turns over. */
static void flip(struct kit *k, uint32_t segment, int64_t at)
{
    struct plog *log = kit_log(k, 0, 0);
    struct segment *s = log->segments[segment];
    struct fs *fs = sim_fs(k->sim);
    uint8_t byte;
    size_t n;
    assert_int_equal(segment_open(s, 0).code, E_OK);
    assert_int_equal(fs->ops->pread(fs, s->file, &byte, 1, at, &n).code, E_OK);
    byte ^= 1;
    assert_int_equal(fs->ops->pwrite(fs, s->file, &byte, 1, at).code, E_OK);
}

static void test_a_good_folder_has_no_damage(void **state)
{
    struct kit *k = *state;
    assert_int_equal(store_stop(k->store).code, E_OK);
    check(k, &told);
    assert_int_equal(told.result.code, E_OK);
    assert_int_equal(told.totals.damages, 0);
    assert_int_equal(told.totals.batches, 20);
    assert_int_equal(told.totals.records, 60);
    assert_non_null(strstr(told.text, "no damage"));
}

static void test_every_flipped_byte_of_a_batch_is_found(void **state)
{
    struct kit *k = *state;
    assert_int_equal(store_stop(k->store).code, E_OK);
    int64_t size = kit_log(k, 0, 0)->segments[0]->size;
    for (int64_t at = 0; at < size; at += 7) {
        flip(k, 0, at);
        check(k, &told);
        flip(k, 0, at);
        bool epoch = false; /* base offset and leader epoch are outside the CRC */
        struct batch_header h;
        struct segment_cursor c;
        assert_int_equal(segment_seek(kit_log(k, 0, 0)->segments[0], 0, &c).code, E_OK);
        while (is_ok(segment_header(&c, &h)) && c.position <= at) {
            epoch = at - c.position >= 12 && at - c.position < 16;
            c.position += (int64_t)h.size;
        }
        if (!epoch) assert_true(told.totals.damages > 0);
    }
    check(k, &told);
    assert_int_equal(told.totals.damages, 0);
}

static void test_a_torn_tail_is_no_damage(void **state)
{
    struct kit *k = *state;
    assert_int_equal(store_stop(k->store).code, E_OK);
    struct plog *log = kit_log(k, 0, 0);
    struct segment *s = plog_active(log);
    struct fs *fs = sim_fs(k->sim);
    assert_int_equal(segment_open(s, 0).code, E_OK);
    assert_int_equal(fs->ops->pwrite(fs, s->file, "garbage", 7, s->size).code, E_OK);
    check(k, &told);
    assert_int_equal(told.totals.damages, 0);
    assert_non_null(strstr(told.text, "7 bytes behind the end of the log"));
}

static void test_a_lost_segment_is_found(void **state)
{
    struct kit *k = *state;
    struct fs *fs = sim_fs(k->sim);
    char path[128];
    assert_int_equal(store_stop(k->store).code, E_OK);
    segment_path(plog_active(kit_log(k, 0, 0)), ".log", path, sizeof path);
    assert_int_equal(fs->ops->unlink(fs, path).code, E_OK);
    check(k, &told);
    assert_int_equal(told.totals.damages, 1);
    assert_non_null(strstr(told.text, "were durable"));
}

static void test_segments_snapshots_and_journals_are_printed(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    char path[128];
    dump(k, "journal-0", &told);
    assert_int_equal(told.result.code, E_OK);
    assert_non_null(strstr(told.text, "sequence=1 previous=0 records=1"));
    assert_non_null(strstr(told.text, "AQIDBAUGBwgJCgsMDQ4PEA-0 offsets=0..2"));
    assert_int_equal(store_stop(k->store).code, E_OK);
    segment_path(log->segments[0], ".log", path, sizeof path);
    dump(k, path, &told);
    assert_int_equal(told.result.code, E_INVALID); /* a name, not a path: folders are the caller's */
    dump(k, "checkpoint", &told);
    assert_non_null(strstr(told.text, "AQIDBAUGBwgJCgsMDQ4PEA-0 log-start=0 recovery-point=60"));
    dump(k, "passwd", &told);
    assert_int_equal(told.result.code, E_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_good_folder_has_no_damage),
        T(test_every_flipped_byte_of_a_batch_is_found),
        T(test_a_torn_tail_is_no_damage),
        T(test_a_lost_segment_is_found),
        T(test_segments_snapshots_and_journals_are_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
