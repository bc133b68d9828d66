/* The rules of Kafka's topic requests: what is granted, and what is refused with which error. */
#include "cluster/admin_topics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static struct arena arena;
static struct limits limits;
static struct topic_facts facts;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    limits = limits_standalone;
    limits.partitions = 20;
    limits.default_partitions = 6;
    limits.message_bytes = 2000000;
    facts = (struct topic_facts){ .limits = &limits, .partitions_used = 10,
                                  .default_replication = 3 };
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

typedef struct create_topics_request_creatable_topic creatable;
static creatable topic(const char *name, int32_t partitions, int16_t factor)
{
    return (creatable){ .name = str_c(name), .num_partitions = partitions,
                        .replication_factor = factor };
}
static enum err create(creatable wanted, bool exists)
{
    struct topic_plan plan = plan_topic_create(&facts, exists, &wanted, &arena);
    if (failed(plan.result)) assert_true(plan.why.text[0] != 0);
    return plan.result.code;
}

static void test_creation_takes_defaults_and_gives_an_id(void **state)
{
    (void)state;
    creatable wanted = topic("orders", -1, -1);
    struct create_topics_request_creatable_topic_config config = { STR("retention.ms"), STR("10") };
    wanted.configs = &config;
    wanted.configs_count = 1;
    struct topic_plan plan = plan_topic_create(&facts, false, &wanted, &arena);
    assert_int_equal(plan.result.code, E_OK);
    assert_int_equal(plan.topic.partitions, 6);
    assert_int_equal(plan.topic.replication_factor, 3);
    assert_false(uuid_is_zero(plan.topic.id));
    assert_int_equal(facts.partitions_used, 16);

    struct create_topics_response_creatable_topic_result row;
    create_topics_answer(&plan, wanted.name, 7, &arena, &row);
    assert_int_equal(row.error_code, 0);
    assert_true(uuid_eq(row.topic_id, plan.topic.id));
    assert_int_equal(row.num_partitions, 6);
    int own = 0;
    for (int32_t i = 0; i < row.configs_count; i++)
        if (row.configs[i].config_source == 1) {
            assert_true(str_eq_c(row.configs[i].name, "retention.ms"));
            assert_true(str_eq_c(row.configs[i].value, "10"));
            own++;
        }
    assert_int_equal(own, 1);
}

