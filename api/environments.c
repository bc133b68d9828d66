/* environments.c - /org/v2/environments. Reads on HTTP threads, changes on the domain thread. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/environments.h"

#define API_VERSION "org/v2"

static struct str self_of(struct api_request *rq, const char *id)
{
    return api_url(rq, "/org/v2/environments/%s", str_c(id));
}

/* Who asked for no governance package is shown none: tools wait for a schema registry where there is one. */
static json_t *to_json(struct api_request *rq, const struct environment *e)
{
    json_t *governance = e->package[0] ? json_pack("{s:s}", "package", e->package) : NULL;
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o*}", "api_version", API_VERSION, "kind",
                     "Environment", "id", e->id, "metadata",
                     control_metadata(rq, self_of(rq, e->id), control_crn(rq, "/environment=%s", e->id),
                                      e->created_at, e->updated_at),
                     "display_name", e->display_name, "stream_governance_config", governance);
}

static void add_row(void *arg, const struct environment *e)
{
    struct control_page *p = arg;
    const struct role_scope scope = { .environment_id = str_c(e->id) };
    if (access_allows(p->rq, &scope) && control_page_room(p))
        control_page_add(p, to_json(p->rq, e), e->id);
}

void environments_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t total = 0;
    if (!control_page_begin(&p, rq)) return;
    status result = environments_count(rq->db, &total);
    if (is_ok(result)) result = environments_list(rq->db, p.page.after, access_limit(rq, p.page.size),
                                                  add_row, &p);
    control_page_end(&p, result, API_VERSION, "EnvironmentList", access_total(rq, total));
}

static void reply_one(struct api_request *rq, struct str id, int http)
{
    struct environment e;
    status result = environments_get(rq->db, id, &e);
    if (failed(result)) {
        api_fail(rq, result, "There is no such environment.");
        return;
    }
    if (http == 201) rq->http->set_header(rq, "Location", self_of(rq, e.id).data);
    api_reply(rq, http, to_json(rq, &e));
}

void environments_one_get(struct api_request *rq) { reply_one(rq, rq->params[0], 200); }

static struct str location_of_name(struct api_request *rq, struct str name)
{
    struct environment e;
    return is_ok(environments_find(rq->db, name, &e)) ? self_of(rq, e.id) : STR_NULL;
}

/* Members of a body; false: answered. */
static bool read_body(struct api_request *rq, bool create, struct environment_write *ret)
{
    json_t *body = api_body(rq);
    *ret = (struct environment_write){ STR_NULL, STR_NULL };
    if (!body || !control_str(rq, body, "display_name", "/display_name", create, &ret->display_name))
        return false;
    const json_t *config = json_object_get(body, "stream_governance_config");
    if (!config || json_is_null(config)) return true;
    if (!json_is_object(config)) {
        api_fail_at(rq, 400, "invalid_request", "/stream_governance_config must be an object with a package.",
                    "/stream_governance_config", NULL);
        return false;
    }
    return control_str(rq, config, "package", "/stream_governance_config/package", true, &ret->package);
}

void environments_post(struct api_request *rq)
{
    struct environment_write write;
    struct why why = { "" };
    struct environment e;
    struct actor actor = control_actor(rq);
    if (!read_body(rq, true, &write)) return;
    status result = environments_create(rq->domain, &actor, &write, &e, &why);
    if (failed(result)) control_fail(rq, result, &why, location_of_name(rq, write.display_name));
    else reply_one(rq, str_c(e.id), 201);
}

void environments_patch(struct api_request *rq)
{
    struct environment_write write;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    if (!read_body(rq, false, &write)) return;
    status result = OK;
    if (write.display_name.data || write.package.data)
        result = environments_update(rq->domain, &actor, rq->params[0], &write, &why);
    if (failed(result))
        control_fail(rq, result, &why,
                     write.display_name.data ? location_of_name(rq, write.display_name) : STR_NULL);
    else reply_one(rq, rq->params[0], 200);
}

void environments_one_delete(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = environments_delete(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else api_reply(rq, 204, NULL);
}
