/* test_password_rules.c - which passwords people may choose, and what they are told. */
#include "identity/password_rules.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool taken(const char *password, struct why *why)
{
    *why = (struct why){ "" };
    status result = password_acceptable(str_c(password), STR("anna.berg@example.com"), why);
    if (is_ok(result)) return true;
    assert_int_equal(result.code, E_INVALID);
    size_t len = strlen(why->text);
    assert_true(len > 10 && why->text[len - 1] == '.');
    if (strcmp(password, "password") == 0) return false; /* which is what it is called */
    assert_null(strstr(why->text, password));
    return false;
}

static void test_what_guessers_try_first_is_refused_with_the_reason(void **state)
{
    static const struct { const char *password, *says; } bad[] = {
        { "short", "8 to 256" },          { "password", "word" },       { "password12", "word" },
        { "Password2024!", "word" },      { "P@ssw0rd", "word" },       { "iloveyou", "word" },
        { "Summer2024", "word" },         { "administrator1", "word" }, { "dragon123", "word" },
        { "trustno1", "word" },           { "12345678", "row" },        { "qwerty123", "row" },
        { "1q2w3e4r", "row" },            { "asdfghjkl", "row" },       { "abcd1234", "row" },
        { "aaaaaaaaaaaa", "repeats" },    { "11111111", "repeats" },    { "kafkakafka", "repeats" },
        { "anna.berg@example.com", "login" },
    };
    struct why why;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_false(taken(bad[i].password, &why));
        if (!strstr(why.text, bad[i].says)) fail_msg("%s: %s", bad[i].password, why.text);
    }
}

static void test_long_ones_of_any_kind_are_taken(void **state)
{
    static const char *const good[] = {
        "correct horse battery", "a perfectly fine one", "kaffee-und-kuchen am see", "Xy7!kd92", "hjdkwoeqpz",
        "wBk4Vn2qLxthat", "Rex7!kd92Zq",
        "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c \xd0\xb4\xd0\xbb\xd1\x8f",
    };
    struct why why;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!taken(good[i], &why)) fail_msg("%s: %s", good[i], why.text);
}

static void test_bounds_are_told(void **state)
{
    char text[PASSWORD_MAX + 2];
    struct why why;
    (void)state;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('!' + (i * 7) % 90);
    text[PASSWORD_MAX + 1] = 0;
    assert_false(taken(text, &why));
    text[PASSWORD_MAX] = 0;
    assert_true(taken(text, &why));
    assert_true(failed(password_acceptable((struct str){ "with a \0 in it", 14 }, STR("x"), &why)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_guessers_try_first_is_refused_with_the_reason),
        cmocka_unit_test(test_long_ones_of_any_kind_are_taken),
        cmocka_unit_test(test_bounds_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
