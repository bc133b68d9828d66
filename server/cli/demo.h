/* demo.h - `leat demo`: traffic for a first look, through the real Kafka port.
 *
 * A producer writes about twenty JSON payments a second; the group fraud-check reads them, falls
 * behind for a while and catches up, for ever. One event loop; after a lost connection both begin
 * again with backoff. */
#pragma once
#include "client/client_ops.h"

#define DEMO_PARTITIONS_MAX 64

struct demo {
    struct loop *loop;
    char addr[64];
    uint16_t port;
    char key[64], secret[128];
    struct str topic, group;
    int32_t partitions; /* of the topic, 0 = not known yet */
};

/* One connection that is opened again when it ends; embedded in its user. */
struct demo_link {
    struct demo *demo;
    struct client *client;
    struct timer retry;
    int failures;
    void (*up)(struct demo_link *link);
    void (*down)(struct demo_link *link); /* the client is gone already */
};
void demo_link_open(struct demo_link *link);

status demo_payments_start(struct demo *demo);
status demo_group_start(struct demo *demo);
