/* client_quotas.c - /kafka-quotas/v1/client-quotas. Reads on HTTP threads, changes on the domain
 * thread. Rates travel as decimal strings. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/clusters.h"
#include "domain/quotas.h"

#include <stdio.h>

#define API_VERSION "kafka-quotas/v1"

static struct str self_of(struct api_request *rq, const char *id)
{
    return api_url(rq, "/kafka-quotas/v1/client-quotas/%s", str_c(id));
}

struct principals {
    struct api_request *rq;
    json_t *list;
};

static void add_principal(void *arg, struct str principal)
{
    struct principals *p = arg;
    const char *id = arena_cstr(p->rq->arena, principal);
    if (!id) return;
    json_array_append_new(p->list, strcmp(id, QUOTA_DEFAULT) == 0 ? json_pack("{s:s}", "id", id)
                                                                  : control_ref_owner(p->rq, id));
}

static json_t *rate(int64_t bytes_per_s)
{
    char text[24];
    if (bytes_per_s < 0) return json_null();
    snprintf(text, sizeof text, "%lld", (long long)bytes_per_s);
    return json_string(text);
}

static json_t *to_json(struct api_request *rq, const struct client_quota *q)
{
    struct principals principals = { rq, json_array() };
    (void)quotas_principals(rq->db, str_c(q->id), add_principal, &principals);
    json_t *spec = json_pack("{s:s, s:s, s:{s:o, s:o}, s:o, s:o, s:o}", "display_name", q->display_name,
                             "description", q->description, "throughput", "ingress_byte_rate",
                             rate(q->ingress_bytes_per_s), "egress_byte_rate", rate(q->egress_bytes_per_s),
                             "cluster", control_ref_cluster(rq, q->environment_id, q->cluster_id),
                             "principals", principals.list, "environment",
                             control_ref_environment(rq, q->environment_id));
    struct str crn = control_crn(rq, "/environment=%s/cloud-cluster=%s/client-quota=%s", q->environment_id,
                                 q->cluster_id, q->id);
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "api_version", API_VERSION, "kind", "ClientQuota", "id",
                     q->id, "metadata",
                     control_metadata(rq, self_of(rq, q->id), crn, q->created_at, q->updated_at),
                     "spec", spec);
}

static void add_row(void *arg, const struct client_quota *q)
{
    struct control_page *p = arg;
    if (control_page_room(p)) control_page_add(p, to_json(p->rq, q), q->id);
}

static bool required(struct api_request *rq, struct str value, const char *parameter)
{
    if (value.len) return true;
    struct str text = arena_printf(rq->arena, "The query parameter %s is required.", parameter);
    api_fail_at(rq, 400, NULL, text.data, NULL, parameter);
    return false;
}

void client_quotas_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t total = 0;
    struct str cluster = rq->http->query(rq, "spec.cluster", 0);
    struct str environment = rq->http->query(rq, "environment", 0);
    struct cluster c;
    if (!required(rq, cluster, "spec.cluster") || !required(rq, environment, "environment")) return;
    if (!access_permit_cluster(rq, cluster) || !control_page_begin(&p, rq)) return;
    status result = clusters_get(rq->db, cluster, &c);
    if (result.code == E_NOT_FOUND || (is_ok(result) && !str_eq_c(environment, c.environment_id))) {
        control_page_end(&p, OK, API_VERSION, "ClientQuotaList", 0);
        return;
    }
    if (is_ok(result)) result = quotas_count(rq->db, cluster, &total);
    if (is_ok(result)) result = quotas_list(rq->db, cluster, p.page.after, p.page.size + 1, add_row, &p);
    control_page_end(&p, result, API_VERSION, "ClientQuotaList", total);
}

void client_quotas_one_get(struct api_request *rq)
{
    struct client_quota q;
    status result = quotas_get(rq->db, rq->params[0], &q);
    if (failed(result)) api_fail(rq, result, "There is no such client quota.");
    else api_reply(rq, 200, to_json(rq, &q));
}

/* --- bodies ---------------------------------------------------------------------------------------- */

/* A rate as a decimal string (a number is accepted too); null: not set; absent: *ret stays. */
static bool read_rate(struct api_request *rq, const json_t *throughput, const char *name, int64_t *ret)
{
    const json_t *v = json_object_get(throughput, name);
    int64_t rate_value = -1;
    if (!v) return true;
    bool good = json_is_null(v);
    if (json_is_integer(v)) good = (rate_value = json_integer_value(v)) > 0;
    if (json_is_string(v))
        good = str_to_i64((struct str){ json_string_value(v), json_string_length(v) }, &rate_value) &&
               rate_value > 0;
    if (good) {
        *ret = rate_value;
        return true;
    }
    api_fail_at(rq, 422, "invalid_configuration",
                "A rate is a decimal string of bytes a second above 0, like \"1048576\".",
                strcmp(name, "ingress_byte_rate") == 0 ? "/spec/throughput/ingress_byte_rate"
                                                       : "/spec/throughput/egress_byte_rate", NULL);
    return false;
}

