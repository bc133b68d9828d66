/* plan_changes.c - making, changing and deleting plans. Domain thread.
 *
 * A plan's clusters get its limits in the same transaction: each metadata version is raised there, so
 * that a broker which is away asks for the image; those that are here are sent the delta at once. */
#include "domain/plans.h"

#include "cluster/delta.h"
#include "domain/cluster_image.h"
#include "domain/clusters.h"
#include "domain/isolation.h"
#include "domain/lifetimes.h"
#include "domain/watchers.h"

#include <jansson.h>
#include <stdlib.h>

/* Names come into URLs: a letter, then letters, digits, - and _. */
static status check_name(const char *name, struct why *why)
{
    size_t n = strlen(name);
    bool fine = n > 0 && name[0] >= 'a' && name[0] <= 'z';
    for (size_t i = 0; i < n; i++) {
        char c = name[i];
        fine = fine && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_');
    }
    if (fine) return OK;
    why_set(why, "A plan's name is 1 to %d of a-z, 0-9, - and _, and begins with a letter.", PLAN_NAME_MAX);
    return FAIL(INVALID);
}

static status check_value(const struct limit_kind *kind, int64_t value, struct why *why)
{
    if (value >= kind->least || (value == -1 && kind->endless)) return OK;
    why_set(why, "%s is at least %lld%s.", kind->name, (long long)kind->least,
            kind->endless ? ", or -1 for no limit" : "");
    return FAIL(INVALID);
}

static status check_plan(const struct plan *plan, struct why *why)
{
    size_t count;
    const struct limit_kind *kinds = limit_kinds(&count);
    const struct limits *l = &plan->limits;
    TRY(check_name(plan->name, why));
    for (size_t i = 0; i < count; i++) TRY(check_value(&kinds[i], limit_get(l, &kinds[i]), why));
    if (l->default_partitions >= 1 && (l->partitions < 0 || l->default_partitions <= l->partitions) &&
        l->default_partitions <= 1000)
        return OK;
    why_set(why, "default_partitions is a number from 1 to 1000, and not above partitions.");
    return FAIL(INVALID);
}

/* --- rows ------------------------------------------------------------------------------------------- */

static status write_row(struct db *db, const struct plan *plan)
{
    const struct limits *l = &plan->limits;
    TRY(db_run(DB(db, "UPDATE plan SET ingress_bytes_per_s = ?, egress_bytes_per_s = ?, storage_bytes = ?, "
                      "partitions = ?, connections = ?, message_bytes = ?, memory_bytes = ? WHERE name = ?",
                  l->ingress_bytes_per_s, l->egress_bytes_per_s, l->storage_bytes, l->partitions,
                  l->connections, l->message_bytes, l->memory_bytes, (const char *)plan->name)));
    return db_run(DB(db, "UPDATE plan SET auto_create_topics = ?, default_partitions = ?, "
                         "strict_replication = ?, retention_ms = ?, connections_per_s = ?, "
                         "requests_per_s = ?, lifetime_ms = ? WHERE name = ?",
                     l->auto_create_topics, l->default_partitions, l->strict_replication, l->retention_ms,
                     l->connections_per_s, l->requests_per_s, l->lifetime_ms, (const char *)plan->name));
}

