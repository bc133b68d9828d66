/* throttled.h - for how long quotas held principals back, in the last minute and in the last hour, from
 * the history. Domain thread; read on a lane. */
#pragma once
#include "domain/domain.h"

struct throttled {
    struct str principal;       /* "User:sa-…" */
    bool known;                 /* the history has room for him */
    int64_t minute_ms, hour_ms; /* in the last minute that is over, and in sixty of them */
};
struct throttled_all {
    bool known;               /* there is a history */
    struct throttled *rows;   /* those who waited at all */
    size_t count;
    const struct engine_figures *figures; /* NULL: none */
};
/* Valid during done(), which is called once and later; at once without memory (not known). */
typedef void (*throttled_done)(void *arg, const struct throttled_all *all);
void throttled_load(struct domain *domain, const char *cluster_id, throttled_done done, void *arg);
/* Zeros for who did not wait. */
struct throttled throttled_of(const struct throttled_all *all, struct str principal);
