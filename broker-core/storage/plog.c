/* plog.c - the log of one partition: its state, append, waits. Loop thread only.
 *
 * Invariants: start <= high watermark <= end; durable <= handed <= end on flushing topics; every
 * byte of [handed, end) lies in the segments from handed_segment on, and the journal or a direct
 * sync gets it in order, without a gap. */
#include "storage/plog.h"

#include "storage/compact.h"
#include "storage/storage_int.h"
#include "storage/prepare.h"

#include <assert.h>
#include <stdio.h>

int64_t plog_start(const struct plog *log) { return log->start; }
int64_t plog_end(const struct plog *log) { return log->end; }
int64_t plog_high_watermark(const struct plog *log) { return log->high_watermark; }
int64_t plog_bytes(const struct plog *log) { return log->bytes; }
uint64_t plog_rewrites(const struct plog *log) { return log->rewrites; }
int32_t plog_partition(const struct plog *log) { return log->key.partition; }
struct uuid plog_topic(const struct plog *log) { return log->key.topic; }
const struct log_config *plog_config(const struct plog *log) { return &log->config; }
void plog_set_user(struct plog *log, void *user) { log->user = user; }
void *plog_user(const struct plog *log) { return log->user; }

void plog_set_config(struct plog *log, const struct log_config *config)
{
    bool was = log->config.flush;
    log->config = *config;
    plog_flush_check(log);
    if (was == config->flush) return;
    if (!config->flush) {
        log->flushing = false;
        log->want_direct = false;
        plog_set_high_watermark(log, log->end);
        plog_note_moved(log);
    } else if (log->durable == log->end) {
        log->flushing = true;
        plog_mark_handed(log);
    } else { /* what the page cache alone held has to reach the disk before the journal goes on */
        log->want_direct = true;
        plog_queue(log);
    }
    store_settle(log->store);
}

status plog_need_folder(struct plog *log)
{
    if (log->folder) return OK;
    char text[UUID_TEXT];
    uuid_format(log->key.topic, text);
    char path[64];
    snprintf(path, sizeof path, "%s-%d", text, (int)log->key.partition);
    log->folder = mem_strdup(path);
    return log->folder ? OK : FAIL(NO_MEMORY);
}

struct segment *plog_active(const struct plog *log)
{
    return log->count ? log->segments[log->count - 1] : NULL;
}

int64_t plog_segment_of(const struct plog *log, int64_t offset)
{
    int64_t low = 0, high = log->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (log->segments[middle]->base <= offset) low = middle + 1;
        else high = middle;
    }
    return low - 1;
}

/* --- segments --------------------------------------------------------------------------------- */

status plog_add_segment(struct plog *log, int64_t base, int64_t size)
{
    if (log->count == log->cap) {
        uint32_t cap = log->cap ? log->cap * 2 : 2;
        struct segment **s = mem_realloc(log->segments, cap * sizeof *s);
        if (!s) return FAIL(NO_MEMORY);
        log->segments = s;
        log->cap = cap;
    }
    struct segment *segment = segment_new(&log->store->files, log->folder, base);
    if (!segment) return FAIL(NO_MEMORY);
    segment->size = size;
    log->segments[log->count++] = segment;
    return OK;
}

void plog_touch(struct plog *log)
{
    if (log->touched) return;
    log->touched = true;
    for (uint32_t i = 0; i < log->count; i++) {
        if (!log->segments[i]->suspect) continue;
        log->segments[i]->suspect = false;
        segment_changed(log->segments[i]);
    }
}

