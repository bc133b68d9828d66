/* limits.c - the rate of requests: of a key, of a session's user, of an address that says no name. HTTP
 * thread. Failed authentications have a bucket of their own for each address, so that somebody who
 * guesses does not lock out who shares the address. */
#include "http/http_int.h"

#include <stdio.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void number_header(struct exchange *x, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    x->rq.http->set_header(&x->rq, name, text);
}

static bool take(struct exchange *x, const char *kind, const char *name, const char *detail)
{
    char subject[300];
    int n = snprintf(subject, sizeof subject, "%s%s", kind, name);
    struct rate_verdict v = rate_limit_take(x->http->rates, (struct str){ subject, (size_t)n }, now_ms());
    if (!v.limit) return true;
    number_header(x, "X-RateLimit-Limit", v.limit);
    number_header(x, "X-RateLimit-Remaining", v.remaining);
    number_header(x, "X-RateLimit-Reset", v.reset_s);
    if (v.allowed) return true;
    number_header(x, "Retry-After", v.retry_s);
    atomic_fetch_add(&x->http->limited, 1);
    if (x->rq.route->dialect == KAFKA) api_fail_kafka(&x->rq, 429, 429, detail);
    else api_fail_at(&x->rq, 429, NULL, detail, NULL, NULL);
    return false;
}

bool limits_admit(struct exchange *x)
{
    static const char detail[] = "Too many requests: try again after the seconds that Retry-After says.";
    const struct api_caller *caller = &x->rq.caller;
    if (caller->key_id[0]) return take(x, "key ", caller->key_id, detail);
    if (caller->owner[0]) return take(x, "user ", caller->owner, detail);
    return take(x, "address ", x->rq.address, detail);
}

bool limits_failed_auth(struct exchange *x)
{
    return take(x, "failed ", x->rq.address,
                "Too many requests with a wrong key or session came from this address: try again after "
                "the seconds that Retry-After says.");
}
