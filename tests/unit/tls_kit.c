/* tls_kit.c - certificates for tests. */
#include "tls_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

static void pem_out(BIO *bio, char *to, size_t size)
{
    char *text;
    long n = BIO_get_mem_data(bio, &text);
    assert_true(n > 0 && (size_t)n < size);
    memcpy(to, text, (size_t)n);
    to[n] = 0;
    BIO_free(bio);
}

static void add_subject(X509_NAME *name, const char *subject)
{
    char copy[512], *rest = copy;
    assert_true(str_copy(copy, sizeof copy, str_c(subject)));
    for (char *part; (part = strsep(&rest, ",")) != NULL;) {
        char *value = strchr(part, '=');
        *value++ = 0;
        assert_int_equal(X509_NAME_add_entry_by_txt(name, part, MBSTRING_UTF8,
                                                    (const unsigned char *)value, -1, -1, 0), 1);
    }
}

void kit_make(struct kit_pair *pair, const char *subject, const struct kit_pair *issuer, long from, long to)
{
    static long serial = 1;
    memset(pair, 0, sizeof *pair);
    pair->key = EVP_EC_gen("P-256");
    X509 *x = pair->certificate = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), from);
    X509_gmtime_adj(X509_getm_notAfter(x), to);
    X509_set_pubkey(x, pair->key);
    add_subject(X509_get_subject_name(x), subject);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->certificate) : X509_get_subject_name(x));
    if (!issuer) {
        X509_EXTENSION *ca = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(x, ca, -1);
        X509_EXTENSION_free(ca);
    }
    assert_true(X509_sign(x, issuer ? issuer->key : pair->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    pem_out(bio, pair->chain, sizeof pair->chain);
    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, pair->key, NULL, NULL, 0, NULL, NULL);
    pem_out(bio, pair->pem_key, sizeof pair->pem_key);
}

void kit_done(struct kit_pair *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
}

SSL_CTX *kit_client(const struct kit_pair *ca, const struct kit_pair *own, int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), ca->certificate);
    if (own) {
        assert_int_equal(SSL_CTX_use_certificate(context, own->certificate), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(context, own->key), 1);
    }
    if (version) {
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_min_proto_version(context, version);
        SSL_CTX_set_max_proto_version(context, version);
    }
    return context;
}
