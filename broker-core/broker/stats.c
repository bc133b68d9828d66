/* stats.c - counters of a broker. Loop thread. */
#include "broker/stats.h"

static struct topic_stats spare; /* counts into the void when there is no memory for a row */

struct topic_stats *stats_topic(struct stats *stats, struct uuid topic)
{
    struct topic_stats *row;
    HASH_FIND(hh, stats->topics, &topic, sizeof topic, row);
    if (row) return row;
    row = mem_zalloc(sizeof *row);
    if (!row) return &spare;
    row->topic = topic;
    HASH_ADD(hh, stats->topics, topic, sizeof topic, row);
    if (HASH_ADDED(hh, row)) return row;
    mem_free(row);
    return &spare;
}

void stats_forget_topic(struct stats *stats, struct uuid topic)
{
    struct topic_stats *row;
    HASH_FIND(hh, stats->topics, &topic, sizeof topic, row);
    if (!row) return;
    HASH_DEL(stats->topics, row);
    mem_free(row);
}

void stats_done(struct stats *stats)
{
    struct topic_stats *row, *next;
    HASH_ITER(hh, stats->topics, row, next) {
        HASH_DEL(stats->topics, row);
        mem_free(row);
    }
}
