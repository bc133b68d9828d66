/* A broker as its clients see it: the connection's rules, and Produce, Fetch, Metadata and the rest on a
 * real log. Raw sockets, so that what libraries would hide (order, closing, formats) is checked. */
#include "unit/broker_rig.h"

#include "broker/connection.h"
#include "broker/features.h"
#include "wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct rig rig;
static struct raw_client one, two;

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    raw_close(&one);
    raw_close(&two);
    rig_stop(&rig);
    return mem_outstanding() != 0;
}

static void ask_versions(struct raw_client *c)
{
    struct api_versions_request body;
    wire_default(&api_versions_request_message, &body);
    body.client_software_name = STR("raw");
    body.client_software_version = STR("1.0");
    raw_send(&rig, c, 18, 3, &body);
}

/* --- connection ------------------------------------------------------ */

static void test_every_handler_is_advertised_with_its_range_and_produce_from_0(void **state)
{
    (void)state;
    ask_versions(&one);
    struct api_versions_response *answer = raw_receive(&rig, &one, 18, 3);
    size_t count;
    const struct handler *table = handler_table(&count);
    assert_int_equal(answer->error_code, 0);
    assert_int_equal(answer->api_keys_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(answer->api_keys[i].api_key, table[i].api_key);
        assert_int_equal(answer->api_keys[i].min_version,
                         table[i].api_key == 0 ? 0 : table[i].min_version);
        assert_int_equal(answer->api_keys[i].max_version, table[i].max_version);
    }
}

static bool feature_supported(const struct api_versions_response *answer, const char *name)
{
    for (int32_t i = 0; i < answer->supported_features_count; i++)
        if (str_eq_c(answer->supported_features[i].name, name)) return true;
    return false;
}

static void test_features_that_may_be_off_are_told_from_version_4_on(void **state)
{
    (void)state;
    struct api_versions_request body;
    wire_default(&api_versions_request_message, &body);
    body.client_software_name = STR("raw");
    body.client_software_version = STR("1.0");
    for (int16_t version = 3; version <= 4; version++) {
        struct api_versions_response *answer = raw_call(&rig, &one, 18, version, &body);
        size_t count;
        const struct feature *table = feature_table(&count);
        int32_t on = 0;
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(feature_supported(answer, table[i].name),
                             version >= 4 || table[i].lowest > 0);
            on += table[i].level > 0;
        }
        assert_int_equal(answer->finalized_features_count, on);
        assert_true(answer->finalized_features_epoch >= 0);
    }
}

static struct update_features_response *update_feature(const char *name, int16_t level,
                                                       int16_t version)
{
    struct update_features_request_feature_update_key update = { str_c(name), level, false, 1 };
    struct update_features_request body;
    wire_default(&update_features_request_message, &body);
    body.feature_updates = &update;
    body.feature_updates_count = 1;
    return raw_call(&rig, &one, 57, version, &body);
}

static void test_a_feature_keeps_its_level(void **state)
{
    (void)state;
    int16_t level = feature_find(STR("metadata.version"))->level;
    struct update_features_response *same = update_feature("metadata.version", level, 1);
    assert_int_equal(same->error_code, 0);
    assert_int_equal(same->results_count, 1);
    assert_int_equal(same->results[0].error_code, 0);
    assert_int_equal(update_feature("metadata.version", level, 2)->error_code, 0);
    assert_int_equal(update_feature("metadata.version", level + 1, 2)->error_code, 95);
    assert_int_equal(update_feature("metadata.version", level - 1, 2)->error_code, 95);
    assert_int_equal(update_feature("kraft.version", 1, 2)->error_code, 96);
    assert_int_equal(update_feature("no.such.version", 1, 0)->error_code, 95);
}

static void test_the_ranges_are_those_of_the_table_of_versions(void **state)
{
    (void)state;
    static const struct { int16_t key, min, max; } versions[] = {
#define API(key, name, lowest, highest) { key, lowest, highest },
#include "wire/api_versions.def"
#undef API
    };
    size_t count;
    const struct handler *table = handler_table(&count);
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t k = 0; k < ARRAY_LEN(versions); k++) {
            if (versions[k].key != table[i].api_key) continue;
            found = true;
            if (versions[k].key) assert_int_equal(table[i].min_version, versions[k].min);
            assert_int_equal(table[i].max_version, versions[k].max);
        }
        assert_true(found);
    }
}

static void test_an_unknown_version_of_api_versions_is_answered_in_version_0(void **state)
{
    (void)state;
    const uint8_t ask[] = { 0, 0, 0, 11, 0, 18, 0, 99, 0, 0, 0, 7, 0, 0, 0 };
    raw_send_bytes(&one, ask, sizeof ask);
    struct api_versions_response *answer = raw_receive(&rig, &one, 18, 0);
    assert_int_equal(answer->error_code, 35);
    assert_int_equal(answer->api_keys_count, 1);
    assert_int_equal(answer->api_keys[0].api_key, 18);
    assert_int_equal(answer->api_keys[0].max_version, 4);
    ask_versions(&one);
    answer = raw_receive(&rig, &one, 18, 3);
    assert_int_equal(answer->error_code, 0);
}

