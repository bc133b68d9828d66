/* Access as brokers forward it to leatd: rows, records of the image and audit come from one change, and
 * what REST owns is not changed behind its back. */
#include "unit/domain_rig.h"

#include "cluster/image.h"
#include "domain/acls.h"
#include "domain/kafka_quotas.h"
#include "domain/quotas.h"
#include "domain/scram_users.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct actor kafka = { "sa-1", "kafka", "192.0.2.1", "" };
static char cluster[ID_TEXT];
static struct arena arena;
static const void *response;
static status answered;

static int setup(void **state)
{
    if (domain_rig_setup(state)) return 1;
    domain_rig_cluster(cluster);
    arena_init(&arena, 4 << 20);
    return 0;
}

static int teardown(void **state)
{
    arena_done(&arena);
    return domain_rig_teardown(state);
}

static void done(void *arg, status result, int64_t version, const void *answer)
{
    (void)arg;
    (void)version;
    answered = result;
    response = answer;
}

/* --- ACLs ----------------------------------------------------------------------------------------- */

static int16_t create_acl(enum acl_resource type, const char *name)
{
    struct create_acls_request_acl_creation c = {
        (int8_t)type, str_c(name), PAT_LITERAL, STR("User:bob"), STR("*"), OP_READ, PERM_ALLOW,
    };
    struct create_acls_request request = { &c, 1 };
    acls_request_create(domain_rig.domain, cluster, &kafka, &request, &arena, done, NULL);
    assert_true(is_ok(answered));
    return ((const struct create_acls_response *)response)->results[0].error_code;
}

static int32_t delete_acls(const char *name)
{
    struct delete_acls_request_delete_acls_filter f = {
        RES_ANY, str_c(name), PAT_ANY, STR_NULL, STR_NULL, OP_ANY, PERM_ANY,
    };
    struct delete_acls_request request = { &f, 1 };
    acls_request_delete(domain_rig.domain, cluster, &kafka, &request, &arena, done, NULL);
    assert_true(is_ok(answered));
    return ((const struct delete_acls_response *)response)->filter_results[0].matching_acls_count;
}

static size_t acls_in_image(void)
{
    struct image *image = domain_rig_image(cluster);
    size_t n = image->acls.count;
    image_free(image);
    return n;
}

static void test_acls_of_kafka_clients_are_the_rows_that_rest_lists(void **state)
{
    (void)state;
    assert_int_equal(create_acl(RES_TOPIC, "t"), 0);
    assert_int_equal(create_acl(RES_USER, "u"), 0); /* more than REST takes: kept all the same */
    assert_int_equal(create_acl(RES_CLUSTER, "t"), 42);
    const struct acl any = { RES_ANY, PAT_ANY, OP_ANY, PERM_ANY, STR_NULL, STR_NULL, STR_NULL };
    struct acl *acls;
    size_t count;
    assert_true(is_ok(acls_list(domain_rig.domain->db, cluster, &any, &arena, &acls, &count)));
    assert_int_equal(count, 2);
    assert_true(str_eq_c(acls[0].principal, "User:bob"));
    assert_int_equal(acls_in_image(), 2);
    assert_int_equal(delete_acls("t"), 1);
    assert_int_equal(delete_acls("t"), 0);
    assert_int_equal(acls_in_image(), 1);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM audit WHERE door = 'kafka' AND actor = 'sa-1' "
                                      "AND operation IN ('acl.create', 'acl.delete')"), 3);
}

/* --- SCRAM users ------------------------------------------------------------------------------------ */

static int16_t set_user(const char *name, int8_t mechanism, bool set)
{
    static const uint8_t salted[64] = { 7 };
    struct alter_user_scram_credentials_request_scram_credential_upsertion u = {
        str_c(name), mechanism, 4096, bytes_of("pepper", 6),
        bytes_of(salted, mechanism == SCRAM_SHA_256 ? 32 : 64),
    };
    struct alter_user_scram_credentials_request_scram_credential_deletion d = { str_c(name), mechanism };
    struct alter_user_scram_credentials_request request = { &d, !set, &u, set };
    scram_users_alter(domain_rig.domain, cluster, &kafka, &request, &arena, done, NULL);
    assert_true(is_ok(answered));
    return ((const struct alter_user_scram_credentials_response *)response)->results[0].error_code;
}

