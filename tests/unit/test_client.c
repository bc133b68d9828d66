/* test_client.c - the client against a scripted broker in the same loop.
 *
 * The broker answers what a script says for each API key, checks what it was sent, and can keep
 * silent, answer nonsense, or hang up. */
#include "base/mem.h"
#include "client/client_ops.h"
#include "io/listener.h"
#include "wire/header.h"
#include "wire/messages.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define TURNS_MAX 10000
#define FRAME_MAX (1u << 20)

struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct stream *broker; /* the connection on the broker's side */
    struct client *client;
    /* what the broker does */
    bool silent, hang_up, nonsense, old;
    int16_t auth_error;
    int metadata_calls;
    char mechanism[64];
    uint8_t token[256];
    size_t token_len;
    struct buf stored; /* the batch that was produced */
    int64_t committed;
    /* what the client saw */
    bool ready, closed;
    status closed_why;
    int answers;
    status answer;
    int64_t offset;
    char cluster[64];
};

/* --- the broker ------------------------------------------------------------------------------- */

static void answer(struct fixture *f, const struct request_header *h, int16_t version,
                   const void *response)
{
    struct buf out;
    buf_init(&out, FRAME_MAX);
    assert_true(is_ok(response_frame_as(&out, h, version, response)));
    (void)stream_send(f->broker, &out);
}

static void answer_versions(struct fixture *f, const struct request_header *h)
{
    static const int16_t ranges[][3] = { { 0, 3, 13 }, { 1, 4, 18 }, { 2, 1, 11 }, { 3, 0, 13 },
                                         { 8, 2, 10 }, { 9, 1, 10 }, { 17, 0, 1 }, { 18, 0, 4 },
                                         { 36, 0, 2 } };
    struct api_versions_response r;
    struct api_versions_response_api_version keys[ARRAY_LEN(ranges)];
    wire_default(&api_versions_response_message, &r);
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        keys[i] = (struct api_versions_response_api_version){ ranges[i][0], ranges[i][1],
                                                              ranges[i][2] };
    }
    r.api_keys = keys;
    r.api_keys_count = ARRAY_LEN(ranges);
    bool refuse = f->old && h->api_version > 0;
    if (refuse) r.error_code = 35;
    answer(f, h, refuse ? 0 : h->api_version, &r);
}

static void answer_produce(struct fixture *f, const struct request_header *h,
                           const struct produce_request *rq)
{
    struct produce_response r;
    struct produce_response_topic_produce_response t;
    struct produce_response_partition_produce_response p;
    wire_default(&produce_response_message, &r);
    wire_default_struct(&produce_response_topic_produce_response_struct, &t);
    wire_default_struct(&produce_response_partition_produce_response_struct, &p);
    struct bytes records = rq->topic_data[0].partition_data[0].records;
    buf_put(&f->stored, records.data, records.len);
    p.base_offset = 7;
    t.partition_responses = &p;
    t.partition_responses_count = 1;
    r.responses = &t;
    r.responses_count = 1;
    answer(f, h, h->api_version, &r);
}

static void answer_fetch(struct fixture *f, const struct request_header *h)
{
    struct fetch_response r;
    struct fetch_response_fetchable_topic_response t;
    struct fetch_response_partition_data p;
    wire_default(&fetch_response_message, &r);
    wire_default_struct(&fetch_response_fetchable_topic_response_struct, &t);
    wire_default_struct(&fetch_response_partition_data_struct, &p);
    p.records = buf_bytes(&f->stored);
    p.high_watermark = 2;
    t.partitions = &p;
    t.partitions_count = 1;
    r.responses = &t;
    r.responses_count = 1;
    answer(f, h, h->api_version, &r);
}

static void answer_commit(struct fixture *f, const struct request_header *h,
                          const struct offset_commit_request *rq)
{
    struct offset_commit_response r;
    wire_default(&offset_commit_response_message, &r);
    assert_int_equal(rq->generation_id_or_member_epoch, -1);
    assert_int_equal(rq->topics_count, 2);
    assert_int_equal(rq->topics[0].partitions_count, 2);
    f->committed = rq->topics[0].partitions[1].committed_offset;
    answer(f, h, h->api_version, &r);
}

