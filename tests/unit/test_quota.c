/* Quotas: the arithmetic of a bucket with times given, and which bucket a client charges. */
#include "broker/quota.h"

#include "base/mem.h"
#include "broker/quota_meter.h"
#include "cluster/delta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

static void test_one_second_passes_at_once_and_the_rest_is_owed(void **state)
{
    (void)state;
    struct quota_bucket b;
    quota_bucket_init(&b, 1000, 0);
    assert_int_equal(quota_bucket_take(&b, 1000, 0), 0);
    assert_int_equal(quota_bucket_take(&b, 500, 0), 500);
    assert_int_equal(quota_bucket_take(&b, 0, 250), 250);
    assert_int_equal(quota_bucket_take(&b, 0, 500), 0);
}

static void test_a_request_larger_than_the_burst_passes_and_is_owed(void **state)
{
    (void)state;
    struct quota_bucket b;
    quota_bucket_init(&b, 1000, 0);
    assert_int_equal(quota_bucket_take(&b, 5000, 0), 4000);
}

static void test_idle_time_saves_one_second_and_no_more(void **state)
{
    (void)state;
    struct quota_bucket b;
    quota_bucket_init(&b, 1000, 0);
    assert_int_equal(quota_bucket_take(&b, 1000, 0), 0);
    assert_int_equal(quota_bucket_take(&b, 1500, 60000), 500);
}

static void test_a_client_that_obeys_gets_exactly_its_rate(void **state)
{
    (void)state;
    struct quota_bucket b;
    quota_bucket_init(&b, 1 << 20, 0);
    int64_t now = 0, sent = 0;
    while (now < 20000) {
        sent += 16384;
        now += quota_bucket_take(&b, 16384, now);
    }
    double rate = (double)sent / 20.0;
    assert_true(rate > 1048576 * 0.99 && rate < 1048576 * 1.06); /* the burst is one of 20 s */
}

static void test_a_lower_rate_takes_effect_at_once(void **state)
{
    (void)state;
    struct quota_bucket b;
    quota_bucket_init(&b, 1000000, 0);
    quota_bucket_rate(&b, 1000, 0);
    assert_int_equal(quota_bucket_take(&b, 2000, 0), 1000);
}

/* --- which bucket ----------------------------------------------------------------------------- */
static struct image *image;
static struct quotas *quotas;
static int64_t version;

static void apply(void (*fill)(struct buf *out))
{
    struct buf b;
    buf_init(&b, DELTA_MAX);
    delta_begin(&b, version, version + 1);
    if (version == 0) delta_cluster(&b, STR("lkc-test"), uuid_new());
    if (version == 0) delta_limits(&b, &limits_standalone);
    fill(&b);
    assert_true(is_ok(buf_check(&b)));
    assert_true(is_ok(image_apply(image, buf_bytes(&b), NULL)));
    buf_done(&b);
    version++;
    quotas_changed(quotas);
}

static int setup(void **state)
{
    (void)state;
    version = 0;
    if (failed(image_new(&image))) return 1;
    return failed(quotas_new(image, &quotas));
}

static int teardown(void **state)
{
    (void)state;
    quotas_free(quotas);
    image_free(image);
    return mem_outstanding() != 0;
}

static int32_t produce(const char *principal, const char *client, int64_t bytes)
{
    return quotas_charge(quotas, QUOTA_PRODUCER_BYTES, str_c(principal), str_c(client), bytes, 1000);
}

static void user_quota(struct buf *out)
{
    struct quota q;
    quota_init(&q);
    q.has_user = true;
    q.user = STR("sa-1");
    q.producer_byte_rate = 1000;
    delta_quota(out, &q);
}

static void default_user_quota(struct buf *out)
{
    struct quota q;
    quota_init(&q);
    q.has_user = true;
    q.producer_byte_rate = 1000;
    delta_quota(out, &q);
}

static void no_user_quota(struct buf *out)
{
    struct quota q;
    quota_init(&q);
    q.has_user = true;
    q.user = STR("sa-1");
    delta_quota_deleted(out, &q);
}

static void nothing(struct buf *out)
{
    (void)out;
}

static void cluster_limit(struct buf *out)
{
    struct limits limits = limits_standalone;
    limits.ingress_bytes_per_s = 2000;
    delta_limits(out, &limits);
}

static void test_without_quotas_nothing_is_throttled(void **state)
{
    (void)state;
    apply(nothing);
    assert_int_equal(produce("User:sa-1", "c", 1 << 30), 0);
}

