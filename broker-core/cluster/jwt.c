/* jwt.c - checking bearer tokens. Any thread.
 *
 * The signature is checked before anything the payload says is looked at. What may sign is decided by
 * the key set: a token names one of its keys and an algorithm of that key's kind, or is refused. */
#include "cluster/jwt.h"

#include "base/jsontext.h"
#include "base/mem.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#define SIGNATURE_MAX 1024
#define HEADER_MAX 4096

struct parts {
    struct str header, payload, signature, signing_input;
};

static bool cut(struct str token, struct parts *p)
{
    const char *end = token.data + token.len;
    const char *first = memchr(token.data, '.', token.len);
    const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (!second || memchr(second + 1, '.', (size_t)(end - second - 1))) return false;
    p->header = (struct str){ token.data, (size_t)(first - token.data) };
    p->payload = (struct str){ first + 1, (size_t)(second - first - 1) };
    p->signature = (struct str){ second + 1, (size_t)(end - second - 1) };
    p->signing_input = (struct str){ token.data, (size_t)(second - token.data) };
    return p->header.len && p->payload.len;
}

/* A JSON object in base64url, decoded into memory of the caller's; null when it is none. */
static struct str read_object(struct str text, size_t max, uint8_t **ret_memory)
{
    size_t n = 0;
    uint8_t *bytes = *ret_memory = text.len <= max ? mem_alloc(text.len + 1) : NULL;
    if (!bytes || !base64url_decode(text, bytes, text.len, &n)) return STR_NULL;
    struct str object = { (const char *)bytes, n };
    return jsontext_check(object) && jsontext_is_object(object) ? object : STR_NULL;
}

static bool text_of(struct str object, const char *name, char *to, size_t size)
{
    return jsontext_string(jsontext_get(object, name), to, size);
}

/* --- the signature ----------------------------------------------------------------------------------- */

/* RFC 7518: the two numbers of fixed length behind one another; OpenSSL wants them as DER. */
static size_t ecdsa_der(const uint8_t *raw, size_t half, uint8_t *der)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(raw, (int)half, NULL), *s = BN_bin2bn(raw + half, (int)half, NULL);
    int n = 0;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        r = s = NULL; /* sig has them */
        n = i2d_ECDSA_SIG(sig, &der);
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(sig);
    return n > 0 ? (size_t)n : 0;
}

