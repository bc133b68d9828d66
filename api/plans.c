/* plans.c - /leat/v1/plans. HTTP threads. */
#include "api/handlers.h"
#include "api/leat_clusters.h"
#include "domain/plans.h"

static void add_row(void *arg, const struct plan *plan)
{
    json_array_append_new(arg, json_pack("{s:s, s:o}", "name", plan->name, "limits",
                                         leat_limits_json(&plan->limits)));
}

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
