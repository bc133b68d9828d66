/* test_aborted.c - the index of aborted transactions against a plain list: in memory, in files, in
 * snapshots, with its oldest part gone, and damaged. */
#include "fault/fs_sim.h"
#include "storage/aborted.h"
#include "storage/files.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define ENTRIES 600
#define SEGMENT 100 /* offsets of one */

struct model {
    struct sim *sim;
    struct aborted_index index;
    struct aborted_entry all[ENTRIES];
    int count;
    int64_t gone;   /* nothing below is asked for */
    int64_t stored; /* segments below have their files */
    int64_t end;
};

struct found {
    struct aborted_entry entries[ENTRIES];
    int count;
};

static void take(void *arg, const struct aborted_entry *e)
{
    struct found *f = arg;
    if (f->count < ENTRIES) f->entries[f->count] = *e;
    f->count++;
}

static int below(struct model *m, int64_t n) { return (int)sim_below(m->sim, (uint32_t)n); }

/* Transactions end one after the other; each has begun at most 250 offsets before, and `stable` is
 * true of those to come. */
static void grow(struct model *m)
{
    int64_t open[ENTRIES];
    for (int i = 0; i < ENTRIES; i++) {
        m->end += 1 + below(m, 12);
        int64_t back = below(m, 5) ? below(m, 10) : below(m, 250);
        open[i] = m->end - back > 0 ? m->end - back : 0;
        m->all[i] = (struct aborted_entry){ .producer_id = i, .first = open[i], .last = m->end };
    }
    int64_t oldest = INT64_MAX;
    for (int i = ENTRIES; i-- > 0;) {
        int64_t behind = m->all[i].last + 1;
        m->all[i].stable = oldest < behind ? oldest : behind;
        if (open[i] < oldest) oldest = open[i];
    }
}

static void path_of(int64_t base, char *ret, size_t size)
{
    snprintf(ret, size, "log/%020lld.aborted", (long long)base);
}

static void store_segments(struct model *m, int64_t to)
{
    struct fs *fs = sim_fs(m->sim);
    for (; m->stored + SEGMENT <= to; m->stored += SEGMENT) {
        struct buf out;
        uint32_t n;
        char path[64];
        buf_init(&out, 1 << 20);
        assert_int_equal(aborted_encode(&m->index, m->stored, m->stored + SEGMENT, &out, &n).code,
                         E_OK);
        assert_int_equal(out.len > 0, n > 0);
        path_of(m->stored, path, sizeof path);
        if (n) {
            assert_int_equal(files_replace(fs, path, buf_bytes(&out)).code, E_OK);
            assert_int_equal(aborted_stored(&m->index, m->stored, m->stored + SEGMENT, n).code,
                             E_OK);
        }
        buf_done(&out);
    }
}

/* Out into the sections of a snapshot and back. */
static void reload(struct model *m)
{
    struct buf out;
    struct aborted_index again = { 0 };
    buf_init(&out, 1 << 20);
    aborted_put(&m->index, &out);
    size_t files = (size_t)m->index.file_count * ABORTED_FILE_SIZE;
    assert_int_equal(out.len, files + (size_t)m->index.recent_count * ABORTED_ENTRY_SIZE);
    assert_int_equal(aborted_get(&again, out.data, m->index.file_count, out.data + files,
                                 m->index.recent_count).code, E_OK);
    aborted_done(&m->index);
    m->index = again;
    buf_done(&out);
}

/* Without waiting, as often as a file has to be brought in; the same comes of it. */
static void compare_near(struct model *m, int64_t from, int64_t to, const struct found *known)
{
    static struct found f;
    struct fs *fs = sim_fs(m->sim);
    int64_t base;
    uint32_t brought = 0;
    status s;
    do {
        f.count = 0;
        s = aborted_find_near(&m->index, fs, "log", from, to, take, &f, &base);
        if (is_ok(s)) break;
        assert_int_equal(s.code, E_BUSY);
        assert_true(++brought <= m->index.file_count);
        assert_int_equal(aborted_read(fs, "log", base).code, E_OK);
        aborted_near(&m->index, base);
    } while (true);
    assert_int_equal(f.count, known->count);
    assert_memory_equal(f.entries, known->entries, (size_t)f.count * sizeof f.entries[0]);
}

static void compare(struct model *m, int64_t from, int64_t to)
{
    static struct found f;
    f.count = 0;
    assert_int_equal(aborted_find(&m->index, sim_fs(m->sim), "log", from, to, take, &f).code, E_OK);
    int n = 0;
    for (int i = 0; i < m->count; i++) {
        const struct aborted_entry *e = &m->all[i];
        if (e->last < from || e->first >= to) continue;
        assert_true(n < f.count);
        assert_int_equal(f.entries[n].producer_id, e->producer_id);
        assert_int_equal(f.entries[n].first, e->first);
        assert_int_equal(f.entries[n].last, e->last);
        n++;
    }
    assert_int_equal(n, f.count);
    compare_near(m, from, to, &f);
}

static void model_init(struct model *m, uint64_t seed)
{
    *m = (struct model){ .sim = sim_new(seed) };
    struct fs *fs = sim_fs(m->sim);
    assert_int_equal(fs->ops->mkdir(fs, "log").code, E_OK);
    grow(m);
}

static void model_done(struct model *m)
{
    aborted_done(&m->index);
    sim_free(m->sim);
    assert_int_equal(mem_outstanding(), 0);
}

static void model_add(struct model *m)
{
    assert_int_equal(aborted_reserve(&m->index).code, E_OK);
    aborted_add(&m->index, &m->all[m->count++]);
}

