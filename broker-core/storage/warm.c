/* warm.c - see warm.h. The task has the segment pinned: it may leave its log meanwhile, its file and
 * memory stay. A file that is closed is opened on the lane, too; an index is loaded into a copy of the
 * segment, which the loop takes over when nobody was faster.
 *
 * Jobs of one lane run in order, each reads at most WARM_MAX: readers take turns. What follows is
 * announced to the kernel, so that who reads on finds most of it there. */
#include "storage/warm.h"

#include "base/mem.h"
#include "storage/files.h"
#include "storage/storage_int.h"

#define WARM_MIN (256u * KIB)
#define WARM_MAX (1u * MIB)
#define WARM_CHUNK (128u * KIB)
#define WARM_AHEAD (2LL * MIB)

struct warm_task {
    struct task task;
    struct warm *owner;      /* NULL: it does not wait any more */
    struct segment *segment; /* pinned */
    struct segment copy;     /* what the lane sees of it */
    struct file_cache cache; /* the copy's */
    struct file *opened;     /* by the lane; NULL once given away */
    char path[PATH_SIZE];
    int64_t at;
    size_t len;
    bool index;
    status read;
};

void store_only_cached(struct store *store, struct read_miss *miss)
{
    if (miss) *miss = (struct read_miss){ 0 };
    store->files.miss = store->options.loop && !store->stopping ? miss : NULL;
}

/* --- on the lane ------------------------------------------------------------------------------ */

static status warm_bytes(const struct warm_task *w, struct fs *fs)
{
    size_t n = 1;
    uint8_t *chunk = mem_alloc(WARM_CHUNK);
    if (!chunk) return FAIL(NO_MEMORY);
    int64_t end = w->at + (int64_t)w->len;
    if (fs->ops->will_need && end < w->copy.size)
        fs->ops->will_need(fs, w->copy.file, end,
                           w->copy.size - end < WARM_AHEAD ? w->copy.size - end : WARM_AHEAD);
    status read = OK;
    for (int64_t at = w->at; at < end && n > 0 && is_ok(read); at += (int64_t)n) {
        size_t want = end - at < WARM_CHUNK ? (size_t)(end - at) : WARM_CHUNK;
        read = fs->ops->pread(fs, w->copy.file, chunk, want, at, &n);
    }
    mem_free(chunk);
    return read;
}

static void warm_work(struct job *job)
{
    struct warm_task *w = CONTAINER_OF(job, struct warm_task, task.job);
    struct fs *fs = w->task.store->fs;
    if (!w->copy.file) {
        w->read = fs->ops->open(fs, w->path, FS_WRITE, &w->opened);
        w->copy.file = w->opened;
        if (w->read.code == E_NOT_FOUND) w->read = FAIL(CORRUPT); /* it was there */
    }
    if (failed(w->read)) return;
    w->read = w->index ? segment_need_index(&w->copy) : warm_bytes(w, fs);
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void warm_install(struct warm_task *w)
{
    struct segment *s = w->segment;
    if (w->opened && !s->file) segment_adopt(s, TAKE(w->opened));
    if (!w->index || s->indexed || !w->copy.indexed || s->size != w->copy.size) return;
    segment_take_index_of(s, &w->copy);
}

static void warm_finish(struct task *task)
{
    struct warm_task *w = CONTAINER_OF(task, struct warm_task, task);
    struct warm *owner = w->owner;
    warm_install(w);
    if (!owner) return;
    owner->task = NULL;
    w->owner = NULL;
    owner->done(owner, w->read);
}

static void warm_free(struct task *task)
{
    struct warm_task *w = CONTAINER_OF(task, struct warm_task, task);
    struct fs *fs = w->task.store->fs;
    if (w->owner) w->owner->task = NULL;
    if (w->opened) fs->ops->close(fs, w->opened);
    index_done(&w->copy.index);
    segment_unpin(w->segment);
    mem_free(w);
}

static void warm_range(struct warm_task *w, const struct read_miss *miss)
{
    const struct segment *s = miss->segment;
    size_t len = miss->len < WARM_MIN ? WARM_MIN : miss->len > WARM_MAX ? WARM_MAX : miss->len;
    w->index = miss->index;
    w->at = miss->at;
    w->len = miss->at >= s->size ? 0 : (int64_t)len < s->size - miss->at ? len : (size_t)(s->size - miss->at);
}

status warm_start(struct store *store, const struct read_miss *miss, struct warm *warm)
{
    struct segment *s = miss->segment;
    struct warm_task *w = mem_zalloc(sizeof *w);
    if (!w) return FAIL(NO_MEMORY);
    w->task.job.work = warm_work;
    w->task.finish = warm_finish;
    w->task.free = warm_free;
    w->owner = warm;
    w->segment = s;
    segment_view(s, &w->copy, &w->cache);
    segment_path(s, ".log", w->path, sizeof w->path);
    warm_range(w, miss);
    segment_pin(s);
    warm->task = w;
    store_submit(store, &w->task, LANE_READ);
    return OK;
}

void warm_stop(struct warm *warm)
{
    if (!warm->task) return;
    warm->task->owner = NULL;
    warm->task = NULL;
}
