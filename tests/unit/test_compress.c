/* test_compress.c - every codec there and back, bounds, damage, and the forms other clients send:
 * bare snappy, several gzip members or frames in a row, LZ4 and zstd with and without content size. */
#include "wire/compress.h"
#include "base/mem.h"

#include <lz4frame.h>
#include <setjmp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <zstd.h>
#include <cmocka.h>

#define BIG (8u << 20)

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

/* n bytes that compress somewhat: words of a small alphabet. */
static uint8_t *sample(size_t n)
{
    uint8_t *p = mem_must(mem_alloc(n + 1));
    uint32_t x = 12345;
    for (size_t i = 0; i < n; i++) {
        x = x * 1103515245 + 12345;
        p[i] = (x >> 28) < 12 && i > 100 ? p[i - 100] : (uint8_t)('a' + (x >> 16) % 26);
    }
    return p;
}

static void check_round(enum codec codec, size_t n)
{
    uint8_t *plain = sample(n);
    struct buf packed, back;
    buf_init(&packed, BIG);
    buf_init(&back, BIG);
    buf_put(&back, "kept", 4);
    assert_true(is_ok(compress_pack(codec, COMPRESS_LEVEL_DEFAULT, bytes_of(plain, n), &packed)));
    assert_true(is_ok(compress_unpack(codec, buf_bytes(&packed), n, &back))); /* exactly the bound */
    assert_int_equal(back.len, n + 4);
    assert_memory_equal(back.data, "kept", 4);
    assert_memory_equal(back.data + 4, plain, n);
    if (n > 0) {
        buf_clear(&back);
        assert_int_equal(compress_unpack(codec, buf_bytes(&packed), n - 1, &back).code, E_LIMIT);
        assert_int_equal(back.len, 0);
    }
    buf_done(&packed);
    buf_done(&back);
    mem_free(plain);
}

static void test_every_codec_goes_there_and_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 100, 65535, 65536, 65537, 1000000 };
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) check_round((enum codec)codec, sizes[i]);
    }
}

static void test_every_prefix_is_corrupt(void **state)
{
    (void)state;
    uint8_t *plain = sample(3000);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buf packed, back;
        buf_init(&packed, BIG);
        buf_init(&back, BIG);
        assert_true(is_ok(compress_pack((enum codec)codec, COMPRESS_LEVEL_DEFAULT,
                                        bytes_of(plain, 3000), &packed)));
        for (size_t n = 0; n < packed.len; n++) {
            uint8_t *copy = mem_memdup(packed.data, n ? n : 1);
            status s = compress_unpack((enum codec)codec, bytes_of(copy, n), BIG, &back);
            /* A snappy stream may end behind its header: it is empty then. */
            if (codec == CODEC_SNAPPY && n == 16) assert_true(is_ok(s));
            else assert_int_equal(s.code, E_CORRUPT);
            assert_int_equal(back.len, 0);
            mem_free(copy);
        }
        buf_done(&packed);
        buf_done(&back);
    }
    mem_free(plain);
}

static void test_damage_never_harms(void **state)
{
    (void)state;
    uint8_t *plain = sample(500);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buf packed, back;
        buf_init(&packed, BIG);
        buf_init(&back, BIG);
        assert_true(is_ok(compress_pack((enum codec)codec, COMPRESS_LEVEL_DEFAULT,
                                        bytes_of(plain, 500), &packed)));
        for (size_t at = 0; at < packed.len; at++) {
            for (int bit = 0; bit < 8; bit++) {
                packed.data[at] ^= (uint8_t)(1 << bit);
                (void)compress_unpack((enum codec)codec, buf_bytes(&packed), 4096, &back);
                assert_true(back.len <= 4096);
                buf_clear(&back);
                packed.data[at] ^= (uint8_t)(1 << bit);
            }
        }
        buf_done(&packed);
        buf_done(&back);
    }
    mem_free(plain);
}

static void test_bombs_stop_at_the_bound(void **state)
{
    (void)state;
    uint8_t *zeros = mem_zalloc(BIG);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buf packed, back;
        buf_init(&packed, 2 * BIG); /* the libraries ask for room for the worst case */
        buf_init(&back, BIG);
        assert_true(is_ok(compress_pack((enum codec)codec, COMPRESS_LEVEL_DEFAULT,
                                        bytes_of(zeros, BIG), &packed)));
        assert_int_equal(compress_unpack((enum codec)codec, buf_bytes(&packed), 100000, &back).code,
                         E_LIMIT);
        assert_true(back.cap <= 1u << 20);
        buf_done(&packed);
        buf_done(&back);
    }
    mem_free(zeros);
}

