/* admin_acls.c - what may be an access control entry, and which entries a filter names.
 * Any thread; holds no state. */
#include "cluster/admin_acls.h"

#include <assert.h>

typedef struct create_acls_request_acl_creation creation;
typedef struct delete_acls_request_delete_acls_filter deletion;
typedef struct delete_acls_response_delete_acls_matching_acl matching;

/* --- checks --------------------------------------------------------------------------------------- */

static bool is_text(struct str s)
{
    return s.len <= ADMIN_ACL_NAME_MAX && str_is_text(s);
}

status acl_check(const struct acl *acl, struct why *why)
{
    if (acl->resource <= RES_ANY || acl->resource > RES_USER)
        why_set(why, "Invalid resource type %d.", acl->resource);
    else if (acl->pattern != PAT_LITERAL && acl->pattern != PAT_PREFIXED)
        why_set(why, "Invalid pattern type %d: it must be LITERAL or PREFIXED.", acl->pattern);
    else if (acl->operation <= OP_ANY || acl->operation > OP_TWO_PHASE_COMMIT)
        why_set(why, "Invalid operation %d.", acl->operation);
    else if (acl->permission != PERM_ALLOW && acl->permission != PERM_DENY)
        why_set(why, "Invalid permission type %d: it must be ALLOW or DENY.", acl->permission);
    else if (acl->name.len == 0)
        why_set(why, "The name of a resource cannot be empty.");
    else if (acl->resource == RES_CLUSTER && !str_eq_c(acl->name, "kafka-cluster"))
        why_set(why, "The only valid name for the CLUSTER resource is kafka-cluster.");
    else if (acl->principal.len == 0 || !memchr(acl->principal.data, ':', acl->principal.len))
        why_set(why, "The principal \"%.*s\" has no colon between its type and its name.",
                STR_ARG(acl->principal));
    else if (acl->host.len == 0)
        why_set(why, "The host must be an address, or * for any.");
    else if (!is_text(acl->name) || !is_text(acl->principal) || !is_text(acl->host))
        why_set(why, "Names, principals and hosts have at most %d bytes of UTF-8 text.",
                ADMIN_ACL_NAME_MAX);
    else
        return OK;
    return FAIL(INVALID_REQUEST);
}

status acl_filter_check(const struct acl *filter, struct why *why)
{
    const char *unknown = NULL;
    if (filter->resource < RES_ANY || filter->resource > RES_USER) unknown = "resource type";
    else if (filter->pattern < PAT_ANY || filter->pattern > PAT_PREFIXED) unknown = "pattern type";
    else if (filter->operation < OP_ANY || filter->operation > OP_TWO_PHASE_COMMIT)
        unknown = "operation";
    else if (filter->permission < PERM_ANY || filter->permission > PERM_ALLOW)
        unknown = "permission type";
    if (!unknown) return OK;
    why_set(why, "The filter has an unknown %s.", unknown);
    return FAIL(INVALID_REQUEST);
}

/* --- CreateAcls ----------------------------------------------------------------------------------- */

static struct acl acl_of_creation(const creation *c)
{
    return (struct acl){
        .resource = (enum acl_resource)c->resource_type,
        .pattern = (enum acl_pattern)c->resource_pattern_type,
        .operation = (enum acl_operation)c->operation,
        .permission = (enum acl_permission)c->permission_type,
        .name = c->resource_name,
        .principal = c->principal,
        .host = c->host,
    };
}

status plan_acls_create(size_t there, const struct create_acls_request *request, struct arena *arena,
                        struct create_acls_response *ret_response, struct acl_plan *ret_plan)
{
    int32_t n = request->creations_count < 0 ? 0 : request->creations_count;
    struct acl *granted = ARENA_ARRAY(arena, struct acl, n);
    wire_default(&create_acls_response_message, ret_response);
    ret_response->results = ARENA_ARRAY(arena, struct create_acls_response_acl_creation_result, n);
    TRY(arena_check(arena));
    ret_response->results_count = n;
    *ret_plan = (struct acl_plan){ granted, 0 };
    for (int32_t i = 0; i < n; i++) {
        struct acl acl = acl_of_creation(&request->creations[i]);
        struct create_acls_response_acl_creation_result *row = &ret_response->results[i];
        struct why why = { "" };
        status checked = acl_check(&acl, &why);
        if (is_ok(checked) && there + ret_plan->count >= ADMIN_ACLS_MAX) {
            why_set(&why, "A cluster can have %d ACLs.", ADMIN_ACLS_MAX);
            checked = FAIL(POLICY_VIOLATION);
        }
        wire_default_struct(&create_acls_response_acl_creation_result_struct, row);
        row->error_code = status_kafka(checked);
        if (failed(checked)) row->error_message = arena_str(arena, str_c(why.text));
        else granted[ret_plan->count++] = acl;
    }
    return arena_check(arena);
}

/* --- DeleteAcls ----------------------------------------------------------------------------------- */

static struct acl acl_of_deletion(const deletion *d)
{
    return (struct acl){
        .resource = (enum acl_resource)d->resource_type_filter,
        .pattern = (enum acl_pattern)d->pattern_type_filter,
        .operation = (enum acl_operation)d->operation,
        .permission = (enum acl_permission)d->permission_type,
        .name = d->resource_name_filter,
        .principal = d->principal_filter,
        .host = d->host_filter,
    };
}

