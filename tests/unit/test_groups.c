/* The coordinator of classic groups over a real store and the real loop, with short timeouts: who is
 * let in, how rebalances go, what is remembered over a restart. Nothing measures time: tests wait
 * for what has to happen. */
#include "broker/group.h"

#include "base/mem.h"
#include "cluster/delta.h"
#include "io/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define G STR("fraud-check")

static char dir[64];
static struct loop *loop;
static struct fs *fs;
static struct store *store;
static struct image *image;
static struct group_coordinator *groups;
static struct group_options options;
static struct uuid offsets_id, payments_id;

/* --- the world -------------------------------------------------------------------------------- */
static bool known(void *arg, struct uuid topic, int32_t partition, struct log_config *ret)
{
    (void)arg;
    (void)partition;
    *ret = log_config_default;
    return image_topic_by_id(image, topic) != NULL;
}

static void moved(void *arg, struct plog *log)
{
    (void)arg;
    (void)log;
}

static void fatal(void *arg, status why)
{
    (void)arg;
    fail_msg("store: %s", status_text(why));
}

static struct plog *log_of(void *arg, const struct topic *topic, int32_t partition)
{
    (void)arg;
    return store_log(store, topic->id, partition, &log_config_default);
}

static void fill_image(void)
{
    struct limits limits = limits_standalone;
    limits.group_initial_delay_ms = 0;
    struct buf b;
    buf_init(&b, DELTA_MAX);
    delta_begin(&b, 0, 1);
    delta_cluster(&b, STR("lkc-test"), uuid_new());
    delta_limits(&b, &limits);
    delta_consumer_offsets(&b, offsets_id);
    delta_topic(&b, &(struct delta_topic){ .id = payments_id, .name = STR("payments"),
                                           .partitions = 3, .replication_factor = 1 });
    assert_true(is_ok(buf_check(&b)));
    assert_true(is_ok(image_new(&image)));
    assert_true(is_ok(image_apply(image, buf_bytes(&b), NULL)));
    buf_done(&b);
}

static void start(void)
{
    assert_true(is_ok(loop_new(&loop)));
    assert_true(is_ok(fs_posix_new(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &fs)));
    struct store_options so = { .fs = fs, .loop = loop, .known = known, .moved = moved,
                                .fatal = fatal };
    assert_true(is_ok(store_open(&so, &store)));
    options.loop = loop;
    options.image = image;
    options.store = store;
    options.log = log_of;
    assert_true(is_ok(group_coordinator_new(&options, &groups)));
    assert_true(is_ok(group_coordinator_load(groups)));
}

/* As by kill: nothing is closed in an orderly way. */
static void halt(void)
{
    group_coordinator_free(groups);
    store_free(store);
    loop_free(loop);
    fs_posix_free(fs);
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/leat-groups-XXXXXX");
    if (mkdtemp(dir) == NULL) return 1;
    offsets_id = uuid_new();
    payments_id = uuid_new();
    group_options_init(&options);
    options.session_min_ms = 10;
    fill_image();
    start();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    halt();
    image_free(image);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return mem_outstanding() != 0;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int turns_ = 0; !(condition); turns_++) {                                             \
            if (turns_ > 20000) fail_msg("never came: %s", #condition);                            \
            loop_turn(loop, 10);                                                                   \
        }                                                                                          \
    } while (0)

/* --- a client --------------------------------------------------------------------------------- */
struct client {
    struct group_protocol protocols[2];
    struct join_request q;
    struct join_waiter join;
    struct sync_request sq;
    struct sync_waiter sync;
    bool joined, synced;
    status error;
    int32_t generation;
    char id[512], leader[512], protocol[64], assignment[64];
    size_t listed;
    bool skip;
};

static void put(char *field, size_t size, struct str s)
{
    assert_true(str_copy(field, size, str_is_null(s) ? STR("") : s));
}

static void on_joined(struct join_waiter *w, const struct join_result *r)
{
    struct client *c = CONTAINER_OF(w, struct client, join);
    assert_false(c->joined);
    c->joined = true;
    c->error = r->error;
    c->generation = r->generation;
    put(c->id, sizeof(c->id), r->member_id);
    put(c->leader, sizeof(c->leader), r->leader);
    put(c->protocol, sizeof(c->protocol), r->protocol);
    c->listed = r->members_of ? HASH_COUNT(r->members_of->members) : 0;
    c->skip = r->skip_assignment;
}

static void on_synced(struct sync_waiter *w, const struct sync_result *r)
{
    struct client *c = CONTAINER_OF(w, struct client, sync);
    assert_false(c->synced);
    c->synced = true;
    c->error = r->error;
    put(c->assignment, sizeof(c->assignment), bytes_str(r->assignment));
}

static struct client client(void)
{
    return (struct client){
        .protocols = { { STR("range"), { (const uint8_t *)"m", 1 } } },
        .q = { .group_id = G, .member_id = STR(""), .client_id = STR("app"),
               .client_host = STR("/127.0.0.1"), .protocol_type = STR("consumer"),
               .session_timeout_ms = 60000, .rebalance_timeout_ms = 60000,
               .protocols_count = 1 },
    };
}

