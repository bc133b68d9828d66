/* disk_watch.h - the file system that all data lie on must not get full: before it does, the appends of
 * the clusters that fill it are held back, the largest first, until there is room again. Keeps the
 * reserve of leatd's own database as well. Domain thread. */
#pragma once
#include "domain/domain.h"

#define DISK_MIN_FREE_MAX (1LL << 30) /* the default of domain_options.min_free: 5 %, at most this */

/* Looks at once, and from then on the sooner the less room there is. */
status disk_watch_start(struct domain *domain);
void disk_watch_stop(struct domain *domain); /* not started: ok */

/* The rules, without a clock or a disk. --------------------------------------------------------------- */

struct disk_room {
    int64_t total, free; /* bytes; free: for users without privileges */
    int64_t min_free;    /* below it appends are held back; until half as much again is free */
};
int64_t disk_min_free(int64_t wanted /* -1: the default */, int64_t total);
bool disk_is_low(const struct disk_room *room, bool was_low);
/* Ms until the next look: what is above the minimum could be gone by then at 1 GiB a second. */
int64_t disk_next_look(const struct disk_room *room, bool low);

struct disk_tenant {
    char cluster_id[ID_TEXT];
    int64_t stored, taken;   /* bytes; taken: all that clients appended since its broker started */
    int64_t taken_before;    /* at the last look; -1: not known */
    int64_t met_at;          /* wall ms; figures from before say nothing of now */
    bool held;
};
/* Which of these to hold next: the largest that grows, or -1. */
int disk_choose(const struct disk_tenant *tenants, size_t count);
