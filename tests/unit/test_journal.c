/* test_journal.c - frames, records and the checkpoint as bytes: golden ones, and damaged ones. */
#include "base/format.h"
#include "base/mem.h"
#include "fault/fs_sim.h"
#include "storage/checkpoint.h"
#include "storage/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct uuid topic = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

/* One data record of 5 bytes and one log start; store 0x1122334455667788, generation 3. */
static const uint8_t golden_frame[] = {
    'L', 'J', 'F', '1', 0x19, 0x98, 0xe3, 0x33, 184, 0, 0, 0, 2, 0, 0, 0,
    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 3, 0, 0, 0, 0, 0, 0, 0,
    9, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0,
    1, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    6, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 110, 0, 0, 0, 0, 0, 0, 0,
    50, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 'h', 'e', 'l', 'l', 'o', 0, 0, 0,
    2, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    6, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
#define STORE 0x1122334455667788u

static void make_frame(uint8_t *p)
{
    struct frame_record data = { RECORD_DATA, topic, 6, 100, 110, 50, 4096, BYTES_NULL };
    struct frame_record start = { .type = RECORD_START, .topic = topic, .partition = 6, .offset = 60 };
    memset(p, 0, sizeof golden_frame);
    journal_put_record(p + FRAME_HEADER, &data, 5);
    memcpy(p + FRAME_HEADER + RECORD_HEADER, "hello", 5);
    journal_put_record(p + FRAME_HEADER + record_padded(5), &start, 0);
    struct frame_header h = { FRAME_HEADER + 72 + 64, 2, STORE, 3, 9, 7 };
    journal_seal(p, &h);
}

static void test_a_frame_has_its_golden_bytes(void **state)
{
    (void)state;
    uint8_t p[sizeof golden_frame];
    make_frame(p);
    assert_int_equal(sizeof golden_frame, 184);
    assert_memory_equal(p, golden_frame, sizeof p);
}

struct disk {
    struct sim *sim;
    struct fs *fs;
    struct file *file;
};

static struct disk disk_with(const uint8_t *p, size_t len)
{
    struct disk d = { .sim = sim_new(1) };
    d.fs = sim_fs(d.sim);
    assert_int_equal(d.fs->ops->open(d.fs, "j", FS_WRITE | FS_CREATE, &d.file).code, E_OK);
    assert_int_equal(d.fs->ops->pwrite(d.fs, d.file, p, len, 0).code, E_OK);
    return d;
}

static void disk_done(struct disk *d)
{
    d->fs->ops->close(d->fs, d->file);
    sim_free(d->sim);
}

static void test_a_frame_is_read_back(void **state)
{
    (void)state;
    uint8_t p[sizeof golden_frame];
    make_frame(p);
    struct disk d = disk_with(p, sizeof p);
    struct buf out;
    struct frame_header h;
    struct frame_record r;
    size_t position = 0;
    uint32_t index;
    buf_init(&out, FRAME_SIZE_MAX);
    assert_int_equal(journal_read_frame(d.fs, d.file, 0, STORE, &out, &h).code, E_OK);
    assert_int_equal(h.sequence, 9);
    assert_int_equal(h.previous, 7);
    assert_int_equal(h.generation, 3);
    assert_int_equal(journal_next_record(buf_bytes(&out), &h, &position, &index, &r).code, E_OK);
    assert_int_equal(r.end, 110);
    assert_int_equal(r.segment, 50);
    assert_int_equal(r.position, 4096);
    assert_memory_equal(r.data.data, "hello", 5);
    assert_int_equal(journal_next_record(buf_bytes(&out), &h, &position, &index, &r).code, E_OK);
    assert_int_equal(r.type, RECORD_START);
    assert_int_equal(r.offset, 60);
    assert_int_equal(journal_next_record(buf_bytes(&out), &h, &position, &index, &r).code, E_NOT_FOUND);
    assert_int_equal(journal_read_frame(d.fs, d.file, 0, STORE + 1, &out, &h).code, E_NOT_FOUND);
    buf_done(&out);
    disk_done(&d);
}

static void test_a_damaged_frame_is_none(void **state)
{
    (void)state;
    uint8_t p[sizeof golden_frame];
    struct buf out;
    struct frame_header h;
    buf_init(&out, FRAME_SIZE_MAX);
    for (size_t i = 0; i < sizeof p; i++) {
        make_frame(p);
        p[i] ^= 0x40;
        struct disk d = disk_with(p, sizeof p);
        assert_int_equal(journal_read_frame(d.fs, d.file, 0, STORE, &out, &h).code, E_NOT_FOUND);
        disk_done(&d);
        make_frame(p);
        d = disk_with(p, i);
        assert_int_equal(journal_read_frame(d.fs, d.file, 0, STORE, &out, &h).code, E_NOT_FOUND);
        disk_done(&d);
    }
    buf_done(&out);
}

/* Any record bytes behind a good CRC: no read outside the frame. */
static void test_records_that_lie_are_refused(void **state)
{
    (void)state;
    struct sim *sim = sim_new(3);
    for (int i = 0; i < 20000; i++) {
        uint8_t p[sizeof golden_frame];
        make_frame(p);
        for (int n = 1 + (int)sim_below(sim, 4); n > 0; n--)
            p[FRAME_HEADER + sim_below(sim, sizeof p - FRAME_HEADER)] = (uint8_t)sim_random(sim);
        struct frame_header h = { sizeof p, 1 + sim_below(sim, 4), STORE, 3, 9, 7 };
        struct frame_record r;
        size_t position = 0;
        uint32_t index, left = 10;
        uint8_t *exact = mem_memdup(p, sizeof p);
        while (left-- && is_ok(journal_next_record(bytes_of(exact, sizeof p), &h, &position, &index, &r)))
            for (size_t b = 0; b < r.data.len; b++) assert_true(r.data.data[b] <= 255);
        mem_free(exact);
    }
    sim_free(sim);
}

static void test_a_checkpoint_comes_back_or_is_refused(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    checkpoint_begin(&out, 1);
    struct checkpoint_entry a = { topic, 6, CHECKPOINT_CUT, 10, 20, 15, 300, 18 }, b;
    checkpoint_add(&out, &a);
    struct checkpoint_header h = { STORE, 4, 77, 0, 0 };
    assert_int_equal(checkpoint_end(&out, &h).code, E_OK);
    assert_int_equal(out.len, 104);
    static const uint8_t golden_entry[64] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 6, 0, 0, 0, 1, 0, 0, 0,
        10, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0,
        44, 1, 0, 0, 0, 0, 0, 0, 18, 0, 0, 0, 0, 0, 0, 0,
    };
    static const uint8_t golden_header[CHECKPOINT_HEADER_1] = {
        'L', 'C', 'P', '1', 0x34, 0x2b, 0xc4, 0x8a,
        0x68, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00,
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
        0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x4d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    assert_memory_equal(out.data, golden_header, CHECKPOINT_HEADER_1);
    assert_memory_equal(out.data + CHECKPOINT_HEADER_1, golden_entry, 64);
    assert_int_equal(checkpoint_open(buf_bytes(&out), &h).code, E_OK);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.generation, 4);
    assert_int_equal(h.first_live, 77);
    checkpoint_get(buf_bytes(&out), 0, &b);
    assert_memory_equal(&a, &b, sizeof a);
    for (size_t i = 0; i < out.len; i++) {
        out.data[i] ^= 0x20;
        assert_int_not_equal(checkpoint_open(buf_bytes(&out), &h).code, E_OK);
        out.data[i] ^= 0x20;
        assert_int_not_equal(checkpoint_open(bytes_of(out.data, i), &h).code, E_OK);
    }
    out.data[3] = '3';
    assert_int_equal(checkpoint_open(buf_bytes(&out), &h).code, E_FORMAT);
    buf_done(&out);
}