static void join(struct client *c)
{
    c->joined = c->synced = false;
    c->q.protocols = c->protocols;
    c->join = (struct join_waiter){ .done = on_joined };
    group_join(groups, &c->q, &c->join);
}

static void rejoin(struct client *c)
{
    c->q.member_id = str_c(c->id);
    join(c);
}

static void sync_as(struct client *c, const struct sync_assignment *a, int32_t n)
{
    c->synced = false;
    c->sync = (struct sync_waiter){ .done = on_synced };
    c->sq = (struct sync_request){
        .key = { .group_id = c->q.group_id, .member_id = str_c(c->id),
                 .instance_id = c->q.instance_id, .generation = c->generation },
        .assignments = a, .assignments_count = n };
    group_sync(groups, &c->sq, &c->sync);
}

static struct sync_assignment give(struct client *c, const char *what)
{
    return (struct sync_assignment){ str_c(c->id), str_bytes(str_c(what)) };
}

static struct member_key key_of(struct client *c)
{
    return (struct member_key){ .group_id = c->q.group_id, .member_id = str_c(c->id),
                                .instance_id = c->q.instance_id, .generation = c->generation };
}

static status heartbeat(struct client *c)
{
    struct member_key key = key_of(c);
    return group_heartbeat(groups, &key);
}

static status leave(struct client *c)
{
    struct member_key key = key_of(c);
    status error = OK;
    status s = group_leave(groups, c->q.group_id, &key, 1, &error);
    return failed(s) ? s : error;
}

/* A group of one that is stable. */
static void settle(struct client *c)
{
    join(c);
    UNTIL(c->joined);
    assert_true(is_ok(c->error));
    struct sync_assignment a = give(c, "all");
    sync_as(c, &a, 1);
    UNTIL(c->synced);
    assert_true(is_ok(c->error));
}

/* Two members that are stable; a leads. */
static void settle_two(struct client *a, struct client *b)
{
    settle(a);
    join(b);
    rejoin(a);
    UNTIL(a->joined && b->joined);
    struct sync_assignment s[] = { give(a, "0,1"), give(b, "2") };
    sync_as(b, NULL, 0);
    assert_false(b->synced);
    sync_as(a, s, 2);
    UNTIL(a->synced && b->synced);
}

static enum group_state state_of(struct str id)
{
    struct group *g = group_find(groups, id);
    return g ? g->state : GROUP_DEAD;
}

/* --- joining ---------------------------------------------------------------------------------- */
static void test_a_first_join_is_asked_to_come_again_with_its_id(void **state)
{
    (void)state;
    struct client a = client();
    a.q.ask_member_id = true;
    join(&a);
    assert_true(a.joined);
    assert_int_equal(a.error.code, E_MEMBER_ID_REQUIRED);
    assert_true(str_starts(str_c(a.id), STR("app-")));
    rejoin(&a);
    UNTIL(a.joined);
    assert_true(is_ok(a.error));
    assert_int_equal(a.generation, 1);
    assert_string_equal(a.leader, a.id);
    assert_string_equal(a.protocol, "range");
    assert_int_equal(a.listed, 1);
}

static void test_an_old_client_is_let_in_at_once(void **state)
{
    (void)state;
    struct client a = client();
    join(&a);
    UNTIL(a.joined);
    assert_true(is_ok(a.error));
}

static void test_members_that_come_during_the_initial_delay_share_the_first_generation(void **state)
{
    (void)state;
    image->limits.group_initial_delay_ms = 100;
    struct client a = client(), b = client();
    join(&a);
    join(&b); /* in the same turn: the delay cannot end between them */
    UNTIL(a.joined && b.joined);
    assert_int_equal(a.generation, 1);
    assert_int_equal(b.generation, 1);
    assert_int_equal(a.listed, 2);
    assert_int_equal(b.listed, 0);
    assert_string_equal(b.leader, a.id);
}

static void test_wrong_joins_are_refused(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    b.q.group_id = STR("");
    join(&b);
    assert_int_equal(b.error.code, E_INVALID_GROUP_ID);
    b = client();
    b.q.session_timeout_ms = 5;
    join(&b);
    assert_int_equal(b.error.code, E_INVALID_SESSION_TIMEOUT);
    b = client();
    b.q.member_id = STR("nobody");
    join(&b);
    assert_int_equal(b.error.code, E_UNKNOWN_MEMBER_ID);
    b = client();
    b.q.protocols_count = 0;
    join(&b);
    assert_int_equal(b.error.code, E_INCONSISTENT_GROUP_PROTOCOL);
    settle(&a);
    b = client();
    b.protocols[0].name = STR("other");
    join(&b);
    assert_int_equal(b.error.code, E_INCONSISTENT_GROUP_PROTOCOL);
    b = client();
    b.q.protocol_type = STR("connect");
    join(&b);
    assert_int_equal(b.error.code, E_INCONSISTENT_GROUP_PROTOCOL);
}

static void test_a_full_group_takes_nobody_more(void **state)
{
    (void)state;
    groups->options.group_max_size = 1;
    struct client a = client(), b = client();
    settle(&a);
    join(&b);
    assert_int_equal(b.error.code, E_GROUP_MAX_SIZE_REACHED);
    assert_true(is_ok(heartbeat(&a)));
}

