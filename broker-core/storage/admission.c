/* admission.c - see admission.h. */
#include "storage/admission.h"

#include "base/log.h"
#include "storage/compact.h"
#include "storage/storage_int.h"

#include <stdio.h>

#define RECLAIM_MS 1000

enum store_state store_state(const struct store *store)
{
    const struct admission *a = &store->admission;
    if (admission_full(store)) return STORE_FULL;
    if (a->held) return STORE_HELD;
    if (a->limit >= 0 && a->refused && store_user_bytes(store) + a->refused > a->limit)
        return STORE_AT_LIMIT;
    return STORE_OPEN;
}

void admission_note(struct store *store)
{
    struct admission *a = &store->admission;
    enum store_state now = store_state(store);
    if (now == STORE_OPEN) a->refused = 0;
    if (now == a->told) return;
    a->told = now;
    if (store->options.state_changed) store->options.state_changed(store->options.arg);
}

void store_set_limit(struct store *store, int64_t user_bytes)
{
    store->admission.limit = user_bytes;
    admission_note(store);
}

void store_hold(struct store *store, bool hold)
{
    store->admission.held = hold;
    if (hold) retention_hurry(store);
    admission_note(store);
}

/* --- a full disk ----------------------------------------------------------------------------------- */

bool admission_full(const struct store *store)
{
    return store->options.reserve && reserve_full(store->options.reserve);
}

void admission_no_space(struct store *store)
{
    if (store->options.reserve) reserve_note_full(store->options.reserve);
    admission_note(store);
}

bool admission_spare(struct plog *log, const struct batch_header *h)
{
    struct store *store = log->store;
    bool may = log->config.internal || h->attributes & BATCH_CONTROL;
    if (!may || !store->options.reserve) {
        admission_no_space(store);
        return false;
    }
    bool given = reserve_give(store->options.reserve, h->size);
    admission_note(store);
    return given;
}

struct filling {
    struct task task;
    int64_t size;
    status outcome;
};

static void fill_work(struct job *job)
{
    struct filling *f = CONTAINER_OF(job, struct filling, task.job);
    f->outcome = reserve_fill(f->task.store->options.reserve, f->size, RESERVE_MIN);
}

/* There is room again: what waited for it goes on. */
static void room_again(struct store *store)
{
    store->journal_full = false;
    store->checkpoint_retry_at = 0;
    store->compact_retry_at = 0;
    checkpoint_want(store);
    compact_want(store);
    store_want_turn(store);
}

static void fill_finish(struct task *task)
{
    struct filling *f = CONTAINER_OF(task, struct filling, task);
    struct store *store = task->store;
    struct admission *a = &store->admission;
    bool was_full = a->told == STORE_FULL;
    a->filling = false;
    if (is_ok(f->outcome)) a->fill_at = f->size < RESERVE_MAX ? f->size * 2 * RESERVE_SHARE : INT64_MAX;
    else a->fill_at = store->bytes + RESERVE_MIN; /* a full disk asks by itself */
    if (failed(f->outcome) && f->outcome.code != E_NO_SPACE)
        log_warn("the disk reserve cannot be made: %s", status_text(f->outcome));
    if (was_full && !admission_full(store)) room_again(store);
    admission_note(store);
}

static void fill_free(struct task *task) { mem_free(CONTAINER_OF(task, struct filling, task)); }

static int64_t reserve_target(int64_t bytes)
{
    int64_t size = RESERVE_MIN;
    while (size < RESERVE_MAX && size * 2 * RESERVE_SHARE <= bytes) size *= 2;
    return size;
}

void admission_keep_reserve(struct store *store)
{
    struct admission *a = &store->admission;
    struct reserve *r = store->options.reserve;
    if (!r || a->filling || store->stopping || (store->bytes == 0 && !reserve_full(r))) return;
    int64_t size = reserve_target(store->bytes);
    if (!reserve_full(r) && reserve_size(r) >= size) return;
    struct filling *f = mem_zalloc(sizeof *f);
    if (!f) return;
    a->filling = true;
    f->size = size;
    f->task.job.work = fill_work;
    f->task.finish = fill_finish;
    f->task.free = fill_free;
    store_submit(store, &f->task, LANE_BACKGROUND);
}

/* --- the plan's limit ------------------------------------------------------------------------------ */

/* "12.3 MiB" */
static void size_text(int64_t bytes, char out[24])
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    double n = (double)bytes / KIB;
    size_t i = 0;
    if (bytes < KIB) {
        snprintf(out, 24, "%d bytes", (int)bytes);
        return;
    }
    for (; n >= 1024 && i + 1 < sizeof units / sizeof *units; i++) n /= 1024;
    snprintf(out, 24, "%.1f %s", n, units[i]);
}

static status at_limit(struct store *store, int64_t bytes, struct why *why)
{
    struct admission *a = &store->admission;
    char used[24], limit[24];
    size_text(store_user_bytes(store), used);
    size_text(a->limit, limit);
    why_set(why, "The storage limit of this cluster's plan is reached: %s of %s are used. Delete records or "
                 "topics, shorten retention, or raise the plan.", used, limit);
    a->refused = bytes;
    retention_hurry(store);
    int64_t now = store_wall(store);
    if (now >= a->reclaim_at || now < a->reclaim_at - RECLAIM_MS) {
        a->reclaim_at = now + RECLAIM_MS;
        store_reclaim(store);
    }
    return FAIL(POLICY_VIOLATION);
}

status admission_check(struct store *store, int64_t bytes, struct why *why)
{
    struct admission *a = &store->admission;
    status s = OK;
    if (admission_full(store)) {
        why_set(why, "The disk of this broker is full. It takes records again as soon as there is room.");
        s = FAIL(KAFKA_STORAGE_ERROR);
    } else if (a->held) {
        why_set(why, "The disk of this service is nearly full: appends to this cluster, one of the largest "
                     "that grow, wait until there is room.");
        s = FAIL(KAFKA_STORAGE_ERROR);
    } else if (a->limit >= 0 && store_user_bytes(store) + bytes > a->limit) {
        s = at_limit(store, bytes, why);
    } else {
        return OK;
    }
    admission_note(store);
    return s;
}
