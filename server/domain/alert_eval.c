/* alert_eval.c - looks at every rule's condition in rounds of two seconds, some clusters at a time and for
 * two milliseconds at most, and keeps what is open. Domain thread.
 *
 * What a kind measures of a cluster is measured once for up to LOT_MAX rules of that kind, which is one
 * lot; a turn ends between two lots, also amid a cluster.
 * A place is a rule at a cluster; it holds the states of its resources. What is open is in the database
 * as well, and read anew when a change of a rule (or a failed write) may have left the two apart. */
#include "domain/alerts_int.h"

#include "base/hash.h"
#include "base/log.h"
#include "domain/clusters.h"
#include "domain/watchers.h"

#include <stdlib.h>

enum {
    ROUND_MS = 2000, SLICE = 50, SLICE_MS = 50, CUT_MS = 10, RULES_PAGE = 50,
    REFRESH_MS = 60000, REPEATS_MS = 10000, PRUNE_MS = 3600000, PRUNE_PAGE = 200,
    WATCHED_FOR_MS = 60000, STATES_MAX = 20000, LOT_MAX = 32,
};
#define SLICE_NS (3 * 500000LL) /* of work in one turn; the rest is for the next, CUT_MS later */
#define KEPT_MS (90LL * 86400000)
#define DELIVERIES_KEPT_MS (14LL * 86400000)

struct alert_state {
    char id[ID_TEXT], resource[ALERT_RESOURCE_MAX];
    bool firing;
    double value, worst;
    int64_t pending_at, ok_since, written_at;
    uint32_t pass;
    UT_hash_handle hh;
};
struct place {
    char key[2 * ID_TEXT]; /* rule, newline, cluster */
    char rule_id[ID_TEXT], cluster_id[ID_TEXT];
    struct alert_state *states;
    uint32_t round;
    UT_hash_handle hh;
};
struct watched { /* a cluster with rules that need to remember something of it */
    char id[ID_TEXT];
    struct alert_errors errors;
    uint32_t round;
    UT_hash_handle hh;
};
struct alert_eval {
    struct alerts *alerts;
    struct domain *domain;
    struct timer timer;
    struct alert_rule *rules;  /* those that are enabled, by kind */
    size_t rule_count;
    struct alert_rule *read;   /* the same, while they are read anew */
    size_t read_count, read_room;
    char read_after[ID_TEXT];
    bool rules_changed;        /* since they were read */
    struct place *places;
    struct watched *watched;
    char cursor[ID_TEXT];      /* the last cluster that was looked at wholly */
    char amid[ID_TEXT];        /* the next, when some rules were looked at there: those before rule_at */
    size_t rule_at;
    int slice;                 /* clusters that are taken in one turn, unless it gets too long */
    size_t state_count;
    int64_t round_at, repeats_at, prune_at;
    uint32_t round, pass;
    bool in_round, stale, writing;
    status written;            /* of this slice's transaction */
};

/* --- memory ------------------------------------------------------------------------------- */

static void place_free(struct alert_eval *e, struct place *p)
{
    struct alert_state *s, *next;
    HASH_ITER(hh, p->states, s, next) {
        HASH_DEL(p->states, s);
        mem_free(s);
        e->state_count--;
    }
    HASH_DEL(e->places, p);
    mem_free(p);
}

static void places_free(struct alert_eval *e)
{
    struct place *p, *next;
    HASH_ITER(hh, e->places, p, next) place_free(e, p);
}

static struct place *place_of(struct alert_eval *e, const char *rule_id, const char *cluster_id,
                              bool make)
{
    char key[sizeof ((struct place *)0)->key];
    struct place *p = NULL;
    char *end = stpcpy(key, rule_id); /* ids fit: they are ID_TEXT */
    *end++ = '\n';
    stpcpy(end, cluster_id);
    HASH_FIND_STR(e->places, key, p);
    if (p || !make) return p;
    p = mem_zalloc(sizeof *p);
    if (!p) return NULL;
    p->round = e->round;
    str_copy(p->key, sizeof p->key, str_c(key));
    str_copy(p->rule_id, sizeof p->rule_id, str_c(rule_id));
    str_copy(p->cluster_id, sizeof p->cluster_id, str_c(cluster_id));
    HASH_ADD_STR(e->places, key, p);
    if (HASH_ADDED(hh, p)) return p;
    mem_free(p);
    return NULL;
}

