/* plans.c - plans are rows; this turns them into the limits that travel in a cluster's image. */
#include "domain/plans.h"

#define COLUMNS                                                                                    \
    "SELECT name, ingress_bytes_per_s, egress_bytes_per_s, storage_bytes, partitions, "            \
    "connections, message_bytes, memory_bytes, auto_create_topics, default_partitions, "           \
    "strict_replication FROM plan "

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

static void read_plan(const struct db_query *q, struct plan *plan)
{
    *plan = (struct plan){ 0 };
    DB_COPY(q, 0, plan->name);
    plan->limits = (struct limits){
        .ingress_bytes_per_s = db_i64(q, 1), .egress_bytes_per_s = db_i64(q, 2),
        .storage_bytes = db_i64(q, 3), .partitions = db_i64(q, 4), .connections = db_i64(q, 5),
        .message_bytes = db_i64(q, 6), .memory_bytes = db_i64(q, 7),
        .auto_create_topics = db_i64(q, 8) != 0, .default_partitions = (int32_t)db_i64(q, 9),
        .group_initial_delay_ms = 3000, .authorise = true,
        .strict_replication = db_i64(q, 10) != 0,
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

static int64_t times(int64_t limit, int64_t n) { return limit < 0 ? limit : limit * n; }

status plans_limits(struct db *db, const char *name, int64_t cku, struct limits *ret)
{
    struct plan plan;
    TRY(plans_get(db, name, &plan));
    if (cku > 1) {
        struct limits *l = &plan.limits;
        l->ingress_bytes_per_s = times(l->ingress_bytes_per_s, cku);
        l->egress_bytes_per_s = times(l->egress_bytes_per_s, cku);
        l->storage_bytes = times(l->storage_bytes, cku);
        l->partitions = times(l->partitions, cku);
        l->connections = times(l->connections, cku);
    }
    *ret = plan.limits;
    return OK;
}

status plans_list(struct db *db, void (*each)(void *arg, const struct plan *plan), void *arg)
{
    struct plan plan;
    struct db_query *q = DB(db, COLUMNS "ORDER BY partitions, name");
    while (db_next(q)) {
        read_plan(q, &plan);
        each(arg, &plan);
    }
    return db_end(q);
}
