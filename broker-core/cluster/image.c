/* image.c - the metadata image in memory: making it, finding things in it, writing it out.
 * Loop thread only. Changes are made in image_apply.c alone. */
#include "cluster/image.h"

#include "base/mem.h"
#include "cluster/image_int.h"

#include <arpa/inet.h>

status image_new(struct image **ret_image)
{
    struct image *image = mem_zalloc(sizeof(*image));
    if (!image) return FAIL(NO_MEMORY);
    image->limits = limits_standalone;
    *ret_image = image;
    return OK;
}

void image_free(struct image *image)
{
    if (!image) return;
    struct topic *topic, *next_topic;
    HASH_CLEAR(hh_id, image->topics_by_id);
    HASH_ITER(hh, image->topics, topic, next_topic) {
        HASH_DELETE(hh, image->topics, topic);
        topic_free(topic);
    }
    struct credential *credential, *next_credential;
    HASH_ITER(hh, image->credentials, credential, next_credential) {
        HASH_DELETE(hh, image->credentials, credential);
        credential_free(credential);
    }
    struct quota *quota, *next_quota;
    DL_FOREACH_SAFE(image->quotas, quota, next_quota) {
        DL_DELETE(image->quotas, quota);
        quota_free(quota);
    }
    acl_set_done(&image->acls);
    tls_material_done(&image->tls);
    authentication_done(&image->authentication);
    mem_free(image);
}

struct str str_own(struct str s)
{
    char *copy = mem_alloc(s.len + 1);
    if (!copy) return STR_NULL;
    if (s.len) memcpy(copy, s.data, s.len);
    copy[s.len] = 0;
    return (struct str){ copy, s.len };
}

void topic_free(struct topic *topic)
{
    if (!topic) return;
    topic_config_done(&topic->config);
    mem_free((char *)topic->name.data);
    mem_free(topic);
}

void credential_free(struct credential *credential)
{
    if (!credential) return;
    mem_free((char *)credential->login.data);
    mem_free((char *)credential->principal.data);
    explicit_bzero(credential, sizeof(*credential));
    mem_free(credential);
}

void quota_free(struct quota *quota)
{
    if (!quota) return;
    mem_free((char *)quota->user.data);
    mem_free((char *)quota->client_id.data);
    mem_free((char *)quota->ip.data);
    mem_free(quota);
}

/* --- finding --------------------------------------------------------------------------------------- */
struct topic *image_topic(const struct image *image, struct str name)
{
    struct topic *topic = NULL;
    if (name.data) HASH_FIND(hh, image->topics, name.data, name.len, topic);
    return topic;
}

struct topic *image_topic_by_id(const struct image *image, struct uuid id)
{
    struct topic *topic = NULL;
    HASH_FIND(hh_id, image->topics_by_id, &id, sizeof(id), topic);
    return topic;
}

const struct credential *image_credential(const struct image *image, struct str login)
{
    struct credential *credential = NULL;
    if (login.data) HASH_FIND(hh, image->credentials, login.data, login.len, credential);
    return credential;
}

struct quota *image_quota_entity(const struct image *image, const struct quota *entity)
{
    struct quota *quota;
    DL_FOREACH(image->quotas, quota)
        if (quota->has_user == entity->has_user && quota->has_client_id == entity->has_client_id &&
            quota->has_ip == entity->has_ip && str_eq(quota->user, entity->user) &&
            str_eq(quota->client_id, entity->client_id) && str_eq(quota->ip, entity->ip))
            return quota;
    return NULL;
}

/* --- quotas ---------------------------------------------------------------------------------------- */
double quota_rate(const struct quota *quota, enum quota_kind kind)
{
    switch (kind) {
    case QUOTA_PRODUCER_BYTES: return quota->producer_byte_rate;
    case QUOTA_CONSUMER_BYTES: return quota->consumer_byte_rate;
    case QUOTA_REQUEST: return quota->request_percentage;
    case QUOTA_MUTATION: return quota->controller_mutation_rate;
    case QUOTA_CONNECTION: return quota->connection_creation_rate;
    }
    return -1;
}