static struct alert_state *state_add(struct alert_eval *e, struct place *p, struct str resource)
{
    struct alert_state *s = mem_zalloc(sizeof *s);
    if (!s || !str_copy(s->resource, sizeof s->resource, resource)) {
        mem_free(s);
        return NULL;
    }
    HASH_ADD_STR(p->states, resource, s);
    if (!HASH_ADDED(hh, s)) {
        mem_free(s);
        return NULL;
    }
    e->state_count++;
    return s;
}

static void state_drop(struct alert_eval *e, struct place *p, struct alert_state *s)
{
    HASH_DEL(p->states, s);
    mem_free(s);
    e->state_count--;
}

static status load(struct alert_eval *e)
{
    char rule[ID_TEXT], cluster[ID_TEXT];
    places_free(e);
    struct db_query *q = DB(e->domain->db,
                            "SELECT rule_id, cluster_id, resource, id, state = 'firing', value, worst, "
                            "pending_at FROM alert WHERE state <> 'resolved' LIMIT ?",
                            STATES_MAX);
    while (db_next(q)) {
        DB_COPY(q, 0, rule);
        DB_COPY(q, 1, cluster);
        struct place *p = place_of(e, rule, cluster, true);
        struct alert_state *s = p ? state_add(e, p, db_text(q, 2)) : NULL;
        if (!s) continue;
        DB_COPY(q, 3, s->id);
        s->firing = db_i64(q, 4) != 0;
        s->value = db_f64(q, 5);
        s->worst = db_f64(q, 6);
        s->pending_at = db_i64(q, 7);
    }
    TRY(db_end(q));
    e->stale = false;
    return OK;
}

/* --- writing: one transaction a slice, begun by the first write --------------------------- */

static bool may_write(struct alert_eval *e)
{
    if (failed(e->written)) return false;
    if (!e->writing) e->written = db_begin(e->domain->db);
    e->writing = is_ok(e->written);
    return e->writing;
}

static void wrote(struct alert_eval *e, status result)
{
    if (is_ok(e->written)) e->written = result;
}

static void write_end(struct alert_eval *e)
{
    if (e->writing && is_ok(e->written)) wrote(e, db_commit(e->domain->db));
    else if (e->writing) db_rollback(e->domain->db);
    if (failed(e->written)) {
        log_error("alerts: what changed was not written and is looked at again: %s",
                  status_text(e->written));
        e->stale = true;
    }
    e->writing = false;
    e->written = OK;
}

/* --- one resource ------------------------------------------------------------------------- */

struct looking { /* a lot of rules at a cluster, and the one of them that it is about */
    struct alert_eval *e;
    const struct alert_rule *rule;
    const struct cluster *cluster; /* NULL: the machine */
    const char *cluster_id;
    struct place *place;           /* of the rule; NULL: nothing is open */
    int64_t now;
    const struct alert_rule *rules[LOT_MAX];
    struct place *places[LOT_MAX];
    size_t count;
};

static void insert_alert(struct looking *l, struct alert_state *s, const char *detail)
{
    const struct alert_rule *r = l->rule;
    if (!may_write(l->e)) return;
    struct db_query *q =
        db_query(l->e->domain->db, "INSERT INTO alert (id, rule_id, rule_name, kind, severity, "
                                   "threshold, description, environment_id, "
                                   "cluster_id, cluster_name, resource, state, value, worst, detail, "
                                   "pending_at, fired_at, resolved_at, "
                                   "reason, owed, told_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                                   "'pending', ?, ?, ?, ?, 0, 0, '', '', 0)");
    db_bind_cstr(q, s->id);
    db_bind_cstr(q, r->id);
    db_bind_cstr(q, r->name);
    db_bind_cstr(q, alert_kinds[r->kind].name);
    db_bind_cstr(q, r->severity);
    db_bind_f64(q, r->threshold);
    db_bind_cstr(q, r->description);
    db_bind_cstr(q, l->cluster ? l->cluster->environment_id : "");
    db_bind_cstr(q, l->cluster_id);
    db_bind_cstr(q, l->cluster ? l->cluster->display_name : "");
    db_bind_cstr(q, s->resource);
    db_bind_f64(q, s->value);
    db_bind_f64(q, s->worst);
    db_bind_cstr(q, detail);
    db_bind_i64(q, s->pending_at);
    wrote(l->e, db_run(q));
}

