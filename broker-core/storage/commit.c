/* commit.c - commit rounds and direct syncs: how appended bytes become durable.
 *
 * The loop builds a round out of what is pending; the commit lane copies the spans out of the
 * segments (append-only, so they cannot change) into one frame, writes and syncs it. The round
 * behind the one being synced stays open: turns of the loop add to it, and the lane takes it when
 * that sync has returned. So one frame is one sync, no frame is written before the last one's sync
 * returned (at most one can be torn), and the disk does not wait for the loop. A partition with much
 * to commit syncs its own segments instead, and while that runs nothing of it goes to the journal:
 * journaled spans continue without a gap from bytes on disk. Protocol: FORMAT.md, "Commit". */
#include "storage/files.h"
#include "storage/sync_set.h"

#include <assert.h>

struct commit_span {
    struct segment *segment;
    struct frame_record record;
    size_t len;
};
/* What a partition gains by the round. */
struct commit_mark {
    struct plog *log;
    int64_t end;                 /* -1: no data */
    int64_t start, start_before; /* -1: none */
};
/* Open while it waits for the lane: each turn adds what came. The lane takes it when the sync of the
 * one before has returned; nothing is added any more. */
struct commit_round {
    struct task task;
    uint64_t number;  /* of the rounds of this life */
    bool taken;       /* under the store's round_lock */
    bool full;        /* the frame has little room left: those that are pending need not try */
    struct journal_file *file;
    const char *path;
    struct commit_span *spans;
    struct commit_mark *marks;
    size_t span_count, span_cap, mark_count, mark_cap;
    size_t length;
    /* The lane says: */
    struct frame_header header;
    int64_t position;
    bool no_space;
};

static const char *const journal_paths[2] = { "journal-0", "journal-1" };

static void *grow(void *items, size_t *cap, size_t count, size_t size)
{
    if (count < *cap) return items;
    *cap = *cap ? *cap * 2 : 8;
    return mem_must(mem_realloc(items, *cap * size));
}

/* --- direct sync ------------------------------------------------------------------------------ */

struct direct {
    struct task task;
    int lane; /* 0 or 1 */
    struct sync_set set;
    int64_t end;
};

static void direct_work(struct job *job)
{
    struct direct *d = CONTAINER_OF(job, struct direct, task.job);
    struct store *store = d->task.store;
    sync_gate_close(&store->gate);
    d->task.result = sync_set_run(store->fs, &d->set);
    sync_gate_open(&store->gate);
}

static void direct_finish(struct task *task)
{
    struct direct *d = CONTAINER_OF(task, struct direct, task);
    struct plog *log = d->set.log;
    sync_set_settle(&d->set);
    task->store->directs[d->lane]--;
    log->direct = false;
    if (log->want_direct && log->config.flush) {
        log->flushing = true;
        log->os_end = log->high_watermark;
    }
    log->want_direct = false;
    plog_advance(log, d->end);
    if (log->unhanded > 0 && log->flushing) plog_queue(log);
    store_want_turn(task->store); /* others may have waited for the slot */
}

static void direct_free(struct task *task)
{
    struct direct *d = CONTAINER_OF(task, struct direct, task);
    sync_set_done(&d->set);
    plog_release(d->set.log);
    mem_free(d);
}

static bool direct_start(struct plog *log)
{
    struct store *store = log->store;
    struct direct *d = mem_zalloc(sizeof *d);
    if (!d || failed(sync_set_collect(log, &d->set))) {
        mem_free(d);
        return false;
    }
    log->holds++;
    log->direct = true;
    d->lane = store->directs[1] < store->directs[0];
    store->directs[d->lane]++;
    d->end = log->end;
    plog_mark_handed(log);
    d->task.job.work = direct_work;
    d->task.finish = direct_finish;
    d->task.free = direct_free;
    store_submit(store, &d->task, d->lane ? LANE_DIRECT_2 : LANE_DIRECT);
    return true;
}

