/* disk_watch.c - see disk_watch.h.
 *
 * With less than half as much again as the minimum every cluster is watched, so its figures come once a
 * second; below the minimum each look holds back one more: the largest of those that took something since
 * the last look. With less than half of the minimum left all of them are. A broker forgets what it was told
 * when leatd goes; what happens then is the broker's own business (KAFKA_STORAGE_ERROR when the disk is
 * really full). */
#include "domain/disk_watch.h"

#include "base/log.h"
#include "domain/watchers.h"
#include "io/reserve.h"
#include "store/room.h"

#include <errno.h>
#include <stdio.h>
#include <sys/statvfs.h>

#define LOOK_LOW_MS 1000
#define LOOK_MIN_MS 1000
#define LOOK_MAX_MS 30000
#define FILL_PER_MS ((1LL << 30) / 1000) /* a disk that fast is planned for */
#define RESERVE_BYTES (8LL << 20)        /* for the database; at most one part of the disk in … */
#define RESERVE_SHARE 64

struct disk_watch {
    struct domain *domain;
    struct timer timer;
    struct disk_room room;
    bool low;
    struct disk_tenant *tenants; /* while it is low, or near to it */
    size_t count, cap;
    struct job fill;
    bool filling;
    status filled;
};

/* --- the rules ----------------------------------------------------------------------------------- */

int64_t disk_min_free(int64_t wanted, int64_t total)
{
    if (wanted >= 0) return wanted;
    return total / 20 < DISK_MIN_FREE_MAX ? total / 20 : DISK_MIN_FREE_MAX;
}

bool disk_is_low(const struct disk_room *room, bool was_low)
{
    return room->free < (was_low ? room->min_free + room->min_free / 2 : room->min_free);
}

int64_t disk_next_look(const struct disk_room *room, bool low)
{
    int64_t ms = (room->free - room->min_free) / FILL_PER_MS;
    if (low) return LOOK_LOW_MS;
    return ms < LOOK_MIN_MS ? LOOK_MIN_MS : ms > LOOK_MAX_MS ? LOOK_MAX_MS : ms;
}

static bool grows(const struct disk_tenant *t)
{
    return t->taken_before >= 0 && t->taken > 0 && t->taken != t->taken_before;
}

int disk_choose(const struct disk_tenant *tenants, size_t count)
{
    int best = -1;
    for (size_t i = 0; i < count; i++) {
        if (tenants[i].held || !grows(&tenants[i])) continue;
        if (best < 0 || tenants[i].stored > tenants[best].stored) best = (int)i;
    }
    return best;
}

/* --- tenants ------------------------------------------------------------------------------------- */

static struct disk_tenant *tenant_of(struct disk_watch *w, struct str id)
{
    for (size_t i = 0; i < w->count; i++)
        if (str_eq_c(id, w->tenants[i].cluster_id)) return &w->tenants[i];
    if (w->count == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 16;
        struct disk_tenant *more = mem_realloc(w->tenants, cap * sizeof *more);
        if (!more) return NULL;
        w->tenants = more;
        w->cap = cap;
    }
    struct disk_tenant *t = &w->tenants[w->count];
    *t = (struct disk_tenant){ .taken_before = -1, .taken = -1, .met_at = domain_wall() };
    if (!str_copy(t->cluster_id, sizeof t->cluster_id, id)) return NULL;
    w->count++;
    return t;
}

/* What every cluster has taken by now. */
static void tenants_look(struct disk_watch *w)
{
    struct domain *domain = w->domain;
    struct db_query *q = DB(domain->db, "SELECT id FROM cluster WHERE deleting = 0");
    while (db_next(q)) {
        struct disk_tenant *t = tenant_of(w, db_text(q, 0));
        if (!t) continue;
        engine_watch(domain->engine, t->cluster_id);
        const struct engine_figures *f = engine_figures(domain->engine, t->cluster_id);
        t->taken_before = t->taken;
        t->taken = f && f->reported_at >= t->met_at ? f->bytes_in : -1;
        t->stored = f ? f->bytes_stored : 0;
    }
    (void)db_end(q); /* logged; then those known are looked at */
}

