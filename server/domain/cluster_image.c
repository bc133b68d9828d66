/* cluster_image.c - rows to image records. A broker that came up with an old version is sent the
 * whole image, so what is built here must equal the sum of all deltas ever sent. */
#include "domain/cluster_image.h"

#include "base/arena.h"
#include "cluster/delta.h"
#include "domain/kafka_quotas.h"
#include "domain/plans.h"
#include "domain/scram_users.h"
#include "identity/secret.h"

#define CONFIGS_MAX 64

static status put_cluster(struct db *db, const char *cluster_id, struct buf *out)
{
    struct uuid store_id = { { 0 } };
    int64_t version = 0;
    struct db_query *q = DB(db, "SELECT metadata_version, store_id FROM cluster WHERE id = ?", cluster_id);
    bool found = db_next(q);
    if (found) {
        version = db_i64(q, 0);
        struct str text = db_text(q, 1);
        if (text.len && !uuid_parse(text, &store_id)) store_id = (struct uuid){ { 0 } };
    }
    TRY(db_end(q));
    if (!found) return FAIL(NOT_FOUND);
    delta_begin(out, 0, version);
    delta_cluster(out, str_c(cluster_id), store_id);
    return OK;
}

status cluster_image_limits(struct db *db, const char *cluster_id, struct buf *out)
{
    struct limits limits;
    TRY(plans_of_cluster(db, cluster_id, &limits));
    delta_limits(out, &limits);
    return OK;
}

static status put_topic(struct db *db, const char *cluster_id, struct arena *arena,
                        struct delta_topic *topic, struct buf *out)
{
    struct delta_config configs[CONFIGS_MAX];
    int count = 0;
    struct db_query *q = DB(db, "SELECT name, value FROM topic_config WHERE cluster_id = ? AND topic = ? "
                                "ORDER BY name", cluster_id, topic->name);
    while (db_next(q) && count < CONFIGS_MAX) {
        configs[count].name = arena_str(arena, db_text(q, 0));
        configs[count].value = arena_str(arena, db_text(q, 1));
        count++;
    }
    TRY(db_end(q));
    TRY(arena_check(arena));
    topic->configs = configs;
    topic->config_count = count;
    delta_topic(out, topic);
    return OK;
}

static status put_topics(struct db *db, const char *cluster_id, struct buf *out)
{
    struct arena arena;
    status result = OK;
    arena_init(&arena, 1u << 20);
    struct db_query *q = DB(db, "SELECT id, name, partitions, replication_factor, internal FROM topic "
                                "WHERE cluster_id = ? ORDER BY name", cluster_id);
    while (is_ok(result) && db_next(q)) {
        struct delta_topic topic = {
            .name = arena_str(&arena, db_text(q, 1)), .partitions = (int32_t)db_i64(q, 2),
            .replication_factor = (int16_t)db_i64(q, 3), .internal = db_i64(q, 4) != 0,
        };
        if (!uuid_parse(db_text(q, 0), &topic.id)) result = FAIL(CORRUPT);
        if (is_ok(result)) result = put_topic(db, cluster_id, &arena, &topic, out);
        arena_reset(&arena);
    }
    status ended = db_end(q);
    arena_done(&arena);
    return failed(result) ? result : ended;
}

/* Columns: id, owner, secret_salt, secret_hash, scram_256, scram_512. */
static void put_credential(const struct db_query *q, struct buf *out)
{
    char principal[64];
    struct credential c = { .login = db_text(q, 0) };
    struct str owner = db_text(q, 1);
    struct bytes salt = db_bytes(q, 2), hash = db_bytes(q, 3);
    size_t n = 0;
    memcpy(principal, "User:", n = 5);
    if (!str_copy(principal + n, sizeof principal - n, owner)) return;
    c.principal = str_c(principal);
    if (salt.len == sizeof c.secret_salt && hash.len == sizeof c.secret_hash) {
        c.has_secret = true;
        memcpy(c.secret_salt, salt.data, salt.len);
        memcpy(c.secret_hash, hash.data, hash.len);
    }
    (void)secret_scram_unpack(db_bytes(q, 4), SCRAM_SHA_256, &c.scram[0]); /* absent: PLAIN only */
    (void)secret_scram_unpack(db_bytes(q, 5), SCRAM_SHA_512, &c.scram[1]);
    delta_credential(out, &c);
}

#define CREDENTIAL "SELECT id, owner, secret_salt, secret_hash, scram_256, scram_512 FROM api_key "

status cluster_image_credential(struct db *db, const char *key_id, struct buf *out)
{
    struct db_query *q = DB(db, CREDENTIAL "WHERE id = ? AND cluster_id IS NOT NULL", key_id);
    bool found = db_next(q);
    if (found) put_credential(q, out);
    TRY(db_end(q));
    return found ? OK : FAIL(NOT_FOUND);
}

static status put_credentials(struct db *db, const char *cluster_id, struct buf *out)
{
    struct db_query *q = DB(db, CREDENTIAL "WHERE cluster_id = ? ORDER BY id", cluster_id);
    while (db_next(q)) put_credential(q, out);
    return db_end(q);
}

static status put_acls(struct db *db, const char *cluster_id, struct buf *out)
{
    struct db_query *q = DB(db, "SELECT resource_type, resource_name, pattern_type, principal, host, "
                                "operation, permission FROM acl WHERE cluster_id = ?", cluster_id);
    while (db_next(q)) {
        struct acl acl = {
            .resource = (enum acl_resource)db_i64(q, 0), .name = db_text(q, 1),
            .pattern = (enum acl_pattern)db_i64(q, 2), .principal = db_text(q, 3),
            .host = db_text(q, 4), .operation = (enum acl_operation)db_i64(q, 5),
            .permission = (enum acl_permission)db_i64(q, 6),
        };
        delta_acl(out, &acl);
    }
    return db_end(q);
}

void cluster_image_quota(struct buf *out, struct str principal, int64_t ingress, int64_t egress)
{
    struct quota quota;
    quota_init(&quota);
    quota.has_user = true;
    quota.user = str_eq_c(principal, "<default>") ? STR_NULL : principal;
    if (ingress < 0 && egress < 0) {
        delta_quota_deleted(out, &quota);
        return;
    }
    if (ingress >= 0) quota.producer_byte_rate = (double)ingress;
    if (egress >= 0) quota.consumer_byte_rate = (double)egress;
    delta_quota(out, &quota);
}

static status put_quotas(struct db *db, const char *cluster_id, struct buf *out)
{
    struct db_query *q = DB(db, "SELECT p.principal, c.ingress_bytes_per_s, c.egress_bytes_per_s "
                                "FROM client_quota_principal p JOIN client_quota c ON c.id = p.quota_id "
                                "WHERE p.cluster_id = ?", cluster_id);
    while (db_next(q)) cluster_image_quota(out, db_text(q, 0), db_i64(q, 1), db_i64(q, 2));
    return db_end(q);
}

status cluster_image_build(struct db *db, const char *cluster_id, struct buf *out)
{
    TRY(put_cluster(db, cluster_id, out));
    TRY(cluster_image_limits(db, cluster_id, out));
    TRY(put_topics(db, cluster_id, out));
    TRY(put_credentials(db, cluster_id, out));
    TRY(scram_users_image(db, cluster_id, out));
    TRY(put_acls(db, cluster_id, out));
    TRY(kafka_quotas_image(db, cluster_id, out));
    TRY(put_quotas(db, cluster_id, out));
    return buf_check(out);
}
