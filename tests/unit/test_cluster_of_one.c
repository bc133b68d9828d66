/* Admin APIs that move, list or elect things between brokers, as a cluster of one answers them, and
 * the APIs over the logs of partitions: deletion by offset, ends of epochs, sizes. */
#include "unit/broker_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct rig rig;
static struct raw_client one, two;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    rig_create_topic(&rig, &one, "orders", 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_forget();
    raw_close(&one);
    raw_close(&two);
    rig_stop(&rig);
    return mem_outstanding() != 0;
}

/* --- DeleteRecords ------------------------------------------------------------------------------ */

static struct delete_records_response_delete_records_partition_result *
delete_records(const char *topic, int32_t partition, int64_t offset)
{
    struct delete_records_request_delete_records_partition p = { partition, offset };
    struct delete_records_request_delete_records_topic t = { str_c(topic), &p, 1 };
    struct delete_records_request body = { &t, 1, 10000 };
    struct delete_records_response *answer = raw_call(&rig, &one, 21, 2, &body);
    assert_int_equal(answer->topics_count, 1);
    assert_int_equal(answer->topics[0].partitions_count, 1);
    return &answer->topics[0].partitions[0];
}

static int64_t offset_at(int64_t timestamp)
{
    struct list_offsets_request_list_offsets_partition p;
    wire_default_struct(&list_offsets_request_list_offsets_partition_struct, &p);
    p.timestamp = timestamp;
    struct list_offsets_request_list_offsets_topic t = { STR("orders"), &p, 1 };
    struct list_offsets_request body;
    wire_default(&list_offsets_request_message, &body);
    body.replica_id = -1;
    body.topics = &t;
    body.topics_count = 1;
    struct list_offsets_response *answer = raw_call(&rig, &one, 2, 7, &body);
    return answer->topics[0].partitions[0].offset;
}

static void test_records_below_an_offset_are_gone_for_good(void **state)
{
    (void)state;
    rig_produce(&rig, &one, "orders", 0, rig_batch(10, -1, -1));
    struct delete_records_response_delete_records_partition_result *row =
        delete_records("orders", 0, 4);
    assert_int_equal(row->error_code, 0);
    assert_int_equal(row->low_watermark, 4);
    assert_int_equal(offset_at(-2), 4);
    row = delete_records("orders", 0, 2); /* below the start: nothing is left to do */
    assert_int_equal(row->error_code, 0);
    assert_int_equal(row->low_watermark, 4);
    raw_close(&one);
    raw_close(&two);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    assert_int_equal(offset_at(-2), 4);
    row = delete_records("orders", 0, -1); /* up to the high watermark */
    assert_int_equal(row->low_watermark, 10);
    assert_int_equal(offset_at(-2), 10);
}

static void create_compacted(void)
{
    struct create_topics_request_creatable_topic_config config = { STR("cleanup.policy"),
                                                                   STR("compact") };
    struct create_topics_request_creatable_topic topic;
    struct create_topics_request body;
    wire_default(&create_topics_request_message, &body);
    wire_default_struct(&create_topics_request_creatable_topic_struct, &topic);
    topic.name = STR("table");
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    topic.configs = &config;
    topic.configs_count = 1;
    body.topics = &topic;
    body.topics_count = 1;
    struct create_topics_response *answer = raw_call(&rig, &one, 19, 7, &body);
    assert_int_equal(answer->topics[0].error_code, 0);
}

static void test_records_that_may_not_be_deleted_stay(void **state)
{
    (void)state;
    rig_produce(&rig, &one, "orders", 0, rig_batch(3, -1, -1));
    create_compacted();
    assert_int_equal(delete_records("orders", 0, 4)->error_code, 1);
    assert_int_equal(delete_records("orders", 0, -2)->error_code, 1);
    assert_int_equal(delete_records("orders", 3, 0)->error_code, 3);
    assert_int_equal(delete_records("nothing", 0, 0)->error_code, 3);
    assert_int_equal(delete_records("nothing", 0, 0)->low_watermark, -1);
    assert_int_equal(delete_records("__consumer_offsets", 0, 0)->error_code, 17);
    assert_int_equal(delete_records("table", 0, 0)->error_code, 44);
    assert_int_equal(offset_at(-2), 0);
}

/* --- OffsetForLeaderEpoch ----------------------------------------------------------------------- */

static struct offset_for_leader_epoch_response_epoch_end_offset *
epoch_end(const char *topic, int32_t current, int32_t epoch)
{
    struct offset_for_leader_epoch_request_offset_for_leader_partition p = { 0, current, epoch };
    struct offset_for_leader_epoch_request_offset_for_leader_topic t = { str_c(topic), &p, 1 };
    struct offset_for_leader_epoch_request body;
    wire_default(&offset_for_leader_epoch_request_message, &body);
    body.topics = &t;
    body.topics_count = 1;
    struct offset_for_leader_epoch_response *answer = raw_call(&rig, &one, 23, 4, &body);
    assert_int_equal(answer->topics_count, 1);
    return &answer->topics[0].partitions[0];
}

