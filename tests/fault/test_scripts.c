/* test_scripts.c - rules of the storage protocol that chance seldom meets: each test builds the state of the
 * disk in which a store that left out the rule would go wrong. The suite breaks leaves them out. */
#include "fault/store_kit.h"
#include "storage/files.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <stdio.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)

/* A write is rolled back for want of space; after a kill the log looks untouched, yet what the disk
 * has behind its end is unknown. The first thing that happens then is a roll. */
static void test_a_segment_untouched_since_recovery_is_synced_before_it_is_left(void **state)
{
    (void)state;
    for (int seed = 1; seed <= 300; seed++) {
        struct kit k;
        kit_init(&k, (uint64_t)seed);
        k.config.segment_bytes = 3000;
        assert_int_equal(kit_open(&k).code, E_OK);
        struct kit_batch b = { .value_size = 1200, .tag = 1 };
        assert_int_equal(kit_append(&k, kit_log(&k, 0, 0), &b, NULL).code, E_OK);
        assert_int_equal(store_stop(k.store).code, E_OK);
        kit_reopen(&k);
        sim_fail_at(k.sim, SIM_PWRITE, 1, E_NO_SPACE);
        assert_int_equal(kit_append(&k, kit_log(&k, 0, 0), &b, NULL).code, E_KAFKA_STORAGE_ERROR);
        kit_reopen(&k);
        b.value_size = 2500; /* rolls */
        assert_int_equal(kit_append(&k, kit_log(&k, 0, 0), &b, NULL).code, E_OK);
        checkpoint_want(k.store);
        store_turn(k.store);
        kit_close(&k);
        sim_crash(k.sim, true);
        assert_int_equal(kit_open(&k).code, E_OK);
        struct plog *log = kit_log(&k, 0, 0);
        struct buf out;
        buf_init(&out, 1 << 20);
        assert_int_equal(plog_end(log), 2);
        assert_int_equal(kit_read_all(log, 2, &out).code, E_OK);
        assert_int_equal(out.len, plog_bytes(log));
        assert_true(out.len < 4200);
        buf_done(&out);
        kit_done(&k);
    }
}

/* The same without a kill between: what is on the disk behind the end is unknown from the failed write on. */
static void test_a_segment_with_a_failed_append_is_synced_before_it_is_left(void **state)
{
    (void)state;
    for (int seed = 1; seed <= 300; seed++) {
        struct kit k;
        kit_init(&k, (uint64_t)seed);
        k.config.segment_bytes = 3000;
        assert_ok(kit_open(&k));
        struct kit_batch b = { .value_size = 1200, .tag = 1 };
        assert_ok(kit_append(&k, kit_log(&k, 0, 0), &b, NULL));
        checkpoint_want(k.store);
        store_turn(k.store); /* all is synced: the segment counts as unchanged */
        sim_fail_at(k.sim, SIM_PWRITE, 1, E_NO_SPACE);
        assert_int_equal(kit_append(&k, kit_log(&k, 0, 0), &b, NULL).code, E_KAFKA_STORAGE_ERROR);
        b.value_size = 2500; /* rolls */
        assert_ok(kit_append(&k, kit_log(&k, 0, 0), &b, NULL));
        checkpoint_want(k.store);
        store_turn(k.store);
        kit_close(&k);
        sim_crash(k.sim, true);
        assert_ok(kit_open(&k));
        struct plog *log = kit_log(&k, 0, 0);
        struct buf out;
        buf_init(&out, 1 << 20);
        assert_int_equal(plog_end(log), 2);
        assert_ok(kit_read_all(log, 2, &out));
        assert_int_equal(out.len, plog_bytes(log));
        buf_done(&out);
        kit_done(&k);
    }
}

/* Two lives of journal use: frames of the earlier cycle and generation lie behind the newer ones in
 * both files and must not come back, at whichever frame the power goes. */
static void test_stale_frames_are_never_replayed(void **state)
{
    (void)state;
    static const struct store_tuning tuning = { .direct_min = 1 << 20, .span_max = 6000,
                                                .frame_max = 16384, .journal_cap = 3 * 4096,
                                                .journal_hard = 100 * 4096, .tail_max = 1 << 30,
                                                .snapshot_every = 1 << 30, .fold_max = 1 << 30 };
    for (int stop = 1; stop <= 40; stop++) {
        struct kit k;
        kit_init(&k, (uint64_t)stop);
        k.options.tuning = &tuning;
        assert_int_equal(kit_open(&k).code, E_OK);
        int64_t ends[2] = { 0, 0 };
        for (int i = 0; i < stop; i++) {
            struct append_result r;
            struct plog *log = kit_log(&k, 0, i % 2);
            assert_int_equal(kit_append(&k, log, &(struct kit_batch){ .tag = 3 }, &r).code, E_OK);
            ends[i % 2] = r.end_offset;
            if (i == 11 || i == 25) kit_reopen(&k);
        }
        kit_close(&k);
        sim_crash(k.sim, true);
        assert_int_equal(kit_open(&k).code, E_OK);
        for (int p = 0; p < 2; p++) assert_int_equal(plog_end(kit_log(&k, 0, p)), ends[p]);
        kit_done(&k);
    }
}

