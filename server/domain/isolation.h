/* isolation.h - which user a cluster's broker runs as, and what fences it. Domain thread. */
#pragma once
#include "domain/domain.h"
#include "supervise/isolation.h"

/* At start: can brokers have users of their own here? If not, the log says why, and all run as leatd. */
void isolation_start(struct domain *domain);
/* The user of a cluster's broker, chosen when it has none; 0: leatd's own. LIMIT: none of the range is
 * free. */
status isolation_user(struct domain *domain, const char *cluster_id, uint32_t *ret_uid, struct why *why);

/* Of the control group of its broker, by its plan and own limits. */
status isolation_limits(struct db *db, const char *cluster_id, struct cgroup_limits *ret);
void isolation_limits_changed(struct domain *domain, const char *cluster_id);

struct cluster_isolation {
    struct proc_isolation process;
    bool own_user;
    int landlock;                 /* its version; 0: none */
    int group_version;            /* of control groups; 0: there are none here */
    struct cgroup_figures group;
    int missing_count;
    char missing[10][256];         /* sentences */
};
/* What holds for the broker of a cluster; process.known is false when it does not run. */
void isolation_of(struct domain *domain, const char *cluster_id, struct cluster_isolation *ret);
