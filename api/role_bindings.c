/* role_bindings.c - /iam/v2/role-bindings (flat objects, no PATCH, DELETE answers the object), and what
 * roles there are and give: /leat/v1/roles, /leat/v1/operations, /leat/v1/permissions. Reads on HTTP
 * threads, changes on the domain thread. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/clusters.h"
#include "domain/role_bindings.h"

#define API_VERSION "iam/v2"

static struct str self_of(struct api_request *rq, const char *id)
{
    return api_url(rq, "/iam/v2/role-bindings/%s", str_c(id));
}

static json_t *to_json(struct api_request *rq, const struct role_binding *b)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s}", "api_version", API_VERSION, "kind", "RoleBinding",
                     "id", b->id, "metadata",
                     control_metadata(rq, self_of(rq, b->id), control_crn(rq, "/role-binding=%s", b->id),
                                      b->created_at, b->created_at),
                     "principal", b->principal, "role_name", b->role, "crn_pattern", b->crn_pattern);
}

/* --- list ------------------------------------------------------------------------------------------ */

struct listing {
    struct control_page page;
    struct role_scope pattern;
    bool inside;          /* the pattern ended in slash star: what is further in, too */
};

static bool own(const struct api_request *rq, const struct role_binding *b)
{
    return strcmp(b->principal + 5, rq->caller.owner) == 0;
}

static void add_row(void *arg, const struct role_binding *b)
{
    struct listing *l = arg;
    struct role_scope scope = role_binding_scope(b);
    bool wanted = role_scope_holds(&l->pattern, &scope) &&
                  (l->inside || role_scope_holds(&scope, &l->pattern));
    if (!wanted || !(own(l->page.rq, b) || access_allows(l->page.rq, &scope))) return;
    if (control_page_room(&l->page)) control_page_add(&l->page, to_json(l->page.rq, b), b->id);
}

void role_bindings_list_get(struct api_request *rq)
{
    struct listing l = { .inside = false };
    struct why why = { "" };
    struct str pattern = rq->http->query(rq, "crn_pattern", 0);
    if (!pattern.len) {
        api_fail_at(rq, 400, "invalid_request", "The query parameter crn_pattern is required: the scope, "
                    "with /* behind it for all that is in it.", NULL, "crn_pattern");
        return;
    }
    l.inside = pattern.len > 2 && memcmp(pattern.data + pattern.len - 2, "/*", 2) == 0;
    if (l.inside) pattern.len -= 2;
    if (failed(role_scope_of_crn(rq->domain->organisation_id, pattern, &l.pattern, &why))) {
        api_fail_at(rq, 400, "invalid_request", why.text, NULL, "crn_pattern");
        return;
    }
    access_mark_asked(rq); /* row by row, in add_row */
    if (!control_page_begin(&l.page, rq)) return;
    status result = role_bindings_list(rq->db, rq->http->query(rq, "principal", 0),
                                       rq->http->query(rq, "role_name", 0), l.page.page.after, INT64_MAX,
                                       add_row, &l);
    control_page_end(&l.page, result, API_VERSION, "RoleBindingList", -1);
}

void role_bindings_one_get(struct api_request *rq)
{
    struct role_binding b;
    status result = role_bindings_get(rq->db, rq->params[0], &b);
    if (failed(result)) api_fail(rq, result, "There is no such role binding.");
    else api_reply(rq, 200, to_json(rq, &b));
}

/* --- changes --------------------------------------------------------------------------------------- */

void role_bindings_post(struct api_request *rq)
{
    struct str principal, role, crn;
    struct role_scope scope;
    struct role_binding b;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "principal", "/principal", true, &principal) ||
        !control_str(rq, body, "role_name", "/role_name", true, &role) ||
        !control_str(rq, body, "crn_pattern", "/crn_pattern", true, &crn))
        return;
    status result = role_scope_of_crn(rq->domain->organisation_id, crn, &scope, &why);
    if (is_ok(result) && !access_permit(rq, &scope)) return;
    if (is_ok(result)) result = role_bindings_create(rq->domain, &actor, principal, role, crn, &b, &why);
    if (failed(result)) {
        control_fail(rq, result, &why, result.code == E_EXISTS ? self_of(rq, b.id) : STR_NULL);
        return;
    }
    rq->http->set_header(rq, "Location", self_of(rq, b.id).data);
    api_reply(rq, 201, to_json(rq, &b));
}

