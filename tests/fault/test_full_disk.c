/* test_full_disk.c - a disk that is full: nothing acknowledged is lost, internal topics, checkpoints and
 * recovery go on from the reserve, and clients append again when there is room. */
#include "base/mem.h"
#include "fault/store_kit.h"
#include "storage/files.h"
#include "storage/storage_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define assert_ok(s) assert_int_equal((s).code, E_OK)
#define ROOM (8 * MIB)

struct disk {
    struct kit kit;
    struct reserve *reserve;
    struct log_config internal;
    int stored, commits; /* acknowledged */
};

static status disk_open(struct disk *d)
{
    TRY(reserve_new(sim_fs(d->kit.sim), "reserve", &d->reserve));
    d->kit.options.reserve = d->reserve;
    return kit_open(&d->kit);
}

static void disk_close(struct disk *d)
{
    kit_close(&d->kit);
    reserve_free(d->reserve);
    d->reserve = NULL;
}

static void disk_init(struct disk *d, uint64_t seed)
{
    *d = (struct disk){ 0 };
    kit_init(&d->kit, seed);
    d->kit.config.segment_bytes = 1 * MIB;
    d->kit.config.file_delete_delay_ms = 3600 * 1000; /* nothing waits so long on a full disk */
    sim_set_room(d->kit.sim, ROOM);
}

static int setup(void **state)
{
    struct disk *d = mem_alloc(sizeof *d);
    disk_init(d, 1);
    assert_ok(disk_open(d));
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct disk *d = *state;
    disk_close(d);
    sim_free(d->kit.sim);
    mem_free(d);
    assert_int_equal(mem_outstanding(), 0);
    return 0;
}

static struct plog *user_log(struct disk *d) { return kit_log(&d->kit, 0, 0); }

static struct plog *internal_log(struct disk *d)
{
    struct log_config config = d->kit.config;
    config.internal = true;
    return store_log(d->kit.store, d->kit.topics[1], 0, &config);
}

static status user_append(struct disk *d, size_t size)
{
    status s = kit_append(&d->kit, user_log(d), &(struct kit_batch){ .value_size = size, .tag = 1 }, NULL);
    if (is_ok(s)) d->stored++;
    return s;
}

static status commit(struct disk *d)
{
    status s = kit_append_as(&d->kit, internal_log(d), &(struct kit_batch){ .value_size = 100 },
                             APPEND_COORDINATOR, NULL);
    if (is_ok(s)) d->commits++;
    return s;
}

static void fill_up(struct disk *d, size_t size)
{
    status s;
    while (is_ok(s = user_append(d, size))) continue;
    assert_int_equal(s.code, E_KAFKA_STORAGE_ERROR);
}

static void all_is_there(struct disk *d)
{
    struct buf out;
    buf_init(&out, 2 * ROOM);
    assert_true(plog_high_watermark(user_log(d)) >= d->stored);
    assert_true(plog_high_watermark(internal_log(d)) >= d->commits);
    assert_ok(kit_read_all(user_log(d), plog_high_watermark(user_log(d)), &out));
    buf_done(&out);
}

static void test_clients_are_refused_and_internal_topics_served(void **state)
{
    struct disk *d = *state;
    assert_ok(commit(d));
    fill_up(d, 50000);
    assert_int_equal(store_state(d->kit.store), STORE_FULL);
    struct append_result r;
    status s = kit_append(&d->kit, user_log(d), &(struct kit_batch){ .value_size = 10 }, &r);
    assert_int_equal(s.code, E_KAFKA_STORAGE_ERROR);
    assert_non_null(strstr(r.why.text, "disk of this broker is full"));
    for (int i = 0; i < 1000; i++) assert_ok(commit(d)); /* 170 KB that are not there but for the reserve */
    all_is_there(d);
    assert_int_equal(d->kit.fatal, 0);
}

static void test_a_broker_starts_on_a_full_disk_and_stops_cleanly(void **state)
{
    struct disk *d = *state;
    assert_ok(commit(d));
    fill_up(d, 50000);
    for (int i = 0; i < 3; i++) {
        disk_close(d); /* a kill */
        sim_crash(d->kit.sim, i & 1);
        assert_ok(disk_open(d));
        all_is_there(d);
        assert_ok(commit(d));
    }
    assert_ok(store_stop(d->kit.store));
    disk_close(d);
    assert_ok(disk_open(d));
    all_is_there(d);
}

