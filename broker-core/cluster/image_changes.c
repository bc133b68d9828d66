/* image_changes.c - from the bytes of a delta to checked changes, with every allocation made, so that
 * making them (image_apply.c) cannot fail half-way. Loop thread only. */
#include "base/mem.h"
#include "cluster/image_int.h"
#include "wire/messages.h"

static status read_cluster(const struct image *image, const struct image_record *record,
                           struct arena *arena, struct image_change *change)
{
    struct image_cluster r;
    TRY(record_decode(record, arena, &r));
    if (r.cluster_id.len == 0 || r.cluster_id.len >= sizeof(image->cluster_id) ||
        memchr(r.cluster_id.data, 0, r.cluster_id.len))
        return FAIL(MALFORMED);
    if (image->cluster_id[0] && !str_eq_c(r.cluster_id, image->cluster_id))
        return FAIL(INCONSISTENT_CLUSTER_ID);
    change->name = r.cluster_id;
    change->id = r.store_id;
    return OK;
}

static status read_limits(const struct image_record *record, struct arena *arena,
                          struct image_change *change)
{
    struct image_limits r;
    TRY(record_decode(record, arena, &r));
    change->limits = (struct limits){
        .ingress_bytes_per_s = r.ingress_bytes_per_s,
        .egress_bytes_per_s = r.egress_bytes_per_s,
        .storage_bytes = r.storage_bytes,
        .partitions = r.partitions,
        .connections = r.connections,
        .message_bytes = r.message_bytes,
        .memory_bytes = r.memory_bytes,
        .auto_create_topics = r.auto_create_topics,
        .default_partitions = r.default_partitions < 1 ? 1 : r.default_partitions,
        .group_initial_delay_ms = r.group_initial_delay_ms < 0 ? 0 : r.group_initial_delay_ms,
        .authorise = r.authorise,
        .strict_replication = r.strict_replication,
        .retention_ms = r.retention_ms,
        .connections_per_s = r.connections_per_s,
        .requests_per_s = r.requests_per_s,
    };
    return OK;
}

static status fill_topic(struct topic *topic, const struct image_topic *r)
{
    topic_config_init(&topic->config);
    topic->id = r->id;
    topic->partitions = r->partitions;
    topic->replication_factor = r->replication_factor;
    topic->internal = r->internal;
    topic->name = str_own(r->name);
    if (!topic->name.data) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < r->configs_count; i++) {
        if (str_is_null(r->configs[i].value)) return FAIL(MALFORMED);
        TRY(topic_config_set(&topic->config, r->configs[i].name, r->configs[i].value));
    }
    return OK;
}

static status read_topic(const struct image *image, const struct image_record *record,
                         struct arena *arena, struct image_change *change)
{
    struct image_topic r;
    TRY(record_decode(record, arena, &r));
    TRY(topic_name_check(r.name, NULL));
    if (uuid_is_zero(r.id) || r.partitions < 1 || r.partitions > TOPIC_PARTITIONS_LIMIT ||
        r.replication_factor < 1)
        return FAIL(MALFORMED);
    const struct topic *known = image_topic_by_id(image, r.id);
    if (known && !str_eq(known->name, r.name)) return FAIL(MALFORMED); /* topics keep their name */
    struct topic *topic = change->topic = mem_zalloc(sizeof(*topic));
    return topic ? fill_topic(topic, &r) : FAIL(NO_MEMORY);
}

static status read_topic_deleted(const struct image_record *record, struct arena *arena,
                                 struct image_change *change)
{
    struct image_topic_deleted r;
    TRY(record_decode(record, arena, &r));
    change->id = r.id;
    return OK;
}

static status fill_verifier(struct credential *credential, const struct image_credential_scram *r)
{
    if (r->mechanism != SCRAM_SHA_256 && r->mechanism != SCRAM_SHA_512) return FAIL(MALFORMED);
    struct scram_verifier *v = &credential->scram[r->mechanism == SCRAM_SHA_256 ? 0 : 1];
    size_t len = r->mechanism == SCRAM_SHA_256 ? 32 : 64;
    if (r->iterations < 1 || r->salt.len == 0 || r->salt.len > sizeof(v->salt) ||
        r->stored_key.len != len || r->server_key.len != len)
        return FAIL(MALFORMED);
    v->iterations = r->iterations;
    v->salt_len = (uint8_t)r->salt.len;
    memcpy(v->salt, r->salt.data, r->salt.len);
    memcpy(v->stored_key, r->stored_key.data, len);
    memcpy(v->server_key, r->server_key.data, len);
    return OK;
}

