/* access.c - the rule of each route (access.def) over the roles of who asks. Loaded and decided on the
 * HTTP thread before the body is read; IN_HANDLER rows are asked about on the thread of the handler.
 *
 * What may not be seen is answered as what is not there: the 404 for a cluster of another tenant is
 * word for word that of an id nobody has. */
#include "api/access.h"

#include "api/control.h"
#include "domain/group_mappings.h"
#include "domain/refusals.h"

#include <pthread.h>

#define ROUTES_MAX 512
#define PRINCIPALS_MAX 300

struct access {
    const struct access_rule *rule;
    struct roles roles;
    bool asked;
};

static const struct access_rule rules[] = {
#define ACCESS(operation, where, permission) { operation, WHERE_##where, MAY_##permission },
#include "api/access.def"
#undef ACCESS
};

static const struct access_rule *rule_of_route[ROUTES_MAX];
static pthread_once_t joined = PTHREAD_ONCE_INIT;

static void join(void)
{
    size_t count;
    const struct api_route *routes = api_routes(&count);
    for (size_t i = 0; i < count && i < ROUTES_MAX; i++) {
        for (size_t k = 0; k < ARRAY_LEN(rules) && !rule_of_route[i]; k++) {
            if (strcmp(rules[k].operation, routes[i].operation) == 0) rule_of_route[i] = &rules[k];
        }
    }
}

const struct access_rule *access_rule(const struct api_route *route)
{
    size_t count;
    const struct api_route *routes = api_routes(&count);
    pthread_once(&joined, join);
    if (route < routes || route >= routes + count || route - routes >= ROUTES_MAX) return NULL;
    return rule_of_route[route - routes];
}

const char *access_where_name(enum access_where where)
{
    static const char *const names[WHERE_COUNT] = {
        "signed_in", "organization", "environment", "cluster", "topic", "group", "api_key",
        "client_quota", "role_binding", "topic_request", "user", "in_handler",
    };
    return names[where];
}

/* --- where a request is about ------------------------------------------------------------------ */

static struct str first_param(const struct api_request *rq, const char *name)
{
    struct str value = api_param(rq, name);
    return value.data ? value : api_param(rq, "id");
}

/* A column or two of one row into the scope; NOT_FOUND without it. */
static status scope_of_row(struct api_request *rq, struct db_query *q, struct role_scope *ret)
{
    bool found = db_next(q);
    if (found) {
        ret->environment_id = arena_str(rq->arena, db_text(q, 0));
        ret->cluster_id = arena_str(rq->arena, db_text(q, 1));
    }
    TRY(db_end(q));
    return found ? OK : FAIL(NOT_FOUND);
}

static status scope_of_cluster(struct api_request *rq, struct db *db, struct str id, struct role_scope *ret)
{
    return scope_of_row(rq, DB(db, "SELECT environment_id, id FROM cluster WHERE id = ?", id), ret);
}

/* An API key's owner does with it what its own roles would not let it: it is its own. */
static status scope_of_key(struct api_request *rq, struct db *db, struct role_scope *ret, bool *ret_own)
{
    int64_t own = 0;
    TRY(db_one_i64(DB(db, "SELECT owner = ?2 FROM api_key WHERE id = ?1", api_param(rq, "id"),
                      str_c(rq->caller.owner)), &own));
    *ret_own = own != 0;
    return scope_of_row(rq, DB(db, "SELECT c.environment_id, c.id FROM api_key k LEFT JOIN cluster c ON "
                                   "c.id = k.cluster_id WHERE k.id = ?", api_param(rq, "id")), ret);
}

static status scope_of_binding(struct api_request *rq, struct db *db, struct role_scope *ret, bool *ret_own)
{
    char principal[48];
    struct db_query *q = DB(db, "SELECT environment_id, cluster_id, resource_type, resource_name, prefixed, "
                                "principal FROM role_binding WHERE id = ?", api_param(rq, "id"));
    bool found = db_next(q);
    if (found) {
        struct str type = db_text(q, 2);
        *ret = (struct role_scope){ .environment_id = arena_str(rq->arena, db_text(q, 0)),
                                    .cluster_id = arena_str(rq->arena, db_text(q, 1)),
                                    .name = arena_str(rq->arena, db_text(q, 3)),
                                    .prefixed = db_i64(q, 4) != 0 };
        for (int i = 0; i <= RESOURCE_TRANSACTIONAL_ID; i++) {
            if (!str_eq_c(type, role_resource_name((enum role_resource)i))) continue;
            ret->resource = (enum role_resource)i;
        }
        str_copy(principal, sizeof principal, db_text(q, 5));
        *ret_own = rq->method == GET && strcmp(principal + 5, rq->caller.owner) == 0;
    }
    TRY(db_end(q));
    return found ? OK : FAIL(NOT_FOUND);
}

