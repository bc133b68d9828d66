/* clusters.c - the rows of clusters: reading, making, changing. Their processes: cluster_run.c.
 *
 * A new cluster has metadata version 1 and its internal topics from the start: its broker comes up
 * with nothing, asks for the whole image and serves. */
#include "domain/clusters.h"

#include "base/format.h"
#include "cluster/delta.h"
#include "domain/certificates.h"
#include "domain/cluster_image.h"
#include "domain/cluster_run.h"
#include "domain/environments.h"
#include "domain/internal_topics.h"
#include "domain/isolation.h"
#include "domain/lifetimes.h"
#include "domain/plans.h"
#include "domain/usage.h"

#include <jansson.h>
#include <stdlib.h>

#define COLUMNS                                                                                    \
    "SELECT c.id, c.environment_id, e.display_name, c.display_name, c.plan, c.kind, c.availability, " \
    "c.cloud, c.region, c.tag, c.cku, c.metadata_version, c.created_at, c.updated_at, "            \
    "c.deletion_protection, c.deleting, b.port, coalesce(b.tls_port, 0), coalesce(b.paused_at, 0), " \
    "b.pause_reason, c.format "                                                                         \
    "FROM cluster c "                                                                               \
    "JOIN environment e ON e.id = c.environment_id "                                               \
    "JOIN broker b ON b.cluster_id = c.id AND b.node_id = 1 "

const struct cluster_patch cluster_patch_none = { .cku = -1, .deletion_protection = -1 };

static void read_row(const struct db_query *q, struct cluster *c)
{
    *c = (struct cluster){
        .cku = db_i64(q, 10), .metadata_version = db_i64(q, 11), .created_at = db_i64(q, 12),
        .updated_at = db_i64(q, 13), .deletion_protection = db_i64(q, 14) != 0,
        .deleting = db_i64(q, 15) != 0, .port = (uint16_t)db_i64(q, 16),
        .tls_port = (uint16_t)db_i64(q, 17), .paused_at = db_i64(q, 18),
        .format = db_i64(q, 20),
    };
    DB_COPY(q, 0, c->id);
    DB_COPY(q, 1, c->environment_id);
    DB_COPY(q, 2, c->environment_name);
    DB_COPY(q, 3, c->display_name);
    DB_COPY(q, 4, c->plan);
    DB_COPY(q, 5, c->kind);
    DB_COPY(q, 6, c->availability);
    DB_COPY(q, 7, c->cloud);
    DB_COPY(q, 8, c->region);
    DB_COPY(q, 9, c->tag);
    DB_COPY(q, 19, c->pause_reason);
}

static status read_one(struct db_query *q, struct cluster *ret)
{
    struct cluster c;
    bool found = db_next(q);
    if (found) read_row(q, &c);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = c;
    return OK;
}

status clusters_get(struct db *db, struct str id, struct cluster *ret)
{
    return read_one(DB(db, COLUMNS "WHERE c.id = ?", id), ret);
}

status clusters_find(struct db *db, struct str environment_id, struct str name, struct cluster *ret)
{
    return read_one(DB(db, COLUMNS "WHERE c.environment_id = ? AND c.display_name = ? AND c.deleting = 0",
                       environment_id, name), ret);
}

#define WHERE_FILTER                                                                                \
    "(?1 IS NULL OR c.environment_id = ?1) AND (?2 < 0 OR c.deletion_protection = ?2) "

status clusters_list_where(struct db *db, const struct cluster_filter *filter, struct str after,
                           int64_t limit, void (*each)(void *arg, const struct cluster *c), void *arg)
{
    struct cluster c;
    struct db_query *q = DB(db, COLUMNS "WHERE " WHERE_FILTER "AND c.id > ?3 ORDER BY c.id LIMIT ?4",
                            filter->environment_id, filter->deletion_protection,
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &c);
        each(arg, &c);
    }
    return db_end(q);
}

status clusters_count_where(struct db *db, const struct cluster_filter *filter, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM cluster c WHERE " WHERE_FILTER, filter->environment_id,
                         filter->deletion_protection), ret);
}

