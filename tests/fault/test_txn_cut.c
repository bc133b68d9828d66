/* test_txn_cut.c - a transaction ends the same way in all its partitions, and the way its producer was
 * told, wherever a power cut or a kill strikes.
 *
 * Method: one seed is one simulated disk with the coordinator and a few producers that begin, write
 * and end transactions (KIP-890) in random order beside the store's jobs, through several crashes. After
 * each the coordinator goes on with what it finds, until nothing moves; then every partition's log is
 * read and compared with what was promised. Usage: test_txn_cut [FIRST_SEED COUNT]. */
#include "broker/txn.h"
#include "cluster/delta.h"
#include "fault/store_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define PARTITIONS 3
#define PRODUCERS 3
#define TXNS_MAX 4000
#define ACKS_MAX 8000
#define JOBS_MAX 256
#define CRASHES 4

enum { TOPIC_STATE, TOPIC_DATA };
static int first_seed = 1, seed_count = 150;

enum asked { NOTHING, ASKED_COMMIT, ASKED_ABORT, TOLD_COMMIT, TOLD_ABORT };
enum found { UNSEEN, FOUND_OPEN, FOUND_COMMIT, FOUND_ABORT };
struct ledger_txn {
    int64_t producer_id;
    int16_t epoch;
    enum asked asked;
    enum found found; /* by the present check */
};
struct ack { /* one batch */
    struct plog_wait wait;
    int txn;
    int32_t partition;
    int64_t base;
    bool done;
};
enum step { IDLE, STARTING, READY, JOINING, ENDING };
struct producer {
    struct txn_wait wait;
    struct txn_partitions set;
    char name[4];
    enum step step;
    int txn; /* in the ledger */
    int32_t partition, sequence[PARTITIONS];
    bool added[PARTITIONS];
    int32_t batches;
};
static struct world {
    struct kit kit;
    struct loop *loop;
    struct image *image;
    struct txn_coordinator *txns;
    struct producer producers[PRODUCERS];
    struct ledger_txn ledger[TXNS_MAX];
    struct ack acks[ACKS_MAX];
    int txn_count, ack_count, job_count;
    struct job *jobs[JOBS_MAX];
    enum lane lanes[JOBS_MAX];
    int64_t next_id;
    bool crashed;
} w;

/* --- the world -------------------------------------------------------------------------------- */
static void submit(void *arg, struct job *job, enum lane lane)
{
    (void)arg;
    assert_true(w.job_count < JOBS_MAX);
    w.jobs[w.job_count] = job;
    w.lanes[w.job_count++] = lane;
}

/* The first job of a random lane, as its thread would do it. */
static bool run_job(void)
{
    if (w.job_count == 0) return false;
    int pick = (int)sim_below(w.kit.sim, (uint32_t)w.job_count);
    for (int i = 0; i < pick; i++)
        if (w.lanes[i] == w.lanes[pick]) pick = i;
    struct job *job = w.jobs[pick];
    w.job_count--;
    memmove(&w.jobs[pick], &w.jobs[pick + 1], (size_t)(w.job_count - pick) * sizeof *w.jobs);
    memmove(&w.lanes[pick], &w.lanes[pick + 1], (size_t)(w.job_count - pick) * sizeof *w.lanes);
    job->work(job);
    job->done(job);
    return true;
}

static struct plog *log_of(void *arg, const struct topic *topic, int32_t partition)
{
    (void)arg;
    return kit_log(&w.kit, topic->internal ? TOPIC_STATE : TOPIC_DATA, partition);
}

static int64_t producer_id(void *arg)
{
    (void)arg;
    return w.next_id++;
}

static status marker(void *arg, const struct txn_marker *m, struct plog **ret_log, int64_t *ret_end)
{
    (void)arg;
    struct append_result result = { 0 };
    struct plog *log = kit_log(&w.kit, TOPIC_DATA, m->partition);
    TRY(plog_append_marker(log, m->producer_id, m->producer_epoch, m->commit, store_epoch(w.kit.store),
                           m->tv2, &result));
    *ret_log = log;
    *ret_end = result.end_offset;
    return OK;
}

