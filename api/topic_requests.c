/* topic_requests.c - /leat/v1/topic-requests. Reads on HTTP threads, changes on the domain thread. A page's
 * token is the number of its last row. */
#include "api/access.h"
#include "api/control.h"
#include "api/handlers.h"
#include "domain/clusters.h"
#include "domain/topic_requests.h"

#include <stdio.h>

static json_t *parsed(struct str text, json_t *fallback)
{
    json_t *json = json_loadb(text.data, text.len, 0, NULL);
    if (!json) return fallback;
    json_decref(fallback);
    return json;
}

static json_t *name_or_null(struct str name) { return name.len ? api_str(name) : json_null(); }

static json_t *to_json(struct api_request *rq, const struct topic_request *r)
{
    json_t *json = json_pack("{s:s, s:o, s:{s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", "TopicRequest",
                             "id", api_str(r->id), "metadata", "self",
                             api_str(api_url(rq, "/leat/v1/topic-requests/%s", r->id)), "cluster_id",
                             api_str(r->cluster_id), "state", api_str(r->state), "topic_name",
                             api_str(r->topic), "partitions_count",
                             r->partitions < 0 ? json_null() : json_integer(r->partitions), "configs",
                             parsed(r->configs, json_object()), "access", parsed(r->access, json_array()),
                             "justification", api_str(r->justification));
    json_object_set_new(json, "requested_by", api_str(r->requested_by));
    json_object_set_new(json, "requested_at", api_time(r->requested_at));
    json_object_set_new(json, "decided_by", name_or_null(r->decided_by));
    json_object_set_new(json, "decided_at", api_time(r->decided_at));
    json_object_set_new(json, "reason", api_str(r->reason));
    return json;
}

static void add_row(void *arg, const struct topic_request *r)
{
    char seq[24];
    struct control_page *p = arg;
    struct cluster c = { .id = "" };
    if (failed(clusters_get(p->rq->db, r->cluster_id, &c))) return;
    const struct role_scope scope = { .environment_id = str_c(c.environment_id), .cluster_id = str_c(c.id) };
    bool shown = access_allows(p->rq, &scope) || str_eq_c(r->requested_by, p->rq->caller.owner);
    if (!shown || !control_page_room(p)) return;
    snprintf(seq, sizeof seq, "%lld", (long long)r->seq);
    control_page_add(p, to_json(p->rq, r), seq);
}

void topic_requests_list_get(struct api_request *rq)
{
    struct control_page p;
    struct topic_request_filter filter = {
        rq->http->query(rq, "cluster_id", 0), rq->http->query(rq, "state", 0),
        rq->http->query(rq, "requested_by", 0),
    };
    int64_t total = 0, before = 0;
    if (!control_page_begin(&p, rq)) return;
    if (p.page.after.len && !str_to_i64(p.page.after, &before)) {
        json_decref(p.data);
        api_fail_at(rq, 400, "invalid_request", "This page_token is not one of ours.", NULL, "page_token");
        return;
    }
    status result = topic_requests_count(rq->db, &filter, &total);
    if (is_ok(result))
        result = topic_requests_list(rq->db, &filter, before, access_limit(rq, p.page.size), add_row, &p);
    control_page_end(&p, result, NULL, "TopicRequestList", access_total(rq, total));
}

struct one {
    struct api_request *rq;
    json_t *json;
};

static void keep(void *arg, const struct topic_request *r)
{
    struct one *one = arg;
    one->json = to_json(one->rq, r);
}

static json_t *find(struct api_request *rq, struct str id)
{
    struct one one = { rq, NULL };
    status result = topic_requests_get(rq->db, id, keep, &one);
    if (failed(result)) api_fail(rq, result, "There is no such request.");
    return is_ok(result) ? one.json : NULL;
}

void topic_requests_one_get(struct api_request *rq)
{
    json_t *json = find(rq, rq->params[0]);
    if (json) api_reply(rq, 200, json);
}

/* --- asking ------------------------------------------------------------------------------------------ */

static bool fail_at(struct api_request *rq, const char *pointer, const char *detail)
{
    api_fail_at(rq, 422, "invalid_configuration", detail, pointer, NULL);
    return false;
}

static bool read_wish(struct api_request *rq, struct topic_wish *wish)
{
    json_t *body = api_body(rq);
    *wish = (struct topic_wish){ .partitions = -1 };
    if (!body || !control_str(rq, body, "cluster_id", "/cluster_id", true, &wish->cluster_id) ||
        !control_str(rq, body, "topic_name", "/topic_name", true, &wish->topic) ||
        !control_str(rq, body, "justification", "/justification", false, &wish->justification))
        return false;
    const json_t *partitions = json_object_get(body, "partitions_count");
    wish->configs = json_object_get(body, "configs");
    wish->access = json_object_get(body, "access");
    if (partitions && !json_is_null(partitions)) {
        wish->partitions = json_integer_value(partitions);
        if (!json_is_integer(partitions) || wish->partitions < 1 || wish->partitions > INT32_MAX)
            return fail_at(rq, "/partitions_count", "partitions_count is a number from 1.");
    }
    if (wish->configs && !json_is_object(wish->configs))
        return fail_at(rq, "/configs", "configs is an object of strings by name.");
    if (wish->access && !json_is_array(wish->access))
        return fail_at(rq, "/access", "access is a list of {principal, operations, group}.");
    return true;
}

void topic_requests_post(struct api_request *rq)
{
    struct topic_wish wish;
    struct why why = { "" };
    char id[ID_TEXT] = "";
    struct actor actor = control_actor(rq);
    if (!read_wish(rq, &wish) || !access_permit_cluster(rq, wish.cluster_id)) return;
    status result = topic_requests_create(rq->domain, &actor, rq->caller.owner, &wish, rq->arena, id, &why);
    if (failed(result)) {
        control_fail(rq, result, &why, STR_NULL);
        return;
    }
    json_t *json = find(rq, str_c(id));
    if (!json) return;
    rq->http->set_header(rq, "Location", api_url(rq, "/leat/v1/topic-requests/%s", str_c(id)).data);
    api_reply(rq, 201, json);
}

/* --- deciding ---------------------------------------------------------------------------------------- */

static void decided(void *arg, status result, const struct why *why)
{
    struct cluster c = { .metadata_version = 0 };
    struct api_request *rq = arg;
    if (failed(result) && result.code != E_PENDING) {
        if (result.code == E_NOT_FOUND) api_fail(rq, result, "There is no such request.");
        else control_fail(rq, result, why, STR_NULL);
        return;
    }
    json_t *json = find(rq, rq->params[0]);
    if (!json) return;
    (void)clusters_get(rq->db, api_get_str(json, "cluster_id"), &c); /* gone: no version to wait for */
    api_reply_change(rq, result, why, 200, c.metadata_version, json);
}

static void decide(struct api_request *rq, enum topic_decision decision)
{
    struct str reason = STR_NULL;
    struct actor actor = control_actor(rq);
    if (rq->body.len) {
        json_t *body = api_body(rq);
        if (!body || !control_str(rq, body, "reason", "/reason", false, &reason)) return;
    }
    topic_requests_decide(rq->domain, &actor, rq->caller.owner, rq->params[0], decision, reason, rq->arena,
                          decided, rq);
}

void topic_requests_approve(struct api_request *rq) { decide(rq, TOPIC_REQUEST_APPROVE); }
void topic_requests_decline(struct api_request *rq) { decide(rq, TOPIC_REQUEST_DECLINE); }
void topic_requests_withdraw(struct api_request *rq) { decide(rq, TOPIC_REQUEST_WITHDRAW); }
