/* The control plane's REST nouns, called through the route table with an adapter of our own: statuses,
 * bodies, conflicts, pages. The domain has no processes, so DOMAIN handlers answer at once. */
#include "unit/domain_rig.h"

#include "api/access.h"
#include "domain/role_bindings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

struct exchange {
    int status;
    json_t *body;
    char location[256];
    const char *query[4][2]; /* name, value */
};
static struct exchange x;
static struct arena arena;

static struct str query(const struct api_request *rq, const char *name, int n)
{
    (void)rq;
    for (size_t i = 0; i < ARRAY_LEN(x.query); i++) {
        if (x.query[i][0] && strcmp(x.query[i][0], name) == 0 && n-- == 0) return str_c(x.query[i][1]);
    }
    return STR_NULL;
}

static const char *header(const struct api_request *rq, const char *name)
{
    (void)rq;
    (void)name;
    return NULL;
}

static void set_header(struct api_request *rq, const char *name, const char *value)
{
    (void)rq;
    if (strcmp(name, "Location") == 0) str_copy(x.location, sizeof x.location, str_c(value));
}

static void answer(struct api_request *rq, int status_code, json_t *body)
{
    (void)rq;
    assert_int_equal(x.status, 0); /* once */
    x.status = status_code;
    x.body = body;
}

static const struct api_http http = {
    .query = query, .header = header, .set_header = set_header, .answer = answer,
};

static int send(enum api_method method, const char *path, const char *body)
{
    struct api_request rq = {
        .method = method, .path = str_c(path), .body = str_c(body), .base_url = STR("http://h:1"),
        .content_type = body ? "application/json" : NULL, .request_id = "rq", .address = "127.0.0.1",
        .caller = { .door = DOOR_CLOUD_KEY, .owner = "u-test", .key_id = "ABCDEFGHIJKLMNOP" },
        .arena = &arena, .db = domain_rig.domain->db, .domain = domain_rig.domain, .http = &http,
    };
    json_decref(x.body);
    x.body = NULL;
    x.status = 0;
    x.location[0] = 0;
    arena_reset(&arena);
    assert_true(is_ok(api_match(&rq)));
    assert_true(access_check(&rq, rq.db));
    rq.route->handler(&rq);
    json_decref(rq.json);
    assert_int_not_equal(x.status, 0);
    return x.status;
}

static const char *get(const char *path) /* "spec/display_name" of the answer */
{
    const json_t *at = x.body;
    char part[64];
    while (*path) {
        size_t n = strcspn(path, "/");
        assert_true(str_copy(part, sizeof part, (struct str){ path, n }));
        at = json_is_array(at) ? json_array_get(at, (size_t)strtoul(part, NULL, 10))
                               : json_object_get(at, part);
        path += n + (path[n] == '/');
    }
    return json_is_string(at) ? json_string_value(at) : "";
}

static int setup(void **state)
{
    arena_init(&arena, 4u << 20);
    x = (struct exchange){ 0 };
    if (domain_rig_setup(state)) return -1;
    return failed(role_bindings_insert_admin(domain_rig.domain->db, "o", "u-test"));
}

static int teardown(void **state)
{
    json_decref(x.body);
    arena_done(&arena);
    return domain_rig_teardown(state);
}

static void make_environment(const char *name, char id[ID_TEXT])
{
    char body[128];
    snprintf(body, sizeof body, "{\"display_name\":\"%s\"}", name);
    assert_int_equal(send(POST, "/org/v2/environments", body), 201);
    str_copy(id, ID_TEXT, str_c(get("id")));
}

static int make_cluster(const char *environment, const char *name, const char *kind)
{
    char body[512];
    snprintf(body, sizeof body,
             "{\"spec\":{\"display_name\":\"%s\",\"availability\":\"SINGLE_ZONE\",\"cloud\":\"leat\","
             "\"region\":\"local\",\"config\":{\"kind\":\"%s\"},\"environment\":{\"id\":\"%s\"}}}",
             name, kind, environment);
    return send(POST, "/cmk/v2/clusters", body);
}

