/* checkpoint.c - the checkpoint: its bytes, and the task that makes one.
 *
 * The checkpoint file is the only thing that frees the journal or moves a recovery point, so those
 * two can never disagree. It begins between two rounds, with a switch of the journal; then slice by
 * slice logs are captured on the loop, and their segments synced and snapshots written on the
 * background lane; at the end the file itself, then its folder. A log that is captured later than
 * another is captured with more in it, which no frame that stays alive contradicts. So neither the
 * loop nor the lane is ever held up for long, and one slice of descriptors and snapshots is in use,
 * however many logs are dirty. */
#include "storage/checkpoint.h"

#include "base/crc32c.h"
#include "base/format.h"
#include "storage/compact.h"
#include "storage/files.h"
#include "storage/sync_set.h"

#include <stdio.h>

static size_t header_size(const uint8_t *p) { return p[3] == '1' ? CHECKPOINT_HEADER_1 : CHECKPOINT_HEADER; }

void checkpoint_begin(struct buf *out, int32_t format)
{
    size_t size = format == 1 ? CHECKPOINT_HEADER_1 : CHECKPOINT_HEADER;
    uint8_t *h = buf_extend(out, size);
    if (!h) return;
    memset(h, 0, size);
    memcpy(h, format == 1 ? "LCP1" : "LCP2", 4);
    if (format > 1) put_le32(h + 40, (uint32_t)format);
}

void checkpoint_add(struct buf *out, const struct checkpoint_entry *e)
{
    uint8_t *p = buf_extend(out, CHECKPOINT_ENTRY);
    if (!p) return;
    memcpy(p, e->topic.b, 16);
    put_le32(p + 16, (uint32_t)e->partition);
    put_le32(p + 20, e->flags);
    put_le64(p + 24, (uint64_t)e->start);
    put_le64(p + 32, (uint64_t)e->offset);
    put_le64(p + 40, (uint64_t)e->segment);
    put_le64(p + 48, (uint64_t)e->position);
    put_le64(p + 56, (uint64_t)e->snapshot);
}

status checkpoint_end(struct buf *out, const struct checkpoint_header *h)
{
    TRY(buf_check(out));
    uint8_t *p = out->data;
    put_le32(p + 8, (uint32_t)out->len);
    put_le32(p + 12, (uint32_t)((out->len - header_size(p)) / CHECKPOINT_ENTRY));
    put_le64(p + 16, h->store_id);
    put_le64(p + 24, h->generation);
    put_le64(p + 32, h->first_live);
    put_le32(p + 4, crc32c(0, p + 8, out->len - 8));
    return OK;
}

status checkpoint_open(struct bytes in, struct checkpoint_header *ret_header)
{
    const uint8_t *p = in.data;
    *ret_header = (struct checkpoint_header){ 0 };
    if (in.len < CHECKPOINT_HEADER_1 || memcmp(p, "LCP", 3) != 0) return FAIL(CORRUPT);
    if (p[3] != '1' && p[3] != '2') return FAIL(FORMAT);
    if (in.len < header_size(p)) return FAIL(CORRUPT);
    if (get_le32(p + 8) != in.len || get_le32(p + 4) != crc32c(0, p + 8, in.len - 8))
        return FAIL(CORRUPT);
    struct checkpoint_header h = { get_le64(p + 16), get_le64(p + 24), get_le64(p + 32),
                                   get_le32(p + 12), p[3] == '1' ? 1 : (int32_t)get_le32(p + 40) };
    ret_header->format = h.format;
    if (h.format > FORMAT_NEWEST) return FAIL(FORMAT);
    if (h.format < 1 || (p[3] == '2') != (h.format > 1)) return FAIL(CORRUPT);
    if (in.len != header_size(p) + (size_t)h.count * CHECKPOINT_ENTRY) return FAIL(CORRUPT);
    *ret_header = h;
    return OK;
}

