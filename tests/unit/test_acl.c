/* The rules of access control, one table: entries, a question, the answer Kafka gives. */
#include "cluster/acl.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define TOPIC(pattern, name, who, op, perm)                                                        \
    { RES_TOPIC, PAT_##pattern, OP_##op, PERM_##perm, { name, sizeof(name) - 1 },                  \
      { who, sizeof(who) - 1 }, { "*", 1 } }

struct question {
    const char *what;
    struct acl entries[4];
    const char *principal, *host;
    enum acl_operation operation;
    const char *name;
    bool allowed;
};

static const struct question questions[] = {
    { "nothing is allowed without an entry", { { 0 } }, "User:a", "h", OP_READ, "t", false },
    { "a literal name is allowed", { TOPIC(LITERAL, "t", "User:a", READ, ALLOW) }, "User:a", "h",
      OP_READ, "t", true },
    { "another name is not", { TOPIC(LITERAL, "t", "User:a", READ, ALLOW) }, "User:a", "h",
      OP_READ, "tt", false },
    { "another principal is not", { TOPIC(LITERAL, "t", "User:a", READ, ALLOW) }, "User:b", "h",
      OP_READ, "t", false },
    { "User:* is everybody", { TOPIC(LITERAL, "t", "User:*", READ, ALLOW) }, "User:b", "h",
      OP_READ, "t", true },
    { "the name * is every topic", { TOPIC(LITERAL, "*", "User:a", READ, ALLOW) }, "User:a", "h",
      OP_READ, "anything", true },
    { "a prefix holds for what begins with it", { TOPIC(PREFIXED, "pay", "User:a", WRITE, ALLOW) },
      "User:a", "h", OP_WRITE, "payments", true },
    { "a prefix holds for itself", { TOPIC(PREFIXED, "pay", "User:a", WRITE, ALLOW) }, "User:a",
      "h", OP_WRITE, "pay", true },
    { "a prefix does not hold for what is shorter",
      { TOPIC(PREFIXED, "pay", "User:a", WRITE, ALLOW) }, "User:a", "h", OP_WRITE, "pa", false },
    { "deny wins over allow",
      { TOPIC(LITERAL, "*", "User:a", READ, ALLOW), TOPIC(LITERAL, "t", "User:a", READ, DENY) },
      "User:a", "h", OP_READ, "t", false },
    { "deny of a prefix wins over a literal allow",
      { TOPIC(LITERAL, "secret.x", "User:a", READ, ALLOW),
        TOPIC(PREFIXED, "secret.", "User:*", ALL, DENY) },
      "User:a", "h", OP_READ, "secret.x", false },
    { "read implies describe", { TOPIC(LITERAL, "t", "User:a", READ, ALLOW) }, "User:a", "h",
      OP_DESCRIBE, "t", true },
    { "alter implies describe", { TOPIC(LITERAL, "t", "User:a", ALTER, ALLOW) }, "User:a", "h",
      OP_DESCRIBE, "t", true },
    { "create does not imply describe", { TOPIC(LITERAL, "t", "User:a", CREATE, ALLOW) }, "User:a",
      "h", OP_DESCRIBE, "t", false },
    { "alter configs implies describe configs",
      { TOPIC(LITERAL, "t", "User:a", ALTER_CONFIGS, ALLOW) }, "User:a", "h", OP_DESCRIBE_CONFIGS,
      "t", true },
    { "describe does not imply read", { TOPIC(LITERAL, "t", "User:a", DESCRIBE, ALLOW) }, "User:a",
      "h", OP_READ, "t", false },
    { "all covers all", { TOPIC(LITERAL, "t", "User:a", ALL, ALLOW) }, "User:a", "h", OP_DELETE,
      "t", true },
    { "deny of read does not deny describe",
      { TOPIC(LITERAL, "t", "User:a", ALL, ALLOW), TOPIC(LITERAL, "t", "User:a", READ, DENY) },
      "User:a", "h", OP_DESCRIBE, "t", true },
    { "deny of all denies describe",
      { TOPIC(LITERAL, "t", "User:a", READ, ALLOW), TOPIC(LITERAL, "t", "User:a", ALL, DENY) },
      "User:a", "h", OP_DESCRIBE, "t", false },
};

