/* test_plog.c - a partition's log through its public face: append, checks, reads, waits, recovery by
 * kill. On a simulated disk, without a loop: an append is durable when it returns. */
#include "fault/store_kit.h"
#include "base/mem.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)
#define assert_fails(s, e) assert_int_equal((s).code, E_##e)

static int setup(void **state)
{
    struct kit *k = mem_alloc(sizeof *k);
    kit_init(k, 1);
    assert_ok(kit_open(k));
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    kit_done(*state);
    mem_free(*state);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static void test_append_gives_dense_offsets_and_is_read_back(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 3);
    struct append_result r;
    assert_ok(kit_append(k, log, &(struct kit_batch){ .records = 3, .tag = 1 }, &r));
    assert_int_equal(r.base_offset, 0);
    assert_int_equal(r.end_offset, 3);
    assert_ok(kit_append(k, log, &(struct kit_batch){ .records = 2, .tag = 2 }, &r));
    assert_int_equal(r.base_offset, 3);
    assert_int_equal(plog_end(log), 5);
    assert_int_equal(plog_high_watermark(log), 5);

    struct buf out;
    struct read_result got;
    buf_init(&out, 1 << 20);
    assert_ok(plog_read(log, 1, 5, 1 << 20, true, &out, &got)); /* inside the first batch */
    assert_int_equal(got.next_offset, 5);
    struct batch_header h;
    assert_ok(batch_header_parse(buf_bytes(&out), &h));
    assert_int_equal(h.base_offset, 0);
    assert_int_equal(h.leader_epoch, store_epoch(k->store));
    assert_ok(batch_check_crc(bytes_of(out.data, h.size)));
    assert_ok(batch_header_parse(bytes_of(out.data + h.size, out.len - h.size), &h));
    assert_int_equal(h.base_offset, 3);
    buf_done(&out);
}

static void test_read_respects_bound_and_size(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    for (int i = 0; i < 10; i++)
        assert_ok(kit_append(k, log, &(struct kit_batch){ .value_size = 100 }, NULL));
    struct buf out;
    struct read_result r;
    buf_init(&out, 1 << 20);
    size_t one = (size_t)plog_bytes(log) / 10;
    assert_ok(plog_read(log, 0, 4, 1 << 20, false, &out, &r));
    assert_int_equal(r.next_offset, 4);
    assert_int_equal(r.bytes, 4 * one);
    assert_ok(plog_read(log, 4, 10, one * 2 + 5, false, &out, &r));
    assert_int_equal(r.next_offset, 6);
    assert_ok(plog_read(log, 6, 10, 10, false, &out, &r));
    assert_int_equal(r.bytes, 0);
    assert_ok(plog_read(log, 6, 10, 10, true, &out, &r)); /* at least one */
    assert_int_equal(r.bytes, one);
    assert_ok(plog_read(log, 10, 10, 10, true, &out, &r));
    assert_int_equal(r.bytes, 0);
    assert_fails(plog_read(log, 11, 20, 10, true, &out, &r), OFFSET_OUT_OF_RANGE);
    assert_int_equal(plog_available(log, 3, 10, 1 << 20), 7 * one);
    assert_int_equal(plog_available(log, 3, 5, 1 << 20), 2 * one);
    assert_int_equal(plog_available(log, 3, 10, 100), 100);
    assert_int_equal(plog_available(log, 10, 10, 100), 0);
    buf_done(&out);
}

static void test_segments_roll_and_reads_cross_them(void **state)
{
    struct kit *k = *state;
    k->config.segment_bytes = 1000;
    struct plog *log = kit_log(k, 0, 0);
    for (int i = 0; i < 50; i++)
        assert_ok(kit_append(k, log, &(struct kit_batch){ .value_size = 200, .tag = i }, NULL));
    struct buf all, again;
    buf_init(&all, 1 << 20);
    buf_init(&again, 1 << 20);
    assert_ok(kit_read_all(log, 50, &all));
    assert_int_equal(all.len, plog_bytes(log));
    for (int64_t at = 0; at < 50; at++) {
        struct read_result r;
        assert_ok(plog_read(log, at, 50, 1, true, &again, &r));
        assert_int_equal(r.next_offset, at + 1);
    }
    assert_int_equal(all.len, again.len);
    assert_memory_equal(all.data, again.data, all.len);
    kit_reopen(k);
    log = store_find(k->store, k->topics[0], 0);
    buf_clear(&again);
    assert_ok(kit_read_all(log, 50, &again));
    assert_int_equal(all.len, again.len);
    assert_memory_equal(all.data, again.data, all.len);
    buf_done(&all);
    buf_done(&again);
}

