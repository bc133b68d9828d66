/* accounts.c - service accounts. Deleting one is a change of every cluster it has something in, one
 * after the other, and the row itself last: killed between, it is deleted again to the end. */
#include "domain/accounts.h"

#include "cluster/delta.h"
#include "domain/cluster_image.h"

#include <stdio.h>

#define COLUMNS "SELECT id, display_name, description, created_at, updated_at FROM service_account "

static void read_row(const struct db_query *q, struct account *a)
{
    *a = (struct account){ .created_at = db_i64(q, 3), .updated_at = db_i64(q, 4) };
    DB_COPY(q, 0, a->id);
    DB_COPY(q, 1, a->display_name);
    DB_COPY(q, 2, a->description);
}

static status read_one(struct db_query *q, struct account *ret)
{
    struct account a;
    bool found = db_next(q);
    if (found) read_row(q, &a);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = a;
    return OK;
}

status accounts_get(struct db *db, struct str id, struct account *ret)
{
    return read_one(DB(db, COLUMNS "WHERE id = ?", id), ret);
}

status accounts_find(struct db *db, struct str display_name, struct account *ret)
{
    return read_one(DB(db, COLUMNS "WHERE display_name = ?", display_name), ret);
}

status accounts_list(struct db *db, struct str after, int64_t limit,
                     void (*each)(void *arg, const struct account *a), void *arg)
{
    struct account a;
    struct db_query *q = DB(db, COLUMNS "WHERE id > ? ORDER BY id LIMIT ?",
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &a);
        each(arg, &a);
    }
    return db_end(q);
}

status accounts_count(struct db *db, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM service_account"), ret);
}

bool accounts_owner_exists(struct db *db, struct str id)
{
    int64_t n = 0;
    status result = db_one_i64(DB(db, "SELECT (SELECT count(*) FROM service_account WHERE id = ?1) + "
                                      "(SELECT count(*) FROM user WHERE id = ?1)", id), &n);
    return is_ok(result) && n > 0;
}

status accounts_insert(struct db *db, struct str display_name, struct str description,
                       struct account *ret)
{
    struct account a = { .created_at = domain_wall() };
    a.updated_at = a.created_at;
    secret_id_new("sa-", a.id);
    if (!str_copy(a.display_name, sizeof a.display_name, display_name) ||
        !str_copy(a.description, sizeof a.description, description))
        return FAIL(INVALID);
    TRY(db_run(DB(db, "INSERT INTO service_account VALUES (?, ?, ?, ?, ?)", (const char *)a.id,
                  display_name, (const char *)a.description, a.created_at, a.updated_at)));
    *ret = a;
    return OK;
}

