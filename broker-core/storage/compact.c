/* compact.c - compaction: which log is due, and the steps of one pass over it.
 *
 * A pass first maps the keys of the dirty part of the log (what was not compacted yet), segment by
 * segment, then writes groups of segments anew from the front, then notes how far it came. Each
 * step is a task; between two of them segments may go away, so each finds its segments by their
 * base again. Only segments are touched that no frame, no recovery and no fold of producer state
 * will ever read: below the persisted recovery segment and snapshot. */
#include "storage/compact.h"

#include "base/crc32c.h"
#include "base/log.h"
#include "storage/compact_rewrite.h"

#include <stdio.h>
#include <stdlib.h>

#define NOTE_SIZE 16 /* of the file that says how far a log is compacted */

enum step_kind { STEP_MAP, STEP_GROUP, STEP_DISCARD, STEP_SWAP, STEP_NOTE };
struct part { /* a segment, as the pass was planned */
    int64_t base, end;
};
struct cleaning {
    struct plog *log; /* held */
    struct part *parts;
    uint32_t count, at;    /* at: the next one */
    enum step_kind phase;  /* MAP, GROUP, NOTE */
    int64_t dirty_from, map_end;
    struct key_map map;
    struct aborted_txn *aborted;
    struct filter filter;
    int64_t before, after; /* bytes */
};

struct step {
    struct task task;
    enum step_kind kind;
    struct cleaning *c; /* owned; NULL once the next step has it */
    struct segment *segments[COMPACT_GROUP_MAX]; /* pinned */
    struct rewrite_source sources[COMPACT_GROUP_MAX];
    uint32_t count;         /* of both */
    uint32_t parts;         /* STEP_SWAP, STEP_DISCARD: of the group */
    int64_t map_end;
    struct rewrite_result made;
    struct segment *output; /* STEP_SWAP: in its log, pinned */
    status outcome;
};

static void next_step(struct cleaning *c);

/* --- how far a log is compacted --------------------------------------------------------------- */

static void note_path(const char *folder, char *ret, size_t size)
{
    snprintf(ret, size, "%s/cleaned", folder);
}

static void note_read(struct plog *log)
{
    char path[PATH_SIZE];
    struct buf in;
    if (log->clean_known) return;
    log->clean_known = true;
    note_path(log->folder, path, sizeof path);
    buf_init(&in, NOTE_SIZE);
    if (is_ok(files_read(log->store->fs, path, &in)) && in.len == NOTE_SIZE &&
        memcmp(in.data, "LCE1", 4) == 0 && get_le32(in.data + 4) == crc32c(0, in.data + 8, 8))
        log->clean_end = (int64_t)get_le64(in.data + 8);
    buf_done(&in);
}

static status note_write(struct fs *fs, const char *folder, int64_t end)
{
    char path[PATH_SIZE];
    uint8_t b[NOTE_SIZE] = "LCE1";
    put_le64(b + 8, (uint64_t)end);
    put_le32(b + 4, crc32c(0, b + 8, 8));
    note_path(folder, path, sizeof path);
    TRY(files_replace(fs, path, bytes_of(b, sizeof b)));
    return files_sync_dir(fs, folder);
}

/* The note is there before the first segment that was compacted: it says that offsets may be missing
 * in this log, whatever its cleanup.policy becomes. */
static status note_sparse(struct fs *fs, const struct cleaning *c)
{
    struct file *file;
    char path[PATH_SIZE];
    note_path(c->log->folder, path, sizeof path);
    status there = fs->ops->open(fs, path, FS_READ, &file);
    if (is_ok(there)) fs->ops->close(fs, file);
    return there.code == E_NOT_FOUND ? note_write(fs, c->log->folder, 0) : there;
}

/* --- what is due ------------------------------------------------------------------------------ */

struct due {
    uint32_t count;     /* segments, from the first on */
    int64_t bytes, dirty;
    int64_t oldest;     /* timestamp of the first dirty batch; -1 unknown */
};