static void answer_committed(struct fixture *f, const struct request_header *h)
{
    struct offset_fetch_response r;
    struct offset_fetch_response_offset_fetch_response_group g;
    struct offset_fetch_response_offset_fetch_response_topics t;
    struct offset_fetch_response_offset_fetch_response_partitions p;
    wire_default(&offset_fetch_response_message, &r);
    wire_default_struct(&offset_fetch_response_offset_fetch_response_group_struct, &g);
    wire_default_struct(&offset_fetch_response_offset_fetch_response_topics_struct, &t);
    wire_default_struct(&offset_fetch_response_offset_fetch_response_partitions_struct, &p);
    p.committed_offset = f->committed;
    t.name = STR("payments");
    t.partitions = &p;
    t.partitions_count = 1;
    g.topics = &t;
    g.topics_count = 1;
    r.groups = &g;
    r.groups_count = 1;
    answer(f, h, h->api_version, &r);
}

static void answer_sasl(struct fixture *f, const struct request_header *h, const void *request)
{
    if (h->api_key == 17) {
        const struct sasl_handshake_request *rq = request;
        struct sasl_handshake_response r;
        wire_default(&sasl_handshake_response_message, &r);
        assert_true(str_copy(f->mechanism, sizeof f->mechanism, rq->mechanism));
        answer(f, h, h->api_version, &r);
        return;
    }
    const struct sasl_authenticate_request *rq = request;
    struct sasl_authenticate_response r;
    wire_default(&sasl_authenticate_response_message, &r);
    f->token_len = rq->auth_bytes.len;
    memcpy(f->token, rq->auth_bytes.data, rq->auth_bytes.len);
    r.error_code = f->auth_error;
    answer(f, h, h->api_version, &r);
}

static void answer_metadata(struct fixture *f, const struct request_header *h)
{
    struct metadata_response r;
    wire_default(&metadata_response_message, &r);
    r.cluster_id = STR("lkc-1");
    r.controller_id = f->metadata_calls++;
    if (!f->silent) answer(f, h, h->api_version, &r);
}

static void broker_frame(struct stream *stream, struct bytes frame, void *owner)
{
    struct fixture *f = owner;
    struct request_header h;
    struct arena arena;
    size_t at;
    (void)stream;
    assert_true(is_ok(request_header_parse(frame, &h, &at)));
    assert_non_null(h.request);
    assert_true(str_eq_c(h.client_id, "leat"));
    if (f->hang_up) {
        stream_close(f->broker);
        return;
    }
    if (f->nonsense && h.api_key == 3) h.correlation_id++;
    arena_init(&arena, FRAME_MAX);
    void *rq = arena_alloc(&arena, wire_object_size(h.request));
    struct bytes body = { frame.data + at, frame.len - at };
    assert_true(is_ok(wire_decode(h.request, h.api_version, body, &arena, rq, NULL)));
    switch (h.api_key) {
    case 0: answer_produce(f, &h, rq); break;
    case 1: answer_fetch(f, &h); break;
    case 3: answer_metadata(f, &h); break;
    case 8: answer_commit(f, &h, rq); break;
    case 9: answer_committed(f, &h); break;
    case 18: answer_versions(f, &h); break;
    default: answer_sasl(f, &h, rq); break;
    }
    arena_done(&arena);
}

static void broker_closed(struct stream *stream, status why, void *owner)
{
    struct fixture *f = owner;
    (void)stream;
    (void)why;
    f->broker = NULL;
}

static const struct stream_events broker_events = { .frame = broker_frame, .closed = broker_closed };

static void accepted(int fd, void *owner)
{
    struct fixture *f = owner;
    assert_true(is_ok(stream_accept(f->loop, fd, FRAME_MAX, &broker_events, f, &f->broker)));
}

/* --- the client's owner ----------------------------------------------------------------------- */

static void on_ready(struct client *client, void *owner)
{
    struct fixture *f = owner;
    assert_true(client_ready(client));
    f->ready = true;
}

static void on_closed(struct client *client, status why, void *owner)
{
    struct fixture *f = owner;
    assert_false(client_ready(client));
    f->closed = true;
    f->closed_why = why;
}

static const struct client_events client_events = { on_ready, on_closed };

static void turn_until(struct fixture *f, const bool *flag)
{
    for (int i = 0; i < TURNS_MAX && !*flag; i++) loop_turn(f->loop, 1000);
    assert_true(*flag);
}

