/* secret.h - what Leat makes up itself: ids, secrets, and the checks of them. Any thread.
 *
 * A secret has 256 random bits, so one salted SHA-256 is enough to keep it; SCRAM verifiers are
 * computed when it is made, because the secret is never seen again. */
#pragma once
#include "base/status.h"
#include "cluster/image.h"

#define SECRET_TEXT 44 /* 43 characters of URL-safe base64 and the NUL */
#define KEY_ID_TEXT 17 /* 16 of A-Z2-7 and the NUL */
#define ID_TEXT 40
#define SECRET_SALT 16
#define SECRET_HASH 32

void secret_new(char ret_text[SECRET_TEXT]);
void secret_key_id_new(char ret_text[KEY_ID_TEXT]);
bool secret_is_key_id(struct str text);
/* "lkc-" and 8 of a-z0-9: prefix is "lkc-", "env-" … */
void secret_id_new(const char *prefix, char ret_text[ID_TEXT]);

void secret_hash(const uint8_t salt[SECRET_SALT], struct str secret, uint8_t ret_hash[SECRET_HASH]);
bool secret_check(struct bytes salt, struct bytes hash, struct str secret); /* constant time */
/* SHA-256 alone: for session tokens, which are looked up by it. */
void secret_token_hash(struct str token, uint8_t ret_hash[SECRET_HASH]);

/* mechanism: SCRAM_SHA_256 or SCRAM_SHA_512; fresh salt, 4096 iterations (some milliseconds). */
status secret_scram(struct str secret, int mechanism, struct scram_verifier *ret_verifier);
/* The column form: salt(32) stored key, server key. */
#define SECRET_SCRAM_MAX (32 + 64 + 64)
size_t secret_scram_pack(const struct scram_verifier *v, int mechanism, uint8_t ret[SECRET_SCRAM_MAX]);
bool secret_scram_unpack(struct bytes column, int mechanism, struct scram_verifier *ret_verifier);
