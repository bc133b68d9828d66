/* scram.c - the server's side of SCRAM (RFC 5802; SHA-256 and -512 as in RFC 7677). Any thread.
 *
 * A user who does not exist gets a salt derived from a secret of this process and goes through
 * the same exchange to the same refusal, so that names cannot be probed. */
#include "broker/scram.h"

#include "base/mem.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>

enum { FAKE_SALT = 32, MESSAGE_MAX = 4096 };

/* --- the conversation ------------------------------------------------------------------------- */
void scram_init(struct scram *s, int mechanism)
{
    *s = (struct scram){ .mechanism = mechanism };
    buf_init(&s->auth_message, 3 * MESSAGE_MAX);
}

void scram_done(struct scram *s)
{
    buf_done(&s->auth_message);
    OPENSSL_cleanse(&s->verifier, sizeof(s->verifier));
}

static pthread_once_t fake_once = PTHREAD_ONCE_INIT;
static uint8_t fake_key[32];
static void fake_draw(void)
{
    random_bytes(fake_key, sizeof(fake_key));
}

/* The same salt each time the same unknown user asks. */
static status fake_verifier(struct scram *s, struct str user)
{
    pthread_once(&fake_once, fake_draw);
    uint8_t mac[64];
    TRY(scram_hmac(SCRAM_SHA_256, bytes_of(fake_key, sizeof(fake_key)), str_bytes(user), mac));
    s->verifier = (struct scram_verifier){ .salt_len = FAKE_SALT, .iterations = SCRAM_ITERATIONS };
    memcpy(s->verifier.salt, mac, FAKE_SALT);
    random_bytes(s->verifier.stored_key, sizeof(s->verifier.stored_key));
    return OK;
}

/* Takes "x=value" up to the next comma (or the end) off the front of *text. */
static bool take_attribute(struct str *text, char name, struct str *ret_value)
{
    if (text->len < 2 || text->data[0] != name || text->data[1] != '=') return false;
    struct str value = { text->data + 2, text->len - 2 };
    const char *comma = memchr(value.data, ',', value.len);
    size_t n = comma ? (size_t)(comma - value.data) : value.len;
    *ret_value = (struct str){ value.data, n };
    size_t used = 2 + n + (comma ? 1 : 0);
    *text = (struct str){ text->data + used, text->len - used };
    return true;
}

/* saslname: "=2C" is a comma, "=3D" an equals sign, any other "=" is an error. */
static bool unescape(struct str name, char *ret, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (c == 0) return false;
        if (c == '=') {
            struct str rest = { name.data + i, name.len - i };
            if (str_starts(rest, STR("=2C")))
                c = ',';
            else if (str_starts(rest, STR("=3D")))
                c = '=';
            else
                return false;
            i += 2;
        }
        if (n + 1 >= size) return false;
        ret[n++] = c;
    }
    ret[n] = 0;
    return n > 0;
}

static bool is_nonce(struct str nonce)
{
    if (nonce.len == 0 || nonce.len > SCRAM_NONCE_MAX) return false;
    for (size_t i = 0; i < nonce.len; i++)
        if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e) return false; /* printable, no comma */
    return true;
}

/* gs2-header: "n,," or "y,,", with an authorisation id that must be the user. Channel binding
 * ("p=") is not offered. */
static bool take_gs2(struct str *text, struct str *ret_authzid)
{
    if (text->len < 3 || (text->data[0] != 'n' && text->data[0] != 'y') || text->data[1] != ',')
        return false;
    *text = (struct str){ text->data + 2, text->len - 2 };
    *ret_authzid = STR("");
    if (text->data[0] == ',') {
        *text = (struct str){ text->data + 1, text->len - 1 };
        return true;
    }
    return take_attribute(text, 'a', ret_authzid);
}

static void make_nonce(struct scram *s, struct str client)
{
    if (!s->fixed_nonce) {
        uint8_t random[24];
        random_bytes(random, sizeof(random));
        base64_encode(random, sizeof(random), s->server_nonce);
    }
    snprintf(s->nonce, sizeof(s->nonce), "%.*s%s", STR_ARG(client), s->server_nonce);
}

static status first_message(struct scram *s, struct str text, scram_find find, void *arg,
                            struct buf *out)
{
    struct str authzid, name, nonce;
    char authz[256];
    if (!take_gs2(&text, &authzid)) return FAIL(SASL_AUTHENTICATION_FAILED);
    struct str bare = text;
    if (!take_attribute(&text, 'n', &name) || !unescape(name, s->user, sizeof(s->user)) ||
        !take_attribute(&text, 'r', &nonce) || !is_nonce(nonce))
        return FAIL(SASL_AUTHENTICATION_FAILED);
    if (authzid.len > 0 && (!unescape(authzid, authz, sizeof(authz)) || strcmp(authz, s->user)))
        return FAIL(SASL_AUTHENTICATION_FAILED);
    s->known = find(arg, str_c(s->user), s->mechanism, &s->verifier) && s->verifier.iterations > 0;
    if (!s->known) TRY(fake_verifier(s, str_c(s->user)));
    make_nonce(s, nonce);

