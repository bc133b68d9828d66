/* offsets.h - where the logs of partitions begin and end and how large they are, asked of the broker.
 * Domain thread. */
#pragma once
#include "domain/domain.h"

#define CALL_TIMEOUT_MS 5000

struct partition_offsets {
    int32_t partition;
    int64_t start, end;  /* -1: not known */
    status result;       /* of this partition */
    int64_t bytes;       /* on disk; -1: not known */
};
struct topic_offsets {
    struct str topic;    /* the caller's */
    struct partition_offsets *partitions;
    int32_t count;
};
/* Fills start and end of every partition listed (arrays from the caller's arena, alive until done).
 * As `principal`: the broker's ACLs apply. Two requests, however many topics. */
typedef void (*offsets_done)(void *arg, status result);
void offsets_load(struct domain *domain, const char *cluster_id, struct str principal,
                  struct topic_offsets *topics, int32_t count, struct arena *arena,
                  offsets_done done, void *arg);
/* The first offset at or after a time (ms), into start; end stays. -1: there is none. */
void offsets_at_time(struct domain *domain, const char *cluster_id, struct str principal,
                     int64_t time_ms, struct topic_offsets *topics, int32_t count,
                     struct arena *arena, offsets_done done, void *arg);
/* How large each partition is, into bytes (DescribeLogDirs: the principal may describe the cluster). */
void sizes_load(struct domain *domain, const char *cluster_id, struct str principal,
                struct topic_offsets *topics, int32_t count, struct arena *arena, offsets_done done,
                void *arg);
/* Room for partitions 0 … count-1 of a topic. */
struct topic_offsets offsets_of_topic(struct str topic, int32_t count, struct arena *arena);
