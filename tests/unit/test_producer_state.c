/* test_producer_state.c - Kafka's rules for idempotent producers, five batches back, and snapshots. */
#include "storage/producer_state.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
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
    assert_int_equal(producer_state_encode(&ps, 40, &out).code, E_OK);
    assert_int_equal(producer_state_decode(buf_bytes(&out), 40, NOW, &again).code, E_OK);
    assert_int_equal(producer_state_encode(&again, 40, &second).code, E_OK);
    assert_int_equal(out.len, second.len);
    assert_memory_equal(out.data, second.data, out.len);
    assert_int_equal(producer_state_epoch_at(&again, 15), 2);
    producer_state_done(&again);
    assert_int_equal(producer_state_decode(buf_bytes(&out), 41, NOW, &again).code, E_CORRUPT);
    for (size_t i = 0; i < out.len; i++) { /* every byte counts */
        out.data[i] ^= 0x10;
        assert_int_equal(producer_state_decode(buf_bytes(&out), 40, NOW, &again).code, E_CORRUPT);
        out.data[i] ^= 0x10;
        assert_int_equal(producer_state_decode(bytes_of(out.data, i), 40, NOW, &again).code, E_CORRUPT);
    }
    producer_state_done(&ps);
    buf_done(&out);
    buf_done(&second);
    assert_int_equal(mem_outstanding(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences_follow_each_other),
        cmocka_unit_test(test_sequences_wrap_to_zero),
        cmocka_unit_test(test_the_last_five_batches_are_duplicates),
        cmocka_unit_test(test_epochs_fence_and_start_at_zero),
        cmocka_unit_test(test_unused_producers_expire),
        cmocka_unit_test(test_the_number_of_producers_is_bounded),
        cmocka_unit_test(test_a_snapshot_brings_all_of_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