static struct alert_state *begin_state(struct looking *l, const struct alert_sample *sample)
{
    struct alert_eval *e = l->e;
    if (!l->place) l->place = place_of(e, l->rule->id, l->cluster_id, true);
    if (!l->place || e->state_count >= STATES_MAX || HASH_COUNT(l->place->states) >= ALERTS_OF_RULE_MAX)
        return NULL;
    struct alert_state *s = state_add(e, l->place, sample->resource);
    if (!s) return NULL;
    secret_id_new("al-", s->id);
    s->pending_at = l->now;
    s->value = s->worst = sample->value;
    insert_alert(l, s, sample->detail);
    return s;
}

static void fire(struct looking *l, struct alert_state *s, const char *detail)
{
    if (!may_write(l->e)) return;
    s->firing = true;
    s->written_at = l->now;
    wrote(l->e,
          db_run(DB(l->e->domain->db,
                    "UPDATE alert SET state = 'firing', fired_at = ?, owed = 'firing', value = ?, "
                    "worst = ?, detail = ? WHERE id = ? AND state = 'pending'",
                    l->now, s->value, s->worst, detail, (const char *)s->id)));
    watchers_tell(l->e->domain, l->cluster_id, "alerts");
    log_warn("alert %s fires: %s%s%s %s: %s", s->id, l->rule->name, l->cluster_id[0] ? " at " : "",
             l->cluster_id, s->resource, detail);
}

/* What was told when it fired is told to be over; what nobody was told, unless it is silenced. */
static status resolve_row(struct domain *domain, const char *id, const char *rule_id,
                          const char *cluster_id, const char *resource, const char *reason, int64_t now)
{
    bool mute = false;
    TRY(alert_silences_mute(domain->db, now, rule_id, cluster_id, str_c(resource), &mute));
    return db_run(
        DB(domain->db,
           "UPDATE alert SET state = 'resolved', resolved_at = ?, reason = ?, owed = CASE WHEN "
           "told_at > 0 OR ? = 0 THEN 'resolved' ELSE '' END WHERE id = ? AND state = 'firing'",
           now, reason, (int64_t)mute, id));
}

static void end_state(struct alert_eval *e, struct place *p, struct alert_state *s, const char *reason,
                      int64_t now)
{
    if (!may_write(e)) return;
    if (s->firing) {
        wrote(e, resolve_row(e->domain, s->id, p->rule_id, p->cluster_id, s->resource, reason, now));
        watchers_tell(e->domain, p->cluster_id, "alerts");
        log_info("alert %s is resolved: %s", s->id, reason);
    } else {
        wrote(e, db_run(DB(e->domain->db, "DELETE FROM alert WHERE id = ? AND state = 'pending'",
                           (const char *)s->id)));
    }
    state_drop(e, p, s);
}

static void does_not_hold(struct looking *l, struct alert_state *s, const char *detail)
{
    if (!s->ok_since) s->ok_since = l->now;
    if (s->firing && l->now - s->ok_since < l->rule->resolve_ms) return;
    end_state(l->e, l->place, s, detail, l->now);
}

static void holds(struct looking *l, struct alert_state *s, const struct alert_sample *sample)
{
    s->ok_since = 0;
    s->value = sample->value;
    if (s->worst < s->value) s->worst = s->value;
    if (!s->firing) {
        if (l->now - s->pending_at >= l->rule->for_ms || l->now < s->pending_at)
            fire(l, s, sample->detail);
        return;
    }
    if (l->now - s->written_at < REFRESH_MS || !may_write(l->e)) return;
    s->written_at = l->now;
    wrote(l->e,
          db_run(DB(l->e->domain->db, "UPDATE alert SET value = ?, worst = ?, detail = ? WHERE id = ?",
                    s->value, s->worst, sample->detail, (const char *)s->id)));
}

