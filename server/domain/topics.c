/* topics.c - topics as rows. Any thread, with that thread's database. */
#include "domain/topics.h"

#include "domain/plans.h"

#define COLUMNS "SELECT id, name, partitions, replication_factor, internal, created_at FROM topic "

static status read_row(const struct db_query *q, struct arena *arena, struct topic_row *ret)
{
    *ret = (struct topic_row){
        .topic = { .name = arena_str(arena, db_text(q, 1)),
                   .partitions = (int32_t)db_i64(q, 2),
                   .replication_factor = (int16_t)db_i64(q, 3),
                   .internal = db_i64(q, 4) != 0 },
        .created_at = db_i64(q, 5),
    };
    return uuid_parse(db_text(q, 0), &ret->topic.id) ? OK : FAIL(CORRUPT);
}

static status read_configs(struct db *db, const char *cluster_id, struct arena *arena,
                           struct topic_row *row)
{
    int64_t count = 0;
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM topic_config WHERE cluster_id = ? AND topic = ?",
                      cluster_id, row->topic.name), &count));
    if (count == 0) return OK;
    struct delta_config *configs = ARENA_ARRAY(arena, struct delta_config, count);
    struct db_query *q = DB(db,
                            "SELECT name, value FROM topic_config WHERE cluster_id = ? AND topic = ? "
                            "ORDER BY name", cluster_id, row->topic.name);
    int32_t n = 0;
    while (configs && n < count && db_next(q)) {
        configs[n++] = (struct delta_config){ arena_str(arena, db_text(q, 0)),
                                             arena_str(arena, db_text(q, 1)) };
    }
    TRY(db_end(q));
    row->topic.configs = configs;
    row->topic.config_count = n;
    return arena_check(arena);
}

status topics_get(struct db *db, const char *cluster_id, struct str name, struct arena *arena,
                  struct topic_row *ret)
{
    struct db_query *q = DB(db, COLUMNS "WHERE cluster_id = ? AND name = ?", cluster_id, name);
    struct topic_row row;
    bool found = db_next(q);
    status result = found ? read_row(q, arena, &row) : OK;
    TRY(db_end(q));
    TRY(result);
    if (!found) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    TRY(read_configs(db, cluster_id, arena, &row));
    TRY(arena_check(arena));
    *ret = row;
    return OK;
}

/* Both tables in order of name, merged: two queries however many topics there are. */
static status list_configs(struct db *db, const char *cluster_id, struct arena *arena,
                           struct topic_row *rows, size_t count)
{
    int64_t all = 0;
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM topic_config WHERE cluster_id = ?", cluster_id),
                   &all));
    if (all == 0) return OK;
    struct delta_config *configs = ARENA_ARRAY(arena, struct delta_config, all);
    struct db_query *q = DB(db, "SELECT topic, name, value FROM topic_config WHERE cluster_id = ? "
                            "ORDER BY topic, name", cluster_id);
    size_t row = 0;
    int64_t n = 0;
    while (configs && n < all && db_next(q)) {
        struct str topic = db_text(q, 0);
        while (row < count && str_cmp(rows[row].topic.name, topic) < 0) row++;
        if (row == count || !str_eq(rows[row].topic.name, topic)) continue;
        if (!rows[row].topic.configs) rows[row].topic.configs = &configs[n];
        rows[row].topic.config_count++;
        configs[n++] = (struct delta_config){ arena_str(arena, db_text(q, 1)),
                                             arena_str(arena, db_text(q, 2)) };
    }
    TRY(db_end(q));
    return arena_check(arena);
}

status topics_list(struct db *db, const char *cluster_id, struct arena *arena,
                   struct topic_row **ret_rows, size_t *ret_count)
{
    int64_t all = 0;
    TRY(db_one_i64(DB(db, "SELECT count(*) FROM topic WHERE cluster_id = ?", cluster_id), &all));
    struct topic_row *rows = ARENA_ARRAY(arena, struct topic_row, all + 1);
    if (!rows) return FAIL(NO_MEMORY);
    struct db_query *q = DB(db, COLUMNS "WHERE cluster_id = ? ORDER BY name", cluster_id);
    size_t n = 0;
    status result = OK;
    while (is_ok(result) && n < (size_t)all && db_next(q)) result = read_row(q, arena, &rows[n++]);
    TRY(db_end(q));
    TRY(result);
    TRY(list_configs(db, cluster_id, arena, rows, n));
    TRY(arena_check(arena));
    *ret_rows = rows;
    *ret_count = n;
    return OK;
}

status topics_limits(struct db *db, const char *cluster_id, struct limits *ret)
{
    int64_t there = 0;
    TRY(db_one_i64(DB(db, "SELECT 1 FROM cluster WHERE id = ? AND deleting = 0", cluster_id), &there));
    return plans_of_cluster(db, cluster_id, ret);
}
