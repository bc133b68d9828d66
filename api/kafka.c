/* kafka.c - the ground the nouns of the Kafka dialect stand on. Any handler thread. */
#include "api/kafka.h"

#include "api/access.h"
#include "api/control.h"

#include <stdarg.h>
#include <stdio.h>

static void no_cluster(struct api_request *rq, struct str id)
{
    struct str text = arena_printf(rq->arena, "Cluster %.*s cannot be found.", STR_ARG(id));
    if (rq->route->dialect == KAFKA) api_fail_kafka(rq, 404, 404, text.data);
    else api_fail_at(rq, 404, NULL, text.data, NULL, NULL);
}

struct kafka_scope *kafka_scope(struct api_request *rq)
{
    struct str id = api_param(rq, "cluster_id");
    struct kafka_scope *s = ARENA_NEW(rq->arena, struct kafka_scope);
    status result = s ? clusters_get(rq->db, id, &s->cluster) : FAIL(NO_MEMORY);
    if (result.code == E_NOT_FOUND || (is_ok(result) && s->cluster.deleting)) {
        no_cluster(rq, id);
        return NULL;
    }
    if (is_ok(result)) {
        s->id = s->cluster.id;
        s->principal = str_c(rq->caller.principal);
        s->host = str_c(rq->address);
        s->all = rq->caller.door != DOOR_CLUSTER_KEY;
        s->rq = rq;
        const struct str owner = arena_printf(rq->arena, "User:%s", rq->caller.owner);
        if (!s->all) result = acls_of_principal(rq->db, s->id, s->principal, &s->acls);
        if (!s->all && is_ok(result)) result = roles_load(rq->db, &owner, 1, rq->arena, &s->roles);
    }
    if (is_ok(result) && s->all && !access_sees_cluster(rq, s->cluster.environment_id, s->id)) {
        no_cluster(rq, id);
        return NULL;
    }
    if (is_ok(result)) return s;
    api_fail(rq, result, NULL);
    return NULL;
}

void kafka_scope_done(struct kafka_scope *scope)
{
    if (scope) acl_set_done(&scope->acls);
}

/* What a role must give so that its holder may do with a resource what the ACL operation means. */
static enum permission permission_of(enum acl_operation operation, enum acl_resource resource)
{
    bool looks = operation == OP_DESCRIBE || operation == OP_DESCRIBE_CONFIGS;
    if (resource == RES_GROUP) return looks ? MAY_GROUP_VIEW : MAY_GROUP_MANAGE;
    if (resource == RES_TOPIC) {
        if (operation == OP_READ) return MAY_TOPIC_READ;
        if (operation == OP_WRITE) return MAY_TOPIC_WRITE;
        return looks ? MAY_TOPIC_VIEW : MAY_TOPIC_MANAGE;
    }
    if (looks) return MAY_VIEW;
    if (operation == OP_CREATE) return MAY_TOPIC_MANAGE;
    return operation == OP_ALTER ? MAY_ACCESS_MANAGE : MAY_CLUSTER_MANAGE;
}

static bool role_allows(const struct kafka_scope *scope, enum acl_operation operation,
                        enum acl_resource resource, struct str name)
{
    struct role_scope target = { .environment_id = str_c(scope->cluster.environment_id),
                                 .cluster_id = str_c(scope->id), .name = name };
    if (resource == RES_TOPIC) target.resource = RESOURCE_TOPIC;
    if (resource == RES_GROUP) target.resource = RESOURCE_GROUP;
    if (resource == RES_TRANSACTIONAL_ID) target.resource = RESOURCE_TRANSACTIONAL_ID;
    enum permission permission = permission_of(operation, resource);
    return scope->all ? access_allows_for(scope->rq, permission, &target)
                      : roles_allow(&scope->roles, permission, &target);
}

bool kafka_allows(const struct kafka_scope *scope, enum acl_operation operation,
                  enum acl_resource resource, struct str name)
{
    const struct acl_set *acls = &scope->acls;
    if (scope->all) return role_allows(scope, operation, resource, name);
    return acl_allows(acls, scope->principal, scope->host, operation, resource, name) ||
           (!acl_denies(acls, scope->principal, scope->host, operation, resource, name) &&
            role_allows(scope, operation, resource, name));
}

bool kafka_shows_group(const struct kafka_scope *scope, struct str name)
{
    return !scope->all || role_allows(scope, OP_DESCRIBE, RES_GROUP, name);
}

bool kafka_permit(struct api_request *rq, const struct kafka_scope *scope,
                  enum acl_operation operation,
                  enum acl_resource resource, struct str name)
{
    if (kafka_allows(scope, operation, resource, name)) return true;
    struct str text = arena_printf(rq->arena, "Not authorized: %.*s may not %s the %s %.*s.",
                                   STR_ARG(scope->all ? str_c(rq->caller.owner) : scope->principal),
                                   acl_operation_name(operation),
                                   acl_resource_name(resource), STR_ARG(name));
    if (rq->route->dialect == KAFKA) api_fail_kafka(rq, 403, 40301, text.data);
    else api_fail_at(rq, 403, NULL, text.data, NULL, NULL);
    return false;
}

bool kafka_topic(struct api_request *rq, const struct kafka_scope *scope, struct topic_row *ret)
{
    struct str name = api_param(rq, "topic_name");
    if (!kafka_permit(rq, scope, OP_DESCRIBE, RES_TOPIC, name)) return false;
    status found = topics_get(rq->db, scope->id, name, rq->arena, ret);
    if (is_ok(found)) return true;
    if (found.code == E_UNKNOWN_TOPIC_OR_PARTITION) {
        struct str text = arena_printf(rq->arena, "Topic %.*s cannot be found.", STR_ARG(name));
        if (rq->route->dialect == KAFKA) api_fail_kafka(rq, 404, 40403, text.data);
        else api_fail_at(rq, 404, NULL, text.data, NULL, NULL);
    } else {
        api_fail(rq, found, NULL);
    }
    return false;
}

struct actor kafka_actor(const struct api_request *rq)
{
    return (struct actor){ .id = rq->caller.owner,
                           .door = control_door(rq),
                           .address = rq->address, .request_id = rq->request_id };
}

json_t *kafka_related(struct str url)
{
    return json_pack("{s:o}", "related", api_str(url));
}

json_t *kafka_object(const char *kind, const char *cluster_id, struct str self, struct str crn)
{
    json_t *object = json_object();
    PUT(object, "kind", json_string(kind));
    PUT(object, "metadata", kafka_metadata(self, crn));
    PUT(object, "cluster_id", json_string(cluster_id));
    return object;
}

json_t *kafka_metadata(struct str self, struct str crn)
{
    json_t *metadata = json_pack("{s:o}", "self", api_str(self));
    if (crn.data) json_object_set_new(metadata, "resource_name", api_str(crn));
    return metadata;
}

struct str kafka_crn(struct api_request *rq, const char *cluster_id, const char *format, ...)
{
    char tail[900];
    va_list args;
    va_start(args, format);
    vsnprintf(tail, sizeof tail, format, args);
    va_end(args);
    return arena_printf(rq->arena, "crn:///kafka=%s%s", cluster_id, tail);
}

void kafka_fail(struct api_request *rq, status error, struct str message)
{
    const char *text = message.data && message.len ? arena_cstr(rq->arena, message) : NULL;
    if (rq->route->dialect == KAFKA && error.code == E_PENDING) error = FAIL(BROKER_NOT_AVAILABLE);
    api_fail(rq, error, text);
}