static void test_a_search_finds_what_a_plain_list_finds(void **state)
{
    (void)state;
    static struct model m;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        model_init(&m, seed);
        while (m.count < ENTRIES) {
            model_add(&m);
            int64_t now = m.all[m.count - 1].last;
            int what = below(&m, 40);
            if (what == 0) store_segments(&m, now - below(&m, 300));
            if (what == 1) reload(&m);
            if (what == 2 && below(&m, 3) == 0) {
                m.gone = now > 700 ? (now - 700) / SEGMENT * SEGMENT : 0;
                aborted_forget(&m.index, m.gone);
            }
            int64_t from = m.gone + below(&m, now - m.gone + 1);
            compare(&m, from, from + 1 + below(&m, 200));
        }
        compare(&m, m.gone, INT64_MAX);
        model_done(&m);
    }
}

static void test_files_take_the_entries_out_of_memory(void **state)
{
    (void)state;
    static struct model m;
    model_init(&m, 3);
    while (m.count < ENTRIES) model_add(&m);
    assert_int_equal(m.index.recent_count, ENTRIES);
    assert_true(aborted_before(&m.index, m.end));
    assert_int_equal(aborted_since(&m.index, m.all[ENTRIES - 5].last), 5);
    store_segments(&m, m.end);
    assert_true(m.index.recent_count < SEGMENT);
    assert_true(aborted_has_file(&m.index, m.stored - SEGMENT));
    aborted_forget(&m.index, m.end + SEGMENT);
    assert_int_equal(m.index.file_count, 0);
    assert_int_equal(m.index.recent_count, 0);
    model_done(&m);
}

static bool evicted;

static status pread_cached(struct fs *fs, struct file *file, void *p, size_t len, int64_t at, size_t *ret_n)
{
    return evicted ? FAIL(BUSY) : fs->ops->pread(fs, file, p, len, at, ret_n);
}

static void test_a_file_that_has_left_the_memory_is_waited_for_by_nobody(void **state)
{
    (void)state;
    static struct model m;
    static struct found f;
    int64_t base = -1;
    model_init(&m, 4);
    struct fs *fs = sim_fs(m.sim);
    struct fs_ops ops = *fs->ops;
    const struct fs_ops *real = fs->ops;
    while (m.count < 20) model_add(&m);
    store_segments(&m, SEGMENT);
    ops.pread_cached = pread_cached;
    fs->ops = &ops;
    aborted_near(&m.index, 0);
    assert_int_equal(aborted_find_near(&m.index, fs, "log", 0, 50, take, &f, &base).code, E_OK);
    evicted = true;
    assert_int_equal(aborted_find_near(&m.index, fs, "log", 0, 50, take, &f, &base).code, E_BUSY);
    assert_int_equal(base, 0);
    evicted = false; /* but nobody has said so */
    assert_int_equal(aborted_find_near(&m.index, fs, "log", 0, 50, take, &f, &base).code, E_BUSY);
    aborted_near(&m.index, 0);
    assert_int_equal(aborted_find_near(&m.index, fs, "log", 0, 50, take, &f, &base).code, E_OK);
    fs->ops = real;
    model_done(&m);
}

static void test_every_damaged_byte_of_a_file_is_noticed(void **state)
{
    (void)state;
    static struct model m;
    static struct found f;
    struct buf content;
    char path[64];
    model_init(&m, 4);
    struct fs *fs = sim_fs(m.sim);
    while (m.count < 20) model_add(&m);
    store_segments(&m, SEGMENT);
    path_of(0, path, sizeof path);
    buf_init(&content, 1 << 16);
    assert_int_equal(files_read(fs, path, &content).code, E_OK);
    reload(&m); /* nothing was checked yet */
    for (size_t i = 0; i <= content.len; i++) {
        if (i < content.len) content.data[i] ^= 4;
        assert_int_equal(files_replace(fs, path, buf_bytes(&content)).code, E_OK);
        if (i < content.len) content.data[i] ^= 4;
        f.count = 0;
        assert_int_equal(aborted_find(&m.index, fs, "log", 0, 50, take, &f).code,
                         i < content.len ? E_CORRUPT : E_OK);
    }
    assert_int_equal(fs->ops->unlink(fs, path).code, E_OK);
    reload(&m);
    assert_int_equal(aborted_find(&m.index, fs, "log", 0, 50, take, &f).code, E_CORRUPT);
    buf_done(&content);
    model_done(&m);
}

static void test_sections_of_a_snapshot_must_ascend(void **state)
{
    (void)state;
    struct aborted_index index = { 0 }, again = { 0 };
    struct buf out;
    buf_init(&out, 4096);
    struct aborted_entry e[2] = { { 1, 5, 20, 21 }, { 2, 6, 10, 11 } };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(aborted_reserve(&index).code, E_OK);
        aborted_add(&index, &e[i]);
    }
    aborted_put(&index, &out);
    assert_int_equal(aborted_get(&again, out.data, 0, out.data, 2).code, E_CORRUPT);
    aborted_done(&again);
    aborted_done(&index);
    buf_done(&out);
    assert_int_equal(mem_outstanding(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_search_finds_what_a_plain_list_finds),
        cmocka_unit_test(test_files_take_the_entries_out_of_memory),
        cmocka_unit_test(test_a_file_that_has_left_the_memory_is_waited_for_by_nobody),
        cmocka_unit_test(test_every_damaged_byte_of_a_file_is_noticed),
        cmocka_unit_test(test_sections_of_a_snapshot_must_ascend),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
