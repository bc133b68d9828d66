/* test_bytes.c - views: equality with null, order, numbers, both byte orders. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void test_null_and_empty_are_not_equal(void **state)
{
    (void)state;
    assert_true(str_eq(STR_NULL, STR_NULL));
    assert_true(str_eq(STR(""), STR("")));
    assert_false(str_eq(STR_NULL, STR("")));
    assert_true(str_is_empty(STR_NULL));
    assert_false(str_eq(STR("ab"), STR("ac")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq_c(STR("ab"), "ab"));
}

static void test_order_is_by_bytes_then_length(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR(""), STR("")), 0);
    assert_true(str_starts(STR("payments"), STR("pay")));
    assert_true(str_starts(STR("x"), STR("")));
    assert_false(str_starts(STR("pa"), STR("pay")));
}

static void test_copy_into_a_field_fits_or_leaves_it_empty(void **state)
{
    (void)state;
    char field[4] = "old";
    assert_true(str_copy(field, sizeof field, STR("abc")));
    assert_string_equal(field, "abc");
    assert_false(str_copy(field, sizeof field, STR("abcd")));
    assert_string_equal(field, "");
    assert_true(str_copy(field, sizeof field, STR_NULL));
    assert_string_equal(field, "");
}

static void test_numbers_are_plain_decimal(void **state)
{
    (void)state;
    int64_t v = 5;
    assert_true(str_to_i64(STR("0"), &v));
    assert_int_equal(v, 0);
    assert_true(str_to_i64(STR("9223372036854775807"), &v));
    assert_true(v == INT64_MAX);
    static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "1x", "9223372036854775808",
                                       "99999999999999999999" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(str_to_i64(str_c(bad[i]), &v));
    assert_true(v == INT64_MAX); /* untouched by failure */
}

static void test_integers_go_out_and_come_back(void **state)
{
    (void)state;
    uint8_t p[8];
    put_be64(p, 0x0102030405060708ull);
    assert_memory_equal(p, "\1\2\3\4\5\6\7\x8", 8);
    assert_true(get_be64(p) == 0x0102030405060708ull);
    assert_int_equal(get_be32(p), 0x01020304);
    assert_int_equal(get_be16(p), 0x0102);
    put_le64(p, 0x0102030405060708ull);
    assert_memory_equal(p, "\x8\7\6\5\4\3\2\1", 8);
    assert_true(get_le64(p) == 0x0102030405060708ull);
    put_be32(p, 0xfffefdfc);
    assert_int_equal(get_be32(p), 0xfffefdfc);
    put_le16(p, 0x0102);
    assert_int_equal(get_le16(p), 0x0102);
}

static void test_secrets_compare_whole(void **state)
{
    (void)state;
    assert_true(bytes_eq_secret("abcd", "abcd", 4));
    assert_false(bytes_eq_secret("abcd", "abce", 4));
    assert_false(bytes_eq_secret("abcd", "bbcd", 4));
    assert_true(bytes_eq_secret("a", "b", 0));
}

static void test_text_is_utf8_without_zero_bytes(void **state)
{
    (void)state;
    assert_true(str_is_text(STR("")));
    assert_true(str_is_text(STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
    assert_false(str_is_text(STR("a\0")));
    assert_false(str_is_text(STR("\xe9")));
    assert_false(str_is_text(STR("\xc0\xaf")));         /* overlong */
    assert_false(str_is_text(STR("\xed\xa0\x80")));     /* a surrogate */
    assert_false(str_is_text(STR("\xf4\x90\x80\x80"))); /* beyond Unicode */
    assert_false(str_is_text(STR("\xe2\x82")));         /* cut */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_utf8_without_zero_bytes),
        cmocka_unit_test(test_null_and_empty_are_not_equal),
        cmocka_unit_test(test_order_is_by_bytes_then_length),
        cmocka_unit_test(test_copy_into_a_field_fits_or_leaves_it_empty),
        cmocka_unit_test(test_numbers_are_plain_decimal),
        cmocka_unit_test(test_integers_go_out_and_come_back),
        cmocka_unit_test(test_secrets_compare_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
