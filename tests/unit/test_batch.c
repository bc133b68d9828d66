/* test_batch.c - record batches: what is refused, what may be changed, and a round trip of random
 * records through every codec. (Kafka's own bytes: tests/wire/test_golden.c.) */
#include "wire/batch.h"
#include "base/mem.h"
#include "wire/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define BIG (4u << 20)
#define RECORDS 500

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static void build_small(struct buf *out, const struct batch_options *options)
{
    struct batch_builder b;
    batch_builder_init(&b, options);
    assert_true(is_ok(batch_builder_add(&b, 10, str_bytes(STR("a")), str_bytes(STR("1")), NULL, 0)));
    assert_true(is_ok(batch_builder_add(&b, 12, str_bytes(STR("b")), str_bytes(STR("2")), NULL, 0)));
    assert_true(is_ok(batch_builder_finish(&b, out)));
    batch_builder_done(&b);
}

/* --- the header ------------------------------------------------------------------------------- */

static void test_header_is_read_back(void **state)
{
    (void)state;
    struct buf out;
    struct batch_header h;
    struct batch_options options = batch_options_default;
    options.base_offset = 100;
    options.producer_id = 5;
    options.producer_epoch = 1;
    options.base_sequence = 9;
    buf_init(&out, BIG);
    build_small(&out, &options);
    assert_true(is_ok(batch_header_parse(buf_bytes(&out), &h)));
    assert_int_equal(h.size, out.len);
    assert_int_equal(h.base_offset, 100);
    assert_int_equal(batch_last_offset(&h), 101);
    assert_int_equal(h.max_timestamp, 12);
    assert_int_equal(h.producer_id, 5);
    assert_int_equal(batch_last_sequence(&h), 10);
    assert_int_equal(h.record_count, 2);
    assert_true(is_ok(batch_check_crc(buf_bytes(&out))));
    assert_true(is_ok(batch_header_peek(bytes_of(out.data, BATCH_HEADER_SIZE), &h)));
    buf_done(&out);
}

static void test_impossible_headers_are_refused(void **state)
{
    (void)state;
    struct buf out;
    struct batch_header h;
    buf_init(&out, BIG);
    build_small(&out, NULL);
    const struct {
        size_t at;
        uint32_t value;
        enum err expected;
    } cases[] = {
        { 8, 48, E_CORRUPT_MESSAGE },          { 8, 0xffffffff, E_CORRUPT_MESSAGE },
        { 8, 0x80000000, E_CORRUPT_MESSAGE },  { 8, 0x7fffffff, E_TRUNCATED },
        { 0, 0x80000000, E_CORRUPT_MESSAGE },  { 23, 0xffffffff, E_CORRUPT_MESSAGE },
        { 57, 0xffffffff, E_CORRUPT_MESSAGE }, { 57, 1000, E_CORRUPT_MESSAGE },
        { 20, 0x00000700, E_CORRUPT_MESSAGE }, /* codec 7 (the low byte of attributes is at 22) */
        { 13, 0x00000001, E_UNSUPPORTED_FOR_MESSAGE_FORMAT },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t before = get_be32(out.data + cases[i].at);
        put_be32(out.data + cases[i].at, cases[i].value);
        assert_int_equal(batch_header_parse(buf_bytes(&out), &h).code, cases[i].expected);
        put_be32(out.data + cases[i].at, before);
    }
    for (size_t n = 0; n < out.len; n++) {
        assert_int_equal(batch_header_parse(bytes_of(out.data, n), &h).code, E_TRUNCATED);
    }
    buf_done(&out);
}

static void test_offsets_that_would_overflow_are_refused(void **state)
{
    (void)state;
    struct buf out;
    struct batch_header h;
    buf_init(&out, BIG);
    build_small(&out, NULL);
    batch_set_base_offset(out.data, INT64_MAX - 1);
    assert_int_equal(batch_header_parse(buf_bytes(&out), &h).code, E_CORRUPT_MESSAGE);
    buf_done(&out);
}