static void tell(struct disk_watch *w, struct disk_tenant *t, bool hold)
{
    struct domain *domain = w->domain;
    CLEANUP_CHANGE struct change *change = NULL;
    char detail[160];
    t->held = hold;
    engine_hold(domain->engine, t->cluster_id, hold);
    log_warn("%lld MiB are free: appends to %s %s", (long long)(w->room.free >> 20), t->cluster_id,
             hold ? "are held back" : "go on");
    snprintf(detail, sizeof detail,
             "{\"free_bytes\": %lld, \"min_free_bytes\": %lld, \"stored_bytes\": %lld}",
             (long long)w->room.free, (long long)w->room.min_free, (long long)t->stored);
    if (failed(change_begin(domain, NULL, &actor_system, &change))) return; /* logged there */
    change_set_cluster(change, t->cluster_id);
    if (is_ok(change_audit(change, hold ? "cluster.appends_held" : "cluster.appends_go_on", t->cluster_id,
                           detail)))
        (void)change_commit_now(&change);
}

static void hold_some(struct disk_watch *w)
{
    int at;
    bool all = w->room.free < w->room.min_free / 2;
    if (w->room.free >= w->room.min_free) return; /* not yet released, but not getting worse */
    do {
        at = disk_choose(w->tenants, w->count);
        if (at >= 0) tell(w, &w->tenants[at], true);
    } while (all && at >= 0);
}

static void release_all(struct disk_watch *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->tenants[i].held) tell(w, &w->tenants[i], false);
    mem_free(TAKE(w->tenants));
    w->count = w->cap = 0;
}

/* --- the reserve of the database ----------------------------------------------------------------- */

static int64_t reserve_wanted(const struct disk_watch *w)
{
    int64_t most = w->room.total / RESERVE_SHARE;
    return most < RESERVE_BYTES ? most : RESERVE_BYTES;
}

static void fill_work(struct job *job)
{
    struct disk_watch *w = CONTAINER_OF(job, struct disk_watch, fill);
    w->filled = reserve_fill(room_reserve(w->domain->room), reserve_wanted(w), 0);
}

static void fill_done(struct job *job)
{
    struct disk_watch *w = CONTAINER_OF(job, struct disk_watch, fill);
    w->filling = false;
    if (failed(w->filled) && w->filled.code != E_NO_SPACE)
        log_warn("the disk reserve of the database cannot be made: %s", status_text(w->filled));
}

static void reserve_keep(struct disk_watch *w)
{
    if (w->filling || w->low || reserve_size(room_reserve(w->domain->room)) >= reserve_wanted(w)) return;
    w->filling = is_ok(loop_submit(w->domain->loop, &w->fill, LANE_BACKGROUND));
}

/* --- looking ------------------------------------------------------------------------------------- */

static status room_now(struct disk_watch *w)
{
    struct statvfs fs;
    if (statvfs(w->domain->options.data_dir, &fs) != 0) return status_from_errno(errno);
    w->room.total = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
    w->room.free = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    w->room.min_free = disk_min_free(w->domain->options.min_free, w->room.total);
    return OK;
}

static void look(struct timer *timer)
{
    struct disk_watch *w = CONTAINER_OF(timer, struct disk_watch, timer);
    int64_t next = LOOK_MAX_MS;
    status s = room_now(w);
    if (failed(s)) {
        log_warn("the room on the disk is not known: %s", status_text(s));
    } else {
        w->low = disk_is_low(&w->room, w->low);
        if (disk_is_low(&w->room, true)) tenants_look(w);
        else release_all(w);
        if (w->low) hold_some(w);
        reserve_keep(w);
        next = disk_next_look(&w->room, w->low);
    }
    (void)loop_timer_set(w->domain->loop, timer, loop_now(w->domain->loop) + next);
}

/* --- life ---------------------------------------------------------------------------------------- */

status disk_watch_start(struct domain *domain)
{
    struct disk_watch *w = mem_zalloc(sizeof *w);
    if (!w) return FAIL(NO_MEMORY);
    w->domain = domain;
    w->fill.work = fill_work;
    w->fill.done = fill_done;
    timer_init(&w->timer, look);
    domain->disk_watch = w;
    look(&w->timer);
    return OK;
}

void disk_watch_stop(struct domain *domain)
{
    struct disk_watch *w = TAKE(domain->disk_watch);
    if (!w) return;
    while (w->filling) loop_turn(domain->loop, -1);
    loop_timer_clear(domain->loop, &w->timer);
    mem_free(w->tenants);
    mem_free(w);
}
