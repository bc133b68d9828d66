/* segment.h - one file of a partition log: batches as on the wire, one behind the other.
 *
 * Only the newest segment of a log is written to. A segment has a descriptor while it is pinned,
 * or written to since the last sync that covers it (otherwise the kernel could report a write-back
 * error to nobody), or used lately: the cache closes what was unused longest. The index lives in
 * memory; that of a closed segment can be loaded from its .index file or made again by a scan.
 * What was not written by this process has its CRCs checked before it is used for the first time: two
 * marks say which bytes need no check (any more).
 * Loop thread, or during recovery; tasks use `file` of segments that are pinned for them.
 * Format: FORMAT.md, "Segment file" and "Index file". */
#pragma once
#include "io/fs.h"
#include "storage/index.h"
#include "wire/batch.h"

#include <pthread.h>
#include <stdatomic.h>

struct segment {
    struct file_cache *cache;
    const char *folder;      /* the log's */
    int64_t base, end;       /* offsets: first possible, after the last batch */
    int64_t size;            /* bytes of whole batches; the file may have garbage behind it */
    int64_t first_timestamp; /* max timestamp of the first batch; valid when indexed, size > 0 */
    int64_t max_timestamp;   /* INT64_MIN when empty */
    int64_t last_position;   /* of the last batch */
    uint32_t last_crc;       /* its CRC field */
    struct file *file;       /* NULL: closed */
    int64_t good_to, good_from; /* bytes [0, good_to) and [good_from, size) need no check */
    uint64_t written, synced; /* counts changes of the file; those a sync has covered */
    uint32_t pins;
    bool suspect;            /* not touched since recovery: what is on disk may not be synced */
    bool sparse;             /* was compacted, or may have been: offsets only rise */
    bool indexed;            /* index, timestamps and last_position cover the segment */
    bool doomed;             /* removed from its log; goes with the last pin */
    bool swapping;           /* its file does not have its name yet (compact.c) */
    struct index index;
    pthread_mutex_t sync_lock; /* one sync at a time, see segment_sync */
    struct segment *prev, *next; /* in the cache, when idle */
};

struct file_cache {
    struct fs *fs;
    struct segment *idle; /* utlist: open, clean and without pins; used longest ago first */
    uint32_t count, dirty; /* open; of those, not synced */
    uint32_t sources;     /* log_source.c: stretches that are to be sent */
    struct read_miss *miss; /* not NULL: reads wait for no disk, see warm.h */
    /* Closes the file of a segment that has left its log: with the last descriptor goes what is on
     * disk, and that takes long. NULL: closed in place. */
    void (*let_go)(struct file_cache *cache, struct file *file);
    uint32_t count_max; /* descriptors; 0: no bound */
    uint32_t dirty_max; /* so many ask for a checkpoint */
    atomic_bool sync_failed; /* set on any lane, before another sync can succeed */
};

struct segment *segment_new(struct file_cache *cache, const char *folder, int64_t base);
void segment_free(struct segment *s); /* NULL ok; closes the file; waits for no pin */
void segment_path(const struct segment *s, const char *suffix, char *ret_path, size_t size);

void segment_cache_init(struct file_cache *cache, struct fs *fs);
/* Opens the file when it is closed (FS_CREATE: and makes it). NO_DESCRIPTORS: too many are open that
 * cannot be closed; connections, journal and checkpoint keep descriptors to go on with. */
status segment_open(struct segment *s, int flags);
void segment_close(struct segment *s);
/* Takes over the descriptor of a file that is whole and durable; s has none. */
void segment_adopt(struct segment *s, struct file *file);
void segment_pin(struct segment *s); /* who uses the file, makes sure that it is open */
void segment_unpin(struct segment *s);
void segment_drop(struct segment *s); /* has left its log: freed now, or with the last pin */
/* Closes what was used longest ago, until no more clean ones than the limit are open. */
void segment_cache_trim(struct file_cache *cache);
static inline bool segment_dirty(const struct segment *s) { return s->written != s->synced; }
/* Any thread, pinned. The kernel reports a failed write-back once: a second sync of the same file
 * would succeed and prove nothing. So syncs of one file take turns, and none succeeds after one has
 * failed, even before the loop knows of it. */
