/* sasl.c - the mechanisms a connection may authenticate with. Loop thread. */
#include "broker/sasl.h"

#include "broker/authorizer.h"

#include "base/mem.h"
#include "cluster/jwt.h"
#include "broker/oauth.h"

#include <assert.h>
#include <openssl/evp.h>

enum mechanism { NONE, PLAIN, SHA_256, SHA_512, LOCAL_PRINCIPAL, OAUTHBEARER };
static const struct {
    enum mechanism mechanism;
    struct str name;
    bool local; /* on the Unix socket alone */
} mechanisms[] = {
    { PLAIN, { "PLAIN", 5 }, false },
    { SHA_256, { "SCRAM-SHA-256", 13 }, false },
    { SHA_512, { "SCRAM-SHA-512", 13 }, false },
    { OAUTHBEARER, { "OAUTHBEARER", 11 }, false },
    { LOCAL_PRINCIPAL, { "LEAT-PRINCIPAL", 14 }, true },
};
static_assert(ARRAY_LEN(mechanisms) == SASL_MECHANISMS_MAX, "one slot a mechanism");

void sasl_init(struct sasl *sasl, bool local)
{
    *sasl = (struct sasl){ .local = local };
    scram_init(&sasl->scram, 0);
}

void sasl_done(struct sasl *sasl)
{
    scram_done(&sasl->scram);
}

status sasl_external(struct sasl *sasl, struct str name)
{
    memcpy(sasl->principal, "User:", 5);
    if (str_eq(name, STR("leat")) ||
        !str_copy(sasl->principal + 5, sizeof(sasl->principal) - 5, name)) {
        sasl->principal[0] = 0;
        return FAIL(INVALID); /* too long, or leatd's own name */
    }
    return OK;
}

static const struct authentication *authentication_of(const struct sasl_source *source)
{
    return source->files ? &source->files->authentication : &source->image->authentication;
}

static bool offered(const struct sasl *sasl, const struct sasl_source *source, size_t i)
{
    if (mechanisms[i].mechanism == OAUTHBEARER && (sasl->local || !authentication_of(source)->keys))
        return false;
    return !mechanisms[i].local || sasl->local;
}

