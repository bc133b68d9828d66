/* warm.h - bringing into memory, on a lane, what a read on the loop did not find there.
 *
 * The loop reads files with store_only_cached(store, &miss) in force: what the page cache does not have
 * fails with BUSY, and `miss` says what it was. The caller keeps its request, hands the miss to
 * warm_start, and tries again when done() comes. Loop thread. */
#pragma once
#include "storage/store.h"

struct segment;
struct read_miss {
    struct segment *segment; /* NULL: nothing was missed */
    int64_t at;
    bool index; /* its index has to be loaded, bytes do not matter */
    bool aborted; /* it is the .aborted file of the segment at the offset `at`, in the log of */
    struct uuid topic;
    int32_t partition;
};

/* From now on reads on the loop wait for no disk (miss not NULL; it is cleared), or they do (NULL). A
 * store without a loop always waits. */
void store_only_cached(struct store *store, struct read_miss *miss);

struct warm { /* zero-initialised; embedded in its owner */
    /* Try again; a failure is that of the read, and it would fail again. May come from inside
     * warm_start. */
    void (*done)(struct warm *warm, status result);
    struct warm_task *task; /* NULL: not under way */
    const struct segment *paid_of; /* warm.c's: whose bytes had their turn beside commits, */
    int64_t paid;                  /* up to where */
};
/* NO_MEMORY: done() will not be called. */
status warm_start(struct store *store, const struct read_miss *miss, struct warm *warm);
void warm_stop(struct warm *warm); /* done() is not called any more; not under way: ok */