static void test_an_epoch_ends_where_the_next_one_began(void **state)
{
    (void)state;
    int32_t first = store_epoch(rig.broker->store);
    rig_produce(&rig, &one, "orders", 0, rig_batch(5, -1, -1));
    raw_close(&one);
    raw_close(&two);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    int32_t second = store_epoch(rig.broker->store);
    assert_true(second > first);
    rig_produce(&rig, &one, "orders", 0, rig_batch(2, -1, -1));
    assert_int_equal(epoch_end("orders", -1, first)->end_offset, 5);
    assert_int_equal(epoch_end("orders", -1, first)->leader_epoch, first);
    assert_int_equal(epoch_end("orders", second, second)->end_offset, 7);
    assert_int_equal(epoch_end("orders", -1, second + 1)->end_offset, -1);
    assert_int_equal(epoch_end("orders", second, -1)->end_offset, -1);
    assert_int_equal(epoch_end("orders", first, first)->error_code, 74);
    assert_int_equal(epoch_end("orders", second + 1, first)->error_code, 75);
    assert_int_equal(epoch_end("nothing", -1, first)->error_code, 3);
}

/* --- log dirs ----------------------------------------------------------------------------------- */

static struct describe_log_dirs_response_describe_log_dirs_result *
log_dirs(struct describe_log_dirs_request_describable_log_dir_topic *topics, int32_t count)
{
    struct describe_log_dirs_request body = { topics, count };
    struct describe_log_dirs_response *answer = raw_call(&rig, &one, 35, 4, &body);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->results_count, 1);
    assert_int_equal(answer->results[0].error_code, 0);
    return &answer->results[0];
}

static void test_log_dirs_show_the_size_of_every_partition(void **state)
{
    (void)state;
    rig_produce(&rig, &one, "orders", 1, rig_batch(10, -1, -1));
    int32_t asked[] = { 1, 2, 9 };
    struct describe_log_dirs_request_describable_log_dir_topic topics[] = {
        { STR("orders"), asked, 3 }, { STR("nothing"), asked, 1 },
    };
    struct describe_log_dirs_response_describe_log_dirs_result *dir = log_dirs(topics, 2);
    assert_true(dir->total_bytes > 0 && dir->usable_bytes > 0);
    assert_true(dir->log_dir.data[0] == '/');
    assert_int_equal(dir->topics_count, 1);
    assert_int_equal(dir->topics[0].partitions_count, 2);
    assert_true(dir->topics[0].partitions[0].partition_size > 0);
    assert_int_equal(dir->topics[0].partitions[1].partition_size, 0);
    dir = log_dirs(NULL, -1);
    assert_int_equal(dir->topics_count, HASH_COUNT(rig.broker->image->topics));
}

static int16_t move_to(const char *path, const char *topic, int32_t partition)
{
    struct alter_replica_log_dirs_request_alter_replica_log_dir_topic t = { str_c(topic), &partition,
                                                                            1 };
    struct alter_replica_log_dirs_request_alter_replica_log_dir dir = { str_c(path), &t, 1 };
    struct alter_replica_log_dirs_request body = { &dir, 1 };
    struct alter_replica_log_dirs_response *answer = raw_call(&rig, &one, 34, 2, &body);
    assert_int_equal(answer->results_count, 1);
    return answer->results[0].partitions[0].error_code;
}

static void test_a_partition_can_be_moved_to_where_it_is_and_nowhere_else(void **state)
{
    (void)state;
    assert_int_equal(move_to(rig.broker->log_dir, "orders", 0), 0);
    assert_int_equal(move_to(rig.broker->log_dir, "orders", 3), 3);
    assert_int_equal(move_to(rig.broker->log_dir, "nothing", 0), 3);
    assert_int_equal(move_to("/elsewhere", "orders", 0), 57);
}

/* --- leaders and replicas ----------------------------------------------------------------------- */

static void test_an_election_is_never_needed(void **state)
{
    (void)state;
    int32_t asked[] = { 0, 5 };
    struct elect_leaders_request_topic_partitions topics[] = { { STR("orders"), asked, 2 },
                                                              { STR("nothing"), asked, 1 } };
    struct elect_leaders_request body = { 0, topics, 2, 1000 };
    struct elect_leaders_response *answer = raw_call(&rig, &one, 43, 2, &body);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->replica_election_results_count, 2);
    assert_int_equal(answer->replica_election_results[0].partition_result[0].error_code, 84);
    assert_int_equal(answer->replica_election_results[0].partition_result[1].error_code, 3);
    assert_int_equal(answer->replica_election_results[1].partition_result[0].error_code, 3);
    body.topic_partitions = NULL;
    body.topic_partitions_count = -1;
    answer = raw_call(&rig, &one, 43, 2, &body);
    assert_int_equal(answer->error_code, 0);
    for (int32_t i = 0; i < answer->replica_election_results_count; i++)
        assert_int_equal(answer->replica_election_results[i].partition_result_count, 0);
}

