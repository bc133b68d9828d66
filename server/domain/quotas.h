/* quotas.h - client quotas: bytes a second for principals of one cluster, each its own full rate.
 * Reading: any thread with its own database; changes: domain thread. */
#pragma once
#include "domain/domain.h"

#define QUOTAS_PER_CLUSTER_MAX 1000
#define QUOTA_PRINCIPALS_MAX 1000
#define QUOTA_DEFAULT "<default>"

struct client_quota {
    char id[ID_TEXT], cluster_id[ID_TEXT], environment_id[ID_TEXT];
    char display_name[NAME_MAX_BYTES + 1], description[TEXT_MAX_BYTES + 1];
    int64_t ingress_bytes_per_s, egress_bytes_per_s; /* -1: not set */
    int64_t created_at, updated_at;
};
struct quota_spec {
    struct str cluster_id;                 /* create only */
    struct str environment_id;             /* null: any; else the cluster's, or PRECONDITION */
    struct str display_name, description;  /* null: stays */
    int64_t ingress_bytes_per_s, egress_bytes_per_s; /* -2: stays */
    const struct str *principals;          /* sa-…, u-… or <default>; NULL: stay */
    size_t principal_count;
};

status quotas_get(struct db *db, struct str id, struct client_quota *ret); /* NOT_FOUND */
status quotas_list(struct db *db, struct str cluster_id, struct str after, int64_t limit,
                   void (*each)(void *arg, const struct client_quota *q), void *arg);
status quotas_count(struct db *db, struct str cluster_id, int64_t *ret);
status quotas_principals(struct db *db, struct str id, void (*each)(void *arg, struct str principal),
                         void *arg);
/* The quota that a principal (sa-…) has in a cluster, by its own name or <default>; NOT_FOUND. */
status quotas_of(struct db *db, struct str cluster_id, struct str principal, struct client_quota *ret);

/* ret_id and ret_version are filled before done(). PRECONDITION: no such cluster or principal, no rate;
 * EXISTS: a principal has another quota already. */
void quotas_create(struct domain *domain, const struct actor *actor, const struct quota_spec *spec,
                   char ret_id[ID_TEXT], int64_t *ret_version, domain_done done, void *arg);
void quotas_update(struct domain *domain, const struct actor *actor, struct str id,
                   const struct quota_spec *spec, int64_t *ret_version, domain_done done, void *arg);
void quotas_delete(struct domain *domain, const struct actor *actor, struct str id, int64_t *ret_version,
                   domain_done done, void *arg);
