/* A standalone broker with an authorizer: who may do what is changed over the wire, holds at once and
 * after a restart. User:ANONYMOUS, who does not log in, is the super user here. */
#include "unit/broker_rig.h"

#include "broker/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct rig rig;
static struct raw_client client;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    rig_close(&rig);
    rig.options.limits.authorise = true;
    rig.options.super_users = "User:admin;User:ANONYMOUS";
    rig_open(&rig);
    raw_connect(&rig, &client);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    raw_close(&client);
    rig_stop(&rig);
    return mem_outstanding() != 0;
}

/* From here on User:ANONYMOUS is like anybody; false: again the super user. */
static void as_anybody(bool anybody)
{
    rig.broker->image->super_users = anybody ? NULL : "User:ANONYMOUS";
}

/* --- ACLs ----------------------------------------------------------------------------------------- */

static struct create_acls_request_acl_creation entry(enum acl_resource type, const char *name,
                                                     enum acl_operation operation)
{
    return (struct create_acls_request_acl_creation){
        .resource_type = (int8_t)type,
        .resource_name = str_c(name),
        .resource_pattern_type = PAT_LITERAL,
        .principal = STR("User:ANONYMOUS"),
        .host = STR("127.0.0.1"),
        .operation = (int8_t)operation,
        .permission_type = PERM_ALLOW,
    };
}

static int16_t create_acl(enum acl_resource type, const char *name, enum acl_operation operation)
{
    struct create_acls_request_acl_creation row = entry(type, name, operation);
    struct create_acls_request body = { &row, 1 };
    struct create_acls_response *answer = raw_call(&rig, &client, 30, 3, &body);
    assert_int_equal(answer->results_count, 1);
    return answer->results[0].error_code;
}

static struct delete_acls_response_delete_acls_filter_result *delete_acls(enum acl_resource type,
                                                                          const char *name)
{
    struct delete_acls_request_delete_acls_filter filter = {
        (int8_t)type, str_c(name), PAT_ANY, STR_NULL, STR_NULL, OP_ANY, PERM_ANY,
    };
    struct delete_acls_request body = { &filter, 1 };
    struct delete_acls_response *answer = raw_call(&rig, &client, 31, 2, &body);
    assert_int_equal(answer->filter_results_count, 1);
    return &answer->filter_results[0];
}

static struct describe_acls_response *describe_acls(int16_t version)
{
    struct describe_acls_request body;
    wire_default(&describe_acls_request_message, &body);
    body.resource_name_filter = body.principal_filter = body.host_filter = STR_NULL;
    body.resource_type_filter = RES_ANY;
    body.pattern_type_filter = PAT_ANY;
    body.operation = OP_ANY;
    body.permission_type = PERM_ANY;
    return raw_call(&rig, &client, 29, version, &body);
}

static int16_t produce(void)
{
    return rig_produce(&rig, &client, "t", 0, rig_batch(1, -1, -1))->error_code;
}

static void test_an_entry_opens_what_it_names_and_closes_it_when_it_goes(void **state)
{
    (void)state;
    rig_create_topic(&rig, &client, "t", 1);
    assert_int_equal(create_acl(RES_TOPIC, "t", OP_WRITE), 0);
    assert_int_equal(create_acl(RES_TOPIC, "t", OP_WRITE), 0); /* again: nothing changes */
    as_anybody(true);
    assert_int_equal(produce(), 0);
    as_anybody(false);
    assert_int_equal(delete_acls(RES_TOPIC, "t")->matching_acls_count, 1);
    assert_int_equal(delete_acls(RES_TOPIC, "t")->matching_acls_count, 0);
    as_anybody(true);
    assert_int_equal(produce(), 29);
}

static void test_entries_survive_a_restart_and_are_described_in_every_version(void **state)
{
    (void)state;
    assert_int_equal(create_acl(RES_TOPIC, "t", OP_WRITE), 0);
    assert_int_equal(create_acl(RES_TOPIC, "t", OP_READ), 0);
    assert_int_equal(create_acl(RES_USER, "bob", OP_CREATE_TOKENS), 0);
    raw_close(&client);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &client);
    for (int16_t version = 1; version <= 3; version++) {
        struct describe_acls_response *answer = describe_acls(version);
        assert_int_equal(answer->error_code, 0);
        assert_int_equal(answer->resources_count, 2);
        assert_int_equal(answer->resources[0].acls_count, 2);
        assert_true(str_eq_c(answer->resources[0].resource_name, "t"));
        assert_true(str_eq_c(answer->resources[1].acls[0].host, "127.0.0.1"));
    }
}

