/* leat_kafka_quotas.c - /leat/v1: Kafka's client quotas, the rows that AlterClientQuotas changes, and beside
 * them the user entities that client quotas (cq-…) own. DOMAIN: live use stands beside each user. */
#include "api/control.h"
#include "api/handlers.h"
#include "api/kafka.h"

#include "domain/kafka_quotas.h"
#include "domain/quotas.h"
#include "domain/throttled.h"

static const struct {
    const char *name;
    size_t at;
} rates[] = {
    { "producer_byte_rate", offsetof(struct quota, producer_byte_rate) },
    { "consumer_byte_rate", offsetof(struct quota, consumer_byte_rate) },
    { "request_percentage", offsetof(struct quota, request_percentage) },
    { "controller_mutation_rate", offsetof(struct quota, controller_mutation_rate) },
    { "connection_creation_rate", offsetof(struct quota, connection_creation_rate) },
};
static double *rate_at(struct quota *q, size_t i) { return (double *)(void *)((char *)q + rates[i].at); }

/* --- as JSON ---------------------------------------------------------------------------------------- */

static json_t *name_json(struct str name) { return name.data ? api_str(name) : json_string(QUOTA_DEFAULT); }

/* NULL: it is no user alone, or did nothing yet. */
static json_t *user_use(const struct engine_figures *f, const struct quota *q)
{
    char principal[128];
    if (!q->has_user || !q->user.data || q->has_client_id) return NULL;
    snprintf(principal, sizeof principal, "User:%.*s", STR_ARG(q->user));
    for (size_t i = 0; i < f->principal_count; i++) {
        const struct engine_principal_figures *p = &f->principals[i];
        if (strcmp(p->principal, principal) == 0)
            return json_pack("{s:f, s:f, s:f, s:I}", "ingress_bytes_per_s", p->in_per_s,
                             "egress_bytes_per_s", p->out_per_s, "throttle_ms_per_s", p->throttle_ms_per_s,
                             "throttle_ms", (json_int_t)p->throttle_ms);
    }
    return NULL;
}

static bool same_name(bool has, struct str name, bool told, const char *told_name)
{
    return has == told && str_eq_c(name.data ? name : STR(""), told_name);
}

static const struct engine_quota_figures *entity_use(const struct engine_figures *f, const struct quota *q)
{
    for (size_t i = 0; i < f->quota_count; i++) {
        const struct engine_quota_figures *e = &f->quotas[i];
        if (same_name(q->has_user, q->user, e->has_user, e->user) &&
            same_name(q->has_client_id, q->client_id, e->has_client_id, e->client_id) &&
            same_name(q->has_ip, q->ip, e->has_ip, e->ip))
            return e;
    }
    return NULL;
}

/* What the entity was charged; of a user alone the bytes are all that it moved. */
static json_t *use_json(struct api_request *rq, const char *cluster_id, const struct quota *q)
{
    struct engine *engine = rq->domain->engine;
    const struct engine_figures *f = engine ? engine_figures(engine, cluster_id) : NULL;
    const struct engine_quota_figures *e = f ? entity_use(f, q) : NULL;
    json_t *use = f ? user_use(f, q) : NULL;
    if (!use && e)
        use = json_pack("{s:f, s:f, s:f, s:I}", "ingress_bytes_per_s", e->in_per_s, "egress_bytes_per_s",
                        e->out_per_s, "throttle_ms_per_s", e->throttle_ms_per_s, "throttle_ms",
                        (json_int_t)e->throttle_ms);
    if (!use) return json_null();
    PUT(use, "request_percentage", e ? json_real(e->request_percent) : json_null());
    PUT(use, "controller_mutations_per_s", e ? json_real(e->mutations_per_s) : json_null());
    PUT(use, "connections_per_s", e ? json_real(e->connections_per_s) : json_null());
    return use;
}

static json_t *row_json(struct api_request *rq, const char *cluster_id, const struct kafka_quota_row *row)
{
    struct quota q = row->quota;
    json_t *o = json_object(), *entity = json_object(), *values = json_object();
    if (q.has_user) PUT(entity, "user", name_json(q.user));
    if (q.has_client_id) PUT(entity, "client_id", name_json(q.client_id));
    if (q.has_ip) PUT(entity, "ip", name_json(q.ip));
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        if (*rate_at(&q, i) >= 0) PUT(values, rates[i].name, json_real(*rate_at(&q, i)));
    PUT(o, "kind", json_string("KafkaQuota"));
    PUT(o, "entity", entity);
    PUT(o, "quotas", values);
    PUT(o, "client_quota_id", row->owner[0] ? json_string(row->owner) : json_null());
    PUT(o, "use", use_json(rq, cluster_id, &q));
    return o;
}

