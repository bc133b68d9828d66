/* audit_rows.h - what a change was before and after, seen at the database itself: every row that the open
 * transaction inserts, changes or deletes is noted, so that no mutation can forget to tell. Secrets (all
 * BLOBs, and columns named in audit_rows.c) are never held, only that they changed. Domain thread. */
#pragma once
#include "store/db.h"

#include <jansson.h>

#define AUDIT_ROWS_NOTED_MAX 200        /* rows of one change that are told one by one */
#define AUDIT_ROWS_TEXT_MAX (128u << 10) /* bytes of them, roughly */

/* Reads the schema, which must be migrated, and watches db from now on. */
struct audit_rows;
status audit_rows_new(struct db *db, struct audit_rows **ret);
void audit_rows_free(struct audit_rows *rows); /* NULL ok */

/* Rows that change from here on belong to one change; forgets what was noted. */
void audit_rows_begin(struct audit_rows *rows);
/* What is noted in no table: values of before and after (NULL: none), taken. */
void audit_rows_note(struct audit_rows *rows, const char *name, json_t *before, json_t *after);
/* Sets "before" and "after" of what changed since the begin or the last take, and forgets it. `operation`
 * ("topic.create") says which noun the fields belong to; rows of others lie below their table's name.
 * "rows_not_listed": how many more there were. */
status audit_rows_take(struct audit_rows *rows, const char *operation, json_t *detail);
/* Something was noted since. */
bool audit_rows_left(const struct audit_rows *rows);
void audit_rows_end(struct audit_rows *rows);
