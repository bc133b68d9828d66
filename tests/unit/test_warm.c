/* Reads that the page cache cannot answer: under the broker lies a file system that says of every byte
 * that it is not in memory, and whose reads on a lane wait at a gate until the test opens it. Reads on
 * the loop that would wait fail the test, so nothing here depends on time. */
#include "unit/broker_rig.h"

#include "base/mem.h"
#include "storage/storage_int.h"
#include "wire/batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#define LARGE 4000 /* records of a batch that goes out as a part of the reply */
#define HALF 40000 /* of one that fills more than half of a segment */

static struct rig rig;
static struct raw_client one, two;

static struct {
    pthread_t loop;
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool shut;
    int64_t below;        /* the gate stands before these bytes; a commit reads what came later */
    atomic_bool cold;     /* nothing is in memory, until a lane has read something */
    atomic_bool fails;
    atomic_int waiting, read;
    atomic_int blocked_loop;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };
static const struct fs_ops *real_ops;
static struct fs_ops slow_ops;

static status slow_pread_cached(struct fs *fs, struct file *file, void *p, size_t len, int64_t at,
                                size_t *ret_n)
{
    return atomic_load(&gate.cold) ? FAIL(BUSY) : real_ops->pread_cached(fs, file, p, len, at, ret_n);
}

static status slow_pread(struct fs *fs, struct file *file, void *p, size_t len, int64_t at,
                         size_t *ret_n)
{
    if (pthread_equal(pthread_self(), gate.loop)) {
        atomic_fetch_add(&gate.blocked_loop, 1);
        return real_ops->pread(fs, file, p, len, at, ret_n);
    }
    if (at >= gate.below) return real_ops->pread(fs, file, p, len, at, ret_n);
    pthread_mutex_lock(&gate.lock);
    atomic_fetch_add(&gate.waiting, 1);
    while (gate.shut) pthread_cond_wait(&gate.moved, &gate.lock);
    atomic_fetch_sub(&gate.waiting, 1);
    pthread_mutex_unlock(&gate.lock);
    if (atomic_load(&gate.fails)) return FAIL(IO);
    atomic_store(&gate.cold, false);
    atomic_fetch_add(&gate.read, 1);
    return real_ops->pread(fs, file, p, len, at, ret_n);
}

static void gate_shut(bool shut)
{
    pthread_mutex_lock(&gate.lock);
    gate.shut = shut;
    pthread_cond_broadcast(&gate.moved);
    pthread_mutex_unlock(&gate.lock);
}

/* From here on nothing is in memory, and the disk does not answer. */
static void disk_stops(void)
{
    real_ops = rig.broker->disk->ops;
    slow_ops = *real_ops;
    slow_ops.pread = slow_pread;
    slow_ops.pread_cached = slow_pread_cached;
    slow_ops.will_need = NULL;
    rig.broker->disk->ops = &slow_ops;
    gate.loop = pthread_self();
    atomic_store(&gate.cold, true);
    gate_shut(true);
}

static void wait_until_a_lane_reads(void)
{
    while (!atomic_load(&gate.waiting)) loop_turn(rig.broker->loop, 1);
}