static void test_empty_partition_has_no_file(void **state)
{
    struct kit *k = *state;
    int64_t before = sim_changes(k->sim);
    for (int p = 0; p < 100; p++) assert_non_null(kit_log(k, 1, p));
    assert_int_equal(sim_changes(k->sim), before);
    struct read_result r;
    struct buf out;
    buf_init(&out, 100);
    assert_ok(plog_read(kit_log(k, 1, 5), 0, 0, 100, true, &out, &r));
    assert_int_equal(plog_available(kit_log(k, 1, 5), 0, 10, 100), 0);
    buf_done(&out);
}

static void test_records_survive_a_kill(void **state)
{
    struct kit *k = *state;
    for (int round = 0; round < 4; round++) {
        for (int p = 0; p < 3; p++) {
            struct append_result r;
            assert_ok(kit_append(k, kit_log(k, 0, p), &(struct kit_batch){ .records = 2 }, &r));
            assert_int_equal(r.base_offset, round * 2);
        }
        kit_reopen(k);
        assert_int_equal(store_epoch(k->store), round + 2);
        for (int p = 0; p < 3; p++)
            assert_int_equal(plog_high_watermark(kit_log(k, 0, p)), round * 2 + 2);
    }
}

static void test_clean_stop_leaves_nothing_to_replay(void **state)
{
    struct kit *k = *state;
    struct kit_batch b = { .records = 2, .producer_id = 9, .sequence = 0 };
    assert_ok(kit_append(k, kit_log(k, 0, 0), &b, NULL));
    assert_ok(store_stop(k->store));
    kit_reopen(k);
    struct append_result r;
    assert_int_equal(plog_end(kit_log(k, 0, 0)), 2);
    assert_ok(kit_append(k, kit_log(k, 0, 0), &b, &r));
    assert_true(r.duplicate);
    assert_int_equal(r.base_offset, 0);
    assert_int_equal(r.end_offset, 2);
}

static void test_refuses_what_kafka_refuses(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    struct append_result r;
    struct buf b;
    buf_init(&b, 1 << 22);
    kit_make(k, &(struct kit_batch){ .records = 2, .value_size = 100 }, &b);
    size_t len = b.len;
    b.data[len - 1] ^= 1;
    assert_fails(plog_append(log, b.data, len, APPEND_CLIENT, &r), CORRUPT_MESSAGE);
    b.data[len - 1] ^= 1;
    assert_fails(plog_append(log, b.data, len - 1, APPEND_CLIENT, &r), CORRUPT_MESSAGE);
    uint8_t *second = buf_extend(&b, len); /* two batches */
    memcpy(second, b.data, len);
    assert_fails(plog_append(log, b.data, b.len, APPEND_CLIENT, &r), INVALID_RECORD);
    b.data[16] = 1;
    assert_fails(plog_append(log, b.data, len, APPEND_CLIENT, &r), INVALID_RECORD);
    b.data[16] = 2;
    batch_set_base_offset(b.data, 7);
    assert_fails(plog_append(log, b.data, len, APPEND_CLIENT, &r), INVALID_RECORD);
    struct kit_batch big = { .value_size = 2 << 20 };
    assert_fails(kit_append(k, log, &big, &r), MESSAGE_TOO_LARGE);
    struct kit_batch control = { .attributes = BATCH_CONTROL };
    assert_fails(kit_append(k, log, &control, &r), INVALID_RECORD);
    struct kit_batch future = { .timestamp = k->now + 3601 * 1000 };
    assert_fails(kit_append(k, log, &future, &r), INVALID_TIMESTAMP);
    assert_int_equal(r.bad_count, 1);
    assert_int_equal(r.bad[0].timestamp, future.timestamp);
    assert_int_equal(r.bad[0].latest, k->now + 3600 * 1000);
    struct kit_batch append_time = { .attributes = BATCH_LOG_APPEND_TIME };
    assert_fails(kit_append(k, log, &append_time, &r), INVALID_TIMESTAMP);
    assert_int_equal(plog_end(log), 0);
    k->config.cleanup_compact = true;
    log = kit_log(k, 0, 0);
    assert_fails(kit_append(k, log, &(struct kit_batch){ .records = 2 }, &r), INVALID_RECORD);
    assert_int_equal(r.bad_count, 2);
    assert_int_equal(r.bad[1].index, 1);
    assert_int_equal(r.bad[1].fault, RECORD_WITHOUT_KEY);
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        struct kit_batch keyless = { .records = 2, .codec = (enum codec)codec };
        assert_fails(kit_append(k, log, &keyless, &r), INVALID_RECORD);
        keyless.keys = true;
        assert_ok(kit_append(k, log, &keyless, &r));
    }
    buf_done(&b);
}

