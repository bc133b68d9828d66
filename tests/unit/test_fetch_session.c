/* Fetch sessions (KIP-227): at a broker, what a client is answered; and the cache alone, with a clock of
 * the test's own, for its bounds. */
#include "unit/broker_rig.h"

#include "broker/fetch_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define BY_ID_VERSION 18

static struct rig rig;
static struct raw_client one, two;
static int16_t version;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    rig_create_topic(&rig, &one, "orders", 3);
    version = FETCH_VERSION;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_forget();
    raw_close(&one);
    raw_close(&two);
    rig_stop(&rig);
    return mem_outstanding() != 0;
}

/* --- a client of the broker --------------------------------------------------------------------- */

static struct fetch_request_fetch_partition parts[3];
static struct fetch_request_fetch_topic topics[2];
static struct fetch_request_forgotten_topic forgotten;
static int32_t forgotten_partition;

static struct uuid id_of(const char *name)
{
    return image_topic(rig.broker->image, str_c(name))->id;
}

/* A request for partitions 0 to count - 1 of orders at `offset`, which waits for nothing. */
static struct fetch_request ask(int32_t session_id, int32_t epoch, int32_t count, int64_t offset)
{
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.session_id = session_id;
    body.session_epoch = epoch;
    body.max_bytes = 1 << 20;
    for (int32_t i = 0; i < count; i++) {
        wire_default_struct(&fetch_request_fetch_partition_struct, &parts[i]);
        parts[i].partition = i;
        parts[i].fetch_offset = offset;
        parts[i].partition_max_bytes = 1 << 20;
    }
    topics[0] = (struct fetch_request_fetch_topic){ .partitions = parts, .partitions_count = count };
    if (version >= 13) topics[0].topic_id = id_of("orders");
    else topics[0].topic = STR("orders");
    if (count) {
        body.topics = topics;
        body.topics_count = 1;
    }
    return body;
}

static void forget(struct fetch_request *body, int32_t partition)
{
    forgotten_partition = partition;
    forgotten = (struct fetch_request_forgotten_topic){ .partitions = &forgotten_partition,
                                                        .partitions_count = 1 };
    if (version >= 13) forgotten.topic_id = id_of("orders");
    else forgotten.topic = STR("orders");
    body->forgotten_topics_data = &forgotten;
    body->forgotten_topics_data_count = 1;
}

static struct fetch_response *fetch(struct fetch_request body)
{
    return raw_call(&rig, &one, 1, version, &body);
}

static int32_t answered(const struct fetch_response *answer)
{
    int32_t n = 0;
    for (int32_t i = 0; i < answer->responses_count; i++)
        n += answer->responses[i].partitions_count;
    return n;
}

static int32_t open_session(int32_t count)
{
    struct fetch_response *answer = fetch(ask(0, 0, count, 0));
    assert_int_equal(answer->error_code, 0);
    assert_true(answer->session_id > 0);
    assert_int_equal(answered(answer), count);
    return answer->session_id;
}

static void changed_only(void)
{
    int32_t id = open_session(3);
    struct fetch_response *answer = fetch(ask(id, 1, 0, 0));
    assert_int_equal(answer->session_id, id);
    assert_int_equal(answered(answer), 0);
    assert_int_equal(rig_produce(&rig, &one, "orders", 1, rig_batch(2, -1, -1))->error_code, 0);
    answer = fetch(ask(id, 2, 0, 0));
    assert_int_equal(answered(answer), 1);
    assert_int_equal(answer->responses[0].partitions[0].partition_index, 1);
    assert_true(answer->responses[0].partitions[0].records.len > 0);
    answer = fetch(ask(id, 3, 2, 2)); /* partition 1 goes on behind the records, 0 past its end */
    assert_int_equal(answered(answer), 1);
    assert_int_equal(answer->responses[0].partitions[0].partition_index, 0);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 1);
    answer = fetch(ask(id, 4, 1, 0)); /* the error has passed: told once more */
    assert_int_equal(answered(answer), 1);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 0);
    assert_int_equal(answered(fetch(ask(id, 5, 0, 0))), 0);
}

