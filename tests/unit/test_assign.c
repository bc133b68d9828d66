/* The assignors of consumer groups: small cases by hand as Kafka decides them, and seeded random
 * groups that change again and again, for what always has to hold: every partition of a subscribed
 * topic has exactly one owner, who subscribes to it; the shares are even; little moves. */
#include "broker/assign.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { MEMBERS = 12, TOPICS = 8 };

static struct arena arena;
static struct assign_topic topics[TOPICS];
static struct assign_member members[MEMBERS];
static int32_t subscribed[MEMBERS][TOPICS];
static char ids[MEMBERS][8];
static struct assign_problem problem;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    problem = (struct assign_problem){ .arena = &arena, .members = members, .topics = topics };
    memset(topics, 0, sizeof(topics));
    memset(members, 0, sizeof(members));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return mem_outstanding() != 0;
}

/* --- making groups ---------------------------------------------------------------------------- */
static void topic(int32_t partitions)
{
    int32_t t = problem.topics_count++;
    topics[t].id.b[1] = (uint8_t)(t + 1);
    topics[t].partitions = partitions;
}

/* `which` is "012": the topics it subscribes to. */
static struct assign_member *member(const char *which)
{
    int32_t m = problem.members_count++;
    snprintf(ids[m], sizeof(ids[m]), "m%02d", m);
    members[m] = (struct assign_member){ .id = str_c(ids[m]), .topics = subscribed[m] };
    for (; *which; which++) subscribed[m][members[m].topics_count++] = *which - '0';
    return &members[m];
}

static void assign(const char *assignor)
{
    assert_true(is_ok(assignor_find(str_c(assignor))->assign(&problem)));
}

static void keep_all(void)
{
    for (int32_t m = 0; m < problem.members_count; m++) members[m].before = members[m].after;
}

/* "0:0 0:1 1:0": topic and partition */
static void assert_has(int32_t m, const char *want)
{
    char text[256] = "";
    const struct tps *after = &members[m].after;
    for (size_t i = 0; i < after->count; i++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof(text) - len, "%s%d:%d", len ? " " : "",
                 assign_topic_index(&problem, after->at[i].topic), after->at[i].partition);
    }
    assert_string_equal(text, want);
}

/* --- range ------------------------------------------------------------------------------------ */
static void test_range_gives_runs_and_the_first_members_one_more(void **state)
{
    (void)state;
    topic(3);
    topic(3);
    member("01");
    member("01");
    assign("range");
    assert_has(0, "0:0 0:1 1:0 1:1");
    assert_has(1, "0:2 1:2");
}

static void test_range_leaves_out_members_beyond_the_partitions(void **state)
{
    (void)state;
    topic(2);
    for (int i = 0; i < 3; i++) member("0");
    assign("range");
    assert_has(0, "0:0");
    assert_has(1, "0:1");
    assert_has(2, "");
}

static void test_range_takes_each_topic_by_its_own_subscribers(void **state)
{
    (void)state;
    topic(3);
    topic(3);
    topic(2);
    member("01");
    member("2");
    member("12");
    assign("range");
    assert_has(0, "0:0 0:1 0:2 1:0 1:1");
    assert_has(1, "2:0");
    assert_has(2, "1:2 2:1");
}

static void test_range_puts_static_members_first_by_instance_id(void **state)
{
    (void)state;
    topic(3);
    member("0");
    member("0")->instance_id = STR("b");
    member("0")->instance_id = STR("a");
    assign("range");
    assert_has(0, "0:2");
    assert_has(1, "0:1");
    assert_has(2, "0:0");
}

/* --- uniform ---------------------------------------------------------------------------------- */
static void test_uniform_shares_evenly_over_topics(void **state)
{
    (void)state;
    topic(3);
    topic(2);
    for (int i = 0; i < 2; i++) member("01");
    assign("uniform");
    assert_int_equal(members[0].after.count + members[1].after.count, 5);
    assert_true(members[0].after.count >= 2 && members[1].after.count >= 2);
}