/* --- the list --------------------------------------------------------------------------------------- */

struct quota_page {
    struct api_request *rq;
    const char *cluster_id;
    json_t *data;
    int64_t size;
    bool more;
    int64_t next;
};

static void add_row(void *arg, const struct kafka_quota_row *row)
{
    struct quota_page *p = arg;
    if ((int64_t)json_array_size(p->data) == p->size) p->more = true;
    else json_array_append_new(p->data, row_json(p->rq, p->cluster_id, row));
}

/* A part of an entity in a query: null data and true: the default one. */
static bool part(struct api_request *rq, const char *name, struct str *ret)
{
    *ret = rq->http->query(rq, name, 0);
    bool has = ret->data;
    if (has && str_eq_c(*ret, QUOTA_DEFAULT)) *ret = STR_NULL;
    return has;
}

static void throttled_known(void *arg, const struct throttled_all *all)
{
    struct quota_page *p = arg;
    size_t i;
    json_t *row;
    char next[24], principal[160];
    json_array_foreach(p->data, i, row)
    {
        json_t *use = json_object_get(row, "use");
        const json_t *entity = json_object_get(row, "entity");
        struct str user = api_get_str(entity, "user");
        if (!json_is_object(use)) continue;
        snprintf(principal, sizeof principal, "User:%.*s", STR_ARG(user));
        struct throttled t = { .known = false }; /* the history is by user */
        if (user.data && json_object_size(entity) == 1 && !str_eq_c(user, QUOTA_DEFAULT))
            t = throttled_of(all, str_c(principal));
        PUT(use, "throttled_ms_last_minute", t.known ? json_integer(t.minute_ms) : json_null());
        PUT(use, "throttled_ms_last_hour", t.known ? json_integer(t.hour_ms) : json_null());
    }
    snprintf(next, sizeof next, "%lld", (long long)p->next);
    api_reply_list(p->rq, NULL, "KafkaQuotaList", p->data, p->more ? next : NULL, -1);
}

void leat_kafka_quotas_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct api_page page;
    struct kafka_quota_filter f = { .has_user = false };
    int64_t offset = 0;
    if (!s || !api_page(rq, &page)) return;
    if (page.after.len && !str_to_i64(page.after, &offset)) {
        api_fail_at(rq, 400, NULL, "page_token is not one of this list.", NULL, "page_token");
        return;
    }
    f.has_user = part(rq, "user", &f.user);
    f.has_client_id = part(rq, "client_id", &f.client_id);
    f.has_ip = part(rq, "ip", &f.ip);
    struct quota_page *p = ARENA_NEW(rq->arena, struct quota_page);
    if (!p) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    *p = (struct quota_page){ rq, s->id, json_array(), page.size, false, offset + page.size };
    if (rq->domain->engine) engine_watch(rq->domain->engine, s->id);
    status result = kafka_quotas_list(rq->db, s->id, &f, page.size + 1, offset, add_row, p);
    if (failed(result)) {
        json_decref(p->data);
        api_fail(rq, result, NULL);
        return;
    }
    throttled_load(rq->domain, s->id, throttled_known, p);
}

/* --- changes ---------------------------------------------------------------------------------------- */

struct pending_quota {
    struct api_request *rq;
    const char *cluster_id;
    struct quota quota;
    int64_t version;
    bool created, removed;
};

static void changed(void *arg, status result, const struct why *why)
{
    struct pending_quota *p = arg;
    struct api_request *rq = p->rq;
    if (result.code == E_NOT_FOUND) {
        api_fail(rq, result, "This entity has no quota.");
    } else if (failed(result) && result.code != E_PENDING) {
        control_fail(rq, result, why, STR_NULL);
    } else if (p->removed) {
        api_reply_change(rq, result, why, 204, p->version, NULL);
    } else {
        struct kafka_quota_row row = { .quota = p->quota };
        api_reply_change(rq, result, why, p->created ? 201 : 200, p->version,
                         row_json(rq, p->cluster_id, &row));
    }
}