static void test_scram_users_are_rows_with_verifiers_and_credentials_of_the_image(void **state)
{
    (void)state;
    assert_int_equal(set_user("alice", SCRAM_SHA_256, true), 0);
    assert_int_equal(set_user("alice", SCRAM_SHA_512, true), 0);
    assert_int_equal(set_user("bob", SCRAM_SHA_512, true), 0);
    assert_int_equal(set_user("sa-123456", SCRAM_SHA_512, true), 93);
    assert_int_equal(set_user("bob", SCRAM_SHA_256, false), 91);
    struct image *image = domain_rig_image(cluster);
    const struct credential *alice = image_credential(image, STR("alice"));
    assert_true(str_eq_c(alice->principal, "User:alice"));
    assert_int_equal(alice->scram[0].iterations, 4096);
    assert_int_equal(alice->scram[1].salt_len, 6);
    assert_false(alice->has_secret);
    assert_int_equal(image_credential(image, STR("bob"))->scram[0].iterations, 0);
    image_free(image);
    assert_int_equal(set_user("bob", SCRAM_SHA_512, false), 0);
    image = domain_rig_image(cluster);
    assert_null(image_credential(image, STR("bob")));
    image_free(image);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM audit WHERE operation LIKE 'scram_user.%'"), 4);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM scram_user WHERE length(stored_key) = 64"), 1);
}

/* --- client quotas ---------------------------------------------------------------------------------- */

/* Sets (or, below 0, removes) one rate of a user ("": the default one). */
static int16_t set_quota(const char *user, const char *key, double rate)
{
    struct alter_client_quotas_request_entity_data part = { STR("user"), *user ? str_c(user) : STR_NULL };
    struct alter_client_quotas_request_op_data op = { str_c(key), rate < 0 ? 0 : rate, rate < 0 };
    struct alter_client_quotas_request_entry_data entry = { &part, 1, &op, 1 };
    struct alter_client_quotas_request request = { &entry, 1, false };
    kafka_quotas_alter(domain_rig.domain, cluster, &kafka, &request, &arena, done, NULL);
    assert_true(is_ok(answered));
    return ((const struct alter_client_quotas_response *)response)->entries[0].error_code;
}

static double rate_in_image(const char *user, enum quota_kind kind)
{
    struct image *image = domain_rig_image(cluster);
    double rate = -1;
    if (!image_quota(image, kind, str_c(user), STR("c"), &rate, NULL)) rate = -1;
    image_free(image);
    return rate;
}

static void test_quotas_of_kafka_clients_are_rows_and_records_of_the_image(void **state)
{
    (void)state;
    assert_int_equal(set_quota("alice", "producer_byte_rate", 1000), 0);
    assert_int_equal(set_quota("alice", "request_percentage", 12.5), 0);
    assert_int_equal(set_quota("", "producer_byte_rate", 5), 0);
    assert_int_equal(set_quota("alice", "connection_creation_rate", 1), 42);
    assert_true(rate_in_image("alice", QUOTA_PRODUCER_BYTES) == 1000);
    assert_true(rate_in_image("alice", QUOTA_REQUEST) == 12.5);
    assert_true(rate_in_image("bob", QUOTA_PRODUCER_BYTES) == 5);
    assert_int_equal(set_quota("alice", "producer_byte_rate", -1), 0);
    assert_true(rate_in_image("alice", QUOTA_PRODUCER_BYTES) == 5);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM kafka_quota"), 2);
    assert_int_equal(set_quota("alice", "request_percentage", -1), 0);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM kafka_quota"), 1);
    assert_int_equal(domain_rig_count("SELECT count(*) FROM audit WHERE operation LIKE 'client_quota.%'"), 5);
}

static void test_a_quota_of_rest_and_one_of_kafka_clients_keep_off_each_others_users(void **state)
{
    (void)state;
    char account[ID_TEXT], other[ID_TEXT], id[ID_TEXT];
    int64_t version;
    domain_rig_account("app", account);
    domain_rig_account("other", other);
    struct str principal = str_c(account);
    struct quota_spec spec = { .cluster_id = str_c(cluster), .display_name = STR("slow"),
                               .description = STR(""), .ingress_bytes_per_s = 1000,
                               .egress_bytes_per_s = 1000, .principals = &principal, .principal_count = 1 };
    quotas_create(domain_rig.domain, &domain_rig_actor, &spec, id, &version, domain_rig_done, NULL);
    assert_true(is_ok(domain_rig.result));
    assert_int_equal(set_quota(account, "producer_byte_rate", 5), 44);
    const struct alter_client_quotas_response *answer = response;
    assert_non_null(strstr(answer->entries[0].error_message.data, id));
    assert_true(rate_in_image(account, QUOTA_PRODUCER_BYTES) == 1000);
    assert_int_equal(set_quota(other, "producer_byte_rate", 5), 0);
    principal = str_c(other);
    quotas_create(domain_rig.domain, &domain_rig_actor, &spec, id, &version, domain_rig_done, NULL);
    assert_int_equal(domain_rig.result.code, E_EXISTS);
    assert_non_null(strstr(domain_rig.why, "AlterClientQuotas"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_scram_users_are_rows_with_verifiers_and_credentials_of_the_image),
        T(test_quotas_of_kafka_clients_are_rows_and_records_of_the_image),
        T(test_a_quota_of_rest_and_one_of_kafka_clients_keep_off_each_others_users),
        T(test_acls_of_kafka_clients_are_the_rows_that_rest_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