static int setup(void **state)
{
    (void)state;
    rig_start(&rig);
    rig.options.defaults[rig.options.defaults_count++] =
        (struct broker_default){ "segment.bytes", "1048576" };
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    rig_create_topic(&rig, &one, "t", 1);
    real_ops = NULL;
    gate.below = 0;
    atomic_store(&gate.fails, false);
    atomic_store(&gate.blocked_loop, 0);
    atomic_store(&gate.read, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gate_shut(false);
    atomic_store(&gate.cold, false);
    raw_close(&one);
    raw_close(&two);
    rig_stop(&rig);
    return mem_outstanding() != 0 || atomic_load(&gate.blocked_loop) != 0;
}

static void produce(int records)
{
    struct bytes batch = rig_batch(records, -1, -1);
    assert_int_equal(rig_produce(&rig, &two, "t", 0, batch)->error_code, 0);
    if (!real_ops) gate.below += (int64_t)batch.len;
}

static struct fetch_response_partition_data *fetched(void)
{
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_int_equal(answer->responses_count, 1);
    return &answer->responses[0].partitions[0];
}

static void assert_records(const struct fetch_response_partition_data *p, int32_t count)
{
    struct bytes left = p->records, batch;
    struct batch_header h;
    int32_t records = 0;
    assert_int_equal(p->error_code, 0);
    while (batch_next(&left, &batch, &h, NULL)) {
        assert_true(is_ok(batch_check_crc(batch)));
        records += h.record_count;
    }
    assert_int_equal(left.len, 0);
    assert_int_equal(records, count);
}

static void holds_up_nobody(int records)
{
    produce(records);
    disk_stops();
    rig_fetch_send(&rig, &one, "t", 0, 0, 0, 1);
    wait_until_a_lane_reads();
    produce(1); /* is answered */
    assert_false(raw_has_frame(&rig, &one));
    gate_shut(false);
    assert_records(fetched(), records + (records < LARGE)); /* the small one is looked for again */
}

static void test_a_fetch_that_waits_for_the_disk_holds_up_nobody(void **state)
{
    (void)state;
    holds_up_nobody(3);
}

static void test_a_reply_whose_records_wait_for_the_disk_holds_up_nobody(void **state)
{
    (void)state;
    holds_up_nobody(LARGE);
}

static void test_min_bytes_are_counted_without_waiting_for_the_disk(void **state)
{
    (void)state;
    produce(3);
    produce(3);
    disk_stops();
    rig_fetch_send(&rig, &one, "t", 0, 2, 60000, 100); /* begins within the first batch */
    wait_until_a_lane_reads();
    produce(1);
    assert_false(raw_has_frame(&rig, &one));
    gate_shut(false);
    assert_records(fetched(), 7);
}

/* More partitions than are read in one turn of the loop; one of them goes while it is read. */
static void fetch_many(int32_t partitions)
{
    struct fetch_request_fetch_partition p[600];
    assert_true(partitions <= 600);
    for (int32_t i = 0; i < partitions; i++) {
        wire_default_struct(&fetch_request_fetch_partition_struct, &p[i]);
        p[i].partition = i;
        p[i].partition_max_bytes = 1 << 20;
    }
    struct fetch_request_fetch_topic topic = { .topic = STR("many"), .partitions = p,
                                               .partitions_count = partitions };
    struct fetch_request body;
    wire_default(&fetch_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    raw_send(&rig, &one, 1, FETCH_VERSION, &body);
}

static void test_a_fetch_of_many_partitions_lets_others_have_their_turn(void **state)
{
    (void)state;
    rig_create_topic(&rig, &two, "many", 600);
    for (int32_t i = 0; i < 600; i++)
        assert_int_equal(rig_produce(&rig, &two, "many", i, rig_batch(1, -1, -1))->error_code, 0);
    uint64_t before = loop_turns(rig.broker->loop)->count;
    fetch_many(600);
    struct fetch_response *answer = raw_receive(&rig, &one, 1, FETCH_VERSION);
    assert_true(loop_turns(rig.broker->loop)->count >= before + 3);
    assert_int_equal(answer->responses_count, 1);
    assert_int_equal(answer->responses[0].partitions_count, 600);
    for (int i = 0; i < 600; i++) assert_records(&answer->responses[0].partitions[i], 1);
    fetch_many(600); /* and who goes meanwhile leaves nothing behind */
    loop_turn(rig.broker->loop, 100);
    raw_close(&one);
    raw_connect(&rig, &one);
    produce(1);
}

static void list_offsets_send(int64_t timestamp)
{
    struct list_offsets_request body;
    struct list_offsets_request_list_offsets_partition p = { .timestamp = timestamp,
                                                             .current_leader_epoch = -1 };
    struct list_offsets_request_list_offsets_topic t = { STR("t"), &p, 1 };
    wire_default(&list_offsets_request_message, &body);
    body.topics = &t;
    body.topics_count = 1;
    raw_send(&rig, &one, 2, 5, &body);
}

static void test_a_time_is_looked_for_without_waiting_for_the_disk(void **state)
{
    (void)state;
    produce(5);
    disk_stops();
    list_offsets_send(rig_time + 3);
    wait_until_a_lane_reads();
    produce(1);
    assert_false(raw_has_frame(&rig, &one));
    gate_shut(false);
    struct list_offsets_response *answer = raw_receive(&rig, &one, 2, 5);
    assert_int_equal(answer->topics[0].partitions[0].error_code, 0);
    assert_int_equal(answer->topics[0].partitions[0].offset, 3);
    atomic_store(&gate.cold, true);
    atomic_store(&gate.fails, true);
    list_offsets_send(rig_time + 3);
    answer = raw_receive(&rig, &one, 2, 5);
    assert_int_equal(answer->topics[0].partitions[0].error_code, 56);
}

static void test_a_client_may_go_while_its_time_is_looked_for(void **state)
{
    (void)state;
    produce(5);
    disk_stops();
    list_offsets_send(rig_time + 3);
    wait_until_a_lane_reads();
    raw_close(&one);
    while (rig.broker->connection_count > 1) loop_turn(rig.broker->loop, 1);
    gate_shut(false);
    produce(1);
    raw_connect(&rig, &one);
}

static void delete_topic(void)
{
    struct delete_topics_request body;
    struct str name = STR("t");
    wire_default(&delete_topics_request_message, &body);
    body.topic_names = &name;
    body.topic_names_count = 1;
    struct delete_topics_response *answer = raw_call(&rig, &two, 20, 1, &body);
    assert_int_equal(answer->responses[0].error_code, 0);
}

static void test_a_topic_may_be_deleted_while_a_fetch_waits_for_its_bytes(void **state)
{
    (void)state;
    produce(3);
    disk_stops();
    rig_fetch_send(&rig, &one, "t", 0, 0, 0, 1);
    wait_until_a_lane_reads();
    delete_topic();
    gate_shut(false);
    assert_int_equal(fetched()->error_code, 3);
}

static void test_a_topic_may_be_deleted_while_a_reply_waits_for_its_bytes(void **state)
{
    (void)state;
    produce(LARGE);
    disk_stops();
    rig_fetch_send(&rig, &one, "t", 0, 0, 0, 1);
    wait_until_a_lane_reads();
    delete_topic();
    gate_shut(false);
    assert_records(fetched(), LARGE); /* it was promised */
}

static void goes_away(int records)
{
    produce(records);
    disk_stops();
    rig_fetch_send(&rig, &one, "t", 0, 0, 0, 1);
    wait_until_a_lane_reads();
    raw_close(&one);
    while (rig.broker->connection_count > 1) loop_turn(rig.broker->loop, 1);
    gate_shut(false);
    produce(1);
    while (!atomic_load(&gate.read)) loop_turn(rig.broker->loop, 1);
    raw_connect(&rig, &one);
}

static void test_a_client_may_go_while_its_fetch_waits(void **state)
{
    (void)state;
    goes_away(3);
}

static void test_a_client_may_go_while_its_reply_waits(void **state)
{
    (void)state;
    goes_away(LARGE);
}

static void test_a_disk_that_cannot_be_read_is_told_in_the_answer(void **state)
{
    (void)state;
    produce(3);
    disk_stops();
    atomic_store(&gate.fails, true);
    gate_shut(false);
    rig_fetch_send(&rig, &one, "t", 0, 0, 0, 1);
    assert_int_equal(fetched()->error_code, 56); /* KAFKA_STORAGE_ERROR */
}

static void test_a_disk_that_fails_within_an_answer_ends_the_connection(void **state)
{
    (void)state;
    produce(LARGE);
    disk_stops();
    atomic_store(&gate.fails, true);
    gate_shut(false);
    rig_fetch_send(&rig, &one, "t", 0, 0, 0, 1);
    assert_true(raw_is_closed(&rig, &one));
}

/* After a restart files are closed and indexes of old segments not loaded: both take the lane. */
static void test_old_segments_are_opened_and_their_indexes_loaded_on_the_lane(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) produce(HALF);
    raw_close(&one);
    raw_close(&two);
    rig_close(&rig);
    rig_open(&rig);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    disk_stops();
    gate_shut(false);
    int64_t offset = 0;
    for (int i = 0; i < 4; i++) {
        atomic_store(&gate.cold, true);
        rig_fetch_send(&rig, &one, "t", 0, offset + HALF / 2, 0, 1);
        struct fetch_response_partition_data *p = fetched();
        assert_int_equal(p->error_code, 0);
        struct batch_header h;
        assert_true(is_ok(batch_header_peek(p->records, &h)));
        assert_int_equal(h.base_offset, offset);
        offset += HALF;
    }
}

/* Retention has to know the times of old segments. */
static void test_retention_loads_indexes_on_the_lane(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) produce(HALF);
    rig_close(&rig);
    rig_open(&rig);
    raw_close(&one);
    raw_close(&two);
    raw_connect(&rig, &one);
    raw_connect(&rig, &two);
    struct store *store = rig.broker->store;
    while (store->retention.running) loop_turn(rig.broker->loop, 10); /* that of the start */
    struct plog *log = store_find(store, image_topic(rig.broker->image, STR("t"))->id, 0);
    assert_true(log->count >= 4 && !log->segments[2]->indexed);
    struct log_config config = *plog_config(log);
    config.retention_bytes = 0;
    plog_set_config(log, &config);
    disk_stops();
    loop_timer_clear(rig.broker->loop, &rig.broker->retention);
    assert_int_equal(store_retain(store), INT64_MAX); /* it waits */
    wait_until_a_lane_reads();
    struct api_versions_request body;
    wire_default(&api_versions_request_message, &body);
    body.client_software_name = body.client_software_version = STR("raw");
    (void)raw_call(&rig, &one, 18, 3, &body);
    assert_true(plog_start(log) <= HALF); /* the first segment's index may be known since the start */
    gate_shut(false);
    while (plog_start(log) < plog_end(log)) loop_turn(rig.broker->loop, 10);
    assert_int_equal(plog_start(log), 4 * HALF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_fetch_that_waits_for_the_disk_holds_up_nobody),
        TEST(test_a_reply_whose_records_wait_for_the_disk_holds_up_nobody),
        TEST(test_min_bytes_are_counted_without_waiting_for_the_disk),
        TEST(test_a_fetch_of_many_partitions_lets_others_have_their_turn),
        TEST(test_a_time_is_looked_for_without_waiting_for_the_disk),
        TEST(test_a_client_may_go_while_its_time_is_looked_for),
        TEST(test_a_topic_may_be_deleted_while_a_fetch_waits_for_its_bytes),
        TEST(test_a_topic_may_be_deleted_while_a_reply_waits_for_its_bytes),
        TEST(test_a_client_may_go_while_its_fetch_waits),
        TEST(test_a_client_may_go_while_its_reply_waits),
        TEST(test_a_disk_that_cannot_be_read_is_told_in_the_answer),
        TEST(test_a_disk_that_fails_within_an_answer_ends_the_connection),
        TEST(test_old_segments_are_opened_and_their_indexes_loaded_on_the_lane),
        TEST(test_retention_loads_indexes_on_the_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