static void test_every_bad_timestamp_is_told_whatever_the_codec(void **state)
{
    struct kit *k = *state;
    struct append_result r;
    k->config.timestamp_before_max_ms = 10;
    struct plog *log = kit_log(k, 0, 0);
    for (int codec = 0; codec < CODEC_COUNT; codec++) {
        /* now - 13 …: the first three of five are too old, though the greatest one is not */
        struct kit_batch old = { .records = 5, .codec = (enum codec)codec, .timestamp = k->now - 13 };
        assert_fails(kit_append(k, log, &old, &r), INVALID_TIMESTAMP);
        assert_int_equal(r.bad_count, 3);
        for (int32_t i = 0; i < 3; i++) {
            assert_int_equal(r.bad[i].index, i);
            assert_int_equal(r.bad[i].fault, RECORD_TIMESTAMP);
            assert_int_equal(r.bad[i].earliest, k->now - 10);
        }
        struct kit_batch many = { .records = 100, .codec = (enum codec)codec, .timestamp = k->now - 200 };
        assert_fails(kit_append(k, log, &many, &r), INVALID_TIMESTAMP);
        assert_int_equal(r.bad_count, 100);
        assert_int_equal(r.bad[RECORD_ERRORS_MAX - 1].index, RECORD_ERRORS_MAX - 1);
        struct kit_batch good = { .codec = (enum codec)codec, .timestamp = k->now };
        assert_ok(kit_append(k, log, &good, &r));
        assert_int_equal(r.bad_count, 0);
    }
}

static void test_log_append_time_is_stamped(void **state)
{
    struct kit *k = *state;
    k->config.log_append_time = true;
    struct plog *log = kit_log(k, 0, 0);
    struct append_result r;
    struct kit_batch b = { .records = 3, .timestamp = 5 };
    assert_ok(kit_append(k, log, &b, &r));
    assert_int_equal(r.append_time_ms, k->now);
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_ok(kit_read_all(log, 3, &out));
    struct batch_header h;
    assert_ok(batch_header_parse(buf_bytes(&out), &h));
    assert_true(h.attributes & BATCH_LOG_APPEND_TIME);
    assert_int_equal(h.max_timestamp, k->now);
    assert_ok(batch_check_crc(buf_bytes(&out)));
    buf_done(&out);
}

static void test_wrong_max_timestamp_is_corrected(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    struct append_result r;
    struct buf b;
    buf_init(&b, 1 << 20);
    kit_make(k, &(struct kit_batch){ .records = 3, .timestamp = 1000 }, &b);
    put_be64(b.data + 35, 2000);
    put_be32(b.data + 17, batch_crc(buf_bytes(&b)));
    assert_ok(plog_append(log, b.data, b.len, APPEND_CLIENT, &r));
    assert_int_equal(plog_last_timestamp(log), 1002);
    buf_done(&b);
}

