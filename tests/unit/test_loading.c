/* test_loading.c - a broker that comes back serves before its coordinators have read all of their topics:
 * their clients are told so, and find everything once that is done. */
#include "unit/broker_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define GROUPS 60
#define PARTITIONS 50
enum { FETCH_OFFSETS = 9, COMMIT = 8, FIND = 10, INIT = 22, IN_PROGRESS = 14 };

static struct rig rig;
static struct raw_client one;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    raw_connect(&rig, &one);
    rig_create_topic(&rig, &one, "t", PARTITIONS);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    raw_close(&one);
    rig_stop(&rig);
    return mem_outstanding() != 0;
}

static const char *group_name(int group)
{
    static char name[20];
    snprintf(name, sizeof name, "group-%d", group);
    return name;
}

static void commit(int group)
{
    struct offset_commit_request_offset_commit_request_partition p[PARTITIONS];
    for (int32_t i = 0; i < PARTITIONS; i++) {
        wire_default_struct(&offset_commit_request_offset_commit_request_partition_struct, &p[i]);
        p[i].partition_index = i;
        p[i].committed_offset = group * 1000 + i;
    }
    struct offset_commit_request_offset_commit_request_topic t = { .name = STR("t"), .partitions = p,
                                                                   .partitions_count = PARTITIONS };
    struct offset_commit_request q;
    wire_default(&offset_commit_request_message, &q);
    q.group_id = str_c(group_name(group));
    q.generation_id_or_member_epoch = -1;
    q.topics = &t;
    q.topics_count = 1;
    const struct offset_commit_response *a = raw_call(&rig, &one, COMMIT, 7, &q);
    assert_int_equal(a->topics[0].partitions[0].error_code, 0);
}

/* What was committed of the last partition; the error of the answer. */
static int committed(int group, int64_t *ret_offset)
{
    int32_t last = PARTITIONS - 1;
    struct offset_fetch_request_offset_fetch_request_topic t = { STR("t"), &last, 1 };
    struct offset_fetch_request q;
    wire_default(&offset_fetch_request_message, &q);
    q.group_id = str_c(group_name(group));
    q.topics = &t;
    q.topics_count = 1;
    const struct offset_fetch_response *a = raw_call(&rig, &one, FETCH_OFFSETS, 7, &q);
    *ret_offset = a->error_code ? -1 : a->topics[0].partitions[0].committed_offset;
    return a->error_code;
}

static int init_producer(int16_t *ret_epoch)
{
    struct init_producer_id_request q;
    wire_default(&init_producer_id_request_message, &q);
    q.transactional_id = STR("tx");
    q.transaction_timeout_ms = 60000;
    q.producer_id = q.producer_epoch = -1;
    const struct init_producer_id_response *a = raw_call(&rig, &one, INIT, 4, &q);
    *ret_epoch = a->producer_epoch;
    return a->error_code;
}

static int find(const char *key, int8_t type)
{
    struct find_coordinator_request q;
    wire_default(&find_coordinator_request_message, &q);
    q.key = str_c(key);
    q.key_type = type;
    const struct find_coordinator_response *a = raw_call(&rig, &one, FIND, 2, &q);
    return a->error_code;
}

/* The next start leaves nearly all of it to later turns, and those to the test. */
static void come_back(void)
{
    raw_close(&one);
    rig_close(&rig);
    rig.options.load_first_ms = 0;
    rig_open(&rig);
    raw_connect(&rig, &one);
    assert_int_equal(rig.broker->loading.phase, LOADING_GROUPS);
    loop_timer_clear(rig.broker->loop, &rig.broker->loading.next);
}

static void load(void)
{
    struct loop *loop = rig.broker->loop;
    assert_true(is_ok(loop_timer_set(loop, &rig.broker->loading.next, 0)));
    while (rig.broker->loading.phase != LOADING_DONE) loop_turn(loop, 100);
}

static void test_clients_are_told_that_it_loads_and_find_everything_afterwards(void **state)
{
    (void)state;
    int64_t offset;
    int16_t epoch;
    for (int group = 0; group < GROUPS; group++) commit(group);
    while (init_producer(&epoch) != 0) continue; /* concurrent with the one before */
    int16_t before = epoch;
    come_back();
    assert_int_equal(find("group-1", 0), 0);
    assert_int_equal(find("tx", 1), 0);
    assert_int_equal(committed(1, &offset), IN_PROGRESS);
    assert_int_equal(init_producer(&epoch), IN_PROGRESS);
    load();
    for (int group = 0; group < GROUPS; group++) {
        assert_int_equal(committed(group, &offset), 0);
        assert_int_equal(offset, group * 1000 + PARTITIONS - 1);
    }
    assert_int_equal(init_producer(&epoch), 0);
    assert_int_equal(epoch, before + 1);
    commit(GROUPS);
    assert_int_equal(committed(GROUPS, &offset), 0);
}

static void test_a_broker_may_stop_while_it_loads(void **state)
{
    (void)state;
    int64_t offset;
    for (int group = 0; group < GROUPS; group++) commit(group);
    come_back();
    come_back();
    load();
    assert_int_equal(committed(GROUPS - 1, &offset), 0);
    assert_int_equal(offset, (GROUPS - 1) * 1000 + PARTITIONS - 1);
}

static void test_a_topic_that_is_deleted_while_it_loads_has_no_offsets(void **state)
{
    (void)state;
    int64_t offset;
    struct str names[] = { STR("t") };
    struct delete_topics_request q;
    for (int group = 0; group < GROUPS; group++) commit(group);
    come_back();
    wire_default(&delete_topics_request_message, &q);
    q.topic_names = names;
    q.topic_names_count = 1;
    const struct delete_topics_response *a = raw_call(&rig, &one, 20, 5, &q);
    assert_int_equal(a->responses[0].error_code, 0);
    rig_create_topic(&rig, &one, "t", PARTITIONS);
    load();
    for (int group = 0; group < GROUPS; group++) {
        assert_int_equal(committed(group, &offset), 0);
        assert_int_equal(offset, -1);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_clients_are_told_that_it_loads_and_find_everything_afterwards),
        TEST(test_a_broker_may_stop_while_it_loads),
        TEST(test_a_topic_that_is_deleted_while_it_loads_has_no_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