static void test_an_illegal_software_name_is_refused(void **state)
{
    (void)state;
    struct api_versions_request body;
    wire_default(&api_versions_request_message, &body);
    body.client_software_name = STR("-raw");
    body.client_software_version = STR("1");
    struct api_versions_response *answer = raw_call(&rig, &one, 18, 3, &body);
    assert_int_equal(answer->error_code, 42);
}

static void test_an_unknown_api_or_version_or_body_closes_the_connection(void **state)
{
    (void)state;
    const uint8_t api[] = { 0, 0, 0, 10, 3, 18, 0, 0, 0, 0, 0, 7, 0, 0 };
    const uint8_t version[] = { 0, 0, 0, 10, 0, 1, 0, 99, 0, 0, 0, 7, 0, 0 };
    const uint8_t body[] = { 0, 0, 0, 12, 0, 3, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0 };
    const struct { const uint8_t *bytes; size_t len; } bad[] = {
        { api, sizeof api }, { version, sizeof version }, { body, sizeof body },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct raw_client c;
        raw_connect(&rig, &c);
        raw_send_bytes(&c, bad[i].bytes, bad[i].len);
        assert_true(raw_is_closed(&rig, &c));
        assert_int_equal(c.in.len, 0);
        raw_close(&c);
    }
}

/* What is logged while `bytes` are sent and the connection is closed. */
static void log_of(const uint8_t *bytes, size_t len, char *ret_text, size_t size)
{
    struct raw_client c;
    FILE *log = tmpfile();
    int own = dup(STDERR_FILENO);
    assert_true(log && own >= 0);
    fflush(stderr);
    dup2(fileno(log), STDERR_FILENO);
    raw_connect(&rig, &c);
    raw_send_bytes(&c, bytes, len);
    bool closed = raw_is_closed(&rig, &c);
    raw_close(&c);
    fflush(stderr);
    dup2(own, STDERR_FILENO);
    close(own);
    rewind(log);
    ret_text[fread(ret_text, 1, size - 1, log)] = 0;
    fclose(log);
    assert_true(closed);
}

