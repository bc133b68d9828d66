/* test_record_filter.c - the language of record filters: what it reads, what it refuses and where, what
 * passes. */
#include "domain/record_filter.h"

#include "base/mem.h"
#include "wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define STEPS 1000000

static struct bytes text(const char *c) { return c ? bytes_of(c, strlen(c)) : BYTES_NULL; }

/* Headers as they stand in a record: varint lengths, zigzag. */
static struct bytes headers_of(struct arena *arena, const char *const pairs[][2], int count)
{
    uint8_t *out = arena_alloc(arena, 1024), *p = out;
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < 2; k++) {
            const char *c = pairs[i][k];
            size_t n = c ? strlen(c) : 0;
            *p++ = c ? (uint8_t)(n * 2) : 1; /* -1: null */
            if (n) memcpy(p, c, n);
            p += n;
        }
    }
    return bytes_of(out, (size_t)(p - out));
}

static bool passes(const char *filter, const char *key, const char *value)
{
    static const char *const pairs[][2] = { { "source", "till" }, { "trace", "one" }, { "trace", "two" },
                                            { "void", NULL } };
    struct arena arena;
    struct record_filter *f = NULL;
    struct why why;
    size_t at;
    int64_t steps = STEPS;
    bool match = false;
    arena_init(&arena, 1 << 20);
    struct record r = { .offset = 41, .timestamp = 1772625600000, .key = text(key), .value = text(value),
                        .headers = headers_of(&arena, pairs, 4), .header_count = 4 };
    status read = record_filter_parse(str_c(filter), &arena, &f, &at, &why);
    if (failed(read)) fail_msg("%s: %s at %zu", filter, why.text, at);
    assert_true(is_ok(record_filter_match(f, 3, &r, &steps, &match)));
    assert_true(steps < STEPS);
    record_filter_done(f);
    arena_done(&arena);
    return match;
}

static void a_text_alone_is_found_in_key_or_value_whatever_its_case(void **state)
{
    (void)state;
    assert_true(passes("'BLUE'", "k", "a blue one"));
    assert_true(passes("\"Ke\"", "key", NULL));
    assert_false(passes("\"red\"", "key", "a blue one"));
    assert_true(passes("\"\"", NULL, NULL));
}

static void keys_and_values_are_compared_as_text(void **state)
{
    (void)state;
    assert_true(passes("key == \"de-1\"", "de-1", ""));
    assert_true(passes("key starts with 'de-' and key != 'de-2'", "de-1", ""));
    assert_false(passes("value contains 'Blue'", "", "blue"));
    assert_true(passes("value == null", "k", NULL));
    assert_false(passes("value == null", "k", ""));
    assert_true(passes("value != null", "k", ""));
    assert_true(passes("key < 'b' and key >= 'a'", "apple", ""));
    assert_true(passes("key == 'a\\u00e9\\n'", "a\xc3\xa9\n", ""));
}

static void places_and_times_are_compared_as_numbers(void **state)
{
    (void)state;
    assert_true(passes("offset >= 41 and offset <= 41 and partition = 3", "", ""));
    assert_false(passes("offset > 41 or partition != 3", "", ""));
    assert_true(passes("timestamp == 1772625600000", "", ""));
    assert_true(passes("timestamp == '2026-03-04T12:00:00Z'", "", ""));
    assert_true(passes("timestamp >= '2026-03-04' and timestamp < '2026-03-04 12:00:00.001'", "", ""));
}

static void headers_pass_when_any_of_the_name_does(void **state)
{
    (void)state;
    assert_true(passes("header.source == 'till'", "", ""));
    assert_true(passes("header[\"trace\"] == 'two'", "", ""));
    assert_true(passes("header.trace != 'two'", "", ""));
    assert_true(passes("header.none == null and header.void == null", "", ""));
    assert_false(passes("header.none contains ''", "", ""));
}

#define ORDER                                                                                      \
    "{\"id\": 7, \"big\": 9007199254740993, "                                                        \
    "\"who\": {\"name\": \"J\\u00fcrgen \\\"x\\\"\", \"vip\": true}, "                                    \
    "\"lines\": [{\"sku\": \"a\"}, {\"sku\": \"b\", \"n\": -1.5e1}], \"odd name\": null, \"e\": {}}"

static void json_is_looked_into_by_paths(void **state)
{
    (void)state;
    assert_true(passes("value.id == 7 and value.id < 7.5 and value.id >= 6", "", ORDER));
    assert_true(passes("value.who.vip == true and value.who.vip != false", "", ORDER));
    assert_true(passes("value.who.name == 'J\xc3\xbcrgen \"x\"'", "", ORDER));
    assert_true(passes("value.who.name contains 'rgen'", "", ORDER));
    assert_true(passes("value.lines[1].sku == 'b' and value.lines[1].n == -15", "", ORDER));
    assert_true(passes("value['odd name'] == null and value.none == null", "", ORDER));
    assert_true(passes("value.lines[2] == null", "", ORDER));
    assert_true(passes("value.none != 5", "", ORDER));
    assert_false(passes("value.none < 5", "", ORDER));
    assert_false(passes("value.id == '7'", "", ORDER));
    assert_false(passes("value.e == null", "", ORDER));
    assert_true(passes("key.a[0] > 1", "{\"a\":[2]}", ""));
    assert_true(passes("value > 5", "", " 6 "));
    assert_true(passes("value == true", "", "true"));
}

