/* quota_request.c - what a request is charged, and what its client is told. Loop thread.
 *
 * The time of request_percentage is the loop's thread alone: from when it takes the request up until it
 * leaves it waiting or has its answer, again when it goes on with it. What happens on other threads (a
 * sync of the disk) is not counted, nor is a produce request with acks=0, which nobody answers. */
#include "broker/handler.h"
#include "broker/quota.h"

enum { SASL_HANDSHAKE_KEY = 17, SASL_AUTHENTICATE_KEY = 36 };

static bool is_limited(const struct request *r)
{
    return !r->super && r->broker->quotas != NULL;
}

static int32_t charge(struct request *r, enum quota_kind kind, double amount)
{
    return quotas_charge(r->broker->quotas, kind, r->principal, r->client_id, amount,
                         loop_now(r->broker->loop));
}

int32_t quota_produce(struct request *r, size_t bytes)
{
    return is_limited(r) ? charge(r, QUOTA_PRODUCER_BYTES, (double)bytes) : 0;
}

int32_t quota_fetch(struct request *r, size_t bytes)
{
    return is_limited(r) ? charge(r, QUOTA_CONSUMER_BYTES, (double)bytes) : 0;
}

int32_t quota_fetch_owed(struct request *r)
{
    if (!is_limited(r)) return 0;
    return quotas_owed(r->broker->quotas, QUOTA_CONSUMER_BYTES, r->principal, r->client_id,
                       loop_now(r->broker->loop));
}

static void throttle(struct request *r, int32_t ms)
{
    if (ms > r->throttle_ms) r->throttle_ms = ms;
}

/* --- controller_mutation_rate ------------------------------------------------------------------------ */

status quota_mutate(struct request *r, bool strict, int64_t partitions)
{
    if (!is_limited(r) || !quotas_any(r->broker->quotas, QUOTA_MUTATION)) return OK;
    int32_t owed = strict ? charge(r, QUOTA_MUTATION, 0) : 0;
    if (owed > 0) {
        throttle(r, owed);
        return FAIL(THROTTLING_QUOTA_EXCEEDED);
    }
    owed = charge(r, QUOTA_MUTATION, (double)partitions);
    if (!strict) throttle(r, owed); /* a strict client hears of it when it asks for more */
    return OK;
}

/* --- request_percentage, and the plan's rate of requests --------------------------------------------- */

/* Logging in is free: who is throttled there could not even hear of it. */
static bool is_charged(const struct request *r)
{
    int16_t key = r->header.api_key;
    return is_limited(r) && !str_is_empty(r->principal) && key != SASL_HANDSHAKE_KEY &&
           key != SASL_AUTHENTICATE_KEY;
}

void quota_work_begin(struct request *r)
{
    if (r->work_since || !is_charged(r)) return;
    if (quotas_any(r->broker->quotas, QUOTA_REQUEST)) r->work_since = loop_nanos();
}

static int32_t charge_work(struct request *r)
{
    double ms = (double)(loop_nanos() - r->work_since) / 1e6;
    r->work_since = 0;
    return charge(r, QUOTA_REQUEST, ms);
}

void quota_work_pause(struct request *r)
{
    if (r->work_since) (void)charge_work(r); /* told with the answer */
}

void quota_work_done(struct request *r)
{
    quota_work_begin(r);
    if (r->work_since) throttle(r, charge_work(r));
    if (is_charged(r)) throttle(r, quotas_request(r->broker->quotas, r->principal,
                                               loop_now(r->broker->loop)));
}
