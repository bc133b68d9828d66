/* alert_rules.c - /leat/v1/alert-rules: of a cluster, an environment, or the organization; who may see
 * or change one is decided there. Reads on HTTP threads, changes on the domain thread. */
#include "api/access.h"
#include "api/alerts.h"
#include "api/control.h"
#include "api/handlers.h"

json_t *alert_text_or_null(const char *text) { return text[0] ? json_string(text) : json_null(); }

static json_t *to_json(struct api_request *rq, const struct alert_rule *r)
{
    json_t *channels = json_array();
    for (size_t i = 0; i < r->channel_count; i++)
        json_array_append_new(channels, json_string(r->channels[i]));
    json_t *json = json_pack(
        "{s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:b, s:s}", "kind", "AlertRule", "id", r->id, "metadata",
        control_metadata(rq, api_url(rq, "/leat/v1/alert-rules/%s", str_c(r->id)),
                         control_crn(rq, "/alert-rule=%s", r->id), r->created_at, r->updated_at),
        "name", r->name, "watches", alert_kinds[r->kind].name, "unit", alert_kinds[r->kind].unit,
        "severity", r->severity, "enabled", (int)r->enabled, "description", r->description);
    json_object_set_new(json, "environment_id", alert_text_or_null(r->environment_id));
    json_object_set_new(json, "cluster_id", alert_text_or_null(r->cluster_id));
    json_object_set_new(json, "resource", json_string(r->resource));
    json_object_set_new(json, "threshold", json_real(r->threshold));
    json_object_set_new(json, "for_ms", json_integer(r->for_ms));
    json_object_set_new(json, "resolve_ms", json_integer(r->resolve_ms));
    json_object_set_new(json, "group_ms", json_integer(r->group_ms));
    json_object_set_new(json, "repeat_ms", json_integer(r->repeat_ms));
    json_object_set_new(json, "channels", channels);
    return json;
}

struct role_scope alert_rule_scope(const struct alert_rule *r)
{
    return (struct role_scope){ .environment_id = str_c(r->cluster_id[0] ? r->cluster_environment
                                                                        : r->environment_id),
                                .cluster_id = str_c(r->cluster_id) };
}

static void add_row(void *arg, const struct alert_rule *r)
{
    struct control_page *p = arg;
    const struct role_scope scope = alert_rule_scope(r);
    if (!access_allows(p->rq, &scope) || !control_page_room(p)) return;
    control_page_add(p, to_json(p->rq, r), r->id);
}

void alert_rules_list_get(struct api_request *rq)
{
    struct control_page p;
    if (!control_page_begin(&p, rq)) return;
    status result = alert_rules_list(rq->db, p.page.after, access_limit(rq, p.page.size), add_row, &p);
    control_page_end(&p, result, NULL, "AlertRuleList", -1);
}

/* False: answered. What may not be seen is not there. */
static bool find(struct api_request *rq, struct alert_rule *ret)
{
    status result = alert_rules_get(rq->db, rq->params[0], ret);
    if (is_ok(result)) {
        const struct role_scope scope = alert_rule_scope(ret);
        if (access_allows(rq, &scope)) return true;
        const bool seen = rq->method != GET && access_allows_for(rq, MAY_ALERT_VIEW, &scope);
        if (seen) return access_permit(rq, &scope);
        result = FAIL(NOT_FOUND);
    }
    api_fail(rq, result, "There is no such rule.");
    return false;
}

void alert_rules_one_get(struct api_request *rq)
{
    struct alert_rule r;
    if (find(rq, &r)) api_reply(rq, 200, to_json(rq, &r));
}

/* --- bodies ------------------------------------------------------------------------------- */

bool alert_refuse(struct api_request *rq, const char *pointer, const char *detail)
{
    api_fail_at(rq, 422, "invalid_configuration", detail, pointer, NULL);
    return false;
}

bool alert_read_text(struct api_request *rq, const json_t *body, const char *name, char *ret,
                     size_t size)
{
    struct str text;
    struct str pointer = arena_printf(rq->arena, "/%s", name);
    if (!control_str(rq, body, name, pointer.data, false, &text)) return false;
    if (!json_object_get(body, name)) return true;
    if (str_copy(ret, size, text.data ? text : STR(""))) return true;
    struct str detail = arena_printf(rq->arena, "%s has at most %zu bytes.", name, size - 1);
    return alert_refuse(rq, pointer.data, detail.data);
}

bool alert_read_i64(struct api_request *rq, const json_t *body, const char *name, int64_t *ret)
{
    const json_t *value = json_object_get(body, name);
    if (!value) return true;
    if (json_is_integer(value)) {
        *ret = json_integer_value(value);
        return true;
    }
    struct str pointer = arena_printf(rq->arena, "/%s", name);
    struct str detail = arena_printf(rq->arena, "%s is a whole number of milliseconds.", name);
    return alert_refuse(rq, pointer.data, detail.data);
}