static bool is_due(const struct plog *log, const struct due *d, int64_t now)
{
    if (d->dirty == 0) return false;
    if ((double)d->dirty > log->config.min_cleanable_dirty_ratio * (double)d->bytes) return true;
    return d->oldest >= 0 && now - d->oldest > log->config.max_compaction_lag_ms;
}

static void due_add(const struct plog *log, const struct segment *s, int64_t end, struct due *d)
{
    d->count++;
    d->bytes += s->size;
    if (end <= log->clean_end) return;
    if (d->dirty == 0) d->oldest = s->indexed ? s->first_timestamp : -1;
    d->dirty += s->size;
}

/* The closed segments that may be compacted: at once, and after the next checkpoint, too. */
static void look(struct plog *log, int64_t now, struct due *ret_ready, struct due *ret_soon,
                 int64_t *ret_next)
{
    int64_t lag = log->config.min_compaction_lag_ms;
    *ret_ready = *ret_soon = (struct due){ .oldest = -1 };
    if (log->gone || log->uncleanable || !log->config.cleanup_compact || log->count < 2) return;
    note_read(log);
    for (uint32_t i = 0; i + 1 < log->count; i++) {
        struct segment *s = log->segments[i];
        int64_t end = log->segments[i + 1]->base;
        if (s->size == 0 || s->swapping || end > log->high_watermark) break;
        if (end > txns_unstable(&log->producers.txns)) break;
        if (end > log->clean_end && failed(segment_need_index(s))) break;
        if (lag > 0 && end > log->clean_end && s->max_timestamp > now - lag) {
            if (s->max_timestamp < INT64_MAX - lag && s->max_timestamp + lag < *ret_next)
                *ret_next = s->max_timestamp + lag;
            break;
        }
        bool ready = s->base < log->rp.segment && end <= log->rp.snapshot;
        if (ready && ret_ready->count == i) due_add(log, s, end, ret_ready);
        due_add(log, s, end, ret_soon);
    }
}

void compact_check(struct plog *log, int64_t now, int64_t *ret_next)
{
    struct segment *active = plog_active(log);
    int64_t lag = log->config.max_compaction_lag_ms;
    if (active->size > 0 && active->first_timestamp >= 0 &&
        active->first_timestamp < INT64_MAX - lag) {
        int64_t due = active->first_timestamp + lag;
        if (now > due) (void)plog_roll(log);
        else if (due + 1 < *ret_next) *ret_next = due + 1;
    }
    struct store *store = log->store;
    if (store->compact_retry_at > now && store->compact_retry_at < *ret_next)
        *ret_next = store->compact_retry_at;
    struct due ready, soon;
    look(log, now, &ready, &soon, ret_next);
    if (is_due(log, &soon, now)) compact_want(store);
}

void compact_want(struct store *store)
{
    store->compact_wanted = true;
    store_want_turn(store);
}

/* --- planning --------------------------------------------------------------------------------- */

static void cleaning_free(struct cleaning *c)
{
    struct store *store = c->log->store;
    filter_done(&c->filter);
    key_map_done(&c->map);
    mem_free(c->aborted);
    mem_free(c->parts);
    store->cleaning = NULL;
    if (copy_wanted(store)) store_want_turn(store);
    plog_release(c->log);
    mem_free(c);
}

static int by_producer(const void *a, const void *b)
{
    const struct aborted_txn *x = a, *y = b;
    if (x->producer_id != y->producer_id) return x->producer_id < y->producer_id ? -1 : 1;
    return x->first_offset < y->first_offset ? -1 : x->first_offset > y->first_offset;
}

struct collect {
    struct aborted_txn *txns;
    size_t count, cap;
    bool failed;
};

static void collect_one(void *arg, const struct aborted_txn *txn)
{
    struct collect *l = arg;
    if (l->count == l->cap && !l->failed) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        struct aborted_txn *t = mem_realloc(l->txns, cap * sizeof *t);
        l->failed = !t;
        if (t) l->txns = t;
        if (t) l->cap = cap;
    }
    if (!l->failed) l->txns[l->count++] = *txn;
}