enum { EXACT = 1, DEFAULT = 2, ABSENT = 3, MISMATCH = 0 };

static int match(bool has, struct str entity, struct str actual)
{
    if (!has) return ABSENT;
    if (str_is_null(entity)) return DEFAULT;
    return str_eq(entity, actual) ? EXACT : MISMATCH;
}

/* Kafka's order (ClientQuotaManager): user and client id, user and default client, user; the same
 * with the default user; then client id, default client. 0: no match. */
static int rank(const struct quota *quota, struct str user, struct str client_id)
{
    static const int8_t ranks[4][4] = {
        /* client:   mismatch exact default absent */
        [EXACT] = { 0, 1, 2, 3 },
        [DEFAULT] = { 0, 4, 5, 6 },
        [ABSENT] = { 0, 7, 8, 0 },
    };
    if (quota->has_ip) return 0;
    return ranks[match(quota->has_user, quota->user, user)]
                [match(quota->has_client_id, quota->client_id, client_id)];
}

/* As 16 bytes, an IPv4 one mapped; false: it is none. */
static bool parse_address(struct str text, struct in6_addr *ret)
{
    char name[INET6_ADDRSTRLEN + 1];
    struct in_addr v4;
    if (!str_copy(name, sizeof(name), text)) return false;
    if (inet_pton(AF_INET6, name, ret) == 1) return true;
    if (inet_pton(AF_INET, name, &v4) != 1) return false;
    *ret = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
    memcpy(ret->s6_addr + 12, &v4, sizeof(v4));
    return true;
}

/* The same address may be written in several ways. */
static bool same_address(struct str a, struct str b)
{
    struct in6_addr x, y;
    return str_eq(a, b) ||
           (parse_address(a, &x) && parse_address(b, &y) && memcmp(&x, &y, sizeof(x)) == 0);
}

static int rank_ip(const struct quota *quota, struct str address)
{
    if (!quota->has_ip) return 0;
    if (str_is_null(quota->ip)) return DEFAULT;
    return same_address(quota->ip, address) ? EXACT : MISMATCH;
}

bool image_quota(const struct image *image, enum quota_kind kind, struct str user,
                 struct str client_id, double *ret_rate, const struct quota **ret_entity)
{
    const struct quota *quota, *best = NULL;
    int best_rank = 0;
    if (str_is_null(client_id)) client_id = STR(""); /* Kafka: a missing client id is "" */
    DL_FOREACH(image->quotas, quota) {
        if (quota_rate(quota, kind) < 0) continue;
        int r = kind == QUOTA_CONNECTION ? rank_ip(quota, user) : rank(quota, user, client_id);
        if (r && (!best || r < best_rank)) {
            best = quota;
            best_rank = r;
        }
    }
    if (!best) return false;
    *ret_rate = quota_rate(best, kind);
    if (ret_entity) *ret_entity = best;
    return true;
}

/* --- writing --------------------------------------------------------------------------------------- */
status image_serialise(const struct image *image, struct buf *out)
{
    struct topic *topic, *next_topic;
    struct credential *credential, *next_credential;
    const struct quota *quota;
    delta_begin(out, 0, image->version);
    delta_cluster(out, str_c(image->cluster_id), image->store_id);
    delta_limits(out, &image->limits);
    HASH_ITER(hh, image->topics, topic, next_topic) delta_topic_of(out, topic);
    HASH_ITER(hh, image->credentials, credential, next_credential)
        delta_credential(out, credential);
    for (size_t i = 0; i < image->acls.count; i++) delta_acl(out, image->acls.items[i]);
    DL_FOREACH(image->quotas, quota) delta_quota(out, quota);
    if (image->tls.chain.len) delta_tls(out, &image->tls);
    if (image->authentication.jwks.len || image->authentication.max_reauth_ms)
        delta_authentication(out, &image->authentication);
    return buf_check(out);
}
