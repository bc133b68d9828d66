/* scram_users.h - SCRAM users that Kafka clients make: rows with verifiers only, beside API keys, whose
 * logins REST owns. The rules are cluster/admin_scram.h's. */
#pragma once
#include "cluster/admin_scram.h"
#include "domain/domain.h"

/* AlterUserScramCredentials; as topics.h says of its four. Domain thread. */
void scram_users_alter(struct domain *domain, const char *cluster_id, const struct actor *actor,
                       const struct alter_user_scram_credentials_request *request,
                       struct arena *arena, admin_done done, void *arg);

/* One mechanism of a user; a user with both comes twice, SCRAM-SHA-256 first. */
struct scram_row {
    char name[ADMIN_SCRAM_NAME_MAX + 1];
    int mechanism;
    int32_t iterations;
};
const char *scram_mechanism_name(int mechanism);   /* "SCRAM-SHA-256" */
int scram_mechanism_of(struct str name);           /* 0: none of the two */
/* In order of name, those behind `after` (null: all); `names` at most, counting users. Any thread. */
status scram_users_list(struct db *db, const char *cluster_id, struct str after, int64_t names,
                        void (*each)(void *arg, const struct scram_row *row), void *arg);
status scram_users_get(struct db *db, const char *cluster_id, struct str name,
                       void (*each)(void *arg, const struct scram_row *row), void *arg); /* NOT_FOUND */
status scram_users_count(struct db *db, const char *cluster_id, int64_t *ret);

/* Sets the password of one mechanism, making the user when there is none: what AlterUserScramCredentials
 * would do, by the same rules. done: OK or PENDING; PRECONDITION, LIMIT with a sentence. ret_version and
 * ret_created (false: there was such a user) are filled before done(). Some milliseconds of hashing. */
void scram_users_set(struct domain *domain, const char *cluster_id, const struct actor *actor,
                     struct str name, int mechanism, int32_t iterations, struct str password,
                     struct arena *arena, int64_t *ret_version, bool *ret_created, domain_done done,
                     void *arg);
/* mechanism 0: the user with all it has. NOT_FOUND. */
void scram_users_delete(struct domain *domain, const char *cluster_id, const struct actor *actor,
                        struct str name, int mechanism, int64_t *ret_version, domain_done done, void *arg);

/* All users of a cluster as records of its image. */
status scram_users_image(struct db *db, const char *cluster_id, struct buf *out);
