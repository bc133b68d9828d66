/* The gate that keeps bulk work off the disk while a commit is synced: who waits, how long at the most, and
 * that nobody waits at an open gate. The bound is the only time here, and only "not before" is asserted. */
#include "storage/sync_gate.h"

#include "io/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <stdbool.h>

#define LONG (3600 * 1000000000LL)
#define SHORT (2 * 1000000LL)

static struct sync_gate gate;
static atomic_bool passed;

static int setup(void **state)
{
    (void)state;
    sync_gate_init(&gate);
    atomic_store(&passed, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sync_gate_done(&gate);
    return 0;
}

static void *pass(void *arg)
{
    (void)arg;
    sync_gate_wait(&gate, LONG);
    atomic_store(&passed, true);
    return NULL;
}

static void test_nobody_waits_at_an_open_gate(void **state)
{
    (void)state;
    sync_gate_wait(&gate, LONG);
    sync_gate_close(&gate);
    sync_gate_open(&gate);
    sync_gate_wait(&gate, LONG);
}

static void test_work_goes_on_when_the_last_sync_has_ended(void **state)
{
    (void)state;
    pthread_t thread;
    sync_gate_close(&gate);
    sync_gate_close(&gate);
    assert_int_equal(pthread_create(&thread, NULL, pass, NULL), 0);
    sync_gate_open(&gate);
    assert_false(atomic_load(&passed)); /* one is still under way */
    sync_gate_open(&gate);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load(&passed));
}

static void test_syncs_without_end_cannot_starve_the_work(void **state)
{
    (void)state;
    int64_t before = loop_nanos();
    sync_gate_close(&gate);
    sync_gate_wait(&gate, SHORT);
    assert_true(loop_nanos() - before >= SHORT);
    sync_gate_open(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_waits_at_an_open_gate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_work_goes_on_when_the_last_sync_has_ended, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_syncs_without_end_cannot_starve_the_work, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