static void test_uniform_takes_only_what_a_newcomer_is_due(void **state)
{
    (void)state;
    topic(6);
    member("0");
    member("0");
    assign("uniform");
    keep_all();
    member("0");
    assign("uniform");
    for (int m = 0; m < 3; m++) assert_int_equal(members[m].after.count, 2);
    assert_true(tps_within(&members[0].after, &members[0].before));
    assert_true(tps_within(&members[1].after, &members[1].before));
}

static void test_uniform_moves_nothing_when_nothing_changed(void **state)
{
    (void)state;
    topic(5);
    topic(4);
    for (int i = 0; i < 4; i++) member("01");
    assign("uniform");
    keep_all();
    assign("uniform");
    for (int m = 0; m < 4; m++) assert_true(tps_eq(&members[m].before, &members[m].after));
}

static void test_uniform_gives_a_leavers_partitions_to_who_stays(void **state)
{
    (void)state;
    topic(6);
    for (int i = 0; i < 3; i++) member("0");
    assign("uniform");
    keep_all();
    problem.members_count = 2;
    assign("uniform");
    for (int m = 0; m < 2; m++) {
        assert_int_equal(members[m].after.count, 3);
        assert_true(tps_within(&members[m].before, &members[m].after));
    }
}

static void test_uniform_gives_exclusive_topics_their_only_subscriber(void **state)
{
    (void)state;
    topic(4);
    topic(2);
    member("0");
    member("01");
    assign("uniform");
    assert_has(0, "0:0 0:1 0:2");
    assert_has(1, "0:3 1:0 1:1");
}

static void test_uniform_without_subscriptions_gives_nothing(void **state)
{
    (void)state;
    member("");
    assign("uniform");
    assert_has(0, "");
    problem.members_count = 0;
    assign("uniform");
    assign("range");
}

static void test_a_topic_that_grows_moves_nothing_else(void **state)
{
    (void)state;
    topic(4);
    member("0");
    member("0");
    assign("uniform");
    keep_all();
    topics[0].partitions = 6;
    assign("uniform");
    for (int m = 0; m < 2; m++) {
        assert_int_equal(members[m].after.count, 3);
        assert_true(tps_within(&members[m].before, &members[m].after));
    }
}

static void test_only_two_assignors_are_known(void **state)
{
    (void)state;
    assert_ptr_equal(assignor_find(STR("uniform")), assignor_at(0));
    assert_ptr_equal(assignor_find(STR("range")), assignor_at(1));
    assert_null(assignor_at(2));
    assert_null(assignor_find(STR("sticky")));
    assert_null(assignor_find(STR("")));
}

/* --- random groups ---------------------------------------------------------------------------- */
static uint64_t seed;
static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

/* Partitions without a subscriber are left out of the problem by who builds it. */
static void subscribe(int32_t m, bool alike)
{
    members[m].topics_count = 0;
    for (int32_t t = 0; t < problem.topics_count; t++)
        if (alike || draw(2)) subscribed[m][members[m].topics_count++] = t;
}

static bool has_subscriber(int32_t t)
{
    for (int32_t m = 0; m < problem.members_count; m++)
        if (assign_subscribes(&members[m], t)) return true;
    return false;
}

static void check_owners(void)
{
    for (int32_t t = 0; t < problem.topics_count; t++)
        for (int32_t k = 0; k < topics[t].partitions; k++) {
            int owners = 0;
            for (int32_t m = 0; m < problem.members_count; m++) {
                if (!tps_has(&members[m].after, (struct tp){ topics[t].id, k })) continue;
                owners++;
                if (!assign_subscribes(&members[m], t)) fail_msg("seed %lu: not subscribed", seed);
            }
            if (owners != has_subscriber(t)) fail_msg("seed %lu: %d owners", seed, owners);
        }
}

