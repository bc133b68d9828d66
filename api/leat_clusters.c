/* leat_clusters.c - /leat/v1/clusters and /leat/v1/plans: everything the console shows of a cluster in
 * one object. Domain thread, but for the plans. */
#include "api/leat_clusters.h"

#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "api/leat_limits.h"
#include "base/format.h"
#include "domain/clusters.h"
#include "domain/fleet.h"
#include "domain/isolation.h"
#include "domain/lags.h"
#include "domain/lifetimes.h"
#include "domain/pause.h"
#include "domain/plans.h"
#include "domain/rolling.h"

#include <stdio.h>

/* --- may its clients produce? ------------------------------------------------------------------------ */

static const struct { const char *name, *reason; } storage_states[] = {
    [ENGINE_STORAGE_OPEN] = { "open", "" },
    [ENGINE_STORAGE_AT_LIMIT] = {
        "at_limit", "The storage limit of the plan is reached: producers are refused. Delete records or "
                    "topics, shorten retention, or raise the plan" },
    [ENGINE_STORAGE_HELD] = {
        "held", "The disk of this service is nearly full: producers wait until there is room again, because "
                "this is one of the largest clusters that grow" },
    [ENGINE_STORAGE_FULL] = { "disk_full", "The disk is full: producers wait until there is room again" },
};

/* --- one cluster ------------------------------------------------------------------------------------ */

static json_t *state_of(const struct cluster *c, const struct proc_info *info, bool known, bool controlled,
                        enum engine_storage storage)
{
    const char *name = c->deleting ? "deleting" : known ? proc_state_name(info->state)
                       : c->paused_at ? "paused" : "stopped";
    /* Up, but not yet told its metadata by this leatd: a change made now would be answered as pending. */
    if (!c->deleting && known && info->state == PROC_RUNNING && !controlled)
        name = proc_state_name(PROC_STARTING);
    const char *reason = known ? info->reason : c->paused_at ? c->pause_reason : "";
    if (known && info->state == PROC_RUNNING && !reason[0]) reason = storage_states[storage].reason;
    return json_pack("{s:s, s:s, s:o, s:o, s:i, s:o, s:b, s:o}", "name", name, "reason", reason, "since",
                     api_time(known ? info->since : c->paused_at ? c->paused_at : c->created_at),
                     "started_at", api_time(known ? info->started_at : 0), "restarts",
                     known ? info->restarts : 0, "pid",
                     known && info->pid > 0 ? json_integer(info->pid) : json_null(), "adopted",
                     known && info->adopted, "last_end",
                     known && info->ended_at ? json_pack("{s:o, s:s}", "at", api_time(info->ended_at),
                                                         "reason", info->end_reason)
                                             : json_null());
}

static void records_per_s(const struct engine_figures *f, double *ret_in, double *ret_out)
{
    *ret_in = *ret_out = 0;
    for (size_t i = 0; i < f->topic_count; i++) {
        *ret_in += f->topics[i].records_in_per_s;
        *ret_out += f->topics[i].records_out_per_s;
    }
}

static json_t *use_of(const struct fleet_cluster *row, const struct engine_figures *f,
                      const struct proc_info *info)
{
    double in = 0, out = 0;
    records_per_s(f, &in, &out);
    return json_pack("{s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I}", "topics",
                     (json_int_t)(row ? row->topics : 0), "partitions",
                     (json_int_t)(row ? row->partitions : 0), "storage_bytes",
                     (json_int_t)f->bytes_stored, "connections", (json_int_t)f->connections,
                     "ingress_bytes_per_s", f->in_per_s, "egress_bytes_per_s", f->out_per_s,
                     "records_in_per_s", in, "records_out_per_s", out, "requests_per_s",
                     f->requests_per_s, "memory_bytes", (json_int_t)info->memory_bytes, "cpu_ms",
                     (json_int_t)info->cpu_ms);
}

static json_t *damage_of(const struct engine_figures *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->damage_count; i++) {
        const struct engine_damage *d = &f->damage[i];
        json_array_append_new(list, json_pack("{s:o, s:i, s:b, s:o}", "topic_name", api_str(str_c(d->topic)),
                                              "partition_id", d->partition, "offline", d->offline, "reason",
                                              api_str(str_c(d->text))));
    }
    return json_pack("{s:I, s:o}", "partitions", (json_int_t)f->damaged_partitions, "first", list);
}

