/* inspect_walk.c - batches of a segment file one by one, with their CRC checked. */
#include "storage/inspect_walk.h"

#include "storage/files.h"
#include "storage/limits.h"

status inspect_walk_open(struct inspect_walk *w, struct fs *fs, const char *path)
{
    *w = (struct inspect_walk){ .fs = fs };
    TRY(fs->ops->open(fs, path, FS_READ, &w->file));
    buf_init(&w->batch, BATCH_STORED_MAX);
    status s = fs->ops->size(fs, w->file, &w->size);
    if (failed(s)) inspect_walk_close(w);
    return s;
}

void inspect_walk_close(struct inspect_walk *w)
{
    if (w->file) w->fs->ops->close(w->fs, w->file);
    w->file = NULL;
    buf_done(&w->batch);
}

static status read_at(struct inspect_walk *w, size_t len)
{
    size_t n;
    buf_clear(&w->batch);
    if ((int64_t)len > w->size - w->position) return FAIL(CORRUPT);
    uint8_t *p = buf_reserve(&w->batch, len);
    if (!p) return FAIL(NO_MEMORY);
    TRY(w->fs->ops->pread(w->fs, w->file, p, len, w->position, &n));
    w->batch.len = n;
    return n == len ? OK : FAIL(CORRUPT);
}

status inspect_walk_next(struct inspect_walk *w, struct batch_header *ret_header)
{
    struct batch_header h;
    if (w->position == w->size) return FAIL(NOT_FOUND);
    TRY(read_at(w, BATCH_HEADER_SIZE));
    if (failed(batch_header_peek(buf_bytes(&w->batch), &h))) return FAIL(CORRUPT);
    TRY(read_at(w, h.size));
    if (failed(batch_check_crc(buf_bytes(&w->batch)))) return FAIL(CORRUPT);
    w->position += (int64_t)h.size;
    *ret_header = h;
    return OK;
}

status inspect_read(struct fs *fs, const char *path, struct buf *ret)
{
    buf_init(ret, SIZE_MAX / 2);
    status s = files_read(fs, path, ret);
    if (failed(s)) buf_done(ret);
    return s;
}