status accounts_create(struct domain *domain, const struct actor *actor, struct str display_name,
                       struct str description, struct account *ret, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct account a;
    int64_t count = 0;
    TRY(name_check(display_name, why));
    TRY(text_check(description, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(accounts_count(domain->db, &count));
    if (count >= ACCOUNTS_MAX) {
        why_set(why, "There are %d service accounts already, which is the limit "
                     "(iam.max_service_accounts.per_org).", ACCOUNTS_MAX);
        return FAIL(LIMIT);
    }
    status result = accounts_insert(domain->db, display_name, description, &a);
    if (result.code == E_EXISTS)
        why_set(why, "A service account named %.*s exists already.", STR_ARG(display_name));
    TRY(result);
    TRY(change_audit(change, "service_account.create", a.id, NULL));
    TRY(change_commit_now(&change));
    *ret = a;
    return OK;
}

status accounts_describe(struct domain *domain, const struct actor *actor, struct str id,
                         struct str description, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct account a;
    TRY(text_check(description, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(accounts_get(domain->db, id, &a));
    TRY(db_run(DB(domain->db, "UPDATE service_account SET description = ?, updated_at = ? WHERE id = ?",
                  str_is_null(description) ? STR("") : description, domain_wall(), id)));
    TRY(change_audit(change, "service_account.update", a.id, NULL));
    return change_commit_now(&change);
}

/* --- deleting ------------------------------------------------------------------------------------ */

struct farewell {
    struct domain *domain;
    char id[ID_TEXT], principal[64];
    char actor_id[64], door[16], address[64], request_id[64];
    struct actor actor;
    bool user;             /* a person's: else a service account's */
    bool pending;
    domain_done done;
    void *arg;
};

static status leave_keys(struct db *db, const char *cluster_id, const char *owner, struct buf *out)
{
    struct db_query *q = DB(db, "SELECT id FROM api_key WHERE cluster_id = ? AND owner = ?",
                            cluster_id, owner);
    while (db_next(q)) delta_credential_deleted(out, db_text(q, 0));
    TRY(db_end(q));
    return db_run(DB(db, "DELETE FROM api_key WHERE cluster_id = ? AND owner = ?", cluster_id, owner));
}

static status leave_acls(struct db *db, const char *cluster_id, const char *principal, struct buf *out)
{
    struct db_query *q = DB(db, "SELECT resource_type, resource_name, pattern_type, host, operation, "
                                "permission FROM acl WHERE cluster_id = ? AND principal = ?",
                            cluster_id, principal);
    while (db_next(q)) {
        struct acl acl = {
            .resource = (enum acl_resource)db_i64(q, 0), .name = db_text(q, 1),
            .pattern = (enum acl_pattern)db_i64(q, 2), .principal = str_c(principal),
            .host = db_text(q, 3), .operation = (enum acl_operation)db_i64(q, 4),
            .permission = (enum acl_permission)db_i64(q, 5),
        };
        delta_acl_deleted(out, &acl);
    }
    TRY(db_end(q));
    return db_run(DB(db, "DELETE FROM acl WHERE cluster_id = ? AND principal = ?", cluster_id, principal));
}

static status leave_quotas(struct db *db, const char *cluster_id, const char *owner, struct buf *out)
{
    TRY(db_run(DB(db, "DELETE FROM client_quota_principal WHERE cluster_id = ? AND principal = ?",
                  cluster_id, owner)));
    if (db_changes(db) > 0) cluster_image_quota(out, str_c(owner), -1, -1);
    return OK;
}

/* A cluster in which the account still has something; "" when there is none. */
static status next_cluster(const struct farewell *f, char ret_id[ID_TEXT])
{
    struct db_query *q = DB(f->domain->db,
                            "SELECT cluster_id FROM api_key WHERE owner = ?1 AND cluster_id IS NOT NULL "
                            "UNION SELECT cluster_id FROM acl WHERE principal = ?2 "
                            "UNION SELECT cluster_id FROM client_quota_principal WHERE principal = ?1 "
                            "LIMIT 1", (const char *)f->id, (const char *)f->principal);
    ret_id[0] = 0;
    if (db_next(q)) str_copy(ret_id, ID_TEXT, db_text(q, 0));
    return db_end(q);
}

static void farewell_end(struct farewell *f, status result, const struct why *why)
{
    if (is_ok(result) && f->pending) result = FAIL(PENDING);
    f->done(f->arg, result, why);
    mem_free(f);
}

static status farewell_last(struct farewell *f)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct db *db = f->domain->db;
    TRY(change_begin(f->domain, NULL, &f->actor, &change));
    TRY(db_run(DB(db, "DELETE FROM api_key WHERE owner = ?", (const char *)f->id)));
    TRY(db_run(DB(db, f->user ? "DELETE FROM user WHERE id = ?" : "DELETE FROM service_account WHERE id = ?",
                  (const char *)f->id)));
    TRY(change_audit(change, f->user ? "user.delete" : "service_account.delete", f->id, NULL));
    return change_commit_now(&change);
}

static void farewell_next(void *arg, status result, const struct why *why)
{
    struct farewell *f = arg;
    struct why none = { "" };
    char cluster_id[ID_TEXT];
    CLEANUP_CHANGE struct change *change = NULL;
    if (result.code == E_PENDING) f->pending = true;
    else if (failed(result)) {
        farewell_end(f, result, why);
        return;
    }
    result = next_cluster(f, cluster_id);
    if (is_ok(result) && !cluster_id[0]) {
        farewell_end(f, farewell_last(f), &none);
        return;
    }
    struct db *db = f->domain->db;
    if (is_ok(result)) result = change_begin(f->domain, cluster_id, &f->actor, &change);
    if (is_ok(result)) result = leave_keys(db, cluster_id, f->id, change_records(change));
    if (is_ok(result)) result = leave_acls(db, cluster_id, f->principal, change_records(change));
    if (is_ok(result)) result = leave_quotas(db, cluster_id, f->id, change_records(change));
    if (is_ok(result)) result = change_audit(change, "service_account.leave", f->id, NULL);
    if (failed(result)) {
        change_abort(TAKE(change));
        farewell_end(f, result, &none);
        return;
    }
    change_commit(TAKE(change), farewell_next, f);
}

static void keep(char *field, size_t size, const char *text, const char **ret)
{
    if (!text || !str_copy(field, size, str_c(text))) field[0] = 0;
    *ret = field;
}

static void farewell_begin(struct domain *domain, const struct actor *actor, const char *id, bool user,
                           domain_done done, void *arg)
{
    struct why none = { "" };
    struct farewell *f = mem_zalloc(sizeof *f);
    if (!f) {
        done(arg, FAIL(NO_MEMORY), &none);
        return;
    }
    f->domain = domain;
    f->user = user;
    f->done = done;
    f->arg = arg;
    str_copy(f->id, sizeof f->id, str_c(id));
    snprintf(f->principal, sizeof f->principal, "User:%s", f->id);
    keep(f->actor_id, sizeof f->actor_id, actor->id, &f->actor.id);
    keep(f->door, sizeof f->door, actor->door, &f->actor.door);
    keep(f->address, sizeof f->address, actor->address, &f->actor.address);
    keep(f->request_id, sizeof f->request_id, actor->request_id, &f->actor.request_id);
    farewell_next(f, OK, &none);
}

void accounts_delete(struct domain *domain, const struct actor *actor, struct str id, domain_done done,
                     void *arg)
{
    struct why none = { "" };
    struct account a;
    status result = accounts_get(domain->db, id, &a);
    if (failed(result)) done(arg, result, &none);
    else farewell_begin(domain, actor, a.id, false, done, arg);
}

void accounts_delete_user(struct domain *domain, const struct actor *actor, const char *id, domain_done done,
                          void *arg)
{
    farewell_begin(domain, actor, id, true, done, arg);
}
