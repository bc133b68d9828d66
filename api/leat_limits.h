/* leat_limits.h - limits of plans and clusters as JSON: by the names of domain/plans.h, -1 = no limit. */
#pragma once
#include "api/api.h"
#include "domain/plans.h"

#define LEAT_LIMITS_MAX 32

json_t *leat_limits_json(const struct limits *limits); /* any thread */
/* {"name": value}; null, where allowed, takes a cluster's own limit away. `object` NULL: none. changes
 * has room for LEAT_LIMITS_MAX. false: answered. */
bool leat_limits_read(struct api_request *rq, const json_t *object, bool allow_null,
                      struct limit_change *changes, size_t *ret_count);
json_t *leat_limits_own_json(struct db *db, const char *cluster_id); /* those of the cluster itself */
