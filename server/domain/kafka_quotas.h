/* kafka_quotas.h - client quotas that Kafka clients set: any entity, all five rates. Beside them stand
 * REST's (quotas.h), which own the user entities of their principals: nobody changes those but REST, and
 * an entity that Kafka clients have set is not taken over by REST. Rules: cluster/admin_quotas.h. */
#pragma once
#include "cluster/admin_quotas.h"
#include "domain/domain.h"

/* AlterClientQuotas; as topics.h says of its four. Domain thread. */
void kafka_quotas_alter(struct domain *domain, const char *cluster_id, const struct actor *actor,
                        const struct alter_client_quotas_request *request, struct arena *arena,
                        admin_done done, void *arg);
/* May REST give this principal (sa-…, u-…, <default>) a quota? EXISTS with a sentence: Kafka clients
 * have set one for the user. */
status kafka_quotas_free_for(struct db *db, const char *cluster_id, struct str principal,
                             struct why *why);
/* All of a cluster as records of its image. */
status kafka_quotas_image(struct db *db, const char *cluster_id, struct buf *out);