static void test_all_clients_of_a_user_share_its_quota(void **state)
{
    (void)state;
    apply(user_quota);
    assert_int_equal(produce("User:sa-1", "c1", 1000), 0);
    assert_int_equal(produce("User:sa-1", "c2", 1000), 1000);
    assert_int_equal(produce("User:sa-2", "c1", 1 << 20), 0);
}

static void test_a_default_quota_counts_each_user_alone(void **state)
{
    (void)state;
    apply(default_user_quota);
    assert_int_equal(produce("User:sa-1", "c", 1000), 0);
    assert_int_equal(produce("User:sa-2", "c", 1000), 0);
    assert_int_equal(produce("User:sa-2", "c", 500), 500);
}

static void test_setting_and_removing_a_quota_takes_effect_at_once(void **state)
{
    (void)state;
    apply(nothing);
    assert_int_equal(produce("User:sa-1", "c", 1 << 20), 0);
    apply(user_quota);
    assert_int_equal(produce("User:sa-1", "c", 2000), 1000);
    apply(no_user_quota);
    assert_int_equal(produce("User:sa-1", "c", 1 << 20), 0);
}

static void test_the_cluster_limit_holds_for_all_users_together(void **state)
{
    (void)state;
    apply(cluster_limit);
    assert_int_equal(produce("User:sa-1", "c", 1500), 0);
    assert_int_equal(produce("User:sa-2", "c", 1500), 500);
}

static void request_limits(struct buf *out)
{
    struct limits limits = limits_standalone;
    limits.requests_per_s = 10;
    limits.connections_per_s = 2;
    delta_limits(out, &limits);
}

static void test_the_plan_counts_requests_of_all_clients(void **state)
{
    (void)state;
    apply(request_limits);
    for (int i = 0; i < 10; i++) assert_int_equal(quotas_request(quotas, STR("User:sa-1"), 1000), 0);
    assert_int_equal(quotas_request(quotas, STR("User:sa-1"), 1000), 100);
    apply(cluster_limit);
    assert_int_equal(quotas_request(quotas, STR("User:sa-1"), 1000), 0);
}

static void test_the_plan_counts_new_connections_of_all_addresses(void **state)
{
    (void)state;
    apply(request_limits);
    assert_true(quotas_any_connection(quotas));
    assert_int_equal(quotas_connect(quotas, STR("10.0.0.1"), 1000), 0);
    assert_int_equal(quotas_connect(quotas, STR("10.0.0.2"), 1000), 0);
    assert_true(quotas_connect(quotas, STR("10.0.0.3"), 1000) > 0);
    assert_int_equal(quotas_connect(quotas, STR("10.0.0.3"), 1500), 0);
    apply(cluster_limit);
    assert_false(quotas_any_connection(quotas));
}

static void sum(void *arg, const struct quota_throttled *t)
{
    if (str_eq(t->principal, STR("User:sa-1"))) *(int64_t *)arg += t->produce_ms;
}

static void test_throttled_time_is_told_by_principal(void **state)
{
    (void)state;
    apply(user_quota);
    produce("User:sa-1", "c", 1500);
    int64_t ms = 0;
    quotas_each_throttled(quotas, sum, &ms);
    assert_int_equal(ms, 500);
}

static void test_requests_that_wait_at_the_same_time_are_one_wait(void **state)
{
    (void)state;
    apply(user_quota);
    int64_t ms = 0, longest = 0;
    for (int i = 0; i < 10; i++) {
        int32_t told = quotas_charge(quotas, QUOTA_PRODUCER_BYTES, STR("User:sa-1"), STR("c"), 1500, 1000);
        if (told > longest) longest = told;
    }
    quotas_each_throttled(quotas, sum, &ms);
    assert_int_equal(ms, longest);
    quotas_charge(quotas, QUOTA_PRODUCER_BYTES, STR("User:sa-1"), STR("c"), 100, 1000 + longest + 5000);
    ms = 0;
    quotas_each_throttled(quotas, sum, &ms);
    assert_int_equal(ms, longest);
}

static void test_many_users_do_not_grow_the_tables_without_end(void **state)
{
    (void)state;
    apply(default_user_quota);
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "User:u-%d", i);
        quotas_charge(quotas, QUOTA_PRODUCER_BYTES, str_c(name), STR("c"), 10, 1000 + i);
    }
    assert_true(mem_outstanding() < 20000);
}