static bool read_principals(struct api_request *rq, const json_t *spec, struct quota_spec *out)
{
    const json_t *list = json_object_get(spec, "principals");
    if (!list || json_is_null(list)) return true;
    size_t n = json_is_array(list) ? json_array_size(list) : 0;
    struct str *ids = n <= QUOTA_PRINCIPALS_MAX ? ARENA_ARRAY(rq->arena, struct str, n + 1) : NULL;
    for (size_t i = 0; ids && i < n; i++) {
        ids[i] = api_get_str(json_array_get(list, i), "id");
        if (!ids[i].data) ids = NULL;
    }
    if (!json_is_array(list) || !ids) {
        api_fail_at(rq, 422, "invalid_configuration", "spec.principals is a list of {\"id\": …}.",
                    "/spec/principals", NULL);
        return false;
    }
    out->principals = ids;
    out->principal_count = n;
    return true;
}

static bool read_spec(struct api_request *rq, const json_t *spec, bool create, struct quota_spec *out)
{
    int64_t absent = create ? -1 : -2;
    *out = (struct quota_spec){ .ingress_bytes_per_s = absent, .egress_bytes_per_s = absent };
    const json_t *throughput = json_object_get(spec, "throughput");
    return control_str(rq, spec, "display_name", "/spec/display_name", create, &out->display_name) &&
           control_str(rq, spec, "description", "/spec/description", false, &out->description) &&
           control_ref_id(rq, spec, "cluster", "/spec/cluster/id", create, &out->cluster_id) &&
           control_ref_id(rq, spec, "environment", "/spec/environment/id", false, &out->environment_id) &&
           read_rate(rq, throughput, "ingress_byte_rate", &out->ingress_bytes_per_s) &&
           read_rate(rq, throughput, "egress_byte_rate", &out->egress_bytes_per_s) &&
           read_principals(rq, spec, out);
}

/* --- changes --------------------------------------------------------------------------------------- */

struct pending {
    struct api_request *rq;
    char id[ID_TEXT];
    int64_t version;
    int http;
};

static void changed(void *arg, status result, const struct why *why)
{
    struct pending *p = arg;
    struct api_request *rq = p->rq;
    struct client_quota q;
    if (failed(result) && result.code != E_PENDING) {
        control_fail(rq, result, why, STR_NULL);
        return;
    }
    json_t *body = NULL;
    if (p->http != 204 && is_ok(quotas_get(rq->db, str_c(p->id), &q))) body = to_json(rq, &q);
    if (p->http == 202) rq->http->set_header(rq, "Location", self_of(rq, p->id).data);
    api_reply_change(rq, result, why, p->http, p->version, body);
}

static struct pending *pending_new(struct api_request *rq, struct str id, int http)
{
    struct pending *p = ARENA_NEW(rq->arena, struct pending);
    if (!p) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return NULL;
    }
    p->rq = rq;
    p->http = http;
    str_copy(p->id, sizeof p->id, id);
    return p;
}

void client_quotas_post(struct api_request *rq)
{
    struct quota_spec spec;
    struct actor actor = control_actor(rq);
    json_t *body = control_spec(rq);
    if (!body || !read_spec(rq, body, true, &spec)) return;
    if (!access_permit_cluster(rq, spec.cluster_id)) return;
    struct pending *p = pending_new(rq, STR(""), 202);
    if (p) quotas_create(rq->domain, &actor, &spec, p->id, &p->version, changed, p);
}

void client_quotas_patch(struct api_request *rq)
{
    struct quota_spec spec;
    struct actor actor = control_actor(rq);
    json_t *body = control_spec(rq);
    if (!body || !read_spec(rq, body, false, &spec)) return;
    struct pending *p = pending_new(rq, rq->params[0], 200);
    if (p) quotas_update(rq->domain, &actor, rq->params[0], &spec, &p->version, changed, p);
}

void client_quotas_one_delete(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    struct pending *p = pending_new(rq, rq->params[0], 204);
    if (p) quotas_delete(rq->domain, &actor, rq->params[0], &p->version, changed, p);
}
