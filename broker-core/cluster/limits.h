/* limits.h - what the plan of a cluster allows; -1 = no limit. Travels in the image. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct limits {
    int64_t ingress_bytes_per_s;  /* whole cluster */
    int64_t egress_bytes_per_s;
    int64_t storage_bytes;
    int64_t partitions;
    int64_t connections;
    int64_t message_bytes;        /* greatest max.message.bytes */
    int64_t memory_bytes;         /* budget for requests and replies */
    int64_t retention_ms;         /* greatest retention.ms of a topic; 0 is no limit, too, here and below */
    int64_t connections_per_s;    /* new ones, all addresses together */
    int64_t requests_per_s;       /* whole cluster */
    int64_t lifetime_ms;          /* of a cluster on its plan; leatd's alone, not in the image */
    bool auto_create_topics;
    int32_t default_partitions;   /* num.partitions */
    int32_t group_initial_delay_ms; /* group.initial.rebalance.delay.ms */
    bool authorise;               /* false: standalone, no ACLs */
    bool strict_replication;      /* a replication factor above 1 is refused, as by one Kafka broker;
                                     false: accepted and shown, one replica is kept */
};
extern const struct limits limits_standalone;