static void turn_until_answers(struct fixture *f, int n)
{
    for (int i = 0; i < TURNS_MAX && f->answers < n; i++) loop_turn(f->loop, 1000);
    assert_int_equal(f->answers, n);
}

static void start(struct fixture *f, struct client_options options)
{
    options.addr = "127.0.0.1";
    options.port = listener_port(f->listener);
    assert_true(is_ok(client_new(f->loop, &options, &client_events, f, &f->client)));
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    buf_init(&f->stored, FRAME_MAX);
    f->closed_why = f->answer = OK;
    assert_true(is_ok(loop_new(&f->loop)));
    assert_true(is_ok(listener_new(f->loop, "127.0.0.1", 0, accepted, f, &f->listener)));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    client_free(f->client);
    if (f->broker) stream_close(f->broker);
    listener_free(f->listener);
    loop_turn(f->loop, 0);
    loop_free(f->loop);
    buf_done(&f->stored);
    mem_free(f);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static void on_metadata(void *arg, status result, const void *response)
{
    struct fixture *f = arg;
    const struct metadata_response *r = response;
    f->answer = result;
    if (is_ok(result)) {
        assert_int_equal(r->controller_id, f->answers); /* in order */
        assert_true(str_copy(f->cluster, sizeof f->cluster, r->cluster_id));
    } else {
        assert_null(response);
    }
    f->answers++;
}

static status ask_metadata(struct fixture *f, int timeout_ms)
{
    struct metadata_request rq;
    wire_default(&metadata_request_message, &rq);
    rq.topics_count = -1;
    return client_call_within(f->client, 3, -1, &rq, timeout_ms, on_metadata, f);
}

/* --- the tests -------------------------------------------------------------------------------- */

static void test_calls_are_pipelined_and_answered_in_order(void **state)
{
    struct fixture *f = *state;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    assert_int_equal(client_version(f->client, 3), 13);
    assert_int_equal(client_version_to(f->client, 0, 12), 12);
    assert_int_equal(client_version(f->client, 60), -1);
    for (int i = 0; i < 100; i++) assert_true(is_ok(ask_metadata(f, 10000)));
    assert_int_equal(client_in_flight(f->client), 100);
    turn_until_answers(f, 100);
    assert_string_equal(f->cluster, "lkc-1");
    assert_int_equal(client_in_flight(f->client), 0);
}

static void test_calls_before_ready_wait_and_are_sent_first(void **state)
{
    struct fixture *f = *state;
    struct describe_cluster_request unknown; /* this broker does not offer it */
    wire_default(&describe_cluster_request_message, &unknown);
    start(f, (struct client_options){ .user = STR("key"), .password = STR("secret") });
    for (int i = 0; i < 3; i++) assert_true(is_ok(ask_metadata(f, 10000)));
    assert_false(f->ready);
    turn_until(f, &f->ready);
    turn_until_answers(f, 3);
    assert_true(is_ok(f->answer));
    assert_int_equal(client_call(f->client, 60, -1, &unknown, on_metadata, f).code,
                     E_UNSUPPORTED_VERSION);
}

static void test_call_of_an_unknown_api_before_ready_hears_of_it(void **state)
{
    struct fixture *f = *state;
    struct describe_cluster_request unknown;
    wire_default(&describe_cluster_request_message, &unknown);
    start(f, (struct client_options){ 0 });
    assert_true(is_ok(client_call(f->client, 60, -1, &unknown, on_metadata, f)));
    turn_until(f, &f->ready);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->answer.code, E_UNSUPPORTED_VERSION);
    assert_int_equal(client_in_flight(f->client), 0);
}

static void test_waiting_calls_end_when_authentication_fails(void **state)
{
    struct fixture *f = *state;
    f->auth_error = 58;
    start(f, (struct client_options){ .user = STR("key"), .password = STR("wrong") });
    assert_true(is_ok(ask_metadata(f, 10000)));
    turn_until(f, &f->closed);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->answer.code, E_SASL_AUTHENTICATION_FAILED);
}

static void test_too_many_calls_in_flight_are_refused(void **state)
{
    struct fixture *f = *state;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    for (int i = 0; i < CLIENT_IN_FLIGHT_MAX; i++) assert_true(is_ok(ask_metadata(f, 10000)));
    assert_int_equal(ask_metadata(f, 10000).code, E_BUSY);
    turn_until_answers(f, CLIENT_IN_FLIGHT_MAX);
}

