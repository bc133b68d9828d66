/* lags.c - the cache behind domain->lags: one entry a cluster that somebody looked at. Domain thread.
 * An entry lives until lags_done, so a computation under way always finds it. */
#include "domain/lags.h"

#include "base/hash.h"
#include "domain/groups.h"
#include "domain/watchers.h"

#define ARENA_BYTES (48 << 20) /* of one computation */
#define ENTRIES_MAX 10000

struct entry {
    struct lags *lags;
    char cluster_id[ID_TEXT];
    struct lag_worst worst;
    bool known, busy, listed;
    uint32_t groups;     /* hash of all groups, their states and members; when listed */
    int64_t computed_at; /* loop time; also of a failure */
    struct arena arena;
    UT_hash_handle hh;
};
struct lags {
    struct domain *domain;
    struct entry *entries;
    int busy;
};

/* Did a group come, go, change its state or its members since they were last asked about? */
static bool take_groups(struct entry *e, const struct group_info *groups, int32_t count)
{
    uint32_t all = (uint32_t)count, before = e->groups;
    bool first = !e->listed;
    for (int32_t i = 0; i < count; i++) {
        const struct group_info *g = &groups[i];
        all = all * 31 + hash_keyed(g->id.data, g->id.len);
        all = all * 31 + hash_keyed(g->state.data, g->state.len);
        for (int32_t m = 0; m < g->member_count; m++)
            all = all * 31 + hash_keyed(g->members[m].member_id.data, g->members[m].member_id.len);
    }
    e->groups = all;
    e->listed = true;
    return !first && all != before;
}

static void loaded(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct entry *e = arg;
    struct lag_worst before = e->worst, worst = { .lag = 0 };
    bool known_before = e->known, known = false;
    for (int32_t i = 0; is_ok(result) && i < count; i++) {
        if (!groups[i].worst || (known && groups[i].total_lag <= worst.lag)) continue;
        known = str_copy(worst.group, sizeof worst.group, groups[i].id);
        worst.lag = groups[i].total_lag;
    }
    e->busy = false;
    e->lags->busy--;
    bool other = is_ok(result) && take_groups(e, groups, count);
    if (is_ok(result)) {
        e->known = known;
        e->worst = worst;
    }
    bool changed = e->known != known_before || e->worst.lag != before.lag ||
                   strcmp(e->worst.group, before.group) != 0;
    arena_done(&e->arena);
    if (changed) watchers_tell(e->lags->domain, e->cluster_id, "figures");
    if (other) watchers_tell(e->lags->domain, e->cluster_id, "groups");
}

static struct entry *entry_get(struct domain *domain, const char *cluster_id)
{
    struct lags *lags = domain->lags;
    struct entry *e = NULL;
    if (!lags) {
        lags = mem_zalloc(sizeof *lags);
        if (!lags) return NULL;
        lags->domain = domain;
        domain->lags = lags;
    }
    HASH_FIND_STR(lags->entries, cluster_id, e);
    if (e || HASH_COUNT(lags->entries) >= ENTRIES_MAX) return e;
    e = mem_zalloc(sizeof *e);
    if (!e) return NULL;
    e->lags = lags;
    e->computed_at = INT64_MIN / 2;
    str_copy(e->cluster_id, sizeof e->cluster_id, str_c(cluster_id));
    HASH_ADD_STR(lags->entries, cluster_id, e);
    if (HASH_ADDED(hh, e)) return e;
    mem_free(e);
    return NULL;
}

bool lags_worst(struct domain *domain, const char *cluster_id, struct lag_worst *ret)
{
    if (!domain->engine) return false;
    struct entry *e = entry_get(domain, cluster_id);
    if (!e) return false;
    int64_t now = loop_now(domain->loop);
    if (!e->busy && now - e->computed_at >= LAG_AGE_MS && e->lags->busy < LAGS_AT_ONCE &&
        engine_version(domain->engine, cluster_id) > 0) {
        e->busy = true;
        e->lags->busy++;
        e->computed_at = now;
        arena_init(&e->arena, ARENA_BYTES);
        groups_load(domain, e->cluster_id, STR("User:leat"), STR_NULL, true, &e->arena, loaded, e);
    }
    *ret = e->worst;
    return e->known;
}

void lags_done(struct domain *domain)
{
    struct lags *lags = domain->lags;
    struct entry *e, *next;
    if (!lags) return;
    HASH_ITER(hh, lags->entries, e, next)
    {
        HASH_DEL(lags->entries, e);
        arena_done(&e->arena);
        mem_free(e);
    }
    mem_free(lags);
    domain->lags = NULL;
}
