/* kafka_acls.c - access control entries: list (READ), create, create many, delete (DOMAIN). */
#include "api/handlers.h"
#include "api/kafka.h"

#define BATCH_MAX 1000

/* The filter that names exactly this entry. */
static struct str acl_url(struct api_request *rq, const char *cluster_id, const struct acl *a)
{
    return api_url(rq,
                   KAFKA_BASE "/acls?resource_type=%s&resource_name=%s&pattern_type=%s"
                              "&principal=%s&host=%s&operation=%s&permission=%s",
                   str_c(cluster_id), str_c(acl_resource_name(a->resource)), a->name,
                   str_c(acl_pattern_name(a->pattern)), a->principal, a->host,
                   str_c(acl_operation_name(a->operation)),
                   str_c(acl_permission_name(a->permission)));
}

static json_t *acl_json(struct api_request *rq, const struct kafka_scope *s, const struct acl *a)
{
    json_t *o = kafka_object("KafkaAcl", s->id, acl_url(rq, s->id, a), STR_NULL);
    PUT(o, "resource_type", json_string(acl_resource_name(a->resource)));
    PUT(o, "resource_name", api_str(a->name));
    PUT(o, "pattern_type", json_string(acl_pattern_name(a->pattern)));
    PUT(o, "principal", api_str(a->principal));
    PUT(o, "host", api_str(a->host));
    PUT(o, "operation", json_string(acl_operation_name(a->operation)));
    PUT(o, "permission", json_string(acl_permission_name(a->permission)));
    return o;
}

/* --- filters ---------------------------------------------------------------------------------- */

static bool bad_enum(struct api_request *rq, const char *name)
{
    struct str text = arena_printf(rq->arena, "Bad Request: %s cannot be unspecified or UNKNOWN.",
                                   name);
    api_fail_kafka(rq, 400, 400, text.data);
    return false;
}

/* The seven query parameters; `required`: those that DELETE insists on. False: answered. */
static bool read_filter(struct api_request *rq, bool required, struct acl *ret)
{
    struct str type = rq->http->query(rq, "resource_type", 0), pattern = rq->http->query(rq,
        "pattern_type", 0);
    struct str operation = rq->http->query(rq, "operation", 0), permission = rq->http->query(rq,
        "permission", 0);
    *ret = (struct acl){ .resource = type.data ? acl_resource_of(type) : RES_ANY,
                         .pattern = pattern.data ? acl_pattern_of(pattern) : PAT_ANY,
                         .operation = operation.data ? acl_operation_of(operation) : OP_ANY,
                         .permission = permission.data ? acl_permission_of(permission) : PERM_ANY,
                         .name = rq->http->query(rq, "resource_name", 0),
                         .principal = rq->http->query(rq, "principal", 0),
                         .host = rq->http->query(rq, "host", 0) };
    if (ret->resource == RES_UNKNOWN || (required && !type.data)) {
        return bad_enum(rq, "resource_type");
    }
    if (ret->pattern == PAT_UNKNOWN || (required && !pattern.data)) {
        return bad_enum(rq, "pattern_type");
    }
    if (ret->operation == OP_UNKNOWN || (required && !operation.data)) {
        return bad_enum(rq, "operation");
    }
    if (ret->permission == PERM_UNKNOWN || (required && !permission.data)) {
        return bad_enum(rq, "permission");
    }
    return true;
}

static int by_rest_order(const void *a, const void *b)
{
    const struct acl *x = a, *y = b;
    int c = strcmp(acl_resource_name(x->resource), acl_resource_name(y->resource));
    if (!c) c = str_cmp(x->name, y->name);
    if (!c) c = strcmp(acl_pattern_name(x->pattern), acl_pattern_name(y->pattern));
    if (!c) c = str_cmp(x->principal, y->principal);
    if (!c) c = str_cmp(x->host, y->host);
    if (!c) c = strcmp(acl_operation_name(x->operation), acl_operation_name(y->operation));
    return c ? c : strcmp(acl_permission_name(x->permission), acl_permission_name(y->permission));
}

/* Entries the query asks for, in order. False: answered. */
static bool find(struct api_request *rq, const struct kafka_scope *s, bool required,
                 struct acl **ret, size_t *ret_count)
{
    struct acl filter;
    if (!read_filter(rq, required, &filter)) return false;
    status result = acls_list(rq->db, s->id, &filter, rq->arena, ret, ret_count);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return false;
    }
    if (*ret_count) qsort(*ret, *ret_count, sizeof **ret, by_rest_order);
    return true;
}