static bool bad(struct api_request *rq, const char *pointer, const char *detail)
{
    api_fail_at(rq, 422, NULL, detail, pointer, NULL);
    return false;
}

static bool read_part(struct api_request *rq, const json_t *entity, const char *name, bool *ret_has,
                      struct str *ret)
{
    const json_t *v = json_object_get(entity, name);
    *ret_has = v && !json_is_null(v);
    if (!*ret_has) return true;
    *ret = api_get_str(entity, name);
    if (!ret->data) return bad(rq, "/entity", "user, client_id and ip are strings; \"<default>\" is everyone "
                                              "without an own quota.");
    if (str_eq_c(*ret, QUOTA_DEFAULT)) *ret = STR_NULL;
    return true;
}

static bool read_entity(struct api_request *rq, const json_t *entity, struct quota *q)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)entity, name, v)
    {
        if (strcmp(name, "user") != 0 && strcmp(name, "client_id") != 0 && strcmp(name, "ip") != 0)
            return bad(rq, "/entity", "An entity is made of user, client_id, user and client_id, or ip.");
    }
    return read_part(rq, entity, "user", &q->has_user, &q->user) &&
           read_part(rq, entity, "client_id", &q->has_client_id, &q->client_id) &&
           read_part(rq, entity, "ip", &q->has_ip, &q->ip);
}

static bool read_rate(struct api_request *rq, const char *name, const json_t *v, struct quota *q)
{
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        if (strcmp(rates[i].name, name) != 0) continue;
        if (json_is_null(v)) return true;
        if (!json_is_number(v) || !(json_number_value(v) > 0))
            return bad(rq, "/quotas", "A quota is a number above 0; null or absent: none.");
        *rate_at(q, i) = json_number_value(v);
        return true;
    }
    return bad(rq, "/quotas", "quotas has producer_byte_rate, consumer_byte_rate, request_percentage and "
                              "controller_mutation_rate, for an ip connection_creation_rate.");
}

static bool read_body(struct api_request *rq, const json_t *body, struct quota *q)
{
    const json_t *entity = json_object_get(body, "entity"), *values = json_object_get(body, "quotas");
    const char *name;
    json_t *v;
    quota_init(q);
    if (!json_is_object(entity) || json_object_size(entity) == 0)
        return bad(rq, "/entity", "entity is an object with user, client_id or ip.");
    if (!json_is_object(values)) return bad(rq, "/quotas", "quotas is an object of rates.");
    if (!read_entity(rq, entity, q)) return false;
    json_object_foreach((json_t *)values, name, v)
    {
        if (!read_rate(rq, name, v, q)) return false;
    }
    if (quota_is_empty(q)) return bad(rq, "/quotas", "One rate at least is set; DELETE removes the quota.");
    return true;
}

static struct pending_quota *pending_new(struct api_request *rq, const struct kafka_scope *s)
{
    struct pending_quota *p = s ? ARENA_NEW(rq->arena, struct pending_quota) : NULL;
    if (p) *p = (struct pending_quota){ .rq = rq, .cluster_id = s->id };
    else if (s) api_fail(rq, FAIL(NO_MEMORY), NULL);
    return p;
}

void leat_kafka_quotas_put(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct pending_quota *p = pending_new(rq, s);
    const json_t *body = p ? api_body(rq) : NULL;
    struct actor actor = kafka_actor(rq);
    if (body && read_body(rq, body, &p->quota))
        kafka_quotas_set(rq->domain, s->id, &actor, &p->quota, rq->arena, &p->version, &p->created, changed,
                         p);
}

void leat_kafka_quotas_delete(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct pending_quota *p = pending_new(rq, s);
    struct actor actor = kafka_actor(rq);
    if (!p) return;
    struct quota *q = &p->quota;
    quota_init(q);
    q->has_user = part(rq, "user", &q->user);
    q->has_client_id = part(rq, "client_id", &q->client_id);
    q->has_ip = part(rq, "ip", &q->ip);
    if (!q->has_user && !q->has_client_id && !q->has_ip) {
        api_fail_at(rq, 400, NULL, "Name the entity by the parameters user, client_id or ip.", NULL, "user");
        return;
    }
    p->removed = true;
    kafka_quotas_set(rq->domain, s->id, &actor, q, rq->arena, &p->version, &p->created, changed, p);
}
