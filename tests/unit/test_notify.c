/* Where messages may go, how they are signed, what a mail looks like, and secrets that only their own key
 * opens. */
#include "base/mem.h"
#include "identity/seal.h"
#include "notify/mail.h"
#include "notify/signature.h"
#include "notify/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool near_v4(const char *text)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    assert_int_equal(inet_pton(AF_INET, text, &a.sin_addr), 1);
    return target_is_near((const struct sockaddr *)&a);
}

static bool near_v6(const char *text)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
    assert_int_equal(inet_pton(AF_INET6, text, &a.sin6_addr), 1);
    return target_is_near((const struct sockaddr *)&a);
}

static void test_addresses_of_this_machine_and_its_link_are_near(void **state)
{
    static const char *const v4[] = { "127.0.0.1", "127.255.0.9", "0.0.0.0", "169.254.169.254", "224.0.0.1",
                                      "255.255.255.255", "100.100.100.200", "168.63.129.16" };
    static const char *const v6[] = { "::1", "::", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1",
                                      "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "fd00:ec2::254", "fec0::1",
                                      "::ffff:0:127.0.0.1", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::" };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(v4); i++) assert_true(near_v4(v4[i]));
    for (size_t i = 0; i < ARRAY_LEN(v6); i++) assert_true(near_v6(v6[i]));
}

static void test_the_world_and_private_networks_are_not_near(void **state)
{
    (void)state;
    assert_false(near_v4("203.0.113.7"));
    assert_false(near_v4("192.0.2.1"));
    assert_false(near_v4("198.51.100.1"));
    assert_false(near_v6("2001:db8::7"));
    assert_false(near_v6("::ffff:203.0.113.7"));
    assert_false(near_v6("64:ff9b::cb00:7107"));
    assert_false(near_v6("64:ff9b:1:cb00:71:700:cb00:7107"));
}

static void test_urls_are_of_their_scheme_without_a_user_or_a_near_host(void **state)
{
    static const char *const good[] = { "https://example.com", "http://example.com:8080/x?y=z",
                                        "https://[2001:db8::1]:443/" };
    static const char *const bad[] = { "", "ftp://example.com", "https://", "https://u:p@example.com/",
                                       "https://example.com:0/", "https://example.com:99999/", "https://a b/",
                                       "https://127.1/", "http://2130706433/", "https://localhost/",
                                       "https://[::1]/", "https://[::1", "https://a\\@b/",
                                       "smtp://example.com" };
    struct why why;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(is_ok(target_check(str_c(good[i]), "http", false, &why)));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(target_check(str_c(bad[i]), "http", false, &why).code, E_INVALID);
    assert_true(is_ok(target_check(STR("http://localhost:1/"), "http", true, &why)));
    assert_true(is_ok(target_check(STR("smtps://mail.example.com:465"), "smtp", false, &why)));
    assert_int_equal(target_check(STR("smtp://mail.example.com/x"), "smtp", false, &why).code, E_INVALID);
}

/* Made by Python's hmac module. */
static void test_a_signature_is_what_others_make_of_the_same(void **state)
{
    char text[SIGNATURE_TEXT];
    (void)state;
    signature_make(STR("0123456789abcdef"), 1700000000, bytes_of("{\"a\":1}", 7), text);
    assert_string_equal(text, "v1=9eb18f493f8ec135d9eb2dad817c369bb4e9cbfa818657897a7437c1cd8c3a23");
    signature_make(STR("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
                       "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"), 1, bytes_of("", 0), text);
    assert_string_equal(text, "v1=f380fa061ddac7555fce09c4f9d5ba3c4d7eb9115eaa097dd2c14988a18ae793");
}

static void test_a_mail_has_encoded_words_and_no_line_that_is_long(void **state)
{
    struct buf out;
    char text[4096];
    const struct str to[] = { STR("a@example.com"), STR("b@example.com") };
    const struct mail mail = { .from = STR("leat@example.com"), .to = to, .to_count = 2,
                               .id = STR("ad-1@example.com"),
                               .subject = STR("Fülle über 85 % und noch viel mehr, was hier in "
                                              "keine Zeile passt"),
                               .text = STR(".\nFrom x\n"), .at = 1700000000000 };
    (void)state;
    buf_init(&out, 1u << 16);
    mail_write(&mail, &out);
    assert_true(is_ok(buf_check(&out)) && str_copy(text, sizeof text, bytes_str(buf_bytes(&out))));
    assert_non_null(strstr(text, "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"));
    assert_non_null(strstr(text, "To: <a@example.com>,\r\n <b@example.com>\r\n"));
    assert_non_null(strstr(text, "Subject: =?UTF-8?B?"));
    assert_non_null(strstr(text, "\r\n\r\nLgpGcm9tIHgK\r\n"));
    for (char *line = text, *end; (end = strstr(line, "\r\n")); line = end + 2) assert_true(end - line <= 78);
    out.len = 0; /* what looks encoded is encoded: it is read as it stands */
    mail_write(&(struct mail){ .subject = STR("=?UTF-8?Q?x?=") }, &out);
    assert_non_null(memmem(out.data, out.len, "=?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?=", 32));
    buf_done(&out);
    assert_true(mail_address_is_sound(STR("a.b+c@example.com")));
    assert_false(mail_address_is_sound(STR("a@b@c")));
    assert_false(mail_address_is_sound(STR("a@b\r\nRCPT TO:<c@d>")));
    assert_false(mail_address_is_sound(STR("a@b>,<c@d")));
}

static void test_a_sealed_secret_opens_for_its_owner_and_key_alone(void **state)
{
    char folder[] = "/tmp/leat-seal-XXXXXX", path[64];
    struct seal *seal = NULL, *again = NULL;
    struct buf sealed, open;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/seal.key", folder);
    buf_init(&sealed, 4096);
    buf_init(&open, 4096);
    assert_true(is_ok(seal_open(folder, &seal)) && is_ok(seal_open(folder, &again)));
    assert_true(is_ok(seal_put(seal, STR("ac-1"), STR("a password"), &sealed)));
    assert_null(memmem(sealed.data, sealed.len, "password", 8));
    assert_true(is_ok(seal_get(again, STR("ac-1"), buf_bytes(&sealed), &open)));
    assert_true(str_eq(bytes_str(buf_bytes(&open)), STR("a password")));
    assert_int_equal(seal_get(again, STR("ac-2"), buf_bytes(&sealed), &open).code, E_CORRUPT);
    sealed.data[sealed.len - 1] ^= 1;
    assert_int_equal(seal_get(again, STR("ac-1"), buf_bytes(&sealed), &open).code, E_CORRUPT);
    sealed.data[sealed.len - 1] ^= 1;
    seal_close(again);
    assert_int_equal(unlink(path), 0);
    assert_true(is_ok(seal_open(folder, &again))); /* another key */
    assert_int_equal(seal_get(again, STR("ac-1"), buf_bytes(&sealed), &open).code, E_CORRUPT);
    assert_int_equal(truncate(path, 31), 0);
    seal_close(seal);
    assert_int_equal(seal_open(folder, &seal).code, E_CORRUPT);
    seal_close(again);
    buf_done(&sealed);
    buf_done(&open);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_of_this_machine_and_its_link_are_near),
        cmocka_unit_test(test_the_world_and_private_networks_are_not_near),
        cmocka_unit_test(test_urls_are_of_their_scheme_without_a_user_or_a_near_host),
        cmocka_unit_test(test_a_signature_is_what_others_make_of_the_same),
        cmocka_unit_test(test_a_mail_has_encoded_words_and_no_line_that_is_long),
        cmocka_unit_test(test_a_sealed_secret_opens_for_its_owner_and_key_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
