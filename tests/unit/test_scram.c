/* SCRAM and SASL: the exchange of RFC 7677, one for SHA-512 computed apart, and everything a client
 * may get wrong. */
#include "broker/sasl.h"

#include "base/mem.h"
#include "cluster/delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/evp.h>

static struct scram_verifier stored;

static bool find(void *arg, struct str user, int mechanism, struct scram_verifier *ret)
{
    (void)arg;
    (void)mechanism;
    if (!str_eq(user, STR("user"))) return false;
    *ret = stored;
    return true;
}

struct exchange {
    int mechanism;
    const char *salt, *server_nonce, *first, *challenge, *final, *signature;
};

static const struct exchange rfc7677 = {
    SCRAM_SHA_256,
    "W22ZaJ0SNY7soEsUEjb6gQ==",
    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
};
static const struct exchange sha512 = {
    SCRAM_SHA_512,
    "AAECAwQFBgcICQoLDA0ODw==",
    "SERVERNONCE",
    "n,,n=user,r=abcdefgh",
    "r=abcdefghSERVERNONCE,s=AAECAwQFBgcICQoLDA0ODw==,i=4096",
    "c=biws,r=abcdefghSERVERNONCE,p=jKolGPgMI7WOcTQKt3gdcPiiUanIilv/uBfUbkAxnZogb0rRd+JBYYVexreO"
    "njLXRtna8l2uk+gCQ/GpRfncng==",
    "v=j3D8GVcmKHHi+ktzncneMpTdHcZuAUVyVfBZf4/tzCZrnj1SiDIsYDpdus97zCL6jxk/j9qcDhlXeLTLu/M8ew==",
};

static struct scram scram;
static struct buf out;

static status step(const char *message, bool *ret_done)
{
    buf_clear(&out);
    *ret_done = false;
    return scram_step(&scram, str_bytes(str_c(message)), find, NULL, &out, ret_done);
}

static bool answered(const char *text)
{
    return str_eq(bytes_str(buf_bytes(&out)), str_c(text));
}

static void begin(const struct exchange *e)
{
    uint8_t salt[32];
    int64_t n = base64_decode(str_c(e->salt), salt, sizeof(salt));
    assert_true(n > 0);
    assert_true(is_ok(scram_verifier_make(e->mechanism, STR("pencil"), bytes_of(salt, (size_t)n),
                                          4096, &stored)));
    scram_init(&scram, e->mechanism);
    scram.fixed_nonce = true;
    assert_true(str_copy(scram.server_nonce, sizeof(scram.server_nonce), str_c(e->server_nonce)));
    buf_init(&out, 4096);
}

static void end(void)
{
    scram_done(&scram);
    buf_done(&out);
    assert_int_equal(mem_outstanding(), 0);
}

static void run(const struct exchange *e)
{
    bool done;
    begin(e);
    assert_true(is_ok(step(e->first, &done)));
    assert_false(done);
    assert_true(answered(e->challenge));
    assert_true(is_ok(step(e->final, &done)));
    assert_true(done);
    assert_true(answered(e->signature));
    assert_string_equal(scram.user, "user");
    end();
}

static void test_the_exchange_of_rfc_7677_succeeds(void **state)
{
    (void)state;
    run(&rfc7677);
}

static void test_an_exchange_with_sha_512_succeeds(void **state)
{
    (void)state;
    run(&sha512);
}

static void test_a_wrong_proof_is_refused(void **state)
{
    (void)state;
    bool done;
    begin(&rfc7677);
    assert_true(is_ok(step(rfc7677.first, &done)));
    status s = step("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                    "p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", &done);
    assert_int_equal(s.code, E_SASL_AUTHENTICATION_FAILED);
    assert_false(done);
    assert_int_equal(step(rfc7677.final, &done).code, E_SASL_AUTHENTICATION_FAILED);
    end();
}

static void test_an_unknown_user_meets_the_same_exchange_and_is_refused_at_its_end(void **state)
{
    (void)state;
    bool done;
    char first[128], again[128];
    begin(&rfc7677);
    assert_true(is_ok(step("n,,n=nobody,r=rOprNGfwEbeRWgbNEkqO", &done)));
    assert_true(str_starts(bytes_str(buf_bytes(&out)), STR("r=rOprNGfwEbeRWgbNEkqO%hv")));
    assert_true(str_copy(first, sizeof(first), bytes_str(buf_bytes(&out))));
    assert_int_equal(step(rfc7677.final, &done).code, E_SASL_AUTHENTICATION_FAILED);
    end();
    begin(&rfc7677);
    assert_true(is_ok(step("n,,n=nobody,r=rOprNGfwEbeRWgbNEkqO", &done)));
    assert_true(str_copy(again, sizeof(again), bytes_str(buf_bytes(&out))));
    assert_string_equal(first, again); /* the same salt each time */
    end();
}

static void test_malformed_first_messages_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "n", "n,", "n,,", "n,,n=user", "n,,r=abc", "n,,n=,r=abc", "p=tls-unique,,n=user,r=abc",
        "n,a=other,n=user,r=abc", "n,,n=us=er,r=abc", "n,,n=user,r=", "n,,n=user,r=a\x01",
        "x,,n=user,r=abc", "n,,m=ext,n=user,r=abc",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        bool done;
        begin(&rfc7677);
        if (step(bad[i], &done).code != E_SASL_AUTHENTICATION_FAILED) fail_msg("%s", bad[i]);
        end();
    }
}

