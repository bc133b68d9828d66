/* DescribeConfigs, AlterConfigs and IncrementalAlterConfigs at a broker: which configs there are, where
 * values come from, and what becomes of changes. */
#include "unit/broker_rig.h"

#include "broker/broker_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

enum { TOPIC = 2, BROKER = 4, BROKER_LOGGER = 8, CLIENT_METRICS = 16, GROUP = 32 };
enum { FROM_TOPIC = 1, FROM_STATIC = 4, FROM_DEFAULT = 5, FROM_LOGGER = 6 };
enum { SET, DELETE, APPEND, SUBTRACT };

typedef struct describe_configs_response_describe_configs_result resource_answer;
typedef struct describe_configs_response_describe_configs_resource_result config_row;

static struct rig rig;
static struct raw_client one;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    raw_connect(&rig, &one);
    rig_create_topic(&rig, &one, "orders", 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_forget();
    raw_close(&one);
    rig_stop(&rig);
    return mem_outstanding() != 0;
}

static resource_answer *describe(int8_t type, const char *name, const char *key)
{
    struct str keys[] = { str_c(key) };
    struct describe_configs_request_describe_configs_resource resource = {
        .resource_type = type, .resource_name = str_c(name),
        .configuration_keys = keys, .configuration_keys_count = key ? 1 : -1 };
    struct describe_configs_request body;
    wire_default(&describe_configs_request_message, &body);
    body.resources = &resource;
    body.resources_count = 1;
    body.include_synonyms = body.include_documentation = true;
    struct describe_configs_response *answer = raw_call(&rig, &one, 32, 4, &body);
    assert_int_equal(answer->results_count, 1);
    assert_int_equal(answer->results[0].resource_type, type);
    return &answer->results[0];
}

static config_row *row_of(int8_t type, const char *name, const char *key)
{
    resource_answer *answer = describe(type, name, key);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->configs_count, 1);
    assert_true(str_eq_c(answer->configs[0].name, key));
    return &answer->configs[0];
}

static int16_t change(const char *topic, const char *name, int8_t operation, const char *value,
                      bool validate_only)
{
    struct incremental_alter_configs_request_alterable_config config = { str_c(name), operation,
                                                                         str_c(value) };
    struct incremental_alter_configs_request_alter_configs_resource resource = { TOPIC, str_c(topic),
                                                                                 &config, 1 };
    struct incremental_alter_configs_request body = { &resource, 1, validate_only };
    struct incremental_alter_configs_response *answer = raw_call(&rig, &one, 44, 1, &body);
    assert_int_equal(answer->responses_count, 1);
    return answer->responses[0].error_code;
}

/* --- describing ---------------------------------------------------------------------------------- */

static void test_a_topics_own_value_comes_before_the_brokers(void **state)
{
    (void)state;
    config_row *row = row_of(TOPIC, "orders", "cleanup.policy");
    assert_true(str_eq_c(row->value, "delete"));
    assert_int_equal(row->config_source, FROM_DEFAULT);
    assert_int_equal(row->synonyms_count, 1);
    assert_true(str_eq_c(row->synonyms[0].name, "log.cleanup.policy"));
    assert_true(row->documentation.len > 0);
    assert_false(row->read_only);
    assert_int_equal(change("orders", "cleanup.policy", SET, "compact", false), 0);
    row = row_of(TOPIC, "orders", "cleanup.policy");
    assert_true(str_eq_c(row->value, "compact"));
    assert_int_equal(row->config_source, FROM_TOPIC);
    assert_int_equal(row->synonyms_count, 2);
    assert_true(str_eq_c(row->synonyms[0].name, "cleanup.policy"));
    assert_int_equal(row->synonyms[1].source, FROM_DEFAULT);
    assert_int_equal(row_of(TOPIC, "orders", "retention.ms")->synonyms_count, 0); /* as in Kafka */
    assert_int_equal(describe(TOPIC, "nothing", NULL)->error_code, 3);
    assert_int_equal(describe(TOPIC, "no name", NULL)->error_code, 17);
}

