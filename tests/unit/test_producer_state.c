/* test_producer_state.c - Kafka's rules for idempotent producers, five batches back, and snapshots;
 * that whatever goes, producers with a transaction open stay. The rules of transactions themselves
 * are in test_transactions.c. */
#include "storage/producer_state.h"

#include "base/crc32c.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define NOW 1000000

static struct batch_header batch(int64_t id, int16_t epoch, int32_t sequence, int count, int64_t base)
{
    return (struct batch_header){ .base_offset = base, .leader_epoch = 1, .producer_id = id,
                                  .producer_epoch = epoch, .base_sequence = sequence,
                                  .last_offset_delta = count - 1, .record_count = count,
                                  .max_timestamp = 77 };
}

static enum err verdict(struct producer_state *ps, struct batch_header h, bool *ret_duplicate,
                        int64_t *ret_last)
{
    struct producer_batch first = { 0 };
    status s = producer_state_check(ps, &h, APPEND_CLIENT, ret_duplicate, &first);
    if (ret_last) *ret_last = first.last_offset;
    return s.code;
}

static void fold(struct producer_state *ps, struct batch_header h)
{
    assert_int_equal(producer_state_fold(ps, &h, NULL, NOW).code, E_OK);
}

static struct batch_header in_txn(struct batch_header h)
{
    h.attributes = BATCH_TRANSACTIONAL;
    return h;
}

static void end(struct producer_state *ps, int64_t id, int16_t epoch, int64_t at, bool commit)
{
    struct batch_header h = batch(id, epoch, -1, 1, at);
    struct producer_marker marker = { commit ? CONTROL_COMMIT : CONTROL_ABORT, 9 };
    h.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    assert_int_equal(producer_state_fold(ps, &h, &marker, NOW).code, E_OK);
}

