/* The transaction coordinator over a real store and the real loop: Kafka's rules for who may do what,
 * epochs that are bumped and used up, timeouts, the line of joins, and what a restart finds at every
 * step. As by kill: the coordinator is dropped and made anew from its log. */
#include "broker/txn.h"

#include "base/mem.h"
#include "cluster/delta.h"
#include "io/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define T STR("orders-copy")
#define PAYMENTS STR("payments")

static char dir[64];
static struct loop *loop;
static struct fs *fs;
static struct store *store;
static struct image *image;
static struct txn_coordinator *txns;
static struct txn_options options;
static struct uuid state_id, payments_id;
static int64_t next_id;
static status marker_error;
static int markers_written;

/* --- the world -------------------------------------------------------------------------------- */
static bool known(void *arg, struct uuid topic, int32_t partition, struct log_config *ret)
{
    (void)arg;
    (void)partition;
    *ret = log_config_default;
    return image_topic_by_id(image, topic) != NULL;
}

static void moved(void *arg, struct plog *log)
{
    (void)arg;
    (void)log;
}

static void fatal(void *arg, status why)
{
    (void)arg;
    fail_msg("store: %s", status_text(why));
}

static struct plog *log_of(void *arg, const struct topic *topic, int32_t partition)
{
    (void)arg;
    return store_log(store, topic->id, partition, &log_config_default);
}

static int64_t producer_id(void *arg)
{
    (void)arg;
    return next_id++;
}

static status write_marker(void *arg, const struct txn_marker *m, struct plog **ret_log,
                           int64_t *ret_end)
{
    struct append_result result = { 0 };
    const struct topic *topic = image_topic(image, m->topic);
    *ret_log = NULL;
    if (failed(marker_error)) return marker_error;
    if (topic == NULL) return OK;
    struct plog *log = log_of(arg, topic, m->partition);
    TRY(plog_append_marker(log, m->producer_id, m->producer_epoch, m->commit, 1, m->tv2, &result));
    markers_written++;
    *ret_log = log;
    *ret_end = result.end_offset;
    return OK;
}

static void fill_image(void)
{
    struct buf b;
    buf_init(&b, DELTA_MAX);
    delta_begin(&b, 0, 1);
    delta_cluster(&b, STR("lkc-test"), uuid_new());
    delta_limits(&b, &limits_standalone);
    delta_transaction_state(&b, state_id);
    delta_topic(&b, &(struct delta_topic){ .id = payments_id, .name = PAYMENTS, .partitions = 3,
                                           .replication_factor = 1 });
    assert_true(is_ok(buf_check(&b)));
    assert_true(is_ok(image_new(&image)));
    assert_true(is_ok(image_apply(image, buf_bytes(&b), NULL)));
    buf_done(&b);
}

static void start(void)
{
    assert_true(is_ok(loop_new(&loop)));
    assert_true(is_ok(fs_posix_new(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), &fs)));
    struct store_options so = { .fs = fs, .loop = loop, .known = known, .moved = moved, .fatal = fatal };
    assert_true(is_ok(store_open(&so, &store)));
    options.loop = loop;
    options.image = image;
    options.store = store;
    assert_true(is_ok(txn_coordinator_new(&options, &txns)));
    assert_true(is_ok(txn_coordinator_load(txns)));
}

static void halt(void)
{
    txn_coordinator_free(txns);
    store_free(store);
    loop_free(loop);
    fs_posix_free(fs);
}

static void restart(void)
{
    halt();
    start();
}

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/leat-txn-XXXXXX");
    if (mkdtemp(dir) == NULL) return 1;
    state_id = uuid_new();
    payments_id = uuid_new();
    next_id = 1000;
    marker_error = OK;
    markers_written = 0;
    txn_options_init(&options);
    options.log = log_of;
    options.producer_id = producer_id;
    options.marker = write_marker;
    options.retry_ms = 5;
    fill_image();
    start();
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    halt();
    image_free(image);
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return mem_outstanding() != 0;
}

#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        for (int turns_ = 0; !(condition); turns_++) {                                             \
            if (turns_ > 20000) fail_msg("never came: %s", #condition);                            \
            loop_turn(loop, 10);                                                                   \
        }                                                                                          \
    } while (0)

