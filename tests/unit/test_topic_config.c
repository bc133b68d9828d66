/* Topic configs: the table against Kafka's rules, and what overrides make of a log. */
#include "base/mem.h"
#include "cluster/topic_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static struct why why;

static bool legal(const char *name, const char *value)
{
    why.text[0] = 0;
    status s = topic_config_check(str_c(name), str_c(value), &why);
    if (failed(s)) {
        assert_int_equal(s.code, E_INVALID_CONFIG);
        assert_true(why.text[0] != 0); /* always a sentence */
    }
    return is_ok(s);
}

static void test_every_default_is_legal(void **state)
{
    (void)state;
    size_t count;
    const struct config_info *table = topic_config_table(&count);
    assert_int_equal(count, 34); /* Kafka 4.2's 33 and leat.flush */
    for (size_t i = 0; i < count; i++) {
        assert_true(legal(table[i].name, table[i].default_value));
        assert_ptr_equal(topic_config_info(str_c(table[i].name)), &table[i]);
    }
}

static void test_values_out_of_bounds_or_of_another_type_are_refused(void **state)
{
    (void)state;
    assert_false(legal("no.such.config", "1"));
    assert_string_equal(why.text, "Unknown topic config name: no.such.config");
    assert_false(legal("retention.ms", "soon"));
    assert_string_equal(why.text,
                        "Invalid value soon for configuration retention.ms: Not a number of type LONG");
    assert_false(legal("retention.ms", "-2"));
    assert_true(legal("retention.ms", "-1"));
    assert_true(legal("retention.ms", " 9223372036854775807 "));
    assert_false(legal("retention.ms", "9223372036854775808"));
    assert_false(legal("retention.ms", ""));
    assert_false(legal("segment.bytes", "1048575"));
    assert_string_equal(why.text, "Invalid value 1048575 for configuration segment.bytes: Value must "
                                  "be at least 1048576");
    assert_false(legal("segment.bytes", "2147483648"));
    assert_false(legal("min.insync.replicas", "0"));
    assert_false(legal("compression.gzip.level", "0"));
    assert_true(legal("min.cleanable.dirty.ratio", "0.25"));
    assert_false(legal("min.cleanable.dirty.ratio", "1.1"));
    assert_false(legal("min.cleanable.dirty.ratio", "nan"));
    assert_true(legal("unclean.leader.election.enable", "True"));
    assert_false(legal("unclean.leader.election.enable", "yes"));
    assert_false(legal("message.timestamp.type", "createtime"));
    assert_true(legal("cleanup.policy", "compact, delete"));
    assert_true(legal("cleanup.policy", ""));
    assert_false(legal("cleanup.policy", "compact,remove"));
    assert_false(legal("leat.flush", "never"));
    assert_true(legal("leader.replication.throttled.replicas", "0:1,1:2"));
    assert_true(legal("leader.replication.throttled.replicas", "0:1,"));
    assert_false(legal("leader.replication.throttled.replicas", "all"));
    assert_false(legal("leader.replication.throttled.replicas", "*,0:1"));
    assert_true(legal("retention.bytes", "-5"));
    assert_false(legal("retention.ms", NULL));
}

static void test_what_is_not_here_is_refused_but_its_defaults_are_taken(void **state)
{
    (void)state;
    assert_true(legal("preallocate", "FALSE"));
    assert_false(legal("preallocate", "true"));
    struct topic_config c; /* an image of before holds it: shown, and that is all */
    topic_config_init(&c);
    assert_true(is_ok(topic_config_set(&c, STR("preallocate"), STR("true"))));
    topic_config_done(&c);
    assert_true(legal("remote.storage.enable", "false"));
    assert_false(legal("remote.storage.enable", "true"));
    assert_false(legal("local.retention.ms", "1000"));
}

