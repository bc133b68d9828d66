/* secret.c - random ids and secrets, their hashes and SCRAM verifiers. Any thread; keeps nothing. */
#include "identity/secret.h"

#include "base/uuid.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

#define ITERATIONS 4096
#define SCRAM_SALT 32

static const char url64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void secret_new(char ret_text[SECRET_TEXT])
{
    uint8_t raw[33] = { 0 };
    random_bytes(raw, 32);
    raw[0] &= 0x7f; /* never '-' first: it would look like an option on command lines */
    size_t at = 0;
    for (size_t i = 0; i < 33; i += 3) {
        uint32_t v = (uint32_t)raw[i] << 16 | (uint32_t)raw[i + 1] << 8 | raw[i + 2];
        for (int shift = 18; shift >= 0 && at < SECRET_TEXT - 1; shift -= 6)
            ret_text[at++] = url64[v >> shift & 63];
    }
    ret_text[at] = 0;
}

void secret_key_id_new(char ret_text[KEY_ID_TEXT])
{
    uint8_t raw[KEY_ID_TEXT - 1];
    random_bytes(raw, sizeof raw);
    for (size_t i = 0; i < sizeof raw; i++) ret_text[i] = base32[raw[i] & 31];
    ret_text[sizeof raw] = 0;
}

bool secret_is_key_id(struct str text)
{
    if (text.len != KEY_ID_TEXT - 1) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!text.data[i] || !strchr(base32, text.data[i])) return false;
    }
    return true;
}

void secret_id_new(const char *prefix, char ret_text[ID_TEXT])
{
    static const char letters[] = "abcdefghijkmnopqrstuvwxyz0123456"; /* 32 of them */
    uint8_t raw[8];
    random_bytes(raw, sizeof raw);
    int at = snprintf(ret_text, ID_TEXT, "%.20s", prefix);
    for (size_t i = 0; i < sizeof raw; i++) ret_text[at++] = letters[raw[i] & 31];
    ret_text[at] = 0;
}

void secret_hash(const uint8_t salt[SECRET_SALT], struct str secret, uint8_t ret_hash[SECRET_HASH])
{
    uint8_t all[SECRET_SALT + 256];
    size_t n = secret.len < 256 ? secret.len : 256;
    memcpy(all, salt, SECRET_SALT);
    if (n) memcpy(all + SECRET_SALT, secret.data, n);
    SHA256(all, SECRET_SALT + n, ret_hash);
    explicit_bzero(all, sizeof all);
}

bool secret_check(struct bytes salt, struct bytes hash, struct str secret)
{
    uint8_t got[SECRET_HASH];
    if (salt.len != SECRET_SALT || hash.len != SECRET_HASH || secret.len > 256) return false;
    secret_hash(salt.data, secret, got);
    return bytes_eq_secret(got, hash.data, SECRET_HASH);
}

void secret_token_hash(struct str token, uint8_t ret_hash[SECRET_HASH])
{
    SHA256((const uint8_t *)token.data, token.len, ret_hash);
}

static size_t hash_size(int mechanism) { return mechanism == SCRAM_SHA_256 ? 32 : 64; }

status secret_scram(struct str secret, int mechanism, struct scram_verifier *ret_verifier)
{
    const EVP_MD *md = mechanism == SCRAM_SHA_256 ? EVP_sha256() : EVP_sha512();
    size_t size = hash_size(mechanism);
    unsigned got = 0;
    uint8_t salted[64], client[64];
    struct scram_verifier v = { .salt_len = SCRAM_SALT, .iterations = ITERATIONS };
    random_bytes(v.salt, SCRAM_SALT);
    int ok = PKCS5_PBKDF2_HMAC(secret.data, (int)secret.len, v.salt, SCRAM_SALT, ITERATIONS, md,
                               (int)size, salted) &&
             HMAC(md, salted, (int)size, (const uint8_t *)"Client Key", 10, client, &got) &&
             EVP_Digest(client, size, v.stored_key, &got, md, NULL) &&
             HMAC(md, salted, (int)size, (const uint8_t *)"Server Key", 10, v.server_key, &got);
    explicit_bzero(salted, sizeof salted);
    explicit_bzero(client, sizeof client);
    if (!ok) return FAIL(NO_MEMORY);
    *ret_verifier = v;
    return OK;
}

size_t secret_scram_pack(const struct scram_verifier *v, int mechanism, uint8_t ret[SECRET_SCRAM_MAX])
{
    size_t size = hash_size(mechanism);
    memcpy(ret, v->salt, SCRAM_SALT);
    memcpy(ret + SCRAM_SALT, v->stored_key, size);
    memcpy(ret + SCRAM_SALT + size, v->server_key, size);
    return SCRAM_SALT + 2 * size;
}

bool secret_scram_unpack(struct bytes column, int mechanism, struct scram_verifier *ret_verifier)
{
    size_t size = hash_size(mechanism);
    if (column.len != SCRAM_SALT + 2 * size) return false;
    struct scram_verifier v = { .salt_len = SCRAM_SALT, .iterations = ITERATIONS };
    memcpy(v.salt, column.data, SCRAM_SALT);
    memcpy(v.stored_key, column.data + SCRAM_SALT, size);
    memcpy(v.server_key, column.data + SCRAM_SALT + size, size);
    *ret_verifier = v;
    return true;
}