static void test_service_returns_with_room_and_not_before_the_reserve_is_whole(void **state)
{
    struct disk *d = *state;
    fill_up(d, 50000);
    int64_t whole = reserve_size(d->reserve);
    for (int i = 0; i < 10000 && reserve_size(d->reserve) == whole; i++) assert_ok(commit(d));
    int64_t reserve = reserve_size(d->reserve);
    assert_true(reserve < whole);
    (void)store_retain(d->kit.store);
    assert_int_equal(store_state(d->kit.store), STORE_FULL);
    sim_set_room(d->kit.sim, ROOM + 100 * KIB);
    (void)store_retain(d->kit.store);
    assert_int_equal(store_state(d->kit.store), STORE_FULL);
    assert_int_equal(user_append(d, 10).code, E_KAFKA_STORAGE_ERROR);
    sim_set_room(d->kit.sim, ROOM + 2 * MIB);
    (void)store_retain(d->kit.store);
    assert_int_equal(store_state(d->kit.store), STORE_OPEN);
    assert_true(reserve_size(d->reserve) > reserve);
    assert_ok(user_append(d, 50000));
    assert_true(d->kit.store->rounds > 0);
    uint64_t rounds = d->kit.store->rounds;
    assert_ok(user_append(d, 10));
    assert_true(d->kit.store->rounds > rounds); /* the journal is in use again */
}

static void test_retention_makes_room_on_a_full_disk(void **state)
{
    struct disk *d = *state;
    fill_up(d, 50000);
    d->kit.config.retention_bytes = 2 * MIB;
    plog_set_config(user_log(d), &d->kit.config);
    for (int i = 0; i < 3; i++) (void)store_retain(d->kit.store);
    assert_true(plog_bytes(user_log(d)) < 4 * MIB);
    assert_int_equal(store_state(d->kit.store), STORE_OPEN);
    assert_ok(user_append(d, 50000));
}

static void test_deleting_records_makes_room_on_a_full_disk(void **state)
{
    struct disk *d = *state;
    d->kit.config.segment_bytes = 100 * MIB; /* all in the active segment */
    fill_up(d, 50000);
    assert_ok(plog_set_start(user_log(d), plog_high_watermark(user_log(d)), NULL));
    assert_int_equal(plog_start(user_log(d)), d->stored);
    (void)store_retain(d->kit.store);
    assert_int_equal(store_state(d->kit.store), STORE_OPEN);
    assert_ok(user_append(d, 50000));
}

static void test_deleting_a_topic_makes_room_on_a_full_disk(void **state)
{
    struct disk *d = *state;
    fill_up(d, 50000);
    d->kit.known[0] = false;
    store_delete_topic(d->kit.store, d->kit.topics[0], 0, INT32_MAX);
    (void)store_retain(d->kit.store);
    assert_int_equal(store_state(d->kit.store), STORE_OPEN);
    assert_ok(kit_append(&d->kit, kit_log(&d->kit, 2, 0), &(struct kit_batch){ .value_size = 50000 }, NULL));
}

static void test_the_reserve_is_in_proportion(void **state)
{
    struct disk *d = *state;
    sim_set_room(d->kit.sim, -1);
    assert_int_equal(reserve_size(d->reserve), 0); /* nothing is stored */
    assert_ok(commit(d));
    assert_int_equal(reserve_size(d->reserve), RESERVE_MIN);
    while (plog_bytes(user_log(d)) < 9 * MIB) assert_ok(user_append(d, 500000));
    assert_int_equal(reserve_size(d->reserve), 2 * RESERVE_MIN);
    assert_int_equal(store_state(d->kit.store), STORE_OPEN);
}

/* A full disk and a loss of power at some call: the next start succeeds without more room. */
static void one_cut(uint64_t seed)
{
    struct disk d;
    disk_init(&d, seed);
    assert_ok(disk_open(&d));
    for (int i = 0; i < 3; i++) assert_ok(commit(&d));
    sim_die_at(d.kit.sim, 1 + sim_below(d.kit.sim, 2500));
    for (int i = 0; i < 600 && !sim_dead(d.kit.sim); i++) {
        int stored = d.stored, commits = d.commits;
        if (sim_chance(d.kit.sim, 70)) (void)user_append(&d, 30000);
        else (void)commit(&d);
        if (i % 50 == 0) (void)store_retain(d.kit.store);
        if (!sim_dead(d.kit.sim)) continue;
        d.stored = stored; /* answers of a dead process */
        d.commits = commits;
    }
    disk_close(&d);
    sim_crash(d.kit.sim, true);
    assert_ok(disk_open(&d));
    all_is_there(&d);
    assert_ok(commit(&d));
    disk_close(&d);
    sim_free(d.kit.sim);
}

static void test_power_may_fail_while_the_disk_is_full(void **state)
{
    (void)state;
    const char *more = getenv("LEAT_CUTS");
    uint64_t count = more ? strtoull(more, NULL, 10) : 300;
    for (uint64_t seed = 1; seed <= count; seed++) one_cut(seed);
    assert_int_equal(mem_outstanding(), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(clients_are_refused_and_internal_topics_served),
        T(a_broker_starts_on_a_full_disk_and_stops_cleanly),
        T(service_returns_with_room_and_not_before_the_reserve_is_whole),
        T(retention_makes_room_on_a_full_disk),
        T(deleting_records_makes_room_on_a_full_disk),
        T(deleting_a_topic_makes_room_on_a_full_disk),
        T(the_reserve_is_in_proportion),
        cmocka_unit_test(test_power_may_fail_while_the_disk_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
