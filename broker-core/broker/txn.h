/* txn.h - one transactional id: its producer, its transaction, and what may be asked of it. Shared by
 * the txn_*.c files and the handlers of the transaction APIs; loop thread only.
 *
 * States (Kafka's, with the numbers its records have):
 *   EMPTY -> ONGOING (a partition is added) -> PREPARE_COMMIT -> COMPLETE_COMMIT
 *                                           -> PREPARE_ABORT  -> COMPLETE_ABORT
 *   COMPLETE_* -> ONGOING, or EMPTY (a producer begins anew); EMPTY, COMPLETE_* -> PREPARE_ABORT
 *   (KIP-890: a client that does not know may abort); EMPTY, COMPLETE_* -> DEAD (expired).
 * While a record is not durable yet the id is `pending`: requests get CONCURRENT_TRANSACTIONS. */
#pragma once
#include "base/hash.h"
#include "broker/txn_coordinator.h"

enum txn_state {
    TXN_EMPTY, TXN_ONGOING, TXN_PREPARE_COMMIT, TXN_PREPARE_ABORT, TXN_COMPLETE_COMMIT,
    TXN_COMPLETE_ABORT, TXN_DEAD, TXN_PREPARE_EPOCH_FENCE,
    TXN_STATE_COUNT,
};
const char *txn_state_name(enum txn_state state); /* "Ongoing" … */
bool txn_state_parse(struct str name, enum txn_state *ret);

#define TXN_EPOCH_NONE (-1)
#define TXN_EPOCH_LAST (INT16_MAX - 1) /* the greatest a client gets; the one above is for fencing */
enum txn_client_version { TXN_TV0 = 0, TXN_TV2 = 2 };

/* --- txn_partitions.c: a set of partitions ---------------------------------------------------- */
struct txn_topic {
    struct str name;     /* owned */
    int32_t *partitions; /* ascending */
    int32_t count, cap;
};
struct txn_partitions { /* zeroed: empty */
    struct txn_topic *topics;
    int32_t count, cap;
    int64_t total;
};
void txn_partitions_done(struct txn_partitions *set);
status txn_partitions_add(struct txn_partitions *set, struct str topic, int32_t partition); /* twice ok */
bool txn_partitions_has(const struct txn_partitions *set, struct str topic, int32_t partition);
bool txn_partitions_has_all(const struct txn_partitions *set, const struct txn_partitions *subset);
status txn_partitions_add_all(struct txn_partitions *set, const struct txn_partitions *more);

/* --- the state -------------------------------------------------------------------------------- */
struct txn_data { /* what a record holds; last_epoch is in memory alone */
    int64_t producer_id;
    int64_t previous_id;  /* the one before it; -1 none */
    int64_t next_id;      /* PREPARE_* when epochs are used up: the one after it; -1 none */
    int16_t epoch;        /* -1: not given to a client yet */
    int16_t last_epoch;   /* before the last bump by its own client; -1: by somebody else */
    int32_t timeout_ms;
    enum txn_state state;
    int16_t client_version; /* transaction.version of who caused it */
    int64_t started_at, updated_at; /* wall, ms; started_at -1: none */
    struct txn_partitions partitions;
};
void txn_data_done(struct txn_data *data);

struct txn_key { /* who asks */
    struct str id;
    int64_t producer_id;
    int16_t epoch;
};
struct txn_result {
    status error;
    int64_t producer_id; /* -1 on errors, and where there is nothing to tell */
    int16_t epoch;
};
enum txn_answer { TXN_ANSWER_PLAIN, TXN_ANSWER_IDS, TXN_ANSWER_CONCURRENT };
/* A request that waits. Zero-initialise it but for done; it must live until done(), which is called
 * once, often before the call that was given it returns. */
struct txn_wait {
    void (*done)(struct txn_wait *wait, const struct txn_result *result);
    enum txn_answer answer; /* the coordinator's own, as is the rest */
    struct txn_key key;
    const struct txn_partitions *partitions;
    struct txn *line; /* waits in this one's line */
    struct txn_wait *prev, *next;
};

struct txn_marker_wait {
    struct plog_wait wait;
    struct txn *txn;
    struct plog *log; /* NULL: not waiting */
    struct str topic; /* of the txn's partitions */
    int32_t partition;
    bool over;
};

struct txn {
    struct txn_coordinator *coordinator;
    struct str id;            /* owned */
    struct txn_data now;
    bool pending;             /* `next` is being made durable */
    struct txn_data next;
    struct plog *log;         /* where that is */
    struct plog_wait durable;
    struct txn_wait *waiter;  /* whose request made it; NULL: nobody's */
    struct txn_wait *line;    /* utlist DL: joins that wait until it is over */
    struct txn_marker_wait *markers; /* PREPARE_*: one a partition */
    int64_t marker_count, markers_open;
    struct timer timeout;     /* ONGOING */
    struct timer retry;       /* PREPARE_*: something could not be written */
    UT_hash_handle hh;        /* by id */
};

