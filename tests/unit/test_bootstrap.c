/* The first start: what it makes, that it happens once, and that no secret is lost. */
#include "unit/domain_rig.h"

#include "cluster/image.h"
#include "domain/bootstrap.h"
#include "identity/identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define RIG domain_rig.domain

static void test_the_first_start_makes_an_admin_and_a_working_demo(void **state)
{
    struct quickstart qs, read;
    struct why why = { "" };
    struct identity id;
    struct stat st;
    char path[128];
    (void)state;
    assert_true(bootstrap_needed(RIG));
    assert_true(is_ok(bootstrap_run(RIG, &qs, &why)));
    assert_false(bootstrap_needed(RIG));
    assert_true(is_ok(identity_key(RIG->db, str_c(qs.cloud_api_key), str_c(qs.cloud_api_secret), &id)));
    assert_string_equal(id.cluster_id, "");
    assert_true(is_ok(identity_key(RIG->db, str_c(qs.kafka_api_key), str_c(qs.kafka_api_secret), &id)));
    assert_string_equal(id.cluster_id, qs.cluster_id);
    struct image *image = domain_rig_image(qs.cluster_id);
    assert_int_equal(image_topic(image, STR("payments"))->partitions, 6);
    const struct credential *c = image_credential(image, str_c(qs.kafka_api_key));
    assert_non_null(c);
    assert_true(acl_allows(&image->acls, c->principal, STR("127.0.0.1"), OP_WRITE, RES_TOPIC,
                           STR("payments")));
    assert_true(acl_allows(&image->acls, c->principal, STR("127.0.0.1"), OP_READ, RES_GROUP, STR("g")));
    image_free(image);
    assert_true(is_ok(quickstart_read(domain_rig.folder, &read)));
    assert_memory_equal(&read, &qs, sizeof qs);
    snprintf(path, sizeof path, "%s/quickstart.json", domain_rig.folder);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_without_the_demo_there_is_an_admin_and_a_cloud_key(void **state)
{
    struct quickstart qs;
    struct why why = { "" };
    (void)state;
    RIG->options.demo = false;
    assert_true(is_ok(bootstrap_run(RIG, &qs, &why)));
    assert_string_equal(qs.cluster_id, "");
    assert_string_equal(qs.rest_url, "http://127.0.0.1:8080");
    assert_true(qs.cloud_api_key[0] && qs.admin_password[0]);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM cluster"), 0);
}

static void test_a_password_from_the_environment_is_used_and_cleared(void **state)
{
    struct quickstart qs;
    struct why why = { "" };
    struct identity_user user;
    uint8_t hash[PASSWORD_HASH];
    (void)state;
    RIG->options.demo = false;
    setenv("LEAT_ADMIN_PASSWORD", "given by hand", 1);
    assert_true(is_ok(bootstrap_run(RIG, &qs, &why)));
    assert_null(getenv("LEAT_ADMIN_PASSWORD"));
    assert_string_equal(qs.admin_password, "given by hand");
    assert_true(is_ok(identity_user(RIG->db, STR("admin"), &user)));
    assert_true(is_ok(password_hash(STR("given by hand"), user.salt, hash)));
    assert_memory_equal(hash, user.hash, sizeof hash);
}

static void test_a_first_start_that_fails_leaves_a_first_start(void **state)
{
    struct quickstart qs;
    struct why why = { "" };
    (void)state;
    RIG->options.broker_port_first = RIG->options.broker_port_last = 1; /* not ours to bind, or taken */
    assert_true(is_ok(db_run(DB(RIG->db, "INSERT INTO environment (id, display_name, created_at, updated_at) "
                                      "VALUES ('env-x', 'demo', 0, 0)"))));
    assert_true(failed(bootstrap_run(RIG, &qs, &why)));
    assert_true(bootstrap_needed(RIG));
    assert_int_equal(domain_rig_count("SELECT count(*) FROM api_key"), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, domain_rig_setup, domain_rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_the_first_start_makes_an_admin_and_a_working_demo),
        T(test_without_the_demo_there_is_an_admin_and_a_cloud_key),
        T(test_a_password_from_the_environment_is_used_and_cleared),
        T(test_a_first_start_that_fails_leaves_a_first_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