/* --- a producer ------------------------------------------------------------------------------- */
struct asked {
    struct txn_wait wait;
    struct txn_result result;
    bool done;
    struct txn_partitions set;
};

static void asked_done(struct txn_wait *wait, const struct txn_result *result)
{
    struct asked *a = CONTAINER_OF(wait, struct asked, wait);
    a->result = *result;
    a->done = true;
    txn_partitions_done(&a->set);
}

static struct asked asking(void) { return (struct asked){ .wait = { .done = asked_done } }; }

static struct txn_key key(int64_t id, int epoch) { return (struct txn_key){ T, id, (int16_t)epoch }; }
static struct txn_key key_now(void)
{
    const struct txn *t = txn_find(txns, T);
    return key(t->now.producer_id, t->now.epoch);
}
static enum txn_state state_now(void) { return txn_find(txns, T)->now.state; }
static bool is_still(void)
{
    const struct txn *t = txn_find(txns, T);
    return !t->pending && t->now.state != TXN_PREPARE_COMMIT && t->now.state != TXN_PREPARE_ABORT;
}

static status init_as(int64_t id, int epoch, struct txn_result *ret)
{
    struct asked a = asking();
    txn_init(txns, T, 60000, id, (int16_t)epoch, &a.wait);
    UNTIL(a.done);
    if (ret != NULL) *ret = a.result;
    return a.result.error;
}

static void init(void) { assert_true(is_ok(init_as(-1, -1, NULL))); }

static status add(struct txn_key k, int32_t partition, bool tv2)
{
    struct asked a = asking();
    struct txn_partitions set = { 0 };
    assert_true(is_ok(txn_partitions_add(&set, PAYMENTS, partition)));
    txn_add(txns, &k, &set, tv2, &a.wait);
    txn_partitions_done(&set);
    UNTIL(a.done);
    return a.result.error;
}

static void join_later(struct asked *a, struct txn_key k, int32_t partition)
{
    *a = asking();
    assert_true(is_ok(txn_partitions_add(&a->set, PAYMENTS, partition)));
    txn_join(txns, &k, &a->set, &a->wait);
}

static status end_as(struct txn_key k, bool commit, bool tv2, struct txn_result *ret)
{
    struct asked a = asking();
    txn_end(txns, &k, commit, tv2, &a.wait);
    UNTIL(a.done);
    if (ret != NULL) *ret = a.result;
    return a.result.error;
}

static void assert_error(status s, enum err code)
{
    assert_string_equal(status_name(s), status_name(status_of(code)));
}

/* --- InitProducerId --------------------------------------------------------------------------- */
static void test_an_id_gets_a_producer_id_and_each_start_the_next_epoch(void **state)
{
    (void)state;
    struct txn_result r;
    assert_true(is_ok(init_as(-1, -1, &r)));
    assert_int_equal(r.producer_id, 1000);
    assert_int_equal(r.epoch, 0);
    assert_true(is_ok(init_as(-1, -1, &r)));
    assert_int_equal(r.producer_id, 1000);
    assert_int_equal(r.epoch, 1);
    restart();
    assert_true(is_ok(init_as(-1, -1, &r)));
    assert_int_equal(r.producer_id, 1000);
    assert_int_equal(r.epoch, 2);
}

static void test_a_timeout_above_the_greatest_is_refused(void **state)
{
    (void)state;
    struct asked a = asking();
    txn_init(txns, T, 900001, -1, -1, &a.wait);
    assert_error(a.result.error, E_INVALID_TRANSACTION_TIMEOUT);
    a = asking();
    txn_init(txns, T, 0, -1, -1, &a.wait);
    assert_error(a.result.error, E_INVALID_TRANSACTION_TIMEOUT);
    assert_null(txn_find(txns, T));
}

static void test_who_claims_its_epoch_goes_on_and_a_retry_is_known(void **state)
{
    (void)state;
    struct txn_result r;
    init();
    assert_true(is_ok(init_as(1000, 0, &r)));
    assert_int_equal(r.epoch, 1);
    assert_true(is_ok(init_as(1000, 0, &r))); /* the answer was lost */
    assert_int_equal(r.epoch, 1);
    init(); /* somebody else */
    assert_error(init_as(1000, 1, NULL), E_PRODUCER_FENCED);
    assert_error(init_as(77, 2, NULL), E_PRODUCER_FENCED);
}