static void test_any_flipped_bit_behind_the_crc_is_noticed(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, BIG);
    build_small(&out, NULL);
    for (size_t bit = 17 * 8; bit < out.len * 8; bit++) {
        out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(batch_check_crc(buf_bytes(&out)).code, E_CORRUPT_MESSAGE);
        out.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buf_done(&out);
}

static void test_offset_and_epoch_change_without_the_crc(void **state)
{
    (void)state;
    struct buf out;
    struct batch_header h;
    buf_init(&out, BIG);
    build_small(&out, NULL);
    batch_set_base_offset(out.data, 4711);
    batch_set_leader_epoch(out.data, 3);
    assert_true(is_ok(batch_check_crc(buf_bytes(&out))));
    assert_true(is_ok(batch_header_parse(buf_bytes(&out), &h)));
    assert_int_equal(h.base_offset, 4711);
    assert_int_equal(h.leader_epoch, 3);
    buf_done(&out);
}

static void test_append_time_replaces_every_timestamp(void **state)
{
    (void)state;
    struct buf out;
    struct batch_reader r;
    struct record record;
    buf_init(&out, BIG);
    build_small(&out, NULL);
    batch_set_append_time(out.data, out.len, 999);
    assert_true(is_ok(batch_check_crc(buf_bytes(&out))));
    assert_true(is_ok(batch_reader_init(&r, buf_bytes(&out), BIG)));
    assert_int_equal(r.header.max_timestamp, 999);
    while (batch_reader_next(&r, &record)) assert_int_equal(record.timestamp, 999);
    assert_true(is_ok(batch_reader_result(&r)));
    batch_reader_done(&r);
    buf_done(&out);
}

static void test_run_of_batches_ends_at_a_cut_off_one(void **state)
{
    (void)state;
    struct buf out;
    struct bytes batch;
    struct batch_header h;
    status why;
    buf_init(&out, BIG);
    build_small(&out, NULL);
    size_t one = out.len;
    build_small(&out, NULL);
    struct bytes run = { out.data, out.len - 1 };
    assert_true(batch_next(&run, &batch, &h, &why));
    assert_int_equal(batch.len, one);
    assert_false(batch_next(&run, &batch, &h, &why));
    assert_int_equal(why.code, E_TRUNCATED);
    run = buf_bytes(&out);
    assert_true(batch_next(&run, &batch, &h, &why));
    assert_true(batch_next(&run, &batch, &h, &why));
    assert_false(batch_next(&run, &batch, &h, &why));
    assert_true(is_ok(why));
    buf_done(&out);
}

static void test_sequences_go_on_at_zero(void **state)
{
    (void)state;
    assert_int_equal(batch_sequence_add(INT32_MAX, 0), INT32_MAX);
    assert_int_equal(batch_sequence_add(INT32_MAX, 1), 0);
    assert_int_equal(batch_sequence_add(INT32_MAX - 1, 5), 3);
}

/* --- records ---------------------------------------------------------------------------------- */

static struct bytes random_bytes_of(struct arena *arena, int max)
{
    int kind = rand() % 8;
    if (kind == 0) return BYTES_NULL;
    size_t n = kind == 1 ? 0 : (size_t)(rand() % max);
    uint8_t *p = arena_alloc(arena, n + 1);
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(rand() % 7);
    return bytes_of(p, n);
}

static bool bytes_same(struct bytes a, struct bytes b) { return str_eq(bytes_str(a), bytes_str(b)); }

