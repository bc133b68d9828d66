/* test_first_unread.c - the first record from an offset on that a reader of committed records is given:
 * compared with a plain walk over everything stored, of logs that were compacted, deleted from the front,
 * compressed, and full of transactions. */
#include "base/mem.h"
#include "fault/compact_kit.h"
#include "storage/first_unread.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)

struct answer {
    struct first_unread search; /* first */
    status result;
    bool done;
};

static void answered(struct first_unread *search, status result)
{
    struct answer *a = (struct answer *)search;
    a->result = result;
    a->done = true;
}

static struct answer ask(struct plog *log, int64_t from)
{
    struct answer a = { .search.done = answered };
    assert_ok(first_unread_start(log, from, &a.search));
    assert_true(a.done);
    return a;
}

static void expect(struct plog *log, int64_t from, int64_t offset, int64_t timestamp)
{
    struct answer a = ask(log, from);
    assert_ok(a.result);
    assert_int_equal(a.search.offset, offset);
    assert_int_equal(a.search.timestamp, timestamp);
    if (offset < 0) assert_int_equal(a.search.until, plog_stable(log));
}

/* --- a plain walk ----------------------------------------------------------------------------- */

static bool is_shown(const struct ck *c, int64_t offset)
{
    return c->records[offset].state == CK_PLAIN || c->records[offset].state == CK_COMMITTED;
}

/* Of every offset up to the last stable one: the next record that is shown, and its time. */
static void walk(struct ck *c, struct plog *log, int64_t *next, int64_t *time)
{
    struct buf all;
    struct bytes batch;
    struct batch_header h;
    int64_t end = plog_stable(log);
    buf_init(&all, 256 << 20);
    assert_ok(kit_read_all(log, end, &all));
    for (int64_t i = 0; i <= end; i++) next[i] = -1, time[i] = -1;
    for (struct bytes left = buf_bytes(&all); batch_next(&left, &batch, &h, NULL);) {
        struct batch_reader reader;
        struct record r;
        if (h.attributes & BATCH_CONTROL) continue;
        assert_ok(batch_reader_init(&reader, batch, BATCH_PLAIN_MAX));
        while (batch_reader_next(&reader, &r)) {
            if (r.offset < plog_start(log) || !is_shown(c, r.offset)) continue;
            next[r.offset] = r.offset;
            time[r.offset] = r.timestamp;
        }
        batch_reader_done(&reader);
    }
    buf_done(&all);
    for (int64_t i = end - 1; i >= 0; i--)
        if (next[i] < 0) next[i] = next[i + 1], time[i] = time[i + 1];
}

static void compare(struct ck *c)
{
    struct plog *log = ck_log(c);
    int64_t end = plog_stable(log);
    int64_t *next = mem_alloc((size_t)(end + 1) * 2 * sizeof *next);
    walk(c, log, next, next + end + 1);
    for (int64_t i = 0; i <= end; i += 1 + end / 200) expect(log, i, next[i], next[end + 1 + i]);
    mem_free(next);
}

static void test_it_is_what_a_walk_over_the_whole_log_finds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        static struct ck c;
        ck_init(&c, seed);
        assert_ok(kit_open(&c.kit));
        for (int i = 0; i < 400; i++) {
            c.kit.now += 7;
            ck_step(&c);
            if (i % 40 == 39) compare(&c);
        }
        struct plog *log = ck_log(&c);
        assert_ok(plog_set_start(log, plog_start(log) + (plog_stable(log) - plog_start(log)) / 2, NULL));
        compare(&c);
        kit_reopen(&c.kit);
        compare(&c);
        ck_done(&c);
    }
    assert_int_equal(mem_outstanding(), 0);
}

/* --- one thing at a time ---------------------------------------------------------------------- */

#define T0 1600000000000

static struct kit kit;

static int setup(void **state)
{
    kit_init(&kit, 1);
    kit.config.segment_bytes = 20000;
    assert_ok(kit_open(&kit));
    *state = &kit;
    return 0;
}

