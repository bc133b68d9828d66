/* group_mappings.c - rows of group mappings and their changes. */
#include "domain/group_mappings.h"

#define COLUMNS "SELECT id, display_name, description, filter, created_at, updated_at FROM group_mapping "

static void read_row(const struct db_query *q, struct group_mapping *m)
{
    *m = (struct group_mapping){ .created_at = db_i64(q, 4), .updated_at = db_i64(q, 5) };
    DB_COPY(q, 0, m->id);
    DB_COPY(q, 1, m->display_name);
    DB_COPY(q, 2, m->description);
    DB_COPY(q, 3, m->filter);
}

static status read_one(struct db_query *q, struct group_mapping *ret)
{
    struct group_mapping m;
    bool found = db_next(q);
    if (found) read_row(q, &m);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = m;
    return OK;
}

status group_mappings_get(struct db *db, struct str id, struct group_mapping *ret)
{
    return read_one(DB(db, COLUMNS "WHERE id = ?", id), ret);
}

status group_mappings_list(struct db *db, struct str after, int64_t limit,
                           void (*each)(void *arg, const struct group_mapping *m), void *arg)
{
    struct group_mapping m;
    struct db_query *q = DB(db, COLUMNS "WHERE id > ? ORDER BY id LIMIT ?",
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &m);
        each(arg, &m);
    }
    return db_end(q);
}

status group_mappings_count(struct db *db, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM group_mapping"), ret);
}

static status check(const struct group_mapping_write *w, struct why *why)
{
    if (w->display_name.data) TRY(name_check(w->display_name, why));
    if (w->description.data) TRY(text_check(w->description, why));
    return w->filter.data ? group_filter_check(w->filter, why) : OK;
}

static void say_taken(status result, struct str name, struct why *why)
{
    if (result.code == E_EXISTS) why_set(why, "A group mapping named %.*s exists already.", STR_ARG(name));
}

status group_mappings_create(struct domain *domain, const struct actor *actor,
                             const struct group_mapping_write *write, struct group_mapping *ret,
                             struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    char id[ID_TEXT];
    int64_t count = 0, now = domain_wall();
    struct db *db = domain->db;
    TRY(check(write, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(group_mappings_count(db, &count));
    if (count >= GROUP_MAPPINGS_MAX) {
        why_set(why, "There are %d group mappings already, which is the limit (group_mappings_per_org).",
                GROUP_MAPPINGS_MAX);
        return FAIL(LIMIT);
    }
    secret_id_new("group-", id);
    status result = db_run(DB(db, "INSERT INTO group_mapping VALUES (?, ?, ?, ?, ?, ?)", (const char *)id,
                              write->display_name, write->description.data ? write->description : STR(""),
                              write->filter, now, now));
    say_taken(result, write->display_name, why);
    if (result.code == E_EXISTS)
        TRY(read_one(DB(db, COLUMNS "WHERE display_name = ?", write->display_name), ret));
    TRY(result);
    TRY(change_audit(change, "group_mapping.create", id, NULL));
    TRY(change_commit_now(&change));
    return group_mappings_get(db, str_c(id), ret);
}

status group_mappings_update(struct domain *domain, const struct actor *actor, struct str id,
                             const struct group_mapping_write *write, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct group_mapping m;
    TRY(check(write, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(group_mappings_get(domain->db, id, &m));
    status result = db_run(DB(domain->db, "UPDATE group_mapping SET "
                              "display_name = coalesce(?, display_name), "
                              "description = coalesce(?, description), filter = coalesce(?, filter), "
                              "updated_at = ? WHERE id = ?", write->display_name, write->description,
                              write->filter, domain_wall(), id));
    say_taken(result, write->display_name, why);
    TRY(result);
    TRY(change_audit(change, "group_mapping.update", m.id, NULL));
    return change_commit_now(&change);
}

status group_mappings_delete(struct domain *domain, const struct actor *actor, struct str id)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct group_mapping m;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(group_mappings_get(domain->db, id, &m));
    TRY(db_run(DB(domain->db, "DELETE FROM group_mapping WHERE id = ?", id)));
    TRY(change_audit(change, "group_mapping.delete", m.id, NULL));
    return change_commit_now(&change);
}
