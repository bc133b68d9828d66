/* organizations.c - /org/v2/organizations: there is one. HTTP threads. */
#include "api/control.h"
#include "api/handlers.h"

static json_t *to_json(struct api_request *rq)
{
    const char *id = rq->domain->organisation_id;
    int64_t since = 0; /* of the first migration; stays 0 (null) when it cannot be read */
    (void)db_one_i64(DB(rq->db, "SELECT at FROM migration WHERE number = 1"), &since);
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:b}", "api_version", "org/v2", "kind", "Organization", "id",
                     id, "metadata",
                     control_metadata(rq, api_url(rq, "/org/v2/organizations/%s", str_c(id)),
                                      control_crn(rq, "%s", ""), since, since),
                     "display_name", "Leat", "jit_enabled", 0);
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
