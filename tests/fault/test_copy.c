/* A copy of all logs while they go on (storage/copy.c): whatever is appended, deleted, compacted and
 * checkpointed between the moment and the copying, the copy recovers to what the moment had. */
#include "fault/store_kit.h"

#include "storage/files.h"
#include "storage/storage_int.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#define PARTITIONS 3
#define LIVES 150
#define FILES_MAX 4000

struct moment {
    struct kit *kit;
    bool taken;
    struct {
        char folder[40];
        bool first;
        int64_t base, size, snapshot; /* base -1: no segment */
    } files[FILES_MAX];
    int count;
    struct buf checkpoint;
    struct buf content[KIT_TOPICS][PARTITIONS];
    int64_t start[KIT_TOPICS][PARTITIONS], end[KIT_TOPICS][PARTITIONS];
};

static void name_log(void *arg, const struct store_copy_log *log)
{
    struct moment *m = arg;
    assert_false(log->whole);
    for (uint32_t i = 0; i < log->count; i++) {
        assert_true(m->count < FILES_MAX);
        snprintf(m->files[m->count].folder, sizeof m->files[0].folder, "%s", log->folder);
        m->files[m->count].first = i == 0;
        m->files[m->count].base = log->segments[i].base;
        m->files[m->count].snapshot = log->snapshot;
        m->files[m->count++].size = log->segments[i].size;
    }
}

static void take(void *arg)
{
    struct moment *m = arg;
    struct kit *k = m->kit;
    m->taken = true;
    assert_true(is_ok(store_copy_take(k->store, name_log, m, &m->checkpoint)));
    for (int t = 0; t < KIT_TOPICS; t++)
        for (int p = 0; p < PARTITIONS; p++) {
            struct plog *log = store_find(k->store, k->topics[t], p);
            if (!log || !log->count) continue;
            m->start[t][p] = log->start_wanted;
            m->end[t][p] = log->end;
            int64_t at = log->start_wanted;
            while (at < log->end) {
                struct read_result r;
                assert_true(is_ok(plog_read(log, at, log->end, 1 << 20, true, &m->content[t][p], &r)));
                if (!r.bytes) break;
                at = r.next_offset;
            }
        }
}

/* --- the copying ------------------------------------------------------------------------------------ */

static void copy_one(struct fs *from, struct fs *to, const char *path, int64_t size)
{
    struct buf content;
    struct file *file;
    buf_init(&content, 1 << 26);
    assert_true(is_ok(files_read(from, path, &content)));
    assert_true(size < 0 || (int64_t)content.len >= size);
    assert_true(is_ok(to->ops->open(to, path, FS_WRITE | FS_CREATE, &file)));
    assert_true(is_ok(to->ops->pwrite(to, file, content.data, size < 0 ? content.len : (size_t)size, 0)));
    to->ops->close(to, file);
    buf_done(&content);
}

struct others {
    struct fs *from, *to;
    const char *folder;
};

static void copy_other(const char *name, void *arg)
{
    const struct others *o = arg;
    char path[120];
    size_t n = strlen(name);
    if ((n < 8 || strcmp(name + n - 8, ".aborted") != 0) && strcmp(name, "cleaned") != 0) return;
    snprintf(path, sizeof path, "%s/%s", o->folder, name);
    copy_one(o->from, o->to, path, -1);
}

static void copy_all(const struct moment *m, struct fs *from, struct fs *to)
{
    struct file *file;
    char path[120];
    for (int i = 0; i < m->count; i++) {
        (void)to->ops->mkdir(to, m->files[i].folder);
        snprintf(path, sizeof path, "%s/%020lld.log", m->files[i].folder, (long long)m->files[i].base);
        copy_one(from, to, path, m->files[i].size);
        if (!m->files[i].first) continue;
        struct others others = { from, to, m->files[i].folder };
        assert_true(is_ok(from->ops->list(from, m->files[i].folder, copy_other, &others)));
        if (!m->files[i].snapshot) continue;
        snprintf(path, sizeof path, "%s/%020lld.snap", m->files[i].folder, (long long)m->files[i].snapshot);
        copy_one(from, to, path, -1);
    }
    assert_true(is_ok(to->ops->open(to, "checkpoint", FS_WRITE | FS_CREATE, &file)));
    assert_true(is_ok(to->ops->pwrite(to, file, m->checkpoint.data, m->checkpoint.len, 0)));
    to->ops->close(to, file);
}

/* Leader epochs rise with a start and are outside the CRC: they are left out of the comparison. */
static void assert_same(const struct moment *m, struct kit *copy)
{
    for (int t = 0; t < KIT_TOPICS; t++)
        for (int p = 0; p < PARTITIONS; p++) {
            struct buf got;
            struct plog *log = store_find(copy->store, copy->topics[t], p);
            if (!log || !log->count) {
                assert_int_equal(m->content[t][p].len, 0);
                continue;
            }
            assert_int_equal(plog_end(log), m->end[t][p]);
            assert_int_equal(plog_start(log), m->start[t][p]);
            buf_init(&got, 1 << 26);
            assert_true(is_ok(kit_read_all(log, plog_end(log), &got)));
            assert_int_equal(got.len, m->content[t][p].len);
            assert_true(got.len == 0 || memcmp(got.data, m->content[t][p].data, got.len) == 0);
            buf_done(&got);
        }
}