static void test_acls_need_describe_and_alter_on_the_cluster(void **state)
{
    (void)state;
    as_anybody(true);
    assert_int_equal(describe_acls(3)->error_code, 31);
    assert_int_equal(create_acl(RES_TOPIC, "t", OP_WRITE), 31);
    assert_int_equal(delete_acls(RES_TOPIC, "t")->error_code, 31);
    as_anybody(false);
    assert_int_equal(create_acl(RES_CLUSTER, "kafka-cluster", OP_DESCRIBE), 0);
    as_anybody(true);
    assert_int_equal(describe_acls(3)->error_code, 0);
    assert_int_equal(create_acl(RES_TOPIC, "t", OP_WRITE), 31);
    as_anybody(false);
    assert_int_equal(create_acl(RES_CLUSTER, "kafka-cluster", OP_ALTER), 0);
    as_anybody(true);
    assert_int_equal(create_acl(RES_TOPIC, "t", OP_WRITE), 0);
}

static void test_without_an_authorizer_security_is_disabled(void **state)
{
    (void)state;
    rig.broker->image->limits.authorise = false;
    assert_int_equal(describe_acls(3)->error_code, 54);
    assert_int_equal(create_acl(RES_TOPIC, "t", OP_WRITE), 54);
    assert_int_equal(delete_acls(RES_TOPIC, "t")->error_code, 54);
}

static void test_a_filter_with_an_unknown_type_is_refused_alone(void **state)
{
    (void)state;
    assert_int_equal(delete_acls(RES_UNKNOWN, "t")->error_code, 42);
    assert_int_equal(create_acl(RES_ANY, "t", OP_WRITE), 42);
}

/* --- SCRAM users ------------------------------------------------------------------------------------ */

typedef struct alter_user_scram_credentials_request_scram_credential_upsertion upsertion;
typedef struct alter_user_scram_credentials_request_scram_credential_deletion deletion;

static upsertion user(const char *name, int8_t mechanism, int32_t iterations)
{
    static const uint8_t salted[64] = { 7 };
    return (upsertion){ str_c(name), mechanism, iterations, bytes_of("pepper", 6),
                        bytes_of(salted, mechanism == SCRAM_SHA_256 ? 32 : 64) };
}

static int16_t alter(const upsertion *set, const deletion *gone)
{
    struct alter_user_scram_credentials_request body = { (deletion *)gone, gone != NULL,
                                                         (upsertion *)set, set != NULL };
    struct alter_user_scram_credentials_response *answer = raw_call(&rig, &client, 51, 0, &body);
    assert_int_equal(answer->results_count, 1);
    return answer->results[0].error_code;
}

static int16_t set_user(const char *name, int8_t mechanism, int32_t iterations)
{
    upsertion u = user(name, mechanism, iterations);
    return alter(&u, NULL);
}

static int16_t delete_user(const char *name, int8_t mechanism)
{
    deletion d = { str_c(name), mechanism };
    return alter(NULL, &d);
}

static struct describe_user_scram_credentials_response *describe_users(const char *name, int times)
{
    struct describe_user_scram_credentials_request_user_name names[] = { { str_c(name) }, { str_c(name) } };
    struct describe_user_scram_credentials_request body = { names, name ? times : -1 };
    return raw_call(&rig, &client, 50, 0, &body);
}

static void test_scram_users_have_both_mechanisms_and_survive_a_restart(void **state)
{
    (void)state;
    assert_int_equal(set_user("alice", SCRAM_SHA_256, 4096), 0);
    assert_int_equal(set_user("alice", SCRAM_SHA_512, 8192), 0);
    assert_int_equal(set_user("bob", SCRAM_SHA_256, 16384), 0);
    raw_close(&client);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &client);
    struct describe_user_scram_credentials_response *answer = describe_users("alice", 1);
    assert_int_equal(answer->results_count, 1);
    assert_int_equal(answer->results[0].credential_infos_count, 2);
    assert_int_equal(answer->results[0].credential_infos[1].mechanism, SCRAM_SHA_512);
    assert_int_equal(answer->results[0].credential_infos[1].iterations, 8192);
    assert_int_equal(describe_users(NULL, 0)->results_count, 2);
    assert_int_equal(delete_user("alice", SCRAM_SHA_256), 0);
    assert_int_equal(describe_users("alice", 1)->results[0].credential_infos_count, 1);
    assert_int_equal(delete_user("alice", SCRAM_SHA_256), 91);
    assert_int_equal(delete_user("alice", SCRAM_SHA_512), 0);
    assert_int_equal(describe_users("alice", 1)->results[0].error_code, 91);
    assert_int_equal(describe_users("bob", 2)->results[0].error_code, 92);
}

