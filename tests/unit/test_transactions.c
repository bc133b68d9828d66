/* test_transactions.c - transactions in a partition's log: who may write, what markers say, how far
 * readers of committed records see, and what they are told was aborted. */
#include "fault/store_kit.h"
#include "storage/files.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct listed {
    struct aborted_txn txns[64];
    int count;
};

static void list_one(void *arg, const struct aborted_txn *txn)
{
    struct listed *l = arg;
    if (l->count < 64) l->txns[l->count] = *txn;
    l->count++;
}

static struct listed aborted(struct plog *log, int64_t from, int64_t to)
{
    struct listed l = { .count = 0 };
    assert_int_equal(plog_aborted(log, from, to, list_one, &l).code, E_OK);
    return l;
}

struct batch_of { /* one transactional batch */
    int64_t id;
    int16_t epoch;
    int32_t sequence;
    int records;
    bool plain; /* not transactional */
};

static enum err append(struct kit *k, struct batch_of b, enum append_origin origin)
{
    struct kit_batch batch = { .records = b.records, .producer_id = b.id, .epoch = b.epoch,
                               .sequence = b.sequence,
                               .attributes = b.plain ? 0 : BATCH_TRANSACTIONAL };
    struct append_result r;
    return kit_append_as(k, kit_log(k, 0, 0), &batch, origin, &r).code;
}

static enum err mark(struct kit *k, int64_t id, int16_t epoch, bool commit, int32_t coordinator,
                     bool tv2)
{
    struct append_result r;
    return plog_append_marker(kit_log(k, 0, 0), id, epoch, commit, coordinator, tv2, &r).code;
}

static int setup(void **state)
{
    static struct kit k;
    kit_init(&k, 1);
    assert_int_equal(kit_open(&k).code, E_OK);
    *state = &k;
    return 0;
}

static int teardown(void **state)
{
    kit_done(*state);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static void test_the_stable_offset_waits_for_the_oldest_transaction(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    assert_int_equal(append(k, (struct batch_of){ 1, 0, 0, 2, true }, APPEND_CLIENT), E_OK);
    assert_int_equal(plog_stable(log), 2);
    assert_int_equal(append(k, (struct batch_of){ 7, 0, 0, 3 }, APPEND_VERIFIED), E_OK);
    assert_int_equal(append(k, (struct batch_of){ 8, 0, 0, 1 }, APPEND_VERIFIED), E_OK);
    assert_int_equal(plog_high_watermark(log), 6);
    assert_int_equal(plog_stable(log), 2);
    assert_int_equal(mark(k, 8, 0, true, 0, false), E_OK);
    assert_int_equal(plog_stable(log), 2);
    assert_int_equal(mark(k, 7, 0, false, 0, false), E_OK);
    assert_int_equal(plog_stable(log), 8);
    struct listed l = aborted(log, 0, 8);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.txns[0].producer_id, 7);
    assert_int_equal(l.txns[0].first_offset, 2);
    assert_int_equal(l.txns[0].last_offset, 7);
    assert_int_equal(aborted(log, 0, 2).count, 0);
    assert_int_equal(aborted(log, 8, 9).count, 0);
}

/* --- who may write ---------------------------------------------------------------------------- */

static void test_a_transaction_begins_only_with_the_coordinators_word(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    int16_t epoch = -1;
    int64_t first = -1;
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 0, 1 }, APPEND_CLIENT), E_INVALID_TXN_STATE);
    assert_false(plog_txn_open(log, 7, NULL, NULL));
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 0, 1 }, APPEND_VERIFIED), E_OK);
    assert_true(plog_txn_open(log, 7, &epoch, &first));
    assert_int_equal(epoch, 3);
    assert_int_equal(first, 0);
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 1, 1 }, APPEND_CLIENT), E_OK);
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 1, 1 }, APPEND_CLIENT), E_OK); /* again */
    assert_int_equal(plog_end(log), 2);
    assert_int_equal(append(k, (struct batch_of){ 7, 4, 0, 1 }, APPEND_CLIENT), E_INVALID_TXN_STATE);
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 2, 1, true }, APPEND_CLIENT),
                     E_INVALID_TXN_STATE);
    assert_int_equal(append(k, (struct batch_of){ 7, 2, 2, 1 }, APPEND_CLIENT),
                     E_INVALID_PRODUCER_EPOCH);
    assert_int_equal(append(k, (struct batch_of){ 7, 2, 0, 1 }, APPEND_VERIFIED),
                     E_INVALID_PRODUCER_EPOCH);
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 5, 1 }, APPEND_VERIFIED),
                     E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(mark(k, 7, 3, true, 0, false), E_OK);
    assert_false(plog_txn_open(log, 7, NULL, NULL));
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 2, 1 }, APPEND_CLIENT), E_INVALID_TXN_STATE);
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 2, 1 }, APPEND_VERIFIED), E_OK);
}

