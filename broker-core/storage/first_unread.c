/* first_unread.c - see first_unread.h. A task has its segment pinned, its log held, and copies of what it
 * needs to know of both: whatever the loop does meanwhile, it sees bytes below a size that do not change.
 *
 * What was aborted: a transactional batch below the last stable offset is of a transaction that has ended, so
 * the first one that no entry of the index covers is the answer. Entries that were met are remembered, so
 * that a long aborted transaction costs one search of the index, not one a batch. */
#include "storage/first_unread.h"

#include "base/mem.h"
#include "storage/files.h"
#include "storage/storage_int.h"

#include <stdio.h>

#define HEADERS_A_JOB 4096
#define BYTES_A_JOB (8 * MIB) /* walked over; most of them are not read */
#define ABORTED_KNOWN 64
#define COMMITS_FIRST (2 * 1000 * 1000LL) /* ns */

struct first_unread_task {
    struct task task;
    struct first_unread *owner; /* NULL: nobody waits any more */
    struct plog *log;           /* held */
    struct segment *segment;    /* pinned */
    struct segment copy;        /* what the lane sees of it */
    struct file_cache cache;    /* the copy's */
    struct file *opened;        /* by the lane; NULL once given away */
    char path[PATH_SIZE];
    int64_t from, limit;        /* offsets */
    int64_t position;           /* where to begin; -1: the index has to be loaded for that */
    struct aborted_index aborted; /* a copy, whole below `limit` */
    struct aborted_entry known[ABORTED_KNOWN]; /* met; the oldest is forgotten first */
    uint32_t known_count, known_next;
    int64_t found, timestamp;   /* -1: not here … */
    int64_t next;               /* … below this */
    status read;
};

/* Of a batch at or before the one wanted; offset >= the segment's base. */
static int64_t position_before(const struct segment *s, int64_t offset)
{
    int64_t relative = offset - s->base;
    return index_find_offset(&s->index, (uint32_t)(relative < UINT32_MAX ? relative : UINT32_MAX));
}

/* --- on the lane ------------------------------------------------------------------------------ */

static void aborted_met(void *arg, const struct aborted_entry *e)
{
    struct first_unread_task *t = arg;
    t->known[t->known_next] = *e;
    t->known_next = (t->known_next + 1) % ABORTED_KNOWN;
    if (t->known_count < ABORTED_KNOWN) t->known_count++;
}

static bool is_known(const struct first_unread_task *t, const struct batch_header *h)
{
    for (uint32_t i = 0; i < t->known_count; i++)
        if (t->known[i].producer_id == h->producer_id && t->known[i].first <= h->base_offset &&
            t->known[i].last >= h->base_offset)
            return true;
    return false;
}

static status is_aborted(struct first_unread_task *t, const struct batch_header *h, bool *ret)
{
    *ret = false;
    if (!(h->attributes & BATCH_TRANSACTIONAL)) return OK;
    *ret = is_known(t, h);
    if (*ret) return OK;
    TRY(aborted_find(&t->aborted, t->copy.cache->fs, t->copy.folder, h->base_offset, h->base_offset + 1,
                     aborted_met, t));
    *ret = is_known(t, h);
    return OK;
}

/* The first record of the batch that is not below `from`. */
static status find_record(struct first_unread_task *t, int64_t position, const struct batch_header *h)
{
    struct buf bytes;
    struct batch_reader reader;
    struct record r;
    buf_init(&bytes, BATCH_STORED_MAX);
    status got = segment_read_batch(&t->copy, position, h->size, &bytes);
    if (is_ok(got) && failed(batch_check_crc(buf_bytes(&bytes)))) got = FAIL(CORRUPT);
    if (is_ok(got)) got = batch_reader_init(&reader, buf_bytes(&bytes), BATCH_PLAIN_MAX);
    if (is_ok(got)) {
        while (t->found < 0 && batch_reader_next(&reader, &r)) {
            if (r.offset < t->from) continue;
            t->found = r.offset;
            t->timestamp = r.timestamp;
        }
        if (t->found < 0) got = batch_reader_result(&reader);
        batch_reader_done(&reader);
    }
    buf_done(&bytes);
    return got.code == E_CORRUPT_MESSAGE || got.code == E_LIMIT ? FAIL(CORRUPT) : got;
}

static status walk(struct first_unread_task *t)
{
    struct segment_cursor c;
    struct batch_header h;
    int64_t begin = -1;
    TRY(segment_seek(&t->copy, t->position, &c));
    for (int n = 0; t->found < 0; segment_step(&c, &h)) {
        status got = segment_header(&c, &h);
        bool over = got.code == E_NOT_FOUND;
        if (!over) TRY(got);
        t->next = over ? t->copy.end : h.base_offset;
        if (t->next > t->limit) t->next = t->limit;
        if (over || t->next == t->limit) return OK;
        if (batch_last_offset(&h) < t->from) continue;
        if (begin < 0) begin = c.position;
        if (n++ == HEADERS_A_JOB || c.position - begin > BYTES_A_JOB) return OK;
        bool aborted = false;
        if (h.attributes & BATCH_CONTROL) continue;
        TRY(is_aborted(t, &h, &aborted));
        if (!aborted) TRY(find_record(t, c.position, &h));
    }
    return OK;
}

