/* test_model_plog.c - a partition's log against an array of its batches (model_log.h).
 *
 * Random lives: appends of all kinds and codecs, retries, markers, log starts, retention, rolls,
 * checkpoints, changes of leat.flush, kills (the page cache stays; power cuts are tests/fault's),
 * clean stops, topics made anew. Half of the seeds do all work at once, the others run the jobs of
 * the lanes in between, so that the high watermark lags. After each step something is asked of both. */
#include "base/mem.h"
#include "fault/store_kit.h"
#include "storage/storage_int.h"
#include "unit/model.h"
#include "unit/model_log.h"

#include <stdio.h>

#define WAITS 12
#define RECORD_MAX 2500

struct world;
struct waiting {
    struct plog_wait wait;
    struct world *world;
    bool armed, for_start;
};
struct world {
    struct kit kit;
    struct model_random random;
    struct model_log model;
    struct store_tuning tuning;
    struct waiting waits[WAITS];
    int64_t wanted;  /* greatest start asked for by DeleteRecords */
    int64_t next;    /* where the last read ended */
    bool async, reader_follows;
    uint32_t topics;
};

#define CHECK(w, ...) MODEL_CHECK(&(w)->random, __VA_ARGS__)

static int64_t below(struct world *w, int64_t n) { return model_below(&w->random, n); }
static bool chance(struct world *w, int percent) { return model_chance(&w->random, percent); }
static struct plog *log_of(struct world *w) { return kit_log(&w->kit, 0, 0); }

/* --- waits ------------------------------------------------------------------------------------ */

static void wait_done(struct plog_wait *wait, status result)
{
    struct waiting *x = CONTAINER_OF(wait, struct waiting, wait);
    struct plog *log = store_find(x->world->kit.store, x->world->kit.topics[0], 0);
    x->armed = false;
    if (failed(result)) {
        CHECK(x->world, result.code == E_UNKNOWN_TOPIC_OR_PARTITION, "a wait ends with %s",
              status_name(result));
        return;
    }
    int64_t reached = x->for_start ? plog_start(log) : plog_high_watermark(log);
    CHECK(x->world, reached >= wait->offset, "a wait for %lld fires at %lld", (long long)wait->offset,
          (long long)reached);
}

static struct waiting *free_wait(struct world *w)
{
    for (int i = 0; i < WAITS; i++) {
        if (w->waits[i].armed) continue;
        w->waits[i] = (struct waiting){ .world = w, .armed = true, .wait.done = wait_done };
        return &w->waits[i];
    }
    return NULL;
}

static void step_wait(struct world *w)
{
    struct plog *log = log_of(w);
    struct waiting *x = free_wait(w);
    if (x) {
        plog_wait(log, &x->wait, below(w, plog_end(log) + 20));
        return;
    }
    x = &w->waits[below(w, WAITS)];
    plog_unwait(log, &x->wait);
    x->armed = false;
}

/* After a turn nobody waits for what has come. */
static void check_waits(struct world *w)
{
    struct plog *log = log_of(w);
    for (int i = 0; i < WAITS; i++) {
        struct waiting *x = &w->waits[i];
        if (!x->armed) continue;
        int64_t reached = x->for_start ? plog_start(log) : plog_high_watermark(log);
        CHECK(w, reached < x->wait.offset, "a wait for %lld is forgotten, %lld is reached",
              (long long)x->wait.offset, (long long)reached);
    }
}

/* --- appending -------------------------------------------------------------------------------- */

struct planned {
    int records;
    int64_t producer;
    int16_t epoch;
    int32_t sequence;
    bool txn;
};

