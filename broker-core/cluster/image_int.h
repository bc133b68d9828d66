/* image_int.h - what image.c, image_changes.c, image_apply.c and delta.c share: records as they are
 * read, and the changes they ask for. */
#pragma once
#include "base/arena.h"
#include "cluster/delta.h"
#include "wire/codec.h"

#define RECORD_HEAD 8        /* type, version, length */
#define RECORD_ARENA (1u << 20) /* arrays of one record */
#define TOPIC_PARTITIONS_LIMIT 100000 /* of one topic in an image */

struct image_record {
    const struct wire_message *message;
    int16_t version;
    struct bytes body;
};
/* Takes the next record off `rest`, which must not be empty. */
status record_next(struct bytes *rest, struct image_record *ret_record);
status record_decode(const struct image_record *record, struct arena *arena, void *ret_object);

/* One record, read, checked, and with all the memory that making the change takes. Strings in
 * `id`, `login`, `acl` and `entity` are views into the delta. */
struct image_change {
    const struct wire_message *message;
    struct topic *topic;           /* ImageTopic */
    struct credential *credential; /* ImageCredential */
    struct quota *quota;           /* ImageQuota, ImageQuotaDeleted (the entity) */
    struct uuid id;                /* ImageTopicDeleted; ImageCluster: store id */
    struct str name;               /* ImageCredentialDeleted: login; ImageCluster: cluster id */
    struct acl acl;
    struct limits limits;
    struct tls_material tls;       /* ImageTls; owned */
    struct authentication authentication; /* ImageAuthentication; owned */
};
struct image_changes {
    int64_t from, to;
    struct image_change *items;
    size_t count, cap;
};
/* Reads a whole delta; CONFLICT when it does not fit the image. */
status image_changes_read(const struct image *image, struct bytes delta,
                          struct image_changes *ret_changes);
void image_changes_done(struct image_changes *changes); /* what was not taken is freed */

void topic_free(struct topic *topic);           /* NULL ok, here and below */
void credential_free(struct credential *credential);
void quota_free(struct quota *quota);
struct str str_own(struct str s);               /* heap copy with a NUL; null without memory */
