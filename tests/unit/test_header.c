/* test_header.c - frames and headers: versions, tags, unknown keys, cut-off headers. */
#include "base/mem.h"
#include "wire/header.h"
#include "wire/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define BIG (1u << 20)
#define BYTES(...) bytes_of((const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void test_classic_header_is_read(void **state)
{
    (void)state;
    struct request_header h;
    size_t at;
    struct bytes in = BYTES(0, 3, 0, 8, 0, 0, 0, 42, 0, 2, 'm', 'e', 9, 9);
    assert_true(is_ok(request_header_parse(in, &h, &at)));
    assert_int_equal(h.api_key, 3);
    assert_int_equal(h.api_version, 8);
    assert_int_equal(h.correlation_id, 42);
    assert_true(str_eq_c(h.client_id, "me"));
    assert_ptr_equal(h.request, &metadata_request_message);
    assert_ptr_equal(h.response, &metadata_response_message);
    assert_int_equal(at, 12);
}

static void test_flexible_header_has_tags_and_a_classic_client_id(void **state)
{
    (void)state;
    struct request_header h;
    size_t at;
    struct bytes none = BYTES(0, 3, 0, 9, 0, 0, 0, 42, 0xff, 0xff, 0);
    struct bytes two = BYTES(0, 3, 0, 9, 0, 0, 0, 42, 0, 1, 'x', 2, 0, 1, 'a', 5, 2, 'b', 'c', 9);
    assert_true(is_ok(request_header_parse(none, &h, &at)));
    assert_true(str_eq_c(h.client_id, ""));
    assert_int_equal(at, 11);
    assert_true(is_ok(request_header_parse(two, &h, &at)));
    assert_true(str_eq_c(h.client_id, "x"));
    assert_int_equal(at, two.len - 1);
}

static void test_unknown_key_or_version_is_told_apart_from_damage(void **state)
{
    (void)state;
    struct request_header h;
    size_t at;
    struct bytes key = BYTES(0x7f, 3, 0, 0, 0, 0, 0, 1, 0, 1, 'x');
    struct bytes version = BYTES(0, 18, 0, 99, 0, 0, 0, 1, 0, 1, 'x', 0);
    assert_true(is_ok(request_header_parse(key, &h, &at)));
    assert_null(h.request);
    assert_null(h.response);
    assert_true(is_ok(request_header_parse(version, &h, &at)));
    assert_null(h.request);
    assert_int_equal(h.api_key, 18);
    assert_int_equal(h.correlation_id, 1);
}

static void test_every_prefix_of_a_header_is_refused(void **state)
{
    (void)state;
    struct request_header h;
    size_t at;
    struct bytes in = BYTES(0, 3, 0, 9, 0, 0, 0, 42, 0, 1, 'x', 2, 0, 1, 'a', 5, 2, 'b', 'c');
    for (size_t n = 0; n < in.len; n++) {
        uint8_t *copy = mem_memdup(in.data, n ? n : 1);
        assert_true(failed(request_header_parse(bytes_of(copy, n), &h, &at)));
        mem_free(copy);
    }
    struct bytes negative = BYTES(0, 3, 0, 8, 0, 0, 0, 42, 0xff, 0xfe);
    assert_int_equal(request_header_parse(negative, &h, &at).code, E_MALFORMED);
}

static void test_api_versions_is_answered_without_tags(void **state)
{
    (void)state;
    struct buf out;
    struct request_header h = { .api_key = 18, .api_version = 3, .correlation_id = 5 };
    struct api_versions_response r;
    int32_t correlation;
    size_t at;
    buf_init(&out, BIG);
    wire_default(&api_versions_response_message, &r);
    r.error_code = 35;
    assert_true(is_ok(response_frame_as(&out, &h, 0, &r)));
    struct bytes expected = BYTES(0, 0, 0, 10, 0, 0, 0, 5, 0, 35, 0, 0, 0, 0);
    assert_int_equal(out.len, expected.len);
    assert_memory_equal(out.data, expected.data, expected.len);
    struct bytes frame = { out.data + 4, out.len - 4 };
    assert_true(is_ok(response_header_parse(frame, 18, 3, &correlation, &at)));
    assert_int_equal(correlation, 5);
    assert_int_equal(at, 4);
    buf_done(&out);
}

static void test_frames_of_both_directions_are_whole(void **state)
{
    (void)state;
    struct buf out;
    struct heartbeat_request rq;
    struct heartbeat_response r;
    struct request_header h;
    size_t at;
    int32_t correlation;
    buf_init(&out, BIG);
    wire_default(&heartbeat_request_message, &rq);
    rq.group_id = STR("g");
    assert_true(is_ok(request_frame(&out, 12, 4, 77, STR("me"), &rq)));
    assert_int_equal(get_be32(out.data), out.len - 4);
    assert_true(is_ok(request_header_parse(bytes_of(out.data + 4, out.len - 4), &h, &at)));
    assert_ptr_equal(h.request, &heartbeat_request_message);
    size_t first = out.len;
    wire_default(&heartbeat_response_message, &r);
    assert_true(is_ok(response_frame(&out, &h, &r)));
    struct bytes expected = BYTES(0, 0, 0, 12, 0, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(out.len - first, expected.len);
    assert_memory_equal(out.data + first, expected.data, expected.len);
    struct bytes frame = { out.data + first + 4, expected.len - 4 };
    assert_true(is_ok(response_header_parse(frame, 12, 4, &correlation, &at)));
    assert_int_equal(at, 5);
    buf_done(&out);
}

static void test_failed_frame_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct buf out;
    struct join_group_request rq;
    buf_init(&out, BIG);
    buf_put_be32(&out, 1);
    wire_default(&join_group_request_message, &rq);
    rq.group_instance_id = STR("static");
    assert_int_equal(request_frame(&out, 11, 4, 1, STR("me"), &rq).code, E_UNSUPPORTED_VERSION);
    assert_int_equal(out.len, 4);
    assert_int_equal(request_frame(&out, 11, 99, 1, STR("me"), &rq).code, E_UNSUPPORTED_VERSION);
    assert_int_equal(out.len, 4);
    buf_done(&out);
    assert_int_equal(mem_outstanding(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classic_header_is_read),
        cmocka_unit_test(test_flexible_header_has_tags_and_a_classic_client_id),
        cmocka_unit_test(test_unknown_key_or_version_is_told_apart_from_damage),
        cmocka_unit_test(test_every_prefix_of_a_header_is_refused),
        cmocka_unit_test(test_api_versions_is_answered_without_tags),
        cmocka_unit_test(test_frames_of_both_directions_are_whole),
        cmocka_unit_test(test_failed_frame_leaves_the_buffer_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
