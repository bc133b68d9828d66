/* Client quotas: rows, the image's entities, conflicts. */
#include "unit/domain_rig.h"

#include "cluster/image.h"
#include "domain/accounts.h"
#include "domain/quotas.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define RIG domain_rig.domain
#define ACTOR &domain_rig_actor

static char cluster[ID_TEXT], account[ID_TEXT], quota[ID_TEXT];
static int64_t version;

static int setup(void **state)
{
    if (domain_rig_setup(state) != 0) return 1;
    domain_rig_cluster(cluster);
    domain_rig_account("app", account);
    return 0;
}

static void make(int64_t in, int64_t out, const struct str *principals, size_t count)
{
    const struct quota_spec spec = {
        .cluster_id = str_c(cluster), .display_name = STR("q"), .ingress_bytes_per_s = in,
        .egress_bytes_per_s = out, .principals = principals, .principal_count = count,
    };
    quotas_create(RIG, ACTOR, &spec, quota, &version, domain_rig_done, NULL);
}

static double rate_of(enum quota_kind kind, const char *user)
{
    double rate = -1;
    struct image *image = domain_rig_image(cluster);
    if (!image_quota(image, kind, str_c(user), STR_NULL, &rate, NULL)) rate = -1;
    image_free(image);
    return rate;
}

static void test_a_quota_holds_its_principals_and_default_the_others(void **state)
{
    (void)state;
    const struct str app = str_c(account), rest = STR(QUOTA_DEFAULT);
    make(1000000, -1, &app, 1);
    assert_int_equal(domain_rig.result.code, E_OK);
    make(500, 600, &rest, 1);
    assert_int_equal(domain_rig.result.code, E_OK);
    assert_true(rate_of(QUOTA_PRODUCER_BYTES, account) == 1000000);
    assert_true(rate_of(QUOTA_PRODUCER_BYTES, "sa-other") == 500);
    assert_true(rate_of(QUOTA_CONSUMER_BYTES, "sa-other") == 600);
}

static void test_a_principal_has_one_quota_in_a_cluster(void **state)
{
    (void)state;
    const struct str app = str_c(account);
    make(1000, 1000, &app, 1);
    make(2000, 2000, &app, 1);
    assert_int_equal(domain_rig.result.code, E_EXISTS);
    assert_true(rate_of(QUOTA_PRODUCER_BYTES, account) == 1000);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM client_quota"), 1);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    const struct str app = str_c(account), nobody = STR("sa-nobody");
    make(-1, -1, &app, 1);
    assert_int_equal(domain_rig.result.code, E_PRECONDITION);
    make(0, 100, &app, 1);
    assert_int_equal(domain_rig.result.code, E_PRECONDITION);
    make(100, 100, &nobody, 1);
    assert_int_equal(domain_rig.result.code, E_PRECONDITION);
    make(100, 100, &app, 0);
    assert_int_equal(domain_rig.result.code, E_PRECONDITION);
}

static void test_changing_and_deleting_reach_the_image(void **state)
{
    char second[ID_TEXT];
    (void)state;
    const struct str app = str_c(account);
    make(1000, 1000, &app, 1);
    struct quota_spec spec = { .ingress_bytes_per_s = 7000, .egress_bytes_per_s = -2 };
    quotas_update(RIG, ACTOR, str_c(quota), &spec, &version, domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_OK);
    assert_true(rate_of(QUOTA_PRODUCER_BYTES, account) == 7000);
    assert_true(rate_of(QUOTA_CONSUMER_BYTES, account) == 1000);
    domain_rig_account("second", second);
    const struct str other = str_c(second);
    spec = (struct quota_spec){ .ingress_bytes_per_s = -2, .egress_bytes_per_s = -2, .principals = &other,
                                .principal_count = 1 };
    quotas_update(RIG, ACTOR, str_c(quota), &spec, &version, domain_rig_done, NULL);
    assert_true(rate_of(QUOTA_PRODUCER_BYTES, account) == -1);
    assert_true(rate_of(QUOTA_PRODUCER_BYTES, second) == 7000);
    quotas_delete(RIG, ACTOR, str_c(quota), &version, domain_rig_done, NULL);
    assert_true(rate_of(QUOTA_PRODUCER_BYTES, second) == -1);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM client_quota_principal"), 0);
}

static void test_an_account_that_goes_leaves_its_quota(void **state)
{
    (void)state;
    const struct str both[] = { str_c(account), STR(QUOTA_DEFAULT) };
    make(1000, 1000, both, 2);
    accounts_delete(RIG, ACTOR, str_c(account), domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_OK);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM client_quota_principal"), 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, domain_rig_teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_quota_holds_its_principals_and_default_the_others),
        T(test_a_principal_has_one_quota_in_a_cluster),
        T(test_what_makes_no_sense_is_refused),
        T(test_changing_and_deleting_reach_the_image),
        T(test_an_account_that_goes_leaves_its_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
