/* kafka_quotas.c - AlterClientQuotas as brokers forward it, the same by REST, and the rows behind both.
 * Domain thread, but for the list. */
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

/* Columns: parts, user, client_id, ip, the rates. Strings are views until the next row. */
static void read_entity(const struct db_query *q, struct quota *ret)
{
    int64_t parts = db_i64(q, 0);
    quota_init(ret);
    ret->has_user = parts & HAS_USER;
    ret->has_client_id = parts & HAS_CLIENT_ID;
    ret->has_ip = parts & HAS_IP;
    ret->user = loaded(db_text(q, 1));
    ret->client_id = loaded(db_text(q, 2));
    ret->ip = loaded(db_text(q, 3));
    read_rates(q, 4, ret);
}

status kafka_quotas_image(struct db *db, const char *cluster_id, struct buf *out)
{
    struct db_query *q = DB(db, "SELECT parts, user, client_id, ip, " RATES " FROM kafka_quota "
                                "WHERE cluster_id = ?", cluster_id);
    while (db_next(q)) {
        struct quota quota;
        read_entity(q, &quota);
        delta_quota(out, &quota);
    }
    return db_end(q);
}

static struct str filter_of(bool has, struct str name) { return has ? stored(name) : STR_NULL; }

status kafka_quotas_list(struct db *db, const char *cluster_id, const struct kafka_quota_filter *filter,
                         int64_t limit, int64_t offset,
                         void (*each)(void *arg, const struct kafka_quota_row *row), void *arg)
{
    struct db_query *q =
        DB(db, "SELECT * FROM (SELECT parts, user, client_id, ip, " RATES ", '' AS owner FROM kafka_quota "
               "WHERE cluster_id = ?1 UNION ALL SELECT 1, "
               "CASE p.principal WHEN '" QUOTA_DEFAULT "' THEN '' ELSE p.principal END, '', '', "
               "nullif(q.ingress_bytes_per_s, -1), nullif(q.egress_bytes_per_s, -1), NULL, NULL, NULL, q.id "
               "FROM client_quota_principal p JOIN client_quota q ON q.id = p.quota_id "
               "WHERE p.cluster_id = ?1) WHERE parts & ?2 = ?2 AND (?3 IS NULL OR user = ?3) AND "
               "(?4 IS NULL OR client_id = ?4) AND (?5 IS NULL OR ip = ?5) "
               "ORDER BY parts, user, client_id, ip LIMIT ?6 OFFSET ?7", cluster_id,
           (filter->has_user ? HAS_USER : 0) | (filter->has_client_id ? HAS_CLIENT_ID : 0) |
               (filter->has_ip ? HAS_IP : 0),
           filter_of(filter->has_user, filter->user), filter_of(filter->has_client_id, filter->client_id),
           filter_of(filter->has_ip, filter->ip), limit, offset);
    while (db_next(q)) {
        struct kafka_quota_row row;
        read_entity(q, &row.quota);
        DB_COPY(q, 9, row.owner);
        each(arg, &row);
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
    why_set(why, "The user %.*s has a Kafka quota (AlterClientQuotas or /leat/v1 kafka-quotas); remove that "
                 "first.", STR_ARG(principal));
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

/* The cq-… that owns an entity of a user alone; "": none. */
static status owner_of(struct db *db, const char *cluster_id, const struct quota *entity,
                       char ret_id[ID_TEXT])
{
    ret_id[0] = 0;
    if (parts_of(entity) != HAS_USER) return OK;
    struct db_query *q = DB(db, "SELECT quota_id FROM client_quota_principal WHERE cluster_id = ? AND "
                                "principal = ?", cluster_id,
                            entity->user.data ? entity->user : STR(QUOTA_DEFAULT));
    if (db_next(q)) str_copy(ret_id, ID_TEXT, db_text(q, 0));
    return db_end(q);
}

static void say_owner(const struct quota *entity, const char *id, struct why *why)
{
    why_set(why, "The quota of the user %.*s is the client quota %s, which is changed by kafka-quotas/v1 or "
                 "in the console.", STR_ARG(entity->user.data ? entity->user : STR(QUOTA_DEFAULT)), id);
}

static status may_change(void *arg, const struct quota *entity, struct why *why)
{
    struct source *s = arg;
    char id[ID_TEXT];
    TRY(owner_of(s->db, s->cluster_id, entity, id));
    if (!id[0]) return OK;
    say_owner(entity, id, why);
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

/* --- by REST ---------------------------------------------------------------------------------------- */

struct quota_set {
    int64_t *version;
    domain_done done;
    void *arg;
};

static void set_done(void *arg, status result, int64_t version, const void *response)
{
    struct quota_set *s = arg;
    const struct alter_client_quotas_response *r = response;
    struct why why = { "" };
    if (r && r->entries_count == 1 && r->entries[0].error_code) {
        status row = status_from_kafka(r->entries[0].error_code);
        why_set(&why, "%.*s", STR_ARG(r->entries[0].error_message));
        result = row.code == E_POLICY_VIOLATION ? FAIL(LIMIT) : FAIL(PRECONDITION);
    }
    *s->version = version;
    s->done(s->arg, result, &why);
}

typedef struct alter_client_quotas_request_entity_data entity_part;
typedef struct alter_client_quotas_request_op_data rate_op;

static int32_t fill_entity(const struct quota *q, entity_part parts[3])
{
    int32_t n = 0;
    if (q->has_user) parts[n++] = (entity_part){ STR("user"), q->user };
    if (q->has_client_id) parts[n++] = (entity_part){ STR("client-id"), q->client_id };
    if (q->has_ip) parts[n++] = (entity_part){ STR("ip"), q->ip };
    return n;
}

static rate_op rate(const char *key, double value)
{
    return (rate_op){ .key = str_c(key), .value = value, .remove = value < 0 };
}

/* CONFLICT or NOT_FOUND; also whether the entity has a quota now. */
static status check_set(struct domain *domain, const char *cluster_id, const struct quota *quota,
                        bool *ret_exists, struct why *why)
{
    char owner[ID_TEXT];
    struct quota there;
    struct source source = { domain->db, cluster_id, OK };
    TRY(owner_of(domain->db, cluster_id, quota, owner));
    if (owner[0]) {
        say_owner(quota, owner, why);
        return FAIL(CONFLICT);
    }
    *ret_exists = find_quota(&source, quota, &there);
    TRY(source.result);
    return quota_is_empty(quota) && !*ret_exists ? FAIL(NOT_FOUND) : OK;
}

void kafka_quotas_set(struct domain *domain, const char *cluster_id, const struct actor *actor,
                      const struct quota *quota, struct arena *arena, int64_t *ret_version,
                      bool *ret_created, domain_done done, void *arg)
{
    struct why why = { "" };
    bool exists = false;
    struct quota_set *s = ARENA_NEW(arena, struct quota_set);
    status result = s ? check_set(domain, cluster_id, quota, &exists, &why) : FAIL(NO_MEMORY);
    if (failed(result)) {
        done(arg, result, &why);
        return;
    }
    entity_part parts[3];
    rate_op ops[] = { rate("producer_byte_rate", quota->producer_byte_rate),
                      rate("consumer_byte_rate", quota->consumer_byte_rate),
                      rate("request_percentage", quota->request_percentage),
                      rate("controller_mutation_rate", quota->controller_mutation_rate),
                      rate("connection_creation_rate", quota->connection_creation_rate) };
    struct alter_client_quotas_request_entry_data entry = { .entity = parts, .ops = ops,
                                                            .ops_count = ARRAY_LEN(ops) };
    struct alter_client_quotas_request request = { .entries = &entry, .entries_count = 1 };
    entry.entity_count = fill_entity(quota, parts);
    *s = (struct quota_set){ ret_version, done, arg };
    *ret_created = !exists;
    kafka_quotas_alter(domain, cluster_id, actor, &request, arena, set_done, s);
}
