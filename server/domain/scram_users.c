/* scram_users.c - AlterUserScramCredentials as brokers forward it, the same by REST, and the rows behind
 * both. What comes is the salted password, or the password; what is kept are the verifiers. Domain thread. */
#include "domain/scram_users.h"

#include "cluster/delta.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>

#define SALT_BYTES 32

static const char *const mechanisms[] = { "", "SCRAM-SHA-256", "SCRAM-SHA-512" };

const char *scram_mechanism_name(int mechanism)
{
    return mechanism == SCRAM_SHA_256 || mechanism == SCRAM_SHA_512 ? mechanisms[mechanism] : "";
}

int scram_mechanism_of(struct str name)
{
    for (int m = SCRAM_SHA_256; m <= SCRAM_SHA_512; m++)
        if (str_eq_c(name, mechanisms[m])) return m;
    return 0;
}

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

static status read_rows(struct db_query *q, void (*each)(void *arg, const struct scram_row *row), void *arg,
                        bool *ret_any)
{
    *ret_any = false;
    while (db_next(q)) {
        struct scram_row row = { .mechanism = (int)db_i64(q, 1), .iterations = (int32_t)db_i64(q, 2) };
        DB_COPY(q, 0, row.name);
        each(arg, &row);
        *ret_any = true;
    }
    return db_end(q);
}

status scram_users_list(struct db *db, const char *cluster_id, struct str after, int64_t names,
                        void (*each)(void *arg, const struct scram_row *row), void *arg)
{
    bool any;
    return read_rows(DB(db, "SELECT name, mechanism, iterations FROM scram_user WHERE cluster_id = ?1 "
                            "AND name IN (SELECT DISTINCT name FROM scram_user WHERE cluster_id = ?1 AND "
                            "name > ?2 ORDER BY name LIMIT ?3) ORDER BY name, mechanism", cluster_id,
                        str_is_null(after) ? STR("") : after, names), each, arg, &any);
}

status scram_users_get(struct db *db, const char *cluster_id, struct str name,
                       void (*each)(void *arg, const struct scram_row *row), void *arg)
{
    bool any;
    TRY(read_rows(DB(db, "SELECT name, mechanism, iterations FROM scram_user WHERE cluster_id = ? AND "
                         "name = ? ORDER BY mechanism", cluster_id, name), each, arg, &any));
    return any ? OK : FAIL(NOT_FOUND);
}

status scram_users_count(struct db *db, const char *cluster_id, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(DISTINCT name) FROM scram_user WHERE cluster_id = ?", cluster_id),
                      ret);
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
                              resource, "mechanism", str_c(scram_mechanism_name(c->mechanism))));
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

/* --- by REST ---------------------------------------------------------------------------------------- */

struct scram_set {
    int64_t *version;
    domain_done done;
    void *arg;
};

/* The one row of the answer, as a status and a sentence. */
static status row_result(const struct alter_user_scram_credentials_response *response, struct why *why)
{
    if (response->results_count != 1) return FAIL(MALFORMED);
    status result = status_from_kafka(response->results[0].error_code);
    if (is_ok(result)) return OK;
    why_set(why, "%.*s", STR_ARG(response->results[0].error_message));
    return result.code == E_POLICY_VIOLATION ? FAIL(LIMIT) : FAIL(PRECONDITION);
}

static void set_done(void *arg, status result, int64_t version, const void *response)
{
    struct scram_set *s = arg;
    struct why why = { "" };
    if (response) {
        status row = row_result(response, &why);
        if (failed(row)) result = row;
    }
    *s->version = version;
    s->done(s->arg, result, &why);
}

static void ignore_row(void *arg, const struct scram_row *row)
{
    (void)arg;
    (void)row;
}

void scram_users_set(struct domain *domain, const char *cluster_id, const struct actor *actor,
                     struct str name, int mechanism, int32_t iterations, struct str password,
                     struct arena *arena, int64_t *ret_version, bool *ret_created, domain_done done,
                     void *arg)
{
    struct alter_user_scram_credentials_request request;
    struct alter_user_scram_credentials_request_scram_credential_upsertion u;
    struct why why = { "" };
    uint8_t salt[SALT_BYTES], salted[64];
    struct scram_set *s = ARENA_NEW(arena, struct scram_set);
    status result = s && RAND_bytes(salt, sizeof salt) == 1 ? OK : FAIL(NO_MEMORY);
    if (is_ok(result) && (iterations < SCRAM_ITERATIONS || iterations > SCRAM_ITERATIONS_MAX)) {
        why_set(&why, "iterations is a number from %d to %d.", SCRAM_ITERATIONS, SCRAM_ITERATIONS_MAX);
        result = FAIL(PRECONDITION);
    }
    if (is_ok(result))
        result = scram_salt_password(mechanism, password, bytes_of(salt, sizeof salt), iterations, salted);
    if (failed(result)) {
        done(arg, result, &why);
        return;
    }
    wire_default(&alter_user_scram_credentials_request_message, &request);
    wire_default_struct(&alter_user_scram_credentials_request_scram_credential_upsertion_struct, &u);
    u.name = name;
    u.mechanism = (int8_t)mechanism;
    u.iterations = iterations;
    u.salt = bytes_of(salt, sizeof salt);
    u.salted_password = bytes_of(salted, scram_hash_size(mechanism));
    request.upsertions = &u;
    request.upsertions_count = 1;
    *s = (struct scram_set){ ret_version, done, arg };
    *ret_created = failed(scram_users_get(domain->db, cluster_id, name, ignore_row, NULL));
    scram_users_alter(domain, cluster_id, actor, &request, arena, set_done, s);
    OPENSSL_cleanse(salted, sizeof salted);
}

static status delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                     struct str name, int mechanism, struct change **change)
{
    struct scram_verifier there[2] = { { .iterations = 0 } };
    struct source source = { domain->db, cluster_id, OK };
    struct credential left = { .login = name };
    char principal[ADMIN_SCRAM_NAME_MAX + 6], resource[ADMIN_SCRAM_NAME_MAX + 16];
    bool found = find_user(&source, name, there);
    TRY(source.result);
    if (!found || (mechanism && there[mechanism - SCRAM_SHA_256].iterations == 0)) return FAIL(NOT_FOUND);
    TRY(change_begin(domain, cluster_id, actor, change));
    TRY(db_run(DB(domain->db, "DELETE FROM scram_user WHERE cluster_id = ?1 AND name = ?2 AND "
                              "(?3 = 0 OR mechanism = ?3)", cluster_id, name, mechanism)));
    int other = mechanism == SCRAM_SHA_256 ? 1 : 0;
    if (mechanism && there[other].iterations) {
        snprintf(principal, sizeof principal, "User:%.*s", STR_ARG(name));
        left.principal = str_c(principal);
        left.scram[other] = there[other];
        delta_credential(change_records(*change), &left);
    } else {
        delta_credential_deleted(change_records(*change), name);
    }
    snprintf(resource, sizeof resource, "scram_user=%.*s", STR_ARG(name));
    return change_audit_with(*change, "scram_user.delete", resource, "mechanism",
                             mechanism ? str_c(scram_mechanism_name(mechanism)) : STR("all"));
}

void scram_users_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                        struct str name, int mechanism, int64_t *ret_version, domain_done done, void *arg)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct why why = { "" };
    status result = delete(domain, cluster_id, actor, name, mechanism, &change);
    if (failed(result)) {
        done(arg, result, &why);
        return;
    }
    *ret_version = change_version(change);
    change_commit(TAKE(change), done, arg);
}
