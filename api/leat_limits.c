/* leat_limits.c - limits by name, and /leat/v1/clusters/{id}/limits: each with what is used of it. */
#include "api/leat_limits.h"

#include "api/control.h"
#include "api/handlers.h"
#include "api/leat_clusters.h"
#include "domain/clusters.h"
#include "domain/limit_use.h"

json_t *leat_limits_json(const struct limits *limits)
{
    size_t count;
    const struct limit_kind *kinds = limit_kinds(&count);
    json_t *json = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(json, kinds[i].name, json_integer(limit_get(limits, &kinds[i])));
    return json;
}

static bool fail_limit(struct api_request *rq, const char *name, const char *what)
{
    struct str pointer = arena_printf(rq->arena, "/limits/%s", name);
    struct str detail = arena_printf(rq->arena, "%s %s.", name, what);
    api_fail_at(rq, 422, "invalid_configuration", detail.data, pointer.data, NULL);
    return false;
}

bool leat_limits_read(struct api_request *rq, const json_t *object, bool allow_null,
                      struct limit_change *changes, size_t *ret_count)
{
    const char *name;
    json_t *value;
    *ret_count = 0;
    if (!object) return true;
    if (!json_is_object(object)) {
        api_fail_at(rq, 422, "invalid_configuration", "limits is an object of numbers by name.", "/limits",
                    NULL);
        return false;
    }
    json_object_foreach((json_t *)object, name, value) {
        const struct limit_kind *kind = limit_kind_find(str_c(name));
        if (!kind || *ret_count == LEAT_LIMITS_MAX) return fail_limit(rq, name, "is no limit that there is");
        bool clear = allow_null && json_is_null(value);
        if (!clear && !json_is_integer(value))
            return fail_limit(rq, name, allow_null ? "is a whole number, or null for the plan's"
                                                   : "is a whole number");
        changes[(*ret_count)++] = (struct limit_change){ kind, json_integer_value(value), clear };
    }
    return true;
}

static void add_own(void *arg, const struct limit_kind *kind, int64_t value)
{
    json_object_set_new(arg, kind->name, json_integer(value));
}

json_t *leat_limits_own_json(struct db *db, const char *cluster_id)
{
    json_t *own = json_object();
    (void)plans_overrides(db, cluster_id, add_own, own); /* logged; shown without then */
    return own;
}

static json_t *row_of(const struct limit_kind *kind, const struct limits *limits, const struct limits *plan,
                      const json_t *own, const struct limit_use *use)
{
    double used = 0;
    bool measured = limit_use_of(use, kind, &used);
    json_t *mine = json_object_get(own, kind->name);
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:O, s:o}", "name", kind->name, "title", kind->title, "unit",
                     kind->unit, "limit", (json_int_t)limit_get(limits, kind), "plan_limit",
                     (json_int_t)limit_get(plan, kind), "own_limit", mine ? mine : json_null(), "use",
                     measured ? json_real(used) : json_null());
}

void leat_limits_list(struct api_request *rq)
{
    struct cluster c;
    struct limits limits, plan;
    struct limit_use use;
    size_t count;
    const struct limit_kind *kinds = limit_kinds(&count);
    status result = clusters_get(rq->db, rq->params[0], &c);
    if (failed(result)) {
        api_fail(rq, result, "There is no such cluster.");
        return;
    }
    result = plans_of_cluster(rq->db, c.id, &limits);
    if (is_ok(result)) result = plans_limits(rq->db, c.plan, c.cku, &plan);
    if (is_ok(result)) result = limit_use_read(rq->domain, c.id, &use);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return;
    }
    json_t *data = json_array(), *own = leat_limits_own_json(rq->db, c.id);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(data, row_of(&kinds[i], &limits, &plan, own, &use));
    json_decref(own);
    api_reply_list(rq, NULL, "ClusterLimitList", data, NULL, (int64_t)count);
}