static void test_every_question_gets_kafkas_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        const struct question *q = &questions[i];
        struct acl_set set = { 0 };
        for (size_t k = 0; k < 4 && q->entries[k].name.data; k++)
            assert_true(is_ok(acl_set_add(&set, &q->entries[k])));
        bool allowed = acl_allows(&set, str_c(q->principal), str_c(q->host), q->operation,
                                  RES_TOPIC, str_c(q->name));
        if (allowed != q->allowed) fail_msg("%s", q->what);
        acl_set_done(&set);
    }
}

static void test_an_entry_for_one_host_holds_for_that_host_alone(void **state)
{
    (void)state;
    struct acl_set set = { 0 };
    struct acl acl = TOPIC(LITERAL, "t", "User:a", READ, ALLOW);
    acl.host = STR("10.0.0.1");
    assert_true(is_ok(acl_set_add(&set, &acl)));
    assert_true(acl_allows(&set, STR("User:a"), STR("10.0.0.1"), OP_READ, RES_TOPIC, STR("t")));
    assert_false(acl_allows(&set, STR("User:a"), STR("10.0.0.2"), OP_READ, RES_TOPIC, STR("t")));
    acl_set_done(&set);
}

static void test_an_entry_for_topics_says_nothing_of_groups(void **state)
{
    (void)state;
    struct acl_set set = { 0 };
    struct acl acl = TOPIC(LITERAL, "x", "User:a", ALL, ALLOW);
    assert_true(is_ok(acl_set_add(&set, &acl)));
    assert_false(acl_allows(&set, STR("User:a"), STR("h"), OP_READ, RES_GROUP, STR("x")));
    acl_set_done(&set);
}

static void test_adding_twice_keeps_one_and_removing_takes_exactly_it(void **state)
{
    (void)state;
    struct acl_set set = { 0 };
    struct acl a = TOPIC(LITERAL, "t", "User:a", READ, ALLOW);
    struct acl b = TOPIC(LITERAL, "t", "User:a", WRITE, ALLOW);
    assert_true(is_ok(acl_set_add(&set, &a)));
    assert_true(is_ok(acl_set_add(&set, &a)));
    assert_true(is_ok(acl_set_add(&set, &b)));
    assert_int_equal(set.count, 2);
    assert_true(acl_set_remove(&set, &a));
    assert_false(acl_set_remove(&set, &a));
    assert_false(acl_allows(&set, STR("User:a"), STR("h"), OP_READ, RES_TOPIC, STR("t")));
    assert_true(acl_allows(&set, STR("User:a"), STR("h"), OP_WRITE, RES_TOPIC, STR("t")));
    acl_set_done(&set);
}

/* The fast way (many prefixes) must say what the plain one says. */
static void test_many_prefixes_answer_like_few(void **state)
{
    (void)state;
    struct acl_set set = { 0 };
    char name[32];
    for (int i = 0; i < 200; i++) {
        struct acl acl = TOPIC(PREFIXED, "", "User:a", READ, ALLOW);
        snprintf(name, sizeof(name), "p%03d.", i);
        acl.name = str_c(name);
        assert_true(is_ok(acl_set_add(&set, &acl)));
    }
    assert_true(acl_allows(&set, STR("User:a"), STR("h"), OP_READ, RES_TOPIC, STR("p117.x")));
    assert_false(acl_allows(&set, STR("User:a"), STR("h"), OP_READ, RES_TOPIC, STR("p200.x")));
    assert_false(acl_allows(&set, STR("User:a"), STR("h"), OP_READ, RES_TOPIC, STR("p11")));
    acl_set_done(&set);
}

static bool any(struct acl_set *set, enum acl_operation op)
{
    return acl_allows_any(set, STR("User:a"), STR("h"), op, RES_TOPIC);
}