status plog_roll(struct plog *log)
{
    struct store *store = log->store;
    plog_touch(log);
    TRY(plog_need_folder(log));
    if (!log->has_dir) {
        status made = store->fs->ops->mkdir(store->fs, log->folder);
        if (failed(made) && made.code != E_EXISTS) return made;
        log->has_dir = true;
        store->root_made++;
    }
    struct segment *before = plog_active(log);
    TRY(plog_add_segment(log, log->end, 0));
    struct segment *fresh = plog_active(log);
    index_limit(&fresh->index, log->config.index_interval_bytes, log->config.index_bytes);
    log->dir_made++;
    fresh->written = 1; /* its size on disk is unknown until the first sync */
    status opened = segment_open(fresh, FS_CREATE);
    if (failed(opened)) {
        segment_free(fresh);
        log->count--;
        return opened;
    }
    if (log->unhanded == 0) {
        log->handed_segment = fresh->base;
        log->handed_position = 0;
    }
    if (before) index_save(store, before);
    if (before && log->config.cleanup_compact) compact_want(store);
    return OK;
}

/* Kafka's rollJitterMs, but the same after a restart: topics made together do not roll together. */
static int64_t roll_jitter(const struct plog *log, const struct segment *s)
{
    int64_t max = log->config.segment_jitter_ms;
    if (max > log->config.segment_ms) max = log->config.segment_ms;
    if (max <= 0) return 0;
    uint64_t x = (uint64_t)s->base ^ (uint64_t)log->key.partition << 40 ^ get_le64(log->key.topic.b);
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u; /* splitmix64 */
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return (int64_t)((x ^ x >> 31) % (uint64_t)max);
}

status plog_roll_anyway(struct plog *log)
{
    struct reserve *reserve = log->store->options.reserve;
    status s;
    do s = plog_roll(log);
    while (s.code == E_NO_SPACE && reserve && reserve_give(reserve, 0));
    return s;
}

static bool plog_must_roll(const struct plog *log, const struct batch_header *h)
{
    const struct segment *s = plog_active(log);
    if (!s) return true;
    if (s->size == 0) return false;
    int64_t limit = log->config.segment_bytes;
    if (limit > SEGMENT_SIZE_MAX) limit = SEGMENT_SIZE_MAX;
    if (s->size + (int64_t)h->size > limit) return true;
    if (log->end + h->last_offset_delta - s->base > INT32_MAX) return true;
    if (h->attributes & BATCH_CONTROL &&
        aborted_since(&log->producers.aborted, s->base) >= ABORTED_ROLL)
        return true;
    if (h->max_timestamp < 0 || s->first_timestamp < 0) return false;
    int64_t age = h->max_timestamp - s->first_timestamp;
    return age > log->config.segment_ms - roll_jitter(log, s);
}

/* --- append ----------------------------------------------------------------------------------- */

static status write_batch(struct plog *log, struct bytes batch, const struct batch_header *h)
{
    bool broken = false;
    if (plog_must_roll(log, h)) TRY(plog_roll(log));
    plog_touch(log);
    status s = segment_append(plog_active(log), batch, h, &broken);
    if (broken) store_fail(log->store, s);
    return s;
}

status plog_append_stored(struct plog *log, uint8_t *batch, size_t len, struct batch_header *h)
{
    status s;
    h->base_offset = log->end;
    h->leader_epoch = (int32_t)log->store->generation;
    batch_set_base_offset(batch, h->base_offset);
    batch_set_leader_epoch(batch, h->leader_epoch);
    do s = write_batch(log, bytes_of(batch, len), h);
    while (s.code == E_NO_SPACE && is_ok(log->store->failure) && admission_spare(log, h));
    return s;
}

void plog_set_high_watermark(struct plog *log, int64_t offset)
{
    log->high_watermark = offset;
    txns_settle(&log->producers.txns, offset);
}

void plog_count(struct plog *log, int64_t bytes)
{
    log->bytes += bytes;
    store_count(log, bytes);
}

void plog_unfolded(struct plog *log, int64_t bytes)
{
    struct store *store = log->store;
    store->unfolded_logs -= log->since_snapshot > 0;
    log->since_snapshot += bytes;
    store->unfolded_logs += log->since_snapshot > 0;
    store->unfolded += bytes;
}

