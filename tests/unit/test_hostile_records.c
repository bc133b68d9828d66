/* test_hostile_records.c - a broker and clients that send anything in Produce, Fetch, DeleteRecords,
 * ListOffsets and OffsetForLeaderEpoch: broken and lying batches with good CRCs, bombs, offsets and
 * sizes at the ends of their types, partitions named twice. Nothing of it crashes the broker or
 * becomes a record that was not sent, and after a start all is there. Seeds as in model.h. */
#include "base/mem.h"
#include "storage/plog.h"
#include "unit/broker_rig.h"
#include "unit/model.h"
#include "wire/batch.h"
#include "wire/messages.h"


#define PARTITIONS 3
#define TAKEN_MAX 4096

struct taken { /* a batch that was acknowledged */
    int32_t partition;
    int64_t base, count;
    uint32_t hash; /* of the records behind the header */
    size_t size;
};
struct world {
    struct model_random random;
    struct rig rig;
    struct raw_client client;
    struct taken taken[TAKEN_MAX];
    int taken_count;
    int64_t ends[PARTITIONS], starts[PARTITIONS];
    struct buf bytes; /* of the batch that is sent */
};

#define CHECK(w, ...) MODEL_CHECK(&(w)->random, __VA_ARGS__)

static int64_t below(struct world *w, int64_t n) { return model_below(&w->random, n); }
static bool chance(struct world *w, int percent) { return model_chance(&w->random, percent); }

static int64_t absurd(struct world *w)
{
    static const int64_t values[] = { 0, 1, -1, -2, -3, -4, -5, -6, -7, 7, 100, INT32_MAX, INT32_MIN,
                                      INT64_MAX, INT64_MIN, INT64_MAX - 1, 1LL << 40 };
    return values[below(w, ARRAY_LEN(values))];
}

