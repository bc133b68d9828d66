/* A broker under leatd, as its clients see it: nothing before authentication, what a principal may
 * do, what ends with its key, and the Unix socket for leatd itself. */
#include "unit/broker_rig.h"

#include "broker/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static struct rig rig;
static struct raw_client client;

static int setup(void **state)
{
    (void)state;
    rig_start_managed(&rig);
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

static int16_t handshake(struct raw_client *c, int16_t version, const char *mechanism)
{
    struct sasl_handshake_request body = { str_c(mechanism) };
    struct sasl_handshake_response *answer = raw_call(&rig, c, 17, version, &body);
    return answer->error_code;
}

static struct sasl_authenticate_response *token(struct raw_client *c, const void *p, size_t n)
{
    struct sasl_authenticate_request body = { bytes_of(p, n) };
    return raw_call(&rig, c, 36, 2, &body);
}
#define TOKEN(c, literal) token((c), literal, sizeof(literal) - 1)

static void login(struct raw_client *c)
{
    assert_int_equal(handshake(c, 1, "PLAIN"), 0);
    assert_int_equal(TOKEN(c, "\0KEY\0secret")->error_code, 0);
}

static int16_t ask_metadata(struct raw_client *c, const char *topic)
{
    struct metadata_request_metadata_request_topic t = { .name = str_c(topic) };
    struct metadata_request body;
    wire_default(&metadata_request_message, &body);
    body.topics = &t;
    body.topics_count = 1;
    struct metadata_response *answer = raw_call(&rig, c, 3, 12, &body);
    return answer->topics[0].error_code;
}

static void allow(enum acl_operation operation)
{
    struct buf delta;
    rig_delta_begin(&rig, &delta);
    delta_acl(&delta, &(struct acl){ RES_TOPIC, PAT_LITERAL, operation, PERM_ALLOW, STR("t"),
                                     STR("User:sa-1"), STR("*") });
    rig_delta_apply(&rig, &delta);
}

static void test_api_versions_is_answered_before_authentication_and_nothing_else(void **state)
{
    (void)state;
    struct api_versions_request body = { STR("raw"), STR("1") };
    struct api_versions_response *answer = raw_call(&rig, &client, 18, 3, &body);
    assert_int_equal(answer->error_code, 0);
    struct metadata_request metadata;
    wire_default(&metadata_request_message, &metadata);
    raw_send(&rig, &client, 3, 12, &metadata);
    assert_true(raw_is_closed(&rig, &client));
}

static void test_a_large_frame_before_authentication_closes(void **state)
{
    (void)state;
    const uint8_t size[] = { 0, 8, 0, 1 };
    raw_send_bytes(&client, size, sizeof size);
    assert_true(raw_is_closed(&rig, &client));
}

static void test_the_plan_bounds_frames_after_authentication(void **state)
{
    (void)state;
    login(&client);
    const uint8_t size[] = { 0, 0x20, 0, 1 };
    raw_send_bytes(&client, size, sizeof size);
    assert_true(raw_is_closed(&rig, &client));
}

static void test_a_wrong_secret_is_told_and_closed(void **state)
{
    (void)state;
    assert_int_equal(handshake(&client, 1, "PLAIN"), 0);
    struct sasl_authenticate_response *answer = TOKEN(&client, "\0KEY\0wrong");
    assert_int_equal(answer->error_code, 58);
    assert_true(raw_is_closed(&rig, &client));
    assert_int_equal(rig.broker->stats.authentication_failures, 1);
}

static void test_an_unknown_mechanism_is_answered_with_those_offered_and_closed(void **state)
{
    (void)state;
    struct sasl_handshake_request body = { STR("LEAT-PRINCIPAL") };
    struct sasl_handshake_response *answer = raw_call(&rig, &client, 17, 1, &body);
    assert_int_equal(answer->error_code, 33);
    assert_int_equal(answer->mechanisms_count, 3);
    assert_true(raw_is_closed(&rig, &client));
}

static void test_tokens_without_headers_follow_handshake_version_0(void **state)
{
    (void)state;
    assert_int_equal(handshake(&client, 0, "PLAIN"), 0);
    const char frame[] = "\0\0\0\013\0KEY\0secret";
    raw_send_bytes(&client, frame, sizeof frame - 1);
    assert_true(raw_has_frame(&rig, &client));
    assert_int_equal(client.in.len, 4); /* an empty token */
    buf_clear(&client.in);
    assert_int_equal(ask_metadata(&client, "t"), 29);
}

static void test_acls_decide_what_is_seen_written_and_read(void **state)
{
    (void)state;
    login(&client);
    assert_int_equal(ask_metadata(&client, "t"), 29);
    assert_int_equal(rig_produce(&rig, &client, "t", 0, rig_batch(1, -1, -1))->error_code, 29);
    allow(OP_WRITE);
    assert_int_equal(ask_metadata(&client, "t"), 0);
    assert_int_equal(rig_produce(&rig, &client, "t", 0, rig_batch(1, -1, -1))->error_code, 0);
    rig_fetch_send(&rig, &client, "t", 0, 0, 60000, 1);
    struct fetch_response *answer = raw_receive(&rig, &client, 1, FETCH_VERSION);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 29);
    allow(OP_READ);
    rig_fetch_send(&rig, &client, "t", 0, 0, 60000, 1);
    answer = raw_receive(&rig, &client, 1, FETCH_VERSION);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 0);
}