static void test_an_incremental_answer_names_only_what_changed(void **state)
{
    (void)state;
    changed_only();
    version = BY_ID_VERSION;
    rig_create_topic(&rig, &one, "again", 1);
    int32_t id = open_session(2);
    assert_int_equal(rig_produce(&rig, &one, "orders", 0, rig_batch(1, -1, -1))->error_code, 0);
    struct fetch_response *answer = fetch(ask(id, 1, 0, 0));
    assert_int_equal(answered(answer), 2); /* 0 for its news, 1 for the records left unread */
    assert_true(uuid_eq(answer->responses[0].topic_id, id_of("orders")));
}

static void test_a_forgotten_partition_is_read_no_more(void **state)
{
    (void)state;
    for (version = FETCH_VERSION; version <= BY_ID_VERSION; version += BY_ID_VERSION - FETCH_VERSION) {
        int32_t id = open_session(3);
        struct fetch_request body = ask(id, 1, 0, 0);
        forget(&body, 1);
        assert_int_equal(fetch(body)->error_code, 0);
        rig_produce(&rig, &one, "orders", 1, rig_batch(2, -1, -1));
        for (int32_t i = 0; i < 2; i++) {
            struct fetch_response *answer = fetch(ask(id, 2 + i, 0, 0));
            for (int32_t t = 0; t < answer->responses_count; t++)
                for (int32_t p = 0; p < answer->responses[t].partitions_count; p++)
                    assert_int_not_equal(answer->responses[t].partitions[p].partition_index, 1);
        }
    }
}

static void test_the_session_ends_with_its_last_partition(void **state)
{
    (void)state;
    int32_t id = open_session(1);
    struct fetch_request body = ask(id, 1, 0, 0);
    forget(&body, 0);
    struct fetch_response *answer = fetch(body);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->session_id, 0);
    assert_int_equal(fetch(ask(id, 2, 0, 0))->error_code, 70);
    assert_int_equal(fetch_sessions_count(rig.broker->fetch_sessions), 0);
}

static void test_wrong_ids_epochs_and_versions_are_refused(void **state)
{
    (void)state;
    int32_t id = open_session(2);
    assert_int_equal(fetch(ask(id, 2, 0, 0))->error_code, 71);
    assert_int_equal(fetch(ask(0, 1, 0, 0))->error_code, 70);
    assert_int_equal(fetch(ask(id ^ 1, 1, 0, 0))->error_code, 70);
    version = BY_ID_VERSION;
    assert_int_equal(fetch(ask(id, 1, 0, 0))->error_code, 106);
    version = FETCH_VERSION;
    assert_int_equal(fetch(ask(id, 1, 0, 0))->error_code, 0); /* none of these harmed it */
}

static void test_a_full_request_closes_the_session_it_names(void **state)
{
    (void)state;
    int32_t id = open_session(2);
    struct fetch_response *answer = fetch(ask(id, 0, 2, 0));
    assert_int_not_equal(answer->session_id, id);
    assert_int_not_equal(answer->session_id, 0);
    assert_int_equal(fetch(ask(id, 1, 0, 0))->error_code, 70);
    int32_t second = fetch(ask(0, 0, 2, 0))->session_id;
    answer = fetch(ask(second, -1, 2, 0)); /* and opens none when it says so */
    assert_int_equal(answer->session_id, 0);
    assert_int_equal(answered(answer), 2);
    assert_int_equal(fetch(ask(second, 1, 0, 0))->error_code, 70);
}

static void test_who_waits_while_another_uses_the_session_is_told(void **state)
{
    (void)state;
    int32_t id = open_session(2);
    struct fetch_request waits = ask(id, 1, 0, 0);
    waits.max_wait_ms = 60000;
    waits.min_bytes = 1;
    raw_send(&rig, &two, 1, version, &waits);
    assert_false(raw_has_frame(&rig, &two));
    assert_int_equal(fetch(ask(id, 2, 0, 0))->error_code, 0);
    assert_int_equal(rig_produce(&rig, &one, "orders", 0, rig_batch(1, -1, -1))->error_code, 0);
    struct fetch_response *answer = raw_receive(&rig, &two, 1, version);
    assert_int_equal(answer->error_code, 71);
}

