/* internal_topics.c - rows of the internal topics. Which there are, and their settings, is the table
 * in cluster/delta.h. */
#include "domain/internal_topics.h"

#include "base/arena.h"
#include "base/mem.h"
#include "cluster/delta.h"

#define IDS_MAX (1u << 20) /* memory for ids of clusters that lack a topic */

static status insert_one(struct db *db, const char *cluster_id, const struct internal_topic *topic,
                         int64_t now)
{
    char id[UUID_TEXT];
    uuid_format(uuid_new(), id);
    TRY(db_run(DB(db, "INSERT INTO topic VALUES (?, ?, ?, ?, 1, 1, ?)", cluster_id, (const char *)id,
                  topic->name, (int64_t)topic->partitions, now)));
    for (int32_t i = 0; i < topic->config_count; i++)
        TRY(db_run(DB(db, "INSERT INTO topic_config VALUES (?, ?, ?, ?)", cluster_id, topic->name,
                      topic->configs[i].name, topic->configs[i].value)));
    return OK;
}

status internal_topics_insert(struct db *db, const char *cluster_id, int64_t now)
{
    for (size_t i = 0; i < internal_topic_count; i++) {
        int64_t have = 0;
        TRY(db_one_i64(DB(db, "SELECT count(*) FROM topic WHERE cluster_id = ? AND name = ?",
                          cluster_id, internal_topics[i].name), &have));
        if (have == 0) TRY(insert_one(db, cluster_id, &internal_topics[i], now));
    }
    return OK;
}

/* --- old clusters -------------------------------------------------------------------------------- */
struct lacking {
    const char *cluster_id;
    struct lacking *next;
};

static status find_lacking(struct db *db, const char *topic, struct arena *arena,
                           struct lacking **ret_first)
{
    struct db_query *q = DB(db, "SELECT id FROM cluster WHERE id NOT IN (SELECT cluster_id FROM topic "
                                "WHERE name = ?)", topic);
    while (db_next(q)) {
        struct lacking *l = ARENA_NEW(arena, struct lacking);
        if (!l) break;
        *l = (struct lacking){ arena_cstr(arena, db_text(q, 0)), *ret_first };
        *ret_first = l;
    }
    TRY(db_end(q));
    return arena_check(arena);
}

static status complete(struct db *db, int64_t now, struct arena *arena)
{
    for (size_t i = 0; i < internal_topic_count; i++) {
        struct lacking *first = NULL;
        TRY(find_lacking(db, internal_topics[i].name, arena, &first));
        for (const struct lacking *l = first; l; l = l->next) {
            TRY(insert_one(db, l->cluster_id, &internal_topics[i], now));
            TRY(db_run(DB(db, "UPDATE cluster SET metadata_version = metadata_version + 1 WHERE id = ?",
                          l->cluster_id)));
        }
    }
    return OK;
}

status internal_topics_complete(struct db *db, int64_t now)
{
    struct arena arena;
    arena_init(&arena, IDS_MAX);
    status s = db_begin(db);
    if (is_ok(s)) {
        s = complete(db, now, &arena);
        if (is_ok(s)) s = db_commit(db);
        else db_rollback(db);
    }
    arena_done(&arena);
    return s;
}
