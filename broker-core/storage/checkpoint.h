/* checkpoint.h - the bytes of the checkpoint file. Format: FORMAT.md, "Checkpoint". */
#pragma once
#include "base/buf.h"
#include "base/uuid.h"

#define CHECKPOINT_HEADER 48   /* in the newest format */
#define CHECKPOINT_HEADER_1 40 /* in format 1 */
#define CHECKPOINT_ENTRY 64
#define CHECKPOINT_CUT 1u /* flag: a cut of this log may be unsynced */

struct checkpoint_header {
    uint64_t store_id, generation, first_live;
    uint32_t count;
    int32_t format; /* of the folder, base/format.h */
};
struct checkpoint_entry {
    struct uuid topic;
    int32_t partition;
    uint32_t flags;
    int64_t start;
    int64_t offset, segment, position; /* recovery point */
    int64_t snapshot;
};

void checkpoint_begin(struct buf *out, int32_t format);
void checkpoint_add(struct buf *out, const struct checkpoint_entry *e);
status checkpoint_end(struct buf *out, const struct checkpoint_header *h);
/* CORRUPT, or FORMAT for one of a newer program: then ret_header->format says which, 0 if it does not. */
status checkpoint_open(struct bytes in, struct checkpoint_header *ret_header);
void checkpoint_get(struct bytes in, uint32_t i, struct checkpoint_entry *ret_entry);