/* --- frames by hand --------------------------------------------------------------------------- */

struct hand { /* what identifies the store whose journal is forged */
    uint64_t store_id, generation;
};

static struct hand hand_of(const struct kit *k)
{
    return (struct hand){ k->store->store_id, k->store->generation };
}

/* One frame with one batch of one record, which is to lie at `offset` and `position` of segment 0. */
static void forge(struct kit *k, const char *path, int64_t at, struct frame_header h, int64_t offset,
                  int64_t position, uint64_t tag)
{
    struct fs *fs = sim_fs(k->sim);
    struct file *file;
    struct buf batch;
    uint8_t frame[4096] = { 0 };
    buf_init(&batch, 4096);
    kit_make(k, &(struct kit_batch){ .tag = tag }, &batch);
    batch_set_base_offset(batch.data, offset);
    struct frame_record r = { .type = RECORD_DATA, .topic = k->topics[0], .partition = 0, .offset = offset,
                              .end = offset + 1, .segment = 0, .position = position };
    journal_put_record(frame + FRAME_HEADER, &r, batch.len);
    memcpy(frame + FRAME_HEADER + RECORD_HEADER, batch.data, batch.len);
    h.length = (uint32_t)(FRAME_HEADER + record_padded(batch.len));
    h.count = 1;
    journal_seal(frame, &h);
    assert_ok(fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &file));
    assert_ok(fs->ops->pwrite(fs, file, frame, sizeof frame, at));
    fs->ops->close(fs, file);
    buf_done(&batch);
}

static struct frame_header header_at(struct kit *k, const char *path, int64_t at, uint64_t store_id)
{
    struct fs *fs = sim_fs(k->sim);
    struct frame_header h = { 0 };
    struct file *file;
    struct buf frame;
    buf_init(&frame, FRAME_SIZE_MAX);
    assert_ok(fs->ops->open(fs, path, FS_READ, &file));
    assert_ok(journal_read_frame(fs, file, at, store_id, &frame, &h));
    fs->ops->close(fs, file);
    buf_done(&frame);
    return h;
}

static void append(struct kit *k, uint64_t tag)
{
    assert_ok(kit_append(k, kit_log(k, 0, 0), &(struct kit_batch){ .tag = tag }, NULL));
}

static uint8_t value_at(struct kit *k, int64_t offset)
{
    struct buf out;
    struct read_result r;
    struct batch_reader reader;
    struct record record;
    buf_init(&out, 1 << 20);
    assert_ok(plog_read(kit_log(k, 0, 0), offset, offset + 1, 1 << 20, true, &out, &r));
    assert_ok(batch_reader_init(&reader, buf_bytes(&out), 1 << 20));
    assert_true(batch_reader_next(&reader, &record));
    uint8_t value = record.value.data[0];
    batch_reader_done(&reader);
    buf_done(&out);
    return value;
}

static void start_store(struct kit *k, int seed)
{
    kit_init(k, (uint64_t)seed);
    assert_ok(kit_open(k));
}

/* Journals are written in place: behind the newest frame lie those of earlier lives. */
static void test_frames_of_an_earlier_generation_are_not_replayed(void **state)
{
    (void)state;
    struct kit k;
    start_store(&k, 1);
    append(&k, 1);
    int64_t size = plog_bytes(kit_log(&k, 0, 0));
    struct hand hand = hand_of(&k);
    kit_reopen(&k);
    kit_close(&k);
    forge(&k, "journal-0", 0, (struct frame_header){ .store_id = hand.store_id,
                                                     .generation = hand.generation, .sequence = 1 },
          1, size, 7);
    assert_ok(kit_open(&k));
    assert_int_equal(plog_end(kit_log(&k, 0, 0)), 1);
    kit_done(&k);
}

