/* certificate.c - X.509 by OpenSSL. Any thread. */
#include "identity/certificate.h"

#include "base/uuid.h"
#include "io/tls_name.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#define CA_LIFETIME_S (10 * 365 * 86400LL)
#define CLOCK_SLACK_S 300 /* a client's clock may be behind */

static int no_password(char *buf, int size, int for_writing, void *arg)
{
    (void)buf, (void)size, (void)for_writing, (void)arg;
    return -1;
}

static X509 *read_certificate(struct bytes pem)
{
    BIO *bio = pem.len && pem.len <= CERTIFICATE_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return x;
}

static EVP_PKEY *read_key(struct bytes pem)
{
    BIO *bio = pem.len && pem.len <= CERTIFICATE_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

static void take_bio(BIO *bio, bool written, struct buf *out)
{
    char *text;
    long n = BIO_get_mem_data(bio, &text);
    if (written && n > 0) buf_put(out, text, (size_t)n);
    else out->failed = true;
    BIO_free(bio);
}

static void write_certificate(X509 *x, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    take_bio(bio, bio && PEM_write_bio_X509(bio, x) == 1, out);
}

static void write_key(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    take_bio(bio, bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1, out);
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return added;
}

static bool set_serial(X509 *x)
{
    struct uuid random = uuid_new();
    BIGNUM *number = BN_bin2bn(random.b, sizeof random.b, NULL);
    bool set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return set;
}

/* Everything but names, extensions and signature. */
static X509 *blank(EVP_PKEY *key, int64_t lifetime_s)
{
    X509 *x = X509_new();
    int64_t now = (int64_t)time(NULL);
    if (x && X509_set_version(x, 2) == 1 && set_serial(x) &&
        ASN1_TIME_set(X509_getm_notBefore(x), now - CLOCK_SLACK_S) &&
        ASN1_TIME_set(X509_getm_notAfter(x), now + lifetime_s) && X509_set_pubkey(x, key) == 1)
        return x;
    X509_free(x);
    return NULL;
}

static bool set_name(X509 *x, const char *name)
{
    X509_NAME *subject = X509_get_subject_name(x);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1,
                                      0) == 1;
}

status certificate_ca_new(const char *name, struct buf *ret_chain, struct buf *ret_key)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = key ? blank(key, CA_LIFETIME_S) : NULL;
    bool made = x && set_name(x, name) && X509_set_issuer_name(x, X509_get_subject_name(x)) == 1 &&
                add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                add_extension(x, x, NID_subject_key_identifier, "hash") &&
                X509_sign(x, key, EVP_sha256()) > 0;
    if (made) {
        write_certificate(x, ret_chain);
        write_key(key, ret_key);
    }
    X509_free(x);
    EVP_PKEY_free(key);
    ERR_clear_error();
    TRY(buf_check(ret_chain));
    TRY(buf_check(ret_key));
    return made ? OK : FAIL(NO_MEMORY);
}

static bool is_address(const char *host)
{
    uint8_t address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* On this machine "localhost" is meant, too. */
static bool san_of(const char *host, char *out, size_t size)
{
    bool address = is_address(host);
    bool loopback = strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
    for (const char *p = host; *p; p++)
        if (!address && !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *p))
            return false; /* the text is a small language of OpenSSL's */
    int n = snprintf(out, size, "%s:%s%s", address ? "IP" : "DNS", host,
                     loopback ? ",DNS:localhost" : "");
    return n > 0 && (size_t)n < size;
}

static bool leaf_make(X509 *x, EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, const char *host)
{
    char san[512], name[65] = "leat";
    (void)key;
    if (strlen(host) < sizeof name) str_copy(name, sizeof name, str_c(host)); /* a CN's length */
    return san_of(host, san, sizeof san) && set_name(x, name) &&
           X509_set_issuer_name(x, X509_get_subject_name(ca)) == 1 &&
           add_extension(x, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, ca, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, ca, NID_ext_key_usage, "serverAuth") &&
           add_extension(x, ca, NID_subject_key_identifier, "hash") &&
           add_extension(x, ca, NID_authority_key_identifier, "keyid") &&
           add_extension(x, ca, NID_subject_alt_name, san) && X509_sign(x, ca_key, EVP_sha256()) > 0;
}

status certificate_leaf_new(struct bytes ca_chain, struct bytes ca_key_pem, const char *host,
                            int64_t lifetime_s, struct buf *ret_chain, struct buf *ret_key)
{
    X509 *ca = read_certificate(ca_chain);
    EVP_PKEY *ca_key = read_key(ca_key_pem), *key = EVP_EC_gen("P-256");
    bool fits = ca && ca_key && X509_check_private_key(ca, ca_key) == 1;
    X509 *x = fits && key ? blank(key, lifetime_s) : NULL;
    bool made = x && leaf_make(x, key, ca, ca_key, host);
    if (made) {
        write_certificate(x, ret_chain);
        write_certificate(ca, ret_chain);
        write_key(key, ret_key);
    }
    X509_free(x);
    X509_free(ca);
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    ERR_clear_error();
    if (!made) return FAIL(INVALID);
    TRY(buf_check(ret_chain));
    return buf_check(ret_key);
}

/* --- looking ----------------------------------------------------------------------------------------- */

static int64_t ms_of(const ASN1_TIME *t)
{
    struct tm tm = { 0 };
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static void name_of(const X509_NAME *name, char *out, size_t size)
{
    struct buf text;
    buf_init(&text, size - 1);
    bool fits = is_ok(tls_name_text(name, &text)) && text.data &&
                str_copy(out, size, bytes_str(buf_bytes(&text)));
    if (!fits) str_copy(out, size, STR("(a long name)"));
    buf_done(&text);
}

status certificate_read(struct bytes chain, struct certificate *ret)
{
    uint8_t hash[32];
    unsigned n = 0;
    X509 *x = read_certificate(chain);
    if (!x) return FAIL(INVALID);
    *ret = (struct certificate){ .not_before = ms_of(X509_get0_notBefore(x)),
                                 .not_after = ms_of(X509_get0_notAfter(x)) };
    name_of(X509_get_subject_name(x), ret->subject, sizeof ret->subject);
    name_of(X509_get_issuer_name(x), ret->issuer, sizeof ret->issuer);
    if (X509_digest(x, EVP_sha256(), hash, &n) == 1)
        for (unsigned i = 0; i < n; i++)
            snprintf(ret->fingerprint + 3 * i, sizeof ret->fingerprint - 3 * i, "%02X%s", hash[i],
                     i + 1 < n ? ":" : "");
    X509_free(x);
    return OK;
}

bool certificate_is_for(struct bytes chain, const char *host)
{
    X509 *x = read_certificate(chain);
    bool fits = x && (is_address(host) ? X509_check_ip_asc(x, host, 0) == 1
                                       : X509_check_host(x, host, 0, 0, NULL) == 1);
    X509_free(x);
    return fits;
}
