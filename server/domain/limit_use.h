/* limit_use.h - how much of each limit a cluster uses. Domain thread: the brokers' figures are there. */
#pragma once
#include "domain/plans.h"

struct limit_use {
    double ingress_bytes_per_s, egress_bytes_per_s, requests_per_s; /* as last reported */
    int64_t storage_bytes, connections, memory_bytes;               /* likewise */
    int64_t partitions, largest_message_bytes; /* of its topics, internal ones not */
    int64_t age_ms;                            /* on its plan */
    int64_t longest_retention_ms;              /* likewise; INT64_MAX: endless */
};
status limit_use_read(struct domain *domain, const char *cluster_id, struct limit_use *ret);
/* false: not measured. -1: endless, of a retention. */
bool limit_use_of(const struct limit_use *use, const struct limit_kind *kind, double *ret);
