/* admin_quotas.c - what may be a client quota, and which a filter names. Any thread; holds no state. */
#include "cluster/admin_quotas.h"

#include "cluster/delta.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>

typedef struct alter_client_quotas_request_entry_data asked_entry;
typedef struct alter_client_quotas_response_entry_data answer_entry;
typedef struct describe_client_quotas_request_component_data component;

/* --- the table of rates and parts ------------------------------------------------------------------- */

enum part { PART_USER, PART_CLIENT_ID, PART_IP, PARTS, PART_NONE = -1 };
static const char *const part_names[PARTS] = { "user", "client-id", "ip" };

static const struct {
    const char *key;
    bool of_ip;  /* else: of users and client ids */
    double max;  /* above 0: a whole number up to here */
} rates[] = {
    { "producer_byte_rate", false, 9223372036854775807.0 },
    { "consumer_byte_rate", false, 9223372036854775807.0 },
    { "request_percentage", false, 0 },
    { "controller_mutation_rate", false, 0 },
    { "connection_creation_rate", true, 2147483647.0 },
};

static double *rate_at(struct quota *q, size_t i)
{
    double *const at[] = { &q->producer_byte_rate, &q->consumer_byte_rate, &q->request_percentage,
                           &q->controller_mutation_rate, &q->connection_creation_rate };
    static_assert(ARRAY_LEN(at) == ARRAY_LEN(rates), "one field a rate");
    return at[i];
}

static double rate_of(const struct quota *q, size_t i) { return *rate_at((struct quota *)q, i); }

bool quota_is_empty(const struct quota *quota)
{
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        if (rate_of(quota, i) >= 0) return false;
    return true;
}

static enum part part_of(struct str name)
{
    for (int p = 0; p < PARTS; p++)
        if (str_eq_c(name, part_names[p])) return (enum part)p;
    return PART_NONE;
}

static bool has_part(const struct quota *q, enum part p)
{
    return p == PART_USER ? q->has_user : p == PART_CLIENT_ID ? q->has_client_id : q->has_ip;
}

static struct str name_of(const struct quota *q, enum part p)
{
    return p == PART_USER ? q->user : p == PART_CLIENT_ID ? q->client_id : q->ip;
}

static void set_part(struct quota *q, enum part p, struct str name)
{
    *(p == PART_USER ? &q->has_user : p == PART_CLIENT_ID ? &q->has_client_id : &q->has_ip) = true;
    *(p == PART_USER ? &q->user : p == PART_CLIENT_ID ? &q->client_id : &q->ip) = name;
}

static bool same_entity(const struct quota *a, const struct quota *b)
{
    for (int p = 0; p < PARTS; p++)
        if (has_part(a, (enum part)p) != has_part(b, (enum part)p) ||
            !str_eq(name_of(a, (enum part)p), name_of(b, (enum part)p)))
            return false;
    return true;
}

/* --- AlterClientQuotas ------------------------------------------------------------------------------ */

static bool is_address(struct str text)
{
    char name[INET6_ADDRSTRLEN + 1];
    struct in6_addr any;
    return str_copy(name, sizeof name, text) &&
           (inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1);
}

static status read_entity(const asked_entry *asked, struct quota *q, struct why *why)
{
    quota_init(q);
    for (int32_t i = 0; i < asked->entity_count; i++) {
        struct str type = asked->entity[i].entity_type, name = asked->entity[i].entity_name;
        enum part p = part_of(type);
        if (p == PART_NONE)
            why_set(why, "Unhandled client quota entity type: %.*s.", STR_ARG(type));
        else if (has_part(q, p))
            why_set(why, "The entity type %s comes twice in one entity.", part_names[p]);
        else if (name.data && name.len == 0)
            why_set(why, "Empty %s is not supported.", part_names[p]);
        else if (name.len > ADMIN_QUOTA_NAME_MAX || !str_is_text(name))
            why_set(why, "A name has at most %d bytes of UTF-8 text.", ADMIN_QUOTA_NAME_MAX);
        else if (p == PART_IP && name.data && !is_address(name))
            why_set(why, "%.*s is not a valid IP.", STR_ARG(name));
        else {
            set_part(q, p, name);
            continue;
        }
        return FAIL(INVALID_REQUEST);
    }
    if (q->has_ip && (q->has_user || q->has_client_id))
        why_set(why, "Invalid quota entity combination: ip cannot be combined with user or client-id.");
    else if (!q->has_user && !q->has_client_id && !q->has_ip)
        why_set(why, "Invalid empty client quota entity.");
    else
        return OK;
    return FAIL(INVALID_REQUEST);
}

