/* The rules of AlterClientQuotas and DescribeClientQuotas: entities, keys, values and filters as Kafka
 * takes them. */
#include "cluster/admin_quotas.h"

#include "base/mem.h"
#include "cluster/delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <math.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    return mem_outstanding() != 0;
}

/* --- alter ------------------------------------------------------------------------------------------ */

typedef struct alter_client_quotas_request_entity_data entity;
typedef struct alter_client_quotas_request_op_data op;
typedef struct alter_client_quotas_request_entry_data entry;

/* The one entity there is: user "there" with producer_byte_rate 7. */
static bool find(void *arg, const struct quota *asked, struct quota *ret)
{
    (void)arg;
    if (!asked->has_user || asked->has_client_id || !str_eq_c(asked->user, "there")) return false;
    quota_init(ret);
    ret->producer_byte_rate = 7;
    return true;
}

static struct quota_plan plan;
static int16_t alter_all(entry *entries, int32_t n, bool validate_only, int32_t look_at)
{
    struct quota_facts facts = { .find = find };
    struct alter_client_quotas_request request = { entries, n, validate_only };
    struct alter_client_quotas_response response;
    assert_true(is_ok(plan_quotas_alter(&facts, &request, &arena, &response, &plan)));
    assert_int_equal(response.entries_count, n);
    return response.entries[look_at].error_code;
}

static int16_t alter(const char *type, struct str name, const char *key, double value)
{
    entity part = { str_c(type), name };
    op o = { str_c(key), value, false };
    return alter_all(&(entry){ &part, 1, &o, 1 }, 1, false, 0);
}

static void test_entities_are_users_clients_and_addresses(void **state)
{
    (void)state;
    assert_int_equal(alter("user", STR("a"), "producer_byte_rate", 1), 0);
    assert_int_equal(alter("user", STR_NULL, "consumer_byte_rate", 1), 0);
    assert_int_equal(alter("client-id", STR("a"), "request_percentage", 0.5), 0);
    assert_int_equal(alter("client-id", STR_NULL, "controller_mutation_rate", 0.5), 0);
    assert_int_equal(alter("ip", STR("192.0.2.1"), "connection_creation_rate", 3), 0);
    assert_int_equal(alter("ip", STR("2001:db8::1"), "connection_creation_rate", 3), 0);
    assert_int_equal(alter("ip", STR_NULL, "connection_creation_rate", 3), 0);
    assert_int_equal(alter("ip", STR("not an address"), "connection_creation_rate", 3), 42);
    assert_int_equal(alter("ip", STR("192.0.2.1"), "producer_byte_rate", 3), 42);
    assert_int_equal(alter("user", STR("a"), "connection_creation_rate", 3), 42);
    assert_int_equal(alter("user", STR(""), "producer_byte_rate", 3), 42);
    assert_int_equal(alter("group", STR("a"), "producer_byte_rate", 3), 42);
    assert_int_equal(alter_all(&(entry){ NULL, 0, NULL, 0 }, 1, false, 0), 42);
    entity both[] = { { STR("user"), STR("a") }, { STR("client-id"), STR("b") } };
    op o = { STR("producer_byte_rate"), 1, false };
    assert_int_equal(alter_all(&(entry){ both, 2, &o, 1 }, 1, false, 0), 0);
    assert_true(plan.quotas[0].has_user && plan.quotas[0].has_client_id);
    both[1] = (entity){ STR("ip"), STR("192.0.2.1") };
    assert_int_equal(alter_all(&(entry){ both, 2, &o, 1 }, 1, false, 0), 42);
}

static void test_values_are_above_zero_and_whole_where_kafka_wants_it(void **state)
{
    (void)state;
    assert_int_equal(alter("user", STR("a"), "producer_byte_rate", 0), 42);
    assert_int_equal(alter("user", STR("a"), "producer_byte_rate", -5), 42);
    assert_int_equal(alter("user", STR("a"), "producer_byte_rate", 1.5), 42);
    assert_int_equal(alter("user", STR("a"), "producer_byte_rate", 1e30), 42);
    assert_int_equal(alter("user", STR("a"), "request_percentage", 1.5), 0);
    assert_int_equal(alter("user", STR("a"), "request_percentage", (double)NAN), 42);
    assert_int_equal(alter("user", STR("a"), "request_percentage", (double)INFINITY), 42);
    assert_int_equal(alter("ip", STR_NULL, "connection_creation_rate", 2.5), 42);
    assert_int_equal(alter("user", STR("a"), "no_such_rate", 1), 42);
}

