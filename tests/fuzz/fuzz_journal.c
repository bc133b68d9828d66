/* fuzz_journal.c - any bytes as what recovery reads: a frame of the commit journal with its records, the
 * checkpoint, a snapshot of the producer state. The first byte chooses the reader and whether the CRC is made
 * right, so that the lies behind a good CRC are met, too. */
#include "fuzz.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "storage/checkpoint.h"
#include "storage/journal.h"
#include "storage/producer_state.h"

#include <stdlib.h>
#include <string.h>

#define STORE 0x1122334455667788u

struct file {
    struct bytes content;
};

static status file_pread(struct fs *fs, struct file *file, void *p, size_t len, int64_t at, size_t *ret_n)
{
    (void)fs;
    struct bytes b = file->content;
    size_t n = (size_t)at >= b.len ? 0 : b.len - (size_t)at;
    if (n > len) n = len;
    if (n) memcpy(p, b.data + at, n);
    *ret_n = n;
    return OK;
}

/* All three have at 4 the CRC of what lies between 8 and the length that is at 8. */
static void seal(uint8_t *p, size_t size)
{
    if (size < 16) return;
    size_t length = get_le32(p + 8);
    if (length >= 16 && length <= size) put_le32(p + 4, crc32c(0, p + 8, length - 8));
}

static void touch(struct bytes b)
{
    static volatile uint8_t sum;
    for (size_t i = 0; i < b.len; i++) sum = (uint8_t)(sum + b.data[i]);
}

static void frame(struct bytes in)
{
    static const struct fs_ops ops = { .pread = file_pread };
    struct fs fs = { .ops = &ops };
    struct file file = { in };
    struct frame_header h;
    struct frame_record r;
    struct buf out;
    size_t position = 0;
    uint32_t index = 0;
    buf_init(&out, FRAME_SIZE_MAX);
    if (is_ok(journal_read_frame(&fs, &file, 0, STORE, &out, &h))) {
        uint8_t *exact = mem_must(mem_memdup(out.data, out.len));
        struct bytes b = bytes_of(exact, out.len);
        while (is_ok(journal_next_record(b, &h, &position, &index, &r))) touch(r.data);
        mem_free(exact);
    }
    buf_done(&out);
}

/* What is taken says all that it holds: written out again it is the same. */
static void checkpoint(struct bytes in)
{
    struct checkpoint_header h;
    struct checkpoint_entry e;
    struct buf out;
    if (failed(checkpoint_open(in, &h))) return;
    buf_init(&out, 1 << 20);
    checkpoint_begin(&out, h.format);
    for (uint32_t i = 0; i < h.count; i++) {
        checkpoint_get(in, i, &e);
        checkpoint_add(&out, &e);
    }
    if (failed(checkpoint_end(&out, &h)) || out.len != in.len || memcmp(out.data, in.data, in.len) != 0)
        abort();
    buf_done(&out);
}

static void snapshot(struct bytes in)
{
    struct producer_state ps = { 0 };
    struct buf out;
    if (producer_state_size(in) > in.len) abort();
    buf_init(&out, 1 << 24);
    if (is_ok(producer_state_decode(in, 50, 1700000000000, &ps))) (void)producer_state_encode(&ps, 50, &out);
    buf_done(&out);
    producer_state_done(&ps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(struct bytes in) = { frame, checkpoint, snapshot, snapshot };
    if (size < 2) return 0;
    uint8_t *p = mem_must(mem_memdup(data + 1, size - 1));
    if (data[0] & 4) seal(p, size - 1);
    readers[data[0] & 3]((struct bytes){ p, size - 1 });
    mem_free(p);
    return 0;
}
