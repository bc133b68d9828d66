/* replay.h - reads an internal topic's partition from its start to its high watermark, as the
 * coordinators do when they load. Synchronous; loop thread. */
#pragma once
#include "io/loop.h"
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
/* The same, until the turn of the loop is long (NULL: all): while `open`, call again with the same batch.
 * Zero-initialise the cursor; replay_end lets go of one that is open. */
struct replay_cursor {
    bool open;
    struct batch_reader reader;
};
status replay_some(struct replay *r, struct bytes batch, struct replay_cursor *cursor,
                   const struct loop *loop);
void replay_end(struct replay_cursor *cursor);
/* The first error of a callback, or of the log (CORRUPT …). */
status replay_log(struct replay *r, struct plog *log);