static void test_what_is_not_served_is_one_log_line_with_client_api_and_version(void **state)
{
    (void)state;
    const uint8_t api[] = { 0, 0, 0, 13, 3, 18, 0, 2, 0, 0, 0, 7, 0, 3, 'a', 'p', 'p' };
    const uint8_t version[] = { 0, 0, 0, 13, 0, 1, 0, 99, 0, 0, 0, 7, 0, 3, 'a', 'p', 'p' };
    const uint8_t body[] = { 0, 0, 0, 15, 0, 3, 0, 1, 0, 0, 0, 7, 0, 3, 'a', 'p', 'p', 0, 0 };
    const struct { const uint8_t *bytes; size_t len; const char *api, *version; } bad[] = {
        { api, sizeof api, "key 786", "version 2" },
        { version, sizeof version, "Fetch (key 1)", "version 99" },
        { body, sizeof body, "Metadata", "version 1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[2048];
        log_of(bad[i].bytes, bad[i].len, text, sizeof text);
        assert_non_null(strstr(text, bad[i].api));
        assert_non_null(strstr(text, bad[i].version));
        assert_non_null(strstr(text, "127.0.0.1"));
        assert_non_null(strstr(text, "\"app\""));
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    }
}

static void test_a_reply_that_waits_holds_back_the_later_ones(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    rig_fetch_send(&rig, &one, "t", 0, 0, 60000, 1);
    ask_versions(&one);
    assert_false(raw_has_frame(&rig, &one));
    assert_int_equal(rig_produce(&rig, &two, "t", 0, rig_batch(3, -1, -1))->error_code, 0);
    struct fetch_response *fetched = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_true(fetched->responses[0].partitions[0].records.len > 0);
    struct api_versions_response *versions = raw_receive(&rig, &one, 18, 3);
    assert_int_equal(versions->error_code, 0);
}

static void test_a_full_queue_stops_reading_until_replies_leave(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    rig_fetch_send(&rig, &one, "t", 0, 0, 60000, 1);
    for (int i = 0; i < 150; i++) ask_versions(&one);
    assert_false(raw_has_frame(&rig, &one));
    int most = 0;
    struct connection *c;
    DL_FOREACH(rig.broker->connections, c) most = c->queued > most ? c->queued : most;
    assert_int_equal(most, CONNECTION_QUEUE);
    assert_int_equal(rig_produce(&rig, &two, "t", 0, rig_batch(1, -1, -1))->error_code, 0);
    (void)raw_receive(&rig, &one, 1, FETCH_VERSION);
    for (int i = 0; i < 150; i++) {
        struct api_versions_response *versions = raw_receive(&rig, &one, 18, 3);
        assert_int_equal(versions->error_code, 0);
    }
}

static void test_a_connection_that_ends_takes_its_waiting_requests_along(void **state)
{
    (void)state;
    struct raw_client c;
    rig_create_topic(&rig, &one, "t", 1);
    raw_connect(&rig, &c);
    rig_fetch_send(&rig, &c, "t", 0, 0, 60000, 1);
    assert_false(raw_has_frame(&rig, &c));
    raw_close(&c);
    int64_t before = rig.broker->stats.connections_closed;
    while (rig.broker->stats.connections_closed == before) loop_turn(rig.broker->loop, -1);
    assert_int_equal(rig_produce(&rig, &two, "t", 0, rig_batch(1, -1, -1))->error_code, 0);
    assert_int_equal(rig.broker->memory_used, 0);
}

static void test_connections_past_the_plan_are_refused(void **state)
{
    (void)state;
    rig.broker->image->limits.connections = 2;
    struct raw_client c;
    raw_connect(&rig, &c);
    assert_true(raw_is_closed(&rig, &c));
    raw_close(&c);
    assert_int_equal(rig.broker->connection_count, 2);
}

/* --- produce and fetch ------------------------------------------------------ */

static void test_offsets_count_on_and_fetch_returns_the_stored_batches(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 2);
    assert_int_equal(rig_produce(&rig, &one, "t", 1, rig_batch(3, -1, -1))->base_offset, 0);
    assert_int_equal(rig_produce(&rig, &one, "t", 1, rig_batch(2, -1, -1))->base_offset, 3);
    rig_fetch_send(&rig, &one, "t", 1, 4, 0, 1);
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    struct fetch_response_partition_data *p = &answer->responses[0].partitions[0];
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->high_watermark, 5);
    assert_int_equal(p->log_start_offset, 0);
    assert_int_equal(answer->session_id, 0);
    /* The batch that contains the offset comes whole. */
    struct batch_header header;
    assert_true(is_ok(batch_header_parse(p->records, &header)));
    assert_int_equal(header.base_offset, 3);
    assert_int_equal(header.record_count, 2);
    assert_int_equal(header.leader_epoch, store_epoch(rig.broker->store));
    assert_true(is_ok(batch_check_crc(p->records)));
}

static void test_a_fetch_that_finds_nothing_is_answered_empty_when_its_time_is_over(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    rig_fetch_send(&rig, &one, "t", 0, 0, 20, 1);
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    struct fetch_response_partition_data *p = &answer->responses[0].partitions[0];
    assert_int_equal(p->error_code, 0);
    assert_non_null(p->records.data);
    assert_int_equal(p->records.len, 0);
    assert_int_equal(p->aborted_transactions_count, -1);
}

static void test_a_parked_fetch_waits_for_min_bytes(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    size_t size = rig_batch(1, -1, -1).len;
    rig_fetch_send(&rig, &one, "t", 0, 0, 60000, (int32_t)size + 1);
    assert_int_equal(rig_produce(&rig, &two, "t", 0, rig_batch(1, -1, -1))->error_code, 0);
    assert_false(raw_has_frame(&rig, &one));
    assert_int_equal(rig_produce(&rig, &two, "t", 0, rig_batch(1, -1, -1))->error_code, 0);
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_int_equal(answer->responses[0].partitions[0].records.len, 2 * size);
}

static void test_a_fetch_outside_the_log_or_of_nothing_is_answered_at_once(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    const struct { const char *topic; int32_t partition; int64_t offset; int16_t error; } cases[] = {
        { "t", 0, 1, 1 }, { "t", 0, -1, 1 }, { "t", 1, 0, 3 }, { "nope", 0, 0, 3 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        rig_fetch_send(&rig, &one, cases[i].topic, cases[i].partition, cases[i].offset, 60000, 1);
        struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
        assert_int_equal(answer->responses[0].partitions[0].error_code, cases[i].error);
    }
}

static void test_a_session_that_never_was_is_not_found(void **state)
{
    (void)state;
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.session_id = 5;
    body.session_epoch = 1;
    struct fetch_response *answer = raw_call(&rig, &one, 1, FETCH_VERSION, &body);
    assert_int_equal(answer->error_code, 70);
}

static void delete_topic(const char *name)
{
    struct str names[] = { str_c(name) };
    struct delete_topics_request body;
    wire_default(&delete_topics_request_message, &body);
    body.topic_names = names;
    body.topic_names_count = 1;
    struct delete_topics_response *answer = raw_call(&rig, &two, 20, 5, &body);
    assert_int_equal(answer->responses[0].error_code, 0);
}

static void test_a_parked_fetch_learns_that_its_topic_was_deleted(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    rig_fetch_send(&rig, &one, "t", 0, 0, 60000, 1);
    assert_false(raw_has_frame(&rig, &one));
    delete_topic("t");
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 3);
}

