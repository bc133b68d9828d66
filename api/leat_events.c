/* leat_events.c - event streams: one cluster (figures once a second, what changed) and the fleet (a
 * cluster whenever it changed, at most once a second each). DOMAIN.
 *
 * What changed has an id. A client that comes back with it as Last-Event-ID is told what it missed, or by
 * the event reset that this is not known any more. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/kafka.h"
#include "api/leat_clusters.h"

#include "base/hash.h"
#include "domain/watchers.h"

#include <stdio.h>
#include <stdlib.h>

#define WATCH_EVERY 4   /* ticks; the engine forgets a watcher after ten seconds */
#define PING_AFTER 15   /* ticks without an event */

struct listener {
    struct api_request *rq;
    struct watcher watcher;
    int ticks, quiet;
    uint32_t last;         /* hash of the figures sent last */
    char state[48];        /* the process's, with its id, when it was sent last; "": not yet */
    struct changed_cluster *changed; /* fleet: told at the next tick */
};
struct changed_cluster {
    char id[ID_TEXT];
    UT_hash_handle hh;
};

static struct listener *listener_of(struct watcher *watcher)
{
    return CONTAINER_OF(watcher, struct listener, watcher);
}

static void listener_free(struct listener *l)
{
    struct changed_cluster *c, *next;
    HASH_ITER(hh, l->changed, c, next)
    {
        HASH_DEL(l->changed, c);
        mem_free(c);
    }
    watchers_remove(l->rq->domain, &l->watcher);
    mem_free(l);
}

static void listener_gone(void *arg) { listener_free(arg); }

/* False: the stream is over, l is freed. */
static bool send(struct listener *l, const char *name, json_t *data)
{
    l->quiet = 0;
    if (is_ok(l->rq->http->stream_event(l->rq, name, data))) return true;
    struct api_request *rq = l->rq;
    listener_free(l);
    rq->http->stream_end(rq);
    return false;
}

#define EVENT_ID 48

static void event_id(const struct listener *l, uint64_t number, char id[EVENT_ID])
{
    snprintf(id, EVENT_ID, "%lld-%llu", (long long)l->rq->domain->started_at, (unsigned long long)number);
}

/* The same with the id of what was told last (number 0) or of this. */
static bool send_id(struct listener *l, uint64_t number, const char *name, json_t *data)
{
    char id[EVENT_ID];
    l->quiet = 0;
    event_id(l, number ? number : watchers_number(l->rq->domain), id);
    if (is_ok(l->rq->http->stream_event_id(l->rq, name, id, data))) return true;
    struct api_request *rq = l->rq;
    listener_free(l);
    rq->http->stream_end(rq);
    return false;
}

/* --- one cluster ------------------------------------------------------------------------------ */

static bool send_change(struct listener *l, uint64_t number, const char *what)
{
    return send_id(l, number, "changed", json_pack("{s:s}", "what", what));
}

/* Its process started, stopped, crashed …: told besides the figures that say so. */
static bool send_state(struct listener *l, const json_t *state)
{
    const char *name = json_string_value(json_object_get(state, "name"));
    bool first = !l->state[0];
    char now[sizeof l->state];
    if (!name) return true;
    snprintf(now, sizeof now, "%s %lld", name, (long long)json_integer_value(json_object_get(state, "pid")));
    if (strcmp(now, l->state) == 0) return true;
    str_copy(l->state, sizeof l->state, str_c(now));
    return first || send(l, "changed", json_pack("{s:s, s:s}", "what", "state", "state", name));
}

static bool send_figures(struct listener *l)
{
    json_t *cluster = leat_cluster_json(l->rq->domain, l->watcher.cluster_id, false);
    if (!cluster) return true;
    json_t *data = json_pack("{s:O?, s:O?, s:O?, s:O?}", "state", json_object_get(cluster, "state"),
                             "use",
                             json_object_get(cluster, "use"), "totals",
                             json_object_get(cluster, "totals"),
                             "worst_lag", json_object_get(cluster, "worst_lag"));
    bool alive = send_state(l, json_object_get(cluster, "state"));
    json_decref(cluster);
    if (!alive) {
        json_decref(data);
        return false;
    }
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
    uint32_t hash = text ? hash_keyed(text, strlen(text)) : l->last;
    free(text); /* tidy: allowed, jansson's */
    if (hash == l->last) {
        json_decref(data);
        return true;
    }
    l->last = hash;
    json_object_set_new(data, "at", json_integer(domain_wall()));
    return send(l, "figures", data);
}

static void tell_cluster(struct watcher *watcher, const char *cluster_id, const char *what)
{
    struct listener *l = listener_of(watcher);
    if (strcmp(what, "figures") == 0) return; /* with the next tick */
    if (strcmp(what, WATCH_TICK) != 0) {
        (void)send_change(l, 0, what);
        return;
    }
    if (l->ticks++ % WATCH_EVERY == 0) engine_watch(l->rq->domain->engine, cluster_id);
    if (!send_figures(l)) return;
    if (++l->quiet >= PING_AFTER) (void)send(l, NULL, NULL);
}

/* --- the fleet -------------------------------------------------------------------------------- */

