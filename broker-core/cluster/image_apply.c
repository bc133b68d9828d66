/* image_apply.c - making the changes of a delta, and telling the observer. Loop thread only.
 *
 * Everything that can be refused is refused before the first change (image_changes.c); what is left is
 * linking, which can only lack the memory of a hash table: then the process ends, rather than serve
 * half a change. A whole image is made the same way, after what it does not name was deleted. */
#include "base/mem.h"
#include "cluster/image_int.h"
#include "wire/messages.h"

struct applying {
    struct image *image;
    const struct image_observer *observer;
    bool quotas_changed;
    bool tls_named, authentication_named;
};

static void tell(struct applying *a, enum image_event event, struct topic *topic, struct str login)
{
    if (a->observer) a->observer->event(a->observer->arg, event, topic, login);
}

/* --- topics ---------------------------------------------------------------------------------------- */
static void count_partitions(struct image *image, const struct topic *topic, int sign)
{
    if (!topic->internal) image->partition_count += sign * topic->partitions;
}

static void delete_topic(struct applying *a, struct topic *topic)
{
    struct image *image = a->image;
    HASH_DELETE(hh, image->topics, topic);
    HASH_DELETE(hh_id, image->topics_by_id, topic);
    count_partitions(image, topic, -1);
    tell(a, TOPIC_DELETED, topic, STR_NULL);
    topic_free(topic);
}

static bool same_config(const struct topic_config *a, const struct topic_config *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++) {
        bool is_default;
        struct str other = topic_config_get(b, a->overrides[i].info, &is_default);
        if (is_default || !str_eq(a->overrides[i].value, other)) return false;
    }
    return true;
}

static void change_topic(struct applying *a, struct topic *topic, struct topic *wanted)
{
    if (topic->partitions == wanted->partitions && topic->internal == wanted->internal &&
        topic->replication_factor == wanted->replication_factor &&
        same_config(&topic->config, &wanted->config))
        return;
    count_partitions(a->image, topic, -1);
    topic->partitions = wanted->partitions;
    topic->replication_factor = wanted->replication_factor;
    topic->internal = wanted->internal;
    struct topic_config old = topic->config;
    topic->config = wanted->config;
    wanted->config = old; /* freed with the change */
    count_partitions(a->image, topic, 1);
    tell(a, TOPIC_CHANGED, topic, STR_NULL);
}

static void apply_topic(struct applying *a, struct image_change *change)
{
    struct image *image = a->image;
    struct topic *known = image_topic_by_id(image, change->topic->id);
    if (known) {
        change_topic(a, known, change->topic);
        return;
    }
    struct topic *namesake = image_topic(image, change->topic->name);
    if (namesake) delete_topic(a, namesake);
    struct topic *topic = TAKE(change->topic);
    HASH_ADD_KEYPTR(hh, image->topics, topic->name.data, topic->name.len, topic);
    (void)mem_must(HASH_ADDED(hh, topic) ? topic : NULL);
    HASH_ADD(hh_id, image->topics_by_id, id, sizeof(topic->id), topic);
    (void)mem_must(HASH_ADDED(hh_id, topic) ? topic : NULL);
    count_partitions(image, topic, 1);
    tell(a, TOPIC_CREATED, topic, STR_NULL);
}

/* --- credentials ----------------------------------------------------------------------------------- */
static bool same_verifier(const struct scram_verifier *a, const struct scram_verifier *b)
{
    return a->iterations == b->iterations && a->salt_len == b->salt_len &&
           memcmp(a->salt, b->salt, sizeof(a->salt)) == 0 &&
           memcmp(a->stored_key, b->stored_key, sizeof(a->stored_key)) == 0 &&
           memcmp(a->server_key, b->server_key, sizeof(a->server_key)) == 0;
}

static bool same_credential(const struct credential *a, const struct credential *b)
{
    return str_eq(a->principal, b->principal) && a->has_secret == b->has_secret &&
           memcmp(a->secret_salt, b->secret_salt, sizeof(a->secret_salt)) == 0 &&
           memcmp(a->secret_hash, b->secret_hash, sizeof(a->secret_hash)) == 0 &&
           same_verifier(&a->scram[0], &b->scram[0]) && same_verifier(&a->scram[1], &b->scram[1]);
}

static void delete_credential(struct applying *a, struct credential *credential)
{
    HASH_DELETE(hh, a->image->credentials, credential);
    tell(a, CREDENTIAL_DELETED, NULL, credential->login);
    credential_free(credential);
}

