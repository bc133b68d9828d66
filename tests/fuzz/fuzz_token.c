/* fuzz_token.c - any bytes as what a login by bearer token brings: the message of OAUTHBEARER, the token in
 * it, and the JSON inside; and as a key set. The texts are checked before the signature is, so strangers
 * reach all of this. */
#include "fuzz.h"

#include "base/jsontext.h"
#include "cluster/jwt.h"
#include "broker/oauth.h"

#include <openssl/err.h>
#include <stdlib.h>

/* A key from RFC 7517, appendix A.1. */
#define KEYS                                                                                       \
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"1\","                                  \
    "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","                                        \
    "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}"

static void walk(struct str value, int depth)
{
    char text[64];
    double number;
    size_t at = 0;
    struct str item;
    (void)jsontext_string(value, text, sizeof text);
    (void)jsontext_number(value, &number);
    (void)jsontext_get(value, "a");
    while (depth && jsontext_next(value, &at, &item)) {
        if (item.data < value.data || item.data + item.len > value.data + value.len) abort();
        walk(item, depth - 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct authentication authentication, from = { .jwks = STR(KEYS) };
    struct str text = { (const char *)data, size }, token, authzid;
    struct jwks *set;
    struct jwt jwt;
    const char *why;
    if (failed(authentication_make(&from, NULL, &authentication))) abort();
    if (jsontext_check(text)) walk(text, 8);
    if (is_ok(jwks_parse(str_bytes(text), NULL, &set))) jwks_free(set);
    if (is_ok(jwt_check(&authentication, text, 1, &jwt, &why))) abort(); /* nobody has signed it */
    if (oauth_message(str_bytes(text), &token, &authzid))
        if (is_ok(jwt_check(&authentication, token, 1, &jwt, &why))) abort();
    authentication_done(&authentication);
    ERR_clear_error();
    return 0;
}