static json_t *totals_of(const struct engine_figures *f)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "bytes_in", (json_int_t)f->bytes_in, "bytes_out",
                     (json_int_t)f->bytes_out, "records_in", (json_int_t)f->records_in, "records_out",
                     (json_int_t)f->records_out, "requests", (json_int_t)f->requests, "errors",
                     (json_int_t)f->errors, "throttle_ms", (json_int_t)f->throttle_ms);
}

static json_t *head_of(struct domain *domain, const struct cluster *c)
{
    const char *host = domain->options.advertise ? domain->options.advertise : "127.0.0.1";
    char at[300];
    snprintf(at, sizeof at, "%.255s:%u", host, c->port);
    return json_pack("{s:s, s:s, s:{s:s, s:s}, s:s, s:s, s:I, s:s, s:s, s:s, s:o, s:s, s:s, s:[sss], "
                     "s:I, s:b}",
                     "id", c->id, "display_name", c->display_name, "environment", "id", c->environment_id,
                     "display_name", c->environment_name, "plan", c->plan, "kind", c->kind, "cku",
                     (json_int_t)c->cku, "tag", c->tag, "cloud", c->cloud, "region", c->region, "created_at",
                     api_time(c->created_at), "bootstrap_servers", at, "security_protocol", "SASL_PLAINTEXT",
                     "sasl_mechanisms", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "metadata_version",
                     (json_int_t)c->metadata_version, "deletion_protection", c->deletion_protection);
}

/* Of the data folder: what is confirmed, what its broker writes (null: away, or of an older version). */
static json_t *format_json(struct domain *domain, const struct cluster *c)
{
    int written = domain->engine ? engine_format(domain->engine, c->id) : 0;
    return json_pack("{s:I, s:o, s:i, s:b}", "confirmed", (json_int_t)c->format, "written",
                     written ? json_integer(written) : json_null(), "newest", FORMAT_NEWEST,
                     "upgrade_to_confirm", c->format < FORMAT_NEWEST);
}

static json_t *tls_of(const struct domain *domain, const struct cluster *c)
{
    const char *host = domain->options.advertise ? domain->options.advertise : "127.0.0.1";
    return c->tls_port ? json_sprintf("%s:%u", host, c->tls_port) : json_null();
}

static json_t *worst_lag_of(struct domain *domain, const char *id)
{
    struct lag_worst worst;
    if (!lags_worst(domain, id, &worst)) return json_null();
    return json_pack("{s:o, s:I}", "group", api_str(str_c(worst.group)), "lag", (json_int_t)worst.lag);
}

static json_t *figure(int64_t value) { return value < 0 ? json_null() : json_integer(value); }

/* Null: no group of any kind could be made. */
static json_t *cgroup_json(const struct cluster_isolation *i)
{
    const struct cgroup_figures *g = &i->group;
    if (g->memory_bytes < 0 && g->processes < 0 && g->weight < 0) return json_null();
    return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "version", i->group_version, "memory_bytes",
                     figure(g->memory_bytes), "memory_limit_bytes", figure(g->memory_limit_bytes),
                     "out_of_memory", figure(g->out_of_memory), "threads", figure(g->processes),
                     "threads_limit", figure(g->processes_limit), "cpu_weight", figure(g->weight));
}

/* What fences its process on this machine, in words of what is missing too; null: it does not run. */
static json_t *isolation_json(struct domain *domain, const char *id)
{
    struct cluster_isolation i;
    isolation_of(domain, id, &i);
    if (!i.process.known) return json_null();
    json_t *missing = json_array();
    for (int n = 0; n < i.missing_count; n++) json_array_append_new(missing, json_string(i.missing[n]));
    return json_pack("{s:b, s:I, s:b, s:b, s:i, s:b, s:b, s:o, s:o}", "own_user", i.own_user, "uid",
                     (json_int_t)i.process.uid, "no_new_privileges", i.process.no_new_privileges,
                     "no_capabilities", i.process.no_capabilities, "landlock_abi", i.landlock, "seccomp",
                     i.process.seccomp, "rlimits", i.process.limits, "cgroup", cgroup_json(&i), "missing",
                     missing);
}

/* Clusters of one plan share the object. */
struct shared_limits {
    struct limits limits;
    json_t *json;
};

static json_t *limits_of(const struct fleet_cluster *row, struct shared_limits *shared)
{
    if (!shared) return leat_limits_json(&row->limits);
    if (!shared->json || memcmp(&shared->limits, &row->limits, sizeof row->limits) != 0) {
        json_decref(shared->json);
        shared->json = leat_limits_json(&row->limits);
        shared->limits = row->limits;
    }
    return json_incref(shared->json);
}

