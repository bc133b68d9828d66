/* lifetimes.c - one timer, set to the nearest end there is. Ends are computed from rows, so that a change of
 * a plan, a restart of leatd or a wrong clock in between leaves nothing behind. */
#include "domain/lifetimes.h"

#include "domain/pause.h"

#include "base/log.h"

#include <stdio.h>

enum { LOOK_MAX_MS = 60000, PAUSES_AT_ONCE = 100 };

struct lifetimes {
    struct domain *domain;
    struct timer timer;
};

/* Clusters that have an end. Own lifetimes come before the plan's; -1 is none. */
#define ENDS                                                                                        \
    "FROM (SELECT c.id AS id, c.plan AS plan, c.deleting AS deleting, b.paused_at AS paused_at, "    \
    "c.plan_since AS since, coalesce((SELECT l.value FROM cluster_limit l WHERE l.cluster_id = c.id " \
    "AND l.name = 'lifetime_ms'), p.lifetime_ms) AS lasts FROM cluster c "                           \
    "JOIN plan p ON p.name = c.plan JOIN broker b ON b.cluster_id = c.id AND b.node_id = 1) "        \
    "WHERE lasts >= 0 "

status lifetimes_end(struct db *db, const char *cluster_id, int64_t *ret_at)
{
    *ret_at = -1;
    struct db_query *q = DB(db, "SELECT since + lasts " ENDS "AND id = ?", cluster_id);
    if (db_next(q)) *ret_at = db_i64(q, 0);
    return db_end(q);
}

status lifetimes_check(struct db *db, const char *cluster_id, struct why *why)
{
    int64_t end = -1;
    TRY(lifetimes_end(db, cluster_id, &end));
    if (end < 0 || end > domain_wall()) return OK;
    why_set(why, "The cluster's time on its plan is over; give it another plan, or a longer lifetime_ms of "
                 "its own, then resume it.");
    return FAIL(CONFLICT);
}

/* --- looking ------------------------------------------------------------------------------------------ */

struct ended {
    char id[ID_TEXT], plan[64];
    double days;
};

static int find_ended(struct domain *domain, struct ended *ended)
{
    int count = 0;
    struct db_query *q = DB(domain->db, "SELECT id, plan, lasts " ENDS "AND deleting = 0 AND paused_at IS "
                                        "NULL AND since + lasts <= ?1 LIMIT ?2", domain_wall(),
                            PAUSES_AT_ONCE);
    while (db_next(q) && count < PAUSES_AT_ONCE) {
        DB_COPY(q, 0, ended[count].id);
        DB_COPY(q, 1, ended[count].plan);
        ended[count++].days = (double)db_i64(q, 2) / 86400000.0;
    }
    (void)db_end(q); /* logged; looked at again */
    return count;
}

static void pause_one(struct domain *domain, const struct ended *e)
{
    char reason[200];
    struct why why = { "" };
    snprintf(reason, sizeof reason, "Its plan %s lasts %.3g days, which are over. Another plan, or a longer "
             "lifetime of its own, lets it be resumed", e->plan, e->days);
    status result = clusters_pause(domain, &actor_system, str_c(e->id), str_c(reason), &why);
    if (failed(result))
        log_warn("cluster %s is not paused at its end (%s); tried again", e->id, status_text(result));
    else
        log_info("cluster %s: its time on the plan %s is over, it is paused", e->id, e->plan);
}

static int64_t next_look(struct domain *domain)
{
    int64_t next = INT64_MAX, now = domain_wall();
    struct db_query *q = DB(domain->db, "SELECT min(since + lasts) " ENDS "AND deleting = 0 AND paused_at "
                                        "IS NULL");
    if (db_next(q) && !db_is_null(q, 0)) next = db_i64(q, 0);
    (void)db_end(q);
    int64_t wait = next == INT64_MAX ? LOOK_MAX_MS : next - now;
    return wait < 10 ? 10 : wait > LOOK_MAX_MS ? LOOK_MAX_MS : wait;
}

static void look(struct timer *timer)
{
    struct lifetimes *l = CONTAINER_OF(timer, struct lifetimes, timer);
    struct domain *domain = l->domain;
    struct ended ended[PAUSES_AT_ONCE];
    int count = find_ended(domain, ended);
    for (int i = 0; i < count; i++) pause_one(domain, &ended[i]);
    (void)loop_timer_set(domain->loop, timer, loop_now(domain->loop) + next_look(domain));
}

/* --- life ---------------------------------------------------------------------------------------------- */

status lifetimes_start(struct domain *domain)
{
    struct lifetimes *l = mem_zalloc(sizeof *l);
    if (!l) return FAIL(NO_MEMORY);
    l->domain = domain;
    timer_init(&l->timer, look);
    domain->lifetimes = l;
    return loop_timer_set(domain->loop, &l->timer, loop_now(domain->loop));
}

void lifetimes_soon(struct domain *domain)
{
    struct lifetimes *l = domain->lifetimes;
    if (l) (void)loop_timer_set(domain->loop, &l->timer, loop_now(domain->loop));
}

void lifetimes_stop(struct domain *domain)
{
    struct lifetimes *l = TAKE(domain->lifetimes);
    if (!l) return;
    loop_timer_clear(domain->loop, &l->timer);
    mem_free(l);
}
