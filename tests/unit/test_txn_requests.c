/* Transactions over the wire of a real broker: the answers of each version of the transaction APIs, when a
 * Produce request is let in, and what a restart keeps. */
#include "unit/broker_rig.h"

#include "broker/txn.h"
#include "wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { PRODUCE = 0, OFFSET_FETCH = 9, FIND_COORDINATOR = 10, INIT = 22, ADD = 24, ADD_OFFSETS = 25, END = 26,
       TRIES = 200000, MARKERS = 27, OFFSETS = 28, PRODUCERS = 61, DESCRIBE = 65, LIST = 66 };

static struct rig rig;
static struct raw_client one;
static int64_t id;
static int16_t epoch;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    raw_connect(&rig, &one);
    rig_create_topic(&rig, &one, "t", 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    raw_close(&one);
    rig_stop(&rig);
    return 0;
}

/* --- requests --------------------------------------------------------------------------------- */
static int init_as(int16_t version, int64_t producer_id, int16_t producer_epoch)
{
    struct init_producer_id_request q;
    wire_default(&init_producer_id_request_message, &q);
    q.transactional_id = STR("tx");
    q.transaction_timeout_ms = 60000;
    q.producer_id = producer_id;
    q.producer_epoch = producer_epoch;
    const struct init_producer_id_response *a = raw_call(&rig, &one, INIT, version, &q);
    if (a->error_code == 0) {
        id = a->producer_id;
        epoch = a->producer_epoch;
    }
    return a->error_code;
}

static void init(void)
{
    for (int i = 0; i < TRIES; i++)
        if (init_as(5, -1, -1) == 0) return;
    fail_msg("no producer id");
}

static int add_to(int16_t version, const char *topic, int32_t partition)
{
    struct add_partitions_to_txn_request_add_partitions_to_txn_topic t = {
        .name = str_c(topic), .partitions = &partition, .partitions_count = 1 };
    struct add_partitions_to_txn_request q;
    wire_default(&add_partitions_to_txn_request_message, &q);
    q.v3_and_below_transactional_id = STR("tx");
    q.v3_and_below_producer_id = id;
    q.v3_and_below_producer_epoch = epoch;
    q.v3_and_below_topics = &t;
    q.v3_and_below_topics_count = 1;
    for (int i = 0; i < TRIES; i++) {
        const struct add_partitions_to_txn_response *a = raw_call(&rig, &one, ADD, version, &q);
        int code = a->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
        if (code != 51) return code;
    }
    return 51;
}

static int batched(int32_t partition, bool verify_only)
{
    struct add_partitions_to_txn_request_add_partitions_to_txn_topic t = {
        .name = STR("t"), .partitions = &partition, .partitions_count = 1 };
    struct add_partitions_to_txn_request_add_partitions_to_txn_transaction txn = {
        .transactional_id = STR("tx"), .producer_id = id, .producer_epoch = epoch,
        .verify_only = verify_only, .topics = &t, .topics_count = 1 };
    struct add_partitions_to_txn_request q;
    wire_default(&add_partitions_to_txn_request_message, &q);
    q.transactions = &txn;
    q.transactions_count = 1;
    const struct add_partitions_to_txn_response *a = raw_call(&rig, &one, ADD, 5, &q);
    if (a->error_code) return a->error_code;
    return a->results_by_transaction[0].topic_results[0].results_by_partition[0].partition_error_code;
}

static int end_as(int16_t version, bool commit)
{
    struct end_txn_request q;
    wire_default(&end_txn_request_message, &q);
    q.transactional_id = STR("tx");
    q.producer_id = id;
    q.producer_epoch = epoch;
    q.committed = commit;
    const struct end_txn_response *a = raw_call(&rig, &one, END, version, &q);
    if (a->error_code == 0 && version >= 5) {
        id = a->producer_id;
        epoch = a->producer_epoch;
    }
    return a->error_code;
}

static struct bytes batch_of(int32_t sequence)
{
    struct batch_options options = batch_options_default;
    static struct buf out;
    buf_done(&out);
    buf_init(&out, 1 << 16);
    options.attributes |= BATCH_TRANSACTIONAL;
    options.producer_id = id;
    options.producer_epoch = epoch;
    options.base_sequence = sequence;
    struct batch_builder b;
    batch_builder_init(&b, &options);
    assert_true(is_ok(batch_builder_add(&b, rig_time, BYTES_NULL, bytes_of("v", 1), NULL, 0)));
    assert_true(is_ok(batch_builder_finish(&b, &out)));
    batch_builder_done(&b);
    return buf_bytes(&out);
}

