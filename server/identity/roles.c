/* roles.c - the decision over bound roles. Pure but for roles_load. Any thread. */
#include "identity/roles.h"

#define R(id) (1u << ROLE_##id)
#define EVERY_ROLE ((1u << ROLE_COUNT) - 1)
#define ADMINS (R(ORGANIZATION_ADMIN) | R(ENVIRONMENT_ADMIN) | R(CLOUD_CLUSTER_ADMIN))
#define DEVELOPERS (R(DEVELOPER_READ) | R(DEVELOPER_WRITE) | R(DEVELOPER_MANAGE) | R(RESOURCE_OWNER))

static const struct { const char *name, *what; unsigned levels; } roles_known[ROLE_COUNT] = {
#define ROLE(id, name, levels, what) [ROLE_##id] = { name, what, levels },
#define PERMISSION(id, name, inward, roles)
#include "identity/roles.def"
#undef ROLE
#undef PERMISSION
};

static const struct { const char *name; unsigned roles; bool inward; } permissions[PERMISSION_COUNT] = {
#define ROLE(id, name, levels, what)
#define PERMISSION(id, name, inward, roles) [MAY_##id] = { name, roles, inward },
#include "identity/roles.def"
#undef ROLE
#undef PERMISSION
};

static const char *const resources[] = { "", "topic", "group", "transactional-id" };

const char *role_name(enum role role) { return roles_known[role].name; }
const char *role_what(enum role role) { return roles_known[role].what; }
unsigned role_levels(enum role role) { return roles_known[role].levels; }
const char *permission_name(enum permission permission) { return permissions[permission].name; }
const char *role_resource_name(enum role_resource resource) { return resources[resource]; }

bool permission_given(enum permission permission, enum role role)
{
    return permissions[permission].roles & 1u << role;
}

bool role_of(struct str name, enum role *ret)
{
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (!str_eq_c(name, roles_known[i].name)) continue;
        *ret = (enum role)i;
        return true;
    }
    return false;
}

enum role_level role_scope_level(const struct role_scope *scope)
{
    if (scope->resource != RESOURCE_NONE) return AT_RESOURCE;
    if (scope->cluster_id.len) return AT_CLUSTER;
    return scope->environment_id.len ? AT_ENVIRONMENT : AT_ORGANIZATION;
}

bool role_scope_holds(const struct role_scope *outer, const struct role_scope *inner)
{
    if (!outer->environment_id.len) return true;
    if (!str_eq(outer->environment_id, inner->environment_id)) return false;
    if (!outer->cluster_id.len) return true;
    if (!str_eq(outer->cluster_id, inner->cluster_id)) return false;
    if (outer->resource == RESOURCE_NONE) return true;
    if (outer->resource != inner->resource) return false;
    if (outer->prefixed) return str_starts(inner->name, outer->name);
    return !inner->prefixed && str_eq(outer->name, inner->name);
}

bool roles_allow(const struct roles *roles, enum permission permission, const struct role_scope *target)
{
    for (size_t i = 0; i < roles->count; i++) {
        const struct role_held *held = &roles->held[i];
        if (!permission_given(permission, held->role)) continue;
        if (role_scope_holds(&held->scope, target)) return true;
        if (permissions[permission].inward && role_scope_holds(target, &held->scope)) return true;
    }
    return false;
}

bool roles_allow_everywhere(const struct roles *roles, enum permission permission)
{
    for (size_t i = 0; i < roles->count; i++) {
        if (permission_given(permission, roles->held[i].role) &&
            role_scope_level(&roles->held[i].scope) == AT_ORGANIZATION)
            return true;
    }
    return false;
}

static bool read_row(const struct db_query *q, struct arena *arena, struct role_held *ret)
{
    struct str type = db_text(q, 3);
    *ret = (struct role_held){ .scope = {
        .environment_id = arena_str(arena, db_text(q, 1)), .cluster_id = arena_str(arena, db_text(q, 2)),
        .name = arena_str(arena, db_text(q, 4)), .prefixed = db_i64(q, 5) != 0,
    } };
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(resources) && !known; i++) {
        ret->scope.resource = (enum role_resource)i;
        known = str_eq_c(type, resources[i]);
    }
    return known && role_of(db_text(q, 0), &ret->role);
}

/* Room for one more, twice as much each time. */
static status grow(struct roles *roles, size_t *cap, struct arena *arena)
{
    if (roles->count < *cap) return OK;
    size_t more = *cap ? *cap * 2 : 8;
    struct role_held *held = ARENA_ARRAY(arena, struct role_held, more);
    if (!held) return FAIL(NO_MEMORY);
    if (roles->count) memcpy(held, roles->held, roles->count * sizeof *held);
    roles->held = held;
    *cap = more;
    return OK;
}

status roles_load(struct db *db, const struct str *principals, size_t count, struct arena *arena,
                  struct roles *ret)
{
    struct roles roles = { NULL, 0 };
    size_t cap = 0;
    status result = OK;
    for (size_t i = 0; i < count; i++) {
        struct db_query *q = DB(db, "SELECT role, environment_id, cluster_id, resource_type, resource_name, "
                                    "prefixed FROM role_binding WHERE principal = ? LIMIT ?", principals[i],
                                ROLES_PER_PRINCIPAL_MAX);
        while (is_ok(result) && db_next(q)) {
            result = grow(&roles, &cap, arena);
            if (is_ok(result)) roles.count += read_row(q, arena, &roles.held[roles.count]);
        }
        TRY(db_end(q));
    }
    TRY(result);
    *ret = roles;
    return OK;
}
