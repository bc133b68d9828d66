/* scram_users.c - AlterUserScramCredentials as brokers forward it, and the rows behind it. What comes is
 * the salted password; what is kept are the verifiers. Domain thread. */
#include "domain/scram_users.h"

#include "cluster/delta.h"

#include <stdio.h>

struct scram_request { /* in the request's arena */
    const void *response;
    int64_t version;
    admin_done done;
    void *arg;
};

static void finished(void *arg, status result, const struct why *why)
{
    (void)why;
    struct scram_request *r = arg;
    bool stands = is_ok(result) || result.code == E_PENDING;
    r->done(r->arg, result, r->version, stands ? r->response : NULL);
}

/* --- rows ------------------------------------------------------------------------------------------- */

/* Columns: mechanism, iterations, salt, stored_key, server_key. */
static void read_verifier(const struct db_query *q, int first, struct scram_verifier ret_scram[2])
{
    int64_t mechanism = db_i64(q, first);
    size_t len = scram_hash_size((int)mechanism);
    struct bytes salt = db_bytes(q, first + 2), stored = db_bytes(q, first + 3);
    struct bytes server = db_bytes(q, first + 4);
    if (len == 0 || salt.len > SCRAM_SALT_MAX || stored.len != len || server.len != len) return;
    struct scram_verifier *v = &ret_scram[mechanism - SCRAM_SHA_256];
    v->iterations = (int32_t)db_i64(q, first + 1);
    v->salt_len = (uint8_t)salt.len;
    memcpy(v->salt, salt.data, salt.len);
    memcpy(v->stored_key, stored.data, len);
    memcpy(v->server_key, server.data, len);
}

struct source {
    struct db *db;
    const char *cluster_id;
    status result;
};

static bool find_user(void *arg, struct str user, struct scram_verifier ret_scram[2])
{
    struct source *s = arg;
    bool found = false;
    struct db_query *q = DB(s->db, "SELECT mechanism, iterations, salt, stored_key, server_key "
                                   "FROM scram_user WHERE cluster_id = ? AND name = ?", s->cluster_id, user);
    while (db_next(q)) {
        found = true;
        read_verifier(q, 0, ret_scram);
    }
    status end = db_end(q);
    if (is_ok(s->result)) s->result = end;
    return found;
}

status scram_users_image(struct db *db, const char *cluster_id, struct buf *out)
{
    struct credential c = { .has_secret = false };
    char name[ADMIN_SCRAM_NAME_MAX + 1], principal[ADMIN_SCRAM_NAME_MAX + 6];
    name[0] = 0;
    struct db_query *q = DB(db, "SELECT name, mechanism, iterations, salt, stored_key, server_key "
                                "FROM scram_user WHERE cluster_id = ? ORDER BY name", cluster_id);
    for (bool more = db_next(q); more;) {
        DB_COPY(q, 0, name);
        snprintf(principal, sizeof principal, "User:%s", name);
        c = (struct credential){ .login = str_c(name), .principal = str_c(principal) };
        do {
            read_verifier(q, 1, c.scram);
            more = db_next(q);
        } while (more && str_eq_c(db_text(q, 0), name));
        delta_credential(out, &c);
    }
    return db_end(q);
}

static status write_row(struct db *db, const char *cluster_id, const struct scram_change *c)
{
    size_t len = scram_hash_size(c->mechanism);
    if (c->verifier.iterations == 0)
        return db_run(DB(db, "DELETE FROM scram_user WHERE cluster_id = ? AND name = ? AND mechanism = ?",
                         cluster_id, c->user, c->mechanism));
    struct db_query *q = db_query(db, "INSERT OR REPLACE INTO scram_user (cluster_id, name, mechanism, "
                                      "iterations, salt, stored_key, server_key) "
                                      "VALUES (?, ?, ?, ?, ?, ?, ?)");
    db_bind_cstr(q, cluster_id);
    db_bind_str(q, c->user);
    db_bind_i64(q, c->mechanism);
    db_bind_i64(q, c->verifier.iterations);
    db_bind_bytes(q, bytes_of(c->verifier.salt, c->verifier.salt_len));
    db_bind_bytes(q, bytes_of(c->verifier.stored_key, len));
    db_bind_bytes(q, bytes_of(c->verifier.server_key, len));
    return db_run(q);
}

/* --- the request ------------------------------------------------------------------------------------ */

static status apply(struct change *change, struct domain *domain, const char *cluster_id,
                    const struct scram_plan *plan, struct arena *arena)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct scram_change *c = &plan->changes[i];
        struct credential credential;
        char resource[ADMIN_SCRAM_NAME_MAX + 16];
        TRY(write_row(domain->db, cluster_id, c));
        if (scram_change_credential(c, arena, &credential))
            delta_credential(change_records(change), &credential);
        else
            delta_credential_deleted(change_records(change), c->user);
        snprintf(resource, sizeof resource, "scram_user=%.*s", STR_ARG(c->user));
        TRY(change_audit_with(change, c->verifier.iterations ? "scram_user.set" : "scram_user.delete",
                              resource, "mechanism", c->mechanism == SCRAM_SHA_256 ? STR("SCRAM-SHA-256")
                                                                               : STR("SCRAM-SHA-512")));
    }
    return arena_check(arena);
}

static status alter(struct domain *domain, const char *cluster_id, const struct actor *actor,
                    const struct alter_user_scram_credentials_request *request, struct arena *arena,
                    struct scram_request *r, struct change **change)
{
    int64_t users = 0;
    struct scram_plan plan;
    struct source source = { domain->db, cluster_id, OK };
    struct alter_user_scram_credentials_response *response =
        ARENA_NEW(arena, struct alter_user_scram_credentials_response);
    if (!r || !response) return FAIL(NO_MEMORY);
    TRY(db_one_i64(DB(domain->db, "SELECT count(DISTINCT name) FROM scram_user WHERE cluster_id = ?",
                      cluster_id), &users));
    struct scram_facts facts = { find_user, &source, (size_t)users };
    TRY(plan_scram_alter(&facts, request, arena, response, &plan));
    TRY(source.result);
    r->response = response;
    if (plan.count == 0) return OK;
    TRY(change_begin(domain, cluster_id, actor, change));
    r->version = change_version(*change);
    return apply(*change, domain, cluster_id, &plan, arena);
}

void scram_users_alter(struct domain *domain, const char *cluster_id, const struct actor *actor,
                       const struct alter_user_scram_credentials_request *request,
                       struct arena *arena, admin_done done, void *arg)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct scram_request *r = ARENA_NEW(arena, struct scram_request);
    status result = alter(domain, cluster_id, actor, request, arena, r, &change);
    if (failed(result)) {
        done(arg, result, 0, NULL);
        return;
    }
    r->done = done;
    r->arg = arg;
    if (change) change_commit(TAKE(change), finished, r);
    else finished(r, OK, NULL);
}
