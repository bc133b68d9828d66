/* sync_set.h - the segments and folders of one partition that a task makes durable.
 *
 * Collected and settled on the loop thread; run on a lane in between. What is dirty is pinned. */
#pragma once
#include "storage/storage_int.h"

struct sync_set {
    struct plog *log;
    struct sync_item {
        struct segment *segment;
        uint64_t written; /* changes that the sync covers */
    } *items;
    uint32_t count;
    uint32_t dir_made, root_made;
    bool dir, root;
};

status sync_set_collect(struct plog *log, struct sync_set *ret);
void sync_set_start(const struct sync_set *set); /* starts writing what is dirty; a hint */
/* Closed segments first, then the folder, then the data folder. A failure here is final. */
status sync_set_run(struct fs *fs, const struct sync_set *set);
void sync_set_settle(struct sync_set *set); /* it was run: all of it is durable */
void sync_set_done(struct sync_set *set);   /* lets go of the pins */
