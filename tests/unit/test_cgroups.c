/* Control groups, held against folders that look like the kernel's: what is found, written and removed. */
#include "supervise/cgroups.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
        *slash = 0;
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *got(const char *path)
{
    static char text[128];
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    FILE *f = fopen(full, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f) fclose(f);
    return text;
}

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/leat-cgroups-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st, (void)type, (void)f;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct cgroups *find(void)
{
    char self[128];
    struct cgroups *c = mem_must(mem_zalloc(sizeof *c));
    snprintf(self, sizeof self, "%s/self", root);
    cgroups_find(c, root, self, "/data");
    return c;
}

static const struct cgroup_limits limits = { 1 << 29, 128, 200 };

static void test_groups_of_version_2_lie_beside_that_of_leatd(void **state)
{
    char path[256], name[32];
    struct cgroup_figures figures;
    (void)state;
    put("cgroup.controllers", "cpu memory pids");
    put("self", "0::/system.slice/leat.service\n");
    put("system.slice/cgroup.subtree_control", "");
    struct cgroups *c = find(); /* makes the folder, in which nothing appears by itself */
    strcpy(name, c->name);
    assert_string_equal(c->base[CGROUP_MEMORY], "");
    assert_non_null(strstr(c->why[CGROUP_MEMORY].text, "memory.max"));
    mem_free(c);
    for (int i = 0; i < 2; i++) { /* of the try, and of the broker */
        static const char *const files[] = { "memory.max", "pids.max", "cpu.weight", "cgroup.procs" };
        for (size_t j = 0; j < ARRAY_LEN(files); j++) {
            snprintf(path, sizeof path, "system.slice/%s/%s/%s", name, i ? "lkc-1" : "try", files[j]);
            put(path, "max");
        }
    }
    snprintf(path, sizeof path, "system.slice/%s/lkc-1/memory.current", name);
    put(path, "4096\n");
    snprintf(path, sizeof path, "system.slice/%s/lkc-1/memory.events", name);
    put(path, "low 0\noom 3\noom_kill 2\n");
    c = find();
    assert_int_equal(c->version, 2);
    cgroups_join(c, "lkc-1", 0, &limits);
    cgroups_read(c, "lkc-1", &figures);
    assert_int_equal(figures.memory_bytes, 4096);
    assert_int_equal(figures.memory_limit_bytes, 1 << 29);
    assert_int_equal(figures.processes_limit, 128);
    assert_int_equal(figures.weight, 200);
    assert_int_equal(figures.out_of_memory, 2);
    cgroups_join(c, "lkc-1", 0, &(struct cgroup_limits){ -1, -1, -1 });
    snprintf(path, sizeof path, "system.slice/%s/lkc-1/memory.max", name);
    assert_memory_equal(got(path), "max", 3);
    mem_free(c);
}

static void test_groups_of_version_1_lie_below_that_of_leatd_and_one_that_is_missing_is_said(void **state)
{
    char path[256], name[32];
    (void)state;
    put("self", "4:memory:/session/1\n3:cpu,cpuacct:/\n0::/\n");
    put("memory/session/1/tasks", "");
    put("cpu/tasks", "");
    struct cgroups *c = find();
    strcpy(name, c->name);
    assert_int_equal(c->version, 1);
    assert_non_null(strstr(c->why[CGROUP_PIDS].text, "no controller pids"));
    mem_free(c);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "memory/session/1/%s/%s/memory.limit_in_bytes", name,
                 i ? "lkc-1" : "try");
        put(path, "9223372036854771712");
        snprintf(path, sizeof path, "cpu/%s/%s/cpu.shares", name, i ? "lkc-1" : "try");
        put(path, "1024");
    }
    c = find();
    cgroups_join(c, "lkc-1", 0, &limits);
    snprintf(path, sizeof path, "memory/session/1/%s/lkc-1/memory.limit_in_bytes", name);
    assert_int_equal(atoll(got(path)), 1 << 29);
    snprintf(path, sizeof path, "cpu/%s/lkc-1/cpu.shares", name);
    assert_int_equal(atoll(got(path)), 2048);
    struct cgroup_figures figures;
    cgroups_read(c, "lkc-1", &figures);
    assert_int_equal(figures.weight, 200);
    assert_int_equal(figures.processes, -1);
    mem_free(c);
}

static bool keeps(void *arg, const char *id)
{
    (void)arg;
    return strcmp(id, "lkc-kept") == 0;
}

static void test_groups_without_a_cluster_are_removed_at_a_start_and_one_leaves_with_its_broker(void **state)
{
    char path[600];
    struct cgroups c = { .version = 2 };
    (void)state;
    snprintf(c.base[CGROUP_PIDS], sizeof c.base[0], "%s/groups", root);
    assert_int_equal(mkdir(c.base[CGROUP_PIDS], 0700), 0);
    static const char *const names[] = { "lkc-kept", "lkc-gone" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", c.base[CGROUP_PIDS], names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    cgroups_tidy(&c, keeps, NULL);
    assert_int_equal(access(path, F_OK), -1);
    cgroups_leave(&c, "lkc-kept");
    assert_int_equal(access(c.base[CGROUP_PIDS], F_OK), -1); /* with the last one */
    cgroups_leave(&c, "lkc-kept");
}

static void test_switched_off_or_without_any_it_says_so(void **state)
{
    struct cgroups c;
    struct cgroup_figures figures;
    (void)state;
    cgroups_find(&c, NULL, NULL, "/data");
    assert_non_null(strstr(c.why[CGROUP_CPU].text, "--cgroups none"));
    cgroups_join(&c, "lkc-1", 1, &limits);
    cgroups_read(&c, "lkc-1", &figures);
    assert_int_equal(figures.memory_bytes, -1);
    cgroups_find(&c, root, "/nowhere", "/data");
    for (int k = 0; k < CGROUP_KINDS; k++) assert_true(c.why[k].text[0] && !c.base[k][0]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_groups_of_version_2_lie_beside_that_of_leatd),
        T(test_groups_of_version_1_lie_below_that_of_leatd_and_one_that_is_missing_is_said),
        T(test_groups_without_a_cluster_are_removed_at_a_start_and_one_leaves_with_its_broker),
        T(test_switched_off_or_without_any_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
