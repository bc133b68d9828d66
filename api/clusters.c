/* clusters.c - /cmk/v2/clusters: clusters as other tools know them. Domain thread throughout, since the
 * phase comes from the supervisor. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/clusters.h"

#define API_VERSION "cmk/v2"
#define PROVISIONING_MS 60000 /* a start that takes longer is not called provisioning any more */

static struct str self_of(struct api_request *rq, const char *id)
{
    return api_url(rq, "/cmk/v2/clusters/%s", str_c(id));
}

/* Clients know three phases and fail on any other; what we know beyond stands under /leat/v1. */
static const char *phase_of(const struct domain *domain, const struct cluster *c)
{
    char proc[64];
    struct proc_info info;
    clusters_proc_id(c->id, proc);
    if (c->paused_at) return "PROVISIONED";
    if (!domain->supervisor || !supervisor_info(domain->supervisor, proc, &info)) return "PROVISIONING";
    if (info.state == PROC_CRASH_LOOP) return "FAILED";
    bool told = !domain->engine || engine_version(domain->engine, c->id) > 0;
    bool serves = info.state == PROC_RUNNING && told;
    if (serves || domain_wall() - c->created_at > PROVISIONING_MS) return "PROVISIONED";
    return "PROVISIONING";
}

static json_t *config_of(const struct cluster *c)
{
    if (strcmp(c->kind, "Dedicated") != 0) return json_pack("{s:s}", "kind", c->kind);
    return json_pack("{s:s, s:I, s:[]}", "kind", c->kind, "cku", (json_int_t)c->cku, "zones");
}

/* The map of doors; PUBLIC is the name (and type) of the one there is. */
static json_t *endpoints_of(struct api_request *rq, struct str kafka)
{
    return json_pack("{s:{s:o, s:o, s:s}}", "PUBLIC", "kafka_bootstrap_endpoint", api_str(kafka),
                     "http_endpoint", api_str(rq->base_url), "connection_type", "PUBLIC");
}

static json_t *spec_of(struct api_request *rq, const struct cluster *c)
{
    struct str at = clusters_bootstrap(rq->domain, c, rq->arena);
    struct str kafka = arena_printf(rq->arena, "SASL_PLAINTEXT://%.*s", STR_ARG(at));
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o}",
                     "display_name", c->display_name, "availability", c->availability,
                     "cloud", c->cloud, "region", c->region, "config", config_of(c),
                     "kafka_bootstrap_endpoint", api_str(kafka), "http_endpoint", api_str(rq->base_url),
                     "api_endpoint", api_str(rq->base_url), "endpoints", endpoints_of(rq, kafka),
                     "deletion_protection", c->deletion_protection, "environment",
                     control_ref_environment(rq, c->environment_id));
}

static json_t *to_json(struct api_request *rq, const struct cluster *c)
{
    struct str crn = control_crn(rq, "/environment=%s/cloud-cluster=%s/kafka=%s", c->environment_id,
                                 c->id, c->id);
    json_t *phase = json_pack("{s:s}", "phase", phase_of(rq->domain, c));
    if (strcmp(c->kind, "Dedicated") == 0) json_object_set_new(phase, "cku", json_integer(c->cku));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "api_version", API_VERSION, "kind", "Cluster", "id",
                     c->id, "metadata",
                     control_metadata(rq, self_of(rq, c->id), crn, c->created_at, c->updated_at),
                     "spec", spec_of(rq, c), "status", phase);
}

static void add_row(void *arg, const struct cluster *c)
{
    struct control_page *p = arg;
    const struct role_scope scope = { .environment_id = str_c(c->environment_id),
                                      .cluster_id = str_c(c->id) };
    if (access_allows(p->rq, &scope) && control_page_room(p)) control_page_add(p, to_json(p->rq, c), c->id);
}

/* The filters of the query; false: answered 400. */
static bool read_filter(struct api_request *rq, struct cluster_filter *ret)
{
    struct str protect = rq->http->query(rq, "spec.deletion_protection", 0);
    *ret = (struct cluster_filter){ rq->http->query(rq, "environment", 0), -1 };
    const char *wrong = NULL, *detail = NULL;
    if (str_is_null(ret->environment_id)) {
        wrong = "environment";
        detail = "The query parameter environment is required.";
    } else if (str_eq_c(protect, "true") || str_eq_c(protect, "false")) {
        ret->deletion_protection = str_eq_c(protect, "true");
    } else if (protect.data) {
        wrong = "spec.deletion_protection";
        detail = "spec.deletion_protection is true or false.";
    }
    if (wrong) api_fail_at(rq, 400, "invalid_request", detail, NULL, wrong);
    return !wrong;
}

