/* Bearer tokens against a key set, made here with OpenSSL: good ones of every algorithm, and a table of
 * everything that may be wrong with one. */
#include "base/mem.h"
#include "cluster/jwt.h"
#include "broker/oauth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1700000000000
static EVP_PKEY *rsa, *ec, *stranger;
static struct authentication auth;
static char token[200000], key_set[8192], public_text[2048];

static size_t base64url(const void *data, size_t n, char *out)
{
    size_t len = (size_t)EVP_EncodeBlock((unsigned char *)out, data, (int)n);
    for (size_t i = 0; i < len; i++) out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
    while (len && out[len - 1] == '=') len--;
    out[len] = 0;
    return len;
}

static void put_number(const EVP_PKEY *key, const char *name, size_t size, char *out)
{
    BIGNUM *number = NULL;
    uint8_t bytes[512];
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    if (!size) size = (size_t)BN_num_bytes(number);
    BN_bn2binpad(number, bytes, (int)size);
    BN_free(number);
    base64url(bytes, size, out);
}

static size_t sign(const char *alg, EVP_PKEY *key, const char *input, uint8_t *out)
{
    const struct jws_algorithm *how = jws_algorithm(str_c(alg));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;
    uint8_t der[1024];
    size_t n = sizeof der;
    assert_int_equal(EVP_DigestSignInit_ex(context, &options, how ? how->digest : "SHA256", NULL, NULL, key,
                                           NULL), 1);
    if (how && how->pss) {
        EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    assert_int_equal(EVP_DigestSign(context, der, &n, (const uint8_t *)input, strlen(input)), 1);
    EVP_MD_CTX_free(context);
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) {
        memcpy(out, der, n);
        return n;
    }
    const uint8_t *p = der;
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)n);
    BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32);
    ECDSA_SIG_free(sig);
    return 64;
}

/* Header and claims as they are, signed by the key under the algorithm's name. */
static struct str make(const char *header, const char *claims, const char *alg, EVP_PKEY *key)
{
    uint8_t signature[1024];
    size_t n = base64url(header, strlen(header), token);
    token[n++] = '.';
    n += base64url(claims, strlen(claims), token + n);
    size_t len = sign(alg, key, token, signature);
    token[n++] = '.';
    n += base64url(signature, len, token + n);
    return (struct str){ token, n };
}

static status check(struct str text, struct jwt *jwt, const char **why)
{
    *why = NULL;
    return jwt_check(&auth, text, NOW, jwt, why);
}

static int setup(void **state)
{
    (void)state;
    char n[1024], e[16], x[64], y[64];
    struct why why = { "" };
    rsa = EVP_RSA_gen(2048);
    ec = EVP_EC_gen("P-256");
    stranger = EVP_RSA_gen(2048);
    put_number(rsa, OSSL_PKEY_PARAM_RSA_N, 0, n);
    put_number(rsa, OSSL_PKEY_PARAM_RSA_E, 0, e);
    put_number(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32, x);
    put_number(ec, OSSL_PKEY_PARAM_EC_PUB_Y, 32, y);
    str_copy(public_text, sizeof public_text, str_c(n));
    snprintf(key_set, sizeof key_set,
             "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"r\",\"use\":\"sig\",\"n\":\"%s\",\"e\":\"%s\"},"
             "{\"kty\":\"EC\",\"kid\":\"e\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"},"
             "{\"kty\":\"oct\",\"kid\":\"o\",\"k\":\"c2VjcmV0\"},"
             "{\"kty\":\"RSA\",\"kid\":\"x\",\"use\":\"enc\",\"n\":\"AA\",\"e\":\"AQAB\"}]}",
             n, e, x, y);
    struct authentication from = { .issuer = STR("https://issuer"), .audience = STR("kafka,leat"),
                                   .skew_ms = 30000, .jwks = str_c(key_set) };
    if (failed(authentication_make(&from, &why, &auth))) return 1;
    return jwks_count(auth.keys) != 2;
}

static int teardown(void **state)
{
    (void)state;
    authentication_done(&auth);
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(stranger);
    return mem_outstanding() != 0;
}

#define CLAIMS                                                                                     \
    "{\"iss\":\"https://issuer\",\"aud\":[\"other\",\"leat\"],\"sub\":\"alice\",\"exp\":1700000100}"

