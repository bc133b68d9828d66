/* quotas.c - client quotas as rows and as quota records of the image. A change of a quota deletes the
 * entities it had and sets those it has, in one delta, so that brokers never see half of it. */
#include "domain/quotas.h"

#include "domain/accounts.h"
#include "domain/cluster_image.h"
#include "domain/clusters.h"
#include "domain/kafka_quotas.h"

#define COLUMNS                                                                                    \
    "SELECT q.id, q.cluster_id, c.environment_id, q.display_name, q.description, "                 \
    "q.ingress_bytes_per_s, q.egress_bytes_per_s, q.created_at, q.updated_at "                     \
    "FROM client_quota q JOIN cluster c ON c.id = q.cluster_id "

static void read_row(const struct db_query *q, struct client_quota *cq)
{
    *cq = (struct client_quota){
        .ingress_bytes_per_s = db_i64(q, 5), .egress_bytes_per_s = db_i64(q, 6),
        .created_at = db_i64(q, 7), .updated_at = db_i64(q, 8),
    };
    DB_COPY(q, 0, cq->id);
    DB_COPY(q, 1, cq->cluster_id);
    DB_COPY(q, 2, cq->environment_id);
    DB_COPY(q, 3, cq->display_name);
    DB_COPY(q, 4, cq->description);
}

static status read_one(struct db_query *q, struct client_quota *ret)
{
    struct client_quota cq;
    bool found = db_next(q);
    if (found) read_row(q, &cq);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = cq;
    return OK;
}

status quotas_get(struct db *db, struct str id, struct client_quota *ret)
{
    return read_one(DB(db, COLUMNS "WHERE q.id = ?", id), ret);
}

status quotas_of(struct db *db, struct str cluster_id, struct str principal, struct client_quota *ret)
{
    return read_one(DB(db, COLUMNS "JOIN client_quota_principal p ON p.quota_id = q.id WHERE "
                           "p.cluster_id = ?1 AND p.principal IN (?2, '" QUOTA_DEFAULT "') "
                           "ORDER BY p.principal = ?2 DESC LIMIT 1", cluster_id, principal), ret);
}

status quotas_list(struct db *db, struct str cluster_id, struct str after, int64_t limit,
                   void (*each)(void *arg, const struct client_quota *q), void *arg)
{
    struct client_quota cq;
    struct db_query *q = DB(db, COLUMNS "WHERE (?1 IS NULL OR q.cluster_id = ?1) AND q.id > ?2 "
                                "ORDER BY q.id LIMIT ?3", cluster_id,
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &cq);
        each(arg, &cq);
    }
    return db_end(q);
}

status quotas_count(struct db *db, struct str cluster_id, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM client_quota WHERE ?1 IS NULL OR cluster_id = ?1",
                         cluster_id), ret);
}

status quotas_principals(struct db *db, struct str id, void (*each)(void *arg, struct str principal),
                         void *arg)
{
    struct db_query *q = DB(db, "SELECT principal FROM client_quota_principal WHERE quota_id = ? "
                                "ORDER BY principal", id);
    while (db_next(q)) each(arg, db_text(q, 0));
    return db_end(q);
}

/* --- checks -------------------------------------------------------------------------------------- */

static status check_principals(struct db *db, const struct quota_spec *spec, struct why *why)
{
    if (spec->principal_count == 0 || spec->principal_count > QUOTA_PRINCIPALS_MAX) {
        why_set(why, "A quota names 1 to %d principals.", QUOTA_PRINCIPALS_MAX);
        return FAIL(PRECONDITION);
    }
    for (size_t i = 0; i < spec->principal_count; i++) {
        struct str p = spec->principals[i];
        if (str_eq_c(p, QUOTA_DEFAULT) || accounts_owner_exists(db, p)) continue;
        why_set(why, "There is no service account or user %.*s.", STR_ARG(p));
        return FAIL(PRECONDITION);
    }
    return OK;
}

static status check_rates(int64_t ingress, int64_t egress, struct why *why)
{
    if (ingress != 0 && egress != 0 && (ingress > 0 || egress > 0)) return OK;
    why_set(why, "throughput needs ingress_byte_rate or egress_byte_rate, in bytes a second above 0.");
    return FAIL(PRECONDITION);
}

static status check_environment(const struct quota_spec *spec, const char *environment_id, struct why *why)
{
    if (!spec->environment_id.data || str_eq_c(spec->environment_id, environment_id)) return OK;
    why_set(why, "The cluster of this quota is not in the environment %.*s.", STR_ARG(spec->environment_id));
    return FAIL(PRECONDITION);
}