static json_t *own_limits_of(const struct fleet_cluster *row)
{
    json_t *own = json_object();
    for (const struct fleet_own *o = row->own; o; o = o->next)
        json_object_set_new(own, o->kind->name, json_integer(o->value));
    return own;
}

/* `row`: NULL when it cannot be read: counts are 0 then. */
static json_t *to_json(struct domain *domain, const struct cluster *c, const struct fleet_cluster *row,
                       bool with_limits, struct shared_limits *shared)
{
    static const struct engine_figures nothing;
    struct proc_info info = { 0 };
    char proc[64];
    clusters_proc_id(c->id, proc);
    bool known = domain->supervisor && supervisor_info(domain->supervisor, proc, &info);
    const struct engine_figures *f = domain->engine ? engine_figures(domain->engine, c->id) : NULL;
    if (!f || !f->known) f = &nothing;
    int64_t acknowledged = domain->engine ? engine_version(domain->engine, c->id) : -1;
    json_t *json = head_of(domain, c);
    json_object_set_new(json, "tls_bootstrap_servers", tls_of(domain, c));
    json_object_set_new(json, "acknowledged_version", json_integer(acknowledged));
    json_object_set_new(json, "state", state_of(c, &info, known, !domain->engine || acknowledged > 0,
                                               f->storage));
    json_object_set_new(json, "format", format_json(domain, c));
    json_object_set_new(json, "program",
                        api_str(str_c(domain->engine ? engine_program(domain->engine, c->id) : "")));
    json_object_set_new(json, "paused", c->paused_at ? json_pack("{s:o, s:s}", "at", api_time(c->paused_at),
                                                                 "reason", c->pause_reason)
                                                     : json_null());
    json_object_set_new(json, "storage", json_pack("{s:s, s:s}", "state", storage_states[f->storage].name,
                                                   "reason", storage_states[f->storage].reason));
    json_object_set_new(json, "damage", damage_of(f));
    json_object_set_new(json, "use", use_of(row, f, &info));
    json_object_set_new(json, "totals", totals_of(f));
    json_object_set_new(json, "worst_lag", worst_lag_of(domain, c->id));
    if (with_limits && row) {
        json_object_set_new(json, "limits", limits_of(row, shared));
        json_object_set_new(json, "expires_at", api_time(row->ends_at));
        json_object_set_new(json, "own_limits", own_limits_of(row));
    }
    return json;
}

static json_t *one_to_json(struct domain *domain, const struct cluster *c, bool with_limits)
{
    struct fleet fleet;
    (void)fleet_load_one(domain->db, c->id, &fleet); /* logged; shown without then */
    json_t *json = to_json(domain, c, fleet_find(&fleet, c->id), with_limits, NULL);
    fleet_done(&fleet);
    return json;
}

json_t *leat_cluster_json(struct domain *domain, const char *cluster_id, bool with_limits)
{
    struct cluster c;
    if (failed(clusters_get(domain->db, str_c(cluster_id), &c))) return NULL;
    return one_to_json(domain, &c, with_limits);
}

/* --- routes ----------------------------------------------------------------------------------------- */

struct listing {
    struct control_page page;
    struct fleet fleet;
    struct shared_limits limits;
};

static void add_row(void *arg, const struct cluster *c)
{
    struct listing *l = arg;
    struct control_page *p = &l->page;
    struct engine *engine = p->rq->domain->engine;
    const struct role_scope scope = { .environment_id = str_c(c->environment_id),
                                      .cluster_id = str_c(c->id) };
    if (!access_allows(p->rq, &scope) || !control_page_room(p)) return;
    control_page_add(p, to_json(p->rq->domain, c, fleet_find(&l->fleet, c->id), true, &l->limits), c->id);
    if (engine) engine_watch(engine, c->id); /* whoever lists the fleet asks again soon */
}

void leat_clusters_list_get(struct api_request *rq)
{
    struct listing l = { 0 };
    int64_t total = 0;
    if (!control_page_begin(&l.page, rq)) return;
    struct str after = l.page.page.after;
    int64_t limit = access_limit(rq, l.page.page.size);
    status result = fleet_load(rq->db, after, limit, &l.fleet);
    if (is_ok(result)) result = clusters_count(rq->db, STR_NULL, &total);
    if (is_ok(result)) result = clusters_list(rq->db, STR_NULL, after, limit, add_row, &l);
    fleet_done(&l.fleet);
    json_decref(l.limits.json);
    control_page_end(&l.page, result, NULL, "LeatClusterList", access_total(rq, total));
}

