/* test_codec.c - the rules of the codec one by one, on bytes written by hand: null and empty,
 * compact lengths, tagged fields, ignorable fields, counts that lie. */
#include "base/mem.h"
#include "wire/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define BIG (1u << 20)

struct fixture {
    struct arena arena;
    struct buf out;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    arena_init(&f->arena, 64 * 1024);
    buf_init(&f->out, BIG);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_done(&f->arena);
    buf_done(&f->out);
    mem_free(f);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

#define BYTES(...) bytes_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void assert_out(struct fixture *f, struct bytes expected)
{
    assert_int_equal(f->out.len, expected.len);
    assert_memory_equal(f->out.data, expected.data, expected.len);
    buf_clear(&f->out);
}

static void test_classic_array_null_and_empty_differ(void **state)
{
    struct fixture *f = *state;
    struct metadata_request rq;
    size_t used;
    struct bytes null = BYTES(0xff, 0xff, 0xff, 0xff), empty = BYTES(0, 0, 0, 0);
    assert_true(is_ok(wire_decode(&metadata_request_message, 1, null, &f->arena, &rq, &used)));
    assert_int_equal(rq.topics_count, -1);
    assert_int_equal(used, 4);
    assert_true(rq.allow_auto_topic_creation); /* its default, since version 1 lacks it */
    assert_true(is_ok(wire_encode(&metadata_request_message, 1, &rq, &f->out)));
    assert_out(f, null);
    assert_true(is_ok(wire_decode(&metadata_request_message, 1, empty, &f->arena, &rq, &used)));
    assert_int_equal(rq.topics_count, 0);
    assert_true(is_ok(wire_encode(&metadata_request_message, 1, &rq, &f->out)));
    assert_out(f, empty);
}

static void test_null_is_refused_where_the_version_has_none(void **state)
{
    struct fixture *f = *state;
    struct metadata_request rq;
    struct heartbeat_request beat;
    struct bytes null_array = BYTES(0xff, 0xff, 0xff, 0xff);
    struct bytes null_string = BYTES(0xff, 0xff, 0, 0, 0, 1, 0, 0);
    assert_int_equal(wire_decode(&metadata_request_message, 0, null_array, &f->arena, &rq, NULL).code,
                     E_MALFORMED);
    assert_int_equal(
        wire_decode(&heartbeat_request_message, 0, null_string, &f->arena, &beat, NULL).code,
        E_MALFORMED);
}

static void test_negative_lengths_are_refused(void **state)
{
    struct fixture *f = *state;
    struct metadata_request rq;
    struct heartbeat_request beat;
    assert_int_equal(wire_decode(&metadata_request_message, 1, BYTES(0xff, 0xff, 0xff, 0xfe),
                                 &f->arena, &rq, NULL).code, E_MALFORMED);
    assert_int_equal(wire_decode(&heartbeat_request_message, 0, BYTES(0x80, 0), &f->arena, &beat,
                                 NULL).code, E_MALFORMED);
}

static void test_counts_beyond_the_bytes_take_no_memory(void **state)
{
    struct fixture *f = *state;
    struct metadata_request rq;
    struct fetch_request fetch;
    assert_int_equal(wire_decode(&metadata_request_message, 1, BYTES(0x7f, 0xff, 0xff, 0xff, 0, 0),
                                 &f->arena, &rq, NULL).code, E_TRUNCATED);
    assert_int_equal(wire_decode(&metadata_request_message, 9,
                                 BYTES(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1, 1), &f->arena, &rq,
                                 NULL).code, E_TRUNCATED);
    assert_int_equal(wire_decode(&fetch_request_message, 4,
                                 BYTES(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0,
                                       0, 0, 0, 3, 0, 1, 'a', 0, 0, 0, 0), &f->arena, &fetch,
                                 NULL).code, E_TRUNCATED);
    assert_true(f->arena.used <= 16 * 1024); /* the one topic that is there */
}

static void test_memory_ends_at_the_arenas_cap(void **state)
{
    struct fixture *f = *state;
    struct metadata_request rq;
    struct buf in;
    buf_init(&in, BIG);
    buf_put_be32(&in, 30000); /* 30000 empty names: 60 kB here, 1.2 MB as structs */
    for (int i = 0; i < 30000; i++) buf_put_be16(&in, 0);
    assert_int_equal(wire_decode(&metadata_request_message, 1, buf_bytes(&in), &f->arena, &rq,
                                 NULL).code, E_NO_MEMORY);
    assert_int_equal(f->arena.used, 0);
    buf_done(&in);
}

static void test_varint_of_six_bytes_is_refused(void **state)
{
    struct fixture *f = *state;
    struct metadata_request rq;
    struct bytes in = BYTES(0x81, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0, 0, 0);
    assert_int_equal(wire_decode(&metadata_request_message, 9, in, &f->arena, &rq, NULL).code,
                     E_MALFORMED);
    struct bytes wide = BYTES(0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0, 0, 0, 0);
    assert_int_equal(wire_decode(&metadata_request_message, 9, wide, &f->arena, &rq, NULL).code,
                     E_MALFORMED);
}

static void test_unknown_tagged_fields_are_skipped(void **state)
{
    struct fixture *f = *state;
    struct heartbeat_response r;
    size_t used;
    struct bytes in = BYTES(0, 0, 0, 5, 0, 27, 2, 7, 3, 'a', 'b', 'c', 0x80, 0x01, 0);
    assert_true(is_ok(wire_decode(&heartbeat_response_message, 4, in, &f->arena, &r, &used)));
    assert_int_equal(used, in.len);
    assert_int_equal(r.throttle_time_ms, 5);
    assert_int_equal(r.error_code, 27);
}

static void test_tagged_fields_out_of_order_or_with_a_wrong_size_are_refused(void **state)
{
    struct fixture *f = *state;
    struct heartbeat_response r;
    struct api_versions_response v;
    struct bytes twice = BYTES(0, 0, 0, 5, 0, 27, 2, 7, 0, 7, 0);
    struct bytes beyond = BYTES(0, 0, 0, 5, 0, 27, 1, 7, 9, 0);
    /* Tag 1 is an int64 and says that it has 4 bytes. */
    struct bytes small = BYTES(0, 0, 1, 0, 0, 0, 0, 1, 1, 4, 0, 0, 0, 0);
    assert_int_equal(wire_decode(&heartbeat_response_message, 4, twice, &f->arena, &r, NULL).code,
                     E_MALFORMED);
    assert_int_equal(wire_decode(&heartbeat_response_message, 4, beyond, &f->arena, &r, NULL).code,
                     E_TRUNCATED);
    assert_int_equal(wire_decode(&api_versions_response_message, 3, small, &f->arena, &v, NULL).code,
                     E_MALFORMED);
}

static void test_default_tagged_fields_are_left_out(void **state)
{
    struct fixture *f = *state;
    struct api_versions_response r;
    wire_default(&api_versions_response_message, &r);
    assert_int_equal(r.finalized_features_epoch, -1);
    assert_true(is_ok(wire_encode(&api_versions_response_message, 3, &r, &f->out)));
    assert_out(f, BYTES(0, 0, 1, 0, 0, 0, 0, 0));
    r.finalized_features_epoch = 3;
    assert_true(is_ok(wire_encode(&api_versions_response_message, 3, &r, &f->out)));
    assert_out(f, BYTES(0, 0, 1, 0, 0, 0, 0, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 3));
}

static void test_tagged_value_of_many_bytes_has_a_long_size(void **state)
{
    struct fixture *f = *state;
    struct api_versions_response r, back;
    struct api_versions_response_supported_feature_key features[40];
    wire_default(&api_versions_response_message, &r);
    for (size_t i = 0; i < ARRAY_LEN(features); i++) {
        wire_default_struct(&api_versions_response_supported_feature_key_struct, &features[i]);
        features[i].name = STR("some.feature");
        features[i].max_version = (int16_t)i;
    }
    r.supported_features = features;
    r.supported_features_count = ARRAY_LEN(features);
    r.zk_migration_ready = true;
    assert_true(is_ok(wire_encode(&api_versions_response_message, 3, &r, &f->out)));
    assert_true(is_ok(wire_decode(&api_versions_response_message, 3, buf_bytes(&f->out), &f->arena,
                                  &back, NULL)));
    assert_int_equal(back.supported_features_count, 40);
    assert_int_equal(back.supported_features[39].max_version, 39);
    assert_true(str_eq_c(back.supported_features[39].name, "some.feature"));
    assert_true(back.zk_migration_ready);
}

static void test_fields_the_version_lacks_are_dropped_only_if_ignorable(void **state)
{
    struct fixture *f = *state;
    struct join_group_request join;
    struct heartbeat_response beat;
    wire_default(&heartbeat_response_message, &beat);
    beat.throttle_time_ms = 9; /* ignorable, from version 1 */
    assert_true(is_ok(wire_encode(&heartbeat_response_message, 0, &beat, &f->out)));
    assert_out(f, BYTES(0, 0));
    wire_default(&join_group_request_message, &join);
    join.group_instance_id = STR("static"); /* from version 5, not ignorable */
    assert_int_equal(wire_encode(&join_group_request_message, 4, &join, &f->out).code,
                     E_UNSUPPORTED_VERSION);
    assert_int_equal(f->out.len, 0); /* what was written before is cut off */
}

static void test_null_structs_are_one_byte(void **state)
{
    struct fixture *f = *state;
    struct describe_topic_partitions_request rq, back;
    struct describe_topic_partitions_request_cursor cursor = { STR("t"), 7 };
    wire_default(&describe_topic_partitions_request_message, &rq);
    assert_null(rq.cursor);
    assert_int_equal(rq.response_partition_limit, 2000);
    assert_true(is_ok(wire_encode(&describe_topic_partitions_request_message, 0, &rq, &f->out)));
    assert_out(f, BYTES(1, 0, 0, 7, 0xd0, 0xff, 0));
    rq.cursor = &cursor;
    assert_true(is_ok(wire_encode(&describe_topic_partitions_request_message, 0, &rq, &f->out)));
    struct bytes bytes = buf_bytes(&f->out);
    assert_true(is_ok(wire_decode(&describe_topic_partitions_request_message, 0, bytes, &f->arena,
                                  &back, NULL)));
    assert_int_equal(back.cursor->partition_index, 7);
}

static void test_zeroed_strings_are_written_empty(void **state)
{
    struct fixture *f = *state;
    struct heartbeat_request rq = { .generation_id = 1 };
    assert_true(is_ok(wire_encode(&heartbeat_request_message, 0, &rq, &f->out)));
    assert_out(f, BYTES(0, 0, 0, 0, 0, 1, 0, 0));
}

static void test_strings_too_long_for_their_prefix_are_refused(void **state)
{
    struct fixture *f = *state;
    struct heartbeat_request rq;
    char *text = mem_zalloc(40000);
    wire_default(&heartbeat_request_message, &rq);
    rq.group_id = (struct str){ text, 40000 };
    assert_int_equal(wire_encode(&heartbeat_request_message, 3, &rq, &f->out).code, E_INVALID);
    assert_true(is_ok(wire_encode(&heartbeat_request_message, 4, &rq, &f->out))); /* compact */
    mem_free(text);
}

static void test_full_buffer_is_an_error(void **state)
{
    (void)state;
    struct heartbeat_request rq;
    struct buf small;
    buf_init(&small, 10);
    wire_default(&heartbeat_request_message, &rq);
    rq.group_id = STR("fraud-check");
    assert_int_equal(wire_encode(&heartbeat_request_message, 0, &rq, &small).code, E_NO_MEMORY);
    buf_done(&small);
}

static void test_messages_are_found_by_key(void **state)
{
    (void)state;
    assert_ptr_equal(wire_request(3), &metadata_request_message);
    assert_ptr_equal(wire_response(3), &metadata_response_message);
    assert_null(wire_request(4)); /* retired */
    assert_null(wire_request(-1));
    assert_null(wire_request(9999));
    assert_ptr_equal(wire_find(WIRE_COORDINATOR_VALUE, 2), &group_metadata_value_message);
    assert_string_equal(wire_api_name(3), "Metadata");
    assert_string_equal(wire_api_name(4), "?");
    assert_false(wire_flexible(&sasl_handshake_request_message, 1));
    assert_true(wire_flexible(&metadata_request_message, 9));
}

static void test_a_hole_is_a_length_and_the_place_of_its_bytes(void **state)
{
    struct fixture *f = *state;
    struct sasl_authenticate_request rq = { .auth_bytes = bytes_of(wire_hole, 300) };
    struct buf holes;
    buf_init(&holes, 1024);
    assert_int_equal(wire_encode(&sasl_authenticate_request_message, 1, &rq, &f->out).code, E_INVALID);
    for (int16_t version = 1; version <= 2; version++) {
        assert_true(is_ok(wire_encode_with_holes(&sasl_authenticate_request_message, version, &rq, &f->out,
                                                 &holes, NULL)));
        const struct wire_gap *gap = (const void *)holes.data;
        assert_int_equal(holes.len, sizeof *gap);
        assert_int_equal(gap->len, 300);
        assert_int_equal(gap->at, version == 1 ? 4 : 2);
        assert_out(f, version == 1 ? BYTES(0, 0, 1, 44) : BYTES(0xad, 2, 0)); /* compact; its tags */
        buf_clear(&holes);
    }
    buf_done(&holes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* What a broker counts as requests that were answered with an error. */
static void test_an_error_code_anywhere_in_an_answer_is_told(void **state)
{
    struct fixture *f = *state;
    bool error = true;
    struct produce_response_topic_produce_response topic;
    struct produce_response_partition_produce_response partition;
    struct produce_response answer;
    wire_default(&produce_response_message, &answer);
    wire_default_struct(&produce_response_topic_produce_response_struct, &topic);
    wire_default_struct(&produce_response_partition_produce_response_struct, &partition);
    topic.partition_responses = &partition;
    topic.partition_responses_count = 1;
    answer.responses = &topic;
    answer.responses_count = 1;
    assert_true(is_ok(wire_encode_with_holes(&produce_response_message, 8, &answer, &f->out, NULL, &error)));
    assert_false(error);
    partition.error_code = 3;
    assert_true(is_ok(wire_encode_with_holes(&produce_response_message, 8, &answer, &f->out, NULL, &error)));
    assert_true(error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_classic_array_null_and_empty_differ),
        TEST(test_null_is_refused_where_the_version_has_none),
        TEST(test_negative_lengths_are_refused),
        TEST(test_counts_beyond_the_bytes_take_no_memory),
        TEST(test_memory_ends_at_the_arenas_cap),
        TEST(test_varint_of_six_bytes_is_refused),
        TEST(test_unknown_tagged_fields_are_skipped),
        TEST(test_tagged_fields_out_of_order_or_with_a_wrong_size_are_refused),
        TEST(test_default_tagged_fields_are_left_out),
        TEST(test_tagged_value_of_many_bytes_has_a_long_size),
        TEST(test_fields_the_version_lacks_are_dropped_only_if_ignorable),
        TEST(test_null_structs_are_one_byte),
        TEST(test_zeroed_strings_are_written_empty),
        TEST(test_strings_too_long_for_their_prefix_are_refused),
        TEST(test_full_buffer_is_an_error),
        TEST(test_messages_are_found_by_key),
        TEST(test_a_hole_is_a_length_and_the_place_of_its_bytes),
        TEST(test_an_error_code_anywhere_in_an_answer_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
