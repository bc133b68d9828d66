/* test_model_offsets.c - the committed offsets of groups against an array: plain commits, commits in
 * transactions that end either way, deletions, kills. Of two commits to a partition the one that was
 * written later holds, whenever the transaction of the other ends. Seeds as in model.h. */
#include "base/mem.h"
#include "storage/plog.h"
#include "unit/group_rig.h"
#include "unit/model.h"

#include <stdio.h>

#define GROUPS 3
#define PARTITIONS 3
#define PRODUCERS 4

struct write { /* where in the order of all writes; offset -1: none */
    int64_t at, offset;
};
struct world {
    struct model_random random;
    struct write known[GROUPS][PARTITIONS];
    struct write pending[PRODUCERS][GROUPS][PARTITIONS];
    int64_t writes;
};
struct waiting {
    struct group_wait wait;
    bool over;
    status result;
};

static const char *const ids[GROUPS] = { "g-0", "g-1", "g-2" };

static void over(struct group_wait *wait, status result)
{
    struct waiting *w = CONTAINER_OF(wait, struct waiting, wait);
    w->over = true;
    w->result = result;
}

static struct member_key key_of(int group)
{
    return (struct member_key){ .group_id = str_c(ids[group]), .member_id = STR(""), .generation = -1 };
}

static void step_commit(struct world *w)
{
    struct commit_item items[PARTITIONS];
    int group = (int)model_below(&w->random, GROUPS);
    int producer = model_chance(&w->random, 60) ? (int)model_below(&w->random, PRODUCERS) : -1;
    struct waiting x = { .wait = { .done = over } };
    struct member_key key = key_of(group);
    size_t n = 0;
    w->writes++;
    for (int32_t p = 0; p < PARTITIONS; p++) {
        if (model_chance(&w->random, 50)) continue;
        int64_t offset = model_below(&w->random, 1000);
        items[n++] = (struct commit_item){ .topic = STR("payments"), .partition = p, .offset = offset,
                                           .topic_id = image_topic(rig_image, STR("payments"))->id,
                                           .leader_epoch = -1, .metadata = STR("") };
        struct write *at = producer < 0 ? &w->known[group][p] : &w->pending[producer][group][p];
        *at = (struct write){ w->writes, offset };
    }
    if (!n) return;
    status s = producer < 0 ? group_commit(rig_groups, &key, 9, items, n, -1, &x.wait)
                            : group_commit_txn(rig_groups, &key, producer, 0, items, n, &x.wait);
    MODEL_CHECK(&w->random, is_ok(s), "commit: %s", status_name(s));
    UNTIL(x.over || x.wait.coordinator == NULL);
    MODEL_CHECK(&w->random, is_ok(x.result), "commit: %s", status_name(x.result));
}

/* As the broker does: a marker in each partition of __consumer_offsets that has part in it. */
static void step_end(struct world *w)
{
    int producer = (int)model_below(&w->random, PRODUCERS);
    bool commit = model_chance(&w->random, 60);
    for (int group = 0; group < GROUPS; group++) {
        struct plog *log = group_log_of(rig_groups, str_c(ids[group]));
        struct append_result r = { 0 };
        if (!plog_txn_open(log, producer, NULL, NULL)) continue; /* ended with another group's */
        assert_true(is_ok(plog_append_marker(log, producer, 0, commit, 1, false, &r)));
        group_txn_end(rig_groups, plog_partition(log), producer, commit, r.end_offset);
        UNTIL(plog_high_watermark(log) >= r.end_offset);
    }
    for (int group = 0; group < GROUPS; group++)
        for (int p = 0; p < PARTITIONS; p++) {
            struct write *mine = &w->pending[producer][group][p], *known = &w->known[group][p];
            if (commit && mine->at > known->at) *known = *mine;
            *mine = (struct write){ 0, -1 };
        }
}

static void check(struct world *w)
{
    for (int group = 0; group < GROUPS; group++)
        for (int32_t p = 0; p < PARTITIONS; p++) {
            const struct group *g = group_find(rig_groups, str_c(ids[group]));
            const struct committed *o = g ? group_offset(g, STR("payments"), p) : NULL;
            bool pending = g && group_offset_is_pending(g, STR("payments"), p), expected = false;
            int64_t known = w->known[group][p].offset;
            for (int k = 0; k < PRODUCERS; k++) expected |= w->pending[k][group][p].offset >= 0;
            MODEL_CHECK(&w->random, (o ? o->offset : -1) == known, "%s, partition %d: %lld, not %lld",
                        ids[group], p, (long long)(o ? o->offset : -1), (long long)known);
            MODEL_CHECK(&w->random, pending == expected, "%s, partition %d: pending %d, not %d",
                        ids[group], p, pending, expected);
        }
}

static void run(int seed)
{
    struct world w = { .random = model_seed(seed) };
    for (int group = 0; group < GROUPS; group++)
        for (int p = 0; p < PARTITIONS; p++) {
            w.known[group][p].offset = -1;
            for (int k = 0; k < PRODUCERS; k++) w.pending[k][group][p].offset = -1;
        }
    for (int i = 0; i < 120; i++) {
        w.random.step = i;
        int x = (int)model_below(&w.random, 100);
        if (x < 65) step_commit(&w);
        else if (x < 92) step_end(&w);
        else rig_restart();
        check(&w);
    }
    rig_again();
}

static void test_offsets_are_those_of_the_last_commit_that_counts(void **state)
{
    (void)state;
    model_runs(run, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_are_those_of_the_last_commit_that_counts),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}