status segment_sync(struct segment *s);
void segment_write_back(struct segment *s); /* any thread, pinned: starts what a sync will wait for */
void segment_changed(struct segment *s); /* the file differs from what was synced */
void segment_synced(struct segment *s, uint64_t written); /* a sync covered so many changes */

/* Appends one batch at the end, whose header is h. After a failure the file is as before and counts
 * as changed; *ret_broken says that even that did not work. */
status segment_append(struct segment *s, struct bytes batch, const struct batch_header *h,
                      bool *ret_broken);
/* Takes a batch at the end into end, size, timestamps and index (recovery, append). */
void segment_note(struct segment *s, const struct batch_header *h);

/* Has something of [from, to) to be checked before it is used? It was: */
bool segment_unchecked(const struct segment *s, int64_t from, int64_t to);
void segment_checked(struct segment *s, int64_t from, int64_t to);
void segment_doubt(struct segment *s, int64_t from); /* what is stored from there on has to be, again */

/* What the headers of stored batches, one behind the other, must satisfy before anybody is told of
 * them, beside the CRC: offsets that follow each other (rise, in a sparse segment) and end inside the
 * segment. Pure. */
struct batch_chain {
    int64_t next;  /* offset behind the batch before; -1: unknown */
    int64_t first, end; /* of the segment */
    bool sparse;
};
struct batch_chain segment_chain(const struct segment *s, int64_t next);
bool batch_chain_fits(const struct batch_chain *chain, const struct batch_header *h);
/* The chain is one longer, or CORRUPT. */
status batch_chain_take(struct batch_chain *chain, const struct batch_header *h);

/* Walking batch headers from a position on; the window makes one read out of many. */
struct segment_cursor {
    struct segment *segment;
    int64_t position;
    int64_t next, exact; /* see batch_chain; base offset by the index, or -1 */
    int64_t window_at;
    size_t window_len;
    int64_t asked; /* of a walk: so far it was said that bytes will be needed */
    bool walks;    /* from here to the end: set it after segment_seek */
    uint8_t window[4096];
};
status segment_seek(struct segment *s, int64_t position, struct segment_cursor *ret_cursor);
/* Header of the batch at the cursor: NOT_FOUND at the end, CORRUPT when it is none. */
status segment_header(struct segment_cursor *c, struct batch_header *ret_header);
void segment_step(struct segment_cursor *c, const struct batch_header *h); /* behind that batch */

/* The first batch whose last offset is >= offset: NOT_FOUND when there is none; CORRUPT when that
 * cannot be said, *ret_position is the place of the damage then. */
status segment_find(struct segment *s, int64_t offset, int64_t *ret_position,
                    struct batch_header *ret_header);
/* The first good batch behind damage at a position, the offset of which is at least `next`:
 * NOT_FOUND when none follows. */
status segment_skip(struct segment *s, int64_t position, int64_t next, int64_t *ret_position,
                    struct batch_header *ret_header);
/* Makes sure of index, timestamps and last_position: from memory, the .index file, or a scan, which
 * leaves out what is damaged. */
status segment_need_index(struct segment *s);
/* Writes the .index file; not synced, and nothing is lost without it. */
void segment_save_index(struct segment *s);
void segment_write_index(struct fs *fs, const char *path, struct bytes content); /* any thread; the same */
/* Appends what the .index file would hold; nothing for an empty segment, or one without index. */
void segment_put_index(const struct segment *s, struct buf *out);
/* The reverse, of a segment of which nothing is known yet: takes size, end, timestamps and index up to
 * the offset `end` (recovery). CORRUPT, and nothing taken: damaged, of another end, or the segment
 * has no such batch below `limit`. */
status segment_take_index(struct segment *s, struct bytes in, int64_t end, int64_t limit);
/* What another thread may look at of a pinned segment, as it is now; `ret_cache` goes with the view. */
void segment_view(const struct segment *s, struct segment *ret_view, struct file_cache *ret_cache);
void segment_take_index_of(struct segment *s, struct segment *view); /* which loaded it */
/* As pread of the file; in store_only_cached BUSY when not all of it is in memory. */
status segment_pread(struct segment *s, void *p, size_t len, int64_t at, size_t *ret_n);
/* Whole batch at a position into `out`. */
status segment_read_batch(struct segment *s, int64_t position, size_t size, struct buf *out);
