/* plog.h - the log of one partition: segments, offsets, producer state, high watermark.
 *
 * Offsets: log start <= high watermark <= end. On a flushing topic the high watermark is what is
 * durable; readers never see beyond it. Loop thread only. */
#pragma once
#include "base/buf.h"
#include "storage/store.h"

int64_t plog_start(const struct plog *log);          /* log start offset */
int64_t plog_end(const struct plog *log);            /* next offset to be given */
int64_t plog_high_watermark(const struct plog *log);
/* Last stable offset (LSO): readers of committed records see what lies below. The high watermark,
 * or the first offset of the oldest transaction without a marker below that. */
int64_t plog_stable(const struct plog *log);
/* How often since the start compaction has put something in place of what was stored. */
uint64_t plog_rewrites(const struct plog *log);
int64_t plog_bytes(const struct plog *log);          /* size of its segments */
int32_t plog_partition(const struct plog *log);
struct uuid plog_topic(const struct plog *log);
void plog_set_config(struct plog *log, const struct log_config *config);
const struct log_config *plog_config(const struct plog *log);

/* For the owner's bookkeeping (list of parked fetches of this partition). */
void plog_set_user(struct plog *log, void *user);
void *plog_user(const struct plog *log);

/* --- append ----------------------------------------------------------------------------------- */
/* The first three come with a Produce request and get all checks of Kafka's LogValidator. They
 * differ for transactional batches (KIP-890): */
enum append_origin {
    APPEND_CLIENT,       /* taken only if this producer and epoch has a transaction open here */
    APPEND_VERIFIED,     /* the transaction coordinator has just said that it knows the partition */
    APPEND_VERIFIED_TV2, /* the same, Produce >= 12: a producer not known here starts at sequence 0 */
    /* Our own records (internal topics): CRC, framing and the producer's epoch only. Transactional
     * ones (offsets of a transaction) have base sequence -1. */
    APPEND_COORDINATOR,
};
/* What is wrong with one record of a refused batch. */
enum record_fault { RECORD_WITHOUT_KEY, RECORD_OFFSET, RECORD_TIMESTAMP, RECORD_UNREADABLE };
struct record_error {
    int32_t index;           /* of the record in its batch */
    enum record_fault fault;
    int64_t timestamp;       /* RECORD_TIMESTAMP: the record's, and what it may be */
    int64_t earliest, latest;
};
#define RECORD_ERRORS_MAX 8 /* of a batch that are told one by one */
struct append_result {
    int64_t base_offset;
    int64_t end_offset;      /* after the batch: wait for the high watermark to reach this */
    int64_t append_time_ms;  /* -1 with CreateTime */
    bool duplicate;          /* idempotence: was there already, base_offset is the first one's */
    struct why why;          /* detail for the client when an error is returned */
    int32_t bad_count;       /* records that are to blame, of which `bad` has the first ones */
    struct record_error bad[RECORD_ERRORS_MAX];
};
/* The sentence on one of them. */
void record_error_explain(const struct record_error *error, struct why *why);
/* Checks and writes one v2 batch (magic 2, exactly one), setting base offset and leader epoch in
 * place (and, where the topic's compression.type asks for another codec, packing it anew). Written
 * to the page cache and queued for the commit; the answer for acks=all waits with plog_wait.
 * Errors are Kafka's: CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, INVALID_RECORD, INVALID_TIMESTAMP,
 * INVALID_TXN_STATE, OUT_OF_ORDER_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH, KAFKA_STORAGE_ERROR … */
status plog_append(struct plog *log, uint8_t *batch, size_t len, enum append_origin origin,
                   struct append_result *ret_result);
/* Ends the producer's transaction here (KIP-98 WriteTxnMarkers), also when none is open. Durable,
 * and the last stable offset moved, once plog_wait(ret_result->end_offset) is over.
 * INVALID_PRODUCER_EPOCH: a newer producer wrote here; in transaction version 2 (`tv2`, KIP-890) the
 * marker's epoch has to be above that of the open transaction. TRANSACTION_COORDINATOR_FENCED: a
 * newer coordinator has written a marker. KAFKA_STORAGE_ERROR. A marker of version 2 that is there
 * already, with nothing written since, is a duplicate: OK, wait as usual. */
status plog_append_marker(struct plog *log, int64_t producer_id, int16_t producer_epoch,
                          bool commit, int32_t coordinator_epoch, bool tv2,
                          struct append_result *ret_result);

/* Called back (on the loop) once the high watermark is >= offset, or with
 * UNKNOWN_TOPIC_OR_PARTITION when the topic is deleted; never after the store failed (the process
 * exits then). Fires later in the turn when it is reached already; without a loop, at once.
 * Zero-initialise it; free to use again from inside done(). */
struct plog_wait {
    void (*done)(struct plog_wait *wait, status result);
    int64_t offset;
    struct plog_wait *prev, *next; /* plog's own, as is the rest */
    bool for_start;
};
void plog_wait(struct plog *log, struct plog_wait *wait, int64_t offset);
void plog_unwait(struct plog *log, struct plog_wait *wait); /* fired or not: ok */

