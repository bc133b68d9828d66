/* role_bindings.c - rows of role_binding. The text of the CRN is kept as it was given, since tools
 * compare it with what they asked for; its parts stand beside it for the decisions. */
#include "domain/role_bindings.h"

#include "domain/accounts.h"
#include "domain/group_mappings.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define COLUMNS                                                                                    \
    "SELECT id, principal, role, environment_id, cluster_id, resource_type, resource_name, prefixed, " \
    "crn_pattern, created_at FROM role_binding "
#define ADMIN "OrganizationAdmin"

struct role_scope role_binding_scope(const struct role_binding *b)
{
    return (struct role_scope){ str_c(b->environment_id), str_c(b->cluster_id), b->resource, str_c(b->name),
                                b->prefixed };
}

/* --- CRNs ------------------------------------------------------------------------------------------ */

/* "name=value" up to the next '/', or (last) to the end. */
static bool take_part(struct str *crn, const char *name, bool last, struct str *ret)
{
    size_t n = strlen(name);
    if (crn->len <= n + 2 || crn->data[0] != '/' || memcmp(crn->data + 1, name, n) != 0 ||
        crn->data[n + 1] != '=')
        return false;
    struct str value = { crn->data + n + 2, crn->len - n - 2 };
    const char *slash = last ? NULL : memchr(value.data, '/', value.len);
    if (slash) value.len = (size_t)(slash - value.data);
    *ret = value;
    *crn = (struct str){ value.data + value.len, crn->len - n - 2 - value.len };
    return value.len > 0;
}

static void take_resource(struct str *crn, struct role_scope *ret)
{
    for (int i = RESOURCE_TOPIC; i <= RESOURCE_TRANSACTIONAL_ID; i++) {
        if (!take_part(crn, role_resource_name((enum role_resource)i), true, &ret->name)) continue;
        ret->resource = (enum role_resource)i;
        ret->prefixed = ret->name.data[ret->name.len - 1] == '*';
        if (ret->prefixed) ret->name.len--;
        return;
    }
}

status role_scope_of_crn(const char *organisation_id, struct str crn, struct role_scope *ret, struct why *why)
{
    struct role_scope scope = { .name = STR("") };
    struct str left = crn, organisation = STR_NULL, kafka = STR_NULL;
    const char *slash = NULL;
    if (str_starts(left, STR("crn://")) && crn.len < CRN_MAX)
        slash = memchr(left.data + 6, '/', left.len - 6);
    if (slash) left = (struct str){ slash, left.len - (size_t)(slash - left.data) };
    bool good = slash && take_part(&left, "organization", false, &organisation) &&
                str_eq_c(organisation, organisation_id);
    if (good && take_part(&left, "environment", false, &scope.environment_id) &&
        take_part(&left, "cloud-cluster", false, &scope.cluster_id) &&
        take_part(&left, "kafka", false, &kafka)) {
        good = str_eq(kafka, scope.cluster_id);
        if (good) take_resource(&left, &scope);
    }
    if (!good || left.len) {
        why_set(why, "crn_pattern is not crn://HOST/organization=%s, followed by /environment=…, "
                     "/cloud-cluster=lkc-…, /kafka=lkc-…, and /topic=…, /group=… or /transactional-id=…, as "
                     "far in as the role goes.", organisation_id);
        return FAIL(INVALID);
    }
    *ret = scope;
    return OK;
}

/* --- reading --------------------------------------------------------------------------------------- */

static void read_row(const struct db_query *q, struct role_binding *b)
{
    *b = (struct role_binding){ .prefixed = db_i64(q, 7) != 0, .created_at = db_i64(q, 9) };
    DB_COPY(q, 0, b->id);
    DB_COPY(q, 1, b->principal);
    DB_COPY(q, 2, b->role);
    DB_COPY(q, 3, b->environment_id);
    DB_COPY(q, 4, b->cluster_id);
    DB_COPY(q, 6, b->name);
    DB_COPY(q, 8, b->crn_pattern);
    for (int i = 0; i <= RESOURCE_TRANSACTIONAL_ID; i++) {
        if (str_eq_c(db_text(q, 5), role_resource_name((enum role_resource)i)))
            b->resource = (enum role_resource)i;
    }
}