status clusters_list(struct db *db, struct str environment_id, struct str after, int64_t limit,
                     void (*each)(void *arg, const struct cluster *c), void *arg)
{
    struct cluster_filter filter = { environment_id, -1 };
    return clusters_list_where(db, &filter, after, limit, each, arg);
}

status clusters_count(struct db *db, struct str environment_id, int64_t *ret)
{
    struct cluster_filter filter = { environment_id, -1 };
    return clusters_count_where(db, &filter, ret);
}

struct str clusters_bootstrap(const struct domain *domain, const struct cluster *c, struct arena *arena)
{
    const char *host = domain->options.advertise ? domain->options.advertise : "127.0.0.1";
    return arena_printf(arena, "%s:%u", host, c->port);
}

struct str clusters_bootstrap_tls(const struct domain *domain, const struct cluster *c, struct arena *arena)
{
    const char *host = domain->options.advertise ? domain->options.advertise : "127.0.0.1";
    return c->tls_port ? arena_printf(arena, "%s:%u", host, c->tls_port) : STR_NULL;
}

/* --- making -------------------------------------------------------------------------------------- */

static status check_availability(struct str availability, struct why *why)
{
    static const char *const known[] = { "SINGLE_ZONE", "MULTI_ZONE", "LOW", "HIGH" };
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (str_eq_c(availability, known[i])) return OK;
    }
    why_set(why, "availability is one of SINGLE_ZONE, MULTI_ZONE, LOW, HIGH.");
    return FAIL(INVALID);
}

static status check_kind(struct str kind, int64_t cku, struct why *why)
{
    if (!plans_of_kind(kind)) {
        why_set(why, "Clusters of kind %.*s are not offered here: config.kind is Basic, Standard or "
                     "Dedicated.", STR_ARG(kind));
        return FAIL(PRECONDITION);
    }
    if (cku < 1 || cku > CKU_MAX) {
        why_set(why, "config.cku is a number from 1 to %d.", CKU_MAX);
        return FAIL(PRECONDITION);
    }
    return OK;
}

static status check_spec(const struct cluster_spec *spec, struct why *why)
{
    TRY(name_check(spec->display_name, why));
    TRY(check_availability(spec->availability, why));
    if (failed(name_check(spec->cloud, NULL)) || failed(name_check(spec->region, NULL))) {
        why_set(why, "cloud and region are texts of 1 to %d bytes.", NAME_MAX_BYTES);
        return FAIL(INVALID);
    }
    return check_kind(spec->kind, spec->cku, why);
}

status clusters_insert(struct domain *domain, const struct cluster_spec *spec, struct cluster *ret,
                       struct why *why)
{
    char id[ID_TEXT];
    uint16_t port = 0;
    int64_t count = 0, now = domain_wall();
    struct db *db = domain->db;
    TRY(check_spec(spec, why));
    TRY(clusters_count(db, STR_NULL, &count));
    if (count >= CLUSTERS_MAX) {
        why_set(why, "There are %d clusters already, which is the limit (kafka.max_clusters.per_org).",
                CLUSTERS_MAX);
        return FAIL(LIMIT);
    }
    TRY(cluster_run_port(domain, &port, why));
    if (!spec->id.data) secret_id_new("lkc-", id);
    else if (!str_copy(id, sizeof id, spec->id)) return FAIL(INVALID);
    struct db_query *q = db_query(db, "INSERT INTO cluster (id, environment_id, display_name, plan, kind, "
                                      "cku, availability, cloud, region, deletion_protection, "
                                      "metadata_version, created_at, updated_at, plan_since, format) "
                                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)");
    db_bind_cstr(q, id);
    db_bind_str(q, spec->environment_id);
    db_bind_str(q, spec->display_name);
    db_bind_cstr(q, plans_of_kind(spec->kind));
    db_bind_str(q, spec->kind);
    db_bind_i64(q, spec->cku);
    db_bind_str(q, spec->availability);
    db_bind_str(q, spec->cloud);
    db_bind_str(q, spec->region);
    db_bind_i64(q, spec->deletion_protection);
    db_bind_i64(q, now);
    db_bind_i64(q, now);
    db_bind_i64(q, now);
    db_bind_i64(q, FORMAT_NEWEST);
    status result = db_run(q);
    if (result.code == E_EXISTS)
        why_set(why, "The environment has a cluster named %.*s already.", STR_ARG(spec->display_name));
    TRY(result);
    TRY(db_run(DB(db, "INSERT INTO broker (cluster_id, node_id, port) VALUES (?, 1, ?)",
                  (const char *)id, port)));
    TRY(cluster_run_port(domain, &port, why));
    TRY(db_run(DB(db, "UPDATE broker SET tls_port = ? WHERE cluster_id = ?", port, (const char *)id)));
    TRY(internal_topics_insert(db, id, now));
    TRY(certificates_insert(domain, id));
    return clusters_get(db, str_c(id), ret);
}

