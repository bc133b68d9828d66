/* kafka_quotas.c - AlterClientQuotas as brokers forward it, and the rows behind it. Domain thread. */
#include "domain/kafka_quotas.h"

#include "cluster/delta.h"
#include "domain/quotas.h"

#include <jansson.h>
#include <stdio.h>

#define RATES                                                                                      \
    "producer_byte_rate, consumer_byte_rate, request_percentage, controller_mutation_rate, "       \
    "connection_creation_rate"
enum { HAS_USER = 1, HAS_CLIENT_ID = 2, HAS_IP = 4 };

struct quota_request { /* in the request's arena */
    const void *response;
    int64_t version;
    admin_done done;
    void *arg;
};

static void finished(void *arg, status result, const struct why *why)
{
    (void)why;
    struct quota_request *r = arg;
    bool stands = is_ok(result) || result.code == E_PENDING;
    r->done(r->arg, result, r->version, stands ? r->response : NULL);
}

/* --- rows ------------------------------------------------------------------------------------------- */

static int parts_of(const struct quota *q)
{
    return (q->has_user ? HAS_USER : 0) | (q->has_client_id ? HAS_CLIENT_ID : 0) | (q->has_ip ? HAS_IP : 0);
}

/* The default entity (null) is the empty name, which no entity can have. */
static struct str stored(struct str name) { return name.data ? name : STR(""); }
static struct str loaded(struct str name) { return name.len ? name : STR_NULL; }

static void read_rates(const struct db_query *q, int first, struct quota *ret)
{
    double *const at[] = { &ret->producer_byte_rate, &ret->consumer_byte_rate, &ret->request_percentage,
                           &ret->controller_mutation_rate, &ret->connection_creation_rate };
    for (int i = 0; i < (int)ARRAY_LEN(at); i++)
        *at[i] = db_is_null(q, first + i) ? -1 : db_f64(q, first + i);
}

static void bind_rate(struct db_query *q, double rate)
{
    if (rate < 0) db_bind_str(q, STR_NULL);
    else db_bind_f64(q, rate);
}

static status write_row(struct db *db, const char *cluster_id, const struct quota *quota)
{
    if (quota_is_empty(quota))
        return db_run(DB(db, "DELETE FROM kafka_quota WHERE cluster_id = ? AND parts = ? AND user = ? AND "
                             "client_id = ? AND ip = ?", cluster_id, parts_of(quota), stored(quota->user),
                         stored(quota->client_id), stored(quota->ip)));
    struct db_query *q = db_query(db, "INSERT OR REPLACE INTO kafka_quota (cluster_id, parts, user, "
                                      "client_id, ip, " RATES ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    db_bind_cstr(q, cluster_id);
    db_bind_i64(q, parts_of(quota));
    db_bind_str(q, stored(quota->user));
    db_bind_str(q, stored(quota->client_id));
    db_bind_str(q, stored(quota->ip));
    bind_rate(q, quota->producer_byte_rate);
    bind_rate(q, quota->consumer_byte_rate);
    bind_rate(q, quota->request_percentage);
    bind_rate(q, quota->controller_mutation_rate);
    bind_rate(q, quota->connection_creation_rate);
    return db_run(q);
}

status kafka_quotas_image(struct db *db, const char *cluster_id, struct buf *out)
{
    struct db_query *q = DB(db, "SELECT parts, user, client_id, ip, " RATES " FROM kafka_quota "
                                "WHERE cluster_id = ?", cluster_id);
    while (db_next(q)) {
        struct quota quota;
        int64_t parts = db_i64(q, 0);
        quota_init(&quota);
        quota.has_user = parts & HAS_USER;
        quota.has_client_id = parts & HAS_CLIENT_ID;
        quota.has_ip = parts & HAS_IP;
        quota.user = loaded(db_text(q, 1));
        quota.client_id = loaded(db_text(q, 2));
        quota.ip = loaded(db_text(q, 3));
        read_rates(q, 4, &quota);
        delta_quota(out, &quota);
    }
    return db_end(q);
}

status kafka_quotas_free_for(struct db *db, const char *cluster_id, struct str principal,
                             struct why *why)
{
    int64_t there = 0;
    struct str user = str_eq_c(principal, QUOTA_DEFAULT) ? STR("") : principal;
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM kafka_quota WHERE cluster_id = ? AND parts = ? AND user = ?",
                      cluster_id, HAS_USER, user), &there));
    if (!there) return OK;
    why_set(why, "A Kafka client (AlterClientQuotas) has set a quota for the user %.*s; remove that first.",
            STR_ARG(principal));
    return FAIL(EXISTS);
}

/* --- the request ------------------------------------------------------------------------------------ */

struct source {
    struct db *db;
    const char *cluster_id;
    status result;
};