static void round_trip(enum codec codec, struct arena *arena)
{
    struct bytes keys[RECORDS], values[RECORDS];
    struct record_header headers[RECORDS];
    struct batch_options options = batch_options_default;
    struct batch_builder b;
    struct batch_reader r;
    struct record record;
    struct record_header *back;
    struct buf out;
    options.codec = codec;
    options.base_offset = 1000;
    buf_init(&out, BIG);
    batch_builder_init(&b, &options);
    for (int i = 0; i < RECORDS; i++) {
        keys[i] = random_bytes_of(arena, 30);
        values[i] = random_bytes_of(arena, 400);
        headers[i] = (struct record_header){ STR("name"), random_bytes_of(arena, 10) };
        assert_true(is_ok(batch_builder_add(&b, 5000 - i * 3, keys[i], values[i], headers, i % 3)));
    }
    assert_true(is_ok(batch_builder_finish(&b, &out)));
    batch_builder_done(&b);
    assert_true(is_ok(batch_check_crc(buf_bytes(&out))));
    assert_true(is_ok(batch_validate(buf_bytes(&out), BIG, NULL)));
    assert_true(is_ok(batch_reader_init(&r, buf_bytes(&out), BIG)));
    assert_int_equal(r.header.max_timestamp, 5000);
    for (int i = 0; i < RECORDS; i++) {
        assert_true(batch_reader_next(&r, &record));
        assert_int_equal(record.offset, 1000 + i);
        assert_int_equal(record.timestamp, 5000 - i * 3);
        assert_true(bytes_same(record.key, keys[i]));
        assert_true(bytes_same(record.value, values[i]));
        assert_int_equal(record.header_count, i % 3);
        assert_true(is_ok(record_headers(&record, arena, &back)));
        for (int j = 0; j < i % 3; j++) {
            assert_true(str_eq_c(back[j].key, "name"));
            assert_true(bytes_same(back[j].value, headers[j].value));
        }
    }
    assert_false(batch_reader_next(&r, &record));
    assert_true(is_ok(batch_reader_result(&r)));
    batch_reader_done(&r);
    buf_done(&out);
}

static void test_random_records_survive_every_codec(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 16 * BIG);
    srand(20);
    for (int codec = 0; codec < CODEC_COUNT; codec++) round_trip((enum codec)codec, &arena);
    arena_done(&arena);
}

static void test_records_beyond_the_bound_are_not_unpacked(void **state)
{
    (void)state;
    struct buf out;
    struct batch_builder b;
    struct batch_reader r;
    uint8_t *zeros = mem_zalloc(1 << 20);
    struct batch_options options = batch_options_default;
    for (int codec = 1; codec < CODEC_COUNT; codec++) {
        options.codec = (enum codec)codec;
        buf_init(&out, BIG);
        batch_builder_init(&b, &options);
        assert_true(is_ok(batch_builder_add(&b, 1, BYTES_NULL, bytes_of(zeros, 1 << 20), NULL, 0)));
        assert_true(is_ok(batch_builder_finish(&b, &out)));
        batch_builder_done(&b);
        assert_int_equal(batch_reader_init(&r, buf_bytes(&out), 1 << 16).code, E_LIMIT);
        assert_true(is_ok(batch_reader_init(&r, buf_bytes(&out), 2 << 20)));
        batch_reader_done(&r);
        buf_done(&out);
    }
    mem_free(zeros);
}

/* Overwrites every byte behind the header with several values: any result but a crash. */
static void test_damaged_records_never_harm(void **state)
{
    (void)state;
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
    struct batch_options options = batch_options_default;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        struct buf out;
        options.codec = (enum codec)codec;
        buf_init(&out, BIG);
        build_small(&out, &options);
        uint8_t *copy = mem_memdup(out.data, out.len);
        for (size_t at = BATCH_HEADER_SIZE; at < out.len; at++) {
            for (size_t i = 0; i < ARRAY_LEN(values); i++) {
                copy[at] = values[i];
                (void)batch_validate(bytes_of(copy, out.len), 1 << 16, NULL);
            }
            copy[at] = out.data[at];
        }
        mem_free(copy);
        buf_done(&out);
    }
}

