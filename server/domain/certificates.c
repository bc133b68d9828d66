/* certificates.c - the CA and the clusters' certificates. Domain thread.
 *
 * A new certificate is a new file, then a transaction that names it, then the push; the old file goes
 * last. So the rows always name a file that is whole, whatever is killed when; what no row names goes with
 * the cluster's next change. */
#include "domain/certificates.h"

#include "base/log.h"
#include "domain/certificates_files.h"
#include "domain/clusters.h"
#include "domain/settings.h"
#include "cluster/delta.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#define LIFETIME_S (90 * 86400)
#define LOOK_MIN_MS 1000
#define LOOK_MAX_MS (60 * 60 * 1000)
#define DUE_MAX 64 /* renewed in one go */

struct certificates {
    struct domain *domain;
    struct buf ca, ca_key;
    struct timer timer;
};

static const char *host_of(const struct domain *domain)
{
    return domain->options.advertise ? domain->options.advertise : "127.0.0.1";
}

static int64_t lifetime_ms(struct db *db)
{
    char text[32];
    int64_t s = 0;
    if (failed(settings_get(db, "tls_leaf_lifetime_s", text, sizeof text)) ||
        !str_to_i64(str_c(text), &s) || s < 1 || s > 10 * 365 * 86400LL)
        s = LIFETIME_S;
    return s * 1000;
}

struct str certificates_ca(const struct domain *domain)
{
    return bytes_str(buf_bytes(&domain->certificates->ca));
}

/* --- rows and files --------------------------------------------------------------------------------- */

struct row {
    char file[CERTIFICATE_FILE_NAME], host[256];
    bool operators, found;
    int64_t issued_at;
    enum tls_client_auth client_auth;
};

static status row_of(struct db *db, struct str cluster_id, struct row *ret)
{
    struct db_query *q = DB(db, "SELECT file, host, source, issued_at, client_auth FROM cluster_tls "
                                "WHERE cluster_id = ?", cluster_id);
    *ret = (struct row){ .found = db_next(q) };
    if (ret->found) {
        DB_COPY(q, 0, ret->file);
        DB_COPY(q, 1, ret->host);
        ret->operators = str_eq_c(db_text(q, 2), "operator");
        ret->issued_at = db_i64(q, 3);
        ret->client_auth = (enum tls_client_auth)db_i64(q, 4);
    }
    return db_end(q);
}

/* Writes the file and the row; within a transaction. ret_file is the new file's name. */
static status put(struct domain *domain, const char *cluster_id, const char *source, struct bytes chain,
                  struct bytes key, char ret_file[CERTIFICATE_FILE_NAME])
{
    struct certificate facts;
    TRY(certificate_read(chain, &facts));
    TRY(certificate_file_write(domain->options.data_dir, cluster_id, chain, key, ret_file));
    struct db_query *q = db_query(domain->db,
                                  "INSERT INTO cluster_tls (cluster_id, source, file, host, issued_at, "
                                  "not_after) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (cluster_id) DO UPDATE "
                                  "SET source = excluded.source, file = excluded.file, host = excluded.host, "
                                  "issued_at = excluded.issued_at, not_after = excluded.not_after");
    db_bind_cstr(q, cluster_id);
    db_bind_cstr(q, source);
    db_bind_cstr(q, ret_file);
    db_bind_cstr(q, host_of(domain));
    db_bind_i64(q, domain_wall());
    db_bind_i64(q, facts.not_after);
    return db_run(q);
}

static void key_done(struct buf *key)
{
    if (key->data) OPENSSL_cleanse(key->data, key->cap);
    buf_done(key);
}

static status issue(struct domain *domain, const char *cluster_id, char ret_file[CERTIFICATE_FILE_NAME])
{
    struct certificates *c = domain->certificates;
    struct buf chain, key;
    buf_init(&chain, CERTIFICATE_MAX);
    buf_init(&key, CERTIFICATE_MAX);
    status result = certificate_leaf_new(buf_bytes(&c->ca), buf_bytes(&c->ca_key), host_of(domain),
                                         lifetime_ms(domain->db) / 1000, &chain, &key);
    if (is_ok(result))
        result = put(domain, cluster_id, "leat", buf_bytes(&chain), buf_bytes(&key), ret_file);
    buf_done(&chain);
    key_done(&key);
    return result;
}

status certificates_insert(struct domain *domain, const char *cluster_id)
{
    char file[CERTIFICATE_FILE_NAME];
    return issue(domain, cluster_id, file);
}