bool alert_read_bool(struct api_request *rq, const json_t *body, const char *name, bool *ret)
{
    const json_t *value = json_object_get(body, name);
    if (!value) return true;
    *ret = json_is_true(value);
    struct str pointer = arena_printf(rq->arena, "/%s", name);
    return json_is_boolean(value) || alert_refuse(rq, pointer.data, "This is true or false.");
}

static bool read_channels(struct api_request *rq, const json_t *body, struct alert_rule *r)
{
    const json_t *list = json_object_get(body, "channels"), *item;
    size_t i;
    if (!list) return true;
    r->channel_count = 0;
    if (!json_is_array(list) || json_array_size(list) > ALERT_RULE_CHANNELS_MAX)
        return alert_refuse(rq, "/channels",
                            "channels is a list of at most 20 ids; an empty one means every channel.");
    json_array_foreach(list, i, item) {
        const char *text = json_string_value(item);
        if (!text || !str_copy(r->channels[r->channel_count++], ID_TEXT, str_c(text)))
            return alert_refuse(rq, "/channels", "channels is a list of ids (ac-…).");
    }
    return true;
}

static bool read_rule(struct api_request *rq, const json_t *body, struct alert_rule *r)
{
    const json_t *threshold = json_object_get(body, "threshold");
    if (threshold && !json_is_number(threshold))
        return alert_refuse(rq, "/threshold", "threshold is a number.");
    if (threshold) r->threshold = json_number_value(threshold);
    return alert_read_text(rq, body, "name", r->name, sizeof r->name) &&
           alert_read_text(rq, body, "severity", r->severity, sizeof r->severity) &&
           alert_read_text(rq, body, "description", r->description, sizeof r->description) &&
           alert_read_text(rq, body, "environment_id", r->environment_id, sizeof r->environment_id) &&
           alert_read_text(rq, body, "cluster_id", r->cluster_id, sizeof r->cluster_id) &&
           alert_read_text(rq, body, "resource", r->resource, sizeof r->resource) &&
           alert_read_bool(rq, body, "enabled", &r->enabled) &&
           alert_read_i64(rq, body, "for_ms", &r->for_ms) &&
           alert_read_i64(rq, body, "resolve_ms", &r->resolve_ms) &&
           alert_read_i64(rq, body, "group_ms", &r->group_ms) &&
           alert_read_i64(rq, body, "repeat_ms", &r->repeat_ms) && read_channels(rq, body, r);
}

/* Where the rule is to be, the caller may have rules. */
static bool permit(struct api_request *rq, const struct alert_rule *r)
{
    if (r->cluster_id[0]) return access_permit_cluster(rq, str_c(r->cluster_id));
    const struct role_scope scope = { .environment_id = str_c(r->environment_id), .name = STR("") };
    return access_permit(rq, &scope);
}

void alert_fail(struct api_request *rq, status result, const struct why *why, const char *missing)
{
    if (result.code == E_NOT_FOUND) api_fail(rq, result, missing);
    else if (result.code == E_INVALID) (void)alert_refuse(rq, "", why->text);
    else control_fail(rq, result, why, STR_NULL);
}

void alert_rules_post(struct api_request *rq)
{
    struct str kind;
    struct why why = { "" };
    struct alert_rule r = alert_rule_new;
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "watches", "/watches", true, &kind)) return;
    if (!alert_kind_of(kind, &r.kind)) {
        (void)alert_refuse(rq, "/watches",
                           "There is nothing of this name to watch; openapi.yaml lists what there is.");
        return;
    }
    if (!read_rule(rq, body, &r) || !permit(rq, &r)) return;
    status result = alert_rules_create(rq->domain, &actor, &r, &why);
    if (failed(result)) {
        alert_fail(rq, result, &why, "There is no such rule.");
        return;
    }
    rq->http->set_header(rq, "Location", api_url(rq, "/leat/v1/alert-rules/%s", str_c(r.id)).data);
    api_reply(rq, 201, to_json(rq, &r));
}

void alert_rules_patch(struct api_request *rq)
{
    struct why why = { "" };
    struct alert_rule r;
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !find(rq, &r) || !read_rule(rq, body, &r) || !permit(rq, &r)) return;
    status result = alert_rules_update(rq->domain, &actor, &r, &why);
    if (is_ok(result)) result = alert_rules_get(rq->db, str_c(r.id), &r);
    if (failed(result)) alert_fail(rq, result, &why, "There is no such rule.");
    else api_reply(rq, 200, to_json(rq, &r));
}

void alert_rules_one_delete(struct api_request *rq)
{
    struct why why = { "" };
    struct alert_rule r;
    struct actor actor = control_actor(rq);
    if (!find(rq, &r)) return;
    status result = alert_rules_delete(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) alert_fail(rq, result, &why, "There is no such rule.");
    else api_reply(rq, 204, NULL);
}
