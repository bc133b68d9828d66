/* model_log.h - the log of a partition, the naive way: an array of batches that keeps everything and
 * answers each question by walking all of it. */
#pragma once
#include "storage/plog.h"
#include "wire/batch.h"

#define ML_PRODUCERS 4 /* ids 1, 2: idempotent; 3, 4: transactional */
#define ML_KEPT 5      /* batches of a producer that are known again */

enum ml_kind { ML_PLAIN, ML_IN_TXN, ML_COMMIT, ML_ABORT };
struct ml_batch {
    int64_t base, end;
    int64_t *times;       /* of each record */
    int64_t max_time;
    int32_t epoch;        /* the leader's */
    int64_t producer;     /* 0: none */
    int16_t producer_epoch;
    int32_t sequence;     /* of the first record */
    enum ml_kind kind;
    struct buf bytes;     /* as stored */
};
struct model_log {
    struct ml_batch *batches;
    size_t count, cap;
    int64_t start, high_watermark; /* as the log says */
};

void ml_done(struct model_log *m);
/* Takes over b->times and b->bytes. */
void ml_add(struct model_log *m, const struct ml_batch *b);
void ml_cut(struct model_log *m, int64_t end); /* batches at or above go; end must be a border */
int64_t ml_end(const struct model_log *m);
bool ml_is_border(const struct model_log *m, int64_t offset);

/* The batches a reader gets: *ret_first and how many; none: 0. */
size_t ml_read(const struct model_log *m, int64_t offset, int64_t bound, size_t max_bytes,
               bool at_least_one, size_t *ret_first);
size_t ml_available(const struct model_log *m, int64_t offset, int64_t bound);
/* First record between start and high watermark with such a time; false: none. */
bool ml_time(const struct model_log *m, int64_t ts, int64_t *ret_offset, int64_t *ret_ts,
             int32_t *ret_epoch);
bool ml_max_time(const struct model_log *m, int64_t *ret_offset, int64_t *ret_ts, int32_t *ret_epoch);
int32_t ml_epoch_at(const struct model_log *m, int64_t offset);
/* Where the epoch ends, as OffsetForLeaderEpoch means it. `current`: that of the broker. */
void ml_epoch_end(const struct model_log *m, int32_t epoch, int32_t current, int32_t *ret_epoch,
                  int64_t *ret_end);
int64_t ml_stable(const struct model_log *m);
/* First offset of the producer's open transaction; -1: none. */
int64_t ml_open(const struct model_log *m, int64_t producer);
/* Aborted transactions that overlap [from, to), by their markers; the number of them. */
size_t ml_aborted(const struct model_log *m, int64_t from, int64_t to, struct aborted_txn *ret, size_t max);
/* The n-th last batch with records of the producer under its newest epoch (0: the last); NULL. */
const struct ml_batch *ml_last(const struct model_log *m, int64_t producer, int n);
/* Its newest epoch, -1: unknown. */
int16_t ml_producer_epoch(const struct model_log *m, int64_t producer);
