/* password.h - human passwords: scrypt (N = 2^17, r = 8, p = 1: 128 MiB and some 0.3 s), one at a time
 * on the background lane of the domain's loop, so that logins cannot eat the machine. */
#pragma once
#include "base/status.h"
#include "io/loop.h"
#include "base/bytes.h"

#define PASSWORD_SALT 16
#define PASSWORD_HASH 32
#define PASSWORD_MAX 256    /* bytes of a password */
#define PASSWORD_WAITING 16 /* checks that may wait; more are refused with BUSY */

/* Blocks. */
status password_hash(struct str password, const uint8_t salt[PASSWORD_SALT],
                     uint8_t ret_hash[PASSWORD_HASH]);

struct passwords { /* the queue; domain thread */
    struct loop *loop;
    int waiting;
};
/* done(OK) when it matches, UNAUTHENTICATED when not; on the loop's thread, not from inside the
 * call. A null salt (no such user) takes as long and never matches. Copies what it is given. */
typedef void (*password_made)(void *arg, status result, const uint8_t salt[PASSWORD_SALT],
                              const uint8_t hash[PASSWORD_HASH]);
typedef void (*password_done)(void *arg, status result);
status password_check(struct passwords *passwords, struct str password, struct bytes salt,
                      struct bytes hash, password_done done, void *arg);
/* A fresh salt and the hash with it, in the same queue. */
status password_make(struct passwords *passwords, struct str password, password_made done, void *arg);
