/* image.h - the metadata image of one cluster: topics, credentials, ACLs, quotas, limits.
 *
 * The image is a versioned set of records (messages Image… in wire/schema/leat.txt). leatd (or the
 * local controller of a standalone broker) is the only one that makes changes: a delta is a list of
 * records that leads from version n to n+1. The broker makes it durable, then applies it.
 * Loop thread only. */
#pragma once
#include "base/buf.h"
#include "base/hash.h"
#include "base/uuid.h"
#include "cluster/acl.h"
#include "cluster/authentication.h"
#include "cluster/limits.h"
#include "cluster/topic_config.h"
#include "io/tls.h"

struct topic {
    struct uuid id;
    struct str name;               /* owned by the topic, NUL behind it */
    int32_t partitions;
    int16_t replication_factor;    /* virtual: what was asked for */
    bool internal;                 /* __consumer_offsets, __transaction_state */
    struct topic_config config;    /* overrides and the effective values */
    UT_hash_handle hh;             /* by name */
    UT_hash_handle hh_id;          /* by id */
};

/* What a login name may authenticate with. Cluster keys have a secret hash and SCRAM verifiers;
 * SCRAM users made through Kafka have just verifiers. */
enum { SCRAM_SHA_256 = 1, SCRAM_SHA_512 = 2 }; /* Kafka's mechanism numbers */
#define SCRAM_SALT_MAX 128
struct scram_verifier {
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t salt_len;
    int32_t iterations;
    uint8_t stored_key[64], server_key[64]; /* 32 or 64 bytes by mechanism; iterations 0 = absent */
};
struct credential {
    struct str login;              /* key id or SCRAM user name */
    struct str principal;          /* "User:sa-abc123" */
    bool has_secret;               /* PLAIN allowed */
    uint8_t secret_salt[16];
    uint8_t secret_hash[32];       /* SHA-256(salt || secret) */
    struct scram_verifier scram[2]; /* [0] SHA-256, [1] SHA-512 */
    UT_hash_handle hh;             /* by login */
};

/* A client quota entity. NULL name with present = the default entity. Absent parts: !has_…. */
struct quota {
    bool has_user, has_client_id, has_ip;
    struct str user, client_id, ip;  /* data NULL = <default>; user is without "User:" */
    double producer_byte_rate, consumer_byte_rate, request_percentage; /* < 0 = not set */
    double controller_mutation_rate, connection_creation_rate;
    struct quota *prev, *next;
};

struct image {
    char cluster_id[64];
    int64_t version;               /* 0 = nothing yet */
    struct uuid store_id;
    struct limits limits;          /* of the plan */
    struct topic *topics;          /* uthash by name (hh) */
    struct topic *topics_by_id;    /* hh_id */
    struct credential *credentials;
    struct acl_set acls;
    struct quota *quotas;          /* utlist DL */
    struct tls_material tls;       /* of listeners under TLS; no chain: none */
    struct authentication authentication;
    int64_t partition_count;       /* without internal topics */
    const char *super_users;       /* no record: "User:a;User:b", for whom ACLs do not hold; or NULL */
};

status image_new(struct image **ret_image);
void image_free(struct image *image); /* NULL ok */
DEFINE_CLEANUP(image);

struct topic *image_topic(const struct image *image, struct str name);            /* or NULL */
struct topic *image_topic_by_id(const struct image *image, struct uuid id);       /* or NULL */
const struct credential *image_credential(const struct image *image, struct str login);
/* The quota of exactly this entity (its rates do not matter); or NULL. */
struct quota *image_quota_entity(const struct image *image, const struct quota *entity);
/* Kafka's matching order (ClientQuotaManager): the rate of the first entity that matches and sets
 * it. `user` is without "User:"; client_id may be null; for QUOTA_CONNECTION `user` is the address.
 * false: unlimited. ret_entity (NULL ok) is whose bucket to charge. */
enum quota_kind { QUOTA_PRODUCER_BYTES, QUOTA_CONSUMER_BYTES, QUOTA_REQUEST, QUOTA_MUTATION,
                  QUOTA_CONNECTION };
double quota_rate(const struct quota *quota, enum quota_kind kind); /* < 0: not set */
bool image_quota(const struct image *image, enum quota_kind kind, struct str user,
                 struct str client_id, double *ret_rate, const struct quota **ret_entity);

/* --- change -------------------------------------------------------------------------------------- */
/* A delta or a whole image as bytes: delta.h makes them. The observer is told of each change after
 * it was made: what was created, changed (config, partitions) or deleted. */
enum image_event { TOPIC_CREATED, TOPIC_CHANGED, TOPIC_DELETED, CREDENTIAL_CHANGED,
                   CREDENTIAL_DELETED, ACLS_CHANGED, QUOTAS_CHANGED, LIMITS_CHANGED,
                   TLS_CHANGED };
struct image_observer {
    /* `topic` for TOPIC_… (still valid in TOPIC_DELETED), `login` for CREDENTIAL_…. */
    void (*event)(void *arg, enum image_event event, struct topic *topic, struct str login);
    void *arg;
};
/* All or nothing: the bytes are checked wholly before the first change is made. A delta that begins
 * at another version than the image's is refused with CONFLICT; one from 0 (a whole image) always
 * fits: what it does not name is deleted. Topics and credentials that stay keep their address.
 * observer may be NULL. */
status image_apply(struct image *image, struct bytes delta, const struct image_observer *observer);
/* The same checks, nothing changed. */
status image_check(const struct image *image, struct bytes delta, int64_t *ret_version);
/* The whole image as one delta from 0. */
status image_serialise(const struct image *image, struct buf *out);
