/* compact_filter.h - which records of a batch a compacted log keeps, and the batch made of them.
 *
 * Kafka's rules (KIP-58, KIP-98, KIP-534): of each key the last record stays; one without a value
 * (tombstone) stays until the delete horizon, which the first pass writes into its batch; records of
 * aborted transactions go; a COMMIT marker goes with the last record of its transaction. An ABORT
 * marker gets a delete horizon in the first pass that meets no record of its transaction, and goes in
 * one after that time: readers that were told of the transaction wait for it, so it has to leave
 * the index of aborted ones first. Offsets never change. Batches come in the order of the log; one
 * thread at a time. */
#pragma once
#include "storage/key_map.h"
#include "storage/plog.h"
#include "wire/batch.h"

struct filter_txn;
struct filter {
    const struct key_map *map;         /* of keys seen above or within what is filtered */
    const struct aborted_txn *aborted; /* ascending by producer id, then first offset */
    size_t aborted_count;
    int64_t now;              /* ms since 1970 */
    int64_t delete_retention; /* ms a tombstone stays after its first pass */
    struct filter_txn *kept;  /* uthash: producers with records kept, or aborted ones met, since their
                               * last marker */
    bool may_drop;            /* ABORT markers of this group; see aborted_in_file */
    int64_t *dropped;         /* offsets of those that went from this group, ascending */
    uint32_t dropped_count, dropped_cap;
    struct batch_builder builder;
    bool building;
};

void filter_done(struct filter *f);
/* The next group of segments begins. */
void filter_group(struct filter *f, bool may_drop);
/* Is this batch of a transaction that was aborted? */
bool filter_is_aborted(const struct filter *f, const struct batch_header *h);
/* Appends what stays of one stored batch (CRC checked) to out: all of it as it is, a new batch with
 * the same offsets, or nothing. *ret_changed: not all of it. CORRUPT_MESSAGE, LIMIT, NO_MEMORY. */
status filter_batch(struct filter *f, struct bytes batch, const struct batch_header *h,
                    struct buf *out, bool *ret_changed);
/* A batch without records that stands for h's offsets: what ends a segment stays known. */
status filter_placeholder(const struct batch_header *h, struct buf *out);
