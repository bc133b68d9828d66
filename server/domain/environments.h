/* environments.h - tenants: an environment owns clusters. Reading: any thread with its own database;
 * changes: domain thread. */
#pragma once
#include "domain/domain.h"

#define ENVIRONMENTS_MAX 1000

struct environment {
    char id[ID_TEXT];
    char display_name[NAME_MAX_BYTES + 1];
    char package[16]; /* of stream governance: ESSENTIALS, ADVANCED, or none asked for; grants nothing */
    int64_t created_at, updated_at;
};

status environments_get(struct db *db, struct str id, struct environment *ret); /* NOT_FOUND */
status environments_find(struct db *db, struct str display_name, struct environment *ret);
/* In order of id, behind `after` (null: from the first); each() false: stop. */
status environments_list(struct db *db, struct str after, int64_t limit,
                         void (*each)(void *arg, const struct environment *e), void *arg);
status environments_count(struct db *db, int64_t *ret);

/* What is null stays, or has its default. */
struct environment_write {
    struct str display_name, package;
};
/* EXISTS: the name is taken. LIMIT: too many. */
status environments_create(struct domain *domain, const struct actor *actor,
                           const struct environment_write *write, struct environment *ret, struct why *why);
status environments_update(struct domain *domain, const struct actor *actor, struct str id,
                           const struct environment_write *write, struct why *why);
/* CONFLICT while it has clusters. */
status environments_delete(struct domain *domain, const struct actor *actor, struct str id,
                           struct why *why);
/* Inside a transaction that is open already. */
status environments_insert(struct db *db, struct str display_name, struct environment *ret);