static void test_the_protocol_most_members_prefer_is_chosen(void **state)
{
    (void)state;
    image->limits.group_initial_delay_ms = 50;
    struct client c[3] = { client(), client(), client() };
    for (int i = 0; i < 3; i++) {
        c[i].q.protocols_count = 2;
        int first = i == 0 ? 0 : 1; /* where it has "range" */
        c[i].protocols[first] = (struct group_protocol){ STR("range"), str_bytes(STR("r")) };
        c[i].protocols[1 - first] = (struct group_protocol){ STR("sticky"), str_bytes(STR("s")) };
        join(&c[i]);
    }
    UNTIL(c[0].joined && c[1].joined && c[2].joined);
    for (int i = 0; i < 3; i++) assert_string_equal(c[i].protocol, "sticky");
}

/* --- rebalances ------------------------------------------------------------------------------- */
static void test_followers_wait_for_the_leaders_assignment_and_get_their_part(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    settle_two(&a, &b);
    assert_string_equal(a.assignment, "0,1");
    assert_string_equal(b.assignment, "2");
    assert_int_equal(a.generation, 2);
    assert_int_equal(state_of(G), GROUP_STABLE);
    assert_true(is_ok(heartbeat(&a)));
    assert_true(is_ok(heartbeat(&b)));
}

static void test_members_hear_of_a_rebalance_by_their_heartbeat(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    settle(&a);
    join(&b);
    assert_false(b.joined);
    assert_int_equal(heartbeat(&a).code, E_REBALANCE_IN_PROGRESS);
    rejoin(&a);
    UNTIL(a.joined && b.joined);
    assert_int_equal(a.generation, 2);
    assert_int_equal(a.listed, 2);
}

static void test_a_wrong_generation_or_member_is_told_so(void **state)
{
    (void)state;
    struct client a = client();
    settle(&a);
    a.generation = 9;
    assert_int_equal(heartbeat(&a).code, E_ILLEGAL_GENERATION);
    sync_as(&a, NULL, 0);
    assert_int_equal(a.error.code, E_ILLEGAL_GENERATION);
    assert_true(str_copy(a.id, sizeof(a.id), STR("nobody")));
    assert_int_equal(heartbeat(&a).code, E_UNKNOWN_MEMBER_ID);
    a.q.group_id = STR("no-such-group");
    assert_int_equal(heartbeat(&a).code, E_UNKNOWN_MEMBER_ID);
}

static void test_a_follower_that_joins_again_unchanged_disturbs_nobody(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    settle_two(&a, &b);
    rejoin(&b);
    assert_true(b.joined && is_ok(b.error));
    assert_int_equal(b.generation, 2);
    assert_int_equal(state_of(G), GROUP_STABLE);
    rejoin(&a); /* the leader's rejoin is a wish to rebalance */
    assert_int_equal(state_of(G), GROUP_PREPARING);
}

static void test_who_does_not_come_back_is_dropped_when_the_rebalance_ends(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    a.q.rebalance_timeout_ms = b.q.rebalance_timeout_ms = 60;
    settle(&a);
    join(&b);
    UNTIL(b.joined);
    assert_true(is_ok(b.error));
    assert_string_equal(b.leader, b.id);
    assert_int_equal(b.listed, 1);
    assert_int_equal(heartbeat(&a).code, E_UNKNOWN_MEMBER_ID);
}

static void test_who_does_not_sync_is_dropped(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    a.q.rebalance_timeout_ms = b.q.rebalance_timeout_ms = 60;
    settle(&a);
    join(&b);
    rejoin(&a);
    UNTIL(a.joined && b.joined);
    struct sync_assignment s = give(&a, "0");
    sync_as(&a, &s, 1);
    UNTIL(a.synced);
    UNTIL(heartbeat(&a).code == E_REBALANCE_IN_PROGRESS);
    assert_int_equal(heartbeat(&b).code, E_UNKNOWN_MEMBER_ID);
}

/* Only now, when the group stands: on a busy machine that takes longer than a short session. */
static void end_session_soon(const struct client *c)
{
    group_restart_session(group_find_member(group_find(groups, G), str_c(c->id)), 20);
}

static void test_a_silent_member_loses_its_session(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    settle_two(&a, &b);
    end_session_soon(&b);
    UNTIL(heartbeat(&a).code == E_REBALANCE_IN_PROGRESS);
    rejoin(&a);
    UNTIL(a.joined);
    assert_int_equal(a.listed, 1);
    assert_int_equal(heartbeat(&b).code, E_UNKNOWN_MEMBER_ID);
}

static void test_a_member_that_leaves_starts_a_rebalance_and_the_last_empties_the_group(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    settle_two(&a, &b);
    assert_true(is_ok(leave(&b)));
    assert_int_equal(heartbeat(&a).code, E_REBALANCE_IN_PROGRESS);
    assert_int_equal(leave(&b).code, E_UNKNOWN_MEMBER_ID);
    assert_true(is_ok(leave(&a)));
    assert_int_equal(state_of(G), GROUP_EMPTY);
}