/* --- rows and records ---------------------------------------------------------------------------- */

/* Takes the quota's principals out of the table and the image. */
static status drop_principals(struct db *db, const char *id, struct buf *out)
{
    struct db_query *q = DB(db, "SELECT principal FROM client_quota_principal WHERE quota_id = ?", id);
    while (db_next(q)) cluster_image_quota(out, db_text(q, 0), -1, -1);
    TRY(db_end(q));
    return db_run(DB(db, "DELETE FROM client_quota_principal WHERE quota_id = ?", id));
}

static status add_principal(struct db *db, const struct client_quota *cq, struct str principal,
                            struct buf *out, struct why *why)
{
    TRY(kafka_quotas_free_for(db, cq->cluster_id, principal, why));
    status result = db_run(DB(db, "INSERT INTO client_quota_principal VALUES (?, ?, ?)",
                              (const char *)cq->id, (const char *)cq->cluster_id, principal));
    if (result.code == E_EXISTS)
        why_set(why, "%.*s has a quota in this cluster already.", STR_ARG(principal));
    TRY(result);
    cluster_image_quota(out, principal, cq->ingress_bytes_per_s, cq->egress_bytes_per_s);
    return OK;
}

static status add_principals(struct db *db, const struct client_quota *cq, const struct quota_spec *spec,
                             struct buf *out, struct why *why)
{
    for (size_t i = 0; i < spec->principal_count; i++)
        TRY(add_principal(db, cq, spec->principals[i], out, why));
    return OK;
}

static status insert(struct db *db, const struct client_quota *cq)
{
    return db_run(DB(db, "INSERT INTO client_quota VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (const char *)cq->id,
                     (const char *)cq->cluster_id, (const char *)cq->display_name,
                     (const char *)cq->description, cq->ingress_bytes_per_s, cq->egress_bytes_per_s,
                     cq->created_at, cq->updated_at));
}

static status create(struct domain *domain, const struct actor *actor, const struct quota_spec *spec,
                     struct client_quota *cq, struct change **change, struct why *why)
{
    struct cluster c;
    int64_t count = 0;
    struct db *db = domain->db;
    TRY(name_check(spec->display_name, why));
    TRY(text_check(spec->description, why));
    TRY(check_rates(spec->ingress_bytes_per_s, spec->egress_bytes_per_s, why));
    TRY(check_principals(db, spec, why));
    if (failed(clusters_get(db, spec->cluster_id, &c)) || c.deleting) {
        why_set(why, "There is no cluster %.*s.", STR_ARG(spec->cluster_id));
        return FAIL(PRECONDITION);
    }
    TRY(check_environment(spec, c.environment_id, why));
    TRY(quotas_count(db, spec->cluster_id, &count));
    if (count >= QUOTAS_PER_CLUSTER_MAX) {
        why_set(why, "The cluster has %d quotas already, which is the limit "
                     "(kafka.max_client_quotas.per_cluster).", QUOTAS_PER_CLUSTER_MAX);
        return FAIL(LIMIT);
    }
    *cq = (struct client_quota){
        .ingress_bytes_per_s = spec->ingress_bytes_per_s, .egress_bytes_per_s = spec->egress_bytes_per_s,
        .created_at = domain_wall(), .updated_at = domain_wall(),
    };
    secret_id_new("cq-", cq->id);
    str_copy(cq->cluster_id, sizeof cq->cluster_id, spec->cluster_id);
    str_copy(cq->display_name, sizeof cq->display_name, spec->display_name);
    str_copy(cq->description, sizeof cq->description, spec->description);
    TRY(change_begin(domain, cq->cluster_id, actor, change));
    TRY(insert(db, cq));
    TRY(add_principals(db, cq, spec, change_records(*change), why));
    return change_audit_with(*change, "client_quota.create", cq->id, "display_name", spec->display_name);
}

static void finish(struct change *change, status result, const struct why *why, domain_done done, void *arg)
{
    if (is_ok(result)) {
        change_commit(change, done, arg);
        return;
    }
    change_abort(change);
    done(arg, result, why);
}

void quotas_create(struct domain *domain, const struct actor *actor, const struct quota_spec *spec,
                   char ret_id[ID_TEXT], int64_t *ret_version, domain_done done, void *arg)
{
    struct change *change = NULL;
    struct client_quota cq;
    struct why why = { "" };
    status result = create(domain, actor, spec, &cq, &change, &why);
    if (is_ok(result)) {
        str_copy(ret_id, ID_TEXT, str_c(cq.id));
        *ret_version = change_version(change);
    }
    finish(change, result, &why, done, arg);
}