static void test_a_change_keeps_the_other_rates_and_an_empty_entity_goes(void **state)
{
    (void)state;
    assert_int_equal(alter("user", STR("there"), "consumer_byte_rate", 9), 0);
    assert_int_equal(plan.count, 1);
    assert_true(plan.quotas[0].producer_byte_rate == 7 && plan.quotas[0].consumer_byte_rate == 9);
    assert_int_equal(alter("user", STR("there"), "producer_byte_rate", 7), 0);
    assert_int_equal(plan.count, 0); /* as it is */
    entity part = { STR("user"), STR("there") };
    op gone = { STR("producer_byte_rate"), 0, true };
    assert_int_equal(alter_all(&(entry){ &part, 1, &gone, 1 }, 1, false, 0), 0);
    assert_true(quota_is_empty(&plan.quotas[0]));
    op twice[] = { { STR("producer_byte_rate"), 1, false }, { STR("producer_byte_rate"), 0, true } };
    assert_int_equal(alter_all(&(entry){ &part, 1, twice, 2 }, 1, false, 0), 42);
    entry same[] = { { &part, 1, &gone, 1 }, { &part, 1, &gone, 1 } };
    assert_int_equal(alter_all(same, 2, false, 1), 42);
    assert_int_equal(plan.count, 1);
    assert_int_equal(alter_all(same, 1, true, 0), 0); /* validate_only */
    assert_int_equal(plan.count, 0);
}

/* --- describe --------------------------------------------------------------------------------------- */

static struct quota list[5], *quotas;
static void make_list(void)
{
    quotas = NULL;
    for (size_t i = 0; i < ARRAY_LEN(list); i++) quota_init(&list[i]);
    list[0].has_user = true;
    list[0].user = STR("a");
    list[0].producer_byte_rate = 1;
    list[0].request_percentage = 2;
    list[1].has_user = true; /* default */
    list[1].producer_byte_rate = 1;
    list[2].has_user = list[2].has_client_id = true;
    list[2].user = STR("a");
    list[2].client_id = STR("c");
    list[2].producer_byte_rate = 1;
    list[3].has_client_id = true;
    list[3].producer_byte_rate = 1;
    list[4].has_ip = true;
    list[4].ip = STR("192.0.2.1");
    list[4].connection_creation_rate = 1;
    for (size_t i = 0; i < ARRAY_LEN(list); i++) DL_APPEND(quotas, &list[i]);
}

typedef struct describe_client_quotas_request_component_data component;
enum { EXACT, DEFAULT, SPECIFIED };
static struct describe_client_quotas_response told;
static int describe(component *components, int32_t n, bool strict)
{
    struct describe_client_quotas_request request = { components, n, strict };
    struct why why = { "" };
    wire_default(&describe_client_quotas_response_message, &told);
    status s = quotas_describe(quotas, &request, &arena, &told, &why);
    if (is_ok(s)) return told.entries_count;
    assert_true(why.text[0] != 0);
    return -status_kafka(s);
}

static void test_filters_are_exact_default_any_and_strict(void **state)
{
    (void)state;
    make_list();
    component user_a = { STR("user"), EXACT, STR("a") }, default_user = { STR("user"), DEFAULT, STR_NULL };
    component any_user = { STR("user"), SPECIFIED, STR_NULL }, ip = { STR("ip"), SPECIFIED, STR_NULL };
    component any_client = { STR("client-id"), SPECIFIED, STR_NULL };
    assert_int_equal(describe(NULL, 0, false), 5);
    assert_int_equal(describe(NULL, 0, true), 0);
    assert_int_equal(describe(&user_a, 1, false), 2);
    assert_int_equal(describe(&user_a, 1, true), 1);
    assert_int_equal(told.entries[0].values_count, 2);
    assert_int_equal(describe(&default_user, 1, false), 1);
    assert_true(str_is_null(told.entries[0].entity[0].entity_name));
    assert_int_equal(describe(&any_user, 1, false), 3);
    assert_int_equal(describe(&any_user, 1, true), 2);
    assert_int_equal(describe(&ip, 1, true), 1);
    assert_int_equal(describe((component[]){ user_a, any_client }, 2, true), 1);
    assert_int_equal(describe((component[]){ any_user, any_client }, 2, false), 1);
}

static void test_filters_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    make_list();
    component user = { STR("user"), EXACT, STR("a") }, ip = { STR("ip"), SPECIFIED, STR_NULL };
    assert_int_equal(describe((component[]){ user, user }, 2, false), -42);
    assert_int_equal(describe((component[]){ user, ip }, 2, false), -42);
    assert_int_equal(describe(&(component){ STR("user"), EXACT, STR_NULL }, 1, false), -42);
    assert_int_equal(describe(&(component){ STR("user"), DEFAULT, STR("a") }, 1, false), -42);
    assert_int_equal(describe(&(component){ STR("user"), 3, STR("a") }, 1, false), -42);
    assert_int_equal(describe(&(component){ STR(""), EXACT, STR("a") }, 1, false), -42);
    assert_int_equal(describe(&(component){ STR("group"), EXACT, STR("a") }, 1, false), -35);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_entities_are_users_clients_and_addresses),
        T(test_values_are_above_zero_and_whole_where_kafka_wants_it),
        T(test_a_change_keeps_the_other_rates_and_an_empty_entity_goes),
        T(test_filters_are_exact_default_any_and_strict),
        T(test_filters_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
