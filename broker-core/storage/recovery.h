/* recovery.h - recovery's two halves: the store (recovery.c) and one log (recovery_log.c). */
#pragma once
#include "storage/storage_int.h"

/* What recovery of one log has found and will do once the checkpoint is durable. */
struct recovered {
    struct plog *log;
    struct removal_name {
        char path[96];
    } *drop; /* files that go */
    size_t drop_count, drop_cap;
    struct segment *trim; /* kept segment with garbage behind its end */
    bool same;            /* nothing above the recovery point: not synced again */
    bool rebuild;         /* producer state of no use: folded from the whole log */
    int64_t snapshot;     /* rebuild: the one that the checkpoint names */
    const char *damage;   /* what made this log CORRUPT */
};

/* Steps 4 and 5: finds the end of the log, writes the tail again and syncs it. A log with damage that
 * stands in the way is set aside: it is offline, its files and its entry in the checkpoint stay. */
status recovery_log(struct recovered *r);
/* Step 8: removes what is no part of the log. */
status recovery_settle(struct recovered *r);
/* The log is as it will be served. */
void recovery_serve(struct recovered *r);
void recovery_done(struct recovered *r);

/* A file is of a newer program: FORMAT, and why. */
status recovery_newer(struct store *store, const char *name);
status recovery_bad(struct store *store, const char *what, const char *name); /* CORRUPT */
