/* quota.h - byte-rate quotas as token buckets, by client-quota entity and for the whole cluster.
 *
 * A bucket's burst is one second of its quota. A request larger than what is left passes and is
 * owed; the answer is how long the connection has to keep quiet until the debt is paid
 * (throttle_time_ms, KIP-219). Rates are looked up again after quotas_changed. Buckets are bounded
 * in number and dropped when idle. Times are loop_now's. Loop thread only. */
#pragma once
#include "cluster/image.h"

struct quotas;

/* `image` is borrowed and must outlive the quotas. */
status quotas_new(const struct image *image, struct quotas **ret_quotas);
void quotas_free(struct quotas *quotas); /* NULL ok */
DEFINE_CLEANUP(quotas);

/* The image's quotas or limits changed (QUOTAS_CHANGED, LIMITS_CHANGED). */
void quotas_changed(struct quotas *quotas);

/* Accounts `bytes` of a produce (QUOTA_PRODUCER_BYTES) or fetch (QUOTA_CONSUMER_BYTES): the
 * entity's bucket and the cluster's ingress/egress. Returns throttle_time_ms, 0 = go on.
 * client_id may be null. */
int32_t quotas_charge(struct quotas *quotas, enum quota_kind kind, struct str principal,
                      struct str client_id, int64_t bytes, int64_t now);
/* What a charge of 0 bytes would say, without accounting: a Fetch that finds > 0 answers empty. */
int32_t quotas_owed(struct quotas *quotas, enum quota_kind kind, struct str principal,
                    struct str client_id, int64_t now);

/* The same for who sent a request (leatd itself is not limited). Return throttle_time_ms. */
struct request;
int32_t quota_produce(struct request *r, size_t bytes);
int32_t quota_fetch(struct request *r, size_t bytes);
int32_t quota_fetch_owed(struct request *r); /* > 0: answer empty with this throttle time */

/* --- for reports: what each principal moved and how long it was throttled ----------------------- */
struct quota_throttled {
    struct str principal;
    int64_t bytes_in, bytes_out;  /* since the start of the broker, as is the rest */
    int64_t produce_ms, fetch_ms;
    int64_t last_at;              /* loop_now of the last throttle; 0: never */
};
void quotas_each_throttled(const struct quotas *quotas,
                           void (*each)(void *arg, const struct quota_throttled *throttled),
                           void *arg);

/* --- the bucket itself (pure; shown for its test) --------------------------------------------- */
struct quota_bucket {
    double tokens; /* <= rate; below 0 = owed */
    double rate;   /* per second */
    int64_t at;    /* tokens are of this time */
};
void quota_bucket_init(struct quota_bucket *bucket, double rate, int64_t now);
void quota_bucket_rate(struct quota_bucket *bucket, double rate, int64_t now); /* changed */
int32_t quota_bucket_take(struct quota_bucket *bucket, double amount, int64_t now);