/* --- the round on the commit lane ------------------------------------------------------------- */

static status round_fill(struct commit_round *r, uint8_t *buffer)
{
    struct fs *fs = r->task.store->fs;
    size_t at = FRAME_HEADER;
    for (size_t i = 0; i < r->span_count; i++) {
        struct commit_span *s = &r->spans[i];
        journal_put_record(buffer + at, &s->record, s->len);
        if (s->len) {
            size_t n;
            uint8_t *data = buffer + at + RECORD_HEADER;
            TRY(fs->ops->pread(fs, s->segment->file, data, s->len, s->record.position, &n));
            if (n != s->len) return FAIL(IO);
            memset(data + n, 0, record_padded(n) - RECORD_HEADER - n);
        }
        at += record_padded(s->len);
    }
    assert(at == r->length);
    memset(buffer + at, 0, frame_padded(at) - at);
    r->header.length = (uint32_t)at;
    r->header.count = (uint32_t)r->span_count;
    journal_seal(buffer, &r->header);
    return OK;
}

/* The file grows beyond the frame, up to the cap, so that the next frames only write over it. */
static status journal_grow(struct store *store, struct journal_file *j, int64_t end)
{
    static const uint8_t zeros[JOURNAL_STEP_MIN];
    int64_t to = end + (end < JOURNAL_STEP_MIN   ? JOURNAL_STEP_MIN
                        : end < JOURNAL_STEP_MAX ? end
                                                 : JOURNAL_STEP_MAX);
    if (to > store->tuning.journal_cap) to = store->tuning.journal_cap;
    for (j->size = end; j->size < to;) {
        int64_t n = to - j->size < JOURNAL_STEP_MIN ? to - j->size : JOURNAL_STEP_MIN;
        status s = store->fs->ops->pwrite(store->fs, j->file, zeros, (size_t)n, j->size);
        if (s.code == E_NO_SPACE) break; /* the frame is there */
        TRY(s);
        j->size += n;
    }
    return OK;
}

static status round_write(struct commit_round *r, const uint8_t *buffer)
{
    struct fs *fs = r->task.store->fs;
    struct journal_file *j = r->file;
    if (!j->file) {
        TRY(fs->ops->open(fs, r->path, FS_WRITE | FS_CREATE, &j->file));
        TRY(fs->ops->size(fs, j->file, &j->size));
    }
    int64_t end = r->position + (int64_t)frame_padded(r->length);
    TRY(fs->ops->pwrite(fs, j->file, buffer, frame_padded(r->length), r->position));
    return end > j->size ? journal_grow(r->task.store, j, end) : OK;
}

/* The lane's buffer, large enough for this frame. */
static status round_buffer(struct store *store, size_t need)
{
    if (store->frame_cap >= need) return OK;
    mem_free(store->frame_buffer);
    store->frame_cap = 0;
    store->frame_buffer = mem_alloc(need);
    if (!store->frame_buffer) return FAIL(NO_MEMORY);
    store->frame_cap = need;
    return OK;
}

static status round_commit(struct commit_round *r)
{
    struct store *store = r->task.store;
    struct journal_end *next = &store->lane_next;
    r->position = next->position;
    r->header = (struct frame_header){ .store_id = store->store_id,
                                       .generation = store->generation,
                                       .sequence = next->sequence++,
                                       .previous = next->previous };
    if (next->full) { /* the frame before found no space */
        r->no_space = true;
        return OK;
    }
    TRY(round_buffer(store, frame_padded(r->length)));
    TRY(round_fill(r, store->frame_buffer));
    status written = round_write(r, store->frame_buffer);
    if (written.code == E_NO_SPACE) {
        r->no_space = next->full = true;
        if (BREAK(REUSE_SEQUENCE)) next->sequence--, next->full = false;
        return OK;
    }
    TRY(written);
    if (!BREAK(ACK_BEFORE_SYNC)) {
        status synced = files_datasync(store->fs, r->file->file);
        if (failed(synced) && BREAK(RETRY_AFTER_EIO)) synced = files_datasync(store->fs, r->file->file);
        TRY(synced);
    }
    if (!r->file->entry_synced && !BREAK(NO_FOLDER_SYNC)) TRY(files_sync_dir(store->fs, "."));
    r->file->entry_synced = true;
    next->position += (int64_t)frame_padded(r->length);
    next->previous = r->header.sequence;
    return OK;
}