status clusters_create(struct domain *domain, const struct actor *actor, const struct cluster_spec *spec,
                       struct cluster *ret, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct environment e;
    struct cluster c;
    TRY(change_begin(domain, NULL, actor, &change));
    if (failed(environments_get(domain->db, spec->environment_id, &e))) {
        why_set(why, "There is no environment %.*s.", STR_ARG(spec->environment_id));
        return FAIL(NOT_FOUND);
    }
    TRY(clusters_insert(domain, spec, &c, why));
    change_set_cluster(change, c.id);
    TRY(change_audit_with(change, "cluster.create", c.id, "display_name", spec->display_name));
    TRY(change_commit_now(&change));
    *ret = c;
    lifetimes_soon(domain);
    return clusters_launch(domain, c.id);
}

/* --- changing ------------------------------------------------------------------------------------ */

static status check_tag(struct str tag, struct why *why)
{
    if (str_eq_c(tag, "production") || str_eq_c(tag, "staging") || str_eq_c(tag, "test")) return OK;
    why_set(why, "tag is one of production, staging, test.");
    return FAIL(INVALID);
}

/* The kind, plan and units the cluster will have. */
static status plan_of_patch(struct db *db, const struct cluster *c, const struct cluster_patch *patch,
                            struct cluster *next, struct why *why)
{
    struct plan plan;
    if (patch->cku >= 0) next->cku = patch->cku;
    if (patch->kind.data) {
        TRY(check_kind(patch->kind, next->cku, why));
        bool upgrade = strcmp(c->kind, "Basic") == 0 && str_eq_c(patch->kind, "Standard");
        if (!upgrade && !str_eq_c(patch->kind, c->kind)) {
            why_set(why, "The kind of a cluster changes from Basic to Standard only; this one is %s.",
                    c->kind);
            return FAIL(PRECONDITION);
        }
        str_copy(next->kind, sizeof next->kind, patch->kind);
        /* A trial shows as Basic: saying so again changes nothing. */
        if (!str_eq_c(patch->kind, c->kind))
            str_copy(next->plan, sizeof next->plan, str_c(plans_of_kind(patch->kind)));
    }
    if (patch->plan.data) {
        if (!str_copy(next->plan, sizeof next->plan, patch->plan) ||
            failed(plans_get(db, next->plan, &plan))) {
            why_set(why, "There is no plan %.*s.", STR_ARG(patch->plan));
            return FAIL(PRECONDITION);
        }
        str_copy(next->kind, sizeof next->kind, str_c(plans_kind(next->plan)));
    }
    if (strcmp(next->kind, "Dedicated") != 0) next->cku = 1;
    return check_kind(str_c(next->kind), next->cku, why);
}

/* Limits below what is there already would stop the cluster from changing at all. The row is written. */
static status check_fits(struct db *db, const struct cluster *next, struct why *why)
{
    struct limits limits;
    int64_t partitions = 0;
    TRY(plans_of_cluster(db, next->id, &limits));
    TRY(db_one_i64(DB(db, "SELECT coalesce(sum(partitions), 0) FROM topic WHERE cluster_id = ? AND "
                          "internal = 0", (const char *)next->id), &partitions));
    if (limits.partitions < 0 || partitions <= limits.partitions) return OK;
    why_set(why, "The cluster has %lld partitions; that would allow %lld.",
            (long long)partitions, (long long)limits.partitions);
    return FAIL(PRECONDITION);
}

