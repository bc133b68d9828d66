/* audit.h - what was done, by whom: rows written by change_audit in the change's own transaction, or by
 * refusals.h for those who were turned away. Each row's hash is SHA-256 over the hash of the row before
 * and its own content, so that what is changed afterwards shows. Reading: any thread, with that thread's
 * database. */
#pragma once
#include "base/buf.h"
#include "store/db.h"

#define AUDIT_ROWS_MAX 200000 /* the newest stay; migrations/0016 knows the number, too */
#define AUDIT_HASH 32

struct audit_row { /* views, valid during each() */
    int64_t id, at;
    struct str actor, door, address, request_id, operation, resource, cluster_id, detail;
    struct bytes previous, hash;
};

/* What a search wants; null and 0: anything. */
struct audit_filter {
    struct str cluster_id, actor, door;
    struct str operation; /* the whole word, or its beginning when it ends in '.' or '*' */
    struct str resource;  /* a part of it */
    struct str text;      /* a part of actor, operation, resource, address or detail; case does not matter */
    int64_t from, to;     /* ms since 1970, to exclusive */
};
/* Newest first, behind (older than) `before` (0: from the newest). */
status audit_list(struct db *db, const struct audit_filter *filter, int64_t before, int64_t limit,
                  void (*each)(void *arg, const struct audit_row *row), void *arg);
/* Oldest first, behind `after`. */
status audit_export(struct db *db, const struct audit_filter *filter, int64_t after, int64_t limit,
                    void (*each)(void *arg, const struct audit_row *row), void *arg);

struct audit_verdict {
    bool intact;
    int64_t rows, first, last; /* ids; 0: none */
    int64_t broken_at;         /* the first row that does not fit; 0: none */
    const char *what;          /* a sentence about it; "" */
    uint8_t head[AUDIT_HASH];  /* of the last row */
};
/* Reads every row, some 3 us each. */
status audit_verify(struct db *db, struct audit_verdict *ret);
/* Is there a row with this hash? 64 hexadecimal digits, or INVALID. */
status audit_holds(struct db *db, struct str hex, bool *ret);

/* --- writer, inside a transaction ---------------------------------------------------------------- */
/* id, previous and hash are made here. */
status audit_append(struct db *db, const struct audit_row *row);
/* Chains rows that an older program wrote. Opens its own transactions. */
status audit_chain_old(struct db *db);
