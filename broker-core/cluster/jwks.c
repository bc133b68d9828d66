/* jwks.c - sets of public keys. Any thread.
 *
 * The kind of a key comes from the set alone, never from a token: a token that names an RSA key and an
 * algorithm of another kind finds no key. */
#include "cluster/jwks.h"

#include "base/jsontext.h"
#include "base/mem.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#define KID_MAX 200
#define NUMBER_MAX 1024 /* bytes of an RSA modulus: 8192 bits */

struct jwk {
    char kid[KID_MAX + 1]; /* "": without */
    char alg[16];          /* "": any that fits */
    int curve;             /* 0: RSA */
    EVP_PKEY *key;
};

struct jwks {
    struct jwk keys[JWKS_KEYS_MAX];
    size_t count;
};

static const struct jws_algorithm algorithms[] = {
    { "RS256", "SHA256", false, 0, 0 },  { "RS384", "SHA384", false, 0, 0 },
    { "RS512", "SHA512", false, 0, 0 },  { "PS256", "SHA256", true, 0, 0 },
    { "PS384", "SHA384", true, 0, 0 },   { "PS512", "SHA512", true, 0, 0 },
    { "ES256", "SHA256", false, NID_X9_62_prime256v1, 32 },
    { "ES384", "SHA384", false, NID_secp384r1, 48 },
    { "ES512", "SHA512", false, NID_secp521r1, 66 },
};

static const struct {
    const char *name, *group;
    int nid;
    size_t size;
} curves[] = {
    { "P-256", "prime256v1", NID_X9_62_prime256v1, 32 },
    { "P-384", "secp384r1", NID_secp384r1, 48 },
    { "P-521", "secp521r1", NID_secp521r1, 66 },
};

const struct jws_algorithm *jws_algorithm(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
        if (str_eq_c(name, algorithms[i].name)) return &algorithms[i];
    return NULL;
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool base64url_decode(struct str text, uint8_t *out, size_t size, size_t *ret_n)
{
    uint32_t bits = 0;
    int held = 0;
    size_t n = 0;
    if (text.len % 4 == 1) return false;
    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.data[i]);
        if (digit < 0) return false;
        bits = (bits << 6 | (uint32_t)digit) & 0xffff;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        if (n == size) return false;
        out[n++] = (uint8_t)(bits >> held);
    }
    if (bits & ((1u << held) - 1)) return false; /* one text for one value */
    *ret_n = n;
    return true;
}

/* --- one key ---------------------------------------------------------------------------------------- */

/* A member of base64url, which needs no escapes: the text between its quotes. */
static struct str number_text(struct str object, const char *name)
{
    struct str value = jsontext_get(object, name);
    if (!jsontext_is_string(value)) return STR_NULL;
    return (struct str){ value.data + 1, value.len - 2 };
}

static bool member_is(struct str object, const char *name, const char *wanted)
{
    char text[32];
    return jsontext_string(jsontext_get(object, name), text, sizeof text) && strcmp(text, wanted) == 0;
}

/* Absent: stays empty. False: it is there and no string that fits. */
static bool member_copy(struct str object, const char *name, char *to, size_t size)
{
    struct str value = jsontext_get(object, name);
    return str_is_null(value) || jsontext_string(value, to, size);
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM_BLD *build)
{
    EVP_PKEY *key = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!params || !context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return key;
}

static EVP_PKEY *rsa_key(struct str object)
{
    uint8_t n[NUMBER_MAX], e[16];
    size_t n_len, e_len;
    if (!base64url_decode(number_text(object, "n"), n, sizeof n, &n_len) ||
        !base64url_decode(number_text(object, "e"), e, sizeof e, &e_len) || !n_len || !e_len)
        return NULL;
    BIGNUM *modulus = BN_bin2bn(n, (int)n_len, NULL), *exponent = BN_bin2bn(e, (int)e_len, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (modulus && exponent && build && BN_num_bits(modulus) >= JWKS_RSA_BITS_MIN &&
        BN_is_odd(modulus) && BN_is_odd(exponent) && !BN_is_one(exponent) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, exponent) == 1)
        key = key_from("RSA", build);
    OSSL_PARAM_BLD_free(build);
    BN_free(modulus);
    BN_free(exponent);
    return key;
}

