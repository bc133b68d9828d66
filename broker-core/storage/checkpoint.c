/* checkpoint.c - the checkpoint: its bytes, and the task that makes one.
 *
 * The checkpoint file is the only thing that frees the journal or moves a recovery point, so those
 * two can never disagree. Captured on the loop between two rounds, carried out on the background
 * lane: sync segments, write snapshots, then the file itself, then its folder. */
#include "storage/checkpoint.h"

#include "base/crc32c.h"
#include "storage/compact.h"
#include "storage/files.h"
#include "storage/sync_set.h"

#include <stdio.h>

void checkpoint_begin(struct buf *out)
{
    uint8_t *h = buf_extend(out, CHECKPOINT_HEADER);
    if (h) memset(h, 0, CHECKPOINT_HEADER);
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
    memcpy(p, "LCP1", 4);
    put_le32(p + 8, (uint32_t)out->len);
    put_le32(p + 12, (uint32_t)((out->len - CHECKPOINT_HEADER) / CHECKPOINT_ENTRY));
    put_le64(p + 16, h->store_id);
    put_le64(p + 24, h->generation);
    put_le64(p + 32, h->first_live);
    put_le32(p + 4, crc32c(0, p + 8, out->len - 8));
    return OK;
}

status checkpoint_open(struct bytes in, struct checkpoint_header *ret_header)
{
    const uint8_t *p = in.data;
    if (in.len < CHECKPOINT_HEADER || memcmp(p, "LCP", 3) != 0) return FAIL(CORRUPT);
    if (p[3] != '1') return FAIL(FORMAT);
    if (get_le32(p + 8) != in.len || get_le32(p + 4) != crc32c(0, p + 8, in.len - 8))
        return FAIL(CORRUPT);
    struct checkpoint_header h = { get_le64(p + 16), get_le64(p + 24), get_le64(p + 32),
                                   get_le32(p + 12) };
    if (in.len != CHECKPOINT_HEADER + (size_t)h.count * CHECKPOINT_ENTRY) return FAIL(CORRUPT);
    *ret_header = h;
    return OK;
}

