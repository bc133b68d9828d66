/* alerts.c - /leat/v1/alerts, open and resolved, and /leat/v1/alert-silences. Rows are shown to whoever
 * may see alerts of their cluster. Reads on HTTP threads, changes on the domain thread. */
#include "api/access.h"
#include "api/alerts.h"
#include "api/control.h"
#include "api/handlers.h"

#include <stdio.h>
#include <time.h>

static json_t *to_json(const struct alert *a, bool silenced)
{
    json_t *json = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:f}", "kind", "Alert", "id",
        api_str(a->id), "rule_id", api_str(a->rule_id), "rule_name", api_str(a->rule_name), "watches",
        api_str(a->kind), "severity", api_str(a->severity), "state", api_str(a->state), "resource",
        alert_text_json(a->resource), "threshold", a->threshold, "value", a->value, "worst", a->worst);
    enum alert_kind kind;
    json_object_set_new(json, "unit",
                        json_string(alert_kind_of(a->kind, &kind) ? alert_kinds[kind].unit : ""));
    json_object_set_new(json, "environment_id",
                        a->environment_id.len ? api_str(a->environment_id) : json_null());
    json_object_set_new(json, "cluster_id", a->cluster_id.len ? api_str(a->cluster_id) : json_null());
    json_object_set_new(json, "cluster_name", api_str(a->cluster_name));
    json_object_set_new(json, "text", api_str(a->detail));
    json_object_set_new(json, "reason", api_str(a->reason));
    json_object_set_new(json, "silenced", json_boolean(silenced));
    json_object_set_new(json, "began_at", api_time(a->pending_at));
    json_object_set_new(json, "fired_at", api_time(a->fired_at));
    json_object_set_new(json, "resolved_at", api_time(a->resolved_at));
    json_object_set_new(json, "told_at", api_time(a->told_at));
    return json;
}

static void add_row(void *arg, const struct alert *a)
{
    char seq[24], rule[ID_TEXT], cluster[ID_TEXT];
    bool silenced = false;
    struct control_page *p = arg;
    const struct role_scope scope = { .environment_id =
                                          a->environment_id.len ? a->environment_id : STR_NULL,
                                      .cluster_id = a->cluster_id };
    if (!access_allows(p->rq, &scope) || !control_page_room(p)) return;
    if (!str_eq_c(a->state, "resolved") && str_copy(rule, sizeof rule, a->rule_id) &&
        str_copy(cluster, sizeof cluster, a->cluster_id) &&
        failed(alert_silences_mute(p->rq->db, domain_wall(), rule, cluster, a->resource, &silenced)))
        silenced = false;
    snprintf(seq, sizeof seq, "%lld", (long long)a->seq);
    control_page_add(p, to_json(a, silenced), seq);
}

void alerts_list_get(struct api_request *rq)
{
    struct control_page p;
    int64_t total = 0;
    struct alert_filter filter = {
        .state = rq->http->query(rq, "state", 0),
        .rule_id = rq->http->query(rq, "rule_id", 0),
        .cluster_id = rq->http->query(rq, "cluster_id", 0),
        .severity = rq->http->query(rq, "severity", 0),
    };
    if (!control_page_begin(&p, rq)) return;
    if (p.page.after.len && !str_to_i64(p.page.after, &filter.before)) {
        json_decref(p.data);
        api_fail_at(rq, 400, "invalid_request", "This page_token is not one of ours.", NULL,
                    "page_token");
        return;
    }
    status result = alerts_count(rq->db, &filter, &total);
    if (is_ok(result))
        result = alerts_list(rq->db, &filter, access_limit(rq, p.page.size), add_row, &p);
    control_page_end(&p, result, NULL, "AlertList", access_total(rq, total));
}

/* --- silences ----------------------------------------------------------------------------- */

static json_t *silence_json(struct api_request *rq, const struct alert_silence *s)
{
    int64_t now = domain_wall();
    const char *state = now < s->starts_at ? "pending" : now < s->ends_at ? "active" : "expired";
    json_t *json = json_pack(
        "{s:s, s:s, s:{s:o}, s:s, s:s, s:s, s:s}", "kind", "AlertSilence", "id", s->id, "metadata",
        "self", api_str(api_url(rq, "/leat/v1/alert-silences/%s", str_c(s->id))), "state", state,
        "resource", s->resource, "comment", s->comment, "created_by", s->created_by);
    json_object_set_new(json, "rule_id", alert_text_or_null(s->rule_id));
    json_object_set_new(json, "cluster_id", alert_text_or_null(s->cluster_id));
    json_object_set_new(json, "starts_at", api_time(s->starts_at));
    json_object_set_new(json, "ends_at", api_time(s->ends_at));
    json_object_set_new(json, "created_at", api_time(s->created_at));
    return json;
}

