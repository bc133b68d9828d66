/* sandbox.c - user, limits, Landlock and seccomp for a broker. Called at start, on the loop thread.
 *
 * Why the filter is a list of what is refused (EPERM) and not of what is allowed: a broker must not die
 * of a new libc, kernel or sanitizer that uses another harmless call, and what would harm is known and
 * finite: whatever makes programs, processes or sockets, reaches other processes, changes rights or
 * namespaces, or opens one of the kernel's rarely used doors. Calls of another ABI (32 bits, x32) go
 * round numbers altogether: the first ends the process, the second does not exist. clone3 answers
 * ENOSYS, so that libc falls back to clone, whose flags a filter can see: threads yes, processes no. */
#include "broker/sandbox.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- user, capabilities, limits -------------------------------------------------------------------- */

#define THREADS_MAX 256                      /* of a user that is the broker's alone */
#define FILE_BYTES_MAX (4LL << 30)           /* a segment has at most 2 GiB */

/* Exactly these capabilities; 0: none. */
static bool capabilities_set(uint32_t wanted)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { { .effective = wanted, .permitted = wanted } };
    return syscall(SYS_capset, &header, data) == 0;
}

bool sandbox_user(uint32_t uid)
{
    /* Only what a port below 1024 needs is kept, until the listeners are bound. */
    bool changed = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && setgroups(0, NULL) == 0 &&
                   setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0;
    if (!changed) return false;
    if (!capabilities_set(1U << CAP_NET_BIND_SERVICE) && !capabilities_set(0)) return false;
    const struct rlimit threads = { THREADS_MAX, THREADS_MAX };
    (void)setrlimit(RLIMIT_NPROC, &threads);
#ifdef __SANITIZE_ADDRESS__
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* the leak check at the end traces this process */
#endif
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && getuid() == uid && setuid(0) < 0;
}

bool sandbox_capabilities(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && capabilities_set(0);
}

void sandbox_limits(void)
{
    const struct rlimit none = { 0, 0 }, file = { FILE_BYTES_MAX, FILE_BYTES_MAX };
    (void)setrlimit(RLIMIT_CORE, &none); /* it would hold records and verifiers */
    (void)setrlimit(RLIMIT_FSIZE, &file);
    signal(SIGXFSZ, SIG_IGN); /* EFBIG instead */
}

/* --- files ------------------------------------------------------------------------------------------ */

/* What later versions of Landlock brought, for headers that do not know it yet. */
#define ACCESS_REFER (1ULL << 13)     /* 2 */
#define ACCESS_TRUNCATE (1ULL << 14)  /* 3 */
#define ACCESS_BIND_TCP (1ULL << 0)   /* 4, with the next */
#define ACCESS_CONNECT_TCP (1ULL << 1)
#define ACCESS_IOCTL_DEV (1ULL << 15) /* 5 */
#define SCOPE_ABSTRACT_UNIX (1ULL << 0) /* 6, with the next */
#define SCOPE_SIGNAL (1ULL << 1)
struct ruleset { __u64 files, net, scoped; };

#define FILES_FIRST                                                                                \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE |   \
     LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |                               \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |    \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
#define FILES_DATA                                                                                 \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |  \
     LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                              \
     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | ACCESS_REFER | ACCESS_TRUNCATE)
#define FILES_RUN (LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_SOCK)

/* All that this version of Landlock can refuse; *ret_size is the struct it knows. */
static struct ruleset everything(int abi, size_t *ret_size)
{
    struct ruleset all = { .files = FILES_FIRST };
    *ret_size = sizeof all.files;
    if (abi >= 2) all.files |= ACCESS_REFER;
    if (abi >= 3) all.files |= ACCESS_TRUNCATE;
    if (abi >= 5) all.files |= ACCESS_IOCTL_DEV;
    if (abi >= 4) {
        all.net = ACCESS_BIND_TCP | ACCESS_CONNECT_TCP; /* everything is bound by now */
        *ret_size = offsetof(struct ruleset, scoped);
    }
    if (abi >= 6) {
        all.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
        *ret_size = sizeof all;
    }
    return all;
}

static bool landlock_allow(int ruleset, int folder_fd, __u64 access)
{
    struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = folder_fd };
    return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
}