static void produce_send(int16_t version, struct str txn_id, int32_t partition, struct bytes batch)
{
    struct produce_request_partition_produce_data data = { partition, batch };
    struct produce_request_topic_produce_data topics = { .name = STR("t"), .partition_data = &data,
                                                         .partition_data_count = 1 };
    struct produce_request q;
    wire_default(&produce_request_message, &q);
    q.transactional_id = txn_id;
    q.acks = -1;
    q.timeout_ms = 30000;
    q.topic_data = &topics;
    q.topic_data_count = 1;
    raw_send(&rig, &one, PRODUCE, version, &q);
}

static int produce_answer(int16_t version)
{
    const struct produce_response *a = raw_receive(&rig, &one, PRODUCE, version);
    return a->responses[0].partition_responses[0].error_code;
}

static int produce_as(int16_t version, int32_t partition, int32_t sequence)
{
    produce_send(version, STR("tx"), partition, batch_of(sequence));
    return produce_answer(version);
}

static const char *state_name(void)
{
    struct str ids[] = { STR("tx") };
    struct describe_transactions_request q = { .transactional_ids = ids, .transactional_ids_count = 1 };
    const struct describe_transactions_response *a = raw_call(&rig, &one, DESCRIBE, 0, &q);
    static char name[32];
    (void)str_copy(name, sizeof name, a->transaction_states[0].transaction_state);
    return a->transaction_states[0].error_code ? "error" : name;
}

static void until_state(const char *name)
{
    for (int i = 0; i < TRIES; i++)
        if (strcmp(state_name(), name) == 0) return;
    fail_msg("%s, not %s", state_name(), name);
}

/* --- tests ------------------------------------------------------------------------------------ */
static void test_the_transaction_coordinator_is_this_broker(void **state)
{
    (void)state;
    struct str keys[] = { STR("tx") };
    struct find_coordinator_request q;
    wire_default(&find_coordinator_request_message, &q);
    q.key_type = 1;
    q.coordinator_keys = keys;
    q.coordinator_keys_count = 1;
    const struct find_coordinator_response *a = raw_call(&rig, &one, FIND_COORDINATOR, 6, &q);
    assert_int_equal(a->coordinators[0].error_code, 0);
    assert_int_equal(a->coordinators[0].node_id, 1);
}

static void test_produce_until_v11_needs_the_partition_to_be_added(void **state)
{
    (void)state;
    init();
    assert_int_equal(produce_as(10, 0, 0), 48);
    assert_int_equal(produce_as(11, 0, 0), 120);
    assert_int_equal(add_to(3, "t", 0), 0);
    assert_int_equal(produce_as(10, 0, 0), 0);
    assert_int_equal(produce_as(10, 0, 1), 0);
    assert_int_equal(produce_as(10, 1, 0), 48);
    assert_int_equal(end_as(3, true), 0);
    until_state("CompleteCommit");
    assert_int_equal(produce_as(10, 0, 2), 48);
    epoch = 7;
    assert_int_equal(produce_as(10, 0, 2), 47);
}

static void test_produce_from_v12_on_adds_the_partition(void **state)
{
    (void)state;
    init();
    for (int round = 0; round < 3; round++) {
        for (int32_t i = 0; i < 4; i++) assert_int_equal(produce_as(12, i % 2, i / 2), 0);
        assert_string_equal(state_name(), "Ongoing");
        assert_int_equal(end_as(5, round != 1), 0); /* and at once the next, under the next epoch */
        assert_int_equal(epoch, round + 1);
    }
    assert_int_equal(produce_as(12, 0, 3), 45); /* a sequence that nobody began */
}

static void test_batches_sent_ahead_keep_their_order_in_the_line(void **state)
{
    (void)state;
    init();
    for (int32_t i = 0; i < 5; i++) produce_send(12, STR("tx"), 0, batch_of(i));
    for (int32_t i = 0; i < 5; i++) assert_int_equal(produce_answer(12), 0);
    assert_int_equal(end_as(5, true), 0);
    until_state("CompleteCommit");
    for (int32_t i = 0; i < 5; i++) produce_send(12, STR("tx"), 0, batch_of(i));
    raw_close(&one); /* gone while they wait */
    raw_connect(&rig, &one);
    assert_string_not_equal(state_name(), "error");
}