static void reply_one(struct api_request *rq, status result, int http)
{
    struct cluster c;
    status found = clusters_get(rq->db, rq->params[0], &c);
    if (failed(found)) {
        api_fail(rq, found, "There is no such cluster.");
        return;
    }
    if (rq->domain->engine) engine_watch(rq->domain->engine, c.id);
    json_t *json = one_to_json(rq->domain, &c, true);
    json_object_set_new(json, "isolation", isolation_json(rq->domain, c.id)); /* too dear for a list */
    api_reply_change(rq, result, NULL, http, c.metadata_version, json);
}

void leat_clusters_one_get(struct api_request *rq) { reply_one(rq, OK, 200); }

static void patched(void *arg, status result, const struct why *why)
{
    struct api_request *rq = arg;
    if (failed(result) && result.code != E_PENDING) control_fail(rq, result, why, STR_NULL);
    else reply_one(rq, result, 200);
}

/* Who manages a cluster picks its plan; what no plan offers is for those who manage plans. */
static bool may_set_limits(struct api_request *rq)
{
    struct cluster c = { .id = "" };
    (void)clusters_get(rq->db, rq->params[0], &c); /* none: only who may everywhere goes on, to a 404 */
    const struct role_scope scope = { .environment_id = str_c(c.environment_id), .cluster_id = str_c(c.id) };
    if (access_allows_for(rq, MAY_PLAN_MANAGE, &scope)) return true;
    api_fail(rq, FAIL(NOT_PERMITTED), "Limits of a cluster's own need the permission plan.manage; another "
             "plan does not.");
    return false;
}

void leat_clusters_patch(struct api_request *rq)
{
    struct cluster_patch patch = cluster_patch_none;
    struct limit_change limits[LEAT_LIMITS_MAX];
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    const json_t *cku = json_object_get(body, "cku");
    if (!body || !control_str(rq, body, "tag", "/tag", false, &patch.tag) ||
        !control_str(rq, body, "plan", "/plan", false, &patch.plan) ||
        !leat_limits_read(rq, json_object_get(body, "limits"), true, limits, &patch.limit_count))
        return;
    if (cku && (!json_is_integer(cku) || json_integer_value(cku) < 1)) {
        api_fail_at(rq, 422, "invalid_configuration", "cku is a number from 1.", "/cku", NULL);
        return;
    }
    if (cku) patch.cku = json_integer_value(cku);
    if (patch.limit_count > 0 && !may_set_limits(rq)) return;
    patch.limits = limits;
    clusters_update(rq->domain, &actor, rq->params[0], &patch, patched, rq);
}

void leat_clusters_restart(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = clusters_restart(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_one(rq, OK, 202);
}

void leat_clusters_pause(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    struct str reason = STR_NULL;
    if (rq->body.len) {
        const json_t *body = api_body(rq);
        if (!body || !control_str(rq, body, "reason", "/reason", false, &reason)) return;
    }
    status result = clusters_pause(rq->domain, &actor, rq->params[0], reason, &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_one(rq, OK, 202);
}

void leat_clusters_resume(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = clusters_resume_paused(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_one(rq, OK, 202);
}

/* --- all of them, and onto another program ----------------------------------------------------------- */

void leat_clusters_upgrade(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    bool restarts = false;
    status result = rolling_upgrade(rq->domain, &actor, rq->params[0], &restarts, &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_one(rq, OK, restarts ? 202 : 200);
}

void leat_clusters_confirm(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = rolling_confirm(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_one(rq, OK, 200);
}

static void reply_rolling(struct api_request *rq, int http)
{
    static const char *const phases[] = { "NONE", "RUNNING", "DONE", "FAILED" };
    struct rolling_state s;
    rolling_look(rq->domain, &s);
    json_t *body = json_pack("{s:s, s:s, s:I, s:I, s:s, s:o, s:o}", "kind", "LeatRollingRestart", "phase",
                             phases[s.phase], "clusters", (json_int_t)s.total, "restarted",
                             (json_int_t)s.done, "reason", s.reason, "started_at", api_time(s.started_at),
                             "finished_at", api_time(s.finished_at));
    json_object_set_new(body, "cluster_id", s.cluster_id[0] ? json_string(s.cluster_id) : json_null());
    api_reply(rq, http, body);
}

void leat_rolling_get(struct api_request *rq) { reply_rolling(rq, 200); }

void leat_rolling_post(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = rolling_begin(rq->domain, &actor, &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_rolling(rq, 202);
}
