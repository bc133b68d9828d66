/* test_arena.c - memory of one request: zeroed, capped, given back at once. */
#include "base/arena.h"
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

static void test_memory_comes_zeroed_and_aligned_also_after_a_reset(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 1; size < 3000; size = size * 2 + 1) {
            uint8_t *p = arena_alloc(&a, size);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % 16, 0);
            for (size_t i = 0; i < size; i++) assert_int_equal(p[i], 0);
            memset(p, 0xee, size);
        }
        arena_reset(&a);
    }
    arena_done(&a);
}

static void test_cap_holds_and_failure_sticks_until_reset(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 100 * 1000);
    int got = 0;
    while (arena_alloc(&a, 1000)) got++;
    assert_true(got >= 80 && got <= 100);
    assert_true(a.used <= 100 * 1000);
    assert_int_equal(arena_check(&a).code, E_NO_MEMORY);
    assert_null(arena_alloc(&a, 1));
    arena_reset(&a);
    assert_true(is_ok(arena_check(&a)));
    assert_non_null(arena_alloc(&a, 1000));
    arena_done(&a);
}

static void test_sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 30);
    assert_null(arena_array(&a, SIZE_MAX / 4, 8));
    arena_reset(&a);
    assert_null(arena_alloc(&a, SIZE_MAX - 3));
    arena_done(&a);
}

static void test_block_larger_than_a_chunk_fits(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    uint8_t *small = arena_alloc(&a, 10);
    uint8_t *large = arena_alloc(&a, 200 * 1000);
    assert_non_null(small);
    assert_non_null(large);
    memset(large, 1, 200 * 1000);
    arena_done(&a);
}

static void test_text_is_copied_with_a_nul(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 16);
    assert_string_equal(arena_cstr(&a, STR("abc")), "abc");
    assert_true(str_is_null(arena_str(&a, STR_NULL)));
    assert_true(str_eq_c(arena_str(&a, STR("")), ""));
    struct str s = arena_printf(&a, "%s-%d", "topic", 7);
    assert_true(str_eq_c(s, "topic-7"));
    assert_int_equal(s.data[s.len], 0);
    struct bytes b = arena_bytes(&a, bytes_of("xyz", 3));
    assert_memory_equal(b.data, "xyz", 3);
    assert_null(arena_bytes(&a, BYTES_NULL).data);
    assert_non_null(arena_bytes(&a, bytes_of("", 0)).data);
    arena_done(&a);
}

static void test_lack_of_heap_is_told(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 16);
    mem_fail_after(1);
    assert_null(arena_alloc(&a, 10));
    mem_fail_after(0);
    assert_int_equal(arena_check(&a).code, E_NO_MEMORY);
    arena_done(&a);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_memory_comes_zeroed_and_aligned_also_after_a_reset),
        TEST(test_cap_holds_and_failure_sticks_until_reset),
        TEST(test_sizes_that_overflow_are_refused),
        TEST(test_block_larger_than_a_chunk_fits),
        TEST(test_text_is_copied_with_a_nul),
        TEST(test_lack_of_heap_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