static void test_transactional_records_need_their_id(void **state)
{
    (void)state;
    init();
    produce_send(12, STR_NULL, 0, batch_of(0));
    assert_int_equal(produce_answer(12), 53);
    produce_send(12, STR("another"), 0, batch_of(0));
    assert_int_equal(produce_answer(12), 49);
}

static void test_old_versions_hear_old_errors_when_fenced(void **state)
{
    (void)state;
    init();
    assert_int_equal(init_as(4, id, 9), 90);
    assert_int_equal(init_as(3, id, 9), 47);
    assert_int_equal(init_as(3, id, -1), 42);
    epoch = 9;
    assert_int_equal(add_to(2, "t", 0), 90);
    assert_int_equal(add_to(1, "t", 0), 47);
    assert_int_equal(end_as(2, true), 90);
    assert_int_equal(end_as(1, true), 47);
}

static void test_no_partition_is_added_when_one_is_unknown(void **state)
{
    (void)state;
    init();
    int32_t partitions[] = { 0, 99 };
    struct add_partitions_to_txn_request_add_partitions_to_txn_topic t = {
        .name = STR("t"), .partitions = partitions, .partitions_count = 2 };
    struct add_partitions_to_txn_request q;
    wire_default(&add_partitions_to_txn_request_message, &q);
    q.v3_and_below_transactional_id = STR("tx");
    q.v3_and_below_producer_id = id;
    q.v3_and_below_producer_epoch = epoch;
    q.v3_and_below_topics = &t;
    q.v3_and_below_topics_count = 1;
    const struct add_partitions_to_txn_response *a = raw_call(&rig, &one, ADD, 3, &q);
    const struct add_partitions_to_txn_response_add_partitions_to_txn_partition_result *p =
        a->results_by_topic_v3_and_below[0].results_by_partition;
    assert_int_equal(p[0].partition_error_code, 55);
    assert_int_equal(p[1].partition_error_code, 3);
    assert_string_equal(state_name(), "Empty");
    assert_int_equal(add_to(3, "__consumer_offsets", 0), 29);
}

static void test_the_batched_form_adds_and_verifies(void **state)
{
    (void)state;
    init();
    assert_int_equal(batched(0, true), 120);
    assert_int_equal(batched(0, false), 0);
    assert_int_equal(batched(0, true), 0);
    epoch++;
    assert_int_equal(batched(0, true), 90);
}

static int commit_offset(int16_t version, int64_t offset)
{
    struct txn_offset_commit_request_txn_offset_commit_request_partition p = {
        .committed_offset = offset, .committed_leader_epoch = -1 };
    struct txn_offset_commit_request_txn_offset_commit_request_topic t = {
        .name = STR("t"), .partitions = &p, .partitions_count = 1 };
    struct txn_offset_commit_request q;
    wire_default(&txn_offset_commit_request_message, &q);
    q.transactional_id = STR("tx");
    q.group_id = STR("g");
    q.producer_id = id;
    q.producer_epoch = epoch;
    q.topics = &t;
    q.topics_count = 1;
    const struct txn_offset_commit_response *a = raw_call(&rig, &one, OFFSETS, version, &q);
    return a->topics[0].partitions[0].error_code;
}

static int add_offsets(void)
{
    struct add_offsets_to_txn_request q = { .transactional_id = STR("tx"), .group_id = STR("g"),
                                            .producer_id = id, .producer_epoch = epoch };
    const struct add_offsets_to_txn_response *a = raw_call(&rig, &one, ADD_OFFSETS, 3, &q);
    return a->error_code;
}

/* The committed offset; an error as its negative code minus 1000. */
static int64_t fetch_offset(bool stable)
{
    int32_t partition = 0;
    struct offset_fetch_request_offset_fetch_request_topic t = {
        .name = STR("t"), .partition_indexes = &partition, .partition_indexes_count = 1 };
    struct offset_fetch_request q;
    wire_default(&offset_fetch_request_message, &q);
    q.group_id = STR("g");
    q.require_stable = stable;
    q.topics = &t;
    q.topics_count = 1;
    const struct offset_fetch_response *a = raw_call(&rig, &one, OFFSET_FETCH, 7, &q);
    int code = a->topics[0].partitions[0].error_code;
    return code ? -1000 - code : a->topics[0].partitions[0].committed_offset;
}

