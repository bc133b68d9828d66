/* admin_scram.h - the rules of AlterUserScramCredentials (Kafka's ScramControlManager), whoever owns the
 * users: the local controller of a standalone broker, or leatd's domain; and the answers of
 * DescribeUserScramCredentials. Responses and plans live in the caller's arena.
 *
 * A SCRAM user's principal is "User:<name>". Names that stand for service accounts, people, API keys or
 * leatd itself (sa-…, u-…, leat…, 16 of A-Z2-7) cannot be SCRAM users: they would act for them. */
#pragma once
#include "base/arena.h"
#include "cluster/scram_verifier.h"
#include "wire/messages.h"

#define ADMIN_SCRAM_USERS_MAX 10000 /* of one cluster */
#define ADMIN_SCRAM_ASKED_MAX 1000  /* in one request */
#define ADMIN_SCRAM_NAME_MAX 249    /* bytes */

struct scram_change {
    struct str user;
    int mechanism;                   /* SCRAM_SHA_256 or SCRAM_SHA_512 */
    struct scram_verifier verifier;  /* iterations 0: this mechanism goes */
    struct scram_verifier other;     /* what the user keeps of the other mechanism */
};
struct scram_plan {
    const struct scram_change *changes; /* one a user */
    size_t count;
};

/* What is there: false when there is no such SCRAM user; ret_scram as credential.scram. */
struct scram_facts {
    bool (*find)(void *arg, struct str user, struct scram_verifier ret_scram[2]);
    void *arg;
    size_t users;
};

/* Each user comes once in the answer; one that comes twice in the request is refused. NO_MEMORY;
 * INVALID_REQUEST: more than ADMIN_SCRAM_ASKED_MAX. */
status plan_scram_alter(const struct scram_facts *facts,
                        const struct alter_user_scram_credentials_request *request,
                        struct arena *arena, struct alter_user_scram_credentials_response *ret_response,
                        struct scram_plan *ret_plan);
/* The credential of the image after a change; false: the user is gone. Strings: `principal` is taken
 * from the arena. */
bool scram_change_credential(const struct scram_change *change, struct arena *arena,
                             struct credential *ret);

/* Is it a SCRAM user (and not a key)? */
bool credential_is_scram_user(const struct credential *credential);
