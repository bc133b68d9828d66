/* service_quotas.c - /service-quota/v1: limits of the service with what is used of each. The figures are
 * on the domain thread. A page's token is "CLUSTER CODE" of its last row. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/service_quotas.h"

#define API_VERSION "service-quota/v1"
#define PAGE_MAX 200

static void set_number(json_t *json, const char *name, int64_t value)
{
    if (value >= 0) json_object_set_new(json, name, json_integer(value > INT32_MAX ? INT32_MAX : value));
}

static json_t *to_json(struct api_request *rq, const struct service_quota *q)
{
    const char *organisation = rq->domain->organisation_id;
    struct str self = api_url(rq, "/service-quota/v1/applied-quotas/%s", str_c(q->code));
    if (q->cluster_id[0])
        self = arena_printf(rq->arena, "%.*s?kafka_cluster=%s", STR_ARG(self), q->cluster_id);
    json_t *json = json_pack("{s:s, s:s, s:s, s:{s:o}, s:s, s:s}", "api_version", API_VERSION, "kind",
                             "AppliedQuota", "id", q->code, "metadata", "self", api_str(self), "scope",
                             service_scope_names[q->scope], "display_name", q->title);
    set_number(json, "default_limit", q->fallback);
    set_number(json, "applied_limit", q->applied);
    set_number(json, "usage", q->use);
    struct str related = api_url(rq, "/org/v2/organizations/%s", str_c(organisation));
    json_object_set_new(json, "organization",
                        control_ref(str_c(organisation), related, control_crn(rq, "%s", "")));
    if (q->environment_id[0])
        json_object_set_new(json, "environment", control_ref_environment(rq, q->environment_id));
    if (q->cluster_id[0])
        json_object_set_new(json, "kafka_cluster", control_ref_cluster(rq, q->environment_id, q->cluster_id));
    return json;
}

/* --- lists ----------------------------------------------------------------------------------------- */

struct listing {
    struct api_request *rq;
    json_t *data;
    int64_t size, count;   /* of a page; seen at or behind its begin */
    char last[128];        /* the last row of the page */
    struct str after;      /* behind this row; null: from the first */
};

static bool shown(struct api_request *rq, const struct service_quota *q)
{
    const struct role_scope scope = { .environment_id = str_c(q->environment_id),
                                      .cluster_id = str_c(q->cluster_id) };
    return access_allows(rq, &scope);
}

static bool list_one(void *arg, const struct service_quota *q)
{
    struct listing *l = arg;
    struct str key = arena_printf(l->rq->arena, "%s %s", q->cluster_id, q->code);
    if (!str_is_null(l->after)) {
        /* The order is fixed: the rows up to the token's are those before, unless its cluster is gone. */
        bool same = str_eq(key, l->after), beyond = !str_starts(l->after, str_c(q->cluster_id));
        if (same || beyond) l->after = STR_NULL;
        if (!beyond) return true;
    }
    if (!shown(l->rq, q)) return true;
    if (l->count == l->size) {
        l->count++;
        return false;
    }
    json_array_append_new(l->data, to_json(l->rq, q));
    str_copy(l->last, sizeof l->last, key);
    l->count++;
    return true;
}

static bool read_scope(struct api_request *rq, enum service_scope *ret)
{
    struct str text = rq->http->query(rq, "scope", 0);
    for (int i = 0; i < SCOPE_COUNT; i++) {
        *ret = (enum service_scope)i;
        if (str_eq_c(text, service_scope_names[i])) return true;
    }
    api_fail_at(rq, 400, "invalid_request", text.data ? "There are quotas for the scopes ORGANIZATION and "
                "KAFKA_CLUSTER." : "The query parameter scope is required.", NULL, "scope");
    return false;
}

static struct service_quota_filter read_filter(struct api_request *rq)
{
    return (struct service_quota_filter){
        .environment_id = rq->http->query(rq, "environment", 0),
        .cluster_id = rq->http->query(rq, "kafka_cluster", 0), .code = rq->http->query(rq, "id", 0),
    };
}

void applied_quotas_list_get(struct api_request *rq)
{
    enum service_scope scope;
    struct service_quota_filter filter = read_filter(rq);
    struct listing l = { .rq = rq, .after = rq->http->query(rq, "page_token", 0) };
    if (!read_scope(rq, &scope) || !api_query_i64(rq, "page_size", 10, 1, PAGE_MAX, &l.size)) return;
    const char *space = l.after.len ? memchr(l.after.data, ' ', l.after.len) : NULL;
    if (!str_is_null(l.after) && (!space || l.after.len > 120)) {
        api_fail_at(rq, 400, "invalid_request", "This page_token is not one of ours.", NULL, "page_token");
        return;
    }
    struct str cluster = { l.after.data, space ? (size_t)(space - l.after.data) : 0 };
    l.data = json_array();
    status result = OK;
    access_mark_asked(rq); /* of each row, in list_one */
    if (!rq->http->query(rq, "network", 0).data) /* there are no networks: none matches */
        result = service_quotas_each(rq->domain, scope, &filter, space ? cluster : STR_NULL, list_one, &l);
    if (failed(result)) {
        json_decref(l.data);
        api_fail(rq, result, NULL);
        return;
    }
    api_reply_list(rq, API_VERSION, "AppliedQuotaList", l.data, l.count > l.size ? l.last : NULL, -1);
}

static bool first(void *arg, const struct service_quota *q)
{
    *(struct service_quota *)arg = *q;
    return false;
}

void applied_quotas_one_get(struct api_request *rq)
{
    struct service_quota quota = { .code = NULL };
    struct service_quota_filter filter = read_filter(rq);
    filter.code = rq->params[0];
    bool of_cluster = !str_is_null(filter.cluster_id);
    status result = OK;
    for (int i = 0; is_ok(result) && i < SCOPE_COUNT && !quota.code; i++) {
        if (i == SCOPE_KAFKA_CLUSTER && !of_cluster) break;
        result = service_quotas_each(rq->domain, (enum service_scope)i, &filter, STR_NULL, first, &quota);
    }
    if (failed(result)) api_fail(rq, result, NULL);
    else if (!quota.code || !shown(rq, &quota))
        api_fail(rq, FAIL(NOT_FOUND), "There is no such quota; one of a cluster needs the query parameter "
                                      "kafka_cluster.");
    else api_reply(rq, 200, to_json(rq, &quota));
}

/* --- scopes ----------------------------------------------------------------------------------------- */

static json_t *scope_json(struct api_request *rq, enum service_scope scope)
{
    struct str self = api_url(rq, "/service-quota/v1/scopes/%s", str_c(service_scope_names[scope]));
    return json_pack("{s:s, s:s, s:s, s:{s:o}, s:s}", "api_version", API_VERSION, "kind", "Scope", "id",
                     service_scope_names[scope], "metadata", "self", api_str(self), "description",
                     service_scope_texts[scope]);
}

void quota_scopes_list_get(struct api_request *rq)
{
    json_t *data = json_array();
    for (int i = 0; i < SCOPE_COUNT; i++) json_array_append_new(data, scope_json(rq, (enum service_scope)i));
    api_reply_list(rq, API_VERSION, "ScopeList", data, NULL, SCOPE_COUNT);
}

void quota_scopes_one_get(struct api_request *rq)
{
    for (int i = 0; i < SCOPE_COUNT; i++) {
        if (!str_eq_c(rq->params[0], service_scope_names[i])) continue;
        api_reply(rq, 200, scope_json(rq, (enum service_scope)i));
        return;
    }
    api_fail(rq, FAIL(NOT_FOUND), "There is no such scope.");
}
