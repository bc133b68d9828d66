/* scram_verifier.c - what is kept of a SCRAM password (RFC 5802, section 3). Any thread. */
#include "cluster/scram_verifier.h"

#include "base/mem.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { SALT_NEW = 32, PASSWORD_MAX = 4096 };

static const EVP_MD *digest(int mechanism)
{
    return mechanism == SCRAM_SHA_256 ? EVP_sha256()
           : mechanism == SCRAM_SHA_512 ? EVP_sha512()
                                        : NULL;
}

size_t scram_hash_size(int mechanism)
{
    return mechanism == SCRAM_SHA_256 ? 32 : mechanism == SCRAM_SHA_512 ? 64 : 0;
}

status scram_hmac(int mechanism, struct bytes key, struct bytes data, uint8_t ret[64])
{
    unsigned len = 64;
    if (HMAC(digest(mechanism), key.data, (int)key.len, data.data, data.len, ret, &len) == NULL)
        return FAIL(NO_MEMORY);
    return OK;
}

status scram_hash(int mechanism, struct bytes data, uint8_t ret[64])
{
    unsigned len = 64;
    if (EVP_Digest(data.data, data.len, ret, &len, digest(mechanism), NULL) != 1)
        return FAIL(NO_MEMORY);
    return OK;
}

static status check_parameters(int mechanism, struct bytes salt, int32_t iterations)
{
    if (scram_hash_size(mechanism) == 0) return FAIL(UNSUPPORTED_SASL_MECHANISM);
    if (salt.len < 1 || salt.len > SCRAM_SALT_MAX) return FAIL(INVALID);
    if (iterations < SCRAM_ITERATIONS || iterations > SCRAM_ITERATIONS_MAX) return FAIL(INVALID);
    return OK;
}

status scram_verifier_of_salted(int mechanism, struct bytes salted, struct bytes salt,
                                int32_t iterations, struct scram_verifier *ret_verifier)
{
    TRY(check_parameters(mechanism, salt, iterations));
    size_t n = scram_hash_size(mechanism);
    if (salted.len != n) return FAIL(INVALID);
    struct scram_verifier v = { .salt_len = (uint8_t)salt.len, .iterations = iterations };
    memcpy(v.salt, salt.data, salt.len);
    uint8_t client_key[64];
    TRY(scram_hmac(mechanism, salted, str_bytes(STR("Client Key")), client_key));
    TRY(scram_hash(mechanism, bytes_of(client_key, n), v.stored_key));
    TRY(scram_hmac(mechanism, salted, str_bytes(STR("Server Key")), v.server_key));
    OPENSSL_cleanse(client_key, sizeof(client_key));
    *ret_verifier = v;
    return OK;
}

status scram_salt_password(int mechanism, struct str password, struct bytes salt, int32_t iterations,
                           uint8_t ret_salted[64])
{
    TRY(check_parameters(mechanism, salt, iterations));
    if (password.len > PASSWORD_MAX ||
        PKCS5_PBKDF2_HMAC(password.data, (int)password.len, salt.data, (int)salt.len, iterations,
                          digest(mechanism), (int)scram_hash_size(mechanism), ret_salted) != 1)
        return FAIL(INVALID);
    return OK;
}

status scram_verifier_make(int mechanism, struct str password, struct bytes salt,
                           int32_t iterations, struct scram_verifier *ret_verifier)
{
    uint8_t salted[64];
    TRY(scram_salt_password(mechanism, password, salt, iterations, salted));
    status s = scram_verifier_of_salted(mechanism, bytes_of(salted, scram_hash_size(mechanism)), salt,
                                        iterations, ret_verifier);
    OPENSSL_cleanse(salted, sizeof(salted));
    return s;
}

status scram_verifier_new(int mechanism, struct str password, struct scram_verifier *ret_verifier)
{
    uint8_t salt[SALT_NEW];
    random_bytes(salt, sizeof(salt));
    return scram_verifier_make(mechanism, password, bytes_of(salt, sizeof(salt)), SCRAM_ITERATIONS,
                               ret_verifier);
}