static void test_sequences_follow_each_other(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    bool dup;
    assert_int_equal(verdict(&ps, batch(5, 0, 42, 3, 0), &dup, NULL), E_OK); /* unknown: any */
    fold(&ps, batch(5, 0, 42, 3, 0));
    assert_int_equal(verdict(&ps, batch(5, 0, 45, 1, 3), &dup, NULL), E_OK);
    assert_int_equal(verdict(&ps, batch(5, 0, 46, 1, 3), &dup, NULL), E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(verdict(&ps, batch(5, 0, 43, 1, 3), &dup, NULL), E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(verdict(&ps, batch(-1, -1, -1, 1, 3), &dup, NULL), E_OK);
    assert_false(dup);
    producer_state_done(&ps);
}

static void test_sequences_wrap_to_zero(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    bool dup;
    fold(&ps, batch(5, 0, INT32_MAX - 1, 2, 0));
    assert_int_equal(verdict(&ps, batch(5, 0, 0, 1, 2), &dup, NULL), E_OK);
    fold(&ps, batch(5, 0, 0, 1, 2));
    fold(&ps, batch(5, 0, 1, 4, 3));
    assert_int_equal(verdict(&ps, batch(5, 0, INT32_MAX - 1, 2, 9), &dup, NULL), E_OK);
    assert_true(dup);
    producer_state_done(&ps);
}

static void test_the_last_five_batches_are_duplicates(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    bool dup;
    int64_t last;
    for (int i = 0; i < 6; i++) fold(&ps, batch(5, 0, i * 2, 2, i * 2));
    for (int i = 1; i < 6; i++) {
        assert_int_equal(verdict(&ps, batch(5, 0, i * 2, 2, 99), &dup, &last), E_OK);
        assert_true(dup);
        assert_int_equal(last, i * 2 + 1);
    }
    assert_int_equal(verdict(&ps, batch(5, 0, 0, 2, 99), &dup, NULL), E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(verdict(&ps, batch(5, 0, 10, 1, 99), &dup, NULL), E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    producer_state_done(&ps);
}

static void test_epochs_fence_and_start_at_zero(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    bool dup;
    fold(&ps, batch(5, 3, 0, 2, 0));
    assert_int_equal(verdict(&ps, batch(5, 2, 2, 1, 2), &dup, NULL), E_INVALID_PRODUCER_EPOCH);
    assert_int_equal(verdict(&ps, batch(5, 4, 2, 1, 2), &dup, NULL), E_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(verdict(&ps, batch(5, 4, 0, 1, 2), &dup, NULL), E_OK);
    fold(&ps, batch(5, 4, 0, 1, 2));
    assert_int_equal(verdict(&ps, batch(5, 3, 0, 2, 3), &dup, NULL), E_INVALID_PRODUCER_EPOCH);
    producer_state_done(&ps);
}

static void test_unused_producers_expire(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    struct batch_header a = batch(1, 0, 0, 1, 0), b = batch(2, 0, 0, 1, 1);
    assert_int_equal(producer_state_fold(&ps, &a, NULL, 100).code, E_OK);
    assert_int_equal(producer_state_fold(&ps, &b, NULL, 200).code, E_OK);
    a.base_sequence = 1;
    assert_int_equal(producer_state_fold(&ps, &a, NULL, 300).code, E_OK);
    producer_state_expire(&ps, 250);
    assert_int_equal(ps.count, 1);
    int16_t epoch;
    int32_t last;
    assert_true(producer_state_find(&ps, 1, &epoch, &last));
    producer_state_done(&ps);
}

static void test_the_number_of_producers_is_bounded(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    for (int64_t id = 0; id < PRODUCERS_MAX + 10; id++) fold(&ps, batch(id, 0, 0, 1, id));
    int16_t epoch;
    int32_t last;
    assert_int_equal(ps.count, PRODUCERS_MAX);
    assert_false(producer_state_find(&ps, 9, &epoch, &last));
    assert_true(producer_state_find(&ps, 10, &epoch, &last));
    producer_state_done(&ps);
}

static void test_producers_with_a_transaction_open_stay_when_there_are_too_many(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    for (int64_t id = 0; id < 3; id++) fold(&ps, in_txn(batch(id, 0, 0, 1, id)));
    for (int64_t id = 3; id < PRODUCERS_MAX + 10; id++) fold(&ps, batch(id, 0, 0, 1, id));
    assert_int_equal(ps.count, PRODUCERS_MAX);
    int16_t epoch;
    int32_t last;
    for (int64_t id = 0; id < 3; id++) assert_true(producer_state_txn(&ps, id, NULL, NULL));
    assert_false(producer_state_find(&ps, 3, &epoch, &last));
    assert_true(producer_state_find(&ps, 13, &epoch, &last));
    producer_state_expire(&ps, NOW + 1);
    assert_int_equal(ps.count, 3);
    producer_state_done(&ps);
}

static void test_the_number_of_open_transactions_is_bounded(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    bool dup;
    for (int64_t id = 0; id < TXNS_OPEN_MAX; id++) fold(&ps, in_txn(batch(id, 0, 0, 1, id)));
    struct batch_header h = in_txn(batch(TXNS_OPEN_MAX, 0, 0, 1, TXNS_OPEN_MAX));
    struct producer_batch first;
    assert_int_equal(producer_state_check(&ps, &h, APPEND_VERIFIED, &dup, &first).code,
                     E_KAFKA_STORAGE_ERROR);
    h = in_txn(batch(5, 0, 1, 1, TXNS_OPEN_MAX)); /* goes on with one */
    assert_int_equal(producer_state_check(&ps, &h, APPEND_CLIENT, &dup, &first).code, E_OK);
    end(&ps, 5, 0, TXNS_OPEN_MAX, true);
    h = in_txn(batch(TXNS_OPEN_MAX, 0, 0, 1, TXNS_OPEN_MAX + 1));
    assert_int_equal(producer_state_check(&ps, &h, APPEND_VERIFIED, &dup, &first).code, E_OK);
    producer_state_done(&ps);
    assert_int_equal(mem_outstanding(), 0);
}

/* Transactions hold readers back until their marker is below the high watermark. */
static void test_an_ended_transaction_holds_readers_back_until_its_marker_is_safe(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    for (int64_t id = 1; id <= 3; id++) fold(&ps, in_txn(batch(id, 0, 0, 1, id)));
    end(&ps, 1, 0, 4, true);
    end(&ps, 3, 0, 5, false);
    assert_int_equal(txns_unstable(&ps.txns), 1);
    assert_int_equal(txns_oldest_open(&ps.txns), 2);
    assert_int_equal(ps.aborted.recent[0].stable, 2);
    txns_settle(&ps.txns, 4); /* the marker at 4 is not below it */
    assert_int_equal(txns_unstable(&ps.txns), 1);
    txns_settle(&ps.txns, 5);
    assert_int_equal(txns_unstable(&ps.txns), 2);
    end(&ps, 2, 0, 6, true);
    assert_int_equal(txns_unstable(&ps.txns), 2);
    assert_int_equal(txns_oldest_open(&ps.txns), INT64_MAX);
    txns_settle(&ps.txns, 7);
    assert_int_equal(txns_unstable(&ps.txns), INT64_MAX);
    producer_state_done(&ps);
}

/* Wherever memory runs out: a fold that says OK has done all of its work, and nothing leaks. */
static void test_a_transaction_is_taken_in_whole_or_refused(void **state)
{
    (void)state;
    int failures = 0;
    for (int64_t n = 1; n < 12; n++) {
        struct producer_state ps = { 0 };
        struct batch_header data = in_txn(batch(7, 0, 0, 1, 0)), end = in_txn(batch(7, 0, -1, 1, 1));
        struct producer_marker marker = { CONTROL_ABORT, 0 };
        end.attributes |= BATCH_CONTROL;
        mem_fail_after(n);
        status begun = producer_state_fold(&ps, &data, NULL, NOW);
        status ended = is_ok(begun) ? producer_state_fold(&ps, &end, &marker, NOW) : begun;
        mem_fail_after(0);
        if (is_ok(begun)) assert_int_equal(txns_unstable(&ps.txns), 0);
        if (is_ok(ended)) assert_int_equal(ps.aborted.recent_count, 1);
        if (failed(ended)) failures++;
        producer_state_done(&ps);
        assert_int_equal(mem_outstanding(), 0);
    }
    assert_true(failures >= 4);
}

static void test_a_snapshot_of_the_first_format_is_read(void **state)
{
    (void)state;
    static const uint8_t body[] = {
        3, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0, 0,       /* epoch 3 from offset 10 on */
        5, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x42, 0x0f, 0, 0, 0, 0, 0, /* producer 5, used last at 1000000 */
        2, 0, 1, 0, 0, 0, 0, 0,                                 /* epoch 2, one batch */
        7, 0, 0, 0, 8, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0,        /* sequences 7 to 8, offset 20 */
        77, 0, 0, 0, 0, 0, 0, 0,                                /* timestamp */
    };
    uint8_t snapshot[40 + sizeof body] = "LPS1";
    struct producer_state ps = { 0 };
    int16_t epoch;
    int32_t last;
    put_le32(snapshot + 8, sizeof snapshot);
    put_le64(snapshot + 16, 21);
    put_le32(snapshot + 24, 1);
    put_le32(snapshot + 28, 1);
    memcpy(snapshot + 40, body, sizeof body);
    put_le32(snapshot + 4, crc32c(0, snapshot + 8, sizeof snapshot - 8));
    assert_int_equal(producer_state_decode(bytes_of(snapshot, sizeof snapshot), 21, NOW, &ps).code,
                     E_OK);
    assert_int_equal(producer_state_epoch_at(&ps, 11), 3);
    assert_true(producer_state_find(&ps, 5, &epoch, &last));
    assert_int_equal(epoch, 2);
    assert_int_equal(last, 8);
    assert_false(producer_state_txn(&ps, 5, NULL, NULL));
    producer_state_done(&ps);
}

static void test_a_snapshot_brings_all_of_it_back(void **state)
{
    (void)state;
    struct producer_state ps = { 0 }, again = { 0 };
    struct buf out, second;
    buf_init(&out, 1 << 20);
    buf_init(&second, 1 << 20);
    for (int i = 0; i < 40; i++) {
        struct batch_header h = batch(i % 7, (int16_t)(i / 20), i, 1, i);
        h.leader_epoch = 1 + i / 10;
        fold(&ps, h);
    }
    fold(&ps, in_txn(batch(21, 0, 0, 1, 40)));
    fold(&ps, in_txn(batch(20, 0, 0, 1, 41)));
    fold(&ps, in_txn(batch(22, 0, 0, 1, 42)));
    fold(&ps, in_txn(batch(21, 0, 1, 1, 43))); /* used last, begun first */
    end(&ps, 22, 1, 44, false);
    assert_int_equal(producer_state_encode(&ps, 45, &out).code, E_OK);
    assert_int_equal(producer_state_decode(buf_bytes(&out), 45, NOW, &again).code, E_OK);
    assert_int_equal(producer_state_encode(&again, 45, &second).code, E_OK);
    assert_int_equal(out.len, second.len);
    assert_memory_equal(out.data, second.data, out.len);
    assert_int_equal(producer_state_epoch_at(&again, 15), 2);
    assert_int_equal(txns_unstable(&again.txns), 40);
    int64_t begun;
    assert_true(producer_state_txn(&again, 20, NULL, &begun));
    assert_int_equal(begun, 41);
    assert_false(producer_state_txn(&again, 22, NULL, NULL));
    assert_int_equal(again.aborted.recent_count, 1);
    assert_int_equal(again.aborted.recent[0].first, 42);
    producer_state_done(&again);
    assert_int_equal(producer_state_decode(buf_bytes(&out), 46, NOW, &again).code, E_CORRUPT);
    for (size_t i = 0; i < out.len; i++) { /* every byte counts */
        out.data[i] ^= 0x10;
        assert_int_equal(producer_state_decode(buf_bytes(&out), 45, NOW, &again).code, E_CORRUPT);
        out.data[i] ^= 0x10;
        assert_int_equal(producer_state_decode(bytes_of(out.data, i), 45, NOW, &again).code, E_CORRUPT);
    }
    producer_state_done(&ps);
    buf_done(&out);
    buf_done(&second);
    assert_int_equal(mem_outstanding(), 0);
}

static void test_an_epoch_that_fell_shows_the_batch_before_as_damaged(void **state)
{
    (void)state;
    struct producer_state ps = { 0 };
    const int32_t told[] = { 1, 1, 9, 2, 2 }; /* offsets 0, 1, … */
    for (int64_t at = 0; at < 5; at++) {
        struct batch_header h = batch(-1, -1, -1, 1, at);
        h.leader_epoch = told[at];
        producer_state_doubt_epoch(&ps, h.leader_epoch, at - 1);
        fold(&ps, h);
    }
    assert_int_equal(producer_state_epoch_at(&ps, 2), 1); /* not 9: nothing gives out that batch */
    assert_int_equal(producer_state_epoch_at(&ps, 3), 2);
    producer_state_doubt_epoch(&ps, 1, 4); /* two batches say 2: it is the third that is wrong */
    assert_int_equal(producer_state_epoch_at(&ps, 4), 2);
    producer_state_done(&ps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences_follow_each_other),
        cmocka_unit_test(test_sequences_wrap_to_zero),
        cmocka_unit_test(test_the_last_five_batches_are_duplicates),
        cmocka_unit_test(test_epochs_fence_and_start_at_zero),
        cmocka_unit_test(test_an_epoch_that_fell_shows_the_batch_before_as_damaged),
        cmocka_unit_test(test_unused_producers_expire),
        cmocka_unit_test(test_the_number_of_producers_is_bounded),
        cmocka_unit_test(test_producers_with_a_transaction_open_stay_when_there_are_too_many),
        cmocka_unit_test(test_the_number_of_open_transactions_is_bounded),
        cmocka_unit_test(test_an_ended_transaction_holds_readers_back_until_its_marker_is_safe),
        cmocka_unit_test(test_a_transaction_is_taken_in_whole_or_refused),
        cmocka_unit_test(test_a_snapshot_of_the_first_format_is_read),
        cmocka_unit_test(test_a_snapshot_brings_all_of_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