static void test_what_is_set_for_the_broker_shows_on_both_sides(void **state)
{
    (void)state;
    raw_close(&one);
    rig_close(&rig);
    rig.options.defaults[0] = (struct broker_default){ "retention.ms", "1000000" };
    rig.options.defaults_count = 1;
    rig_open(&rig);
    raw_connect(&rig, &one);
    config_row *row = row_of(TOPIC, "orders", "retention.ms");
    assert_true(str_eq_c(row->value, "1000000"));
    assert_int_equal(row->config_source, FROM_STATIC);
    assert_true(str_eq_c(row->synonyms[0].name, "log.retention.ms"));
    row = row_of(BROKER, "1", "log.retention.ms");
    assert_true(str_eq_c(row->value, "1000000"));
    assert_int_equal(row->config_source, FROM_STATIC);
    assert_true(row->read_only);
}

static void test_a_broker_tells_its_settings_with_type_source_and_text(void **state)
{
    (void)state;
    size_t count;
    const struct broker_config *table = broker_config_table(&count);
    resource_answer *answer = describe(BROKER, "1", NULL);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->configs_count, count);
    for (size_t i = 0; i < count; i++) {
        const config_row *row = &answer->configs[i];
        assert_true(str_eq_c(row->name, table[i].name));
        assert_int_equal(row->config_type, table[i].type);
        assert_true(row->read_only && row->documentation.len > 0);
        assert_int_equal(row->is_sensitive, table[i].type == BROKER_CONFIG_PASSWORD);
        if (i) assert_true(strcmp(table[i - 1].name, table[i].name) < 0);
        if (table[i].topic) assert_non_null(topic_config_info(str_c(table[i].topic)));
    }
    config_row *row = row_of(BROKER, "1", "node.id");
    assert_true(str_eq_c(row->value, "1"));
    assert_int_equal(row->config_source, FROM_STATIC);
    assert_true(str_is_null(row_of(BROKER, "1", "delegation.token.secret.key")->value));
    row = row_of(BROKER, "1", "log.dirs");
    assert_true(str_eq_c(row->value, rig.broker->log_dir));
    assert_int_equal(row_of(BROKER, "1", "offsets.retention.minutes")->config_source, FROM_DEFAULT);
}

static void test_other_resources_are_told_as_kafka_does_without_configs_of_their_own(void **state)
{
    (void)state;
    assert_int_equal(describe(BROKER, "", NULL)->configs_count, 0);
    assert_int_equal(describe(BROKER, "2", NULL)->error_code, 42);
    assert_int_equal(describe(BROKER, "one", NULL)->error_code, 42);
    assert_int_equal(row_of(BROKER_LOGGER, "1", "root")->config_source, FROM_LOGGER);
    assert_int_equal(describe(BROKER_LOGGER, "", NULL)->error_code, 42);
    config_row *row = row_of(GROUP, "g", "consumer.session.timeout.ms");
    assert_true(str_eq_c(row->value, "45000"));
    assert_int_equal(row->config_source, FROM_DEFAULT);
    assert_int_equal(describe(GROUP, "", NULL)->error_code, 42);
    assert_true(str_eq_c(row_of(CLIENT_METRICS, "m", "interval.ms")->value, "300000"));
    assert_int_equal(describe(CLIENT_METRICS, "", NULL)->error_code, 42);
    assert_int_equal(describe(3, "x", NULL)->error_code, 42);
}

/* --- changing ------------------------------------------------------------------------------------ */