status plans_create(struct domain *domain, const struct actor *actor, const struct plan *plan,
                    struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    int64_t count = 0;
    TRY(check_plan(plan, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(plans_count(domain->db, &count));
    if (count >= PLANS_MAX) {
        why_set(why, "There are %d plans already, which is the limit (leat.max_plans.per_org).", PLANS_MAX);
        return FAIL(LIMIT);
    }
    status result = db_run(DB(domain->db, "INSERT INTO plan (name, ingress_bytes_per_s, egress_bytes_per_s, "
                              "storage_bytes, partitions, connections, message_bytes, memory_bytes, "
                              "auto_create_topics, default_partitions) "
                              "VALUES (?, -1, -1, -1, -1, -1, -1, 0, 0, 1)", (const char *)plan->name));
    if (result.code == E_EXISTS) why_set(why, "A plan named %s exists already.", plan->name);
    TRY(result);
    TRY(write_row(domain->db, plan));
    TRY(change_audit(change, "plan.create", plan->name, NULL));
    return change_commit_now(&change);
}

/* --- clusters that have it ---------------------------------------------------------------------------- */

struct told {
    char id[ID_TEXT];
    int64_t version; /* with the new limits */
};

/* Raises their versions, all in this transaction; *ret_told is the caller's to free. */
static status raise_versions(struct db *db, const char *plan, struct told **ret_told, size_t *ret_count)
{
    size_t count = 0;
    struct told *told = mem_zalloc(CLUSTERS_MAX * sizeof *told);
    if (!told) return FAIL(NO_MEMORY);
    struct db_query *q = DB(db, "UPDATE cluster SET metadata_version = metadata_version + 1 "
                                "WHERE plan = ? AND deleting = 0 RETURNING id, metadata_version", plan);
    while (db_next(q)) {
        if (count == CLUSTERS_MAX) continue;
        DB_COPY(q, 0, told[count].id);
        told[count++].version = db_i64(q, 1);
    }
    status result = db_end(q);
    if (failed(result)) {
        mem_free(told);
        return result;
    }
    *ret_told = told;
    *ret_count = count;
    return OK;
}

static void pushed(void *arg, status result)
{
    (void)arg, (void)result; /* a broker that is away gets the whole image when it is back */
}

static void tell(struct domain *domain, const struct told *told)
{
    struct buf records;
    watchers_tell(domain, told->id, "cluster");
    isolation_limits_changed(domain, told->id);
    if (!domain->engine) return;
    buf_init(&records, DELTA_MAX);
    delta_begin(&records, told->version - 1, told->version);
    status result = cluster_image_limits(domain->db, told->id, &records);
    if (is_ok(result) && is_ok(buf_check(&records)))
        engine_push(domain->engine, told->id, told->version, buf_bytes(&records), pushed, NULL);
    buf_done(&records);
}

status plans_update(struct domain *domain, const struct actor *actor, const struct plan *plan,
                    struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct plan old;
    struct told *told = NULL;
    size_t count = 0;
    TRY(check_plan(plan, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(plans_get(domain->db, plan->name, &old));
    TRY(write_row(domain->db, plan));
    TRY(change_audit(change, "plan.update", plan->name, NULL));
    TRY(raise_versions(domain->db, plan->name, &told, &count));
    status result = change_commit_now(&change);
    for (size_t i = 0; is_ok(result) && i < count; i++) tell(domain, &told[i]);
    mem_free(told);
    if (is_ok(result)) lifetimes_soon(domain);
    return result;
}

status plans_delete(struct domain *domain, const struct actor *actor, struct str name, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct plan plan;
    char text[PLAN_NAME_MAX + 1];
    if (!str_copy(text, sizeof text, name)) return FAIL(NOT_FOUND);
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(plans_get(domain->db, text, &plan));
    if (plan.preset) {
        why_set(why, "%s is one of the plans that are always there; its limits can be changed.", plan.name);
        return FAIL(CONFLICT);
    }
    if (plan.clusters > 0) {
        why_set(why, "%lld clusters have the plan %s; give them another one first.", (long long)plan.clusters,
                plan.name);
        return FAIL(CONFLICT);
    }
    TRY(db_run(DB(domain->db, "DELETE FROM plan WHERE name = ?", name)));
    TRY(change_audit(change, "plan.delete", plan.name, NULL));
    return change_commit_now(&change);
}

/* --- a cluster's own ------------------------------------------------------------------------------------ */

status plans_override(struct db *db, const char *cluster_id, const struct limit_change *change,
                      struct why *why)
{
    TRY(db_run(DB(db, "DELETE FROM cluster_limit WHERE cluster_id = ? AND name = ?", cluster_id,
                  change->kind->name)));
    if (change->clear) return OK;
    TRY(check_value(change->kind, change->value, why));
    return db_run(DB(db, "INSERT INTO cluster_limit VALUES (?, ?, ?)", cluster_id, change->kind->name,
                     change->value));
}
