/* The rules of CreateAcls, DeleteAcls and DescribeAcls: what may be an entry, what a filter matches,
 * and how the answers are made. */
#include "cluster/admin_acls.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct arena arena;
static struct acl_set set;

static void add(enum acl_resource type, enum acl_pattern pattern, const char *name, enum acl_operation op)
{
    assert_true(is_ok(acl_set_add(&set, &(struct acl){ type, pattern, op, PERM_ALLOW, str_c(name),
                                                       STR("User:a"), STR("*") })));
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    set = (struct acl_set){ 0 };
    add(RES_TOPIC, PAT_LITERAL, "foo", OP_READ);
    add(RES_TOPIC, PAT_LITERAL, "foo", OP_WRITE);
    add(RES_TOPIC, PAT_LITERAL, "*", OP_READ);
    add(RES_TOPIC, PAT_PREFIXED, "f", OP_READ);
    add(RES_TOPIC, PAT_PREFIXED, "foobar", OP_READ);
    add(RES_GROUP, PAT_LITERAL, "foo", OP_READ);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    acl_set_done(&set);
    return mem_outstanding() != 0;
}

static size_t matches(enum acl_resource type, enum acl_pattern pattern, const char *name,
                      enum acl_operation operation)
{
    struct acl filter = { type, pattern, operation, PERM_ANY, str_c(name), STR_NULL, STR_NULL };
    size_t n = 0;
    for (size_t i = 0; i < set.count; i++) n += acl_matches(&filter, set.items[i]);
    return n;
}

