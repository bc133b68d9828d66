/* failing_sync.c - preloaded into a broker: while the file LEAT_FAIL_SYNC names is there, every sync of a
 * file fails with EIO, as when a disk breaks. For tests/integration. */
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int sync_by(long call, int fd)
{
    const char *path = getenv("LEAT_FAIL_SYNC");
    if (path && access(path, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

int fdatasync(int fd) { return sync_by(SYS_fdatasync, fd); }
int fsync(int fd) { return sync_by(SYS_fsync, fd); }
int syncfs(int fd) { return sync_by(SYS_syncfs, fd); }
