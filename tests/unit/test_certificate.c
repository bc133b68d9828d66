/* The service's own CA: leaves that OpenSSL's own verification accepts for their host, and for no other. */
#include "identity/certificate.h"

#include "base/mem.h"
#include "io/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

static struct buf ca, ca_key, other_ca, other_key, chain, key;

static int setup(void **state)
{
    (void)state;
    struct buf *all[] = { &ca, &ca_key, &other_ca, &other_key, &chain, &key };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) buf_init(all[i], CERTIFICATE_MAX);
    return failed(certificate_ca_new("Test CA", &ca, &ca_key)) ||
           failed(certificate_ca_new("Test CA", &other_ca, &other_key));
}

static int teardown(void **state)
{
    (void)state;
    struct buf *all[] = { &ca, &ca_key, &other_ca, &other_key, &chain, &key };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) buf_done(all[i]);
    return mem_outstanding() != 0;
}

static void leaf(const char *host, int64_t lifetime_s)
{
    buf_clear(&chain);
    buf_clear(&key);
    assert_true(is_ok(certificate_leaf_new(buf_bytes(&ca), buf_bytes(&ca_key), host, lifetime_s, &chain,
                                           &key)));
}

static X509 *first(const struct buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(x);
    return x;
}

/* As a client of TLS would, trusting `root`. */
static bool verifies(const struct buf *root)
{
    X509 *x = first(&chain), *trusted = first(root);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE_add_cert(store, trusted);
    X509_STORE_CTX_init(context, store, x, NULL);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context), X509_V_FLAG_X509_STRICT);
    bool fine = X509_verify_cert(context) == 1;
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(trusted);
    X509_free(x);
    return fine;
}

static void test_a_leaf_is_for_its_host_and_verifies_by_its_ca_alone(void **state)
{
    (void)state;
    static const struct { const char *host, *fits, *other; } cases[] = {
        { "kafka.example", "kafka.example", "example" }, { "10.1.2.3", "10.1.2.3", "10.1.2.4" },
        { "127.0.0.1", "localhost", "127.0.0.2" }, { "2001:db8::1", "2001:db8::1", "::1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        leaf(cases[i].host, 1000);
        assert_true(verifies(&ca));
        assert_false(verifies(&other_ca));
        assert_true(certificate_is_for(buf_bytes(&chain), cases[i].host));
        assert_true(certificate_is_for(buf_bytes(&chain), cases[i].fits));
        assert_false(certificate_is_for(buf_bytes(&chain), cases[i].other));
        struct why why = { "" };
        struct tls_material m = { buf_bytes(&chain), buf_bytes(&key), BYTES_NULL, TLS_CLIENT_NONE };
        assert_true(is_ok(tls_check(&m, &why)));
    }
}

static void test_what_a_certificate_says_can_be_read(void **state)
{
    (void)state;
    struct certificate facts;
    leaf("kafka.example", 1000);
    int64_t now = (int64_t)time(NULL) * 1000;
    assert_true(is_ok(certificate_read(buf_bytes(&chain), &facts)));
    assert_string_equal(facts.subject, "CN=kafka.example");
    assert_string_equal(facts.issuer, "CN=Test CA");
    assert_int_equal(strlen(facts.fingerprint), 32 * 3 - 1);
    assert_true(facts.not_before < now && facts.not_after > now + 900000 && facts.not_after < now + 1100000);
    assert_int_equal(certificate_read(buf_bytes(&key), &facts).code, E_INVALID);
    assert_int_equal(certificate_read(BYTES_NULL, &facts).code, E_INVALID);
}

static void test_a_host_that_is_none_and_a_ca_that_does_not_fit_are_refused(void **state)
{
    (void)state;
    static const char *const hosts[] = { "a,IP:1.2.3.4", "a b", "x\n", "*" };
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        assert_int_equal(certificate_leaf_new(buf_bytes(&ca), buf_bytes(&ca_key), hosts[i], 10, &chain,
                                              &key).code, E_INVALID);
    assert_int_equal(certificate_leaf_new(buf_bytes(&ca), buf_bytes(&other_key), "h", 10, &chain, &key).code,
                     E_INVALID);
    assert_int_equal(certificate_leaf_new(buf_bytes(&ca_key), buf_bytes(&ca_key), "h", 10, &chain, &key).code,
                     E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_leaf_is_for_its_host_and_verifies_by_its_ca_alone),
        cmocka_unit_test(test_what_a_certificate_says_can_be_read),
        cmocka_unit_test(test_a_host_that_is_none_and_a_ca_that_does_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