static void test_in_version_two_every_transaction_begins_at_sequence_zero(void **state)
{
    struct kit *k = *state;
    assert_int_equal(append(k, (struct batch_of){ 7, 0, 4, 1 }, APPEND_VERIFIED_TV2),
                     E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(append(k, (struct batch_of){ 7, 0, 0, 1 }, APPEND_VERIFIED_TV2), E_OK);
    assert_int_equal(mark(k, 7, 0, true, 0, true), E_INVALID_PRODUCER_EPOCH);
    assert_int_equal(mark(k, 7, 1, true, 0, true), E_OK);
    assert_int_equal(append(k, (struct batch_of){ 7, 1, 1, 1 }, APPEND_VERIFIED_TV2),
                     E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(append(k, (struct batch_of){ 7, 1, 0, 1 }, APPEND_VERIFIED_TV2), E_OK);
}

static void test_a_producer_without_state_may_begin_anywhere_in_version_one(void **state)
{
    struct kit *k = *state;
    assert_int_equal(append(k, (struct batch_of){ 7, 0, 4, 1 }, APPEND_VERIFIED), E_OK);
}

static void test_offsets_of_a_transaction_need_no_sequence(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    struct batch_of b = { 7, 2, -1, 1 };
    assert_int_equal(append(k, b, APPEND_COORDINATOR), E_OK);
    assert_int_equal(append(k, b, APPEND_COORDINATOR), E_OK);
    assert_int_equal(plog_end(log), 2);
    assert_int_equal(plog_stable(log), 0);
    b.epoch = 1;
    assert_int_equal(append(k, b, APPEND_COORDINATOR), E_INVALID_PRODUCER_EPOCH);
    assert_int_equal(mark(k, 7, 2, false, 0, false), E_OK);
    assert_int_equal(plog_stable(log), 3);
    assert_int_equal(aborted(log, 0, 3).count, 1);
}

/* --- markers ---------------------------------------------------------------------------------- */

static void test_old_producers_and_old_coordinators_are_fenced(void **state)
{
    struct kit *k = *state;
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 0, 1 }, APPEND_VERIFIED), E_OK);
    assert_int_equal(mark(k, 7, 2, true, 5, false), E_INVALID_PRODUCER_EPOCH);
    assert_int_equal(mark(k, 7, 3, true, 5, false), E_OK);
    assert_int_equal(mark(k, 7, 3, true, 4, false), E_TRANSACTION_COORDINATOR_FENCED);
    assert_int_equal(mark(k, 7, 3, true, 5, false), E_OK);
    /* An abort by the coordinator raises the epoch; the producer's next batch starts anew. */
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 1, 1 }, APPEND_VERIFIED), E_OK);
    assert_int_equal(mark(k, 7, 4, false, 5, false), E_OK);
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 2, 1 }, APPEND_VERIFIED),
                     E_INVALID_PRODUCER_EPOCH);
    assert_int_equal(append(k, (struct batch_of){ 7, 4, 1, 1 }, APPEND_VERIFIED),
                     E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(append(k, (struct batch_of){ 7, 4, 0, 1 }, APPEND_VERIFIED), E_OK);
}

static void test_a_marker_of_version_two_may_be_written_again(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    struct append_result r;
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 0, 1 }, APPEND_VERIFIED_TV2), E_OK);
    assert_int_equal(plog_append_marker(log, 7, 4, true, 1, true, &r).code, E_OK);
    assert_false(r.duplicate);
    assert_int_equal(r.base_offset, 1);
    assert_int_equal(plog_append_marker(log, 7, 4, true, 1, true, &r).code, E_OK);
    assert_true(r.duplicate);
    assert_int_equal(r.end_offset, 2);
    assert_int_equal(plog_end(log), 2);
    assert_int_equal(append(k, (struct batch_of){ 7, 4, 0, 1 }, APPEND_VERIFIED_TV2), E_OK);
    assert_int_equal(plog_append_marker(log, 7, 4, true, 1, true, &r).code,
                     E_INVALID_PRODUCER_EPOCH);
    assert_int_equal(plog_append_marker(log, 7, 5, true, 1, true, &r).code, E_OK);
    assert_int_equal(plog_append_marker(log, 7, 5, true, 0, true, &r).code,
                     E_TRANSACTION_COORDINATOR_FENCED);
}