static void test_environments_are_made_found_renamed_and_deleted(void **state)
{
    char id[ID_TEXT], path[128];
    (void)state;
    make_environment("prod", id);
    assert_string_equal(get("kind"), "Environment");
    assert_string_equal(get("api_version"), "org/v2");
    assert_memory_equal(get("metadata/resource_name"), "crn://h:1/organization=", 23);
    snprintf(path, sizeof path, "/org/v2/environments/%s", id);
    assert_non_null(strstr(x.location, path));
    assert_int_equal(send(GET, path, NULL), 200);
    assert_int_equal(send(PATCH, path, "{\"display_name\":\"live\"}"), 200);
    assert_string_equal(get("display_name"), "live");
    assert_int_equal(send(DELETE, path, NULL), 204);
    assert_int_equal(send(GET, path, NULL), 404);
    assert_int_equal(send(DELETE, path, NULL), 404);
}

static void test_a_taken_name_is_a_conflict_that_says_where(void **state)
{
    char id[ID_TEXT];
    (void)state;
    make_environment("prod", id);
    assert_int_equal(send(POST, "/org/v2/environments", "{\"display_name\":\"prod\"}"), 409);
    assert_non_null(strstr(x.location, id));
    assert_string_equal(get("errors/0/code"), "resource_already_exists");
    assert_string_equal(get("errors/0/status"), "409");
    assert_int_equal(make_cluster(id, "one", "Basic"), 202);
    assert_int_equal(make_cluster(id, "one", "Basic"), 409);
    assert_non_null(strstr(x.location, "/cmk/v2/clusters/lkc-"));
}

static void test_bad_bodies_are_refused_and_point_at_the_place(void **state)
{
    char id[ID_TEXT];
    (void)state;
    make_environment("prod", id);
    assert_int_equal(send(POST, "/org/v2/environments", "{}"), 400);
    assert_string_equal(get("errors/0/source/pointer"), "/display_name");
    assert_int_equal(send(POST, "/org/v2/environments", "{\"display_name\":7}"), 400);
    assert_int_equal(send(POST, "/org/v2/environments", "[]"), 400);
    assert_int_equal(send(POST, "/org/v2/environments", "{"), 400);
    assert_int_equal(send(POST, "/cmk/v2/clusters", "{\"spec\":{}}"), 400);
    assert_int_equal(make_cluster(id, "x", "Enterprise"), 422);
    assert_int_equal(make_cluster(id, "x", "basic"), 422);
    assert_int_equal(make_cluster("env-none", "x", "Basic"), 404);
    assert_int_equal(send(GET, "/cmk/v2/clusters", NULL), 400);
    assert_string_equal(get("errors/0/source/parameter"), "environment");
}

static void test_pages_are_walked_by_their_token(void **state)
{
    char id[ID_TEXT], name[16], token[64];
    size_t seen = 0;
    int pages = 0;
    (void)state;
    for (int i = 0; i < 23; i++) {
        snprintf(name, sizeof name, "e%d", i);
        make_environment(name, id);
    }
    x.query[0][0] = "page_size";
    x.query[0][1] = "10";
    for (const char *next = ""; next; pages++) {
        assert_int_equal(send(GET, "/org/v2/environments", NULL), 200);
        seen += json_array_size(json_object_get(x.body, "data"));
        next = strstr(get("metadata/next"), "page_token=");
        if (next) snprintf(token, sizeof token, "%s", next + 11);
        x.query[1][0] = "page_token";
        x.query[1][1] = token;
    }
    assert_int_equal(seen, 23);
    assert_int_equal(pages, 3);
}

static void test_a_secret_is_shown_once(void **state)
{
    char id[ID_TEXT], cluster[ID_TEXT], account[ID_TEXT], body[256], path[128];
    (void)state;
    make_environment("prod", id);
    assert_int_equal(make_cluster(id, "one", "Standard"), 202);
    str_copy(cluster, sizeof cluster, str_c(get("id")));
    assert_int_equal(send(POST, "/iam/v2/service-accounts", "{\"display_name\":\"app\"}"), 201);
    str_copy(account, sizeof account, str_c(get("id")));
    snprintf(body, sizeof body, "{\"spec\":{\"owner\":{\"id\":\"%s\"},\"resource\":{\"id\":\"%s\"}}}",
             account, cluster);
    assert_int_equal(send(POST, "/iam/v2/api-keys", body), 202);
    assert_int_equal(strlen(get("spec/secret")), 43);
    assert_string_equal(get("spec/resource/id"), cluster);
    snprintf(path, sizeof path, "/iam/v2/api-keys/%s", get("id"));
    assert_int_equal(send(GET, path, NULL), 200);
    assert_string_equal(get("spec/secret"), "");
    assert_string_equal(get("spec/owner/id"), account);
    assert_int_equal(send(PATCH, path, "{\"spec\":{\"description\":\"for the app\"}}"), 200);
    assert_string_equal(get("spec/description"), "for the app");
    assert_int_equal(send(DELETE, path, NULL), 204);
    assert_int_equal(send(GET, path, NULL), 404);
    snprintf(body, sizeof body, "{\"spec\":{\"owner\":{\"id\":\"%s\"},\"resource\":{\"id\":\"cloud\"}}}",
             account);
    assert_int_equal(send(POST, "/iam/v2/api-keys", body), 202);
    assert_string_equal(get("spec/resource/kind"), "Cloud");
    snprintf(body, sizeof body, "{\"spec\":{\"owner\":{\"id\":\"%s\"}}}", account);
    assert_int_equal(send(POST, "/iam/v2/api-keys", body), 400);
}