void checkpoint_get(struct bytes in, uint32_t i, struct checkpoint_entry *ret)
{
    const uint8_t *p = in.data + CHECKPOINT_HEADER + (size_t)i * CHECKPOINT_ENTRY;
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
    struct buf snapshot;  /* empty: the named one is on disk */
    struct aborted_capture *aborted;
    uint32_t aborted_count;
    int64_t aborted_last; /* base of the last file that the snapshot names */
    bool synced;
};
struct checkpoint_task {
    struct task task;
    struct capture *captures;
    size_t count, cap;
    struct buf content;
    uint64_t first;
    int64_t tail_bytes;
    bool no_space;
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
    if (!c->snapshot.len) return OK;
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

static status checkpoint_write(struct checkpoint_task *t, struct fs *fs)
{
    if (BREAK(CHECKPOINT_FIRST)) {
        TRY(files_replace(fs, "checkpoint", buf_bytes(&t->content)));
        TRY(files_sync_dir(fs, "."));
    }
    for (size_t i = 0; i < t->count; i++) TRY(capture_write(&t->captures[i], fs));
    TRY(files_replace(fs, "checkpoint", buf_bytes(&t->content)));
    TRY(files_sync_dir(fs, "."));
    /* No entry names these any more. What stays behind goes with the next recovery. */
    for (size_t i = 0; i < t->count; i++) {
        struct capture *c = &t->captures[i];
        if (c->old_snapshot == 0 || !c->snapshot.len) continue;
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%s/%020lld.snap", c->log->folder, (long long)c->old_snapshot);
        (void)fs->ops->unlink(fs, path);
    }
    return OK;
}

static void checkpoint_work(struct job *job)
{
    struct checkpoint_task *t = CONTAINER_OF(job, struct checkpoint_task, task.job);
    status s = checkpoint_write(t, t->task.store->spare_fs);
    if (s.code == E_NO_SPACE) t->no_space = true; /* from a write: all is as it was */
    else t->task.result = s;
}

/* What the checkpoint made durable needs no frame any more. */
static void note_handed(struct plog *log, const struct recovery_point *rp)
{
    if (!log->flushing || rp->offset <= log->handed) return;
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
    if (c->snapshot.len) {
        log->since_snapshot -= c->since_snapshot;
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

static void checkpoint_finish(struct task *task)
{
    struct checkpoint_task *t = CONTAINER_OF(task, struct checkpoint_task, task);
    struct store *store = task->store;
    store->checkpoint_running = false;
    for (size_t i = 0; i < t->count; i++)
        if (t->captures[i].synced) sync_set_settle(&t->captures[i].set);
    if (t->no_space) {
        store->tail_bytes += t->tail_bytes;
        store->checkpoint_retry_at = store->tail_bytes + CHECKPOINT_RETRY_BYTES;
        return;
    }
    store->checkpoint_retry_at = 0;
    store->journal_full = false;
    if (t->first == store->first) store->other_free = true;
    for (size_t i = 0; i < t->count; i++) capture_settle(&t->captures[i]);
    compact_want(store); /* may have waited for the recovery points */
}

static void checkpoint_free(struct task *task)
{
    struct checkpoint_task *t = CONTAINER_OF(task, struct checkpoint_task, task);
    for (size_t i = 0; i < t->count; i++) {
        sync_set_done(&t->captures[i].set);
        buf_done(&t->captures[i].snapshot);
        for (uint32_t k = 0; k < t->captures[i].aborted_count; k++)
            buf_done(&t->captures[i].aborted[k].content);
        mem_free(t->captures[i].aborted);
        plog_release(t->captures[i].log);
    }
    mem_free(t->captures);
    buf_done(&t->content);
    mem_free(t);
}

/* The snapshot offset is at least the recovery segment's base, and never moves back. Aborted
 * transactions of closed segments get their files with it. */
static bool capture_wants_snapshot(const struct plog *log, int64_t every)
{
    if (log->rp.snapshot < plog_active(log)->base) return true;
    if (aborted_before(&log->producers.aborted, plog_active(log)->base)) return true;
    if (log->since_snapshot >= every) return true;
    return log->store->stopping && log->rp.snapshot < log->end;
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
    int64_t sum = 0, logs = 0;
    for (const struct plog *log = store->logs; log; log = log->hh.next) {
        sum += log->since_snapshot;
        logs += log->since_snapshot > 0;
    }
    int64_t every = store->tuning.snapshot_every;
    if (sum <= store->tuning.fold_max) return every;
    int64_t share = store->tuning.fold_max / logs;
    return share < 1 ? 1 : share < every ? share : every;
}

static status checkpoint_capture(struct store *store, struct checkpoint_task *t)
{
    int64_t every = snapshot_due(store);
    checkpoint_begin(&t->content);
    for (struct plog *log = store->logs; log; log = log->hh.next) {
        if (log->count == 0) continue;
        struct recovery_point rp = log->rp;
        if (!log_same(log, every)) {
            if (t->count == t->cap) {
                size_t cap = t->cap ? t->cap * 2 : 16;
                struct capture *c = mem_realloc(t->captures, cap * sizeof *c);
                if (!c) return FAIL(NO_MEMORY);
                t->captures = c;
                t->cap = cap;
            }
            struct capture *c = &t->captures[t->count++];
            *c = (struct capture){ .log = log };
            log->holds++;
            TRY(capture_log(log, every, c));
            rp = c->rp;
        }
        struct checkpoint_entry e = { .topic = log->key.topic, .partition = log->key.partition,
                                      .start = log->start_wanted, .offset = rp.offset,
                                      .segment = rp.segment, .position = rp.position,
                                      .snapshot = rp.snapshot };
        checkpoint_add(&t->content, &e);
    }
    struct checkpoint_header h = { store->store_id, store->generation, store->first, 0 };
    return checkpoint_end(&t->content, &h);
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
    return store->checkpoint_wanted && !store->checkpoint_running && is_ok(store->failure);
}

void checkpoint_start(struct store *store)
{
    if (!checkpoint_due(store) || store->rounds_out) return;
    store->checkpoint_wanted = false;
    struct checkpoint_task *t = mem_must(mem_zalloc(sizeof *t));
    t->task.store = store;
    t->task.job.work = checkpoint_work;
    t->task.finish = checkpoint_finish;
    t->task.free = checkpoint_free;
    buf_init(&t->content, CHECKPOINT_HEADER + (size_t)CHECKPOINT_ENTRIES_MAX * CHECKPOINT_ENTRY);
    switch_journal(store);
    t->first = store->first;
    t->tail_bytes = store->tail_bytes;
    status s = checkpoint_capture(store, t);
    if (failed(s)) { /* later; a descriptor or memory may be short for the moment */
        store->checkpoint_retry_at = store->tail_bytes + CHECKPOINT_RETRY_BYTES;
        checkpoint_free(&t->task);
        return;
    }
    store->tail_bytes = 0;
    store->checkpoint_running = true;
    store_submit(store, &t->task, LANE_BACKGROUND);
}
