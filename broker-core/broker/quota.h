/* quota.h - Kafka's five client quotas as token buckets by entity, and the plan's rates for the whole
 * cluster: bytes in and out, requests, new connections.
 *
 * What is charged, by kind: bytes of produce requests and of fetched records; milliseconds of the
 * loop's thread (request_percentage: 100 is all of it); partitions made or deleted
 * (controller_mutation_rate); connections (connection_creation_rate, by address). Entities match in
 * Kafka's order (image_quota).
 *
 * A bucket's burst is one second of its quota. A request larger than what is left passes and is
 * owed; the answer is how long the connection has to keep quiet until the debt is paid
 * (throttle_time_ms, KIP-219). Rates are looked up again after quotas_changed. Buckets are bounded
 * in number: idle ones are dropped first, then those that were not used for longest. Times are
 * loop_now's. Loop thread only. */
#pragma once
#include "cluster/image.h"

struct quotas;
struct quota_meter; /* quota_meter.h */

/* `image` is borrowed and must outlive the quotas. */
status quotas_new(const struct image *image, struct quotas **ret_quotas);
void quotas_free(struct quotas *quotas); /* NULL ok */
DEFINE_CLEANUP(quotas);

/* The image's quotas or limits changed (QUOTAS_CHANGED, LIMITS_CHANGED). */
void quotas_changed(struct quotas *quotas);

/* Has any entity a quota of this kind? (The cluster's own rates do not count.) */
bool quotas_any(struct quotas *quotas, enum quota_kind kind);
/* Accounts `amount` of what the kind counts: the entity's bucket and, for bytes, the cluster's ingress
 * or egress. Returns throttle_time_ms, 0 = go on. client_id may be null; the principal of
 * QUOTA_CONNECTION is an address. */
int32_t quotas_charge(struct quotas *quotas, enum quota_kind kind, struct str principal,
                      struct str client_id, double amount, int64_t now);
/* One request against the plan's rate of requests. Returns throttle_time_ms. */
int32_t quotas_request(struct quotas *quotas, struct str principal, int64_t now);
/* Has the plan, or any address, a rate of new connections? */
bool quotas_any_connection(struct quotas *quotas);
/* Accounts a connection only when the address and the plan allow one now: else the time until they do. */
int32_t quotas_connect(struct quotas *quotas, struct str address, int64_t now);
/* What a charge of 0 bytes would say, without accounting: a Fetch that finds > 0 answers empty. */
int32_t quotas_owed(struct quotas *quotas, enum quota_kind kind, struct str principal,
                    struct str client_id, int64_t now);

/* --- who sent a request (quota_request.c); leatd itself is not limited -------------------------- */
struct request;
int32_t quota_produce(struct request *r, size_t bytes); /* throttle_time_ms, here and below */
int32_t quota_fetch(struct request *r, size_t bytes);
int32_t quota_fetch_owed(struct request *r); /* > 0: answer empty with this throttle time */

/* So many partitions are to be made or deleted. A strict client (Kafka: CreateTopics 6, DeleteTopics 5,
 * CreatePartitions 3 and above) gets THROTTLING_QUOTA_EXCEEDED while it owes; others are let through.
 * The request's answer will carry the throttle time. */
status quota_mutate(struct request *r, bool strict, int64_t partitions);

/* request_percentage: the loop's thread begins (goes on) to work on r, unless it does already; leaves it
 * waiting; or answers it, after which r->throttle_ms says how long its client has to keep quiet. */
void quota_work_begin(struct request *r);
void quota_work_pause(struct request *r);
void quota_work_done(struct request *r);

/* --- for reports: what each principal moved and how long it was throttled ----------------------- */
struct quota_throttled {
    struct str principal;
    int64_t bytes_in, bytes_out;  /* since the start of the broker, as is the rest */
    int64_t produce_ms, fetch_ms, other_ms; /* of time: what holds it back at the same moment counts once */
    int64_t last_at;              /* loop_now of the last throttle; 0: never */
};
void quotas_each_throttled(const struct quotas *quotas,
                           void (*each)(void *arg, const struct quota_throttled *throttled),
                           void *arg);

/* What each entity with a quota was charged, the first of them: hh.next is the next; NULL: none. */
const struct quota_meter *quotas_meters(const struct quotas *quotas);

/* --- the bucket itself (pure; shown for its test) --------------------------------------------- */
struct quota_bucket {
    double tokens; /* <= rate; below 0 = owed */
    double rate;   /* per second */
    int64_t at;    /* tokens are of this time */
};
void quota_bucket_init(struct quota_bucket *bucket, double rate, int64_t now);
void quota_bucket_rate(struct quota_bucket *bucket, double rate, int64_t now); /* changed */
int32_t quota_bucket_take(struct quota_bucket *bucket, double amount, int64_t now);