static void test_a_client_that_goes_while_it_waits_is_answered_into_nothing(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    b.q.session_timeout_ms = 60;
    settle(&a);
    join(&b);
    assert_true(group_join_abandon(&b.join));
    rejoin(&a);
    UNTIL(a.joined);
    assert_false(b.joined);
    assert_int_equal(a.listed, 2); /* until its session ends */
    struct sync_assignment s = give(&a, "all");
    sync_as(&a, &s, 1);
    UNTIL(a.synced);
    UNTIL(heartbeat(&a).code == E_REBALANCE_IN_PROGRESS);
}

/* --- static members --------------------------------------------------------------------------- */
static void test_a_static_member_comes_back_to_its_assignment_without_a_rebalance(void **state)
{
    (void)state;
    struct client a = client(), b = client(), again = client();
    b.q.instance_id = again.q.instance_id = STR("pod-1");
    again.q.skip_assignment = true;
    settle_two(&a, &b);
    join(&again);
    UNTIL(again.joined);
    assert_true(is_ok(again.error));
    assert_int_equal(again.generation, 2);
    assert_string_not_equal(again.id, b.id);
    assert_false(again.skip); /* it is not the leader */
    sync_as(&again, NULL, 0);
    UNTIL(again.synced);
    assert_string_equal(again.assignment, "2");
    assert_int_equal(state_of(G), GROUP_STABLE);
    assert_int_equal(heartbeat(&b).code, E_FENCED_INSTANCE_ID);
    assert_true(is_ok(heartbeat(&a)));
}

static void test_a_static_leader_that_comes_back_is_told_to_skip_the_assignment(void **state)
{
    (void)state;
    struct client a = client(), again = client();
    a.q.instance_id = again.q.instance_id = STR("pod-0");
    again.q.skip_assignment = true;
    settle(&a);
    join(&again);
    UNTIL(again.joined);
    assert_true(is_ok(again.error) && again.skip);
    assert_int_equal(again.listed, 1);
    assert_string_equal(again.leader, again.id);
    struct client old = client();
    old.q.instance_id = STR("pod-0");
    join(&old);
    UNTIL(old.joined);
    assert_string_equal(old.leader, again.id); /* so it does not think it leads */
    assert_string_not_equal(old.leader, old.id);
}

static void test_an_administrator_removes_a_static_member_by_its_instance(void **state)
{
    (void)state;
    struct client a = client();
    a.q.instance_id = STR("pod-0");
    settle(&a);
    struct member_key keys[] = {
        { .group_id = G, .member_id = STR(""), .instance_id = STR("pod-9") },
        { .group_id = G, .member_id = STR(""), .instance_id = STR("pod-0") },
    };
    status errors[2];
    assert_true(is_ok(group_leave(groups, G, keys, 2, errors)));
    assert_int_equal(errors[0].code, E_UNKNOWN_MEMBER_ID);
    assert_true(is_ok(errors[1]));
    assert_int_equal(state_of(G), GROUP_EMPTY);
}

/* --- offsets ---------------------------------------------------------------------------------- */
struct commit {
    struct group_wait wait;
    bool durable;
    status result;
};

static void on_durable(struct group_wait *wait, status result)
{
    struct commit *c = CONTAINER_OF(wait, struct commit, wait);
    c->durable = true;
    c->result = result;
}

static struct commit_item item(int32_t partition, int64_t offset)
{
    return (struct commit_item){ .topic = STR("payments"), .topic_id = payments_id,
                                 .partition = partition, .offset = offset, .leader_epoch = 4,
                                 .metadata = STR("note") };
}

static status commit(const struct member_key *key, struct commit_item *items, size_t n)
{
    struct commit c = { .wait = { .done = on_durable } };
    status s = group_commit(groups, key, 9, items, n, -1, &c.wait);
    if (failed(s)) return s;
    UNTIL(c.durable || c.wait.coordinator == NULL);
    return c.result;
}

static void test_offsets_and_members_are_there_after_a_kill(void **state)
{
    (void)state;
    struct client a = client();
    settle(&a);
    struct member_key key = key_of(&a);
    struct commit_item first[] = { item(0, 10), item(1, 20) }, second[] = { item(0, 11) };
    assert_true(is_ok(commit(&key, first, 2)));
    assert_true(is_ok(commit(&key, second, 1)));
    halt();
    start();
    struct group *g = group_find(groups, G);
    assert_non_null(g);
    assert_int_equal(g->state, GROUP_STABLE);
    assert_int_equal(g->generation, 1);
    struct committed *o = group_offset(g, STR("payments"), 0);
    assert_non_null(o);
    assert_int_equal(o->offset, 11);
    assert_int_equal(o->leader_epoch, 4);
    assert_true(str_eq(o->metadata, STR("note")));
    assert_int_equal(group_offset(g, STR("payments"), 1)->offset, 20);
    assert_null(group_offset(g, STR("payments"), 2));
    assert_true(is_ok(heartbeat(&a)));
    sync_as(&a, NULL, 0);
    UNTIL(a.synced);
    assert_string_equal(a.assignment, "all");
}

