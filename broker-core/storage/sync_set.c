/* sync_set.c - the segments and folders of one partition that a task makes durable. */
#include "storage/sync_set.h"

#include "storage/files.h"

status sync_set_collect(struct plog *log, struct sync_set *ret)
{
    struct sync_set set = { .log = log };
    uint32_t dirty = 0;
    for (uint32_t i = 0; i < log->count; i++) dirty += segment_dirty(log->segments[i]);
    if (dirty) set.items = mem_alloc(dirty * sizeof *set.items);
    if (dirty && !set.items) return FAIL(NO_MEMORY);
    for (uint32_t i = 0; i < log->count; i++) {
        struct segment *s = log->segments[i];
        if (!segment_dirty(s)) continue;
        status opened = segment_open(s, 0); /* a segment that was suspect may be closed */
        if (failed(opened)) {
            sync_set_done(&set);
            return opened;
        }
        segment_pin(s);
        set.items[set.count++] = (struct sync_item){ s, s->written };
    }
    set.dir = log->has_dir && log->dir_made != log->dir_synced;
    set.dir_made = log->dir_made;
    set.root = log->store->root_made != log->store->root_synced;
    set.root_made = log->store->root_made;
    *ret = set;
    return OK;
}

void sync_set_start(const struct sync_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) segment_write_back(set->items[i].segment);
}

status sync_set_run(struct fs *fs, const struct sync_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) TRY(segment_sync(set->items[i].segment));
    if (BREAK(NO_FOLDER_SYNC)) return OK;
    if (set->dir) TRY(files_sync_dir(fs, set->log->folder));
    return set->root ? files_sync_dir(fs, ".") : OK;
}

void sync_set_settle(struct sync_set *set)
{
    struct store *store = set->log->store;
    for (uint32_t i = 0; i < set->count; i++)
        segment_synced(set->items[i].segment, set->items[i].written);
    /* Counters only grow; a task that ended later may have covered more. */
    if (set->dir && (int32_t)(set->dir_made - set->log->dir_synced) > 0)
        set->log->dir_synced = set->dir_made;
    if (set->root && (int32_t)(set->root_made - store->root_synced) > 0)
        store->root_synced = set->root_made;
}

void sync_set_done(struct sync_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) segment_unpin(set->items[i].segment);
    if (set->count) segment_cache_trim(&set->log->store->files);
    mem_free(set->items);
    set->items = NULL;
    set->count = 0;
}
