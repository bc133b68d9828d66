/* group_mappings.c - /iam/v2/sso/group-mappings. Reads on HTTP threads, changes on the domain thread. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/group_mappings.h"

#define API_VERSION "iam.v2/sso"

static struct str self_of(struct api_request *rq, const char *id)
{
    return api_url(rq, "/iam/v2/sso/group-mappings/%s", str_c(id));
}

static json_t *to_json(struct api_request *rq, const struct group_mapping *m)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s}", "api_version", API_VERSION, "kind",
                     "GroupMapping", "id", m->id, "metadata",
                     control_metadata(rq, self_of(rq, m->id), control_crn(rq, "/group-mapping=%s", m->id),
                                      m->created_at, m->updated_at),
                     "display_name", m->display_name, "description", m->description, "filter", m->filter,
                     "principal", m->id, "state", "ENABLED");
}

static void add_row(void *arg, const struct group_mapping *m)
{
    struct control_page *p = arg;
    if (control_page_room(p)) control_page_add(p, to_json(p->rq, m), m->id);
}

void group_mappings_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t total = 0;
    if (!control_page_begin(&p, rq)) return;
    status result = group_mappings_count(rq->db, &total);
    if (is_ok(result)) result = group_mappings_list(rq->db, p.page.after, p.page.size + 1, add_row, &p);
    control_page_end(&p, result, API_VERSION, "GroupMappingList", total);
}

static void reply_one(struct api_request *rq, struct str id, int http)
{
    struct group_mapping m;
    status result = group_mappings_get(rq->db, id, &m);
    if (failed(result)) {
        api_fail(rq, result, "There is no such group mapping.");
        return;
    }
    if (http == 201) rq->http->set_header(rq, "Location", self_of(rq, m.id).data);
    api_reply(rq, http, to_json(rq, &m));
}

void group_mappings_one_get(struct api_request *rq) { reply_one(rq, rq->params[0], 200); }

/* False: answered. */
static bool read_write(struct api_request *rq, bool new, struct group_mapping_write *w)
{
    json_t *body = api_body(rq);
    return body && control_str(rq, body, "display_name", "/display_name", new, &w->display_name) &&
           control_str(rq, body, "description", "/description", false, &w->description) &&
           control_str(rq, body, "filter", "/filter", new, &w->filter);
}

void group_mappings_post(struct api_request *rq)
{
    struct group_mapping_write w;
    struct group_mapping m;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    if (!read_write(rq, true, &w)) return;
    status result = group_mappings_create(rq->domain, &actor, &w, &m, &why);
    if (is_ok(result)) reply_one(rq, str_c(m.id), 201);
    else control_fail(rq, result, &why, result.code == E_EXISTS ? self_of(rq, m.id) : STR_NULL);
}

void group_mappings_patch(struct api_request *rq)
{
    struct group_mapping_write w;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    if (!read_write(rq, false, &w)) return;
    status result = group_mappings_update(rq->domain, &actor, rq->params[0], &w, &why);
    if (result.code == E_NOT_FOUND) why_set(&why, "There is no such group mapping.");
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_one(rq, rq->params[0], 200);
}

void group_mappings_one_delete(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = group_mappings_delete(rq->domain, &actor, rq->params[0]);
    if (result.code == E_NOT_FOUND) why_set(&why, "There is no such group mapping.");
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else api_reply(rq, 204, NULL);
}