static status plan_fill(struct cleaning *c, uint32_t count)
{
    struct plog *log = c->log;
    struct collect aborted = { .count = 0 };
    c->parts = mem_alloc(count * sizeof *c->parts);
    if (!c->parts) return FAIL(NO_MEMORY);
    c->count = count;
    for (uint32_t i = 0; i < count; i++)
        c->parts[i] = (struct part){ log->segments[i]->base, log->segments[i + 1]->base };
    int64_t end = c->parts[count - 1].end;
    status s = plog_aborted(log, c->parts[0].base, end, collect_one, &aborted);
    c->aborted = aborted.txns;
    TRY(s);
    if (aborted.failed) return FAIL(NO_MEMORY);
    if (aborted.count) qsort(c->aborted, aborted.count, sizeof *c->aborted, by_producer);
    c->dirty_from = log->clean_end > c->parts[0].base ? log->clean_end : c->parts[0].base;
    if (c->dirty_from > end) c->dirty_from = c->parts[0].base; /* a note that cannot be right */
    TRY(key_map_init(&c->map, (uint64_t)(end - c->dirty_from)));
    c->filter = (struct filter){ .map = &c->map,
                                 .aborted = c->aborted,
                                 .aborted_count = aborted.count,
                                 .now = store_wall(log->store),
                                 .delete_retention = log->config.delete_retention_ms };
    while (c->parts[c->at].end <= c->dirty_from) c->at++;
    return OK;
}

static void give_up(struct cleaning *c, status why)
{
    struct plog *log = c->log;
    struct store *store = log->store;
    bool later = why.code == E_NO_SPACE || why.code == E_NO_MEMORY || why.code == E_BUSY;
    if (later) store->compact_retry_at = store_wall(store) + COMPACT_RETRY_MS;
    else if (why.code != E_CLOSED) log->uncleanable = true;
    if (why.code != E_CLOSED)
        log_warn("compaction of %s was given up%s: %s", log->folder,
                 later ? " for a minute" : " until the next start", status_text(why));
    cleaning_free(c);
}

static void begin(struct plog *log, uint32_t count)
{
    struct cleaning *c = mem_zalloc(sizeof *c);
    if (!c) return;
    log->holds++;
    log->store->cleaning = c;
    c->log = log;
    status s = plan_fill(c, count);
    if (failed(s)) give_up(c, s);
    else next_step(c);
}

void compact_start(struct store *store)
{
    struct plog *best = NULL;
    uint32_t count = 0;
    double most = -1;
    int64_t now = store_wall(store), next = INT64_MAX;
    if (!store->compact_wanted || store->cleaning || store->stopping || copy_wanted(store)) return;
    if (failed(store->failure) || now < store->compact_retry_at) return;
    store->compact_wanted = false;
    struct read_miss unknown; /* indexes are brought in by retention, which wants compaction then */
    store_only_cached(store, &unknown);
    for (struct plog *log = store->logs; log; log = log->hh.next) {
        struct due ready, soon;
        look(log, now, &ready, &soon, &next);
        if (!is_due(log, &ready, now)) {
            if (is_due(log, &soon, now)) checkpoint_want(store);
            continue;
        }
        double ratio = (double)ready.dirty / (double)ready.bytes;
        if (ratio <= most) continue;
        most = ratio;
        best = log;
        count = ready.count;
    }
    store_only_cached(store, NULL);
    if (best) begin(best, count);
}

void compact_cancel(struct store *store) { atomic_store(&store->compact_cancel, true); }

/* --- the work of a step, on the lane ---------------------------------------------------------- */

