/* scram_users.h - SCRAM users that Kafka clients make: rows with verifiers only, beside API keys, whose
 * logins REST owns. The rules are cluster/admin_scram.h's. */
#pragma once
#include "cluster/admin_scram.h"
#include "domain/domain.h"

/* AlterUserScramCredentials; as topics.h says of its four. Domain thread. */
void scram_users_alter(struct domain *domain, const char *cluster_id, const struct actor *actor,
                       const struct alter_user_scram_credentials_request *request,
                       struct arena *arena, admin_done done, void *arg);
/* All users of a cluster as records of its image. */
status scram_users_image(struct db *db, const char *cluster_id, struct buf *out);
