/* test_uuid.c - identities and their text, base64. */
#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void test_text_goes_out_and_comes_back(void **state)
{
    (void)state;
    char text[UUID_TEXT];
    struct uuid back;
    for (int i = 0; i < 1000; i++) {
        struct uuid u = uuid_new();
        assert_false(uuid_is_zero(u));
        uuid_format(u, text);
        assert_int_equal(strlen(text), UUID_TEXT - 1);
        assert_true(text[0] != '-');
        assert_true(uuid_parse(str_c(text), &back));
        assert_true(uuid_eq(u, back));
    }
}

static void test_text_is_kafkas(void **state)
{
    (void)state;
    char text[UUID_TEXT];
    struct uuid u = { { 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb } };
    uuid_format(u, text);
    assert_string_equal(text, "AAAAAAAAAAH_________-w");
    uuid_format((struct uuid){ { 0 } }, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
}

static void test_other_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA",
                                       "AAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAA+AAAAAAAAAAA",
                                       "AAAAAAAAAA AAAAAAAAAAA" };
    struct uuid u;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(uuid_parse(str_c(bad[i]), &u));
}

static void test_base64_is_rfc_4648(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "", "" },         { "f", "Zg==" },
                                            { "fo", "Zm8=" },   { "foo", "Zm9v" },
                                            { "foob", "Zm9vYg==" }, { "foobar", "Zm9vYmFy" } };
    char text[16];
    uint8_t back[16];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t n = strlen(pairs[i][0]);
        assert_int_equal(base64_encode(pairs[i][0], n, text), strlen(pairs[i][1]));
        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(base64_decode(str_c(text), back, sizeof back), n);
        assert_memory_equal(back, pairs[i][0], n);
    }
}

static void test_malformed_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg==Zg==", "Z===", "====", "Zm9v!", "Zm-v" };
    uint8_t back[16];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(base64_decode(str_c(bad[i]), back, sizeof back), -1);
    }
    assert_int_equal(base64_decode(STR("Zm9vYmFy"), back, 5), -1); /* no room */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_goes_out_and_comes_back),
        cmocka_unit_test(test_text_is_kafkas),
        cmocka_unit_test(test_other_text_is_refused),
        cmocka_unit_test(test_base64_is_rfc_4648),
        cmocka_unit_test(test_malformed_base64_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