static void apply_credential(struct applying *a, struct image_change *change)
{
    struct image *image = a->image;
    struct credential *known = (struct credential *)image_credential(image, change->credential->login);
    if (known) {
        if (same_credential(known, change->credential)) return;
        struct credential *wanted = change->credential;
        struct str old = known->principal;
        known->principal = wanted->principal;
        wanted->principal = old; /* freed with the change */
        known->has_secret = wanted->has_secret;
        memcpy(known->secret_salt, wanted->secret_salt, sizeof(known->secret_salt));
        memcpy(known->secret_hash, wanted->secret_hash, sizeof(known->secret_hash));
        memcpy(known->scram, wanted->scram, sizeof(known->scram));
        tell(a, CREDENTIAL_CHANGED, NULL, known->login);
        return;
    }
    struct credential *credential = TAKE(change->credential);
    HASH_ADD_KEYPTR(hh, image->credentials, credential->login.data, credential->login.len,
                    credential);
    (void)mem_must(HASH_ADDED(hh, credential) ? credential : NULL);
    tell(a, CREDENTIAL_CHANGED, NULL, credential->login);
}

/* --- quotas ---------------------------------------------------------------------------------------- */
static void apply_quota(struct applying *a, struct image_change *change)
{
    struct image *image = a->image;
    struct quota *known = image_quota_entity(image, change->quota);
    if (known) {
        DL_DELETE(image->quotas, known);
        quota_free(known);
    }
    if (change->message == &image_quota_message) {
        struct quota *quota = TAKE(change->quota);
        DL_APPEND(image->quotas, quota);
    }
    a->quotas_changed = true;
}

