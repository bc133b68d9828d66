/* quota_meter.h - what was charged to each entity that has a quota, and how long it was held back: for
 * reports. An entity is what Kafka gives a quota to: a user, a client id, both, an address, or the default
 * of one of these, whose meter counts everyone it stands for. Loop thread. */
#pragma once
#include "base/hash.h"
#include "cluster/image.h"

#define QUOTA_METERS_MAX 500 /* entities that are counted: the first that are used */

struct quota_meter { /* since the start of the broker, or since the entity has a quota */
    struct quota entity; /* its rates are not used; strings are the meter's */
    int64_t bytes_in, bytes_out, request_us, mutations, connections;
    int64_t throttle_ms; /* what waits at the same moment counts once */
    int64_t until;       /* it is held back; loop_now */
    UT_hash_handle hh;
    size_t key_len;
    char key[];
};
struct quota_meters {
    struct quota_meter *all;
};

/* The meter of exactly this entity, made now if need be; NULL: not counted. */
struct quota_meter *quota_meter_of(struct quota_meters *meters, const struct quota *entity);
/* amount: of what the kind counts (quota.h). ms: so long it has to keep quiet. meter: NULL ok. */
void quota_meter_add(struct quota_meter *meter, enum quota_kind kind, double amount, int32_t ms, int64_t now);
/* Entities that have no quota any more are forgotten. */
void quota_meters_prune(struct quota_meters *meters, const struct image *image);
void quota_meters_done(struct quota_meters *meters);
/* What a charge of ms adds to the time until *until: requests that were sent ahead, and other connections,
 * wait at the same time. */
int64_t quota_held_longer(int64_t *until, int32_t ms, int64_t now);