void checkpoint_get(struct bytes in, uint32_t i, struct checkpoint_entry *ret)
{
    const uint8_t *p = in.data + header_size(in.data) + (size_t)i * CHECKPOINT_ENTRY;
    memcpy(ret->topic.b, p, 16);
    ret->partition = (int32_t)get_le32(p + 16);
    ret->flags = get_le32(p + 20);
    ret->start = (int64_t)get_le64(p + 24);
    ret->offset = (int64_t)get_le64(p + 32);
    ret->segment = (int64_t)get_le64(p + 40);
    ret->position = (int64_t)get_le64(p + 48);
    ret->snapshot = (int64_t)get_le64(p + 56);
}

/* --- the task --------------------------------------------------------------------------------- */

struct aborted_capture { /* of a closed segment, see aborted.h */
    int64_t base, end;
    uint32_t count;
    struct buf content;
};
struct capture {
    struct plog *log;
    struct sync_set set;
    struct recovery_point rp;
    int64_t start;
    int64_t old_snapshot;   /* 0: none to remove */
    int64_t since_snapshot; /* at the capture */
    struct buf snapshot;
    bool new_snapshot;    /* else the named one is on disk */
    struct aborted_capture *aborted;
    uint32_t aborted_count;
    int64_t aborted_last; /* base of the last file that the snapshot names */
    bool synced;
};
struct checkpoint {
    struct capture *captures;
    size_t count, cap;
    size_t from;         /* those of the slice that is out: [from, count) */
    struct plog *cursor; /* the next log to look at; NULL: all are captured */
    int64_t every;
    size_t slice;        /* logs captured at a time */
    struct buf content;
    uint64_t first;
    int64_t tail_bytes;
    bool root;           /* folders were made in the data folder */
    uint32_t root_made;
    bool out, last;      /* a slice is on the lane; it is the one that ends with the file */
    bool written;        /* the file is: what the logs gain by it is left, in slices, too */
    size_t settled;      /* captures */
};
struct checkpoint_slice {
    struct task task;
    bool put_off;
};

void checkpoint_want(struct store *store)
{
    if (store->checkpoint_wanted || store->tail_bytes < store->checkpoint_retry_at) return;
    store->checkpoint_wanted = true;
    store_want_turn(store);
}

static status capture_write(struct capture *c, struct fs *fs)
{
    TRY(sync_set_run(fs, &c->set));
    c->synced = true;
    if (!c->new_snapshot) return OK;
    char path[PATH_SIZE];
    for (uint32_t i = 0; i < c->aborted_count; i++) {
        struct aborted_capture *a = &c->aborted[i];
        snprintf(path, sizeof path, "%s/%020lld.aborted", c->log->folder, (long long)a->base);
        TRY(files_replace(fs, path, buf_bytes(&a->content)));
    }
    snprintf(path, sizeof path, "%s/%020lld.snap", c->log->folder, (long long)c->rp.snapshot);
    TRY(files_replace(fs, path, buf_bytes(&c->snapshot)));
    return files_sync_dir(fs, c->log->folder);
}

static status checkpoint_write(struct checkpoint *c, struct fs *fs)
{
    if (c->root) TRY(files_sync_dir(fs, "."));
    TRY(files_replace(fs, "checkpoint", buf_bytes(&c->content)));
    TRY(files_sync_dir(fs, "."));
    /* No entry names these any more. What stays behind goes with the next recovery. */
    for (size_t i = 0; i < c->count; i++) {
        const struct capture *x = &c->captures[i];
        if (x->old_snapshot == 0 || !x->new_snapshot) continue;
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%s/%020lld.snap", x->log->folder, (long long)x->old_snapshot);
        (void)fs->ops->unlink(fs, path);
    }
    return OK;
}

/* What the kernel writes back on its own account meanwhile is one transaction of the file system
 * instead of one for each file. */
static status slice_write(struct checkpoint *c, struct fs *fs)
{
    if (c->last && BREAK(CHECKPOINT_FIRST)) {
        TRY(files_replace(fs, "checkpoint", buf_bytes(&c->content)));
        TRY(files_sync_dir(fs, "."));
    }
    for (size_t i = c->from; i < c->count; i++) sync_set_start(&c->captures[i].set);
    for (size_t i = c->from; i < c->count; i++) TRY(capture_write(&c->captures[i], fs));
    return c->last ? checkpoint_write(c, fs) : OK;
}

