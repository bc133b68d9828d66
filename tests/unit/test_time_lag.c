/* test_time_lag.c - what a broker tells of how far its groups are behind: the test listens in leatd's place,
 * keeps a table of what it is told, and compares it with what a search made anew finds. */
#include "base/hash.h"
#include "broker/time_lag.h"
#include "storage/first_unread.h"
#include "unit/broker_rig.h"

#include "wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define T0 1700000000000
#define assert_ok(s) assert_int_equal((s).code, E_OK)

static struct rig rig;

/* --- the test as leatd ------------------------------------------------------------------------ */

struct row {
    int64_t committed, lag, oldest_at;
    int round;
    UT_hash_handle hh;
    char key[]; /* group/topic/partition */
};
static struct row *table;
static int messages, rows_told, most_rows, round_told, ends;
static int32_t others;
static int64_t every; /* ms */
static int32_t sequence[16]; /* of the producers */

static struct row *row_find(const char *group, const char *topic, int partition)
{
    char key[600];
    struct row *r;
    snprintf(key, sizeof key, "%s/%s/%d", group, topic, partition);
    HASH_FIND_STR(table, key, r);
    return r;
}

static void row_drop(struct row *r)
{
    HASH_DEL(table, r);
    mem_free(r);
}

static void row_set(struct str group, struct str topic, const struct control_lags_lag_partition *p)
{
    char g[300], t[300], key[600];
    str_copy(g, sizeof g, group);
    str_copy(t, sizeof t, topic);
    struct row *r = row_find(g, t, p->partition);
    rows_told++;
    if (p->lag < 0) {
        if (r) row_drop(r);
        return;
    }
    if (!r) {
        int n = snprintf(key, sizeof key, "%s/%s/%d", g, t, p->partition);
        r = mem_must(mem_zalloc(sizeof *r + (size_t)n + 1));
        memcpy(r->key, key, (size_t)n + 1);
        HASH_ADD_STR(table, key, r);
    }
    r->committed = p->committed;
    r->lag = p->lag;
    r->oldest_at = p->oldest_at;
    r->round = round_told;
}

static bool take(void *arg, const struct control_lags *m)
{
    struct row *r, *next;
    int before = rows_told;
    (void)arg;
    messages++;
    if (m->begin) round_told++;
    for (int g = 0; g < m->groups_count; g++)
        for (int t = 0; t < m->groups[g].topics_count; t++)
            for (int p = 0; p < m->groups[g].topics[t].partitions_count; p++)
                row_set(m->groups[g].group, m->groups[g].topics[t].topic,
                        &m->groups[g].topics[t].partitions[p]);
    if (rows_told - before > most_rows) most_rows = rows_told - before;
    others = m->others;
    if (!m->end) return true;
    ends++;
    HASH_ITER(hh, table, r, next)
        if (r->round != round_told) row_drop(r);
    return true;
}

static int64_t how_often(void *arg)
{
    (void)arg;
    return every;
}

static void listen(void)
{
    const struct time_lag_listener listener = { take, how_often, NULL };
    struct broker *b = rig.broker;
    time_lag_free(TAKE(b->time_lag));
    assert_ok(time_lag_new(b, &listener, &b->time_lag));
    time_lag_forget(b->time_lag);
}

static int setup(void **state)
{
    (void)state;
    messages = rows_told = most_rows = round_told = ends = 0;
    others = 0;
    every = 0;
    memset(sequence, 0, sizeof sequence);
    rig_start_managed(&rig);
    listen();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_stop(&rig);
    while (table) row_drop(table);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        for (int turn_ = 0; !(condition) && turn_ < 20000; turn_++) loop_turn(rig.broker->loop, 1); \
        assert_true(condition);                                                                    \
    } while (0)

/* --- what happens in the broker --------------------------------------------------------------- */

static struct plog *log_of(const char *topic, int32_t partition)
{
    return broker_log(rig.broker, image_topic(rig.broker->image, str_c(topic)), partition);
}

static void put(const char *topic, int64_t timestamp, int records, enum codec codec, int64_t producer)
{
    struct batch_options options = batch_options_default;
    struct batch_builder builder;
    struct append_result r;
    struct buf out;
    options.codec = codec;
    if (producer >= 0) {
        options.producer_id = producer;
        options.producer_epoch = 0;
        options.base_sequence = sequence[producer];
        options.attributes = BATCH_TRANSACTIONAL;
        sequence[producer] += records;
    }
    batch_builder_init(&builder, &options);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < records; i++)
        assert_ok(batch_builder_add(&builder, timestamp + i, BYTES_NULL, bytes_of("value", 5), NULL, 0));
    assert_ok(batch_builder_finish(&builder, &out));
    status s = plog_append(log_of(topic, 0), out.data, out.len,
                           producer >= 0 ? APPEND_VERIFIED : APPEND_CLIENT, &r);
    assert_ok(s);
    batch_builder_done(&builder);
    buf_done(&out);
}

static void mark(const char *topic, int64_t producer, bool commit)
{
    struct append_result r;
    assert_ok(plog_append_marker(log_of(topic, 0), producer, 0, commit, 0, false, &r));
}