static void test_only_members_of_the_generation_commit(void **state)
{
    (void)state;
    struct client a = client();
    struct commit_item i[] = { item(0, 1) };
    settle(&a);
    struct member_key key = key_of(&a);
    key.generation = 7;
    assert_int_equal(commit(&key, i, 1).code, E_ILLEGAL_GENERATION);
    key.member_id = STR("nobody");
    assert_int_equal(commit(&key, i, 1).code, E_UNKNOWN_MEMBER_ID);
    key = (struct member_key){ .group_id = G, .member_id = STR(""), .generation = -1 };
    assert_int_equal(commit(&key, i, 1).code, E_UNKNOWN_MEMBER_ID);
    key.group_id = STR("unheard-of");
    key.generation = 3;
    assert_int_equal(commit(&key, i, 1).code, E_GROUP_ID_NOT_FOUND);
    assert_null(group_offset(group_find(groups, G), STR("payments"), 0));
}

/* --- transactions ----------------------------------------------------------------------------- */
static const struct member_key simple = { { "simple", 6 }, { "", 0 }, { NULL, 0 }, -1 };

static status commit_txn(const struct member_key *key, int64_t producer, int epoch,
                         struct commit_item *items, size_t n)
{
    struct commit c = { .wait = { .done = on_durable } };
    status s = group_commit_txn(groups, key, producer, (int16_t)epoch, items, n, &c.wait);
    if (failed(s)) return s;
    UNTIL(c.durable || c.wait.coordinator == NULL);
    return c.result;
}

/* The marker as the broker writes it. */
static void end_txn(int64_t producer, int epoch, bool yes)
{
    struct plog *log = group_log_of(groups, simple.group_id);
    struct append_result result = { 0 };
    assert_true(is_ok(plog_append_marker(log, producer, (int16_t)epoch, yes, 1, false, &result)));
    group_txn_end(groups, plog_partition(log), producer, yes, result.end_offset);
    UNTIL(plog_high_watermark(log) >= result.end_offset);
}

static int64_t offset_of(int32_t partition)
{
    const struct group *g = group_find(groups, simple.group_id);
    const struct committed *o = g ? group_offset(g, STR("payments"), partition) : NULL;
    return o ? o->offset : -1;
}

static bool is_pending(int32_t partition)
{
    const struct group *g = group_find(groups, simple.group_id);
    return g != NULL && group_offset_is_pending(g, STR("payments"), partition);
}

static void kill_and_start(void)
{
    halt();
    start();
}

static void test_offsets_of_a_transaction_are_pending_until_its_end(void **state)
{
    (void)state;
    struct commit_item i[] = { item(0, 5), item(1, 6) }, again[] = { item(0, 7) };
    assert_true(is_ok(commit_txn(&simple, 42, 0, i, 2)));
    assert_true(is_ok(commit_txn(&simple, 42, 0, again, 1)));
    for (int k = 0; k < 2; k++) { /* and so after a restart */
        assert_int_equal(offset_of(0), -1);
        assert_true(is_pending(0) && is_pending(1) && !is_pending(2));
        kill_and_start();
    }
    end_txn(42, 0, true);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(offset_of(0), 7);
        assert_int_equal(offset_of(1), 6);
        assert_false(is_pending(0) || is_pending(1));
        kill_and_start();
    }
}

static void test_offsets_of_an_aborted_transaction_are_forgotten(void **state)
{
    (void)state;
    struct commit_item first[] = { item(0, 1) }, i[] = { item(0, 5), item(1, 6) };
    assert_true(is_ok(commit(&simple, first, 1)));
    assert_true(is_ok(commit_txn(&simple, 42, 0, i, 2)));
    end_txn(42, 0, false);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(offset_of(0), 1);
        assert_int_equal(offset_of(1), -1);
        assert_false(is_pending(0));
        kill_and_start();
    }
}

static void test_the_later_of_two_commits_holds_whichever_ends_first(void **state)
{
    (void)state;
    struct commit_item a[] = { item(0, 10) }, b[] = { item(0, 20) }, c[] = { item(0, 30) };
    assert_true(is_ok(commit_txn(&simple, 1, 0, a, 1)));
    assert_true(is_ok(commit_txn(&simple, 2, 0, b, 1)));
    end_txn(2, 0, true);
    assert_int_equal(offset_of(0), 20);
    end_txn(1, 0, true);
    assert_int_equal(offset_of(0), 20);
    assert_true(is_ok(commit_txn(&simple, 1, 0, a, 1)));
    assert_true(is_ok(commit(&simple, c, 1)));
    end_txn(1, 0, true);
    assert_int_equal(offset_of(0), 30);
    kill_and_start();
    assert_int_equal(offset_of(0), 30);
}

static void test_an_old_epoch_commits_no_offsets(void **state)
{
    (void)state;
    struct commit_item i[] = { item(0, 5) };
    assert_true(is_ok(commit_txn(&simple, 42, 3, i, 1)));
    assert_int_equal(commit_txn(&simple, 42, 2, i, 1).code, E_INVALID_PRODUCER_EPOCH);
}

static void test_a_transaction_asks_for_the_generation_only_when_it_names_one(void **state)
{
    (void)state;
    struct client a = client();
    struct commit_item i[] = { item(0, 1) };
    settle(&a);
    struct member_key key = key_of(&a);
    assert_true(is_ok(commit_txn(&key, 42, 0, i, 1)));
    key.generation = 7;
    assert_int_equal(commit_txn(&key, 42, 0, i, 1).code, E_ILLEGAL_GENERATION);
    key = key_of(&a);
    key.member_id = STR("nobody");
    assert_int_equal(commit_txn(&key, 42, 0, i, 1).code, E_UNKNOWN_MEMBER_ID);
    key = (struct member_key){ .group_id = G, .member_id = STR(""), .generation = -1 };
    assert_true(is_ok(commit_txn(&key, 42, 0, i, 1))); /* a producer before KIP-447 */
    key.group_id = STR("unheard-of");
    key.generation = 3;
    assert_int_equal(commit_txn(&key, 42, 0, i, 1).code, E_ILLEGAL_GENERATION);
}

