/* Groups that change their protocol while their members go on: classic members are replaced by ones
 * of the consumer protocol one at a time, and back. After every step no partition has two owners; at
 * rest every partition has one. The classic members are cooperative ones, as a rolling upgrade needs. */
#include "group_rig.h"

#include "base/mem.h"
#include "wire/codec.h"
#include "wire/messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define G STR("fraud-check")
enum { COUNT = 3 };

/* --- a member of either protocol -------------------------------------------------------------- */
struct client {
    bool alive, classic;
    char id[512], instance[16];
    int32_t epoch; /* or generation */
    struct tp owned[16];
    size_t owned_count;
    struct group_protocol protocol;
    uint8_t subscription[512];
    struct join_request q;
    struct join_waiter join;
    struct sync_request sq;
    struct sync_waiter sync;
    struct sync_assignment given[COUNT];
    uint8_t bytes[COUNT][256];
    bool waits, leads;
    status error;
};
static struct client clients[COUNT];

static struct tps owned(const struct client *c)
{
    return (struct tps){ (struct tp *)c->owned, c->owned_count };
}

static void own(struct client *c, const struct tps *set)
{
    assert_true(set->count <= ARRAY_LEN(c->owned));
    c->owned_count = set->count;
    if (set->count > 0) memcpy(c->owned, set->at, set->count * sizeof(*set->at));
}

static struct uuid payments(void)
{
    return image_topic(rig_image, STR("payments"))->id;
}

/* --- the classic half ------------------------------------------------------------------------- */
static struct bytes encode(const struct wire_message *m, const void *object, uint8_t *out, size_t size)
{
    struct buf b;
    buf_init(&b, size);
    buf_put_be16(&b, 1);
    assert_true(is_ok(wire_encode(m, 1, object, &b)));
    assert_true(b.len <= size);
    memcpy(out, b.data, b.len);
    struct bytes all = bytes_of(out, b.len);
    buf_done(&b);
    return all;
}

static struct bytes subscription(struct client *c)
{
    struct consumer_protocol_subscription s;
    struct consumer_protocol_subscription_topic_partition have = { .topic = STR("payments") };
    struct str topic = STR("payments");
    int32_t partitions[16];
    wire_default(&consumer_protocol_subscription_message, &s);
    for (size_t i = 0; i < c->owned_count; i++) partitions[i] = c->owned[i].partition;
    have.partitions = partitions;
    have.partitions_count = (int32_t)c->owned_count;
    s.topics = &topic;
    s.topics_count = 1;
    s.owned_partitions = &have;
    s.owned_partitions_count = c->owned_count > 0;
    return encode(&consumer_protocol_subscription_message, &s, c->subscription,
                  sizeof(c->subscription));
}

static void on_synced(struct sync_waiter *w, const struct sync_result *r)
{
    struct client *c = CONTAINER_OF(w, struct client, sync);
    struct consumer_protocol_assignment a;
    struct arena arena;
    c->waits = false;
    c->error = r->error;
    if (failed(r->error)) return;
    arena_init(&arena, 1 << 20);
    struct tps set = TPS_NONE;
    if (r->assignment.len > 2) {
        assert_true(is_ok(wire_decode(&consumer_protocol_assignment_message, 1,
                                      bytes_of(r->assignment.data + 2, r->assignment.len - 2),
                                      &arena, &a, NULL)));
        set = tps_room(&arena, 16);
        for (int32_t i = 0; i < a.assigned_partitions_count; i++)
            for (int32_t k = 0; k < a.assigned_partitions[i].partitions_count; k++)
                set.at[set.count++] =
                    (struct tp){ payments(), a.assigned_partitions[i].partitions[k] };
    }
    tps_sort(&set);
    struct tps had = owned(c);
    /* As cooperative consumers do: what was given up can be given on in another rebalance. */
    if (!tps_within(&had, &set)) c->error = FAIL(REBALANCE_IN_PROGRESS);
    own(c, &set);
    arena_done(&arena);
}

static void sync(struct client *c, int32_t given)
{
    c->sq = (struct sync_request){
        .key = { .group_id = G, .member_id = str_c(c->id), .generation = c->epoch,
                 .instance_id = c->instance[0] ? str_c(c->instance) : STR_NULL },
        .protocol_type = STR("consumer"), .protocol = STR("cooperative-sticky"),
        .assignments = c->given, .assignments_count = given,
    };
    c->sync = (struct sync_waiter){ .done = on_synced };
    group_sync(rig_groups, &c->sq, &c->sync);
}

