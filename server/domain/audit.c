/* audit.c - reading the audit log. */
#include "domain/audit.h"

status audit_list(struct db *db, struct str cluster_id, int64_t before, int64_t limit,
                  void (*each)(void *arg, const struct audit_row *row), void *arg)
{
    struct db_query *q = DB(db, "SELECT id, at, actor, door, address, request_id, operation, resource, "
                                "cluster_id, detail FROM audit WHERE (?1 IS NULL OR cluster_id = ?1) AND "
                                "(?2 = 0 OR id < ?2) ORDER BY id DESC LIMIT ?3", cluster_id, before, limit);
    while (db_next(q)) {
        struct audit_row row = {
            .id = db_i64(q, 0), .at = db_i64(q, 1), .actor = db_text(q, 2), .door = db_text(q, 3),
            .address = db_text(q, 4), .request_id = db_text(q, 5), .operation = db_text(q, 6),
            .resource = db_text(q, 7), .cluster_id = db_text(q, 8), .detail = db_text(q, 9),
        };
        each(arg, &row);
    }
    return db_end(q);
}