static void test_good_tokens_of_every_algorithm_are_taken(void **state)
{
    (void)state;
    static const char *const algs[] = { "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256" };
    for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
        struct jwt jwt;
        const char *why;
        char header[64];
        bool curve = algs[i][0] == 'E';
        snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[i], curve ? "e" : "r");
        assert_true(is_ok(check(make(header, CLAIMS, algs[i], curve ? ec : rsa), &jwt, &why)));
        assert_string_equal(jwt.name, "alice");
        assert_int_equal(jwt.expires_ms, 1700000100000);
        /* Without a kid the one key of the kind is meant. */
        snprintf(header, sizeof header, "{\"typ\":\"JWT\",\"alg\":\"%s\"}", algs[i]);
        assert_true(is_ok(check(make(header, CLAIMS, algs[i], curve ? ec : rsa), &jwt, &why)));
    }
}

static void test_claims_decide(void **state)
{
    (void)state;
#define REST "\"aud\":\"kafka\",\"sub\":\"a\",\"exp\":1700000100"
    static const struct { const char *claims; bool good; } cases[] = {
        { "{\"iss\":\"https://issuer\"," REST "}", true },
        { "{\"iss\":\"https://issuer\"," REST ",\"nbf\":1700000020}", true }, /* within the skew */
        { "{\"iss\":\"https://issuer\"," REST ",\"nbf\":1700000031}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":\"a\",\"exp\":1699999971}", true },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":\"a\",\"exp\":1699999970}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":\"a\"}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":\"a\",\"exp\":\"1700000100\"}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":\"a\",\"exp\":-1}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":\"a\",\"exp\":1e300}", false },
        { "{\"iss\":\"https://issuer/\"," REST "}", false },
        { "{" REST "}", false },
        { "{\"iss\":[\"https://issuer\"]," REST "}", false },
        { "{\"iss\":\"https://issuer\",\"sub\":\"a\",\"exp\":1700000100}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka,leat\",\"sub\":\"a\",\"exp\":1700000100}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"\",\"sub\":\"a\",\"exp\":1700000100}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"exp\":1700000100}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":\"\",\"exp\":1700000100}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":7,\"exp\":1700000100}", false },
        { "{\"iss\":\"https://issuer\",\"aud\":\"kafka\",\"sub\":\"a\\u0000b\",\"exp\":1700000100}", false },
        { "{\"iss\":\"https://issuer\",\"sub\":\"b\"," REST "}", false }, /* twice */
        { "[]", false }, { "{", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct jwt jwt;
        const char *why;
        status s = check(make("{\"alg\":\"RS256\",\"kid\":\"r\"}", cases[i].claims, "RS256", rsa),
                         &jwt, &why);
        if (is_ok(s) != cases[i].good) fail_msg("%s: %s", cases[i].claims, why ? why : "taken");
        assert_true(is_ok(s) || why);
    }
}

static void test_signatures_decide(void **state)
{
    (void)state;
    struct jwt jwt;
    const char *why;
    const struct { const char *header, *alg; EVP_PKEY *key; } bad[] = {
        { "{\"alg\":\"RS256\",\"kid\":\"r\"}", "RS256", stranger },
        { "{\"alg\":\"RS256\",\"kid\":\"unknown\"}", "RS256", rsa },
        { "{\"alg\":\"RS256\",\"kid\":\"e\"}", "RS256", rsa },      /* a key of another kind */
        { "{\"alg\":\"ES256\",\"kid\":\"r\"}", "ES256", ec },
        { "{\"alg\":\"RS512\",\"kid\":\"r\"}", "RS256", rsa },
        { "{\"alg\":\"PS256\",\"kid\":\"r\"}", "RS256", rsa },
        { "{\"alg\":\"ES384\",\"kid\":\"e\"}", "ES256", ec },
        { "{\"alg\":\"rs256\",\"kid\":\"r\"}", "RS256", rsa },
        { "{\"alg\":\"none\",\"kid\":\"r\"}", "RS256", rsa },
        { "{\"alg\":\"HS256\",\"kid\":\"o\"}", "RS256", rsa },
        { "{\"alg\":\"RS256\",\"kid\":\"x\"}", "RS256", rsa },      /* for encryption */
        { "{\"alg\":\"RS256\",\"kid\":\"r\",\"crit\":[\"exp\"]}", "RS256", rsa },
        { "{\"alg\":\"RS256\",\"kid\":7}", "RS256", rsa },
        { "{\"alg\":\"RS256\",\"alg\":\"none\",\"kid\":\"r\"}", "RS256", rsa },
        { "{\"kid\":\"r\"}", "RS256", rsa }, { "{}", "RS256", rsa }, { "null", "RS256", rsa },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (is_ok(check(make(bad[i].header, CLAIMS, bad[i].alg, bad[i].key), &jwt, &why)))
            fail_msg("taken: %s", bad[i].header);
        assert_non_null(why);
    }
}

