/* image_file.c - reading and writing the file `image`; its format stands in image_file.h.
 * Reading: at start. Writing: a job on a lane's thread, one at a time. */
#include "cluster/image_file.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "cluster/image_int.h"
#include "wire/messages.h"

#define IMAGE_HEAD 20
#define IMAGE_FORMAT 1
static const uint8_t magic[8] = "LEATIMG";

static uint32_t checksum(const uint8_t *head, struct bytes records)
{
    return crc32c(crc32c(0, head + 8, 8), records.data, records.len);
}

/* Takes the next delta off `rest`: up to the next ImageVersion. */
static status next_delta(struct bytes *rest, struct bytes *ret_delta)
{
    struct image_record record;
    struct bytes after = *rest;
    TRY(record_next(&after, &record));
    while (after.len) {
        struct bytes here = after;
        TRY(record_next(&after, &record));
        if (record.message == &image_version_message) {
            after = here;
            break;
        }
    }
    *ret_delta = bytes_of(rest->data, (size_t)(after.data - rest->data));
    *rest = after;
    return OK;
}

static status apply_all(struct image *image, struct bytes records)
{
    struct bytes delta;
    while (records.len) {
        TRY(next_delta(&records, &delta));
        TRY(image_apply(image, delta, NULL));
    }
    return OK;
}

static status parse(struct bytes file, struct image *image)
{
    if (file.len < IMAGE_HEAD || memcmp(file.data, magic, sizeof(magic)) != 0) return FAIL(CORRUPT);
    if (get_le32(file.data + 8) > IMAGE_FORMAT) return FAIL(FORMAT);
    struct bytes records = bytes_of(file.data + IMAGE_HEAD, file.len - IMAGE_HEAD);
    if (get_le32(file.data + 12) != records.len ||
        get_le32(file.data + 16) != checksum(file.data, records))
        return FAIL(CORRUPT);
    status s = apply_all(image, records);
    /* the bytes are what was written: if they make no sense now, another program wrote them */
    return s.code == E_MALFORMED || s.code == E_TRUNCATED ? FAIL(FORMAT) : s;
}

status image_file_read(struct fs *fs, struct image *image)
{
    struct file *file;
    TRY(fs->ops->open(fs, "image", FS_READ, &file));
    int64_t size = 0;
    size_t got = 0;
    uint8_t *content = NULL;
    status s = fs->ops->size(fs, file, &size);
    if (is_ok(s) && (size < IMAGE_HEAD || size > (int64_t)DELTA_MAX + IMAGE_HEAD)) s = FAIL(CORRUPT);
    if (is_ok(s)) {
        content = mem_alloc((size_t)size);
        s = content ? fs->ops->pread(fs, file, content, (size_t)size, 0, &got) : FAIL(NO_MEMORY);
    }
    fs->ops->close(fs, file);
    if (is_ok(s)) s = parse(bytes_of(content, got), image);
    mem_free(content);
    return s;
}

static status write_new(struct fs *fs, const uint8_t *head, struct bytes records)
{
    struct file *file;
    TRY(fs->ops->open(fs, "image.new", FS_WRITE | FS_CREATE, &file));
    status s = fs->ops->truncate(fs, file, 0);
    if (is_ok(s)) s = fs->ops->pwrite(fs, file, head, IMAGE_HEAD, 0);
    if (is_ok(s)) s = fs->ops->pwrite(fs, file, records.data, records.len, IMAGE_HEAD);
    if (is_ok(s)) s = fs->ops->datasync(fs, file);
    fs->ops->close(fs, file);
    return s;
}

status image_file_write(struct fs *fs, struct bytes records)
{
    uint8_t head[IMAGE_HEAD] = { 0 };
    memcpy(head, magic, sizeof(magic));
    put_le32(head + 8, IMAGE_FORMAT);
    put_le32(head + 12, (uint32_t)records.len);
    put_le32(head + 16, checksum(head, records));
    TRY(write_new(fs, head, records));
    TRY(fs->ops->rename(fs, "image.new", "image"));
    return fs->ops->sync_dir(fs, ".");
}

status image_file_next(const struct image *image, struct bytes delta, struct buf *ret_records)
{
    int64_t from, to;
    TRY(image_check(image, delta, &to));
    TRY(delta_versions(delta, &from, &to));
    if (from > 0) TRY(image_serialise(image, ret_records));
    buf_put(ret_records, delta.data, delta.len);
    return buf_check(ret_records);
}