static void test_of_thousands_of_partitions_a_deletion_ends_some_a_turn(void **state)
{
    (void)state;
    enum { PARTITIONS = 4000 };
    rig_create_topic(&rig, &one, "t", PARTITIONS);
    struct uuid id = image_topic(rig.broker->image, STR("t"))->id;
    rig_produce(&rig, &one, "t", 0, rig_batch(1, -1, -1));
    rig_produce(&rig, &one, "t", PARTITIONS - 1, rig_batch(1, -1, -1));
    rig_fetch_send(&rig, &one, "t", PARTITIONS - 1, 1, 60000, 1);
    assert_false(raw_has_frame(&rig, &one));
    delete_topic("t");
    assert_non_null(store_find(rig.broker->store, id, PARTITIONS - 1)); /* its turn has not come */
    rig_create_topic(&rig, &two, "t", 1); /* another one, of which nothing ends */
    rig_produce(&rig, &two, "t", 0, rig_batch(1, -1, -1));
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 3);
    assert_null(store_find(rig.broker->store, id, 0));
    assert_null(store_find(rig.broker->store, id, PARTITIONS - 1));
    rig_fetch_send(&rig, &two, "t", 0, 0, 60000, 1);
    answer = raw_receive(&rig, &two, 1, FETCH_VERSION);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 0);
}