static void test_items_join_a_list_and_leave_it(void **state)
{
    (void)state;
    assert_int_equal(change("orders", "cleanup.policy", APPEND, "compact", false), 0);
    assert_true(str_eq_c(row_of(TOPIC, "orders", "cleanup.policy")->value, "delete,compact"));
    assert_int_equal(change("orders", "cleanup.policy", APPEND, "compact", false), 0);
    assert_true(str_eq_c(row_of(TOPIC, "orders", "cleanup.policy")->value, "delete,compact"));
    assert_int_equal(change("orders", "cleanup.policy", SUBTRACT, "delete", true), 0); /* a rehearsal */
    assert_true(str_eq_c(row_of(TOPIC, "orders", "cleanup.policy")->value, "delete,compact"));
    assert_int_equal(change("orders", "cleanup.policy", SUBTRACT, "delete", false), 0);
    assert_true(str_eq_c(row_of(TOPIC, "orders", "cleanup.policy")->value, "compact"));
    assert_int_equal(change("orders", "cleanup.policy", APPEND, "shred", false), 40);
    assert_int_equal(change("orders", "retention.ms", APPEND, "1", false), 40);
    assert_int_equal(change("orders", "retention.ms", 9, "1", false), 42);
    assert_int_equal(change("orders", "cleanup.policy", DELETE, NULL, false), 0);
    assert_true(str_eq_c(row_of(TOPIC, "orders", "cleanup.policy")->value, "delete"));
}

static int16_t replace(int8_t type, const char *name,
                       struct alter_configs_request_alterable_config *configs, int32_t count,
                       bool validate_only)
{
    struct alter_configs_request_alter_configs_resource resource = { type, str_c(name), configs,
                                                                     count };
    struct alter_configs_request body = { &resource, 1, validate_only };
    struct alter_configs_response *answer = raw_call(&rig, &one, 33, 2, &body);
    assert_int_equal(answer->responses_count, 1);
    assert_int_equal(answer->responses[0].resource_type, type);
    assert_true(str_eq_c(answer->responses[0].resource_name, name));
    return answer->responses[0].error_code;
}

static void test_the_older_api_replaces_all_configs_of_a_topic(void **state)
{
    (void)state;
    assert_int_equal(change("orders", "retention.ms", SET, "5000", false), 0);
    assert_int_equal(change("orders", "retention.bytes", SET, "5000", false), 0);
    struct alter_configs_request_alterable_config configs[] = {
        { STR("retention.ms"), STR("7000") }, { STR("max.message.bytes"), STR("2000") } };
    assert_int_equal(replace(TOPIC, "orders", configs, 2, true), 0);
    assert_true(str_eq_c(row_of(TOPIC, "orders", "retention.ms")->value, "5000"));
    assert_int_equal(replace(TOPIC, "orders", configs, 2, false), 0);
    assert_true(str_eq_c(row_of(TOPIC, "orders", "retention.ms")->value, "7000"));
    assert_true(str_eq_c(row_of(TOPIC, "orders", "max.message.bytes")->value, "2000"));
    assert_int_equal(row_of(TOPIC, "orders", "retention.bytes")->config_source, FROM_DEFAULT);
    configs[0].value = STR("soon");
    assert_int_equal(replace(TOPIC, "orders", configs, 2, false), 40);
    configs[0].value = STR_NULL;
    assert_int_equal(replace(TOPIC, "orders", configs, 2, false), 42);
    assert_true(str_eq_c(row_of(TOPIC, "orders", "retention.ms")->value, "7000"));
    assert_int_equal(replace(TOPIC, "orders", NULL, 0, false), 0);
    assert_int_equal(row_of(TOPIC, "orders", "retention.ms")->config_source, FROM_DEFAULT);
    assert_int_equal(replace(TOPIC, "nothing", NULL, 0, false), 3);
    assert_int_equal(replace(BROKER, "1", NULL, 0, false), 44);
    assert_int_equal(replace(GROUP, "g", NULL, 0, false), 42);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_topics_own_value_comes_before_the_brokers),
        TEST(test_what_is_set_for_the_broker_shows_on_both_sides),
        TEST(test_a_broker_tells_its_settings_with_type_source_and_text),
        TEST(test_other_resources_are_told_as_kafka_does_without_configs_of_their_own),
        TEST(test_items_join_a_list_and_leave_it),
        TEST(test_the_older_api_replaces_all_configs_of_a_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
