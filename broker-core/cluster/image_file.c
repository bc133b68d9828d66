/* image_file.c - reading and writing the file `image`; its format stands in image_file.h.
 * Reading: at start. Writing: a job on a lane's thread, one at a time. */
#include "cluster/image_file.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "cluster/delta.h"

#define IMAGE_HEAD 20
#define IMAGE_FORMAT 1
static const uint8_t magic[8] = "LEATIMG";

static uint32_t checksum(const uint8_t *head, struct bytes records)
{
    return crc32c(crc32c(0, head + 8, 8), records.data, records.len);
}

static status parse(struct bytes file, struct image *image)
{
    if (file.len < IMAGE_HEAD || memcmp(file.data, magic, sizeof(magic)) != 0) return FAIL(CORRUPT);
    if (get_le32(file.data + 8) > IMAGE_FORMAT) return FAIL(FORMAT);
    struct bytes records = bytes_of(file.data + IMAGE_HEAD, file.len - IMAGE_HEAD);
    if (get_le32(file.data + 12) != records.len ||
        get_le32(file.data + 16) != checksum(file.data, records))
        return FAIL(CORRUPT);
    status s = image_apply(image, records, NULL);
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

static status write_new(struct fs *fs, const uint8_t *head, struct bytes whole)
{
    struct file *file;
    TRY(fs->ops->open(fs, "image.new", FS_WRITE | FS_CREATE, &file));
    status s = fs->ops->truncate(fs, file, 0);
    if (is_ok(s)) s = fs->ops->pwrite(fs, file, head, IMAGE_HEAD, 0);
    if (is_ok(s)) s = fs->ops->pwrite(fs, file, whole.data, whole.len, IMAGE_HEAD);
    if (is_ok(s)) s = fs->ops->datasync(fs, file);
    fs->ops->close(fs, file);
    return s;
}

status image_file_write(struct fs *fs, struct bytes whole)
{
    uint8_t head[IMAGE_HEAD] = { 0 };
    memcpy(head, magic, sizeof(magic));
    put_le32(head + 8, IMAGE_FORMAT);
    put_le32(head + 12, (uint32_t)whole.len);
    put_le32(head + 16, checksum(head, whole));
    TRY(write_new(fs, head, whole));
    TRY(fs->ops->rename(fs, "image.new", "image"));
    return fs->ops->sync_dir(fs, ".");
}

static status copy_with(const struct image *image, struct bytes delta, struct image *copy)
{
    if (image->version > 0) {
        struct buf now;
        buf_init(&now, DELTA_MAX);
        status s = image_serialise(image, &now);
        if (is_ok(s)) s = image_apply(copy, buf_bytes(&now), NULL);
        buf_done(&now);
        TRY(s);
    }
    return image_apply(copy, delta, NULL);
}

status image_file_next(const struct image *image, struct bytes delta, struct buf *ret_whole)
{
    CLEANUP(image) struct image *copy = NULL;
    TRY(image_new(&copy));
    TRY(copy_with(image, delta, copy));
    return image_serialise(copy, ret_whole);
}
