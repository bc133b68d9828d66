/* kafka_quotas.h - Kafka's client quotas: any entity, all five rates, set by Kafka clients or by REST (the
 * same rows). Beside them stand the client quotas cq-… (quotas.h), which own the user entities of their
 * principals: nothing here changes those, and an entity that was set here is not taken over by a cq-….
 * Rules: cluster/admin_quotas.h. */
#pragma once
#include "cluster/admin_quotas.h"
#include "domain/domain.h"

/* AlterClientQuotas; as topics.h says of its four. Domain thread. */
void kafka_quotas_alter(struct domain *domain, const char *cluster_id, const struct actor *actor,
                        const struct alter_client_quotas_request *request, struct arena *arena,
                        admin_done done, void *arg);
/* May a cq-… take this principal (sa-…, u-…, <default>)? EXISTS with a sentence: a quota was set for the
 * user here. */
status kafka_quotas_free_for(struct db *db, const char *cluster_id, struct str principal,
                             struct why *why);

struct kafka_quota_row {
    struct quota quota;       /* strings: during each() */
    char owner[ID_TEXT];      /* the cq-… that owns the entity; "": a quota of its own */
};
/* What to list: entities that have each part named here; data NULL: whatever it is there. */
struct kafka_quota_filter {
    bool has_user, has_client_id, has_ip;
    struct str user, client_id, ip; /* "": the default one */
};
/* By parts, then names; those of cq-… too. Any thread. */
status kafka_quotas_list(struct db *db, const char *cluster_id, const struct kafka_quota_filter *filter,
                         int64_t limit, int64_t offset,
                         void (*each)(void *arg, const struct kafka_quota_row *row), void *arg);
/* Sets all five rates of an entity (< 0: none; all of them: the entity goes) by the rules of
 * AlterClientQuotas. done: OK or PENDING; CONFLICT: a cq-… owns it; NOT_FOUND: nothing to remove;
 * PRECONDITION, LIMIT: with a sentence. ret_version, ret_created are filled before done(). */
void kafka_quotas_set(struct domain *domain, const char *cluster_id, const struct actor *actor,
                      const struct quota *quota, struct arena *arena, int64_t *ret_version,
                      bool *ret_created, domain_done done, void *arg);
/* All of a cluster as records of its image. */
status kafka_quotas_image(struct db *db, const char *cluster_id, struct buf *out);
