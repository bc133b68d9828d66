/* The file `image`: what was written is read; anything else is refused as damaged or as newer. */
#include "base/mem.h"
#include "cluster/delta.h"
#include "cluster/image_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64];
static struct fs *fs;
static int64_t blocks;

static int setup(void **state)
{
    (void)state;
    blocks = mem_outstanding();
    snprintf(folder, sizeof(folder), "/tmp/leat-image-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return failed(fs_posix_new(fd, &fs));
}
static int teardown(void **state)
{
    (void)state;
    (void)fs->ops->unlink(fs, "image");
    (void)fs->ops->unlink(fs, "image.new");
    fs_posix_free(fs);
    rmdir(folder);
    return mem_outstanding() != blocks;
}

static void write_one(const char *topic)
{
    struct buf delta, whole;
    struct image *image;
    buf_init(&delta, 1 << 20);
    buf_init(&whole, 1 << 20);
    assert_true(is_ok(image_new(&image)));
    delta_begin(&delta, 0, 3);
    delta_cluster(&delta, STR("lkc-1"), uuid_new());
    struct delta_topic t = { .id = uuid_new(), .name = str_c(topic), .partitions = 2,
                             .replication_factor = 1 };
    delta_topic(&delta, &t);
    assert_true(is_ok(image_file_next(image, buf_bytes(&delta), &whole)));
    assert_int_equal(image->version, 0); /* not applied yet */
    assert_true(is_ok(image_file_write(fs, buf_bytes(&whole))));
    image_free(image);
    buf_done(&delta);
    buf_done(&whole);
}
static status read_one(const char *topic)
{
    CLEANUP(image) struct image *image = NULL;
    assert_true(is_ok(image_new(&image)));
    TRY(image_file_read(fs, image));
    assert_int_equal(image->version, 3);
    assert_non_null(image_topic(image, str_c(topic)));
    return OK;
}

static void test_what_was_written_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_one("a").code, E_NOT_FOUND);
    write_one("a");
    assert_true(is_ok(read_one("a")));
    write_one("b");
    assert_true(is_ok(read_one("b")));
}

static void test_a_leftover_of_a_cut_off_write_is_not_looked_at(void **state)
{
    (void)state;
    write_one("a");
    struct file *file;
    assert_true(is_ok(fs->ops->open(fs, "image.new", FS_WRITE | FS_CREATE, &file)));
    assert_true(is_ok(fs->ops->pwrite(fs, file, "LEATIMG", 7, 0)));
    fs->ops->close(fs, file);
    assert_true(is_ok(read_one("a")));
    write_one("b");
    assert_true(is_ok(read_one("b")));
}

static void test_every_flipped_byte_is_noticed(void **state)
{
    (void)state;
    write_one("a");
    struct file *file;
    int64_t size;
    assert_true(is_ok(fs->ops->open(fs, "image", FS_WRITE, &file)));
    assert_true(is_ok(fs->ops->size(fs, file, &size)));
    for (int64_t at = 0; at < size; at++) {
        uint8_t b, flipped;
        size_t n;
        assert_true(is_ok(fs->ops->pread(fs, file, &b, 1, at, &n)));
        flipped = b ^ 0x40;
        assert_true(is_ok(fs->ops->pwrite(fs, file, &flipped, 1, at)));
        status s = read_one("a");
        assert_true(s.code == E_CORRUPT || s.code == E_FORMAT);
        assert_true(is_ok(fs->ops->pwrite(fs, file, &b, 1, at)));
    }
    assert_true(is_ok(fs->ops->truncate(fs, file, size - 1)));
    assert_int_equal(read_one("a").code, E_CORRUPT);
    fs->ops->close(fs, file);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_what_was_written_is_read),
        T(test_a_leftover_of_a_cut_off_write_is_not_looked_at),
        T(test_every_flipped_byte_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