static void test_markers_are_kafkas_control_batches(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    struct append_result r;
    struct buf out;
    struct read_result read;
    struct batch_header h;
    struct batch_reader reader;
    struct record record;
    enum control_type type;
    int32_t coordinator;
    buf_init(&out, 1 << 20);
    assert_int_equal(plog_append_marker(log, 0x1122334455, 9, true, 77, false, &r).code, E_OK);
    assert_int_equal(plog_read(log, 0, 1, 4096, true, &out, &read).code, E_OK);
    assert_int_equal(batch_header_parse(buf_bytes(&out), &h).code, E_OK);
    assert_int_equal(batch_check_crc(buf_bytes(&out)).code, E_OK);
    assert_int_equal(h.attributes, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    assert_int_equal(h.producer_id, 0x1122334455);
    assert_int_equal(h.producer_epoch, 9);
    assert_int_equal(h.base_sequence, -1);
    assert_int_equal(h.record_count, 1);
    assert_int_equal(h.max_timestamp, k->now);
    assert_int_equal(batch_reader_init(&reader, buf_bytes(&out), 4096).code, E_OK);
    assert_true(batch_reader_next(&reader, &record));
    assert_int_equal(record.key.len, 4);
    assert_memory_equal(record.key.data, "\0\0\0\1", 4); /* version 0, COMMIT */
    assert_int_equal(record.value.len, 6);
    assert_memory_equal(record.value.data, "\0\0\0\0\0\x4d", 6); /* version 0, coordinator epoch */
    batch_reader_done(&reader);
    assert_int_equal(batch_get_marker(buf_bytes(&out), &type, &coordinator).code, E_OK);
    assert_int_equal(type, CONTROL_COMMIT);
    assert_int_equal(coordinator, 77);
    buf_done(&out);
}

static void count_producer(void *arg, const struct plog_producer *p)
{
    struct plog_producer *out = arg;
    if (p->producer_id == 7) *out = *p;
}

static void test_producers_are_described(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    struct plog_producer p;
    assert_int_equal(append(k, (struct batch_of){ 7, 3, 0, 4 }, APPEND_VERIFIED), E_OK);
    plog_producers(log, count_producer, &p);
    assert_int_equal(p.epoch, 3);
    assert_int_equal(p.last_sequence, 3);
    assert_int_equal(p.last_timestamp, k->now + 3);
    assert_int_equal(p.coordinator_epoch, -1);
    assert_int_equal(p.txn_first_offset, 0);
    k->now += 500;
    assert_int_equal(mark(k, 7, 4, false, 6, false), E_OK);
    plog_producers(log, count_producer, &p);
    assert_int_equal(p.epoch, 4);
    assert_int_equal(p.last_sequence, -1);
    assert_int_equal(p.last_timestamp, k->now);
    assert_int_equal(p.coordinator_epoch, 6);
    assert_int_equal(p.txn_first_offset, -1);
}

/* --- over time -------------------------------------------------------------------------------- */

static void test_open_transactions_and_aborted_ones_outlive_a_restart(void **state)
{
    struct kit *k = *state;
    assert_int_equal(append(k, (struct batch_of){ 6, 0, 0, 1 }, APPEND_VERIFIED), E_OK);
    assert_int_equal(append(k, (struct batch_of){ 7, 0, 0, 1 }, APPEND_VERIFIED), E_OK);
    assert_int_equal(mark(k, 6, 0, false, 0, false), E_OK);
    for (int round = 0; round < 3; round++) { /* replayed, from a snapshot, replayed on top of it */
        if (round == 1) assert_int_equal(store_stop(k->store).code, E_OK);
        kit_reopen(k);
        struct plog *log = kit_log(k, 0, 0);
        assert_int_equal(plog_stable(log), 1);
        assert_true(plog_txn_open(log, 7, NULL, NULL));
        assert_false(plog_txn_open(log, 6, NULL, NULL));
        struct listed l = aborted(log, 0, 10);
        assert_int_equal(l.count, 1);
        assert_int_equal(l.txns[0].last_offset, 2);
        if (round == 1)
            assert_int_equal(append(k, (struct batch_of){ 7, 0, 1, 1 }, APPEND_CLIENT), E_OK);
    }
    assert_int_equal(mark(k, 7, 0, false, 0, false), E_OK);
    struct plog *log = kit_log(k, 0, 0);
    assert_int_equal(plog_stable(log), 5);
    struct listed l = aborted(log, 0, 10);
    assert_int_equal(l.count, 2);
    assert_int_equal(l.txns[1].first_offset, 1);
}

static void test_a_producer_with_an_open_transaction_never_expires(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    assert_int_equal(append(k, (struct batch_of){ 6, 0, 0, 1, true }, APPEND_CLIENT), E_OK);
    assert_int_equal(append(k, (struct batch_of){ 7, 0, 0, 1 }, APPEND_VERIFIED), E_OK);
    assert_int_equal(append(k, (struct batch_of){ 8, 0, 0, 1, true }, APPEND_CLIENT), E_OK);
    k->now += PRODUCER_EXPIRATION_MS + 1000;
    (void)store_retain(k->store);
    assert_int_equal(log->producers.count, 1);
    assert_true(plog_txn_open(log, 7, NULL, NULL));
    assert_int_equal(mark(k, 7, 0, true, 0, false), E_OK);
    k->now += PRODUCER_EXPIRATION_MS + 1000;
    (void)store_retain(k->store);
    assert_int_equal(log->producers.count, 0);
}

/* Small segments, so that aborted transactions move to files; retention takes the oldest. */
static void test_aborted_transactions_of_closed_segments_lie_in_files(void **state)
{
    struct kit *k = *state;
    k->config.segment_bytes = 1000;
    struct plog *log = kit_log(k, 0, 0);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(append(k, (struct batch_of){ 7, 0, i, 1 }, APPEND_VERIFIED), E_OK);
        assert_int_equal(mark(k, 7, 0, i % 3 == 0, 0, false), E_OK);
        if (i == 30) checkpoint_want(k->store);
    }
    checkpoint_want(k->store);
    store_turn(k->store);
    uint32_t files = log->producers.aborted.file_count;
    assert_true(files > 5 && files < log->count);
    assert_true(log->producers.aborted.recent_count < 10);
    for (int round = 0; round < 3; round++) {
        struct listed l = aborted(log, 0, 1000);
        assert_int_equal(l.count, 40);
        for (int i = 0; i < 40; i++)
            assert_int_equal(l.txns[i].last_offset, 2 * (i / 2 * 3 + 1 + i % 2) + 1);
        assert_int_equal(aborted(log, 50, 52).count, 1);
        if (round == 1) assert_int_equal(store_stop(k->store).code, E_OK);
        kit_reopen(k);
        log = kit_log(k, 0, 0);
    }
    assert_int_equal(plog_set_start(log, 60, NULL).code, E_OK);
    checkpoint_want(k->store);
    store_turn(k->store);
    assert_true(log->producers.aborted.file_count < files);
    assert_int_equal(aborted(log, 60, 1000).count, 20);
    kit_reopen(k);
    log = kit_log(k, 0, 0);
    assert_int_equal(aborted(log, 60, 1000).count, 20);
    /* The next snapshot names the files; when one of them is missing, all is folded again. */
    struct sim *sim = k->sim;
    char path[PATH_SIZE];
    checkpoint_want(k->store);
    store_turn(k->store);
    for (int i = 60; i < 70; i++) {
        assert_int_equal(append(k, (struct batch_of){ 7, 0, i, 1 }, APPEND_VERIFIED), E_OK);
        assert_int_equal(mark(k, 7, 0, true, 0, false), E_OK);
    }
    assert_int_equal(store_stop(k->store).code, E_OK);
    const struct aborted_index *index = &log->producers.aborted;
    snprintf(path, sizeof path, "%s/%020lld.aborted", log->folder,
             (long long)index->files[0].base);
    kit_close(k);
    assert_int_equal(sim_fs(sim)->ops->unlink(sim_fs(sim), path).code, E_OK);
    assert_int_equal(kit_open(k).code, E_OK);
    assert_int_equal(aborted(kit_log(k, 0, 0), 60, 1000).count, 20);
    assert_null(plog_damage(kit_log(k, 0, 0)));
}