static void test_a_stop_ends_what_a_deletion_has_left(void **state)
{
    (void)state;
    enum { PARTITIONS = 4000 };
    char folder[UUID_TEXT], path[200];
    rig_create_topic(&rig, &one, "t", PARTITIONS);
    rig_produce(&rig, &one, "t", PARTITIONS - 1, rig_batch(1, -1, -1));
    uuid_format(image_topic(rig.broker->image, STR("t"))->id, folder);
    snprintf(path, sizeof path, "%s/%s-%d", rig.dir, folder, PARTITIONS - 1);
    assert_int_equal(access(path, F_OK), 0);
    delete_topic("t");
    raw_close(&one);
    raw_close(&two);
    rig_close(&rig);
    assert_int_equal(access(path, F_OK), -1);
    rig_open(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
}

/* One batch for each of the first n partitions. */
static void produce_to_many(struct raw_client *c, const char *topic, int32_t n)
{
    struct produce_request_partition_produce_data *data = mem_must(mem_zalloc((size_t)n * sizeof *data));
    for (int32_t i = 0; i < n; i++)
        data[i] = (struct produce_request_partition_produce_data){ i, rig_batch(1, -1, -1) };
    struct produce_request_topic_produce_data topics = { .name = str_c(topic), .partition_data = data,
                                                         .partition_data_count = n };
    struct produce_request body;
    wire_default(&produce_request_message, &body);
    body.acks = -1;
    body.timeout_ms = 30000;
    body.topic_data = &topics;
    body.topic_data_count = 1;
    raw_send(&rig, c, 0, PRODUCE_VERSION, &body);
    mem_free(data);
}

static uint64_t turns(void) { return loop_turns(rig.broker->loop)->count; }

static void test_a_produce_to_thousands_of_partitions_takes_many_turns_and_keeps_its_place(void **state)
{
    (void)state;
    enum { PARTITIONS = 3000 };
    rig_create_topic(&rig, &one, "t", PARTITIONS);
    uint64_t before = turns();
    produce_to_many(&one, "t", PARTITIONS);
    rig_produce_send(&rig, &one, "t", PARTITIONS - 1, -1, rig_batch(1, -1, -1)); /* behind it */
    ask_versions(&two); /* beside it */
    struct api_versions_response *versions = raw_receive(&rig, &two, 18, 3);
    assert_int_equal(versions->error_code, 0);
    assert_int_equal(one.in.len, 0);
    struct produce_response *all = raw_receive(&rig, &one, 0, PRODUCE_VERSION);
    assert_in_range(turns() - before, 20, UINT32_MAX);
    assert_int_equal(all->responses[0].partition_responses_count, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(all->responses[0].partition_responses[i].index, i);
        assert_int_equal(all->responses[0].partition_responses[i].error_code, 0);
        assert_int_equal(all->responses[0].partition_responses[i].base_offset, 0);
    }
    struct produce_response *behind = raw_receive(&rig, &one, 0, PRODUCE_VERSION);
    assert_int_equal(behind->responses[0].partition_responses[0].base_offset, 1);
}

static void test_a_client_that_leaves_ends_its_produce_between_two_turns(void **state)
{
    (void)state;
    enum { PARTITIONS = 3000 };
    rig_create_topic(&rig, &one, "t", PARTITIONS);
    struct uuid id = image_topic(rig.broker->image, STR("t"))->id;
    produce_to_many(&one, "t", PARTITIONS);
    while (!store_find(rig.broker->store, id, 10)) loop_turn(rig.broker->loop, 100);
    assert_null(store_find(rig.broker->store, id, PARTITIONS - 1));
    raw_close(&one);
    raw_connect(&rig, &one);
    rig_produce(&rig, &one, "t", 0, rig_batch(1, -1, -1));
    assert_null(store_find(rig.broker->store, id, PARTITIONS - 1));
}

static void fetch_of_many(struct raw_client *c, const char *topic, int32_t n, int32_t wait_ms,
                          int32_t min_bytes)
{
    struct fetch_request_fetch_partition *asked = mem_must(mem_zalloc((size_t)n * sizeof *asked));
    for (int32_t i = 0; i < n; i++) {
        wire_default_struct(&fetch_request_fetch_partition_struct, &asked[i]);
        asked[i].partition = i;
        asked[i].partition_max_bytes = 1 << 20;
    }
    struct fetch_request_fetch_topic topics = { .topic = str_c(topic), .partitions = asked,
                                                .partitions_count = n };
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.max_wait_ms = wait_ms;
    body.min_bytes = min_bytes;
    body.topics = &topics;
    body.topics_count = 1;
    raw_send(&rig, c, 1, FETCH_VERSION, &body);
    mem_free(asked);
}

static void test_a_fetch_of_thousands_of_partitions_waits_for_its_bytes_over_many_turns(void **state)
{
    (void)state;
    enum { PARTITIONS = 3000 };
    int32_t each = (int32_t)rig_batch(1, -1, -1).len;
    rig_create_topic(&rig, &one, "t", PARTITIONS);
    produce_to_many(&one, "t", PARTITIONS);
    (void)raw_receive(&rig, &one, 0, PRODUCE_VERSION);
    fetch_of_many(&one, "t", PARTITIONS, 600000, each * PARTITIONS + 1);
    assert_false(raw_has_frame(&rig, &one));
    ask_versions(&two);
    (void)raw_receive(&rig, &two, 18, 3);
    rig_produce(&rig, &two, "t", PARTITIONS / 2, rig_batch(1, -1, -1));
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_int_equal(answer->responses[0].partitions_count, PARTITIONS);
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(answer->responses[0].partitions[i].records.len,
                         i == PARTITIONS / 2 ? 2 * each : each);
}

static void test_produce_with_acks_0_has_no_answer_and_its_failure_closes(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    rig_produce_send(&rig, &one, "t", 0, 0, rig_batch(1, -1, -1));
    ask_versions(&one);
    struct api_versions_response *versions = raw_receive(&rig, &one, 18, 3);
    assert_int_equal(versions->error_code, 0);
    assert_int_equal(one.in.len, 0);
    rig_produce_send(&rig, &two, "t", 9, 0, rig_batch(1, -1, -1));
    assert_true(raw_is_closed(&rig, &two));
}

static void test_what_cannot_be_appended_is_refused_by_kafkas_error(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    assert_int_equal(rig_produce(&rig, &one, "nope", 0, rig_batch(1, -1, -1))->error_code, 3);
    assert_int_equal(
        rig_produce(&rig, &one, "__consumer_offsets", 0, rig_batch(1, -1, -1))->error_code, 17);
    struct bytes batch = rig_batch(1, -1, -1);
    ((uint8_t *)(uintptr_t)batch.data)[batch.len - 1] ^= 1;
    assert_int_equal(rig_produce(&rig, &one, "t", 0, batch)->error_code, 2);
    rig_produce_send(&rig, &one, "t", 0, 2, rig_batch(1, -1, -1));
    struct produce_response *answer = raw_receive(&rig, &one, 0, PRODUCE_VERSION);
    assert_int_equal(answer->responses[0].partition_responses[0].error_code, 21);
    rig.broker->image->limits.message_bytes = 10;
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(1, -1, -1))->error_code, 10);
}

static void test_an_idempotent_batch_sent_twice_is_stored_once(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    struct init_producer_id_request init;
    wire_default(&init_producer_id_request_message, &init);
    init.transactional_id = STR_NULL;
    struct init_producer_id_response *id = raw_call(&rig, &one, 22, 4, &init);
    assert_int_equal(id->error_code, 0);
    int64_t pid = id->producer_id;
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(2, pid, 0))->base_offset, 0);
    struct produce_response_partition_produce_response *again =
        rig_produce(&rig, &one, "t", 0, rig_batch(2, pid, 0));
    assert_int_equal(again->error_code, 0);
    assert_int_equal(again->base_offset, 0);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(2, pid, 5))->error_code, 45);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(2, pid, 2))->base_offset, 2);
}

