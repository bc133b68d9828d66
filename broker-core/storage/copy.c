/* copy.c - a moment of all logs for somebody who copies their files while they go on. Loop thread.
 *
 * Nothing is written for it: a log on disk is its checkpoint entry, the named snapshot, and segments
 * of which the first bytes count, and all of these only grow except where a checkpoint, compaction
 * or a removal takes something away. So the moment is the end of a turn in which no checkpoint and no
 * compaction runs, and until the copy is made none begins and no file is removed. Journals are not
 * part of it: the segments hold all that frames do. What is restored from a copy recovers as after a
 * crash at that moment. */
#include "storage/checkpoint.h"
#include "storage/compact.h"

void store_copy_want(struct store *store, void (*ready)(void *arg), void *arg)
{
    store_copy_end(store);
    store->copy = (struct store_copy){ .ready = ready, .arg = arg, .wanted = true };
    if (store->cleaning) compact_cancel(store); /* at its next step; it begins anew afterwards */
    store_want_turn(store);
    store_settle(store);
}

void copy_start(struct store *store)
{
    struct store_copy *copy = &store->copy;
    if (!copy->wanted || copy->held || store->checkpoint || store->cleaning || store->stopping) return;
    copy->held = true;
    copy->ready(copy->arg);
}

bool copy_wanted(const struct store *store) { return store->copy.wanted; }
bool copy_holds(const struct store *store) { return store->copy.held; }

static void tell_log(const struct plog *log, store_copy_each each, void *arg)
{
    struct store_copy_segment few[COPY_SEGMENTS_MAX];
    struct store_copy_log told = { .folder = log->folder, .whole = log->offline,
                                   .snapshot = log->rp.snapshot, .segments = few };
    uint32_t at = 0;
    do { /* a log with very many comes several times */
        for (told.count = 0; told.count < COPY_SEGMENTS_MAX && at < log->count; at++)
            few[told.count++] =
                (struct store_copy_segment){ log->segments[at]->base, log->segments[at]->size };
        each(arg, &told);
    } while (at < log->count);
}

status store_copy_take(struct store *store, store_copy_each each, void *arg, struct buf *checkpoint)
{
    struct checkpoint_header h = { store->store_id, store->generation, store->sequence, 0, 0 };
    if (!store->copy.held) return FAIL(INVALID);
    checkpoint_begin(checkpoint, store->format);
    for (const struct plog *log = store->logs; log; log = log->hh.next) {
        if (log->count == 0 && !log->offline) continue;
        struct checkpoint_entry e = { log->key.topic, log->key.partition,
                                      log->offline && log->cut ? CHECKPOINT_CUT : 0,
                                      log->start_wanted, log->rp.offset, log->rp.segment,
                                      log->rp.position, log->rp.snapshot };
        checkpoint_add(checkpoint, &e);
        tell_log(log, each, arg);
    }
    return checkpoint_end(checkpoint, &h);
}

void store_copy_end(struct store *store)
{
    if (!store->copy.wanted) return;
    store->copy = (struct store_copy){ 0 };
    if (!store->stopping) atomic_store(&store->compact_cancel, false);
    retention_go_on(store);
    compact_want(store);
    store_settle(store);
}
