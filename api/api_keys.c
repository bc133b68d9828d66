/* api_keys.c - /iam/v2/api-keys. Reads on HTTP threads, changes on the domain thread; a new cluster
 * key is answered once the broker has it. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/api_keys.h"

#define API_VERSION "iam/v2"

static struct str self_of(struct api_request *rq, const char *id)
{
    return api_url(rq, "/iam/v2/api-keys/%s", str_c(id));
}

static json_t *resource_of(struct api_request *rq, const struct api_key *k)
{
    if (k->cluster_id[0]) return control_ref_cluster(rq, k->environment_id, k->cluster_id);
    json_t *ref = control_ref(STR("cloud"), api_url(rq, "/org/v2/organizations"), control_crn(rq, "%s", ""));
    json_object_set_new(ref, "api_version", json_string("iam/v2"));
    json_object_set_new(ref, "kind", json_string("Cloud"));
    return ref;
}

static json_t *to_json(struct api_request *rq, const struct api_key *k, const char *secret)
{
    bool user = strncmp(k->owner, "u-", 2) == 0;
    struct str crn = control_crn(rq, "/%s=%s/api-key=%s", user ? "user" : "service-account", k->owner, k->id);
    json_t *spec = json_pack("{s:s, s:s, s:o, s:o}", "display_name", k->display_name, "description",
                             k->description, "owner", control_ref_owner(rq, k->owner), "resource",
                             resource_of(rq, k));
    if (secret) json_object_set_new(spec, "secret", json_string(secret));
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "api_version", API_VERSION, "kind", "ApiKey", "id", k->id,
                     "metadata",
                     control_metadata(rq, self_of(rq, k->id), crn, k->created_at, k->updated_at),
                     "spec", spec);
}

static void add_row(void *arg, const struct api_key *k)
{
    struct control_page *p = arg;
    const struct role_scope scope = { .environment_id = str_c(k->environment_id),
                                      .cluster_id = str_c(k->cluster_id) };
    bool shown = strcmp(k->owner, p->rq->caller.owner) == 0 || access_allows(p->rq, &scope);
    if (shown && control_page_room(p)) control_page_add(p, to_json(p->rq, k, NULL), k->id);
}

void api_keys_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t total = 0;
    struct str owner = rq->http->query(rq, "spec.owner", 0);
    struct str resource = rq->http->query(rq, "spec.resource", 0);
    if (!control_page_begin(&p, rq)) return;
    status result = api_keys_count(rq->db, owner, resource, &total);
    if (is_ok(result))
        result = api_keys_list(rq->db, owner, resource, p.page.after, access_limit(rq, p.page.size), add_row,
                               &p);
    control_page_end(&p, result, API_VERSION, "ApiKeyList", access_total(rq, total));
}

static void reply_one(struct api_request *rq)
{
    struct api_key k;
    status result = api_keys_get(rq->db, rq->params[0], &k);
    if (failed(result)) api_fail(rq, result, "There is no such API key.");
    else api_reply(rq, 200, to_json(rq, &k, NULL));
}

void api_keys_one_get(struct api_request *rq) { reply_one(rq); }

/* --- create ---------------------------------------------------------------------------------------- */

struct creation {
    struct api_request *rq;
    struct api_key_made made;
};

static void created(void *arg, status result, const struct why *why)
{
    struct creation *c = arg;
    struct api_request *rq = c->rq;
    if (failed(result) && result.code != E_PENDING) {
        control_fail(rq, result, why, STR_NULL);
        return;
    }
    rq->http->set_header(rq, "Location", self_of(rq, c->made.key.id).data);
    json_t *body = to_json(rq, &c->made.key, c->made.secret);
    explicit_bzero(c->made.secret, sizeof c->made.secret);
    api_reply_change(rq, result, why, 202, c->made.version, body);
}

/* spec.resource: {"id": "lkc-…"}, or {"id": "cloud"} (also {"kind": "Cloud"}) for a cloud key. */
static bool read_resource(struct api_request *rq, const json_t *spec, struct str *ret_cluster)
{
    struct str id, kind = api_get_str(json_object_get(spec, "resource"), "kind");
    *ret_cluster = STR_NULL;
    if (!control_ref_id(rq, spec, "resource", "/spec/resource/id", false, &id)) return false;
    if (!id.data && !str_eq_c(kind, "Cloud")) {
        api_fail_at(rq, 400, "invalid_request",
                    "/spec/resource/id is required: a cluster's id, or cloud for a control-plane key.",
                    "/spec/resource/id", NULL);
        return false;
    }
    if (str_eq_c(id, "cloud") || str_eq_c(kind, "Cloud")) return true;
    *ret_cluster = id;
    return true;
}

/* A key acts with its owner's roles or ACLs: a cloud key for oneself, or for others by who may do
 * everything; a cluster's key by who gives access to that cluster. */
static bool permit(struct api_request *rq, const struct api_key_spec *spec)
{
    static const struct role_scope everywhere = { .name = { "", 0 } };
    if (spec->cluster_id.data) return access_permit_cluster(rq, spec->cluster_id);
    if (!str_eq_c(spec->owner, rq->caller.owner)) return access_permit(rq, &everywhere);
    access_mark_asked(rq);
    return true;
}

void api_keys_post(struct api_request *rq)
{
    struct api_key_spec spec = { 0 };
    struct actor actor = control_actor(rq);
    json_t *body = control_spec(rq);
    if (!body || !control_str(rq, body, "display_name", "/spec/display_name", false, &spec.display_name) ||
        !control_str(rq, body, "description", "/spec/description", false, &spec.description) ||
        !control_ref_id(rq, body, "owner", "/spec/owner/id", true, &spec.owner) ||
        !read_resource(rq, body, &spec.cluster_id))
        return;
    if (!permit(rq, &spec)) return;
    struct creation *c = ARENA_NEW(rq->arena, struct creation);
    if (!c) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    c->rq = rq;
    api_keys_create(rq->domain, &actor, &spec, &c->made, created, c);
}

/* --- change ---------------------------------------------------------------------------------------- */

void api_keys_patch(struct api_request *rq)
{
    struct str name, description;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    json_t *spec = control_spec(rq);
    if (!spec || !control_str(rq, spec, "display_name", "/spec/display_name", false, &name) ||
        !control_str(rq, spec, "description", "/spec/description", false, &description))
        return;
    status result = api_keys_update(rq->domain, &actor, rq->params[0], name, description, &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_one(rq);
}

struct deletion {
    struct api_request *rq;
    int64_t version;
};

static void deleted(void *arg, status result, const struct why *why)
{
    struct deletion *d = arg;
    api_reply_change(d->rq, result, why, 204, d->version, NULL);
}

void api_keys_one_delete(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    struct deletion *d = ARENA_NEW(rq->arena, struct deletion);
    if (!d) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    d->rq = rq;
    api_keys_delete(rq->domain, &actor, rq->params[0], &d->version, deleted, d);
}
