/* txns.h - the transactions of a partition that hold back its last stable offset (KIP-98): those
 * that are open, and those whose marker is not below the high watermark yet.
 *
 * A zeroed list is empty and owns nothing. Loop thread, or recovery. */
#pragma once
#include "base/status.h"

#include <stdint.h>

struct txn {
    int64_t first; /* offset of its first batch */
    int64_t last;  /* of its marker; -1: open */
    struct txn *prev, *next;  /* utlist: ascending by first */
    struct txn *ending_next;
};
struct txns {
    struct txn *list;
    struct txn *oldest; /* the first open one; NULL: none */
    struct txn *ending_first, *ending_last; /* ascending by marker */
    uint32_t open;
};

void txns_done(struct txns *t);
/* A transaction begins at `first`, behind all others: NULL without memory. Lives until it has ended
 * and was settled. */
struct txn *txns_begin(struct txns *t, int64_t first);
/* As read from a snapshot, in any order; txns_sort follows. */
struct txn *txns_restore(struct txns *t, int64_t first);
void txns_sort(struct txns *t);
void txns_end(struct txns *t, struct txn *txn, int64_t marker); /* gone with the next settle */
/* Markers below the high watermark are there to stay: their transactions hold nothing back. */
void txns_settle(struct txns *t, int64_t high_watermark);

/* Offset of the first record that a reader of committed ones may not pass; INT64_MAX: none. */
static inline int64_t txns_unstable(const struct txns *t)
{
    return t->list ? t->list->first : INT64_MAX;
}
/* First offset of the oldest transaction without a marker; INT64_MAX: none. */
static inline int64_t txns_oldest_open(const struct txns *t)
{
    return t->oldest ? t->oldest->first : INT64_MAX;
}
