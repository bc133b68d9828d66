/* The fence of a broker process, tried out in children of the test: what is outside is refused, what
 * a broker needs still works. */
#include "broker/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/leat-sandbox-XXXXXX";
static int dir_fd;

enum { HELD = 0, BROKE = 1, NOT_HERE = 2 };

static int in_child(int (*body)(void))
{
    pid_t pid = fork();
    if (pid == 0) _exit(body());
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int try_files(void)
{
    if (!sandbox_files(dir_fd, -1, NULL, 0)) return NOT_HERE;
    if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES) return BROKE;
    if (open("/tmp/leat-sandbox-outside", O_WRONLY | O_CREAT, 0600) >= 0) return BROKE;
    int fd = openat(dir_fd, "inside", O_RDWR | O_CREAT, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1) return BROKE;
    if (mkdirat(dir_fd, "folder", 0700) < 0) return BROKE;
    if (renameat(dir_fd, "inside", dir_fd, "renamed") < 0) return BROKE;
    if (unlinkat(dir_fd, "renamed", 0) < 0) return BROKE;
    return unlinkat(dir_fd, "folder", AT_REMOVEDIR) < 0 ? BROKE : HELD;
}

static void *nothing(void *arg) { return arg; }

static int try_calls(void)
{
    if (!sandbox_files(dir_fd, -1, NULL, 0) || !sandbox_calls()) return NOT_HERE;
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM) return BROKE;
    char *const arguments[] = { "true", NULL };
    if (execv("/bin/true", arguments) == 0) return BROKE;
    if (fork() >= 0) return BROKE;
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0) return BROKE;
    return pthread_join(thread, NULL) ? BROKE : HELD;
}

static void test_files_outside_the_folders_are_out_of_reach(void **state)
{
    (void)state;
    int result = in_child(try_files);
    if (result == NOT_HERE) skip();
    assert_int_equal(result, HELD);
}

static void test_sockets_programs_and_processes_are_refused_and_threads_are_not(void **state)
{
    (void)state;
    int result = in_child(try_calls);
    if (result == NOT_HERE) skip();
    assert_int_equal(result, HELD);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir)) return 1;
    dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    close(dir_fd);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_outside_the_folders_are_out_of_reach),
        cmocka_unit_test(test_sockets_programs_and_processes_are_refused_and_threads_are_not),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
