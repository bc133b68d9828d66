/* signature.c - HMAC-SHA256 by OpenSSL, by hand over two parts. Any thread; keeps nothing. */
#include "notify/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>

enum { BLOCK = 64, HASH = 32 };

static bool digest(const uint8_t pad[BLOCK], struct bytes a, struct bytes b, uint8_t ret[HASH])
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool fine = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(c, pad, BLOCK) == 1 && EVP_DigestUpdate(c, a.data, a.len) == 1 &&
                EVP_DigestUpdate(c, b.data, b.len) == 1 && EVP_DigestFinal_ex(c, ret, NULL) == 1;
    EVP_MD_CTX_free(c);
    return fine;
}

void signature_make(struct str key, int64_t seconds, struct bytes body, char ret_text[SIGNATURE_TEXT])
{
    uint8_t block[BLOCK] = { 0 }, inner[BLOCK], outer[BLOCK], hash[HASH] = { 0 };
    char time_text[24];
    int n = snprintf(time_text, sizeof time_text, "%lld.", (long long)seconds);
    if (key.len > BLOCK) SHA256((const uint8_t *)key.data, key.len, block);
    else if (key.len) memcpy(block, key.data, key.len);
    for (int i = 0; i < BLOCK; i++) {
        inner[i] = block[i] ^ 0x36;
        outer[i] = block[i] ^ 0x5c;
    }
    ret_text[0] = 0;
    if (digest(inner, bytes_of(time_text, (size_t)n), body, hash) &&
        digest(outer, bytes_of(hash, HASH), bytes_of("", 0), hash)) {
        n = snprintf(ret_text, SIGNATURE_TEXT, "v1=");
        for (int i = 0; i < HASH; i++) snprintf(ret_text + n + 2 * i, 3, "%02x", hash[i]);
    }
    OPENSSL_cleanse(block, sizeof block);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
}