static void search_work(struct job *job)
{
    struct first_unread_task *t = CONTAINER_OF(job, struct first_unread_task, task.job);
    struct fs *fs = t->task.store->fs;
    sync_gate_wait(&t->task.store->gate, COMMITS_FIRST);
    if (!t->copy.file) {
        t->read = fs->ops->open(fs, t->path, FS_WRITE | FS_NO_AHEAD, &t->opened);
        t->copy.file = t->opened;
    }
    if (is_ok(t->read) && t->position < 0) {
        t->read = segment_need_index(&t->copy);
        t->position = position_before(&t->copy, t->from);
    }
    if (is_ok(t->read)) t->read = walk(t);
    if (t->read.code == E_NOT_FOUND) t->read = FAIL(CORRUPT); /* a file that was there */
}

/* --- on the loop ------------------------------------------------------------------------------ */

static void task_free(struct task *task)
{
    struct first_unread_task *t = CONTAINER_OF(task, struct first_unread_task, task);
    struct fs *fs = t->task.store->fs;
    if (t->owner) t->owner->task = NULL;
    if (t->opened) fs->ops->close(fs, t->opened);
    index_done(&t->copy.index);
    aborted_done(&t->aborted);
    segment_unpin(t->segment);
    plog_release(t->log);
    mem_free(t);
}

static void search_over(struct first_unread *search, status result)
{
    search->task = NULL;
    search->done(search, result);
}

/* The segment where `from`, or what follows it, lies; NULL: there is none. */
static struct segment *segment_at(const struct plog *log, int64_t from)
{
    int64_t i = plog_segment_of(log, from);
    for (i = i < 0 ? 0 : i; i < log->count; i++)
        if (log->segments[i]->size && log->segments[i]->end > from) return log->segments[i];
    return NULL;
}

static void search_finish(struct task *task);

static status search_submit(struct plog *log, struct segment *s, int64_t from, int64_t limit,
                            struct first_unread *search)
{
    struct first_unread_task *t = mem_zalloc(sizeof *t);
    if (!t) return FAIL(NO_MEMORY);
    int64_t whole;
    if (failed(aborted_copy(&log->producers.aborted, from, &t->aborted, &whole))) {
        mem_free(t);
        return FAIL(NO_MEMORY);
    }
    t->task.job.work = search_work;
    t->task.finish = search_finish;
    t->task.free = task_free;
    t->log = log;
    t->segment = s;
    t->from = from > s->base ? from : s->base;
    t->limit = limit < whole ? limit : whole;
    t->found = t->timestamp = -1;
    segment_view(s, &t->copy, &t->cache);
    segment_path(s, ".log", t->path, sizeof t->path);
    t->position = s->indexed ? position_before(s, t->from) : -1;
    segment_pin(s);
    log->holds++;
    t->owner = search;
    search->task = t;
    store_submit(log->store, &t->task, LANE_READ);
    return OK;
}

/* From there on: a task is under way, or done() was called; else nothing happened. */
static status search_go(struct plog *log, int64_t from, struct first_unread *search)
{
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (log->offline) return FAIL(KAFKA_STORAGE_ERROR);
    int64_t limit = plog_stable(log);
    if (from < log->start) from = log->start;
    struct segment *s = from < limit ? segment_at(log, from) : NULL;
    if (s && s->base < limit) return search_submit(log, s, from, limit, search);
    search->offset = search->timestamp = -1;
    search->until = limit;
    search_over(search, OK);
    return OK;
}

static void install(struct first_unread_task *t)
{
    struct segment *s = t->segment;
    if (t->opened && !s->file && !s->doomed) segment_adopt(s, TAKE(t->opened));
    if (!s->indexed && t->copy.indexed && s->size == t->copy.size) segment_take_index_of(s, &t->copy);
}

static void search_finish(struct task *task)
{
    struct first_unread_task *t = CONTAINER_OF(task, struct first_unread_task, task);
    struct first_unread *search = t->owner;
    install(t);
    if (!search) return;
    t->owner = NULL;
    search->task = NULL;
    if (is_ok(t->read) && t->found >= 0 && t->found >= t->log->start) {
        search->offset = t->found;
        search->timestamp = t->timestamp;
        search->until = t->found;
        search_over(search, OK);
        return;
    }
    status s = t->read;
    if (is_ok(s) && t->log->store->stopping) s = FAIL(CLOSED);
    if (is_ok(s)) s = search_go(t->log, t->next, search);
    if (failed(s)) search_over(search, s);
}

status first_unread_start(struct plog *log, int64_t from, struct first_unread *search)
{
    return search_go(log, from, search);
}

void first_unread_stop(struct first_unread *search)
{
    if (!search->task) return;
    search->task->owner = NULL;
    search->task = NULL;
}