void plog_account(struct plog *log, const struct batch_header *h,
                  const struct producer_marker *marker)
{
    struct store *store = log->store;
    int64_t size = (int64_t)h->size;
    log->end = batch_last_offset(h) + 1;
    plog_count(log, size);
    log->unhanded += size;
    plog_unfolded(log, size);
    store->tail_bytes += size;
    if (store->bytes >= store->admission.fill_at) admission_keep_reserve(store);
    /* Without memory a producer is forgotten, as if it had expired; a transaction must not be: a new
     * start folds all batches again. */
    status folded = producer_state_fold(&log->producers, h, marker, store_wall(store));
    if (failed(folded) && h->attributes & BATCH_TRANSACTIONAL) store_fail(store, folded);
    if (!log->flushing || BREAK(HIGH_WATERMARK_EARLY)) {
        plog_set_high_watermark(log, log->end);
        plog_note_moved(log);
    }
    if (log->flushing || log->want_direct) plog_queue(log);
    plog_flush_check(log);
    if (store->tail_bytes > store->tuning.tail_max || store->files.dirty > store->files.dirty_max ||
        log->producers.aborted.recent_count > ABORTED_MEMORY_MAX)
        checkpoint_want(store);
}

static status append_allowed(const struct plog *log)
{
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    bool refused = failed(log->store->failure) || log->store->stopping || log->offline;
    return refused ? FAIL(KAFKA_STORAGE_ERROR) : OK;
}

status plog_append(struct plog *log, uint8_t *batch, size_t len, enum append_origin origin,
                   struct append_result *ret_result)
{
    struct prepared p;
    *ret_result = (struct append_result){ .append_time_ms = -1 };
    TRY(append_allowed(log));
    status s = prepare_batch(&p, batch, len, &log->config, origin, store_wall(log->store), ret_result);
    if (is_ok(s)) s = plog_append_prepared(log, &p, origin, ret_result);
    prepared_done(&p);
    return s;
}

status plog_append_prepared(struct plog *log, const struct prepared *p, enum append_origin origin,
                            struct append_result *result)
{
    struct store *store = log->store;
    struct batch_header h = p->header;
    struct producer_batch first;
    TRY(append_allowed(log));
    TRY(producer_state_check(&log->producers, &h, origin, &result->duplicate, &first));
    if (result->duplicate) {
        result->base_offset = first.last_offset - h.last_offset_delta;
        result->end_offset = first.last_offset + 1;
        if (log->config.log_append_time) result->append_time_ms = first.timestamp;
        return OK;
    }
    if (origin != APPEND_COORDINATOR) TRY(admission_check(store, (int64_t)p->len, &result->why));
    status s = plog_append_stored(log, p->batch, p->len, &h);
    if (failed(s)) {
        why_set(&result->why, "%s", status_text(s));
        return FAIL(KAFKA_STORAGE_ERROR);
    }
    result->base_offset = h.base_offset;
    plog_account(log, &h, NULL);
    result->end_offset = log->end;
    store_settle(store);
    return OK;
}

/* --- waits ------------------------------------------------------------------------------------ */

static void wait_insert(struct plog_wait **list, struct plog_wait *wait)
{
    struct plog_wait *before = *list ? (*list)->prev : NULL; /* the last one */
    while (before && before->offset > wait->offset) before = before == *list ? NULL : before->prev;
    if (before) DL_APPEND_ELEM(*list, before, wait);
    else DL_PREPEND(*list, wait);
}

static struct plog_wait *wait_take(struct plog_wait **list, int64_t reached)
{
    struct plog_wait *wait = *list;
    if (!wait || wait->offset > reached) return NULL;
    DL_DELETE(*list, wait);
    wait->prev = wait->next = NULL;
    return wait;
}

void plog_wait(struct plog *log, struct plog_wait *wait, int64_t offset)
{
    assert(!wait->prev);
    wait->offset = offset;
    wait->for_start = false;
    wait_insert(&log->waits, wait);
    if (offset <= log->high_watermark) plog_note_moved(log);
    store_settle(log->store);
}

void plog_unwait(struct plog *log, struct plog_wait *wait)
{
    if (!wait->prev) return;
    if (wait->for_start) DL_DELETE(log->start_waits, wait);
    else DL_DELETE(log->waits, wait);
    wait->prev = wait->next = NULL;
}