static void test_the_authorisation_id_may_be_the_user_itself(void **state)
{
    (void)state;
    bool done;
    begin(&rfc7677);
    assert_true(is_ok(step("n,a=user,n=user,r=rOprNGfwEbeRWgbNEkqO", &done)));
    end();
}

static void test_a_changed_nonce_is_refused(void **state)
{
    (void)state;
    bool done;
    begin(&rfc7677);
    assert_true(is_ok(step(rfc7677.first, &done)));
    status s = step("c=biws,r=rOprNGfwEbeRWgbNEkqO,"
                    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", &done);
    assert_int_equal(s.code, E_SASL_AUTHENTICATION_FAILED);
    end();
}

static void test_verifiers_want_a_salt_and_iterations_in_bounds(void **state)
{
    (void)state;
    struct scram_verifier v;
    uint8_t salt[32] = { 1 };
    assert_true(is_ok(scram_verifier_new(SCRAM_SHA_512, STR("x"), &v)));
    assert_int_equal(v.iterations, 4096);
    assert_int_equal(v.salt_len, 32);
    assert_true(failed(scram_verifier_make(SCRAM_SHA_256, STR("x"), bytes_of(salt, 0), 4096, &v)));
    assert_true(failed(scram_verifier_make(SCRAM_SHA_256, STR("x"), bytes_of(salt, 8), 4095, &v)));
    assert_true(failed(scram_verifier_make(SCRAM_SHA_256, STR("x"), bytes_of(salt, 8), 16385, &v)));
    assert_true(failed(scram_verifier_make(3, STR("x"), bytes_of(salt, 8), 4096, &v)));
}

/* --- SASL over an image ----------------------------------------------------------------------- */
static struct image *image;
static struct sasl_source source;
static struct sasl sasl;

static int setup(void **state)
{
    (void)state;
    struct credential c = { .login = STR("KEY1"), .principal = STR("User:sa-1"),
                            .has_secret = true };
    memset(c.secret_salt, 7, sizeof(c.secret_salt));
    uint8_t salted[16 + 6];
    memcpy(salted, c.secret_salt, 16);
    memcpy(salted + 16, "pencil", 6);
    unsigned n = 32;
    if (EVP_Digest(salted, sizeof(salted), c.secret_hash, &n, EVP_sha256(), NULL) != 1) return 1;
    struct buf b;
    buf_init(&b, DELTA_MAX);
    delta_begin(&b, 0, 1);
    delta_cluster(&b, STR("lkc-test"), uuid_new());
    delta_limits(&b, &limits_standalone);
    delta_credential(&b, &c);
    c.login = STR("FALSE");
    c.principal = STR("User:leat");
    delta_credential(&b, &c);
    status s = image_new(&image);
    if (is_ok(s)) s = image_apply(image, buf_bytes(&b), NULL);
    buf_done(&b);
    buf_init(&out, 4096);
    sasl_init(&sasl, false);
    source = (struct sasl_source){ .image = image };
    return failed(s);
}

static int teardown(void **state)
{
    (void)state;
    sasl_done(&sasl);
    buf_done(&out);
    image_free(image);
    return mem_outstanding() != 0;
}

static status plain(const char *token, size_t len)
{
    return sasl_step(&sasl, &source, bytes_of(token, len), &out);
}
#define PLAIN(text) plain(text, sizeof(text) - 1)

static void test_nobody_becomes_leatd_by_a_credential_or_a_name(void **state)
{
    (void)state;
    assert_true(is_ok(sasl_start(&sasl, &source, STR("PLAIN"))));
    assert_true(failed(PLAIN("\0FALSE\0pencil")));
    assert_true(failed(sasl_external(&sasl, STR("leat"))));
    assert_int_equal(sasl_principal(&sasl).len, 0);
    assert_true(is_ok(sasl_external(&sasl, STR("leat2"))));
}

static void test_plain_with_the_right_secret_gives_the_principal(void **state)
{
    (void)state;
    assert_true(is_ok(sasl_start(&sasl, &source, STR("PLAIN"))));
    assert_true(is_ok(PLAIN("\0KEY1\0pencil")));
    assert_int_equal(sasl.state, SASL_DONE);
    assert_true(str_eq(sasl_principal(&sasl), STR("User:sa-1")));
    assert_true(str_eq(sasl_login(&sasl), STR("KEY1")));
    assert_int_equal(out.len, 0);
}

static void refuse_plain(const char *token, size_t len)
{
    sasl_done(&sasl);
    sasl_init(&sasl, false);
    assert_true(is_ok(sasl_start(&sasl, &source, STR("PLAIN"))));
    assert_int_equal(plain(token, len).code, E_SASL_AUTHENTICATION_FAILED);
    assert_int_equal(sasl.state, SASL_FAILED);
    assert_true(str_is_empty(sasl_principal(&sasl)));
}
#define REFUSE_PLAIN(text) refuse_plain(text, sizeof(text) - 1)

static void test_plain_with_anything_wrong_is_refused(void **state)
{
    (void)state;
    REFUSE_PLAIN("\0KEY1\0pencils");
    REFUSE_PLAIN("\0KEY1\0");
    REFUSE_PLAIN("\0KEY2\0pencil");
    REFUSE_PLAIN("other\0KEY1\0pencil");
    REFUSE_PLAIN("\0KEY1\0pencil\0");
    REFUSE_PLAIN("KEY1\0pencil");
    REFUSE_PLAIN("");
}

static void test_an_unknown_mechanism_is_refused_and_the_private_one_is_not_offered(void **state)
{
    (void)state;
    struct str names[SASL_MECHANISMS_MAX];
    assert_int_equal(sasl_mechanisms(&sasl, &source, names), 3);
    assert_int_equal(sasl_start(&sasl, &source, STR("GSSAPI")).code, E_UNSUPPORTED_SASL_MECHANISM);
    assert_int_equal(sasl_start(&sasl, &source, STR("LEAT-PRINCIPAL")).code, E_UNSUPPORTED_SASL_MECHANISM);
    assert_int_equal(PLAIN("\0KEY1\0pencil").code, E_ILLEGAL_SASL_STATE);
}

static void test_the_unix_socket_takes_a_principal_at_its_word(void **state)
{
    (void)state;
    sasl_done(&sasl);
    sasl_init(&sasl, true);
    assert_true(is_ok(sasl_start(&sasl, &source, STR("LEAT-PRINCIPAL"))));
    assert_true(is_ok(PLAIN("User:leat")));
    assert_true(str_eq(sasl_principal(&sasl), STR("User:leat")));
}

static void test_authenticating_again_keeps_principal_and_mechanism(void **state)
{
    (void)state;
    assert_true(is_ok(sasl_start(&sasl, &source, STR("PLAIN"))));
    assert_true(is_ok(PLAIN("\0KEY1\0pencil")));
    assert_int_equal(sasl_start(&sasl, &source, STR("SCRAM-SHA-256")).code, E_UNSUPPORTED_SASL_MECHANISM);
    assert_true(is_ok(sasl_start(&sasl, &source, STR("PLAIN"))));
    assert_true(is_ok(PLAIN("\0KEY1\0pencil")));
    assert_int_equal(sasl.state, SASL_DONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_exchange_of_rfc_7677_succeeds),
        cmocka_unit_test(test_an_exchange_with_sha_512_succeeds),
        cmocka_unit_test(test_a_wrong_proof_is_refused),
        cmocka_unit_test(test_an_unknown_user_meets_the_same_exchange_and_is_refused_at_its_end),
        cmocka_unit_test(test_malformed_first_messages_are_refused),
        cmocka_unit_test(test_the_authorisation_id_may_be_the_user_itself),
        cmocka_unit_test(test_a_changed_nonce_is_refused),
        cmocka_unit_test(test_verifiers_want_a_salt_and_iterations_in_bounds),
        cmocka_unit_test_setup_teardown(test_nobody_becomes_leatd_by_a_credential_or_a_name,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_plain_with_the_right_secret_gives_the_principal,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_plain_with_anything_wrong_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_an_unknown_mechanism_is_refused_and_the_private_one_is_not_offered, setup,
            teardown),
        cmocka_unit_test_setup_teardown(test_the_unix_socket_takes_a_principal_at_its_word, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_authenticating_again_keeps_principal_and_mechanism,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
