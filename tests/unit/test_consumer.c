/* Groups of the consumer protocol (KIP-848): epochs, what is given back before it is given on, static
 * members, who is put out and when, regular expressions, topics that change, and what a restart
 * remembers. The last tests drive random groups: at no time do two members own one partition. */
#include "group_rig.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define G STR("fraud-check")

/* --- a consumer ------------------------------------------------------------------------------- */
struct consumer {
    char id[64], instance[64];
    int32_t epoch;
    const char *names[4], *regex, *assignor; /* regex NULL: none */
    struct tp owned[64];
    size_t owned_count;
    bool alive, unsure;   /* unsure: an answer got lost, so it says everything anew */
    int32_t interval_ms;
};

static struct consumer consumer(const char *id, const char *topic)
{
    struct consumer c = { .alive = true };
    snprintf(c.id, sizeof(c.id), "%s", id);
    c.names[0] = topic;
    return c;
}

static struct tps owned(const struct consumer *c)
{
    return (struct tps){ (struct tp *)c->owned, c->owned_count };
}

static status send_beat(struct consumer *c, int32_t epoch, bool full, const struct tps *says)
{
    struct arena arena;
    struct str names[4];
    struct consumer_answer a;
    struct consumer_heartbeat q = {
        .group_id = G, .member_id = str_c(c->id), .epoch = epoch, .client_id = STR("app"),
        .client_host = STR("/127.0.0.1"), .rebalance_timeout_ms = full ? 60000 : -1,
        .who = { STR("User:test"), STR("127.0.0.1") },
        .instance_id = c->instance[0] ? str_c(c->instance) : STR_NULL,
        .assignor = c->assignor ? str_c(c->assignor) : STR_NULL,
    };
    for (int i = 0; i < 4 && c->names[i]; i++) names[q.names_count++] = str_c(c->names[i]);
    if (full) q.names = names;
    if (full && c->regex) q.regex = str_c(c->regex);
    if (says != NULL) {
        q.has_owned = true;
        q.owned = *says;
    }
    arena_init(&arena, 1 << 20);
    status s = consumer_heartbeat(rig_groups, &q, &arena, &a);
    if (is_ok(s)) {
        c->epoch = a.epoch;
        c->interval_ms = a.interval_ms;
        if (a.has_assignment) {
            assert_true(a.assignment.count <= ARRAY_LEN(c->owned));
            c->owned_count = a.assignment.count;
            memcpy(c->owned, a.assignment.at, a.assignment.count * sizeof(*a.assignment.at));
        }
    }
    arena_done(&arena);
    return s;
}

static status join(struct consumer *c)
{
    struct tps none = TPS_NONE;
    c->owned_count = 0;
    return send_beat(c, 0, true, &none);
}

/* As a real client: says what it owns whenever that has changed; always, here. */
static status beat(struct consumer *c)
{
    struct tps have = owned(c);
    bool full = c->unsure;
    c->unsure = false;
    return send_beat(c, c->epoch, full, &have);
}

static status leave(struct consumer *c, int32_t epoch)
{
    c->owned_count = 0;
    return send_beat(c, epoch, false, NULL);
}

#define OKAY(s) assert_true(is_ok(s))
#define IS(s, e) assert_int_equal((s).code, E_##e)

static void settle(struct consumer *all, size_t n)
{
    for (int round = 0; round < 6; round++)
        for (size_t i = 0; i < n; i++) OKAY(beat(&all[i]));
}

static const struct consumer_group *group(void)
{
    return group_find(rig_groups, G)->consumer;
}

static const char *state(void)
{
    return consumer_group_state(group_find(rig_groups, G));
}

/* --- joining and staying ---------------------------------------------------------------------- */
static void test_the_first_member_gets_everything_at_once(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments");
    OKAY(join(&a));
    assert_int_equal(a.epoch, 1);
    assert_int_equal(a.owned_count, 3);
    assert_int_equal(a.interval_ms, 5000);
    assert_string_equal(state(), "Stable");
    OKAY(beat(&a));
    assert_int_equal(a.epoch, 1);
}