/* The leader of a classic rebalance gives partition p to member p % n, but nothing that somebody
 * else still has (it will be free in the next rebalance). */
static int32_t assign(struct client *leader, const struct group *g)
{
    int32_t n = 0;
    size_t members = HASH_COUNT(g->members);
    for (const struct member *m = g->members; m != NULL; m = m->hh.next, n++) {
        struct consumer_protocol_assignment a;
        struct consumer_protocol_assignment_topic_partition t = { .topic = STR("payments") };
        int32_t partitions[16];
        wire_default(&consumer_protocol_assignment_message, &a);
        for (int32_t p = n; p < 6; p += (int32_t)members) {
            bool held = false;
            for (int i = 0; i < COUNT; i++) {
                struct tps have = owned(&clients[i]);
                held = held || (clients[i].alive && !str_eq(str_c(clients[i].id), m->id) &&
                                tps_has(&have, (struct tp){ payments(), p }));
            }
            if (!held) partitions[t.partitions_count++] = p;
        }
        t.partitions = partitions;
        a.assigned_partitions = &t;
        a.assigned_partitions_count = 1;
        leader->given[n].member_id = m->id;
        leader->given[n].assignment = encode(&consumer_protocol_assignment_message, &a,
                                             leader->bytes[n], sizeof(leader->bytes[n]));
    }
    return n;
}

static void on_joined(struct join_waiter *w, const struct join_result *r)
{
    struct client *c = CONTAINER_OF(w, struct client, join);
    c->waits = false;
    c->error = r->error;
    if (r->member_id.len > 0) assert_true(str_copy(c->id, sizeof(c->id), r->member_id));
    if (failed(r->error)) return;
    c->epoch = r->generation;
    c->leads = r->members_of != NULL;
    c->waits = true;
    sync(c, c->leads ? assign(c, r->members_of) : 0);
}

static void classic_join(struct client *c)
{
    c->protocol = (struct group_protocol){ STR("cooperative-sticky"), subscription(c) };
    static char asked[COUNT][512]; /* the answer changes c->id */
    char *id = asked[c - clients];
    snprintf(id, sizeof(asked[0]), "%s", c->id);
    c->q = (struct join_request){
        .group_id = G, .member_id = str_c(id), .client_id = STR("app"),
        .instance_id = c->instance[0] ? str_c(c->instance) : STR_NULL,
        .client_host = STR("/127.0.0.1"), .protocol_type = STR("consumer"),
        .session_timeout_ms = 60000, .rebalance_timeout_ms = 60000, .protocols = &c->protocol,
        .protocols_count = 1, .ask_member_id = true, .skip_assignment = true,
    };
    c->join = (struct join_waiter){ .done = on_joined };
    c->waits = true;
    group_join(rig_groups, &c->q, &c->join);
    if (!c->waits && c->error.code == E_MEMBER_ID_REQUIRED) classic_join(c);
}

static void classic_turn(struct client *c)
{
    struct member_key key = { .group_id = G, .member_id = str_c(c->id), .generation = c->epoch,
                              .instance_id = c->instance[0] ? str_c(c->instance) : STR_NULL };
    if (c->waits) return;
    status s = failed(c->error) ? c->error : group_heartbeat(rig_groups, &key);
    c->error = OK;
    if (is_ok(s)) return;
    if (s.code == E_UNKNOWN_MEMBER_ID || s.code == E_ILLEGAL_GENERATION) {
        c->owned_count = 0;
        if (s.code == E_UNKNOWN_MEMBER_ID) c->id[0] = 0;
    } else {
        assert_int_equal(s.code, E_REBALANCE_IN_PROGRESS);
    }
    classic_join(c);
}

/* --- the other half --------------------------------------------------------------------------- */
static status send_beat(struct client *c, int32_t epoch, bool full)
{
    struct arena arena;
    struct str name = STR("payments");
    struct consumer_answer a;
    struct consumer_heartbeat q = {
        .group_id = G, .member_id = str_c(c->id), .epoch = epoch, .client_id = STR("app"),
        .client_host = STR("/127.0.0.1"), .rebalance_timeout_ms = full ? 60000 : -1,
        .who = { STR("User:test"), STR("127.0.0.1") }, .names = full ? &name : NULL,
        .names_count = 1, .has_owned = true, .owned = owned(c),
        .instance_id = c->instance[0] ? str_c(c->instance) : STR_NULL,
    };
    arena_init(&arena, 1 << 20);
    status s = consumer_heartbeat(rig_groups, &q, &arena, &a);
    if (is_ok(s)) {
        c->epoch = a.epoch;
        if (a.has_assignment) own(c, &a.assignment);
    }
    arena_done(&arena);
    return s;
}

