/* Where a role reaches: scopes that hold each other, and the decision over several bindings. The rows of
 * the database are read by tests/api. */
#include "identity/roles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct role_scope at(const char *environment, const char *cluster, enum role_resource resource,
                            const char *name, bool prefixed)
{
    return (struct role_scope){ str_c(environment), str_c(cluster), resource, str_c(name), prefixed };
}

static bool holds(struct role_scope outer, struct role_scope inner)
{
    return role_scope_holds(&outer, &inner);
}

static bool may(struct role_held *held, size_t count, enum permission permission, struct role_scope target)
{
    const struct roles roles = { held, count };
    return roles_allow(&roles, permission, &target);
}

static void test_a_scope_holds_what_lies_in_it_and_nothing_beside_it(void **state)
{
    (void)state;
    struct role_scope all = at("", "", RESOURCE_NONE, "", false),
                      env = at("env-a", "", RESOURCE_NONE, "", false),
                      cluster = at("env-a", "lkc-1", RESOURCE_NONE, "", false),
                      topic = at("env-a", "lkc-1", RESOURCE_TOPIC, "orders", false),
                      prefix = at("env-a", "lkc-1", RESOURCE_TOPIC, "ord", true),
                      group = at("env-a", "lkc-1", RESOURCE_GROUP, "orders", false),
                      other = at("env-a", "lkc-2", RESOURCE_TOPIC, "orders", false);
    const struct role_scope chain[] = { all, env, cluster, prefix, topic };
    for (size_t i = 0; i < ARRAY_LEN(chain); i++) {
        for (size_t k = 0; k < ARRAY_LEN(chain); k++) assert_int_equal(holds(chain[i], chain[k]), i <= k);
    }
    assert_false(holds(prefix, group) || holds(topic, group));
    assert_false(holds(cluster, other) || holds(prefix, other));
    assert_false(holds(env, at("env-b", "lkc-1", RESOURCE_NONE, "", false)));
    assert_true(holds(at("env-a", "lkc-1", RESOURCE_TOPIC, "", true), topic));
    assert_false(holds(prefix, at("env-a", "lkc-1", RESOURCE_TOPIC, "or", true)));
}

static void test_a_role_gives_its_permissions_in_its_scope_alone(void **state)
{
    (void)state;
    struct role_scope topic = at("env-a", "lkc-1", RESOURCE_TOPIC, "orders", false),
                      cluster = at("env-a", "lkc-1", RESOURCE_NONE, "", false),
                      other = at("env-a", "lkc-2", RESOURCE_NONE, "", false);
    struct role_held held[] = { { ROLE_DEVELOPER_READ, topic }, { ROLE_OPERATOR, other } };
    assert_true(may(held, 2, MAY_TOPIC_READ, topic));
    assert_false(may(held, 2, MAY_TOPIC_WRITE, topic) || may(held, 2, MAY_TOPIC_READ, cluster));
    assert_true(may(held, 2, MAY_CLUSTER_OPERATE, other));
    assert_false(may(held, 2, MAY_CLUSTER_OPERATE, cluster));
    assert_false(may(held, 0, MAY_VIEW, cluster));
}

static void test_seeing_reaches_outwards_and_doing_does_not(void **state)
{
    (void)state;
    struct role_scope organisation = at("", "", RESOURCE_NONE, "", false),
                      environment = at("env-a", "", RESOURCE_NONE, "", false),
                      topic = at("env-a", "lkc-1", RESOURCE_TOPIC, "orders", false);
    struct role_held held[] = { { ROLE_RESOURCE_OWNER, topic } };
    assert_true(may(held, 1, MAY_VIEW, organisation) && may(held, 1, MAY_VIEW, environment));
    assert_false(may(held, 1, MAY_ROLE_GRANT, environment));
    assert_false(may(held, 1, MAY_VIEW, at("env-b", "", 0, "", 0)));
}

static void test_the_administrator_has_every_permission_and_nobody_else_has(void **state)
{
    (void)state;
    for (int r = 0; r < ROLE_COUNT; r++) {
        int given = 0;
        for (int p = 0; p < PERMISSION_COUNT; p++)
            given += permission_given((enum permission)p, (enum role)r);
        assert_int_equal(given == PERMISSION_COUNT, r == ROLE_ORGANIZATION_ADMIN);
        assert_true(given > 0 && role_levels((enum role)r) && role_what((enum role)r)[0]);
        enum role found;
        assert_true(role_of(str_c(role_name((enum role)r)), &found) && (int)found == r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_scope_holds_what_lies_in_it_and_nothing_beside_it),
        cmocka_unit_test(test_a_role_gives_its_permissions_in_its_scope_alone),
        cmocka_unit_test(test_seeing_reaches_outwards_and_doing_does_not),
        cmocka_unit_test(test_the_administrator_has_every_permission_and_nobody_else_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