/* A batch of records with times of their own, in any codec. */
static void make(struct world *w, const struct planned *p, struct ml_batch *b)
{
    static uint8_t value[RECORD_MAX];
    struct batch_options options = batch_options_default;
    struct batch_builder builder;
    *b = (struct ml_batch){ .producer = p->producer, .producer_epoch = p->epoch, .max_time = -1,
                            .sequence = p->sequence, .kind = p->txn ? ML_IN_TXN : ML_PLAIN };
    options.codec = chance(w, 60) ? CODEC_NONE : (enum codec)below(w, CODEC_COUNT);
    if (p->txn) options.attributes = BATCH_TRANSACTIONAL;
    if (p->producer) {
        options.producer_id = p->producer;
        options.producer_epoch = p->epoch;
        options.base_sequence = p->sequence;
    }
    batch_builder_init(&builder, &options);
    b->times = mem_must(mem_alloc((size_t)p->records * sizeof *b->times));
    bool timeless = chance(w, 3);
    for (int i = 0; i < p->records; i++) {
        static const int64_t sizes[] = { 10, 60, 60, 300, 300, 900, RECORD_MAX };
        size_t size = (size_t)below(w, sizes[below(w, 7)]);
        for (size_t j = 0; j < size; j++) value[j] = (uint8_t)model_next(&w->random);
        b->times[i] = timeless ? -1 : w->kit.now - below(w, 5000) + 200;
        if (b->times[i] > b->max_time) b->max_time = b->times[i];
        struct bytes key = chance(w, 50) ? bytes_of("key", 3) : BYTES_NULL;
        status s = batch_builder_add(&builder, b->times[i], key, bytes_of(value, size), NULL, 0);
        assert_int_equal(s.code, E_OK);
    }
    buf_init(&b->bytes, 1 << 20);
    assert_int_equal(batch_builder_finish(&builder, &b->bytes).code, E_OK);
    batch_builder_done(&builder);
}

static void unmake(struct ml_batch *b)
{
    mem_free(b->times);
    buf_done(&b->bytes);
}

/* Taken: into the model as the log has made it. */
static void taken(struct world *w, struct ml_batch *b, const struct append_result *r)
{
    int64_t records = r->end_offset - r->base_offset;
    CHECK(w, r->base_offset == ml_end(&w->model), "base offset %lld, the model ends at %lld",
          (long long)r->base_offset, (long long)ml_end(&w->model));
    b->base = r->base_offset;
    b->end = r->end_offset;
    b->epoch = store_epoch(w->kit.store);
    if (w->kit.config.log_append_time) {
        for (int64_t i = 0; i < records; i++) b->times[i] = w->kit.now;
        b->max_time = w->kit.now;
    }
    ml_add(&w->model, b);
}

static void step_append(struct world *w)
{
    struct planned p = { .records = 1 + (int)below(w, 6), .producer = below(w, 5) };
    if (chance(w, 30)) p.producer = 0;
    enum append_origin origin = APPEND_CLIENT;
    bool gap = false;
    if (p.producer) {
        const struct ml_batch *last = ml_last(&w->model, p.producer, 0);
        p.epoch = ml_producer_epoch(&w->model, p.producer);
        p.txn = p.producer > 2;
        bool open = ml_open(&w->model, p.producer) >= 0;
        if (p.epoch < 0) p.epoch = 0;
        else if (!open && chance(w, 5)) p.epoch++, last = NULL;
        if (last) p.sequence = last->sequence + (int32_t)(last->end - last->base);
        gap = last && chance(w, 5);
        if (gap) p.sequence += 1 + (int32_t)below(w, 3);
        if (p.txn && !open) origin = chance(w, 50) ? APPEND_VERIFIED : APPEND_VERIFIED_TV2;
    }
    struct ml_batch b;
    struct append_result r;
    make(w, &p, &b);
    status s = plog_append(log_of(w), b.bytes.data, b.bytes.len, origin, &r);
    if (gap) {
        CHECK(w, s.code == E_OUT_OF_ORDER_SEQUENCE_NUMBER, "a gap is answered with %s", status_name(s));
        unmake(&b);
        return;
    }
    CHECK(w, is_ok(s) && !r.duplicate, "append: %s %s", status_name(s), r.why.text);
    taken(w, &b, &r);
}

/* One of the last five batches of a producer again, or the one before them. */
static void step_retry(struct world *w)
{
    int n = (int)below(w, ML_KEPT + 1);
    const struct ml_batch *b = ml_last(&w->model, 1 + below(w, ML_PRODUCERS), n);
    struct append_result r;
    struct buf again;
    if (!b) return;
    buf_init(&again, 1 << 20);
    buf_put(&again, b->bytes.data, b->bytes.len);
    batch_set_base_offset(again.data, 0);
    status s = plog_append(log_of(w), again.data, again.len, APPEND_VERIFIED, &r);
    buf_done(&again);
    if (n == ML_KEPT) {
        CHECK(w, s.code == E_OUT_OF_ORDER_SEQUENCE_NUMBER, "an old retry: %s", status_name(s));
        return;
    }
    CHECK(w, is_ok(s) && r.duplicate, "a retry was not known: %s", status_name(s));
    CHECK(w, r.base_offset == b->base && r.end_offset == b->end, "a retry was taken for another batch");
}

