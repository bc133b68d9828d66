/* client_ops.h - the few things that are done with a client again and again, each one request, one
 * callback. All return like client_call: on failure done is not called. */
#pragma once
#include "client/client.h"
#include "wire/batch.h"

/* --- produce ---------------------------------------------------------------------------------- */
struct client_record {
    int64_t timestamp; /* ms; -1: now */
    struct bytes key;  /* null: data NULL */
    struct bytes value;
    const struct record_header *headers;
    int header_count;
};
typedef void (*client_produced)(void *arg, status result, int64_t base_offset,
                                int64_t append_time_ms, struct str message);
/* One batch to one partition, acks=all. result: the partition's error if it has one. */
status client_produce(struct client *client, struct str topic, int32_t partition,
                      enum codec codec, const struct client_record *records, int count,
                      client_produced done, void *arg);

/* --- fetch ------------------------------------------------------------------------------------ */
struct client_fetched {
    int64_t high_watermark;
    int64_t log_start;
    int64_t next_offset;   /* behind the last whole batch, or the offset asked for */
    struct bytes records;  /* whole and cut-off batches: batch_next, batch_reader */
    /* Read committed: transactions to leave out (wire/messages.h). */
    const struct fetch_response_aborted_transaction *aborted;
    int aborted_count;
};
typedef void (*client_fetch_done)(void *arg, status result, const struct client_fetched *fetched);
/* At least min_bytes (0: whatever is there) within max_wait_ms, at most about max_bytes. */
status client_fetch(struct client *client, struct str topic, int32_t partition, int64_t offset,
                    int max_wait_ms, int32_t min_bytes, int32_t max_bytes, bool read_committed,
                    client_fetch_done done, void *arg);

/* --- offsets ---------------------------------------------------------------------------------- */
typedef void (*client_offset_done)(void *arg, status result, int64_t offset, int64_t timestamp);
/* timestamp: ms, or -1 latest, -2 earliest, -3 of the greatest timestamp. */
status client_list_offset(struct client *client, struct str topic, int32_t partition,
                          int64_t timestamp, client_offset_done done, void *arg);

struct client_group_offset {
    struct str topic;
    int32_t partition;
    int64_t offset; /* -1: none committed */
    struct str metadata; /* null: none */
    status error;        /* of this partition; only in answers */
};
typedef void (*client_commit_done)(void *arg, status result);
/* Commits to a group without being a member (generation -1): the group must be empty. result: the
 * first error of a partition. */
status client_commit(struct client *client, struct str group,
                     const struct client_group_offset *offsets, int count,
                     client_commit_done done, void *arg);
typedef void (*client_committed_done)(void *arg, status result,
                                      const struct client_group_offset *offsets, int count);
/* Every offset a group has committed. */
status client_committed(struct client *client, struct str group, client_committed_done done,
                        void *arg);
