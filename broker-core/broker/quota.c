/* quota.c - token buckets by client-quota entity and for the cluster. Loop thread.
 *
 * Two tables: `buckets` by entity (kind, user or none, client or none: Kafka's key, so a user-level
 * quota is shared by all clients of that user), and `routes` that remember for a (kind, user,
 * client) which bucket it charges, so that the image's list is walked once per client and not per
 * request. quotas_changed() forgets all routes; a bucket keeps what it owes when its rate changes.
 * Both tables are bounded; when one is full, routes are all forgotten (they are cheap to find
 * again) and buckets that are full of tokens (idle: same as new) are dropped. */
#include "broker/quota.h"

#include "base/hash.h"
#include "base/mem.h"
#include "broker/quota_meter.h"

enum {
    ROUTES_MAX = 4096,
    BUCKETS_MAX = 8192,
    THROTTLED_MAX = 1024,
    KEY_MAX = 2 + 256 + 256,
    THROTTLE_MAX_MS = 30000, /* one pause; what is still owed then is asked for again */
};

enum cluster_rate { CLUSTER_INGRESS, CLUSTER_EGRESS, CLUSTER_REQUESTS, CLUSTER_CONNECTIONS, CLUSTER_RATES };

struct bucket {
    struct quota_bucket tokens;
    struct quota_meter *meter; /* as of the last route to it; NULL: not counted */
    struct bucket *prev, *next; /* by use, the least recent first */
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[];
};

struct route {
    struct bucket *bucket; /* NULL: unlimited */
    UT_hash_handle hh;
    size_t key_len;
    uint8_t key[];
};

struct throttled {
    struct quota_throttled sums;
    int64_t until; /* it is held back */
    UT_hash_handle hh;
    char name[];
};

struct quotas {
    const struct image *image;
    struct bucket *buckets, *by_use;
    unsigned kinds; /* bit: some entity has a quota of this kind; of kinds_known */
    bool kinds_known;
    struct route *routes;
    struct throttled *throttled;
    struct quota_meters meters;
    struct quota_bucket cluster[CLUSTER_RATES]; /* of the plan; rate <= 0 = unlimited */
    size_t sweep_at;                /* drop idle buckets at this many */
};

/* --- the bucket ------------------------------------------------------------------------------- */
void quota_bucket_init(struct quota_bucket *bucket, double rate, int64_t now)
{
    *bucket = (struct quota_bucket){ .tokens = rate, .rate = rate, .at = now };
}

static void refill(struct quota_bucket *bucket, int64_t now)
{
    if (now <= bucket->at) return;
    bucket->tokens += bucket->rate * (double)(now - bucket->at) / 1000.0;
    if (bucket->tokens > bucket->rate) bucket->tokens = bucket->rate;
    bucket->at = now;
}

void quota_bucket_rate(struct quota_bucket *bucket, double rate, int64_t now)
{
    refill(bucket, now);
    bucket->rate = rate;
    if (bucket->tokens > rate) bucket->tokens = rate;
}

int32_t quota_bucket_take(struct quota_bucket *bucket, double amount, int64_t now)
{
    refill(bucket, now);
    bucket->tokens -= amount;
    if (bucket->tokens >= 0 || bucket->rate <= 0) return 0;
    double ms = -bucket->tokens * 1000.0 / bucket->rate;
    if (ms >= THROTTLE_MAX_MS) return THROTTLE_MAX_MS;
    int32_t whole = (int32_t)ms;
    return whole + (ms > whole); /* rounded up: less would not pay it */
}

/* --- tables ----------------------------------------------------------------------------------- */
status quotas_new(const struct image *image, struct quotas **ret_quotas)
{
    struct quotas *q = mem_zalloc(sizeof(*q));
    if (q == NULL) return FAIL(NO_MEMORY);
    q->image = image;
    q->sweep_at = 64;
    *ret_quotas = q;
    return OK;
}

static void forget_routes(struct quotas *q)
{
    struct route *r, *tmp;
    HASH_ITER(hh, q->routes, r, tmp) {
        HASH_DEL(q->routes, r);
        mem_free(r);
    }
}