static void step_marker(struct world *w)
{
    int64_t producer = 3 + below(w, 2);
    int16_t epoch = ml_producer_epoch(&w->model, producer);
    bool commit = chance(w, 40);
    struct append_result r;
    struct ml_batch b = { .producer = producer, .kind = commit ? ML_COMMIT : ML_ABORT };
    if (epoch < 0) return;
    if (chance(w, 10)) epoch++;
    b.producer_epoch = epoch;
    b.times = mem_must(mem_alloc(sizeof *b.times));
    b.times[0] = b.max_time = w->kit.now;
    buf_init(&b.bytes, 1 << 10);
    assert_int_equal(batch_put_marker(&b.bytes, commit ? CONTROL_COMMIT : CONTROL_ABORT, producer,
                                      epoch, 1, w->kit.now).code, E_OK);
    if (w->kit.config.log_append_time) batch_set_append_time(b.bytes.data, b.bytes.len, w->kit.now);
    batch_set_base_offset(b.bytes.data, ml_end(&w->model));
    batch_set_leader_epoch(b.bytes.data, store_epoch(w->kit.store));
    status s = plog_append_marker(log_of(w), producer, epoch, commit, 1, false, &r);
    CHECK(w, is_ok(s), "marker: %s", status_name(s));
    taken(w, &b, &r);
}

/* --- log start -------------------------------------------------------------------------------- */

static void step_start(struct world *w)
{
    struct plog *log = log_of(w);
    int64_t hw = plog_high_watermark(log), start = below(w, hw + 1);
    if (chance(w, 10)) {
        CHECK(w, plog_set_start(log, hw + 1 + below(w, 5), NULL).code == E_OFFSET_OUT_OF_RANGE,
              "a start above the high watermark is taken");
        return;
    }
    if (chance(w, 70) && start > plog_start(log)) start = plog_start(log) + below(w, 8);
    if (start > hw) start = hw;
    if (start > w->wanted) w->wanted = start;
    struct waiting *x = chance(w, 50) ? free_wait(w) : NULL;
    if (x) x->for_start = true;
    CHECK(w, is_ok(plog_set_start(log, start, x ? &x->wait : NULL)), "log start refused");
    if (!w->async) CHECK(w, plog_start(log) >= start, "the start did not move");
}

/* The start went up: by DeleteRecords, or because of age or size. */
static void check_start(struct world *w)
{
    struct plog *log = log_of(w);
    const struct log_config *c = &w->kit.config;
    struct model_log *m = &w->model;
    int64_t start = plog_start(log), above = 0; /* bytes behind a batch */
    CHECK(w, start >= m->start, "the start moved back");
    for (size_t i = 0; i < m->count; i++) above += (int64_t)m->batches[i].bytes.len;
    for (size_t i = 0; i < m->count && m->batches[i].end <= start; i++) {
        const struct ml_batch *b = &m->batches[i];
        above -= (int64_t)b->bytes.len;
        if (b->end <= m->start || b->end <= w->wanted) continue;
        /* Without a time it goes with its neighbours. What is too much by size may be followed by what is
         * too old. */
        bool old = c->retention_ms >= 0 && (b->max_time < 0 || w->kit.now - b->max_time > c->retention_ms);
        bool large = c->retention_bytes >= 0 && above >= c->retention_bytes;
        CHECK(w, old || large, "batch %lld was removed and need not", (long long)b->base);
    }
    CHECK(w, start <= w->wanted || ml_is_border(m, start), "the start is within a batch");
    m->start = start;
}