static void test_plain_sends_name_and_password(void **state)
{
    struct fixture *f = *state;
    start(f, (struct client_options){ .user = STR("key"), .password = STR("secret") });
    turn_until(f, &f->ready);
    assert_string_equal(f->mechanism, "PLAIN");
    assert_int_equal(f->token_len, 11);
    assert_memory_equal(f->token, "\0key\0secret", 11);
}

static void test_wrong_password_closes_with_the_reason(void **state)
{
    struct fixture *f = *state;
    f->auth_error = 58;
    start(f, (struct client_options){ .user = STR("key"), .password = STR("wrong") });
    turn_until(f, &f->closed);
    assert_false(f->ready);
    assert_int_equal(f->closed_why.code, E_SASL_AUTHENTICATION_FAILED);
    assert_int_equal(ask_metadata(f, 1000).code, E_CLOSED);
}

static void test_principal_is_named_on_a_unix_socket(void **state)
{
    struct fixture *f = *state;
    char folder[] = "/tmp/leat-client-XXXXXX";
    struct listener *unix_listener;
    assert_non_null(mkdtemp(folder));
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(is_ok(listener_new_unix(f->loop, dir, "kafka.sock", accepted, f, &unix_listener)));
    struct client_options options = { .unix_name = "kafka.sock", .unix_dir = dir,
                                      .principal = STR("User:leat") };
    assert_true(is_ok(client_new(f->loop, &options, &client_events, f, &f->client)));
    turn_until(f, &f->ready);
    assert_string_equal(f->mechanism, "LEAT-PRINCIPAL");
    assert_int_equal(f->token_len, 9);
    assert_memory_equal(f->token, "User:leat", 9);
    listener_free(unix_listener);
    unlinkat(dir, "kafka.sock", 0);
    close(dir);
    rmdir(folder);
}

static void test_broker_of_older_versions_is_asked_again(void **state)
{
    struct fixture *f = *state;
    f->old = true;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    assert_int_equal(client_version(f->client, 3), 13);
}

static void test_silence_times_out_and_late_answers_are_dropped(void **state)
{
    struct fixture *f = *state;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    f->silent = true;
    assert_true(is_ok(ask_metadata(f, 20)));
    turn_until_answers(f, 1);
    assert_int_equal(f->answer.code, E_REQUEST_TIMED_OUT);
    assert_int_equal(client_in_flight(f->client), 1);
    assert_false(f->closed);
}

static void test_hang_up_fails_calls_and_tells_the_owner(void **state)
{
    struct fixture *f = *state;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    f->hang_up = true;
    assert_true(is_ok(ask_metadata(f, 10000)));
    assert_true(is_ok(ask_metadata(f, 10000)));
    turn_until(f, &f->closed);
    assert_int_equal(f->answers, 2);
    assert_int_equal(f->answer.code, E_CLOSED);
}

static void test_answer_to_another_call_closes(void **state)
{
    struct fixture *f = *state;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    f->nonsense = true;
    assert_true(is_ok(ask_metadata(f, 10000)));
    turn_until(f, &f->closed);
    assert_int_equal(f->answer.code, E_MALFORMED);
    assert_int_equal(f->closed_why.code, E_MALFORMED);
}

static void test_nobody_listening_closes(void **state)
{
    struct fixture *f = *state;
    uint16_t port = listener_port(f->listener);
    listener_free(f->listener);
    f->listener = NULL;
    struct client_options options = { .addr = "127.0.0.1", .port = port };
    status made = client_new(f->loop, &options, &client_events, f, &f->client);
    if (is_ok(made)) turn_until(f, &f->closed);
    assert_false(f->ready);
}

static void free_inside(void *arg, status result, const void *response)
{
    struct fixture *f = arg;
    (void)response;
    assert_true(is_ok(result) || result.code == E_CLOSED);
    if (f->client) {
        struct client *client = f->client;
        f->client = NULL;
        client_free(client);
    }
    f->answers++;
}

static void test_client_may_be_freed_inside_a_callback(void **state)
{
    struct fixture *f = *state;
    struct metadata_request rq;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    wire_default(&metadata_request_message, &rq);
    assert_true(is_ok(client_call(f->client, 3, -1, &rq, free_inside, f)));
    assert_true(is_ok(client_call(f->client, 3, -1, &rq, free_inside, f)));
    turn_until_answers(f, 2);
    assert_false(f->closed);
}

