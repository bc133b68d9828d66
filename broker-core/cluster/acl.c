/* acl.c - the set of access control entries of a cluster, and Kafka's rules over it.
 *
 * Any thread, no state of its own. The set is an array sorted by (resource, pattern, name,
 * principal, host, operation, permission), so a question costs a few binary searches and a walk
 * over the entries that name the resource. Each entry is one block: the struct and its strings. */
#include "cluster/acl.h"

#include "base/mem.h"

#include <strings.h>

enum { ACL_SCAN = 32, ACL_SET_MAX = 100000 };

static const char *const resource_names[] = {
    "UNKNOWN", "ANY", "TOPIC", "GROUP", "CLUSTER", "TRANSACTIONAL_ID", "DELEGATION_TOKEN", "USER",
};
static const char *const pattern_names[] = { "UNKNOWN", "ANY", "MATCH", "LITERAL", "PREFIXED" };
static const char *const operation_names[] = {
    "UNKNOWN", "ANY", "ALL", "READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE",
    "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE", "CREATE_TOKENS",
    "DESCRIBE_TOKENS", "TWO_PHASE_COMMIT",
};
static const char *const permission_names[] = { "UNKNOWN", "ANY", "DENY", "ALLOW" };

/* --- the sorted set --------------------------------------------------------------------------- */
static int compare_place(const struct acl *a, enum acl_resource resource, enum acl_pattern pattern,
                         struct str name)
{
    if (a->resource != resource) return a->resource < resource ? -1 : 1;
    if (a->pattern != pattern) return a->pattern < pattern ? -1 : 1;
    return str_cmp(a->name, name);
}

static int compare(const struct acl *a, const struct acl *b)
{
    int c = compare_place(a, b->resource, b->pattern, b->name);
    if (c == 0) c = str_cmp(a->principal, b->principal);
    if (c == 0) c = str_cmp(a->host, b->host);
    if (c == 0) c = (int)a->operation - (int)b->operation;
    if (c == 0) c = (int)a->permission - (int)b->permission;
    return c;
}

