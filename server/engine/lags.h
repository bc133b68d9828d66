/* lags.h - how far consumer groups are behind, as brokers tell: records, and the time of the oldest one.
 *
 * A broker finds the first record at or after a committed offset that a reader of committed records
 * (read_committed) would be given - not of aborted or open transactions, no markers - and tells its
 * timestamp; it says so again only when something changed (broker/time_lag.h). The time lag is now less that
 * timestamp. `lag` is in offsets, as everywhere: high watermark less committed offset, so that markers and
 * records of open transactions count in it, which read_committed is not given: lag > 0 with oldest_at -1 is
 * possible. What is told is a second old while somebody watches the cluster, else at most five.
 * A broker follows 10,000 committed offsets; of others nothing is known, and leatd's log says how many
 * there are.
 * A cluster whose broker is away keeps what it said last until it is back; one that is deleted, or whose
 * broker is of a version that does not tell, has none.
 * Domain thread only. */
#pragma once
#include "engine/engine.h"

struct engine_lag { /* of a group in a topic, all partitions in which it has committed an offset */
    const char *group, *topic;
    int64_t lag;        /* offsets, all partitions together */
    int64_t oldest_at;  /* ms since 1970: of the oldest record it has not read; -1: there is none */
    int32_t most_partition, oldest_partition; /* where most of the lag, and that record, is */
};
/* One entry a group and topic, by group, then topic; NULL and 0: none is known. Valid until the next turn of
 * the loop. */
const struct engine_lag *engine_lags(struct engine *engine, const char *cluster_id, size_t *ret_count);

/* Has its broker told everything once? */
bool engine_lags_known(struct engine *engine, const char *cluster_id);

struct engine_partition_lag {
    int32_t partition;
    int64_t committed, lag, oldest_at;
};
/* NULL: not known. Valid until the next turn. */
const struct engine_partition_lag *engine_lag_of(struct engine *engine, const char *cluster_id,
                                                 struct str group, struct str topic, int32_t partition);

/* 0 when nothing is unread, never negative (records may be from the future). */
static inline int64_t engine_time_lag(int64_t oldest_at, int64_t now_wall)
{
    return oldest_at < 0 || oldest_at > now_wall ? 0 : now_wall - oldest_at;
}
