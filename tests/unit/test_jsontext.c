/* Reading JSON where it stands: what is JSON and what is not, and members of what is. */
#include "base/jsontext.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_only_json_passes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}", " [ ] ", "\"\"", "0", "-1.5e+10", "true", "null",
        "{\"a\":{\"b\":[1,2,{\"a\":3}]},\"c\":\"\\u00e9\\n\"}",
        "[\"\\ud83d\\ude00\"]", "{\"a\":1,\"A\":2}",
    };
    static const char *const bad[] = {
        "", "{", "}", "{]", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{a:1}", "{\"a\":1,}", "01", "1.", "1e",
        "+1", "--1", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\n\"", "tru", "nul",
        "1 2", "{} x", "'a'",
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"x\":{\"a\":1,\"b\":2,\"a\":3}}", "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xc3\"",
        "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "NaN", "Infinity",
    };
    for (size_t i = 0; i < COUNT(good); i++) assert_true(jsontext_check(str_c(good[i])));
    for (size_t i = 0; i < COUNT(bad); i++) assert_false(jsontext_check(str_c(bad[i])));
}

static void test_members_items_texts_and_numbers_are_found(void **state)
{
    (void)state;
    struct str text = STR(" {\"n\": 1.5 , \"t\\u0065xt\":\"a\\tb\\u00fc\\ud83d\\ude00\", "
                          "\"list\" : [1, \"two\" ,[3]],\"o\":{\"n\":2}}");
    struct str item;
    char out[32];
    double number = 0;
    size_t at = 0;
    int items = 0;
    assert_true(jsontext_check(text));
    assert_true(jsontext_number(jsontext_get(text, "n"), &number));
    assert_true(number == 1.5);
    assert_true(jsontext_number(jsontext_get(jsontext_get(text, "o"), "n"), &number));
    assert_true(number == 2);
    assert_true(jsontext_string(jsontext_get(text, "text"), out, sizeof out));
    assert_string_equal(out, "a\tb\xc3\xbc\xf0\x9f\x98\x80");
    assert_false(jsontext_string(jsontext_get(text, "text"), out, 5));
    assert_false(jsontext_string(jsontext_get(text, "n"), out, sizeof out));
    assert_true(str_is_null(jsontext_get(text, "absent")));
    assert_true(str_is_null(jsontext_get(STR("[1]"), "n")));
    while (jsontext_next(jsontext_get(text, "list"), &at, &item)) {
        static const char *const items_are[] = { "1", "\"two\"", "[3]" };
        assert_true(str_eq_c(item, items_are[items++]));
    }
    assert_int_equal(items, 3);
    at = 0;
    assert_false(jsontext_next(STR("[]"), &at, &item));
    assert_false(jsontext_string(STR("\"a\\u0000b\""), out, sizeof out));
}

/* Nested objects with several members each: looking for names twice must not multiply by depth. */
static void test_deep_objects_take_no_time(void **state)
{
    (void)state;
    char text[32768];
    size_t n = 0;
    for (int depth = 0; depth < 15; depth++) n += (size_t)sprintf(text + n, "{\"a\":");
    text[n++] = '1';
    for (int depth = 0; depth < 15; depth++) {
        for (int i = 0; i < 100; i++) n += (size_t)sprintf(text + n, ",\"m%d\":1", i);
        text[n++] = '}';
    }
    clock_t from = clock();
    assert_true(jsontext_check((struct str){ text, n }));
    assert_true(clock() - from < CLOCKS_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_json_passes),
        cmocka_unit_test(test_members_items_texts_and_numbers_are_found),
        cmocka_unit_test(test_deep_objects_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
