/* producer_state.h - what a partition remembers of idempotent producers (KIP-98), and the history
 * of leader epochs; both are folded from the batches and kept in snapshots.
 *
 * A zeroed producer_state is empty and owns nothing. Format: FORMAT.md, "Snapshot". */
#pragma once
#include "base/buf.h"
#include "storage/limits.h"
#include "wire/batch.h"

struct producer_batch {
    int32_t first, last;  /* sequences */
    int64_t last_offset;
    int64_t timestamp;    /* max timestamp of the batch */
};
struct epoch_start {
    int32_t epoch;
    int64_t start; /* first offset written under it */
};
struct producer_state {
    struct producer *table; /* uthash by id; in order of last use */
    uint32_t count;
    uint32_t epoch_count, epoch_cap;
    struct epoch_start *epochs; /* ascending */
};

void producer_state_done(struct producer_state *ps);

/* Kafka's rules in Kafka's order (ProducerAppendInfo): the very same batch as one of the last five
 * is a duplicate (*ret_duplicate, and which); INVALID_PRODUCER_EPOCH; OUT_OF_ORDER_SEQUENCE_NUMBER.
 * A batch without producer is always right. */
status producer_state_check(const struct producer_state *ps, const struct batch_header *h,
                            bool *ret_duplicate, struct producer_batch *ret_first);
/* Takes a batch in that is part of the log; never refuses. now_ms: for expiration. */
status producer_state_fold(struct producer_state *ps, const struct batch_header *h, int64_t now_ms);
void producer_state_expire(struct producer_state *ps, int64_t unused_since_ms);
bool producer_state_find(const struct producer_state *ps, int64_t id, int16_t *ret_epoch,
                         int32_t *ret_last_sequence);

/* The leader epoch of the batch with this offset; -1 before the first known one. */
int32_t producer_state_epoch_at(const struct producer_state *ps, int64_t offset);

status producer_state_encode(const struct producer_state *ps, int64_t offset, struct buf *out);
/* CORRUPT; the state must be empty and is filled. */
status producer_state_decode(struct bytes in, int64_t offset, int64_t now_ms,
                             struct producer_state *ret);