static bool find_quota(void *arg, const struct quota *entity, struct quota *ret)
{
    struct source *s = arg;
    struct db_query *q = DB(s->db, "SELECT " RATES " FROM kafka_quota WHERE cluster_id = ? AND parts = ? "
                                   "AND user = ? AND client_id = ? AND ip = ?", s->cluster_id,
                            parts_of(entity), stored(entity->user), stored(entity->client_id),
                            stored(entity->ip));
    bool found = db_next(q);
    if (found) read_rates(q, 0, ret);
    status end = db_end(q);
    if (is_ok(s->result)) s->result = end;
    return found;
}

static status may_change(void *arg, const struct quota *entity, struct why *why)
{
    struct source *s = arg;
    char id[ID_TEXT] = "";
    if (parts_of(entity) != HAS_USER) return OK;
    struct str principal = entity->user.data ? entity->user : STR(QUOTA_DEFAULT);
    struct db_query *q = DB(s->db, "SELECT quota_id FROM client_quota_principal WHERE cluster_id = ? AND "
                                   "principal = ?", s->cluster_id, principal);
    if (db_next(q)) DB_COPY(q, 0, id);
    TRY(db_end(q));
    if (!id[0]) return OK;
    why_set(why, "The quota of the user %.*s is %s, which is changed by REST or in the console only.",
            STR_ARG(principal), id);
    return FAIL(POLICY_VIOLATION);
}

static void put_part(json_t *entity, const char *type, bool has, struct str name)
{
    if (!has) return;
    json_object_set_new(entity, type, name.data ? json_stringn(name.data, name.len) : json_null());
}

static void put_rate(json_t *rates, const char *key, double rate)
{
    if (rate >= 0) json_object_set_new(rates, key, json_real(rate));
}

static status audit(struct change *change, const struct quota *q)
{
    json_t *detail = json_object();
    put_part(detail, "user", q->has_user, q->user);
    put_part(detail, "client-id", q->has_client_id, q->client_id);
    put_part(detail, "ip", q->has_ip, q->ip);
    put_rate(detail, "producer_byte_rate", q->producer_byte_rate);
    put_rate(detail, "consumer_byte_rate", q->consumer_byte_rate);
    put_rate(detail, "request_percentage", q->request_percentage);
    put_rate(detail, "controller_mutation_rate", q->controller_mutation_rate);
    put_rate(detail, "connection_creation_rate", q->connection_creation_rate);
    char *text = json_dumps(detail, JSON_COMPACT);
    json_decref(detail);
    if (!text) return FAIL(NO_MEMORY);
    status result = change_audit(change, quota_is_empty(q) ? "client_quota.unset" : "client_quota.set",
                                 "kafka", text);
    free(text); /* tidy: allowed, jansson's */
    return result;
}

static status apply(struct change *change, struct domain *domain, const char *cluster_id,
                    const struct quota_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct quota *q = &plan->quotas[i];
        TRY(write_row(domain->db, cluster_id, q));
        if (quota_is_empty(q)) delta_quota_deleted(change_records(change), q);
        else delta_quota(change_records(change), q);
        TRY(audit(change, q));
    }
    return OK;
}

static status alter(struct domain *domain, const char *cluster_id, const struct actor *actor,
                    const struct alter_client_quotas_request *request, struct arena *arena,
                    struct quota_request *r, struct change **change)
{
    int64_t entities = 0;
    struct quota_plan plan;
    struct source source = { domain->db, cluster_id, OK };
    struct alter_client_quotas_response *response =
        ARENA_NEW(arena, struct alter_client_quotas_response);
    if (!r || !response) return FAIL(NO_MEMORY);
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM kafka_quota WHERE cluster_id = ?", cluster_id),
                   &entities));
    struct quota_facts facts = { find_quota, may_change, &source, (size_t)entities };
    TRY(plan_quotas_alter(&facts, request, arena, response, &plan));
    TRY(source.result);
    r->response = response;
    if (plan.count == 0) return OK;
    TRY(change_begin(domain, cluster_id, actor, change));
    r->version = change_version(*change);
    return apply(*change, domain, cluster_id, &plan);
}

void kafka_quotas_alter(struct domain *domain, const char *cluster_id, const struct actor *actor,
                        const struct alter_client_quotas_request *request, struct arena *arena,
                        admin_done done, void *arg)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct quota_request *r = ARENA_NEW(arena, struct quota_request);
    status result = alter(domain, cluster_id, actor, request, arena, r, &change);
    if (failed(result)) {
        done(arg, result, 0, NULL);
        return;
    }
    r->done = done;
    r->arg = arg;
    if (change) change_commit(TAKE(change), finished, r);
    else finished(r, OK, NULL);
}
