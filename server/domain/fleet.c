/* fleet.c - three queries: the clusters with their counts, the plans they have, their own limits. */
#include "domain/fleet.h"

#include "domain/clusters.h"

#include <stdlib.h>

#define FLEET_ARENA (64u << 20)
#define KNOWN_PLANS 32

#define CLUSTERS                                                                                    \
    "SELECT c.id, c.plan, c.cku, c.plan_since, "                                                    \
    "(SELECT count(*) FROM topic t WHERE t.cluster_id = c.id AND t.internal = 0), "                 \
    "(SELECT coalesce(sum(partitions), 0) FROM topic t WHERE t.cluster_id = c.id AND t.internal = 0) " \
    "FROM cluster c "

/* Limits by plan and units, as far as clusters have them: few, however many clusters there are. */
struct known_plans {
    struct { char name[PLAN_NAME_MAX + 1]; int64_t cku; struct limits limits; } rows[KNOWN_PLANS];
    size_t count;
};

static status plan_of(struct db *db, struct known_plans *known, const char *name, int64_t cku,
                      struct limits *ret)
{
    for (size_t i = 0; i < known->count; i++) {
        if (known->rows[i].cku != cku || strcmp(known->rows[i].name, name) != 0) continue;
        *ret = known->rows[i].limits;
        return OK;
    }
    TRY(plans_limits(db, name, cku, ret));
    if (known->count == KNOWN_PLANS) return OK;
    str_copy(known->rows[known->count].name, sizeof known->rows[0].name, str_c(name));
    known->rows[known->count].cku = cku;
    known->rows[known->count++].limits = *ret;
    return OK;
}

static status read_clusters(struct db *db, struct db_query *q, int64_t limit, struct fleet *fleet)
{
    struct known_plans *known = ARENA_NEW(&fleet->arena, struct known_plans);
    status result = OK;
    fleet->rows = ARENA_ARRAY(&fleet->arena, struct fleet_cluster, limit + 1);
    if (!known || !fleet->rows) result = FAIL(NO_MEMORY);
    while (is_ok(result) && (int64_t)fleet->count < limit && db_next(q)) {
        struct fleet_cluster *c = &fleet->rows[fleet->count++];
        char plan[PLAN_NAME_MAX + 1];
        DB_COPY(q, 0, c->id);
        DB_COPY(q, 1, plan);
        c->topics = db_i64(q, 4);
        c->partitions = db_i64(q, 5);
        c->ends_at = db_i64(q, 3); /* since when, until its limits are complete */
        result = plan_of(db, known, plan, db_i64(q, 2), &c->limits);
    }
    TRY(db_end(q));
    return result;
}

static int by_id(const void *key, const void *row)
{
    return strcmp(key, ((const struct fleet_cluster *)row)->id);
}

static struct fleet_cluster *find(const struct fleet *fleet, const char *id)
{
    if (!fleet->count) return NULL;
    return bsearch(id, fleet->rows, fleet->count, sizeof *fleet->rows, by_id);
}

/* In falling order of name: each goes to the front of its cluster's list. */
static status read_own(struct db_query *q, struct fleet *fleet)
{
    while (db_next(q)) {
        char id[ID_TEXT];
        DB_COPY(q, 0, id);
        struct fleet_cluster *c = find(fleet, id);
        const struct limit_kind *kind = limit_kind_find(db_text(q, 1));
        struct fleet_own *own = c && kind ? ARENA_NEW(&fleet->arena, struct fleet_own) : NULL;
        if (!own) continue;
        *own = (struct fleet_own){ kind, db_i64(q, 2), c->own };
        c->own = own;
        limit_set(&c->limits, kind, own->value);
    }
    TRY(db_end(q));
    return arena_check(&fleet->arena);
}

static void settle_ends(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++) {
        struct fleet_cluster *c = &fleet->rows[i];
        c->ends_at = c->limits.lifetime_ms >= 0 ? c->ends_at + c->limits.lifetime_ms : -1;
    }
}

#define OWN "SELECT cluster_id, name, value FROM cluster_limit "

status fleet_load(struct db *db, struct str after, int64_t limit, struct fleet *ret)
{
    *ret = (struct fleet){ 0 };
    arena_init(&ret->arena, FLEET_ARENA);
    struct str behind = after.data ? after : STR("");
    if (limit > CLUSTERS_MAX) limit = CLUSTERS_MAX;
    TRY(read_clusters(db, DB(db, CLUSTERS "WHERE c.id > ? ORDER BY c.id LIMIT ?", behind, limit), limit,
                      ret));
    TRY(read_own(DB(db, OWN "WHERE cluster_id > ? ORDER BY name DESC", behind), ret));
    settle_ends(ret);
    return OK;
}

status fleet_load_one(struct db *db, const char *id, struct fleet *ret)
{
    *ret = (struct fleet){ 0 };
    arena_init(&ret->arena, FLEET_ARENA);
    TRY(read_clusters(db, DB(db, CLUSTERS "WHERE c.id = ?", id), 1, ret));
    TRY(read_own(DB(db, OWN "WHERE cluster_id = ? ORDER BY name DESC", id), ret));
    settle_ends(ret);
    return OK;
}

void fleet_done(struct fleet *fleet) { arena_done(&fleet->arena); }

const struct fleet_cluster *fleet_find(const struct fleet *fleet, const char *id) { return find(fleet, id); }