status certificates_record(struct domain *domain, const char *cluster_id, struct buf *out)
{
    struct row row;
    struct buf chain, key;
    TRY(row_of(domain->db, str_c(cluster_id), &row));
    if (!row.found) return OK;
    buf_init(&chain, CERTIFICATE_MAX);
    buf_init(&key, CERTIFICATE_MAX);
    status result = certificate_file_read(domain->options.data_dir, row.file, &chain, &key);
    struct db_query *q = DB(domain->db, "SELECT client_ca FROM cluster_tls WHERE cluster_id = ?", cluster_id);
    if (db_next(q) && is_ok(result)) {
        struct tls_material material = { buf_bytes(&chain), buf_bytes(&key), str_bytes(db_text(q, 0)),
                                         row.client_auth };
        delta_tls(out, &material);
    }
    status ended = db_end(q);
    buf_done(&chain);
    key_done(&key);
    if (failed(result))
        log_error("%s: its certificate cannot be read (%s); it serves no TLS", cluster_id,
                  status_text(result));
    return failed(ended) ? ended : buf_check(out);
}

void certificates_forget(struct domain *domain, const char *cluster_id)
{
    certificate_files_remove(domain->options.data_dir, cluster_id, NULL);
}

status certificates_get(const struct domain *domain, struct db *db, struct str cluster_id,
                        struct arena *arena, struct cluster_certificate *ret)
{
    struct row row;
    struct buf chain, key;
    TRY(row_of(db, cluster_id, &row));
    if (!row.found) return FAIL(NOT_FOUND);
    buf_init(&chain, CERTIFICATE_MAX);
    buf_init(&key, CERTIFICATE_MAX);
    status result = certificate_file_read(domain->options.data_dir, row.file, &chain, &key);
    key_done(&key);
    *ret = (struct cluster_certificate){ .operators = row.operators, .client_auth = row.client_auth };
    if (is_ok(result)) result = certificate_read(buf_bytes(&chain), &ret->facts);
    ret->fits_host = is_ok(result) && certificate_is_for(buf_bytes(&chain), host_of(domain));
    ret->chain = arena_str(arena, bytes_str(buf_bytes(&chain)));
    buf_done(&chain);
    TRY(result);
    struct db_query *q = DB(db, "SELECT client_ca FROM cluster_tls WHERE cluster_id = ?", cluster_id);
    if (db_next(q)) ret->client_ca = arena_str(arena, db_text(q, 0));
    TRY(db_end(q));
    return arena_check(arena);
}

/* --- changes ----------------------------------------------------------------------------------------- */

/* The change has new rows: its record, and the files they do not name go after the commit. */
static void commit(struct domain *domain, struct change *change, const char *cluster_id, domain_done done,
                   void *arg, status result)
{
    struct why why = { "" };
    struct row row = { .found = false };
    if (is_ok(result)) result = certificates_record(domain, cluster_id, change_records(change));
    if (is_ok(result)) result = row_of(domain->db, str_c(cluster_id), &row);
    if (failed(result)) {
        change_abort(change);
        if (done) done(arg, result, &why);
        return;
    }
    change_commit(change, done, arg);
    certificate_files_remove(domain->options.data_dir, cluster_id, row.file);
}

static status renew(struct domain *domain, const char *cluster_id)
{
    struct change *change;
    char file[CERTIFICATE_FILE_NAME];
    TRY(change_begin(domain, cluster_id, &actor_system, &change));
    status result = issue(domain, cluster_id, file);
    if (is_ok(result)) result = change_audit(change, "cluster.certificate.renew", cluster_id, NULL);
    commit(domain, change, cluster_id, NULL, NULL, result);
    return result;
}

/* `auth` is what clients are asked for beside it. */
static status material_check(struct domain *domain, struct str cluster_id, struct str chain, struct str key,
                             struct why *why)
{
    struct row row;
    TRY(row_of(domain->db, cluster_id, &row));
    if (!row.found) return FAIL(NOT_FOUND);
    if (!chain.data) return OK;
    if (chain.len > TLS_PEM_MAX || key.len > TLS_PEM_MAX) {
        why_set(why, "Certificate and key are at most %u bytes each.", TLS_PEM_MAX);
        return FAIL(INVALID);
    }
    struct tls_material material = { str_bytes(chain), str_bytes(key), BYTES_NULL, TLS_CLIENT_NONE };
    return tls_check(&material, why);
}