static void round_work(struct job *job)
{
    struct commit_round *r = CONTAINER_OF(job, struct commit_round, task.job);
    struct store *store = r->task.store;
    pthread_mutex_lock(&store->round_lock);
    r->taken = true;
    pthread_mutex_unlock(&store->round_lock);
    sync_gate_close(&store->gate);
    r->task.result = store->lane_next.broken ? FAIL(IO) : round_commit(r);
    sync_gate_open(&store->gate);
    if (failed(r->task.result)) store->lane_next.broken = true;
    if (store->frame_cap <= COMMIT_BUFFER_KEEP) return;
    mem_free(store->frame_buffer);
    store->frame_buffer = NULL;
    store->frame_cap = 0;
}

/* The frame is durable. */
static void round_settle(struct commit_round *r)
{
    struct store *store = r->task.store;
    store->position = r->position + (int64_t)frame_padded(r->length);
    store->previous = r->header.sequence;
    store->rounds++;
    for (size_t i = 0; i < r->mark_count; i++) {
        struct commit_mark *m = &r->marks[i];
        if (m->end >= 0) plog_advance(m->log, m->end);
        if (m->start >= 0) plog_expose_start(m->log, m->start);
    }
    if (store->position > store->tuning.journal_cap) checkpoint_want(store);
}

/* The disk is full: the frame's number is used up, its place is not; sync the segments instead. The
 * log starts wait for the next frame or checkpoint. */
static void round_fall_back(struct commit_round *r)
{
    struct store *store = r->task.store;
    store->journal_full = true;
    admission_no_space(store);
    for (size_t i = 0; i < r->mark_count; i++) {
        struct commit_mark *m = &r->marks[i];
        if (m->log->gone) continue;
        if (m->start >= 0) {
            if (m->start_before < m->log->start_handed) m->log->start_handed = m->start_before;
            plog_queue(m->log);
        }
        if (m->end >= 0 && !m->log->direct && !direct_start(m->log))
            store_fail(store, FAIL(NO_MEMORY));
    }
    checkpoint_want(store);
}

static void round_finish(struct task *task)
{
    struct commit_round *r = CONTAINER_OF(task, struct commit_round, task);
    struct store *store = task->store;
    store->rounds_out--;
    if (store->round == r) store->round = NULL;
    store->sequence = r->header.sequence + !(r->no_space && BREAK(REUSE_SEQUENCE));
    if (r->no_space) round_fall_back(r);
    else round_settle(r);
    store_want_turn(store);
}

static void round_free(struct task *task)
{
    struct commit_round *r = CONTAINER_OF(task, struct commit_round, task);
    struct store *store = task->store;
    if (store->round == r) store->round = NULL;
    for (size_t i = 0; i < r->span_count; i++)
        if (r->spans[i].segment) segment_unpin(r->spans[i].segment);
    for (size_t i = 0; i < r->mark_count; i++) plog_release(r->marks[i].log);
    mem_free(r->spans);
    mem_free(r->marks);
    mem_free(r);
}

/* --- building a round ------------------------------------------------------------------------- */

static struct commit_span *round_span(struct commit_round *r)
{
    r->spans = grow(r->spans, &r->span_cap, r->span_count, sizeof *r->spans);
    struct commit_span *s = &r->spans[r->span_count++];
    *s = (struct commit_span){ 0 };
    return s;
}