static bool signature_holds(const struct jws_algorithm *algorithm, EVP_PKEY *key, const struct parts *p)
{
    uint8_t raw[SIGNATURE_MAX], der[SIGNATURE_MAX], *signature = raw;
    size_t n;
    if (!base64url_decode(p->signature, raw, sizeof raw, &n) || !n) return false;
    if (algorithm->curve) {
        if (n != 2 * algorithm->coordinate) return false;
        n = ecdsa_der(raw, algorithm->coordinate, der);
        signature = der;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL;
    bool holds = context && n &&
                 EVP_DigestVerifyInit_ex(context, &how, algorithm->digest, NULL, NULL, key, NULL) == 1;
    if (holds && algorithm->pss)
        holds = EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
    holds = holds && EVP_DigestVerify(context, signature, n, (const uint8_t *)p->signing_input.data,
                                      p->signing_input.len) == 1;
    EVP_MD_CTX_free(context);
    ERR_clear_error();
    return holds;
}

static const char *header_check(const struct authentication *a, const struct parts *p, struct str header)
{
    char name[16], kid[256];
    struct str kid_value = jsontext_get(header, "kid");
    bool has_kid = !str_is_null(kid_value);
    if (has_kid && !jsontext_string(kid_value, kid, sizeof kid)) return "it names no key of the set";
    const struct jws_algorithm *algorithm =
        text_of(header, "alg", name, sizeof name) ? jws_algorithm(str_c(name)) : NULL;
    if (!algorithm) return "its algorithm is not taken";
    if (!str_is_null(jsontext_get(header, "crit"))) return "its header asks for what is not known";
    EVP_PKEY *key = jwks_find(a->keys, has_kid ? str_c(kid) : STR_NULL, algorithm);
    if (!key) return "it names no key of the set";
    return signature_holds(algorithm, key, p) ? NULL : "its signature does not hold";
}

static const char *signature_check(const struct authentication *a, const struct parts *p)
{
    uint8_t *memory;
    struct str header = read_object(p->header, HEADER_MAX, &memory);
    const char *wrong = header.data ? header_check(a, p, header) : "its header cannot be read";
    mem_free(memory);
    return wrong;
}

/* --- the claims -------------------------------------------------------------------------------------- */

/* A NumericDate in ms; false when it is there and none, or absent (*ret_there false). */
static bool time_claim(struct str claims, const char *name, bool *ret_there, int64_t *ret_ms)
{
    struct str value = jsontext_get(claims, name);
    double seconds;
    *ret_there = !str_is_null(value);
    if (!*ret_there) return true;
    if (!jsontext_number(value, &seconds) || seconds < 0 || seconds > 1e12) return false;
    *ret_ms = (int64_t)(seconds * 1000);
    return true;
}

static const char *times_check(const struct authentication *a, struct str claims, int64_t now,
                               struct jwt *jwt)
{
    bool exp, nbf, iat;
    int64_t exp_ms = 0, nbf_ms = 0, iat_ms = 0;
    if (!time_claim(claims, "exp", &exp, &exp_ms) || !time_claim(claims, "nbf", &nbf, &nbf_ms) ||
        !time_claim(claims, "iat", &iat, &iat_ms))
        return "a time in it is none";
    if (!exp) return "it never expires";
    if (now >= exp_ms + a->skew_ms) return "it has expired";
    if (nbf && now < nbf_ms - a->skew_ms) return "it is not valid yet";
    jwt->expires_ms = exp_ms;
    return NULL;
}

/* One of the names between commas. */
static bool listed(struct str list, struct str value)
{
    char name[OAUTH_TEXT_MAX + 1];
    if (!jsontext_string(value, name, sizeof name)) return false;
    while (list.len) {
        const char *comma = memchr(list.data, ',', list.len);
        size_t n = comma ? (size_t)(comma - list.data) : list.len;
        if (n && str_eq_c((struct str){ list.data, n }, name)) return true;
        if (!comma) return false;
        list = (struct str){ comma + 1, list.len - n - 1 };
    }
    return false;
}

static bool audience_fits(const struct authentication *a, struct str claims)
{
    struct str aud = jsontext_get(claims, "aud"), one;
    size_t at = 0;
    if (!a->audience.len || listed(a->audience, aud)) return true;
    while (jsontext_next(aud, &at, &one))
        if (listed(a->audience, one)) return true;
    return false;
}

static const char *claims_check(const struct authentication *a, struct str claims, int64_t now,
                                struct jwt *jwt)
{
    char issuer[OAUTH_TEXT_MAX + 1];
    const char *wrong = times_check(a, claims, now, jwt);
    if (wrong) return wrong;
    if (a->issuer.len && !(text_of(claims, "iss", issuer, sizeof issuer) && str_eq_c(a->issuer, issuer)))
        return "it is another issuer's";
    if (!audience_fits(a, claims)) return "it is for another audience";
    if (!text_of(claims, a->claim.len ? a->claim.data : "sub", jwt->name, sizeof jwt->name) || !*jwt->name)
        return "it names no principal";
    return NULL;
}

status jwt_check(const struct authentication *a, struct str token, int64_t now_ms, struct jwt *ret_jwt,
                 const char **ret_why)
{
    struct parts p;
    struct jwt jwt = { "", 0 };
    const char *wrong = !a->keys             ? "no keys are known"
                        : token.len > JWT_MAX ? "it is too long"
                        : !cut(token, &p)     ? "it is not a signed JSON Web Token"
                                              : signature_check(a, &p);
    if (!wrong) {
        uint8_t *memory;
        struct str claims = read_object(p.payload, JWT_MAX, &memory);
        wrong = claims.data ? claims_check(a, claims, now_ms, &jwt) : "its claims cannot be read";
        mem_free(memory);
    }
    *ret_why = wrong;
    if (wrong) return FAIL(INVALID);
    *ret_jwt = jwt;
    return OK;
}
