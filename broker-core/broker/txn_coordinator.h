/* txn_coordinator.h - the transaction coordinator of a broker (KIP-98, KIP-360, KIP-890): which
 * producer may write under a transactional id, what its transaction contains, and how it ends.
 *
 * Every change of state is a record of Kafka's format in the internal topic __transaction_state,
 * partition abs(hash of the transactional id) % partitions; it is durable before it holds. At start
 * the topic is replayed (loading.h), and what was being ended goes on. A transaction ends in three
 * durable steps: Prepare… is written, then a marker in every partition, then Complete…
 * Timers only, no ticks. Loop thread only. */
#pragma once
#include "cluster/image.h"
#include "io/loop.h"
#include "storage/plog.h"

struct txn_coordinator;

struct txn_marker { /* the end of a transaction in one partition */
    struct str topic;
    int32_t partition;
    int64_t producer_id;
    int16_t producer_epoch;
    bool commit;
    bool tv2; /* transactions of KIP-890 part 2: the epoch was raised for the marker */
};
struct txn_options {
    struct loop *loop;
    const struct image *image;
    struct store *store;
    /* The log of a partition of __transaction_state; NULL: out of memory. */
    struct plog *(*log)(void *arg, const struct topic *topic, int32_t partition);
    /* One that was never given before; -1: there is none left. */
    int64_t (*producer_id)(void *arg);
    /* Writes a marker; it is durable when *ret_log has reached *ret_end. NULL log: the partition is
     * gone. INVALID_PRODUCER_EPOCH and TRANSACTION_COORDINATOR_FENCED are final, others passing. */
    status (*marker)(void *arg, const struct txn_marker *marker, struct plog **ret_log,
                     int64_t *ret_end);
    void *arg;
    int32_t max_timeout_ms;    /* transaction.max.timeout.ms */
    int64_t id_expiration_ms;  /* transactional.id.expiration.ms */
    int32_t retry_ms;          /* after a marker or record that could not be written */
    size_t ids_max;            /* transactional ids */
    size_t id_bytes_max;       /* of all their names */
};
void txn_options_init(struct txn_options *options); /* Kafka's defaults; loop … arg unset */

status txn_coordinator_new(const struct txn_options *options, struct txn_coordinator **ret_coordinator);
/* Requests that wait are answered with COORDINATOR_NOT_AVAILABLE. NULL ok. */
void txn_coordinator_free(struct txn_coordinator *coordinator);
/* Replays; nothing when the image has no __transaction_state yet, or it is loaded. */
status txn_coordinator_load(struct txn_coordinator *coordinator);
/* The same piece by piece, as group_coordinator.h has it. */
void txn_coordinator_loading(struct txn_coordinator *coordinator);
struct replay_cursor;
status txn_load_batch(struct txn_coordinator *coordinator, struct bytes batch,
                      struct replay_cursor *cursor, const struct loop *loop);
void txn_coordinator_loaded(struct txn_coordinator *coordinator, bool read);
void txn_coordinator_unreadable(struct txn_coordinator *coordinator);
/* COORDINATOR_NOT_AVAILABLE until it is loaded (NULL ok: then too). Handlers ask first. */
status txn_coordinator_ready(struct txn_coordinator *coordinator);

/* The same for a broker: after its store, image and group coordinator are open. */
struct broker;
status txn_coordinator_start(struct broker *broker, struct txn_coordinator **ret_coordinator);
void txn_coordinator_stop(struct txn_coordinator *coordinator); /* NULL ok */
/* A marker into a partition of this broker, whoever asks for it (the coordinator, WriteTxnMarkers);
 * offsets of consumer groups become visible or are forgotten by it. As txn_options.marker. */
status broker_write_marker(struct broker *broker, const struct txn_marker *marker,
                           int32_t coordinator_epoch, struct plog **ret_log, int64_t *ret_end);