/* Bytes that the log's data take in a frame. */
static size_t span_length(const struct plog *log)
{
    size_t length = 0;
    for (uint32_t i = log->count; i > 0; i--) {
        const struct segment *s = log->segments[i - 1];
        if (s->base < log->handed_segment) break;
        int64_t from = s->base == log->handed_segment ? log->handed_position : 0;
        if (s->size > from) length += record_padded((size_t)(s->size - from));
    }
    return length;
}

/* The log's last span in this round, if more of the same segment follows it. */
static struct commit_span *round_last_span(struct commit_round *r, const struct plog *log,
                                           const struct segment *s, int64_t from)
{
    if (log->round != r->number || log->round_span == SIZE_MAX) return NULL;
    struct commit_span *span = &r->spans[log->round_span];
    return span->segment == s && span->record.position + (int64_t)span->len == from ? span : NULL;
}

static bool round_add_data(struct commit_round *r, struct plog *log)
{
    for (uint32_t i = 0; i < log->count; i++) {
        struct segment *s = log->segments[i];
        if (s->base < log->handed_segment) continue;
        int64_t from = s->base == log->handed_segment ? log->handed_position : 0;
        if (s->size <= from) continue;
        struct commit_span *span = round_last_span(r, log, s, from);
        if (span) {
            r->length -= record_padded(span->len);
        } else {
            if (failed(segment_open(s, 0))) return false;
            segment_pin(s);
            span = round_span(r);
            span->segment = s;
            span->record = (struct frame_record){ .type = RECORD_DATA,
                                                  .topic = log->key.topic,
                                                  .partition = log->key.partition,
                                                  .offset = log->handed > s->base ? log->handed
                                                                                  : s->base,
                                                  .segment = s->base,
                                                  .position = from };
        }
        span->len += (size_t)(s->size - from);
        span->record.end = s->end;
        r->length += record_padded(span->len);
        log->round_span = (size_t)(span - r->spans);
    }
    return true;
}

static bool log_has_start(const struct plog *log)
{
    return log->start_wanted > log->start_handed && log->start_wanted <= log->durable;
}

static int64_t log_data(const struct plog *log)
{
    bool busy = log->direct && !BREAK(FRAME_BESIDE_DIRECT);
    return (log->flushing || log->want_direct) && !busy ? log->unhanded : 0;
}

/* What the log gains by this round, from its first span on. */
static struct commit_mark *round_mark(struct commit_round *r, struct plog *log)
{
    if (log->round != r->number) {
        r->marks = grow(r->marks, &r->mark_cap, r->mark_count, sizeof *r->marks);
        log->round = r->number;
        log->round_mark = r->mark_count;
        log->round_span = SIZE_MAX;
        r->marks[r->mark_count++] = (struct commit_mark){ .log = log, .end = -1, .start = -1 };
        log->holds++;
    }
    return &r->marks[log->round_mark];
}

static void round_add_start(struct commit_round *r, struct plog *log)
{
    struct commit_mark *mark = round_mark(r, log);
    struct commit_span *span = round_span(r);
    span->record = (struct frame_record){ .type = RECORD_START,
                                          .topic = log->key.topic,
                                          .partition = log->key.partition,
                                          .offset = log->start_wanted };
    if (mark->start < 0) mark->start_before = log->start_handed;
    mark->start = log->start_wanted;
    log->start_handed = log->start_wanted;
    r->length += RECORD_HEADER;
}

/* Puts what fits into the frame; true when nothing of the log is left over. */
static bool round_add(struct commit_round *r, struct plog *log)
{
    const struct store_tuning *tuning = &log->store->tuning;
    bool rest = false;
    if (log_has_start(log)) {
        if (r->length + RECORD_HEADER <= (size_t)tuning->frame_max) round_add_start(r, log);
        else rest = true;
    }
    if (log_data(log) == 0) return !rest;
    if (log->want_direct || log->unhanded > tuning->span_max) return false;
    if (r->length + span_length(log) > (size_t)tuning->frame_max) {
        r->full = r->length > (size_t)tuning->frame_max / 2;
        return false;
    }
    if (BREAK(UNWAITED_SKIPPED) && !log->waits) {
        plog_mark_handed(log);
        return !rest;
    }
    struct commit_mark *mark = round_mark(r, log);
    if (!round_add_data(r, log)) return false;
    mark->end = log->end;
    plog_mark_handed(log);
    return !rest;
}

