/* The image file and the power: whatever call the machine dies in, the next start finds one whole
 * image, and never an older one than was said to be durable. */
#include "fault/fs_sim.h"

#include "base/mem.h"
#include "cluster/delta.h"
#include "cluster/image_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

/* One more version, with some topics so that the file spans sectors. */
static void next_delta(const struct image *image, uint64_t salt, struct buf *out)
{
    buf_init(out, DELTA_MAX);
    delta_begin(out, image->version, image->version + 1);
    if (image->version == 0) delta_cluster(out, STR("lkc-1"), uuid_new());
    for (uint64_t i = 0; i <= salt % 20; i++) {
        char name[32];
        snprintf(name, sizeof(name), "t-%llu-%llu", (unsigned long long)image->version,
                 (unsigned long long)i);
        struct delta_topic topic = { .id = uuid_new(), .name = str_c(name), .partitions = 1,
                                     .replication_factor = 1 };
        delta_topic(out, &topic);
    }
}

static status commit(struct fs *fs, struct image *image, uint64_t salt)
{
    struct buf delta, whole;
    next_delta(image, salt, &delta);
    buf_init(&whole, DELTA_MAX);
    status s = image_file_next(image, buf_bytes(&delta), &whole);
    if (is_ok(s)) s = image_file_write(fs, buf_bytes(&whole));
    if (is_ok(s)) s = image_apply(image, buf_bytes(&delta), NULL);
    buf_done(&delta);
    buf_done(&whole);
    return s;
}

static int64_t version_on_disk(struct fs *fs)
{
    CLEANUP(image) struct image *image = NULL;
    assert_true(is_ok(image_new(&image)));
    status s = image_file_read(fs, image);
    if (s.code == E_NOT_FOUND) return 0;
    if (failed(s)) fail_msg("the image cannot be read: %s", status_name(s));
    return image->version;
}

static void one_life(uint64_t seed)
{
    struct sim *sim = sim_new(seed);
    struct fs *fs = sim_fs(sim);
    CLEANUP(image) struct image *image = NULL;
    assert_true(is_ok(image_new(&image)));
    sim_die_at(sim, 1 + sim_below(sim, 40));
    status s = OK;
    for (int i = 0; i < 10 && is_ok(s); i++) s = commit(fs, image, sim_random(sim));
    int64_t durable = image->version;
    sim_die_at(sim, 0);
    sim_crash(sim, sim_chance(sim, 70));
    int64_t found = version_on_disk(fs);
    if (found != durable && found != durable + 1)
        fail_msg("seed %llu: %lld was durable, %lld is there", (unsigned long long)seed,
                 (long long)durable, (long long)found);
    sim_free(sim);
}

static void test_a_cut_leaves_one_whole_image_and_nothing_durable_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) one_life(seed);
}

/* Returns whether there was an n-th call. */
static bool one_failing_call(enum sim_call call, int64_t n, enum err code)
{
    struct sim *sim = sim_new((uint64_t)n);
    CLEANUP(image) struct image *image = NULL;
    assert_true(is_ok(image_new(&image)));
    assert_true(is_ok(commit(sim_fs(sim), image, 3)));
    sim_fail_at(sim, call, n, code);
    status s = commit(sim_fs(sim), image, 5);
    bool hit = sim_failed(sim);
    sim_fail_at(sim, call, 0, E_OK);
    assert_int_equal(s.code, hit ? code : E_OK);
    int64_t found = version_on_disk(sim_fs(sim));
    assert_true(found == image->version || (hit && found == image->version + 1));
    assert_true(is_ok(commit(sim_fs(sim), image, 7))); /* it was this once */
    assert_int_equal(version_on_disk(sim_fs(sim)), image->version);
    sim_free(sim);
    return hit;
}

static void test_a_failed_call_leaves_a_whole_image_and_the_next_change_is_taken(void **state)
{
    (void)state;
    for (int call = 0; call < SIM_CALLS; call++) {
        for (int64_t n = 1; one_failing_call((enum sim_call)call, n, E_IO); n++) assert_true(n < 100);
        for (int64_t n = 1; one_failing_call((enum sim_call)call, n, E_NO_SPACE); n++)
            assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cut_leaves_one_whole_image_and_nothing_durable_is_lost),
        cmocka_unit_test(test_a_failed_call_leaves_a_whole_image_and_the_next_change_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