struct txn_coordinator {
    struct txn_options options;
    struct txn *txns;
    size_t id_bytes;
    struct timer expiry;
    bool loaded, loading;
    bool damaged; /* a partition of its topic cannot be read: no transaction is served */
};

/* --- txn_coordinator.c ------------------------------------------------------------------------ */
struct txn *txn_find(const struct txn_coordinator *c, struct str id);
/* Made if absent, with a new producer id. LIMIT, NO_MEMORY. */
status txn_get(struct txn_coordinator *c, struct str id, struct txn **ret_txn);
status txn_add_id(struct txn_coordinator *c, struct str id, int64_t producer_id, struct txn **ret_txn);
void txn_free(struct txn *txn); /* out of the table too */

/* --- txn_rules.c: Kafka's rules, without effects ---------------------------------------------- */
/* OK and *ret_write: *ret_next (owned by the caller) is what has to be written; OK without it: there is
 * nothing to do. `now` is the wall clock. */
status txn_rule_init(struct txn *t, int64_t producer_id, int16_t epoch, int32_t timeout_ms,
                     int64_t now, struct txn_data *ret_next);
status txn_rule_add(const struct txn *t, const struct txn_key *key, const struct txn_partitions *add,
                    bool tv2, int64_t now, bool *ret_write, struct txn_data *ret_next);
status txn_rule_end(struct txn *t, const struct txn_key *key, bool commit, bool tv2, int64_t now,
                    bool *ret_write, struct txn_data *ret_next);
/* ONGOING only: abort under a raised epoch. */
status txn_rule_fence(const struct txn *t, int64_t now, struct txn_data *ret_next);
/* PREPARE_* only: the markers are written. */
void txn_rule_complete(const struct txn *t, int64_t now, struct txn_data *ret_next);
/* Is this partition in this producer's transaction (Produce <= 11, TxnOffsetCommit <= 4)? */
status txn_rule_verify(const struct txn *t, const struct txn_key *key, struct str topic,
                       int32_t partition);

/* --- txn_requests.c --------------------------------------------------------------------------- */
/* InitProducerId: IDs on success. producer_id and epoch -1: none given. */
void txn_init(struct txn_coordinator *c, struct str id, int32_t timeout_ms, int64_t producer_id,
              int16_t epoch, struct txn_wait *wait);
/* AddPartitionsToTxn, AddOffsetsToTxn. The set is copied. */
void txn_add(struct txn_coordinator *c, const struct txn_key *key,
             const struct txn_partitions *partitions, bool tv2, struct txn_wait *wait);
/* Produce 12+, TxnOffsetCommit 5: adds implicitly (KIP-890). Waits in line while the id is pending or
 * being ended; joins are done in order. The set and key->id must live until done(). */
void txn_join(struct txn_coordinator *c, const struct txn_key *key,
              const struct txn_partitions *partitions, struct txn_wait *wait);
bool txn_line_is_empty(const struct txn_coordinator *c, struct str id);
/* Waited in line: done() will not be called any more. */
bool txn_join_abandon(struct txn_wait *wait);
/* As Kafka's AddPartitionsToTxnManager: errors are those that producers expect. `abortable`: they know
 * TRANSACTION_ABORTABLE. */
status txn_verify(const struct txn_coordinator *c, const struct txn_key *key, struct str topic,
                  int32_t partition, bool abortable);
/* EndTxn: with tv2 IDs on success. */
void txn_end(struct txn_coordinator *c, const struct txn_key *key, bool commit, bool tv2,
             struct txn_wait *wait);
/* Writes `next` (taken) and makes it hold once it is durable; then wait (NULL ok) is answered. An error:
 * nothing was written, nobody answered. */
status txn_write(struct txn *t, struct txn_data *take_next, struct txn_wait *wait);
void txn_fence(struct txn *t); /* the timeout is over */

/* --- txn_markers.c: PREPARE_* ----------------------------------------------------------------- */
void txn_markers_start(struct txn *t);
void txn_markers_forget(struct txn *t);
void txn_retry_fire(struct timer *timer);

/* --- txn_expire.c ----------------------------------------------------------------------------- */
void txn_watch(struct txn *t); /* sets or clears its timers after a change */
void txn_timeout_fire(struct timer *timer);
void txn_expiry_fire(struct timer *timer);

/* --- txn_log.c: the records ------------------------------------------------------------------- */
/* Appends `data` (DEAD: a tombstone); it is durable when *ret_log has reached *ret_end. */
status txn_log_append(struct txn_coordinator *c, struct str id, const struct txn_data *data,
                      struct plog **ret_log, int64_t *ret_end);
status txn_log_load(struct txn_coordinator *c, struct plog *log);
/* The partition of __transaction_state; -1 when there is no such topic. */
int32_t txn_log_partition(const struct txn_coordinator *c, struct str id);
