/* test_committed.c - what readers of committed records get from a broker (KIP-98): Fetch and
 * ListOffsets up to the last stable offset, and the list of what was aborted. Transactions are
 * written straight into the log. */
#include "unit/broker_rig.h"

#include "wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct rig rig;
static struct raw_client one;
static struct plog *records;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    raw_connect(&rig, &one);
    rig_create_topic(&rig, &one, "t", 1);
    records = broker_log(rig.broker, image_topic(rig.broker->image, STR("t")), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    raw_close(&one);
    rig_stop(&rig);
    return mem_outstanding() != 0;
}

/* n records of a transaction. */
static void write_txn(int64_t producer, int32_t sequence, int n)
{
    struct batch_options options = batch_options_default;
    struct batch_builder b;
    struct buf out;
    struct append_result r;
    options.attributes = BATCH_TRANSACTIONAL;
    options.producer_id = producer;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    batch_builder_init(&b, &options);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < n; i++)
        assert_true(is_ok(batch_builder_add(&b, rig_time, BYTES_NULL, bytes_of("v", 1), NULL, 0)));
    assert_true(is_ok(batch_builder_finish(&b, &out)));
    assert_true(is_ok(plog_append(records, out.data, out.len, APPEND_VERIFIED, &r)));
    batch_builder_done(&b);
    buf_done(&out);
}

static void end_txn(int64_t producer, bool commit)
{
    struct append_result r;
    assert_true(is_ok(plog_append_marker(records, producer, 0, commit, 0, false, &r)));
}

static void send_fetch(int64_t offset, int8_t isolation, int32_t max_wait_ms, int32_t min_bytes)
{
    struct fetch_request_fetch_partition p;
    wire_default_struct(&fetch_request_fetch_partition_struct, &p);
    p.fetch_offset = offset;
    p.partition_max_bytes = 1 << 20;
    struct fetch_request_fetch_topic topic = { .topic = STR("t"), .partitions = &p,
                                               .partitions_count = 1 };
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.isolation_level = isolation;
    body.max_wait_ms = max_wait_ms;
    body.min_bytes = min_bytes;
    body.topics = &topic;
    body.topics_count = 1;
    raw_send(&rig, &one, 1, FETCH_VERSION, &body);
}

static struct fetch_response_partition_data *receive_fetch(void)
{
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_int_equal(answer->responses_count, 1);
    return &answer->responses[0].partitions[0];
}

static int64_t end_of(struct bytes batches)
{
    struct bytes batch;
    struct batch_header h;
    int64_t end = -1;
    while (batch_next(&batches, &batch, &h, NULL)) end = batch_last_offset(&h) + 1;
    return end;
}

/* Appends are durable, and the high watermark there, when an empty answer was waited for. */
static void settle(void)
{
    while (plog_high_watermark(records) < plog_end(records)) {
        send_fetch(plog_end(records), 0, 5, 1);
        (void)receive_fetch();
    }
}

static void test_committed_records_end_at_the_last_stable_offset(void **state)
{
    (void)state;
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(3, -1, -1))->base_offset, 0);
    write_txn(7, 0, 2);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(1, -1, -1))->base_offset, 5);
    settle();
    send_fetch(0, 1, 0, 1);
    struct fetch_response_partition_data *p = receive_fetch();
    assert_int_equal(p->high_watermark, 6);
    assert_int_equal(p->last_stable_offset, 3);
    assert_int_equal(end_of(p->records), 3);
    assert_int_equal(p->aborted_transactions_count, 0);
    send_fetch(0, 0, 0, 1);
    p = receive_fetch();
    assert_int_equal(p->last_stable_offset, 3);
    assert_int_equal(end_of(p->records), 6);
    assert_int_equal(p->aborted_transactions_count, -1);
    send_fetch(4, 1, 0, 1); /* beyond the last stable offset, within the log */
    p = receive_fetch();
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->records.len, 0);
    assert_int_equal(p->aborted_transactions_count, 0);
}

