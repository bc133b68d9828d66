/* acl_requests.c - CreateAcls and DeleteAcls as brokers forward them: decided by the rules that a
 * standalone broker has, done by the functions that REST has. Domain thread. */
#include "domain/acls.h"

struct acl_request { /* in the request's arena */
    const void *response;
    admin_done done;
    void *arg;
};

static void changed(void *arg, status result, int64_t version, const struct why *why)
{
    (void)why;
    struct acl_request *r = arg;
    bool stands = is_ok(result) || result.code == E_PENDING;
    r->done(r->arg, result, version, stands ? r->response : NULL);
}

static void change(struct domain *domain, const char *cluster_id, const struct actor *actor,
                   const struct acl_plan *plan, bool create, struct acl_request *r)
{
    if (plan->count) acls_change(domain, cluster_id, actor, plan->acls, plan->count, create, changed, r);
    else changed(r, OK, 0, NULL);
}

static status plan_create(struct domain *domain, const char *cluster_id,
                          const struct create_acls_request *request, struct arena *arena,
                          struct acl_request *r, struct acl_plan *ret_plan)
{
    int64_t there = 0;
    struct create_acls_response *response = ARENA_NEW(arena, struct create_acls_response);
    if (!r || !response) return FAIL(NO_MEMORY);
    r->response = response;
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM acl WHERE cluster_id = ?", cluster_id), &there));
    return plan_acls_create((size_t)there, request, arena, response, ret_plan);
}

void acls_request_create(struct domain *domain, const char *cluster_id, const struct actor *actor,
                         const struct create_acls_request *request, struct arena *arena,
                         admin_done done, void *arg)
{
    struct acl_request *r = ARENA_NEW(arena, struct acl_request);
    struct acl_plan plan;
    status planned = plan_create(domain, cluster_id, request, arena, r, &plan);
    if (failed(planned)) {
        done(arg, planned, 0, NULL);
        return;
    }
    r->done = done;
    r->arg = arg;
    change(domain, cluster_id, actor, &plan, true, r);
}

static status plan_delete(struct domain *domain, const char *cluster_id,
                          const struct delete_acls_request *request, struct arena *arena,
                          struct acl_request *r, struct acl_plan *ret_plan)
{
    struct acl_set there = { 0 };
    struct delete_acls_response *response = ARENA_NEW(arena, struct delete_acls_response);
    if (!r || !response) return FAIL(NO_MEMORY);
    r->response = response;
    TRY(acls_of_cluster(domain->db, cluster_id, &there));
    status planned = plan_acls_delete(&there, request, arena, response, ret_plan);
    acl_set_done(&there);
    return planned;
}

void acls_request_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                         const struct delete_acls_request *request, struct arena *arena,
                         admin_done done, void *arg)
{
    struct acl_request *r = ARENA_NEW(arena, struct acl_request);
    struct acl_plan plan;
    status planned = plan_delete(domain, cluster_id, request, arena, r, &plan);
    if (failed(planned)) {
        done(arg, planned, 0, NULL);
        return;
    }
    r->done = done;
    r->arg = arg;
    change(domain, cluster_id, actor, &plan, false, r);
}