static int teardown(void **state)
{
    kit_done(*state);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static void put(struct kit *k, struct plog *log, struct kit_batch b)
{
    struct append_result r;
    assert_ok(kit_append_as(k, log, &b, b.producer_id ? APPEND_VERIFIED : APPEND_CLIENT, &r));
}

static void mark(struct plog *log, int64_t id, bool commit)
{
    struct append_result r;
    assert_ok(plog_append_marker(log, id, 0, commit, 0, false, &r));
}

static void test_a_record_inside_a_compressed_batch_has_its_own_time(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    for (int codec = 0; codec < CODEC_COUNT; codec++)
        put(k, log, (struct kit_batch){ .records = 5, .value_size = 50, .codec = (enum codec)codec,
                                        .timestamp = T0 + codec * 1000 });
    for (int i = 0; i < 5 * CODEC_COUNT; i++) expect(log, i, i, T0 + i / 5 * 1000 + i % 5);
    expect(log, 5 * CODEC_COUNT, -1, -1);
}

static void test_an_open_transaction_hides_what_follows_it(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    put(k, log, (struct kit_batch){ .timestamp = T0 });
    put(k, log, (struct kit_batch){ .records = 2, .timestamp = T0 + 100, .producer_id = 7,
                                    .attributes = BATCH_TRANSACTIONAL });
    put(k, log, (struct kit_batch){ .timestamp = T0 + 200 });
    expect(log, 0, 0, T0);
    expect(log, 1, -1, -1);
    mark(log, 7, true);
    expect(log, 1, 1, T0 + 100);
    expect(log, 2, 2, T0 + 101);
    expect(log, 4, -1, -1); /* the marker alone */
}

static void test_an_aborted_transaction_and_markers_are_passed_over(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    put(k, log, (struct kit_batch){ .records = 3, .timestamp = T0, .producer_id = 7,
                                    .attributes = BATCH_TRANSACTIONAL });
    put(k, log, (struct kit_batch){ .timestamp = T0 + 100, .producer_id = 8,
                                    .attributes = BATCH_TRANSACTIONAL });
    mark(log, 7, false);
    mark(log, 8, true);
    expect(log, 0, 3, T0 + 100);
    expect(log, 3, 3, T0 + 100);
    expect(log, 4, -1, -1);
    for (int i = 0; i < 3; i++) mark(log, 7, i % 2);
    expect(log, 4, -1, -1);
}

/* More batches than one job walks, in several segments, of more transactions than are remembered. */
static void test_many_aborted_transactions_are_passed_over_in_several_jobs(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    enum { TXNS = 1500, EACH = 6 };
    for (int t = 0; t < TXNS; t++) {
        for (int i = 0; i < EACH; i++)
            put(k, log, (struct kit_batch){ .timestamp = T0, .producer_id = 100 + t, .sequence = i,
                                            .attributes = BATCH_TRANSACTIONAL });
        if (t >= 100) mark(log, t, false); /* a hundred are open at a time */
    }
    for (int t = TXNS - 100; t < TXNS; t++) mark(log, 100 + t, false);
    expect(log, 0, -1, -1);
    put(k, log, (struct kit_batch){ .timestamp = T0 + 1 });
    int64_t last = plog_end(log) - 1;
    expect(log, 0, last, T0 + 1);
    kit_reopen(k);
    log = kit_log(k, 0, 0);
    expect(log, 0, last, T0 + 1);
}

static void test_a_search_goes_on_from_the_log_start(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    for (int i = 0; i < 300; i++)
        put(k, log, (struct kit_batch){ .records = 2, .value_size = 200, .timestamp = T0 + i * 10 });
    assert_ok(plog_set_start(log, 401, NULL));
    expect(log, 0, 401, T0 + 2001);
    expect(log, 403, 403, T0 + 2011);
    assert_ok(plog_set_start(log, 600, NULL));
    expect(log, 0, -1, -1);
}

static void test_damage_that_comes_first_is_said(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    put(k, log, (struct kit_batch){ .records = 2, .value_size = 100, .timestamp = T0 });
    put(k, log, (struct kit_batch){ .records = 2, .value_size = 100, .timestamp = T0 });
    struct fs *fs = log->segments[0]->cache->fs;
    assert_ok(segment_open(log->segments[0], 0));
    assert_ok(fs->ops->pwrite(fs, log->segments[0]->file, "?", 1, 100));
    assert_int_equal(ask(log, 0).result.code, E_CORRUPT);
    expect(log, 2, 2, T0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_what_a_walk_over_the_whole_log_finds),
        cmocka_unit_test_setup_teardown(test_a_record_inside_a_compressed_batch_has_its_own_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_open_transaction_hides_what_follows_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_aborted_transaction_and_markers_are_passed_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_many_aborted_transactions_are_passed_over_in_several_jobs,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_search_goes_on_from_the_log_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_that_comes_first_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