static void check_even(void)
{
    size_t least = SIZE_MAX, most = 0;
    for (int32_t m = 0; m < problem.members_count; m++) {
        size_t n = members[m].after.count;
        if (n < least) least = n;
        if (n > most) most = n;
    }
    if (problem.members_count > 0) assert_true(most - least <= 1);
}

/* Nobody with two more than another subscriber of the same topic has something of it to give. */
static void check_balanced(void)
{
    for (int32_t a = 0; a < problem.members_count; a++)
        for (int32_t b = 0; b < problem.members_count; b++) {
            if (members[a].after.count < members[b].after.count + 2) continue;
            for (size_t i = 0; i < members[a].after.count; i++) {
                int32_t t = assign_topic_index(&problem, members[a].after.at[i].topic);
                if (assign_subscribes(&members[b], t)) fail_msg("seed %lu: not balanced", seed);
            }
        }
}

/* A member loses more than its surplus only if others would else be below their share. */
static void check_sticky(int32_t before_count)
{
    size_t moved = 0, total = 0;
    for (int32_t m = 0; m < problem.members_count; m++) {
        struct tps kept = tps_and(&arena, &members[m].before, &members[m].after);
        moved += members[m].before.count - kept.count;
        total += members[m].after.count;
    }
    if (problem.members_count <= before_count) assert_true(moved <= total % problem.members_count);
}

static void churn(const char *assignor, bool alike)
{
    for (uint64_t round = 1; round <= 60; round++) {
        setup(NULL);
        seed = round;
        int32_t n = (int32_t)draw(TOPICS) + 1;
        while (n-- > 0) topic((int32_t)draw(20) + 1);
        for (int step = 0; step < 8; step++) {
            int32_t before = problem.members_count;
            if (before > 1 && draw(3) == 0)
                members[0] = members[--problem.members_count]; /* somebody left */
            else if (before < MEMBERS)
                member("");
            for (int32_t m = 0; m < problem.members_count; m++) members[m].topics = subscribed[m];
            if (step == 0 || !alike) subscribe(problem.members_count - 1, alike);
            for (int32_t m = 0; m < problem.members_count; m++) subscribe(m, alike);
            assign(assignor);
            check_owners();
            if (alike && str_eq_c(STR("uniform"), assignor)) {
                check_even();
                check_sticky(before > problem.members_count ? before : 0);
            } else if (str_eq_c(STR("uniform"), assignor)) {
                check_balanced();
            }
            keep_all();
        }
        teardown(NULL);
    }
    setup(NULL);
}

static void test_random_groups_of_one_mind_are_even(void **state)
{
    (void)state;
    churn("uniform", true);
}

static void test_random_groups_of_many_minds_are_balanced(void **state)
{
    (void)state;
    churn("uniform", false);
}

static void test_random_ranges_own_every_partition_once(void **state)
{
    (void)state;
    churn("range", false);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_range_gives_runs_and_the_first_members_one_more),
        CASE(test_range_leaves_out_members_beyond_the_partitions),
        CASE(test_range_takes_each_topic_by_its_own_subscribers),
        CASE(test_range_puts_static_members_first_by_instance_id),
        CASE(test_uniform_shares_evenly_over_topics),
        CASE(test_uniform_takes_only_what_a_newcomer_is_due),
        CASE(test_uniform_moves_nothing_when_nothing_changed),
        CASE(test_uniform_gives_a_leavers_partitions_to_who_stays),
        CASE(test_uniform_gives_exclusive_topics_their_only_subscriber),
        CASE(test_uniform_without_subscriptions_gives_nothing),
        CASE(test_a_topic_that_grows_moves_nothing_else),
        CASE(test_only_two_assignors_are_known),
        CASE(test_random_groups_of_one_mind_are_even),
        CASE(test_random_groups_of_many_minds_are_balanced),
        CASE(test_random_ranges_own_every_partition_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
