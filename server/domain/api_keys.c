/* api_keys.c - API keys: the secret is made here, shown once, and kept as a salted hash beside SCRAM
 * verifiers (cluster keys), which travel in the cluster's image. */
#include "domain/api_keys.h"

#include "cluster/delta.h"
#include "domain/accounts.h"
#include "domain/cluster_image.h"
#include "domain/clusters.h"

#include "base/uuid.h"

#define COLUMNS                                                                                    \
    "SELECT k.id, k.owner, k.cluster_id, c.environment_id, k.display_name, k.description, "        \
    "k.created_at, k.updated_at FROM api_key k LEFT JOIN cluster c ON c.id = k.cluster_id "
/* ?1 owner, ?2 resource */
#define FILTER                                                                                     \
    "(?1 IS NULL OR k.owner = ?1) AND (?2 IS NULL OR k.cluster_id = ?2 OR "                        \
    "(?2 = 'cloud' AND k.cluster_id IS NULL)) "

static void read_row(const struct db_query *q, struct api_key *k)
{
    *k = (struct api_key){ .created_at = db_i64(q, 6), .updated_at = db_i64(q, 7) };
    DB_COPY(q, 0, k->id);
    DB_COPY(q, 1, k->owner);
    DB_COPY(q, 2, k->cluster_id);
    DB_COPY(q, 3, k->environment_id);
    DB_COPY(q, 4, k->display_name);
    DB_COPY(q, 5, k->description);
}

status api_keys_get(struct db *db, struct str id, struct api_key *ret)
{
    struct api_key k;
    struct db_query *q = DB(db, COLUMNS "WHERE k.id = ?", id);
    bool found = db_next(q);
    if (found) read_row(q, &k);
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    *ret = k;
    return OK;
}

status api_keys_list(struct db *db, struct str owner, struct str resource, struct str after, int64_t limit,
                     void (*each)(void *arg, const struct api_key *k), void *arg)
{
    struct api_key k;
    struct db_query *q = DB(db, COLUMNS "WHERE " FILTER "AND k.id > ?3 ORDER BY k.id LIMIT ?4", owner,
                            resource, str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &k);
        each(arg, &k);
    }
    return db_end(q);
}

status api_keys_count(struct db *db, struct str owner, struct str resource, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM api_key k WHERE " FILTER, owner, resource), ret);
}

/* --- making -------------------------------------------------------------------------------------- */

