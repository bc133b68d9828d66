/* Keys, sessions, passwords, lock-out: what is made is accepted, everything near it is refused. */
#include "identity/identity.h"
#include "identity/lockout.h"
#include "identity/password.h"

#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

static void test_secrets_have_43_characters_and_differ(void **state)
{
    char a[SECRET_TEXT], b[SECRET_TEXT], id[KEY_ID_TEXT], other[ID_TEXT];
    (void)state;
    for (int i = 0; i < 100; i++) {
        secret_new(a);
        secret_new(b);
        assert_int_equal(strlen(a), SECRET_TEXT - 1);
        assert_string_not_equal(a, b);
        assert_true(a[0] != '-');
        secret_key_id_new(id);
        assert_true(secret_is_key_id(str_c(id)));
        secret_id_new("lkc-", other);
        assert_memory_equal(other, "lkc-", 4);
        assert_int_equal(strlen(other), 12);
    }
    assert_false(secret_is_key_id(STR("ABCDEFGHIJKLMNO1")));
    assert_false(secret_is_key_id(STR("ABCDEFGH")));
}

static void test_a_secret_is_checked_against_its_salted_hash(void **state)
{
    uint8_t salt[SECRET_SALT], hash[SECRET_HASH];
    (void)state;
    random_bytes(salt, sizeof salt);
    secret_hash(salt, STR("secret"), hash);
    struct bytes s = bytes_of(salt, sizeof salt), h = bytes_of(hash, sizeof hash);
    assert_true(secret_check(s, h, STR("secret")));
    assert_false(secret_check(s, h, STR("secreT")));
    assert_false(secret_check(s, h, STR("")));
    assert_false(secret_check(s, BYTES_NULL, STR("secret")));
}

/* RFC 5802: StoredKey = H(HMAC(SaltedPassword, "Client Key")), computed here once more. */
static void test_scram_verifiers_survive_their_column(void **state)
{
    struct scram_verifier v, back;
    uint8_t column[SECRET_SCRAM_MAX], salted[64], client[64], stored[64];
    unsigned n = 0;
    (void)state;
    assert_true(is_ok(secret_scram(STR("pencil"), SCRAM_SHA_512, &v)));
    assert_int_equal(v.iterations, 4096);
    size_t len = secret_scram_pack(&v, SCRAM_SHA_512, column);
    assert_true(secret_scram_unpack(bytes_of(column, len), SCRAM_SHA_512, &back));
    assert_false(secret_scram_unpack(bytes_of(column, len), SCRAM_SHA_256, &back));
    assert_memory_equal(v.stored_key, back.stored_key, 64);
    assert_memory_equal(v.server_key, back.server_key, 64);
    PKCS5_PBKDF2_HMAC("pencil", 6, back.salt, back.salt_len, back.iterations, EVP_sha512(), 64, salted);
    HMAC(EVP_sha512(), salted, 64, (const uint8_t *)"Client Key", 10, client, &n);
    EVP_Digest(client, 64, stored, &n, EVP_sha512(), NULL);
    assert_memory_equal(stored, back.stored_key, 64);
}

/* --- with a database ------------------------------------------------------------------------------- */

struct rig {
    char folder[64], path[96];
    struct db *db;
};

static int setup(void **state)
{
    static struct rig rig;
    uint8_t salt[16] = { 1 }, hash[32] = { 2 };
    struct why why;
    snprintf(rig.folder, sizeof rig.folder, "/tmp/leat-id-XXXXXX");
    assert_non_null(mkdtemp(rig.folder));
    snprintf(rig.path, sizeof rig.path, "%s/leat.db", rig.folder);
    assert_true(is_ok(db_open_writer(rig.path, &rig.db)));
    assert_true(is_ok(db_migrate(rig.db, &why)));
    assert_true(is_ok(db_run(DB(rig.db, "INSERT INTO user (id, login, full_name, password_salt, "
                                        "password_hash, created_at, updated_at) VALUES ('u-1', 'admin', "
                                        "'The Admin', ?, ?, 0, 0)",
                                bytes_of(salt, 16), bytes_of(hash, 32)))));
    *state = &rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    char path[128];
    static const char *const ends[] = { "", "-wal", "-shm" };
    db_free(rig->db);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        snprintf(path, sizeof path, "%s%s", rig->path, ends[i]);
        unlink(path);
    }
    rmdir(rig->folder);
    return 0;
}

static void test_a_session_is_found_by_its_token_until_it_ends(void **state)
{
    struct rig *rig = *state;
    char token[SECRET_TEXT], csrf[SECRET_TEXT], old[SECRET_TEXT];
    struct identity id;
    int64_t now = 0;
    assert_true(is_ok(db_one_i64(DB(rig->db, "SELECT unixepoch() * 1000"), &now)));
    assert_true(is_ok(identity_session_new(rig->db, "u-1", "", now - SESSION_LIFE_MS, old, csrf)));
    assert_int_equal(identity_session(rig->db, str_c(old), &id).code, E_UNAUTHENTICATED);
    assert_true(is_ok(identity_session_new(rig->db, "u-1", "", now, token, csrf)));
    assert_true(is_ok(identity_session(rig->db, str_c(token), &id)));
    assert_string_equal(id.owner, "u-1");
    assert_string_equal(id.login, "admin");
    assert_string_equal(id.csrf, csrf);
    assert_int_equal(identity_session(rig->db, str_c(csrf), &id).code, E_UNAUTHENTICATED);
    assert_int_equal(identity_session(rig->db, STR_NULL, &id).code, E_UNAUTHENTICATED);
    assert_true(is_ok(identity_session_end(rig->db, str_c(token))));
    assert_int_equal(identity_session(rig->db, str_c(token), &id).code, E_UNAUTHENTICATED);
}