/* --- read ------------------------------------------------------------------------------------- */
struct read_result {
    int64_t next_offset;  /* after the last batch put out */
    size_t bytes;
};
/* Appends whole stored batches to `out`, beginning with the one that contains `offset`, as long as
 * they end at or below `bound` (usually the high watermark) and fit max_bytes; the first one is
 * put out even if larger when `at_least_one`. offset == end: OK and nothing. OFFSET_OUT_OF_RANGE
 * below start or above end. CORRUPT when the batch that contains `offset` is damaged (what lies behind
 * it can be read, see plog_damage), KAFKA_STORAGE_ERROR of a log that is offline. */
status plog_read(struct plog *log, int64_t offset, int64_t bound, size_t max_bytes,
                 bool at_least_one, struct buf *out, struct read_result *ret_result);
/* The same as a place instead of bytes, of one segment: what follows in the next one is the next read's. */
struct segment;
struct log_span {
    struct segment *segment; /* open, not pinned: until the caller returns to the loop */
    int64_t position;
    size_t len;              /* 0: nothing */
    int64_t first;           /* offset of its first batch; in a compacted segment at most that */
    int64_t next_offset;
    int64_t records;
    bool unchecked;          /* and len 0: it was never checked in this life, plog_read has to */
};
/* CORRUPT, too, when plog_read can tell how far it may be read. */
status plog_span(struct plog *log, int64_t offset, int64_t bound, size_t max_bytes, bool at_least_one,
                 struct log_span *ret_span);
/* Appends its bytes. CORRUPT, and nothing appended: they are not what they were any more; plog_read tells
 * how far they can be used. */
status plog_span_read(struct plog *log, const struct log_span *span, struct buf *out);
/* Bytes stored from the batch that contains `offset` up to bound, at most `max` (for min_bytes). */
size_t plog_available(struct plog *log, int64_t offset, int64_t bound, size_t max);

/* First record with timestamp >= ts below the high watermark: its offset, timestamp and epoch;
 * *ret_offset = -1 when there is none. */
status plog_offset_for_time(struct plog *log, int64_t ts, int64_t *ret_offset, int64_t *ret_ts,
                            int32_t *ret_epoch);
/* The record with the greatest timestamp (ListOffsets -3); -1 when the log is empty. */
status plog_offset_of_max_time(struct plog *log, int64_t *ret_offset, int64_t *ret_ts,
                               int32_t *ret_epoch);
/* Leader epoch of the batch that contains offset; -1 when unknown. KIP-320. */
int32_t plog_epoch_at(struct plog *log, int64_t offset);
/* OffsetForLeaderEpoch (KIP-320): the largest epoch <= `epoch` and where the next one starts. */
void plog_epoch_end(struct plog *log, int32_t epoch, int32_t *ret_epoch, int64_t *ret_end);
/* Timestamp of the newest batch, -1 when empty. */
int64_t plog_last_timestamp(const struct plog *log);

/* --- damage ----------------------------------------------------------------------------------- */
/* What is known to be wrong with the files of this log, as a sentence that says what can be done;
 * NULL: nothing. Damage below the log start is forgotten. */
const char *plog_damage(const struct plog *log);
/* The log could not be recovered: everything that needs its records is refused with
 * KAFKA_STORAGE_ERROR, its files stay as they are. */
bool plog_offline(const struct plog *log);

/* --- transactions ----------------------------------------------------------------------------- */
/* Has the producer a transaction open here? Its epoch and where it begins; both may be NULL. */
bool plog_txn_open(const struct plog *log, int64_t producer_id, int16_t *ret_epoch,
                   int64_t *ret_first_offset);
struct aborted_txn {
    int64_t producer_id, first_offset;
    int64_t last_offset; /* the ABORT marker */
};
/* Transactions that were aborted and overlap [from, to), in the order of their markers: what a
 * reader of committed records has to leave out. CORRUPT when their index is damaged; BUSY while reads wait
 * for no disk (warm.h) and this one would: some may have been told. */
status plog_aborted(struct plog *log, int64_t from, int64_t to,
                    void (*each)(void *arg, const struct aborted_txn *txn), void *arg);
struct plog_producer { /* DescribeProducers (KIP-664) */
    int64_t producer_id;
    int16_t epoch;
    int32_t last_sequence;     /* -1: nothing written under this epoch */
    int64_t last_timestamp;
    int32_t coordinator_epoch; /* -1: no marker yet */
    int64_t txn_first_offset;  /* -1: none open */
};
void plog_producers(const struct plog *log,
                    void (*each)(void *arg, const struct plog_producer *producer), void *arg);

/* Moves the log start (DeleteRecords, retention); durable before it is seen: wait's done() is
 * called then. wait may be NULL. OFFSET_OUT_OF_RANGE above the high watermark. */
status plog_set_start(struct plog *log, int64_t start, struct plog_wait *wait);