void certificates_set(struct domain *domain, const struct actor *actor, struct str cluster_id,
                      struct str chain, struct str key, domain_done done, void *arg)
{
    struct change *change = NULL;
    struct why why = { "" };
    char file[CERTIFICATE_FILE_NAME];
    struct cluster c;
    status result = clusters_get(domain->db, cluster_id, &c);
    if (is_ok(result)) result = material_check(domain, cluster_id, chain, key, &why);
    if (is_ok(result)) result = change_begin(domain, c.id, actor, &change);
    if (failed(result)) {
        done(arg, result, &why);
        return;
    }
    result = chain.data ? put(domain, c.id, "operator", str_bytes(chain), str_bytes(key), file)
                        : issue(domain, c.id, file);
    if (is_ok(result))
        result = change_audit(change, chain.data ? "cluster.certificate.replace"
                                                 : "cluster.certificate.renew", c.id, NULL);
    commit(domain, change, c.id, done, arg, result);
}

static status clients_check(struct domain *domain, const char *cluster_id, enum tls_client_auth auth,
                            struct str client_ca, struct why *why)
{
    struct row row;
    struct buf chain, key;
    TRY(row_of(domain->db, str_c(cluster_id), &row));
    if (!row.found) return FAIL(NOT_FOUND);
    if (auth != TLS_CLIENT_NONE && !client_ca.len) {
        why_set(why, "Client certificates need client_ca: who signs them.");
        return FAIL(INVALID);
    }
    buf_init(&chain, CERTIFICATE_MAX);
    buf_init(&key, CERTIFICATE_MAX);
    status result = certificate_file_read(domain->options.data_dir, row.file, &chain, &key);
    struct tls_material material = { buf_bytes(&chain), buf_bytes(&key), str_bytes(client_ca), auth };
    if (is_ok(result)) result = tls_check(&material, why);
    buf_done(&chain);
    key_done(&key);
    return result;
}

void certificates_set_clients(struct domain *domain, const struct actor *actor, struct str cluster_id,
                              enum tls_client_auth auth, struct str client_ca, domain_done done, void *arg)
{
    struct change *change = NULL;
    struct why why = { "" };
    struct cluster c;
    static const char *const names[] = { "none", "requested", "required" };
    status result = clusters_get(domain->db, cluster_id, &c);
    if (is_ok(result)) result = clients_check(domain, c.id, auth, client_ca, &why);
    if (is_ok(result)) result = change_begin(domain, c.id, actor, &change);
    if (failed(result)) {
        done(arg, result, &why);
        return;
    }
    result = db_run(DB(domain->db, "UPDATE cluster_tls SET client_auth = ?, client_ca = ? WHERE "
                                   "cluster_id = ?", (int64_t)auth,
                       client_ca.data ? client_ca : STR(""), (const char *)c.id));
    if (is_ok(result))
        result = change_audit_with(change, "cluster.client_auth", c.id, "client_auth", str_c(names[auth]));
    commit(domain, change, c.id, done, arg, result);
}

/* --- renewing ------------------------------------------------------------------------------------------ */

/* Leaves of ours whose time has come, or made for another host; the soonest of the others. */
static size_t find_due(struct domain *domain, char due[DUE_MAX][ID_TEXT], int64_t *ret_next)
{
    int64_t now = domain_wall(), life = lifetime_ms(domain->db);
    size_t n = 0;
    struct db_query *q = DB(domain->db, "SELECT t.cluster_id, t.issued_at, t.host, t.not_after FROM "
                                        "cluster_tls t JOIN cluster c ON c.id = t.cluster_id WHERE "
                                        "t.source = 'leat' AND c.deleting = 0");
    *ret_next = INT64_MAX;
    while (db_next(q) && n < DUE_MAX) {
        int64_t issued = db_i64(q, 1), own = db_i64(q, 3) - issued;
        int64_t at = issued + (own < life ? own : life) / 3 * 2;
        if (at <= now || !str_eq_c(db_text(q, 2), host_of(domain))) DB_COPY(q, 0, due[n++]);
        else if (at < *ret_next) *ret_next = at;
    }
    (void)db_end(q); /* logged; looked at again later */
    return n;
}

/* The door's own leaf, when it has one; http looks at the file itself. *ret_next as above. */
static status https_renew(struct domain *domain, int64_t *ret_next)
{
    struct certificates *c = domain->certificates;
    struct buf chain, key;
    struct certificate facts;
    if (!domain->options.https || domain->options.https_chain) return OK;
    buf_init(&chain, CERTIFICATE_MAX);
    buf_init(&key, CERTIFICATE_MAX);
    status result = certificate_file_read(domain->options.data_dir, "https.pem", &chain, &key);
    if (is_ok(result)) result = certificate_read(buf_bytes(&chain), &facts);
    int64_t due = is_ok(result) && certificate_is_for(buf_bytes(&chain), host_of(domain))
                      ? facts.not_before + (facts.not_after - facts.not_before) / 3 * 2 : 0;
    if (due > domain_wall()) {
        if (due < *ret_next) *ret_next = due;
        result = OK;
    } else {
        buf_clear(&chain);
        buf_clear(&key);
        result = certificate_leaf_new(buf_bytes(&c->ca), buf_bytes(&c->ca_key), host_of(domain),
                                      lifetime_ms(domain->db) / 1000, &chain, &key);
        if (is_ok(result))
            result = certificate_https_write(domain->options.data_dir, buf_bytes(&chain), buf_bytes(&key));
    }
    buf_done(&chain);
    key_done(&key);
    return result;
}