static status check_value(const struct quota *q, struct str key, size_t rate, double value,
                          struct why *why)
{
    if (rate == ARRAY_LEN(rates) || rates[rate].of_ip != q->has_ip)
        why_set(why, "Invalid configuration key %.*s.", STR_ARG(key));
    else if (!(value > 0) || isinf(value))
        why_set(why, "Quota %s must be greater than 0.", rates[rate].key);
    else if (rates[rate].max > 0 && value >= rates[rate].max)
        why_set(why, "Proposed value for %s is too large.", rates[rate].key);
    else if (rates[rate].max > 0 && fabs(fmod(value, 1.0)) > 1e-6)
        why_set(why, "%s cannot be a fractional value.", rates[rate].key);
    else
        return OK;
    return FAIL(INVALID_REQUEST);
}

/* A key that is removed need not be one of this entity's, nor be set: as in Kafka, nothing happens. */
static status read_ops(const asked_entry *asked, struct quota *q, struct why *why)
{
    for (int32_t i = 0; i < asked->ops_count; i++) {
        const struct alter_client_quotas_request_op_data *op = &asked->ops[i];
        size_t rate = 0;
        while (rate < ARRAY_LEN(rates) && !str_eq_c(op->key, rates[rate].key)) rate++;
        for (int32_t k = 0; k < i; k++) {
            if (!str_eq(asked->ops[k].key, op->key)) continue;
            why_set(why, "Duplicate quota key %.*s.", STR_ARG(op->key));
            return FAIL(INVALID_REQUEST);
        }
        if (op->remove) {
            if (rate < ARRAY_LEN(rates)) *rate_at(q, rate) = -1;
            continue;
        }
        TRY(check_value(q, op->key, rate, op->value, why));
        *rate_at(q, rate) = op->value;
    }
    return OK;
}

struct altering {
    const struct quota_facts *facts;
    struct quota *seen; /* entities of the request so far */
    size_t seen_count;
    struct quota *plan;
    size_t plan_count, created;
};

static bool same_rates(const struct quota *a, const struct quota *b)
{
    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        if (rate_of(a, i) != rate_of(b, i)) return false;
    return true;
}

static void take_rates(struct quota *to, const struct quota *from)
{
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) *rate_at(to, i) = rate_of(from, i);
}

static status plan_entry(struct altering *a, const asked_entry *asked, struct why *why)
{
    struct quota q, there;
    TRY(read_entity(asked, &q, why));
    for (size_t i = 0; i < a->seen_count; i++) {
        if (!same_entity(&a->seen[i], &q)) continue;
        why_set(why, "The entity comes more than once in the request.");
        return FAIL(INVALID_REQUEST);
    }
    a->seen[a->seen_count++] = q;
    if (a->facts->may_change) TRY(a->facts->may_change(a->facts->arg, &q, why));
    quota_init(&there);
    bool exists = a->facts->find(a->facts->arg, &q, &there);
    take_rates(&q, &there);
    TRY(read_ops(asked, &q, why));
    if (same_rates(&q, &there)) return OK;
    if (!exists && a->facts->entities + ++a->created > ADMIN_QUOTAS_MAX) {
        why_set(why, "A cluster can have quotas for %d entities.", ADMIN_QUOTAS_MAX);
        return FAIL(POLICY_VIOLATION);
    }
    a->plan[a->plan_count++] = q;
    return OK;
}

static void put_answer(const asked_entry *asked, status result, const struct why *why,
                       struct arena *arena, answer_entry *row)
{
    wire_default_struct(&alter_client_quotas_response_entry_data_struct, row);
    row->error_code = status_kafka(result);
    row->error_message = is_ok(result) ? STR_NULL : arena_str(arena, str_c(why->text));
    int32_t n = asked->entity_count < 0 ? 0 : asked->entity_count;
    row->entity = ARENA_ARRAY(arena, struct alter_client_quotas_response_entity_data, n);
    if (!row->entity) return;
    row->entity_count = n;
    for (int32_t i = 0; i < n; i++) {
        row->entity[i].entity_type = asked->entity[i].entity_type;
        row->entity[i].entity_name = asked->entity[i].entity_name;
    }
}

status plan_quotas_alter(const struct quota_facts *facts,
                         const struct alter_client_quotas_request *request, struct arena *arena,
                         struct alter_client_quotas_response *ret_response,
                         struct quota_plan *ret_plan)
{
    int32_t n = request->entries_count < 0 ? 0 : request->entries_count;
    if (n > ADMIN_QUOTAS_ASKED_MAX) return FAIL(INVALID_REQUEST);
    struct altering a = { .facts = facts };
    wire_default(&alter_client_quotas_response_message, ret_response);
    a.seen = ARENA_ARRAY(arena, struct quota, n);
    a.plan = ARENA_ARRAY(arena, struct quota, n);
    ret_response->entries = ARENA_ARRAY(arena, answer_entry, n);
    TRY(arena_check(arena));
    ret_response->entries_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct why why = { "" };
        const asked_entry *asked = &request->entries[i];
        bool small = asked->entity_count <= 2 * PARTS && asked->ops_count <= (int)(2 * ARRAY_LEN(rates));
        if (!small) why_set(&why, "Too many entity types or quota keys.");
        status planned = small ? plan_entry(&a, asked, &why) : FAIL(INVALID_REQUEST);
        put_answer(asked, planned, &why, arena, &ret_response->entries[i]);
    }
    *ret_plan = (struct quota_plan){ a.plan, request->validate_only ? 0 : a.plan_count };
    return arena_check(arena);
}