int sandbox_files(int data_fd, int run_fd, const int *more, size_t more_count)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return 0;
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    size_t size;
    struct ruleset all = everything(abi, &size);
    int ruleset = abi > 0 ? (int)syscall(SYS_landlock_create_ruleset, &all, size, 0) : -1;
    bool closed = ruleset >= 0 && landlock_allow(ruleset, data_fd, FILES_DATA & all.files) &&
                  (run_fd < 0 || landlock_allow(ruleset, run_fd, FILES_RUN));
    for (size_t i = 0; i < more_count; i++)
        closed = closed && landlock_allow(ruleset, more[i], LANDLOCK_ACCESS_FS_READ_FILE);
    closed = closed && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
    if (!closed) log_info("this kernel has no Landlock (%s): files are not fenced", strerror(errno));
    if (ruleset >= 0) close(ruleset);
    return closed ? abi : 0;
}

/* --- system calls -------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#endif

#define REFUSED(error) (SECCOMP_RET_ERRNO | ((error) & SECCOMP_RET_DATA))
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
/* Allowed when the low half of its first argument is `value`. */
#define ONLY_WITH(call, value)                                                                     \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 4), LOAD(args[0]),                          \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, 1),                                        \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), BPF_STMT(BPF_RET | BPF_K, REFUSED(EPERM))
#define REFUSE(call)                                                                               \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, REFUSED(EPERM))

bool sandbox_calls(void)
{
#ifdef SANDBOX_ARCH
    const uint32_t self = (uint32_t)getpid();
    struct sock_filter filter[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
#ifdef __x86_64__
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), /* x32 */
        BPF_STMT(BPF_RET | BPF_K, REFUSED(ENOSYS)),
        REFUSE(fork), REFUSE(vfork), REFUSE(ioperm), REFUSE(iopl), REFUSE(modify_ldt), REFUSE(ustat),
        REFUSE(uselib),
#endif
        /* programs, and other processes */
        REFUSE(execve), REFUSE(execveat), REFUSE(ptrace), REFUSE(process_vm_readv),
        REFUSE(process_vm_writev), REFUSE(process_madvise), REFUSE(kcmp), REFUSE(pidfd_open),
        REFUSE(pidfd_getfd), REFUSE(pidfd_send_signal), REFUSE(personality), REFUSE(tkill),
        REFUSE(rt_sigqueueinfo), REFUSE(rt_tgsigqueueinfo), REFUSE(move_pages), REFUSE(migrate_pages),
        REFUSE(setpriority), REFUSE(ioprio_set), REFUSE(setpgid),
        /* sockets and other ways to talk: all that will ever listen does so by now */
        REFUSE(socket), REFUSE(socketpair), REFUSE(bind), REFUSE(connect), REFUSE(listen),
        REFUSE(shmget), REFUSE(shmat), REFUSE(shmctl), REFUSE(msgget), REFUSE(msgsnd), REFUSE(msgrcv),
        REFUSE(semget), REFUSE(semop), REFUSE(semtimedop), REFUSE(mq_open), REFUSE(mq_unlink),
        /* other roots, other rights, other kernels */
        REFUSE(mount), REFUSE(umount2), REFUSE(pivot_root), REFUSE(chroot), REFUSE(unshare),
        REFUSE(setns), REFUSE(fsopen), REFUSE(fsconfig), REFUSE(fsmount), REFUSE(fspick),
        REFUSE(move_mount), REFUSE(open_tree), REFUSE(mount_setattr), REFUSE(open_by_handle_at),
        REFUSE(name_to_handle_at), REFUSE(mknodat), REFUSE(setuid), REFUSE(setgid), REFUSE(setreuid),
        REFUSE(setregid), REFUSE(setresuid), REFUSE(setresgid), REFUSE(setfsuid), REFUSE(setfsgid),
        REFUSE(setgroups), REFUSE(capset), REFUSE(init_module), REFUSE(finit_module),
        REFUSE(delete_module), REFUSE(kexec_load), REFUSE(kexec_file_load), REFUSE(reboot),
        REFUSE(swapon), REFUSE(swapoff), REFUSE(acct), REFUSE(quotactl), REFUSE(syslog),
        REFUSE(vhangup), REFUSE(add_key), REFUSE(request_key), REFUSE(keyctl), REFUSE(bpf),
        REFUSE(perf_event_open), REFUSE(userfaultfd), REFUSE(io_uring_setup), REFUSE(io_uring_enter),
        REFUSE(io_uring_register), REFUSE(fanotify_init), REFUSE(settimeofday), REFUSE(clock_settime),
        REFUSE(adjtimex), REFUSE(clock_adjtime), REFUSE(sethostname), REFUSE(setdomainname),
        /* signals and limits: its own */
        ONLY_WITH(kill, self), ONLY_WITH(tgkill, self), ONLY_WITH(prlimit64, 0),
        /* no keystrokes into somebody's terminal */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 4), LOAD(args[1]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TIOCSTI, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, REFUSED(EPERM)), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
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