static struct quota entity_of(struct str user, bool has_user, struct str client, bool has_client)
{
    struct quota q;
    quota_init(&q);
    q.has_user = has_user;
    q.user = user;
    q.has_client_id = has_client;
    q.client_id = client;
    return q;
}

/* --- what was charged to whom ------------------------------------------------------------------ */

static void client_and_ip_quotas(struct buf *out)
{
    struct quota q = entity_of(STR_NULL, false, STR("nightly"), true), ip;
    q.producer_byte_rate = 1000;
    delta_quota(out, &q);
    q = entity_of(STR_NULL, false, STR_NULL, true); /* every other client id */
    q.producer_byte_rate = 5000;
    delta_quota(out, &q);
    quota_init(&ip);
    ip.has_ip = true;
    ip.ip = STR("192.0.2.1");
    ip.connection_creation_rate = 1;
    delta_quota(out, &ip);
}

static void no_nightly_quota(struct buf *out)
{
    struct quota q = entity_of(STR_NULL, false, STR("nightly"), true);
    delta_quota_deleted(out, &q);
}

static const struct quota_meter *meter(bool has_client, const char *client)
{
    const struct quota_meter *m = quotas_meters(quotas);
    while (m && (m->entity.has_client_id != has_client ||
                 (m->entity.client_id.data == NULL) != (client == NULL) ||
                 (client && !str_eq_c(m->entity.client_id, client))))
        m = m->hh.next;
    return m;
}

static void test_an_entity_with_a_quota_counts_what_it_was_charged_and_how_long_it_waits(void **state)
{
    (void)state;
    apply(client_and_ip_quotas);
    assert_null(quotas_meters(quotas));
    produce("User:a", "nightly", 700);
    produce("User:b", "nightly", 800); /* 500 too many */
    produce("User:b", "hourly", 4000);
    produce("User:b", "daily", 4000);
    assert_int_equal(meter(true, "nightly")->bytes_in, 1500);
    assert_int_equal(meter(true, "nightly")->throttle_ms, 500);
    assert_int_equal(meter(true, NULL)->bytes_in, 8000); /* both it stands for */
    assert_int_equal(meter(true, NULL)->throttle_ms, 0);
    assert_int_equal(quotas_connect(quotas, STR("192.0.2.1"), 0), 0);
    assert_in_range(quotas_connect(quotas, STR("192.0.2.1"), 0), 1000, 1001);
    assert_int_equal(meter(false, NULL)->connections, 1);
    assert_in_range(meter(false, NULL)->throttle_ms, 1000, 1001);
    apply(no_nightly_quota);
    assert_null(meter(true, "nightly"));
    produce("User:a", "nightly", 100);
    assert_int_equal(meter(true, NULL)->bytes_in, 8100);
}

/* One quota a rate from 1 (the most specific) to 8; the ones from `first` on. */
static int first_rank;
static void ranks(struct buf *out)
{
    const struct str u = STR("u"), c = STR("c");
    struct quota all[] = {
        entity_of(u, true, c, true),        entity_of(u, true, STR_NULL, true),
        entity_of(u, true, STR_NULL, false), entity_of(STR_NULL, true, c, true),
        entity_of(STR_NULL, true, STR_NULL, true), entity_of(STR_NULL, true, STR_NULL, false),
        entity_of(STR_NULL, false, c, true), entity_of(STR_NULL, false, STR_NULL, true),
    };
    for (size_t i = ARRAY_LEN(all); i-- > 0;) {
        all[i].request_percentage = (double)i + 1;
        if ((int)i + 1 >= first_rank) delta_quota(out, &all[i]);
        else delta_quota_deleted(out, &all[i]);
    }
}

static int rank_of(const char *user, const char *client)
{
    double rate = 0;
    return image_quota(image, QUOTA_REQUEST, str_c(user), str_c(client), &rate, NULL) ? (int)rate : 0;
}

static void test_entities_match_in_kafkas_order(void **state)
{
    (void)state;
    for (first_rank = 1; first_rank <= 9; first_rank++) {
        apply(ranks);
        assert_int_equal(rank_of("u", "c"), first_rank % 9);
    }
    first_rank = 1;
    apply(ranks);
    assert_int_equal(rank_of("u", "x"), 2);
    assert_int_equal(rank_of("x", "c"), 4);
    assert_int_equal(rank_of("x", "x"), 5);
    assert_int_equal(rank_of("x", NULL), 5); /* no client id is the empty one */
}