static void test_a_topic_made_again_is_unknown_to_a_session_by_id(void **state)
{
    (void)state;
    version = BY_ID_VERSION;
    int32_t id = open_session(1);
    struct delete_topics_request body;
    struct delete_topics_request_delete_topic_state t = { .name = STR("orders") };
    wire_default(&delete_topics_request_message, &body);
    body.topics = &t;
    body.topics_count = 1;
    (void)raw_call(&rig, &one, 20, 6, &body);
    rig_create_topic(&rig, &one, "orders", 1);
    struct fetch_response *answer = fetch(ask(id, 1, 0, 0));
    assert_int_equal(answered(answer), 1);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 100);
    answer = fetch(ask(id, 2, 1, 0)); /* the new one joins, the old one stays unknown */
    assert_int_equal(answered(answer), 2);
    assert_int_equal(answer->responses[1].partitions[0].error_code, 0);
}

static void test_partitions_that_gave_records_are_read_last_the_next_time(void **state)
{
    (void)state;
    int32_t id = open_session(3);
    size_t size = rig_batch(1, -1, -1).len;
    for (int32_t p = 0; p < 3; p++) rig_produce(&rig, &one, "orders", p, rig_batch(1, -1, -1));
    for (int32_t i = 0; i < 3; i++) {
        struct fetch_request body = ask(id, 1 + i, 0, 0);
        body.max_bytes = (int32_t)size; /* room for one */
        struct fetch_response *answer = fetch(body);
        const struct fetch_response_fetchable_topic_response *t = &answer->responses[0];
        for (int32_t p = 0; p < t->partitions_count; p++)
            assert_int_equal(t->partitions[p].records.len > 0, t->partitions[p].partition_index == i);
    }
}

static void test_a_client_behind_is_told_the_leader_and_its_address(void **state)
{
    (void)state;
    raw_close(&one);
    raw_close(&two);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    for (version = 15; version <= 16; version++) {
        struct fetch_request body = ask(0, -1, 1, 0);
        parts[0].current_leader_epoch = store_epoch(rig.broker->store) - 1;
        struct fetch_response *answer = fetch(body);
        const struct fetch_response_partition_data *p = &answer->responses[0].partitions[0];
        assert_int_equal(p->error_code, 74);
        assert_int_equal(answer->node_endpoints_count, version >= 16);
        assert_int_equal(p->current_leader.leader_id, version >= 16 ? 1 : -1);
        if (version < 16) continue;
        assert_int_equal(p->current_leader.leader_epoch, store_epoch(rig.broker->store));
        assert_int_equal(answer->node_endpoints[0].node_id, 1);
        assert_int_equal(answer->node_endpoints[0].port, broker_port(rig.broker));
    }
}

/* --- the cache alone ---------------------------------------------------------------------------- */

static struct fetch_sessions *cache;
static struct arena arena;

static int cache_setup(void **state)
{
    (void)state;
    arena_init(&arena, 64u << 20);
    return failed(fetch_sessions_new(&cache));
}

static int cache_teardown(void **state)
{
    (void)state;
    fetch_sessions_free(cache);
    arena_done(&arena);
    return mem_outstanding() != 0;
}

/* The id of the session that a consumer of `count` partitions gets. */
static int32_t consumer(int32_t count, int64_t now)
{
    struct fetch_request_fetch_topic t = { .topic = STR("t"), .partitions_count = count };
    t.partitions = ARENA_ARRAY(&arena, struct fetch_request_fetch_partition, count);
    for (int32_t i = 0; i < count; i++) t.partitions[i].partition = i;
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.session_epoch = 0;
    body.topics = &t;
    body.topics_count = 1;
    struct fetch_context c;
    assert_true(is_ok(fetch_session_begin(cache, &body, false, now, &arena, &c)));
    bool *send = ARENA_ARRAY(&arena, bool, count);
    struct fetch_response_partition_data *answers =
        ARENA_ARRAY(&arena, struct fetch_response_partition_data, count);
    assert_true(is_ok(fetch_session_end(cache, &c, answers, now, send)));
    arena_reset(&arena);
    return c.session_id;
}

static status goes_on(int32_t id, int32_t epoch, int64_t now)
{
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.session_id = id;
    body.session_epoch = epoch;
    struct fetch_context c;
    status s = fetch_session_begin(cache, &body, false, now, &arena, &c);
    arena_reset(&arena);
    return s;
}