/* --- a life ------------------------------------------------------------------------------------------- */

static void live(struct kit *k, int steps)
{
    for (int i = 0; i < steps; i++) {
        int t = (int)sim_below(k->sim, KIT_TOPICS);
        if (!k->known[t]) continue; /* an id is never used again */
        struct plog *log = kit_log(k, t, (int32_t)sim_below(k->sim, PARTITIONS));
        assert_non_null(log);
        uint32_t what = sim_below(k->sim, 20);
        if (what == 0) checkpoint_want(k->store);
        else if (what == 1 && log->high_watermark > log->start_wanted) {
            uint32_t there = (uint32_t)(log->high_watermark - log->start_wanted);
            (void)plog_set_start(log, log->start_wanted + 1 + sim_below(k->sim, there), NULL);
        }
        else if (what == 2 && sim_chance(k->sim, 10)) {
            k->known[t] = false;
            store_delete_topic(k->store, k->topics[t], 0, PARTITIONS);
        }
        else if (what == 3) (void)store_retain(k->store);
        else
            (void)kit_append(k, log, &(struct kit_batch){ .value_size = 10 + sim_below(k->sim, 400),
                                                          .keys = true, .tag = (uint64_t)i }, NULL);
        k->now += 100;
        if (sim_chance(k->sim, 40)) store_turn(k->store);
        for (uint32_t jobs = sim_below(k->sim, 6); jobs > 0; jobs--)
            (void)kit_run_job(k, (enum lane)sim_below(k->sim, LANE_COUNT));
    }
}

static struct moment *moment_new(struct kit *k)
{
    struct moment *m = mem_must(mem_zalloc(sizeof *m));
    m->kit = k;
    buf_init(&m->checkpoint, 1 << 26);
    for (int t = 0; t < KIT_TOPICS; t++)
        for (int p = 0; p < PARTITIONS; p++) buf_init(&m->content[t][p], 1 << 26);
    return m;
}

static void moment_free(struct moment *m)
{
    buf_done(&m->checkpoint);
    for (int t = 0; t < KIT_TOPICS; t++)
        for (int p = 0; p < PARTITIONS; p++) buf_done(&m->content[t][p]);
    mem_free(m);
}

static void tune(struct kit *k, struct store_tuning *tuning, uint64_t seed)
{
    *tuning = store_tuning_default;
    tuning->journal_cap = 16 << 10;
    tuning->checkpoint_slice = 2;
    tuning->snapshot_every = 2000;
    k->options.tuning = tuning;
    k->config.segment_bytes = 2000;
    k->config.cleanup_compact = seed % 2;
    k->config.cleanup_delete = seed % 2 == 0;
    k->config.retention_bytes = 8000;
    k->config.min_cleanable_dirty_ratio = 0.1;
    for (int t = 0; t < KIT_TOPICS; t += 3) k->flush_os[t] = true;
}

static void one_life(uint64_t seed)
{
    struct kit k, copy;
    struct store_tuning tuning;
    kit_init(&k, seed);
    tune(&k, &tuning, seed);
    kit_by_hand(&k);
    assert_true(is_ok(kit_open(&k)));
    struct moment *m = moment_new(&k);
    live(&k, 150);
    store_copy_want(k.store, take, m);
    for (int i = 0; !m->taken && i < 2000; i++) live(&k, 1);
    if (!m->taken) {
        kit_run_jobs(&k);
        store_turn(k.store);
    }
    assert_true(m->taken);
    live(&k, 150);
    kit_init(&copy, seed + 1);
    tune(&copy, &tuning, seed);
    copy_all(m, sim_fs(k.sim), sim_fs(copy.sim));
    store_copy_end(k.store);
    live(&k, 50);
    assert_true(is_ok(kit_open(&copy)));
    assert_same(m, &copy);
    kit_run_jobs(&k);
    assert_null(k.store->removals); /* what waited went */
    assert_int_equal(k.fatal, 0);
    moment_free(m);
    kit_done(&copy);
    kit_done(&k);
}

static void test_a_copy_recovers_to_its_moment_whatever_came_afterwards(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= LIVES; seed++) one_life(seed);
}

static void test_a_stop_does_not_wait_for_a_copy(void **state)
{
    struct kit k;
    (void)state;
    kit_init(&k, 1);
    assert_true(is_ok(kit_open(&k)));
    struct moment *m = moment_new(&k);
    assert_true(is_ok(kit_append(&k, kit_log(&k, 1, 0), &(struct kit_batch){ 0 }, NULL)));
    store_copy_want(k.store, take, m);
    assert_true(m->taken);
    assert_true(is_ok(store_stop(k.store)));
    kit_close(&k);
    assert_true(is_ok(kit_open(&k)));
    moment_free(m);
    kit_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_copy_recovers_to_its_moment_whatever_came_afterwards),
        cmocka_unit_test(test_a_stop_does_not_wait_for_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
