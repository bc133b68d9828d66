/* test_status.c - the error table and its projections. */
#include "base/status.h"
#include "base/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void test_every_kafka_code_leads_back_to_its_own_row(void **state)
{
    (void)state;
    for (int16_t code = 1; code <= 133; code++) {
        status s = status_from_kafka(code);
        assert_int_equal(status_kafka(s), code);
        assert_true(s.code >= E_UNKNOWN_SERVER_ERROR);
    }
    assert_true(is_ok(status_from_kafka(0)));
    assert_int_equal(status_from_kafka(-1).code, E_UNKNOWN_SERVER_ERROR);
    assert_int_equal(status_from_kafka(3000).code, E_UNKNOWN_SERVER_ERROR);
    assert_int_equal(status_from_kafka(42).code, E_INVALID_REQUEST);
}

static void test_every_row_is_complete(void **state)
{
    (void)state;
    for (int e = 0; e < ERR_COUNT; e++) {
        status s = status_of((enum err)e);
        assert_true(strlen(status_name(s)) > 0);
        const char *text = status_text(s);
        assert_true(strlen(text) > 5 && text[strlen(text) - 1] == '.');
        assert_true(status_http(s) >= 200 && status_http(s) < 600);
    }
    assert_string_equal(status_name(FAIL(TOPIC_ALREADY_EXISTS)), "TOPIC_ALREADY_EXISTS");
    assert_int_equal(status_kafka(OK), 0);
}

static void test_errno_becomes_a_status(void **state)
{
    (void)state;
    assert_int_equal(status_from_errno(ENOSPC).code, E_NO_SPACE);
    assert_int_equal(status_from_errno(ENOENT).code, E_NOT_FOUND);
    assert_int_equal(status_from_errno(EEXIST).code, E_EXISTS);
    assert_int_equal(status_from_errno(EADDRINUSE).code, E_ADDRESS_IN_USE);
    assert_int_equal(status_from_errno(EIO).code, E_IO);
}

static status fails_at(int step, int *ret_steps)
{
    for (int i = 0; i < 3; i++) {
        *ret_steps = i;
        TRY(i == step ? FAIL(LIMIT) : OK);
    }
    return OK;
}

static void test_try_returns_the_first_failure(void **state)
{
    (void)state;
    int steps;
    assert_int_equal(fails_at(1, &steps).code, E_LIMIT);
    assert_int_equal(steps, 1);
    assert_true(is_ok(fails_at(9, &steps)));
}

static void test_why_is_cut_to_its_size_and_may_be_null(void **state)
{
    (void)state;
    struct why why;
    why_set(NULL, "nobody asks");
    why_set(&why, "%0300d", 1);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kafka_code_leads_back_to_its_own_row),
        cmocka_unit_test(test_every_row_is_complete),
        cmocka_unit_test(test_errno_becomes_a_status),
        cmocka_unit_test(test_try_returns_the_first_failure),
        cmocka_unit_test(test_why_is_cut_to_its_size_and_may_be_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
