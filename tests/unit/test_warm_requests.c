/* What a request costs when one like it came before: nothing of the heap, and what is kept for that goes
 * back when the broker has less to do. */
#include "unit/broker_rig.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <poll.h>

#define MANY (INT64_C(1) << 40)

static struct rig rig;
static struct raw_client client;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    raw_connect(&rig, &client);
    rig_create_topic(&rig, &client, "t", 2);
    struct log_config config = log_config_default;
    config.flush = false; /* a sync takes memory for its round, on behalf of many requests */
    for (int32_t p = 0; p < 2; p++) {
        status found;
        struct plog *log = broker_find_log(rig.broker, STR("t"), p, &found);
        assert_non_null(log);
        plog_set_config(log, &config);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    raw_close(&client);
    rig_stop(&rig);
    return mem_outstanding() != 0;
}

static bool readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) == 1;
}

/* Turns until what was sent is answered; blocks the broker took from the heap meanwhile. */
static int64_t blocks_taken(void)
{
    mem_fail_after(MANY);
    for (int i = 0; i < 20000 && !readable(client.fd); i++) loop_turn(rig.broker->loop, 1);
    int64_t left = mem_fail_left();
    mem_fail_after(0);
    return MANY - left;
}

static int64_t produce(int16_t acks, int32_t partition)
{
    rig_produce_send(&rig, &client, "t", partition, acks, rig_batch(1, -1, -1));
    int64_t taken = blocks_taken();
    struct produce_response *answer = raw_receive(&rig, &client, 0, PRODUCE_VERSION);
    assert_int_equal(answer->responses[0].partition_responses[0].error_code, 0);
    return taken;
}

static void test_a_warm_produce_request_takes_nothing_from_the_heap(void **state)
{
    (void)state;
    for (int16_t acks = -1; acks <= 1; acks += 2) {
        for (int32_t p = 0; p < 2; p++) (void)produce(acks, p);
        int clean = 0; /* a timer of the broker may have had its turn in between, once */
        for (int i = 0; i < 10; i++) clean += produce(acks, i % 2) == 0;
        assert_true(clean >= 9);
    }
}

static void test_a_pipeline_is_answered_in_order_from_kept_requests(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        int32_t first = client.correlation;
        for (int i = 0; i < 90; i++)
            rig_produce_send(&rig, &client, "t", i % 2, -1, rig_batch(1, -1, -1));
        assert_int_equal(client.correlation, first + 90);
        for (int i = 0; i < 90; i++) {
            struct produce_response *answer = raw_receive(&rig, &client, 0, PRODUCE_VERSION);
            assert_int_equal(answer->responses[0].partition_responses[0].base_offset,
                             round * 45 + i / 2);
        }
    }
}

static void test_what_proves_unused_goes_back(void **state)
{
    (void)state;
    struct broker *b = rig.broker;
    struct request *r[REQUEST_POOL_MAX + 10];
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        r[i] = request_take(b, 1 << 20, 1 << 20);
        assert_non_null(r[i]);
        assert_non_null(arena_alloc(&r[i]->memory, 100));
        buf_put(&r[i]->reply, "reply", 5);
    }
    for (size_t i = 0; i < ARRAY_LEN(r); i++) request_give(b, r[i]);
    assert_int_equal(b->spare.count, REQUEST_POOL_MAX);
    assert_true(b->trim.slot > 0);
    (void)request_pool_trim(b); /* begins to count what is not used */
    for (int i = 0; i < 10; i++) r[i] = request_take(b, 1 << 20, 1 << 20);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(r[i]->reply.len, 0);
        assert_null(r[i]->next);
        request_give(b, r[i]);
    }
    assert_true(request_pool_trim(b));
    assert_int_equal(b->spare.count, 10);
    assert_false(request_pool_trim(b));
    assert_int_equal(b->spare.count, REQUEST_POOL_IDLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_warm_produce_request_takes_nothing_from_the_heap),
        TEST(test_a_pipeline_is_answered_in_order_from_kept_requests),
        TEST(test_what_proves_unused_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