static void test_a_checkpoint_says_its_format_and_a_newer_one_is_no_damage(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 20);
    checkpoint_begin(&out, FORMAT_NEWEST);
    struct checkpoint_entry a = { topic, 6, 0, 10, 20, 15, 300, 18 }, b;
    struct checkpoint_header h = { STORE, 4, 77, 0, 0 };
    checkpoint_add(&out, &a);
    assert_int_equal(checkpoint_end(&out, &h).code, E_OK);
    assert_int_equal(out.len, CHECKPOINT_HEADER + 64);
    assert_memory_equal(out.data, "LCP2", 4);
    assert_int_equal(checkpoint_open(buf_bytes(&out), &h).code, E_OK);
    assert_int_equal(h.format, FORMAT_NEWEST);
    assert_int_equal(h.count, 1);
    checkpoint_get(buf_bytes(&out), 0, &b);
    assert_memory_equal(&a, &b, sizeof a);
    for (size_t i = 0; i < out.len; i++) {
        out.data[i] ^= 0x20;
        assert_int_not_equal(checkpoint_open(buf_bytes(&out), &h).code, E_OK);
        out.data[i] ^= 0x20;
        assert_int_not_equal(checkpoint_open(bytes_of(out.data, i), &h).code, E_OK);
    }
    buf_clear(&out);
    checkpoint_begin(&out, FORMAT_NEWEST + 1);
    assert_int_equal(checkpoint_end(&out, &h).code, E_OK);
    assert_int_equal(checkpoint_open(buf_bytes(&out), &h).code, E_FORMAT);
    assert_int_equal(h.format, FORMAT_NEWEST + 1);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_frame_has_its_golden_bytes),
        cmocka_unit_test(test_a_frame_is_read_back),
        cmocka_unit_test(test_a_damaged_frame_is_none),
        cmocka_unit_test(test_records_that_lie_are_refused),
        cmocka_unit_test(test_a_checkpoint_comes_back_or_is_refused),
        cmocka_unit_test(test_a_checkpoint_says_its_format_and_a_newer_one_is_no_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