static void test_a_filter_matches_as_kafka_says(void **state)
{
    (void)state;
    static const struct {
        enum acl_resource type;
        enum acl_pattern pattern;
        const char *name;
        enum acl_operation operation;
        size_t count;
    } table[] = {
        { RES_ANY, PAT_ANY, NULL, OP_ANY, 6 },
        { RES_TOPIC, PAT_ANY, NULL, OP_ANY, 5 },
        { RES_TOPIC, PAT_ANY, "foo", OP_ANY, 2 },       /* any pattern, but this very name */
        { RES_TOPIC, PAT_LITERAL, "foo", OP_READ, 1 },
        { RES_TOPIC, PAT_MATCH, "foo", OP_ANY, 4 },     /* all that hold for the topic foo */
        { RES_TOPIC, PAT_MATCH, "foobarbaz", OP_ANY, 3 },
        { RES_TOPIC, PAT_MATCH, "bar", OP_ANY, 1 },
        { RES_TOPIC, PAT_PREFIXED, "foo", OP_ANY, 0 },
        { RES_TOPIC, PAT_PREFIXED, NULL, OP_ANY, 2 },
        { RES_TOPIC, PAT_MATCH, NULL, OP_ANY, 5 },
        { RES_ANY, PAT_LITERAL, "foo", OP_READ, 2 },
        { RES_ANY, PAT_ANY, NULL, OP_ALTER, 0 },
        { RES_USER, PAT_ANY, NULL, OP_ANY, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        assert_int_equal(matches(table[i].type, table[i].pattern, table[i].name, table[i].operation),
                         table[i].count);
}

typedef struct create_acls_request_acl_creation creation;
static const creation good = { .resource_type = RES_TOPIC, .resource_name = { "t", 1 },
                               .resource_pattern_type = PAT_LITERAL, .principal = { "User:a", 6 },
                               .host = { "*", 1 }, .operation = OP_READ,
                               .permission_type = PERM_ALLOW };

static int16_t create(creation c)
{
    struct create_acls_request request = { .creations = &c, .creations_count = 1 };
    struct create_acls_response response;
    struct acl_plan plan;
    assert_true(is_ok(plan_acls_create(0, &request, &arena, &response, &plan)));
    assert_int_equal(response.results_count, 1);
    int16_t code = response.results[0].error_code;
    assert_int_equal(plan.count, code == 0);
    assert_int_equal(str_is_empty(response.results[0].error_message), code == 0);
    return code;
}
#define WITH(field, value) ({ creation c_ = good; c_.field = value; create(c_); })

static void test_an_entry_is_checked_as_kafka_does(void **state)
{
    (void)state;
    assert_int_equal(create(good), 0);
    for (int8_t type = RES_TOPIC; type <= RES_USER; type++)
        if (type != RES_CLUSTER) assert_int_equal(WITH(resource_type, type), 0);
    assert_int_equal(WITH(resource_type, RES_ANY), 42);
    assert_int_equal(WITH(resource_type, 99), 42);
    assert_int_equal(WITH(resource_type, RES_CLUSTER), 42); /* not named kafka-cluster */
    assert_int_equal(WITH(resource_pattern_type, PAT_PREFIXED), 0);
    assert_int_equal(WITH(resource_pattern_type, PAT_MATCH), 42);
    assert_int_equal(WITH(resource_pattern_type, PAT_ANY), 42);
    assert_int_equal(WITH(operation, OP_ANY), 42);
    assert_int_equal(WITH(operation, 77), 42);
    assert_int_equal(WITH(operation, OP_CREATE_TOKENS), 0); /* Kafka does not ask whether it fits */
    assert_int_equal(WITH(permission_type, PERM_ANY), 42);
    assert_int_equal(WITH(resource_name, STR("")), 42);
    assert_int_equal(WITH(principal, STR("nobody")), 42);
    assert_int_equal(WITH(principal, STR("Group:x")), 0);
    assert_int_equal(WITH(host, STR("")), 42);
    assert_int_equal(WITH(resource_name, STR("caf\xc3\xa9")), 0);
    assert_int_equal(WITH(resource_name, STR("caf\xe9")), 42); /* not UTF-8 */
    assert_int_equal(WITH(resource_name, STR("a\0b")), 42);
}

static void test_a_full_cluster_takes_no_more(void **state)
{
    (void)state;
    creation two[] = { good, good };
    struct create_acls_request request = { .creations = two, .creations_count = 2 };
    struct create_acls_response response;
    struct acl_plan plan;
    assert_true(is_ok(plan_acls_create(ADMIN_ACLS_MAX - 1, &request, &arena, &response, &plan)));
    assert_int_equal(response.results[0].error_code, 0);
    assert_int_equal(response.results[1].error_code, 44);
    assert_int_equal(plan.count, 1);
}

static void test_an_entry_that_two_filters_match_is_told_twice_and_goes_once(void **state)
{
    (void)state;
    struct delete_acls_request_delete_acls_filter filters[] = {
        { RES_TOPIC, STR("foo"), PAT_LITERAL, STR_NULL, STR_NULL, OP_ANY, PERM_ANY },
        { RES_TOPIC, STR("foo"), PAT_MATCH, STR_NULL, STR_NULL, OP_READ, PERM_ALLOW },
        { RES_UNKNOWN, STR_NULL, PAT_ANY, STR_NULL, STR_NULL, OP_ANY, PERM_ANY },
        { RES_GROUP, STR("none"), PAT_ANY, STR_NULL, STR_NULL, OP_ANY, PERM_ANY },
    };
    struct delete_acls_request request = { filters, ARRAY_LEN(filters) };
    struct delete_acls_response response;
    struct acl_plan plan;
    assert_true(is_ok(plan_acls_delete(&set, &request, &arena, &response, &plan)));
    assert_int_equal(response.filter_results[0].matching_acls_count, 2);
    assert_int_equal(response.filter_results[1].matching_acls_count, 3);
    assert_int_equal(response.filter_results[2].error_code, 42);
    assert_int_equal(response.filter_results[3].error_code, 0);
    assert_int_equal(response.filter_results[3].matching_acls_count, 0);
    assert_int_equal(plan.count, 4);
    for (size_t i = 0; i < plan.count; i++) assert_true(acl_set_remove(&set, &plan.acls[i]));
    assert_int_equal(set.count, 2);
}

static void test_a_description_has_one_row_a_resource(void **state)
{
    (void)state;
    struct acl filter = { RES_TOPIC, PAT_ANY, OP_ANY, PERM_ANY, STR_NULL, STR_NULL, STR_NULL };
    struct describe_acls_response response;
    wire_default(&describe_acls_response_message, &response);
    assert_true(is_ok(acls_describe(&set, &filter, &arena, &response)));
    assert_int_equal(response.resources_count, 4);
    int32_t entries = 0;
    for (int32_t i = 0; i < 4; i++) {
        bool foo = str_eq(response.resources[i].resource_name, STR("foo"));
        assert_int_equal(response.resources[i].acls_count, foo ? 2 : 1);
        entries += response.resources[i].acls_count;
    }
    assert_int_equal(entries, 5);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_filter_matches_as_kafka_says),
        T(test_an_entry_is_checked_as_kafka_does),
        T(test_a_full_cluster_takes_no_more),
        T(test_an_entry_that_two_filters_match_is_told_twice_and_goes_once),
        T(test_a_description_has_one_row_a_resource),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