static void make_image(void)
{
    struct buf b;
    buf_init(&b, DELTA_MAX);
    delta_begin(&b, 0, 1);
    delta_topic(&b, &(struct delta_topic){ .id = w.kit.topics[TOPIC_STATE], .internal = true,
                                           .name = STR(TRANSACTION_STATE_TOPIC), .partitions = 2,
                                           .replication_factor = 1 });
    delta_topic(&b, &(struct delta_topic){ .id = w.kit.topics[TOPIC_DATA], .name = STR("data"),
                                           .partitions = PARTITIONS, .replication_factor = 1 });
    assert_true(is_ok(image_new(&w.image)));
    assert_true(is_ok(image_apply(w.image, buf_bytes(&b), NULL)));
    buf_done(&b);
}

static void start(void)
{
    struct txn_options o;
    assert_true(is_ok(kit_open(&w.kit)));
    txn_options_init(&o);
    o.loop = w.loop;
    o.image = w.image;
    o.store = w.kit.store;
    o.log = log_of;
    o.producer_id = producer_id;
    o.marker = marker;
    o.retry_ms = 0;
    assert_true(is_ok(txn_coordinator_new(&o, &w.txns)));
    assert_true(is_ok(txn_coordinator_load(w.txns)));
}

/* --- producers -------------------------------------------------------------------------------- */
static void begin_txn(struct producer *p, int64_t id, int16_t epoch)
{
    assert_true(w.txn_count < TXNS_MAX);
    for (int i = 0; i < w.txn_count; i++) /* what was given once is never given again */
        assert_false(w.ledger[i].producer_id == id && w.ledger[i].epoch == epoch);
    w.ledger[w.txn_count] = (struct ledger_txn){ id, epoch, NOTHING, UNSEEN };
    p->txn = w.txn_count++;
    p->batches = 0;
    memset(p->sequence, 0, sizeof p->sequence);
    memset(p->added, 0, sizeof p->added);
    p->step = READY;
}

static void acked(struct plog_wait *wait, status result)
{
    if (is_ok(result)) CONTAINER_OF(wait, struct ack, wait)->done = true;
}

static void write_batch(struct producer *p)
{
    const struct ledger_txn *t = &w.ledger[p->txn];
    struct append_result result;
    struct plog *log = kit_log(&w.kit, TOPIC_DATA, p->partition);
    assert_true(w.ack_count < ACKS_MAX);
    const struct kit_batch b = { .producer_id = t->producer_id, .epoch = t->epoch,
                                 .sequence = p->sequence[p->partition],
                                 .attributes = BATCH_TRANSACTIONAL, .tag = sim_random(w.kit.sim),
                                 .value_size = 1 + sim_below(w.kit.sim, 900) };
    if (failed(kit_append_as(&w.kit, log, &b, APPEND_VERIFIED_TV2, &result))) {
        p->step = IDLE;
        return;
    }
    p->sequence[p->partition]++;
    p->batches++;
    struct ack *a = &w.acks[w.ack_count++];
    *a = (struct ack){ .wait = { .done = acked }, .txn = p->txn, .partition = p->partition,
                       .base = result.base_offset };
    plog_wait(log, &a->wait, result.end_offset);
}

static void answered(struct txn_wait *wait, const struct txn_result *r)
{
    struct producer *p = CONTAINER_OF(wait, struct producer, wait);
    enum step was = p->step;
    txn_partitions_done(&p->set);
    p->step = IDLE;
    if (w.crashed) return; /* whatever it says: nobody hears it */
    if (was == STARTING && is_ok(r->error)) begin_txn(p, r->producer_id, r->epoch);
    if (was == JOINING && is_ok(r->error)) {
        p->step = READY;
        p->added[p->partition] = true;
        write_batch(p);
    }
    if (was != ENDING) return;
    if (r->error.code == E_CONCURRENT_TRANSACTIONS) p->step = READY;
    if (failed(r->error)) return;
    struct ledger_txn *t = &w.ledger[p->txn];
    t->asked = t->asked == ASKED_COMMIT ? TOLD_COMMIT : TOLD_ABORT;
    begin_txn(p, r->producer_id, r->epoch);
}

static struct txn_key key_of(const struct producer *p)
{
    return (struct txn_key){ str_c(p->name), w.ledger[p->txn].producer_id, w.ledger[p->txn].epoch };
}

