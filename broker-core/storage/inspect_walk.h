/* inspect_walk.h - batches of a segment file one by one, for inspect_check.c and inspect_dump.c. */
#pragma once
#include "base/buf.h"
#include "io/fs.h"
#include "wire/batch.h"

struct inspect_walk {
    struct fs *fs;
    struct file *file;
    int64_t position; /* of the batch that comes next, or cannot be read */
    int64_t size;
    struct buf batch;
};
status inspect_walk_open(struct inspect_walk *w, struct fs *fs, const char *path);
void inspect_walk_close(struct inspect_walk *w);
/* NOT_FOUND at the end of the file; CORRUPT: framing or CRC is wrong. The batch lies in w->batch. */
status inspect_walk_next(struct inspect_walk *w, struct batch_header *ret_header);
/* The whole file; *ret is freed with buf_done. */
status inspect_read(struct fs *fs, const char *path, struct buf *ret);