static void watch_one(void *arg, const struct cluster *c)
{
    engine_watch(((struct domain *)arg)->engine, c->id);
}

static bool send_changed(struct listener *l)
{
    struct changed_cluster *c, *next;
    HASH_ITER(hh, l->changed, c, next)
    {
        json_t *json = leat_cluster_json(l->rq->domain, c->id, false);
        const json_t *in = json_object_get(json, "environment");
        const char *environment = json_string_value(json_object_get(in, "id"));
        bool hidden = environment ? !access_sees_cluster(l->rq, environment, c->id)
                                  : !access_everywhere(l->rq);
        if (hidden) {
            json_decref(json);
            HASH_DEL(l->changed, c);
            mem_free(c);
            continue;
        }
        if (!json) json = json_pack("{s:s, s:b}", "id", c->id, "deleted", 1);
        HASH_DEL(l->changed, c);
        mem_free(c);
        if (!send(l, "cluster", json)) return false;
    }
    return true;
}

static void mark_changed(struct listener *l, const char *cluster_id);

static void tell_fleet(struct watcher *watcher, const char *cluster_id, const char *what)
{
    struct listener *l = listener_of(watcher);
    struct domain *domain = l->rq->domain;
    if (strcmp(what, WATCH_TICK) == 0) {
        if (l->ticks++ % WATCH_EVERY == 0) {
            (void)clusters_list(domain->db, STR_NULL, STR_NULL, CLUSTERS_MAX, watch_one, domain);
        }
        bool any = l->changed != NULL;
        if (!send_changed(l) || (any && !send_id(l, 0, NULL, NULL))) return;
        if (++l->quiet >= PING_AFTER) (void)send(l, NULL, NULL);
        return;
    }
    mark_changed(l, cluster_id);
}

static void mark_changed(struct listener *l, const char *cluster_id)
{
    struct changed_cluster *c = NULL;
    HASH_FIND_STR(l->changed, cluster_id, c);
    if (c || !cluster_id[0]) return;
    c = mem_zalloc(sizeof *c);
    if (!c) return;
    str_copy(c->id, sizeof c->id, str_c(cluster_id));
    HASH_ADD_STR(l->changed, id, c);
    if (!HASH_ADDED(hh, c)) mem_free(c);
}

/* --- begin ------------------------------------------------------------------------------------ */

struct missed {
    struct listener *l;
    bool over;             /* the stream is, and l is freed */
};

static void tell_missed(void *arg, uint64_t number, const char *cluster_id, const char *what)
{
    struct missed *m = arg;
    if (m->over) return;
    if (!m->l->watcher.cluster_id[0]) mark_changed(m->l, cluster_id); /* told with the first tick */
    else m->over = !send_change(m->l, number, what);
}

/* Says what the client missed since the id it names, or that it has to look anew. False: the stream is
 * over. */
static bool catch_up(struct listener *l)
{
    const char *header = l->rq->http->header(l->rq, "Last-Event-ID");
    struct str given = header ? str_c(header) : l->rq->http->query(l->rq, "last_event_id", 0);
    struct missed missed = { l, false };
    if (given.len == 0) return send_id(l, 0, NULL, NULL);
    const char *dash = memchr(given.data, '-', given.len);
    int64_t start = 0, number = 0;
    bool known = dash && str_to_i64((struct str){ given.data, (size_t)(dash - given.data) }, &start) &&
                 str_to_i64((struct str){ dash + 1, given.len - (size_t)(dash - given.data) - 1 }, &number) &&
                 start == l->rq->domain->started_at &&
                 watchers_since(l->rq->domain, (uint64_t)number, l->watcher.cluster_id, tell_missed, &missed);
    if (missed.over) return false;
    /* Clusters that changed are told with the first tick, and the id behind them. */
    if (known) return l->changed ? send(l, NULL, NULL) : send_id(l, 0, NULL, NULL);
    return send_id(l, 0, "reset", json_pack("{s:s}", "reason",
                                            "What happened since this Last-Event-ID is not known any more: "
                                            "load what you show anew."));
}

static void listen(struct api_request *rq, const char *cluster_id,
                   void (*tell)(struct watcher *watcher, const char *cluster_id, const char *what))
{
    struct listener *l = mem_zalloc(sizeof *l);
    if (!l) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    l->rq = rq;
    l->watcher.tell = tell;
    str_copy(l->watcher.cluster_id, sizeof l->watcher.cluster_id, str_c(cluster_id));
    status added = watchers_add(rq->domain, &l->watcher);
    if (failed(added)) {
        mem_free(l);
        api_fail(rq, added, "Too many event streams are open.");
        return;
    }
    rq->http->stream_begin(rq, listener_gone, l);
    if (!catch_up(l)) return; /* at least the id goes out: headers reach the client at once */
    tell(&l->watcher, cluster_id, WATCH_TICK);
}

void leat_events_cluster(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (s) listen(rq, s->id, tell_cluster);
}

void leat_events_fleet(struct api_request *rq)
{
    access_mark_asked(rq); /* of each cluster, when it is told of */
    listen(rq, "", tell_fleet);
}
