/* jwks.h - the public keys that sign bearer tokens (RFC 7517), and the algorithms taken (RFC 7518): RSA
 * and elliptic curves, never a shared secret. Any thread. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

#include <openssl/types.h>

#define JWKS_MAX (256u << 10) /* bytes of a set */
#define JWKS_KEYS_MAX 100
#define JWKS_RSA_BITS_MIN 2048

struct jws_algorithm {
    const char *name, *digest; /* "RS256", "SHA256" */
    bool pss;
    int curve;         /* OpenSSL's number; 0: RSA */
    size_t coordinate; /* bytes of one half of a signature; 0: RSA */
};
/* NULL: not one we take ("none" and HS256 among them). */
const struct jws_algorithm *jws_algorithm(struct str name);

struct jwks;
/* A set without a usable key is refused: INVALID with a sentence. Keys of other kinds, or not for
 * signing, are passed over; a key that is broken or too short is not. */
status jwks_parse(struct bytes json, struct why *why, struct jwks **ret_set);
void jwks_free(struct jwks *set); /* NULL ok */
size_t jwks_count(const struct jwks *set);
/* The key a token names; without a kid (null) the one key that fits the algorithm, if there is but
 * one. NULL: none, or it is a key of another kind. */
EVP_PKEY *jwks_find(const struct jwks *set, struct str kid, const struct jws_algorithm *algorithm);

/* Base64url without padding, strictly: false for anything else, or when it does not fit. */
bool base64url_decode(struct str text, uint8_t *out, size_t size, size_t *ret_n);
