/* reserve.c - see reserve.h. The lock covers changes of the file, each short. */
#include "io/reserve.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

#define PIECE (128 << 10)  /* given up at least */
#define STEP (1 << 20)     /* made at once: so long a writer in need may wait */

struct reserve {
    struct fs fs; /* with the reserve behind it */
    struct fs *disk;
    char *path;
    struct file *file; /* NULL: none yet */
    pthread_mutex_t lock;
    atomic_int_least64_t size;
    atomic_bool full;
};

static struct reserve *reserve_of(struct fs *fs) { return CONTAINER_OF(fs, struct reserve, fs); }

/* --- giving up and making again ----------------------------------------------------------------- */

bool reserve_full(const struct reserve *r) { return atomic_load(&r->full); }
int64_t reserve_size(const struct reserve *r) { return atomic_load(&r->size); }
void reserve_note_full(struct reserve *r) { atomic_store(&r->full, true); }

bool reserve_give(struct reserve *r, size_t need)
{
    pthread_mutex_lock(&r->lock);
    int64_t size = atomic_load(&r->size), piece = (int64_t)need + PIECE;
    int64_t left = size > piece ? size - piece : 0;
    atomic_store(&r->full, true);
    bool given = size > 0 && is_ok(r->disk->ops->truncate(r->disk, r->file, left));
    if (given) atomic_store(&r->size, left);
    pthread_mutex_unlock(&r->lock);
    return given;
}

static status file_make(struct reserve *r)
{
    if (r->file) return OK;
    return r->disk->ops->open(r->disk, r->path, FS_WRITE | FS_CREATE, &r->file);
}

static status fill_step(struct reserve *r, int64_t size)
{
    pthread_mutex_lock(&r->lock);
    int64_t before = atomic_load(&r->size), next = size - before > STEP ? before + STEP : size;
    status s = file_make(r);
    if (is_ok(s)) s = r->disk->ops->allocate(r->disk, r->file, next);
    if (is_ok(s)) atomic_store(&r->size, next);
    else if (r->file) (void)r->disk->ops->truncate(r->disk, r->file, before);
    if (s.code == E_NO_SPACE) atomic_store(&r->full, true);
    pthread_mutex_unlock(&r->lock);
    return s;
}

status reserve_fill(struct reserve *r, int64_t size, int64_t spare)
{
    if (!reserve_full(r)) spare = 0;
    while (reserve_size(r) < size + spare) TRY(fill_step(r, size + spare));
    pthread_mutex_lock(&r->lock);
    status s = OK;
    if (atomic_load(&r->size) > size) {
        s = r->disk->ops->truncate(r->disk, r->file, size);
        if (is_ok(s)) atomic_store(&r->size, size);
    }
    /* Somebody may have been given a piece in between: then it is tried again. */
    if (is_ok(s) && atomic_load(&r->size) == size) atomic_store(&r->full, false);
    pthread_mutex_unlock(&r->lock);
    return s;
}

/* --- the disk with the reserve behind it -------------------------------------------------------- */

/* Calls again as long as there is no space and something is given up. */
#define WITH_RESERVE(r, need, call)                                                                \
    ({                                                                                             \
        status s_;                                                                                 \
        do s_ = (call);                                                                            \
        while (s_.code == E_NO_SPACE && reserve_give((r), (need)));                                \
        s_;                                                                                        \
    })

static status res_open(struct fs *fs, const char *path, int flags, struct file **ret_file)
{
    struct reserve *r = reserve_of(fs);
    return WITH_RESERVE(r, 0, r->disk->ops->open(r->disk, path, flags, ret_file));
}

static status res_pwrite(struct fs *fs, struct file *file, const void *p, size_t len, int64_t at)
{
    struct reserve *r = reserve_of(fs);
    return WITH_RESERVE(r, len, r->disk->ops->pwrite(r->disk, file, p, len, at));
}