static void test_used_up_epochs_bring_another_producer_id(void **state)
{
    (void)state;
    struct txn_result r;
    init();
    txn_find(txns, T)->now.epoch = TXN_EPOCH_LAST;
    assert_true(is_ok(init_as(1000, TXN_EPOCH_LAST, &r)));
    assert_int_equal(r.producer_id, 1001);
    assert_int_equal(r.epoch, 0);
    assert_true(is_ok(init_as(1000, TXN_EPOCH_LAST, &r))); /* a retry */
    assert_int_equal(r.producer_id, 1001);
    assert_int_equal(r.epoch, 0);
}

static void test_an_open_transaction_is_aborted_before_a_new_producer_begins(void **state)
{
    (void)state;
    struct txn_result r;
    init();
    assert_true(is_ok(add(key_now(), 0, true)));
    assert_error(init_as(-1, -1, NULL), E_CONCURRENT_TRANSACTIONS);
    UNTIL(is_still());
    assert_int_equal(state_now(), TXN_COMPLETE_ABORT);
    assert_true(is_ok(init_as(-1, -1, &r)));
    assert_int_equal(r.epoch, 2); /* 1 was never anybody's */
}

static void test_ids_are_bounded(void **state)
{
    (void)state;
    init();
    txns->options.ids_max = 1;
    struct asked a = asking();
    txn_init(txns, STR("another"), 60000, -1, -1, &a.wait);
    assert_error(a.result.error, E_LIMIT);
    init(); /* the one that is there goes on */
}

/* --- adding ----------------------------------------------------------------------------------- */
static void test_partitions_are_added_by_the_present_producer_only(void **state)
{
    (void)state;
    assert_error(add(key(1000, 0), 0, false), E_INVALID_PRODUCER_ID_MAPPING);
    init();
    assert_error(add(key(999, 0), 0, false), E_INVALID_PRODUCER_ID_MAPPING);
    assert_error(add(key(1000, 1), 0, false), E_PRODUCER_FENCED);
    assert_true(is_ok(add(key(1000, 0), 0, false)));
    assert_true(is_ok(add(key(1000, 0), 0, false)));
    assert_true(is_ok(add(key(1000, 0), 2, false)));
    assert_int_equal(txn_find(txns, T)->now.partitions.total, 2);
    struct txn_key k = key(1000, 0), old = key(1000, 5);
    assert_true(is_ok(txn_verify(txns, &k, PAYMENTS, 2, true)));
    assert_error(txn_verify(txns, &k, PAYMENTS, 1, true), E_TRANSACTION_ABORTABLE);
    assert_error(txn_verify(txns, &k, PAYMENTS, 1, false), E_INVALID_TXN_STATE);
    assert_error(txn_verify(txns, &old, PAYMENTS, 2, true), E_INVALID_PRODUCER_EPOCH);
}

static void test_requests_meanwhile_are_told_to_come_again(void **state)
{
    (void)state;
    init();
    struct asked a = asking(), b = asking();
    struct txn_key k = key_now();
    struct txn_partitions set = { 0 };
    assert_true(is_ok(txn_partitions_add(&set, PAYMENTS, 0)));
    txn_add(txns, &k, &set, false, &a.wait);
    txn_add(txns, &k, &set, false, &b.wait);
    txn_partitions_done(&set);
    assert_false(a.done);
    assert_true(b.done);
    assert_error(b.result.error, E_CONCURRENT_TRANSACTIONS);
    UNTIL(a.done);
    assert_true(is_ok(a.result.error));
}

static void test_joins_are_done_in_order_with_one_record_for_all(void **state)
{
    (void)state;
    init();
    struct asked a[4];
    for (int i = 0; i < 3; i++) join_later(&a[i], key_now(), i);
    join_later(&a[3], key(1000, 7), 0);
    int64_t end = plog_end(txn_find(txns, T)->log);
    UNTIL(a[3].done);
    for (int i = 0; i < 3; i++) assert_true(a[i].done && is_ok(a[i].result.error));
    assert_error(a[3].result.error, E_INVALID_PRODUCER_EPOCH);
    /* The first had to go at once; the two behind it share the next. */
    assert_int_equal(plog_end(txn_find(txns, T)->log), end + 1);
    assert_int_equal(txn_find(txns, T)->now.partitions.total, 3);
}