    char salt[4 * ((SCRAM_SALT_MAX + 2) / 3) + 1];
    base64_encode(s->verifier.salt, s->verifier.salt_len, salt);
    size_t begin = out->len;
    buf_printf(out, "r=%s,s=%s,i=%d", s->nonce, salt, s->verifier.iterations);
    TRY(buf_check(out));
    buf_put_str(&s->auth_message, bare);
    buf_put(&s->auth_message, ",", 1);
    buf_put(&s->auth_message, out->data + begin, out->len - begin);
    return buf_check(&s->auth_message);
}

/* The proof is right when H(ClientSignature XOR proof) is the stored key. */
static status check_proof(struct scram *s, const uint8_t proof[64])
{
    size_t n = scram_hash_size(s->mechanism);
    uint8_t key[64], stored[64];
    TRY(scram_hmac(s->mechanism, bytes_of(s->verifier.stored_key, n), buf_bytes(&s->auth_message), key));
    for (size_t i = 0; i < n; i++) key[i] ^= proof[i];
    TRY(scram_hash(s->mechanism, bytes_of(key, n), stored));
    OPENSSL_cleanse(key, sizeof(key));
    bool equal = bytes_eq_secret(stored, s->verifier.stored_key, n);
    return equal && s->known ? OK : FAIL(SASL_AUTHENTICATION_FAILED);
}

/* The nonce of the challenge again. librdkafka before 2.6.1 (Debian 12's kcat) puts its own part in
 * front once more; our part is bound all the same, so that a replay is refused (CVE-2024-56128). */
static bool nonce_returned(const struct scram *s, struct str nonce)
{
    struct str whole = str_c(s->nonce);
    struct str client = { s->nonce, whole.len - strlen(s->server_nonce) };
    if (str_eq(nonce, whole)) return true;
    return nonce.len == client.len + whole.len && str_starts(nonce, client) &&
           str_eq((struct str){ nonce.data + client.len, whole.len }, whole);
}

static status final_message(struct scram *s, struct str text, struct buf *out)
{
    struct str whole = text, binding, nonce, proof_text = STR_NULL;
    size_t n = scram_hash_size(s->mechanism);
    uint8_t gs2[300], proof[64];
    if (!take_attribute(&text, 'c', &binding) || !take_attribute(&text, 'r', &nonce) ||
        !nonce_returned(s, nonce))
        return FAIL(SASL_AUTHENTICATION_FAILED);
    /* The binding is the gs2 header again, in base64; extensions may stand before the proof. */
    int64_t len = base64_decode(binding, gs2, sizeof(gs2));
    if (len < 3 || (gs2[0] != 'n' && gs2[0] != 'y')) return FAIL(SASL_AUTHENTICATION_FAILED);
    const char *at = text.data;
    while (text.len > 0 && !take_attribute(&text, 'p', &proof_text)) {
        const char *comma = memchr(text.data, ',', text.len);
        if (comma == NULL) return FAIL(SASL_AUTHENTICATION_FAILED);
        size_t skip = (size_t)(comma - text.data) + 1;
        text = (struct str){ text.data + skip, text.len - skip };
        at = text.data;
    }
    if (str_is_null(proof_text) || text.len > 0 ||
        base64_decode(proof_text, proof, sizeof(proof)) != (int64_t)n)
        return FAIL(SASL_AUTHENTICATION_FAILED);
    buf_put(&s->auth_message, ",", 1);
    buf_put(&s->auth_message, whole.data, (size_t)(at - whole.data) - 1); /* without ",p=…" */
    TRY(buf_check(&s->auth_message));
    TRY(check_proof(s, proof));

    uint8_t signature[64];
    char signature_text[4 * ((64 + 2) / 3) + 1];
    TRY(scram_hmac(s->mechanism, bytes_of(s->verifier.server_key, n), buf_bytes(&s->auth_message),
             signature));
    base64_encode(signature, n, signature_text);
    buf_printf(out, "v=%s", signature_text);
    return buf_check(out);
}

status scram_step(struct scram *s, struct bytes message, scram_find find, void *arg,
                  struct buf *out, bool *ret_done)
{
    if (message.len > MESSAGE_MAX || message.len == 0 || s->step > 1)
        return FAIL(SASL_AUTHENTICATION_FAILED);
    struct str text = bytes_str(message);
    bool first = s->step == 0;
    status result = first ? first_message(s, text, find, arg, out) : final_message(s, text, out);
    s->step = failed(result) ? 2 : s->step + 1;
    TRY(result);
    *ret_done = !first;
    return OK;
}
