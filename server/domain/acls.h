/* acls.h - access control entries of a cluster: rows, and changes of them. */
#pragma once
#include "cluster/admin_acls.h"
#include "domain/domain.h"

#define ACLS_MAX ADMIN_ACLS_MAX

/* Entries that the filter matches (acl_matches), in order of their columns. Any thread. */
status acls_list(struct db *db, const char *cluster_id, const struct acl *filter,
                 struct arena *arena, struct acl **ret_acls, size_t *ret_count);
/* All entries of a cluster; acl_set_done it. Any thread. */
status acls_of_cluster(struct db *db, const char *cluster_id, struct acl_set *ret_set);
/* The entries of one principal and of User:* as a set for acl_allows; acl_set_done it. Any thread. */
status acls_of_principal(struct db *db, const char *cluster_id, struct str principal,
                         struct acl_set *ret_set);

/* One entry as REST wants it: INVALID_REQUEST with a sentence when it cannot be. Kafka clients may
 * write more (acl_check): any principal, any operation on any resource. */
status acls_check(const struct acl *acl, struct why *why);

/* Domain thread. There already: nothing changes. acls_change takes entries that were checked. */
typedef void (*acls_done)(void *arg, status result, int64_t version, const struct why *why);
void acls_create(struct domain *domain, const char *cluster_id, const struct actor *actor,
                 const struct acl *acls, size_t count, acls_done done, void *arg);
void acls_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                 const struct acl *acls, size_t count, acls_done done, void *arg);
/* Inside a change of the cluster that the caller commits; of entries that were checked. */
status acls_create_within(struct domain *domain, struct change *change, const char *cluster_id,
                          const struct acl *acls, size_t count, struct why *why);
void acls_change(struct domain *domain, const char *cluster_id, const struct actor *actor,
                 const struct acl *acls, size_t count, bool create, acls_done done, void *arg);

/* CreateAcls and DeleteAcls of Kafka, by the rules of cluster/admin_acls.h; as topics.h says of its
 * four. Domain thread. */
void acls_request_create(struct domain *domain, const char *cluster_id, const struct actor *actor,
                         const struct create_acls_request *request, struct arena *arena,
                         admin_done done, void *arg);
void acls_request_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                         const struct delete_acls_request *request, struct arena *arena,
                         admin_done done, void *arg);
