/* acls.c - access control entries: the database's side of them. Their meaning is cluster/acl.c. */
#include "domain/acls.h"

#include "cluster/delta.h"
#include "domain/watchers.h"

#include <jansson.h>
#include <stdio.h>

#define COLUMNS                                                                                    \
    "SELECT resource_type, resource_name, pattern_type, principal, host, operation, permission "   \
    "FROM acl "
#define NAME_MAX_LEN 249
#define PRINCIPAL_MAX 255

static struct acl view_row(const struct db_query *q)
{
    return (struct acl){ .resource = (enum acl_resource)db_i64(q, 0), .name = db_text(q, 1),
                         .pattern = (enum acl_pattern)db_i64(q, 2), .principal = db_text(q, 3),
                         .host = db_text(q, 4), .operation = (enum acl_operation)db_i64(q, 5),
                         .permission = (enum acl_permission)db_i64(q, 6) };
}

status acls_list(struct db *db, const char *cluster_id, const struct acl *filter,
                 struct arena *arena, struct acl **ret_acls, size_t *ret_count)
{
    int64_t all = 0;
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM acl WHERE cluster_id = ?", cluster_id), &all));
    struct acl *acls = ARENA_ARRAY(arena, struct acl, all + 1);
    if (!acls) return FAIL(NO_MEMORY);
    struct db_query *q = DB(db,
                            COLUMNS "WHERE cluster_id = ? ORDER BY resource_type, resource_name, "
                            "pattern_type, principal, host, operation, permission", cluster_id);
    size_t n = 0;
    while (n < (size_t)all && db_next(q)) {
        struct acl row = view_row(q);
        if (!acl_matches(filter, &row)) continue;
        row.name = arena_str(arena, row.name);
        row.principal = arena_str(arena, row.principal);
        row.host = arena_str(arena, row.host);
        acls[n++] = row;
    }
    TRY(db_end(q));
    TRY(arena_check(arena));
    *ret_acls = acls;
    *ret_count = n;
    return OK;
}

static status read_set(struct db_query *q, struct acl_set *ret_set)
{
    struct acl_set set = { 0 };
    status result = OK;
    while (is_ok(result) && db_next(q)) {
        struct acl row = view_row(q);
        result = acl_set_add(&set, &row);
    }
    status end = db_end(q);
    if (is_ok(result)) result = end;
    if (failed(result)) {
        acl_set_done(&set);
        return result;
    }
    *ret_set = set;
    return OK;
}

status acls_of_cluster(struct db *db, const char *cluster_id, struct acl_set *ret_set)
{
    return read_set(DB(db, COLUMNS "WHERE cluster_id = ?", cluster_id), ret_set);
}

status acls_of_principal(struct db *db, const char *cluster_id, struct str principal,
                         struct acl_set *ret_set)
{
    return read_set(DB(db, COLUMNS "WHERE cluster_id = ? AND principal IN (?, 'User:*')", cluster_id,
                       principal), ret_set);
}

/* Which operations a resource knows (as Kafka's AclEntry). */
static bool fits(enum acl_resource resource, enum acl_operation op)
{
    static const uint32_t topic = 1u << OP_READ | 1u << OP_WRITE | 1u << OP_CREATE | 1u << OP_DELETE |
                                  1u << OP_ALTER | 1u << OP_DESCRIBE | 1u << OP_DESCRIBE_CONFIGS |
                                  1u << OP_ALTER_CONFIGS;
    static const uint32_t group = 1u << OP_READ | 1u << OP_DELETE | 1u << OP_DESCRIBE |
                                  1u << OP_DESCRIBE_CONFIGS | 1u << OP_ALTER_CONFIGS;
    static const uint32_t cluster = 1u << OP_CREATE | 1u << OP_ALTER | 1u << OP_DESCRIBE |
                                    1u << OP_CLUSTER_ACTION | 1u << OP_DESCRIBE_CONFIGS |
                                    1u << OP_ALTER_CONFIGS | 1u << OP_IDEMPOTENT_WRITE;
    static const uint32_t transaction = 1u << OP_WRITE | 1u << OP_DESCRIBE | 1u << OP_TWO_PHASE_COMMIT;
    if (op == OP_ALL) return true;
    switch (resource) {
    case RES_TOPIC: return topic >> op & 1;
    case RES_GROUP: return group >> op & 1;
    case RES_CLUSTER: return cluster >> op & 1;
    case RES_TRANSACTIONAL_ID: return transaction >> op & 1;
    case RES_DELEGATION_TOKEN: return op == OP_DESCRIBE;
    case RES_USER: return op == OP_CREATE_TOKENS || op == OP_DESCRIBE_TOKENS;
    default: return false;
    }
}