static void test_a_key_is_accepted_with_its_secret_alone(void **state)
{
    struct rig *rig = *state;
    uint8_t salt[SECRET_SALT] = { 9 }, hash[SECRET_HASH];
    struct identity id;
    secret_hash(salt, STR("s3cret"), hash);
    assert_true(is_ok(db_run(DB(rig->db, "INSERT INTO api_key VALUES ('ABCDEFGHIJKLMNOP', 'sa-1', NULL, '', "
                                         "'', ?, ?, NULL, NULL, 0, 0)",
                                bytes_of(salt, sizeof salt), bytes_of(hash, sizeof hash)))));
    assert_true(is_ok(identity_key(rig->db, STR("ABCDEFGHIJKLMNOP"), STR("s3cret"), &id)));
    assert_string_equal(id.owner, "sa-1");
    assert_string_equal(id.cluster_id, "");
    assert_int_equal(identity_key(rig->db, STR("ABCDEFGHIJKLMNOP"), STR("other"), &id).code,
                     E_UNAUTHENTICATED);
    assert_int_equal(identity_key(rig->db, STR("ABCDEFGHIJKLMNO2"), STR("s3cret"), &id).code,
                     E_UNAUTHENTICATED);
}

/* --- passwords -------------------------------------------------------------------------------------- */

static struct loop *pass_loop;
static int pass_left;
static void keep_result(void *arg, status result)
{
    *(status *)arg = result;
    if (--pass_left == 0) loop_stop(pass_loop);
}

static void test_passwords_match_only_their_own_hash(void **state)
{
    uint8_t salt[PASSWORD_SALT] = { 7 }, hash[PASSWORD_HASH];
    struct passwords passwords = { 0 };
    status good = FAIL(BUSY), bad = FAIL(BUSY), nobody = FAIL(BUSY);
    (void)state;
    struct bytes s = bytes_of(salt, sizeof salt), h = bytes_of(hash, sizeof hash);
    assert_true(is_ok(loop_new(&passwords.loop)));
    pass_loop = passwords.loop;
    pass_left = 3;
    assert_true(is_ok(password_hash(STR("correct horse"), salt, hash)));
    assert_true(is_ok(password_check(&passwords, STR("correct horse"), s, h, keep_result, &good)));
    assert_true(is_ok(password_check(&passwords, STR("correct hors"), s, h, keep_result, &bad)));
    assert_true(is_ok(password_check(&passwords, STR("correct horse"), BYTES_NULL, BYTES_NULL, keep_result,
                                     &nobody)));
    assert_int_equal(password_check(&passwords, STR(""), s, h, keep_result, &bad).code, E_UNAUTHENTICATED);
    loop_run(passwords.loop);
    assert_int_equal(good.code, E_OK);
    assert_int_equal(bad.code, E_UNAUTHENTICATED);
    assert_int_equal(nobody.code, E_UNAUTHENTICATED);
    assert_int_equal(passwords.waiting, 0);
    loop_free(passwords.loop);
}

static void test_failed_logins_cost_more_and_more_time(void **state)
{
    struct lockout *l = mem_zalloc(sizeof *l);
    struct str login = STR("admin"), address = STR("10.0.0.1");
    (void)state;
    for (int i = 0; i < 4; i++) lockout_failed(l, login, address, 1000);
    assert_int_equal(lockout_wait(l, login, address, 1000), 0);
    lockout_failed(l, login, address, 1000);
    assert_int_equal(lockout_wait(l, login, address, 1000), 1000);
    assert_int_equal(lockout_wait(l, login, STR("10.0.0.2"), 1000), 0);
    assert_int_equal(lockout_wait(l, login, address, 2000), 0);
    lockout_failed(l, login, address, 2000);
    assert_int_equal(lockout_wait(l, login, address, 2000), 2000);
    lockout_passed(l, login, address);
    assert_int_equal(lockout_wait(l, login, address, 2000), 0);
    for (int i = 0; i < 40; i++) lockout_failed(l, login, address, 3000);
    assert_int_equal(lockout_wait(l, STR("other"), address, 3000), 15 * 60 * 1000);
    mem_free(l);
}

static void test_the_lockout_table_stays_bounded(void **state)
{
    struct lockout *l = mem_zalloc(sizeof *l);
    char name[32];
    (void)state;
    for (int i = 0; i < 5000; i++) {
        int n = snprintf(name, sizeof name, "user-%d", i);
        lockout_failed(l, (struct str){ name, (size_t)n }, STR("::1"), i);
    }
    assert_true(lockout_wait(l, STR("whoever"), STR("::1"), 5000) > 0);
    mem_free(l);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets_have_43_characters_and_differ),
        cmocka_unit_test(test_a_secret_is_checked_against_its_salted_hash),
        cmocka_unit_test(test_scram_verifiers_survive_their_column),
        T(test_a_session_is_found_by_its_token_until_it_ends),
        T(test_a_key_is_accepted_with_its_secret_alone),
        cmocka_unit_test(test_passwords_match_only_their_own_hash),
        cmocka_unit_test(test_failed_logins_cost_more_and_more_time),
        cmocka_unit_test(test_the_lockout_table_stays_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
