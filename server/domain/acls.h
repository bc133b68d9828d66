/* acls.h - access control entries of a cluster: rows, and changes of them. */
#pragma once
#include "cluster/acl.h"
#include "domain/domain.h"

#define ACLS_MAX 10000 /* of one cluster */

/* Entries that the filter matches (acl_matches), in order of their columns. Any thread. */
status acls_list(struct db *db, const char *cluster_id, const struct acl *filter,
                 struct arena *arena, struct acl **ret_acls, size_t *ret_count);
/* The entries of one principal and of User:* as a set for acl_allows; acl_set_done it. Any thread. */
status acls_of_principal(struct db *db, const char *cluster_id, struct str principal,
                         struct acl_set *ret_set);

/* One entry as a client wrote it: INVALID_REQUEST with a sentence when it cannot be. */
status acls_check(const struct acl *acl, struct why *why);

/* Domain thread. There already: nothing changes. */
typedef void (*acls_done)(void *arg, status result, int64_t version, const struct why *why);
void acls_create(struct domain *domain, const char *cluster_id, const struct actor *actor,
                 const struct acl *acls, size_t count, acls_done done, void *arg);
void acls_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                 const struct acl *acls, size_t count, acls_done done, void *arg);