static void test_a_join_waits_for_the_end_before_it(void **state)
{
    (void)state;
    struct txn_result r;
    init();
    assert_true(is_ok(add(key_now(), 0, true)));
    assert_true(is_ok(end_as(key_now(), true, true, &r)));
    assert_false(is_still());
    struct asked a;
    join_later(&a, key(r.producer_id, r.epoch), 1);
    assert_false(a.done);
    UNTIL(a.done);
    assert_true(is_ok(a.result.error));
    assert_int_equal(state_now(), TXN_ONGOING);
    struct asked gone;
    assert_true(is_ok(end_as(key_now(), true, true, &r)));
    join_later(&gone, key(r.producer_id, r.epoch), 1);
    assert_true(txn_join_abandon(&gone.wait));
    txn_partitions_done(&gone.set);
    UNTIL(is_still());
    assert_false(gone.done);
}

/* --- ending ----------------------------------------------------------------------------------- */
static void test_tv1_keeps_the_epoch_and_knows_a_repeated_end(void **state)
{
    (void)state;
    init();
    assert_error(end_as(key_now(), true, false, NULL), E_INVALID_TXN_STATE);
    assert_true(is_ok(add(key_now(), 0, false)));
    assert_true(is_ok(end_as(key_now(), true, false, NULL)));
    assert_error(end_as(key_now(), true, false, NULL), E_CONCURRENT_TRANSACTIONS);
    UNTIL(is_still());
    assert_int_equal(state_now(), TXN_COMPLETE_COMMIT);
    assert_int_equal(key_now().epoch, 0);
    assert_int_equal(markers_written, 1);
    assert_true(is_ok(end_as(key_now(), true, false, NULL)));
    assert_error(end_as(key_now(), false, false, NULL), E_INVALID_TXN_STATE);
    assert_error(end_as(key(1000, 1), true, false, NULL), E_PRODUCER_FENCED);
}

/* The table in Kafka's TransactionCoordinator: rows are states, a retry has the epoch before. */
static void test_tv2_bumps_the_epoch_and_follows_the_table(void **state)
{
    (void)state;
    struct txn_result r;
    init();
    assert_error(end_as(key(1000, 0), true, true, NULL), E_INVALID_TXN_STATE);
    assert_true(is_ok(end_as(key(1000, 0), false, true, &r))); /* Empty, abort: allowed, bumps */
    assert_int_equal(r.epoch, 1);
    UNTIL(is_still());
    assert_int_equal(state_now(), TXN_COMPLETE_ABORT);
    assert_true(is_ok(end_as(key(1000, 0), false, true, &r))); /* retry: no bump */
    assert_int_equal(r.epoch, 1);
    assert_error(end_as(key(1000, 0), true, true, NULL), E_INVALID_TXN_STATE);
    assert_error(end_as(key(1000, 1), true, true, NULL), E_INVALID_TXN_STATE);
    assert_true(is_ok(add(key(1000, 1), 0, true)));
    assert_true(is_ok(end_as(key(1000, 1), true, true, &r)));
    assert_int_equal(r.epoch, 2);
    UNTIL(is_still());
    assert_int_equal(state_now(), TXN_COMPLETE_COMMIT);
    assert_true(is_ok(end_as(key(1000, 1), true, true, &r)));
    assert_int_equal(r.epoch, 2);
    assert_error(end_as(key(1000, 1), false, true, NULL), E_INVALID_TXN_STATE);
    assert_error(end_as(key(1000, 2), true, true, NULL), E_INVALID_TXN_STATE);
    assert_error(end_as(key(1000, 5), true, true, NULL), E_PRODUCER_FENCED);
    assert_true(is_ok(end_as(key(1000, 2), false, true, &r)));
    assert_int_equal(r.epoch, 3);
    UNTIL(is_still());
}