static void step_retain(struct world *w)
{
    const struct log_config *c = &w->kit.config;
    w->kit.now += below(w, chance(w, 10) ? 40000 : 2000);
    (void)store_retain(w->kit.store);
    check_start(w);
    if (w->async) return;
    int64_t bytes = 0;
    bool all_old = c->retention_ms >= 0;
    for (size_t i = 0; i < w->model.count; i++) {
        const struct ml_batch *b = &w->model.batches[i];
        if (b->end <= w->model.start) continue;
        bytes += (int64_t)b->bytes.len;
        all_old &= b->max_time >= 0 && w->kit.now - b->max_time > c->retention_ms;
    }
    if (c->retention_bytes >= 0)
        CHECK(w, bytes < c->retention_bytes + c->segment_bytes + 7 * RECORD_MAX, "%lld bytes are kept",
              (long long)bytes);
    CHECK(w, !all_old || bytes == 0, "all is old, and %lld bytes are kept", (long long)bytes);
}

/* --- asking both ------------------------------------------------------------------------------ */

static void check_read(struct world *w)
{
    struct plog *log = log_of(w);
    struct model_log *m = &w->model;
    int64_t end = ml_end(m), offset = m->start + below(w, end - m->start + 1);
    int64_t bound = chance(w, 60) ? m->high_watermark : m->start + below(w, end - m->start + 3);
    size_t max_bytes = (size_t)below(w, chance(w, 50) ? 300 : 9000), first;
    bool at_least_one = chance(w, 50);
    if (w->reader_follows && w->next >= m->start && w->next <= end) offset = w->next;
    size_t n = ml_read(m, offset, bound, max_bytes, at_least_one, &first);
    struct buf out;
    struct read_result r;
    buf_init(&out, 1 << 22);
    buf_put(&out, "before", 6);
    status s = plog_read(log, offset, bound, max_bytes, at_least_one, &out, &r);
    CHECK(w, is_ok(s), "read at %lld: %s", (long long)offset, status_name(s));
    size_t at = 6;
    for (size_t i = 0; i < n; i++) {
        const struct buf *b = &m->batches[first + i].bytes;
        CHECK(w, out.len - at >= b->len && memcmp(out.data + at, b->data, b->len) == 0,
              "read at %lld to %lld, %zu bytes: batch %zu of %zu is another", (long long)offset,
              (long long)bound, max_bytes, i, n);
        at += b->len;
    }
    CHECK(w, at == out.len && r.bytes == at - 6, "read at %lld to %lld, %zu bytes: %zu too much",
          (long long)offset, (long long)bound, max_bytes, out.len - at);
    int64_t next = n ? m->batches[first + n - 1].end : offset;
    CHECK(w, r.next_offset == next, "next offset %lld, not %lld", (long long)r.next_offset, (long long)next);
    w->next = next;
    w->reader_follows = chance(w, 80);
    size_t most = (size_t)below(w, chance(w, 50) ? 3000 : 1 << 30);
    size_t expected = offset < bound ? ml_available(m, offset, bound) : 0;
    if (expected > most) expected = most;
    size_t available = plog_available(log, offset, bound, most);
    CHECK(w, available == expected, "%zu bytes from %lld to %lld, not %zu", available,
          (long long)offset, (long long)bound, expected);
    buf_clear(&out);
    s = plog_read(log, chance(w, 50) ? end + 1 + below(w, 9) : m->start - 1 - below(w, 9), end,
                  1000, true, &out, &r);
    CHECK(w, s.code == E_OFFSET_OUT_OF_RANGE && !out.len, "read outside: %s", status_name(s));
    buf_done(&out);
}

static void check_times(struct world *w)
{
    struct plog *log = log_of(w);
    struct model_log *m = &w->model;
    int64_t ts = w->kit.now - below(w, 20000) + 300, offset, at, expected = -1, expected_at = -1;
    int32_t epoch, expected_epoch = -1;
    if (m->count && chance(w, 50)) ts = m->batches[below(w, (int64_t)m->count)].max_time + below(w, 3) - 1;
    (void)ml_time(m, ts, &expected, &expected_at, &expected_epoch);
    status s = plog_offset_for_time(log, ts, &offset, &at, &epoch);
    CHECK(w, is_ok(s), "offset for a time: %s", status_name(s));
    CHECK(w, offset == expected && at == expected_at && epoch == expected_epoch,
          "time %lld: offset %lld (epoch %d), not %lld (%d)", (long long)ts, (long long)offset,
          (int)epoch, (long long)expected, (int)expected_epoch);
    expected = expected_at = expected_epoch = -1;
    (void)ml_max_time(m, &expected, &expected_at, &expected_epoch);
    s = plog_offset_of_max_time(log, &offset, &at, &epoch);
    CHECK(w, is_ok(s), "offset of the greatest time: %s", status_name(s));
    CHECK(w, offset == expected && at == expected_at && epoch == expected_epoch,
          "greatest time: offset %lld, not %lld", (long long)offset, (long long)expected);
    expected = m->count && ml_end(m) > m->start ? m->batches[m->count - 1].max_time : -1;
    CHECK(w, plog_last_timestamp(log) == expected, "last timestamp");
}