static status read_credential(const struct image_record *record, struct arena *arena,
                              struct image_change *change)
{
    struct image_credential r;
    TRY(record_decode(record, arena, &r));
    if (r.login.len == 0 || r.principal.len == 0) return FAIL(MALFORMED);
    struct credential *credential = change->credential = mem_zalloc(sizeof(*credential));
    if (!credential) return FAIL(NO_MEMORY);
    credential->login = str_own(r.login);
    credential->principal = str_own(r.principal);
    if (!credential->login.data || !credential->principal.data) return FAIL(NO_MEMORY);
    if (r.secret_hash.data) {
        if (r.secret_hash.len != sizeof(credential->secret_hash) ||
            r.secret_salt.len != sizeof(credential->secret_salt))
            return FAIL(MALFORMED);
        credential->has_secret = true;
        memcpy(credential->secret_salt, r.secret_salt.data, r.secret_salt.len);
        memcpy(credential->secret_hash, r.secret_hash.data, r.secret_hash.len);
    }
    for (int32_t i = 0; i < r.scram_count; i++) TRY(fill_verifier(credential, &r.scram[i]));
    return OK;
}

static status read_credential_deleted(const struct image_record *record, struct arena *arena,
                                      struct image_change *change)
{
    struct image_credential_deleted r;
    TRY(record_decode(record, arena, &r));
    change->name = r.login;
    return OK;
}

/* ImageAcl and ImageAclDeleted have the same fields. */
static status read_acl(const struct image_record *record, struct arena *arena,
                       struct image_change *change)
{
    struct image_acl r;
    TRY(record_decode(record, arena, &r));
    change->acl = (struct acl){
        .resource = (enum acl_resource)r.resource_type,
        .pattern = (enum acl_pattern)r.pattern_type,
        .operation = (enum acl_operation)r.operation,
        .permission = (enum acl_permission)r.permission,
        .name = r.resource_name,
        .principal = r.principal,
        .host = r.host,
    };
    const struct acl *acl = &change->acl;
    bool sound = acl->resource >= RES_TOPIC && acl->resource <= RES_USER &&
                 (acl->pattern == PAT_LITERAL || acl->pattern == PAT_PREFIXED) &&
                 acl->operation >= OP_ALL && acl->operation <= OP_TWO_PHASE_COMMIT &&
                 (acl->permission == PERM_DENY || acl->permission == PERM_ALLOW);
    return sound ? OK : FAIL(MALFORMED);
}

static bool own_part(struct str from, struct str *to)
{
    if (str_is_null(from)) return true;
    *to = str_own(from);
    return to->data != NULL;
}

static status read_quota(const struct image_record *record, struct arena *arena,
                         struct image_change *change)
{
    struct image_quota r;
    wire_default(&image_quota_message, &r);
    if (record->message == &image_quota_deleted_message) {
        struct image_quota_deleted d;
        TRY(record_decode(record, arena, &d));
        r = (struct image_quota){ .has_user = d.has_user, .user = d.user,
                                  .has_client_id = d.has_client_id, .client_id = d.client_id,
                                  .has_ip = d.has_ip, .ip = d.ip };
    } else {
        TRY(record_decode(record, arena, &r));
    }
    if (!r.has_user && !r.has_client_id && !r.has_ip) return FAIL(MALFORMED);
    struct quota *quota = change->quota = mem_zalloc(sizeof(*quota));
    if (!quota) return FAIL(NO_MEMORY);
    quota->has_user = r.has_user;
    quota->has_client_id = r.has_client_id;
    quota->has_ip = r.has_ip;
    quota->producer_byte_rate = r.producer_byte_rate;
    quota->consumer_byte_rate = r.consumer_byte_rate;
    quota->request_percentage = r.request_percentage;
    quota->controller_mutation_rate = r.controller_mutation_rate;
    quota->connection_creation_rate = r.connection_creation_rate;
    bool whole = own_part(r.user, &quota->user) && own_part(r.client_id, &quota->client_id) &&
                 own_part(r.ip, &quota->ip);
    return whole ? OK : FAIL(NO_MEMORY);
}