static void test_offsets_hold_with_the_commit_and_are_unstable_before(void **state)
{
    (void)state;
    init();
    assert_int_equal(commit_offset(3, 5), 48);
    assert_int_equal(commit_offset(4, 5), 120);
    assert_int_equal(add_offsets(), 0);
    assert_int_equal(commit_offset(3, 5), 0);
    assert_int_equal(fetch_offset(false), -1);
    assert_int_equal(fetch_offset(true), -1088);
    raw_close(&one); /* as the coordinator finds it after a restart */
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &one);
    assert_int_equal(fetch_offset(true), -1088);
    assert_int_equal(end_as(3, true), 0);
    until_state("CompleteCommit");
    assert_int_equal(fetch_offset(true), 5);
    init();
    assert_int_equal(commit_offset(5, 9), 0); /* v5 adds by itself */
    assert_int_equal(end_as(5, false), 0);
    assert_int_equal(commit_offset(5, 11), 0); /* waits for the abort before it */
    assert_int_equal(fetch_offset(false), 5);
    assert_int_equal(end_as(5, true), 0);
    until_state("CompleteCommit");
    assert_int_equal(fetch_offset(true), 11);
}

static int list(struct str pattern, int64_t duration, const char *state_filter)
{
    struct str states[] = { str_c(state_filter) };
    struct list_transactions_request q;
    wire_default(&list_transactions_request_message, &q);
    q.transactional_id_pattern = pattern;
    q.duration_filter = duration;
    if (state_filter) {
        q.state_filters = states;
        q.state_filters_count = 1;
    }
    const struct list_transactions_response *a = raw_call(&rig, &one, LIST, 2, &q);
    if (a->error_code) return -a->error_code;
    return a->transaction_states_count + 100 * a->unknown_state_filters_count;
}

static void test_transactions_are_listed_by_what_is_asked(void **state)
{
    (void)state;
    assert_int_equal(list(STR_NULL, -1, NULL), 0);
    init();
    assert_int_equal(produce_as(12, 0, 0), 0);
    assert_int_equal(list(STR_NULL, -1, NULL), 1);
    assert_int_equal(list(STR("t."), -1, "Ongoing"), 1);
    assert_int_equal(list(STR("t"), -1, NULL), 0);
    assert_int_equal(list(STR("("), -1, NULL), -128);
    assert_int_equal(list(STR_NULL, 600000, NULL), 0);
    assert_int_equal(list(STR_NULL, -1, "Empty"), 0);
    assert_int_equal(list(STR_NULL, -1, "Unheard"), 100);
    int32_t partition = 0;
    struct describe_producers_request_topic_request t = { .name = STR("t"), .partition_indexes = &partition,
                                                          .partition_indexes_count = 1 };
    struct describe_producers_request q = { .topics = &t, .topics_count = 1 };
    const struct describe_producers_response *a = raw_call(&rig, &one, PRODUCERS, 0, &q);
    assert_int_equal(a->topics[0].partitions[0].active_producers_count, 1);
    assert_int_equal(a->topics[0].partitions[0].active_producers[0].producer_id, id);
    assert_int_equal(a->topics[0].partitions[0].active_producers[0].current_txn_start_offset, 0);
}

static void test_an_administrator_ends_a_transaction_in_a_partition(void **state)
{
    (void)state;
    init();
    assert_int_equal(produce_as(12, 0, 0), 0);
    int32_t partitions[] = { 0, 77 };
    struct write_txn_markers_request_writable_txn_marker_topic t = {
        .name = STR("t"), .partition_indexes = partitions, .partition_indexes_count = 2 };
    struct write_txn_markers_request_writable_txn_marker m = {
        .producer_id = id, .producer_epoch = epoch, .topics = &t, .topics_count = 1, .coordinator_epoch = 1 };
    struct write_txn_markers_request q = { .markers = &m, .markers_count = 1 };
    const struct write_txn_markers_response *a = raw_call(&rig, &one, MARKERS, 1, &q);
    assert_int_equal(a->markers[0].topics[0].partitions[0].error_code, 0);
    assert_int_equal(a->markers[0].topics[0].partitions[1].error_code, 3);
    const struct topic *topic = image_topic(rig.broker->image, STR("t"));
    assert_false(plog_txn_open(store_find(rig.broker->store, topic->id, 0), id, NULL, NULL));
}

static void allow(enum acl_resource resource, const char *name, enum acl_operation operation)
{
    struct buf delta;
    rig_delta_begin(&rig, &delta);
    delta_acl(&delta, &(struct acl){ resource, PAT_LITERAL, operation, PERM_ALLOW, str_c(name),
                                     STR("User:ANONYMOUS"), STR("*") });
    rig_delta_apply(&rig, &delta);
}