static void large_numbers_are_compared_digit_by_digit(void **state)
{
    (void)state;
    assert_true(passes("value.big == 9007199254740993", "", ORDER));
    assert_false(passes("value.big == 9007199254740992", "", ORDER));
}

static void what_is_no_json_has_no_values(void **state)
{
    static const char *const bad[] = { "", "{", "{\"a\"", "{\"a\":", "[1,", "nonsense", "{\"a\" 1}", "\"",
                                       "{\"\\", "]", "{]", "{\"b\":\"\\" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) assert_true(passes("value.a == null", "", bad[i]));
}

static void not_binds_before_and_before_or(void **state)
{
    (void)state;
    assert_true(passes("not 'x' and 'a' or 'b'", "a", ""));
    assert_true(passes("'b' or not 'x' and 'a'", "b", ""));
    assert_false(passes("not ('x' or 'a')", "a", ""));
    assert_true(passes("NOT NOT 'a' AND ('x' OR 'a')", "a", ""));
}

static void refused_at(const char *filter, size_t where, const char *what)
{
    struct arena arena;
    struct record_filter *f = NULL;
    struct why why;
    size_t at = 0;
    arena_init(&arena, 1 << 20);
    assert_int_equal(record_filter_parse(str_c(filter), &arena, &f, &at, &why).code, E_INVALID);
    if (at != where || !strstr(why.text, what)) fail_msg("%s: %s at %zu", filter, why.text, at);
    arena_done(&arena);
}

static void what_cannot_be_read_is_refused_with_its_place(void **state)
{
    (void)state;
    refused_at("", 1, "key, value, header");
    refused_at("value.a = ", 11, "a quoted text, a number");
    refused_at("value.a ~ 5", 9, "contains or starts with");
    refused_at("'\xc3\xa9' and nonsense", 9, "key, value, header");
    refused_at("key == \"open", 8, "no closing quote");
    refused_at("(key == 'a'", 12, ") is expected");
    refused_at("key == 'a' key", 12, "the end is expected");
    refused_at("offset == 'a'", 11, "compared with numbers");
    refused_at("offset contains 5", 17, "a quoted text");
    refused_at("value.a < true", 11, "== and != only");
    refused_at("value[ == 1", 8, "quoted name or a number");
    refused_at("value[-1] == 1", 9, "quoted name or a number");
    refused_at("header == 'a'", 7, "name of the header");
    refused_at("header[0] == 'a'", 10, "a name, not a number");
    refused_at("header.a == 5", 13, "quoted text or null");
    refused_at("key starts 'a'", 12, "with is expected");
    refused_at("timestamp > 'soon'", 13, "written like");
    refused_at("key == '\\x'", 8, "an escape");
    refused_at("value(1)", 6, "is expected");
}

static void depth_length_and_number_of_tests_are_bounded(void **state)
{
    char many[FILTER_TEXT_MAX + 64];
    (void)state;
    memset(many, '(', 100);
    many[100] = 0;
    refused_at(many, FILTER_DEPTH_MAX + 1, "nested too deeply");
    size_t n = 0;
    while (n < 1900) n += (size_t)snprintf(many + n, sizeof many - n, "%s'a'", n ? " and " : "");
    struct arena arena;
    struct record_filter *f;
    struct why why;
    size_t at;
    arena_init(&arena, 1 << 20);
    assert_int_equal(record_filter_parse(str_c(many), &arena, &f, &at, &why).code, E_INVALID);
    assert_non_null(strstr(why.text, "too long"));
    memset(many, ' ', sizeof many - 1);
    many[sizeof many - 1] = 0;
    assert_int_equal(record_filter_parse(str_c(many), &arena, &f, &at, &why).code, E_INVALID);
    assert_non_null(strstr(why.text, "2048 bytes"));
    arena_done(&arena);
}

static void a_filter_stops_when_its_steps_are_spent(void **state)
{
    char value[2000];
    struct arena arena;
    struct record_filter *f;
    struct why why;
    size_t at;
    bool match;
    (void)state;
    memset(value, 'a', sizeof value - 1);
    value[sizeof value - 1] = 0;
    struct record r = { .value = text(value) };
    static const char *const filters[] = { "'aaaaaaaab'", "value.x == 1", "value contains 'b'" };
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        int64_t steps = 1500;
        arena_init(&arena, 1 << 20);
        assert_true(is_ok(record_filter_parse(str_c(filters[i]), &arena, &f, &at, &why)));
        assert_int_equal(record_filter_match(f, 0, &r, &steps, &match).code, E_LIMIT);
        assert_false(match);
        record_filter_done(f);
        arena_done(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_alone_is_found_in_key_or_value_whatever_its_case),
        cmocka_unit_test(keys_and_values_are_compared_as_text),
        cmocka_unit_test(places_and_times_are_compared_as_numbers),
        cmocka_unit_test(headers_pass_when_any_of_the_name_does),
        cmocka_unit_test(json_is_looked_into_by_paths),
        cmocka_unit_test(large_numbers_are_compared_digit_by_digit),
        cmocka_unit_test(what_is_no_json_has_no_values),
        cmocka_unit_test(not_binds_before_and_before_or),
        cmocka_unit_test(what_cannot_be_read_is_refused_with_its_place),
        cmocka_unit_test(depth_length_and_number_of_tests_are_bounded),
        cmocka_unit_test(a_filter_stops_when_its_steps_are_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
