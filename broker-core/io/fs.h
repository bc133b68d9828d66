/* fs.h - the seam to the file system: everything storage and the metadata image do to files.
 *
 * Paths are relative to one root folder and never leave it. Implementations: fs_posix.c (openat
 * below a folder descriptor) and tests/fault/fs_sim.c (an in-memory disk that can drop or tear
 * whatever was not synced). Any thread may call; several threads may use one file at a time, as
 * long as no two write to it (a sync beside a write covers the bytes written before it began).
 * A path that begins with '/' or has ".." as a part is refused (NOT_PERMITTED). */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

struct file; /* implementation's own */

enum fs_open {
    FS_READ = 1,
    FS_WRITE = 2, /* read and write */
    FS_CREATE = 4,
    /* Nothing is read ahead but what will_need asks for: what the kernel takes on its own account (8 MiB
     * at a time on some disks) is what a sync then waits behind. */
    FS_NO_AHEAD = 8,
};

struct fs {
    const struct fs_ops *ops;
};

struct fs_ops {
    status (*open)(struct fs *fs, const char *path, int flags, struct file **ret_file);
    void (*close)(struct fs *fs, struct file *file);
    /* Short only at the end of the file; *ret_n < len says so. */
    status (*pread)(struct fs *fs, struct file *file, void *p, size_t len, int64_t at,
                    size_t *ret_n);
    /* The same, but only what is in memory, and that may be short anywhere: BUSY when not even the
     * first byte is. NULL, or where the file system cannot say: as pread. */
    status (*pread_cached)(struct fs *fs, struct file *file, void *p, size_t len, int64_t at,
                           size_t *ret_n);
    /* A hint: these bytes will be read soon. Does not wait for them. NULL: nobody to tell. */
    void (*will_need)(struct fs *fs, struct file *file, int64_t at, int64_t len);
    /* All or an error; after an error any prefix may have been written. */
    status (*pwrite)(struct fs *fs, struct file *file, const void *p, size_t len, int64_t at);
    status (*truncate)(struct fs *fs, struct file *file, int64_t size);
    /* The first `size` bytes have their place on the disk, and the file is not shorter than that; what
     * is new is zero. After an error any part may have been done. */
    status (*allocate)(struct fs *fs, struct file *file, int64_t size);
    status (*datasync)(struct fs *fs, struct file *file);
    /* Starts writing back what the file has and does not wait for it; a sync is still needed, and is the
     * one to tell of errors. NULL: this file system has no such thing. */
    void (*write_back)(struct fs *fs, struct file *file);
    status (*size)(struct fs *fs, struct file *file, int64_t *ret_size);
    status (*sync_dir)(struct fs *fs, const char *path); /* "." is the root */
    /* Everything written below the root, contents and folders, in one go (syncfs): for many files.
     * May write what others have on the same file system. */
    status (*sync_all)(struct fs *fs);
    status (*rename)(struct fs *fs, const char *from, const char *to);
    status (*unlink)(struct fs *fs, const char *path);
    status (*mkdir)(struct fs *fs, const char *path); /* exists: EXISTS */
    status (*rmdir)(struct fs *fs, const char *path);
    /* Calls back with each name in the folder ("." and ".." left out). */
    status (*list)(struct fs *fs, const char *path, void (*entry)(const char *name, void *arg),
                   void *arg);
};

/* A POSIX folder as root; takes dir_fd. */
status fs_posix_new(int dir_fd, struct fs **ret_fs);
void fs_posix_free(struct fs *fs); /* NULL ok */
