/* test_rate_limit.c - how many requests a subject may make. */
#include "http/rate_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

static void test_a_burst_passes_and_then_the_rate(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(10, 50);
    int64_t now = 1000000;
    for (int i = 0; i < 50; i++) {
        struct rate_verdict v = rate_limit_take(limit, STR("key A"), now);
        assert_true(v.allowed);
        assert_int_equal(v.limit, 50);
        assert_int_equal(v.remaining, 49 - i);
    }
    struct rate_verdict v = rate_limit_take(limit, STR("key A"), now);
    assert_false(v.allowed);
    assert_int_equal(v.remaining, 0);
    assert_int_equal(v.retry_s, 1);
    assert_int_equal(v.reset_s, 5);
    for (int i = 0; i < 20; i++) { /* two seconds: 20 requests more, evenly */
        now += 100;
        assert_true(rate_limit_take(limit, STR("key A"), now).allowed);
        assert_false(rate_limit_take(limit, STR("key A"), now).allowed);
    }
    now += 60000;
    assert_int_equal(rate_limit_take(limit, STR("key A"), now).remaining, 49);
    rate_limit_free(limit);
}

static void test_subjects_do_not_share_a_bucket(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(1, 1);
    assert_true(rate_limit_take(limit, STR("key A"), 5).allowed);
    assert_false(rate_limit_take(limit, STR("key A"), 5).allowed);
    assert_true(rate_limit_take(limit, STR("key B"), 5).allowed);
    assert_true(rate_limit_take(limit, STR("address A"), 5).allowed);
    rate_limit_free(limit);
}

static void test_any_number_of_subjects_fits_and_the_busiest_stays_held(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(100, 200);
    while (rate_limit_take(limit, STR("busy"), 1).allowed) continue;
    for (int i = 0; i < 100000; i++) {
        char name[32];
        int n = snprintf(name, sizeof name, "address %d", i);
        assert_true(rate_limit_take(limit, (struct str){ name, (size_t)n }, 1).allowed);
    }
    assert_false(rate_limit_take(limit, STR("busy"), 1).allowed);
    rate_limit_free(limit);
}

static void test_a_rate_of_nothing_is_no_limit(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(0, 1);
    for (int i = 0; i < 100; i++) {
        struct rate_verdict v = rate_limit_take(limit, STR("key"), 1);
        assert_true(v.allowed && v.limit == 0);
    }
    rate_limit_free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_passes_and_then_the_rate),
        cmocka_unit_test(test_subjects_do_not_share_a_bucket),
        cmocka_unit_test(test_any_number_of_subjects_fits_and_the_busiest_stays_held),
        cmocka_unit_test(test_a_rate_of_nothing_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
