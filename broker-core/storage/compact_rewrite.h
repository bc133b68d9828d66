/* compact_rewrite.h - one group of segments, filtered, becomes one new file. On a lane; touches
 * nothing that the loop uses but the descriptors of pinned segments. */
#pragma once
#include "storage/compact_filter.h"
#include "storage/segment.h"

#include <stdatomic.h>

struct rewrite_source {
    struct file *file; /* pinned by the caller */
    int64_t base, end; /* end: where the next segment begins */
    int64_t size;
    bool sparse;       /* see struct segment */
};

/* Notes the last offset of each key of the segment's records at or above `from` in the map.
 * *ret_end: the offset up to which all keys are in; below the segment's end when the map is full.
 * CLOSED (cancelled), CORRUPT … */
status rewrite_map(struct fs *fs, const struct rewrite_source *source, const struct filter *filter,
                   int64_t from, struct key_map *map, const atomic_bool *cancel, int64_t *ret_end);

struct rewrite_result {
    struct segment *segment; /* of the new file, closed; owned by the caller. NULL: see same */
    struct file *file;       /* its descriptor */
    bool same;               /* nothing would change: no new file */
    bool fatal;              /* a sync of the folder failed: nothing more may be acknowledged */
};
/* Filters the sources, which follow each other, into <base>-<end>.swap: complete, synced, and so
 * is the folder. An error leaves things as they were, unless it is fatal: CLOSED (cancelled),
 * CORRUPT, NO_SPACE, NO_MEMORY … */
status rewrite_group(struct fs *fs, struct file_cache *cache, const char *folder,
                     const struct rewrite_source *sources, uint32_t count, struct filter *filter,
                     const atomic_bool *cancel, struct rewrite_result *ret);
void rewrite_swap_path(const char *folder, int64_t base, int64_t end, char *ret, size_t size);
