/* Goal: JSON data of a record is kept as it was written, whatever stands around it. Method: by hand, and
 * against jansson with random values in two spellings. */
#include "api/kafka_record.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static struct arena arena;

static struct produce_item read_text(const char *text, struct record_shown *shown)
{
    struct produce_item item;
    json_error_t error;
    json_t *json = json_loads(text, RECORD_JSON_FLAGS, &error);
    assert_non_null(json);
    kafka_record_read(&arena, json, (struct str){ text, (size_t)error.position }, 4, &item, shown);
    json_decref(json);
    return item;
}

static void assert_value(const char *text, const char *expected)
{
    struct record_shown shown;
    struct produce_item item = read_text(text, &shown);
    assert_false(item.skip);
    assert_int_equal(item.value.len, strlen(expected));
    assert_memory_equal(item.value.data, expected, item.value.len);
}

static void test_json_data_loses_only_the_space_between_its_tokens(void **state)
{
    (void)state;
    assert_value("{\"value\":{\"type\":\"JSON\",\"data\": { \"a b\" : [ 1 , 2.50 ] } }}",
                 "{\"a b\":[1,2.50]}");
    assert_value("{\"value\":{\"data\":\"a \\\" } b\",\"type\":\"JSON\"}}", "\"a \\\" } b\"");
    assert_value("{\"key\":null,\"value\":{\"type\":\"JSON\",\"data\":99999999999999999999}} {\"next\":1}",
                 "99999999999999999999");
    assert_value("{ \"value\" : { \"data\" : true , \"type\" : \"JSON\" } }", "true");
    assert_value("{\"value\":{\"type\":\"JSON\",\"x\":{\"data\":1},\"y\":[{\"data\":2}],\"data\":3}}", "3");
    assert_value("{\"value\":{\"type\":\"JSON\",\"data\":1,\"data\":2}}", "2"); /* as the parser reads it */
}

static void test_names_with_escapes_are_not_taken_for_other_data(void **state)
{
    (void)state;
    struct record_shown shown;
    struct produce_item item =
        read_text("{\"value\":{\"type\":\"JSON\",\"d\\u0061ta\":1}}", &shown);
    assert_true(item.skip);
    assert_int_equal(shown.code, 400);
}

static uint32_t seed = 12345;
static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static json_t *any_json(int depth)
{
    static const char *const texts[] = { "", "plain", "a \"quoted\" \\ text", "{[,:]}", "\xc3\xbc\n\t",
                                         "data" };
    switch (draw(depth ? 7 : 5)) {
    case 0: return json_null();
    case 1: return json_boolean(draw(2));
    case 2: return json_integer((json_int_t)draw(1000000) - 500000);
    case 3:
    case 4: return json_string(texts[draw(ARRAY_LEN(texts))]);
    case 5: {
        json_t *list = json_array();
        for (uint32_t n = draw(5); n; n--) json_array_append_new(list, any_json(depth - 1));
        return list;
    }
    default: {
        json_t *object = json_object();
        for (uint32_t n = draw(5); n; n--) {
            json_object_set_new(object, texts[draw(ARRAY_LEN(texts))], any_json(depth - 1));
        }
        return object;
    }
    }
}

static void test_any_json_comes_out_compact(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        json_t *data = any_json(5);
        json_t *record = json_pack("{s:{s:O, s:s}}", "value", "data", data, "type", "JSON");
        char *text = json_dumps(record, i % 2 ? JSON_INDENT(3) : 0);
        char *expected = json_dumps(data, JSON_COMPACT | JSON_ENCODE_ANY);
        if (json_is_null(data)) {
            struct record_shown shown;
            assert_null(read_text(text, &shown).value.data);
        } else {
            assert_value(text, expected);
        }
        free(text);     /* tidy: allowed, jansson's */
        free(expected); /* tidy: allowed, jansson's */
        json_decref(record);
        json_decref(data);
        arena_reset(&arena);
    }
}

static void test_items_of_an_array_are_cut_where_they_end(void **state)
{
    (void)state;
    struct str array = STR(" [ {\"a\":[1,2]} ,\"x,]\", 5 , [ ] ]");
    const char *const expected[] = { "{\"a\":[1,2]}", "\"x,]\"", "5", "[ ]" };
    size_t at = 0;
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_true(str_eq_c(kafka_json_item(array, &at), expected[i]));
    }
    assert_true(str_is_null(kafka_json_item(array, &at)));
    at = 0;
    assert_true(str_is_null(kafka_json_item(STR("[ ]"), &at)));
    assert_true(str_is_null(kafka_json_member(STR("{ }"), "data")));
    assert_true(str_is_null(kafka_json_member(STR("[]"), "data")));
}

int main(void)
{
    arena_init(&arena, 16 << 20);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_data_loses_only_the_space_between_its_tokens),
        cmocka_unit_test(test_names_with_escapes_are_not_taken_for_other_data),
        cmocka_unit_test(test_any_json_comes_out_compact),
        cmocka_unit_test(test_items_of_an_array_are_cut_where_they_end),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    arena_done(&arena);
    return result;
}
