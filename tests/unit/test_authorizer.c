/* What lies around the rules of access control: the super user, clusters without authorisation, and
 * the bit field of authorised operations. */
#include "broker/authorizer.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct image *image;

static int setup(void **state)
{
    (void)state;
    if (failed(image_new(&image))) return 1;
    image->limits.authorise = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    image_free(image);
    return mem_outstanding() != 0;
}

static void allow(enum acl_operation op, enum acl_permission permission)
{
    struct acl acl = { RES_TOPIC, PAT_LITERAL, op, permission, STR("t"), STR("User:a"), STR("*") };
    assert_true(is_ok(acl_set_add(&image->acls, &acl)));
}

static bool may(struct str principal, enum acl_operation op)
{
    return authorizer_allows(image, principal, STR("h"), op, RES_TOPIC, STR("t"));
}

static void test_nobody_may_do_anything_without_an_entry(void **state)
{
    (void)state;
    assert_false(may(STR("User:a"), OP_READ));
    assert_false(authorizer_allows_any(image, STR("User:a"), STR("h"), OP_WRITE, RES_TOPIC));
    assert_int_equal(authorizer_operations(image, STR("User:a"), STR("h"), RES_TOPIC, STR("t")), 0);
}

static void test_the_super_user_may_do_everything_even_against_a_deny(void **state)
{
    (void)state;
    struct acl deny = { RES_TOPIC, PAT_LITERAL, OP_ALL, PERM_DENY, STR("*"), STR("User:*"), STR("*") };
    assert_true(is_ok(acl_set_add(&image->acls, &deny)));
    assert_true(may(AUTHORIZER_SUPER, OP_DELETE));
    assert_true(authorizer_allows_any(image, AUTHORIZER_SUPER, STR("h"), OP_WRITE, RES_TOPIC));
    assert_false(may(STR("User:a"), OP_DELETE));
}

static void test_names_like_the_super_users_are_not_it(void **state)
{
    (void)state;
    assert_false(may(STR("User:leat2"), OP_READ));
    assert_false(may(STR("User:lea"), OP_READ));
    assert_false(may(STR("user:leat"), OP_READ));
    assert_false(may(STR("leat"), OP_READ));
    assert_false(may(STR(""), OP_READ));
}

static void test_without_authorisation_everything_is_allowed(void **state)
{
    (void)state;
    image->limits.authorise = false;
    assert_true(may(STR("User:ANONYMOUS"), OP_DELETE));
}

static void test_the_bit_field_has_what_is_allowed_and_the_resource_knows(void **state)
{
    (void)state;
    allow(OP_READ, PERM_ALLOW);
    assert_int_equal(authorizer_operations(image, STR("User:a"), STR("h"), RES_TOPIC, STR("t")),
                     1 << OP_READ | 1 << OP_DESCRIBE);
    allow(OP_ALL, PERM_ALLOW);
    allow(OP_WRITE, PERM_DENY);
    int32_t bits = authorizer_operations(image, STR("User:a"), STR("h"), RES_TOPIC, STR("t"));
    assert_true((bits & 1 << OP_ALTER_CONFIGS) != 0);
    assert_true((bits & 1 << OP_WRITE) == 0);
    assert_true((bits & 1 << OP_IDEMPOTENT_WRITE) == 0); /* topics have no such operation */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_nobody_may_do_anything_without_an_entry),
        T(test_the_super_user_may_do_everything_even_against_a_deny),
        T(test_names_like_the_super_users_are_not_it),
        T(test_without_authorisation_everything_is_allowed),
        T(test_the_bit_field_has_what_is_allowed_and_the_resource_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