static void test_weak_unknown_and_foreign_scram_users_are_refused(void **state)
{
    (void)state;
    assert_int_equal(set_user("", SCRAM_SHA_256, 4096), 93);
    assert_int_equal(set_user("a", SCRAM_SHA_256, 4095), 93);
    assert_int_equal(set_user("a", SCRAM_SHA_256, 16385), 93);
    assert_int_equal(set_user("a", 3, 4096), 33);
    assert_int_equal(set_user("sa-123abc", SCRAM_SHA_256, 4096), 93);
    assert_int_equal(set_user("leat", SCRAM_SHA_256, 4096), 93);
    assert_int_equal(set_user("ABCDEFGH234567AB", SCRAM_SHA_256, 4096), 93);
    assert_int_equal(delete_user("nobody", SCRAM_SHA_256), 91);
    upsertion u = user("twice", SCRAM_SHA_256, 4096);
    deletion d = { u.name, SCRAM_SHA_512 };
    assert_int_equal(alter(&u, &d), 92);
    as_anybody(true);
    assert_int_equal(set_user("a", SCRAM_SHA_256, 4096), 31);
    assert_int_equal(describe_users(NULL, 0)->error_code, 31);
}

/* --- client quotas ---------------------------------------------------------------------------------- */

static int16_t set_quota(const char *type, const char *name, const char *key, double value)
{
    struct alter_client_quotas_request_entity_data part = { str_c(type), str_c(name) };
    struct alter_client_quotas_request_op_data op = { str_c(key), value, value < 0 };
    struct alter_client_quotas_request_entry_data entry = { &part, 1, &op, 1 };
    struct alter_client_quotas_request body = { &entry, 1, false };
    struct alter_client_quotas_response *answer = raw_call(&rig, &client, 49, 1, &body);
    assert_int_equal(answer->entries_count, 1);
    return answer->entries[0].error_code;
}

static struct describe_client_quotas_response *describe_quotas(int16_t version)
{
    struct describe_client_quotas_request body = { NULL, 0, false };
    return raw_call(&rig, &client, 48, version, &body);
}

static void test_quotas_are_set_described_and_survive_a_restart(void **state)
{
    (void)state;
    assert_int_equal(set_quota("user", "alice", "producer_byte_rate", 1000), 0);
    assert_int_equal(set_quota("user", NULL, "request_percentage", 50), 0);
    assert_int_equal(set_quota("user", "alice", "nonsense", 1), 42);
    raw_close(&client);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &client);
    for (int16_t version = 0; version <= 1; version++) {
        struct describe_client_quotas_response *answer = describe_quotas(version);
        assert_int_equal(answer->entries_count, 2);
        assert_true(str_eq_c(answer->entries[0].entity[0].entity_name, "alice"));
        assert_true(str_is_null(answer->entries[1].entity[0].entity_name));
        assert_true(answer->entries[1].values[0].value == 50);
    }
    assert_int_equal(set_quota("user", "alice", "producer_byte_rate", -1), 0);
    assert_int_equal(describe_quotas(1)->entries_count, 1);
    as_anybody(true);
    assert_int_equal(set_quota("user", "alice", "producer_byte_rate", 1), 31);
    assert_int_equal(describe_quotas(1)->error_code, 31);
    assert_int_equal(describe_quotas(1)->entries_count, -1);
}

static int32_t metadata_throttle(int16_t version)
{
    struct metadata_request body;
    wire_default(&metadata_request_message, &body);
    body.topics_count = -1;
    struct metadata_response *answer = raw_call(&rig, &client, 3, version, &body);
    return answer->throttle_time_ms;
}

/* A tenth of a microsecond a second: any request owes. */
static void test_a_share_of_the_loop_is_told_and_the_client_is_not_read(void **state)
{
    (void)state;
    assert_int_equal(metadata_throttle(12), 0);
    assert_int_equal(set_quota("user", "ANONYMOUS", "request_percentage", 0.00001), 0);
    struct connection *c = rig.broker->connections;
    assert_true(metadata_throttle(12) > 0);
    assert_true(c->muted);
    int64_t began = rig.broker->stats.throttle_ms;
    assert_true(began > 0);
    raw_close(&client);
    raw_connect(&rig, &client); /* what is owed is the user's, not the connection's */
    assert_int_equal(metadata_throttle(1), 0); /* this version cannot say it */
    assert_true(rig.broker->stats.throttle_ms > began);
}

static int16_t make_topic(const char *name, int32_t partitions, int16_t version, int32_t *ret_throttle)
{
    struct create_topics_request_creatable_topic t = { .name = str_c(name), .num_partitions = partitions,
                                                       .replication_factor = 1 };
    struct create_topics_request body = { .topics = &t, .topics_count = 1, .timeout_ms = 1000 };
    struct create_topics_response *answer = raw_call(&rig, &client, 19, version, &body);
    *ret_throttle = answer->throttle_time_ms;
    return answer->topics[0].error_code;
}