static status insert_verifiers(struct db *db, const struct api_key_made *made)
{
    static const struct { int mechanism; const char *sql; } rows[] = {
        { SCRAM_SHA_256, "UPDATE api_key SET scram_256 = ? WHERE id = ?" },
        { SCRAM_SHA_512, "UPDATE api_key SET scram_512 = ? WHERE id = ?" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct scram_verifier v;
        uint8_t column[SECRET_SCRAM_MAX];
        TRY(secret_scram(str_c(made->secret), rows[i].mechanism, &v));
        size_t len = secret_scram_pack(&v, rows[i].mechanism, column);
        TRY(db_run(DB(db, rows[i].sql, bytes_of(column, len), (const char *)made->key.id)));
    }
    return OK;
}

status api_keys_insert(struct db *db, const struct api_key_spec *spec, struct api_key_made *ret)
{
    struct api_key_made made = { 0 };
    uint8_t salt[SECRET_SALT], hash[SECRET_HASH];
    int64_t now = domain_wall();
    struct str name = spec->display_name.data ? spec->display_name : STR("");
    struct str text = spec->description.data ? spec->description : STR("");
    secret_key_id_new(made.key.id);
    secret_new(made.secret);
    random_bytes(salt, sizeof salt);
    secret_hash(salt, str_c(made.secret), hash);
    TRY(db_run(DB(db, "INSERT INTO api_key (id, owner, cluster_id, display_name, description, secret_salt, "
                      "secret_hash, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?8, ?8)",
                  (const char *)made.key.id, spec->owner, spec->cluster_id, name, text,
                  bytes_of(salt, sizeof salt), bytes_of(hash, sizeof hash), now)));
    if (spec->cluster_id.data) TRY(insert_verifiers(db, &made));
    TRY(api_keys_get(db, str_c(made.key.id), &made.key));
    *ret = made;
    return OK;
}

static status check_room(struct db *db, struct str cluster_id, struct why *why)
{
    int64_t all = 0, here = 0;
    TRY(api_keys_count(db, STR_NULL, STR_NULL, &all));
    if (cluster_id.data) TRY(api_keys_count(db, STR_NULL, cluster_id, &here));
    if (all < API_KEYS_MAX && here < API_KEYS_PER_CLUSTER_MAX) return OK;
    bool of_cluster = here >= API_KEYS_PER_CLUSTER_MAX;
    why_set(why, "There are %lld API keys already, which is the limit (%s).",
            (long long)(of_cluster ? here : all),
            of_cluster ? "iam.max_api_keys.per_cluster" : "iam.max_api_keys.per_org");
    return FAIL(LIMIT);
}

static status create(struct domain *domain, const struct actor *actor, const struct api_key_spec *spec,
                     struct api_key_made *ret, struct change **ret_change, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct cluster c = { .id = "" };
    struct db *db = domain->db;
    if (spec->display_name.len) TRY(name_check(spec->display_name, why));
    TRY(text_check(spec->description, why));
    if (!accounts_owner_exists(db, spec->owner)) {
        why_set(why, "There is no service account or user %.*s.", STR_ARG(spec->owner));
        return FAIL(PRECONDITION);
    }
    if (spec->cluster_id.data && (failed(clusters_get(db, spec->cluster_id, &c)) || c.deleting)) {
        why_set(why, "There is no cluster %.*s.", STR_ARG(spec->cluster_id));
        return FAIL(PRECONDITION);
    }
    TRY(check_room(db, spec->cluster_id, why));
    TRY(change_begin(domain, spec->cluster_id.data ? c.id : NULL, actor, &change));
    TRY(api_keys_insert(db, spec, ret));
    ret->version = change_version(change);
    if (spec->cluster_id.data) TRY(cluster_image_credential(db, ret->key.id, change_records(change)));
    TRY(change_audit(change, "api_key.create", ret->key.id, NULL));
    *ret_change = TAKE(change);
    return OK;
}

void api_keys_create(struct domain *domain, const struct actor *actor, const struct api_key_spec *spec,
                     struct api_key_made *ret, domain_done done, void *arg)
{
    struct change *change = NULL;
    struct why why = { "" };
    status result = create(domain, actor, spec, ret, &change, &why);
    if (failed(result)) done(arg, result, &why);
    else change_commit(change, done, arg);
}

/* --- changing ------------------------------------------------------------------------------------ */

status api_keys_update(struct domain *domain, const struct actor *actor, struct str id,
                       struct str display_name, struct str description, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct api_key k;
    if (display_name.len) TRY(name_check(display_name, why));
    TRY(text_check(description, why));
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(api_keys_get(domain->db, id, &k));
    TRY(db_run(DB(domain->db, "UPDATE api_key SET display_name = coalesce(?, display_name), "
                              "description = coalesce(?, description), updated_at = ? WHERE id = ?",
                  display_name, description, domain_wall(), id)));
    TRY(change_audit(change, "api_key.update", k.id, NULL));
    return change_commit_now(&change);
}

static status delete(struct domain *domain, const struct actor *actor, struct str id,
                     int64_t *ret_version, struct change **ret_change)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct api_key k;
    TRY(api_keys_get(domain->db, id, &k));
    TRY(change_begin(domain, k.cluster_id[0] ? k.cluster_id : NULL, actor, &change));
    TRY(db_run(DB(domain->db, "DELETE FROM api_key WHERE id = ?", id)));
    if (k.cluster_id[0]) delta_credential_deleted(change_records(change), str_c(k.id));
    TRY(change_audit(change, "api_key.delete", k.id, NULL));
    *ret_version = change_version(change);
    *ret_change = TAKE(change);
    return OK;
}

void api_keys_delete(struct domain *domain, const struct actor *actor, struct str id, int64_t *ret_version,
                     domain_done done, void *arg)
{
    struct change *change = NULL;
    struct why why = { "" };
    status result = delete(domain, actor, id, ret_version, &change);
    if (failed(result)) done(arg, result, &why);
    else change_commit(change, done, arg);
}
