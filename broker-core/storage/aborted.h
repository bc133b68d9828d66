/* aborted.h - which transactions of a log were aborted (KIP-98), for readers of committed records.
 *
 * Entries are in the order of their markers. With a snapshot, those whose marker lies in a closed
 * segment are written to a file beside it; once that is durable they leave the memory. The others
 * are in memory and part of every snapshot. A zeroed index is empty and owns nothing. Loop thread,
 * or recovery. Format: FORMAT.md, "Aborted
 * transactions". */
#pragma once
#include "base/buf.h"
#include "io/fs.h"

struct aborted_entry {
    int64_t producer_id;
    int64_t first, last; /* offsets: first record, ABORT marker */
    int64_t stable;      /* no later entry begins below this */
};
struct aborted_file { /* of one closed segment */
    int64_t base;
    uint32_t count; /* of entries; compaction may have taken some out since */
    bool checked;   /* its CRC was good once in this life */
    bool named;     /* by the snapshot that a recovery would use */
    bool near;      /* a lane has read it: what is looked for in it is in memory, mostly */
};
struct aborted_index {
    struct aborted_file *files; /* ascending */
    uint32_t file_count, file_cap;
    struct aborted_entry *recent;
    uint32_t recent_count, recent_cap;
};

void aborted_done(struct aborted_index *a);
status aborted_reserve(struct aborted_index *a); /* room for one entry more */
void aborted_add(struct aborted_index *a, const struct aborted_entry *e); /* reserved */
/* Entries in memory whose marker lies at or above offset. */
uint32_t aborted_since(const struct aborted_index *a, int64_t offset);
/* Is there one in memory whose marker lies below it? */
static inline bool aborted_before(const struct aborted_index *a, int64_t offset)
{
    return a->recent_count && a->recent[0].last < offset;
}

/* A copy for another thread (aborted_find, aborted_done) of what matters from an offset on; when there is
 * much of it, of the first of that: it is whole for batches below *ret_whole, which is > from. */
status aborted_copy(const struct aborted_index *a, int64_t from, struct aborted_index *ret_copy,
                    int64_t *ret_whole);
/* The entries in memory with markers in [base, end) as the content of a file; LIMIT never. Nothing
 * is put out, and *ret_count is 0, when there are none. */
status aborted_encode(const struct aborted_index *a, int64_t base, int64_t end, struct buf *out,
                      uint32_t *ret_count);
/* The file of the segment at `base` is durable: its entries, all below `end`, leave the memory. */
status aborted_stored(struct aborted_index *a, int64_t base, int64_t end, uint32_t count);
/* What lies in segments below the one at `base` is gone. */
void aborted_forget(struct aborted_index *a, int64_t base);
bool aborted_has_file(const struct aborted_index *a, int64_t base);
/* Base of the last file; -1 without one. */
int64_t aborted_last_file(const struct aborted_index *a);
/* A snapshot that names the files up to the one at `last` is durable, and so is the checkpoint. */
void aborted_named(struct aborted_index *a, int64_t last);
/* Does a recovery know what was aborted with markers in [base, end) from a file, or is there nothing?
 * The segment at `base` is closed and [base, end) ends with a segment. */
bool aborted_in_file(const struct aborted_index *a, int64_t base, int64_t end);
/* Any thread, while nobody else writes the file: takes the entries whose markers are gone out of the
 * file of the segment at `base`. `markers`: offsets, ascending. *ret_changed: there is a new file, which
 * the sync of the folder makes durable. */
status aborted_file_drop(struct fs *fs, const char *folder, int64_t base, const int64_t *markers,
                         uint32_t count, bool *ret_changed);

/* Are all files good? CORRUPT. What was checked is not checked again. */
status aborted_check(struct aborted_index *a, struct fs *fs, const char *folder);

/* Entries of transactions that overlap [from, to), in order. CORRUPT when a file is damaged. */
typedef void aborted_each(void *arg, const struct aborted_entry *e);
status aborted_find(struct aborted_index *a, struct fs *fs, const char *folder, int64_t from,
                    int64_t to, aborted_each *each, void *arg);

/* The same, and waits for no disk. BUSY: it would have to, for the file of the segment at *ret_missed, and
 * some may have been told already. Have that one read on a lane (aborted_read), tell of it (aborted_near),
 * and try again. */
status aborted_find_near(struct aborted_index *a, struct fs *fs, const char *folder, int64_t from, int64_t to,
                         aborted_each *each, void *arg, int64_t *ret_missed);
status aborted_read(struct fs *fs, const char *folder, int64_t base); /* any thread */
void aborted_near(struct aborted_index *a, int64_t base);

/* The sections of a snapshot. */
#define ABORTED_FILE_SIZE 16
#define ABORTED_ENTRY_SIZE 32
void aborted_put(const struct aborted_index *a, struct buf *out);
status aborted_get(struct aborted_index *a, const uint8_t *files, uint32_t file_count,
                   const uint8_t *entries, uint32_t entry_count);
