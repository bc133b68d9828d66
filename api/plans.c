/* plans.c - /leat/v1/plans. Reads on HTTP threads, changes on the domain thread. */
#include "api/control.h"
#include "api/handlers.h"
#include "api/leat_limits.h"
#include "domain/plans.h"

static json_t *to_json(const struct plan *plan)
{
    const struct limits *l = &plan->limits;
    return json_pack("{s:s, s:s, s:b, s:I, s:o, s:{s:b, s:i, s:b}}", "kind", "Plan", "name", plan->name,
                     "preset", plan->preset, "clusters", (json_int_t)plan->clusters, "limits",
                     leat_limits_json(l), "settings", "auto_create_topics", l->auto_create_topics,
                     "default_partitions", l->default_partitions, "strict_replication",
                     l->strict_replication);
}

static void add_row(void *arg, const struct plan *plan) { json_array_append_new(arg, to_json(plan)); }

void plans_list_get(struct api_request *rq)
{
    json_t *data = json_array();
    status result = plans_list(rq->db, add_row, data);
    if (is_ok(result)) {
        api_reply_list(rq, NULL, "PlanList", data, NULL, (int64_t)json_array_size(data));
        return;
    }
    json_decref(data);
    api_fail(rq, result, NULL);
}

/* The plan of the path; false: answered 404. */
static bool find(struct api_request *rq, struct plan *ret)
{
    char name[PLAN_NAME_MAX + 1];
    bool fits = str_copy(name, sizeof name, rq->params[0]);
    status result = fits ? plans_get(rq->db, name, ret) : FAIL(NOT_FOUND);
    if (failed(result)) api_fail(rq, result, "There is no such plan.");
    return is_ok(result);
}

void plans_one_get(struct api_request *rq)
{
    struct plan plan;
    if (find(rq, &plan)) api_reply(rq, 200, to_json(&plan));
}

/* --- changes ---------------------------------------------------------------------------------------- */

static bool fail_at(struct api_request *rq, const char *pointer, const char *detail)
{
    api_fail_at(rq, 422, "invalid_configuration", detail, pointer, NULL);
    return false;
}

static bool read_bool(struct api_request *rq, const json_t *settings, const char *name, bool *ret)
{
    const json_t *value = json_object_get(settings, name);
    if (!value) return true;
    if (!json_is_boolean(value)) {
        struct str detail = arena_printf(rq->arena, "%s is true or false.", name);
        return fail_at(rq, "/settings", detail.data);
    }
    *ret = json_is_true(value);
    return true;
}

/* Members "limits" and "settings" over what the plan has; false: answered. */
static bool read_plan(struct api_request *rq, json_t *body, struct plan *plan)
{
    struct limit_change changes[LEAT_LIMITS_MAX];
    size_t count = 0;
    const json_t *settings = json_object_get(body, "settings");
    const json_t *partitions = json_object_get(settings, "default_partitions");
    if (!leat_limits_read(rq, json_object_get(body, "limits"), false, changes, &count)) return false;
    for (size_t i = 0; i < count; i++) limit_set(&plan->limits, changes[i].kind, changes[i].value);
    if (settings && !json_is_object(settings)) return fail_at(rq, "/settings", "settings is an object.");
    if (partitions && (!json_is_integer(partitions) || json_integer_value(partitions) < 1 ||
                       json_integer_value(partitions) > 1000))
        return fail_at(rq, "/settings/default_partitions", "default_partitions is a number from 1 to 1000.");
    if (partitions) plan->limits.default_partitions = (int32_t)json_integer_value(partitions);
    return read_bool(rq, settings, "auto_create_topics", &plan->limits.auto_create_topics) &&
           read_bool(rq, settings, "strict_replication", &plan->limits.strict_replication);
}

static void reply(struct api_request *rq, status result, const struct why *why, const char *name, int http)
{
    struct plan plan;
    struct str self = api_url(rq, "/leat/v1/plans/%s", str_c(name));
    if (is_ok(result)) result = plans_get(rq->db, name, &plan);
    if (result.code == E_INVALID) (void)fail_at(rq, "/limits", why->text);
    else if (failed(result)) control_fail(rq, result, why, result.code == E_EXISTS ? self : STR_NULL);
    else api_reply(rq, http, to_json(&plan));
}

/* A new plan begins with the limits of the one named by "from" (basic when it names none). */
void plans_post(struct api_request *rq)
{
    struct str name, from;
    struct plan plan;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    char origin[PLAN_NAME_MAX + 1] = "basic";
    json_t *body = api_body(rq);
    if (!body || !control_str(rq, body, "name", "/name", true, &name) ||
        !control_str(rq, body, "from", "/from", false, &from))
        return;
    bool known = !from.data || str_copy(origin, sizeof origin, from);
    if (!known || failed(plans_get(rq->db, origin, &plan))) {
        (void)fail_at(rq, "/from", "There is no plan of this name to begin with.");
        return;
    }
    if (!str_copy(plan.name, sizeof plan.name, name)) {
        (void)fail_at(rq, "/name", "A plan's name has at most 31 characters.");
        return;
    }
    if (!read_plan(rq, body, &plan)) return;
    reply(rq, plans_create(rq->domain, &actor, &plan, &why), &why, plan.name, 201);
}

void plans_patch(struct api_request *rq)
{
    struct plan plan;
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    json_t *body = api_body(rq);
    if (!body || !find(rq, &plan) || !read_plan(rq, body, &plan)) return;
    reply(rq, plans_update(rq->domain, &actor, &plan, &why), &why, plan.name, 200);
}

void plans_one_delete(struct api_request *rq)
{
    struct why why = { "" };
    struct actor actor = control_actor(rq);
    status result = plans_delete(rq->domain, &actor, rq->params[0], &why);
    if (failed(result)) control_fail(rq, result, &why, STR_NULL);
    else api_reply(rq, 204, NULL);
}
