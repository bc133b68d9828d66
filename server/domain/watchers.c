/* watchers.c - the list behind domain->watchers, made with the first watcher. Domain thread. */
#include "domain/watchers.h"

#include "base/hash.h"

#define TICK_MS 1000

struct watchers {
    struct domain *domain;
    struct timer timer;
    struct watcher *list, *next_told; /* next_told: survives removal while telling */
    int count;
};

static void tell_all(struct watchers *w, const char *cluster_id, const char *what)
{
    for (struct watcher *x = w->list; x; x = w->next_told) {
        w->next_told = x->next;
        if (!cluster_id || !x->cluster_id[0] || strcmp(x->cluster_id, cluster_id) == 0) {
            x->tell(x, cluster_id ? cluster_id : x->cluster_id, what);
        }
    }
    w->next_told = NULL;
}

static void tick(struct timer *timer)
{
    struct watchers *w = CONTAINER_OF(timer, struct watchers, timer);
    tell_all(w, NULL, WATCH_TICK);
    if (w->list) {
        (void)loop_timer_set(w->domain->loop, &w->timer, loop_now(w->domain->loop) + TICK_MS);
    }
}

status watchers_add(struct domain *domain, struct watcher *watcher)
{
    struct watchers *w = domain->watchers;
    if (!w) {
        w = mem_zalloc(sizeof *w);
        if (!w) return FAIL(NO_MEMORY);
        w->domain = domain;
        timer_init(&w->timer, tick);
        domain->watchers = w;
    }
    if (w->count == WATCHERS_MAX) return FAIL(BUSY);
    if (!w->list) TRY(loop_timer_set(domain->loop, &w->timer, loop_now(domain->loop) + TICK_MS));
    DL_APPEND(w->list, watcher);
    w->count++;
    return OK;
}

void watchers_remove(struct domain *domain, struct watcher *watcher)
{
    struct watchers *w = domain->watchers;
    if (w->next_told == watcher) w->next_told = watcher->next;
    DL_DELETE(w->list, watcher);
    w->count--;
    if (!w->list) loop_timer_clear(domain->loop, &w->timer);
}

void watchers_tell(struct domain *domain, const char *cluster_id, const char *what)
{
    struct watchers *w = domain->watchers;
    if (w && !w->next_told) tell_all(w, cluster_id, what);
}

void watchers_done(struct domain *domain)
{
    struct watchers *w = domain->watchers;
    if (!w) return;
    if (w->list) loop_timer_clear(domain->loop, &w->timer);
    mem_free(w);
    domain->watchers = NULL;
}