static void look_at_rule(struct looking *l, const struct alert_sample *sample)
{
    struct alert_state *s = NULL;
    bool over = sample->value > (alert_kinds[l->rule->kind].threshold ? l->rule->threshold : 0);
    char resource[ALERT_RESOURCE_MAX];
    if (!over && !l->place) return;
    if (!alert_pattern_fits(l->rule->resource, sample->resource) ||
        !str_copy(resource, sizeof resource, sample->resource))
        return;
    if (l->place) HASH_FIND_STR(l->place->states, resource, s);
    if (!s && over) s = begin_state(l, sample);
    if (!s) return;
    s->pass = l->e->pass;
    if (over) holds(l, s, sample);
    else does_not_hold(l, s, sample->detail);
}

static void look_at(void *arg, const struct alert_sample *sample)
{
    struct looking *l = arg;
    for (size_t i = 0; i < l->count; i++) {
        l->rule = l->rules[i];
        l->place = l->places[i];
        look_at_rule(l, sample);
        l->places[i] = l->place;
    }
}

/* --- a lot of rules at a cluster ---------------------------------------------------------- */

static bool is_machine(enum alert_kind kind) { return kind == ALERT_DISK || kind == ALERT_WATCHDOG; }

static bool rule_fits(const struct alert_rule *r, const struct cluster *c)
{
    if (is_machine(r->kind) || !c) return is_machine(r->kind) && !c;
    if (r->cluster_id[0]) return strcmp(r->cluster_id, c->id) == 0;
    return !r->environment_id[0] || strcmp(r->environment_id, c->environment_id) == 0;
}

/* Those of rules[from] to the one before `until` that look at the cluster. */
static void look_begin(struct looking *l, struct alert_eval *e, size_t from, size_t until,
                       const struct cluster *c)
{
    e->pass++;
    l->e = e;
    l->cluster = c;
    l->cluster_id = c ? c->id : "";
    l->now = domain_wall();
    l->count = 0;
    for (size_t i = from; i < until; i++) {
        if (!rule_fits(&e->rules[i], c)) continue;
        struct place *p = place_of(e, e->rules[i].id, l->cluster_id, false);
        if (p) p->round = e->round;
        l->rules[l->count] = &e->rules[i];
        l->places[l->count++] = p;
    }
}

/* What was open and was not among the samples is gone. */
static void look_end(struct looking *l)
{
    struct alert_state *s, *next;
    for (size_t i = 0; i < l->count; i++) {
        l->rule = l->rules[i];
        l->place = l->places[i];
        if (!l->place) continue;
        HASH_ITER(hh, l->place->states, s, next)
            if (s->pass != l->e->pass) does_not_hold(l, s, "It is not reported any more.");
    }
}

static size_t lot_end(const struct alert_eval *e, size_t from)
{
    size_t until = from + 1;
    while (until < e->rule_count && until - from < LOT_MAX &&
           e->rules[until].kind == e->rules[from].kind)
        until++;
    return until;
}

static struct watched *watched_of(struct alert_eval *e, const char *id)
{
    struct watched *w = NULL;
    HASH_FIND_STR(e->watched, id, w);
    if (!w) {
        w = mem_zalloc(sizeof *w);
        if (!w) return NULL;
        str_copy(w->id, sizeof w->id, str_c(id));
        HASH_ADD_STR(e->watched, id, w);
        if (!HASH_ADDED(hh, w)) {
            mem_free(w);
            return NULL;
        }
    }
    w->round = e->round;
    return w;
}

static void watched_free(struct alert_eval *e, struct watched *w)
{
    HASH_DEL(e->watched, w);
    mem_free(w);
}

/* --- rounds ------------------------------------------------------------------------------- */

struct slice {
    struct alert_eval *e;
    int64_t began;
    int count; /* clusters */
    bool cut;  /* there is more, but not in this turn */
};

