/* watchers.c - the list behind domain->watchers, made with the first watcher. Domain thread. */
#include "domain/watchers.h"

#include "base/hash.h"

#define TICK_MS 1000

struct told {
    char cluster_id[40], what[24];
};
struct watchers {
    struct domain *domain;
    uint64_t number;              /* of the last that was told */
    struct told kept[WATCH_KEPT]; /* number n at n % WATCH_KEPT */
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

static struct watchers *watchers_of(struct domain *domain)
{
    struct watchers *w = domain->watchers;
    if (w) return w;
    w = mem_zalloc(sizeof *w);
    if (!w) return NULL;
    w->domain = domain;
    timer_init(&w->timer, tick);
    domain->watchers = w;
    return w;
}

status watchers_add(struct domain *domain, struct watcher *watcher)
{
    struct watchers *w = watchers_of(domain);
    if (!w) return FAIL(NO_MEMORY);
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
    struct watchers *w = watchers_of(domain);
    if (!w) return;
    if (strcmp(what, "figures") != 0) {
        struct told *told = &w->kept[++w->number % WATCH_KEPT];
        str_copy(told->cluster_id, sizeof told->cluster_id, str_c(cluster_id));
        str_copy(told->what, sizeof told->what, str_c(what));
    }
    if (!w->next_told) tell_all(w, cluster_id, what);
}

uint64_t watchers_number(const struct domain *domain)
{
    const struct watchers *w = domain->watchers;
    return w ? w->number : 0;
}

bool watchers_since(const struct domain *domain, uint64_t number, const char *cluster_id,
                    void (*each)(void *arg, uint64_t number, const char *cluster_id, const char *what),
                    void *arg)
{
    const struct watchers *w = domain->watchers;
    uint64_t last = watchers_number(domain);
    if (number > last || last - number > WATCH_KEPT) return false;
    for (uint64_t n = number + 1; w && n <= last; n++) {
        const struct told *told = &w->kept[n % WATCH_KEPT];
        if (!cluster_id[0] || strcmp(told->cluster_id, cluster_id) == 0)
            each(arg, n, told->cluster_id, told->what);
    }
    return true;
}

void watchers_done(struct domain *domain)
{
    struct watchers *w = domain->watchers;
    if (!w) return;
    if (w->list) loop_timer_clear(domain->loop, &w->timer);
    mem_free(w);
    domain->watchers = NULL;
}