static void test_admin_requests_are_authorised_here(void **state)
{
    (void)state;
    login(&client);
    struct create_topics_request_creatable_topic topic = { .name = STR("new"), .num_partitions = 1,
                                                           .replication_factor = 1 };
    struct create_topics_request create;
    wire_default(&create_topics_request_message, &create);
    create.topics = &topic;
    create.topics_count = 1;
    struct create_topics_response *created = raw_call(&rig, &client, 19, 7, &create);
    assert_int_equal(created->topics[0].error_code, 29);
    struct str name = STR("t");
    struct delete_topics_request delete;
    wire_default(&delete_topics_request_message, &delete);
    delete.topic_names = &name;
    delete.topic_names_count = 1;
    struct delete_topics_response *deleted = raw_call(&rig, &client, 20, 5, &delete);
    assert_int_equal(deleted->responses[0].error_code, 29);
    struct init_producer_id_request init;
    wire_default(&init_producer_id_request_message, &init);
    init.transactional_id = STR_NULL;
    struct init_producer_id_response *id = raw_call(&rig, &client, 22, 4, &init);
    assert_int_equal(id->error_code, 31);
    allow(OP_WRITE);
    id = raw_call(&rig, &client, 22, 4, &init);
    assert_int_equal(id->error_code, 0);
}