static void slice_work(struct job *job)
{
    struct checkpoint_slice *slice = CONTAINER_OF(job, struct checkpoint_slice, task.job);
    struct store *store = slice->task.store;
    if (store->checkpoint->written) return;
    status s = slice_write(store->checkpoint, store->spare_fs);
    /* From a write, or a file that could not be opened: what counts is as it was. */
    if (s.code == E_NO_SPACE || s.code == E_NO_DESCRIPTORS) slice->put_off = true;
    else slice->task.result = s;
}

/* What only the lane needs. */
static void capture_let_go(struct capture *c)
{
    sync_set_done(&c->set);
    buf_done(&c->snapshot);
    for (uint32_t i = 0; i < c->aborted_count; i++) buf_done(&c->aborted[i].content);
}

/* What the checkpoint made durable needs no frame any more. */
static void note_handed(struct plog *log, const struct recovery_point *rp)
{
    if (rp->offset <= log->handed) return;
    log->handed = rp->offset;
    log->handed_segment = rp->segment;
    log->handed_position = rp->position;
    log->unhanded = -rp->position;
    for (uint32_t i = log->count; i > 0 && log->segments[i - 1]->base >= rp->segment; i--)
        log->unhanded += log->segments[i - 1]->size;
}

static void capture_settle(struct capture *c)
{
    struct plog *log = c->log;
    if (log->gone) return;
    if (c->new_snapshot) {
        plog_unfolded(log, -c->since_snapshot);
        aborted_named(&log->producers.aborted, c->aborted_last);
    }
    for (uint32_t i = 0; i < c->aborted_count; i++) {
        struct aborted_capture *a = &c->aborted[i];
        if (a->base < log->segments[0]->base) continue; /* went meanwhile, and its file follows */
        /* Without memory they stay in the snapshots until the next one. */
        if (failed(aborted_stored(&log->producers.aborted, a->base, a->end, a->count))) break;
    }
    log->rp = c->rp;
    if (c->start > log->start_handed) log->start_handed = c->start;
    note_handed(log, &c->rp);
    plog_advance(log, c->rp.offset);
    plog_expose_start(log, c->start);
    if (!log->gone) retention_clean(log);
}

void checkpoint_free(struct store *store)
{
    struct checkpoint *c = store->checkpoint;
    if (!c) return;
    store->checkpoint = NULL;
    for (size_t i = 0; i < c->count; i++) {
        struct capture *x = &c->captures[i];
        if (i >= c->from) capture_let_go(x);
        mem_free(x->aborted);
        plog_release(x->log);
    }
    mem_free(c->captures);
    buf_done(&c->content);
    mem_free(c);
}

/* Later; what is written already is no loss. */
static void checkpoint_give_up(struct store *store)
{
    store->tail_bytes += store->checkpoint->tail_bytes;
    store->checkpoint_retry_at = store->tail_bytes + CHECKPOINT_RETRY_BYTES;
    checkpoint_free(store);
}

/* The old frames are dead, whatever the logs know of it yet. */
static void checkpoint_is_written(struct store *store)
{
    struct checkpoint *c = store->checkpoint;
    c->written = true;
    store->checkpoint_retry_at = 0;
    store->journal_full = false;
    if (c->first == store->first) store->other_free = true;
    if (c->root && (int32_t)(c->root_made - store->root_synced) > 0) store->root_synced = c->root_made;
}

static bool checkpoint_settle(struct store *store)
{
    struct checkpoint *c = store->checkpoint;
    for (size_t n = c->slice * CHECKPOINT_SLICE_SETTLES; n > 0 && c->settled < c->count; n--)
        capture_settle(&c->captures[c->settled++]);
    if (c->settled < c->count) return false;
    checkpoint_free(store);
    compact_want(store); /* may have waited for the recovery points */
    store_want_turn(store);
    return true;
}