static void test_bad_record_is_named(void **state)
{
    (void)state;
    struct buf out;
    int32_t bad;
    buf_init(&out, BIG);
    build_small(&out, NULL);
    uint8_t *second = out.data + BATCH_HEADER_SIZE + 9; /* each record has 9 bytes */
    assert_true(is_ok(batch_validate(buf_bytes(&out), BIG, &bad)));
    second[3] = 4; /* offset delta 2 */
    assert_int_equal(batch_validate(buf_bytes(&out), BIG, &bad).code, E_CORRUPT_MESSAGE);
    assert_int_equal(bad, 1);
    second[3] = 0; /* the same offset twice */
    assert_int_equal(batch_validate(buf_bytes(&out), BIG, &bad).code, E_CORRUPT_MESSAGE);
    assert_int_equal(bad, 1);
    second[3] = 2;
    put_be32(out.data + 23, 5); /* last offset delta beyond the records */
    assert_int_equal(batch_validate(buf_bytes(&out), BIG, &bad).code, E_CORRUPT_MESSAGE);
    assert_int_equal(bad, -1);
    put_be32(out.data + 23, 1);
    put_be32(out.data + 57, 1); /* one record fewer than there are */
    assert_int_equal(batch_validate(buf_bytes(&out), BIG, &bad).code, E_CORRUPT_MESSAGE);
    buf_done(&out);
}

/* --- rewriting -------------------------------------------------------------------------------- */

static void test_rewritten_batch_keeps_offsets_and_headers(void **state)
{
    (void)state;
    struct buf first, second;
    struct batch_builder b;
    struct batch_reader r;
    struct record record;
    const struct record_header header = { STR("h"), str_bytes(STR("v")) };
    struct batch_options options = batch_options_default;
    options.base_offset = 50;
    buf_init(&first, BIG);
    buf_init(&second, BIG);
    batch_builder_init(&b, &options);
    for (int i = 0; i < 5; i++) {
        assert_true(is_ok(batch_builder_add(&b, i, BYTES_NULL, BYTES_NULL, &header, 1)));
    }
    assert_true(is_ok(batch_builder_finish(&b, &first)));
    assert_true(is_ok(batch_reader_init(&r, buf_bytes(&first), BIG)));
    while (batch_reader_next(&r, &record)) {
        if (record.offset % 2) assert_true(is_ok(batch_builder_add_record(&b, &record)));
    }
    batch_reader_done(&r);
    batch_builder_keep_last_offset(&b, 54);
    assert_true(is_ok(batch_builder_finish(&b, &second)));
    batch_builder_done(&b);
    assert_true(is_ok(batch_reader_init(&r, buf_bytes(&second), BIG)));
    assert_int_equal(batch_last_offset(&r.header), 54);
    assert_int_equal(r.header.record_count, 2);
    assert_true(batch_reader_next(&r, &record));
    assert_int_equal(record.offset, 51);
    assert_int_equal(record.timestamp, 1);
    assert_int_equal(record.header_count, 1);
    assert_true(batch_reader_next(&r, &record));
    assert_int_equal(record.offset, 53);
    assert_false(batch_reader_next(&r, &record));
    assert_true(is_ok(batch_reader_result(&r)));
    batch_reader_done(&r);
    buf_done(&first);
    buf_done(&second);
}

static void test_empty_batch_keeps_its_range_of_offsets(void **state)
{
    (void)state;
    struct buf out;
    struct batch_builder b;
    struct batch_reader r;
    struct record record;
    struct batch_options options = batch_options_default;
    options.codec = CODEC_ZSTD;
    options.base_offset = 50;
    buf_init(&out, BIG);
    batch_builder_init(&b, &options);
    assert_int_equal(batch_builder_finish(&b, &out).code, E_INVALID);
    batch_builder_keep_last_offset(&b, 59);
    assert_true(is_ok(batch_builder_finish(&b, &out)));
    batch_builder_done(&b);
    assert_int_equal(out.len, BATCH_HEADER_SIZE);
    assert_true(is_ok(batch_reader_init(&r, buf_bytes(&out), BIG)));
    assert_int_equal(batch_last_offset(&r.header), 59);
    assert_false(batch_reader_next(&r, &record));
    assert_true(is_ok(batch_reader_result(&r)));
    batch_reader_done(&r);
    buf_done(&out);
}