static status apply_patch(struct db *db, const struct cluster *c, const struct cluster_patch *patch,
                          struct change *change, struct why *why)
{
    struct cluster next = *c;
    TRY(plan_of_patch(db, c, patch, &next, why));
    if (patch->display_name.data) {
        TRY(name_check(patch->display_name, why));
        str_copy(next.display_name, sizeof next.display_name, patch->display_name);
    }
    if (patch->availability.data) {
        TRY(check_availability(patch->availability, why));
        str_copy(next.availability, sizeof next.availability, patch->availability);
    }
    if (patch->tag.data) {
        TRY(check_tag(patch->tag, why));
        str_copy(next.tag, sizeof next.tag, patch->tag);
    }
    if (patch->deletion_protection >= 0) next.deletion_protection = patch->deletion_protection != 0;
    bool limits = strcmp(next.plan, c->plan) != 0 || next.cku != c->cku || patch->limit_count > 0;
    status result = db_run(DB(db, "UPDATE cluster SET display_name = ?, plan = ?, kind = ?, cku = ?, "
                              "availability = ?, tag = ?, deletion_protection = ?, updated_at = ? "
                              "WHERE id = ?",
                              (const char *)next.display_name, (const char *)next.plan,
                              (const char *)next.kind, next.cku, (const char *)next.availability,
                              (const char *)next.tag, next.deletion_protection, domain_wall(),
                              (const char *)next.id));
    if (result.code == E_EXISTS)
        why_set(why, "The environment has a cluster named %s already.", next.display_name);
    TRY(result);
    if (strcmp(next.plan, c->plan) != 0)
        TRY(db_run(DB(db, "UPDATE cluster SET plan_since = ? WHERE id = ?", domain_wall(),
                      (const char *)next.id)));
    for (size_t i = 0; i < patch->limit_count; i++)
        TRY(plans_override(db, next.id, &patch->limits[i], why));
    if (limits) TRY(check_fits(db, &next, why));
    if (limits) TRY(cluster_image_limits(db, next.id, change_records(change)));
    return change_audit(change, "cluster.update", c->id, NULL);
}

void clusters_update(struct domain *domain, const struct actor *actor, struct str id,
                     const struct cluster_patch *patch, domain_done done, void *arg)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct why why = { "" };
    struct cluster c;
    status result = clusters_get(domain->db, id, &c);
    if (is_ok(result) && c.deleting) result = FAIL(NOT_FOUND);
    if (is_ok(result)) result = change_begin(domain, c.id, actor, &change);
    if (is_ok(result)) result = apply_patch(domain->db, &c, patch, change, &why);
    if (failed(result)) {
        change_abort(TAKE(change));
        done(arg, result, &why);
        return;
    }
    lifetimes_soon(domain);
    change_commit(TAKE(change), done, arg);
    isolation_limits_changed(domain, c.id);
}

status clusters_delete(struct domain *domain, const struct actor *actor, struct str id, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct cluster c;
    TRY(clusters_get(domain->db, id, &c));
    if (c.deleting) return OK; /* under way: deleting again is no error */
    if (c.deletion_protection) {
        why_set(why, "The cluster is protected from deletion; switch that off first.");
        return FAIL(CONFLICT);
    }
    usage_last(domain, c.id);
    TRY(change_begin(domain, c.id, actor, &change));
    TRY(db_run(DB(domain->db, "UPDATE cluster SET deleting = 1, updated_at = ? WHERE id = ?",
                  domain_wall(), id)));
    TRY(change_audit_with(change, "cluster.delete", c.id, "display_name", str_c(c.display_name)));
    TRY(change_commit_now(&change));
    cluster_run_end(domain, c.id);
    return OK;
}

status clusters_restart(struct domain *domain, const struct actor *actor, struct str id, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct cluster c;
    char proc[64];
    TRY(clusters_get(domain->db, id, &c));
    if (c.deleting) {
        why_set(why, "The cluster is being deleted.");
        return FAIL(CONFLICT);
    }
    if (c.paused_at) {
        why_set(why, "The cluster is paused: resume it instead.");
        return FAIL(CONFLICT);
    }
    TRY(change_begin(domain, c.id, actor, &change));
    TRY(change_audit(change, "cluster.restart", c.id, NULL));
    TRY(change_commit_now(&change));
    clusters_proc_id(c.id, proc);
    return domain->supervisor ? supervisor_restart(domain->supervisor, proc) : OK;
}