static void test_claimed_snappy_size_is_not_believed(void **state)
{
    (void)state;
    static const uint8_t claim[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'x' }; /* 4 GiB - 1 */
    struct buf back;
    buf_init(&back, BIG);
    assert_int_equal(compress_unpack(CODEC_SNAPPY, bytes_of(claim, sizeof claim), SIZE_MAX / 2,
                                     &back).code, E_CORRUPT);
    assert_null(back.data);
    buf_done(&back);
}

static void test_bare_snappy_is_read(void **state)
{
    (void)state;
    uint8_t *plain = sample(5000);
    size_t n = snappy_max_compressed_length(5000);
    char *bare = mem_alloc(n);
    struct buf back;
    buf_init(&back, BIG);
    assert_int_equal(snappy_compress((const char *)plain, 5000, bare, &n), SNAPPY_OK);
    assert_true(is_ok(compress_unpack(CODEC_SNAPPY, bytes_of(bare, n), 5000, &back)));
    assert_int_equal(back.len, 5000);
    assert_memory_equal(back.data, plain, 5000);
    buf_clear(&back);
    assert_int_equal(compress_unpack(CODEC_SNAPPY, bytes_of(bare, n), 4999, &back).code, E_LIMIT);
    buf_done(&back);
    mem_free(bare);
    mem_free(plain);
}

static void test_streams_in_a_row_are_one(void **state)
{
    (void)state;
    uint8_t *plain = sample(2000);
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        struct buf packed, back;
        buf_init(&packed, BIG);
        buf_init(&back, BIG);
        for (int i = 0; i < 2; i++) {
            assert_true(is_ok(compress_pack((enum codec)codec, COMPRESS_LEVEL_DEFAULT,
                                            bytes_of(plain + 1000 * i, 1000), &packed)));
        }
        assert_true(is_ok(compress_unpack((enum codec)codec, buf_bytes(&packed), 2000, &back)));
        assert_int_equal(back.len, 2000);
        assert_memory_equal(back.data, plain, 2000);
        buf_done(&packed);
        buf_done(&back);
    }
    mem_free(plain);
}

static void test_lz4_with_linked_blocks_size_and_checksums_is_read(void **state)
{
    (void)state;
    uint8_t *plain = sample(300000);
    LZ4F_preferences_t p = { .frameInfo = { .blockSizeID = LZ4F_max256KB,
                                            .blockMode = LZ4F_blockLinked,
                                            .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                                            .contentSize = 300000,
                                            .blockChecksumFlag = LZ4F_blockChecksumEnabled } };
    size_t bound = LZ4F_compressFrameBound(300000, &p);
    uint8_t *frame = mem_alloc(bound);
    size_t n = LZ4F_compressFrame(frame, bound, plain, 300000, &p);
    struct buf back;
    buf_init(&back, BIG);
    assert_false(LZ4F_isError(n));
    assert_true(is_ok(compress_unpack(CODEC_LZ4, bytes_of(frame, n), 300000, &back)));
    assert_memory_equal(back.data, plain, 300000);
    buf_done(&back);
    mem_free(frame);
    mem_free(plain);
}

static void test_zstd_without_content_size_is_read(void **state)
{
    (void)state;
    uint8_t *plain = sample(300000);
    size_t bound = ZSTD_compressBound(300000);
    uint8_t *frame = mem_alloc(bound);
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(zstd, frame, bound, plain, 300000);
    struct buf back;
    buf_init(&back, BIG);
    assert_false(ZSTD_isError(n));
    assert_true(is_ok(compress_unpack(CODEC_ZSTD, bytes_of(frame, n), 300000, &back)));
    assert_memory_equal(back.data, plain, 300000);
    ZSTD_freeCCtx(zstd);
    buf_done(&back);
    mem_free(frame);
    mem_free(plain);
}

static void test_codecs_have_kafkas_names(void **state)
{
    (void)state;
    enum codec codec;
    assert_true(compress_by_name(STR("zstd"), &codec));
    assert_int_equal(codec, CODEC_ZSTD);
    assert_true(compress_by_name(STR("uncompressed"), &codec));
    assert_int_equal(codec, CODEC_NONE);
    assert_false(compress_by_name(STR("producer"), &codec));
    assert_string_equal(compress_name(CODEC_LZ4), "lz4");
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_codec_goes_there_and_back),
        TEST(test_every_prefix_is_corrupt),
        TEST(test_damage_never_harms),
        TEST(test_bombs_stop_at_the_bound),
        TEST(test_claimed_snappy_size_is_not_believed),
        TEST(test_bare_snappy_is_read),
        TEST(test_streams_in_a_row_are_one),
        TEST(test_lz4_with_linked_blocks_size_and_checksums_is_read),
        TEST(test_zstd_without_content_size_is_read),
        TEST(test_codecs_have_kafkas_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