static void test_a_frame_that_does_not_follow_the_one_before_ends_the_journal(void **state)
{
    (void)state;
    struct kit k;
    start_store(&k, 1);
    append(&k, 1); /* frame 1 */
    int64_t size = plog_bytes(kit_log(&k, 0, 0));
    struct hand hand = hand_of(&k);
    kit_close(&k);
    forge(&k, "journal-0", 4096, (struct frame_header){ .store_id = hand.store_id, .sequence = 3,
                                                        .generation = hand.generation, .previous = 2 },
          1, size, 7);
    assert_ok(kit_open(&k));
    assert_int_equal(plog_end(kit_log(&k, 0, 0)), 1);
    kit_done(&k);
}

/* The file that a checkpoint has freed keeps its frames until it is written again. */
static void test_a_file_from_before_the_checkpoint_is_not_replayed(void **state)
{
    (void)state;
    struct kit k;
    start_store(&k, 1);
    append(&k, 1);
    checkpoint_want(k.store);
    store_turn(k.store);
    append(&k, 2); /* in the other file */
    int64_t size = plog_bytes(kit_log(&k, 0, 0));
    struct hand hand = hand_of(&k);
    assert_int_equal(k.store->current, 1);
    kit_close(&k);
    forge(&k, "journal-0", 4096, (struct frame_header){ .store_id = hand.store_id, .sequence = 2,
                                                        .generation = hand.generation, .previous = 1 },
          2, size, 7);
    assert_ok(kit_open(&k));
    assert_int_equal(plog_end(kit_log(&k, 0, 0)), 2);
    kit_done(&k);
}

/* Below the recovery point the segment may have been written anew since. */
static void test_records_below_the_recovery_point_are_not_replayed(void **state)
{
    (void)state;
    struct kit k;
    start_store(&k, 1);
    append(&k, 1);
    append(&k, 2);
    assert_ok(store_stop(k.store));
    kit_reopen(&k);
    struct hand hand = hand_of(&k);
    kit_close(&k);
    uint8_t mine = (uint8_t)(1 * 131);
    forge(&k, "journal-0", 0, (struct frame_header){ .store_id = hand.store_id, .sequence = 1,
                                                     .generation = hand.generation },
          0, 0, 7);
    assert_ok(kit_open(&k));
    assert_int_equal(value_at(&k, 0), mine);
    kit_done(&k);
}

/* A topic is deleted and one of the same name stands in its place: its frames are still in the journal. */
static void test_frames_of_a_deleted_topic_are_not_taken_for_its_namesakes(void **state)
{
    (void)state;
    struct kit k;
    start_store(&k, 1);
    append(&k, 1);
    assert_ok(store_stop(k.store));
    kit_reopen(&k);
    struct uuid mine = k.topics[0];
    k.topics[0].b[0] ^= 0xff; /* another topic; what stands for the name in breaks.def is the same */
    assert_ok(kit_append(&k, kit_log(&k, 0, 0), &(struct kit_batch){ .records = 3, .tag = 7 }, NULL));
    store_delete_topic(k.store, k.topics[0], 0, INT32_MAX);
    k.topics[0] = mine;
    kit_close(&k);
    sim_crash(k.sim, true);
    assert_ok(kit_open(&k));
    assert_int_equal(plog_end(kit_log(&k, 0, 0)), 1);
    assert_int_equal(value_at(&k, 0), (uint8_t)131);
    kit_done(&k);
}

/* The write of a frame may fail and yet leave all of it on the disk. */
static void test_the_number_of_a_failed_frame_is_not_used_again(void **state)
{
    (void)state;
    struct kit k;
    start_store(&k, 1);
    append(&k, 1);
    struct hand hand = hand_of(&k);
    assert_int_equal(header_at(&k, "journal-0", 0, hand.store_id).sequence, 1);
    sim_fail_at(k.sim, SIM_PWRITE, 2, E_NO_SPACE); /* the segment, then the frame */
    append(&k, 2); /* synced directly instead */
    assert_true(sim_failed(k.sim));
    k.store->journal_full = false; /* there is space again */
    append(&k, 3);
    const char *path = k.store->current ? "journal-1" : "journal-0";
    int64_t at = k.store->position - 4096;
    struct frame_header h = header_at(&k, path, at, hand.store_id);
    assert_int_equal(h.sequence, 3);
    assert_int_equal(h.previous, 1);
    kit_done(&k);
}

/* A checkpoint dies behind a new snapshot, before its name is durable: only the one that the checkpoint
 * file names is there for certain. */