status role_bindings_get(struct db *db, struct str id, struct role_binding *ret)
{
    struct role_binding b;
    struct db_query *q = DB(db, COLUMNS "WHERE id = ?", id);
    bool found = db_next(q);
    if (found) read_row(q, &b);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = b;
    return OK;
}

status role_bindings_list(struct db *db, struct str principal, struct str role, struct str after,
                          int64_t limit, void (*each)(void *arg, const struct role_binding *b), void *arg)
{
    struct role_binding b;
    struct db_query *q = DB(db, COLUMNS "WHERE (?1 IS NULL OR principal = ?1) AND (?2 IS NULL OR role = ?2) "
                                        "AND id > ?3 ORDER BY id LIMIT ?4", principal, role,
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &b);
        each(arg, &b);
    }
    return db_end(q);
}

status role_bindings_admins_beside(struct db *db, struct str user_id, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM role_binding b JOIN user u ON "
                             "b.principal = 'User:' || u.id WHERE b.role = '" ADMIN "' "
                             "AND u.id <> ?", user_id), ret);
}

/* --- changes --------------------------------------------------------------------------------------- */

static status check_principal(struct db *db, struct str principal, struct why *why)
{
    struct group_mapping mapping;
    struct str id = { principal.data + 5, principal.len - 5 };
    if (str_starts(principal, STR("Group:")) && principal.len > 6 && principal.len < 60) return OK;
    if (str_starts(principal, STR("User:")) && principal.len < 60 &&
        (accounts_owner_exists(db, id) || is_ok(group_mappings_get(db, id, &mapping))))
        return OK;
    why_set(why, "There is no principal %.*s: it is User: and the id of a user, a service "
                 "account or a group mapping, or Group: and a name that the identity provider tells.",
            (int)(principal.len < 60 ? principal.len : 60), principal.data);
    return FAIL(INVALID);
}

static status check_scope(struct db *db, enum role role, const struct role_scope *scope, struct why *why)
{
    int64_t n = 1;
    if (!(role_levels(role) & role_scope_level(scope))) {
        unsigned at = role_levels(role);
        why_set(why, "%s is bound to %s, and crn_pattern names something else.", role_name(role),
                at & AT_RESOURCE ? "a topic, a group or a transactional id" :
                at == AT_ORGANIZATION ? "the organization" : at == AT_ENVIRONMENT ? "an environment" :
                at == AT_CLUSTER ? "a cluster (…/cloud-cluster=lkc-…)" : "an environment or a cluster");
        return FAIL(INVALID);
    }
    if (scope->cluster_id.len)
        TRY(db_one_i64(DB(db, "SELECT count(*) FROM cluster WHERE id = ? AND environment_id = ? AND "
                              "deleting = 0", scope->cluster_id, scope->environment_id), &n));
    else if (scope->environment_id.len)
        TRY(db_one_i64(DB(db, "SELECT count(*) FROM environment WHERE id = ?", scope->environment_id), &n));
    if (n) return OK;
    why_set(why, "crn_pattern names an environment or a cluster that is not there.");
    return FAIL(INVALID);
}

static status audit(struct change *change, const char *operation, const struct role_binding *b)
{
    json_t *detail = json_pack("{s:s, s:s, s:s}", "principal", b->principal, "role_name", b->role,
                               "crn_pattern", b->crn_pattern);
    char *text = detail ? json_dumps(detail, JSON_COMPACT) : NULL;
    json_decref(detail);
    if (!text) return FAIL(NO_MEMORY);
    status result = change_audit(change, operation, b->id, text);
    free(text); /* tidy: allowed, jansson's */
    return result;
}