static void come(struct client *c, bool classic, const char *instance)
{
    static int count;
    *c = (struct client){ .alive = true, .classic = classic };
    snprintf(c->instance, sizeof(c->instance), "%s", instance ? instance : "");
    if (classic) {
        classic_join(c);
        return;
    }
    snprintf(c->id, sizeof(c->id), "new-%d", count++);
    assert_true(is_ok(send_beat(c, 0, true)));
}

static void go(struct client *c)
{
    struct member_key key = { .group_id = G, .member_id = str_c(c->id) };
    status error;
    c->alive = false;
    c->owned_count = 0;
    if (!c->classic) {
        assert_true(is_ok(send_beat(c, -1, false)));
        return;
    }
    assert_true(is_ok(group_leave(rig_groups, G, &key, 1, &error)));
    assert_true(is_ok(error));
}

/* --- all together ----------------------------------------------------------------------------- */
static void check_owned_once(void)
{
    for (int a = 0; a < COUNT; a++)
        for (int b = a + 1; b < COUNT; b++) {
            struct tps x = owned(&clients[a]), y = owned(&clients[b]);
            if (tps_touch(&x, &y)) fail_msg("clients %d and %d own the same", a, b);
        }
}

static size_t have_all(void)
{
    size_t n = 0;
    for (int i = 0; i < COUNT; i++) n += clients[i].alive ? clients[i].owned_count : 0;
    return n;
}

static const struct group *group(void)
{
    return group_find(rig_groups, G);
}

static bool is_quiet(void)
{
    for (int i = 0; i < COUNT; i++)
        if (clients[i].alive && (clients[i].waits || failed(clients[i].error))) return false;
    return have_all() == 6 && group()->state == GROUP_STABLE &&
           (group()->consumer == NULL || strcmp(consumer_group_state(group()), "Stable") == 0);
}

/* Until nothing has changed for some rounds, however long the disk takes. */
static void settle(void)
{
    int quiet = 0;
    for (int round = 0; quiet < 5; round++) {
        if (round > 20000) fail_msg("the group never came to rest");
        for (int i = 0; i < COUNT; i++) {
            struct client *c = &clients[i];
            if (c->alive && c->classic) classic_turn(c);
            if (c->alive && !c->classic) assert_true(is_ok(send_beat(c, c->epoch, false)));
            check_owned_once();
        }
        loop_turn(rig_loop, 1);
        check_owned_once();
        quiet = is_quiet() ? quiet + 1 : 0;
    }
}

static int setup(void **state)
{
    if (rig_setup(state) != 0) return 1;
    memset(clients, 0, sizeof(clients));
    rig_topic("payments", 6);
    return 0;
}

static void start_classic(const char *instance)
{
    for (int i = 0; i < COUNT; i++) come(&clients[i], true, i == 0 ? instance : NULL);
    settle();
    assert_null(group()->consumer);
    assert_int_equal(group()->state, GROUP_STABLE);
}

static void test_a_rolling_upgrade_and_back_loses_and_doubles_nothing(void **state)
{
    (void)state;
    start_classic(NULL);
    int32_t generation = group()->generation;
    for (int i = 0; i < COUNT; i++) {
        go(&clients[i]);
        come(&clients[i], false, NULL);
        check_owned_once();
        assert_non_null(group()->consumer);
        assert_true(group()->consumer->epoch > generation);
        settle();
        assert_int_equal(consumer_classic_count(group()), COUNT - 1 - i);
    }
    assert_string_equal(consumer_group_state(group()), "Stable");
    int32_t epoch = group()->consumer->epoch;
    for (int i = 0; i < COUNT; i++) {
        go(&clients[i]);
        come(&clients[i], true, NULL);
        settle();
    }
    assert_null(group()->consumer);
    assert_int_equal(group()->state, GROUP_STABLE);
    assert_true(group()->generation >= epoch);
    assert_int_equal(HASH_COUNT(group()->members), COUNT);
}