/* HS256 under the public key's bytes: what the set holds is no secret. */
static void test_a_public_key_is_no_shared_secret(void **state)
{
    (void)state;
    struct jwt jwt;
    const char *why, *header = "{\"alg\":\"HS256\",\"kid\":\"r\"}";
    uint8_t mac[32];
    unsigned len;
    size_t n = base64url(header, strlen(header), token);
    token[n++] = '.';
    n += base64url(CLAIMS, strlen(CLAIMS), token + n);
    HMAC(EVP_sha256(), public_text, (int)strlen(public_text), (uint8_t *)token, n, mac, &len);
    token[n++] = '.';
    n += base64url(mac, len, token + n);
    assert_int_equal(check((struct str){ token, n }, &jwt, &why).code, E_INVALID);
}

static void test_damaged_tokens_are_refused(void **state)
{
    (void)state;
    struct jwt jwt;
    const char *why;
    struct str good = make("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, "ES256", ec);
    size_t n = good.len;
    for (size_t i = 0; i < n; i++) {
        char kept = token[i];
        token[i] = kept == 'A' ? 'B' : 'A';
        assert_int_equal(check((struct str){ token, n }, &jwt, &why).code, E_INVALID);
        token[i] = '=';
        assert_int_equal(check((struct str){ token, n }, &jwt, &why).code, E_INVALID);
        token[i] = kept;
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(check((struct str){ token, i }, &jwt, &why).code, E_INVALID);
    assert_true(is_ok(check((struct str){ token, n }, &jwt, &why)));
    token[n] = '.';
    assert_int_equal(check((struct str){ token, n + 1 }, &jwt, &why).code, E_INVALID);
    memset(token, 'A', sizeof token);
    assert_int_equal(check((struct str){ token, sizeof token }, &jwt, &why).code, E_INVALID);
    token[1000] = token[30000] = '.';
    assert_int_equal(check((struct str){ token, JWT_MAX }, &jwt, &why).code, E_INVALID);
}

static void test_bad_key_sets_are_refused_with_a_sentence(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "[]", "{}", "{\"keys\":[]}", "{\"keys\":{}}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
        "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct why why = { "" };
        struct jwks *set;
        assert_int_equal(jwks_parse(str_bytes(str_c(bad[i])), &why, &set).code, E_INVALID);
        assert_string_not_equal(why.text, "");
    }
}

static void test_the_clients_message_is_read_strictly(void **state)
{
    (void)state;
    struct str found, authzid;
#define GOOD(text) assert_true(oauth_message(str_bytes(STR(text)), &found, &authzid))
#define BAD(text) assert_false(oauth_message(str_bytes(STR(text)), &found, &authzid))
    GOOD("n,,\1auth=Bearer abc.def\1\1");
    assert_true(str_eq(found, STR("abc.def")));
    assert_int_equal(authzid.len, 0);
    GOOD("n,a=bob,\1auth=bearer   t\1traceId=1\1\1");
    assert_true(str_eq(authzid, STR("bob")));
    assert_true(str_eq(found, STR("t")));
    BAD("");
    BAD("\1");
    BAD("n,,\1\1");
    BAD("y,,\1auth=Bearer t\1\1");
    BAD("n,,\1auth=Bearer t\1");
    BAD("n,,\1auth=Bearer t\1\1more");
    BAD("n,,\1auth=Bearer \1\1");
    BAD("n,,\1auth=Basic t\1\1");
    BAD("n,,\1auth=Bearer t\1auth=Bearer u\1\1");
    BAD("n,,\1auth=Bearer t u\1\1");
    BAD("n,,\1k1=v\1auth=Bearer t\1\1");
    BAD("n,b=x,\1auth=Bearer t\1\1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_tokens_of_every_algorithm_are_taken),
        cmocka_unit_test(test_claims_decide),
        cmocka_unit_test(test_signatures_decide),
        cmocka_unit_test(test_a_public_key_is_no_shared_secret),
        cmocka_unit_test(test_damaged_tokens_are_refused),
        cmocka_unit_test(test_bad_key_sets_are_refused_with_a_sentence),
        cmocka_unit_test(test_the_clients_message_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
