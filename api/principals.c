/* principals.c - /leat/v1/clusters/{id}/principals: who may use a cluster, with quota, live use and for how
 * long the quota held them back. Domain thread. */
#include "api/control.h"
#include "api/handlers.h"
#include "domain/accounts.h"
#include "domain/clusters.h"
#include "domain/quotas.h"
#include "domain/throttled.h"

#define PRINCIPALS_MAX 1000

struct list {
    struct api_request *rq;
    json_t *data;
};

static const struct engine_principal_figures *figures_of(struct domain *domain, const char *cluster_id,
                                                         const char *principal)
{
    const struct engine_figures *f = domain->engine ? engine_figures(domain->engine, cluster_id) : NULL;
    for (size_t i = 0; f && i < f->principal_count; i++) {
        if (strcmp(f->principals[i].principal, principal) == 0) return &f->principals[i];
    }
    return NULL;
}

static json_t *rate(int64_t v) { return v < 0 ? json_null() : json_integer(v); }

static json_t *quota_of(struct db *db, const char *cluster_id, struct str owner)
{
    struct client_quota q;
    if (failed(quotas_of(db, str_c(cluster_id), owner, &q))) return json_null();
    return json_pack("{s:o, s:o, s:s}", "ingress_bytes_per_s", rate(q.ingress_bytes_per_s),
                     "egress_bytes_per_s", rate(q.egress_bytes_per_s), "quota_id", q.id);
}

static json_t *name_of(struct db *db, struct str owner)
{
    struct account a;
    if (is_ok(accounts_get(db, owner, &a))) return json_string(a.display_name);
    struct db_query *q = DB(db, "SELECT full_name FROM user WHERE id = ?", owner);
    json_t *name = db_next(q) ? api_str(db_text(q, 0)) : json_null();
    (void)db_end(q); /* logged; the name is null then */
    return name;
}

static json_t *to_json(struct api_request *rq, const char *cluster_id, const char *principal)
{
    static const struct engine_principal_figures nothing;
    const struct engine_principal_figures *f = figures_of(rq->domain, cluster_id, principal);
    struct str owner = str_starts(str_c(principal), STR("User:")) ? str_c(principal + 5) : str_c(principal);
    if (!f) f = &nothing;
    return json_pack("{s:s, s:o, s:o, s:{s:f, s:f, s:f}, s:{s:I, s:I, s:I}}", "principal", principal,
                     "display_name", name_of(rq->db, owner), "quota",
                     quota_of(rq->db, cluster_id, owner), "use",
                     "ingress_bytes_per_s", f->in_per_s, "egress_bytes_per_s", f->out_per_s,
                     "throttle_ms_per_s", f->throttle_ms_per_s, "totals", "bytes_in", (json_int_t)f->bytes_in,
                     "bytes_out", (json_int_t)f->bytes_out, "throttle_ms", (json_int_t)f->throttle_ms);
}

static void throttled_known(void *arg, const struct throttled_all *all)
{
    struct list *l = arg;
    size_t i;
    json_t *row;
    json_array_foreach(l->data, i, row)
    {
        struct throttled t = throttled_of(all, api_get_str(row, "principal"));
        json_t *use = json_object_get(row, "use"), *none = json_null();
        json_object_set_new(use, "throttled_ms_last_minute", t.known ? json_integer(t.minute_ms) : none);
        json_object_set_new(use, "throttled_ms_last_hour", t.known ? json_integer(t.hour_ms) : none);
    }
    api_reply_list(l->rq, NULL, "PrincipalList", l->data, NULL, (int64_t)json_array_size(l->data));
}

void principals_list_get(struct api_request *rq)
{
    struct cluster c;
    char principal[128];
    status result = clusters_get(rq->db, rq->params[0], &c);
    if (failed(result)) {
        api_fail(rq, result, "There is no such cluster.");
        return;
    }
    struct list *l = ARENA_NEW(rq->arena, struct list);
    json_t *data = json_array();
    struct db_query *q = DB(rq->db, "SELECT 'User:' || owner FROM api_key WHERE cluster_id = ?1 UNION "
                                    "SELECT principal FROM acl WHERE cluster_id = ?1 UNION "
                                    "SELECT 'User:' || principal FROM client_quota_principal WHERE "
                                    "cluster_id = ?1 AND principal <> '" QUOTA_DEFAULT "' "
                                    "ORDER BY 1 LIMIT ?2",
                            (const char *)c.id, PRINCIPALS_MAX);
    while (db_next(q)) {
        if (DB_COPY(q, 0, principal)) json_array_append_new(data, to_json(rq, c.id, principal));
    }
    result = db_end(q);
    if (rq->domain->engine) engine_watch(rq->domain->engine, c.id);
    if (is_ok(result) && l) {
        *l = (struct list){ rq, data };
        throttled_load(rq->domain, c.id, throttled_known, l);
        return;
    }
    json_decref(data);
    if (!l) result = FAIL(NO_MEMORY);
    api_fail(rq, result, NULL);
}
