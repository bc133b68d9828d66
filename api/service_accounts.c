/* service_accounts.c - /iam/v2/service-accounts. Reads on HTTP threads, changes on the domain thread. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/accounts.h"

#define API_VERSION "iam/v2"

static struct str self_of(struct api_request *rq, const char *id)
{
    return api_url(rq, "/iam/v2/service-accounts/%s", str_c(id));
}

static json_t *to_json(struct api_request *rq, const struct account *a)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "api_version", API_VERSION, "kind", "ServiceAccount",
                     "id", a->id, "metadata",
                     control_metadata(rq, self_of(rq, a->id), control_crn(rq, "/service-account=%s", a->id),
                                      a->created_at, a->updated_at),
                     "display_name", a->display_name, "description", a->description);
}

static void add_row(void *arg, const struct account *a)
{
    struct control_page *p = arg;
    if (control_page_room(p)) control_page_add(p, to_json(p->rq, a), a->id);
}

/* Filter display_name, which may be given several times. */
static bool list_by_name(struct control_page *p, status *result, int64_t *total)
{
    struct api_request *rq = p->rq;
    struct account a;
    bool filtered = false;
    for (int n = 0; n < 100; n++) {
        struct str name = rq->http->query(rq, "display_name", n);
        if (!name.data) break;
        filtered = true;
        status found = accounts_find(rq->db, name, &a);
        if (is_ok(found)) {
            add_row(p, &a);
            ++*total;
        } else if (found.code != E_NOT_FOUND) {
            *result = found;
        }
    }
    return filtered;
}

void service_accounts_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t total = 0;
    status result = OK;
    if (!control_page_begin(&p, rq)) return;
    if (!list_by_name(&p, &result, &total)) {
        result = accounts_count(rq->db, &total);
        if (is_ok(result)) result = accounts_list(rq->db, p.page.after, p.page.size + 1, add_row, &p);
    }
    control_page_end(&p, result, API_VERSION, "ServiceAccountList", total);
}

static void reply_one(struct api_request *rq, struct str id, int http)
{
    struct account a;
    status result = accounts_get(rq->db, id, &a);
    if (failed(result)) {
        api_fail(rq, result, "There is no such service account.");
        return;
    }
    if (http == 201) rq->http->set_header(rq, "Location", self_of(rq, a.id).data);
    api_reply(rq, http, to_json(rq, &a));
}

void service_accounts_one_get(struct api_request *rq) { reply_one(rq, rq->params[0], 200); }

void service_accounts_post(struct api_request *rq)
{
    struct str name, description;
    struct why why = { "" };
    struct account a;
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "display_name", "/display_name", true, &name) ||
        !control_str(rq, body, "description", "/description", false, &description))
        return;
    status result = accounts_create(rq->domain, &actor, name, description, &a, &why);
    if (is_ok(result)) {
        reply_one(rq, str_c(a.id), 201);
        return;
    }
    bool taken = result.code == E_EXISTS && is_ok(accounts_find(rq->db, name, &a));
    control_fail(rq, result, &why, taken ? self_of(rq, a.id) : STR_NULL);
}

void service_accounts_patch(struct api_request *rq)
{
    struct str description;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "description", "/description", false, &description)) return;
    status result = OK;
    if (description.data)
        result = accounts_describe(rq->domain, &actor, rq->params[0], description, &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else reply_one(rq, rq->params[0], 200);
}

static void deleted(void *arg, status result, const struct why *why)
{
    struct api_request *rq = arg;
    api_reply_change(rq, result, why, 204, 0, NULL);
}

void service_accounts_one_delete(struct api_request *rq)
{
    struct actor actor = control_actor(rq);
    accounts_delete(rq->domain, &actor, rq->params[0], deleted, rq);
}
