/* delta.c - metadata changes as bytes: each record is [int16 type][int16 version][int32 length] and a
 * body by the codec (wire/schema/leat.txt, "the metadata image"). Any thread; no state. */
#include "cluster/delta.h"

#include "cluster/image_int.h"
#include "wire/messages.h"

#include <assert.h>
#include <stddef.h>

/* What cannot be encoded (a string of 40 kB) makes the whole delta unusable, like lack of room. */
static void put(struct buf *out, const struct wire_message *m, const void *record)
{
    if (out->failed) return;
    size_t begin = out->len;
    uint8_t *head = buf_extend(out, RECORD_HEAD);
    if (!head) return;
    put_be16(head, (uint16_t)m->key);
    put_be16(head + 2, (uint16_t)m->max_version);
    if (failed(wire_encode(m, m->max_version, record, out))) {
        out->failed = true;
        return;
    }
    put_be32(out->data + begin + 4, (uint32_t)(out->len - begin - RECORD_HEAD));
}

void delta_begin(struct buf *out, int64_t from_version, int64_t to_version)
{
    put(out, &image_version_message, &(struct image_version){ from_version, to_version });
}

void delta_cluster(struct buf *out, struct str cluster_id, struct uuid store_id)
{
    put(out, &image_cluster_message, &(struct image_cluster){ cluster_id, store_id });
}

void delta_limits(struct buf *out, const struct limits *limits)
{
    put(out, &image_limits_message,
        &(struct image_limits){
            .ingress_bytes_per_s = limits->ingress_bytes_per_s,
            .egress_bytes_per_s = limits->egress_bytes_per_s,
            .storage_bytes = limits->storage_bytes,
            .partitions = limits->partitions,
            .connections = limits->connections,
            .message_bytes = limits->message_bytes,
            .memory_bytes = limits->memory_bytes,
            .auto_create_topics = limits->auto_create_topics,
            .default_partitions = limits->default_partitions,
            .group_initial_delay_ms = limits->group_initial_delay_ms,
            .authorise = limits->authorise,
            .strict_replication = limits->strict_replication,
            .retention_ms = limits->retention_ms,
            .connections_per_s = limits->connections_per_s,
            .requests_per_s = limits->requests_per_s,
        });
}

void delta_topic(struct buf *out, const struct delta_topic *topic)
{
    /* struct delta_config is the record's struct under a public name */
    static_assert(sizeof(struct delta_config) == sizeof(struct image_topic_config), "same fields");
    static_assert(offsetof(struct delta_config, value) == offsetof(struct image_topic_config, value),
                  "same fields");
    put(out, &image_topic_message,
        &(struct image_topic){
            .id = topic->id,
            .name = topic->name,
            .partitions = topic->partitions,
            .replication_factor = topic->replication_factor,
            .internal = topic->internal,
            .configs = (struct image_topic_config *)(void *)topic->configs,
            .configs_count = topic->config_count,
        });
}

void delta_topic_of(struct buf *out, const struct topic *topic)
{
    struct image_topic_config configs[64];
    assert(topic->config.count <= ARRAY_LEN(configs));
    for (size_t i = 0; i < topic->config.count; i++)
        configs[i] = (struct image_topic_config){ str_c(topic->config.overrides[i].info->name),
                                                  topic->config.overrides[i].value };
    put(out, &image_topic_message,
        &(struct image_topic){
            .id = topic->id,
            .name = topic->name,
            .partitions = topic->partitions,
            .replication_factor = topic->replication_factor,
            .internal = topic->internal,
            .configs = configs,
            .configs_count = (int32_t)topic->config.count,
        });
}

void delta_topic_deleted(struct buf *out, struct uuid id)
{
    put(out, &image_topic_deleted_message, &(struct image_topic_deleted){ id });
}

/* As Kafka's brokers make them. */
static const struct delta_config offsets_configs[] = {
    { { "cleanup.policy", 14 }, { "compact", 7 } },
    { { "compression.type", 16 }, { "producer", 8 } },
    { { "segment.bytes", 13 }, { "104857600", 9 } },
};
static const struct delta_config transaction_configs[] = {
    { { "cleanup.policy", 14 }, { "compact", 7 } },
    { { "compression.type", 16 }, { "uncompressed", 12 } },
    { { "segment.bytes", 13 }, { "104857600", 9 } },
};
const struct internal_topic internal_topics[] = {
    { CONSUMER_OFFSETS_TOPIC, 50, offsets_configs, ARRAY_LEN(offsets_configs) },
    { TRANSACTION_STATE_TOPIC, 50, transaction_configs, ARRAY_LEN(transaction_configs) },
};
const size_t internal_topic_count = ARRAY_LEN(internal_topics);

void delta_internal_topic(struct buf *out, const struct internal_topic *topic, struct uuid id)
{
    delta_topic(out, &(struct delta_topic){
                         .id = id,
                         .name = str_c(topic->name),
                         .partitions = topic->partitions,
                         .replication_factor = 1,
                         .internal = true,
                         .configs = topic->configs,
                         .config_count = topic->config_count,
                     });
}

void delta_consumer_offsets(struct buf *out, struct uuid id)
{
    delta_internal_topic(out, &internal_topics[0], id);
}

void delta_transaction_state(struct buf *out, struct uuid id)
{
    delta_internal_topic(out, &internal_topics[1], id);
}