static void test_a_partition_is_given_on_only_when_it_was_given_back(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments"), b = consumer("b", "payments");
    OKAY(join(&a));
    struct tps all = { .count = 3 };
    struct tp copy[3];
    memcpy(copy, a.owned, sizeof(copy));
    all.at = copy;
    OKAY(join(&b));
    assert_int_equal(b.epoch, 2);
    assert_int_equal(b.owned_count, 0);
    assert_string_equal(state(), "Reconciling");
    OKAY(send_beat(&a, 1, false, &all)); /* hears that one has to go; is in its old epoch */
    assert_int_equal(a.epoch, 1);
    assert_int_equal(a.owned_count, 2);
    OKAY(send_beat(&a, 1, false, &all)); /* still has it */
    OKAY(beat(&b));
    assert_int_equal(b.owned_count, 0);
    OKAY(beat(&a)); /* has given it back */
    assert_int_equal(a.epoch, 2);
    OKAY(beat(&b));
    assert_int_equal(b.owned_count, 1);
    assert_string_equal(state(), "Stable");
}

static void test_wrong_epochs_are_fenced_but_a_lost_answer_is_not(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments"), b = consumer("b", "payments");
    struct tps none = TPS_NONE;
    OKAY(join(&a));
    IS(send_beat(&a, 2, false, NULL), FENCED_MEMBER_EPOCH);
    OKAY(join(&b));
    OKAY(beat(&a));
    OKAY(beat(&a));
    assert_int_equal(a.epoch, 2);
    struct tps have = owned(&a);
    OKAY(send_beat(&a, 1, false, &have));
    IS(send_beat(&a, 1, false, NULL), FENCED_MEMBER_EPOCH);
    OKAY(send_beat(&a, 1, false, &none));
    struct tp other = { image_topic(rig_image, STR("orders"))->id, 0 };
    IS(send_beat(&a, 1, false, &(struct tps){ &other, 1 }), FENCED_MEMBER_EPOCH);
    OKAY(join(&a)); /* as fenced clients do */
    assert_int_equal(a.epoch, 2);
}

static void test_who_is_not_known_is_told_so(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments"), b = consumer("b", "payments");
    IS(send_beat(&a, 5, false, NULL), GROUP_ID_NOT_FOUND);
    assert_null(group_find(rig_groups, G));
    OKAY(join(&a));
    IS(send_beat(&b, 1, false, NULL), UNKNOWN_MEMBER_ID);
    IS(leave(&b, -1), UNKNOWN_MEMBER_ID);
}

static void test_a_leaver_makes_room(void **unused)
{
    (void)unused;
    struct consumer all[2] = { consumer("a", "payments"), consumer("b", "payments") };
    OKAY(join(&all[0]));
    OKAY(join(&all[1]));
    settle(all, 2);
    OKAY(leave(&all[0], -1));
    assert_string_equal(state(), "Assigning");
    OKAY(beat(&all[1]));
    assert_int_equal(all[1].owned_count, 3);
    OKAY(leave(&all[1], -1));
    assert_string_equal(state(), "Empty");
    assert_int_equal(group_find(rig_groups, G)->state, GROUP_EMPTY);
}

static void test_another_subscription_is_another_assignment(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments");
    OKAY(join(&a));
    a.names[0] = "orders";
    struct tps have = owned(&a);
    OKAY(send_beat(&a, a.epoch, true, &have));
    OKAY(beat(&a));
    assert_int_equal(a.owned_count, 4);
    assert_int_equal(a.epoch, 2);
    a.names[0] = NULL;
    have = owned(&a);
    OKAY(send_beat(&a, a.epoch, true, &have));
    OKAY(beat(&a));
    assert_int_equal(a.owned_count, 0);
}

static void test_most_members_choose_the_assignor(void **unused)
{
    (void)unused;
    struct consumer all[2] = { consumer("b", "payments"), consumer("a", "payments") };
    all[0].assignor = all[1].assignor = "range";
    OKAY(join(&all[0]));
    OKAY(join(&all[1]));
    settle(all, 2);
    assert_int_equal(all[1].owned_count, 2); /* first by id, though it came second */
    assert_int_equal(all[1].owned[0].partition, 0);
    assert_int_equal(all[0].owned[0].partition, 2);
}

/* --- static members --------------------------------------------------------------------------- */
static struct consumer fixed(const char *id, const char *instance)
{
    struct consumer c = consumer(id, "payments");
    snprintf(c.instance, sizeof(c.instance), "%s", instance);
    return c;
}

static void test_a_static_member_comes_back_to_what_it_had(void **unused)
{
    (void)unused;
    struct consumer a = fixed("a", "one"), b = fixed("b", "two"), c = fixed("c", "one");
    struct consumer all[2] = { a, b };
    OKAY(join(&all[0]));
    OKAY(join(&all[1]));
    settle(all, 2);
    int32_t epoch = group()->epoch;
    struct consumer had = all[0];
    IS(join(&c), UNRELEASED_INSTANCE_ID);
    OKAY(leave(&all[0], -2));
    assert_int_equal(all[0].epoch, -2);
    OKAY(beat(&all[1]));
    OKAY(join(&c));
    assert_int_equal(group()->epoch, epoch);
    assert_int_equal(c.epoch, epoch);
    struct tps before = owned(&had), after = owned(&c);
    assert_true(tps_eq(&before, &after));
    assert_null(consumer_find(group_find(rig_groups, G), STR("a")));
    IS(send_beat(&had, had.epoch, false, NULL), FENCED_INSTANCE_ID);
    IS(leave(&had, -1), FENCED_INSTANCE_ID);
}

