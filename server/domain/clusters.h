/* clusters.h - clusters and the processes that serve them. Reading rows: any thread with its own
 * database; all else: domain thread. */
#pragma once
#include "domain/domain.h"

#define CLUSTERS_MAX 5000

struct cluster {
    char id[ID_TEXT], environment_id[ID_TEXT];
    char environment_name[NAME_MAX_BYTES + 1], display_name[NAME_MAX_BYTES + 1];
    char plan[32], kind[16], availability[16], cloud[65], region[65], tag[16];
    int64_t cku, metadata_version, created_at, updated_at;
    int64_t format;          /* of its data folder, confirmed (base/format.h) */
    bool deletion_protection, deleting;
    uint16_t port, tls_port; /* tls_port 0: none was free when TLS came */
    int64_t paused_at;       /* 0: it is not paused */
    char pause_reason[TEXT_MAX_BYTES + 1];
};

status clusters_get(struct db *db, struct str id, struct cluster *ret); /* NOT_FOUND */
status clusters_find(struct db *db, struct str environment_id, struct str name, struct cluster *ret);
/* In order of id behind `after`, of one environment or (null) of all. */
struct cluster_filter {
    struct str environment_id;   /* null: of all */
    int deletion_protection;     /* -1: either */
};
status clusters_list_where(struct db *db, const struct cluster_filter *filter, struct str after,
                           int64_t limit, void (*each)(void *arg, const struct cluster *c), void *arg);
status clusters_count_where(struct db *db, const struct cluster_filter *filter, int64_t *ret);
status clusters_list(struct db *db, struct str environment_id, struct str after, int64_t limit,
                     void (*each)(void *arg, const struct cluster *c), void *arg);
status clusters_count(struct db *db, struct str environment_id, int64_t *ret);
/* "HOST:PORT" that clients are told; of TLS: null without. */
struct str clusters_bootstrap(const struct domain *domain, const struct cluster *c, struct arena *arena);
struct str clusters_bootstrap_tls(const struct domain *domain, const struct cluster *c, struct arena *arena);
void clusters_proc_id(const char *cluster_id, char ret_id[64]); /* of its broker, for the supervisor */

struct cluster_spec {
    struct str id;  /* null: a new one */
    struct str environment_id, display_name, kind, availability, cloud, region;
    int64_t cku;
    int deletion_protection;
};
/* NOT_FOUND: the environment; EXISTS: the name; INVALID: another thing, with a sentence; LIMIT. The
 * broker is started; it serves a moment later. */
status clusters_create(struct domain *domain, const struct actor *actor, const struct cluster_spec *spec,
                       struct cluster *ret, struct why *why);
/* What is null (-1) stays. A kind changes from Basic to Standard only; a plan to any other. */
struct cluster_patch {
    struct str display_name, availability, kind, tag, plan;
    int64_t cku;
    int deletion_protection;
    const struct limit_change *limits; /* of its own (plans.h) */
    size_t limit_count;
};
extern const struct cluster_patch cluster_patch_none;
void clusters_update(struct domain *domain, const struct actor *actor, struct str id,
                     const struct cluster_patch *patch, domain_done done, void *arg);
status clusters_restart(struct domain *domain, const struct actor *actor, struct str id, struct why *why);
/* Marks it and answers; its processes end, its rows and its folder go soon after. CONFLICT while it is
 * protected. */
status clusters_delete(struct domain *domain, const struct actor *actor, struct str id, struct why *why);

/* At start: wants every cluster's processes, goes on with deletions and removals. */
status clusters_resume(struct domain *domain);
/* Inside a transaction: the rows of a new cluster, for create and the first start. */
status clusters_insert(struct domain *domain, const struct cluster_spec *spec, struct cluster *ret,
                       struct why *why);
/* After its commit: folders, engine, process. */
status clusters_launch(struct domain *domain, const char *id);