static void test_a_group_with_pending_offsets_does_not_go(void **state)
{
    (void)state;
    struct commit_item i[] = { item(0, 5) };
    assert_true(is_ok(commit_txn(&simple, 42, 0, i, 1)));
    group_find(groups, simple.group_id)->state_at = 0;
    group_expire_fire(&groups->expiry);
    assert_non_null(group_find(groups, simple.group_id));
    struct plog *log;
    int64_t end;
    assert_true(is_ok(group_delete(groups, simple.group_id, &log, &end))); /* as with Kafka */
    end_txn(42, 0, true);
    assert_int_equal(offset_of(0), 5);
    kill_and_start();
    assert_int_equal(offset_of(0), 5);
}

static void test_a_consumer_that_assigns_itself_commits_without_a_group(void **state)
{
    (void)state;
    struct member_key key = { .group_id = STR("simple"), .member_id = STR(""), .generation = -1 };
    struct commit_item i[] = { item(2, 5) };
    assert_true(is_ok(commit(&key, i, 1)));
    halt();
    start();
    struct group *g = group_find(groups, STR("simple"));
    assert_int_equal(g->state, GROUP_EMPTY);
    assert_int_equal(group_offset(g, STR("payments"), 2)->offset, 5);
}

static void test_too_much_metadata_is_refused_for_that_partition_alone(void **state)
{
    (void)state;
    static char much[5000];
    struct member_key key = { .group_id = G, .member_id = STR(""), .generation = -1 };
    struct commit_item i[] = { item(0, 1), item(1, 2) };
    memset(much, 'x', sizeof(much));
    i[0].metadata = (struct str){ much, sizeof(much) };
    assert_true(is_ok(commit(&key, i, 2)));
    assert_int_equal(i[0].result.code, E_OFFSET_METADATA_TOO_LARGE);
    assert_true(is_ok(i[1].result));
    assert_null(group_offset(group_find(groups, G), STR("payments"), 0));
}

static void test_an_empty_group_is_deleted_for_good(void **state)
{
    (void)state;
    struct client a = client();
    struct commit_item i[] = { item(0, 1) };
    struct plog *log;
    int64_t end;
    settle(&a);
    struct member_key key = key_of(&a);
    assert_true(is_ok(commit(&key, i, 1)));
    assert_int_equal(group_delete(groups, G, &log, &end).code, E_NON_EMPTY_GROUP);
    assert_true(is_ok(leave(&a)));
    assert_true(is_ok(group_delete(groups, G, &log, &end)));
    assert_int_equal(group_delete(groups, G, &log, &end).code, E_GROUP_ID_NOT_FOUND);
    UNTIL(plog_high_watermark(log) >= end);
    halt();
    start();
    assert_null(group_find(groups, G));
}

static void test_the_offsets_of_a_deleted_topic_go_with_it(void **state)
{
    (void)state;
    struct member_key key = { .group_id = G, .member_id = STR(""), .generation = -1 };
    struct commit_item i[] = { item(0, 1) };
    assert_true(is_ok(commit(&key, i, 1)));
    group_coordinator_topic_deleted(groups, image_topic(image, STR("payments")));
    assert_null(group_offset(group_find(groups, G), STR("payments"), 0));
}

static void test_offsets_of_a_topic_made_anew_are_forgotten_at_the_next_start(void **state)
{
    (void)state;
    struct member_key key = { .group_id = G, .member_id = STR(""), .generation = -1 };
    struct commit_item i[] = { item(0, 1) };
    i[0].topic_id = uuid_new();
    assert_true(is_ok(commit(&key, i, 1)));
    halt();
    start();
    assert_null(group_find(groups, G));
}

static void test_offsets_expire_when_nobody_commits_them_again(void **state)
{
    (void)state;
    struct member_key key = { .group_id = G, .member_id = STR(""), .generation = -1 };
    struct commit_item i[] = { item(0, 1), item(1, 1) };
    assert_true(is_ok(commit(&key, i, 2)));
    assert_int_equal(HASH_COUNT(group_find(groups, G)->offsets), 2);
    groups->options.offsets_retention_ms = 5;
    group_expire_fire(&groups->expiry); /* looks, and comes again when the time is over */
    UNTIL(group_find(groups, G)->offsets == NULL);
    assert_non_null(group_find(groups, G)); /* the empty group itself stays for ten minutes */
}

enum { MANY = 2000 };

/* So many offsets of the group `simple`. */
static void commit_many(void)
{
    struct commit c = { .wait = { .done = on_durable } };
    struct commit_item *items = mem_zalloc(MANY * sizeof *items);
    for (int32_t p = 0; p < MANY; p++) items[p] = item(p, p);
    assert_true(is_ok(group_commit(groups, &simple, 1, items, MANY, -1, &c.wait)));
    UNTIL(c.durable || c.wait.coordinator == NULL);
    mem_free(items);
}