static int32_t absurd32(struct world *w)
{
    int64_t v = absurd(w);
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

static int32_t a_partition(struct world *w)
{
    return chance(w, 90) ? (int32_t)below(w, PARTITIONS) : absurd32(w);
}

/* --- batches ---------------------------------------------------------------------------------- */

static void good_batch(struct world *w, struct buf *out)
{
    struct batch_options options = batch_options_default;
    struct batch_builder builder;
    uint8_t value[300];
    options.codec = chance(w, 50) ? CODEC_NONE : (enum codec)below(w, CODEC_COUNT);
    batch_builder_init(&builder, &options);
    for (int64_t n = 1 + below(w, 5); n > 0; n--) {
        size_t size = (size_t)below(w, sizeof value);
        for (size_t i = 0; i < size; i++) value[i] = (uint8_t)model_next(&w->random);
        assert_true(is_ok(batch_builder_add(&builder, rig_time + below(w, 1000), BYTES_NULL,
                                            bytes_of(value, size), NULL, 0)));
    }
    assert_true(is_ok(batch_builder_finish(&builder, out)));
    batch_builder_done(&builder);
}

/* 80 MB of nothing in a few KB: more than the broker is willing to unpack. */
static void bomb(struct world *w, struct buf *out)
{
    static uint8_t nothing[1 << 20];
    struct batch_options options = batch_options_default;
    struct batch_builder builder;
    options.codec = chance(w, 50) ? CODEC_ZSTD : CODEC_GZIP;
    options.max = 128u << 20;
    batch_builder_init(&builder, &options);
    for (int i = 0; i < 80; i++)
        assert_true(is_ok(batch_builder_add(&builder, rig_time, BYTES_NULL,
                                            bytes_of(nothing, sizeof nothing), NULL, 0)));
    assert_true(is_ok(batch_builder_finish(&builder, out)));
    batch_builder_done(&builder);
}

/* One field says something else; the CRC is right again most of the time. */
static void lie(struct world *w, struct buf *b)
{
    static const struct {
        size_t at, size;
    } fields[] = { { 0, 8 }, { 8, 4 }, { 12, 4 }, { 16, 1 }, { 21, 2 }, { 23, 4 }, { 27, 8 }, { 35, 8 },
                   { 43, 8 }, { 51, 2 }, { 53, 4 }, { 57, 4 } };
    size_t f = (size_t)below(w, ARRAY_LEN(fields));
    uint64_t v = (uint64_t)absurd(w);
    if (chance(w, 40)) { /* anywhere in the records */
        size_t at = BATCH_HEADER_SIZE + (size_t)below(w, (int64_t)(b->len - BATCH_HEADER_SIZE));
        b->data[at] = (uint8_t)model_next(&w->random);
    } else {
        for (size_t i = 0; i < fields[f].size; i++)
            b->data[fields[f].at + i] = (uint8_t)(v >> (8 * (fields[f].size - 1 - i)));
        if (fields[f].at == 23 && chance(w, 50)) { /* as many as there can be, and both say so */
            put_be32(b->data + 23, INT32_MAX - 1);
            put_be32(b->data + 57, INT32_MAX);
        }
    }
    if (chance(w, 90)) put_be32(b->data + 17, batch_crc(bytes_of(b->data, b->len)));
}

static void a_batch(struct world *w, struct buf *out)
{
    if (w->random.step == 120) bomb(w, out);
    else good_batch(w, out);
    for (int64_t n = chance(w, 60) ? 1 + below(w, 2) : 0; n > 0; n--) lie(w, out);
    if (chance(w, 4)) good_batch(w, out); /* a second one behind it */
    if (chance(w, 4)) out->len = (size_t)below(w, (int64_t)out->len); /* cut off */
}

static uint32_t hash_of(const uint8_t *p, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 16777619u;
    return h;
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct taken *find(struct world *w, int32_t partition, int64_t base)
{
    for (int i = 0; i < w->taken_count; i++)
        if (w->taken[i].partition == partition && w->taken[i].base == base) return &w->taken[i];
    return NULL;
}

static void note(struct world *w, const struct produce_response_partition_produce_response *p)
{
    struct batch_header h;
    bool late = p->error_code == 7; /* written, not waited for: the request had no time */
    if (p->error_code && !late) return;
    int64_t base = late ? w->ends[p->index] : p->base_offset;
    CHECK(w, p->index >= 0 && p->index < PARTITIONS, "partition %d took something", p->index);
    CHECK(w, is_ok(batch_header_parse(buf_bytes(&w->bytes), &h)) && h.size == w->bytes.len,
          "what is no batch was taken");
    uint32_t hash = hash_of(w->bytes.data + BATCH_HEADER_SIZE, w->bytes.len - BATCH_HEADER_SIZE);
    const struct taken *before = find(w, p->index, base);
    if (before && h.producer_id >= 0 && before->hash == hash) return; /* known again */
    CHECK(w, base == w->ends[p->index], "partition %d: it went to %lld, not %lld", p->index,
          (long long)base, (long long)w->ends[p->index]);
    CHECK(w, h.record_count > 0 && h.last_offset_delta + 1 == h.record_count, "%d records to %d were taken",
          h.record_count, h.last_offset_delta);
    CHECK(w, w->taken_count < TAKEN_MAX, "too many");
    w->taken[w->taken_count++] = (struct taken){
        p->index, base, h.record_count, hash, w->bytes.len };
    w->ends[p->index] += h.record_count;
}

static void step_produce(struct world *w)
{
    static const int16_t versions[] = { 3, 5, 7, 8, 9, 10, 11, 12 };
    struct produce_request body;
    struct produce_request_partition_produce_data data[3];
    struct produce_request_topic_produce_data topics = { .name = STR("t"), .partition_data = data };
    int16_t version = versions[below(w, ARRAY_LEN(versions))];
    buf_clear(&w->bytes);
    a_batch(w, &w->bytes);
    topics.partition_data_count = chance(w, 80) ? 1 : 2 + (int)below(w, 2);
    for (int i = 0; i < topics.partition_data_count; i++)
        data[i] = (struct produce_request_partition_produce_data){ a_partition(w), buf_bytes(&w->bytes) };
    if (chance(w, 2)) data[0].records = BYTES_NULL;
    if (chance(w, 2)) data[0].records.len = 0;
    wire_default(&produce_request_message, &body);
    body.acks = chance(w, 90) ? -1 : 1;
    body.timeout_ms = chance(w, 80) ? 30000 : absurd32(w);
    body.topic_data = &topics;
    body.topic_data_count = 1;
    struct produce_response *answer = raw_call(&w->rig, &w->client, 0, version, &body);
    for (int t = 0; t < answer->responses_count; t++)
        for (int i = 0; i < answer->responses[t].partition_responses_count; i++)
            note(w, &answer->responses[t].partition_responses[i]);
}

static void step_fetch(struct world *w)
{
    struct fetch_request body;
    struct fetch_request_fetch_partition p[3];
    struct fetch_request_fetch_topic topics = { .topic = STR("t"), .partitions = p };
    int16_t version = 4 + (int16_t)below(w, 9);
    topics.partitions_count = 1 + (int)below(w, 3);
    for (int i = 0; i < topics.partitions_count; i++) {
        wire_default_struct(&fetch_request_fetch_partition_struct, &p[i]);
        p[i].partition = a_partition(w);
        p[i].fetch_offset = chance(w, 50) ? below(w, 200) : absurd(w);
        p[i].partition_max_bytes = chance(w, 50) ? 1 << 20 : absurd32(w);
        p[i].log_start_offset = absurd(w);
        p[i].current_leader_epoch = chance(w, 70) ? -1 : absurd32(w);
        if (version >= 12 && chance(w, 30)) p[i].last_fetched_epoch = absurd32(w);
    }
    wire_default(&fetch_request_message, &body);
    body.max_wait_ms = chance(w, 50) ? 0 : -(int32_t)below(w, 1000);
    body.min_bytes = absurd32(w);
    body.max_bytes = chance(w, 50) ? 1 << 20 : absurd32(w);
    body.isolation_level = (int8_t)below(w, 2);
    if (version >= 7 && chance(w, 30)) body.session_id = absurd32(w);
    if (version >= 7 && chance(w, 50)) body.session_epoch = absurd32(w);
    body.topics = &topics;
    body.topics_count = 1;
    struct fetch_response *answer = raw_call(&w->rig, &w->client, 1, version, &body);
    for (int t = 0; t < answer->responses_count; t++)
        for (int i = 0; i < answer->responses[t].partitions_count; i++) {
            struct bytes left = answer->responses[t].partitions[i].records, batch;
            while (batch_next(&left, &batch, &(struct batch_header){ 0 }, NULL))
                CHECK(w, is_ok(batch_check_crc(batch)), "a fetched batch is damaged");
        }
}

static void step_delete(struct world *w)
{
    struct delete_records_request body;
    struct delete_records_request_delete_records_partition p = { .partition_index = a_partition(w) };
    struct delete_records_request_delete_records_topic topics = { .name = STR("t"), .partitions = &p,
                                                                  .partitions_count = 1 };
    p.offset = chance(w, 10) ? below(w, 60) : absurd(w);
    if (p.offset == -1 && chance(w, 90)) p.offset = -2;
    wire_default(&delete_records_request_message, &body);
    body.topics = &topics;
    body.topics_count = 1;
    body.timeout_ms = 30000;
    struct delete_records_response *answer = raw_call(&w->rig, &w->client, 21, (int16_t)below(w, 3), &body);
    for (int i = 0; i < answer->topics_count; i++) {
        const struct delete_records_response_delete_records_partition_result *r =
            answer->topics[i].partitions;
        if (!answer->topics[i].partitions_count || r->error_code) continue;
        int32_t at = r->partition_index;
        CHECK(w, r->low_watermark >= w->starts[at] && r->low_watermark <= w->ends[at], "low watermark %lld",
              (long long)r->low_watermark);
        w->starts[at] = r->low_watermark;
    }
}

static void step_ask(struct world *w)
{
    struct list_offsets_request body;
    struct list_offsets_request_list_offsets_partition p = { a_partition(w), -1, absurd(w) };
    struct list_offsets_request_list_offsets_topic topics = { STR("t"), &p, 1 };
    int16_t version = 1 + (int16_t)below(w, 8);
    if (version >= 4 && chance(w, 20)) p.current_leader_epoch = absurd32(w);
    if (chance(w, 30)) p.timestamp = rig_time + below(w, 1100);
    wire_default(&list_offsets_request_message, &body);
    if (version >= 2) body.isolation_level = (int8_t)below(w, 2);
    body.topics = &topics;
    body.topics_count = 1;
    struct list_offsets_response *answer = raw_call(&w->rig, &w->client, 2, version, &body);
    for (int i = 0; i < answer->topics_count; i++) {
        const struct list_offsets_response_list_offsets_partition_response *r = answer->topics[i].partitions;
        if (!answer->topics[i].partitions_count || r->error_code || r->offset == -1) continue;
        CHECK(w, r->offset >= w->starts[r->partition_index] && r->offset <= w->ends[r->partition_index],
              "offset %lld for time %lld", (long long)r->offset, (long long)p.timestamp);
    }
}

/* --- what is stored --------------------------------------------------------------------------- */

static void check_partition(struct world *w, int32_t partition)
{
    const struct topic *topic = image_topic(w->rig.broker->image, STR("t"));
    struct plog *log = store_find(w->rig.broker->store, topic->id, partition);
    if (!log) {
        CHECK(w, w->ends[partition] == 0, "partition %d is gone", partition);
        return;
    }
    CHECK(w, plog_end(log) == w->ends[partition], "partition %d ends at %lld, not %lld", partition,
          (long long)plog_end(log), (long long)w->ends[partition]);
    /* Batches that claim to be of 2004 are too old for the topic: retention takes them. */
    CHECK(w, plog_start(log) >= w->starts[partition], "the start of partition %d moved back", partition);
    w->starts[partition] = plog_start(log);
    struct buf out;
    struct read_result r;
    buf_init(&out, 1u << 28);
    for (int64_t at = plog_start(log); at < plog_end(log); at = r.next_offset) {
        buf_clear(&out);
        status s = plog_read(log, at, plog_end(log), 1 << 20, true, &out, &r);
        CHECK(w, is_ok(s) && r.bytes, "partition %d cannot be read: %s", partition, status_name(s));
        struct bytes left = buf_bytes(&out), batch;
        struct batch_header h;
        while (batch_next(&left, &batch, &h, NULL)) {
            const struct taken *t = find(w, partition, h.base_offset);
            CHECK(w, t && t->size == batch.len && t->count == h.last_offset_delta + 1 &&
                         t->hash == hash_of(batch.data + BATCH_HEADER_SIZE, batch.len - BATCH_HEADER_SIZE),
                  "partition %d holds at %lld what nobody sent", partition, (long long)h.base_offset);
            CHECK(w, is_ok(batch_check_crc(batch)), "a stored batch is damaged");
            int32_t bad = -1;
            if (batch_codec(&h) == CODEC_NONE)
                CHECK(w, is_ok(batch_validate(batch, 1 << 20, &bad)), "record %d was never right", bad);
        }
    }
    buf_done(&out);
}

static void check_all(struct world *w)
{
    for (int32_t p = 0; p < PARTITIONS; p++) check_partition(w, p);
}

static void run(int seed)
{
    struct world *w = mem_must(mem_zalloc(sizeof *w));
    w->random = model_seed(seed);
    buf_init(&w->bytes, 1u << 28);
    rig_start(&w->rig);
    raw_connect(&w->rig, &w->client);
    rig_create_topic(&w->rig, &w->client, "t", PARTITIONS);
    for (int i = 0; i < 400; i++) {
        w->random.step = i;
        int x = (int)below(w, 100);
        if (x < 60) step_produce(w);
        else if (x < 75) step_fetch(w);
        else if (x < 85) step_delete(w);
        else step_ask(w);
        if (i % 16 == 0) rig_forget();
        if (i % 50 == 49) check_all(w);
        if (i == 200) {
            raw_close(&w->client);
            rig_close(&w->rig);
            rig_open(&w->rig);
            raw_connect(&w->rig, &w->client);
            check_all(w);
        }
    }
    check_all(w);
    CHECK(w, w->taken_count > 50, "only %d batches were taken", w->taken_count);
    raw_close(&w->client);
    rig_stop(&w->rig);
    buf_done(&w->bytes);
    mem_free(w);
}

static void test_nothing_a_client_says_of_records_harms_the_log(void **state)
{
    (void)state;
    model_runs(run, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_a_client_says_of_records_harms_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