/* --- the helpers ------------------------------------------------------------------------------ */

static void on_produced(void *arg, status result, int64_t base, int64_t append_time,
                        struct str message)
{
    struct fixture *f = arg;
    assert_true(is_ok(result));
    assert_int_equal(append_time, -1);
    assert_true(str_is_null(message));
    f->offset = base;
    f->answers++;
}

static void on_fetched(void *arg, status result, const struct client_fetched *fetched)
{
    struct fixture *f = arg;
    struct bytes records = fetched->records, batch;
    struct batch_header h;
    struct batch_reader reader;
    struct record record;
    assert_true(is_ok(result));
    assert_int_equal(fetched->next_offset, 2);
    assert_true(batch_next(&records, &batch, &h, NULL));
    assert_true(is_ok(batch_check_crc(batch)));
    assert_true(is_ok(batch_reader_init(&reader, batch, FRAME_MAX)));
    for (int i = 0; i < 2; i++) assert_true(batch_reader_next(&reader, &record));
    assert_true(str_eq_c(bytes_str(record.value), "two"));
    assert_false(batch_reader_next(&reader, &record));
    assert_true(is_ok(batch_reader_result(&reader)));
    batch_reader_done(&reader);
    f->answers++;
}

static void test_records_go_out_and_come_back(void **state)
{
    struct fixture *f = *state;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    struct client_record records[] = {
        { .timestamp = 1000, .value = str_bytes(STR("one")) },
        { .timestamp = -1, .key = str_bytes(STR("k")), .value = str_bytes(STR("two")) },
    };
    assert_true(is_ok(client_produce(f->client, STR("payments"), 0, CODEC_LZ4, records, 2,
                                     on_produced, f)));
    turn_until_answers(f, 1);
    assert_int_equal(f->offset, 7);
    assert_true(is_ok(client_fetch(f->client, STR("payments"), 0, 0, 10, 1, 1 << 20, false,
                                   on_fetched, f)));
    turn_until_answers(f, 2);
}

static void on_committed(void *arg, status result)
{
    struct fixture *f = arg;
    assert_true(is_ok(result));
    f->answers++;
}

static void on_offsets(void *arg, status result, const struct client_group_offset *offsets,
                       int count)
{
    struct fixture *f = arg;
    assert_true(is_ok(result));
    assert_int_equal(count, 1);
    assert_true(str_eq_c(offsets[0].topic, "payments"));
    f->offset = offsets[0].offset;
    f->answers++;
}

static void test_offsets_are_committed_and_found_again(void **state)
{
    struct fixture *f = *state;
    start(f, (struct client_options){ 0 });
    turn_until(f, &f->ready);
    const struct client_group_offset offsets[] = {
        { .topic = STR("payments"), .partition = 0, .offset = 5 },
        { .topic = STR("other"), .partition = 0, .offset = 6 },
        { .topic = STR("payments"), .partition = 1, .offset = 77 },
    };
    assert_true(is_ok(client_commit(f->client, STR("fraud-check"), offsets, 3, on_committed, f)));
    turn_until_answers(f, 1);
    assert_int_equal(f->committed, 77);
    assert_true(is_ok(client_committed(f->client, STR("fraud-check"), on_offsets, f)));
    turn_until_answers(f, 2);
    assert_int_equal(f->offset, 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls_are_pipelined_and_answered_in_order),
        TEST(test_calls_before_ready_wait_and_are_sent_first),
        TEST(test_call_of_an_unknown_api_before_ready_hears_of_it),
        TEST(test_waiting_calls_end_when_authentication_fails),
        TEST(test_too_many_calls_in_flight_are_refused),
        TEST(test_plain_sends_name_and_password),
        TEST(test_wrong_password_closes_with_the_reason),
        TEST(test_principal_is_named_on_a_unix_socket),
        TEST(test_broker_of_older_versions_is_asked_again),
        TEST(test_silence_times_out_and_late_answers_are_dropped),
        TEST(test_hang_up_fails_calls_and_tells_the_owner),
        TEST(test_answer_to_another_call_closes),
        TEST(test_nobody_listening_closes),
        TEST(test_client_may_be_freed_inside_a_callback),
        TEST(test_records_go_out_and_come_back),
        TEST(test_offsets_are_committed_and_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
