/* replay.h - reads an internal topic's partition from its start to its high watermark, as the
 * coordinators do when they load. Synchronous; loop thread. */
#pragma once
#include "storage/plog.h"
#include "wire/batch.h"

struct replay {
    /* One record: its kind (the number in front of its key), the rest of its key, and its value (data
     * NULL: a tombstone). Records without a key are left out. The arena is empty again for each one. */
    status (*record)(struct replay *r, const struct batch_header *h, int16_t kind, struct bytes key,
                     struct bytes value, struct arena *arena);
    /* The end of a transaction in this partition; NULL: not asked for. */
    status (*marker)(struct replay *r, const struct batch_header *h, bool commit);
};
/* The records of one whole batch. */
status replay_batch(struct replay *r, struct bytes batch);
/* The first error of a callback, or of the log (CORRUPT …). */
status replay_log(struct replay *r, struct plog *log);
