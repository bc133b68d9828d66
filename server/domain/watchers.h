/* watchers.h - who wants to hear that something changed: the event streams of REST. Domain thread.
 *
 * A watcher is embedded in its owner. tell() is called from watchers_tell with what changed
 * ("topics", "acls", "keys", "quotas", "cluster", "groups", "scram_users", "alerts", "figures"), and about
 * once a second with WATCH_TICK while any watcher exists (no timer runs otherwise). */
#pragma once
#include "domain/domain.h"

#define WATCHERS_MAX 200
#define WATCH_KEPT 2048 /* of what was told, all clusters together: for those who come back */
#define WATCH_TICK "tick"

struct watcher {
    char cluster_id[40]; /* "": every cluster */
    void (*tell)(struct watcher *watcher, const char *cluster_id, const char *what);
    struct watcher *prev, *next;
};
status watchers_add(struct domain *domain, struct watcher *watcher); /* BUSY: WATCHERS_MAX */
void watchers_remove(struct domain *domain, struct watcher *watcher); /* also from inside tell */
void watchers_tell(struct domain *domain, const char *cluster_id, const char *what);
/* What was told is numbered from 1, but for figures and ticks; this is the number of the last. It stands
 * when tell() is called. Numbers begin anew with each start of leatd. */
uint64_t watchers_number(const struct domain *domain);
/* Calls each() for what was told after that number, of one cluster or ("") of all. False, and nothing is
 * called: some of it is no longer kept, or the number is none that was given. */
bool watchers_since(const struct domain *domain, uint64_t number, const char *cluster_id,
                    void (*each)(void *arg, uint64_t number, const char *cluster_id, const char *what),
                    void *arg);
void watchers_done(struct domain *domain); /* at the end; frees the list, not the watchers */