static int16_t reassign(const char *topic, int32_t partition, int32_t *replicas, int32_t count)
{
    struct alter_partition_reassignments_request_reassignable_partition p = { partition, replicas,
                                                                              count };
    struct alter_partition_reassignments_request_reassignable_topic t = { str_c(topic), &p, 1 };
    struct alter_partition_reassignments_request body;
    wire_default(&alter_partition_reassignments_request_message, &body);
    body.topics = &t;
    body.topics_count = 1;
    struct alter_partition_reassignments_response *answer = raw_call(&rig, &one, 45, 1, &body);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->responses_count, 1);
    return answer->responses[0].partitions[0].error_code;
}

static void test_a_partition_can_be_assigned_to_the_one_broker(void **state)
{
    (void)state;
    int32_t self[] = { 1, 1 }, other = 2;
    assert_int_equal(reassign("orders", 0, self, 1), 0);
    assert_int_equal(reassign("orders", 0, self, 2), 39);
    assert_int_equal(reassign("orders", 0, &other, 1), 39);
    assert_int_equal(reassign("orders", 0, self, 0), 39);
    assert_int_equal(reassign("orders", 0, NULL, -1), 85);
    assert_int_equal(reassign("orders", 3, self, 1), 3);
    assert_int_equal(reassign("nothing", 0, self, 1), 3);
    struct list_partition_reassignments_request body;
    wire_default(&list_partition_reassignments_request_message, &body);
    struct list_partition_reassignments_response *answer = raw_call(&rig, &one, 46, 0, &body);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->topics_count, 0);
}

static void test_the_quorum_is_the_broker_itself(void **state)
{
    (void)state;
    struct describe_quorum_request_partition_data p = { 0 };
    struct describe_quorum_request_topic_data t = { STR("__cluster_metadata"), &p, 1 };
    struct describe_quorum_request body = { &t, 1 };
    struct describe_quorum_response *answer = raw_call(&rig, &one, 55, 2, &body);
    assert_int_equal(answer->error_code, 0);
    struct describe_quorum_response_partition_data *quorum = &answer->topics[0].partitions[0];
    assert_int_equal(quorum->error_code, 0);
    assert_int_equal(quorum->leader_id, 1);
    assert_int_equal(quorum->current_voters_count, 1);
    assert_int_equal(quorum->current_voters[0].replica_id, 1);
    assert_int_equal(quorum->high_watermark, rig.broker->image->version);
    assert_int_equal(answer->nodes_count, 1);
    t.topic_name = STR("orders");
    answer = raw_call(&rig, &one, 55, 2, &body);
    assert_int_equal(answer->topics[0].partitions[0].error_code, 3);
}

static void test_the_only_broker_cannot_be_unregistered(void **state)
{
    (void)state;
    struct unregister_broker_request body = { 1 };
    assert_int_equal(
        ((struct unregister_broker_response *)raw_call(&rig, &one, 64, 0, &body))->error_code, 42);
    body.broker_id = 7;
    assert_int_equal(
        ((struct unregister_broker_response *)raw_call(&rig, &one, 64, 0, &body))->error_code, 102);
}

/* --- listings ----------------------------------------------------------------------------------- */

static struct describe_topic_partitions_response *
topic_partitions(const char *topic, int32_t limit, struct describe_topic_partitions_request_cursor *at)
{
    struct describe_topic_partitions_request_topic_request asked = { str_c(topic) };
    struct describe_topic_partitions_request body;
    wire_default(&describe_topic_partitions_request_message, &body);
    if (topic) {
        body.topics = &asked;
        body.topics_count = 1;
    }
    body.response_partition_limit = limit;
    body.cursor = at;
    return raw_call(&rig, &one, 75, 0, &body);
}

static void test_partitions_are_described_page_by_page(void **state)
{
    (void)state;
    struct describe_topic_partitions_response *page = topic_partitions("orders", 2, NULL);
    assert_int_equal(page->topics_count, 1);
    assert_int_equal(page->topics[0].error_code, 0);
    assert_int_equal(page->topics[0].partitions_count, 2);
    assert_int_equal(page->topics[0].partitions[1].partition_index, 1);
    assert_int_equal(page->topics[0].partitions[1].leader_id, 1);
    assert_non_null(page->next_cursor);
    assert_int_equal(page->next_cursor->partition_index, 2);
    struct describe_topic_partitions_request_cursor at = { page->next_cursor->topic_name, 2 };
    page = topic_partitions("orders", 2, &at);
    assert_int_equal(page->topics[0].partitions_count, 1);
    assert_int_equal(page->topics[0].partitions[0].partition_index, 2);
    assert_null(page->next_cursor);
    page = topic_partitions("nothing", 2, NULL);
    assert_int_equal(page->topics[0].error_code, 3);
    page = topic_partitions("not a name", 2, NULL);
    assert_int_equal(page->topics[0].error_code, 17);
}

