/* sandbox.c - Landlock and seccomp for a broker. Called at start, on the loop thread.
 *
 * The filter is a list of what is refused (EPERM), not of what is allowed: a broker must not die of a
 * new libc that uses another harmless call. clone3 answers ENOSYS, so that libc falls back to clone,
 * whose flags a filter can see: threads yes, processes no. */
#include "broker/sandbox.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of Landlock's first version, which every kernel that has it knows. */
#define FILES_ALL                                                                                  \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                               \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |    \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define FILES_DATA                                                                                 \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |  \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)
#define FILES_RUN (LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_SOCK)

static bool landlock_allow(int ruleset, int folder_fd, __u64 access)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = folder_fd };
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

bool sandbox_files(int data_fd, int run_fd, const int *more, size_t more_count)
{
    struct landlock_ruleset_attr attr = { .handled_access_fs = FILES_ALL };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return false;
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    bool closed = ruleset >= 0 && landlock_allow(ruleset, data_fd, FILES_DATA) &&
                  (run_fd < 0 || landlock_allow(ruleset, run_fd, FILES_RUN));
    for (size_t i = 0; i < more_count; i++)
        closed = closed && landlock_allow(ruleset, more[i], LANDLOCK_ACCESS_FS_READ_FILE);
    closed = closed && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (!closed) log_info("this kernel has no Landlock (%s): files are not fenced", strerror(errno));
    if (ruleset >= 0) close(ruleset);
    return closed;
}

/* --- system calls -------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#endif

#define REFUSED(error) (SECCOMP_RET_ERRNO | ((error) & SECCOMP_RET_DATA))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(call)                                                                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, REFUSED(EPERM))

bool sandbox_calls(void)
{
#ifdef SANDBOX_ARCH
    struct sock_filter filter[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        /* programs and processes */
        REFUSE(execve), REFUSE(execveat), REFUSE(ptrace), REFUSE(process_vm_readv),
        REFUSE(process_vm_writev), REFUSE(pidfd_open), REFUSE(pidfd_getfd), REFUSE(personality),
#ifdef SYS_fork
        REFUSE(fork), REFUSE(vfork),
#endif
        /* sockets: all that will ever listen does so by now */
        REFUSE(socket), REFUSE(socketpair), REFUSE(bind), REFUSE(connect), REFUSE(listen),
        /* other roots, other rights, other kernels */
        REFUSE(mount), REFUSE(umount2), REFUSE(pivot_root), REFUSE(chroot), REFUSE(unshare),
        REFUSE(setns), REFUSE(open_by_handle_at), REFUSE(setuid), REFUSE(setgid),
        REFUSE(setresuid), REFUSE(setresgid), REFUSE(capset), REFUSE(init_module),
        REFUSE(finit_module), REFUSE(delete_module), REFUSE(kexec_load), REFUSE(reboot),
        REFUSE(swapon), REFUSE(swapoff), REFUSE(acct), REFUSE(quotactl), REFUSE(add_key),
        REFUSE(request_key), REFUSE(keyctl), REFUSE(bpf), REFUSE(perf_event_open),
        REFUSE(userfaultfd), REFUSE(io_uring_setup), REFUSE(io_uring_enter),
        REFUSE(io_uring_register), REFUSE(fanotify_init), REFUSE(settimeofday),
        REFUSE(clock_settime), REFUSE(sethostname),
        /* threads, but no processes */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, REFUSED(ENOSYS)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        LOAD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, REFUSED(EPERM)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = ARRAY_LEN(filter), .filter = filter };
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0)
        return true;
    log_info("this kernel has no seccomp filters (%s): system calls are not fenced",
             strerror(errno));
#endif
    return false;
}