static status res_truncate(struct fs *fs, struct file *file, int64_t size)
{
    struct reserve *r = reserve_of(fs);
    return WITH_RESERVE(r, 0, r->disk->ops->truncate(r->disk, file, size));
}

static status res_mkdir(struct fs *fs, const char *path)
{
    struct reserve *r = reserve_of(fs);
    return WITH_RESERVE(r, 0, r->disk->ops->mkdir(r->disk, path));
}

static status res_rename(struct fs *fs, const char *from, const char *to)
{
    struct reserve *r = reserve_of(fs);
    return WITH_RESERVE(r, 0, r->disk->ops->rename(r->disk, from, to));
}

static struct fs *disk_of(struct fs *fs) { return reserve_of(fs)->disk; }

static void res_close(struct fs *fs, struct file *file)
{
    disk_of(fs)->ops->close(disk_of(fs), file);
}

static status res_pread(struct fs *fs, struct file *file, void *p, size_t len, int64_t at,
                        size_t *ret_n)
{
    return disk_of(fs)->ops->pread(disk_of(fs), file, p, len, at, ret_n);
}

static status res_datasync(struct fs *fs, struct file *file)
{
    return disk_of(fs)->ops->datasync(disk_of(fs), file);
}

static status res_size(struct fs *fs, struct file *file, int64_t *ret_size)
{
    return disk_of(fs)->ops->size(disk_of(fs), file, ret_size);
}

static status res_allocate(struct fs *fs, struct file *file, int64_t size)
{
    return disk_of(fs)->ops->allocate(disk_of(fs), file, size);
}

static status res_sync_dir(struct fs *fs, const char *path)
{
    return disk_of(fs)->ops->sync_dir(disk_of(fs), path);
}

static status res_sync_all(struct fs *fs) { return disk_of(fs)->ops->sync_all(disk_of(fs)); }

static status res_unlink(struct fs *fs, const char *path)
{
    return disk_of(fs)->ops->unlink(disk_of(fs), path);
}

static status res_rmdir(struct fs *fs, const char *path)
{
    return disk_of(fs)->ops->rmdir(disk_of(fs), path);
}

static status res_list(struct fs *fs, const char *path, void (*entry)(const char *name, void *arg),
                       void *arg)
{
    return disk_of(fs)->ops->list(disk_of(fs), path, entry, arg);
}

static const struct fs_ops reserve_ops = {
    .open = res_open,
    .close = res_close,
    .pread = res_pread,
    .pwrite = res_pwrite,
    .truncate = res_truncate,
    .datasync = res_datasync,
    .size = res_size,
    .allocate = res_allocate,
    .sync_dir = res_sync_dir,
    .sync_all = res_sync_all,
    .rename = res_rename,
    .unlink = res_unlink,
    .mkdir = res_mkdir,
    .rmdir = res_rmdir,
    .list = res_list,
};

struct fs *reserve_fs(struct reserve *r) { return &r->fs; }

/* --- life ----------------------------------------------------------------------------------------- */

status reserve_new(struct fs *disk, const char *path, struct reserve **ret_reserve)
{
    struct reserve *r = mem_zalloc(sizeof *r);
    if (!r) return FAIL(NO_MEMORY);
    r->fs.ops = &reserve_ops;
    r->disk = disk;
    pthread_mutex_init(&r->lock, NULL);
    r->path = mem_strdup(path);
    int64_t size = 0;
    status s = r->path ? disk->ops->open(disk, path, FS_WRITE, &r->file) : FAIL(NO_MEMORY);
    if (is_ok(s)) s = disk->ops->size(disk, r->file, &size);
    if (s.code == E_NOT_FOUND) s = OK;
    if (failed(s)) {
        reserve_free(r);
        return s;
    }
    atomic_store(&r->size, size);
    *ret_reserve = r;
    return OK;
}

void reserve_free(struct reserve *r)
{
    if (!r) return;
    if (r->file) r->disk->ops->close(r->disk, r->file);
    pthread_mutex_destroy(&r->lock);
    mem_free(r->path);
    mem_free(r);
}
