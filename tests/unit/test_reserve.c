/* test_reserve.c - disk space kept for what must go on: given up piece by piece, made again, on a real
 * folder and on a simulated disk that is full. */
#include "base/mem.h"
#include "fault/fs_sim.h"
#include "io/reserve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)
#define KIB 1024

static int setup(void **state)
{
    struct sim *sim = sim_new(1);
    sim_set_room(sim, 1000 * KIB);
    *state = sim;
    return 0;
}

static int teardown(void **state)
{
    sim_free(*state);
    return mem_outstanding() != 0;
}

static void write_file(struct fs *fs, const char *path, size_t len, enum err expected)
{
    struct file *file;
    char *p = mem_must(mem_zalloc(len));
    assert_ok(fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &file));
    assert_int_equal(fs->ops->pwrite(fs, file, p, len, 0).code, expected);
    fs->ops->close(fs, file);
    mem_free(p);
}

static void test_a_write_without_space_takes_a_piece(void **state)
{
    struct fs *disk = sim_fs(*state);
    struct reserve *r;
    assert_ok(reserve_new(disk, "reserve", &r));
    assert_int_equal(reserve_size(r), 0);
    assert_ok(reserve_fill(r, 600 * KIB, 0));
    assert_false(reserve_full(r));
    write_file(disk, "a", 300 * KIB, E_OK);
    write_file(disk, "b", 200 * KIB, E_NO_SPACE);
    assert_false(reserve_full(r)); /* nobody told */
    write_file(reserve_fs(r), "c", 200 * KIB, E_OK);
    assert_true(reserve_full(r));
    assert_in_range(reserve_size(r), 1, 500 * KIB);
    write_file(reserve_fs(r), "d", 900 * KIB, E_NO_SPACE); /* all of it is not enough */
    assert_int_equal(reserve_size(r), 0);
    reserve_free(r);
}

static void test_a_full_disk_wants_room_to_spare_before_it_is_full_no_longer(void **state)
{
    struct sim *sim = *state;
    struct reserve *r;
    assert_ok(reserve_new(sim_fs(sim), "reserve", &r));
    assert_ok(reserve_fill(r, 500 * KIB, 100 * KIB));
    reserve_note_full(r);
    write_file(sim_fs(sim), "a", 450 * KIB, E_OK);
    assert_int_equal(reserve_fill(r, 500 * KIB, 100 * KIB).code, E_NO_SPACE);
    assert_true(reserve_full(r));
    assert_int_equal(reserve_size(r), 500 * KIB); /* what there was is kept */
    sim_set_room(sim, 1100 * KIB);
    assert_ok(reserve_fill(r, 500 * KIB, 100 * KIB));
    assert_false(reserve_full(r));
    assert_int_equal(reserve_size(r), 500 * KIB);
    reserve_free(r);
    assert_ok(reserve_new(sim_fs(sim), "reserve", &r)); /* the next start finds it */
    assert_int_equal(reserve_size(r), 500 * KIB);
    reserve_free(r);
}

static void test_a_reserve_that_cannot_be_had_means_a_full_disk(void **state)
{
    struct reserve *r;
    assert_ok(reserve_new(sim_fs(*state), "reserve", &r));
    assert_int_equal(reserve_fill(r, 1500 * KIB, 0).code, E_NO_SPACE);
    assert_true(reserve_full(r));
    assert_false(reserve_size(r) > 1000 * KIB);
    reserve_free(r);
}

static void test_it_takes_real_blocks_of_a_real_disk(void **state)
{
    (void)state;
    char folder[] = "/tmp/leat-reserve-XXXXXX", path[64];
    struct fs *fs;
    struct reserve *r;
    struct stat st;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/reserve", folder);
    assert_ok(fs_posix_new(open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &fs));
    assert_ok(reserve_new(fs, "reserve", &r));
    assert_int_equal(stat(path, &st), -1); /* not before it is wanted */
    assert_ok(reserve_fill(r, 3 << 20, 0));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 3 << 20);
    assert_true(st.st_blocks * 512 >= 3 << 20);
    assert_true(reserve_give(r, 1 << 20));
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 2 << 20);
    assert_true(st.st_blocks * 512 < 2 << 20);
    reserve_free(r);
    fs_posix_free(fs);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_write_without_space_takes_a_piece),
        T(a_full_disk_wants_room_to_spare_before_it_is_full_no_longer),
        T(a_reserve_that_cannot_be_had_means_a_full_disk),
        T(it_takes_real_blocks_of_a_real_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