static status read_tls(const struct image_record *record, struct arena *arena,
                       struct image_change *change)
{
    struct image_tls r;
    TRY(record_decode(record, arena, &r));
    if (r.chain.len > TLS_PEM_MAX || r.key.len > TLS_PEM_MAX || r.client_ca.len > TLS_PEM_MAX ||
        r.client_auth < TLS_CLIENT_NONE || r.client_auth > TLS_CLIENT_REQUIRED)
        return FAIL(MALFORMED);
    struct tls_material view = { r.chain, r.key, r.client_ca, (enum tls_client_auth)r.client_auth };
    return tls_material_copy(&view, &change->tls);
}

static status read_authentication(const struct image_record *record, struct arena *arena,
                                  struct image_change *change)
{
    struct image_authentication r;
    TRY(record_decode(record, arena, &r));
    struct authentication view = { .max_reauth_ms = r.max_reauth_ms, .issuer = r.issuer,
                                   .audience = r.audience, .claim = r.claim, .skew_ms = r.skew_ms,
                                   .jwks = bytes_str(r.jwks) };
    status made = authentication_make(&view, NULL, &change->authentication);
    return made.code == E_INVALID ? FAIL(MALFORMED) : made;
}

static status read_change(const struct image *image, const struct image_record *record,
                          struct arena *arena, struct image_change *change)
{
    const struct wire_message *m = change->message = record->message;
    if (m == &image_cluster_message) return read_cluster(image, record, arena, change);
    if (m == &image_limits_message) return read_limits(record, arena, change);
    if (m == &image_topic_message) return read_topic(image, record, arena, change);
    if (m == &image_topic_deleted_message) return read_topic_deleted(record, arena, change);
    if (m == &image_credential_message) return read_credential(record, arena, change);
    if (m == &image_credential_deleted_message)
        return read_credential_deleted(record, arena, change);
    if (m == &image_acl_message || m == &image_acl_deleted_message)
        return read_acl(record, arena, change);
    if (m == &image_quota_message || m == &image_quota_deleted_message)
        return read_quota(record, arena, change);
    if (m == &image_tls_message) return read_tls(record, arena, change);
    if (m == &image_authentication_message) return read_authentication(record, arena, change);
    return FAIL(MALFORMED); /* a second ImageVersion */
}

static struct image_change *grow(struct image_changes *changes)
{
    if (changes->count == changes->cap) {
        size_t cap = changes->cap ? changes->cap * 2 : 16;
        struct image_change *items = mem_realloc(changes->items, cap * sizeof(*items));
        if (!items) return NULL;
        changes->items = items;
        changes->cap = cap;
    }
    struct image_change *change = &changes->items[changes->count++];
    *change = (struct image_change){ 0 };
    return change;
}

static status read_all(const struct image *image, struct bytes rest, struct arena *arena,
                       struct image_changes *changes)
{
    struct image_record record;
    TRY(record_next(&rest, &record)); /* the ImageVersion, seen by delta_versions */
    while (rest.len) {
        TRY(record_next(&rest, &record));
        struct image_change *change = grow(changes);
        if (!change) return FAIL(NO_MEMORY);
        TRY(read_change(image, &record, arena, change));
        arena_reset(arena);
    }
    return OK;
}

status image_changes_read(const struct image *image, struct bytes delta,
                          struct image_changes *ret_changes)
{
    struct image_changes changes = { 0 };
    if (delta.len > DELTA_MAX) return FAIL(LIMIT);
    TRY(delta_versions(delta, &changes.from, &changes.to));
    if (changes.from != 0 && changes.from != image->version) return FAIL(CONFLICT);
    struct arena arena;
    arena_init(&arena, RECORD_ARENA);
    status s = read_all(image, delta, &arena, &changes);
    arena_done(&arena);
    if (failed(s)) {
        image_changes_done(&changes);
        return s;
    }
    *ret_changes = changes;
    return OK;
}

void image_changes_done(struct image_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        topic_free(changes->items[i].topic);
        credential_free(changes->items[i].credential);
        quota_free(changes->items[i].quota);
        tls_material_done(&changes->items[i].tls);
        authentication_done(&changes->items[i].authentication);
    }
    mem_free(changes->items);
    *changes = (struct image_changes){ 0 };
}
