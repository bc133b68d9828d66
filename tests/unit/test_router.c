/* Goal: one spelling of a path finds one route, and no other spelling finds any. Method: lookups in
 * the real table. */
#include "api/api.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

static struct arena arena;

static struct api_request lookup(enum api_method method, const char *path, enum err expected)
{
    struct api_request rq = { .method = method, .path = str_c(path), .arena = &arena };
    assert_int_equal(api_match(&rq).code, expected);
    return rq;
}

#define CLUSTER_PATH "/kafka/v3/clusters/lkc-1"

static void test_parameters_are_found_by_name(void **state)
{
    (void)state;
    struct api_request rq = lookup(GET, CLUSTER_PATH "/topics/orders/configs/retention.ms", E_OK);
    assert_string_equal(rq.route->operation, "getKafkaTopicConfig");
    assert_true(str_eq_c(api_param(&rq, "cluster_id"), "lkc-1"));
    assert_true(str_eq_c(api_param(&rq, "topic_name"), "orders"));
    assert_true(str_eq_c(api_param(&rq, "name"), "retention.ms"));
    assert_true(str_is_null(api_param(&rq, "topic")));
}

static void test_a_literal_wins_over_a_parameter(void **state)
{
    (void)state;
    struct api_request rq = lookup(GET, CLUSTER_PATH "/topics/-/configs", E_OK);
    assert_string_equal(rq.route->operation, "listKafkaAllTopicConfigs");
    rq = lookup(GET, CLUSTER_PATH "/topics/x/configs", E_OK);
    assert_string_equal(rq.route->operation, "listKafkaTopicConfigs");
}

static void test_v3_alone_is_the_kafka_dialect(void **state)
{
    (void)state;
    struct api_request rq = lookup(GET, "/v3/clusters/lkc-1/topics/a%2Fb", E_OK);
    assert_string_equal(rq.route->operation, "getKafkaTopic");
    assert_true(str_eq_c(api_param(&rq, "cluster_id"), "lkc-1"));
    assert_true(str_eq_c(api_param(&rq, "topic_name"), "a/b"));
    (void)lookup(GET, "/v3", E_NOT_FOUND);
    (void)lookup(GET, "/v3/clusters/", E_NOT_FOUND);
    (void)lookup(PUT, "/v3/clusters/lkc-1", E_UNSUPPORTED_VERSION);
}

static void test_a_verb_belongs_to_its_route(void **state)
{
    (void)state;
    struct api_request rq = lookup(POST, "/leat/v1/clusters/lkc-1:restart", E_OK);
    assert_string_equal(rq.route->operation, "restartCluster");
    assert_true(str_eq_c(api_param(&rq, "cluster_id"), "lkc-1"));
    rq = lookup(POST, CLUSTER_PATH "/topics/t/configs:alter", E_OK);
    assert_string_equal(rq.route->operation, "updateKafkaTopicConfigBatch");
    (void)lookup(GET, "/leat/v1/clusters/lkc-1:restart", E_UNSUPPORTED_VERSION);
    (void)lookup(POST, "/leat/v1/clusters/:restart", E_UNSUPPORTED_VERSION); /* an id, not a verb */
}

static void test_escapes_are_decoded_within_their_segment(void **state)
{
    (void)state;
    struct api_request rq = lookup(GET, CLUSTER_PATH "/consumer-groups/a%2Fb%20%C3%BC+c", E_OK);
    assert_true(str_eq_c(api_param(&rq, "consumer_group_id"), "a/b \xc3\xbc+c"));
}

static void test_broken_escapes_are_refused(void **state)
{
    (void)state;
    const char *const broken[] = { "%", "%4", "%zz", "%00", "%ff", "%c0%80", "%ed%a0%80", "%f4%90%80%80" };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        char path[100];
        snprintf(path, sizeof path, CLUSTER_PATH "/topics/%s", broken[i]);
        (void)lookup(GET, path, E_INVALID);
    }
}

static void test_other_spellings_are_other_paths(void **state)
{
    (void)state;
    const char *const paths[] = { "", "x", "/", "//healthz", "/healthz/", "/Healthz", "/health%7a",
                                  "/healthz;a", "/kafka//v3/clusters", "/kafka/v3/clusters/",
                                  "/kafka/v3/./clusters",
                                  "/kafka%2fv3/clusters", "/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a" };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) (void)lookup(GET, paths[i], E_NOT_FOUND);
}

static void test_another_method_is_told_apart_from_another_path(void **state)
{
    (void)state;
    (void)lookup(PUT, CLUSTER_PATH "/topics", E_UNSUPPORTED_VERSION);
    (void)lookup(DELETE, "/healthz", E_UNSUPPORTED_VERSION);
}

static void test_every_route_finds_itself(void **state)
{
    (void)state;
    size_t count;
    const struct api_route *routes = api_routes(&count);
    assert_true(count > 50);
    for (size_t i = 0; i < count; i++) {
        char path[256];
        size_t n = 0;
        for (const char *p = routes[i].path; *p; p++) { /* each {name} becomes "x" */
            if (*p == '{') {
                path[n++] = 'x';
                p = strchr(p, '}');
            } else {
                path[n++] = *p;
            }
        }
        path[n] = 0;
        struct api_request rq = lookup(routes[i].method, path, E_OK);
        assert_string_equal(rq.route->operation, routes[i].operation);
        arena_reset(&arena);
    }
}

static int teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    arena_init(&arena, 1 << 20);
    return mem_outstanding() == 0 ? 0 : -1;
}

int main(void)
{
    arena_init(&arena, 1 << 20);
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_parameters_are_found_by_name),
        TEST(test_a_literal_wins_over_a_parameter),
        TEST(test_v3_alone_is_the_kafka_dialect),
        TEST(test_a_verb_belongs_to_its_route),
        TEST(test_escapes_are_decoded_within_their_segment),
        TEST(test_broken_escapes_are_refused),
        TEST(test_other_spellings_are_other_paths),
        TEST(test_another_method_is_told_apart_from_another_path),
        TEST(test_every_route_finds_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