static void test_some_topic_is_allowed_unless_a_deny_covers_it(void **state)
{
    (void)state;
    struct acl_set set = { 0 };
    struct acl allow = TOPIC(PREFIXED, "pay", "User:a", WRITE, ALLOW);
    struct acl deny_other = TOPIC(LITERAL, "payments", "User:a", WRITE, DENY);
    struct acl deny_prefix = TOPIC(PREFIXED, "pa", "User:a", WRITE, DENY);
    assert_false(any(&set, OP_WRITE));
    assert_true(is_ok(acl_set_add(&set, &allow)));
    assert_true(any(&set, OP_WRITE));
    assert_true(is_ok(acl_set_add(&set, &deny_other)));
    assert_true(any(&set, OP_WRITE)); /* pay-something is left */
    assert_true(is_ok(acl_set_add(&set, &deny_prefix)));
    assert_false(any(&set, OP_WRITE));
    acl_set_done(&set);
}

static struct acl filter(enum acl_pattern pattern, struct str name)
{
    return (struct acl){ RES_TOPIC, pattern, OP_ANY, PERM_ANY, name, STR_NULL, STR_NULL };
}

static void test_filters_match_as_in_describe_acls(void **state)
{
    (void)state;
    struct acl literal = TOPIC(LITERAL, "payments", "User:a", READ, ALLOW);
    struct acl prefixed = TOPIC(PREFIXED, "pay", "User:a", READ, ALLOW);
    struct acl star = TOPIC(LITERAL, "*", "User:a", READ, ALLOW);
    struct acl f = filter(PAT_ANY, STR_NULL);
    assert_true(acl_matches(&f, &literal) && acl_matches(&f, &prefixed) && acl_matches(&f, &star));
    f = filter(PAT_MATCH, STR("payments"));
    assert_true(acl_matches(&f, &literal) && acl_matches(&f, &prefixed) && acl_matches(&f, &star));
    f = filter(PAT_LITERAL, STR("payments"));
    assert_true(acl_matches(&f, &literal) && !acl_matches(&f, &prefixed));
    f = filter(PAT_PREFIXED, STR("pay"));
    assert_true(!acl_matches(&f, &literal) && acl_matches(&f, &prefixed));
    f = filter(PAT_ANY, STR_NULL);
    f.principal = STR("User:b");
    assert_false(acl_matches(&f, &literal));
    f.principal = STR("User:a");
    f.operation = OP_WRITE;
    assert_false(acl_matches(&f, &literal));
    f.operation = OP_READ;
    f.permission = PERM_DENY;
    assert_false(acl_matches(&f, &literal));
}

static void test_names_are_read_as_they_are_written(void **state)
{
    (void)state;
    for (int i = OP_ANY; i <= OP_TWO_PHASE_COMMIT; i++)
        assert_int_equal(acl_operation_of(str_c(acl_operation_name((enum acl_operation)i))), i);
    assert_int_equal(acl_resource_of(STR("topic")), RES_TOPIC);
    assert_int_equal(acl_resource_of(STR("nonsense")), RES_UNKNOWN);
    assert_int_equal(acl_pattern_of(STR("PREFIXED")), PAT_PREFIXED);
    assert_int_equal(acl_permission_of(STR("Deny")), PERM_DENY);
    assert_string_equal(acl_permission_name((enum acl_permission)99), "UNKNOWN");
}

static int nothing_leaks(void **state)
{
    (void)state;
    return mem_outstanding() != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_question_gets_kafkas_answer),
        cmocka_unit_test(test_an_entry_for_one_host_holds_for_that_host_alone),
        cmocka_unit_test(test_an_entry_for_topics_says_nothing_of_groups),
        cmocka_unit_test(test_adding_twice_keeps_one_and_removing_takes_exactly_it),
        cmocka_unit_test(test_many_prefixes_answer_like_few),
        cmocka_unit_test(test_some_topic_is_allowed_unless_a_deny_covers_it),
        cmocka_unit_test(test_filters_match_as_in_describe_acls),
        cmocka_unit_test(test_names_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, nothing_leaks);
}
