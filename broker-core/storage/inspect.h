/* inspect.h - what lies on disk, for people: `leat-broker check` and `leat-broker dump`. Reads only.
 *
 * The broker of the folder need not be stopped, but what it writes meanwhile may look unfinished. */
#pragma once
#include "io/fs.h"

#include <stdbool.h>
#include <stdio.h>

struct inspect_totals {
    int64_t partitions, segments, batches, records, bytes;
    int64_t damages; /* each was told */
};

/* Verifies every file of a data folder: framing and CRC of every batch, rising offsets, indexes and
 * snapshots, the checkpoint. Tells each damage in a line, then the totals. What a crash left behind the
 * end of a log is told, and is no damage. Fails when the folder cannot be read at all. */
status inspect_check(struct fs *fs, FILE *out, struct inspect_totals *ret_totals);
/* Prints one file of a data folder, known by its name: a segment, .index, .snap, .aborted, the
 * checkpoint, a journal. `records`: the records of the batches of a segment, too. INVALID: a name that
 * is none of these; CORRUPT: damage, told where it begins. */
status inspect_dump(struct fs *fs, const char *name, bool records, FILE *out);