static void test_a_static_member_that_stays_away_is_put_out(void **unused)
{
    (void)unused;
    rig_options.consumer_session_ms = 50;
    rig_restart();
    struct consumer a = fixed("a", "one");
    OKAY(join(&a));
    OKAY(leave(&a, -2));
    UNTIL(group()->members == NULL);
}

/* --- time ------------------------------------------------------------------------------------- */
static void test_who_is_silent_for_its_session_is_put_out(void **unused)
{
    (void)unused;
    rig_options.consumer_session_ms = 50;
    rig_restart();
    struct consumer a = consumer("a", "payments");
    OKAY(join(&a));
    UNTIL(group()->members == NULL);
    IS(beat(&a), UNKNOWN_MEMBER_ID);
    assert_int_equal(group()->epoch, 2);
}

static void test_who_does_not_give_back_in_time_is_put_out(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments"), b = consumer("b", "payments");
    OKAY(join(&a));
    struct consumer_member *m = consumer_find(group_find(rig_groups, G), STR("a"));
    m->rebalance_timeout_ms = 30;
    OKAY(join(&b));
    OKAY(send_beat(&a, 1, false, NULL));
    UNTIL(consumer_find(group_find(rig_groups, G), STR("a")) == NULL);
    OKAY(beat(&b));
    assert_int_equal(b.owned_count, 3);
}

/* --- topics ----------------------------------------------------------------------------------- */
static void test_a_topic_that_grows_is_given_out_again(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments");
    OKAY(join(&a));
    rig_topic("payments", 5);
    OKAY(beat(&a));
    assert_int_equal(a.owned_count, 5);
    assert_int_equal(a.epoch, 2);
}

static void test_a_topic_may_come_later_and_go(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "refunds");
    OKAY(join(&a));
    assert_int_equal(a.owned_count, 0);
    rig_topic("refunds", 2);
    OKAY(beat(&a));
    assert_int_equal(a.owned_count, 2);
    rig_delete("refunds");
    OKAY(beat(&a));
    OKAY(beat(&a));
    assert_int_equal(a.owned_count, 0);
}

static void test_an_expression_finds_topics_now_and_later(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", NULL), b = consumer("b", NULL);
    a.regex = b.regex = "pay.*|refunds";
    OKAY(join(&a));
    assert_int_equal(a.owned_count, 3);
    rig_topic("refunds", 2);
    OKAY(beat(&a));
    assert_int_equal(a.owned_count, 5);
    struct consumer all[2] = { a, b };
    OKAY(join(&all[1]));
    settle(all, 2);
    assert_int_equal(all[0].owned_count + all[1].owned_count, 5);
    assert_int_equal(group()->regexes->topics_count, 2);
    OKAY(leave(&all[0], -1));
    assert_non_null(group()->regexes);
    OKAY(leave(&all[1], -1));
    assert_null(group()->regexes);
}

static void test_many_expressions_are_matched_anew_in_turns(void **unused)
{
    (void)unused;
    enum { MANY = 40 };
    static struct consumer many[MANY];
    static char regexes[MANY][32];
    for (int i = 0; i < MANY; i++) {
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        snprintf(regexes[i], sizeof(regexes[i]), "refunds-%d|payments", i);
        many[i] = consumer(id, NULL);
        many[i].regex = regexes[i];
        OKAY(join(&many[i]));
    }
    rig_topic("refunds-0", 1);
    rig_topic("refunds-39", 1);
    settle(many, MANY);
    size_t have = 0;
    for (int i = 0; i < MANY; i++) have += many[i].owned_count;
    assert_int_equal(have, 5);
    assert_string_equal(state(), "Stable");
}

static void test_a_malformed_expression_changes_nothing(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", NULL);
    a.regex = "(";
    IS(join(&a), INVALID_REGULAR_EXPRESSION);
    assert_null(group_find(rig_groups, G));
}