static void test_an_end_that_uses_up_the_epochs_moves_to_another_producer_id(void **state)
{
    (void)state;
    struct txn_result r;
    init();
    txn_find(txns, T)->now.epoch = TXN_EPOCH_LAST;
    assert_true(is_ok(add(key_now(), 0, true)));
    assert_true(is_ok(end_as(key(1000, TXN_EPOCH_LAST), true, true, &r)));
    assert_int_equal(r.producer_id, 1001);
    assert_int_equal(r.epoch, 0);
    restart(); /* PREPARE_COMMIT: the id to come is in the record */
    UNTIL(is_still());
    assert_int_equal(key_now().producer_id, 1001);
    assert_int_equal(key_now().epoch, 0);
    assert_true(is_ok(end_as(key(1000, TXN_EPOCH_LAST), true, true, &r))); /* a retry */
    assert_int_equal(r.producer_id, 1001);
}

static void test_a_deleted_topic_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct buf b;
    init();
    assert_true(is_ok(add(key_now(), 0, true)));
    buf_init(&b, DELTA_MAX);
    delta_begin(&b, 1, 2);
    delta_topic_deleted(&b, payments_id);
    assert_true(is_ok(image_apply(image, buf_bytes(&b), NULL)));
    buf_done(&b);
    assert_true(is_ok(end_as(key_now(), true, true, NULL)));
    UNTIL(is_still());
    assert_int_equal(state_now(), TXN_COMPLETE_COMMIT);
    assert_int_equal(markers_written, 0);
}

static void test_a_marker_that_cannot_be_written_is_written_later(void **state)
{
    (void)state;
    init();
    assert_true(is_ok(add(key_now(), 0, true)));
    marker_error = FAIL(KAFKA_STORAGE_ERROR);
    assert_true(is_ok(end_as(key_now(), true, true, NULL)));
    for (int i = 0; i < 5; i++) loop_turn(loop, 5);
    assert_int_equal(state_now(), TXN_PREPARE_COMMIT);
    marker_error = OK;
    UNTIL(is_still());
    assert_int_equal(markers_written, 1);
}

/* --- time ------------------------------------------------------------------------------------- */
static void test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(void **state)
{
    (void)state;
    struct asked a = asking();
    txn_init(txns, T, 20, -1, -1, &a.wait);
    UNTIL(a.done);
    struct txn_key k = key_now();
    assert_true(is_ok(add(k, 0, true)));
    UNTIL(state_now() == TXN_COMPLETE_ABORT && is_still());
    assert_int_equal(key_now().epoch, 1);
    assert_error(end_as(k, true, true, NULL), E_INVALID_TXN_STATE); /* as Kafka: a retry with another end */
    assert_error(add(k, 0, true), E_PRODUCER_FENCED);
    struct txn_result r;
    assert_true(is_ok(init_as(k.producer_id, k.epoch, &r))); /* KIP-360: it may go on */
    assert_int_equal(txn_find(txns, T)->timeout.slot, 0);
}

static void test_an_open_transaction_times_out_after_a_restart_too(void **state)
{
    (void)state;
    struct asked a = asking();
    txn_init(txns, T, 60000, -1, -1, &a.wait);
    UNTIL(a.done);
    assert_true(is_ok(add(key_now(), 1, false)));
    restart();
    assert_int_equal(state_now(), TXN_ONGOING);
    struct txn *t = txn_find(txns, T);
    assert_true(t->timeout.slot != 0);
    t->now.started_at -= 60000; /* a minute later */
    txn_watch(t);
    UNTIL(state_now() == TXN_COMPLETE_ABORT && is_still());
    assert_int_equal(markers_written, 1);
}

static void test_an_id_nobody_uses_expires_for_good(void **state)
{
    (void)state;
    options.id_expiration_ms = txns->options.id_expiration_ms = 10;
    init();
    UNTIL(txn_find(txns, T) == NULL);
    assert_int_equal(txns->id_bytes, 0);
    restart();
    assert_null(txn_find(txns, T));
}

static void test_an_open_id_does_not_expire(void **state)
{
    (void)state;
    init();
    assert_true(is_ok(add(key_now(), 0, true)));
    txns->options.id_expiration_ms = 0;
    txn_expiry_fire(&txns->expiry);
    assert_false(txn_find(txns, T)->pending);
    assert_int_equal(state_now(), TXN_ONGOING);
}

