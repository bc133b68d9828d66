/* test_admission.c - when clients may append: the storage limit of the plan, appends that are held back. */
#include "base/mem.h"
#include "fault/store_kit.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)

static int told;

static void state_changed(void *arg)
{
    (void)arg;
    told++;
}

static int setup(void **state)
{
    struct kit *k = mem_alloc(sizeof *k);
    kit_init(k, 1);
    k->options.state_changed = state_changed;
    k->config.segment_bytes = 4000;
    assert_ok(kit_open(k));
    told = 0;
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    kit_done(*state);
    mem_free(*state);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static status one(struct kit *k, struct plog *log, size_t size)
{
    return kit_append(k, log, &(struct kit_batch){ .value_size = size }, NULL);
}

static void test_the_limit_of_the_plan_refuses_with_a_sentence(void **state)
{
    struct kit *k = *state;
    struct append_result r;
    struct plog *log = kit_log(k, 0, 0);
    assert_ok(one(k, log, 500));
    store_set_limit(k->store, store_user_bytes(k->store) + 700);
    assert_int_equal(store_state(k->store), STORE_OPEN);
    assert_ok(one(k, log, 500));
    status refused = kit_append(k, log, &(struct kit_batch){ .value_size = 500 }, &r);
    assert_int_equal(refused.code, E_POLICY_VIOLATION);
    assert_non_null(strstr(r.why.text, "storage limit"));
    char numbers[64];
    snprintf(numbers, sizeof numbers, "%.1f KiB of %.1f KiB", (double)store_user_bytes(k->store) / 1024,
             (double)k->store->admission.limit / 1024);
    assert_non_null(strstr(r.why.text, numbers));
    assert_int_equal(store_state(k->store), STORE_AT_LIMIT);
    assert_int_equal(told, 1);
    assert_int_equal(plog_end(log), 2);
    store_set_limit(k->store, -1); /* the plan is raised */
    assert_int_equal(store_state(k->store), STORE_OPEN);
    assert_int_equal(told, 2);
    assert_ok(one(k, log, 500));
}

static void test_the_limit_of_the_plan_may_be_used_to_its_last_byte(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    assert_ok(one(k, log, 500));
    int64_t size = store_user_bytes(k->store);
    store_set_limit(k->store, 2 * size);
    assert_ok(one(k, log, 500));
    assert_int_equal(store_user_bytes(k->store), 2 * size);
    store_set_limit(k->store, 3 * size - 1);
    assert_int_equal(one(k, log, 500).code, E_POLICY_VIOLATION);
}

static void test_internal_topics_do_not_count_and_are_never_refused(void **state)
{
    struct kit *k = *state;
    struct log_config internal = k->config;
    internal.internal = true;
    struct plog *log = store_log(k->store, k->topics[1], 0, &internal);
    assert_ok(kit_append_as(k, log, &(struct kit_batch){ .value_size = 500 }, APPEND_COORDINATOR, NULL));
    assert_true(store_bytes(k->store) > 500);
    assert_int_equal(store_user_bytes(k->store), 0);
    store_set_limit(k->store, 300); /* less than the internal topic has already */
    assert_ok(one(k, kit_log(k, 0, 0), 10));
    store_set_limit(k->store, 10);
    assert_int_equal(one(k, kit_log(k, 0, 0), 10).code, E_POLICY_VIOLATION);
    assert_ok(kit_append_as(k, log, &(struct kit_batch){ .value_size = 500 }, APPEND_COORDINATOR, NULL));
}

static void test_markers_of_transactions_are_never_refused(void **state)
{
    struct kit *k = *state;
    struct append_result r;
    struct plog *log = kit_log(k, 0, 0);
    const struct kit_batch txn = { .producer_id = 7, .attributes = BATCH_TRANSACTIONAL, .value_size = 100 };
    assert_ok(kit_append_as(k, log, &txn, APPEND_VERIFIED, NULL));
    store_set_limit(k->store, 0);
    store_hold(k->store, true);
    assert_ok(plog_append_marker(log, 7, 0, false, 0, false, &r));
    assert_int_equal(plog_stable(log), plog_end(log));
}

static void test_what_is_stored_already_is_confirmed_at_the_limit(void **state)
{
    struct kit *k = *state;
    struct append_result r;
    struct plog *log = kit_log(k, 0, 0);
    const struct kit_batch b = { .producer_id = 7, .value_size = 100 };
    assert_ok(kit_append(k, log, &b, NULL));
    store_set_limit(k->store, 0);
    assert_ok(kit_append(k, log, &b, &r)); /* its answer was lost: the producer asks again */
    assert_true(r.duplicate);
    const struct kit_batch next = { .producer_id = 7, .sequence = 1, .value_size = 100 };
    assert_int_equal(kit_append(k, log, &next, NULL).code, E_POLICY_VIOLATION);
    store_set_limit(k->store, -1);
    assert_ok(kit_append(k, log, &next, NULL)); /* a refused batch leaves no gap behind */
}

static void test_deleted_records_of_an_active_segment_are_given_back_when_space_is_short(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    for (int i = 0; i < 3; i++) assert_ok(one(k, log, 1000));
    store_set_limit(k->store, store_user_bytes(k->store) + 100);
    assert_int_equal(one(k, log, 1000).code, E_POLICY_VIOLATION);
    assert_ok(plog_set_start(log, plog_end(log), NULL));
    assert_int_equal(plog_start(log), 3);
    assert_true(store_user_bytes(k->store) > 3000); /* too little to be worth a new segment */
    k->now += 2000;
    (void)one(k, log, 1000); /* asks for it */
    assert_int_equal(store_user_bytes(k->store), 0);
    assert_int_equal(store_state(k->store), STORE_OPEN);
    assert_ok(one(k, log, 1000));
    assert_int_equal(plog_end(log), 4);
    kit_reopen(k);
    log = kit_log(k, 0, 0);
    assert_int_equal(plog_start(log), 3);
    assert_int_equal(plog_end(log), 4);
}

static void test_many_deleted_bytes_go_at_once(void **state)
{
    struct kit *k = *state;
    k->config.segment_bytes = 1 << 20;
    struct plog *log = kit_log(k, 0, 0);
    assert_ok(one(k, log, RECLAIM_ROLL_MIN));
    assert_ok(plog_set_start(log, 1, NULL));
    assert_int_equal(store_bytes(k->store), 0);
    assert_ok(one(k, log, 10));
    assert_int_equal(plog_end(log), 2);
}

static void test_a_deleted_topic_counts_no_more_at_once(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0), *other = kit_log(k, 1, 0);
    assert_ok(one(k, log, 3000));
    assert_ok(one(k, other, 100));
    store_set_limit(k->store, store_user_bytes(k->store) + 100);
    assert_int_equal(one(k, other, 1000).code, E_POLICY_VIOLATION);
    log->holds++; /* a task uses it yet */
    k->known[0] = false;
    store_delete_topic(k->store, k->topics[0], 0, INT32_MAX);
    assert_int_equal(store_bytes(k->store), plog_bytes(other));
    assert_int_equal(store_state(k->store), STORE_OPEN);
    plog_release(log);
    assert_int_equal(store_bytes(k->store), plog_bytes(other));
    assert_ok(one(k, other, 1000));
}

static void test_held_appends_are_refused_so_that_clients_try_again(void **state)
{
    struct kit *k = *state;
    struct append_result r;
    struct plog *log = kit_log(k, 0, 0);
    store_hold(k->store, true);
    assert_int_equal(store_state(k->store), STORE_HELD);
    status held = kit_append(k, log, &(struct kit_batch){ .value_size = 10 }, &r);
    assert_int_equal(held.code, E_KAFKA_STORAGE_ERROR);
    assert_non_null(strstr(r.why.text, "nearly full"));
    store_hold(k->store, false);
    assert_int_equal(store_state(k->store), STORE_OPEN);
    assert_int_equal(told, 2);
    assert_ok(one(k, log, 10));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_limit_of_the_plan_refuses_with_a_sentence),
        T(the_limit_of_the_plan_may_be_used_to_its_last_byte),
        T(internal_topics_do_not_count_and_are_never_refused),
        T(markers_of_transactions_are_never_refused),
        T(what_is_stored_already_is_confirmed_at_the_limit),
        T(deleted_records_of_an_active_segment_are_given_back_when_space_is_short),
        T(many_deleted_bytes_go_at_once),
        T(a_deleted_topic_counts_no_more_at_once),
        T(held_appends_are_refused_so_that_clients_try_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
