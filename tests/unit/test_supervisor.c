/* test_supervisor.c - real processes under the supervisor: they end, they are started again, and the
 * next supervisor finds them. The loop is turned until a condition holds. */
#include "base/mem.h"
#include "supervise/supervisor.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static struct supervisor *supervisor;
static char folder[64];
static const struct supervisor_events no_events;

static void want(const char *id, const char *a0, const char *a1)
{
    struct proc_spec spec = { 0 };
    snprintf(spec.id, sizeof spec.id, "%s", id);
    snprintf(spec.folder, sizeof spec.folder, "%s", folder);
    spec.argv[0] = (char *)(uintptr_t)a0;
    spec.argv[1] = (char *)(uintptr_t)a1;
    assert_int_equal(supervisor_want(supervisor, &spec).code, E_OK);
}

static struct proc_info info_of(const char *id)
{
    struct proc_info info;
    assert_true(supervisor_info(supervisor, id, &info));
    return info;
}

static struct proc_info until(const char *id, enum proc_state state, int not_pid)
{
    struct proc_info info = info_of(id);
    for (int i = 0; i < 2000 && (info.state != state || (not_pid && info.pid == not_pid)); i++) {
        loop_turn(loop, 20);
        info = info_of(id);
    }
    assert_string_equal(proc_state_name(info.state), proc_state_name(state));
    return info;
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/leat-supervisor-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(loop_new(&loop).code, E_OK);
    return supervisor_new(loop, &no_events, &supervisor).code;
}

static void mark(void *arg) { *(bool *)arg = true; }

static int tear_down(void **state)
{
    (void)state;
    bool stopped = false;
    supervisor_stop_all(supervisor, mark, &stopped);
    for (int i = 0; i < 2000 && !stopped; i++) loop_turn(loop, 20);
    assert_true(stopped);
    supervisor_free(supervisor);
    loop_free(loop);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static void test_a_wanted_process_runs(void **state)
{
    (void)state;
    want("one", "/bin/sleep", "1000");
    struct proc_info info = until("one", PROC_RUNNING, 0);
    assert_int_equal(kill(info.pid, 0), 0);
    assert_true(info.memory_bytes > 0);
}

static void test_a_killed_process_is_started_again_and_says_why_it_ended(void **state)
{
    (void)state;
    want("one", "/bin/sleep", "1000");
    int pid = until("one", PROC_RUNNING, 0).pid;
    kill(pid, SIGKILL);
    struct proc_info info = until("one", PROC_RUNNING, pid);
    assert_int_equal(info.restarts, 1);
    assert_false(info.adopted);
}

static void test_a_process_that_always_fails_ends_in_a_crash_loop_until_restarted(void **state)
{
    (void)state;
    want("bad", "/bin/false", NULL);
    struct proc_info info = until("bad", PROC_CRASH_LOOP, 0);
    assert_non_null(strstr(info.reason, "status 1"));
    assert_int_equal(supervisor_restart(supervisor, "bad").code, E_OK);
    assert_int_not_equal(info_of("bad").state, PROC_CRASH_LOOP);
}

static void test_a_missing_program_is_said(void **state)
{
    (void)state;
    want("none", "/nonexistent/program", NULL);
    struct proc_info info = until("none", PROC_BACKOFF, 0);
    assert_non_null(strstr(info.reason, "/nonexistent/program cannot be started"));
}

static void test_the_next_supervisor_adopts_the_same_process(void **state)
{
    (void)state;
    want("one", "/bin/sleep", "1000");
    int pid = until("one", PROC_RUNNING, 0).pid;
    supervisor_free(supervisor);
    assert_int_equal(supervisor_new(loop, &no_events, &supervisor).code, E_OK);
    want("one", "/bin/sleep", "1000");
    struct proc_info info = until("one", PROC_RUNNING, 0);
    assert_int_equal(info.pid, pid);
    assert_true(info.adopted);
}

static void test_a_stopped_process_stays_stopped_and_can_be_forgotten(void **state)
{
    (void)state;
    bool stopped = false;
    struct proc_info info;
    want("one", "/bin/sleep", "1000");
    int pid = until("one", PROC_RUNNING, 0).pid;
    supervisor_stop(supervisor, "one", true, mark, &stopped);
    for (int i = 0; i < 500 && !stopped; i++) loop_turn(loop, 20);
    assert_true(stopped);
    assert_int_not_equal(kill(pid, 0), 0);
    assert_false(supervisor_info(supervisor, "one", &info));
}

static void test_a_restart_on_request_gives_another_process(void **state)
{
    (void)state;
    want("one", "/bin/sleep", "1000");
    int pid = until("one", PROC_RUNNING, 0).pid;
    assert_int_equal(supervisor_restart(supervisor, "one").code, E_OK);
    assert_int_equal(until("one", PROC_RUNNING, pid).restarts, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_wanted_process_runs),
        TEST(test_a_killed_process_is_started_again_and_says_why_it_ended),
        TEST(test_a_process_that_always_fails_ends_in_a_crash_loop_until_restarted),
        TEST(test_a_missing_program_is_said),
        TEST(test_the_next_supervisor_adopts_the_same_process),
        TEST(test_a_stopped_process_stays_stopped_and_can_be_forgotten),
        TEST(test_a_restart_on_request_gives_another_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