/* Index of the first entry that is not before `acl`. */
static size_t find(const struct acl_set *set, const struct acl *acl)
{
    size_t lo = 0, hi = set->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare(set->items[mid], acl) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Index of the first entry at or behind this (resource, pattern, name). */
static size_t find_place(const struct acl_set *set, enum acl_resource resource,
                         enum acl_pattern pattern, struct str name)
{
    size_t lo = 0, hi = set->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare_place(set->items[mid], resource, pattern, name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct str put_str(char **at, struct str s)
{
    char *start = *at;
    if (s.len > 0) memcpy(start, s.data, s.len);
    start[s.len] = 0;
    *at += s.len + 1;
    return (struct str){ start, s.len };
}

static struct acl *copy(const struct acl *acl)
{
    size_t text = acl->name.len + acl->principal.len + acl->host.len + 3;
    struct acl *c = mem_alloc(sizeof(*c) + text);
    if (c == NULL) return NULL;
    *c = *acl;
    char *at = (char *)(c + 1);
    c->name = put_str(&at, acl->name);
    c->principal = put_str(&at, acl->principal);
    c->host = put_str(&at, acl->host);
    return c;
}

status acl_set_add(struct acl_set *set, const struct acl *acl)
{
    size_t at = find(set, acl);
    if (at < set->count && compare(set->items[at], acl) == 0) return OK;
    if (set->count >= ACL_SET_MAX) return FAIL(LIMIT);
    if (set->count == set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 8;
        struct acl **items = mem_realloc(set->items, cap * sizeof(*items));
        if (items == NULL) return FAIL(NO_MEMORY);
        set->items = items;
        set->cap = cap;
    }
    struct acl *own = copy(acl);
    if (own == NULL) return FAIL(NO_MEMORY);
    memmove(set->items + at + 1, set->items + at, (set->count - at) * sizeof(*set->items));
    set->items[at] = own;
    set->count++;
    return OK;
}

bool acl_set_remove(struct acl_set *set, const struct acl *acl)
{
    size_t at = find(set, acl);
    if (at >= set->count || compare(set->items[at], acl) != 0) return false;
    struct acl *own = set->items[at]; /* `acl` may be this very entry: freed last */
    set->count--;
    memmove(set->items + at, set->items + at + 1, (set->count - at) * sizeof(*set->items));
    mem_free(own);
    return true;
}

void acl_set_done(struct acl_set *set)
{
    for (size_t i = 0; i < set->count; i++) mem_free(set->items[i]);
    mem_free(set->items);
    *set = (struct acl_set){ 0 };
}

/* --- the rules -------------------------------------------------------------------------------- */
struct verdict {
    bool allow, deny;
};

static bool is_about(const struct acl *acl, struct str principal, struct str host)
{
    return (str_eq(acl->principal, principal) || str_eq(acl->principal, STR("User:*"))) &&
           (str_eq(acl->host, host) || str_eq(acl->host, STR("*")));
}

static bool covers(const struct acl *acl, enum acl_operation operation)
{
    if (acl->operation == OP_ALL || acl->operation == operation) return true;
    if (acl->permission != PERM_ALLOW) return false; /* DENY implies nothing */
    switch (operation) {
    case OP_DESCRIBE:
        return acl->operation == OP_READ || acl->operation == OP_WRITE ||
               acl->operation == OP_DELETE || acl->operation == OP_ALTER;
    case OP_DESCRIBE_CONFIGS:
        return acl->operation == OP_ALTER_CONFIGS;
    default:
        return false;
    }
}

static void weigh(const struct acl *acl, struct str principal, struct str host,
                  enum acl_operation operation, struct verdict *v)
{
    if (!is_about(acl, principal, host) || !covers(acl, operation)) return;
    if (acl->permission == PERM_DENY)
        v->deny = true;
    else if (acl->permission == PERM_ALLOW)
        v->allow = true;
}

/* All entries of exactly this (resource, pattern, name). */
static void weigh_place(const struct acl_set *set, enum acl_resource resource,
                        enum acl_pattern pattern, struct str name, struct str principal,
                        struct str host, enum acl_operation operation, struct verdict *v)
{
    for (size_t i = find_place(set, resource, pattern, name);
         i < set->count && compare_place(set->items[i], resource, pattern, name) == 0; i++)
        weigh(set->items[i], principal, host, operation, v);
}

static void weigh_prefixed(const struct acl_set *set, enum acl_resource resource, struct str name,
                           struct str principal, struct str host, enum acl_operation operation,
                           struct verdict *v)
{
    size_t from = find_place(set, resource, PAT_PREFIXED, STR(""));
    size_t to = find_place(set, resource, PAT_PREFIXED + 1, STR(""));
    if (to - from <= ACL_SCAN) {
        for (size_t i = from; i < to; i++)
            if (str_starts(name, set->items[i]->name))
                weigh(set->items[i], principal, host, operation, v);
        return;
    }
    for (size_t len = 0; len <= name.len; len++)
        weigh_place(set, resource, PAT_PREFIXED, (struct str){ name.data ? name.data : "", len },
                    principal, host, operation, v);
}

static struct verdict weigh_all(const struct acl_set *set, struct str principal, struct str host,
                                enum acl_operation operation, enum acl_resource resource, struct str name)
{
    struct verdict v = { 0 };
    weigh_place(set, resource, PAT_LITERAL, name, principal, host, operation, &v);
    if (!str_eq(name, STR("*")))
        weigh_place(set, resource, PAT_LITERAL, STR("*"), principal, host, operation, &v);
    weigh_prefixed(set, resource, name, principal, host, operation, &v);
    return v;
}

bool acl_allows(const struct acl_set *set, struct str principal, struct str host,
                enum acl_operation operation, enum acl_resource resource, struct str name)
{
    struct verdict v = weigh_all(set, principal, host, operation, resource, name);
    return v.allow && !v.deny;
}

bool acl_denies(const struct acl_set *set, struct str principal, struct str host,
                enum acl_operation operation, enum acl_resource resource, struct str name)
{
    return weigh_all(set, principal, host, operation, resource, name).deny;
}

/* Is everything the ALLOW entry opens closed again by a DENY (KIP-679)? */
static bool shadowed(const struct acl_set *set, const struct acl *allow, struct str principal,
                     struct str host, enum acl_operation operation)
{
    struct verdict v = { 0 };
    weigh_place(set, allow->resource, PAT_LITERAL, STR("*"), principal, host, operation, &v);
    if (v.deny) return true;
    if (allow->pattern == PAT_LITERAL && str_eq(allow->name, STR("*"))) {
        /* A prefix of nothing is a prefix of all. */
        weigh_place(set, allow->resource, PAT_PREFIXED, STR(""), principal, host, operation, &v);
        return v.deny;
    }
    if (allow->pattern == PAT_LITERAL)
        weigh_place(set, allow->resource, PAT_LITERAL, allow->name, principal, host, operation, &v);
    weigh_prefixed(set, allow->resource, allow->name, principal, host, operation, &v);
    return v.deny;
}

bool acl_allows_any(const struct acl_set *set, struct str principal, struct str host,
                    enum acl_operation operation, enum acl_resource resource)
{
    for (size_t i = find_place(set, resource, PAT_UNKNOWN, STR("")); i < set->count; i++) {
        const struct acl *acl = set->items[i];
        if (acl->resource != resource) return false;
        if (acl->permission == PERM_ALLOW && is_about(acl, principal, host) &&
            covers(acl, operation) && !shadowed(set, acl, principal, host, operation))
            return true;
    }
    return false;
}

static bool matches_name(const struct acl *filter, const struct acl *acl)
{
    if (str_is_null(filter->name)) return true;
    if (filter->pattern != PAT_MATCH) return str_eq(filter->name, acl->name);
    if (acl->pattern == PAT_LITERAL)
        return str_eq(filter->name, acl->name) || str_eq(acl->name, STR("*"));
    return acl->pattern == PAT_PREFIXED && str_starts(filter->name, acl->name);
}

bool acl_matches(const struct acl *filter, const struct acl *acl)
{
    if (filter->resource != RES_ANY && filter->resource != acl->resource) return false;
    if (filter->pattern != PAT_ANY && filter->pattern != PAT_MATCH &&
        filter->pattern != acl->pattern)
        return false;
    if (!matches_name(filter, acl)) return false;
    if (!str_is_null(filter->principal) && !str_eq(filter->principal, acl->principal))
        return false;
    if (!str_is_null(filter->host) && !str_eq(filter->host, acl->host)) return false;
    if (filter->operation != OP_ANY && filter->operation != acl->operation) return false;
    return filter->permission == PERM_ANY || filter->permission == acl->permission;
}

/* --- names ------------------------------------------------------------------------------------ */
static const char *name_of(const char *const *names, size_t count, size_t v)
{
    return v < count ? names[v] : names[0];
}

static size_t value_of(const char *const *names, size_t count, struct str name)
{
    for (size_t i = 1; i < count; i++)
        if (strlen(names[i]) == name.len && strncasecmp(names[i], name.data, name.len) == 0)
            return i;
    return 0;
}

const char *acl_resource_name(enum acl_resource v)
{
    return name_of(resource_names, ARRAY_LEN(resource_names), (size_t)v);
}
const char *acl_pattern_name(enum acl_pattern v)
{
    return name_of(pattern_names, ARRAY_LEN(pattern_names), (size_t)v);
}
const char *acl_operation_name(enum acl_operation v)
{
    return name_of(operation_names, ARRAY_LEN(operation_names), (size_t)v);
}
const char *acl_permission_name(enum acl_permission v)
{
    return name_of(permission_names, ARRAY_LEN(permission_names), (size_t)v);
}
enum acl_resource acl_resource_of(struct str name)
{
    return (enum acl_resource)value_of(resource_names, ARRAY_LEN(resource_names), name);
}
enum acl_pattern acl_pattern_of(struct str name)
{
    return (enum acl_pattern)value_of(pattern_names, ARRAY_LEN(pattern_names), name);
}
enum acl_operation acl_operation_of(struct str name)
{
    return (enum acl_operation)value_of(operation_names, ARRAY_LEN(operation_names), name);
}
enum acl_permission acl_permission_of(struct str name)
{
    return (enum acl_permission)value_of(permission_names, ARRAY_LEN(permission_names), name);
}