void plog_fire(struct plog *log)
{
    struct store *store = log->store;
    struct plog_wait *wait;
    if (failed(store->failure)) return;
    log->holds++;
    while (!log->gone && (wait = wait_take(&log->waits, log->high_watermark))) wait->done(wait, OK);
    while (!log->gone && (wait = wait_take(&log->start_waits, log->start))) wait->done(wait, OK);
    if (!log->gone && store->options.moved) store->options.moved(store->options.arg, log);
    plog_release(log);
}

void plog_fail_waits(struct plog *log, status why)
{
    struct plog_wait *wait;
    while ((wait = wait_take(&log->waits, INT64_MAX))) wait->done(wait, why);
    while ((wait = wait_take(&log->start_waits, INT64_MAX))) wait->done(wait, why);
}

void plog_release(struct plog *log)
{
    assert(log->holds > 0);
    if (--log->holds == 0 && log->gone) retention_remove_folder(log);
}

void plog_note_moved(struct plog *log)
{
    struct store *store = log->store;
    if (log->moved_listed || log->gone) return;
    log->moved_listed = true;
    log->moved_next = NULL;
    if (store->moved_last) store->moved_last->moved_next = log;
    else store->moved_first = log;
    store->moved_last = log;
    store_want_turn(store);
}

void plog_queue(struct plog *log)
{
    plog_queue_quietly(log);
    store_want_turn(log->store);
}

void plog_queue_quietly(struct plog *log)
{
    struct store *store = log->store;
    if (log->unhanded >= store->tuning.direct_min || log->want_direct) store->direct_wanted = true;
    if (log->pending || log->gone) return;
    log->pending = true;
    log->pending_next = NULL;
    if (store->pending_last) store->pending_last->pending_next = log;
    else store->pending_first = log;
    store->pending_last = log;
}

void plog_mark_handed(struct plog *log)
{
    struct segment *s = plog_active(log);
    log->handed = log->end;
    log->handed_segment = s ? s->base : 0;
    log->handed_position = s ? s->size : 0;
    log->unhanded = 0;
}

/* --- progress --------------------------------------------------------------------------------- */

void plog_advance(struct plog *log, int64_t durable)
{
    if (log->gone || durable <= log->durable) return;
    assert(durable <= log->end);
    log->durable = durable;
    if (log->start_wanted > log->start_handed) plog_queue(log); /* may have waited for this */
    plog_flush_check(log);
    if (!log->flushing || durable <= log->high_watermark) return;
    bool behind = plog_stable(log) < plog_active(log)->base;
    plog_set_high_watermark(log, durable);
    /* What a roll closed may be compacted now. */
    if (behind && log->config.cleanup_compact && plog_stable(log) >= plog_active(log)->base)
        compact_want(log->store);
    plog_fire(log);
}

void plog_expose_start(struct plog *log, int64_t start)
{
    if (log->gone || start <= log->start) return;
    assert(start <= log->high_watermark);
    log->start = start;
    damage_settle(log);
    plog_fire(log);
    if (log->gone) return;
    if (retention_worth_rolling(log)) (void)plog_roll_anyway(log);
    retention_clean(log);
}

status plog_set_start(struct plog *log, int64_t start, struct plog_wait *wait)
{
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (failed(log->store->failure) || log->offline) return FAIL(KAFKA_STORAGE_ERROR);
    if (start < 0 || start > log->high_watermark) return FAIL(OFFSET_OUT_OF_RANGE);
    if (wait) {
        assert(!wait->prev);
        wait->offset = start;
        wait->for_start = true;
        wait_insert(&log->start_waits, wait);
        if (start <= log->start) plog_note_moved(log);
    }
    if (start > log->start_wanted) {
        log->start_wanted = start;
        if (BREAK(START_NOT_DURABLE)) log->start = start;
        /* A start must not outlive the records below it: what only the page cache has goes first. */
        if (start > log->durable && log->unhanded > 0) log->want_direct = true;
        plog_queue(log);
    }
    store_settle(log->store);
    return OK;
}
