/* plans.c - plans are rows; this turns them, with what a cluster has of its own, into the limits that
 * travel in its image. */
#include "domain/plans.h"

#define COLUMNS                                                                                    \
    "SELECT name, ingress_bytes_per_s, egress_bytes_per_s, storage_bytes, partitions, "            \
    "connections, message_bytes, memory_bytes, auto_create_topics, default_partitions, "           \
    "strict_replication, retention_ms, connections_per_s, requests_per_s, lifetime_ms, "           \
    "(SELECT count(*) FROM cluster WHERE plan = name) FROM plan "

#define KIND(field, unit, title, least, endless, by_cku)                                           \
    { #field, unit, title, offsetof(struct limits, field), least, endless, by_cku }

static const struct limit_kind all_kinds[] = {
    KIND(ingress_bytes_per_s, "bytes/s", "Bytes produced a second", 1024, true, true),
    KIND(egress_bytes_per_s, "bytes/s", "Bytes consumed a second", 1024, true, true),
    KIND(storage_bytes, "bytes", "Bytes kept", 1 << 20, true, true),
    KIND(retention_ms, "ms", "Longest retention of a topic", 1000, true, false),
    KIND(partitions, "partitions", "Partitions", 1, true, true),
    KIND(connections, "connections", "Open connections", 1, true, true),
    KIND(connections_per_s, "connections/s", "New connections a second", 1, true, true),
    KIND(requests_per_s, "requests/s", "Requests a second", 1, true, true),
    KIND(message_bytes, "bytes", "Largest batch of records", 1024, true, false),
    KIND(lifetime_ms, "ms", "Time until the cluster is paused for good", 1000, true, false),
    KIND(memory_bytes, "bytes", "Memory for requests under way", 8 << 20, false, false),
};

const struct limit_kind *limit_kinds(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(all_kinds);
    return all_kinds;
}

const struct limit_kind *limit_kind_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(all_kinds); i++) {
        if (str_eq_c(name, all_kinds[i].name)) return &all_kinds[i];
    }
    return NULL;
}

int64_t limit_get(const struct limits *limits, const struct limit_kind *kind)
{
    int64_t value;
    memcpy(&value, (const char *)limits + kind->offset, sizeof value);
    return value;
}

void limit_set(struct limits *limits, const struct limit_kind *kind, int64_t value)
{
    memcpy((char *)limits + kind->offset, &value, sizeof value);
}

static const struct { const char *kind, *plan; } kinds[] = {
    { "Basic", "basic" }, { "Standard", "standard" }, { "Dedicated", "dedicated" },
};

const char *plans_of_kind(struct str kind)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (str_eq_c(kind, kinds[i].kind)) return kinds[i].plan;
    }
    return NULL;
}

const char *plans_kind(const char *plan)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(plan, kinds[i].plan) == 0) return kinds[i].kind;
    }
    return "Basic";
}

static bool is_preset(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(name, kinds[i].plan) == 0) return true;
    }
    return strcmp(name, "trial") == 0;
}

static void read_plan(const struct db_query *q, struct plan *plan)
{
    *plan = (struct plan){ .clusters = db_i64(q, 15) };
    DB_COPY(q, 0, plan->name);
    plan->preset = is_preset(plan->name);
    plan->limits = (struct limits){
        .ingress_bytes_per_s = db_i64(q, 1), .egress_bytes_per_s = db_i64(q, 2),
        .storage_bytes = db_i64(q, 3), .partitions = db_i64(q, 4), .connections = db_i64(q, 5),
        .message_bytes = db_i64(q, 6), .memory_bytes = db_i64(q, 7),
        .auto_create_topics = db_i64(q, 8) != 0, .default_partitions = (int32_t)db_i64(q, 9),
        .group_initial_delay_ms = 3000, .authorise = true,
        .strict_replication = db_i64(q, 10) != 0, .retention_ms = db_i64(q, 11),
        .connections_per_s = db_i64(q, 12), .requests_per_s = db_i64(q, 13), .lifetime_ms = db_i64(q, 14),
    };
}

status plans_get(struct db *db, const char *name, struct plan *ret)
{
    struct db_query *q = DB(db, COLUMNS "WHERE name = ?", name);
    struct plan plan;
    bool found = db_next(q);
    if (found) read_plan(q, &plan);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = plan;
    return OK;
}

status plans_list(struct db *db, void (*each)(void *arg, const struct plan *plan), void *arg)
{
    struct plan plan;
    struct db_query *q = DB(db, COLUMNS "ORDER BY partitions < 0, partitions, name");
    while (db_next(q)) {
        read_plan(q, &plan);
        each(arg, &plan);
    }
    return db_end(q);
}

status plans_count(struct db *db, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM plan"), ret);
}

status plans_limits(struct db *db, const char *name, int64_t cku, struct limits *ret)
{
    struct plan plan;
    TRY(plans_get(db, name, &plan));
    for (size_t i = 0; i < ARRAY_LEN(all_kinds); i++) {
        int64_t value = limit_get(&plan.limits, &all_kinds[i]);
        if (all_kinds[i].by_cku && value > 0 && cku > 1) limit_set(&plan.limits, &all_kinds[i], value * cku);
    }
    *ret = plan.limits;
    return OK;
}

/* --- a cluster's own -------------------------------------------------------------------------------- */

status plans_overrides(struct db *db, const char *cluster_id,
                       void (*each)(void *arg, const struct limit_kind *kind, int64_t value), void *arg)
{
    struct db_query *q = DB(db, "SELECT name, value FROM cluster_limit WHERE cluster_id = ? ORDER BY name",
                            cluster_id);
    while (db_next(q)) {
        const struct limit_kind *kind = limit_kind_find(db_text(q, 0));
        if (kind) each(arg, kind, db_i64(q, 1));
    }
    return db_end(q);
}

static void override(void *arg, const struct limit_kind *kind, int64_t value) { limit_set(arg, kind, value); }

status plans_of_cluster(struct db *db, const char *cluster_id, struct limits *ret)
{
    char plan[PLAN_NAME_MAX + 1] = "";
    int64_t cku = 1;
    struct db_query *q = DB(db, "SELECT plan, cku FROM cluster WHERE id = ?", cluster_id);
    bool found = db_next(q);
    if (found) {
        DB_COPY(q, 0, plan);
        cku = db_i64(q, 1);
    }
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    TRY(plans_limits(db, plan, cku, ret));
    return plans_overrides(db, cluster_id, override, ret);
}
