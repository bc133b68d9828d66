/* journal.c - frames and records of the commit journal, as bytes. Format: FORMAT.md. */
#include "storage/journal.h"

#include "base/crc32c.h"
#include "storage/breaks.h"

void journal_put_record(uint8_t *p, const struct frame_record *r, size_t data_len)
{
    memset(p, 0, RECORD_HEADER);
    put_le16(p, (uint16_t)r->type);
    put_le32(p + 4, (uint32_t)data_len);
    memcpy(p + 8, r->topic.b, 16);
    put_le32(p + 24, (uint32_t)r->partition);
    put_le64(p + 32, (uint64_t)r->offset);
    put_le64(p + 40, (uint64_t)r->end);
    put_le64(p + 48, (uint64_t)r->segment);
    put_le64(p + 56, (uint64_t)r->position);
}

void journal_seal(uint8_t *p, const struct frame_header *h)
{
    memcpy(p, "LJF1", 4);
    put_le32(p + 8, h->length);
    put_le32(p + 12, h->count);
    put_le64(p + 16, h->store_id);
    put_le64(p + 24, h->generation);
    put_le64(p + 32, h->sequence);
    put_le64(p + 40, h->previous);
    put_le32(p + 4, crc32c(0, p + 8, h->length - 8));
}

status journal_read_frame(struct fs *fs, struct file *file, int64_t at, uint64_t store_id,
                          struct buf *out, struct frame_header *ret_header)
{
    buf_clear(out);
    uint8_t *p = buf_reserve(out, FRAME_HEADER);
    size_t n;
    if (!p) return FAIL(NO_MEMORY);
    TRY(fs->ops->pread(fs, file, p, FRAME_HEADER, at, &n));
    if (n < FRAME_HEADER || memcmp(p, "LJF", 3) != 0) return FAIL(NOT_FOUND);
    bool newer = p[3] > '1' && p[3] <= '9' && get_le64(p + 16) == store_id;
    if (p[3] != '1') return newer ? FAIL(FORMAT) : FAIL(NOT_FOUND);
    struct frame_header h = { get_le32(p + 8),  get_le32(p + 12), get_le64(p + 16),
                              get_le64(p + 24), get_le64(p + 32), get_le64(p + 40) };
    if (h.store_id != store_id || h.length < FRAME_HEADER || h.length > FRAME_SIZE_MAX)
        return FAIL(NOT_FOUND);
    p = buf_reserve(out, h.length);
    if (!p) return FAIL(NO_MEMORY);
    TRY(fs->ops->pread(fs, file, p, h.length, at, &n));
    if (n < h.length ||
        (!BREAK(NO_FRAME_CRC) && get_le32(p + 4) != crc32c(0, p + 8, h.length - 8)))
        return FAIL(NOT_FOUND);
    out->len = h.length;
    *ret_header = h;
    return OK;
}

status journal_next_record(struct bytes frame, const struct frame_header *h, size_t *position,
                           uint32_t *index, struct frame_record *ret_record)
{
    if (*position == 0) {
        *position = FRAME_HEADER;
        *index = 0;
    }
    if (*index == h->count) return FAIL(NOT_FOUND);
    if (frame.len - *position < RECORD_HEADER) return FAIL(CORRUPT);
    const uint8_t *p = frame.data + *position;
    uint32_t len = get_le32(p + 4);
    if (len > frame.len - *position - RECORD_HEADER) return FAIL(CORRUPT);
    struct frame_record r = { .type = (enum record_type)get_le16(p),
                              .partition = (int32_t)get_le32(p + 24),
                              .offset = (int64_t)get_le64(p + 32),
                              .end = (int64_t)get_le64(p + 40),
                              .segment = (int64_t)get_le64(p + 48),
                              .position = (int64_t)get_le64(p + 56),
                              .data = bytes_of(p + RECORD_HEADER, len) };
    memcpy(r.topic.b, p + 8, 16);
    if (r.type != RECORD_DATA && r.type != RECORD_START) return FAIL(CORRUPT);
    *position += record_padded(len);
    if (*position > frame.len) *position = frame.len;
    ++*index;
    *ret_record = r;
    return OK;
}