/* Starts direct syncs where they pay or must be, the largest first. */
static void start_directs(struct store *store, bool no_frame)
{
    if (!no_frame && !store->direct_wanted) return;
    while (store->directs[0] + store->directs[1] < COMMIT_DIRECT_ROUND) {
        struct plog *best = NULL;
        for (struct plog *log = store->pending_first; log; log = log->pending_next) {
            int64_t data = log->gone ? 0 : log_data(log);
            bool must = data > 0 && (no_frame || log->want_direct);
            if (data < store->tuning.direct_min && !must) continue;
            if (!best || data > log_data(best)) best = log;
        }
        if (!best) store->direct_wanted = false;
        if (!best || !direct_start(best)) return;
    }
}

static struct commit_round *round_new(struct store *store)
{
    struct commit_round *r = mem_must(mem_zalloc(sizeof *r));
    r->task.store = store;
    r->task.job.work = round_work;
    r->task.finish = round_finish;
    r->task.free = round_free;
    r->number = ++store->round_number;
    r->file = &store->journal[store->current];
    r->path = journal_paths[store->current];
    r->length = FRAME_HEADER;
    return r;
}

static void round_submit(struct store *store, struct commit_round *r)
{
    if (store->rounds_out++ == 0)
        store->lane_next = (struct journal_end){ .position = store->position,
                                                 .sequence = store->sequence,
                                                 .previous = store->previous };
    store->round = r;
    store_submit(store, &r->task, LANE_COMMIT);
}

/* Back in front of those that were queued since. */
static void put_back(struct store *store, struct plog *first, struct plog *last)
{
    last->pending_next = store->pending_first;
    if (!store->pending_first) store->pending_last = last;
    store->pending_first = first;
}

/* Those that are left over wait for a completion, which wants a turn; while its direct sync runs
 * nothing of a log can go on, and the end of it queues the log. */
static void add_pending(struct store *store, struct commit_round *r)
{
    struct plog *list = store->pending_first, *last = store->pending_last, *next;
    size_t most = r ? r->span_count + COMMIT_SPANS_A_TURN : SIZE_MAX;
    store->pending_first = store->pending_last = NULL;
    for (struct plog *log = list; log; log = next) {
        if (r && (r->full || r->span_count >= most)) {
            put_back(store, log, last);
            return;
        }
        next = log->pending_next;
        log->pending = false;
        if (log->gone) continue;
        bool left = r ? !round_add(r, log) : log_has_start(log) || log_data(log) > 0;
        if (left) plog_queue_quietly(log);
        if (!r && log_has_start(log)) checkpoint_want(store);
    }
}

/* Adds to the round that waits behind the one being synced: that one is taken the moment the sync
 * returns, without a turn of the loop. */
static bool join_round(struct store *store)
{
    struct commit_round *r = store->round;
    if (!r) return false;
    pthread_mutex_lock(&store->round_lock);
    bool open = !r->taken;
    if (open) add_pending(store, r);
    pthread_mutex_unlock(&store->round_lock);
    return open;
}

void commit_start(struct store *store)
{
    if (failed(store->failure) || !store->pending_first) return;
    bool no_frame = store->journal_full || store->position > store->tuning.journal_hard ||
                    admission_full(store);
    start_directs(store, no_frame);
    if (no_frame) {
        add_pending(store, NULL);
        return;
    }
    if (join_round(store)) return;
    if (store->rounds_out && checkpoint_due(store)) return; /* it begins between two rounds */
    struct commit_round *r = round_new(store);
    add_pending(store, r);
    if (r->span_count) round_submit(store, r);
    else round_free(&r->task);
}