/* --- restarts --------------------------------------------------------------------------------- */
static void test_a_restart_remembers_members_epochs_and_assignments(void **unused)
{
    (void)unused;
    struct consumer all[2] = { fixed("a", "one"), consumer("b", "payments") };
    all[1].regex = "ord.*";
    OKAY(join(&all[0]));
    OKAY(join(&all[1]));
    settle(all, 2);
    int32_t epoch = group()->epoch;
    rig_restart();
    assert_int_equal(group()->epoch, epoch);
    assert_string_equal(state(), "Stable");
    assert_int_equal(group()->regexes->topics_count, 1);
    struct consumer before[2] = { all[0], all[1] };
    settle(all, 2);
    for (int i = 0; i < 2; i++) {
        struct tps was = owned(&before[i]), is = owned(&all[i]);
        assert_true(tps_eq(&was, &is));
        assert_int_equal(all[i].epoch, before[i].epoch);
    }
    assert_int_equal(group()->epoch, epoch);
}

static void test_a_restart_does_not_bring_back_who_left(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments");
    OKAY(join(&a));
    OKAY(leave(&a, -1));
    rig_restart();
    assert_string_equal(state(), "Empty");
    assert_int_equal(group()->epoch, 2);
    OKAY(join(&a));
    assert_int_equal(a.epoch, 3);
    OKAY(leave(&a, -1));
    OKAY(group_delete(rig_groups, G, NULL, NULL));
    rig_restart();
    assert_null(group_find(rig_groups, G));
}

/* --- offsets ---------------------------------------------------------------------------------- */
static void committed(struct group_wait *w, status s)
{
    (void)w;
    (void)s;
}

static status commit(const char *id, int32_t epoch, int16_t version)
{
    static struct group_wait wait;
    struct commit_item item = { .topic = STR("payments"), .offset = 7, .leader_epoch = -1 };
    struct member_key key = { .group_id = G, .member_id = str_c(id), .instance_id = STR_NULL,
                              .generation = epoch };
    wait = (struct group_wait){ .done = committed };
    status s = group_commit(rig_groups, &key, version, &item, 1, -1, &wait);
    if (is_ok(s)) UNTIL(plog_high_watermark(wait.log) >= plog_end(wait.log));
    loop_turn(rig_loop, 0);
    return s;
}

static void test_offsets_are_committed_in_the_members_epoch_only(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments");
    OKAY(join(&a));
    OKAY(commit("a", 1, 9));
    IS(commit("a", 0, 9), STALE_MEMBER_EPOCH);
    IS(commit("a", 2, 10), STALE_MEMBER_EPOCH);
    IS(commit("a", 1, 8), UNSUPPORTED_VERSION);
    IS(commit("b", 1, 9), UNKNOWN_MEMBER_ID);
    IS(commit("", -1, 9), UNKNOWN_MEMBER_ID);
    OKAY(leave(&a, -1));
    OKAY(commit("", -1, 9));
    rig_restart();
    assert_int_equal(group_offset(group_find(rig_groups, G), STR("payments"), 0)->offset, 7);
    IS(group_delete(rig_groups, STR("other"), NULL, NULL), GROUP_ID_NOT_FOUND);
}

static void test_offsets_expire_when_nobody_subscribes_to_their_topic(void **unused)
{
    (void)unused;
    rig_options.offsets_retention_ms = 20;
    rig_restart();
    struct consumer a = consumer("a", "payments");
    OKAY(join(&a));
    OKAY(commit("a", 1, 9));
    int64_t begin = loop_now(rig_loop);
    UNTIL(loop_now(rig_loop) > begin + 60);
    group_expire_fire(&rig_groups->expiry);
    assert_non_null(group_offset(group_find(rig_groups, G), STR("payments"), 0));
    OKAY(leave(&a, -1));
    UNTIL(group_find(rig_groups, G)->offsets == NULL);
}

static void test_a_group_of_plain_commits_becomes_one_of_members(void **unused)
{
    (void)unused;
    struct consumer a = consumer("a", "payments");
    OKAY(commit("", -1, 9));
    OKAY(join(&a));
    IS(group_delete(rig_groups, G, NULL, NULL), NON_EMPTY_GROUP);
    rig_restart();
    OKAY(beat(&a));
    assert_int_equal(group_offset(group_find(rig_groups, G), STR("payments"), 0)->offset, 7);
}

/* --- random groups ---------------------------------------------------------------------------- */
enum { CROWD = 6 };
static struct consumer crowd[CROWD];
static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static void check_owned_once(uint64_t round)
{
    for (int a = 0; a < CROWD; a++)
        for (int b = a + 1; b < CROWD; b++) {
            struct tps x = owned(&crowd[a]), y = owned(&crowd[b]);
            if (crowd[a].alive && crowd[b].alive && tps_touch(&x, &y))
                fail_msg("seed %lu: %s and %s own the same", round, crowd[a].id, crowd[b].id);
        }
}