static status swap_files(struct fs *fs, const struct step *step)
{
    const char *folder = step->c->log->folder;
    const struct part *parts = &step->c->parts[step->c->at];
    char path[PATH_SIZE], swap[PATH_SIZE];
    for (uint32_t i = 0; i < step->parts; i++) {
        snprintf(path, sizeof path, "%s/%020lld.index", folder, (long long)parts[i].base);
        (void)fs->ops->unlink(fs, path);
        if (i == 0) continue;
        snprintf(path, sizeof path, "%s/%020lld.log", folder, (long long)parts[i].base);
        TRY(fs->ops->unlink(fs, path));
    }
    TRY(files_sync_dir(fs, folder));
    rewrite_swap_path(folder, parts[0].base, parts[step->parts - 1].end, swap, sizeof swap);
    snprintf(path, sizeof path, "%s/%020lld.log", folder, (long long)parts[0].base);
    return fs->ops->rename(fs, swap, path);
}

static void step_work(struct job *job)
{
    struct step *step = CONTAINER_OF(job, struct step, task.job);
    struct cleaning *c = step->c;
    struct store *store = step->task.store;
    struct fs *fs = store->fs;
    char path[PATH_SIZE];
    switch (step->kind) {
    case STEP_MAP:
        step->outcome = rewrite_map(fs, &step->sources[0], &c->filter, c->dirty_from, &c->map,
                                    &store->compact_cancel, &step->map_end);
        break;
    case STEP_GROUP:
        step->outcome = note_sparse(fs, c);
        if (failed(step->outcome)) break;
        step->outcome = rewrite_group(fs, &store->files, c->log->folder, step->sources, step->count,
                                      &c->filter, &store->compact_cancel, &step->made);
        if (step->made.fatal) step->task.result = FAIL(IO);
        break;
    case STEP_DISCARD:
        rewrite_swap_path(c->log->folder, c->parts[c->at].base,
                          c->parts[c->at + step->parts - 1].end, path, sizeof path);
        (void)fs->ops->unlink(fs, path);
        break;
    case STEP_SWAP: step->task.result = swap_files(fs, step); break;
    case STEP_NOTE: step->outcome = note_write(fs, c->log->folder, c->map_end); break;
    }
}

/* --- between the steps, on the loop ----------------------------------------------------------- */

/* The new segment takes the place of its sources; false when some of those are gone already. */
static bool take_place(struct step *step)
{
    struct cleaning *c = step->c;
    struct plog *log = c->log;
    struct segment *fresh = step->made.segment;
    int64_t at = plog_segment_of(log, fresh->base), bytes = 0;
    if (log->gone || at < 0 || log->segments[at] != step->segments[0]) return false;
    for (uint32_t i = 0; i < step->count; i++) {
        struct segment *old = log->segments[at + i];
        bytes += old->size;
        old->doomed = true; /* this step has it pinned */
    }
    segment_adopt(fresh, TAKE(step->made.file));
    segment_pin(fresh);
    fresh->swapping = true;
    fresh->sparse = true;
    log->sparse = true;
    log->segments[at] = TAKE(step->made.segment);
    uint32_t gone = step->count - 1;
    log->count -= gone;
    memmove(&log->segments[at + 1], &log->segments[at + 1 + gone],
            (log->count - (size_t)at - 1) * sizeof *log->segments);
    plog_count(log, fresh->size - bytes);
    log->hint_offset = -1;
    log->rewrites++;
    plog_note_moved(log);
    c->before += bytes;
    c->after += fresh->size;
    return true;
}

static void step_submit(struct step *step, struct cleaning *c);

static struct step *step_new(enum step_kind kind)
{
    struct step *step = mem_zalloc(sizeof *step);
    if (step) step->kind = kind;
    return step;
}

/* Before the pass may end: the log, and its segments, can go with it. */
static void step_unpin(struct step *step)
{
    for (uint32_t i = 0; i < step->count; i++) segment_unpin(step->segments[i]);
    step->count = 0;
    if (step->output) segment_unpin(TAKE(step->output));
}

