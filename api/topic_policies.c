/* topic_policies.c - /leat/v1/environments/{id}/topic-policy. Reads on HTTP threads, changes on the domain
 * thread. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/environments.h"
#include "domain/topic_policies.h"

static json_t *number(int64_t value) { return value < 0 ? json_null() : json_integer(value); }

static json_t *range_json(int64_t min, int64_t max)
{
    return json_pack("{s:o, s:o}", "min", number(min), "max", number(max));
}

static json_t *to_json(struct api_request *rq, const struct topic_policy *p)
{
    return json_pack("{s:s, s:o, s:s, s:s, s:o, s:o, s:s}", "kind", "TopicPolicy", "environment",
                     api_str(rq->params[0]), "name_prefix", p->name_prefix, "name_pattern", p->name_pattern,
                     "partitions", range_json(p->partitions_min, p->partitions_max), "retention_ms",
                     range_json(p->retention_min_ms, p->retention_max_ms), "description", p->description);
}

void topic_policy_get(struct api_request *rq)
{
    struct environment e;
    struct topic_policy policy;
    status result = environments_get(rq->db, rq->params[0], &e);
    if (is_ok(result)) result = topic_policies_get(rq->db, rq->params[0], &policy);
    if (failed(result)) api_fail(rq, result, "There is no such environment.");
    else api_reply(rq, 200, to_json(rq, &policy));
}

/* --- changes ----------------------------------------------------------------------------------------- */

static bool read_end(struct api_request *rq, const json_t *range, const char *name, const char *pointer,
                     int64_t *ret)
{
    const json_t *value = json_object_get(range, name);
    if (!value || json_is_null(value)) return true;
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *ret = json_integer_value(value);
        return true;
    }
    api_fail_at(rq, 422, "invalid_configuration", "The ends of a range are numbers from 0, or null for none.",
                pointer, NULL);
    return false;
}

static bool read_range(struct api_request *rq, const json_t *body, const char *name, const char *pointer,
                       int64_t *ret_min, int64_t *ret_max)
{
    const json_t *range = json_object_get(body, name);
    if (!range || json_is_null(range)) return true;
    if (json_is_object(range))
        return read_end(rq, range, "min", pointer, ret_min) && read_end(rq, range, "max", pointer, ret_max);
    api_fail_at(rq, 422, "invalid_configuration", "A range is an object with min and max.", pointer, NULL);
    return false;
}

static bool read_text(struct api_request *rq, const json_t *body, const char *name, char *ret, size_t size)
{
    struct str text;
    struct str pointer = arena_printf(rq->arena, "/%s", name);
    if (!control_str(rq, body, name, pointer.data, false, &text)) return false;
    if (str_is_null(text) || str_copy(ret, size, text)) return true;
    struct str detail = arena_printf(rq->arena, "%s has at most %zu bytes.", name, size - 1);
    api_fail_at(rq, 422, "invalid_configuration", detail.data, pointer.data, NULL);
    return false;
}

static void set(struct api_request *rq, const struct topic_policy *policy, int http)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = topic_policies_set(rq->domain, &actor, rq->params[0], policy, &why);
    if (result.code == E_NOT_FOUND) api_fail(rq, result, "There is no such environment.");
    else if (result.code == E_INVALID)
        api_fail_at(rq, 422, "invalid_configuration", why.text, "", NULL);
    else if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else api_reply(rq, http, http == 204 ? NULL : to_json(rq, policy));
}

void topic_policy_put(struct api_request *rq)
{
    struct topic_policy p = topic_policy_none;
    json_t *body = api_body(rq);
    if (!body || !read_text(rq, body, "name_prefix", p.name_prefix, sizeof p.name_prefix) ||
        !read_text(rq, body, "name_pattern", p.name_pattern, sizeof p.name_pattern) ||
        !read_text(rq, body, "description", p.description, sizeof p.description) ||
        !read_range(rq, body, "partitions", "/partitions", &p.partitions_min, &p.partitions_max) ||
        !read_range(rq, body, "retention_ms", "/retention_ms", &p.retention_min_ms, &p.retention_max_ms))
        return;
    set(rq, &p, 200);
}

void topic_policy_delete(struct api_request *rq) { set(rq, &topic_policy_none, 204); }