static void test_overrides_take_effect_and_go_back(void **state)
{
    (void)state;
    int64_t blocks = mem_outstanding();
    struct topic_config c, copy;
    topic_config_init(&c);
    topic_config_init(&copy);
    assert_true(c.log.flush && c.log.cleanup_delete && c.log.retention_ms == 604800000);
    assert_true(is_ok(topic_config_set(&c, STR("retention.ms"), STR("5000"))));
    assert_true(is_ok(topic_config_set(&c, STR("leat.flush"), STR("os"))));
    assert_true(is_ok(topic_config_set(&c, STR("cleanup.policy"), STR("compact"))));
    assert_true(is_ok(topic_config_set(&c, STR("compression.type"), STR("zstd"))));
    assert_true(is_ok(topic_config_set(&c, STR("min.insync.replicas"), STR("2"))));
    assert_int_equal(topic_config_set(&c, STR("retention.ms"), STR("x")).code, E_INVALID_CONFIG);
    assert_int_equal(c.log.retention_ms, 5000);
    assert_int_equal(c.log.compression, 4);
    assert_int_equal(c.min_insync_replicas, 2);
    assert_true(!c.log.flush && c.log.cleanup_compact && !c.log.cleanup_delete);
    assert_true(is_ok(topic_config_copy(&c, &copy)));
    assert_true(is_ok(topic_config_set(&c, STR("retention.ms"), STR_NULL)));
    assert_int_equal(c.log.retention_ms, 604800000);
    assert_int_equal(copy.log.retention_ms, 5000);
    bool is_default;
    const struct config_info *info = topic_config_info(STR("retention.ms"));
    assert_true(str_eq_c(topic_config_get(&c, info, &is_default), "604800000"));
    assert_true(is_default);
    assert_true(str_eq_c(topic_config_get(&copy, info, &is_default), "5000"));
    assert_false(is_default);
    topic_config_done(&c);
    topic_config_done(&copy);
    assert_int_equal(mem_outstanding(), blocks);
}

static void test_flushing_each_record_is_flushing(void **state)
{
    (void)state;
    struct topic_config c;
    topic_config_init(&c);
    assert_true(is_ok(topic_config_set(&c, STR("leat.flush"), STR("os"))));
    assert_true(is_ok(topic_config_set(&c, STR("flush.messages"), STR("2"))));
    assert_true(is_ok(topic_config_set(&c, STR("flush.ms"), STR("1"))));
    assert_false(c.log.flush);
    assert_int_equal(c.log.flush_messages, 2);
    assert_int_equal(c.log.flush_ms, 1);
    assert_true(is_ok(topic_config_set(&c, STR("flush.messages"), STR("1"))));
    assert_true(c.log.flush);
    assert_true(is_ok(topic_config_set(&c, STR("flush.messages"), STR_NULL)));
    assert_false(c.log.flush);
    assert_true(is_ok(topic_config_set(&c, STR("flush.ms"), STR("0"))));
    assert_true(c.log.flush);
    topic_config_done(&c);
}

static void test_topic_names_obey_kafkas_rule(void **state)
{
    (void)state;
    char long_name[251];
    memset(long_name, 'a', 250);
    long_name[250] = 0;
    assert_true(is_ok(topic_name_check(STR("Orders_2.eu-west"), &why)));
    assert_true(is_ok(topic_name_check((struct str){ long_name, 249 }, &why)));
    assert_true(failed(topic_name_check((struct str){ long_name, 250 }, &why)));
    static const char *const bad[] = { "", ".", "..", "a b", "a/b", "ä", "a\n" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(topic_name_check(str_c(bad[i]), &why).code, E_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(topic_name_check(STR_NULL, NULL).code, E_INVALID_TOPIC_EXCEPTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_default_is_legal),
        cmocka_unit_test(test_values_out_of_bounds_or_of_another_type_are_refused),
        cmocka_unit_test(test_what_is_not_here_is_refused_but_its_defaults_are_taken),
        cmocka_unit_test(test_overrides_take_effect_and_go_back),
        cmocka_unit_test(test_flushing_each_record_is_flushing),
        cmocka_unit_test(test_topic_names_obey_kafkas_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
