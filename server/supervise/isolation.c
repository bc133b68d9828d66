/* isolation.c - a broker's own user, and what the kernel says that holds for a process. Domain thread.
 *
 * A folder changes hands once, from the leaves to the root: a folder whose root is the user's is the
 * user's altogether, and one that leatd was killed in is gone through again. */
#include "supervise/isolation.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH_MAX 8
#define PATH_SIZE 640

/* --- whose folder it is --------------------------------------------------------------------------- */

bool isolation_possible(const char *folder, uint32_t uid, struct why *why)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2] = { 0 };
    const uint32_t needed = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_CHOWN | 1U << CAP_KILL |
                            1U << CAP_DAC_OVERRIDE;
    char path[PATH_SIZE];
    if (geteuid() != 0) {
        why_set(why, "leatd does not run as root, so that all brokers are of its own user");
        return false;
    }
    if (syscall(SYS_capget, &header, data) != 0 || (data[0].effective & needed) != needed) {
        why_set(why, "leatd lacks one of CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_KILL and CAP_DAC_OVERRIDE");
        return false;
    }
    int n = snprintf(path, sizeof path, "%s/.user-XXXXXX", folder);
    int fd = n > 0 && n < PATH_SIZE ? mkostemp(path, O_CLOEXEC) : -1;
    bool given = fd >= 0 && fchown(fd, uid, uid) == 0;
    if (!given)
        why_set(why, "files cannot be given to the user %u (%s): a user namespace or a file system without "
                     "owners", uid, strerror(errno));
    if (fd >= 0) {
        unlink(path);
        close(fd);
    }
    return given;
}

/* Everything below fd, then fd itself; takes fd. */
static status give_below(int fd, uint32_t uid, int depth)
{
    status result = OK;
    DIR *dir = depth > 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        close(fd);
        return FAIL(IO);
    }
    for (struct dirent *e; is_ok(result) && (e = readdir(dir)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        int below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0) result = give_below(below, uid, depth - 1);
        else if (fchownat(fd, e->d_name, uid, uid, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
            result = status_from_errno(errno);
    }
    if (is_ok(result) && fchown(fd, uid, uid) != 0) result = status_from_errno(errno);
    closedir(dir);
    return result;
}

static status give(const char *folder, const char *name, uint32_t uid)
{
    char path[PATH_SIZE];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return status_from_errno(errno);
    if (fstat(fd, &st) == 0 && st.st_uid == uid) {
        close(fd);
        return OK;
    }
    return give_below(fd, uid, DEPTH_MAX);
}

status isolation_give(const char *folder, uint32_t uid, struct why *why)
{
    status result = give(folder, "run", uid);
    if (is_ok(result)) result = give(folder, "data", uid);
    if (failed(result))
        why_set(why, "its folders cannot be given to the user %u: %s", uid, status_text(result));
    return result;
}

/* --- what holds ------------------------------------------------------------------------------------ */

static bool read_limits(int pid)
{
    char path[64], line[256];
    bool no_core = false, bounded = false;
    long long soft, hard;
    snprintf(path, sizeof path, "/proc/%d/limits", pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "Max core file size %lld %lld", &soft, &hard) == 2) no_core = hard == 0;
        if (sscanf(line, "Max file size %lld %lld", &soft, &hard) == 2) bounded = true; /* no "unlimited" */
    }
    if (f) fclose(f);
    return no_core && bounded;
}

void isolation_read(int pid, struct proc_isolation *ret)
{
    char path[64], line[256];
    uint64_t caps = 1;
    int seccomp = 0, privileges = 0;
    *ret = (struct proc_isolation){ 0 };
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = pid > 0 ? fopen(path, "re") : NULL;
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "Uid: %" SCNu32, &ret->uid) == 1) ret->known = true;
        (void)sscanf(line, "CapPrm: %" SCNx64, &caps);
        (void)sscanf(line, "NoNewPrivs: %d", &privileges);
        (void)sscanf(line, "Seccomp: %d", &seccomp);
    }
    fclose(f);
    ret->no_capabilities = caps == 0;
    ret->no_new_privileges = privileges == 1;
    ret->seccomp = seccomp == 2;
    ret->limits = read_limits(pid);
}
