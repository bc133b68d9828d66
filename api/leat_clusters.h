/* leat_clusters.h - a cluster with its state, limits and use, as /leat/v1 and its event streams show
 * it. Domain thread. */
#pragma once
#include <jansson.h>
#include <stdbool.h>

struct domain;

/* NULL: there is no such cluster. */
json_t *leat_cluster_json(struct domain *domain, const char *cluster_id, bool with_limits);
