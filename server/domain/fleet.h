/* fleet.h - what a list of clusters shows of other tables: limits and counts, in a handful of queries
 * however long the list is. Any thread, with that thread's database. */
#pragma once
#include "domain/plans.h"

struct fleet_own { /* a limit of the cluster's own */
    const struct limit_kind *kind;
    int64_t value;
    const struct fleet_own *next;
};
struct fleet_cluster {
    char id[ID_TEXT];
    int64_t topics, partitions; /* without internal ones */
    struct limits limits;
    const struct fleet_own *own; /* by name */
    int64_t ends_at;            /* its time on its plan; -1: never */
};
struct fleet {
    struct arena arena;
    struct fleet_cluster *rows; /* by id */
    size_t count;
};
/* At most `limit` clusters (and CLUSTERS_MAX) in order of id behind `after`; or (fleet_load_one) one.
 * Whatever they return, fleet_done is called afterwards. */
status fleet_load(struct db *db, struct str after, int64_t limit, struct fleet *ret);
status fleet_load_one(struct db *db, const char *id, struct fleet *ret);
void fleet_done(struct fleet *fleet);
/* NULL: it is not among them. */
const struct fleet_cluster *fleet_find(const struct fleet *fleet, const char *id);
