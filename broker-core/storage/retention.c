/* retention.c - what goes: old segments, deleted topics, the trash. Loop thread; unlinking happens
 * on the lane for deletion.
 *
 * Cleaner limit: a segment may go only if it lies wholly below the exposed log start, its base is
 * below the persisted recovery segment and its end at or below the persisted snapshot offset. Then
 * no live frame, scan or state fold ever meets a segment that is gone. */
#include "storage/compact.h"
#include "storage/files.h"
#include "storage/storage_int.h"

#include <stdio.h>

#define LOGS_A_LOOK 16     /* of a pass, between two looks at how long the turn is */
#define INDEXES_A_LOG 1000 /* loaded in a pass; the others another time */
#define DELAY_MAX (365LL * 24 * 3600 * 1000) /* of file.delete.delay.ms */

struct removal {
    struct task task;
    char *folder;
    int64_t *bases; /* NULL: the whole folder */
    uint32_t count;
    int64_t bytes;  /* that are on the disk yet, of one that waits */
    int64_t due;    /* wall ms, of one that waits (file.delete.delay.ms) */
    struct removal *prev, *next;
};

static void removal_work(struct job *job)
{
    struct removal *r = CONTAINER_OF(job, struct removal, task.job);
    struct fs *fs = r->task.store->fs;
    if (!r->bases) { /* what stays behind is not in the image: the next start sees to it */
        (void)files_remove_folder(fs, r->folder);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "%s/%020lld.index", r->folder, (long long)r->bases[i]);
        (void)fs->ops->unlink(fs, path);
        snprintf(path, sizeof path, "%s/%020lld.aborted", r->folder, (long long)r->bases[i]);
        (void)fs->ops->unlink(fs, path);
        snprintf(path, sizeof path, "%s/%020lld.log", r->folder, (long long)r->bases[i]);
        (void)fs->ops->unlink(fs, path);
    }
}

static void removal_finish(struct task *task) { (void)task; }

static void removal_free(struct task *task)
{
    struct removal *r = CONTAINER_OF(task, struct removal, task);
    mem_free(r->folder);
    mem_free(r->bases);
    mem_free(r);
}

/* Space is short: no file waits for its time. */
static bool in_haste(const struct store *store)
{
    const struct admission *a = &store->admission;
    return admission_full(store) || a->held ||
           (a->limit >= 0 && store_user_bytes(store) + store->removal_bytes > a->limit);
}

static void removals_due(struct store *store, int64_t now, int64_t *ret_next)
{
    struct removal *r, *next;
    bool haste = in_haste(store);
    if (copy_holds(store)) return;
    DL_FOREACH_SAFE(store->removals, r, next) {
        if (r->due > now && !haste) {
            if (r->due < *ret_next) *ret_next = r->due;
            continue;
        }
        DL_DELETE(store->removals, r);
        store->removal_count--;
        store->removal_bytes -= r->bytes;
        store_submit(store, &r->task, LANE_DELETION);
    }
}

void retention_hurry(struct store *store)
{
    int64_t next = INT64_MAX;
    if (in_haste(store)) removals_due(store, 0, &next);
}

void retention_go_on(struct store *store)
{
    int64_t next = INT64_MAX;
    removals_due(store, store_wall(store), &next);
}

/* Takes folder and bases. Without memory the files stay until the next start, as do those that still
 * wait when the store ends: recovery removes what lies below the log start. */
static void removal_submit(struct store *store, char *folder, int64_t *bases, uint32_t count,
                           int64_t bytes, int64_t delay)
{
    bool closing = failed(store->failure);
    struct removal *r = folder && !closing ? mem_zalloc(sizeof *r) : NULL;
    if (!r) {
        mem_free(folder);
        mem_free(bases);
        return;
    }
    r->folder = folder;
    r->bases = bases;
    r->count = count;
    r->task.job.work = removal_work;
    r->task.finish = removal_finish;
    r->task.free = removal_free;
    bool room = copy_holds(store) || (delay > 0 && store->removal_count < REMOVALS_MAX);
    if (room && !store->stopping) {
        r->due = store_wall(store) + delay;
        DL_APPEND(store->removals, r);
        r->bytes = bytes;
        store->removal_count++;
        store->removal_bytes += bytes;
        retention_hurry(store);
        return;
    }
    store_submit(store, &r->task, LANE_DELETION);
}

void retention_forget(struct store *store)
{
    struct removal *r, *next;
    DL_FOREACH_SAFE(store->removals, r, next) removal_free(&r->task);
    store->removals = NULL;
}

/* The last descriptor of a file that has no name any more: the kernel frees its blocks now. */
struct closing {
    struct task task;
    struct file *file;
};

static void closing_work(struct job *job)
{
    struct closing *c = CONTAINER_OF(job, struct closing, task.job);
    struct fs *fs = c->task.store->fs;
    fs->ops->close(fs, TAKE(c->file));
}