static void look(struct timer *timer)
{
    struct certificates *c = CONTAINER_OF(timer, struct certificates, timer);
    char due[DUE_MAX][ID_TEXT];
    int64_t next, wait = LOOK_MAX_MS;
    size_t n = find_due(c->domain, due, &next);
    for (size_t i = 0; i < n; i++) {
        status renewed = renew(c->domain, due[i]);
        if (is_ok(renewed)) log_info("%s: its certificate was renewed", due[i]);
        else log_error("%s: its certificate cannot be renewed: %s", due[i], status_text(renewed));
    }
    status https = https_renew(c->domain, &next);
    if (failed(https)) log_error("the certificate of HTTPS cannot be renewed: %s", status_text(https));
    if (n) wait = LOOK_MIN_MS;
    else if (next - domain_wall() < wait) wait = next - domain_wall();
    if (wait < LOOK_MIN_MS) wait = LOOK_MIN_MS;
    (void)loop_timer_set(c->domain->loop, timer, loop_now(c->domain->loop) + wait);
}

void certificates_start(struct domain *domain) { look(&domain->certificates->timer); }

/* --- start ---------------------------------------------------------------------------------------------- */

static status ca_open(struct domain *domain, struct why *why)
{
    struct certificates *c = domain->certificates;
    char name[64];
    status result = certificate_files_open(domain->options.data_dir, &c->ca, &c->ca_key);
    if (result.code == E_NOT_FOUND) {
        snprintf(name, sizeof name, "Leat CA %.8s", domain->organisation_id);
        result = certificate_ca_new(name, &c->ca, &c->ca_key);
        if (is_ok(result))
            result = certificate_ca_write(domain->options.data_dir, buf_bytes(&c->ca), buf_bytes(&c->ca_key));
    }
    if (failed(result))
        why_set(why, "The certificate authority in %s/tls cannot be read or made: %s",
                domain->options.data_dir, status_text(result));
    return result;
}

/* A cluster from before there was TLS. Its broker gets the whole image: the version is another. */
static status complete_one(struct domain *domain, const char *id)
{
    TRY(certificates_insert(domain, id));
    return db_run(DB(domain->db, "UPDATE cluster SET metadata_version = metadata_version + 1 WHERE id = ?",
                     id));
}

static status complete(struct domain *domain)
{
    char id[ID_TEXT];
    bool found = true;
    while (found) {
        struct db_query *q = DB(domain->db, "SELECT id FROM cluster WHERE id NOT IN (SELECT cluster_id FROM "
                                            "cluster_tls) AND deleting = 0 LIMIT 1");
        found = db_next(q);
        if (found) DB_COPY(q, 0, id);
        TRY(db_end(q));
        if (found) TRY(complete_one(domain, id));
    }
    return OK;
}

status certificates_open(struct domain *domain, struct why *why)
{
    struct certificates *c = domain->certificates = mem_zalloc(sizeof *c);
    if (!c) return FAIL(NO_MEMORY);
    c->domain = domain;
    buf_init(&c->ca, CERTIFICATE_MAX);
    buf_init(&c->ca_key, CERTIFICATE_MAX);
    timer_init(&c->timer, look);
    TRY(ca_open(domain, why));
    int64_t next = INT64_MAX;
    status https = https_renew(domain, &next);
    if (failed(https)) {
        why_set(why, "The certificate of HTTPS cannot be made: %s", status_text(https));
        return https;
    }
    TRY(db_begin(domain->db));
    status result = complete(domain);
    if (is_ok(result)) return db_commit(domain->db);
    db_rollback(domain->db);
    why_set(why, "The clusters cannot be given certificates: %s", status_text(result));
    return result;
}

void certificates_close(struct domain *domain)
{
    struct certificates *c = domain->certificates;
    if (!c) return;
    loop_timer_clear(domain->loop, &c->timer);
    buf_done(&c->ca);
    key_done(&c->ca_key);
    mem_free(c);
    domain->certificates = NULL;
}