/* Of rules[from] to the one before `until`; c NULL: the machine. */
static void look_at_lot(struct alert_eval *e, size_t from, size_t until, const struct cluster *c)
{
    struct looking l;
    bool watch = false;
    struct watched *w = NULL;
    enum alert_kind kind = e->rules[from].kind;
    look_begin(&l, e, from, until, c);
    if (!l.count) return;
    if (c && kind == ALERT_ERROR_RATE) {
        const struct engine_figures *f = engine_figures(e->domain->engine, c->id);
        if (f && f->known && (w = watched_of(e, c->id))) alert_errors_take(&w->errors, f);
    }
    if (alert_samples(e->domain, kind, c, w ? &w->errors : NULL, look_at, &l)) look_end(&l);
    for (size_t i = 0; i < l.count; i++) watch |= l.rules[i]->for_ms < WATCHED_FOR_MS;
    if (c && watch && kind != ALERT_BROKER_STATE) engine_watch(e->domain->engine, c->id);
}

/* From the rule on where the last turn ended, if it ended amid this cluster. */
static void look_at_cluster(struct slice *slice, const struct cluster *c)
{
    struct alert_eval *e = slice->e;
    size_t from = strcmp(e->amid, c->id) == 0 ? e->rule_at : 0;
    e->amid[0] = 0;
    for (size_t until; from < e->rule_count && !slice->cut; from = until) {
        until = lot_end(e, from);
        look_at_lot(e, from, until, c);
        slice->cut = until < e->rule_count && loop_nanos() - slice->began > SLICE_NS;
    }
    if (!slice->cut) return;
    e->rule_at = from;
    str_copy(e->amid, sizeof e->amid, str_c(c->id));
}

static void next_cluster(void *arg, const struct cluster *c)
{
    struct slice *s = arg;
    s->cut |= s->count > 0 && loop_nanos() - s->began > SLICE_NS;
    if (s->cut) return;
    s->count++;
    if (c->deleting || c->paused_at) s->e->amid[0] = 0;
    else look_at_cluster(s, c);
    if (!s->e->amid[0]) str_copy(s->e->cursor, sizeof s->e->cursor, str_c(c->id));
}

static int by_kind(const void *a, const void *b)
{
    const struct alert_rule *x = a, *y = b;
    return x->kind != y->kind ? (x->kind > y->kind) - (x->kind < y->kind) : strcmp(x->id, y->id);
}

static void take_rule(void *arg, const struct alert_rule *rule)
{
    struct alert_eval *e = arg;
    str_copy(e->read_after, sizeof e->read_after, str_c(rule->id));
    if (rule->enabled && e->read_count < e->read_room) e->read[e->read_count++] = *rule;
}

void alert_eval_rules_changed(struct domain *domain)
{
    if (domain->alerts && domain->alerts->eval) domain->alerts->eval->rules_changed = true;
}

static status read_begin(struct alert_eval *e)
{
    int64_t count = 0;
    TRY(db_one_i64(DB(e->domain->db, "SELECT count(*) FROM alert_rule WHERE enabled = 1"), &count));
    e->read = mem_alloc((size_t)(count ? count : 1) * sizeof *e->read);
    if (!e->read) return FAIL(NO_MEMORY);
    e->rules_changed = false;
    e->read_room = (size_t)count;
    e->read_count = 0;
    e->read_after[0] = 0;
    return OK;
}

/* A page of them; *ret_done: it was the last. What changes meanwhile is read before the next round. */
static status read_rules(struct alert_eval *e, bool *ret_done)
{
    if (!e->read) TRY(read_begin(e));
    char before[ID_TEXT];
    str_copy(before, sizeof before, str_c(e->read_after));
    TRY(alert_rules_list(e->domain->db, str_c(e->read_after), RULES_PAGE, take_rule, e));
    *ret_done = strcmp(before, e->read_after) == 0; /* none came */
    if (!*ret_done) return OK;
    mem_free(e->rules);
    e->rules = TAKE(e->read);
    e->rule_count = e->read_count;
    qsort(e->rules, e->rule_count, sizeof *e->rules, by_kind);
    return OK;
}

static status round_begin(struct alert_eval *e)
{
    if (e->stale) TRY(load(e));
    e->round++;
    e->cursor[0] = e->amid[0] = 0;
    e->round_at = loop_now(e->domain->loop);
    e->in_round = true;
    for (size_t from = 0, until; from < e->rule_count; from = until) {
        until = lot_end(e, from);
        if (is_machine(e->rules[from].kind)) look_at_lot(e, from, until, NULL);
    }
    return OK;
}