/* --- life ------------------------------------------------------ */

static void test_records_and_topics_survive_a_restart_and_epochs_rise(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(3, -1, -1))->error_code, 0);
    struct init_producer_id_request init;
    wire_default(&init_producer_id_request_message, &init);
    init.transactional_id = STR_NULL;
    struct init_producer_id_response *first = raw_call(&rig, &one, 22, 4, &init);
    int64_t first_id = first->producer_id;
    int32_t epoch = store_epoch(rig.broker->store);
    raw_close(&one);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &one);
    assert_true(store_epoch(rig.broker->store) > epoch);
    struct init_producer_id_response *second = raw_call(&rig, &one, 22, 4, &init);
    assert_true(second->producer_id > first_id);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(1, -1, -1))->base_offset, 3);
    rig_fetch_send(&rig, &one, "t", 0, 0, 0, 1);
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_int_equal(answer->responses[0].partitions[0].error_code, 0);
    assert_int_equal(answer->responses[0].partitions[0].high_watermark, 4);
    assert_true(answer->responses[0].partitions[0].records.len > 0);
}

static void test_a_second_broker_on_the_folder_is_refused(void **state)
{
    (void)state;
    struct broker *second;
    struct why why = { "" };
    assert_int_equal(broker_new(&rig.options, &second, &why).code, E_LOCKED);
    assert_non_null(strstr(why.text, "another broker"));
}

/* --- metadata ------------------------------------------------------ */

static struct metadata_response_metadata_response_topic *ask_topic(const char *name, bool create,
                                                                   struct metadata_response **ret)
{
    struct metadata_request_metadata_request_topic topic = { .name = str_c(name) };
    struct metadata_request body;
    wire_default(&metadata_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    body.allow_auto_topic_creation = create;
    struct metadata_response *answer = raw_call(&rig, &one, 3, 12, &body);
    assert_int_equal(answer->topics_count, 1);
    if (ret) *ret = answer;
    return &answer->topics[0];
}

static void test_metadata_makes_a_named_topic_when_cluster_and_client_allow_it(void **state)
{
    (void)state;
    struct limits *limits = &rig.broker->image->limits;
    limits->auto_create_topics = false;
    assert_int_equal(ask_topic("fresh", true, NULL)->error_code, 3);
    limits->auto_create_topics = true;
    limits->default_partitions = 3;
    assert_int_equal(ask_topic("fresh", false, NULL)->error_code, 3);
    struct metadata_response *answer;
    struct metadata_response_metadata_response_topic *topic = ask_topic("fresh", true, &answer);
    assert_int_equal(topic->error_code, 0);
    assert_int_equal(topic->partitions_count, 3);
    assert_int_equal(topic->partitions[2].leader_id, rig.options.node_id);
    assert_int_equal(topic->partitions[2].replica_nodes_count, 1);
    assert_int_equal(answer->brokers[0].port, broker_port(rig.broker));
    assert_int_equal(answer->controller_id, rig.options.node_id);
    assert_true(answer->cluster_id.len > 0);
    assert_int_equal(rig_produce(&rig, &one, "fresh", 2, rig_batch(1, -1, -1))->error_code, 0);
    assert_int_equal(ask_topic("a/b", true, NULL)->error_code, 17);
}

static void test_list_offsets_finds_ends_and_times(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(10, -1, -1))->error_code, 0);
    const struct { int64_t time, offset, found; } cases[] = {
        { -1, 10, -1 },
        { -2, 0, -1 },
        { rig_time + 4, 4, rig_time + 4 },
        { rig_time + 100000, -1, -1 },
        { -3, 9, rig_time + 9 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct list_offsets_request_list_offsets_partition p = { 0, -1, cases[i].time };
        struct list_offsets_request_list_offsets_topic t = { STR("t"), &p, 1 };
        struct list_offsets_request body;
        wire_default(&list_offsets_request_message, &body);
        body.replica_id = -1;
        body.topics = &t;
        body.topics_count = 1;
        struct list_offsets_response *answer = raw_call(&rig, &one, 2, 7, &body);
        assert_int_equal(answer->topics[0].partitions[0].error_code, 0);
        assert_int_equal(answer->topics[0].partitions[0].offset, cases[i].offset);
        assert_int_equal(answer->topics[0].partitions[0].timestamp, cases[i].found);
    }
}

/* --- every version ------------------------------------------------------ */

static void test_every_version_of_every_api_has_an_answer_that_can_be_read(void **state)
{
    (void)state;
    size_t count;
    const struct handler *table = handler_table(&count);
    for (size_t i = 0; i < count; i++) {
        if (table[i].api_key == 17 || table[i].api_key == 36) continue; /* these close */
        for (int16_t v = table[i].min_version; v <= table[i].max_version; v++) {
            const struct wire_message *m = wire_request(table[i].api_key);
            void *body = mem_must(mem_zalloc(wire_object_size(m)));
            wire_default(m, body);
            if (table[i].api_key == 0) ((struct produce_request *)body)->acks = 1;
            struct raw_client c;
            raw_connect(&rig, &c);
            (void)raw_call(&rig, &c, table[i].api_key, v, body);
            raw_close(&c);
            mem_free(body);
            rig_forget();
        }
    }
}