/* Whoever asked reads and withdraws the request; deciding it takes a role. */
static status scope_of_topic_request(struct api_request *rq, struct db *db, struct role_scope *ret,
                                     bool *ret_own)
{
    int64_t own = 0;
    struct str id = api_param(rq, "id");
    TRY(db_one_i64(DB(db, "SELECT requested_by = ?2 FROM topic_request WHERE id = ?1", id,
                      str_c(rq->caller.owner)), &own));
    *ret_own = own && (rq->method == GET || strstr(rq->route->path, ":withdraw"));
    return scope_of_row(rq, DB(db, "SELECT c.environment_id, c.id FROM topic_request r JOIN cluster c ON "
                                   "c.id = r.cluster_id WHERE r.id = ?", id), ret);
}

static status scope_of_request(struct api_request *rq, struct db *db, struct role_scope *ret, bool *ret_own)
{
    *ret = (struct role_scope){ .name = STR("") };
    switch (rq->access->rule->where) {
    case WHERE_ENVIRONMENT:
        ret->environment_id = api_param(rq, "id");
        return OK;
    case WHERE_TOPIC:
        ret->resource = RESOURCE_TOPIC;
        ret->name = api_param(rq, "topic_name");
        return scope_of_cluster(rq, db, api_param(rq, "cluster_id"), ret);
    case WHERE_GROUP:
        ret->resource = RESOURCE_GROUP;
        ret->name = api_param(rq, "consumer_group_id");
        if (!ret->name.data) ret->name = api_param(rq, "group_id");
        return scope_of_cluster(rq, db, api_param(rq, "cluster_id"), ret);
    case WHERE_CLUSTER: return scope_of_cluster(rq, db, first_param(rq, "cluster_id"), ret);
    case WHERE_API_KEY: return scope_of_key(rq, db, ret, ret_own);
    case WHERE_CLIENT_QUOTA:
        return scope_of_row(rq, DB(db, "SELECT c.environment_id, c.id FROM client_quota q JOIN cluster c ON "
                                       "c.id = q.cluster_id WHERE q.id = ?", api_param(rq, "id")), ret);
    case WHERE_ROLE_BINDING: return scope_of_binding(rq, db, ret, ret_own);
    case WHERE_TOPIC_REQUEST: return scope_of_topic_request(rq, db, ret, ret_own);
    case WHERE_USER:
        *ret_own = rq->method != DELETE && str_eq_c(api_param(rq, "id"), rq->caller.owner);
        return OK;
    case WHERE_SIGNED_IN:
    case WHERE_ORGANIZATION:
    case WHERE_IN_HANDLER:
    case WHERE_COUNT: break;
    }
    return OK;
}

/* --- refusals ----------------------------------------------------------------------------------- */

static bool hide(struct api_request *rq)
{
    bool topic_request = rq->access && rq->access->rule->where == WHERE_TOPIC_REQUEST;
    bool quota = rq->access && rq->access->rule->where == WHERE_CLIENT_QUOTA;
    bool binding = rq->access && rq->access->rule->where == WHERE_ROLE_BINDING;
    struct str cluster = api_param(rq, "cluster_id");
    if (rq->route->dialect == KAFKA) {
        struct str text = arena_printf(rq->arena, "Cluster %.*s cannot be found.", STR_ARG(cluster));
        api_fail_kafka(rq, 404, 404, text.data);
        return false;
    }
    const char *what = strncmp(rq->route->path, "/org/v2/env", 11) == 0 ? "There is no such environment." :
                       strncmp(rq->route->path, "/iam/v2/api-keys", 16) == 0 ? "There is no such API key." :
                       quota ? "There is no such client quota." :
                       topic_request ? "There is no such request." :
                       binding ? "There is no such role binding." :
                       "There is no such cluster.";
    api_fail_at(rq, 404, NULL, what, NULL, NULL);
    return false;
}

static bool forbid(struct api_request *rq, enum permission permission)
{
    struct str text = arena_printf(rq->arena, "None of the roles of User:%s allows %s here.",
                                   rq->caller.owner, permission_name(permission));
    const char *detail = text.data ? text.data : "No role allows this here.";
    refusals_note(rq->domain, "access.refuse", rq->caller.owner, control_door(rq), rq->address,
                  rq->route->operation);
    if (rq->route->dialect == KAFKA) api_fail_kafka(rq, 403, 40301, detail);
    else api_fail_at(rq, 403, NULL, detail, NULL, NULL);
    return false;
}

static bool refuse(struct api_request *rq, const struct role_scope *target)
{
    if (!rq->access) return forbid(rq, MAY_VIEW); /* of a route for anyone, which has no roles */
    const struct role_scope around = { .environment_id = target->environment_id,
                                       .cluster_id = target->cluster_id };
    bool known = roles_allow(&rq->access->roles, MAY_VIEW, &around);
    bool somewhere = target->environment_id.len > 0;
    return somewhere && !known ? hide(rq) : forbid(rq, rq->access->rule->permission);
}

/* --- the decision ------------------------------------------------------------------------------- */

struct principals {
    struct api_request *rq;
    struct str *list;
    size_t count;
};

static void add_principal(struct principals *p, const char *kind, struct str name)
{
    if (p->count == PRINCIPALS_MAX) return;
    p->list[p->count++] = arena_printf(p->rq->arena, "%s:%.*s", kind, STR_ARG(name));
}

