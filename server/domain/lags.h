/* lags.h - the worst lag of a cluster, as last computed: for the fleet's table, which must not ask a
 * thousand brokers before it answers. Domain thread.
 *
 * Looking is what keeps it fresh: lags_worst starts a computation in the background when the value is
 * older than LAG_AGE_MS, a few clusters at a time; watchers hear "figures" when it changed, and
 * "groups" when a group came, went, or has another state or other members. */
#pragma once
#include "domain/domain.h"

#define LAG_AGE_MS 5000
#define LAGS_AT_ONCE 8

struct lag_worst {
    char group[256];
    int64_t lag; /* of all its partitions together */
};
/* False: no group is behind by anything known (yet). */
bool lags_worst(struct domain *domain, const char *cluster_id, struct lag_worst *ret);
void lags_done(struct domain *domain); /* after the engine is gone */
