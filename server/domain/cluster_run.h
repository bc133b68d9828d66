/* cluster_run.h - a cluster's processes, folders and ports; inside server/domain only. Domain thread. */
#pragma once
#include "domain/domain.h"

/* A port of the range that no broker has and nobody listens on now. */
status cluster_run_port(struct domain *domain, uint16_t *ret_port, struct why *why);
/* Ends the processes of a cluster that is marked deleting, then its rows, then its folder. */
void cluster_run_end(struct domain *domain, const char *cluster_id);
/* Ends the processes of a cluster that is paused and forgets them until clusters_launch. */
void cluster_run_rest(struct domain *domain, const char *cluster_id);
/* Starts the demo's generator once its cluster's broker has its image: before, it could not log in. */
void cluster_run_helper_may_start(struct domain *domain, const char *cluster_id);
