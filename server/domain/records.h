/* records.h - reading and writing records of a topic for REST and the console: through the Kafka
 * protocol, as a principal. Domain thread.
 *
 * A scan is bounded in records, bytes, requests and time; it says how much it looked at. */
#pragma once
#include "cluster/delta.h"
#include "domain/offsets.h"
#include "domain/record_filter.h"
#include "wire/batch.h"

#define SCAN_LIMIT_MAX 500
#define SCAN_RECORDS_MAX 100000
#define SCAN_BYTES_MAX (16 << 20)      /* uncompressed */
#define SCAN_TIME_MAX_MS 8000
#define SCAN_FILTER_STEPS (256 << 20)  /* record_filter.h */
#define SCAN_VALUE_MAX (1 << 20)       /* of one key or value, in the answer */

enum scan_from { SCAN_NEWEST, SCAN_OLDEST, SCAN_OFFSET, SCAN_TIME };
struct scan_query {
    struct str topic;
    int32_t partitions;     /* the topic has */
    int32_t partition;      /* -1: all */
    enum scan_from from;
    int64_t offset, time;
    int32_t limit;
    int32_t value_max;      /* longer keys and values are cut */
    struct record_filter *filter; /* the caller's; NULL: everything */
};
struct scan_record {
    int32_t partition;
    int64_t offset, timestamp;
    int64_t order;            /* the time that it is sorted by */
    bool append_time, truncated;
    struct bytes key, value;  /* null: data NULL */
    size_t key_size, value_size;
    struct record_header *headers;
    int32_t header_count;
};
struct scan_cursor {
    int32_t partition;
    int64_t start, end;     /* of the log */
    int64_t next;           /* newest: the oldest offset shown; else: where to go on */
    int64_t pos, target;    /* under way: fetch [pos, target) */
    int64_t low;            /* newest: scanned down to here */
    int64_t oldest_time;    /* newest: of what was scanned */
    int32_t matched;
    bool idle;              /* nothing more to fetch */
    status result;
};
struct scan_result {
    /* Newest first for SCAN_NEWEST, else oldest first; of one partition always in the order of offsets. */
    struct scan_record *records;
    int32_t count;
    struct scan_cursor *cursors;
    int32_t cursor_count;
    int64_t scanned_records, scanned_bytes;
    bool complete;          /* false: a bound of the scan was reached first */
};
typedef void (*scan_done)(void *arg, status result, const struct scan_result *scan);
void records_scan(struct domain *domain, const char *cluster_id, struct str principal,
                  const struct scan_query *query, struct arena *arena, scan_done done, void *arg);

struct produce_item {
    int32_t partition;      /* -1: by key, or any; the chosen one afterwards */
    int64_t timestamp;      /* ms; -1: now; the record's afterwards */
    struct bytes key, value;
    const struct record_header *headers;
    int32_t header_count;
    bool skip;              /* already refused by the caller */
    status result;          /* afterwards */
    int64_t offset;
    struct str message;     /* why it was refused; null: the status says it */
};
struct produce_target {
    const char *cluster_id;
    struct str principal, topic;
    int32_t partitions;     /* the topic has */
    int64_t message_bytes;  /* the largest batch that it takes; a larger record goes alone */
};
/* acks=all. Items and what the target points to live until done(); their answers are in the arena. A
 * failure of the whole sets every item's result. Calls for one topic are written in order. */
typedef void (*produce_done)(void *arg);
void records_produce(struct domain *domain, const struct produce_target *target,
                     struct produce_item *items, int32_t count, struct arena *arena,
                     produce_done done, void *arg);
/* max.message.bytes of a topic, as far as the plan of its cluster allows it. */
status records_message_bytes(struct db *db, const char *cluster_id, const struct delta_topic *topic,
                             int64_t *ret);
