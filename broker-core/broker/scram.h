/* scram.h - SCRAM-SHA-256 and -512, the server's side (RFC 5802, RFC 7677), without channel
 * binding. No I/O; any thread. */
#pragma once
#include "base/buf.h"
#include "cluster/scram_verifier.h"

#define SCRAM_NONCE_MAX 256 /* characters, of the client's; ours adds 32 */

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