static void closing_free(struct task *task)
{
    struct closing *c = CONTAINER_OF(task, struct closing, task);
    if (c->file) task->store->fs->ops->close(task->store->fs, c->file);
    mem_free(c);
}

void retention_close(struct file_cache *files, struct file *file)
{
    struct store *store = CONTAINER_OF(files, struct store, files);
    struct closing *c = failed(store->failure) ? NULL : mem_zalloc(sizeof *c);
    if (!c) {
        store->fs->ops->close(store->fs, file);
        return;
    }
    c->file = file;
    c->task.job.work = closing_work;
    c->task.finish = removal_finish;
    c->task.free = closing_free;
    store_submit(store, &c->task, LANE_DELETION);
}

/* --- segments --------------------------------------------------------------------------------- */

static uint32_t removable(const struct plog *log, bool *ret_blocked)
{
    uint32_t n = 0;
    *ret_blocked = false;
    while (n + 1 < log->count && log->segments[n + 1]->base <= log->start) {
        if (log->segments[n]->swapping) break; /* comes back when it has its name */
        if (!BREAK(CLEAN_ABOVE_POINT) && (log->segments[n]->base >= log->rp.segment ||
                                          log->segments[n + 1]->base > log->rp.snapshot)) {
            *ret_blocked = true;
            break;
        }
        n++;
    }
    return n;
}

void retention_clean(struct plog *log)
{
    bool blocked;
    uint32_t n = removable(log, &blocked);
    if (blocked) checkpoint_want(log->store);
    int64_t *bases = n ? mem_alloc(n * sizeof *bases) : NULL;
    if (!bases) return;
    int64_t bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct segment *s = log->segments[i];
        bases[i] = s->base;
        bytes += s->size;
        plog_count(log, -s->size);
        segment_drop(s);
    }
    log->count -= n;
    memmove(log->segments, log->segments + n, log->count * sizeof *log->segments);
    aborted_forget(&log->producers.aborted, log->segments[0]->base);
    int64_t delay = log->config.file_delete_delay_ms;
    removal_submit(log->store, mem_strdup(log->folder), bases, n, bytes,
                   delay < DELAY_MAX ? delay : DELAY_MAX);
}

bool retention_worth_rolling(const struct plog *log)
{
    const struct segment *active = plog_active(log);
    if (!active || log->start < log->end || log->store->stopping) return false;
    return active->size >= RECLAIM_ROLL_MIN;
}

void store_reclaim(struct store *store)
{
    struct plog *log, *next;
    if (failed(store->failure) || store->stopping) return;
    HASH_ITER(hh, store->logs, log, next)
    {
        const struct segment *active = plog_active(log);
        if (!active || log->start == 0) continue;
        if (active->size > 0 && log->start == log->end && failed(plog_roll_anyway(log))) continue;
        retention_clean(log);
    }
    store_settle(store);
}

/* Where the log should start by its configuration; *ret_next: wall ms when time alone moves it. */
static int64_t retention_target(struct plog *log, int64_t now, int64_t *ret_next)
{
    const struct log_config *c = &log->config;
    int64_t target = log->start_wanted, bytes = log->bytes;
    for (uint32_t i = 0; i < log->count; i++) {
        struct segment *s = log->segments[i];
        if (s->size == 0 || failed(segment_need_index(s))) break;
        bool large = c->retention_bytes >= 0 && bytes - s->size >= c->retention_bytes;
        bool old = false;
        if (c->retention_ms >= 0 && s->max_timestamp >= 0) {
            old = now - s->max_timestamp > c->retention_ms;
            if (!old && s->max_timestamp <= INT64_MAX - c->retention_ms - 1) {
                int64_t due = s->max_timestamp + c->retention_ms + 1;
                if (due < *ret_next) *ret_next = due;
            }
        }
        if (!large && !old) break;
        if (s->end > log->high_watermark) break;
        if (s->end > target) target = s->end;
        bytes -= s->size;
    }
    return target;
}

static void retain_log(struct plog *log, int64_t now, int64_t *ret_next)
{
    producer_state_expire(&log->producers, now - PRODUCER_EXPIRATION_MS);
    if (log->count == 0) return;
    if (log->config.cleanup_compact) compact_check(log, now, ret_next);
    if (!log->config.cleanup_delete) return;
    int64_t target = retention_target(log, now, ret_next);
    struct segment *active = plog_active(log);
    /* Wholly expired: an empty successor lets the active segment go, too. */
    if (active->size > 0 && target == log->end && failed(plog_roll_anyway(log))) return;
    if (target > log->start_wanted) (void)plog_set_start(log, target, NULL);
    else retention_clean(log);
}

/* --- a pass over all logs --------------------------------------------------------------------- */

static void pass_step(struct retention_pass *p)
{
    p->cursor = p->cursor->hh.next;
    p->misses = 0;
}

void retention_forget_log(struct plog *log)
{
    struct retention_pass *p = &log->store->retention;
    if (p->cursor == log) pass_step(p);
}