/* A silence is where its cluster is, else where its rule is. */
static struct role_scope silence_scope(const struct alert_silence *s)
{
    return (struct role_scope){ .environment_id = str_c(s->environment_id),
                                .cluster_id = str_c(s->cluster_id) };
}

static void add_silence(void *arg, const struct alert_silence *s)
{
    struct control_page *p = arg;
    const struct role_scope scope = silence_scope(s);
    if (!access_allows(p->rq, &scope) || !control_page_room(p)) return;
    control_page_add(p, silence_json(p->rq, s), s->id);
}

void alert_silences_list_get(struct api_request *rq)
{
    struct control_page p;
    if (!control_page_begin(&p, rq)) return;
    status result =
        alert_silences_list(rq->db, p.page.after, access_limit(rq, p.page.size), add_silence, &p);
    control_page_end(&p, result, NULL, "AlertSilenceList", -1);
}

/* "2026-01-31T08:00:00Z" (fractions are dropped); absent: 0. */
static bool read_time(struct api_request *rq, const json_t *body, const char *name, int64_t *ret)
{
    struct str text;
    char copy[40];
    struct tm tm = { 0 };
    struct str pointer = arena_printf(rq->arena, "/%s", name);
    *ret = 0;
    if (!control_str(rq, body, name, pointer.data, false, &text)) return false;
    if (str_is_null(text)) return true;
    const char *end =
        str_copy(copy, sizeof copy, text) ? strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (end && *end == '.') end += 1 + strspn(end + 1, "0123456789");
    if (!end || strcmp(end, "Z") != 0)
        return alert_refuse(rq, pointer.data, "This is a time like 2026-01-31T08:00:00Z.");
    *ret = (int64_t)timegm(&tm) * 1000;
    return true;
}

static bool read_silence(struct api_request *rq, const json_t *body, struct alert_silence *s)
{
    int64_t lasts = 0;
    if (!alert_read_text(rq, body, "rule_id", s->rule_id, sizeof s->rule_id) ||
        !alert_read_text(rq, body, "cluster_id", s->cluster_id, sizeof s->cluster_id) ||
        !alert_read_text(rq, body, "resource", s->resource, sizeof s->resource) ||
        !alert_read_text(rq, body, "comment", s->comment, sizeof s->comment) ||
        !read_time(rq, body, "starts_at", &s->starts_at) ||
        !read_time(rq, body, "ends_at", &s->ends_at) ||
        !alert_read_i64(rq, body, "duration_ms", &lasts))
        return false;
    if (!s->ends_at == !lasts)
        return alert_refuse(rq, "/ends_at", "Either ends_at or duration_ms says when it ends.");
    if (lasts && (lasts < 0 || lasts > 366LL * 86400000))
        return alert_refuse(rq, "/duration_ms",
                            "A silence lasts at most a year; switch the rule off instead.");
    if (lasts) s->ends_at = (s->starts_at ? s->starts_at : domain_wall()) + lasts;
    return true;
}

static bool permit(struct api_request *rq, const struct alert_silence *s)
{
    struct alert_rule rule;
    if (s->cluster_id[0]) return access_permit_cluster(rq, str_c(s->cluster_id));
    if (s->rule_id[0] && is_ok(alert_rules_get(rq->db, str_c(s->rule_id), &rule))) {
        const struct role_scope scope = alert_rule_scope(&rule);
        return access_permit(rq, &scope);
    }
    return access_permit(rq, &(struct role_scope){ .name = STR("") });
}

void alert_silences_post(struct api_request *rq)
{
    struct why why = { "" };
    struct alert_silence s = { .starts_at = 0 };
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !read_silence(rq, body, &s) || !permit(rq, &s)) return;
    str_copy(s.created_by, sizeof s.created_by, str_c(rq->caller.owner));
    status result = alert_silences_create(rq->domain, &actor, &s, &why);
    if (failed(result)) {
        alert_fail(rq, result, &why, "There is no such silence.");
        return;
    }
    rq->http->set_header(rq, "Location", api_url(rq, "/leat/v1/alert-silences/%s", str_c(s.id)).data);
    api_reply(rq, 201, silence_json(rq, &s));
}

void alert_silences_one_delete(struct api_request *rq)
{
    struct alert_silence s = { .id = "" };
    struct actor actor = control_actor(rq);
    status result = alert_silences_get(rq->db, rq->params[0], &s);
    const struct role_scope scope = silence_scope(&s);
    if (is_ok(result) && !access_permit(rq, &scope)) return;
    if (is_ok(result)) result = alert_silences_delete(rq->domain, &actor, rq->params[0]);
    if (failed(result)) alert_fail(rq, result, &(struct why){ "" }, "There is no such silence.");
    else api_reply(rq, 204, NULL);
}