static void test_all_topics_come_in_order_of_their_names(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "alpha", 1);
    rig_create_topic(&rig, &one, "zeta", 2);
    struct describe_topic_partitions_response *page = topic_partitions(NULL, 2000, NULL);
    assert_int_equal(page->topics_count, HASH_COUNT(rig.broker->image->topics));
    for (int32_t i = 1; i < page->topics_count; i++)
        assert_true(str_cmp(page->topics[i - 1].name, page->topics[i].name) < 0);
    struct describe_topic_partitions_request_cursor at = { STR("orders"), 1 };
    page = topic_partitions(NULL, 3, &at); /* two of orders, one of zeta */
    assert_int_equal(page->topics_count, 2);
    assert_int_equal(page->topics[0].partitions_count, 2);
    assert_int_equal(page->topics[1].partitions_count, 1);
    assert_true(str_eq_c(page->next_cursor->topic_name, "zeta"));
    assert_int_equal(page->next_cursor->partition_index, 1);
}

static int32_t config_resources(int8_t type, int16_t version, int16_t *ret_error)
{
    struct list_config_resources_request body = { &type, type ? 1 : 0 };
    struct list_config_resources_response *answer = raw_call(&rig, &one, 74, version, &body);
    *ret_error = answer->error_code;
    return answer->config_resources_count;
}

static void test_resources_with_configs_are_listed_by_type(void **state)
{
    (void)state;
    int16_t error;
    int32_t topics = (int32_t)HASH_COUNT(rig.broker->image->topics);
    assert_int_equal(config_resources(2, 1, &error), topics);
    assert_int_equal(config_resources(4, 1, &error), 1);
    assert_int_equal(config_resources(8, 1, &error), 1);
    assert_int_equal(config_resources(0, 1, &error), topics + 2);
    assert_int_equal(error, 0);
    assert_int_equal(config_resources(16, 1, &error), 0);
    assert_int_equal(config_resources(0, 0, &error), 0);
    assert_int_equal(error, 0);
    config_resources(3, 1, &error);
    assert_int_equal(error, 35);
}

static void test_delegation_tokens_are_refused_as_kafka_does_without_authentication(void **state)
{
    (void)state;
    struct create_delegation_token_request create;
    struct renew_delegation_token_request renew;
    struct expire_delegation_token_request expire;
    struct describe_delegation_token_request describe;
    wire_default(&create_delegation_token_request_message, &create);
    wire_default(&renew_delegation_token_request_message, &renew);
    wire_default(&expire_delegation_token_request_message, &expire);
    wire_default(&describe_delegation_token_request_message, &describe);
    struct create_delegation_token_response *created = raw_call(&rig, &one, 38, 3, &create);
    assert_int_equal(created->error_code, 64);
    assert_true(str_eq_c(created->principal_type, "User"));
    assert_true(str_eq_c(created->principal_name, "ANONYMOUS"));
    struct renew_delegation_token_response *renewed = raw_call(&rig, &one, 39, 2, &renew);
    assert_int_equal(renewed->error_code, 64);
    struct expire_delegation_token_response *expired = raw_call(&rig, &one, 40, 2, &expire);
    assert_int_equal(expired->error_code, 64);
    struct describe_delegation_token_response *known = raw_call(&rig, &one, 41, 3, &describe);
    assert_int_equal(known->error_code, 64);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_records_below_an_offset_are_gone_for_good),
        TEST(test_records_that_may_not_be_deleted_stay),
        TEST(test_an_epoch_ends_where_the_next_one_began),
        TEST(test_log_dirs_show_the_size_of_every_partition),
        TEST(test_a_partition_can_be_moved_to_where_it_is_and_nowhere_else),
        TEST(test_an_election_is_never_needed),
        TEST(test_a_partition_can_be_assigned_to_the_one_broker),
        TEST(test_the_quorum_is_the_broker_itself),
        TEST(test_the_only_broker_cannot_be_unregistered),
        TEST(test_partitions_are_described_page_by_page),
        TEST(test_all_topics_come_in_order_of_their_names),
        TEST(test_resources_with_configs_are_listed_by_type),
        TEST(test_delegation_tokens_are_refused_as_kafka_does_without_authentication),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
