/* scram.h - SCRAM-SHA-256 and -512, the server's side (RFC 5802, RFC 7677), without channel
 * binding, and the making of verifiers from passwords. No I/O; any thread. */
#pragma once
#include "base/buf.h"
#include "cluster/image.h"

#define SCRAM_ITERATIONS 4096
#define SCRAM_ITERATIONS_MAX 16384
#define SCRAM_NONCE_MAX 256 /* characters, of the client's; ours adds 32 */

/* mechanism: SCRAM_SHA_256 or SCRAM_SHA_512 (image.h). Bytes of its hash; 0 = unknown. */
size_t scram_hash_size(int mechanism);

/* Verifier of a password. salt_len 8..32, iterations 4096..16384, else INVALID. */
status scram_verifier_make(int mechanism, struct str password, struct bytes salt,
                           int32_t iterations, struct scram_verifier *ret_verifier);
/* … with a fresh random salt of 32 bytes and SCRAM_ITERATIONS. */
status scram_verifier_new(int mechanism, struct str password,
                          struct scram_verifier *ret_verifier);
/* … of the salted password that AlterUserScramCredentials carries. */
status scram_verifier_of_salted(int mechanism, struct bytes salted, struct bytes salt,
                                int32_t iterations, struct scram_verifier *ret_verifier);

/* --- one conversation ------------------------------------------------------------------------- */
struct scram {
    int mechanism;
    int step;                        /* 0 first message, 1 final message, 2 over */
    bool known;                      /* false: user unknown, the flow goes on and fails at its end */
    bool fixed_nonce;                /* tests give server_nonce */
    char user[256];
    char server_nonce[33];
    char nonce[SCRAM_NONCE_MAX + 33];
    struct buf auth_message;         /* client-first-bare "," server-first [ "," client-final-… ] */
    struct scram_verifier verifier;
};
void scram_init(struct scram *scram, int mechanism);
void scram_done(struct scram *scram);

/* Finds the verifier of a login; false = no such user or not this mechanism. */
typedef bool (*scram_find)(void *arg, struct str user, int mechanism, struct scram_verifier *ret);
/* Feeds one client message; the answer is appended to `out`. *ret_done: authenticated, the user is
 * scram->user. SASL_AUTHENTICATION_FAILED whatever was wrong. */
status scram_step(struct scram *scram, struct bytes message, scram_find find, void *arg,
                  struct buf *out, bool *ret_done);
