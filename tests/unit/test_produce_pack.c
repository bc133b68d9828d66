/* Batches that the broker has to inflate or to pack anew, which happens beside the loop: order, errors,
 * connections that end meanwhile, and a broker that stops. */
#include "unit/broker_rig.h"

#include "storage/limits.h"
#include "wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

#define MANY 1200 /* records of a batch that takes long: more than PREPARE_PACK_LONG bytes */

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

static void create(const char *name, const char *config, const char *value)
{
    struct create_topics_request body;
    struct create_topics_request_creatable_topic topic;
    struct create_topics_request_creatable_topic_config entry;
    wire_default(&create_topics_request_message, &body);
    wire_default_struct(&create_topics_request_creatable_topic_struct, &topic);
    wire_default_struct(&create_topics_request_creatable_topic_config_struct, &entry);
    entry.name = str_c(config);
    entry.value = str_c(value);
    topic.name = str_c(name);
    topic.num_partitions = 2;
    topic.replication_factor = 1;
    topic.configs = &entry;
    topic.configs_count = 1;
    body.topics = &topic;
    body.topics_count = 1;
    struct create_topics_response *answer = raw_call(&rig, &one, 19, 5, &body);
    assert_int_equal(answer->topics[0].error_code, 0);
}

static struct produce_response_partition_produce_response *answer_of(struct raw_client *c)
{
    struct produce_response *answer = raw_receive(&rig, c, 0, PRODUCE_VERSION);
    return &answer->responses[0].partition_responses[0];
}

/* The log's batches, all in this codec; their records. */
static int stored(const char *topic, enum codec codec)
{
    rig_fetch_send(&rig, &two, topic, 0, 0, 0, 1);
    struct fetch_response *answer = raw_receive(&rig, &two, 1, FETCH_VERSION);
    struct bytes left = answer->responses[0].partitions[0].records, batch;
    struct batch_header h;
    int n = 0;
    while (batch_next(&left, &batch, &h, NULL)) {
        assert_int_equal(batch_codec(&h), codec);
        assert_true(is_ok(batch_check_crc(batch)));
        struct batch_reader reader;
        struct record r;
        assert_true(is_ok(batch_reader_init(&reader, batch, 1 << 24)));
        while (batch_reader_next(&reader, &r)) {
            char text[32];
            int len = snprintf(text, sizeof text, "value-%d", (int)(r.offset - h.base_offset));
            assert_int_equal(r.value.len, len);
            assert_memory_equal(r.value.data, text, r.value.len);
            assert_int_equal(r.timestamp, rig_time + r.offset - h.base_offset);
            assert_int_equal(r.offset, n);
            n++;
        }
        assert_true(is_ok(batch_reader_result(&reader)));
        batch_reader_done(&reader);
    }
    return n;
}

static int64_t producer(void)
{
    struct init_producer_id_request init;
    wire_default(&init_producer_id_request_message, &init);
    init.transactional_id = STR_NULL;
    struct init_producer_id_response *id = raw_call(&rig, &one, 22, 4, &init);
    return id->producer_id;
}

static void test_batches_sent_ahead_keep_their_order(void **state)
{
    (void)state;
    create("t", "compression.type", "zstd");
    int64_t id = producer();
    int64_t base = 0;
    static const int sizes[] = { MANY, 1, MANY, MANY, 2 }; /* short ones do not overtake */
    for (int i = 0, sequence = 0; i < 5; sequence += sizes[i++])
        rig_produce_send(&rig, &one, "t", 0, -1, rig_batch(sizes[i], id, sequence));
    for (int i = 0; i < 5; base += sizes[i++]) {
        struct produce_response_partition_produce_response *a = answer_of(&one);
        assert_int_equal(a->error_code, 0);
        assert_int_equal(a->base_offset, base);
    }
    assert_int_equal(stored("t", CODEC_ZSTD), base);
    struct produce_response_partition_produce_response *again =
        rig_produce(&rig, &one, "t", 0, rig_batch(MANY, id, MANY + 1));
    assert_int_equal(again->error_code, 0); /* a duplicate: packed, and not stored */
    assert_int_equal(again->base_offset, MANY + 1);
    assert_int_equal(rig.broker->packing, 0);
}

static void test_what_is_wrong_with_records_is_told_all_the_same(void **state)
{
    (void)state;
    create("t", "compression.type", "gzip");
    struct bytes batch = rig_batch(MANY, -1, -1);
    ((uint8_t *)(uintptr_t)batch.data)[batch.len - 1] ^= 1;
    assert_int_equal(rig_produce(&rig, &one, "t", 0, batch)->error_code, 2);
    assert_int_equal(rig_produce(&rig, &one, "t", 5, rig_batch(MANY, -1, -1))->error_code, 3);
    create("clear", "compression.type", "uncompressed");
    assert_int_equal(rig_produce(&rig, &one, "clear", 0, rig_batch(MANY, -1, -1))->error_code, 0);
    assert_int_equal(stored("t", CODEC_GZIP), 0);
}

static void test_a_connection_that_ends_leaves_nothing_behind(void **state)
{
    (void)state;
    create("t", "compression.type", "gzip");
    struct raw_client c;
    raw_connect(&rig, &c);
    for (int i = 0; i < 3; i++)
        rig_produce_send(&rig, &c, "t", 0, -1, rig_batch(MANY, -1, -1));
    while (!rig.broker->packing) loop_turn(rig.broker->loop, -1);
    raw_close(&c);
    int64_t before = rig.broker->stats.connections_closed;
    while (rig.broker->stats.connections_closed == before || rig.broker->packing)
        loop_turn(rig.broker->loop, -1);
    assert_int_equal(rig_produce(&rig, &two, "t", 1, rig_batch(MANY, -1, -1))->base_offset, 0);
    assert_int_equal(rig.broker->memory_used, 0);
}

static void test_a_broker_stops_while_a_batch_is_packed(void **state)
{
    (void)state;
    create("t", "compression.type", "gzip");
    rig_produce_send(&rig, &one, "t", 0, -1, rig_batch(MANY, -1, -1));
    while (!rig.broker->packing) loop_turn(rig.broker->loop, -1);
}

static void test_a_batch_that_grows_past_the_limit_is_refused(void **state)
{
    (void)state;
    create("t", "compression.type", "uncompressed");
    static char value[4 << 20];
    struct batch_options options = batch_options_default;
    struct batch_builder builder;
    struct buf out;
    options.codec = CODEC_ZSTD;
    batch_builder_init(&builder, &options);
    buf_init(&out, 1 << 26);
    for (int i = 0; i < 4; i++) /* 16 MiB of zeros are a few KiB */
        assert_true(is_ok(batch_builder_add(&builder, rig_time, BYTES_NULL,
                                            bytes_of(value, sizeof value), NULL, 0)));
    assert_true(is_ok(batch_builder_finish(&builder, &out)));
    batch_builder_done(&builder);
    assert_true(out.len >= PREPARE_INFLATE_LONG && out.len < 1 << 18);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, buf_bytes(&out))->error_code, 10);
    buf_done(&out);
    assert_int_equal(rig_produce(&rig, &one, "t", 0, rig_batch(1, -1, -1))->base_offset, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(batches_sent_ahead_keep_their_order),
        T(what_is_wrong_with_records_is_told_all_the_same),
        T(a_connection_that_ends_leaves_nothing_behind),
        T(a_broker_stops_while_a_batch_is_packed),
        T(a_batch_that_grows_past_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
