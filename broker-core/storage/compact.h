/* compact.h - compaction: closed segments of a topic with cleanup.policy=compact are written anew
 * with the last record of each key (compact_filter.h), one log at a time, on a lane of its own.
 *
 * How files take each other's place without a moment in which a crash loses or repeats a record:
 * FORMAT.md, "Compaction". Loop thread. */
#pragma once
#include "storage/files.h"
#include "storage/storage_int.h"

/* There may be something to compact: looked at in this turn or, while a pass runs, after it. */
void compact_want(struct store *store);
void compact_start(struct store *store); /* when wanted and none runs */
/* Rolls the active segment of a log whose max.compaction.lag.ms is over, asks for a pass when one
 * is due; *ret_next (ms of the wall clock) becomes earlier when time alone will make one due. */
void compact_check(struct plog *log, int64_t now, int64_t *ret_next);
/* Before the store stops: the running step ends soon, no other follows. */
void compact_cancel(struct store *store);

/* Recovery: finishes what a crash left half done in this folder. Any number of times. */
status compact_recover(struct fs *fs, const char *folder, const struct name_list *names,
                       bool *ret_changed);