static void test_the_codec_of_the_topic_is_enforced(void **state)
{
    struct kit *k = *state;
    for (int want = 0; want < CODEC_COUNT; want++) {
        k->config.compression = (int8_t)want;
        struct plog *log = kit_log(k, 0, want);
        struct kit_batch b = { .records = 5, .value_size = 300, .producer_id = 4, .tag = 9 };
        for (int codec = 0; codec < CODEC_COUNT; codec++) {
            b.codec = (enum codec)codec;
            b.sequence = codec * 5;
            assert_ok(kit_append(k, log, &b, NULL));
        }
        struct buf out;
        struct bytes left, batch;
        struct batch_header h;
        int n = 0;
        buf_init(&out, 1 << 20);
        assert_ok(kit_read_all(log, plog_end(log), &out));
        for (left = buf_bytes(&out); batch_next(&left, &batch, &h, NULL); n++) {
            int32_t bad;
            assert_int_equal(batch_codec(&h), want);
            assert_int_equal(h.base_offset, n * 5);
            assert_int_equal(h.base_sequence, n * 5);
            assert_int_equal(h.max_timestamp, k->now + 4);
            assert_ok(batch_check_crc(batch));
            assert_ok(batch_validate(batch, 1 << 20, &bad));
        }
        assert_int_equal(n, CODEC_COUNT);
        buf_done(&out);
    }
}

/* Text of few words: every codec finds the more in it the harder it looks. */
static size_t stored_size(struct kit *k, int32_t partition)
{
    static const char *const words[] = { "shoe ", "hat ", "umbrella ", "sold ", "returned ", "3 ", "17 " };
    struct batch_options options = batch_options_default;
    struct batch_builder builder;
    struct append_result r;
    struct buf text, batch;
    uint32_t random = 5;
    buf_init(&text, 1 << 20);
    buf_init(&batch, 1 << 20);
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        const char *word = words[(random >> 16) % ARRAY_LEN(words)];
        memcpy(buf_extend(&text, strlen(word)), word, strlen(word));
    }
    batch_builder_init(&builder, &options);
    assert_ok(batch_builder_add(&builder, k->now, bytes_of("key", 3), buf_bytes(&text), NULL, 0));
    assert_ok(batch_builder_finish(&builder, &batch));
    batch_builder_done(&builder);
    struct plog *log = kit_log(k, 0, partition);
    assert_ok(plog_append(log, batch.data, batch.len, APPEND_CLIENT, &r));
    buf_done(&text);
    buf_done(&batch);
    return (size_t)plog_bytes(log);
}

static void test_the_level_of_the_topics_codec_is_used(void **state)
{
    struct kit *k = *state;
    k->config.compression = CODEC_GZIP, k->config.gzip_level = 1;
    size_t quick = stored_size(k, 0);
    k->config.gzip_level = 9;
    assert_true(stored_size(k, 1) < quick);
    k->config.compression = CODEC_LZ4, k->config.lz4_level = 1;
    quick = stored_size(k, 2);
    k->config.lz4_level = 17; /* Kafka's greatest; the library stops at 12 */
    assert_true(stored_size(k, 3) < quick);
    k->config.compression = CODEC_ZSTD, k->config.zstd_level = -50;
    quick = stored_size(k, 4);
    k->config.zstd_level = 22;
    assert_true(stored_size(k, 5) < quick);
}

static void test_old_records_inside_compressed_batches_are_refused(void **state)
{
    struct kit *k = *state;
    struct append_result r;
    k->config.timestamp_before_max_ms = 1000;
    struct plog *log = kit_log(k, 0, 0);
    struct kit_batch b = { .records = 3, .codec = CODEC_LZ4, .timestamp = k->now - 1001 };
    assert_fails(kit_append(k, log, &b, &r), INVALID_TIMESTAMP); /* the first one of three */
    assert_int_equal(r.bad[0].index, 0);
    b.timestamp = k->now - 1000;
    assert_ok(kit_append(k, log, &b, &r));
}

struct waiter {
    struct plog_wait wait;
    int calls;
    enum err code;
};

static void waiter_done(struct plog_wait *wait, status result)
{
    struct waiter *w = CONTAINER_OF(wait, struct waiter, wait);
    w->calls++;
    w->code = result.code;
}