static void test_quotas_speak_in_decimal_strings(void **state)
{
    char id[ID_TEXT], cluster[ID_TEXT], body[512], path[128];
    (void)state;
    make_environment("prod", id);
    assert_int_equal(make_cluster(id, "one", "Standard"), 202);
    str_copy(cluster, sizeof cluster, str_c(get("id")));
    snprintf(body, sizeof body, "{\"spec\":{\"display_name\":\"q\",\"throughput\":{"
             "\"ingress_byte_rate\":\"1000\","
             "\"egress_byte_rate\":\"2000\"},\"cluster\":{\"id\":\"%s\"},"
             "\"principals\":[{\"id\":\"<default>\"}],"
             "\"environment\":{\"id\":\"%s\"}}}", cluster, id);
    assert_int_equal(send(POST, "/kafka-quotas/v1/client-quotas", body), 202);
    assert_string_equal(get("spec/throughput/ingress_byte_rate"), "1000");
    assert_string_equal(get("spec/principals/0/id"), "<default>");
    snprintf(path, sizeof path, "/kafka-quotas/v1/client-quotas/%s", get("id"));
    assert_int_equal(send(POST, "/kafka-quotas/v1/client-quotas", body), 409);
    assert_int_equal(send(PATCH, path, "{\"spec\":{\"throughput\":{\"ingress_byte_rate\":\"5\"}}}"), 200);
    assert_string_equal(get("spec/throughput/ingress_byte_rate"), "5");
    assert_string_equal(get("spec/throughput/egress_byte_rate"), "2000");
    assert_int_equal(send(PATCH, path, "{\"spec\":{\"throughput\":{\"ingress_byte_rate\":\"-5\"}}}"), 422);
    assert_int_equal(send(PATCH, path, "{\"spec\":{\"principals\":[\"sa-x\"]}}"), 422);
    assert_int_equal(send(DELETE, path, NULL), 204);
}

static void test_the_fleet_shows_state_limits_and_tag(void **state)
{
    char id[ID_TEXT], path[128];
    (void)state;
    make_environment("prod", id);
    assert_int_equal(make_cluster(id, "one", "Dedicated"), 202);
    snprintf(path, sizeof path, "/leat/v1/clusters/%s", get("id"));
    assert_int_equal(send(PATCH, path, "{\"tag\":\"production\",\"plan\":\"basic\"}"), 200);
    assert_string_equal(get("tag"), "production");
    assert_string_equal(get("kind"), "Basic");
    assert_string_equal(get("environment/display_name"), "prod");
    const json_t *limits = json_object_get(x.body, "limits");
    assert_int_equal(json_integer_value(json_object_get(limits, "partitions")), 500);
    assert_int_equal(send(PATCH, path, "{\"tag\":\"other\"}"), 400);
    assert_int_equal(send(PATCH, path, "{\"plan\":\"golden\"}"), 422);
    assert_int_equal(send(GET, "/leat/v1/clusters", NULL), 200);
    assert_string_equal(get("data/0/display_name"), "one");
    assert_int_equal(send(GET, "/leat/v1/plans", NULL), 200);
    assert_int_equal(send(GET, "/leat/v1/audit", NULL), 200);
    assert_string_equal(get("data/0/operation"), "cluster.update");
    assert_int_equal(send(GET, "/leat/v1/clusters/lkc-none", NULL), 404);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_environments_are_made_found_renamed_and_deleted),
        T(test_a_taken_name_is_a_conflict_that_says_where),
        T(test_bad_bodies_are_refused_and_point_at_the_place),
        T(test_pages_are_walked_by_their_token),
        T(test_a_secret_is_shown_once),
        T(test_quotas_speak_in_decimal_strings),
        T(test_the_fleet_shows_state_limits_and_tag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
