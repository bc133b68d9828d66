/* test_model_index.c - the sparse index of a segment against a list of all its batches: whatever was
 * thinned or cut off, a lookup never points behind the batch that is wanted, and not far before it. */
#include "storage/index.h"

#include "base/mem.h"
#include "storage/limits.h"
#include "unit/model.h"

#define BATCHES_MAX 60000

struct batch {
    uint32_t relative, position;
    int64_t timestamp, max_before;
};
struct model {
    struct model_random random;
    struct index index;
    struct batch *batches;
    int count;
    uint32_t end, offset; /* where the next batch goes */
    int64_t max;          /* timestamp so far */
    uint32_t largest;     /* batch */
};

static void add(struct model *m, uint32_t size, uint32_t records)
{
    struct batch *b = &m->batches[m->count++];
    int64_t drift = model_below(&m->random, 2000) - 900; /* mostly rising, with steps back */
    *b = (struct batch){ m->offset, m->end, m->max == INT64_MIN ? 1000 : m->max + drift, m->max };
    index_add(&m->index, b->relative, b->position, b->max_before);
    if (b->timestamp > m->max) m->max = b->timestamp;
    if (size > m->largest) m->largest = size;
    m->end += size;
    m->offset += records;
}

/* Like a recovery that finds the end torn: what lies at or behind a batch goes. */
static void cut(struct model *m)
{
    if (!m->count) return;
    int keep = (int)model_below(&m->random, m->count + 1);
    if (model_chance(&m->random, 70) && m->count > 100) keep = m->count - (int)model_below(&m->random, 100);
    if (keep == m->count) return;
    const struct batch *b = &m->batches[keep];
    index_cut(&m->index, b->position);
    m->end = b->position;
    m->offset = b->relative;
    m->max = b->max_before;
    m->count = keep;
}

/* The batch that contains the offset: the last one that begins at or below it. */
static int batch_of(const struct model *m, uint32_t relative)
{
    int low = 0, high = m->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (m->batches[middle].relative <= relative) low = middle + 1;
        else high = middle;
    }
    return low - 1;
}

static bool is_batch(const struct model *m, uint32_t position)
{
    int low = 0, high = m->count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (m->batches[middle].position < position) low = middle + 1;
        else high = middle;
    }
    return low < m->count && m->batches[low].position == position;
}

static void check_offset(struct model *m)
{
    uint32_t relative = (uint32_t)model_below(&m->random, (int64_t)m->offset + 10);
    uint32_t found = index_find_offset(&m->index, relative);
    uint32_t wanted = m->batches[batch_of(m, relative)].position;
    MODEL_CHECK(&m->random, is_batch(m, found), "no batch at %u", found);
    MODEL_CHECK(&m->random, found <= wanted, "offset %u: found %u, is at %u", relative, found, wanted);
    /* Two entries were so far apart at first; each thinning doubled that. */
    uint64_t apart = (uint64_t)m->index.interval / INDEX_INTERVAL * (INDEX_INTERVAL + m->largest);
    MODEL_CHECK(&m->random, wanted - found <= apart,
                "offset %u: %u is far before %u", relative, found, wanted);
}

static void check_time(struct model *m)
{
    int64_t ts = model_below(&m->random, 3 + (m->max > 0 ? m->max + 1000 : 1000)) - 2;
    uint32_t found = index_find_time(&m->index, ts);
    int first = 0; /* batch with such a timestamp */
    if (model_chance(&m->random, 50)) ts = m->batches[model_below(&m->random, m->count)].timestamp;
    found = index_find_time(&m->index, ts);
    while (first < m->count && m->batches[first].timestamp < ts) first++;
    MODEL_CHECK(&m->random, is_batch(m, found), "no batch at %u", found);
    if (first == m->count) return;
    MODEL_CHECK(&m->random, found <= m->batches[first].position, "time %lld: found %u, is at %u",
                (long long)ts, found, m->batches[first].position);
}

static void check(struct model *m)
{
    MODEL_CHECK(&m->random, m->index.count <= INDEX_ENTRIES_MAX, "%u entries", m->index.count);
    for (uint32_t i = 0; i < m->index.count; i++) {
        const struct index_entry *e = &m->index.entries[i];
        int at = batch_of(m, e->relative);
        MODEL_CHECK(&m->random, at >= 0 && m->batches[at].relative == e->relative, "entry %u: no batch", i);
        const struct batch *b = &m->batches[at];
        MODEL_CHECK(&m->random, b->position == e->position && b->max_before == e->max_before,
                    "entry %u is wrong", i);
    }
    if (!m->count) {
        MODEL_CHECK(&m->random, index_find_offset(&m->index, 7) == 0, "something in an empty index");
        return;
    }
    for (int i = 0; i < 20; i++) check_offset(m);
    for (int i = 0; i < 5; i++) check_time(m);
}

static void run(int seed)
{
    struct model m = { .random = model_seed(seed), .max = INT64_MIN };
    m.batches = mem_must(mem_alloc(BATCHES_MAX * sizeof *m.batches));
    index_init(&m.index);
    uint32_t sizes = (uint32_t[]){ 100, 5000, 30000 }[model_below(&m.random, 3)];
    for (int round = 0; round < 30; round++, m.random.step = round) {
        int many = (int)model_below(&m.random, model_chance(&m.random, 20) ? 12000 : 300);
        for (int i = 0; i < many && m.count < BATCHES_MAX && m.end < (1u << 31) - sizes; i++)
            add(&m, 61 + (uint32_t)model_below(&m.random, sizes),
                1 + (uint32_t)model_below(&m.random, 20));
        check(&m);
        if (model_chance(&m.random, 30)) {
            cut(&m);
            check(&m);
        }
    }
    index_done(&m.index);
    mem_free(m.batches);
    assert_int_equal(mem_outstanding(), 0);
}

static void test_lookups_never_point_behind_what_is_wanted(void **state)
{
    (void)state;
    model_runs(run, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups_never_point_behind_what_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