static void put_matching(const struct acl *acl, struct arena *arena, matching *row)
{
    wire_default_struct(&delete_acls_response_delete_acls_matching_acl_struct, row);
    row->resource_type = (int8_t)acl->resource;
    row->resource_name = arena_str(arena, acl->name);
    row->pattern_type = (int8_t)acl->pattern;
    row->principal = arena_str(arena, acl->principal);
    row->host = arena_str(arena, acl->host);
    row->operation = (int8_t)acl->operation;
    row->permission_type = (int8_t)acl->permission;
}

static size_t count_matching(const struct acl_set *there, const struct acl *filter)
{
    size_t n = 0;
    for (size_t i = 0; i < there->count; i++) n += acl_matches(filter, there->items[i]);
    return n;
}

struct deleting {
    const struct acl_set *there;
    struct arena *arena;
    bool *gone;       /* by index in `there` */
    struct acl *acls; /* of the plan: copies, the entries themselves go */
    size_t count;
};

static status delete_matching(struct deleting *d, const struct acl *filter,
                              struct delete_acls_response_delete_acls_filter_result *row)
{
    row->matching_acls = ARENA_ARRAY(d->arena, matching, count_matching(d->there, filter));
    if (!row->matching_acls) return FAIL(NO_MEMORY);
    for (size_t i = 0; i < d->there->count; i++) {
        const struct acl *acl = d->there->items[i];
        if (!acl_matches(filter, acl)) continue;
        matching *m = &row->matching_acls[row->matching_acls_count++];
        put_matching(acl, d->arena, m);
        if (d->gone[i]) continue;
        d->gone[i] = true;
        struct acl *copy = &d->acls[d->count++];
        *copy = *acl;
        copy->name = m->resource_name;
        copy->principal = m->principal;
        copy->host = m->host;
    }
    return arena_check(d->arena);
}

status plan_acls_delete(const struct acl_set *there, const struct delete_acls_request *request,
                        struct arena *arena, struct delete_acls_response *ret_response,
                        struct acl_plan *ret_plan)
{
    int32_t n = request->filters_count < 0 ? 0 : request->filters_count;
    struct deleting d = { .there = there, .arena = arena };
    d.gone = ARENA_ARRAY(arena, bool, there->count);
    d.acls = ARENA_ARRAY(arena, struct acl, there->count);
    wire_default(&delete_acls_response_message, ret_response);
    ret_response->filter_results =
        ARENA_ARRAY(arena, struct delete_acls_response_delete_acls_filter_result, n);
    TRY(arena_check(arena));
    ret_response->filter_results_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct acl filter = acl_of_deletion(&request->filters[i]);
        struct delete_acls_response_delete_acls_filter_result *row = &ret_response->filter_results[i];
        struct why why = { "" };
        wire_default_struct(&delete_acls_response_delete_acls_filter_result_struct, row);
        status checked = acl_filter_check(&filter, &why);
        row->error_code = status_kafka(checked);
        if (failed(checked)) row->error_message = arena_str(arena, str_c(why.text));
        else TRY(delete_matching(&d, &filter, row));
    }
    *ret_plan = (struct acl_plan){ d.acls, d.count };
    return arena_check(arena);
}

/* --- DescribeAcls --------------------------------------------------------------------------------- */

static bool same_resource(const struct describe_acls_response_describe_acls_resource *row,
                          const struct acl *acl)
{
    return row->resource_type == (int8_t)acl->resource && row->pattern_type == (int8_t)acl->pattern &&
           str_eq(row->resource_name, acl->name);
}

/* The set is in order of its resources, so the entries of one stand together. */
status acls_describe(const struct acl_set *there, const struct acl *filter, struct arena *arena,
                     struct describe_acls_response *ret_response)
{
    size_t n = count_matching(there, filter), used = 0;
    struct describe_acls_response_describe_acls_resource *row = NULL;
    struct describe_acls_response_acl_description *all =
        ARENA_ARRAY(arena, struct describe_acls_response_acl_description, n);
    ret_response->resources =
        ARENA_ARRAY(arena, struct describe_acls_response_describe_acls_resource, n);
    TRY(arena_check(arena));
    ret_response->resources_count = 0;
    for (size_t i = 0; i < there->count; i++) {
        const struct acl *acl = there->items[i];
        if (!acl_matches(filter, acl)) continue;
        if (!row || !same_resource(row, acl)) {
            row = &ret_response->resources[ret_response->resources_count++];
            wire_default_struct(&describe_acls_response_describe_acls_resource_struct, row);
            row->resource_type = (int8_t)acl->resource;
            row->resource_name = acl->name;
            row->pattern_type = (int8_t)acl->pattern;
            row->acls = &all[used];
            row->acls_count = 0;
        }
        assert(used < n);
        struct describe_acls_response_acl_description *entry = &all[used++];
        wire_default_struct(&describe_acls_response_acl_description_struct, entry);
        entry->principal = acl->principal;
        entry->host = acl->host;
        entry->operation = (int8_t)acl->operation;
        entry->permission_type = (int8_t)acl->permission;
        row->acls_count++;
    }
    return arena_check(arena);
}
