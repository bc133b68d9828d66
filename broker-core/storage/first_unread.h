/* first_unread.h - the first record from an offset on that a reader of committed records is given, looked for
 * on a lane: no marker, not of a transaction that was aborted or is open, and in a compacted log the next one
 * that is left. Loop thread.
 *
 * Each job walks the headers of one segment, some thousand at the most, and unpacks at most one batch; then
 * the search goes on behind what the first one has seen. Commits go before it on the disk. */
#pragma once
#include "storage/plog.h"

struct first_unread { /* zero-initialised but for done; embedded in its owner */
    /* OK with offset >= 0: that record, the first one at or behind `from` (or the log start, when that is
     * above). OK with -1: below `until`, the last stable offset of when the search ended, there is none.
     * CORRUPT: damage comes first. May come from inside first_unread_start. */
    void (*done)(struct first_unread *search, status result);
    int64_t offset, until;
    int64_t timestamp; /* of the record, ms since 1970; with LogAppendTime its batch's; -1: it has none */
    struct first_unread_task *task; /* NULL: not under way */
};
/* NO_MEMORY, UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR (offline): done() will not be called. */
status first_unread_start(struct plog *log, int64_t from, struct first_unread *search);
void first_unread_stop(struct first_unread *search); /* done() is not called any more; not under way: ok */