static void test_fetch_works_by_name_and_by_id_in_every_version(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    size_t size = rig_batch(2, -1, -1).len;
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(2, -1, -1))->error_code, 0);
    struct fetch_request_fetch_partition p;
    wire_default_struct(&fetch_request_fetch_partition_struct, &p);
    p.partition_max_bytes = 1 << 20;
    struct fetch_request_fetch_topic t = { .partitions = &p, .partitions_count = 1 };
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.topics = &t;
    body.topics_count = 1;
    body.min_bytes = 1;
    for (int16_t v = 4; v <= 18; v++) {
        t.topic = v < 13 ? STR("t") : STR_NULL;
        t.topic_id = image_topic(rig.broker->image, STR("t"))->id;
        p.current_leader_epoch = -1;
        struct fetch_response *answer = raw_call(&rig, &one, 1, v, &body);
        assert_int_equal(answer->responses[0].partitions[0].error_code, 0);
        assert_int_equal(answer->responses[0].partitions[0].records.len, size);
        /* An epoch we have not reached, and one that is over. */
        int32_t now = store_epoch(rig.broker->store);
        for (int i = 0; v >= 9 && i < 2; i++) {
            p.current_leader_epoch = i ? now - 1 : now + 1;
            answer = raw_call(&rig, &one, 1, v, &body);
            assert_int_equal(answer->responses[0].partitions[0].error_code, i ? 74 : 75);
        }
        if (v < 13) continue;
        t.topic_id.b[0] ^= 1;
        answer = raw_call(&rig, &one, 1, v, &body);
        assert_int_equal(answer->responses[0].partitions[0].error_code, 100);
    }
}

static void test_produce_works_by_name_and_by_id_in_every_version(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    for (int16_t v = 3; v <= 13; v++) {
        struct produce_request_partition_produce_data data = { 0, rig_batch(1, -1, -1) };
        struct produce_request_topic_produce_data t = { .partition_data = &data,
                                                        .partition_data_count = 1 };
        t.name = v < 13 ? STR("t") : STR_NULL;
        t.topic_id = image_topic(rig.broker->image, STR("t"))->id;
        struct produce_request body;
        wire_default(&produce_request_message, &body);
        body.acks = -1;
        body.timeout_ms = 30000;
        body.topic_data = &t;
        body.topic_data_count = 1;
        struct produce_response *answer = raw_call(&rig, &one, 0, v, &body);
        assert_int_equal(answer->responses[0].partition_responses[0].error_code, 0);
        assert_int_equal(answer->responses[0].partition_responses[0].base_offset, v - 3);
    }
}

static struct produce_response_partition_produce_response *produce_to(struct uuid topic)
{
    struct produce_request_partition_produce_data data = { 0, rig_batch(1, -1, -1) };
    struct produce_request_topic_produce_data t = { .topic_id = topic, .partition_data = &data,
                                                    .partition_data_count = 1 };
    struct produce_request body;
    wire_default(&produce_request_message, &body);
    body.acks = -1;
    body.timeout_ms = 30000;
    body.topic_data = &t;
    body.topic_data_count = 1;
    struct produce_response *answer = raw_call(&rig, &one, 0, 13, &body);
    return &answer->responses[0].partition_responses[0];
}

static void test_a_producer_by_id_learns_that_its_topic_was_made_again(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    struct uuid first = image_topic(rig.broker->image, STR("t"))->id;
    assert_int_equal(produce_to(first)->base_offset, 0);
    assert_int_equal(produce_to(first)->base_offset, 1);
    delete_topic("t");
    assert_int_equal(produce_to(first)->error_code, 100);
    rig_create_topic(&rig, &one, "t", 1);
    assert_int_equal(produce_to(first)->error_code, 100); /* nothing goes to the new one by mistake */
    assert_int_equal(produce_to(image_topic(rig.broker->image, STR("t"))->id)->base_offset, 0);
}

