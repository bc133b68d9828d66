/* organizations.c - /org/v2/organizations: there is one. Reads on HTTP threads, its name on the domain
 * thread. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/settings.h"

static json_t *to_json(struct api_request *rq)
{
    const char *id = rq->domain->organisation_id;
    char name[NAME_MAX_BYTES + 1] = "";
    int64_t since = 0; /* of the first migration; stays 0 (null) when it cannot be read */
    (void)db_one_i64(DB(rq->db, "SELECT at FROM migration WHERE number = 1"), &since);
    (void)settings_name(rq->db, name); /* logged; shown without one then */
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b}", "api_version", "org/v2", "kind", "Organization", "id",
                     id, "metadata",
                     control_metadata(rq, api_url(rq, "/org/v2/organizations/%s", str_c(id)),
                                      control_crn(rq, "%s", ""), since, since),
                     "display_name", name, "jit_enabled", 0);
}

void organizations_list_get(struct api_request *rq)
{
    struct api_page page;
    if (!api_page(rq, &page)) return;
    api_reply_list(rq, "org/v2", "OrganizationList", json_pack("[o]", to_json(rq)), NULL, 1);
}

void organizations_one_get(struct api_request *rq)
{
    if (str_eq_c(rq->params[0], rq->domain->organisation_id)) api_reply(rq, 200, to_json(rq));
    else api_fail(rq, FAIL(NOT_FOUND), "There is no such organization.");
}

void organizations_patch(struct api_request *rq)
{
    struct str name;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "display_name", "/display_name", false, &name)) return;
    if (json_is_true(json_object_get(body, "jit_enabled"))) {
        api_fail_at(rq, 422, "invalid_configuration", "People are invited, or come by an identity provider "
                    "that is set up; there is no jit_enabled here.", "/jit_enabled", NULL);
        return;
    }
    status result = str_eq_c(rq->params[0], rq->domain->organisation_id) ? OK : FAIL(NOT_FOUND);
    if (is_ok(result) && name.data) result = settings_rename(rq->domain, &actor, name, &why);
    if (result.code == E_NOT_FOUND) api_fail(rq, result, "There is no such organization.");
    else if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else api_reply(rq, 200, to_json(rq));
}