static json_t *list_json(struct api_request *rq, const struct kafka_scope *s,
                         const struct acl *acls, size_t count)
{
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(data, acl_json(rq, s, &acls[i]));
    return data;
}

void kafka_acls_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct acl *acls = NULL;
    size_t count = 0;
    if (!s || !kafka_permit(rq, s, OP_DESCRIBE, RES_CLUSTER, KAFKA_CLUSTER_NAME)) return;
    if (find(rq, s, false, &acls, &count)) {
        api_reply_kafka_list(rq, "KafkaAclList", list_json(rq, s, acls, count));
    }
}

/* --- create ----------------------------------------------------------------------------------- */

/* Names as REST writes them; a name that is none is UNKNOWN, which acls_check refuses. */
static struct acl read_acl(const json_t *from)
{
    struct str pattern = api_get_str(from, "pattern_type"), host = api_get_str(from, "host");
    return (struct acl){ .resource = acl_resource_of(api_get_str(from, "resource_type")),
                         .name = api_get_str(from, "resource_name"),
                         .pattern = pattern.data ? acl_pattern_of(pattern) : PAT_LITERAL,
                         .principal = api_get_str(from, "principal"), .host = host.data ? host
                         : STR("*"),
                         .operation = acl_operation_of(api_get_str(from, "operation")),
                         .permission = acl_permission_of(api_get_str(from, "permission")) };
}

static void created(void *arg, status result, int64_t version, const struct why *why)
{
    struct api_request *rq = arg;
    api_reply_change(rq, result, why, 201, version, NULL);
}

static void create(struct api_request *rq, const struct kafka_scope *s, const struct acl *acls,
                   size_t count)
{
    if (!kafka_permit(rq, s, OP_ALTER, RES_CLUSTER, KAFKA_CLUSTER_NAME)) return;
    for (size_t i = 0; i < count; i++) {
        struct why why = { "" };
        status result = acls_check(&acls[i], &why);
        if (is_ok(result)) continue;
        bool named = acls[i].resource == RES_CLUSTER && strstr(why.text, "kafka-cluster");
        api_fail_kafka(rq, 400, named ? 40002 : 400, why.text);
        return;
    }
    struct actor actor = kafka_actor(rq);
    acls_create(rq->domain, s->id, &actor, acls, count, created, rq);
}

void kafka_acls_create(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    json_t *body = s ? api_body(rq) : NULL;
    if (!body) return;
    struct acl acl = read_acl(body);
    struct str url = acl_url(rq, s->id, &acl);
    if (url.data) rq->http->set_header(rq, "Location", url.data);
    create(rq, s, &acl, 1);
}

void kafka_acls_batch(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    json_t *body = s ? api_body(rq) : NULL;
    if (!body) return;
    const json_t *data = json_object_get(body, "data");
    size_t count = json_array_size(data);
    if (count == 0 || count > BATCH_MAX) {
        api_fail_kafka(rq, 400, 400, "Bad Request: data must be a list of 1 to 1000 ACLs.");
        return;
    }
    struct acl *acls = ARENA_ARRAY(rq->arena, struct acl, count);
    for (size_t i = 0; acls && i < count; i++) acls[i] = read_acl(json_array_get(data, i));
    if (acls) create(rq, s, acls, count);
    else api_fail(rq, FAIL(NO_MEMORY), NULL);
}

/* --- delete ----------------------------------------------------------------------------------- */

struct deletion {
    struct api_request *rq;
    json_t *data; /* what is deleted */
};

static void deleted(void *arg, status result, int64_t version, const struct why *why)
{
    struct deletion *d = arg;
    api_reply_change(d->rq, result, why, 200, version, json_pack("{s:o}", "data", d->data));
}

void kafka_acls_delete(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct acl *acls = NULL;
    size_t count = 0;
    if (!s || !kafka_permit(rq, s, OP_ALTER, RES_CLUSTER, KAFKA_CLUSTER_NAME)) return;
    if (!find(rq, s, true, &acls, &count)) return;
    struct deletion *d = ARENA_NEW(rq->arena, struct deletion);
    if (!d) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    *d = (struct deletion){ rq, list_json(rq, s, acls, count) };
    struct actor actor = kafka_actor(rq);
    acls_delete(rq->domain, s->id, &actor, acls, count, deleted, d);
}