static void test_a_full_cache_keeps_the_young_and_the_large(void **state)
{
    (void)state;
    int64_t later = FETCH_SESSION_EVICTION_MS + 1;
    int32_t first = consumer(2, 0);
    for (int i = 1; i < FETCH_SESSIONS_MAX; i++) assert_true(consumer(3, 0) > 0);
    assert_int_equal(consumer(100, 1), 0); /* all are young */
    assert_true(is_ok(goes_on(first, 1, later)));
    assert_true(consumer(1, later) > 0); /* for one that was not used for long */
    assert_int_equal(fetch_sessions_count(cache), FETCH_SESSIONS_MAX);
    assert_true(is_ok(goes_on(first, 2, later)));
}

static void test_a_larger_session_takes_the_place_of_the_smallest_that_is_not_young(void **state)
{
    (void)state;
    int32_t ids[FETCH_SESSIONS_MAX];
    int64_t later = FETCH_SESSION_EVICTION_MS + 1;
    for (int i = 0; i < FETCH_SESSIONS_MAX; i++) ids[i] = consumer(i == 7 ? 2 : 3, 0);
    for (int i = 0; i < FETCH_SESSIONS_MAX; i++) assert_true(is_ok(goes_on(ids[i], 1, later)));
    assert_int_equal(consumer(2, later), 0);
    assert_true(consumer(3, later) > 0);
    assert_int_equal(goes_on(ids[7], 2, later).code, E_FETCH_SESSION_ID_NOT_FOUND);
    assert_true(is_ok(goes_on(ids[8], 2, later)));
}

static void test_the_partitions_of_all_sessions_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(consumer(FETCH_SESSION_PARTITIONS_MAX + 1, 0), 0);
    for (int i = 0; i < FETCH_CACHED_PARTITIONS_MAX / FETCH_SESSION_PARTITIONS_MAX; i++)
        assert_true(consumer(FETCH_SESSION_PARTITIONS_MAX, 0) > 0);
    assert_int_equal(consumer(1, 0), 0);
}

/* One full and one incremental request of three partitions; every step may find no memory. */
static void requests_of_a_consumer(void)
{
    struct fetch_request_fetch_partition p[3] = { { .partition = 0 }, { .partition = 1 },
                                                  { .partition = 2 } };
    struct fetch_request_fetch_topic t[] = { { .topic = STR("t"), .partitions = p,
                                               .partitions_count = 2 },
                                             { .topic = STR("u"), .partitions = p + 2,
                                               .partitions_count = 1 } };
    struct fetch_response_partition_data answers[3] = { 0 };
    bool send[3];
    struct fetch_request body;
    struct fetch_context c;
    wire_default(&fetch_request_message, &body);
    body.session_epoch = 0;
    body.topics = t;
    body.topics_count = 1;
    if (failed(fetch_session_begin(cache, &body, false, 0, &arena, &c)) ||
        failed(fetch_session_end(cache, &c, answers, 0, send)) || !c.session_id)
        return;
    body.session_id = c.session_id;
    body.session_epoch = 1;
    body.topics = t + 1;
    if (failed(fetch_session_begin(cache, &body, false, 0, &arena, &c))) return;
    assert_int_equal(c.count, 3);
    assert_true(is_ok(fetch_session_end(cache, &c, answers, 0, send)));
}

static void test_without_memory_there_is_no_session_and_nothing_is_lost(void **state)
{
    (void)state;
    for (int64_t n = 1; n < 60; n++) {
        mem_fail_after(n);
        requests_of_a_consumer();
        mem_fail_after(0);
        arena_done(&arena);
        arena_init(&arena, 64u << 20);
    }
    assert_true(consumer(3, 0) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, cache_setup, cache_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_an_incremental_answer_names_only_what_changed),
        TEST(test_a_forgotten_partition_is_read_no_more),
        TEST(test_the_session_ends_with_its_last_partition),
        TEST(test_wrong_ids_epochs_and_versions_are_refused),
        TEST(test_a_full_request_closes_the_session_it_names),
        TEST(test_who_waits_while_another_uses_the_session_is_told),
        TEST(test_a_topic_made_again_is_unknown_to_a_session_by_id),
        TEST(test_partitions_that_gave_records_are_read_last_the_next_time),
        TEST(test_a_client_behind_is_told_the_leader_and_its_address),
        CACHE_TEST(test_a_full_cache_keeps_the_young_and_the_large),
        CACHE_TEST(test_a_larger_session_takes_the_place_of_the_smallest_that_is_not_young),
        CACHE_TEST(test_without_memory_there_is_no_session_and_nothing_is_lost),
        CACHE_TEST(test_the_partitions_of_all_sessions_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
