/* txns.c - the transactions of a partition that hold back its last stable offset.
 *
 * Invariants: the list ascends by first offset; `oldest` is its first element without a marker;
 * exactly the elements with a marker are on the ending queue. Beginning, ending and settling take
 * constant time (`oldest` only ever moves forward). */
#include "storage/txns.h"

#include "base/hash.h"

void txns_done(struct txns *t)
{
    struct txn *txn, *next;
    DL_FOREACH_SAFE(t->list, txn, next) mem_free(txn);
    *t = (struct txns){ 0 };
}

struct txn *txns_restore(struct txns *t, int64_t first)
{
    struct txn *txn = mem_zalloc(sizeof *txn);
    if (!txn) return NULL;
    txn->first = first;
    txn->last = -1;
    DL_APPEND(t->list, txn);
    t->open++;
    return txn;
}

struct txn *txns_begin(struct txns *t, int64_t first)
{
    struct txn *txn = txns_restore(t, first);
    if (txn && !t->oldest) t->oldest = txn;
    return txn;
}

static int by_first(const struct txn *a, const struct txn *b)
{
    return a->first < b->first ? -1 : a->first > b->first;
}

void txns_sort(struct txns *t)
{
    DL_SORT(t->list, by_first);
    t->oldest = t->list;
}

void txns_end(struct txns *t, struct txn *txn, int64_t marker)
{
    txn->last = marker;
    t->open--;
    while (t->oldest && t->oldest->last >= 0) t->oldest = t->oldest->next;
    if (t->ending_last) t->ending_last->ending_next = txn;
    else t->ending_first = txn;
    t->ending_last = txn;
}

void txns_settle(struct txns *t, int64_t high_watermark)
{
    struct txn *txn;
    while ((txn = t->ending_first) && txn->last < high_watermark) {
        t->ending_first = txn->ending_next;
        if (!t->ending_first) t->ending_last = NULL;
        DL_DELETE(t->list, txn);
        mem_free(txn);
    }
}