static void check_epochs(struct world *w)
{
    struct plog *log = log_of(w);
    struct model_log *m = &w->model;
    int32_t current = store_epoch(w->kit.store), asked = (int32_t)below(w, current + 3) - 1;
    int32_t epoch, expected;
    int64_t end, expected_end;
    plog_epoch_end(log, asked, &epoch, &end);
    ml_epoch_end(m, asked, current, &expected, &expected_end);
    CHECK(w, epoch == expected && end == expected_end, "epoch %d: %d ends at %lld, not %d at %lld",
          (int)asked, (int)epoch, (long long)end, (int)expected, (long long)expected_end);
    int64_t offset = below(w, ml_end(m) + 1);
    CHECK(w, plog_epoch_at(log, offset) == ml_epoch_at(m, offset), "epoch of offset %lld", (long long)offset);
}

struct told {
    struct aborted_txn txns[4096];
    size_t count;
};

static void told_one(void *arg, const struct aborted_txn *txn)
{
    struct told *t = arg;
    if (t->count < 4096) t->txns[t->count++] = *txn;
}

static void check_transactions(struct world *w)
{
    static struct told told;
    static struct aborted_txn expected[4096];
    struct plog *log = log_of(w);
    struct model_log *m = &w->model;
    CHECK(w, plog_stable(log) == ml_stable(m), "stable %lld, not %lld", (long long)plog_stable(log),
          (long long)ml_stable(m));
    for (int64_t id = 1; id <= ML_PRODUCERS; id++) {
        int64_t first = -1;
        (void)plog_txn_open(log, id, NULL, &first);
        CHECK(w, first == ml_open(m, id), "transaction of %d opens at %lld", (int)id, (long long)first);
    }
    int64_t from = m->start + below(w, ml_end(m) - m->start + 1), to = from + 1 + below(w, 60);
    size_t n = ml_aborted(m, from, to, expected, 4096);
    told.count = 0;
    CHECK(w, is_ok(plog_aborted(log, from, to, told_one, &told)), "aborted transactions");
    CHECK(w, told.count == n, "%zu aborted in %lld-%lld, not %zu", told.count, (long long)from,
          (long long)to, n);
    for (size_t i = 0; i < n; i++)
        CHECK(w, memcmp(&told.txns[i], &expected[i], sizeof expected[i]) == 0, "aborted %zu is another", i);
}

static void check_offsets(struct world *w)
{
    struct plog *log = log_of(w);
    struct model_log *m = &w->model;
    int64_t hw = plog_high_watermark(log);
    CHECK(w, plog_end(log) == ml_end(m), "end %lld, not %lld", (long long)plog_end(log),
          (long long)ml_end(m));
    CHECK(w, hw >= m->high_watermark && hw <= plog_end(log), "high watermark %lld after %lld",
          (long long)hw, (long long)m->high_watermark);
    CHECK(w, ml_is_border(m, hw), "the high watermark is within a batch");
    if (!w->async || w->kit.flush_os[0]) CHECK(w, hw == ml_end(m), "the high watermark lags");
    m->high_watermark = hw;
    check_start(w);
    CHECK(w, plog_start(log) <= hw, "start above the high watermark");
    CHECK(w, w->kit.fatal == 0, "the store failed");
}

static void check(struct world *w)
{
    check_offsets(w);
    check_read(w);
    switch (below(w, 4)) {
    case 0: check_times(w); break;
    case 1: check_epochs(w); break;
    case 2: check_transactions(w); break;
    default: break;
    }
}

/* --- lives ------------------------------------------------------------------------------------ */