static void check_owned_all(uint64_t round)
{
    size_t have = 0, want = 0;
    bool payments = false, orders = false;
    for (int i = 0; i < CROWD; i++) {
        if (!crowd[i].alive) continue;
        have += crowd[i].owned_count;
        for (int k = 0; k < 4 && crowd[i].names[k]; k++) {
            payments = payments || strcmp(crowd[i].names[k], "payments") == 0;
            orders = orders || strcmp(crowd[i].names[k], "orders") == 0;
        }
    }
    if (payments) want += (size_t)image_topic(rig_image, STR("payments"))->partitions;
    if (orders) want += (size_t)image_topic(rig_image, STR("orders"))->partitions;
    if (have != want) fail_msg("seed %lu: %zu of %zu partitions have an owner", round, have, want);
}

static void come(struct consumer *c)
{
    char id[64], instance[64];
    snprintf(id, sizeof(id), "m%u-%ld", draw(1000000), c - crowd);
    snprintf(instance, sizeof(instance), "%s", c->instance);
    *c = consumer(id, draw(2) ? "payments" : "orders");
    if (draw(2)) c->names[1] = strcmp(c->names[0], "orders") == 0 ? "payments" : "orders";
    if (instance[0] || draw(3) == 0) snprintf(c->instance, sizeof(c->instance), "i%ld", c - crowd);
    OKAY(join(c));
}

static void do_something(struct consumer *c)
{
    uint32_t what = draw(20);
    if (!c->alive) {
        if (what < 8) come(c);
    } else if (what == 0) {
        OKAY(leave(c, c->instance[0] ? -2 : -1));
        c->alive = false;
    } else if (what == 1) {
        c->names[0] = draw(2) ? "payments" : "orders";
        c->names[1] = NULL;
        struct tps have = owned(c);
        OKAY(send_beat(c, c->epoch, true, &have));
    } else if (what == 2) { /* the answer gets lost */
        struct consumer lost = *c;
        OKAY(beat(&lost));
        c->unsure = true;
    } else if (is_ok(beat(c)) == false) {
        c->owned_count = 0; /* fenced: begins anew */
        OKAY(join(c));
    }
}

static void test_no_two_members_ever_own_the_same(void **unused)
{
    (void)unused;
    for (uint64_t round = 1; round <= 25; round++) {
        seed = round;
        memset(crowd, 0, sizeof(crowd));
        rig_again();
        for (int step = 0; step < 250; step++) {
            if (step == 120) rig_restart();
            if (step == 60) rig_topic("payments", 6);
            do_something(&crowd[draw(CROWD)]);
            check_owned_once(round);
        }
        for (int i = 0; i < CROWD; i++)
            if (!crowd[i].alive) come(&crowd[i]);
        for (int turn = 0; turn < 12 * CROWD; turn++) {
            struct consumer *c = &crowd[turn % CROWD];
            if (failed(beat(c))) OKAY(join(c));
            check_owned_once(round);
        }
        check_owned_all(round);
        assert_string_equal(state(), "Stable");
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_the_first_member_gets_everything_at_once),
        CASE(test_a_partition_is_given_on_only_when_it_was_given_back),
        CASE(test_wrong_epochs_are_fenced_but_a_lost_answer_is_not),
        CASE(test_who_is_not_known_is_told_so),
        CASE(test_a_leaver_makes_room),
        CASE(test_another_subscription_is_another_assignment),
        CASE(test_most_members_choose_the_assignor),
        CASE(test_a_static_member_comes_back_to_what_it_had),
        CASE(test_a_static_member_that_stays_away_is_put_out),
        CASE(test_who_is_silent_for_its_session_is_put_out),
        CASE(test_who_does_not_give_back_in_time_is_put_out),
        CASE(test_a_topic_that_grows_is_given_out_again),
        CASE(test_a_topic_may_come_later_and_go),
        CASE(test_an_expression_finds_topics_now_and_later),
        CASE(test_many_expressions_are_matched_anew_in_turns),
        CASE(test_a_malformed_expression_changes_nothing),
        CASE(test_a_restart_remembers_members_epochs_and_assignments),
        CASE(test_a_restart_does_not_bring_back_who_left),
        CASE(test_offsets_are_committed_in_the_members_epoch_only),
        CASE(test_offsets_expire_when_nobody_subscribes_to_their_topic),
        CASE(test_a_group_of_plain_commits_becomes_one_of_members),
        CASE(test_no_two_members_ever_own_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