/* --- restarts --------------------------------------------------------------------------------- */
/* Dropped at every turn of the loop between the end and its completion: each time the end goes on. */
static void test_an_end_goes_on_wherever_it_was_cut(void **state)
{
    (void)state;
    for (int cut = 0; cut < 12; cut++) {
        bool commit = cut % 2 == 0;
        init();
        UNTIL(is_still());
        assert_true(is_ok(add(key_now(), 0, true)));
        assert_true(is_ok(add(key_now(), 1, true)));
        struct txn_key k = key_now();
        assert_true(is_ok(end_as(k, commit, true, NULL)));
        for (int i = 0; i < cut; i++) loop_turn(loop, 1);
        restart();
        UNTIL(is_still());
        assert_int_equal(state_now(), commit ? TXN_COMPLETE_COMMIT : TXN_COMPLETE_ABORT);
        assert_int_equal(key_now().epoch, k.epoch + 1);
        for (int32_t p = 0; p < 2; p++) {
            struct plog *log = store_find(store, payments_id, p);
            assert_int_equal(plog_stable(log), plog_end(log));
        }
    }
}

static void test_what_a_record_holds_comes_back(void **state)
{
    (void)state;
    init();
    assert_true(is_ok(add(key_now(), 2, true)));
    assert_true(is_ok(add(key_now(), 0, true)));
    struct txn_data before = txn_find(txns, T)->now;
    restart();
    const struct txn_data *after = &txn_find(txns, T)->now;
    assert_int_equal(after->producer_id, before.producer_id);
    assert_int_equal(after->epoch, before.epoch);
    assert_int_equal(after->timeout_ms, before.timeout_ms);
    assert_int_equal(after->state, TXN_ONGOING);
    assert_int_equal(after->client_version, TXN_TV2);
    assert_int_equal(after->started_at, before.started_at);
    assert_int_equal(after->partitions.total, 2);
    assert_true(txn_partitions_has(&after->partitions, PAYMENTS, 2));
    assert_false(txn_partitions_has(&after->partitions, PAYMENTS, 1));
}

static void test_requests_under_way_are_answered_when_the_coordinator_ends(void **state)
{
    (void)state;
    init();
    struct asked a = asking(), b;
    struct txn_key k = key_now();
    struct txn_partitions set = { 0 };
    assert_true(is_ok(txn_partitions_add(&set, PAYMENTS, 0)));
    txn_add(txns, &k, &set, true, &a.wait);
    txn_partitions_done(&set);
    join_later(&b, k, 1);
    restart();
    assert_true(a.done && b.done);
    assert_error(a.result.error, E_COORDINATOR_NOT_AVAILABLE);
    assert_error(b.result.error, E_COORDINATOR_NOT_AVAILABLE);
}

int main(void)
{
#define X(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        X(test_an_id_gets_a_producer_id_and_each_start_the_next_epoch),
        X(test_a_timeout_above_the_greatest_is_refused),
        X(test_who_claims_its_epoch_goes_on_and_a_retry_is_known),
        X(test_used_up_epochs_bring_another_producer_id),
        X(test_an_open_transaction_is_aborted_before_a_new_producer_begins),
        X(test_ids_are_bounded),
        X(test_partitions_are_added_by_the_present_producer_only),
        X(test_requests_meanwhile_are_told_to_come_again),
        X(test_joins_are_done_in_order_with_one_record_for_all),
        X(test_a_join_waits_for_the_end_before_it),
        X(test_tv1_keeps_the_epoch_and_knows_a_repeated_end),
        X(test_tv2_bumps_the_epoch_and_follows_the_table),
        X(test_an_end_that_uses_up_the_epochs_moves_to_another_producer_id),
        X(test_a_deleted_topic_does_not_hold_up_the_end),
        X(test_a_marker_that_cannot_be_written_is_written_later),
        X(test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced),
        X(test_an_open_transaction_times_out_after_a_restart_too),
        X(test_an_id_nobody_uses_expires_for_good),
        X(test_an_open_id_does_not_expire),
        X(test_an_end_goes_on_wherever_it_was_cut),
        X(test_what_a_record_holds_comes_back),
        X(test_requests_under_way_are_answered_when_the_coordinator_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