static void test_list_offsets_and_metadata_fit_every_version(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    for (int16_t v = 1; v <= 11; v++) {
        struct list_offsets_request_list_offsets_partition p = { 0, -1, -1 };
        struct list_offsets_request_list_offsets_topic t = { STR("t"), &p, 1 };
        struct list_offsets_request body;
        wire_default(&list_offsets_request_message, &body);
        body.topics = &t;
        body.topics_count = 1;
        struct list_offsets_response *answer = raw_call(&rig, &one, 2, v, &body);
        assert_int_equal(answer->topics[0].partitions[0].offset, 0);
    }
    for (int16_t v = 0; v <= 13; v++) {
        struct metadata_request_metadata_request_topic t = { .name = STR("t") };
        struct metadata_request body;
        wire_default(&metadata_request_message, &body);
        body.topics = &t;
        body.topics_count = 1;
        body.allow_auto_topic_creation = true;
        body.include_topic_authorized_operations = v >= 8;
        struct metadata_response *answer = raw_call(&rig, &one, 3, v, &body);
        assert_int_equal(answer->topics[0].error_code, 0);
        assert_int_equal(answer->topics[0].partitions_count, 1);
        if (v >= 8) assert_true(answer->topics[0].topic_authorized_operations > 0);
    }
}

static void limit_storage(int64_t bytes)
{
    struct limits limits = rig.broker->image->limits;
    struct buf delta;
    limits.storage_bytes = bytes;
    rig_delta_begin(&rig, &delta);
    delta_limits(&delta, &limits);
    rig_delta_apply(&rig, &delta);
}

static void test_the_storage_limit_is_told_in_a_sentence_and_can_be_raised_while_it_runs(void **state)
{
    (void)state;
    rig_create_topic(&rig, &one, "t", 1);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(3, -1, -1))->error_code, 0);
    limit_storage(store_user_bytes(rig.broker->store));
    const struct produce_response_partition_produce_response *p =
        rig_produce(&rig, &one, "t", 0, rig_batch(3, -1, -1));
    assert_int_equal(p->error_code, 44);
    assert_int_equal(p->base_offset, -1);
    assert_non_null(strstr(p->error_message.data, "storage limit of this cluster's plan"));
    rig_fetch_send(&rig, &one, "t", 0, 0, 0, 1);
    struct fetch_response *f = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_int_equal(f->responses[0].partitions[0].high_watermark, 3);
    limit_storage(-1);
    p = rig_produce(&rig, &one, "t", 0, rig_batch(3, -1, -1));
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->base_offset, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_handler_is_advertised_with_its_range_and_produce_from_0),
        TEST(test_features_that_may_be_off_are_told_from_version_4_on),
        TEST(test_a_feature_keeps_its_level),
        TEST(test_the_ranges_are_those_of_the_table_of_versions),
        TEST(test_an_unknown_version_of_api_versions_is_answered_in_version_0),
        TEST(test_an_illegal_software_name_is_refused),
        TEST(test_an_unknown_api_or_version_or_body_closes_the_connection),
        TEST(test_what_is_not_served_is_one_log_line_with_client_api_and_version),
        TEST(test_a_reply_that_waits_holds_back_the_later_ones),
        TEST(test_a_full_queue_stops_reading_until_replies_leave),
        TEST(test_a_connection_that_ends_takes_its_waiting_requests_along),
        TEST(test_connections_past_the_plan_are_refused),
        TEST(test_offsets_count_on_and_fetch_returns_the_stored_batches),
        TEST(test_a_fetch_that_finds_nothing_is_answered_empty_when_its_time_is_over),
        TEST(test_a_parked_fetch_waits_for_min_bytes),
        TEST(test_a_fetch_outside_the_log_or_of_nothing_is_answered_at_once),
        TEST(test_a_session_that_never_was_is_not_found),
        TEST(test_a_parked_fetch_learns_that_its_topic_was_deleted),
        TEST(test_of_thousands_of_partitions_a_deletion_ends_some_a_turn),
        TEST(test_a_produce_to_thousands_of_partitions_takes_many_turns_and_keeps_its_place),
        TEST(test_a_client_that_leaves_ends_its_produce_between_two_turns),
        TEST(test_a_fetch_of_thousands_of_partitions_waits_for_its_bytes_over_many_turns),
        TEST(test_a_stop_ends_what_a_deletion_has_left),
        TEST(test_produce_with_acks_0_has_no_answer_and_its_failure_closes),
        TEST(test_what_cannot_be_appended_is_refused_by_kafkas_error),
        TEST(test_an_idempotent_batch_sent_twice_is_stored_once),
        TEST(test_records_and_topics_survive_a_restart_and_epochs_rise),
        TEST(test_a_second_broker_on_the_folder_is_refused),
        TEST(test_metadata_makes_a_named_topic_when_cluster_and_client_allow_it),
        TEST(test_list_offsets_finds_ends_and_times),
        TEST(test_every_version_of_every_api_has_an_answer_that_can_be_read),
        TEST(test_fetch_works_by_name_and_by_id_in_every_version),
        TEST(test_produce_works_by_name_and_by_id_in_every_version),
        TEST(test_a_producer_by_id_learns_that_its_topic_was_made_again),
        TEST(test_list_offsets_and_metadata_fit_every_version),
        TEST(test_the_storage_limit_is_told_in_a_sentence_and_can_be_raised_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