/* DeleteRecords may go past an open transaction. */
static void test_the_stable_offset_is_not_below_the_log_start(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    assert_int_equal(append(k, (struct batch_of){ 7, 0, 0, 3 }, APPEND_VERIFIED), E_OK);
    assert_int_equal(plog_set_start(log, 2, NULL).code, E_OK);
    assert_int_equal(plog_start(log), 2);
    assert_int_equal(plog_stable(log), 2);
    assert_int_equal(mark(k, 7, 0, false, 0, false), E_OK);
    assert_int_equal(plog_stable(log), 4);
    assert_int_equal(aborted(log, 2, 4).count, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_the_stable_offset_waits_for_the_oldest_transaction),
        TEST(test_a_transaction_begins_only_with_the_coordinators_word),
        TEST(test_in_version_two_every_transaction_begins_at_sequence_zero),
        TEST(test_a_producer_without_state_may_begin_anywhere_in_version_one),
        TEST(test_offsets_of_a_transaction_need_no_sequence),
        TEST(test_old_producers_and_old_coordinators_are_fenced),
        TEST(test_a_marker_of_version_two_may_be_written_again),
        TEST(test_markers_are_kafkas_control_batches),
        TEST(test_producers_are_described),
        TEST(test_open_transactions_and_aborted_ones_outlive_a_restart),
        TEST(test_aborted_transactions_of_closed_segments_lie_in_files),
        TEST(test_the_stable_offset_is_not_below_the_log_start),
        TEST(test_a_producer_with_an_open_transaction_never_expires),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