static const char *why_gone(struct alert_eval *e, const struct place *p)
{
    struct alert_rule rule;
    struct cluster c;
    if (failed(alert_rules_get(e->domain->db, str_c(p->rule_id), &rule)))
        return "The rule was deleted.";
    if (!rule.enabled) return "The rule was switched off.";
    if (!p->cluster_id[0]) return "The rule does not look at it any more.";
    if (failed(clusters_get(e->domain->db, str_c(p->cluster_id), &c)) || c.deleting)
        return "The cluster was deleted.";
    return c.paused_at ? "The cluster was paused." : "The rule does not look at it any more.";
}

/* Places that no rule looked at in this round. */
static void sweep(struct alert_eval *e)
{
    struct place *p, *next_place;
    struct alert_state *s, *next;
    struct watched *w, *next_watched;
    HASH_ITER(hh, e->places, p, next_place) {
        if (p->round != e->round) {
            const char *reason = why_gone(e, p);
            HASH_ITER(hh, p->states, s, next) end_state(e, p, s, reason, domain_wall());
        }
        if (!p->states) place_free(e, p);
    }
    HASH_ITER(hh, e->watched, w, next_watched) {
        if (w->round != e->round) watched_free(e, w);
    }
    write_end(e);
}

/* --- telling ------------------------------------------------------------------------------ */

static status tell(struct alert_eval *e, int64_t now)
{
    static char ids[ALERT_RULES_MAX][ID_TEXT]; /* domain thread only */
    size_t count = 0;
    struct db_query *q = DB(
        e->domain->db, "SELECT DISTINCT rule_id FROM alert WHERE owed <> '' LIMIT ?", ALERT_RULES_MAX);
    while (count < ALERT_RULES_MAX && db_next(q)) DB_COPY(q, 0, ids[count++]);
    TRY(db_end(q));
    if (!count) return OK;
    TRY(db_begin(e->domain->db));
    for (size_t i = 0; i < count; i++) {
        struct alert_rule rule;
        status found = alert_rules_get(e->domain->db, str_c(ids[i]), &rule);
        if (found.code == E_NOT_FOUND) {
            rule = (struct alert_rule){ .created_at = 0 };
            str_copy(rule.id, sizeof rule.id, str_c(ids[i]));
        } else {
            TRY(found);
        }
        TRY(alert_notify_rule(e->domain, &rule, now, false));
    }
    return db_commit(e->domain->db);
}

static status mark_repeats(struct domain *domain, int64_t now)
{
    return db_run(
        DB(domain->db,
           "UPDATE alert SET owed = 'repeat' WHERE state <> 'resolved' /* an index has these */ AND "
           "state = 'firing' AND owed = '' AND told_at > 0 AND EXISTS (SELECT 1 FROM alert_rule r "
           "WHERE r.id = alert.rule_id AND r.repeat_ms > 0 AND alert.told_at + r.repeat_ms <= ?)",
           now));
}

/* Some at a time, the oldest first; *ret_more: there may be others. */
static status prune(struct domain *domain, int64_t now, bool *ret_more)
{
    TRY(db_run(DB(domain->db,
                  "DELETE FROM alert WHERE seq IN (SELECT seq FROM alert WHERE state = 'resolved' "
                  "AND owed = '' AND (resolved_at < ? OR seq <= (SELECT max(seq) FROM alert) - ?) "
                  "ORDER BY seq LIMIT ?)",
                  now - KEPT_MS, ALERTS_KEPT, PRUNE_PAGE)));
    *ret_more = db_changes(domain->db) == PRUNE_PAGE;
    TRY(db_run(DB(domain->db,
                  "DELETE FROM alert_delivery WHERE seq IN (SELECT seq FROM alert_delivery WHERE "
                  "state <> 'queued' AND (created_at < ? OR seq <= (SELECT max(seq) FROM alert_delivery) "
                  "- ?) ORDER BY seq LIMIT ?)",
                  now - DELIVERIES_KEPT_MS, ALERT_DELIVERIES_KEPT, PRUNE_PAGE)));
    *ret_more |= db_changes(domain->db) == PRUNE_PAGE;
    return OK;
}

