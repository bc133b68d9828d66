/* The event loop: order of timers and end-of-turn work, jobs on lanes, watches taken away while
 * their events wait. Time is real but hardly measured: order and occurrence are checked. */
#include "io/loop.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

static struct loop *loop;
static char order[64];
static size_t order_len;

static void note(char c)
{
    if (order_len + 1 < sizeof order) order[order_len++] = c;
    order[order_len] = 0;
}

static int setup(void **state)
{
    (void)state;
    order_len = 0;
    order[0] = 0;
    return failed(loop_new(&loop));
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return mem_outstanding() != 0;
}

struct letter {
    struct timer timer;
    struct deferred deferred;
    char c;
};
static void letter_fired(struct timer *t) { note(CONTAINER_OF(t, struct letter, timer)->c); }
static void letter_ran(struct deferred *d) { note(CONTAINER_OF(d, struct letter, deferred)->c); }

static void test_timers_fire_in_order_of_their_deadline(void **state)
{
    (void)state;
    struct letter a = { .c = 'a' }, b = { .c = 'b' }, c = { .c = 'c' };
    struct letter *all[] = { &a, &b, &c };
    for (int i = 0; i < 3; i++) timer_init(&all[i]->timer, letter_fired);
    int64_t now = loop_now(loop);
    assert_true(is_ok(loop_timer_set(loop, &c.timer, now + 3)));
    assert_true(is_ok(loop_timer_set(loop, &a.timer, now + 1)));
    assert_true(is_ok(loop_timer_set(loop, &b.timer, now + 2)));
    while (order_len < 3) loop_turn(loop, -1);
    assert_string_equal(order, "abc");
}

static void test_a_cleared_timer_does_not_fire_and_a_moved_one_fires_once(void **state)
{
    (void)state;
    struct letter a = { .c = 'a' }, b = { .c = 'b' };
    timer_init(&a.timer, letter_fired);
    timer_init(&b.timer, letter_fired);
    int64_t now = loop_now(loop);
    assert_true(is_ok(loop_timer_set(loop, &a.timer, now)));
    assert_true(is_ok(loop_timer_set(loop, &b.timer, now + 100000)));
    assert_true(is_ok(loop_timer_set(loop, &b.timer, now)));
    loop_timer_clear(loop, &a.timer);
    while (!order_len) loop_turn(loop, -1);
    loop_turn(loop, 0);
    assert_string_equal(order, "b");
}

static void test_the_timer_heap_keeps_its_order_under_random_changes(void **state)
{
    (void)state;
    enum { N = 300 };
    static struct letter many[N];
    srand(1);
    for (int i = 0; i < N; i++) timer_init(&many[i].timer, letter_fired);
    int64_t far = loop_now(loop) + 1000000;
    for (int i = 0; i < 5000; i++) {
        struct timer *t = &many[rand() % N].timer;
        if (rand() % 3) assert_true(is_ok(loop_timer_set(loop, t, far + rand() % 1000)));
        else loop_timer_clear(loop, t);
    }
    for (int i = 0; i < N; i++) {
        if (!many[i].timer.slot) continue;
        many[i].c = 'x';
        many[i].timer.fire = letter_fired;
    }
    /* All to the past: every one that is set fires exactly once. */
    size_t set = 0;
    for (int i = 0; i < N; i++)
        if (many[i].timer.slot) {
            set++;
            assert_true(is_ok(loop_timer_set(loop, &many[i].timer, 0)));
        }
    loop_turn(loop, 0);
    for (int i = 0; i < N; i++) assert_int_equal(many[i].timer.slot, 0);
    assert_true(set > 0);
}

static struct letter *chain_next;
static void chain_ran(struct deferred *d)
{
    letter_ran(d);
    loop_defer(loop, &chain_next->deferred);
}

static void test_deferred_work_runs_once_in_order_and_in_the_same_turn(void **state)
{
    (void)state;
    struct letter a = { .c = 'a' }, b = { .c = 'b' }, c = { .c = 'c' }, d = { .c = 'd' };
    a.deferred.run = chain_ran;
    b.deferred.run = c.deferred.run = d.deferred.run = letter_ran;
    chain_next = &d;
    loop_defer(loop, &a.deferred);
    loop_defer(loop, &b.deferred);
    loop_defer(loop, &b.deferred);
    loop_defer(loop, &c.deferred);
    loop_undefer(loop, &c.deferred);
    loop_undefer(loop, &c.deferred);
    loop_turn(loop, -1);
    assert_string_equal(order, "abd");
}

