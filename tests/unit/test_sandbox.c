/* The fence of a broker process, tried out in children of the test: what is outside is refused, what
 * a broker needs still works. The hostile child is what a broker would be after somebody took it over. */
#include "broker/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
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

/* --- a broker in enemy hands ------------------------------------------------------------------------- */

#define OWN_UID 40001
#define OTHER_UID 40002

static char other[] = "/tmp/leat-other-XXXXXX"; /* another cluster's folder, with a file and a socket */
static char other_file[64], other_socket[64], database[64];
static pid_t victim; /* another broker; of the same user where users cannot be changed */
static int open_socket = -1;

static bool opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static bool connects(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    snprintf(to.sun_path, sizeof to.sun_path, "%s", path);
    return connect(open_socket, (struct sockaddr *)&to, sizeof to) == 0;
}

static bool reads_memory(void)
{
    char byte;
    struct iovec here = { &byte, 1 }, there = { &victim, 1 };
    return process_vm_readv(victim, &here, 1, &there, 1, 0) == 1;
}

static bool starts_program(void)
{
    char *const arguments[] = { "true", NULL };
    return execv("/bin/true", arguments) == 0;
}

static bool sets_limits_of_another(void)
{
    struct rlimit64 none = { 0, 0 };
    return syscall(SYS_prlimit64, victim, RLIMIT_NOFILE, &none, NULL) == 0;
}

/* Every line: true means that the fence has a hole. */
static int try_everything(void)
{
    siginfo_t signal_info = { .si_code = -1 };
    const struct { const char *what; bool done; } tries[] = {
        { "read another cluster's records", opens(other_file, O_RDONLY) },
        { "write another cluster's records", opens(other_file, O_WRONLY) },
        { "truncate another cluster's records", truncate(other_file, 0) == 0 },
        { "delete another cluster's records", unlink(other_file) == 0 },
        { "list another cluster's folder", opens(other, O_RDONLY | O_DIRECTORY) },
        { "read the database", opens(database, O_RDONLY) },
        { "write the database", opens(database, O_RDWR) },
        { "read the system's users", opens("/etc/passwd", O_RDONLY) },
        { "read the environment of another", opens("/proc/1/environ", O_RDONLY) },
        { "make a file elsewhere", opens("/tmp/leat-sandbox-elsewhere", O_WRONLY | O_CREAT) },
        { "link a file of another", linkat(AT_FDCWD, other_file, dir_fd, "stolen", 0) == 0 },
        { "make a symbolic link", symlinkat("/etc/passwd", dir_fd, "link") == 0 },
        { "make a pipe with a name", mkfifoat(dir_fd, "pipe", 0600) == 0 },
        { "make a device", mknodat(dir_fd, "device", S_IFBLK | 0600, 0x0800) == 0 },
        { "signal another broker", kill(victim, SIGTERM) == 0 },
        { "ask whether another broker lives", kill(victim, 0) == 0 },
        { "signal everybody", kill(-1, SIGTERM) == 0 },
        { "signal by a descriptor", syscall(SYS_pidfd_open, victim, 0) >= 0 },
        { "queue a signal", syscall(SYS_rt_sigqueueinfo, victim, SIGTERM, &signal_info) == 0 },
        { "trace another broker", ptrace(PTRACE_ATTACH, victim, NULL, NULL) == 0 },
        { "read another's memory", reads_memory() },
        { "set another's limits", sets_limits_of_another() },
        { "start a program", starts_program() },
        { "start a process", fork() >= 0 },
        { "make a TCP socket", socket(AF_INET, SOCK_STREAM, 0) >= 0 },
        { "make a Unix socket", socket(AF_UNIX, SOCK_STREAM, 0) >= 0 },
        { "make a netlink socket", socket(AF_NETLINK, SOCK_RAW, 0) >= 0 },
        { "connect to another's control socket", connects(other_socket) },
        { "share memory", shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) >= 0 },
        { "make a message queue", msgget(IPC_PRIVATE, IPC_CREAT | 0600) >= 0 },
        { "mount", mount("none", "/tmp", "tmpfs", 0, NULL) == 0 },
        { "make a user namespace", syscall(SYS_unshare, 0x10000000) == 0 },
        { "change its root", chroot("/tmp") == 0 },
        { "become another user", setresuid(OTHER_UID, OTHER_UID, OTHER_UID) == 0 },
        { "become root", setuid(0) == 0 },
        { "set up io_uring", syscall(SYS_io_uring_setup, 4, NULL) >= 0 || errno != EPERM },
        { "load a BPF program", syscall(SYS_bpf, 5, NULL, 0) >= 0 || errno != EPERM },
        { "open a counter", syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) >= 0 || errno != EPERM },
        { "read a key ring", syscall(SYS_keyctl, 0, -1, 0) >= 0 },
        { "type into a terminal", ioctl(0, TIOCSTI, "x") == 0 || errno != EPERM },
        { "call clone3", syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS },
    };
    int holes = 0;
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        if (!tries[i].done) continue;
        fprintf(stderr, "it could: %s\n", tries[i].what);
        holes++;
    }
    return holes;
}