static void test_waits_fire_when_reached_and_when_deleted(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    struct waiter w[4] = { 0 };
    for (int i = 0; i < 4; i++) w[i].wait.done = waiter_done;
    plog_wait(log, &w[0].wait, 0);
    assert_int_equal(w[0].calls, 1);
    plog_wait(log, &w[2].wait, 2);
    plog_wait(log, &w[1].wait, 1);
    plog_wait(log, &w[3].wait, 3);
    plog_unwait(log, &w[3].wait);
    plog_unwait(log, &w[0].wait);
    assert_ok(kit_append(k, log, &(struct kit_batch){ 0 }, NULL));
    assert_int_equal(w[1].calls, 1);
    assert_int_equal(w[2].calls, 0);
    assert_int_equal(k->moved > 0, 1);
    store_delete_topic(k->store, k->topics[0], 0, INT32_MAX);
    assert_int_equal(w[2].calls, 1);
    assert_int_equal(w[2].code, E_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(w[3].calls, 0);
    assert_null(store_find(k->store, k->topics[0], 0));
    assert_int_equal(store_bytes(k->store), 0);
}

static void test_os_flush_moves_the_high_watermark_at_once(void **state)
{
    struct kit *k = *state;
    k->config.flush = false;
    struct plog *log = kit_log(k, 0, 0);
    int64_t syncs = sim_count(k->sim, SIM_DATASYNC);
    assert_ok(kit_append(k, log, &(struct kit_batch){ .records = 4 }, NULL));
    assert_int_equal(plog_high_watermark(log), 4);
    assert_int_equal(sim_count(k->sim, SIM_DATASYNC), syncs);
    k->config.flush = true;
    log = kit_log(k, 0, 0); /* now it has to be synced once, directly */
    assert_int_equal(sim_count(k->sim, SIM_DATASYNC), syncs + 1);
    assert_ok(kit_append(k, log, &(struct kit_batch){ .records = 4 }, NULL));
    assert_int_equal(plog_high_watermark(log), 8);
    kit_reopen(k);
    assert_int_equal(plog_high_watermark(kit_log(k, 0, 0)), 8);
}

static void test_so_many_records_at_most_are_in_the_page_cache_alone(void **state)
{
    struct kit *k = *state;
    k->config.flush = false;
    k->config.flush_messages = 3;
    struct plog *log = kit_log(k, 0, 0);
    int64_t syncs = sim_count(k->sim, SIM_DATASYNC);
    for (int i = 1; i <= 6; i++) {
        assert_ok(kit_append(k, log, &(struct kit_batch){ .tag = i }, NULL));
        assert_int_equal(plog_high_watermark(log), i); /* readers never wait for it */
        assert_int_equal(sim_count(k->sim, SIM_DATASYNC), syncs + i / 3);
    }
    assert_ok(kit_append(k, log, &(struct kit_batch){ .tag = 7 }, NULL));
    kit_close(k);
    sim_crash(k->sim, true);
    assert_ok(kit_open(k));
    assert_true(plog_end(kit_log(k, 0, 0)) >= 6);
}

/* The topic comes to flush while a sync is out that is older than what a checkpoint made durable
 * meanwhile: the journal has to go on behind the checkpoint, not behind the sync. */
static void test_an_old_sync_does_not_set_back_what_a_checkpoint_made_durable(void **state)
{
    struct kit *k = *state;
    kit_close(k);
    kit_by_hand(k);
    assert_ok(kit_open(k));
    k->config.flush = false;
    k->config.flush_messages = 9;
    struct plog *log = kit_log(k, 0, 0);
    assert_ok(kit_append(k, log, &(struct kit_batch){ .records = 9 }, NULL));
    store_turn(k->store);
    assert_int_equal(k->lane_count[LANE_DIRECT], 1); /* and stays out */
    assert_ok(kit_append(k, log, &(struct kit_batch){ .records = 62 }, NULL));
    checkpoint_want(k->store);
    for (store_turn(k->store); kit_run_job(k, LANE_BACKGROUND);) store_turn(k->store);
    assert_int_equal(log->durable, 71);
    assert_int_equal(log->handed, 71);
    assert_int_equal(log->unhanded, 0);
    assert_ok(kit_append(k, log, &(struct kit_batch){ .records = 3 }, NULL));
    k->config.flush = true;
    log = kit_log(k, 0, 0);
    kit_run_jobs(k);
    assert_int_equal(log->durable, 74);
    assert_true(log->flushing);
    kit_close(k);
    sim_crash(k->sim, true);
    assert_ok(kit_open(k));
    assert_int_equal(plog_end(kit_log(k, 0, 0)), 74);
}

static void test_jitter_takes_something_off_the_age_of_a_segment(void **state)
{
    struct kit *k = *state;
    k->config.segment_ms = 1000;
    k->config.segment_jitter_ms = 900;
    int32_t partitions = 20, early = 0;
    for (int32_t p = 0; p < partitions; p++) {
        struct plog *log = kit_log(k, 0, p);
        int64_t rolled = -1;
        for (int64_t at = 0; at <= 1001 && rolled < 0; at++) {
            assert_ok(kit_append(k, log, &(struct kit_batch){ .timestamp = 5000 + at }, NULL));
            if (log->count == 2) rolled = at;
        }
        assert_true(rolled > 100 && rolled <= 1001);
        early += rolled < 550;
    }
    assert_true(early > 0 && early < partitions); /* not all at once */
}

static void test_epochs_know_where_they_end(void **state)
{
    struct kit *k = *state;
    int32_t epoch;
    int64_t end;
    for (int i = 0; i < 3; i++) {
        assert_ok(kit_append(k, kit_log(k, 0, 0), &(struct kit_batch){ .records = 2 }, NULL));
        kit_reopen(k);
    }
    struct plog *log = kit_log(k, 0, 0); /* epochs 1, 2, 3 wrote two records each; now 4 */
    assert_int_equal(store_epoch(k->store), 4);
    assert_int_equal(plog_epoch_at(log, 0), 1);
    assert_int_equal(plog_epoch_at(log, 3), 2);
    plog_epoch_end(log, 1, &epoch, &end);
    assert_int_equal(epoch, 1);
    assert_int_equal(end, 2);
    plog_epoch_end(log, 3, &epoch, &end);
    assert_int_equal(epoch, 3);
    assert_int_equal(end, 6);
    plog_epoch_end(log, 4, &epoch, &end);
    assert_int_equal(end, 6);
    plog_epoch_end(log, 5, &epoch, &end);
    assert_int_equal(epoch, -1);
    plog_epoch_end(log, 0, &epoch, &end);
    assert_int_equal(epoch, 0);
    assert_int_equal(end, 0);
}

static void test_delete_records_moves_the_start_durably(void **state)
{
    struct kit *k = *state;
    struct plog *log = kit_log(k, 0, 0);
    struct waiter w = { .wait = { .done = waiter_done } };
    for (int i = 0; i < 5; i++) assert_ok(kit_append(k, log, &(struct kit_batch){ 0 }, NULL));
    assert_fails(plog_set_start(log, 6, NULL), OFFSET_OUT_OF_RANGE);
    assert_ok(plog_set_start(log, 3, &w.wait));
    assert_int_equal(w.calls, 1);
    assert_int_equal(plog_start(log), 3);
    struct read_result r;
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_fails(plog_read(log, 2, 5, 100, true, &out, &r), OFFSET_OUT_OF_RANGE);
    kit_reopen(k);
    assert_int_equal(plog_start(kit_log(k, 0, 0)), 3);
    buf_done(&out);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(append_gives_dense_offsets_and_is_read_back),
        T(read_respects_bound_and_size),
        T(segments_roll_and_reads_cross_them),
        T(empty_partition_has_no_file),
        T(records_survive_a_kill),
        T(clean_stop_leaves_nothing_to_replay),
        T(refuses_what_kafka_refuses),
        T(every_bad_timestamp_is_told_whatever_the_codec),
        T(log_append_time_is_stamped),
        T(wrong_max_timestamp_is_corrected),
        T(the_codec_of_the_topic_is_enforced),
        T(the_level_of_the_topics_codec_is_used),
        T(old_records_inside_compressed_batches_are_refused),
        T(waits_fire_when_reached_and_when_deleted),
        T(os_flush_moves_the_high_watermark_at_once),
        T(so_many_records_at_most_are_in_the_page_cache_alone),
        T(an_old_sync_does_not_set_back_what_a_checkpoint_made_durable),
        T(jitter_takes_something_off_the_age_of_a_segment),
        T(epochs_know_where_they_end),
        T(delete_records_moves_the_start_durably),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