static void test_a_restart_in_the_middle_of_a_migration_goes_on(void **state)
{
    (void)state;
    start_classic(NULL);
    go(&clients[0]);
    come(&clients[0], false, NULL);
    settle();
    int32_t epoch = group()->consumer->epoch;
    rig_restart();
    assert_int_equal(group()->consumer->epoch, epoch);
    assert_int_equal(consumer_classic_count(group()), 2);
    settle();
    assert_int_equal(group()->consumer->epoch, epoch);
    go(&clients[0]);
    assert_null(group()->consumer);
    for (int i = 1; i < COUNT; i++) clients[i].waits = false;
    rig_restart();
    assert_null(group()->consumer);
    assert_int_equal(HASH_COUNT(group()->members), 2);
    settle();
}

static void test_a_static_member_changes_its_protocol_and_keeps_its_partitions(void **state)
{
    (void)state;
    start_classic("one");
    struct tps before = owned(&clients[0]);
    struct tp kept[16];
    memcpy(kept, before.at, before.count * sizeof(*kept));
    before.at = kept;
    come(&clients[0], false, "one"); /* takes the place of itself */
    settle();
    struct tps after = owned(&clients[0]);
    assert_true(tps_eq(&before, &after));
    come(&clients[0], true, "one"); /* and back: now all are classic */
    settle();
    assert_null(group()->consumer);
    assert_int_equal(HASH_COUNT(group()->members), COUNT);
}

static void test_groups_that_are_not_of_consumers_stay_classic(void **state)
{
    (void)state;
    struct client *c = &clients[0];
    *c = (struct client){ .alive = true, .classic = true };
    c->protocol = (struct group_protocol){ STR("default"), { (const uint8_t *)"m", 1 } };
    c->q = (struct join_request){ .group_id = G, .member_id = STR(""), .client_id = STR("app"),
                                  .client_host = STR("/"), .protocol_type = STR("connect"),
                                  .session_timeout_ms = 60000, .rebalance_timeout_ms = 60000,
                                  .protocols = &c->protocol, .protocols_count = 1 };
    c->join = (struct join_waiter){ .done = on_joined };
    c->waits = true;
    group_join(rig_groups, &c->q, &c->join);
    struct client other = { .id = "other" };
    assert_int_equal(send_beat(&other, 0, true).code, E_GROUP_ID_NOT_FOUND);
    assert_null(group()->consumer);
}

static void test_a_classic_member_without_a_common_protocol_is_refused(void **state)
{
    (void)state;
    start_classic(NULL);
    go(&clients[0]);
    come(&clients[0], false, NULL);
    settle();
    struct client other = { .error = OK };
    other.protocol = (struct group_protocol){ STR("range"), subscription(&other) };
    other.q = (struct join_request){ .group_id = G, .member_id = STR(""), .client_id = STR("app"),
                                     .client_host = STR("/"), .protocol_type = STR("consumer"),
                                     .session_timeout_ms = 60000, .rebalance_timeout_ms = 60000,
                                     .protocols = &other.protocol, .protocols_count = 1 };
    other.join = (struct join_waiter){ .done = on_joined };
    group_join(rig_groups, &other.q, &other.join);
    assert_int_equal(other.error.code, E_INCONSISTENT_GROUP_PROTOCOL);
}

static void test_classic_members_are_told_to_join_again(void **state)
{
    (void)state;
    start_classic(NULL);
    go(&clients[0]);
    come(&clients[0], false, NULL);
    struct member_key key = { .group_id = G, .member_id = str_c(clients[1].id),
                              .generation = clients[1].epoch };
    assert_int_equal(group_heartbeat(rig_groups, &key).code, E_REBALANCE_IN_PROGRESS);
    key.generation += 7;
    assert_int_equal(group_heartbeat(rig_groups, &key).code, E_ILLEGAL_GENERATION);
    key.member_id = str_c(clients[0].id); /* speaks the other protocol */
    assert_int_equal(group_heartbeat(rig_groups, &key).code, E_UNKNOWN_MEMBER_ID);
    assert_int_equal(consumer_find(group(), str_c(clients[1].id))->join.slot != 0, 1);
    settle();
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_rolling_upgrade_and_back_loses_and_doubles_nothing),
        CASE(test_a_restart_in_the_middle_of_a_migration_goes_on),
        CASE(test_a_static_member_changes_its_protocol_and_keeps_its_partitions),
        CASE(test_groups_that_are_not_of_consumers_stay_classic),
        CASE(test_a_classic_member_without_a_common_protocol_is_refused),
        CASE(test_classic_members_are_told_to_join_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