void clusters_list_get(struct api_request *rq)
{
    struct control_page p;
    struct cluster_filter filter;
    int64_t total = 0;
    if (!read_filter(rq, &filter) || !control_page_begin(&p, rq)) return;
    status result = OK;
    bool networks = rq->http->query(rq, "spec.network", 0).data != NULL; /* there are none: none matches */
    if (!networks) result = clusters_count_where(rq->db, &filter, &total);
    if (!networks && is_ok(result))
        result = clusters_list_where(rq->db, &filter, p.page.after, access_limit(rq, p.page.size), add_row,
                                     &p);
    control_page_end(&p, result, API_VERSION, "ClusterList", access_total(rq, total));
}

/* The cluster of the path; with ?environment= it must be that one's. False: answered 404. */
static bool find(struct api_request *rq, struct cluster *ret)
{
    struct str environment = rq->http->query(rq, "environment", 0);
    status result = clusters_get(rq->db, rq->params[0], ret);
    if (is_ok(result) && environment.data && !str_eq_c(environment, ret->environment_id))
        result = FAIL(NOT_FOUND);
    if (is_ok(result)) return true;
    api_fail(rq, result, "There is no such cluster in this environment.");
    return false;
}

void clusters_one_get(struct api_request *rq)
{
    struct cluster c;
    if (find(rq, &c)) api_reply(rq, 200, to_json(rq, &c));
}

static bool fail_spec(struct api_request *rq, const char *detail, const char *pointer)
{
    api_fail_at(rq, 422, "invalid_configuration", detail, pointer, NULL);
    return false;
}

/* What the dialect has and one machine cannot mean: refused rather than dropped in silence. */
static bool refuse_unoffered(struct api_request *rq, const json_t *spec)
{
    const json_t *config = json_object_get(spec, "config");
    if (api_get_str(config, "encryption_key").len)
        return fail_spec(rq, "Keys of your own for encryption are not offered here.",
                         "/spec/config/encryption_key");
    const json_t *ecku = json_object_get(config, "max_ecku");
    if (ecku && !json_is_null(ecku))
        return fail_spec(rq, "There are no elastic units here: how much a cluster may take is its plan's to "
                             "say, or limits of its own by PATCH /leat/v1/clusters/{id}.",
                         "/spec/config/max_ecku");
    if (api_get_str(json_object_get(spec, "byok"), "id").len)
        return fail_spec(rq, "Keys of your own for encryption are not offered here.", "/spec/byok");
    if (api_get_str(json_object_get(spec, "network"), "id").len)
        return fail_spec(rq, "There are no networks here: every cluster is reached by its PUBLIC endpoint.",
                         "/spec/network");
    return true;
}

/* config {"kind", "cku"}: kind as is or as "cmk.v2.Kind". */
static bool read_config(struct api_request *rq, const json_t *spec, bool required, struct str *ret_kind,
                        int64_t *ret_cku)
{
    const json_t *config = json_object_get(spec, "config");
    const json_t *cku = json_object_get(config, "cku");
    if (!refuse_unoffered(rq, spec)) return false;
    if ((!config || json_is_null(config)) && !required) return true;
    if (!json_is_object(config)) {
        api_fail_at(rq, 400, "invalid_request", "/spec/config is required: an object with a kind.",
                    "/spec/config", NULL);
        return false;
    }
    if (!control_str(rq, config, "kind", "/spec/config/kind", true, ret_kind)) return false;
    if (str_starts(*ret_kind, STR("cmk.v2."))) {
        ret_kind->data += 7;
        ret_kind->len -= 7;
    }
    if (json_is_integer(cku) && json_integer_value(cku) > 0) {
        *ret_cku = json_integer_value(cku);
    } else if (cku && !json_is_null(cku)) {
        return fail_spec(rq, "cku is a number from 1.", "/spec/config/cku");
    }
    return true;
}

static bool read_protection(struct api_request *rq, const json_t *spec, int *ret)
{
    const json_t *protect = json_object_get(spec, "deletion_protection");
    if (!protect || json_is_null(protect)) return true;
    if (json_is_boolean(protect)) {
        *ret = json_is_true(protect);
        return true;
    }
    api_fail_at(rq, 400, "invalid_request", "/spec/deletion_protection must be true or false.",
                "/spec/deletion_protection", NULL);
    return false;
}