static int be_hostile(void)
{
    bool root = geteuid() == 0;
    open_socket = socket(AF_UNIX, SOCK_STREAM, 0);
    sandbox_limits();
    if (root && !sandbox_user(OWN_UID)) return NOT_HERE; /* a namespace without that number */
    if (!sandbox_capabilities() || !sandbox_files(dir_fd, -1, NULL, 0) || !sandbox_calls()) return NOT_HERE;
    if (try_everything() > 0) return BROKE;
    /* And a broker still works. */
    int fd = openat(dir_fd, "own", O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) != 0) return BROKE;
    if (mkdirat(dir_fd, "below", 0700) != 0) return BROKE;
    if (renameat(dir_fd, "own", dir_fd, "below/own") != 0) return BROKE;
    if (linkat(dir_fd, "below/own", dir_fd, "again", 0) != 0 || kill(getpid(), 0) != 0) return BROKE;
    return HELD;
}

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void lay_out_the_others(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    assert_non_null(mkdtemp(other));
    snprintf(other_file, sizeof other_file, "%s/records", other);
    snprintf(other_socket, sizeof other_socket, "%s/socket", other);
    snprintf(database, sizeof database, "%s/leat.db", other);
    make_file(other_file);
    make_file(database);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", other_socket);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(other, OTHER_UID, OTHER_UID), 0);
        assert_int_equal(chown(other_file, OTHER_UID, OTHER_UID), 0);
        assert_int_equal(fchown(dir_fd, OWN_UID, OWN_UID), 0);
    }
    victim = fork();
    if (victim == 0) {
        pause();
        _exit(0);
    }
}

static void remove_the_others(void)
{
    int status;
    kill(victim, SIGKILL);
    assert_int_equal(waitpid(victim, &status, 0), victim);
    assert_int_equal(WTERMSIG(status), SIGKILL); /* until now it lived */
    unlink(other_file);
    unlink(other_socket);
    unlink(database);
    rmdir(other);
    unlinkat(dir_fd, "again", 0);
    unlinkat(dir_fd, "below/own", 0);
    unlinkat(dir_fd, "below", AT_REMOVEDIR);
}

static void test_a_broker_in_enemy_hands_reaches_nothing_but_its_own_folder(void **state)
{
    (void)state;
    lay_out_the_others();
    int result = in_child(be_hostile);
    struct stat st;
    bool whole = stat(other_file, &st) == 0;
    remove_the_others();
    if (result == NOT_HERE) skip();
    assert_int_equal(result, HELD);
    assert_true(whole);
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
        cmocka_unit_test(test_a_broker_in_enemy_hands_reaches_nothing_but_its_own_folder),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