void quotas_free(struct quotas *q)
{
    if (q == NULL) return;
    forget_routes(q);
    struct bucket *b, *bucket_tmp;
    HASH_ITER(hh, q->buckets, b, bucket_tmp) {
        HASH_DEL(q->buckets, b);
        mem_free(b);
    }
    struct throttled *t, *throttled_tmp;
    HASH_ITER(hh, q->throttled, t, throttled_tmp) {
        HASH_DEL(q->throttled, t);
        mem_free(t);
    }
    quota_meters_done(&q->meters);
    mem_free(q);
}

void quotas_changed(struct quotas *q)
{
    forget_routes(q); /* a bucket's meter is looked up again with its route */
    quota_meters_prune(&q->meters, q->image);
    q->kinds_known = false;
}

static void look_for_kinds(struct quotas *q)
{
    const struct quota *quota;
    q->kinds = 0;
    q->kinds_known = true;
    DL_FOREACH(q->image->quotas, quota)
        for (enum quota_kind kind = QUOTA_PRODUCER_BYTES; kind <= QUOTA_CONNECTION; kind++)
            if (quota_rate(quota, kind) >= 0) q->kinds |= 1u << kind;
}

bool quotas_any(struct quotas *q, enum quota_kind kind)
{
    if (!q->kinds_known) look_for_kinds(q);
    return (q->kinds >> kind & 1) != 0;
}

static void drop_bucket(struct quotas *q, struct bucket *b)
{
    HASH_DEL(q->buckets, b);
    DL_DELETE(q->by_use, b);
    mem_free(b);
}

/* Drops buckets that hold all their tokens; when that frees nothing, the one unused for longest. */
static void sweep(struct quotas *q, int64_t now)
{
    forget_routes(q); /* they point to buckets */
    struct bucket *b, *tmp;
    HASH_ITER(hh, q->buckets, b, tmp) {
        refill(&b->tokens, now);
        if (b->tokens.tokens >= b->tokens.rate) drop_bucket(q, b);
    }
    size_t left = HASH_COUNT(q->buckets);
    if (left >= BUCKETS_MAX) {
        drop_bucket(q, q->by_use);
        left--;
    }
    q->sweep_at = left * 2 < 64 ? 64 : left * 2;
    if (q->sweep_at > BUCKETS_MAX) q->sweep_at = BUCKETS_MAX;
}

/* kind, then each part as a flag, a length and its text; a part longer than a key is cut. */
static size_t put_part(uint8_t *key, size_t at, bool present, struct str text)
{
    size_t n = !present ? 0 : text.len > 250 ? 250 : text.len;
    key[at++] = present;
    key[at++] = (uint8_t)n;
    if (n > 0) memcpy(key + at, text.data, n);
    return at + n;
}

static size_t make_key(uint8_t key[KEY_MAX], enum quota_kind kind, bool has_user, struct str user,
                       bool has_client, struct str client)
{
    key[0] = (uint8_t)kind;
    size_t at = put_part(key, 1, has_user, user);
    return put_part(key, at, has_client, client);
}

static struct bucket *bucket_for(struct quotas *q, const uint8_t *key, size_t len, double rate,
                                 int64_t now)
{
    struct bucket *b = NULL;
    HASH_FIND(hh, q->buckets, key, len, b);
    if (b != NULL) {
        if (b->tokens.rate != rate) quota_bucket_rate(&b->tokens, rate, now);
        return b;
    }
    if (HASH_COUNT(q->buckets) >= q->sweep_at) sweep(q, now);
    b = mem_zalloc(sizeof(*b) + len);
    if (b == NULL) return NULL;
    memcpy(b->key, key, len);
    b->key_len = len;
    quota_bucket_init(&b->tokens, rate, now);
    HASH_ADD_KEYPTR(hh, q->buckets, b->key, len, b);
    if (!HASH_ADDED(hh, b)) {
        mem_free(b);
        return NULL;
    }
    DL_APPEND(q->by_use, b);
    return b;
}

