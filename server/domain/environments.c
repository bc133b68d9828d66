/* environments.c - environments: rows without a broker to tell, so a change is done at commit. */
#include "domain/environments.h"

#define COLUMNS "SELECT id, display_name, created_at, updated_at, governance_package FROM environment "

static void read_row(const struct db_query *q, struct environment *e)
{
    *e = (struct environment){ .created_at = db_i64(q, 2), .updated_at = db_i64(q, 3) };
    DB_COPY(q, 0, e->id);
    DB_COPY(q, 1, e->display_name);
    DB_COPY(q, 4, e->package);
}

static status read_one(struct db_query *q, struct environment *ret)
{
    struct environment e;
    bool found = db_next(q);
    if (found) read_row(q, &e);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = e;
    return OK;
}

status environments_get(struct db *db, struct str id, struct environment *ret)
{
    return read_one(DB(db, COLUMNS "WHERE id = ?", id), ret);
}

status environments_find(struct db *db, struct str display_name, struct environment *ret)
{
    return read_one(DB(db, COLUMNS "WHERE display_name = ?", display_name), ret);
}

status environments_list(struct db *db, struct str after, int64_t limit,
                         void (*each)(void *arg, const struct environment *e), void *arg)
{
    struct environment e;
    struct db_query *q = DB(db, COLUMNS "WHERE id > ? ORDER BY id LIMIT ?",
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &e);
        each(arg, &e);
    }
    return db_end(q);
}

status environments_count(struct db *db, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM environment"), ret);
}

status environments_insert(struct db *db, struct str display_name, struct environment *ret)
{
    struct environment e = { .created_at = domain_wall() };
    e.updated_at = e.created_at;
    secret_id_new("env-", e.id);
    if (!str_copy(e.display_name, sizeof e.display_name, display_name)) return FAIL(INVALID);
    TRY(db_run(DB(db, "INSERT INTO environment (id, display_name, governance_package, created_at, "
                  "updated_at) VALUES (?, ?, '', ?, ?)",
                  (const char *)e.id, display_name, e.created_at, e.updated_at)));
    *ret = e;
    return OK;
}

static status check_package(struct str package, struct why *why)
{
    if (str_is_null(package) || str_eq_c(package, "ESSENTIALS") || str_eq_c(package, "ADVANCED")) return OK;
    why_set(why, "stream_governance_config.package is ESSENTIALS or ADVANCED.");
    return FAIL(INVALID);
}

/* Writes both fields of a row that is there. */
static status write_row(struct db *db, const struct environment *e, const struct environment_write *write,
                        struct why *why)
{
    struct str name = str_is_null(write->display_name) ? str_c(e->display_name) : write->display_name;
    struct str package = str_is_null(write->package) ? str_c(e->package) : write->package;
    TRY(name_check(name, why));
    TRY(check_package(write->package, why));
    status result = db_run(DB(db, "UPDATE environment SET display_name = ?, governance_package = ?, "
                                  "updated_at = ? WHERE id = ?",
                              name, package, domain_wall(), (const char *)e->id));
    if (result.code == E_EXISTS) why_set(why, "An environment named %.*s exists already.", STR_ARG(name));
    return result;
}

status environments_create(struct domain *domain, const struct actor *actor,
                           const struct environment_write *write, struct environment *ret, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct environment e;
    int64_t count = 0;
    TRY(name_check(write->display_name, why));
    TRY(check_package(write->package, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(environments_count(domain->db, &count));
    if (count >= ENVIRONMENTS_MAX) {
        why_set(why, "There are %d environments already, which is the limit (iam.max_environments.per_org).",
                ENVIRONMENTS_MAX);
        return FAIL(LIMIT);
    }
    status result = environments_insert(domain->db, write->display_name, &e);
    if (result.code == E_EXISTS)
        why_set(why, "An environment named %.*s exists already.", STR_ARG(write->display_name));
    TRY(result);
    TRY(write_row(domain->db, &e, write, why));
    TRY(change_audit(change, "environment.create", e.id, NULL));
    TRY(environments_get(domain->db, str_c(e.id), ret));
    return change_commit_now(&change);
}

status environments_update(struct domain *domain, const struct actor *actor, struct str id,
                           const struct environment_write *write, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct environment e;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(environments_get(domain->db, id, &e));
    TRY(write_row(domain->db, &e, write, why));
    TRY(change_audit(change, "environment.update", e.id, NULL));
    return change_commit_now(&change);
}

status environments_delete(struct domain *domain, const struct actor *actor, struct str id,
                           struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct environment e;
    int64_t clusters = 0;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(environments_get(domain->db, id, &e));
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM cluster WHERE environment_id = ?", id), &clusters));
    if (clusters > 0) {
        why_set(why, "The environment has %lld clusters; delete them first.", (long long)clusters);
        return FAIL(CONFLICT);
    }
    TRY(db_run(DB(domain->db, "DELETE FROM environment WHERE id = ?", id)));
    TRY(change_audit(change, "environment.delete", e.id, NULL));
    return change_commit_now(&change);
}
