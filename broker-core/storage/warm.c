/* warm.c - see warm.h. The task has the segment pinned: it may leave its log meanwhile, its file and
 * memory stay. A file that is closed is opened on the lane, too; an index is loaded into a copy of the
 * segment, which the loop takes over when nobody was faster.
 *
 * Jobs of one lane run in order, each reads at most WARM_MAX: readers take turns. Commits go first: a
 * chunk is read when none is being synced, and no more than one chunk and what comes behind it (which
 * goes on while the loop sends) is with the disk at a time. A sync waits for what the disk is at: behind
 * the 8 MiB that the kernel may read ahead of its own accord that was up to 7 ms. */
#include "storage/warm.h"

#include "base/mem.h"
#include "storage/files.h"
#include "storage/storage_int.h"

#define WARM_MAX (256u * KIB)
#define WARM_CHUNK (128 * KIB)
#define WARM_AHEAD (256 * KIB)
#define WARM_PAGE 4096
#define COMMITS_FIRST (2 * 1000 * 1000LL) /* ns that a chunk waits at the most: 64 MB a second are left */

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
    int64_t ahead; /* bytes behind that */
    int64_t paid;  /* the owner's reads had their turn up to here */
    bool index, aborted;
    struct uuid topic;
    int32_t partition;
    status read;
};

void store_only_cached(struct store *store, struct read_miss *miss)
{
    if (miss) *miss = (struct read_miss){ 0 };
    store->files.miss = store->options.loop && !store->stopping ? miss : NULL;
}

/* --- on the lane ------------------------------------------------------------------------------ */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Returns when they are in memory. A byte of each page will do where the disk can be asked. */
static status warm_chunk(const struct warm_task *w, struct fs *fs, int64_t at, int64_t len)
{
    uint8_t page[WARM_PAGE];
    size_t want = fs->ops->will_need ? 1 : sizeof page, n = 1;
    if (fs->ops->will_need) fs->ops->will_need(fs, w->copy.file, at, len);
    int64_t end = at + len;
    for (at -= at % WARM_PAGE; at < end && n > 0; at += WARM_PAGE)
        TRY(fs->ops->pread(fs, w->copy.file, page, want, at, &n));
    return OK;
}

/* Each byte takes its turn once: what was read ahead had it then. */
static void warm_turn(const struct warm_task *w, int64_t at, int64_t end)
{
    struct sync_gate *gate = &w->task.store->gate;
    if (at < w->paid) at = w->paid;
    if (at < end) sync_gate_pace(gate, end - at);
    sync_gate_wait(gate, COMMITS_FIRST);
}

static status warm_bytes(const struct warm_task *w, struct fs *fs)
{
    int64_t at = w->at, end = at + (int64_t)w->len;
    for (; at < end; at += WARM_CHUNK) {
        int64_t len = least(end - at, WARM_CHUNK);
        warm_turn(w, at, at + len);
        TRY(warm_chunk(w, fs, at, len));
    }
    if (!w->ahead) return OK;
    warm_turn(w, end, end + w->ahead);
    fs->ops->will_need(fs, w->copy.file, end, w->ahead);
    return OK;
}

static void warm_work(struct job *job)
{
    struct warm_task *w = CONTAINER_OF(job, struct warm_task, task.job);
    struct fs *fs = w->task.store->fs;
    if (w->aborted) {
        w->read = aborted_read(fs, w->copy.folder, w->at);
        return;
    }
    if (!w->copy.file) {
        w->read = fs->ops->open(fs, w->path, FS_WRITE | FS_NO_AHEAD, &w->opened);
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
    if (w->aborted) {
        struct plog *log = store_find(w->task.store, w->topic, w->partition);
        if (log && is_ok(w->read)) aborted_near(&log->producers.aborted, w->at);
        return;
    }
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

static void warm_range(struct warm_task *w, const struct read_miss *miss, bool can_go_ahead)
{
    int64_t left = miss->segment->size - miss->at;
    w->index = miss->index;
    w->aborted = miss->aborted;
    w->topic = miss->topic;
    w->partition = miss->partition;
    w->at = miss->at;
    w->len = left > 0 ? (size_t)least(left, WARM_MAX) : 0;
    left -= (int64_t)w->len;
    w->ahead = can_go_ahead && left > 0 ? least(left, WARM_AHEAD) : 0;
    struct warm *owner = w->owner;
    w->paid = owner->paid_of == miss->segment ? owner->paid : 0;
    if (w->index || w->aborted) return;
    owner->paid_of = miss->segment;
    owner->paid = w->at + (int64_t)w->len + w->ahead;
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
    warm_range(w, miss, store->fs->ops->will_need);
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