static void join(struct producer *p)
{
    const struct txn_key key = key_of(p);
    assert_true(is_ok(txn_partitions_add(&p->set, STR("data"), p->partition)));
    p->step = JOINING;
    txn_join(w.txns, &key, &p->set, &p->wait);
}

static void end(struct producer *p)
{
    const struct txn_key key = key_of(p);
    struct ledger_txn *t = &w.ledger[p->txn];
    if (t->asked == NOTHING) t->asked = sim_chance(w.kit.sim, 70) ? ASKED_COMMIT : ASKED_ABORT;
    p->step = ENDING;
    txn_end(w.txns, &key, t->asked == ASKED_COMMIT, true, &p->wait);
}

static void go_on(struct producer *p)
{
    p->wait.done = answered;
    if (p->step == IDLE) {
        p->step = STARTING;
        txn_init(w.txns, str_c(p->name), 60000, -1, -1, &p->wait);
        return;
    }
    if (p->step != READY) return;
    p->partition = (int32_t)sim_below(w.kit.sim, PARTITIONS);
    if (w.ledger[p->txn].asked != NOTHING || (p->batches > 0 && sim_chance(w.kit.sim, 25))) end(p);
    else if (sim_chance(w.kit.sim, 2)) p->step = IDLE; /* its process ended: somebody starts it again */
    else if (p->added[p->partition]) write_batch(p);
    else join(p);
}

/* --- what is found ---------------------------------------------------------------------------- */
static int ledger_find(int64_t id, int16_t epoch)
{
    for (int i = 0; i < w.txn_count; i++)
        if (w.ledger[i].producer_id == id && w.ledger[i].epoch == epoch) return i;
    fail_msg("a batch of producer %lld epoch %d, whom nobody knows", (long long)id, epoch);
    return -1;
}

static void see(int txn, enum found how, int32_t partition)
{
    struct ledger_txn *t = &w.ledger[txn];
    if (t->found != UNSEEN && t->found != how)
        fail_msg("transaction %d ended as %d and in partition %d as %d", txn, t->found, partition, how);
    t->found = how;
}

static void check_open(int txn, int32_t partition)
{
    for (const struct txn *t = w.txns->txns; t; t = t->hh.next)
        if (t->now.state == TXN_ONGOING && t->now.producer_id == w.ledger[txn].producer_id &&
            t->now.epoch == w.ledger[txn].epoch &&
            txn_partitions_has(&t->now.partitions, STR("data"), partition))
            return;
    fail_msg("transaction %d hangs in partition %d", txn, partition);
}

struct seen { /* of one partition, in order */
    int txn;
    int64_t base;
};

static void check_batch(const struct batch_header *h, struct bytes batch, int32_t partition,
                        struct seen *open, int *open_count)
{
    enum control_type type;
    int32_t epoch;
    if (!(h->attributes & BATCH_CONTROL)) {
        open[(*open_count)++] =
            (struct seen){ ledger_find(h->producer_id, h->producer_epoch), h->base_offset };
        return;
    }
    assert_true(is_ok(batch_get_marker(batch, &type, &epoch)));
    int kept = 0;
    for (int i = 0; i < *open_count; i++) {
        if (w.ledger[open[i].txn].producer_id == h->producer_id)
            see(open[i].txn, type == CONTROL_COMMIT ? FOUND_COMMIT : FOUND_ABORT, partition);
        else
            open[kept++] = open[i];
    }
    *open_count = kept;
}

static void check_partition(int32_t partition)
{
    static struct seen open[ACKS_MAX];
    struct plog *log = kit_log(&w.kit, TOPIC_DATA, partition);
    struct buf bytes;
    struct batch_header h;
    int open_count = 0;
    buf_init(&bytes, 1u << 28);
    assert_int_equal(plog_high_watermark(log), plog_end(log));
    assert_true(is_ok(kit_read_all(log, plog_end(log), &bytes)));
    struct bytes left = buf_bytes(&bytes), batch;
    while (batch_next(&left, &batch, &h, NULL)) {
        check_batch(&h, batch, partition, open, &open_count);
        for (int i = 0; i < w.ack_count; i++) { /* promised batches are there: strike them off */
            struct ack *a = &w.acks[i];
            if (a->partition != partition || a->base != h.base_offset || !a->done) continue;
            assert_int_equal(h.producer_id, w.ledger[a->txn].producer_id);
            assert_int_equal(h.producer_epoch, w.ledger[a->txn].epoch);
            a->partition = -1;
        }
    }
    for (int i = 0; i < open_count; i++) {
        check_open(open[i].txn, partition);
        see(open[i].txn, FOUND_OPEN, partition);
    }
    if (open_count == 0) assert_int_equal(plog_stable(log), plog_end(log));
    buf_done(&bytes);
}