/* --- DescribeClientQuotas ---------------------------------------------------------------------------- */

enum { MATCH_EXACT = 0, MATCH_DEFAULT = 1, MATCH_SPECIFIED = 2 };

struct filter {
    bool wanted[PARTS], any[PARTS];
    struct str name[PARTS]; /* null: the default entity */
};

static status read_component(const component *c, struct filter *f, struct why *why)
{
    enum part p = part_of(c->entity_type);
    status refused = FAIL(INVALID_REQUEST);
    if (c->entity_type.len == 0) {
        why_set(why, "Invalid empty entity type.");
    } else if (p == PART_NONE) {
        why_set(why, "Unsupported entity type %.*s.", STR_ARG(c->entity_type));
        refused = FAIL(UNSUPPORTED_VERSION);
    } else if (f->wanted[p]) {
        why_set(why, "Entity type %s cannot appear more than once in the filter.", part_names[p]);
    } else if (c->match_type < MATCH_EXACT || c->match_type > MATCH_SPECIFIED) {
        why_set(why, "Unknown match type %d.", c->match_type);
    } else if ((c->match_type == MATCH_EXACT) == str_is_null(c->match)) {
        why_set(why, c->match_type == MATCH_EXACT
                         ? "Request specified an exact match, but set match string to null."
                         : "Request specified a default or any match, but also a match string.");
    } else {
        f->wanted[p] = true;
        f->any[p] = c->match_type == MATCH_SPECIFIED;
        f->name[p] = c->match;
        return OK;
    }
    return refused;
}

static bool matches(const struct filter *f, const struct quota *q, bool strict)
{
    for (int p = 0; p < PARTS; p++) {
        bool has = has_part(q, (enum part)p);
        if (!f->wanted[p]) {
            if (strict && has) return false;
        } else if (!has || (!f->any[p] && !str_eq(name_of(q, (enum part)p), f->name[p]))) {
            return false;
        }
    }
    return true;
}

static void put_entry(const struct quota *q, struct arena *arena,
                      struct describe_client_quotas_response_entry_data *row)
{
    wire_default_struct(&describe_client_quotas_response_entry_data_struct, row);
    row->entity = ARENA_ARRAY(arena, struct describe_client_quotas_response_entity_data, PARTS);
    row->values = ARENA_ARRAY(arena, struct describe_client_quotas_response_value_data,
                              ARRAY_LEN(rates));
    if (!row->entity || !row->values) return;
    row->entity_count = row->values_count = 0;
    for (int p = 0; p < PARTS; p++) {
        if (!has_part(q, (enum part)p)) continue;
        struct describe_client_quotas_response_entity_data *e = &row->entity[row->entity_count++];
        e->entity_type = str_c(part_names[p]);
        e->entity_name = name_of(q, (enum part)p);
    }
    for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
        if (rate_of(q, i) < 0) continue;
        struct describe_client_quotas_response_value_data *v = &row->values[row->values_count++];
        v->key = str_c(rates[i].key);
        v->value = rate_of(q, i);
    }
}

status quotas_describe(const struct quota *quotas, const struct describe_client_quotas_request *request,
                       struct arena *arena, struct describe_client_quotas_response *ret_response,
                       struct why *why)
{
    struct filter f = { .wanted = { false } };
    const struct quota *q;
    size_t n = 0;
    for (int32_t i = 0; i < request->components_count; i++)
        TRY(read_component(&request->components[i], &f, why));
    if (f.wanted[PART_IP] && (f.wanted[PART_USER] || f.wanted[PART_CLIENT_ID])) {
        why_set(why, "Invalid entity filter component combination: ip cannot be used with user or "
                     "client-id.");
        return FAIL(INVALID_REQUEST);
    }
    DL_FOREACH(quotas, q) n += matches(&f, q, request->strict);
    ret_response->entries = ARENA_ARRAY(arena, struct describe_client_quotas_response_entry_data, n);
    TRY(arena_check(arena));
    ret_response->entries_count = 0;
    DL_FOREACH(quotas, q)
        if (matches(&f, q, request->strict))
            put_entry(q, arena, &ret_response->entries[ret_response->entries_count++]);
    return arena_check(arena);
}