static pthread_t work_thread;
static int done_count;
struct counted {
    struct job job;
    int number;
};
static int worked[8];
static void counted_work(struct job *job)
{
    work_thread = pthread_self();
    worked[done_count < 0 ? 0 : CONTAINER_OF(job, struct counted, job)->number] = 1;
}
static void counted_done(struct job *job)
{
    struct counted *c = CONTAINER_OF(job, struct counted, job);
    assert_int_equal(c->number, done_count);
    done_count++;
}

static void test_jobs_run_on_another_thread_and_come_back_in_order(void **state)
{
    (void)state;
    struct counted jobs[8];
    done_count = 0;
    for (int i = 0; i < 8; i++) {
        jobs[i] = (struct counted){ { .work = counted_work, .done = counted_done }, i };
        assert_true(is_ok(loop_submit(loop, &jobs[i].job, LANE_COMMIT)));
    }
    while (done_count < 8) loop_turn(loop, -1);
    assert_false(pthread_equal(work_thread, pthread_self()));
    for (int i = 0; i < 8; i++) assert_int_equal(worked[i], 1);
}

static void *post_from_thread(void *arg)
{
    loop_post(loop, arg);
    return NULL;
}
static void posted_done(struct job *job)
{
    (void)job;
    loop_stop(loop);
}

static void test_a_post_from_another_thread_wakes_a_sleeping_loop(void **state)
{
    (void)state;
    struct job job = { .done = posted_done };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_from_thread, &job), 0);
    loop_run(loop);
    pthread_join(thread, NULL);
}

static struct watch pair[2];
static void pair_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    note(watch == &pair[0] ? '0' : '1');
    loop_unwatch(loop, &pair[0]);
    loop_unwatch(loop, &pair[1]);
}

static void test_a_watch_taken_away_in_a_callback_is_not_called_in_that_turn(void **state)
{
    (void)state;
    int ends[2][2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(ends[i]), 0);
        assert_int_equal(write(ends[i][1], "x", 1), 1);
        pair[i] = (struct watch){ .ready = pair_ready, .fd = ends[i][0] };
        assert_true(is_ok(loop_watch(loop, &pair[i], EPOLLIN)));
    }
    loop_turn(loop, -1);
    loop_turn(loop, 0);
    assert_int_equal(order_len, 1);
    for (int i = 0; i < 4; i++) close(ends[i / 2][i % 2]);
}

static void fire_again(struct timer *timer)
{
    note('a');
    assert_true(is_ok(loop_timer_set(loop, timer, loop_now(loop))));
}

static void fire_once(struct timer *timer)
{
    (void)timer;
    note('b');
}

static void test_a_timer_that_is_set_to_now_again_waits_for_the_next_turn(void **state)
{
    (void)state;
    struct timer again, others[3];
    timer_init(&again, fire_again);
    assert_true(is_ok(loop_timer_set(loop, &again, loop_now(loop))));
    for (int i = 0; i < 3; i++) {
        timer_init(&others[i], fire_once);
        assert_true(is_ok(loop_timer_set(loop, &others[i], loop_now(loop))));
    }
    loop_turn(loop, 0);
    assert_int_equal(order_len, 4); /* each once */
    loop_turn(loop, 0);
    assert_string_equal(order + 4, "a");
    loop_timer_clear(loop, &again);
}

static void stay_busy(struct deferred *d)
{
    (void)d;
    for (int64_t until = loop_nanos() + 11 * 1000000LL; loop_nanos() < until;) {}
}

static void test_a_turn_that_keeps_others_waiting_is_counted(void **state)
{
    (void)state;
    struct deferred busy = { .run = stay_busy };
    struct loop_turns before = *loop_turns(loop);
    loop_defer(loop, &busy);
    loop_turn(loop, 0);
    const struct loop_turns *after = loop_turns(loop);
    assert_int_equal(after->count, before.count + 1);
    assert_int_equal(after->over_1ms, before.over_1ms + 1);
    assert_int_equal(after->over_10ms, before.over_10ms + 1);
    assert_true(after->longest_ns >= 11 * 1000000LL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_a_timer_that_is_set_to_now_again_waits_for_the_next_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_turn_that_keeps_others_waiting_is_counted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_timers_fire_in_order_of_their_deadline, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_cleared_timer_does_not_fire_and_a_moved_one_fires_once, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_the_timer_heap_keeps_its_order_under_random_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_deferred_work_runs_once_in_order_and_in_the_same_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(test_jobs_run_on_another_thread_and_come_back_in_order,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_post_from_another_thread_wakes_a_sleeping_loop,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_watch_taken_away_in_a_callback_is_not_called_in_that_turn, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