static void test_creation_is_refused_as_kafka_refuses_it(void **state)
{
    (void)state;
    assert_int_equal(create(topic("a b", 1, 1), false), E_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(create(topic("a", 1, 1), true), E_TOPIC_ALREADY_EXISTS);
    assert_int_equal(create(topic("a", 0, 1), false), E_INVALID_PARTITIONS);
    assert_int_equal(create(topic("a", -2, 1), false), E_INVALID_PARTITIONS);
    assert_int_equal(create(topic("a", 1, 0), false), E_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create(topic("a", 11, 1), false), E_POLICY_VIOLATION);
    assert_int_equal(create(topic("a", 10, 1), false), E_OK);
    assert_int_equal(create(topic("b", 1, 1), false), E_POLICY_VIOLATION); /* the request adds up */
    assert_int_equal(create(topic("__transaction_state", 1, 1), false), E_INVALID_TOPIC_EXCEPTION);
    creatable wanted = topic("c", 1, 1);
    struct create_topics_request_creatable_topic_config config = { STR("max.message.bytes"),
                                                                   STR("2000001") };
    wanted.configs = &config;
    wanted.configs_count = 1;
    assert_int_equal(create(wanted, false), E_POLICY_VIOLATION);
    config.value = STR_NULL;
    assert_int_equal(create(wanted, false), E_INVALID_CONFIG);
    config = (struct create_topics_request_creatable_topic_config){ STR("nonsense"), STR("1") };
    assert_int_equal(create(wanted, false), E_INVALID_CONFIG);
}

static void test_a_manual_assignment_counts_partitions_and_replicas(void **state)
{
    (void)state;
    int32_t brokers[] = { 1, 2 };
    struct create_topics_request_creatable_replica_assignment rows[2] = {
        { 0, brokers, 2 }, { 1, brokers, 2 } };
    creatable wanted = topic("a", -1, -1);
    wanted.assignments = rows;
    wanted.assignments_count = 2;
    struct topic_plan plan = plan_topic_create(&facts, false, &wanted, &arena);
    assert_int_equal(plan.result.code, E_OK);
    assert_int_equal(plan.topic.partitions, 2);
    assert_int_equal(plan.topic.replication_factor, 2);
    rows[1].partition_index = 0;
    assert_int_equal(create(wanted, false), E_INVALID_REPLICA_ASSIGNMENT);
    rows[1].partition_index = 1;
    rows[1].broker_ids_count = 1;
    assert_int_equal(create(wanted, false), E_INVALID_REPLICA_ASSIGNMENT);
    wanted.num_partitions = 2;
    assert_int_equal(create(wanted, false), E_INVALID_REQUEST);
}

static void test_a_plan_may_refuse_more_than_one_replica(void **state)
{
    (void)state;
    int32_t brokers[] = { 1, 2 };
    struct create_topics_request_creatable_replica_assignment row = { 0, brokers, 2 };
    creatable assigned = topic("b", -1, -1);
    assigned.assignments = &row;
    assigned.assignments_count = 1;
    assert_int_equal(create(topic("a", 1, 3), false), E_OK);
    limits.strict_replication = true;
    facts.default_replication = 1;
    assert_int_equal(create(topic("a", 1, 3), false), E_INVALID_REPLICATION_FACTOR);
    assert_int_equal(create(assigned, false), E_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(create(topic("a", 1, 1), false), E_OK);
    assert_int_equal(create(topic("a", 1, -1), false), E_OK);
    row.broker_ids_count = 1;
    assert_int_equal(create(assigned, false), E_OK);
    limits.strict_replication = false;
}

static const struct delta_config own_config = { { "cleanup.policy", 14 }, { "compact", 7 } };
static const struct delta_topic existing = { .name = { "a", 1 }, .partitions = 3,
                                             .replication_factor = 1, .configs = &own_config,
                                             .config_count = 1 };

static void test_partitions_only_grow(void **state)
{
    (void)state;
    struct create_partitions_request_create_partitions_topic wanted = { .name = STR("a"),
                                                                        .count = 5,
                                                                        .assignments_count = -1 };
    struct topic_plan plan = plan_topic_partitions(&facts, &existing, &wanted, &arena);
    assert_int_equal(plan.result.code, E_OK);
    assert_int_equal(plan.topic.partitions, 5);
    assert_int_equal(facts.partitions_used, 12);
    int32_t brokers[] = { 1, 1 };
    struct create_partitions_request_create_partitions_assignment rows[] = { { brokers, 1 },
                                                                             { brokers, 2 } };
    wanted.assignments = rows;
    wanted.assignments_count = 2;
    assert_int_equal(plan_topic_partitions(&facts, &existing, &wanted, &arena).result.code,
                     E_INVALID_REPLICA_ASSIGNMENT);
    rows[1].broker_ids_count = 1;
    assert_int_equal(plan_topic_partitions(&facts, &existing, &wanted, &arena).result.code, E_OK);
    wanted.assignments_count = -1;
    wanted.count = 3;
    assert_int_equal(plan_topic_partitions(&facts, &existing, &wanted, &arena).result.code,
                     E_INVALID_PARTITIONS);
    wanted.count = 2;
    assert_int_equal(plan_topic_partitions(&facts, &existing, &wanted, &arena).result.code,
                     E_INVALID_PARTITIONS);
    wanted.count = 50;
    assert_int_equal(plan_topic_partitions(&facts, &existing, &wanted, &arena).result.code,
                     E_POLICY_VIOLATION);
    assert_int_equal(plan_topic_partitions(&facts, NULL, &wanted, &arena).result.code,
                     E_UNKNOWN_TOPIC_OR_PARTITION);
}

typedef struct incremental_alter_configs_request_alterable_config alteration;
static struct topic_plan alter(const alteration *list, int32_t count)
{
    struct incremental_alter_configs_request_alter_configs_resource wanted = {
        .resource_type = 2, .resource_name = STR("a"), .configs = (alteration *)list,
        .configs_count = count };
    return plan_topic_configs(&facts, &existing, &wanted, &arena);
}

static void test_configs_are_set_unset_and_joined(void **state)
{
    (void)state;
    alteration list[] = { { STR("retention.ms"), 0, STR("9") },
                          { STR("cleanup.policy"), 2, STR("delete") } };
    struct topic_plan plan = alter(list, 2);
    assert_int_equal(plan.result.code, E_OK);
    assert_int_equal(plan.topic.config_count, 2);
    assert_true(str_eq_c(plan.topic.configs[0].value, "compact,delete"));
    assert_true(str_eq_c(plan.topic.configs[1].value, "9"));
    assert_true(str_eq_c(own_config.value, "compact")); /* the fact itself is not touched */

    alteration subtract = { STR("cleanup.policy"), 3, STR("compact") };
    plan = alter(&subtract, 1);
    assert_true(is_ok(plan.result) && str_eq_c(plan.topic.configs[0].value, ""));
    alteration unset = { STR("cleanup.policy"), 1, STR_NULL };
    plan = alter(&unset, 1);
    assert_true(is_ok(plan.result) && plan.topic.config_count == 0);
}

static void test_wrong_alterations_are_refused(void **state)
{
    (void)state;
    alteration twice[] = { { STR("retention.ms"), 0, STR("9") }, { STR("retention.ms"), 1, STR("") } };
    assert_int_equal(alter(twice, 2).result.code, E_INVALID_REQUEST);
    alteration append = { STR("retention.ms"), 2, STR("9") };
    assert_int_equal(alter(&append, 1).result.code, E_INVALID_CONFIG);
    alteration null = { STR("retention.ms"), 0, STR_NULL };
    assert_int_equal(alter(&null, 1).result.code, E_INVALID_REQUEST);
    alteration operation = { STR("retention.ms"), 7, STR("1") };
    assert_int_equal(alter(&operation, 1).result.code, E_INVALID_REQUEST);
    alteration lags[] = { { STR("min.compaction.lag.ms"), 0, STR("9") },
                          { STR("max.compaction.lag.ms"), 0, STR("8") } };
    assert_int_equal(alter(lags, 2).result.code, E_INVALID_CONFIG);
}

static void test_retention_stays_below_the_plan_s(void **state)
{
    (void)state;
    limits.retention_ms = 1000000;
    creatable wanted = topic("short", 1, -1);
    struct topic_plan plan = plan_topic_create(&facts, false, &wanted, &arena);
    assert_int_equal(plan.result.code, E_OK); /* Kafka's default is above it: it gets the plan's */
    assert_int_equal(plan.topic.config_count, 1);
    assert_true(str_eq_c(plan.topic.configs[0].value, "1000000"));
    alteration endless = { STR("retention.ms"), 0, STR("-1") };
    alteration more = { STR("retention.ms"), 0, STR("1000001") };
    alteration less = { STR("retention.ms"), 0, STR("5") };
    alteration unset = { STR("retention.ms"), 1, STR_NULL };
    assert_int_equal(alter(&endless, 1).result.code, E_POLICY_VIOLATION);
    assert_int_equal(alter(&more, 1).result.code, E_POLICY_VIOLATION);
    assert_int_equal(alter(&less, 1).result.code, E_OK);
    plan = alter(&unset, 1);
    assert_true(is_ok(plan.result));
    assert_true(str_eq_c(plan.topic.configs[plan.topic.config_count - 1].value, "1000000"));
    limits.retention_ms = 30 * 86400000LL;
    plan = plan_topic_create(&facts, false, &wanted, &arena);
    assert_true(is_ok(plan.result) && plan.topic.config_count == 0);
}

static void test_names_that_come_twice_are_found(void **state)
{
    (void)state;
    creatable topics[] = { topic("a", 1, 1), topic("b", 1, 1), topic("a", 2, 1) };
    struct create_topics_request request = { .topics = topics, .topics_count = 3 };
    assert_true(create_topics_repeated(&request, 0));
    assert_false(create_topics_repeated(&request, 1));
    assert_true(create_topics_repeated(&request, 2));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_creation_takes_defaults_and_gives_an_id),
        T(test_creation_is_refused_as_kafka_refuses_it),
        T(test_a_manual_assignment_counts_partitions_and_replicas),
        T(test_a_plan_may_refuse_more_than_one_replica),
        T(test_partitions_only_grow),
        T(test_configs_are_set_unset_and_joined),
        T(test_wrong_alterations_are_refused),
        T(test_retention_stays_below_the_plan_s),
        T(test_names_that_come_twice_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