void role_bindings_one_delete(struct api_request *rq)
{
    struct role_binding b;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = role_bindings_delete(rq->domain, &actor, rq->params[0], &b, &why);
    if (result.code == E_NOT_FOUND) why_set(&why, "There is no such role binding.");
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else api_reply(rq, 200, to_json(rq, &b));
}

/* --- what there is ---------------------------------------------------------------------------------- */

static json_t *levels_of(enum role role)
{
    static const struct { unsigned level; const char *name; } names[] = {
        { AT_ORGANIZATION, "organization" }, { AT_ENVIRONMENT, "environment" },
        { AT_CLUSTER, "cloud-cluster" }, { AT_RESOURCE, "topic" }, { AT_RESOURCE, "group" },
        { AT_RESOURCE, "transactional-id" },
    };
    json_t *list = json_array();
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (role_levels(role) & names[i].level) json_array_append_new(list, json_string(names[i].name));
    }
    return list;
}

void roles_list_get(struct api_request *rq)
{
    json_t *data = json_array();
    for (int r = 0; r < ROLE_COUNT; r++) {
        json_t *given = json_array();
        for (int p = 0; p < PERMISSION_COUNT; p++) {
            if (permission_given((enum permission)p, (enum role)r))
                json_array_append_new(given, json_string(permission_name((enum permission)p)));
        }
        json_array_append_new(data, json_pack("{s:s, s:s, s:o, s:o}", "name", role_name((enum role)r),
                                              "description", role_what((enum role)r), "scopes",
                                              levels_of((enum role)r), "permissions", given));
    }
    api_reply_list(rq, NULL, "RoleList", data, NULL, ROLE_COUNT);
}

static json_t *operation_json(const struct api_route *route, const struct access_rule *rule)
{
    json_t *roles = json_array();
    for (int r = 0; r < ROLE_COUNT; r++) {
        if (rule->where == WHERE_SIGNED_IN || permission_given(rule->permission, (enum role)r))
            json_array_append_new(roles, json_string(role_name((enum role)r)));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "operation", route->operation, "method",
                     api_method_name(route->method), "path", route->path, "where",
                     access_where_name(rule->where), "permission",
                     rule->where == WHERE_SIGNED_IN ? json_null()
                                                    : json_string(permission_name(rule->permission)),
                     "roles", roles);
}

void operations_list_get(struct api_request *rq)
{
    size_t count;
    const struct api_route *routes = api_routes(&count);
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct access_rule *rule = access_rule(&routes[i]);
        if (rule) json_array_append_new(data, operation_json(&routes[i], rule));
    }
    api_reply_list(rq, NULL, "OperationList", data, NULL, (int64_t)json_array_size(data));
}

/* So that a program offers only what will not be refused. What may be done with some topics of a cluster
 * alone is not told: that is asked of each. */
void permissions_list_get(struct api_request *rq)
{
    struct role_scope target = { .name = STR("") };
    struct str id = rq->http->query(rq, "cluster_id", 0);
    struct cluster c;
    if (id.len) {
        status result = clusters_get(rq->db, id, &c);
        if (failed(result) || !access_sees_cluster(rq, c.environment_id, c.id)) {
            api_fail(rq, failed(result) ? result : FAIL(NOT_FOUND), "There is no such cluster.");
            return;
        }
        target.environment_id = str_c(c.environment_id);
        target.cluster_id = str_c(c.id);
    }
    json_t *given = json_array();
    for (int p = 0; p < PERMISSION_COUNT; p++) {
        if (access_allows_for(rq, (enum permission)p, &target))
            json_array_append_new(given, json_string(permission_name((enum permission)p)));
    }
    api_reply(rq, 200, json_pack("{s:s, s:o, s:o}", "kind", "PermissionList", "cluster_id",
                                 id.len ? json_string(c.id) : json_null(), "permissions", given));
}
