/* lags.h - how far consumer groups are behind, as brokers tell: records, and the time of the oldest one.
 *
 * A broker finds the first record at or after a committed offset that a reader of committed records
 * (read_committed) would be given - not of aborted or open transactions, no markers - and tells its
 * timestamp; it says so again only when something changed. The time lag is now less that timestamp.
 * `lag` is in offsets, as everywhere: high watermark less committed offset, so that markers and records of
 * open transactions count in it, which read_committed is not given: lag > 0 with oldest_at -1 is possible.
 * Domain thread only. */
#pragma once
#include "engine/engine.h"

struct engine_lag { /* of a group in a topic, all partitions in which it has committed an offset */
    const char *group, *topic;
    int64_t lag;        /* offsets, all partitions together */
    int64_t oldest_at;  /* ms since 1970: of the oldest record it has not read; -1: there is none */
};
/* One entry a group and topic, by group, then topic; NULL and 0: none is known. Valid until the next turn of
 * the loop. A cluster whose broker is away keeps what it said last until it is back. */
const struct engine_lag *engine_lags(struct engine *engine, const char *cluster_id, size_t *ret_count);

/* 0 when nothing is unread, never negative (records may be from the future). */
static inline int64_t engine_time_lag(int64_t oldest_at, int64_t now_wall)
{
    return oldest_at < 0 || oldest_at > now_wall ? 0 : now_wall - oldest_at;
}