static struct bucket *resolve(struct quotas *q, enum quota_kind kind, struct str user,
                              struct str client, int64_t now)
{
    double rate = 0;
    const struct quota *entity = NULL;
    if (!image_quota(q->image, kind, user, client, &rate, &entity) || rate < 0) return NULL;
    if (kind == QUOTA_REQUEST) rate *= 10; /* percent of a second to milliseconds a second */
    else if (kind != QUOTA_MUTATION && rate < 1) rate = 1;
    uint8_t key[KEY_MAX];
    bool of_user = entity->has_user || entity->has_ip; /* an address stands in the user's place */
    size_t len = make_key(key, kind, of_user, user, entity->has_client_id, client);
    struct bucket *b = bucket_for(q, key, len, rate, now);
    if (b) b->meter = quota_meter_of(&q->meters, entity);
    return b;
}

static struct bucket *route(struct quotas *q, enum quota_kind kind, struct str user,
                            struct str client, int64_t now)
{
    if (!quotas_any(q, kind)) return NULL;
    uint8_t key[KEY_MAX];
    size_t len = make_key(key, kind, true, user, true, client);
    struct route *r = NULL;
    HASH_FIND(hh, q->routes, key, len, r);
    if (r != NULL) return r->bucket;
    struct bucket *bucket = resolve(q, kind, user, client, now);
    if (HASH_COUNT(q->routes) >= ROUTES_MAX) forget_routes(q);
    r = mem_zalloc(sizeof(*r) + len);
    if (r == NULL) return bucket; /* works without being remembered */
    memcpy(r->key, key, len);
    r->key_len = len;
    r->bucket = bucket;
    HASH_ADD_KEYPTR(hh, q->routes, r->key, len, r);
    if (!HASH_ADDED(hh, r)) mem_free(r);
    return bucket;
}

static void remember(struct quotas *q, enum quota_kind kind, struct str principal, double amount,
                     int32_t ms, int64_t now)
{
    struct throttled *t = NULL;
    HASH_FIND(hh, q->throttled, principal.data, principal.len, t);
    if (t == NULL) {
        if (HASH_COUNT(q->throttled) >= THROTTLED_MAX) return;
        t = mem_zalloc(sizeof(*t) + principal.len + 1);
        if (t == NULL) return;
        if (principal.len > 0) memcpy(t->name, principal.data, principal.len);
        t->sums.principal = (struct str){ t->name, principal.len };
        HASH_ADD_KEYPTR(hh, q->throttled, t->name, principal.len, t);
        if (!HASH_ADDED(hh, t)) {
            mem_free(t);
            return;
        }
    }
    int64_t longer = quota_held_longer(&t->until, ms, now);
    if (kind == QUOTA_PRODUCER_BYTES) {
        t->sums.bytes_in += (int64_t)amount;
        t->sums.produce_ms += longer;
    } else if (kind == QUOTA_CONSUMER_BYTES) {
        t->sums.bytes_out += (int64_t)amount;
        t->sums.fetch_ms += longer;
    } else {
        t->sums.other_ms += longer;
    }
    if (ms > 0) t->sums.last_at = now;
}

/* --- charging --------------------------------------------------------------------------------- */
static double rate_of(const struct limits *limits, enum cluster_rate which)
{
    switch (which) {
    case CLUSTER_INGRESS: return (double)limits->ingress_bytes_per_s;
    case CLUSTER_EGRESS: return (double)limits->egress_bytes_per_s;
    case CLUSTER_REQUESTS: return (double)limits->requests_per_s;
    case CLUSTER_CONNECTIONS: return (double)limits->connections_per_s;
    default: return 0;
    }
}

/* The plan's bucket as its rate is now; NULL: unlimited. */
static struct quota_bucket *cluster_bucket(struct quotas *q, enum cluster_rate which, int64_t now)
{
    double rate = rate_of(&q->image->limits, which);
    struct quota_bucket *b = &q->cluster[which];
    if (rate <= 0) return NULL;
    if (b->rate <= 0)
        quota_bucket_init(b, rate, now);
    else if (b->rate != rate)
        quota_bucket_rate(b, rate, now);
    return b;
}

