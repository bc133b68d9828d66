/* delta.h - making a delta of the metadata image: records appended to a buffer.
 *
 *     delta_begin(&buf, 6, 7);
 *     delta_topic(&buf, &(struct delta_topic){ .id = id, .name = STR("orders"), .partitions = 3 });
 *     TRY(buf_check(&buf));
 *
 * delta_begin comes first, once; from 0 the records are a whole image. A record replaces what was
 * there under its key (topic: id, credential: login, quota: entity, acl: all of it). What cannot be
 * written sets the buffer's sticky `failed`. The bytes are what image_apply, image_file and the control
 * protocol take; their form stands in wire/schema/leat.txt. */
#pragma once
#include "base/buf.h"
#include "cluster/image.h"

#define DELTA_MAX (64u << 20) /* greatest delta or whole image */

void delta_begin(struct buf *out, int64_t from_version, int64_t to_version);
/* What delta_begin wrote; MALFORMED when these bytes do not begin so. */
status delta_versions(struct bytes delta, int64_t *ret_from, int64_t *ret_to);

void delta_cluster(struct buf *out, struct str cluster_id, struct uuid store_id /* zero: none */);
void delta_limits(struct buf *out, const struct limits *limits);

struct delta_config {
    struct str name, value;
};
struct delta_topic {
    struct uuid id;
    struct str name;
    int32_t partitions;
    int16_t replication_factor;
    bool internal;
    const struct delta_config *configs; /* all overrides, not just what changed */
    int32_t config_count;
};
void delta_topic(struct buf *out, const struct delta_topic *topic);
void delta_topic_of(struct buf *out, const struct topic *topic); /* as it stands */
void delta_topic_deleted(struct buf *out, struct uuid id);
/* The internal topics, which every image has: 50 partitions each, compacted. Names and settings are
 * also for whoever keeps rows of them. */
#define CONSUMER_OFFSETS_TOPIC "__consumer_offsets"
#define TRANSACTION_STATE_TOPIC "__transaction_state"
struct internal_topic {
    const char *name;
    int32_t partitions;
    const struct delta_config *configs;
    int32_t config_count;
};
extern const struct internal_topic internal_topics[];
extern const size_t internal_topic_count;
void delta_internal_topic(struct buf *out, const struct internal_topic *topic, struct uuid id);
void delta_consumer_offsets(struct buf *out, struct uuid id);
void delta_transaction_state(struct buf *out, struct uuid id);

void delta_credential(struct buf *out, const struct credential *credential);
void delta_credential_deleted(struct buf *out, struct str login);

void delta_acl(struct buf *out, const struct acl *acl);
void delta_acl_deleted(struct buf *out, const struct acl *acl);

void delta_tls(struct buf *out, const struct tls_material *material); /* its key, too */

void delta_authentication(struct buf *out, const struct authentication *authentication);

/* quota_init: nothing set (rates are < 0). Only entity and rates are used. */
void quota_init(struct quota *quota);
void delta_quota(struct buf *out, const struct quota *quota);
void delta_quota_deleted(struct buf *out, const struct quota *entity);
