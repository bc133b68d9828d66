/* test_crc32c.c - known values, and the fast way against a bit-by-bit one at every length and
 * alignment around the sizes where the fast way changes its step. */
#include "base/crc32c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static uint32_t slow(uint32_t crc, const uint8_t *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static uint8_t data[64 * 1024 + 64];

static int setup(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof data; i++) {
        x = x * 1664525 + 1013904223;
        data[i] = (uint8_t)(x >> 24);
    }
    return 0;
}

static void test_known_values(void **state)
{
    (void)state;
    uint8_t p[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    memset(p, 0, sizeof p); /* RFC 3720, appendix B.4 */
    assert_int_equal(crc32c(0, p, 32), 0x8a9136aa);
    memset(p, 0xff, sizeof p);
    assert_int_equal(crc32c(0, p, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++) p[i] = (uint8_t)i;
    assert_int_equal(crc32c(0, p, 32), 0x46dd794e);
    assert_int_equal(crc32c(0, p, 0), 0);
}

static void test_every_length_and_alignment_agrees_with_the_slow_way(void **state)
{
    (void)state;
    for (size_t at = 0; at < 16; at++) {
        for (size_t n = 0; n < 600; n++) {
            assert_int_equal(crc32c(0, data + at, n), slow(0, data + at, n));
        }
    }
    static const size_t sizes[] = { 767, 768, 769, 3071, 3072, 3073, 8192, 24575, 24576, 24577,
                                    65535, 65536 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t n = sizes[i] - 9; n <= sizes[i]; n++) {
            assert_int_equal(crc32c(7, data + 3, n), slow(7, data + 3, n));
        }
    }
}

static void test_the_portable_way_agrees_on_random_pieces(void **state)
{
    (void)state;
    uint32_t x = 7;
    for (int i = 0; i < 5000; i++) {
        x = x * 1664525 + 1013904223;
        size_t at = x >> 8 & 63, n = x >> 14 & (i % 4 ? 0xfff : 0xffff);
        assert_int_equal(crc32c_portable(x, data + at, n), crc32c(x, data + at, n));
    }
    assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
}

static void test_parts_chain_to_the_whole(void **state)
{
    (void)state;
    uint32_t whole = crc32c(0, data, 50000);
    for (size_t cut = 0; cut <= 50000; cut += 1237) {
        uint32_t first = crc32c(0, data, cut);
        assert_int_equal(crc32c(first, data + cut, 50000 - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_every_length_and_alignment_agrees_with_the_slow_way),
        cmocka_unit_test(test_the_portable_way_agrees_on_random_pieces),
        cmocka_unit_test(test_parts_chain_to_the_whole),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