static void round_end(struct alert_eval *e)
{
    int64_t at = loop_now(e->domain->loop), now = domain_wall();
    status result = OK;
    bool more = false;
    e->in_round = false;
    sweep(e);
    if (at - e->repeats_at >= REPEATS_MS) {
        e->repeats_at = at;
        result = mark_repeats(e->domain, now);
    }
    if (is_ok(result)) result = tell(e, now);
    if (is_ok(result) && at >= e->prune_at) {
        result = prune(e->domain, now, &more);
        e->prune_at = more ? at : at + PRUNE_MS;
    }
    if (is_ok(result)) return;
    db_rollback(e->domain->db);
    log_error("alerts: nobody was told what is owed, which is tried again: %s", status_text(result));
}

/* Some clusters more; the round's end behind the last. */
static status go_on(struct alert_eval *e, bool *ret_cut)
{
    struct slice slice = { .e = e, .began = loop_nanos() };
    if (!e->in_round) TRY(round_begin(e));
    TRY(clusters_list(e->domain->db, STR_NULL, str_c(e->cursor), e->slice, next_cluster, &slice));
    write_end(e);
    if (slice.count < e->slice && !slice.cut && !e->stale) round_end(e);
    /* What was listed in vain costs time, too. */
    e->slice = slice.cut ? slice.count : e->slice < SLICE ? e->slice + 1 : SLICE;
    *ret_cut = slice.cut;
    return OK;
}

static void tick(struct timer *timer)
{
    struct alert_eval *e = CONTAINER_OF(timer, struct alert_eval, timer);
    struct loop *loop = e->domain->loop;
    bool cut = false, known = true;
    status result = OK;
    if (e->stale) e->in_round = false;
    if (!e->in_round && (e->read || e->rules_changed)) result = read_rules(e, &known);
    if (is_ok(result) && known) result = go_on(e, &cut);
    int64_t now = loop_now(loop);
    if (failed(result)) {
        write_end(e);
        e->in_round = false;
        e->round_at = now;
        log_error("alerts: rules were not looked at: %s", status_text(result));
    }
    int64_t next = e->in_round ? now + SLICE_MS : e->round_at + ROUND_MS, soon = now + SLICE_MS;
    if (cut || !known) next = soon = now + CUT_MS;
    (void)loop_timer_set(loop, timer, next > soon ? next : soon);
}

/* --- rules that end ----------------------------------------------------------------------- */

status alerts_end_rule(struct domain *domain, const struct alert_rule *rule, const char *reason)
{
    int64_t now = domain_wall();
    if (domain->alerts) domain->alerts->eval->stale = true;
    TRY(db_run(DB(domain->db, "DELETE FROM alert WHERE rule_id = ? AND state = 'pending'",
                  (const char *)rule->id)));
    TRY(db_run(DB(domain->db,
                  "UPDATE alert SET state = 'resolved', resolved_at = ?, reason = ?, owed = CASE WHEN "
                  "told_at > 0 THEN 'resolved' ELSE '' END WHERE rule_id = ? AND state = 'firing'",
                  now, reason, (const char *)rule->id)));
    return alert_notify_rule(domain, rule, now, true);
}

/* --- life --------------------------------------------------------------------------------- */

status alert_eval_start(struct alerts *alerts)
{
    struct alert_eval *e = mem_zalloc(sizeof *e);
    if (!e) return FAIL(NO_MEMORY);
    *e = (struct alert_eval){ .alerts = alerts, .domain = alerts->domain, .written = OK };
    alerts->eval = e;
    e->repeats_at = loop_now(e->domain->loop);
    e->rules_changed = true;
    e->slice = SLICE;
    timer_init(&e->timer, tick);
    TRY(load(e));
    return loop_timer_set(e->domain->loop, &e->timer, loop_now(e->domain->loop) + ROUND_MS);
}

/* The engine is gone, and what it was asked was answered. */
void alert_eval_stop(struct alerts *alerts)
{
    struct alert_eval *e = TAKE(alerts->eval);
    struct watched *w, *next;
    if (!e) return;
    loop_timer_clear(e->domain->loop, &e->timer);
    HASH_ITER(hh, e->watched, w, next) watched_free(e, w);
    places_free(e);
    mem_free(e->rules);
    mem_free(e->read);
    mem_free(e);
}