static void test_aborted_transactions_are_listed_with_the_records(void **state)
{
    (void)state;
    write_txn(7, 0, 1);
    write_txn(8, 0, 1);
    end_txn(7, false);
    end_txn(8, true);
    write_txn(7, 1, 1);
    end_txn(7, false);
    settle();
    send_fetch(0, 1, 0, 1);
    struct fetch_response_partition_data *p = receive_fetch();
    assert_int_equal(end_of(p->records), 6);
    assert_int_equal(p->aborted_transactions_count, 2);
    assert_int_equal(p->aborted_transactions[0].producer_id, 7);
    assert_int_equal(p->aborted_transactions[0].first_offset, 0);
    assert_int_equal(p->aborted_transactions[1].producer_id, 7);
    assert_int_equal(p->aborted_transactions[1].first_offset, 4);
    send_fetch(3, 1, 0, 1);
    p = receive_fetch();
    assert_int_equal(p->aborted_transactions_count, 1);
    assert_int_equal(p->aborted_transactions[0].first_offset, 4);
    send_fetch(0, 0, 0, 1);
    assert_int_equal(receive_fetch()->aborted_transactions_count, -1);
}

static void test_a_waiting_fetch_wakes_when_the_transaction_ends(void **state)
{
    (void)state;
    write_txn(7, 0, 2);
    settle();
    send_fetch(0, 1, 60000, 1);
    assert_false(raw_has_frame(&rig, &one));
    write_txn(7, 2, 2); /* the high watermark moves, the last stable offset does not */
    assert_false(raw_has_frame(&rig, &one));
    end_txn(7, true);
    struct fetch_response_partition_data *p = receive_fetch();
    assert_int_equal(end_of(p->records), 5);
    assert_int_equal(p->last_stable_offset, 5);
}

static void test_min_bytes_counts_to_the_last_stable_offset_only(void **state)
{
    (void)state;
    struct bytes plain = rig_batch(1, -1, -1);
    int32_t size = (int32_t)plain.len;
    assert_int_equal(rig_produce(&rig, &one, "t", 0, plain)->base_offset, 0);
    write_txn(7, 0, 50);
    settle();
    send_fetch(0, 1, 60000, size + 1);
    assert_false(raw_has_frame(&rig, &one));
    end_txn(7, false);
    struct fetch_response_partition_data *p = receive_fetch();
    assert_int_equal(end_of(p->records), 52);
    assert_int_equal(p->aborted_transactions_count, 1);
}

static int64_t list_offset(int8_t isolation, int64_t timestamp)
{
    struct list_offsets_request_list_offsets_partition p = { 0, -1, timestamp };
    struct list_offsets_request_list_offsets_topic t = { STR("t"), &p, 1 };
    struct list_offsets_request body;
    wire_default(&list_offsets_request_message, &body);
    body.isolation_level = isolation;
    body.topics = &t;
    body.topics_count = 1;
    struct list_offsets_response *answer = raw_call(&rig, &one, 2, 7, &body);
    assert_int_equal(answer->topics[0].partitions[0].error_code, 0);
    return answer->topics[0].partitions[0].offset;
}

static void test_the_latest_committed_offset_is_the_last_stable_one(void **state)
{
    (void)state;
    write_txn(7, 0, 2);
    settle();
    assert_int_equal(list_offset(0, -1), 2);
    assert_int_equal(list_offset(1, -1), 0);
    assert_int_equal(list_offset(0, rig_time), 0);
    assert_int_equal(list_offset(1, rig_time), -1);
    end_txn(7, true);
    settle();
    assert_int_equal(list_offset(1, -1), 3);
    assert_int_equal(list_offset(1, rig_time), 0);
    assert_int_equal(list_offset(1, -2), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_committed_records_end_at_the_last_stable_offset),
        TEST(test_aborted_transactions_are_listed_with_the_records),
        TEST(test_a_waiting_fetch_wakes_when_the_transaction_ends),
        TEST(test_min_bytes_counts_to_the_last_stable_offset_only),
        TEST(test_the_latest_committed_offset_is_the_last_stable_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