static void test_builder_refuses_what_does_not_fit_and_goes_on(void **state)
{
    (void)state;
    struct buf out;
    struct batch_builder b;
    struct batch_options options = batch_options_default;
    uint8_t big[200] = { 0 };
    options.max = 150;
    buf_init(&out, BIG);
    batch_builder_init(&b, &options);
    assert_int_equal(batch_builder_size(&b), BATCH_HEADER_SIZE);
    assert_int_equal(batch_builder_add(&b, 1, BYTES_NULL, bytes_of(big, 200), NULL, 0).code, E_LIMIT);
    assert_true(is_ok(batch_builder_add(&b, 1, BYTES_NULL, bytes_of(big, 70), NULL, 0)));
    assert_int_equal(batch_builder_add(&b, 1, BYTES_NULL, bytes_of(big, 70), NULL, 0).code, E_LIMIT);
    assert_true(is_ok(batch_builder_finish(&b, &out)));
    assert_true(is_ok(batch_validate(buf_bytes(&out), BIG, NULL)));
    batch_builder_done(&b);
    buf_done(&out);
}

static void test_building_survives_the_lack_of_memory_at_every_step(void **state)
{
    (void)state;
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        bool whole = false;
        for (int n = 1; n < 50 && !whole; n++) {
            struct batch_options options = batch_options_default;
            struct batch_builder b;
            struct buf out;
            options.codec = (enum codec)codec;
            buf_init(&out, BIG);
            batch_builder_init(&b, &options);
            mem_fail_after(n);
            status s = batch_builder_add(&b, 1, BYTES_NULL, str_bytes(STR("value")), NULL, 0);
            if (is_ok(s)) s = batch_builder_finish(&b, &out);
            if (is_ok(s)) s = batch_validate(buf_bytes(&out), BIG, NULL);
            mem_fail_after(0);
            whole = is_ok(s);
            assert_true(whole || s.code == E_NO_MEMORY);
            batch_builder_done(&b);
            buf_done(&out);
        }
        assert_true(whole);
    }
}

/* --- varints ---------------------------------------------------------------------------------- */

static void test_varints_go_out_and_come_back(void **state)
{
    (void)state;
    static const int64_t values[] = { 0, -1, 1, 63, -64, 64, 300, INT32_MAX, INT32_MIN, INT64_MAX,
                                      INT64_MIN };
    uint8_t p[VARINT_MAX];
    int64_t back;
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        size_t n = varint_write(p, values[i]);
        assert_int_equal(varint_size(values[i]), n);
        assert_int_equal(varint_get(bytes_of(p, n), &back), n);
        assert_true(back == values[i]);
        assert_int_equal(varint_get(bytes_of(p, n - 1), &back), 0);
    }
    static const uint8_t endless[11] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 };
    assert_int_equal(varint_get(bytes_of(endless, 11), &back), 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_header_is_read_back),
        TEST(test_impossible_headers_are_refused),
        TEST(test_offsets_that_would_overflow_are_refused),
        TEST(test_any_flipped_bit_behind_the_crc_is_noticed),
        TEST(test_offset_and_epoch_change_without_the_crc),
        TEST(test_append_time_replaces_every_timestamp),
        TEST(test_run_of_batches_ends_at_a_cut_off_one),
        TEST(test_sequences_go_on_at_zero),
        TEST(test_random_records_survive_every_codec),
        TEST(test_records_beyond_the_bound_are_not_unpacked),
        TEST(test_damaged_records_never_harm),
        TEST(test_bad_record_is_named),
        TEST(test_rewritten_batch_keeps_offsets_and_headers),
        TEST(test_empty_batch_keeps_its_range_of_offsets),
        TEST(test_builder_refuses_what_does_not_fit_and_goes_on),
        TEST(test_building_survives_the_lack_of_memory_at_every_step),
        TEST(test_varints_go_out_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