static struct group *group_of(const char *id)
{
    struct group *g;
    assert_ok(group_get(rig.broker->groups, str_c(id), &g));
    return g;
}

static void commit_at(const char *group, const char *topic, int32_t partition, int64_t offset)
{
    const struct commit_item item = { .topic = str_c(topic), .partition = partition, .offset = offset };
    assert_ok(group_put_offset(group_of(group), &item, loop_wall(rig.broker->loop), -1));
}

static void uncommit(const char *group, const char *topic, int32_t partition)
{
    struct group *g = group_of(group);
    struct committed *o = group_offset(g, str_c(topic), partition);
    if (o) group_drop_offset(g, o);
}

static bool is_told(const char *group, int64_t committed, int64_t lag, int64_t oldest_at)
{
    const struct row *r = row_find(group, "t", 0);
    return r && r->committed == committed && r->lag == lag && r->oldest_at == oldest_at;
}

static void stays_silent(void)
{
    int before = messages;
    for (int i = 0; i < 300; i++) loop_turn(rig.broker->loop, 1);
    assert_int_equal(messages, before);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_the_first_unread_record_is_told_once_and_silence_follows(void **state)
{
    (void)state;
    put("t", T0, 3, CODEC_ZSTD, -1);
    commit_at("g", "t", 0, 1);
    TURN_UNTIL(is_told("g", 1, 2, T0 + 1));
    stays_silent();
    commit_at("g", "t", 0, 3);
    TURN_UNTIL(is_told("g", 3, 0, -1));
    stays_silent();
    put("t", T0 + 500, 1, CODEC_GZIP, -1);
    TURN_UNTIL(is_told("g", 3, 1, T0 + 500));
    put("t", T0 + 900, 1, CODEC_LZ4, -1);
    TURN_UNTIL(is_told("g", 3, 2, T0 + 500));
    commit_at("g", "t", 0, 0); /* reset to the beginning */
    TURN_UNTIL(is_told("g", 0, 5, T0));
    time_lag_touch(rig.broker->time_lag); /* something else happened */
    stays_silent();
}

static void test_transactions_count_when_they_are_committed(void **state)
{
    (void)state;
    commit_at("g", "t", 0, 0);
    put("t", T0, 2, CODEC_NONE, 1);
    TURN_UNTIL(is_told("g", 0, 2, -1));
    put("t", T0 + 100, 1, CODEC_NONE, 2);
    mark("t", 1, false);
    TURN_UNTIL(is_told("g", 0, 4, -1));
    mark("t", 2, true);
    TURN_UNTIL(is_told("g", 0, 5, T0 + 100));
    commit_at("g", "t", 0, 3);
    TURN_UNTIL(is_told("g", 3, 2, -1)); /* markers alone */
    stays_silent();
}

static void test_records_that_are_deleted_are_not_waited_for(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) put("t", T0 + i * 100, 1, CODEC_NONE, -1);
    commit_at("g", "t", 0, 1);
    TURN_UNTIL(is_told("g", 1, 4, T0 + 100));
    assert_ok(plog_set_start(log_of("t", 0), 3, NULL));
    TURN_UNTIL(is_told("g", 1, 4, T0 + 300));
    assert_ok(plog_set_start(log_of("t", 0), 5, NULL));
    TURN_UNTIL(is_told("g", 1, 4, -1));
    stays_silent();
}

static void topic_again(bool make)
{
    struct buf delta;
    rig_delta_begin(&rig, &delta);
    delta_topic_deleted(&delta, image_topic(rig.broker->image, STR("t"))->id);
    if (make)
        delta_topic(&delta, &(struct delta_topic){ .id = uuid_new(), .name = STR("t"), .partitions = 1,
                                                   .replication_factor = 1 });
    rig_delta_apply(&rig, &delta);
}

static void test_what_goes_is_told_as_gone(void **state)
{
    (void)state;
    put("t", T0, 1, CODEC_NONE, -1);
    commit_at("a", "t", 0, 0);
    commit_at("b", "t", 0, 0);
    commit_at("c", "t", 0, 0);
    TURN_UNTIL(is_told("a", 0, 1, T0) && is_told("b", 0, 1, T0) && is_told("c", 0, 1, T0));
    uncommit("a", "t", 0);
    TURN_UNTIL(!row_find("a", "t", 0));
    uncommit("b", "t", 0); /* gone, and there again before it was told */
    commit_at("b", "t", 0, 1);
    TURN_UNTIL(is_told("b", 1, 0, -1));
    topic_again(true);
    commit_at("c", "t", 0, 0);
    put("t", T0 + 5, 2, CODEC_NONE, -1);
    TURN_UNTIL(!row_find("b", "t", 0) && is_told("c", 0, 2, T0 + 5));
    topic_again(false);
    TURN_UNTIL(!row_find("c", "t", 0));
    stays_silent();
}