/* --- TLS ------------------------------------------------------------------------------------------- */
static bool same_part(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void apply_tls(struct applying *a, struct tls_material *wanted)
{
    struct tls_material *own = &a->image->tls, old = *own;
    a->tls_named = true;
    if (same_part(own->chain, wanted->chain) && same_part(own->key, wanted->key) &&
        same_part(own->client_ca, wanted->client_ca) && own->client_auth == wanted->client_auth)
        return;
    *own = *wanted;
    *wanted = old; /* freed with the change */
    tell(a, TLS_CHANGED, NULL, STR_NULL);
}

/* Nobody is told: it is looked at when somebody logs in. */
static void apply_authentication(struct applying *a, struct authentication *wanted)
{
    struct authentication old = a->image->authentication;
    a->authentication_named = true;
    if (authentication_same(&old, wanted)) return;
    a->image->authentication = *wanted;
    *wanted = old; /* freed with the change */
}

/* --- all of a delta -------------------------------------------------------------------------------- */
static void apply_limits(struct applying *a, const struct limits *limits)
{
    struct limits *own = &a->image->limits;
    bool same = own->ingress_bytes_per_s == limits->ingress_bytes_per_s &&
                own->egress_bytes_per_s == limits->egress_bytes_per_s &&
                own->storage_bytes == limits->storage_bytes &&
                own->partitions == limits->partitions && own->connections == limits->connections &&
                own->message_bytes == limits->message_bytes &&
                own->memory_bytes == limits->memory_bytes &&
                own->retention_ms == limits->retention_ms &&
                own->connections_per_s == limits->connections_per_s &&
                own->requests_per_s == limits->requests_per_s &&
                own->auto_create_topics == limits->auto_create_topics &&
                own->default_partitions == limits->default_partitions &&
                own->group_initial_delay_ms == limits->group_initial_delay_ms &&
                own->authorise == limits->authorise &&
                own->strict_replication == limits->strict_replication;
    if (same) return;
    *own = *limits;
    tell(a, LIMITS_CHANGED, NULL, STR_NULL);
}

static void apply_change(struct applying *a, struct image_change *change)
{
    const struct wire_message *m = change->message;
    if (m == &image_topic_message) {
        apply_topic(a, change);
    } else if (m == &image_topic_deleted_message) {
        struct topic *topic = image_topic_by_id(a->image, change->id);
        if (topic) delete_topic(a, topic);
    } else if (m == &image_credential_message) {
        apply_credential(a, change);
    } else if (m == &image_credential_deleted_message) {
        struct credential *known = (struct credential *)image_credential(a->image, change->name);
        if (known) delete_credential(a, known);
    } else if (m == &image_quota_message || m == &image_quota_deleted_message) {
        apply_quota(a, change);
    } else if (m == &image_limits_message) {
        apply_limits(a, &change->limits);
    } else if (m == &image_tls_message) {
        apply_tls(a, &change->tls);
    } else if (m == &image_authentication_message) {
        apply_authentication(a, &change->authentication);
    } else if (m == &image_cluster_message) {
        (void)str_copy(a->image->cluster_id, sizeof(a->image->cluster_id), change->name);
        a->image->store_id = change->id;
    }
}

/* What a whole image does not name goes first, so that names become free. */
static void delete_unnamed(struct applying *a, struct image_changes *changes)
{
    struct image *image = a->image;
    struct topic *named_topics = NULL, *topic, *next_topic, *found;
    struct credential *named = NULL, *credential, *next_credential, *found_credential;
    for (size_t i = 0; i < changes->count; i++) {
        topic = changes->items[i].topic;
        if (topic) {
            HASH_ADD(hh_id, named_topics, id, sizeof(topic->id), topic);
            (void)mem_must(HASH_ADDED(hh_id, topic) ? topic : NULL);
        }
        credential = changes->items[i].credential;
        if (credential) {
            HASH_ADD_KEYPTR(hh, named, credential->login.data, credential->login.len, credential);
            (void)mem_must(HASH_ADDED(hh, credential) ? credential : NULL);
        }
    }
    HASH_ITER(hh, image->topics, topic, next_topic) {
        HASH_FIND(hh_id, named_topics, &topic->id, sizeof(topic->id), found);
        if (!found) delete_topic(a, topic);
    }
    HASH_ITER(hh, image->credentials, credential, next_credential) {
        HASH_FIND(hh, named, credential->login.data, credential->login.len, found_credential);
        if (!found_credential) delete_credential(a, credential);
    }
    HASH_CLEAR(hh_id, named_topics);
    HASH_CLEAR(hh, named);
    struct quota *quota, *next_quota;
    DL_FOREACH_SAFE(image->quotas, quota, next_quota) {
        DL_DELETE(image->quotas, quota);
        quota_free(quota);
        a->quotas_changed = true;
    }
}

/* The ACLs as they will be: made beside the old ones, because adding one can be refused. */
static status next_acls(const struct image *image, const struct image_changes *changes,
                        struct acl_set *ret_set, bool *ret_changed)
{
    struct acl_set set = { 0 };
    bool changed = changes->from == 0 && image->acls.count > 0;
    for (size_t i = 0; i < changes->count && !changed; i++)
        changed = changes->items[i].message == &image_acl_message ||
                  changes->items[i].message == &image_acl_deleted_message;
    status s = OK;
    if (changed && changes->from != 0)
        for (size_t i = 0; i < image->acls.count && is_ok(s); i++)
            s = acl_set_add(&set, image->acls.items[i]);
    for (size_t i = 0; i < changes->count && is_ok(s); i++) {
        const struct image_change *change = &changes->items[i];
        if (change->message == &image_acl_message) s = acl_set_add(&set, &change->acl);
        if (change->message == &image_acl_deleted_message) (void)acl_set_remove(&set, &change->acl);
    }
    if (failed(s)) {
        acl_set_done(&set);
        return s;
    }
    *ret_set = set;
    *ret_changed = changed;
    return OK;
}

status image_apply(struct image *image, struct bytes delta, const struct image_observer *observer)
{
    struct image_changes changes;
    struct acl_set acls;
    bool acls_changed;
    TRY(image_changes_read(image, delta, &changes));
    status s = next_acls(image, &changes, &acls, &acls_changed);
    if (failed(s)) {
        image_changes_done(&changes);
        return s;
    }
    struct applying a = { .image = image, .observer = observer };
    image->version = changes.to;
    if (changes.from == 0) delete_unnamed(&a, &changes);
    if (acls_changed) {
        acl_set_done(&image->acls);
        image->acls = acls;
        tell(&a, ACLS_CHANGED, NULL, STR_NULL);
    }
    for (size_t i = 0; i < changes.count; i++) apply_change(&a, &changes.items[i]);
    if (changes.from == 0 && !a.tls_named) {
        struct tls_material none = { .client_auth = TLS_CLIENT_NONE };
        apply_tls(&a, &none);
        tls_material_done(&none);
    }
    if (changes.from == 0 && !a.authentication_named) authentication_done(&image->authentication);
    if (a.quotas_changed) tell(&a, QUOTAS_CHANGED, NULL, STR_NULL);
    image_changes_done(&changes);
    return OK;
}

status image_check(const struct image *image, struct bytes delta, int64_t *ret_version)
{
    struct image_changes changes;
    struct acl_set acls;
    bool acls_changed;
    TRY(image_changes_read(image, delta, &changes));
    status s = next_acls(image, &changes, &acls, &acls_changed);
    if (is_ok(s)) {
        acl_set_done(&acls);
        *ret_version = changes.to;
    }
    image_changes_done(&changes);
    return s;
}
