/* refusals.c - a small table under a lock, drained by a timer of the domain's loop. */
#include "domain/refusals.h"

#include "base/log.h"
#include "domain/audit.h"

#include <pthread.h>
#include <stdio.h>

#define EVERY_MS 1000

struct refusal {
    char operation[40], actor[40], door[16], address[64], resource[80];
    int64_t at, count;
};

struct refusals {
    struct domain *domain;
    pthread_mutex_t lock; /* of all below but the timer */
    struct refusal rows[REFUSALS_KINDS];
    size_t count;
    int64_t others;
    bool posted;          /* the job or the timer is on its way */
    struct job job;
    struct timer timer;
};

static bool same(const struct refusal *a, const struct refusal *b)
{
    return strcmp(a->operation, b->operation) == 0 && strcmp(a->actor, b->actor) == 0 &&
           strcmp(a->address, b->address) == 0 && strcmp(a->resource, b->resource) == 0;
}

static status append(struct db *db, const struct refusal *r)
{
    char detail[64];
    snprintf(detail, sizeof detail, "{\"count\":%lld}", (long long)r->count);
    const struct audit_row row = {
        .at = r->at, .actor = str_c(r->actor), .door = str_c(r->door), .address = str_c(r->address),
        .request_id = STR(""), .operation = str_c(r->operation), .resource = str_c(r->resource),
        .cluster_id = STR(""), .detail = str_c(detail),
    };
    return audit_append(db, &row);
}

static status write_rows(struct domain *domain, const struct refusal *rows, size_t count, int64_t others)
{
    const struct refusal rest = { .operation = "refusals.others", .door = "system", .at = domain_wall(),
                                  .count = others };
    TRY(db_begin(domain->db));
    status result = OK;
    for (size_t i = 0; i < count && is_ok(result); i++) result = append(domain->db, &rows[i]);
    if (others && is_ok(result)) result = append(domain->db, &rest);
    if (is_ok(result)) return db_commit(domain->db);
    db_rollback(domain->db);
    return result;
}

static void drain(struct refusals *r)
{
    struct refusal *rows = mem_alloc(sizeof r->rows);
    if (!rows) return; /* next time */
    pthread_mutex_lock(&r->lock);
    size_t count = r->count;
    int64_t others = r->others;
    memcpy(rows, r->rows, count * sizeof *rows);
    r->count = 0;
    r->others = 0;
    r->posted = false;
    pthread_mutex_unlock(&r->lock);
    if (count && failed(write_rows(r->domain, rows, count, others)))
        log_error("audit: %zu refusals could not be written", count);
    mem_free(rows);
}

static void tick(struct timer *timer) { drain(CONTAINER_OF(timer, struct refusals, timer)); }

static void arm(struct job *job)
{
    struct refusals *r = CONTAINER_OF(job, struct refusals, job);
    if (failed(loop_timer_set(r->domain->loop, &r->timer, loop_now(r->domain->loop) + EVERY_MS))) drain(r);
}

status refusals_start(struct domain *domain)
{
    struct refusals *r = mem_zalloc(sizeof *r);
    if (!r) return FAIL(NO_MEMORY);
    r->domain = domain;
    pthread_mutex_init(&r->lock, NULL);
    r->job.done = arm;
    timer_init(&r->timer, tick);
    domain->refusals = r;
    return OK;
}

void refusals_stop(struct domain *domain)
{
    struct refusals *r = TAKE(domain->refusals);
    if (!r) return;
    loop_timer_clear(domain->loop, &r->timer);
    drain(r);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
}

static void fill(struct refusal *row, const char *operation, const char *actor, const char *door,
                 const char *address, const char *resource)
{
    str_copy(row->operation, sizeof row->operation, str_c(operation));
    str_copy(row->actor, sizeof row->actor, str_c(actor));
    str_copy(row->door, sizeof row->door, str_c(door));
    str_copy(row->address, sizeof row->address, str_c(address));
    str_copy(row->resource, sizeof row->resource, str_c(resource));
}

void refusals_note(struct domain *domain, const char *operation, const char *actor, const char *door,
                   const char *address, const char *resource)
{
    struct refusals *r = domain->refusals;
    struct refusal row = { .at = domain_wall(), .count = 1 };
    if (!r) return;
    fill(&row, operation, actor, door, address, resource);
    pthread_mutex_lock(&r->lock);
    size_t i = 0;
    while (i < r->count && !same(&r->rows[i], &row)) i++;
    if (i < r->count) r->rows[i].count++;
    else if (r->count < REFUSALS_KINDS) r->rows[r->count++] = row;
    else r->others++;
    bool post = !r->posted;
    r->posted = true;
    pthread_mutex_unlock(&r->lock);
    if (post) domain_post(domain, &r->job);
}