/* The point is checked to lie on the curve by fromdata. */
static EVP_PKEY *ec_key(struct str object, int *ret_curve)
{
    uint8_t point[1 + 2 * 66];
    size_t i = 0, x, y;
    while (i < ARRAY_LEN(curves) && !member_is(object, "crv", curves[i].name)) i++;
    if (i == ARRAY_LEN(curves)) return NULL;
    size_t size = curves[i].size;
    point[0] = 4; /* uncompressed */
    if (!base64url_decode(number_text(object, "x"), point + 1, size, &x) || x != size ||
        !base64url_decode(number_text(object, "y"), point + 1 + size, size, &y) || y != size)
        return NULL;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (build &&
        OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curves[i].group, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size) == 1)
        key = key_from("EC", build);
    OSSL_PARAM_BLD_free(build);
    *ret_curve = curves[i].nid;
    return key;
}

/* False: the set cannot be used. */
static bool take_key(struct jwks *set, struct str object, struct why *why)
{
    bool rsa = member_is(object, "kty", "RSA");
    bool other_use = !str_is_null(jsontext_get(object, "use")) && !member_is(object, "use", "sig");
    if ((!rsa && !member_is(object, "kty", "EC")) || other_use) return true;
    struct jwk *k = &set->keys[set->count];
    *k = (struct jwk){ .curve = 0 };
    if (set->count == JWKS_KEYS_MAX - 1 || !member_copy(object, "kid", k->kid, sizeof k->kid) ||
        !member_copy(object, "alg", k->alg, sizeof k->alg)) {
        why_set(why, "The key set holds too many keys, or a name that is too long.");
        return false;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (!*k->kid || strcmp(set->keys[i].kid, k->kid) != 0) continue;
        why_set(why, "Two keys of the set have the same \"kid\".");
        return false;
    }
    k->key = rsa ? rsa_key(object) : ec_key(object, &k->curve);
    if (!k->key) {
        why_set(why, "Key %zu of the set cannot be used: it is broken, of an unknown curve, or shorter "
                     "than %d bits.", set->count + 1, JWKS_RSA_BITS_MIN);
        return false;
    }
    set->count++;
    return true;
}

/* --- the set ---------------------------------------------------------------------------------------- */

status jwks_parse(struct bytes json, struct why *why, struct jwks **ret_set)
{
    struct str text = bytes_str(json), keys, key;
    size_t at = 0;
    bool sound = json.len <= JWKS_MAX && jsontext_check(text);
    keys = sound ? jsontext_get(text, "keys") : STR_NULL;
    if (!jsontext_is_array(keys)) {
        why_set(why, "This is not a JSON Web Key Set: {\"keys\": [...]}.");
        return FAIL(INVALID);
    }
    struct jwks *set = mem_zalloc(sizeof *set);
    if (!set) return FAIL(NO_MEMORY);
    while (sound && jsontext_next(keys, &at, &key)) sound = take_key(set, key, why);
    if (sound && !set->count) why_set(why, "The key set holds no RSA or EC key for signatures.");
    if (!sound || !set->count) {
        jwks_free(set);
        return FAIL(INVALID);
    }
    *ret_set = set;
    return OK;
}

void jwks_free(struct jwks *set)
{
    if (!set) return;
    for (size_t i = 0; i < set->count; i++) EVP_PKEY_free(set->keys[i].key);
    mem_free(set);
}

size_t jwks_count(const struct jwks *set) { return set->count; }

static bool fits(const struct jwk *k, const struct jws_algorithm *algorithm)
{
    return k->curve == algorithm->curve && (!*k->alg || strcmp(k->alg, algorithm->name) == 0);
}

EVP_PKEY *jwks_find(const struct jwks *set, struct str kid, const struct jws_algorithm *algorithm)
{
    EVP_PKEY *found = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct jwk *k = &set->keys[i];
        if (kid.data && !str_eq_c(kid, k->kid)) continue;
        if (!fits(k, algorithm)) continue;
        if (found) return NULL; /* which one, it does not say */
        found = k->key;
    }
    return found;
}