status acls_check(const struct acl *acl, struct why *why)
{
    if (acl->resource <= RES_ANY || acl->resource > RES_USER) {
        why_set(why, "resource_type must be TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, DELEGATION_TOKEN "
                     "or USER.");
    } else if (acl->pattern != PAT_LITERAL && acl->pattern != PAT_PREFIXED) {
        why_set(why, "pattern_type must be LITERAL or PREFIXED.");
    } else if (acl->operation <= OP_ANY) {
        why_set(why, "operation cannot be unspecified, ANY or UNKNOWN.");
    } else if (acl->permission != PERM_ALLOW && acl->permission != PERM_DENY) {
        why_set(why, "permission must be ALLOW or DENY.");
    } else if (acl->name.len == 0 || acl->name.len > NAME_MAX_LEN) {
        why_set(why, "resource_name must have 1 to %d bytes.", NAME_MAX_LEN);
    } else if (acl->resource == RES_CLUSTER && !str_eq_c(acl->name, "kafka-cluster")) {
        why_set(why, "The only CLUSTER resource is named kafka-cluster.");
    } else if (!str_starts(acl->principal, STR("User:")) || acl->principal.len < 6 ||
               acl->principal.len > PRINCIPAL_MAX) {
        why_set(why, "principal must be User:<id of a service account or user>, or User:*.");
    } else if (acl->host.len == 0 || acl->host.len > 255) {
        why_set(why, "host must be an address, or * for any.");
    } else if (!fits(acl->resource, acl->operation)) {
        why_set(why, "%s is not an operation on a %s.", acl_operation_name(acl->operation),
                acl_resource_name(acl->resource));
    } else {
        return OK;
    }
    return FAIL(INVALID_REQUEST);
}

/* --- changes ---------------------------------------------------------------------------------- */

struct acl_change {
    struct domain *domain;
    char cluster_id[40];
    int64_t version;
    acls_done done;
    void *arg;
};

static void finished(void *arg, status result, const struct why *why)
{
    struct acl_change *c = arg;
    if (is_ok(result) || result.code == E_PENDING) watchers_tell(c->domain, c->cluster_id, "acls");
    c->done(c->arg, result, c->version, why);
    mem_free(c);
}

static status audit(struct change *change, const char *operation, const struct acl *acl)
{
    char resource[300];
    snprintf(resource, sizeof resource, "%s=%.*s", acl_resource_name(acl->resource),
             STR_ARG(acl->name));
    json_t *detail = json_pack("{s:s%, s:s, s:s, s:s, s:s%}", "principal", acl->principal.data,
                               acl->principal.len, "operation", acl_operation_name(acl->operation),
                               "permission", acl_permission_name(acl->permission), "pattern",
                               acl_pattern_name(acl->pattern), "host", acl->host.data,
                               acl->host.len);
    char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;
    status result = change_audit(change, operation, resource, text);
    json_decref(detail);
    free(text); /* tidy: allowed, jansson's */
    return result;
}

static status apply_one(struct change *change, struct domain *domain, const char *cluster_id,
                        const struct acl *a, bool create)
{
    struct db_query *q = create
        ? DB(domain->db,
             "INSERT OR IGNORE INTO acl (cluster_id, resource_type, resource_name, pattern_type, "
             "principal, host, operation, permission) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", cluster_id,
             a->resource,
             a->name, a->pattern, a->principal, a->host, a->operation, a->permission)
        : DB(domain->db,
             "DELETE FROM acl WHERE cluster_id = ? AND resource_type = ? AND resource_name = ? AND "
             "pattern_type = ? AND principal = ? AND host = ? AND operation = ? AND permission = ?",
             cluster_id,
             a->resource, a->name, a->pattern, a->principal, a->host, a->operation, a->permission);
    TRY(db_run(q));
    if (db_changes(domain->db) == 0) return OK;
    if (create) delta_acl(change_records(change), a);
    else delta_acl_deleted(change_records(change), a);
    return audit(change, create ? "acl.create" : "acl.delete", a);
}

static status apply(struct change *change, struct domain *domain, const char *cluster_id,
                    const struct acl *acls, size_t count, bool create, struct why *why)
{
    int64_t there = 0;
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM acl WHERE cluster_id = ?", cluster_id),
                   &there));
    if (create && there + (int64_t)count > ACLS_MAX) {
        why_set(why, "A cluster can have %d ACLs; it has %lld.", ACLS_MAX, (long long)there);
        return FAIL(POLICY_VIOLATION);
    }
    for (size_t i = 0; i < count; i++) TRY(apply_one(change, domain, cluster_id, &acls[i], create));
    return OK;
}

status acls_create_within(struct domain *domain, struct change *change, const char *cluster_id,
                          const struct acl *acls, size_t count, struct why *why)
{
    return apply(change, domain, cluster_id, acls, count, true, why);
}

void acls_change(struct domain *domain, const char *cluster_id, const struct actor *actor,
                 const struct acl *acls, size_t count, bool create, acls_done done, void *arg)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct why why = { "" };
    struct acl_change *c = mem_zalloc(sizeof *c);
    status result = c ? OK : FAIL(NO_MEMORY);
    if (is_ok(result)) result = change_begin(domain, cluster_id, actor, &change);
    if (is_ok(result)) result = apply(change, domain, cluster_id, acls, count, create, &why);
    if (failed(result)) {
        mem_free(c);
        done(arg, result, 0, &why);
        return;
    }
    *c = (struct acl_change){ .domain = domain, .version = change_version(change), .done = done, .arg = arg };
    str_copy(c->cluster_id, sizeof c->cluster_id, str_c(cluster_id));
    change_commit(TAKE(change), finished, c);
}

void acls_create(struct domain *domain, const char *cluster_id, const struct actor *actor,
                 const struct acl *acls, size_t count, acls_done done, void *arg)
{
    struct why why = { "" };
    status result = OK;
    for (size_t i = 0; is_ok(result) && i < count; i++) result = acls_check(&acls[i], &why);
    if (is_ok(result)) acls_change(domain, cluster_id, actor, acls, count, true, done, arg);
    else done(arg, result, 0, &why);
}

void acls_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                 const struct acl *acls, size_t count, acls_done done, void *arg)
{
    acls_change(domain, cluster_id, actor, acls, count, false, done, arg);
}
