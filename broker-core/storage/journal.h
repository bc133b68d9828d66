/* journal.h - the bytes of the commit journal: frames and their records. Format: FORMAT.md.
 * Pure functions; any thread. */
#pragma once
#include "base/buf.h"
#include "base/uuid.h"
#include "io/fs.h"
#include "storage/limits.h"

#define FRAME_ALIGN 4096
#define FRAME_HEADER 48
#define RECORD_HEADER 64
#define FRAME_SIZE_MAX (2 * MIB) /* nothing longer is taken for a frame */

enum record_type { RECORD_DATA = 1, RECORD_START = 2 };

struct frame_header {
    uint32_t length, count;
    uint64_t store_id, generation, sequence, previous;
};
struct frame_record {
    enum record_type type;
    struct uuid topic;
    int32_t partition;
    int64_t offset;   /* data: base offset of the first batch; start: the new log start */
    int64_t end;      /* data: offset after the last batch */
    int64_t segment;  /* base offset of the segment */
    int64_t position;
    struct bytes data;
};

static inline size_t frame_padded(size_t length)
{
    return (length + FRAME_ALIGN - 1) & ~(size_t)(FRAME_ALIGN - 1);
}
static inline size_t record_padded(size_t data) { return RECORD_HEADER + ((data + 7) & ~(size_t)7); }

/* Writes a record's header at p; its data follow, zero-padded to 8 bytes. */
void journal_put_record(uint8_t *p, const struct frame_record *r, size_t data_len);
/* Fills in the header of the frame at p whose records are in place, with the CRC. */
void journal_seal(uint8_t *p, const struct frame_header *h);
/* The frame at `at`, into `out` (cleared first): NOT_FOUND when there is none of this store (magic,
 * store id, length, CRC). */
status journal_read_frame(struct fs *fs, struct file *file, int64_t at, uint64_t store_id,
                          struct buf *out, struct frame_header *ret_header);
/* Records of a frame that was read: *position 0 to begin; NOT_FOUND after the last. */
status journal_next_record(struct bytes frame, const struct frame_header *h, size_t *position,
                           uint32_t *index, struct frame_record *ret_record);
