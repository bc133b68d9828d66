/* The command line of a broker: what is taken, and that every mistake gets its sentence. */
#include "broker/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static struct options options;
static struct why why;

static status parse(int count, const char *const *arguments)
{
    memset(&options, 0, sizeof options);
    why.text[0] = 0;
    return options_parse(&options, count, arguments, &why);
}
#define PARSE(...)                                                                                 \
    parse((int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)),                         \
          (const char *const[]){ __VA_ARGS__ })
#define STANDALONE "--standalone", "--data", "d"

static void test_a_standalone_broker_listens_on_loopback_by_default(void **state)
{
    (void)state;
    assert_true(is_ok(PARSE(STANDALONE)));
    assert_string_equal(options.broker.endpoints[0].addr, "127.0.0.1");
    assert_int_equal(options.broker.endpoints[0].port, 9092);
    assert_true(is_ok(PARSE(STANDALONE, "--listen", "[::1]:0")));
    assert_string_equal(options.broker.endpoints[0].addr, "::1");
    assert_int_equal(PARSE(STANDALONE, "--listen", "0.0.0.0:1").code, E_INVALID);
    assert_non_null(strstr(why.text, "loopback"));
}

static void test_a_managed_broker_takes_what_its_supervisor_gives(void **state)
{
    (void)state;
    assert_true(is_ok(PARSE("--data", "d", "--run", "r", "--listen", "0.0.0.0:19092", "--advertise",
                            "kafka.example:19092", "--cluster-id", "lkc-1", "--node-id", "2")));
    assert_string_equal(options.broker.endpoints[0].advertise_host, "kafka.example");
    assert_int_equal(options.broker.endpoints[0].advertise_port, 19092);
    assert_int_equal(options.broker.node_id, 2);
    assert_int_equal(PARSE("--data", "d", "--run", "r").code, E_INVALID);
    assert_non_null(strstr(why.text, "--cluster-id"));
    assert_int_equal(PARSE("--data", "d").code, E_INVALID);
}

static void test_listeners_are_named_by_their_kind(void **state)
{
    (void)state;
    const struct endpoint_options *e = options.broker.endpoints;
    assert_true(is_ok(PARSE(STANDALONE, "--listen", "127.0.0.1:1", "--listen", "SASL_SSL://0.0.0.0:2",
                            "--advertise", "SASL_SSL://kafka.example:3", "--tls-certificate", "c.pem")));
    assert_int_equal(options.broker.endpoint_count, 2);
    assert_int_equal(e[0].security, SECURITY_PLAINTEXT);
    assert_int_equal(e[1].security, SECURITY_SASL_SSL);
    assert_int_equal(e[1].port, 2);
    assert_string_equal(e[1].advertise_host, "kafka.example");
    assert_int_equal(e[1].advertise_port, 3);
    assert_int_equal(PARSE(STANDALONE, "--listen", "SASL_SSL://127.0.0.1:1").code, E_INVALID);
    assert_non_null(strstr(why.text, "--tls-certificate"));
    assert_int_equal(PARSE(STANDALONE, "--listen", "TLS://127.0.0.1:1").code, E_INVALID);
    assert_int_equal(PARSE(STANDALONE, "--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2").code,
                     E_INVALID);
    assert_int_equal(PARSE(STANDALONE, "--advertise", "SSL://h:1").code, E_INVALID);
    assert_int_equal(PARSE(STANDALONE, "--listen", "SASL_PLAINTEXT://0.0.0.0:1").code, E_INVALID);
    assert_int_equal(PARSE(STANDALONE, "--listen", "SSL://0.0.0.0:1", "--tls-certificate", "c").code,
                     E_INVALID);
    assert_int_equal(PARSE(STANDALONE, "--set", "ssl.client.auth=required").code, E_INVALID);
    assert_true(is_ok(PARSE(STANDALONE, "--listen", "SSL://0.0.0.0:1", "--tls-certificate", "c",
                            "--tls-client-ca", "ca", "--set", "ssl.client.auth=required")));
    assert_int_equal(PARSE("--data", "d", "--run", "r", "--cluster-id", "x", "--listen",
                           "PLAINTEXT://127.0.0.1:1").code, E_INVALID);
    assert_int_equal(PARSE("--data", "d", "--run", "r", "--cluster-id", "x", "--users", "u").code,
                     E_INVALID);
}

static void test_settings_have_kafkas_broker_names(void **state)
{
    (void)state;
    assert_true(is_ok(PARSE(STANDALONE, "--set", "num.partitions=4", "--set",
                            "auto.create.topics.enable=false", "--set", "log.retention.hours=2",
                            "--set", "message.max.bytes=2000000")));
    assert_int_equal(options.broker.limits.default_partitions, 4);
    assert_false(options.broker.limits.auto_create_topics);
    assert_int_equal(options.broker.defaults_count, 2);
    assert_string_equal(options.broker.defaults[0].name, "retention.ms");
    assert_string_equal(options.broker.defaults[0].value, "7200000");
    assert_string_equal(options.broker.defaults[1].name, "max.message.bytes");
}

static void test_mistakes_are_told_in_a_sentence(void **state)
{
    (void)state;
    assert_int_equal(PARSE(STANDALONE, "--set", "no.such=1").code, E_INVALID);
    assert_string_equal(why.text, "--set no.such: there is no such setting");
    assert_true(failed(PARSE(STANDALONE, "--set", "num.partitions=many")));
    assert_non_null(strstr(why.text, "\"many\" is not a legal value"));
    assert_true(failed(PARSE(STANDALONE, "--set", "log.retention.ms=soon")));
    assert_non_null(strstr(why.text, "log.retention.ms"));
    assert_true(failed(PARSE(STANDALONE, "--set", "log.cleanup.policy=burn")));
    assert_true(failed(PARSE(STANDALONE, "--set", "nothing")));
    assert_true(failed(PARSE(STANDALONE, "--listen", "127.0.0.1")));
    assert_true(failed(PARSE(STANDALONE, "--listen", "127.0.0.1:70000")));
    assert_true(failed(PARSE(STANDALONE, "--what", "x")));
    assert_non_null(strstr(why.text, "--what"));
    assert_true(failed(PARSE(STANDALONE, "--listen")));
    assert_true(failed(PARSE("--standalone")));
    assert_non_null(strstr(why.text, "--data"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_standalone_broker_listens_on_loopback_by_default),
        cmocka_unit_test(test_a_managed_broker_takes_what_its_supervisor_gives),
        cmocka_unit_test(test_listeners_are_named_by_their_kind),
        cmocka_unit_test(test_settings_have_kafkas_broker_names),
        cmocka_unit_test(test_mistakes_are_told_in_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