void delta_credential(struct buf *out, const struct credential *credential)
{
    struct image_credential_scram scram[2];
    int32_t count = 0;
    for (int i = 0; i < 2; i++) {
        const struct scram_verifier *v = &credential->scram[i];
        size_t len = i == 0 ? 32 : 64;
        if (v->iterations == 0) continue;
        scram[count++] = (struct image_credential_scram){
            .mechanism = (int8_t)(i == 0 ? SCRAM_SHA_256 : SCRAM_SHA_512),
            .iterations = v->iterations,
            .salt = bytes_of(v->salt, v->salt_len),
            .stored_key = bytes_of(v->stored_key, len),
            .server_key = bytes_of(v->server_key, len),
        };
    }
    struct image_credential record = {
        .login = credential->login,
        .principal = credential->principal,
        .scram = scram,
        .scram_count = count,
    };
    if (credential->has_secret) {
        record.secret_salt = bytes_of(credential->secret_salt, sizeof(credential->secret_salt));
        record.secret_hash = bytes_of(credential->secret_hash, sizeof(credential->secret_hash));
    }
    put(out, &image_credential_message, &record);
}

void delta_credential_deleted(struct buf *out, struct str login)
{
    put(out, &image_credential_deleted_message, &(struct image_credential_deleted){ login });
}

static struct image_acl acl_record(const struct acl *acl)
{
    return (struct image_acl){
        .resource_type = (int8_t)acl->resource,
        .pattern_type = (int8_t)acl->pattern,
        .operation = (int8_t)acl->operation,
        .permission = (int8_t)acl->permission,
        .resource_name = acl->name,
        .principal = acl->principal,
        .host = acl->host,
    };
}

void delta_acl(struct buf *out, const struct acl *acl)
{
    struct image_acl record = acl_record(acl);
    put(out, &image_acl_message, &record);
}

void delta_acl_deleted(struct buf *out, const struct acl *acl)
{
    static_assert(sizeof(struct image_acl) == sizeof(struct image_acl_deleted), "same fields");
    struct image_acl record = acl_record(acl);
    put(out, &image_acl_deleted_message, &record);
}

void quota_init(struct quota *quota)
{
    *quota = (struct quota){
        .producer_byte_rate = -1,
        .consumer_byte_rate = -1,
        .request_percentage = -1,
        .controller_mutation_rate = -1,
        .connection_creation_rate = -1,
    };
}

void delta_quota(struct buf *out, const struct quota *quota)
{
    put(out, &image_quota_message,
        &(struct image_quota){
            .has_user = quota->has_user,
            .user = quota->user,
            .has_client_id = quota->has_client_id,
            .client_id = quota->client_id,
            .has_ip = quota->has_ip,
            .ip = quota->ip,
            .producer_byte_rate = quota->producer_byte_rate,
            .consumer_byte_rate = quota->consumer_byte_rate,
            .request_percentage = quota->request_percentage,
            .controller_mutation_rate = quota->controller_mutation_rate,
            .connection_creation_rate = quota->connection_creation_rate,
        });
}

void delta_quota_deleted(struct buf *out, const struct quota *entity)
{
    put(out, &image_quota_deleted_message,
        &(struct image_quota_deleted){
            .has_user = entity->has_user,
            .user = entity->user,
            .has_client_id = entity->has_client_id,
            .client_id = entity->client_id,
            .has_ip = entity->has_ip,
            .ip = entity->ip,
        });
}

static struct bytes not_null(struct bytes b) { return b.data ? b : bytes_of("", 0); }

void delta_tls(struct buf *out, const struct tls_material *m)
{
    put(out, &image_tls_message,
        &(struct image_tls){ not_null(m->chain), not_null(m->key), not_null(m->client_ca),
                             (int8_t)m->client_auth });
}

void delta_authentication(struct buf *out, const struct authentication *a)
{
    put(out, &image_authentication_message,
        &(struct image_authentication){
            .max_reauth_ms = a->max_reauth_ms,
            .issuer = bytes_str(not_null(str_bytes(a->issuer))),
            .audience = bytes_str(not_null(str_bytes(a->audience))),
            .claim = bytes_str(not_null(str_bytes(a->claim))),
            .skew_ms = a->skew_ms,
            .jwks = not_null(str_bytes(a->jwks)),
        });
}

/* --- reading --------------------------------------------------------------------------------------- */
status record_next(struct bytes *rest, struct image_record *ret_record)
{
    if (rest->len < RECORD_HEAD) return FAIL(TRUNCATED);
    int16_t type = (int16_t)get_be16(rest->data);
    int16_t version = (int16_t)get_be16(rest->data + 2);
    uint32_t len = get_be32(rest->data + 4);
    if (len > rest->len - RECORD_HEAD) return FAIL(TRUNCATED);
    const struct wire_message *m = wire_find(WIRE_IMAGE, type);
    if (!m || !wire_knows(m, version)) return FAIL(FORMAT); /* made by a newer program */
    *ret_record = (struct image_record){ m, version, bytes_of(rest->data + RECORD_HEAD, len) };
    *rest = bytes_of(rest->data + RECORD_HEAD + len, rest->len - RECORD_HEAD - len);
    return OK;
}

status record_decode(const struct image_record *record, struct arena *arena, void *ret_object)
{
    size_t used;
    wire_default(record->message, ret_object);
    TRY(wire_decode(record->message, record->version, record->body, arena, ret_object, &used));
    return used == record->body.len ? OK : FAIL(MALFORMED);
}

status delta_versions(struct bytes delta, int64_t *ret_from, int64_t *ret_to)
{
    struct image_record record;
    struct image_version versions;
    struct arena arena;
    arena_init(&arena, 4096);
    status s = record_next(&delta, &record);
    if (is_ok(s) && record.message != &image_version_message) s = FAIL(MALFORMED);
    if (is_ok(s)) s = record_decode(&record, &arena, &versions);
    arena_done(&arena);
    TRY(s);
    if (versions.from_version < 0 || versions.to_version <= versions.from_version)
        return FAIL(MALFORMED);
    *ret_from = versions.from_version;
    *ret_to = versions.to_version;
    return OK;
}