static void group_finish(struct step *step)
{
    struct cleaning *c = step->c;
    uint32_t parts = step->count;
    if (step->made.same) {
        step_unpin(step);
        step->c = NULL;
        c->at += parts;
        next_step(c);
        return;
    }
    /* No memory for the step: recovery will do its work; until then the log goes on as it is. */
    struct step *after = step_new(STEP_SWAP);
    if (!after) {
        step_unpin(step);
        step->c = NULL;
        give_up(c, FAIL(NO_MEMORY));
        return;
    }
    after->parts = parts;
    if (take_place(step)) {
        after->output = c->log->segments[plog_segment_of(c->log, c->parts[c->at].base)];
    } else {
        after->kind = STEP_DISCARD;
    }
    step_unpin(step);
    step->c = NULL;
    step_submit(after, c);
}

static void swap_finish(struct step *step, struct cleaning *c)
{
    step->output->swapping = false;
    if (!c->log->gone) index_save(c->log->store, step->output);
    step_unpin(step);
    if (!c->log->gone) retention_clean(c->log);
    c->at += step->parts;
    next_step(c);
}

static void finish_pass(struct cleaning *c)
{
    struct plog *log = c->log;
    struct store *store = log->store;
    log->clean_end = c->map_end;
    if (c->before)
        log_debug("compacted %s up to offset %lld: %lld bytes became %lld", log->folder,
                 (long long)c->map_end, (long long)c->before, (long long)c->after);
    cleaning_free(c);
    compact_want(store);
}

static void step_finish(struct task *task)
{
    struct step *step = CONTAINER_OF(task, struct step, task);
    struct cleaning *c = step->c;
    if (is_ok(step->outcome) && step->kind == STEP_GROUP) {
        group_finish(step);
        return;
    }
    if (step->kind != STEP_SWAP) step_unpin(step);
    step->c = NULL;
    if (failed(step->outcome)) {
        give_up(c, step->outcome);
        return;
    }
    switch (step->kind) {
    case STEP_MAP:
        c->map_end = step->map_end;
        if (c->map_end < c->parts[c->at].end) c->at = c->count; /* the map is full */
        else c->at++;
        next_step(c);
        break;
    case STEP_SWAP: swap_finish(step, c); break;
    case STEP_NOTE: finish_pass(c); break;
    default: cleaning_free(c); break; /* the segments went away under the pass: another time */
    }
}

static void step_free(struct task *task)
{
    struct step *step = CONTAINER_OF(task, struct step, task);
    if (step->made.file) task->store->fs->ops->close(task->store->fs, step->made.file);
    segment_free(step->made.segment);
    step_unpin(step);
    if (step->c) cleaning_free(step->c);
    mem_free(step);
}

static void step_submit(struct step *step, struct cleaning *c)
{
    step->c = c;
    step->outcome = OK;
    step->task.job.work = step_work;
    step->task.finish = step_finish;
    step->task.free = step_free;
    store_submit(c->log->store, &step->task, LANE_COMPACTION);
}

/* Pins the segment of the part at `at + i`: NOT_FOUND when it is gone. */
static status step_pin(struct step *step, const struct cleaning *c, uint32_t i)
{
    struct plog *log = c->log;
    const struct part *part = &c->parts[c->at + i];
    int64_t at = plog_segment_of(log, part->base);
    if (at < 0 || at + 1 >= log->count || log->segments[at]->base != part->base)
        return FAIL(NOT_FOUND);
    struct segment *s = log->segments[at];
    TRY(segment_open(s, 0));
    segment_pin(s);
    step->segments[i] = s;
    step->sources[i] = (struct rewrite_source){ s->file, part->base, part->end, s->size, s->sparse };
    step->count = i + 1;
    return OK;
}

/* What was aborted is looked up by the segment of its marker: such a one keeps its name. */
static bool has_aborted(const struct aborted_index *a, const struct part *part)
{
    return aborted_has_file(a, part->base) ||
           aborted_since(a, part->base) != aborted_since(a, part->end);
}

