/* authorizer.c - the super user and clusters without ACLs, around the rules of cluster/acl.c.
 * Loop thread; holds no state. */
#include "broker/authorizer.h"

#include "broker/handler.h"

/* Is the principal one of "User:a;User:b"? */
static bool names(const char *super_users, struct str principal)
{
    while (super_users && *super_users) {
        size_t n = strcspn(super_users, ";");
        if (str_eq((struct str){ super_users, n }, principal)) return true;
        super_users += n + (super_users[n] == ';');
    }
    return false;
}

static bool is_free(const struct image *image, struct str principal)
{
    return !image->limits.authorise || str_eq(principal, AUTHORIZER_SUPER) ||
           names(image->super_users, principal);
}

bool authorizer_allows(const struct image *image, struct str principal, struct str host,
                       enum acl_operation operation, enum acl_resource resource, struct str name)
{
    return is_free(image, principal) ||
           acl_allows(&image->acls, principal, host, operation, resource, name);
}

bool authorizer_allows_any(const struct image *image, struct str principal, struct str host,
                           enum acl_operation operation, enum acl_resource resource)
{
    return is_free(image, principal) ||
           acl_allows_any(&image->acls, principal, host, operation, resource);
}

/* The operations each resource type has in Kafka (AclEntry.supportedOperations). */
static int32_t supported(enum acl_resource resource)
{
#define BIT(op) (1 << (op))
    switch (resource) {
    case RES_TOPIC:
        return BIT(OP_READ) | BIT(OP_WRITE) | BIT(OP_CREATE) | BIT(OP_DELETE) | BIT(OP_ALTER) |
               BIT(OP_DESCRIBE) | BIT(OP_DESCRIBE_CONFIGS) | BIT(OP_ALTER_CONFIGS);
    case RES_GROUP:
        return BIT(OP_READ) | BIT(OP_DESCRIBE) | BIT(OP_DELETE) | BIT(OP_DESCRIBE_CONFIGS) |
               BIT(OP_ALTER_CONFIGS);
    case RES_CLUSTER:
        return BIT(OP_CREATE) | BIT(OP_CLUSTER_ACTION) | BIT(OP_DESCRIBE_CONFIGS) |
               BIT(OP_ALTER_CONFIGS) | BIT(OP_IDEMPOTENT_WRITE) | BIT(OP_ALTER) | BIT(OP_DESCRIBE);
    case RES_TRANSACTIONAL_ID:
        return BIT(OP_DESCRIBE) | BIT(OP_WRITE) | BIT(OP_TWO_PHASE_COMMIT);
    default:
        return 0;
    }
#undef BIT
}

int32_t authorizer_operations(const struct image *image, struct str principal, struct str host,
                              enum acl_resource resource, struct str name)
{
    int32_t may = 0, has = supported(resource);
    for (int op = OP_READ; op <= OP_TWO_PHASE_COMMIT; op++)
        if ((has & (1 << op)) != 0 &&
            authorizer_allows(image, principal, host, (enum acl_operation)op, resource, name))
            may |= 1 << op;
    return may;
}

status authorizer_configured(const struct request *r, struct why *why)
{
    if (r->broker->image->limits.authorise) return OK;
    why_set(why, "No Authorizer is configured on the broker.");
    return FAIL(SECURITY_DISABLED);
}

bool authorize(struct request *r, enum acl_operation operation, enum acl_resource resource,
               struct str name)
{
    if (r->super || authorizer_allows(r->broker->image, r->principal, r->client_host, operation,
                                      resource, name))
        return true;
    r->broker->stats.authorization_failures++;
    return false;
}

bool authorize_any(struct request *r, enum acl_operation operation, enum acl_resource resource)
{
    if (r->super ||
        authorizer_allows_any(r->broker->image, r->principal, r->client_host, operation, resource))
        return true;
    r->broker->stats.authorization_failures++;
    return false;
}

int32_t authorized_operations(struct request *r, enum acl_resource resource, struct str name)
{
    if (r->super) return supported(resource);
    return authorizer_operations(r->broker->image, r->principal, r->client_host, resource, name);
}
