/* service_quotas.h - what the service allows an organisation and each of its clusters, as numbers with
 * their use: the limits of this code and of plans, by the codes of the field's REST dialect. Domain
 * thread. */
#pragma once
#include "domain/domain.h"

enum service_scope { SCOPE_ORGANIZATION, SCOPE_KAFKA_CLUSTER, SCOPE_COUNT };
extern const char *const service_scope_names[SCOPE_COUNT];
extern const char *const service_scope_texts[SCOPE_COUNT];

struct service_quota {
    enum service_scope scope;
    const char *code, *title;            /* "kafka.max_clusters.per_org" */
    int64_t fallback, applied, use;      /* of the plan; that holds; -1: no limit, or not measured */
    char cluster_id[ID_TEXT], environment_id[ID_TEXT]; /* KAFKA_CLUSTER */
};
struct service_quota_filter {
    struct str environment_id, cluster_id, code; /* null: any */
};
/* In a fixed order: of the organisation by code, of clusters by id and code. each() false: stop.
 * `after_cluster` (null: from the first) skips clusters with smaller ids. */
status service_quotas_each(struct domain *domain, enum service_scope scope,
                           const struct service_quota_filter *filter, struct str after_cluster,
                           bool (*each)(void *arg, const struct service_quota *quota), void *arg);