static void test_a_snapshot_that_no_checkpoint_names_counts_for_nothing(void **state)
{
    (void)state;
    static const struct store_tuning tuning = { .direct_min = 1 << 20, .span_max = 6000,
                                                .frame_max = 16384, .journal_cap = 1 << 20,
                                                .journal_hard = 1 << 20, .tail_max = 1 << 30,
                                                .snapshot_every = 1 << 30, .fold_max = 1 << 30 };
    for (int seed = 1; seed <= 10; seed++) {
        for (int call = 1; call <= 20; call++) {
            struct kit k;
            kit_init(&k, (uint64_t)seed);
            k.options.tuning = &tuning;
            assert_ok(kit_open(&k));
            append(&k, 1);
            append(&k, 2);
            checkpoint_want(k.store);
            store_turn(k.store); /* recovery will find nothing above it, and so sync nothing */
            k.store->tuning.snapshot_every = 1;
            sim_die_at(k.sim, call);
            checkpoint_want(k.store);
            store_turn(k.store);
            kit_close(&k);
            sim_crash(k.sim, false);
            assert_ok(kit_open(&k));
            kit_close(&k);
            sim_crash(k.sim, true);
            assert_ok(kit_open(&k));
            assert_int_equal(plog_end(kit_log(&k, 0, 0)), 2);
            kit_done(&k);
        }
    }
}

/* --- garbage ---------------------------------------------------------------------------------- */

/* Durable, its folder's entry too. */
static void put_behind(struct kit *k, const char *path, const void *data, size_t len)
{
    struct fs *fs = sim_fs(k->sim);
    struct file *file;
    int64_t size;
    assert_ok(fs->ops->open(fs, path, FS_WRITE | FS_CREATE, &file));
    assert_ok(fs->ops->size(fs, file, &size));
    assert_ok(fs->ops->pwrite(fs, file, data, len, size));
    assert_ok(files_datasync(fs, file));
    fs->ops->close(fs, file);
    char folder[PATH_SIZE];
    snprintf(folder, sizeof folder, "%.*s", (int)(strchr(path, '/') - path), path);
    assert_ok(files_sync_dir(fs, folder));
    assert_ok(files_sync_dir(fs, "."));
}

/* A snapshot of another life: valid, and of a producer that this log never saw. */
static void put_foreign_snapshot(struct kit *k, int64_t offset)
{
    struct producer_state foreign = { 0 };
    struct buf batch, snapshot;
    struct batch_header h;
    char path[PATH_SIZE];
    buf_init(&batch, 4096);
    buf_init(&snapshot, 1 << 20);
    kit_make(k, &(struct kit_batch){ .tag = 9, .producer_id = 77 }, &batch);
    assert_ok(batch_header_peek(buf_bytes(&batch), &h));
    assert_ok(producer_state_fold(&foreign, &h, NULL, 1));
    assert_ok(producer_state_encode(&foreign, offset, &snapshot));
    snprintf(path, sizeof path, "%s/%020lld.snap", kit_log(k, 0, 0)->folder, (long long)offset);
    put_behind(k, path, snapshot.data, snapshot.len);
    producer_state_done(&foreign);
    buf_done(&snapshot);
    buf_done(&batch);
}

static void test_a_newer_snapshot_that_no_checkpoint_names_is_not_taken(void **state)
{
    (void)state;
    struct kit k;
    start_store(&k, 1);
    for (int i = 0; i < 3; i++) append(&k, 1);
    put_foreign_snapshot(&k, 3);
    kit_reopen(&k);
    int16_t epoch;
    int32_t sequence;
    struct plog *log = kit_log(&k, 0, 0);
    assert_int_equal(plog_end(log), 3);
    assert_false(producer_state_find(&log->producers, 77, &epoch, &sequence));
    kit_done(&k);
}

/* What a failed append left behind a segment's end must not hide the segments that follow. */
static void test_garbage_between_two_segments_ends_nothing(void **state)
{
    (void)state;
    struct kit k;
    char path[PATH_SIZE];
    kit_init(&k, 1);
    k.config.segment_bytes = 300;
    assert_ok(kit_open(&k));
    for (uint64_t i = 0; i < 6; i++) append(&k, i);
    struct plog *log = kit_log(&k, 0, 0);
    assert_true(log->count > 1);
    segment_path(log->segments[0], ".log", path, sizeof path);
    kit_close(&k);
    put_behind(&k, path, "garbage", 7);
    sim_crash(k.sim, true);
    assert_ok(kit_open(&k));
    assert_int_equal(plog_end(kit_log(&k, 0, 0)), 6);
    for (int i = 0; i < 6; i++) assert_int_equal(value_at(&k, i), (uint8_t)(i * 131));
    kit_done(&k);
}