static status insert(struct db *db, const struct role_binding *b)
{
    struct db_query *q = db_query(db, "INSERT INTO role_binding VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    db_bind_cstr(q, b->id);
    db_bind_cstr(q, b->principal);
    db_bind_cstr(q, b->role);
    db_bind_cstr(q, b->environment_id);
    db_bind_cstr(q, b->cluster_id);
    db_bind_cstr(q, role_resource_name(b->resource));
    db_bind_cstr(q, b->name);
    db_bind_i64(q, b->prefixed);
    db_bind_cstr(q, b->crn_pattern);
    db_bind_i64(q, b->created_at);
    return db_run(q);
}

static status check_room(struct db *db, struct str principal, struct why *why)
{
    int64_t all = 0, own = 0;
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM role_binding"), &all));
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM role_binding WHERE principal = ?", principal), &own));
    if (all < ROLE_BINDINGS_MAX && own < ROLES_PER_PRINCIPAL_MAX) return OK;
    why_set(why, "There are %lld role bindings already, which is the limit.",
            (long long)(own >= ROLES_PER_PRINCIPAL_MAX ? own : all));
    return FAIL(LIMIT);
}

/* The row just like it, which is there. */
static status find_same(struct db *db, const struct role_binding *b, struct role_binding *ret)
{
    char id[ID_TEXT] = "";
    struct db_query *q = DB(db, "SELECT id FROM role_binding WHERE principal = ? AND role = ? AND "
                                "environment_id = ? AND cluster_id = ? AND resource_type = ? AND "
                                "resource_name = ? AND prefixed = ?", (const char *)b->principal,
                            (const char *)b->role, (const char *)b->environment_id,
                            (const char *)b->cluster_id, role_resource_name(b->resource),
                            (const char *)b->name, b->prefixed);
    if (db_next(q)) DB_COPY(q, 0, id);
    TRY(db_end(q));
    return role_bindings_get(db, str_c(id), ret);
}

status role_bindings_create(struct domain *domain, const struct actor *actor, struct str principal,
                            struct str role, struct str crn, struct role_binding *ret, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct role_binding b = { .created_at = domain_wall() };
    struct role_scope scope;
    enum role which;
    struct db *db = domain->db;
    if (!role_of(role, &which)) {
        why_set(why, "There is no role of this name; GET /leat/v1/roles tells which there are.");
        return FAIL(INVALID);
    }
    TRY(role_scope_of_crn(domain->organisation_id, crn, &scope, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(check_principal(db, principal, why));
    TRY(check_scope(db, which, &scope, why));
    TRY(check_room(db, principal, why));
    b.resource = scope.resource;
    b.prefixed = scope.prefixed;
    if (!str_copy(b.name, sizeof b.name, scope.name) ||
        !str_copy(b.principal, sizeof b.principal, principal) ||
        !str_copy(b.environment_id, ID_TEXT, scope.environment_id) ||
        !str_copy(b.cluster_id, ID_TEXT, scope.cluster_id) || !str_copy(b.crn_pattern, CRN_MAX, crn)) {
        why_set(why, "A name in crn_pattern is too long.");
        return FAIL(INVALID);
    }
    str_copy(b.role, sizeof b.role, role);
    secret_id_new("rb-", b.id);
    change_set_cluster(change, b.cluster_id);
    status result = insert(db, &b);
    if (result.code == E_EXISTS) {
        why_set(why, "%s has this role there already.", b.principal);
        TRY(find_same(db, &b, ret));
    }
    TRY(result);
    TRY(audit(change, "role_binding.create", &b));
    TRY(change_commit_now(&change));
    *ret = b;
    return OK;
}

status role_bindings_delete(struct domain *domain, const struct actor *actor, struct str id,
                            struct role_binding *ret, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct role_binding b;
    int64_t others = 0;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(role_bindings_get(domain->db, id, &b));
    TRY(role_bindings_admins_beside(domain->db, str_c(b.principal + 5), &others));
    if (strcmp(b.role, ADMIN) == 0 && others == 0 && strncmp(b.principal, "User:u-", 7) == 0) {
        why_set(why, "This is the last OrganizationAdmin: make somebody else one first.");
        return FAIL(CONFLICT);
    }
    change_set_cluster(change, b.cluster_id);
    TRY(db_run(DB(domain->db, "DELETE FROM role_binding WHERE id = ?", id)));
    TRY(audit(change, "role_binding.delete", &b));
    TRY(change_commit_now(&change));
    *ret = b;
    return OK;
}

status role_bindings_insert_admin(struct db *db, const char *organisation_id, const char *user_id)
{
    struct role_binding b = { .role = ADMIN, .created_at = domain_wall() };
    secret_id_new("rb-", b.id);
    snprintf(b.principal, sizeof b.principal, "User:%s", user_id);
    snprintf(b.crn_pattern, sizeof b.crn_pattern, "crn://leat/organization=%s", organisation_id);
    return insert(db, &b);
}