/* Segments that fit into one, as Kafka groups them: by what they have now. */
static status pin_group(struct step *step, const struct cleaning *c)
{
    const struct plog *log = c->log;
    int64_t limit = log->config.segment_bytes, bytes = 0;
    if (limit > SEGMENT_SIZE_MAX) limit = SEGMENT_SIZE_MAX;
    TRY(step_pin(step, c, 0));
    bytes = step->sources[0].size;
    for (uint32_t i = 1; i < COMPACT_GROUP_MAX && c->at + i < c->count; i++) {
        const struct part *part = &c->parts[c->at + i];
        int64_t at = plog_segment_of(log, part->base);
        if (part->base >= c->map_end || at < 0 || part->end - step->sources[0].base > INT32_MAX)
            break;
        bytes += log->segments[at]->size;
        if (bytes > limit || has_aborted(&log->producers.aborted, part)) break;
        TRY(step_pin(step, c, i));
    }
    return OK;
}

/* What the pass does next, with its segments pinned. */
static status step_plan(struct cleaning *c, struct step *step)
{
    status s = FAIL(NOT_FOUND);
    while (c->phase == STEP_MAP && c->at < c->count && s.code == E_NOT_FOUND) {
        s = step_pin(step, c, 0);
        if (s.code == E_NOT_FOUND) c->at++;
    }
    if (s.code != E_NOT_FOUND) return s;
    if (c->phase == STEP_MAP) {
        c->phase = STEP_GROUP;
        c->at = 0;
    }
    while (c->phase == STEP_GROUP && c->at < c->count && c->parts[c->at].base < c->map_end) {
        s = pin_group(step, c);
        if (is_ok(s))
            filter_group(&c->filter, aborted_in_file(&c->log->producers.aborted, step->sources[0].base,
                                                     step->sources[step->count - 1].end));
        if (s.code != E_NOT_FOUND) return s;
        c->at++;
    }
    c->phase = STEP_NOTE;
    return OK;
}

static void next_step(struct cleaning *c)
{
    if (c->log->gone || atomic_load(&c->log->store->compact_cancel)) {
        cleaning_free(c);
        return;
    }
    struct step *step = step_new(STEP_MAP);
    status s = step ? step_plan(c, step) : FAIL(NO_MEMORY);
    if (failed(s)) {
        if (step) step_unpin(step);
        mem_free(step);
        give_up(c, s);
        return;
    }
    step->kind = c->phase;
    step_submit(step, c);
}

/* --- recovery --------------------------------------------------------------------------------- */

/* "<base>-<end>.swap" */
static bool swap_name(const char *name, int64_t *ret_base, int64_t *ret_end)
{
    if (strlen(name) != 46 || name[20] != '-') return false;
    char base[21] = "";
    memcpy(base, name, 20);
    *ret_base = files_offset_of(base, "");
    *ret_end = files_offset_of(name + 21, ".swap");
    return *ret_base >= 0 && *ret_end > *ret_base;
}

static status recover_swap(struct fs *fs, const char *folder, const struct name_list *names,
                           const char *swap, int64_t base, int64_t end)
{
    char path[PATH_SIZE], from[PATH_SIZE];
    for (size_t i = 0; i < names->count; i++) {
        int64_t log = files_offset_of(names->names[i], ".log");
        int64_t index = files_offset_of(names->names[i], ".index");
        bool replaced = (log > base && log < end) || (index >= base && index < end);
        if (!replaced) continue;
        snprintf(path, sizeof path, "%s/%s", folder, names->names[i]);
        status gone = fs->ops->unlink(fs, path);
        if (failed(gone) && gone.code != E_NOT_FOUND) return gone;
    }
    TRY(files_sync_dir(fs, folder));
    snprintf(from, sizeof from, "%s/%s", folder, swap);
    snprintf(path, sizeof path, "%s/%020lld.log", folder, (long long)base);
    TRY(fs->ops->rename(fs, from, path));
    return files_sync_dir(fs, folder);
}

status compact_recover(struct fs *fs, const char *folder, const struct name_list *names,
                       bool *ret_changed)
{
    *ret_changed = false;
    for (size_t i = 0; i < names->count; i++) {
        int64_t base, end;
        if (!swap_name(names->names[i], &base, &end)) continue;
        TRY(recover_swap(fs, folder, names, names->names[i], base, end));
        *ret_changed = true;
    }
    return OK;
}
