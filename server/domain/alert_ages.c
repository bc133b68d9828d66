/* alert_ages.c - how old what a group has not read is: now, less the timestamp of the first record at or
 * after what it committed. That record is read once for each committed offset, and its time remembered.
 * One read at a time; domain thread. */
#include "domain/alerts_int.h"

#include "base/hash.h"
#include "domain/groups.h"
#include "domain/records.h"

#include <stdio.h>

enum { READS_AT_ONCE_MAX = 50, AGES_MAX = 5000 };
#define READ_ARENA (40u << 20) /* of one read, which is bounded by records.h */

struct age {
    int64_t offset, timestamp; /* of the record; -1: none was found */
    bool seen;
    UT_hash_handle hh;
    char key[];                /* group, newline, topic, newline, partition */
};
struct alert_ages {
    struct domain *domain;
    const char *cluster_id;
    const struct group_info *groups;
    int32_t count, group, lag; /* where the next read is looked for */
    int reads;
    struct age *ages, *reading;
    struct arena arena;
    void (*done)(void *arg);
    void *arg;
};

static struct age *age_of(struct alert_ages *a, const struct group_info *g, const struct group_lag *l,
                          bool make)
{
    char key[640];
    struct age *age = NULL;
    int n = snprintf(key, sizeof key, "%.*s\n%.*s\n%d", STR_ARG(g->id), STR_ARG(l->topic), l->partition);
    if (n < 0 || (size_t)n >= sizeof key) return NULL;
    HASH_FIND(hh, a->ages, key, (size_t)n, age);
    if (age || !make || HASH_COUNT(a->ages) >= AGES_MAX) return age;
    age = mem_zalloc(sizeof *age + (size_t)n + 1);
    if (!age) return NULL;
    age->offset = -1;
    memcpy(age->key, key, (size_t)n + 1);
    HASH_ADD_KEYPTR(hh, a->ages, age->key, (size_t)n, age);
    if (HASH_ADDED(hh, age)) return age;
    mem_free(age);
    return NULL;
}

static void drop(struct alert_ages *a, bool all)
{
    struct age *age, *next;
    HASH_ITER(hh, a->ages, age, next) {
        if (!all && age->seen) {
            age->seen = false;
            continue;
        }
        HASH_DEL(a->ages, age);
        mem_free(age);
    }
}

static void finish(struct alert_ages *a)
{
    void (*done)(void *arg) = a->done;
    drop(a, false); /* of groups and partitions that are read, or gone */
    a->groups = NULL;
    a->count = 0;
    done(a->arg);
}

static void read_next(struct alert_ages *a);

static void read_one(void *arg, status result, const struct scan_result *scan)
{
    struct alert_ages *a = arg;
    const struct group_lag *l = &a->groups[a->group].lags[a->lag - 1];
    if (is_ok(result)) {
        a->reading->offset = l->current;
        a->reading->timestamp = scan->count ? scan->records[0].timestamp : -1;
    }
    arena_done(&a->arena);
    if (is_ok(result)) read_next(a);
    else finish(a); /* the broker went away, or leatd ends */
}

static void begin_read(struct alert_ages *a, const struct group_lag *l)
{
    const struct scan_query query = { .topic = l->topic, .partitions = l->partition + 1,
                                      .partition = l->partition, .from = SCAN_OFFSET,
                                      .offset = l->current, .limit = 1, .value_max = 0 };
    a->reads++;
    arena_init(&a->arena, READ_ARENA);
    records_scan(a->domain, a->cluster_id, STR("User:leat"), &query, &a->arena, read_one, a);
}

/* Goes on to the next partition whose record is not known. */
static void read_next(struct alert_ages *a)
{
    for (; a->group < a->count; a->group++, a->lag = 0) {
        const struct group_info *g = &a->groups[a->group];
        while (is_ok(g->result) && a->lag < g->lag_count) {
            const struct group_lag *l = &g->lags[a->lag++];
            struct age *age = l->lag > 0 ? age_of(a, g, l, true) : NULL;
            if (!age) continue;
            age->seen = true;
            if (age->offset == l->current || a->reads >= READS_AT_ONCE_MAX) continue;
            a->reading = age;
            begin_read(a, l);
            return;
        }
    }
    finish(a);
}

status alert_ages_load(struct domain *domain, struct alert_ages **ages, const char *cluster_id,
                       const struct group_info *groups, int32_t count, void (*done)(void *arg), void *arg)
{
    if (!*ages) *ages = mem_zalloc(sizeof **ages);
    struct alert_ages *a = *ages;
    if (!a) return FAIL(NO_MEMORY);
    struct age *known = a->ages;
    *a = (struct alert_ages){ .domain = domain, .cluster_id = cluster_id, .groups = groups, .count = count,
                              .ages = known, .done = done, .arg = arg };
    read_next(a);
    return OK;
}

const struct group_lag *alert_ages_oldest(struct alert_ages *a, const struct group_info *g, int64_t now,
                                          int64_t *ret_ms, bool *ret_all)
{
    const struct group_lag *oldest = NULL;
    *ret_ms = 0;
    *ret_all = true;
    for (int32_t i = 0; i < g->lag_count; i++) {
        if (g->lags[i].lag <= 0) continue;
        const struct age *age = a ? age_of(a, g, &g->lags[i], false) : NULL;
        if (!age || age->offset != g->lags[i].current) *ret_all = false;
        if (!age || age->offset != g->lags[i].current || age->timestamp < 0) continue;
        int64_t ms = now > age->timestamp ? now - age->timestamp : 0;
        if (oldest && ms <= *ret_ms) continue;
        oldest = &g->lags[i];
        *ret_ms = ms;
    }
    return oldest;
}

void alert_ages_free(struct alert_ages *a)
{
    if (!a) return;
    drop(a, true);
    mem_free(a);
}
