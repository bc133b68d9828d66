/* Regular expressions of subscriptions: what matches, what is refused because Kafka's RE2 has it
 * not, and that no expression can take the loop's time. */
#include "broker/topic_regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static bool matches(const char *pattern, const char *topic)
{
    CLEANUP(topic_regex) struct topic_regex *r = NULL;
    assert_true(is_ok(topic_regex_new(str_c(pattern), &r)));
    return topic_regex_matches(r, str_c(topic));
}

static bool refused(const char *pattern)
{
    CLEANUP(topic_regex) struct topic_regex *r = NULL;
    status s = topic_regex_new(str_c(pattern), &r);
    if (failed(s)) assert_int_equal(s.code, E_INVALID_REGULAR_EXPRESSION);
    return failed(s);
}

static void test_the_whole_name_has_to_match(void **state)
{
    (void)state;
    assert_true(matches("pay.*", "payments"));
    assert_true(matches("payments", "payments"));
    assert_false(matches("pay", "payments"));
    assert_false(matches("ments", "payments"));
    assert_false(matches("a|payments", "payments-2"));
    assert_true(matches("a|payments", "payments"));
    assert_true(matches("^payments$", "payments"));
}

static void test_what_names_are_described_with_is_understood(void **state)
{
    (void)state;
    assert_true(matches("[a-z]+\\.v[0-9]{1,3}", "orders.v12"));
    assert_true(matches("(?i)ORDERS", "orders"));
    assert_true(matches("(?:orders|payments)-\\d+", "orders-7"));
    assert_true(matches("(?P<kind>orders)-.+?", "orders-7"));
    assert_true(matches("\\Qa.b\\E.*", "a.bc"));
    assert_true(matches("[[:alpha:]]+", "abc"));
    assert_true(matches("[]a]+", "a"));
    assert_true(matches("a\\++", "a"
                                 "++"));
    assert_true(matches("\\w+", "under_score"));
}

static void test_the_empty_expression_matches_no_topic(void **state)
{
    (void)state;
    assert_false(matches("", "payments"));
    assert_false(matches("", ""));
}

static void test_malformed_expressions_are_refused(void **state)
{
    (void)state;
    assert_true(refused("["));
    assert_true(refused("a("));
    assert_true(refused("*"));
    assert_true(refused("a{2,1}"));
    assert_true(refused("a\\"));
    assert_true(refused("\xff"));
}

static void test_what_re2_has_not_is_refused(void **state)
{
    (void)state;
    assert_true(refused("(a)\\1"));
    assert_true(refused("(?=a)a"));
    assert_true(refused("(?!a)b"));
    assert_true(refused("(?<=a)b"));
    assert_true(refused("(?<!a)b"));
    assert_true(refused("(?>a+)b"));
    assert_true(refused("a++"));
    assert_true(refused("a*+"));
    assert_true(refused("(?R)"));
    assert_true(refused("(?(1)a|b)"));
    assert_true(refused("(*ACCEPT)"));
    assert_true(refused("(?C1)a"));
    assert_true(refused("\\k<n>"));
    assert_false(refused("[(*?=+]"));
}

static void test_an_expensive_expression_ends_as_no_match(void **state)
{
    (void)state;
    CLEANUP(topic_regex) struct topic_regex *r = NULL;
    assert_true(is_ok(topic_regex_new(STR("(a+)+(b+)+(a*)*c"), &r)));
    for (int i = 0; i < 1000; i++)
        assert_false(topic_regex_matches(r, STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbb")));
}

static int no_leaks(void **state)
{
    (void)state;
    return mem_outstanding() != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_name_has_to_match),
        cmocka_unit_test(test_what_names_are_described_with_is_understood),
        cmocka_unit_test(test_the_empty_expression_matches_no_topic),
        cmocka_unit_test(test_malformed_expressions_are_refused),
        cmocka_unit_test(test_what_re2_has_not_is_refused),
        cmocka_unit_test(test_an_expensive_expression_ends_as_no_match),
    };
    return cmocka_run_group_tests(tests, NULL, no_leaks);
}
