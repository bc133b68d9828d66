/* rate_limit.c - a set-associative table of theoretical arrival times. Any HTTP thread. */
#include "http/rate_limit.h"

#include "base/hash.h"

#include <pthread.h>

#define SETS 2048 /* of WAYS buckets: 256 KiB */
#define WAYS 8

struct bucket {
    uint64_t subject;  /* its hash; two subjects with one hash share a bucket */
    int64_t full_at;   /* microseconds; in the past: full, and as good as free */
};
struct rate_limit {
    pthread_mutex_t lock;
    int64_t burst, per_s;
    int64_t cost;      /* microseconds in which one request is made up for; 0: no limit */
    struct bucket buckets[SETS][WAYS];
};

struct rate_limit *rate_limit_new(int64_t per_s, int64_t burst)
{
    struct rate_limit *limit = mem_zalloc(sizeof *limit);
    if (!limit) return NULL;
    pthread_mutex_init(&limit->lock, NULL);
    limit->per_s = per_s;
    limit->burst = burst > 0 ? burst : 1;
    limit->cost = per_s > 0 ? 1000000 / per_s : 0;
    if (per_s > 0 && limit->cost == 0) limit->cost = 1;
    return limit;
}

void rate_limit_free(struct rate_limit *limit)
{
    if (!limit) return;
    pthread_mutex_destroy(&limit->lock);
    mem_free(limit);
}

static struct bucket *bucket_of(struct rate_limit *limit, struct str subject)
{
    char other[64]; /* a second hash of the same key: the name with a byte before it */
    uint32_t low = hash_keyed(subject.data, subject.len);
    size_t n = subject.len < sizeof other - 1 ? subject.len : sizeof other - 1;
    other[0] = '#';
    memcpy(other + 1, subject.data, n);
    uint64_t hash = ((uint64_t)hash_keyed(other, n + 1) << 32 | low) | 1;
    struct bucket *set = limit->buckets[low % SETS], *oldest = set;
    for (int i = 0; i < WAYS; i++) {
        if (set[i].subject == hash) return &set[i];
        if (set[i].full_at < oldest->full_at) oldest = &set[i];
    }
    *oldest = (struct bucket){ .subject = hash };
    return oldest;
}

struct rate_verdict rate_limit_take(struct rate_limit *limit, struct str subject, int64_t now_ms)
{
    struct rate_verdict v = { .allowed = true };
    if (limit->cost == 0) return v;
    int64_t now = now_ms * 1000, room = limit->cost * limit->burst;
    pthread_mutex_lock(&limit->lock);
    struct bucket *b = bucket_of(limit, subject);
    int64_t full_at = b->full_at > now ? b->full_at : now;
    v.allowed = full_at + limit->cost - now <= room;
    if (v.allowed) b->full_at = full_at += limit->cost;
    pthread_mutex_unlock(&limit->lock);
    v.limit = limit->burst;
    v.remaining = (room - (full_at - now)) / limit->cost;
    v.reset_s = (full_at - now + 999999) / 1000000;
    v.retry_s = v.allowed ? 0 : (full_at + limit->cost - now - room + 999999) / 1000000;
    return v;
}