static unsigned left_of(struct str id)
{
    struct group *g = group_find(groups, id);
    return g ? HASH_COUNT(g->offsets) : 0;
}

/* A pass of expiry, begun late in its turn: it gives way after its first slice. Offsets without a time
 * of their own have expired. */
static void begin_a_pass(void)
{
    groups->options.offsets_retention_ms = options.offsets_retention_ms = 0;
    groups->pass.running = false; /* were one under way, it begins anew */
    while (!loop_turn_is_long(loop)) continue;
    group_expire_fire(&groups->expiry);
    assert_true(groups->pass.running);
}

static void test_many_offsets_expire_in_slices_and_the_rest_after_a_kill(void **state)
{
    (void)state;
    commit_many();
    unsigned before = left_of(simple.group_id);
    begin_a_pass();
    unsigned left = left_of(simple.group_id);
    assert_in_range(before - left, 1, 256);
    kill_and_start();
    assert_true(left_of(simple.group_id) <= left);
    UNTIL(left_of(simple.group_id) == 0);
    kill_and_start();
    assert_null(group_find(groups, simple.group_id));
}

static void test_what_is_committed_while_a_pass_of_expiry_is_under_way_expires_in_its_time(void **state)
{
    (void)state;
    struct member_key key = { .group_id = G, .member_id = STR(""), .generation = -1 };
    struct commit_item one[] = { item(0, 1) };
    struct commit c = { .wait = { .done = on_durable } };
    /* This group comes first, and does not expire. */
    assert_true(is_ok(group_commit(groups, &key, 1, one, 1, 3600000, &c.wait)));
    UNTIL(c.durable || c.wait.coordinator == NULL);
    commit_many();
    begin_a_pass();
    c = (struct commit){ .wait = { .done = on_durable } };
    assert_true(is_ok(group_commit(groups, &key, 1, one, 1, 1, &c.wait)));
    UNTIL(left_of(G) == 0 && left_of(simple.group_id) == 0);
    UNTIL(c.durable || c.wait.coordinator == NULL);
}

static void test_a_group_may_go_while_its_offsets_expire(void **state)
{
    (void)state;
    struct plog *log;
    int64_t end;
    commit_many();
    begin_a_pass();
    assert_true(is_ok(group_delete(groups, simple.group_id, &log, &end)));
    UNTIL(!groups->pass.running);
    kill_and_start();
    assert_null(group_find(groups, simple.group_id));
}

/* The deletion of the group `simple`, begun late in its turn: it is to go on in another one. */
static struct group_deletion begin_a_deletion(void)
{
    struct group_deletion d = { .coordinator = groups, .id = simple.group_id };
    bool more;
    while (!loop_turn_is_long(loop)) continue;
    assert_true(is_ok(group_delete_some(&d, &more, NULL, NULL)));
    assert_true(more);
    return d;
}

static status go_on_deleting(struct group_deletion *d)
{
    status s;
    bool more = true;
    for (s = OK; is_ok(s) && more; loop_turn(loop, 0)) s = group_delete_some(d, &more, NULL, NULL);
    group_deletion_done(d);
    return s;
}

static void test_a_deletion_that_takes_several_turns_leaves_nothing_or_all(void **state)
{
    (void)state;
    commit_many();
    struct group_deletion d = begin_a_deletion();
    assert_int_equal(left_of(simple.group_id), MANY);
    group_deletion_done(&d);
    kill_and_start(); /* in its midst */
    assert_int_equal(left_of(simple.group_id), MANY);
    d = begin_a_deletion();
    assert_true(is_ok(go_on_deleting(&d)));
    assert_null(group_find(groups, simple.group_id));
    kill_and_start();
    assert_null(group_find(groups, simple.group_id));
}

static void test_what_a_group_commits_while_it_is_deleted_goes_too(void **state)
{
    (void)state;
    struct commit_item late[] = { item(MANY, 1), item(0, 7) };
    commit_many();
    struct group_deletion d = begin_a_deletion();
    assert_true(is_ok(commit(&simple, late, 2)));
    assert_true(is_ok(go_on_deleting(&d)));
    kill_and_start();
    assert_null(group_find(groups, simple.group_id));
}

static void test_a_group_that_somebody_joins_while_it_is_deleted_stays_whole(void **state)
{
    (void)state;
    commit_many();
    struct group_deletion d = begin_a_deletion();
    group_find(groups, simple.group_id)->state = GROUP_STABLE;
    assert_int_equal(go_on_deleting(&d).code, E_NON_EMPTY_GROUP);
    group_find(groups, simple.group_id)->state = GROUP_EMPTY;
    kill_and_start();
    assert_int_equal(left_of(simple.group_id), MANY);
    d = begin_a_deletion();
    assert_true(is_ok(group_delete(groups, simple.group_id, NULL, NULL)));
    assert_int_equal(go_on_deleting(&d).code, E_GROUP_ID_NOT_FOUND); /* somebody else was faster */
}