/* As User:group-… and, as the field's tools may say it, Group:group-…. */
static void add_mapping(void *arg, const struct group_mapping *m)
{
    struct principals *p = arg;
    if (!group_filter_holds(str_c(m->filter), p->rq->caller.groups)) return;
    add_principal(p, "User", str_c(m->id));
    add_principal(p, "Group", str_c(m->id));
}

/* Who asks; the group mappings that hold for it, and the groups that its identity provider tells: but none
 * whose name is a mapping's id. */
static status principals_of(struct api_request *rq, struct db *db, struct str *list, size_t *ret_count)
{
    struct principals p = { rq, list, 0 };
    struct group_mapping mapping;
    const char *at = rq->caller.groups;
    add_principal(&p, "User", str_c(rq->caller.owner));
    if (*at) TRY(group_mappings_list(db, STR_NULL, GROUP_MAPPINGS_MAX, add_mapping, &p));
    for (const char *end; (end = strchr(at, '\n')); at = end + 1) {
        struct str group = { at, (size_t)(end - at) };
        bool taken = str_starts(group, STR("group-")) && is_ok(group_mappings_get(db, group, &mapping));
        if (!taken) add_principal(&p, "Group", group);
    }
    *ret_count = p.count;
    return OK;
}

bool access_check(struct api_request *rq, struct db *db)
{
    struct access *access = ARENA_NEW(rq->arena, struct access);
    struct str principals[PRINCIPALS_MAX];
    size_t count = 0;
    status result = access ? OK : FAIL(NO_MEMORY);
    struct role_scope target = { .name = STR("") };
    bool own = false;
    if (rq->caller.door == DOOR_CLUSTER_KEY) return true;
    if (is_ok(result)) {
        *access = (struct access){ .rule = access_rule(rq->route) };
        rq->access = access;
        result = principals_of(rq, db, principals, &count);
        if (is_ok(result)) result = arena_check(rq->arena);
        if (is_ok(result)) result = roles_load(db, principals, count, rq->arena, &access->roles);
    }
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return false;
    }
    const struct access_rule *rule = access->rule;
    if (!rule) {
        api_fail_at(rq, 403, NULL, "This operation is given to no role.", NULL, NULL);
        return false;
    }
    if (rule->where == WHERE_SIGNED_IN || rule->where == WHERE_IN_HANDLER) return true;
    if (roles_allow_everywhere(&access->roles, rule->permission)) return true;
    result = scope_of_request(rq, db, &target, &own);
    if (result.code == E_NOT_FOUND) return hide(rq);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return false;
    }
    return own || roles_allow(&access->roles, rule->permission, &target) || refuse(rq, &target);
}

void access_mark_asked(struct api_request *rq)
{
    if (rq->access) rq->access->asked = true;
}

bool access_allows_for(struct api_request *rq, enum permission permission, const struct role_scope *target)
{
    if (rq->caller.door == DOOR_CLUSTER_KEY) return true;
    if (!rq->access) return false;
    rq->access->asked = true;
    return roles_allow(&rq->access->roles, permission, target);
}

bool access_allows(struct api_request *rq, const struct role_scope *target)
{
    return rq->caller.door == DOOR_CLUSTER_KEY ||
           (rq->access && access_allows_for(rq, rq->access->rule->permission, target));
}

bool access_permit(struct api_request *rq, const struct role_scope *target)
{
    return access_allows(rq, target) || refuse(rq, target);
}

bool access_permit_cluster(struct api_request *rq, struct str cluster_id)
{
    struct role_scope target = { .name = STR("") };
    if (access_everywhere(rq)) return true;
    status result = scope_of_cluster(rq, rq->db, cluster_id, &target);
    if (is_ok(result)) return access_permit(rq, &target);
    if (result.code == E_NOT_FOUND) return hide(rq);
    api_fail(rq, result, NULL);
    return false;
}

bool access_sees_cluster(struct api_request *rq, const char *environment_id, const char *cluster_id)
{
    const struct role_scope target = { .environment_id = str_c(environment_id),
                                       .cluster_id = str_c(cluster_id) };
    if (rq->access && rq->method == GET) rq->access->asked = true;
    return rq->caller.door == DOOR_CLUSTER_KEY ||
           (rq->access && roles_allow(&rq->access->roles, MAY_VIEW, &target));
}

bool access_everywhere(struct api_request *rq)
{
    access_mark_asked(rq);
    return rq->caller.door == DOOR_CLUSTER_KEY ||
           (rq->access && roles_allow_everywhere(&rq->access->roles, rq->access->rule->permission));
}

int64_t access_limit(struct api_request *rq, int page_size)
{
    return access_everywhere(rq) ? page_size + 1 : INT64_MAX;
}

int64_t access_total(struct api_request *rq, int64_t total)
{
    return access_everywhere(rq) ? total : -1;
}

bool access_was_asked(const struct api_request *rq, int http)
{
    if (http >= 400 || !rq->access || !rq->access->rule) return true;
    return rq->access->rule->where != WHERE_IN_HANDLER || rq->access->asked;
}