/* --- changing ------------------------------------------------------------------------------------ */

#define KEPT_MAX (QUOTA_PRINCIPALS_MAX + 1)

struct kept {
    struct arena arena;
    struct str *list;
    size_t count;
};

static void keep_principal(void *arg, struct str principal)
{
    struct kept *kept = arg;
    if (kept->list && kept->count < KEPT_MAX) kept->list[kept->count++] = arena_str(&kept->arena, principal);
}

static status replace_principals(struct db *db, const struct client_quota *cq,
                                 const struct quota_spec *spec, struct buf *out, struct why *why)
{
    struct kept kept = { .count = 0 };
    struct quota_spec same = *spec;
    arena_init(&kept.arena, 1u << 20);
    status result = OK;
    if (!spec->principals) {
        kept.list = ARENA_ARRAY(&kept.arena, struct str, KEPT_MAX);
        result = quotas_principals(db, str_c(cq->id), keep_principal, &kept);
        same.principals = kept.list;
        same.principal_count = kept.count;
    }
    if (is_ok(result)) result = arena_check(&kept.arena);
    if (is_ok(result)) result = drop_principals(db, cq->id, out);
    if (is_ok(result)) result = add_principals(db, cq, &same, out, why);
    arena_done(&kept.arena);
    return result;
}

static status update(struct domain *domain, const struct actor *actor, struct str id,
                     const struct quota_spec *spec, struct change **change, struct why *why)
{
    struct client_quota cq;
    struct db *db = domain->db;
    TRY(quotas_get(db, id, &cq));
    TRY(check_environment(spec, cq.environment_id, why));
    if (spec->display_name.data) {
        TRY(name_check(spec->display_name, why));
        str_copy(cq.display_name, sizeof cq.display_name, spec->display_name);
    }
    if (spec->description.data) {
        TRY(text_check(spec->description, why));
        str_copy(cq.description, sizeof cq.description, spec->description);
    }
    if (spec->ingress_bytes_per_s != -2) cq.ingress_bytes_per_s = spec->ingress_bytes_per_s;
    if (spec->egress_bytes_per_s != -2) cq.egress_bytes_per_s = spec->egress_bytes_per_s;
    TRY(check_rates(cq.ingress_bytes_per_s, cq.egress_bytes_per_s, why));
    if (spec->principals) TRY(check_principals(db, spec, why));
    TRY(change_begin(domain, cq.cluster_id, actor, change));
    TRY(db_run(DB(db, "UPDATE client_quota SET display_name = ?, description = ?, ingress_bytes_per_s = ?, "
                      "egress_bytes_per_s = ?, updated_at = ? WHERE id = ?", (const char *)cq.display_name,
                  (const char *)cq.description, cq.ingress_bytes_per_s, cq.egress_bytes_per_s,
                  domain_wall(), id)));
    TRY(replace_principals(db, &cq, spec, change_records(*change), why));
    return change_audit_with(*change, "client_quota.update", cq.id, "display_name",
                             str_c(cq.display_name));
}

void quotas_update(struct domain *domain, const struct actor *actor, struct str id,
                   const struct quota_spec *spec, int64_t *ret_version, domain_done done, void *arg)
{
    struct change *change = NULL;
    struct why why = { "" };
    status result = update(domain, actor, id, spec, &change, &why);
    if (is_ok(result)) *ret_version = change_version(change);
    finish(change, result, &why, done, arg);
}

static status delete(struct domain *domain, const struct actor *actor, struct str id, struct change **change)
{
    struct client_quota cq;
    TRY(quotas_get(domain->db, id, &cq));
    TRY(change_begin(domain, cq.cluster_id, actor, change));
    TRY(drop_principals(domain->db, cq.id, change_records(*change)));
    TRY(db_run(DB(domain->db, "DELETE FROM client_quota WHERE id = ?", id)));
    return change_audit_with(*change, "client_quota.delete", cq.id, "display_name",
                             str_c(cq.display_name));
}

void quotas_delete(struct domain *domain, const struct actor *actor, struct str id, int64_t *ret_version,
                   domain_done done, void *arg)
{
    struct change *change = NULL;
    struct why why = { "" };
    status result = delete(domain, actor, id, &change);
    if (is_ok(result)) *ret_version = change_version(change);
    finish(change, result, &why, done, arg);
}