static int32_t charge_cluster(struct quotas *q, enum quota_kind kind, double bytes, int64_t now)
{
    if (kind != QUOTA_PRODUCER_BYTES && kind != QUOTA_CONSUMER_BYTES) return 0;
    struct quota_bucket *b =
        cluster_bucket(q, kind == QUOTA_PRODUCER_BYTES ? CLUSTER_INGRESS : CLUSTER_EGRESS, now);
    return b ? quota_bucket_take(b, bytes, now) : 0;
}

int32_t quotas_request(struct quotas *q, struct str principal, int64_t now)
{
    struct quota_bucket *b = cluster_bucket(q, CLUSTER_REQUESTS, now);
    int32_t ms = b ? quota_bucket_take(b, 1, now) : 0;
    if (ms > 0) remember(q, QUOTA_REQUEST, principal, 0, ms, now);
    return ms;
}

bool quotas_any_connection(struct quotas *q)
{
    return rate_of(&q->image->limits, CLUSTER_CONNECTIONS) > 0 || quotas_any(q, QUOTA_CONNECTION);
}

/* Now the one that was used last. */
static struct bucket *used(struct quotas *q, struct bucket *b)
{
    if (b && b->next) {
        DL_DELETE(q->by_use, b);
        DL_APPEND(q->by_use, b);
    }
    return b;
}

static int32_t take(struct quotas *q, enum quota_kind kind, struct str principal,
                    struct str client_id, double amount, int64_t now)
{
    struct str user = principal;
    if (str_starts(user, STR("User:"))) user = (struct str){ user.data + 5, user.len - 5 };
    int32_t whole = charge_cluster(q, kind, amount, now);
    struct bucket *b = used(q, route(q, kind, user, client_id, now));
    int32_t own = b ? quota_bucket_take(&b->tokens, amount, now) : 0;
    if (b) quota_meter_add(b->meter, kind, amount, own, now);
    return own > whole ? own : whole;
}

int32_t quotas_charge(struct quotas *q, enum quota_kind kind, struct str principal,
                      struct str client_id, double amount, int64_t now)
{
    int32_t ms = take(q, kind, principal, client_id, amount, now);
    bool bytes = kind == QUOTA_PRODUCER_BYTES || kind == QUOTA_CONSUMER_BYTES;
    if (bytes || ms > 0) remember(q, kind, principal, amount, ms, now);
    return ms;
}

/* Until a whole token is there; 0: now. */
static int32_t until_one(struct quota_bucket *b, int64_t now)
{
    if (!b) return 0;
    refill(b, now);
    double missing = 1 - b->tokens;
    return missing > 0 ? (int32_t)(missing * 1000.0 / b->rate) + 1 : 0;
}

int32_t quotas_connect(struct quotas *q, struct str address, int64_t now)
{
    struct bucket *b = used(q, route(q, QUOTA_CONNECTION, address, STR(""), now));
    struct quota_bucket *own = b ? &b->tokens : NULL;
    struct quota_bucket *plan = cluster_bucket(q, CLUSTER_CONNECTIONS, now);
    int32_t own_ms = until_one(own, now), plan_ms = until_one(plan, now);
    if (b) quota_meter_add(b->meter, QUOTA_CONNECTION, own_ms || plan_ms ? 0 : 1, own_ms, now);
    if (own_ms > 0 || plan_ms > 0) return own_ms > plan_ms ? own_ms : plan_ms;
    if (own) own->tokens -= 1;
    if (plan) plan->tokens -= 1;
    return 0;
}

int32_t quotas_owed(struct quotas *q, enum quota_kind kind, struct str principal,
                    struct str client_id, int64_t now)
{
    return take(q, kind, principal, client_id, 0, now);
}

void quotas_each_throttled(const struct quotas *q,
                           void (*each)(void *arg, const struct quota_throttled *throttled),
                           void *arg)
{
    for (const struct throttled *t = q->throttled; t != NULL; t = t->hh.next) each(arg, &t->sums);
}

const struct quota_meter *quotas_meters(const struct quotas *q) { return q->meters.all; }