static void slice_finish(struct task *task)
{
    struct checkpoint_slice *slice = CONTAINER_OF(task, struct checkpoint_slice, task);
    struct store *store = task->store;
    struct checkpoint *c = store->checkpoint;
    for (; c->from < c->count; c->from++) {
        struct capture *x = &c->captures[c->from];
        if (x->synced) sync_set_settle(&x->set);
        capture_let_go(x);
    }
    c->out = false;
    if (slice->put_off) {
        checkpoint_give_up(store);
    } else if (c->last && !c->written) {
        checkpoint_is_written(store);
        (void)checkpoint_settle(store);
    }
    store_want_turn(store);
}

static void slice_free(struct task *task)
{
    mem_free(CONTAINER_OF(task, struct checkpoint_slice, task));
}

/* The snapshot offset is at least the recovery segment's base, and never moves back. Aborted
 * transactions of closed segments get their files with it. A stop takes those that save a start more
 * than the read of a snapshot. */
static bool capture_wants_snapshot(const struct plog *log, int64_t every)
{
    if (log->rp.snapshot < plog_active(log)->base) return true;
    if (aborted_before(&log->producers.aborted, plog_active(log)->base)) return true;
    if (log->since_snapshot >= every) return true;
    return log->store->stopping && log->since_snapshot >= SNAPSHOT_STOP_MIN;
}

/* Files for what was aborted in closed segments. The snapshot has it, too: it leaves memory, and
 * the next snapshot, only when the files are durable. */
static status capture_aborted(struct plog *log, struct capture *c)
{
    const struct aborted_index *index = &log->producers.aborted;
    uint32_t closed = log->count - 1;
    if (!aborted_before(index, plog_active(log)->base)) return OK;
    c->aborted = mem_zalloc(closed * sizeof *c->aborted);
    if (!c->aborted) return FAIL(NO_MEMORY);
    for (uint32_t i = 0; i < closed; i++) {
        struct aborted_capture *a = &c->aborted[c->aborted_count];
        a->base = log->segments[i]->base;
        a->end = log->segments[i + 1]->base;
        buf_init(&a->content, SIZE_MAX / 2);
        TRY(aborted_encode(index, a->base, a->end, &a->content, &a->count));
        if (a->count) c->aborted_count++;
    }
    return OK;
}

static status capture_log(struct plog *log, int64_t every, struct capture *c)
{
    struct segment *active = plog_active(log);
    c->log = log;
    c->start = log->start_wanted;
    c->rp = (struct recovery_point){ log->end, active->base, active->size, log->rp.snapshot };
    buf_init(&c->snapshot, SIZE_MAX / 2);
    c->set.log = log;
    if (log->touched) TRY(sync_set_collect(log, &c->set));
    if (!capture_wants_snapshot(log, every)) return OK;
    if (log->rp.snapshot != log->end) c->old_snapshot = log->rp.snapshot;
    c->since_snapshot = log->since_snapshot;
    c->rp.snapshot = log->end;
    c->new_snapshot = true;
    TRY(capture_aborted(log, c));
    c->aborted_last = aborted_last_file(&log->producers.aborted);
    TRY(producer_state_encode(&log->producers, log->end, &c->snapshot));
    segment_put_index(active, &c->snapshot);
    return buf_check(&c->snapshot);
}

/* Nothing that the file says of this log has changed. */
static bool log_same(const struct plog *log, int64_t every)
{
    return log->end == log->rp.offset && plog_active(log)->base == log->rp.segment &&
           log->start_wanted == log->start && !capture_wants_snapshot(log, every);
}

/* Recovery folds what lies above the snapshots: when all logs together have too much of it, those with
 * more than their share take one. */
static int64_t snapshot_due(const struct store *store)
{
    int64_t every = store->tuning.snapshot_every;
    if (store->unfolded <= store->tuning.fold_max) return every;
    int64_t share = store->tuning.fold_max / store->unfolded_logs;
    return share < 1 ? 1 : share < every ? share : every;
}