static bool read_create(struct api_request *rq, const json_t *spec, struct cluster_spec *out)
{
    *out = (struct cluster_spec){ .cku = 1 };
    return control_str(rq, spec, "display_name", "/spec/display_name", true, &out->display_name) &&
           control_str(rq, spec, "availability", "/spec/availability", true, &out->availability) &&
           control_str(rq, spec, "cloud", "/spec/cloud", true, &out->cloud) &&
           control_str(rq, spec, "region", "/spec/region", true, &out->region) &&
           control_ref_id(rq, spec, "environment", "/spec/environment/id", true, &out->environment_id) &&
           read_protection(rq, spec, &out->deletion_protection) &&
           read_config(rq, spec, true, &out->kind, &out->cku);
}

/* The part of the config that a refusal is about. */
static const char *pointer_of(const struct why *why)
{
    return strstr(why->text, "cku") ? "/spec/config/cku" : strstr(why->text, "kind") ? "/spec/config/kind"
                                                                                     : "/spec/config";
}

void clusters_post(struct api_request *rq)
{
    struct cluster_spec spec;
    struct cluster c;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    json_t *body = control_spec(rq);
    if (!body || !read_create(rq, body, &spec)) return;
    const struct role_scope scope = { .environment_id = spec.environment_id };
    if (!access_permit(rq, &scope)) return;
    status result = clusters_create(rq->domain, &actor, &spec, &c, &why);
    if (is_ok(result)) {
        rq->http->set_header(rq, "Location", self_of(rq, c.id).data);
        api_reply(rq, 202, to_json(rq, &c));
        return;
    }
    bool taken = result.code == E_EXISTS &&
                 is_ok(clusters_find(rq->db, spec.environment_id, spec.display_name, &c));
    if (result.code == E_PRECONDITION)
        (void)fail_spec(rq, why.text, pointer_of(&why));
    else
        control_fail(rq, result, &why, taken ? self_of(rq, c.id) : STR_NULL);
}

/* Of the cluster that has the name which a change wanted; null: none has. */
static struct str location_of_taken(struct api_request *rq, const struct cluster *c)
{
    struct cluster other;
    const json_t *spec = json_object_get(rq->json, "spec");
    struct str name = api_get_str(spec, "display_name");
    bool taken = name.data && is_ok(clusters_find(rq->db, str_c(c->environment_id), name, &other));
    return taken ? self_of(rq, other.id) : STR_NULL;
}

static void patched(void *arg, status result, const struct why *why)
{
    struct api_request *rq = arg;
    struct cluster c;
    status found = clusters_get(rq->db, rq->params[0], &c);
    if (failed(found)) api_fail(rq, found, "There is no such cluster in this environment.");
    else if (result.code == E_PRECONDITION) (void)fail_spec(rq, why->text, pointer_of(why));
    else if (failed(result) && result.code != E_PENDING)
        control_fail(rq, result, why, result.code == E_EXISTS ? location_of_taken(rq, &c) : STR_NULL);
    else api_reply_change(rq, result, why, 200, c.metadata_version, to_json(rq, &c));
}

void clusters_patch(struct api_request *rq)
{
    struct cluster_patch patch = cluster_patch_none;
    struct cluster c;
    struct str environment;
    struct actor actor = control_actor(rq);
    json_t *spec = control_spec(rq);
    if (!spec || !find(rq, &c) ||
        !control_ref_id(rq, spec, "environment", "/spec/environment/id", false, &environment) ||
        !control_str(rq, spec, "display_name", "/spec/display_name", false, &patch.display_name) ||
        !control_str(rq, spec, "availability", "/spec/availability", false, &patch.availability) ||
        !read_protection(rq, spec, &patch.deletion_protection) ||
        !read_config(rq, spec, false, &patch.kind, &patch.cku))
        return;
    if (environment.data && !str_eq_c(environment, c.environment_id)) {
        api_fail(rq, FAIL(NOT_FOUND), "There is no such cluster in this environment.");
        return;
    }
    clusters_update(rq->domain, &actor, rq->params[0], &patch, patched, rq);
}

void clusters_one_delete(struct api_request *rq)
{
    struct cluster c;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    if (!find(rq, &c)) return;
    status result = clusters_delete(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else api_reply(rq, 204, NULL);
}
