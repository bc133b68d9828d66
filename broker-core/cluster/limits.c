/* limits.c - what a standalone broker allows: everything. */
#include "cluster/limits.h"

const struct limits limits_standalone = {
    .ingress_bytes_per_s = -1,
    .egress_bytes_per_s = -1,
    .storage_bytes = -1,
    .partitions = -1,
    .connections = -1,
    .message_bytes = -1,
    .memory_bytes = 64 << 20,
    .retention_ms = -1,
    .connections_per_s = -1,
    .requests_per_s = -1,
    .lifetime_ms = -1,
    .auto_create_topics = true,
    .default_partitions = 1,
    .group_initial_delay_ms = 3000,
    .authorise = false,
};
