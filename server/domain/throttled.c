/* throttled.c - for how long quotas held principals back. Domain thread; the history is read on a lane. */
#include "domain/throttled.h"

#include "base/arena.h"
#include "collect/history.h"

#include <stdio.h>

#define PRINCIPALS_MAX 1000
#define ARENA_MAX (8u << 20)
#define WRITTEN_AFTER_MS 5000 /* a minute is in the file a moment after it is over */

struct asking {
    struct job job;
    struct domain *domain;
    char folder[512], cluster_id[40];
    int64_t to;
    struct arena arena;
    struct throttled_all found;
    throttled_done done;
    void *arg;
};

static struct throttled *row_of(struct asking *a, struct str principal)
{
    for (size_t i = 0; i < a->found.count; i++)
        if (str_eq(a->found.rows[i].principal, principal)) return &a->found.rows[i];
    if (a->found.count == PRINCIPALS_MAX) return NULL;
    struct throttled *row = &a->found.rows[a->found.count++];
    row->principal = arena_str(&a->arena, principal);
    row->known = true;
    return row;
}

static void on_point(void *arg, const struct history_point *p)
{
    struct asking *a = arg;
    struct throttled *row = p->value > 0 ? row_of(a, p->labels[0]) : NULL;
    if (!row) return;
    row->hour_ms += p->value;
    if (p->at >= a->to - HISTORY_MINUTE) row->minute_ms += p->value;
}

static void work(struct job *job)
{
    struct asking *a = CONTAINER_OF(job, struct asking, job);
    struct history_query q = { .cluster_id = str_c(a->cluster_id), .type_count = 1, .to = a->to,
                               .from = a->to - HISTORY_HOUR, .step = HISTORY_MINUTE, .point = on_point,
                               .arg = a };
    q.types[0] = series_by_name(STR("throttle_time_ms"));
    a->found.known = is_ok(history_read(a->folder, &q)) && is_ok(arena_check(&a->arena));
}

static void worked(struct job *job)
{
    struct asking *a = CONTAINER_OF(job, struct asking, job);
    if (a->domain->engine) a->found.figures = engine_figures(a->domain->engine, a->cluster_id);
    a->done(a->arg, &a->found);
    arena_done(&a->arena);
    mem_free(a);
}

void throttled_load(struct domain *domain, const char *cluster_id, throttled_done done, void *arg)
{
    struct throttled_all nothing = { .known = false };
    struct asking *a = mem_zalloc(sizeof *a);
    int64_t end = domain_wall() - WRITTEN_AFTER_MS;
    if (!a) {
        done(arg, &nothing);
        return;
    }
    arena_init(&a->arena, ARENA_MAX);
    a->job = (struct job){ .work = work, .done = worked };
    a->to = end - end % HISTORY_MINUTE;
    a->domain = domain;
    a->done = done;
    a->arg = arg;
    a->found.rows = ARENA_ARRAY(&a->arena, struct throttled, PRINCIPALS_MAX);
    snprintf(a->folder, sizeof a->folder, "%s", domain->options.data_dir);
    snprintf(a->cluster_id, sizeof a->cluster_id, "%s", cluster_id);
    if (a->found.rows && is_ok(loop_submit(domain->loop, &a->job, LANE_READ))) return;
    arena_done(&a->arena);
    mem_free(a);
    done(arg, &nothing);
}

struct throttled throttled_of(const struct throttled_all *all, struct str principal)
{
    for (size_t i = 0; i < all->count; i++)
        if (str_eq(all->rows[i].principal, principal)) return all->rows[i];
    struct throttled none = { .principal = principal, .known = all->known };
    for (size_t i = HISTORY_PRINCIPALS; all->figures && i < all->figures->principal_count; i++)
        if (str_eq_c(principal, all->figures->principals[i].principal)) none.known = false;
    return none;
}
