/* service_quotas.c - the table of quotas, and the rows and figures that count against each. */
#include "domain/service_quotas.h"

#include "domain/accounts.h"
#include "domain/api_keys.h"
#include "domain/clusters.h"
#include "domain/environments.h"
#include "domain/limit_use.h"
#include "domain/quotas.h"
#include "domain/users.h"

const char *const service_scope_names[SCOPE_COUNT] = { "ORGANIZATION", "KAFKA_CLUSTER" };
const char *const service_scope_texts[SCOPE_COUNT] = {
    "Limits of the whole organization", "Limits of one Kafka cluster",
};

static const struct { const char *code, *title; int64_t limit; const char *sql; } of_organization[] = {
    { "iam.max_api_keys.per_org", "API keys", API_KEYS_MAX, "SELECT count(*) FROM api_key" },
    { "iam.max_environments.per_org", "Environments", ENVIRONMENTS_MAX, "SELECT count(*) FROM environment" },
    { "iam.max_service_accounts.per_org", "Service accounts", ACCOUNTS_MAX,
      "SELECT count(*) FROM service_account" },
    { "iam.max_users.per_org", "People", USERS_MAX, "SELECT count(*) FROM user" },
    { "kafka.max_clusters.per_org", "Kafka clusters", CLUSTERS_MAX, "SELECT count(*) FROM cluster" },
    { "leat.max_plans.per_org", "Plans", PLANS_MAX, "SELECT count(*) FROM plan" },
};

static const struct { const char *code, *title; int64_t limit; const char *sql; } of_cluster[] = {
    { "iam.max_api_keys.per_cluster", "API keys of the cluster", API_KEYS_PER_CLUSTER_MAX,
      "SELECT count(*) FROM api_key WHERE cluster_id = ?" },
    { "kafka.max_client_quotas.per_cluster", "Client quotas", QUOTAS_PER_CLUSTER_MAX,
      "SELECT count(*) FROM client_quota WHERE cluster_id = ?" },
};

/* Limits of plans; numbers in this dialect have 32 bits, so bytes come as larger units. */
static const struct { const char *code, *title, *limit; int64_t unit; } of_plan[] = {
    { "kafka.max_connections.per_cluster", "Open connections", "connections", 1 },
    { "kafka.max_egress_kib_per_second.per_cluster", "KiB consumed a second", "egress_bytes_per_s", 1024 },
    { "kafka.max_ingress_kib_per_second.per_cluster", "KiB produced a second", "ingress_bytes_per_s", 1024 },
    { "kafka.max_new_connections_per_second.per_cluster", "New connections a second", "connections_per_s",
      1 },
    { "kafka.max_partitions.per_cluster", "Partitions", "partitions", 1 },
    { "kafka.max_requests_per_second.per_cluster", "Requests a second", "requests_per_s", 1 },
    { "kafka.max_storage_mib.per_cluster", "MiB kept", "storage_bytes", 1 << 20 },
};

struct walk {
    struct domain *domain;
    const struct service_quota_filter *filter;
    struct str after;
    bool (*each)(void *arg, const struct service_quota *quota);
    void *arg;
    bool stopped;
    status result;
};

static bool wanted(const struct walk *w, const char *code)
{
    return !w->stopped && is_ok(w->result) &&
           (str_is_null(w->filter->code) || str_eq_c(w->filter->code, code));
}

static void give(struct walk *w, const struct service_quota *quota)
{
    if (!w->each(w->arg, quota)) w->stopped = true;
}

static void walk_organization(struct walk *w)
{
    for (size_t i = 0; i < ARRAY_LEN(of_organization); i++) {
        struct service_quota q = {
            .scope = SCOPE_ORGANIZATION, .code = of_organization[i].code, .title = of_organization[i].title,
            .fallback = of_organization[i].limit, .applied = of_organization[i].limit,
        };
        if (!wanted(w, q.code)) continue;
        w->result = db_one_i64(db_query(w->domain->db, of_organization[i].sql), &q.use);
        if (is_ok(w->result)) give(w, &q);
    }
}

static int64_t in_units(int64_t value, int64_t unit) { return value < 0 ? -1 : (value + unit - 1) / unit; }

static void walk_plan(struct walk *w, const struct cluster *c, struct service_quota *q)
{
    struct limits limits, plan;
    struct limit_use use;
    w->result = plans_of_cluster(w->domain->db, c->id, &limits);
    if (is_ok(w->result)) w->result = plans_limits(w->domain->db, c->plan, c->cku, &plan);
    if (is_ok(w->result)) w->result = limit_use_read(w->domain, c->id, &use);
    for (size_t i = 0; i < ARRAY_LEN(of_plan); i++) {
        if (!wanted(w, of_plan[i].code)) continue;
        const struct limit_kind *kind = limit_kind_find(str_c(of_plan[i].limit));
        double used = 0;
        bool measured = limit_use_of(&use, kind, &used);
        q->code = of_plan[i].code;
        q->title = of_plan[i].title;
        q->fallback = in_units(limit_get(&plan, kind), of_plan[i].unit);
        q->applied = in_units(limit_get(&limits, kind), of_plan[i].unit);
        q->use = measured ? in_units((int64_t)used, of_plan[i].unit) : -1;
        give(w, q);
    }
}

static void walk_cluster(void *arg, const struct cluster *c)
{
    struct walk *w = arg;
    struct service_quota q = { .scope = SCOPE_KAFKA_CLUSTER };
    bool skipped = !str_is_null(w->after) && str_cmp(str_c(c->id), w->after) < 0;
    bool other = !str_is_null(w->filter->cluster_id) && !str_eq_c(w->filter->cluster_id, c->id);
    if (w->stopped || failed(w->result) || c->deleting || skipped || other) return;
    str_copy(q.cluster_id, sizeof q.cluster_id, str_c(c->id));
    str_copy(q.environment_id, sizeof q.environment_id, str_c(c->environment_id));
    for (size_t i = 0; i < ARRAY_LEN(of_cluster); i++) {
        if (!wanted(w, of_cluster[i].code)) continue;
        q.code = of_cluster[i].code;
        q.title = of_cluster[i].title;
        q.fallback = q.applied = of_cluster[i].limit;
        struct db_query *query = db_query(w->domain->db, of_cluster[i].sql);
        db_bind_cstr(query, c->id);
        w->result = db_one_i64(query, &q.use);
        if (is_ok(w->result)) give(w, &q);
    }
    if (is_ok(w->result) && !w->stopped) walk_plan(w, c, &q);
}

status service_quotas_each(struct domain *domain, enum service_scope scope,
                           const struct service_quota_filter *filter, struct str after_cluster,
                           bool (*each)(void *arg, const struct service_quota *quota), void *arg)
{
    struct walk w = { .domain = domain, .filter = filter, .after = after_cluster, .each = each, .arg = arg,
                      .result = OK };
    if (scope == SCOPE_ORGANIZATION) {
        walk_organization(&w);
        return w.result;
    }
    TRY(clusters_list(domain->db, filter->environment_id, STR_NULL, CLUSTERS_MAX, walk_cluster, &w));
    return w.result;
}