static void test_mutations_beyond_their_rate_are_refused_or_throttled_by_version(void **state)
{
    (void)state;
    int32_t ms;
    char name[] = "a";
    assert_int_equal(set_quota("user", NULL, "controller_mutation_rate", 100), 0);
    assert_int_equal(make_topic(name, 110, 7, &ms), 0); /* more than the burst passes, and is owed */
    assert_int_equal(ms, 0);
    int16_t code = 0;
    for (int i = 0; i < 20 && code == 0; i++) { /* in a tenth of a second all is paid: again, then */
        name[0]++;
        code = make_topic(name, 110, 7, &ms);
    }
    assert_int_equal(code, 89);
    assert_in_range(ms, 1, 1100);
    assert_null(image_topic(rig.broker->image, str_c(name)));
    assert_int_equal(make_topic("z", 150, 5, &ms), 0); /* a client that does not know the error */
    assert_true(ms > 0);
    assert_int_equal(make_topic("a", 1, 5, &ms), 36); /* nothing is made, nothing charged */
}

static void test_connections_beyond_their_rate_are_kept_and_closed(void **state)
{
    (void)state;
    assert_int_equal(set_quota("ip", "127.0.0.1", "connection_creation_rate", 2), 0);
    struct raw_client more[3];
    for (int i = 0; i < 3; i++) raw_connect(&rig, &more[i]);
    assert_true(raw_is_closed(&rig, &more[2]));
    assert_int_equal(rig.broker->kept_count, 0);
    struct metadata_request body;
    wire_default(&metadata_request_message, &body);
    (void)raw_call(&rig, &more[0], 3, 12, &body);
    for (int i = 0; i < 3; i++) raw_close(&more[i]);
}

/* --- what Kafka asks for ------------------------------------------------------------------------------ */

static struct metadata_response_metadata_response_topic *
topic_metadata(struct str name, struct uuid id, bool create)
{
    struct metadata_request_metadata_request_topic t = { .name = name, .topic_id = id };
    struct metadata_request body;
    wire_default(&metadata_request_message, &body);
    body.topics = &t;
    body.topics_count = 1;
    body.allow_auto_topic_creation = create;
    struct metadata_response *answer = raw_call(&rig, &client, 3, 12, &body);
    return &answer->topics[0];
}

static void test_metadata_tells_who_may_not_describe_or_create(void **state)
{
    (void)state;
    rig_create_topic(&rig, &client, "t", 1);
    struct uuid none = { { 0 } }, id = image_topic(rig.broker->image, STR("t"))->id;
    assert_int_equal(create_acl(RES_TOPIC, "seen", OP_DESCRIBE), 0);
    as_anybody(true);
    struct metadata_response_metadata_response_topic *t = topic_metadata(STR("t"), none, false);
    assert_int_equal(t->error_code, 29);
    assert_true(uuid_is_zero(t->topic_id));
    t = topic_metadata(STR_NULL, id, false);
    assert_int_equal(t->error_code, 29);
    assert_true(str_is_null(t->name));
    assert_int_equal(topic_metadata(STR_NULL, uuid_new(), false)->error_code, 100);
    assert_int_equal(topic_metadata(STR("seen"), none, false)->error_code, 3);
    assert_int_equal(topic_metadata(STR("seen"), none, true)->error_code, 29);
    as_anybody(false);
    assert_int_equal(create_acl(RES_TOPIC, "seen", OP_CREATE), 0);
    as_anybody(true);
    assert_int_equal(topic_metadata(STR("seen"), none, true)->error_code, 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_an_entry_opens_what_it_names_and_closes_it_when_it_goes),
        T(test_entries_survive_a_restart_and_are_described_in_every_version),
        T(test_acls_need_describe_and_alter_on_the_cluster),
        T(test_without_an_authorizer_security_is_disabled),
        T(test_scram_users_have_both_mechanisms_and_survive_a_restart),
        T(test_weak_unknown_and_foreign_scram_users_are_refused),
        T(test_quotas_are_set_described_and_survive_a_restart),
        T(test_a_share_of_the_loop_is_told_and_the_client_is_not_read),
        T(test_mutations_beyond_their_rate_are_refused_or_throttled_by_version),
        T(test_connections_beyond_their_rate_are_kept_and_closed),
        T(test_metadata_tells_who_may_not_describe_or_create),
        T(test_a_filter_with_an_unknown_type_is_refused_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