/* The n-th such call fails of a recovery that finds garbage behind a segment. True: there was an n-th. */
static bool cut_fails(enum sim_call call, uint32_t behind, int64_t n)
{
    struct kit k;
    char path[PATH_SIZE];
    kit_init(&k, (uint64_t)n);
    k.config.segment_bytes = 300;
    assert_ok(kit_open(&k));
    for (uint64_t i = 0; i < 6; i++) append(&k, i);
    struct plog *log = kit_log(&k, 0, 0);
    assert_true(log->count > 1);
    segment_path(behind ? plog_active(log) : log->segments[0], ".log", path, sizeof path);
    kit_close(&k);
    put_behind(&k, path, "garbage", 7);
    sim_crash(k.sim, false);
    sim_fail_at(k.sim, call, n, n % 2 ? E_IO : E_NO_SPACE);
    status s = kit_open(&k);
    bool hit = sim_failed(k.sim);
    sim_fail_at(k.sim, call, 0, E_OK);
    assert_int_equal(is_ok(s), !hit);
    if (hit) { /* with the disk in order it goes on as if nothing had been */
        kit_close(&k);
        sim_crash(k.sim, n % 2);
        assert_ok(kit_open(&k));
    }
    append(&k, 6);
    for (int i = 0; i < 7; i++) assert_int_equal(value_at(&k, i), (uint8_t)(i * 131));
    kit_done(&k);
    return hit;
}

/* Were it served, the garbage would be in the midst of the log as soon as the next segment began. */
static void test_a_recovery_that_cannot_cut_garbage_off_does_not_serve(void **state)
{
    (void)state;
    for (uint32_t behind = 0; behind < 2; behind++) {
        int64_t n = 1, folders = 1;
        while (cut_fails(SIM_TRUNCATE, behind, n)) assert_true(++n < 20);
        assert_true(n > 2); /* the checkpoint's own, and that of the segment */
        while (cut_fails(SIM_SYNC_DIR, behind, folders)) assert_true(++folders < 20);
        assert_true(folders > 2);
    }
}

/* Recovery drops a segment that does not continue the log, and is killed before that is durable. The file may
 * come back with the next power cut, just when the log has grown up to it. */
static void test_what_recovery_cut_off_does_not_come_back(void **state)
{
    (void)state;
    for (int seed = 1; seed <= 40; seed++) {
        for (int die = 1; die <= 40; die++) {
            struct kit k;
            struct buf batch;
            char path[PATH_SIZE];
            start_store(&k, seed);
            append(&k, 1);
            assert_ok(store_stop(k.store));
            snprintf(path, sizeof path, "%s/%020d.log", kit_log(&k, 0, 0)->folder, 3);
            kit_close(&k);
            sim_crash(k.sim, false);
            buf_init(&batch, 4096);
            kit_make(&k, &(struct kit_batch){ .tag = 9 }, &batch);
            batch_set_base_offset(batch.data, 3);
            put_behind(&k, path, batch.data, batch.len);
            buf_done(&batch);
            sim_die_at(k.sim, die);
            status first = kit_open(&k);
            sim_die_at(k.sim, 0);
            kit_close(&k);
            sim_crash(k.sim, false);
            assert_ok(kit_open(&k));
            append(&k, 2);
            append(&k, 3);
            kit_close(&k);
            sim_crash(k.sim, true);
            assert_ok(kit_open(&k));
            assert_int_equal(plog_end(kit_log(&k, 0, 0)), 3);
            kit_done(&k);
            if (is_ok(first)) break; /* it has no more calls */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_segment_untouched_since_recovery_is_synced_before_it_is_left),
        cmocka_unit_test(test_a_segment_with_a_failed_append_is_synced_before_it_is_left),
        cmocka_unit_test(test_stale_frames_are_never_replayed),
        cmocka_unit_test(test_frames_of_an_earlier_generation_are_not_replayed),
        cmocka_unit_test(test_a_frame_that_does_not_follow_the_one_before_ends_the_journal),
        cmocka_unit_test(test_a_file_from_before_the_checkpoint_is_not_replayed),
        cmocka_unit_test(test_records_below_the_recovery_point_are_not_replayed),
        cmocka_unit_test(test_frames_of_a_deleted_topic_are_not_taken_for_its_namesakes),
        cmocka_unit_test(test_the_number_of_a_failed_frame_is_not_used_again),
        cmocka_unit_test(test_a_snapshot_that_no_checkpoint_names_counts_for_nothing),
        cmocka_unit_test(test_a_newer_snapshot_that_no_checkpoint_names_is_not_taken),
        cmocka_unit_test(test_garbage_between_two_segments_ends_nothing),
        cmocka_unit_test(test_a_recovery_that_cannot_cut_garbage_off_does_not_serve),
        cmocka_unit_test(test_what_recovery_cut_off_does_not_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
