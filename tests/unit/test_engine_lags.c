/* test_engine_lags.c - leatd's table of what brokers tell of their groups: sums, what goes, a broker that
 * tells everything anew, and one that lies. */
#include "base/mem.h"
#include "engine/native_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct engine engine;
static struct node node;

static int setup(void **state)
{
    (void)state;
    engine = (struct engine){ 0 };
    node = (struct node){ .id = "lkc-1" };
    HASH_ADD_STR((&engine)->nodes, id, (&node));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lags_clear(&node.lags);
    HASH_CLEAR(hh, engine.nodes);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

struct told {
    const char *group, *topic;
    int32_t partition;
    int64_t committed, lag, oldest_at;
};

static void tell(bool begin, bool end, const struct told *rows, int count)
{
    struct control_lags m;
    struct control_lags_lag_group groups[8];
    struct control_lags_lag_topic topics[8];
    struct control_lags_lag_partition partitions[8];
    wire_default(&control_lags_message, &m);
    m.begin = begin;
    m.end = end;
    m.groups = groups;
    m.groups_count = count;
    for (int i = 0; i < count; i++) {
        const struct told *r = &rows[i];
        partitions[i] = (struct control_lags_lag_partition){ r->partition, r->committed, r->lag,
                                                             r->oldest_at };
        topics[i] = (struct control_lags_lag_topic){ str_c(r->topic), &partitions[i], 1 };
        groups[i] = (struct control_lags_lag_group){ str_c(r->group), &topics[i], 1 };
    }
    lags_apply(&node.lags, &m);
}
#define TELL(begin, end, ...)                                                                      \
    tell(begin, end, (const struct told[]){ __VA_ARGS__ },                                         \
         (int)ARRAY_LEN(((const struct told[]){ __VA_ARGS__ })))

static void is(size_t at, const char *group, const char *topic, int64_t lag, int64_t oldest_at)
{
    size_t count;
    const struct engine_lag *l = engine_lags(&engine, "lkc-1", &count);
    assert_true(at < count);
    assert_string_equal(l[at].group, group);
    assert_string_equal(l[at].topic, topic);
    assert_int_equal(l[at].lag, lag);
    assert_int_equal(l[at].oldest_at, oldest_at);
}

static size_t rows(void)
{
    size_t count;
    (void)engine_lags(&engine, "lkc-1", &count);
    return count;
}

static void test_partitions_are_summed_and_the_oldest_record_counts(void **state)
{
    size_t count;
    (void)state;
    assert_false(engine_lags_known(&engine, "lkc-1"));
    TELL(true, true, { "b", "t", 0, 5, 10, 700 }, { "b", "t", 2, 1, 30, 900 }, { "b", "t", 1, 9, 0, -1 },
         { "a", "u", 0, 0, 0, -1 }, { "b", "s", 0, 0, 1, 5 });
    assert_true(engine_lags_known(&engine, "lkc-1"));
    assert_int_equal(rows(), 3);
    is(0, "a", "u", 0, -1);
    is(1, "b", "s", 1, 5);
    is(2, "b", "t", 40, 700);
    const struct engine_lag *l = engine_lags(&engine, "lkc-1", &count);
    assert_int_equal(l[2].most_partition, 2);
    assert_int_equal(l[2].oldest_partition, 0);
    const struct engine_partition_lag *p = engine_lag_of(&engine, "lkc-1", STR("b"), STR("t"), 2);
    assert_int_equal(p->committed, 1);
    assert_int_equal(p->oldest_at, 900);
    assert_null(engine_lag_of(&engine, "lkc-1", STR("b"), STR("t"), 3));
    assert_null(engine_lag_of(&engine, "lkc-1", STR("a"), STR("t"), 0));
    assert_null(engine_lag_of(&engine, "lkc-2", STR("b"), STR("t"), 0));
}

static void test_what_changed_replaces_and_what_is_gone_goes(void **state)
{
    (void)state;
    TELL(true, true, { "g", "t", 0, 5, 10, 700 }, { "g", "t", 1, 5, 10, 600 });
    TELL(false, false, { "g", "t", 1, 15, 0, -1 });
    is(0, "g", "t", 10, 700);
    TELL(false, false, { "g", "t", 0, -1, -1, -1 }, { "never", "told", 0, -1, -1, -1 });
    assert_int_equal(rows(), 1);
    is(0, "g", "t", 0, -1);
    TELL(false, false, { "g", "t", 1, -1, -1, -1 });
    assert_int_equal(rows(), 0);
    assert_true(engine_lags_known(&engine, "lkc-1"));
}

static void test_what_is_told_anew_counts_at_its_end_and_until_then_what_was_told_before(void **state)
{
    (void)state;
    TELL(true, true, { "a", "t", 0, 0, 1, 100 }, { "b", "t", 0, 0, 2, 200 }, { "b", "t", 1, 0, 2, 150 });
    TELL(true, false, { "b", "t", 0, 0, 3, 200 });
    assert_int_equal(rows(), 2);
    is(0, "a", "t", 1, 100);
    TELL(false, true, { "c", "t", 0, 0, 4, 300 });
    assert_int_equal(rows(), 2);
    is(0, "b", "t", 3, 200);
    is(1, "c", "t", 4, 300);
    tell(true, true, NULL, 0);
    assert_int_equal(rows(), 0);
}

static void test_a_broker_that_lies_takes_no_more_than_its_room(void **state)
{
    char group[300];
    (void)state;
    memset(group, 'g', sizeof group - 1);
    group[sizeof group - 1] = 0;
    TELL(true, true, { group, "t", 0, 0, 1, 1 }, { "g", group, 0, 0, 1, 1 }, { "g", "", 0, 0, 1, 1 });
    assert_int_equal(rows(), 0);
    TELL(false, false, { "g", "t", 0, 0, INT64_MAX, INT64_MIN }, { "g", "t", 1, 0, INT64_MAX, 7 });
    is(0, "g", "t", INT64_MAX, 7);
    for (int i = 0; i < NODE_LAGS_MAX + 100; i++) {
        snprintf(group, sizeof group, "group-%d", i);
        TELL(false, false, { group, "t", i, 0, 1, 1 });
    }
    assert_int_equal(node.lags.row_count, NODE_LAGS_MAX);
    assert_int_equal(rows(), NODE_LAGS_MAX - 1); /* two are of one group */
}

static void test_time_lag_is_never_negative_and_nothing_unread_has_none(void **state)
{
    (void)state;
    assert_int_equal(engine_time_lag(-1, 5000), 0);
    assert_int_equal(engine_time_lag(4000, 5000), 1000);
    assert_int_equal(engine_time_lag(6000, 5000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_partitions_are_summed_and_the_oldest_record_counts, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_changed_replaces_and_what_is_gone_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_what_is_told_anew_counts_at_its_end_and_until_then_what_was_told_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_broker_that_lies_takes_no_more_than_its_room, setup, teardown),
        cmocka_unit_test(test_time_lag_is_never_negative_and_nothing_unread_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