static void test_an_empty_group_without_offsets_goes_when_its_time_has_come(void **state)
{
    (void)state;
    struct client a = client();
    settle(&a);
    assert_true(is_ok(leave(&a)));
    struct group *g = group_find(groups, G);
    assert_true(group_next_expiry(g) > loop_wall(loop));
    group_expire_fire(&groups->expiry);
    assert_non_null(group_find(groups, G)); /* not yet */
    g->state_at -= 3600000;                 /* an hour ago */
    group_expire_fire(&groups->expiry);
    assert_null(group_find(groups, G));
}

static void test_a_reader_waits_until_what_it_reads_is_durable(void **state)
{
    (void)state;
    struct member_key key = { .group_id = G, .member_id = STR(""), .generation = -1 };
    struct commit_item i[] = { item(0, 1) };
    struct commit c = { .wait = { .done = on_durable } }, read = { .wait = { .done = on_durable } };
    assert_true(is_ok(group_commit(groups, &key, 9, i, 1, -1, &c.wait)));
    assert_true(group_wait_written(group_find(groups, G), &read.wait));
    UNTIL(read.durable && c.durable);
    assert_false(group_wait_written(group_find(groups, G), &read.wait));
}

static void test_waiting_requests_are_answered_when_the_coordinator_ends(void **state)
{
    (void)state;
    struct client a = client(), b = client();
    settle(&a);
    join(&b);
    struct member_key key = { .group_id = STR("x"), .member_id = STR(""), .generation = -1 };
    struct commit_item i[] = { item(0, 1) };
    struct commit c = { .wait = { .done = on_durable } };
    assert_true(is_ok(group_commit(groups, &key, 9, i, 1, -1, &c.wait)));
    halt();
    assert_true(b.joined && failed(b.error));
    assert_true(c.durable && failed(c.result));
    start();
}

/* --- where groups live ------------------------------------------------------------------------ */
static void test_the_hash_is_javas(void **state)
{
    (void)state;
    assert_int_equal(group_hash(STR("")), 0);
    assert_int_equal(group_hash(STR("payments")), 1382682413);
    assert_int_equal(group_hash(STR("größe")), 98762257);
    assert_int_equal(group_hash(STR("日本語")), 25921943);
    assert_int_equal(group_hash(STR("a😀b")), 57849694);
    assert_int_equal(group_hash(STR("polygenelubricants")), INT32_MIN);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_first_join_is_asked_to_come_again_with_its_id),
        T(test_an_old_client_is_let_in_at_once),
        T(test_members_that_come_during_the_initial_delay_share_the_first_generation),
        T(test_wrong_joins_are_refused),
        T(test_a_full_group_takes_nobody_more),
        T(test_the_protocol_most_members_prefer_is_chosen),
        T(test_followers_wait_for_the_leaders_assignment_and_get_their_part),
        T(test_members_hear_of_a_rebalance_by_their_heartbeat),
        T(test_a_wrong_generation_or_member_is_told_so),
        T(test_a_follower_that_joins_again_unchanged_disturbs_nobody),
        T(test_who_does_not_come_back_is_dropped_when_the_rebalance_ends),
        T(test_who_does_not_sync_is_dropped),
        T(test_a_silent_member_loses_its_session),
        T(test_a_member_that_leaves_starts_a_rebalance_and_the_last_empties_the_group),
        T(test_a_client_that_goes_while_it_waits_is_answered_into_nothing),
        T(test_a_static_member_comes_back_to_its_assignment_without_a_rebalance),
        T(test_a_static_leader_that_comes_back_is_told_to_skip_the_assignment),
        T(test_an_administrator_removes_a_static_member_by_its_instance),
        T(test_offsets_and_members_are_there_after_a_kill),
        T(test_only_members_of_the_generation_commit),
        T(test_offsets_of_a_transaction_are_pending_until_its_end),
        T(test_offsets_of_an_aborted_transaction_are_forgotten),
        T(test_the_later_of_two_commits_holds_whichever_ends_first),
        T(test_an_old_epoch_commits_no_offsets),
        T(test_a_transaction_asks_for_the_generation_only_when_it_names_one),
        T(test_a_group_with_pending_offsets_does_not_go),
        T(test_a_consumer_that_assigns_itself_commits_without_a_group),
        T(test_too_much_metadata_is_refused_for_that_partition_alone),
        T(test_an_empty_group_is_deleted_for_good),
        T(test_the_offsets_of_a_deleted_topic_go_with_it),
        T(test_offsets_of_a_topic_made_anew_are_forgotten_at_the_next_start),
        T(test_offsets_expire_when_nobody_commits_them_again),
        T(test_many_offsets_expire_in_slices_and_the_rest_after_a_kill),
        T(test_what_is_committed_while_a_pass_of_expiry_is_under_way_expires_in_its_time),
        T(test_a_group_may_go_while_its_offsets_expire),
        T(test_a_deletion_that_takes_several_turns_leaves_nothing_or_all),
        T(test_what_a_group_commits_while_it_is_deleted_goes_too),
        T(test_a_group_that_somebody_joins_while_it_is_deleted_stays_whole),
        T(test_an_empty_group_without_offsets_goes_when_its_time_has_come),
        T(test_a_reader_waits_until_what_it_reads_is_durable),
        T(test_waiting_requests_are_answered_when_the_coordinator_ends),
        cmocka_unit_test(test_the_hash_is_javas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