size_t sasl_mechanisms(const struct sasl *sasl, const struct sasl_source *source,
                       struct str ret_names[SASL_MECHANISMS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
        if (offered(sasl, source, i)) ret_names[n++] = mechanisms[i].name;
    return n;
}

const char *sasl_mechanism(const struct sasl *sasl)
{
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
        if ((int)mechanisms[i].mechanism == sasl->mechanism) return mechanisms[i].name.data;
    return "";
}

status sasl_start(struct sasl *sasl, const struct sasl_source *source, struct str mechanism)
{
    if (sasl->state == SASL_STARTED || sasl->state == SASL_FAILED) return FAIL(ILLEGAL_SASL_STATE);
    int found = NONE;
    for (size_t i = 0; i < ARRAY_LEN(mechanisms); i++)
        if (str_eq(mechanisms[i].name, mechanism) && offered(sasl, source, i))
            found = mechanisms[i].mechanism;
    if (found == NONE) return FAIL(UNSUPPORTED_SASL_MECHANISM);
    /* KIP-368: a connection re-authenticates with what it came with. */
    if (sasl->authenticated_with != NONE && sasl->authenticated_with != found)
        return FAIL(UNSUPPORTED_SASL_MECHANISM);
    sasl->mechanism = found;
    sasl->state = SASL_STARTED;
    scram_done(&sasl->scram);
    scram_init(&sasl->scram, found == SHA_256   ? SCRAM_SHA_256
                             : found == SHA_512 ? SCRAM_SHA_512
                                                : 0);
    return OK;
}

/* Takes the identity; on re-authentication it must be the same principal. leatd's own is to be had on the
 * Unix socket alone, whoever (a certificate's name, a token's subject) says so elsewhere. */
static status become(struct sasl *sasl, struct str login, struct str principal)
{
    if (sasl->authenticated_with != NONE && !str_eq(sasl_principal(sasl), principal))
        return FAIL(SASL_AUTHENTICATION_FAILED);
    if (!sasl->local && str_eq(principal, AUTHORIZER_SUPER)) return FAIL(SASL_AUTHENTICATION_FAILED);
    if (principal.len == 0 || !str_copy(sasl->principal, sizeof(sasl->principal), principal) ||
        !str_copy(sasl->login, sizeof(sasl->login), login))
        return FAIL(SASL_AUTHENTICATION_FAILED);
    sasl->authenticated_with = sasl->mechanism;
    sasl->expires_ms = 0;
    sasl->state = SASL_DONE;
    return OK;
}

/* --- PLAIN (RFC 4616): [authzid] NUL user NUL secret ------------------------------------------ */
static bool take_part(struct bytes *left, bool last, struct str *ret)
{
    const uint8_t *nul = left->len ? memchr(left->data, 0, left->len) : NULL;
    if (last ? nul != NULL : nul == NULL) return false;
    size_t n = last ? left->len : (size_t)(nul - left->data);
    *ret = (struct str){ (const char *)left->data, n };
    if (!last) *left = bytes_of(left->data + n + 1, left->len - n - 1);
    return true;
}

static const struct credential *credential_of(const struct sasl_source *source, struct str login)
{
    const struct credential *c = source->files ? image_credential(source->files, login) : NULL;
    return c ? c : image_credential(source->image, login);
}

static bool secret_is(const struct credential *c, struct str secret)
{
    uint8_t salted[16 + 1024], hash[32];
    static const struct credential nobody;
    bool possible = c != NULL && c->has_secret && secret.len <= 1024;
    if (c == NULL) c = &nobody; /* the same work for an unknown user */
    size_t n = secret.len <= 1024 ? secret.len : 1024;
    memcpy(salted, c->secret_salt, 16);
    if (n > 0) memcpy(salted + 16, secret.data, n);
    unsigned len = sizeof(hash);
    bool hashed = EVP_Digest(salted, 16 + n, hash, &len, EVP_sha256(), NULL) == 1;
    bool equal = bytes_eq_secret(hash, c->secret_hash, sizeof(hash));
    return possible && hashed && equal;
}

static status plain_step(struct sasl *sasl, const struct sasl_source *source, struct bytes token)
{
    struct str authzid, user, secret;
    if (token.len > 4096 || !take_part(&token, false, &authzid) ||
        !take_part(&token, false, &user) || !take_part(&token, true, &secret))
        return FAIL(SASL_AUTHENTICATION_FAILED);
    if (user.len == 0 || secret.len == 0 || (authzid.len > 0 && !str_eq(authzid, user)))
        return FAIL(SASL_AUTHENTICATION_FAILED);
    const struct credential *c = credential_of(source, user);
    if (c) str_copy(sasl->tried, sizeof sasl->tried, c->principal);
    if (!secret_is(c, secret)) return FAIL(SASL_AUTHENTICATION_FAILED);
    return become(sasl, user, c->principal);
}

/* --- SCRAM ------------------------------------------------------------------------------------ */
static bool find_verifier(void *arg, struct str user, int mechanism, struct scram_verifier *ret)
{
    const struct credential *c = credential_of(arg, user);
    if (c == NULL) return false;
    *ret = c->scram[mechanism - SCRAM_SHA_256];
    return ret->iterations > 0;
}

static status scram_step_of(struct sasl *sasl, const struct sasl_source *source, struct bytes token,
                            struct buf *out)
{
    bool done = false;
    status step = scram_step(&sasl->scram, token, find_verifier, (void *)source, out, &done);
    const struct credential *tried = credential_of(source, str_c(sasl->scram.user));
    if (tried) str_copy(sasl->tried, sizeof sasl->tried, tried->principal);
    TRY(step);
    if (!done) return OK;
    /* Asked again: the credential may have gone between the two messages. */
    struct str user = str_c(sasl->scram.user);
    const struct credential *c = credential_of(source, user);
    if (c == NULL) return FAIL(SASL_AUTHENTICATION_FAILED);
    return become(sasl, user, c->principal);
}

/* --- OAUTHBEARER (RFC 7628): a refusal is a message first, and a failure when it was taken note of -- */
static status oauth_step(struct sasl *sasl, const struct sasl_source *source, struct bytes token,
                         struct buf *out)
{
    struct str bearer, authzid;
    struct jwt jwt;
    char principal[5 + sizeof jwt.name] = "User:";
    if (sasl->refused) return FAIL(SASL_AUTHENTICATION_FAILED);
    if (!oauth_message(token, &bearer, &authzid)) {
        sasl->why = "the message is not one of OAUTHBEARER";
        return FAIL(SASL_AUTHENTICATION_FAILED);
    }
    if (failed(jwt_check(authentication_of(source), bearer, source->now_ms, &jwt, &sasl->why))) {
        sasl->refused = true;
        buf_put_str(out, STR(OAUTH_REFUSED));
        return OK;
    }
    if (authzid.len && !str_eq_c(authzid, jwt.name)) return FAIL(SASL_AUTHENTICATION_FAILED);
    str_copy(principal + 5, sizeof jwt.name, str_c(jwt.name));
    TRY(become(sasl, STR(""), str_c(principal)));
    sasl->expires_ms = jwt.expires_ms;
    return OK;
}

static status principal_step(struct sasl *sasl, struct bytes token)
{
    struct str principal = bytes_str(token);
    if (!str_starts(principal, STR("User:")) || principal.len < 6 ||
        memchr(principal.data, 0, principal.len) != NULL)
        return FAIL(SASL_AUTHENTICATION_FAILED);
    return become(sasl, STR(""), principal);
}

status sasl_step(struct sasl *sasl, const struct sasl_source *source, struct bytes token, struct buf *out)
{
    if (sasl->state != SASL_STARTED) return FAIL(ILLEGAL_SASL_STATE);
    status result = token.len > SASL_TOKEN_MAX        ? FAIL(SASL_AUTHENTICATION_FAILED)
                    : sasl->mechanism == PLAIN           ? plain_step(sasl, source, token)
                    : sasl->mechanism == LOCAL_PRINCIPAL ? principal_step(sasl, token)
                    : sasl->mechanism == OAUTHBEARER ? oauth_step(sasl, source, token, out)
                                                         : scram_step_of(sasl, source, token, out);
    if (failed(result)) sasl->state = SASL_FAILED;
    return result;
}