/* The error code of an answer as a whole, to a request with nothing in it. */
#define ASK(key, version, type)                                                                    \
    ({                                                                                             \
        struct type##_request body_;                                                               \
        wire_default(&type##_request_message, &body_);                                             \
        ((struct type##_response *)raw_call(&rig, &client, key, version, &body_))->error_code;     \
    })

static void test_the_cluster_is_described_and_altered_by_who_may(void **state)
{
    (void)state;
    login(&client);
    assert_int_equal(ASK(35, 4, describe_log_dirs), 31);
    assert_int_equal(ASK(43, 2, elect_leaders), 31);
    assert_int_equal(ASK(45, 0, alter_partition_reassignments), 31);
    assert_int_equal(ASK(46, 0, list_partition_reassignments), 31);
    assert_int_equal(ASK(55, 2, describe_quorum), 31);
    assert_int_equal(ASK(57, 2, update_features), 31);
    assert_int_equal(ASK(64, 0, unregister_broker), 31);
    assert_int_equal(ASK(74, 1, list_config_resources), 31);
    assert_int_equal(ASK(41, 3, describe_delegation_token), 61); /* who logged in may ask: they are off */
    struct buf delta;
    rig_delta_begin(&rig, &delta);
    delta_acl(&delta, &(struct acl){ RES_CLUSTER, PAT_LITERAL, OP_DESCRIBE, PERM_ALLOW,
                                     STR("kafka-cluster"), STR("User:sa-1"), STR("*") });
    rig_delta_apply(&rig, &delta);
    assert_int_equal(ASK(35, 4, describe_log_dirs), 0);
    assert_int_equal(ASK(46, 0, list_partition_reassignments), 0);
    assert_int_equal(ASK(43, 2, elect_leaders), 31);
}

static void test_the_logs_of_a_topic_are_closed_to_who_may_not(void **state)
{
    (void)state;
    login(&client);
    struct delete_records_request_delete_records_partition cut = { 0, 0 };
    struct delete_records_request_delete_records_topic cut_topic = { STR("t"), &cut, 1 };
    struct delete_records_request delete = { &cut_topic, 1, 1000 };
    struct delete_records_response *deleted = raw_call(&rig, &client, 21, 2, &delete);
    assert_int_equal(deleted->topics[0].partitions[0].error_code, 29);
    struct offset_for_leader_epoch_request_offset_for_leader_partition p = { 0, -1, 0 };
    struct offset_for_leader_epoch_request_offset_for_leader_topic t = { STR("t"), &p, 1 };
    struct offset_for_leader_epoch_request epoch;
    wire_default(&offset_for_leader_epoch_request_message, &epoch);
    epoch.topics = &t;
    epoch.topics_count = 1;
    struct offset_for_leader_epoch_response *ends = raw_call(&rig, &client, 23, 4, &epoch);
    assert_int_equal(ends->topics[0].partitions[0].error_code, 29);
    struct describe_topic_partitions_request_topic_request named = { STR("t") };
    struct describe_topic_partitions_request describe;
    wire_default(&describe_topic_partitions_request_message, &describe);
    describe.topics = &named;
    describe.topics_count = 1;
    struct describe_topic_partitions_response *topics = raw_call(&rig, &client, 75, 0, &describe);
    assert_int_equal(topics->topics[0].error_code, 29);
    describe.topics_count = 0; /* all: what may not be seen is left out */
    topics = raw_call(&rig, &client, 75, 0, &describe);
    assert_int_equal(topics->topics_count, 0);
}

static void test_without_leatd_an_allowed_admin_request_times_out_at_once(void **state)
{
    (void)state;
    login(&client);
    allow(OP_DELETE);
    struct str name = STR("t");
    struct delete_topics_request body;
    wire_default(&delete_topics_request_message, &body);
    body.topic_names = &name;
    body.topic_names_count = 1;
    struct delete_topics_response *answer = raw_call(&rig, &client, 20, 5, &body);
    assert_int_equal(answer->responses[0].error_code, 7);
}

static void test_deleting_a_key_closes_its_connections(void **state)
{
    (void)state;
    struct raw_client other;
    raw_connect(&rig, &other);
    login(&client);
    struct buf delta;
    rig_delta_begin(&rig, &delta);
    delta_credential_deleted(&delta, STR("KEY"));
    rig_delta_apply(&rig, &delta);
    assert_true(raw_is_closed(&rig, &client));
    assert_int_equal(handshake(&other, 1, "PLAIN"), 0);
    assert_int_equal(TOKEN(&other, "\0KEY\0secret")->error_code, 58);
    raw_close(&other);
}

static void test_leatd_names_its_principal_on_the_unix_socket(void **state)
{
    (void)state;
    struct raw_client leatd, tenant;
    raw_connect_local(&rig, &leatd);
    assert_int_equal(handshake(&leatd, 1, "LEAT-PRINCIPAL"), 0);
    assert_int_equal(TOKEN(&leatd, "User:leat")->error_code, 0);
    assert_int_equal(ask_metadata(&leatd, "t"), 0);
    assert_int_equal(rig_produce(&rig, &leatd, "t", 0, rig_batch(1, -1, -1))->error_code, 0);
    raw_connect_local(&rig, &tenant);
    assert_int_equal(handshake(&tenant, 1, "LEAT-PRINCIPAL"), 0);
    assert_int_equal(TOKEN(&tenant, "User:sa-1")->error_code, 0);
    assert_int_equal(ask_metadata(&tenant, "t"), 29);
    assert_int_equal(rig.broker->connection_count, 1); /* these do not count */
    raw_close(&leatd);
    raw_close(&tenant);
}

static void test_a_throttled_client_is_answered_and_then_not_read(void **state)
{
    (void)state;
    login(&client);
    allow(OP_WRITE);
    struct buf delta;
    struct quota quota;
    quota_init(&quota);
    quota.has_user = true;
    quota.user = STR("sa-1");
    quota.producer_byte_rate = 500;
    rig_delta_begin(&rig, &delta);
    delta_quota(&delta, &quota);
    rig_delta_apply(&rig, &delta);
    rig_produce_send(&rig, &client, "t", 0, -1, rig_batch(60, -1, -1));
    struct produce_response *answer = raw_receive(&rig, &client, 0, PRODUCE_VERSION);
    assert_int_equal(answer->responses[0].partition_responses[0].error_code, 0);
    assert_true(answer->throttle_time_ms > 0);
    struct connection *c = rig.broker->connections;
    assert_true(c->muted);
    assert_true(c->mute.at - loop_now(rig.broker->loop) <= answer->throttle_time_ms);
    assert_int_equal(rig.broker->stats.throttled_requests, 1);
    assert_int_equal(ask_metadata(&client, "t"), 0); /* read again when it is over */
    assert_false(c->muted);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
/* --- KIP-368 -------------------------------------------------------------------------------------- */

static void sessions_last(int64_t ms)
{
    struct buf delta;
    struct authentication a = { .max_reauth_ms = ms };
    rig_delta_begin(&rig, &delta);
    delta_authentication(&delta, &a);
    rig_delta_apply(&rig, &delta);
}

static void another_key(const char *principal)
{
    struct buf delta;
    struct credential key = *image_credential(rig.broker->image, STR("KEY"));
    key.login = STR("KEY2");
    key.principal = str_c(principal);
    rig_delta_begin(&rig, &delta);
    delta_credential(&delta, &key);
    rig_delta_apply(&rig, &delta);
}

static void wait_ms(int64_t ms)
{
    struct loop *loop = rig.broker->loop;
    int64_t until = loop_now(loop) + ms;
    while (loop_now(loop) < until) loop_turn(loop, 5);
}

static void test_a_session_without_end_is_not_authenticated_again(void **state)
{
    (void)state;
    assert_int_equal(handshake(&client, 1, "PLAIN"), 0);
    assert_int_equal(TOKEN(&client, "\0KEY\0secret")->session_lifetime_ms, 0);
    assert_int_equal(handshake(&client, 1, "PLAIN"), 34);
    assert_int_equal(ask_metadata(&client, "none"), 29);
}

static void test_a_session_is_prolonged_by_authenticating_again(void **state)
{
    (void)state;
    sessions_last(60000);
    assert_int_equal(handshake(&client, 1, "PLAIN"), 0);
    assert_int_equal(TOKEN(&client, "\0KEY\0secret")->session_lifetime_ms, 60000);
    assert_int_equal(handshake(&client, 0, "PLAIN"), 34);
    login(&client);
    assert_int_equal(ask_metadata(&client, "none"), 29);
    /* Not more than once a second; the session goes on. */
    assert_int_equal(handshake(&client, 1, "PLAIN"), 34);
    assert_int_equal(ask_metadata(&client, "none"), 29);
}

static void test_an_expired_session_serves_authentication_and_nothing_else(void **state)
{
    (void)state;
    sessions_last(30);
    login(&client);
    wait_ms(31);
    login(&client); /* in time or late: it is what is asked for */
    wait_ms(31);
    struct metadata_request body;
    wire_default(&metadata_request_message, &body);
    raw_send(&rig, &client, 3, 12, &body);
    assert_true(raw_is_closed(&rig, &client));
}

static void test_authenticating_again_changes_neither_principal_nor_mechanism(void **state)
{
    (void)state;
    struct raw_client other;
    sessions_last(60000);
    another_key("User:sa-2");
    login(&client);
    assert_int_equal(handshake(&client, 1, "PLAIN"), 0);
    assert_int_equal(TOKEN(&client, "\0KEY2\0secret")->error_code, 58);
    assert_true(raw_is_closed(&rig, &client));
    another_key("User:sa-1"); /* another login of the same principal is welcome */
    raw_connect(&rig, &other);
    login(&other);
    assert_int_equal(handshake(&other, 1, "PLAIN"), 0);
    assert_int_equal(TOKEN(&other, "\0KEY2\0secret")->error_code, 0);
    raw_close(&other);
    raw_connect(&rig, &other);
    login(&other);
    assert_int_equal(handshake(&other, 1, "SCRAM-SHA-256"), 33);
    assert_true(raw_is_closed(&rig, &other));
    raw_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_api_versions_is_answered_before_authentication_and_nothing_else),
        TEST(test_a_large_frame_before_authentication_closes),
        TEST(test_the_plan_bounds_frames_after_authentication),
        TEST(test_a_wrong_secret_is_told_and_closed),
        TEST(test_an_unknown_mechanism_is_answered_with_those_offered_and_closed),
        TEST(test_tokens_without_headers_follow_handshake_version_0),
        TEST(test_acls_decide_what_is_seen_written_and_read),
        TEST(test_admin_requests_are_authorised_here),
        TEST(test_the_cluster_is_described_and_altered_by_who_may),
        TEST(test_the_logs_of_a_topic_are_closed_to_who_may_not),
        TEST(test_without_leatd_an_allowed_admin_request_times_out_at_once),
        TEST(test_deleting_a_key_closes_its_connections),
        TEST(test_leatd_names_its_principal_on_the_unix_socket),
        TEST(test_a_session_without_end_is_not_authenticated_again),
        TEST(test_a_session_is_prolonged_by_authenticating_again),
        TEST(test_an_expired_session_serves_authentication_and_nothing_else),
        TEST(test_authenticating_again_changes_neither_principal_nor_mechanism),
        TEST(test_a_throttled_client_is_answered_and_then_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