static status checkpoint_add_capture(struct checkpoint *c, struct plog *log)
{
    if (c->count == c->cap) {
        /* All at once: to move what is there takes a millisecond when it is much. */
        size_t logs = HASH_COUNT(log->store->logs), cap = c->cap ? c->cap * 2 : logs;
        if (!c->cap && cap > FILES_DIRTY_MAX) cap = FILES_DIRTY_MAX;
        struct capture *captures = mem_realloc(c->captures, cap * sizeof *captures);
        if (!captures) return FAIL(NO_MEMORY);
        c->captures = captures;
        c->cap = cap;
    }
    struct capture *x = &c->captures[c->count++];
    *x = (struct capture){ .log = log };
    log->holds++;
    TRY(capture_log(log, c->every, x));
    /* The data folder is synced once, before the file that counts on it. */
    if (x->set.root) {
        c->root = true;
        c->root_made = x->set.root_made;
        x->set.root = false;
    }
    return OK;
}

static status checkpoint_capture(struct checkpoint *c)
{
    size_t looked = 0;
    while (c->cursor && looked++ < c->slice * CHECKPOINT_SLICE_LOOKS && c->count - c->from < c->slice) {
        struct plog *log = c->cursor;
        c->cursor = log->hh.next;
        if (log->count == 0 && !log->offline) continue;
        struct recovery_point rp = log->rp;
        if (!log->offline && !log_same(log, c->every)) {
            TRY(checkpoint_add_capture(c, log));
            rp = c->captures[c->count - 1].rp;
        }
        struct checkpoint_entry e = { .topic = log->key.topic, .partition = log->key.partition,
                                      .flags = log->offline && log->cut ? CHECKPOINT_CUT : 0,
                                      .start = log->start_wanted, .offset = rp.offset,
                                      .segment = rp.segment, .position = rp.position,
                                      .snapshot = rp.snapshot };
        checkpoint_add(&c->content, &e);
    }
    return OK;
}

void checkpoint_forget(struct plog *log)
{
    struct checkpoint *c = log->store->checkpoint;
    if (c && c->cursor == log) c->cursor = log->hh.next;
}

/* Frames from now on go to the other file, if that is free; else this file stays all live. */
static void switch_journal(struct store *store)
{
    if (!store->other_free || store->position == 0) return;
    store->current = 1 - store->current;
    store->position = 0;
    store->first = store->sequence;
    store->other_free = BREAK(FREE_EARLY);
}

bool checkpoint_due(const struct store *store)
{
    return store->checkpoint_wanted && !store->checkpoint && !copy_wanted(store) && is_ok(store->failure);
}

static void checkpoint_begin_run(struct store *store)
{
    struct checkpoint *c = mem_must(mem_zalloc(sizeof *c));
    store->checkpoint_wanted = false;
    buf_init(&c->content, CHECKPOINT_HEADER + (size_t)CHECKPOINT_ENTRIES_MAX * CHECKPOINT_ENTRY);
    switch_journal(store);
    c->first = store->first;
    c->tail_bytes = store->tail_bytes;
    c->every = snapshot_due(store);
    c->cursor = store->logs;
    c->slice = (size_t)store->tuning.checkpoint_slice;
    if (c->slice == 0) c->slice = (size_t)store_tuning_default.checkpoint_slice;
    store->tail_bytes = 0;
    store->checkpoint = c;
    checkpoint_begin(&c->content, store->format);
}

/* The next slice, while one is not out. */
static void checkpoint_go_on(struct store *store)
{
    struct checkpoint *c = store->checkpoint;
    if (c->out || (c->written && checkpoint_settle(store))) return;
    status s = c->written ? OK : checkpoint_capture(c);
    if (is_ok(s) && !c->cursor && !c->written) {
        struct checkpoint_header h = { store->store_id, store->generation, c->first, 0, 0 };
        s = checkpoint_end(&c->content, &h);
        c->last = true;
    }
    if (failed(s)) { /* a descriptor or memory may be short for the moment */
        checkpoint_give_up(store);
        return;
    }
    struct checkpoint_slice *slice = mem_must(mem_zalloc(sizeof *slice));
    slice->task.job.work = slice_work;
    slice->task.finish = slice_finish;
    slice->task.free = slice_free;
    c->out = true;
    store_submit(store, &slice->task, LANE_BACKGROUND);
}

void checkpoint_start(struct store *store)
{
    if (checkpoint_due(store) && !store->rounds_out) checkpoint_begin_run(store);
    if (store->checkpoint && is_ok(store->failure)) checkpoint_go_on(store);
}