static void pass_warmed(struct warm *warm, status result)
{
    struct retention_pass *p = CONTAINER_OF(warm, struct retention_pass, warm);
    struct store *store = CONTAINER_OF(p, struct store, retention);
    p->loaded = true;
    if (failed(result) && p->cursor) pass_step(p); /* another time */
    if (store->options.retain) store->options.retain(store->options.arg);
}

/* True: it waits for an index. */
static bool pass_waits(struct store *store)
{
    struct retention_pass *p = &store->retention;
    if (!p->miss.segment || p->misses++ == INDEXES_A_LOG) return false;
    p->warm.done = pass_warmed;
    return is_ok(warm_start(store, &p->miss, &p->warm));
}

/* False: not all of it now. */
static bool pass_go_on(struct store *store)
{
    struct retention_pass *p = &store->retention;
    struct loop *loop = store->stopping ? NULL : store->options.loop;
    for (uint32_t n = 1; p->cursor; n++) {
        struct plog *log = p->cursor;
        log->holds++;
        store_only_cached(store, &p->miss);
        retain_log(log, p->now, &p->next);
        store_only_cached(store, NULL);
        plog_release(log);
        if (p->cursor == log) {
            if (pass_waits(store)) return false;
            if (p->cursor == log) pass_step(p);
        }
        if (loop && n % LOGS_A_LOOK == 0 && loop_turn_is_long(loop)) return false;
    }
    return true;
}

/* True when it is over. */
static bool pass_run(struct store *store)
{
    struct retention_pass *p = &store->retention;
    if (p->warm.task) return false;
    if (!p->running) *p = (struct retention_pass){ .running = true, .cursor = store->logs,
                                                   .now = store_wall(store), .next = INT64_MAX };
    if (!pass_go_on(store)) return false;
    p->running = false;
    if (p->loaded) compact_want(store);
    return true;
}

int64_t store_retain(struct store *store)
{
    if (failed(store->failure)) return INT64_MAX;
    if (!pass_run(store)) return store->retention.warm.task ? INT64_MAX : loop_now(store->options.loop);
    int64_t now = store->retention.now, next = store->retention.next;
    admission_keep_reserve(store);
    if (store->journal_full || store->checkpoint_retry_at) { /* there may be space again */
        store->journal_full = false;
        store->checkpoint_retry_at = 0;
        checkpoint_want(store);
    }
    removals_due(store, now, &next);
    int64_t trash = retention_trash(store, now);
    if (trash < next) next = trash;
    store_settle(store);
    if (next == INT64_MAX) return next;
    int64_t base = store->options.loop ? loop_now(store->options.loop) : now;
    return base + (next > now ? next - now : 1);
}

/* --- topics ----------------------------------------------------------------------------------- */

/* The last one who held a log of a deleted topic has let go. */
void retention_remove_folder(struct plog *log)
{
    struct store *store = log->store;
    char *folder = log->has_dir ? mem_strdup(log->folder) : NULL;
    store_drop_log(log);
    if (folder) removal_submit(store, folder, NULL, 0, 0, 0);
}

void store_delete_topic(struct store *store, struct uuid topic, int32_t from, int32_t to)
{
    if (to > store->partitions) to = store->partitions;
    for (int32_t p = from; p < to; p++) {
        struct plog *log = store_find(store, topic, p);
        if (!log) continue;
        log->holds++;
        log->gone = true;
        store_count(log, -log->bytes);
        plog_unfolded(log, -log->since_snapshot);
        checkpoint_forget(log);
        retention_forget_log(log);
        HASH_DEL(store->logs, log);
        store_unlist(log);
        plog_fail_waits(log, FAIL(UNKNOWN_TOPIC_OR_PARTITION));
        plog_release(log);
    }
    store_settle(store);
}

/* --- trash: folders found without a topic, kept for a day ------------------------------------- */

/* "<wall ms when it came>-<folder>" */
static int64_t trash_time(const char *name)
{
    const char *dash = strchr(name, '-');
    int64_t at;
    if (!dash || !str_to_i64((struct str){ name, (size_t)(dash - name) }, &at)) return -1;
    return at;
}

int64_t retention_trash(struct store *store, int64_t now)
{
    struct name_list list;
    if (store->trash_next > now) return store->trash_next;
    store->trash_next = INT64_MAX;
    if (failed(files_list(store->fs, "trash", &list))) return INT64_MAX;
    for (size_t i = 0; i < list.count; i++) {
        int64_t at = trash_time(list.names[i]);
        if (at < 0) continue;
        if (now - at >= TRASH_KEEP_MS) {
            char path[PATH_SIZE];
            snprintf(path, sizeof path, "trash/%s", list.names[i]);
            removal_submit(store, mem_strdup(path), NULL, 0, 0, 0);
        } else if (at + TRASH_KEEP_MS < store->trash_next) {
            store->trash_next = at + TRASH_KEEP_MS;
        }
    }
    name_list_done(&list);
    return store->trash_next;
}