static int16_t find_coordinator(void)
{
    struct find_coordinator_request q;
    wire_default(&find_coordinator_request_message, &q);
    q.key_type = 1;
    q.key = STR("tx");
    const struct find_coordinator_response *a = raw_call(&rig, &one, FIND_COORDINATOR, 3, &q);
    return a->error_code;
}

static int16_t write_markers(void)
{
    int32_t partition = 0;
    struct write_txn_markers_request_writable_txn_marker_topic t = {
        .name = STR("t"), .partition_indexes = &partition, .partition_indexes_count = 1 };
    struct write_txn_markers_request_writable_txn_marker m = {
        .producer_id = id, .producer_epoch = epoch, .topics = &t, .topics_count = 1 };
    struct write_txn_markers_request q = { .markers = &m, .markers_count = 1 };
    const struct write_txn_markers_response *a = raw_call(&rig, &one, MARKERS, 1, &q);
    return a->markers[0].topics[0].partitions[0].error_code;
}

static void test_every_step_needs_its_acl(void **state)
{
    (void)state;
    init();
    rig.broker->image->limits.authorise = true;
    assert_int_equal(find_coordinator(), 53);
    assert_int_equal(init_as(5, -1, -1), 53);
    assert_int_equal(add_to(3, "t", 0), 53);
    assert_int_equal(batched(0, false), 31);
    assert_int_equal(add_offsets(), 53);
    assert_int_equal(commit_offset(3, 1), 53);
    assert_int_equal(end_as(5, true), 53);
    assert_int_equal(produce_as(12, 0, 0), 53);
    assert_int_equal(write_markers(), 31);
    assert_string_equal(state_name(), "error");
    assert_int_equal(list(STR_NULL, -1, NULL), 0);

    allow(RES_TRANSACTIONAL_ID, "tx", OP_WRITE); /* which includes Describe */
    assert_int_equal(find_coordinator(), 0);
    assert_string_equal(state_name(), "Empty");
    assert_int_equal(list(STR_NULL, -1, NULL), 1);
    assert_int_equal(add_to(3, "t", 0), 29);
    assert_int_equal(add_offsets(), 30);
    assert_int_equal(commit_offset(3, 1), 30);
    assert_int_equal(produce_as(12, 0, 0), 29); /* and is not added either */
    assert_string_equal(state_name(), "Empty");

    allow(RES_TOPIC, "t", OP_WRITE);
    allow(RES_GROUP, "g", OP_READ);
    assert_int_equal(produce_as(12, 0, 0), 0);
    assert_int_equal(commit_offset(5, 1), 29);
    allow(RES_TOPIC, "t", OP_READ);
    assert_int_equal(commit_offset(5, 1), 0);
    assert_int_equal(end_as(5, true), 0);
    allow(RES_CLUSTER, "kafka-cluster", OP_CLUSTER_ACTION);
    assert_int_equal(batched(0, true) == 31, 0);
    rig.broker->image->limits.authorise = false;
}

static void test_a_restart_ends_what_was_being_ended(void **state)
{
    (void)state;
    init();
    assert_int_equal(produce_as(12, 0, 0), 0);
    assert_int_equal(end_as(5, true), 0);
    raw_close(&one);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &one);
    until_state("CompleteCommit");
    assert_int_equal(produce_as(12, 0, 0), 0);
    assert_int_equal(end_as(5, false), 0);
    until_state("CompleteAbort");
}

int main(void)
{
#define X(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        X(test_the_transaction_coordinator_is_this_broker),
        X(test_produce_until_v11_needs_the_partition_to_be_added),
        X(test_produce_from_v12_on_adds_the_partition),
        X(test_batches_sent_ahead_keep_their_order_in_the_line),
        X(test_transactional_records_need_their_id),
        X(test_old_versions_hear_old_errors_when_fenced),
        X(test_no_partition_is_added_when_one_is_unknown),
        X(test_the_batched_form_adds_and_verifies),
        X(test_offsets_hold_with_the_commit_and_are_unstable_before),
        X(test_transactions_are_listed_by_what_is_asked),
        X(test_an_administrator_ends_a_transaction_in_a_partition),
        X(test_every_step_needs_its_acl),
        X(test_a_restart_ends_what_was_being_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