static void request_quota(struct buf *out)
{
    struct quota q;
    quota_init(&q);
    q.has_user = true;
    q.user = STR("u");
    q.request_percentage = 5;
    q.controller_mutation_rate = 0.5;
    delta_quota(out, &q);
}

static void test_percentages_are_milliseconds_of_a_second_and_mutations_partitions(void **state)
{
    (void)state;
    apply(request_quota);
    assert_false(quotas_any(quotas, QUOTA_PRODUCER_BYTES));
    assert_true(quotas_any(quotas, QUOTA_REQUEST));
    assert_int_equal(quotas_charge(quotas, QUOTA_REQUEST, STR("User:u"), STR(""), 50, 1000), 0);
    assert_int_equal(quotas_charge(quotas, QUOTA_REQUEST, STR("User:u"), STR(""), 5, 1000), 100);
    assert_int_equal(quotas_charge(quotas, QUOTA_REQUEST, STR("User:v"), STR(""), 1e6, 1000), 0);
    assert_int_equal(quotas_charge(quotas, QUOTA_MUTATION, STR("User:u"), STR(""), 1, 1000), 1000);
    assert_int_equal(quotas_owed(quotas, QUOTA_MUTATION, STR("User:u"), STR(""), 2000), 0);
}

static void ip_quota(struct buf *out)
{
    struct quota q;
    quota_init(&q);
    q.has_ip = true;
    q.connection_creation_rate = 2;
    delta_quota(out, &q);
    q.ip = STR("2001:db8:0:0::1"); /* as somebody else writes it */
    q.connection_creation_rate = 4;
    delta_quota(out, &q);
}

static void test_each_address_opens_connections_at_its_rate(void **state)
{
    (void)state;
    apply(ip_quota);
    for (int i = 0; i < 2; i++) assert_int_equal(quotas_connect(quotas, STR("192.0.2.1"), 0), 0);
    assert_in_range(quotas_connect(quotas, STR("192.0.2.1"), 0), 500, 501);
    assert_in_range(quotas_connect(quotas, STR("192.0.2.1"), 0), 500, 501); /* not charged */
    assert_int_equal(quotas_connect(quotas, STR("192.0.2.2"), 0), 0);
    assert_int_equal(quotas_connect(quotas, STR("192.0.2.1"), 500), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(quotas_connect(quotas, STR("2001:db8::1"), 0), 0); /* its own quota */
    assert_int_equal(quotas_connect(quotas, STR("2001:db8::1"), 0), 251);
}

static void test_what_is_in_use_outlives_what_is_not(void **state)
{
    (void)state;
    apply(default_user_quota);
    char name[32];
    assert_int_equal(produce("User:keeps-on", "c", 31000), 30000);
    for (int i = 0; i < 20000; i++) { /* all owe: none is idle */
        snprintf(name, sizeof(name), "User:u-%d", i);
        assert_int_equal(produce(name, "c", 1500), 500);
        if (i % 1000 == 0) assert_int_equal(produce("User:keeps-on", "c", 0), 30000);
    }
    assert_int_equal(produce("User:keeps-on", "c", 0), 30000);
    assert_int_equal(produce("User:u-0", "c", 0), 0); /* forgotten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_second_passes_at_once_and_the_rest_is_owed),
        cmocka_unit_test(test_a_request_larger_than_the_burst_passes_and_is_owed),
        cmocka_unit_test(test_idle_time_saves_one_second_and_no_more),
        cmocka_unit_test(test_a_client_that_obeys_gets_exactly_its_rate),
        cmocka_unit_test(test_a_lower_rate_takes_effect_at_once),
        cmocka_unit_test_setup_teardown(test_without_quotas_nothing_is_throttled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_clients_of_a_user_share_its_quota, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_default_quota_counts_each_user_alone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_setting_and_removing_a_quota_takes_effect_at_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_plan_counts_requests_of_all_clients, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_plan_counts_new_connections_of_all_addresses, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_cluster_limit_holds_for_all_users_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_requests_that_wait_at_the_same_time_are_one_wait, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_throttled_time_is_told_by_principal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entities_match_in_kafkas_order, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_percentages_are_milliseconds_of_a_second_and_mutations_partitions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_address_opens_connections_at_its_rate, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_in_use_outlives_what_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_an_entity_with_a_quota_counts_what_it_was_charged_and_how_long_it_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_users_do_not_grow_the_tables_without_end, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
