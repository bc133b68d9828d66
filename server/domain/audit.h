/* audit.h - what was done, by whom: rows written by change_audit in the change's own transaction. Any
 * thread, with that thread's database. */
#pragma once
#include "store/db.h"

struct audit_row { /* views, valid during each() */
    int64_t id, at;
    struct str actor, door, address, request_id, operation, resource, cluster_id, detail;
};
/* Newest first, behind (older than) `before` (0: from the newest); cluster_id filters when not null. */
status audit_list(struct db *db, struct str cluster_id, int64_t before, int64_t limit,
                  void (*each)(void *arg, const struct audit_row *row), void *arg);
