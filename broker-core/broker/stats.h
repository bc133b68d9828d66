/* stats.h - what a broker counts; read by control.c for its reports. Plain counters since start,
 * loop thread only. */
#pragma once
#include "base/hash.h"
#include "base/uuid.h"

struct topic_stats {
    struct uuid topic;
    int64_t bytes_in, records_in, bytes_out, records_out;
    int64_t produce_requests, fetch_requests, failed_produce, failed_fetch;
    UT_hash_handle hh;
};

struct stats {
    struct topic_stats *topics; /* uthash by topic id */
    int64_t bytes_in, records_in, bytes_out, records_out; /* of all topics */
    int64_t requests, failed_requests;
    int64_t request_bytes, reply_bytes;
    int64_t connections_opened, connections_closed, connections_refused;
    int64_t authentication_failures, authorization_failures;
    int64_t throttle_ms, throttled_requests;
    int64_t produce_requests, fetch_requests;
};

/* The topic's row, made at first use; a shared spare row when out of memory (never NULL). */
struct topic_stats *stats_topic(struct stats *stats, struct uuid topic);
void stats_forget_topic(struct stats *stats, struct uuid topic);
void stats_done(struct stats *stats);
