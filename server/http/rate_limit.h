/* rate_limit.h - how many requests a key, a session's user or an address may make. Any HTTP thread.
 *
 * Each subject has a bucket that fills at `per_s` and holds `burst`, kept as the time at which it would
 * be full again (GCRA: one number, no timer). The table has a fixed size; the bucket that is nearest to
 * full makes room for another. */
#pragma once
#include "base/bytes.h"

struct rate_limit;

/* per_s 0: no limit. NULL: no memory. */
struct rate_limit *rate_limit_new(int64_t per_s, int64_t burst);
void rate_limit_free(struct rate_limit *limit); /* NULL ok */

struct rate_verdict {
    bool allowed;
    int64_t limit;     /* of requests at once: the burst; 0: there is none */
    int64_t remaining; /* that may be made now */
    int64_t reset_s;   /* seconds until all of `limit` may be made */
    int64_t retry_s;   /* refused: seconds until one may be made, at least 1 */
};
/* Takes one request of `subject` (bytes that name it, of any length) at now_ms, monotonic. */
struct rate_verdict rate_limit_take(struct rate_limit *limit, struct str subject, int64_t now_ms);
