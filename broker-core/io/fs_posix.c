/* fs_posix.c - the file-system seam on POSIX: everything by *at() calls below one folder
 * descriptor, so that a process whose view is restricted later needs no other path.
 *
 * Any thread. Stateless but for the descriptor, and what was learned of the file system; errno
 * becomes a status here and goes no further. */
#include "base/mem.h"
#include "io/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct fs_posix {
    struct fs fs;
    int dir_fd;
    atomic_bool no_nowait; /* preadv2 cannot be told not to wait here */
};

struct file {
    int fd;
};

#define IO_CHUNK (1u << 30) /* the kernel moves less than 2 GiB in one call */

static int root_of(struct fs *fs)
{
    return CONTAINER_OF(fs, struct fs_posix, fs)->dir_fd;
}

/* Relative, and no part is "..": nothing outside the root can be named. */
static status path_check(const char *path)
{
    if (path[0] == '/' || path[0] == 0) return FAIL(NOT_PERMITTED);
    for (const char *p = path; p; p = strchr(p, '/')) {
        if (*p == '/') p++;
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == 0)) return FAIL(NOT_PERMITTED);
    }
    return OK;
}

static status result(int rc)
{
    return rc == 0 ? OK : status_from_errno(errno);
}

static int open_retry(int dir, const char *path, int flags)
{
    int fd;
    do {
        fd = openat(dir, path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static status posix_open(struct fs *fs, const char *path, int flags, struct file **ret_file)
{
    TRY(path_check(path));
    struct file *file = mem_alloc(sizeof *file);
    if (!file) return FAIL(NO_MEMORY);
    int how = (flags & FS_WRITE ? O_RDWR : O_RDONLY) | (flags & FS_CREATE ? O_CREAT : 0);
    file->fd = open_retry(root_of(fs), path, how);
    if (file->fd < 0) {
        status why = status_from_errno(errno);
        mem_free(file);
        return why;
    }
    if (flags & FS_NO_AHEAD) (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_RANDOM);
    *ret_file = file;
    return OK;
}

static void posix_close(struct fs *fs, struct file *file)
{
    (void)fs;
    if (!file) return;
    close(file->fd);
    mem_free(file);
}

static status posix_pread(struct fs *fs, struct file *file, void *p, size_t len, int64_t at,
                          size_t *ret_n)
{
    (void)fs;
    size_t got = 0;
    while (got < len) {
        size_t want = len - got < IO_CHUNK ? len - got : IO_CHUNK;
        ssize_t n = pread(file->fd, (char *)p + got, want, at + (int64_t)got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return status_from_errno(errno);
        if (n == 0) break;
        got += (size_t)n;
    }
    *ret_n = got;
    return OK;
}

static status posix_pread_cached(struct fs *fs, struct file *file, void *p, size_t len, int64_t at,
                                 size_t *ret_n)
{
    struct fs_posix *posix = CONTAINER_OF(fs, struct fs_posix, fs);
    size_t got = 0;
    while (got < len && !atomic_load_explicit(&posix->no_nowait, memory_order_relaxed)) {
        struct iovec part = { (char *)p + got, len - got < IO_CHUNK ? len - got : IO_CHUNK };
        ssize_t n = preadv2(file->fd, &part, 1, at + (int64_t)got, RWF_NOWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            *ret_n = got;
            return got ? OK : FAIL(BUSY);
        }
        if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EPERM)) {
            atomic_store(&posix->no_nowait, true); /* this file system cannot say */
            break;
        }
        if (n < 0) return status_from_errno(errno);
        if (n == 0) break;
        got += (size_t)n;
    }
    if (got || !atomic_load_explicit(&posix->no_nowait, memory_order_relaxed)) {
        *ret_n = got;
        return OK;
    }
    return posix_pread(fs, file, p, len, at, ret_n);
}

static void posix_will_need(struct fs *fs, struct file *file, int64_t at, int64_t len)
{
    (void)fs;
    (void)posix_fadvise(file->fd, at, len, POSIX_FADV_WILLNEED);
}

static status posix_pwrite(struct fs *fs, struct file *file, const void *p, size_t len, int64_t at)
{
    (void)fs;
    size_t put = 0;
    while (put < len) {
        size_t want = len - put < IO_CHUNK ? len - put : IO_CHUNK;
        ssize_t n = pwrite(file->fd, (const char *)p + put, want, at + (int64_t)put);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return status_from_errno(errno);
        if (n == 0) return FAIL(NO_SPACE);
        put += (size_t)n;
    }
    return OK;
}

static status posix_truncate(struct fs *fs, struct file *file, int64_t size)
{
    (void)fs;
    int rc;
    do {
        rc = ftruncate(file->fd, size);
    } while (rc < 0 && errno == EINTR);
    return result(rc);
}

/* For file systems that cannot set blocks aside: zeros, written. */
static status allocate_by_writing(struct fs *fs, struct file *file, int64_t size)
{
    static const char zeros[64 << 10];
    struct stat st;
    if (fstat(file->fd, &st) != 0) return status_from_errno(errno);
    for (int64_t at = st.st_size; at < size; at += (int64_t)sizeof zeros) {
        size_t n = size - at < (int64_t)sizeof zeros ? (size_t)(size - at) : sizeof zeros;
        TRY(posix_pwrite(fs, file, zeros, n, at));
    }
    return OK;
}

static status posix_allocate(struct fs *fs, struct file *file, int64_t size)
{
    int rc;
    do {
        rc = fallocate(file->fd, 0, 0, size);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0 && (errno == EOPNOTSUPP || errno == ENOSYS))
        return allocate_by_writing(fs, file, size);
    return result(rc);
}

static status posix_datasync(struct fs *fs, struct file *file)
{
    (void)fs;
    /* No retry, not even on EINTR: after a failure nobody knows what reached the disk. */
    return result(fdatasync(file->fd));
}

/* Tells of no error and takes none away from the sync that follows. */
static void posix_write_back(struct fs *fs, struct file *file)
{
    (void)fs;
    (void)sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static status posix_size(struct fs *fs, struct file *file, int64_t *ret_size)
{
    (void)fs;
    struct stat st;
    if (fstat(file->fd, &st) != 0) return status_from_errno(errno);
    *ret_size = st.st_size;
    return OK;
}

static status posix_sync_dir(struct fs *fs, const char *path)
{
    TRY(path_check(path));
    int fd = open_retry(root_of(fs), path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return status_from_errno(errno);
    status s = result(fsync(fd));
    close(fd);
    return s;
}

/* By the descriptor that was there before anything was written: it sees every error since. */
static status posix_sync_all(struct fs *fs)
{
    return result(syncfs(root_of(fs)));
}

static status posix_rename(struct fs *fs, const char *from, const char *to)
{
    TRY(path_check(from));
    TRY(path_check(to));
    return result(renameat(root_of(fs), from, root_of(fs), to));
}

static status posix_unlink(struct fs *fs, const char *path)
{
    TRY(path_check(path));
    return result(unlinkat(root_of(fs), path, 0));
}

static status posix_mkdir(struct fs *fs, const char *path)
{
    TRY(path_check(path));
    return result(mkdirat(root_of(fs), path, 0700));
}

static status posix_rmdir(struct fs *fs, const char *path)
{
    TRY(path_check(path));
    return result(unlinkat(root_of(fs), path, AT_REMOVEDIR));
}

static status posix_list(struct fs *fs, const char *path,
                         void (*entry)(const char *name, void *arg), void *arg)
{
    TRY(path_check(path));
    int fd = open_retry(root_of(fs), path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return status_from_errno(errno);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        status why = status_from_errno(errno);
        close(fd);
        return why;
    }
    errno = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL; errno = 0) {
        const char *name = e->d_name;
        if (name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0))) continue;
        entry(name, arg);
    }
    status s = errno ? status_from_errno(errno) : OK;
    closedir(dir);
    return s;
}

static const struct fs_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pread_cached = posix_pread_cached,
    .will_need = posix_will_need,
    .pwrite = posix_pwrite,
    .truncate = posix_truncate,
    .allocate = posix_allocate,
    .datasync = posix_datasync,
    .write_back = posix_write_back,
    .size = posix_size,
    .sync_dir = posix_sync_dir,
    .sync_all = posix_sync_all,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .mkdir = posix_mkdir,
    .rmdir = posix_rmdir,
    .list = posix_list,
};

status fs_posix_new(int dir_fd, struct fs **ret_fs)
{
    struct fs_posix *p = mem_zalloc(sizeof *p);
    if (!p) {
        close(dir_fd);
        return FAIL(NO_MEMORY);
    }
    p->fs.ops = &posix_ops;
    p->dir_fd = dir_fd;
    *ret_fs = &p->fs;
    return OK;
}

void fs_posix_free(struct fs *fs)
{
    if (!fs) return;
    struct fs_posix *p = CONTAINER_OF(fs, struct fs_posix, fs);
    close(p->dir_fd);
    mem_free(p);
}