static void check(void)
{
    for (int i = 0; i < w.txn_count; i++) w.ledger[i].found = UNSEEN;
    for (int32_t p = 0; p < PARTITIONS; p++) check_partition(p);
    for (int i = 0; i < w.ack_count; i++)
        if (w.acks[i].done && w.acks[i].partition >= 0)
            fail_msg("an acknowledged batch of transaction %d is lost", w.acks[i].txn);
    w.ack_count = 0;
    for (int i = 0; i < w.txn_count; i++) {
        const struct ledger_txn *t = &w.ledger[i];
        bool wrong = (t->asked == TOLD_COMMIT && t->found != FOUND_COMMIT && t->found != UNSEEN) ||
                     (t->asked != TOLD_COMMIT && t->asked != ASKED_COMMIT && t->found == FOUND_COMMIT);
        if (wrong) fail_msg("transaction %d: promised %d, found %d", i, t->asked, t->found);
    }
}

/* --- one seed --------------------------------------------------------------------------------- */
static bool is_settled(void)
{
    for (const struct txn *t = w.txns->txns; t; t = t->hh.next)
        if (t->pending || t->now.state == TXN_PREPARE_COMMIT || t->now.state == TXN_PREPARE_ABORT)
            return false;
    return w.job_count == 0;
}

static void settle(void)
{
    for (int i = 0; !is_settled(); i++) {
        if (i > 10000) fail_msg("the coordinator does not come to rest");
        store_turn(w.kit.store);
        while (run_job()) store_turn(w.kit.store);
        loop_turn(w.loop, 0);
    }
}

static void live(void)
{
    sim_die_at(w.kit.sim, 1 + sim_below(w.kit.sim, 400));
    for (int i = 0; i < 600 && !sim_dead(w.kit.sim) && !w.kit.fatal; i++) {
        uint32_t what = sim_below(w.kit.sim, 100);
        if (what < 50) go_on(&w.producers[sim_below(w.kit.sim, PRODUCERS)]);
        else if (what < 75) store_turn(w.kit.store);
        else (void)run_job();
    }
}

static void crash_and_recover(void)
{
    w.crashed = true;
    txn_coordinator_free(w.txns);
    for (int i = 0; i < PRODUCERS; i++) w.producers[i].step = IDLE;
    while (run_job()) { } /* threads end with their process; the disk is dead */
    kit_close(&w.kit);
    w.job_count = 0;
    sim_crash(w.kit.sim, sim_chance(w.kit.sim, 70));
    w.kit.fatal = 0;
    w.crashed = false;
    start();
    settle();
}

static void one_seed(int seed)
{
    memset(&w, 0, sizeof w);
    kit_init(&w.kit, (uint64_t)seed);
    w.kit.options.submit = submit;
    w.next_id = 1000;
    for (int i = 0; i < PRODUCERS; i++) snprintf(w.producers[i].name, sizeof w.producers[i].name, "t%d", i);
    assert_true(is_ok(loop_new(&w.loop)));
    make_image();
    start();
    for (int c = 0; c < CRASHES; c++) {
        live();
        crash_and_recover();
        check();
    }
    txn_coordinator_free(w.txns);
    while (run_job()) { }
    kit_done(&w.kit);
    image_free(w.image);
    loop_free(w.loop);
}

static void test_transactions_end_as_promised_wherever_the_power_goes(void **state)
{
    (void)state;
    for (int seed = first_seed; seed < first_seed + seed_count; seed++) {
        print_message("seed %d\r", seed);
        one_seed(seed);
    }
    assert_int_equal(mem_outstanding(), 0);
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        first_seed = atoi(argv[1]);
        seed_count = atoi(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transactions_end_as_promised_wherever_the_power_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
