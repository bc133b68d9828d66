/* producer_state.h - what a partition remembers of idempotent and transactional producers (KIP-98),
 * and the history of leader epochs; all of it is folded from the batches and kept in snapshots.
 *
 * The rules are those of Kafka's ProducerStateManager and ProducerAppendInfo. A zeroed
 * producer_state is empty and owns nothing. Format: FORMAT.md, "Snapshot". */
#pragma once
#include "base/buf.h"
#include "storage/aborted.h"
#include "storage/limits.h"
#include "storage/plog.h"
#include "storage/txns.h"
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
struct producer_marker { /* what a control batch says beyond its header */
    enum control_type type;
    int32_t coordinator_epoch;
};
struct producer_state {
    struct producer *table; /* uthash by id; in order of last use */
    uint32_t count;
    uint32_t epoch_count, epoch_cap;
    struct epoch_start *epochs; /* ascending */
    struct txns txns;
    struct aborted_index aborted;
};

void producer_state_done(struct producer_state *ps);

/* May this data batch follow? In Kafka's order: the very same batch as one of the last five is a
 * duplicate (*ret_duplicate, and which); INVALID_PRODUCER_EPOCH; INVALID_TXN_STATE when it is
 * transactional and its transaction is neither open nor confirmed by the coordinator (see enum
 * append_origin); OUT_OF_ORDER_SEQUENCE_NUMBER; INVALID_TXN_STATE when it is not
 * transactional and the producer has a transaction open; KAFKA_STORAGE_ERROR when too many are
 * open. A batch without producer is always right. */
status producer_state_check(const struct producer_state *ps, const struct batch_header *h,
                            enum append_origin origin, bool *ret_duplicate,
                            struct producer_batch *ret_first);
/* May this marker follow? INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED. *ret_duplicate: a
 * marker of transaction version 2 (KIP-890: every end raises the epoch) that is there already. */
status producer_state_check_marker(const struct producer_state *ps, int64_t id, int16_t epoch,
                                   int32_t coordinator_epoch, bool tv2, bool *ret_duplicate);
/* Takes a batch in that is part of the log; never refuses. `marker` of a control batch, else NULL.
 * now_ms: for expiration. NO_MEMORY: the producer is forgotten, as if it had expired; when the
 * batch is transactional the state is of no use any more. */
status producer_state_fold(struct producer_state *ps, const struct batch_header *h,
                           const struct producer_marker *marker, int64_t now_ms);
/* Forgets who was not used since, except with a transaction open. */
void producer_state_expire(struct producer_state *ps, int64_t unused_since_ms);
bool producer_state_find(const struct producer_state *ps, int64_t id, int16_t *ret_epoch,
                         int32_t *ret_last_sequence);
/* The producer has a transaction open: its epoch and first offset (NULL ok). */
bool producer_state_txn(const struct producer_state *ps, int64_t id, int16_t *ret_epoch,
                        int64_t *ret_first);
void producer_state_each(const struct producer_state *ps,
                         void (*each)(void *arg, const struct plog_producer *p), void *arg);

/* Epochs never fall: when one does, and the epoch before began with the batch before, at `last`, that one's
 * is taken for damaged and forgotten. Call before the batch is folded. */
void producer_state_doubt_epoch(struct producer_state *ps, int32_t epoch, int64_t last);
/* The leader epoch of the batch with this offset; -1 before the first known one. */
int32_t producer_state_epoch_at(const struct producer_state *ps, int64_t offset);

status producer_state_encode(const struct producer_state *ps, int64_t offset, struct buf *out);
/* Bytes of the snapshot at the front of a file's content; all of them when it does not say. */
size_t producer_state_size(struct bytes in);
/* CORRUPT; the state must be empty and is filled. */
status producer_state_decode(struct bytes in, int64_t offset, int64_t now_ms,
                             struct producer_state *ret);
