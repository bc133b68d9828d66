/* test_buf.c - the growable buffer: content, maximum, sticky failure, handing over. */
#include "base/buf.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static void test_what_is_put_is_there(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_put_be16(&b, 0x0102);
    buf_put_be32(&b, 0x03040506);
    buf_put_be64(&b, 0x0708090a0b0c0d0eull);
    buf_put_str(&b, STR("text"));
    buf_printf(&b, "%d", 42);
    static const uint8_t expected[] = "\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe" "text42";
    assert_int_equal(b.len, sizeof expected - 1);
    assert_memory_equal(b.data, expected, b.len);
    assert_true(is_ok(buf_check(&b)));
    buf_done(&b);
}

static void test_content_survives_growth(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (uint32_t i = 0; i < 100000; i++) buf_put_be32(&b, i);
    for (uint32_t i = 0; i < 100000; i++) assert_int_equal(get_be32(b.data + 4 * i), i);
    buf_done(&b);
}

static void test_maximum_holds_and_failure_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_put(&b, "12345678", 8);
    buf_put(&b, "abc", 3);
    assert_int_equal(buf_check(&b).code, E_NO_MEMORY);
    assert_int_equal(b.len, 8); /* nothing of it was written */
    buf_put(&b, "x", 1);
    assert_int_equal(b.len, 8);
    assert_null(buf_reserve(&b, 0));
    buf_clear(&b);
    assert_non_null(buf_extend(&b, 10));
    assert_null(buf_extend(&b, 1));
    buf_done(&b);
}

static void test_sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_put(&b, "x", 1);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_done(&b);
}

static void test_taken_memory_belongs_to_the_taker(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_put(&b, "mine", 4);
    struct buf taken = buf_take(&b);
    assert_int_equal(b.len, 0);
    assert_null(b.data);
    buf_put(&b, "new", 3);
    assert_memory_equal(taken.data, "mine", 4);
    assert_memory_equal(b.data, "new", 3);
    buf_done(&taken);
    buf_done(&b);
}

static void test_lack_of_heap_keeps_what_was_there(void **state)
{
    (void)state;
    struct buf b;
    uint8_t big[1000] = { 0 };
    buf_init(&b, 1 << 20);
    buf_put(&b, "kept", 4);
    mem_fail_after(1);
    buf_put(&b, big, sizeof big);
    mem_fail_after(0);
    assert_int_equal(buf_check(&b).code, E_NO_MEMORY);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "kept", 4);
    buf_done(&b);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_put_is_there),
        TEST(test_content_survives_growth),
        TEST(test_maximum_holds_and_failure_sticks),
        TEST(test_sizes_that_overflow_are_refused),
        TEST(test_taken_memory_belongs_to_the_taker),
        TEST(test_lack_of_heap_keeps_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