static void reopen(struct world *w, bool clean)
{
    if (clean) {
        kit_run_jobs(&w->kit);
        CHECK(w, is_ok(store_stop(w->kit.store)), "clean stop");
        check_offsets(w);
    }
    for (int i = 0; i < WAITS; i++) w->waits[i].armed = false;
    kit_close(&w->kit);
    sim_crash(w->kit.sim, false);
    status s = kit_open(&w->kit);
    CHECK(w, is_ok(s), "recovery: %s %s", status_name(s), w->kit.why.text);
    struct plog *log = log_of(w);
    int64_t end = plog_end(log);
    CHECK(w, end >= w->model.high_watermark && end <= ml_end(&w->model), "end %lld after a %s",
          (long long)end, clean ? "stop" : "kill");
    CHECK(w, !clean || end == ml_end(&w->model), "a clean stop lost records");
    CHECK(w, ml_is_border(&w->model, end), "the log ends within a batch");
    ml_cut(&w->model, end);
    w->model.high_watermark = end;
}

static void new_topic(struct world *w)
{
    w->topics++;
    for (size_t i = 0; i < 16; i++) w->kit.topics[0].b[i] = (uint8_t)(w->topics * 29 + i * 3);
    ml_done(&w->model);
    w->wanted = w->next = 0;
}

static void step_flush(struct world *w)
{
    w->kit.flush_os[0] = !w->kit.flush_os[0];
    (void)log_of(w);
}

static void step(struct world *w)
{
    int x = (int)below(w, 1000);
    w->kit.now += below(w, 50);
    if (x < 400) step_append(w);
    else if (x < 470) step_marker(w);
    else if (x < 510) step_retry(w);
    else if (x < 550) step_start(w);
    else if (x < 580) step_retain(w);
    else if (x < 620) step_wait(w);
    else if (x < 700 && w->async) kit_run_job(&w->kit, (enum lane)below(w, LANE_COUNT));
    else if (x < 900 && w->async) kit_run_job(&w->kit, LANE_COMMIT);
    else if (x < 950) {
        store_turn(w->kit.store);
        check_waits(w);
    } else if (x < 965) {
        checkpoint_want(w->kit.store);
    } else if (x < 970) {
        step_flush(w);
    } else if (x < 980) {
        struct kit_batch b = { .value_size = (size_t)below(w, 3000), .tag = (uint64_t)x };
        CHECK(w, is_ok(kit_append(&w->kit, kit_log(&w->kit, 1, 0), &b, NULL)), "append elsewhere");
    } else if (x < 994) {
        reopen(w, chance(w, 30));
    } else if (x < 996) {
        store_delete_topic(w->kit.store, w->kit.topics[0], 0, INT32_MAX);
        new_topic(w);
    }
}

static void run(int seed)
{
    struct world *w = mem_must(mem_zalloc(sizeof *w));
    w->random = model_seed(seed);
    kit_init(&w->kit, (uint64_t)seed);
    w->async = seed % 2;
    w->kit.config.segment_bytes = 2000 + below(w, 9000);
    w->kit.config.retention_bytes = chance(w, 40) ? 4000 + below(w, 60000) : -1;
    w->kit.config.retention_ms = chance(w, 40) ? 5000 + below(w, 60000) : -1;
    w->kit.config.segment_ms = chance(w, 20) ? 3000 : w->kit.config.segment_ms;
    w->kit.config.log_append_time = chance(w, 30);
    w->tuning = (struct store_tuning){ .checkpoint_slice = seed % 4 ? 0 : 1 + seed % 5, .direct_min = 1700,
                                       .span_max = 6000, .frame_max = 16384,
                                       .journal_cap = 5 * 4096, .journal_hard = 12 * 4096,
                                       .tail_max = chance(w, 50) ? 1 << 20 : 20000,
                                       .snapshot_every = chance(w, 50) ? 1 << 20 : 2000,
                                       .recovery_syncs = (int32_t)below(w, 6) };
    w->kit.options.tuning = &w->tuning;
    if (w->async) kit_by_hand(&w->kit);
    new_topic(w);
    assert_int_equal(kit_open(&w->kit).code, E_OK);
    for (int i = 0; i < 700; i++) {
        w->random.step = i;
        step(w);
        check(w);
    }
    reopen(w, true);
    check(w);
    ml_done(&w->model);
    kit_done(&w->kit);
    mem_free(w);
    assert_int_equal(mem_outstanding(), 0);
}

static void test_a_log_answers_like_an_array_of_its_batches(void **state)
{
    (void)state;
    model_runs(run, 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_log_answers_like_an_array_of_its_batches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
