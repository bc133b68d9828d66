/* watchers.h - who wants to hear that something changed: the event streams of REST. Domain thread.
 *
 * A watcher is embedded in its owner. tell() is called from watchers_tell with what changed
 * ("topics", "acls", "keys", "quotas", "cluster", "groups", "scram_users", "figures"), and about
 * once a second with WATCH_TICK while any watcher exists (no timer runs otherwise). */
#pragma once
#include "domain/domain.h"

#define WATCHERS_MAX 200
#define WATCH_TICK "tick"

struct watcher {
    char cluster_id[40]; /* "": every cluster */
    void (*tell)(struct watcher *watcher, const char *cluster_id, const char *what);
    struct watcher *prev, *next;
};
status watchers_add(struct domain *domain, struct watcher *watcher); /* BUSY: WATCHERS_MAX */
void watchers_remove(struct domain *domain, struct watcher *watcher); /* also from inside tell */
void watchers_tell(struct domain *domain, const char *cluster_id, const char *what);
void watchers_done(struct domain *domain); /* at the end; frees the list, not the watchers */