static void test_a_new_listener_is_told_everything_and_what_is_gone_meanwhile_is_not_in_it(void **state)
{
    (void)state;
    put("t", T0, 1, CODEC_NONE, -1);
    for (int i = 0; i < 3; i++) commit_at(i == 0 ? "a" : i == 1 ? "b" : "c", "t", 0, 0);
    TURN_UNTIL(HASH_COUNT(table) == 3 && ends == 1);
    every = -1; /* nobody listens */
    time_lag_forget(rig.broker->time_lag);
    uncommit("a", "t", 0);
    stays_silent();
    every = 0;
    time_lag_forget(rig.broker->time_lag);
    TURN_UNTIL(ends == 2);
    assert_int_equal(HASH_COUNT(table), 2);
    assert_null(row_find("a", "t", 0));
}

static void test_so_many_offsets_are_followed_and_the_others_counted(void **state)
{
    (void)state;
    char group[32];
    put("t", T0, 1, CODEC_NONE, -1);
    TURN_UNTIL(plog_stable(log_of("t", 0)) == 1);
    for (int i = 0; i < TIME_LAG_MAX + 50; i++) {
        snprintf(group, sizeof group, "group-%d", i);
        commit_at(group, "t", 0, 0);
    }
    TURN_UNTIL(HASH_COUNT(table) == TIME_LAG_MAX && others == 50);
    assert_true(most_rows <= 500);
    for (const struct row *r = table; r; r = r->hh.next) assert_int_equal(r->oldest_at, T0);
    for (int i = 0; i < 100; i++) { /* there is room for fifty */
        snprintf(group, sizeof group, "group-%d", i);
        uncommit(group, "t", 0);
    }
    TURN_UNTIL(HASH_COUNT(table) == TIME_LAG_MAX - 100);
    for (int i = 0; i < 60; i++) {
        snprintf(group, sizeof group, "group-%d", TIME_LAG_MAX + i);
        commit_at(group, "t", 0, 1);
    }
    TURN_UNTIL(HASH_COUNT(table) == TIME_LAG_MAX - 40 && others == 0);
    stays_silent();
}

/* --- at random, against searches made anew ---------------------------------------------------- */

struct fresh {
    struct first_unread search; /* first */
    bool done;
};

static void fresh_done(struct first_unread *search, status result)
{
    assert_ok(result);
    ((struct fresh *)search)->done = true;
}

static int64_t oldest_by_search(struct plog *log, int64_t from)
{
    struct fresh f = { .search.done = fresh_done };
    assert_ok(first_unread_start(log, from, &f.search));
    TURN_UNTIL(f.done);
    return f.search.offset >= 0 ? f.search.timestamp : -1;
}

static void agrees(const char *const *groups, int count)
{
    struct plog *log = log_of("t", 0);
    int there = 0;
    TURN_UNTIL(plog_high_watermark(log) == plog_end(log));
    for (int i = 0; i < count; i++) {
        const struct committed *o = group_offset(group_of(groups[i]), STR("t"), 0);
        if (!o) continue;
        int64_t lag = plog_end(log) - o->offset, oldest = oldest_by_search(log, o->offset);
        TURN_UNTIL(is_told(groups[i], o->offset, lag < 0 ? 0 : lag, oldest));
        there++;
    }
    TURN_UNTIL((int)HASH_COUNT(table) == there);
}

static void test_whatever_happens_it_is_what_a_search_made_anew_finds(void **state)
{
    static const char *const groups[] = { "a", "b", "c", "d" };
    struct plog *log = log_of("t", 0);
    bool open[4] = { false };
    int64_t now = T0;
    (void)state;
    srand(7); /* the same every time */
    for (int i = 0; i < 600; i++) {
        const char *g = groups[rand() % 4];
        int p = 3 + rand() % 4;
        now += rand() % 50;
        switch (rand() % 10) {
        case 0: put("t", now, 1 + rand() % 5, (enum codec)(rand() % CODEC_COUNT), -1); break;
        case 1:
        case 2:
            put("t", now, 1 + rand() % 3, (enum codec)(rand() % CODEC_COUNT), p);
            open[p - 3] = true;
            break;
        case 3:
        case 4:
            if (open[p - 3]) mark("t", p, rand() % 2);
            open[p - 3] = false;
            break;
        case 5: uncommit(g, "t", 0); break;
        case 6:
            if (rand() % 4 == 0) {
                int64_t start = plog_start(log), most = plog_high_watermark(log) - start;
                (void)plog_set_start(log, start + rand() % (most + 1), NULL);
            }
            break;
        case 7:
            if (rand() % 8 == 0) time_lag_forget(rig.broker->time_lag);
            break;
        default: {
            int64_t at = plog_end(log) - rand() % 30;
            commit_at(g, "t", 0, at < 0 ? 0 : at);
        }
        }
        for (int turns = rand() % 4; turns > 0; turns--) loop_turn(rig.broker->loop, 0);
        if (i % 20 == 19) agrees(groups, 4);
    }
    stays_silent();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_first_unread_record_is_told_once_and_silence_follows, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_transactions_count_when_they_are_committed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_that_are_deleted_are_not_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_goes_is_told_as_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_new_listener_is_told_everything_and_what_is_gone_meanwhile_is_not_in_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_so_many_offsets_are_followed_and_the_others_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_whatever_happens_it_is_what_a_search_made_anew_finds, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
