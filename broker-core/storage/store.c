/* store.c - the data folder of one broker: opening, turns, tasks, stopping.
 *
 * The loop thread owns everything; a task is a job that runs on a lane with copies of what it needs.
 * A turn: tell who waits for what was reached, start a checkpoint if one is wanted, build a commit
 * round out of what is pending. After a failed sync nothing is acknowledged any more. */
#include "storage/store.h"

#include "base/format.h"
#include "base/log.h"
#include "storage/compact.h"
#include "storage/files.h"
#include "storage/invariants.h"
#include "storage/storage_int.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#define TURNS_MAX 1000000 /* of one settle; a wait that queues for ever is a bug */

const struct store_tuning store_tuning_default = {
    .direct_min = 64 * KIB,
    .span_max = 512 * KIB,
    .frame_max = 1 * MIB,
    .journal_cap = 16 * MIB,
    .journal_hard = 48 * MIB,
    .tail_max = 256LL * MIB,
    .snapshot_every = 64LL * MIB,
    .fold_max = 128LL * MIB,
    .checkpoint_slice = 128,
    .recovery_syncs = 128,
};

int64_t store_wall(struct store *store)
{
    if (store->options.wall) return store->options.wall(store->options.arg);
    if (store->options.loop) return loop_wall(store->options.loop);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int32_t store_epoch(const struct store *store) { return (int32_t)store->generation; }
int32_t store_format(const struct store *store) { return store->format; }

void store_raise_format(struct store *store, int32_t format)
{
    if (format <= store->format || format > FORMAT_NEWEST) return;
    store->format = format;
    store->checkpoint_retry_at = 0;
    checkpoint_want(store);
    store_settle(store);
}

bool store_offline(const struct store *store) { return store->offline; }
int64_t store_bytes(const struct store *store) { return store->bytes; }
int64_t store_user_bytes(const struct store *store) { return store->bytes - store->internal_bytes; }

void store_fail(struct store *store, status why)
{
    if (failed(store->failure)) return;
    store->failure = why;
    if (store->options.fatal) {
        store->options.fatal(store->options.arg, why);
        return;
    }
    log_error("storage failed, nothing more is acknowledged: %s", status_text(why));
    abort();
}

/* --- turns ------------------------------------------------------------------------------------ */

static void store_tell_moved(struct store *store)
{
    struct plog *log = store->moved_first;
    store->moved_first = store->moved_last = NULL;
    /* A callback may delete any topic: hold the list. */
    for (struct plog *l = log; l; l = l->moved_next) l->holds++;
    while (log) {
        struct plog *next = log->moved_next;
        log->moved_listed = false;
        if (!log->gone) plog_fire(log);
        plog_release(log);
        log = next;
    }
}

void store_turn(struct store *store)
{
    if (store->in_turn || failed(store->failure)) return;
    store->in_turn = true;
    store->wants_turn = false;
    store_tell_moved(store);
    admission_note(store);
    checkpoint_start(store);
    commit_start(store);
    compact_start(store);
    copy_start(store);
    store->in_turn = false;
}

static void store_deferred(struct deferred *deferred)
{
    store_turn(CONTAINER_OF(deferred, struct store, turn));
}

void store_want_turn(struct store *store)
{
    if (store->options.loop && !store->stopping) loop_defer(store->options.loop, &store->turn);
    else store->wants_turn = true;
}

void store_settle(struct store *store)
{
    bool inlined = (!store->options.loop && !store->options.submit) || store->stopping;
    for (int i = 0; inlined && store->wants_turn && !store->in_turn; i++) {
        assert(i < TURNS_MAX);
        if (failed(store->failure)) return;
        store_turn(store);
    }
}

/* --- tasks ------------------------------------------------------------------------------------ */

static void task_done(struct job *job)
{
    struct task *task = CONTAINER_OF(job, struct task, job);
    struct store *store = task->store;
    DL_DELETE(store->tasks, task);
    if (is_ok(store->failure)) {
        if (failed(task->result)) store_fail(store, task->result);
        else task->finish(task);
    }
    task->free(task);
    store_check(store);
}

void store_submit(struct store *store, struct task *task, enum lane lane)
{
    task->store = store;
    task->result = OK;
    task->job.done = task_done;
    DL_APPEND(store->tasks, task);
    if (store->options.loop && !store->stopping) {
        status s = loop_submit(store->options.loop, &task->job, lane);
        if (is_ok(s)) return;
        DL_DELETE(store->tasks, task); /* no thread: nothing would ever be durable again */
        task->free(task);
        store_fail(store, s);
    } else if (store->options.submit && !store->stopping) {
        store->options.submit(store->options.arg, &task->job, lane);
    } else {
        task->job.work(&task->job);
        task_done(&task->job);
    }
}

static void store_drain(struct store *store)
{
    while (store->tasks && store->options.loop) loop_turn(store->options.loop, -1);
}

/* --- logs ------------------------------------------------------------------------------------- */

struct plog *store_find(struct store *store, struct uuid topic, int32_t partition)
{
    struct log_key key = { topic, partition };
    struct plog *log;
    HASH_FIND(hh, store->logs, &key, sizeof key, log);
    return log;
}

struct plog *store_make_log(struct store *store, struct log_key key,
                            const struct log_config *config)
{
    struct plog *log = mem_zalloc(sizeof *log);
    if (!log) return NULL;
    log->store = store;
    log->key = key;
    log->config = *config;
    log->flushing = config->flush;
    if (key.partition >= store->partitions) store->partitions = key.partition + 1;
    HASH_ADD(hh, store->logs, key, sizeof log->key, log);
    if (!HASH_ADDED(hh, log)) {
        mem_free(log);
        return NULL;
    }
    return log;
}

struct plog *store_log(struct store *store, struct uuid topic, int32_t partition,
                       const struct log_config *config)
{
    struct plog *log = store_find(store, topic, partition);
    if (log) {
        if (config) plog_set_config(log, config);
        return log;
    }
    return store_make_log(store, (struct log_key){ topic, partition },
                          config ? config : &log_config_default);
}

void store_unlist(struct plog *log)
{
    struct store *store = log->store;
    if (log->pending) {
        LL_DELETE2(store->pending_first, log, pending_next);
        store->pending_last = NULL;
        for (struct plog *l = store->pending_first; l; l = l->pending_next) store->pending_last = l;
        log->pending = false;
    }
    if (log->moved_listed && store->moved_first) {
        LL_DELETE2(store->moved_first, log, moved_next);
        store->moved_last = NULL;
        for (struct plog *l = store->moved_first; l; l = l->moved_next) store->moved_last = l;
    }
}

void store_count(struct plog *log, int64_t bytes)
{
    log->store->bytes += bytes;
    if (log->config.internal) log->store->internal_bytes += bytes;
    if (bytes < 0) admission_note(log->store);
}

void store_drop_log(struct plog *log)
{
    assert(log->holds == 0);
    for (uint32_t i = 0; i < log->count; i++) segment_drop(log->segments[i]);
    plog_flush_free(log);
    producer_state_done(&log->producers);
    damage_done(log);
    mem_free(log->segments);
    mem_free(log->folder);
    mem_free(log);
}

/* --- opening and closing ---------------------------------------------------------------------- */

status store_open(const struct store_options *options, struct store **ret_store)
{
    struct store *store = mem_zalloc(sizeof *store);
    if (!store) return FAIL(NO_MEMORY);
    store->options = *options;
    store->format = options->format ? options->format : FORMAT_NEWEST;
    store->tuning = options->tuning ? *options->tuning : store_tuning_default;
    store->spare_fs = options->reserve ? reserve_fs(options->reserve) : options->fs;
    store->fs = store->files.fs = store->spare_fs; /* of recovery */
    segment_cache_init(&store->files, store->fs);
    pthread_mutex_init(&store->round_lock, NULL);
    sync_gate_init(&store->gate);
    store->files.let_go = retention_close;
    store->turn.run = store_deferred;
    store->trash_next = 0;
    store->admission.limit = -1;
    status s = recovery_run(store);
    if (failed(s)) {
        store_free(store);
        return s;
    }
    store->options.why = NULL; /* was for this call */
    store->fs = store->files.fs = options->fs;
    *ret_store = store;
    return OK;
}

static status journals_cut(struct store *store)
{
    struct fs *fs = store->fs;
    for (int i = 0; i < 2; i++)
        if (store->journal[i].file) TRY(fs->ops->truncate(fs, store->journal[i].file, 0));
    return OK;
}

status store_stop(struct store *store)
{
    store_copy_end(store); /* whoever copies finds out */
    compact_cancel(store);
    store_drain(store);
    store->stopping = true;
    if (store->options.loop) loop_undefer(store->options.loop, &store->turn);
    TRY(store->failure);
    if (store->tasks) return FAIL(BUSY);
    store->journal_full = false;
    store->checkpoint_wanted = true;
    store_turn(store);
    store_settle(store);
    TRY(store->failure);
    if (!store->other_free || store->tail_bytes) return FAIL(NO_SPACE);
    return journals_cut(store);
}

void store_free(struct store *store)
{
    if (!store) return;
    compact_cancel(store);
    if (store->options.loop) {
        store_drain(store);
        loop_undefer(store->options.loop, &store->turn);
    }
    if (is_ok(store->failure)) store->failure = FAIL(CLOSED);
    struct task *task, *next_task;
    DL_FOREACH_SAFE(store->tasks, task, next_task)
    {
        DL_DELETE(store->tasks, task);
        task->free(task);
    }
    checkpoint_free(store);
    struct plog *log, *next;
    HASH_ITER(hh, store->logs, log, next)
    {
        HASH_DEL(store->logs, log);
        store_drop_log(log);
    }
    retention_forget(store);
    for (int i = 0; i < 2; i++)
        if (store->journal[i].file) store->fs->ops->close(store->fs, store->journal[i].file);
    pthread_mutex_destroy(&store->round_lock);
    sync_gate_done(&store->gate);
    mem_free(store->frame_buffer);
    mem_free(store);
}
