/* compact_kit.c - one compacted partition beside a plain list of everything that was written. */
#include "fault/compact_kit.h"

#include "base/mem.h"
#include "storage/checkpoint.h"
#include "storage/storage_int.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ck_init(struct ck *c, uint64_t seed)
{
    memset(c, 0, sizeof *c);
    kit_init(&c->kit, seed);
    c->kit.config.cleanup_compact = true;
    c->kit.config.cleanup_delete = false;
    c->kit.config.min_cleanable_dirty_ratio = 0;
    c->records = mem_must(mem_zalloc(CK_RECORDS * sizeof *c->records));
}

void ck_done(struct ck *c)
{
    kit_done(&c->kit);
    mem_free(c->records);
}

struct plog *ck_log(struct ck *c) { return kit_log(&c->kit, 0, 0); }

/* What was attempted is part of the log. */
static void take(struct ck *c)
{
    const struct ck_record *first = &c->records[c->count];
    if (first->state == CK_MARKER) {
        for (int64_t i = 0; i < c->count; i++)
            if (c->records[i].state == CK_OPEN && c->records[i].producer_id == first->producer_id)
                c->records[i].state = c->commits ? CK_COMMITTED : CK_ABORTED;
    } else if (first->producer_id) {
        c->sequence[first->producer_id % 4] += (int32_t)(c->attempted - c->count);
    }
    c->count = c->attempted;
}

static bool append(struct ck *c, struct ck_record *r, int n, enum codec codec, int32_t sequence)
{
    struct batch_options o = batch_options_default;
    struct batch_builder b;
    struct append_result result;
    struct buf out;
    struct plog *log = ck_log(c);
    o.codec = codec;
    if (r[0].producer_id) {
        o.attributes = BATCH_TRANSACTIONAL;
        o.producer_id = r[0].producer_id;
        o.producer_epoch = 0;
        o.base_sequence = sequence;
    }
    batch_builder_init(&b, &o);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < n; i++) {
        struct bytes value = r[i].value ? bytes_of(&r[i].value, 4) : BYTES_NULL;
        status s = batch_builder_add(&b, c->kit.now, bytes_of(&r[i].key, 4), value, NULL, 0);
        assert(is_ok(s));
        (void)s;
    }
    status s = batch_builder_finish(&b, &out);
    assert(is_ok(s) && c->count + n < CK_RECORDS);
    memcpy(&c->records[c->count], r, (size_t)n * sizeof *r);
    c->attempted = c->count + n;
    s = plog_append(log, out.data, out.len, r[0].producer_id ? APPEND_VERIFIED : APPEND_CLIENT,
                    &result);
    batch_builder_done(&b);
    buf_done(&out);
    if (failed(s) || plog_high_watermark(log) < result.end_offset) return false;
    assert(result.base_offset == c->count);
    take(c);
    return true;
}

bool ck_put(struct ck *c, uint32_t key, uint32_t value)
{
    struct ck_record r = { .key = key, .value = value ? ++c->values : 0 };
    return append(c, &r, 1, CODEC_NONE, -1);
}

bool ck_put_many(struct ck *c, int n, enum codec codec, int64_t producer_id)
{
    struct ck_record r[64];
    assert(n <= 64);
    for (int i = 0; i < n; i++)
        r[i] = (struct ck_record){ .key = (uint32_t)i, .value = ++c->values,
                                   .producer_id = producer_id,
                                   .state = producer_id ? CK_OPEN : CK_PLAIN };
    return append(c, r, n, codec, producer_id ? c->sequence[producer_id % 4] : -1);
}

bool ck_txn(struct ck *c, int64_t producer_id, uint32_t key)
{
    struct ck_record r = { .key = key, .value = ++c->values, .producer_id = producer_id,
                           .state = CK_OPEN };
    return append(c, &r, 1, CODEC_NONE, c->sequence[producer_id % 4]);
}

void ck_recovered(struct ck *c)
{
    if (plog_end(ck_log(c)) > c->count) take(c);
}

bool ck_end(struct ck *c, int64_t producer_id, bool commit)
{
    struct append_result result;
    c->records[c->count] = (struct ck_record){ .producer_id = producer_id, .state = CK_MARKER };
    c->attempted = c->count + 1;
    c->commits = commit;
    status s = plog_append_marker(ck_log(c), producer_id, 0, commit, 0, false, &result);
    if (failed(s) || plog_high_watermark(ck_log(c)) < result.end_offset) return false;
    take(c);
    return true;
}

void ck_roll(struct ck *c)
{
    struct segment *active = plog_active(ck_log(c));
    if (!active || active->size == 0 || failed(plog_roll(ck_log(c)))) return;
    checkpoint_want(c->kit.store);
    store_settle(c->kit.store);
}

void ck_compact(struct ck *c)
{
    (void)ck_log(c); /* takes over the configuration */
    store_retain(c->kit.store);
}

void ck_step(struct ck *c)
{
    struct sim *sim = c->kit.sim;
    int64_t producer = 1 + sim_below(sim, 3);
    c->kit.now += sim_below(sim, 20);
    switch (sim_below(sim, 12)) {
    case 0: ck_roll(c); break;
    case 1: ck_compact(c); break;
    case 2:
    case 3: ck_put_many(c, 1 + (int)sim_below(sim, 12), (enum codec)sim_below(sim, 5), producer); break;
    case 4: ck_put_many(c, 1 + (int)sim_below(sim, 12), (enum codec)sim_below(sim, 5), 0); break;
    case 5:
    case 6: ck_end(c, producer, sim_chance(sim, 60)); break;
    case 7: ck_put(c, sim_below(sim, 20), 0); break;
    default: ck_put(c, sim_below(sim, 20), 1); break;
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

struct view {
    struct ck *c;
    int64_t *offsets; /* all that is stored, markers too */
    int max, count;
};

static void wrong(struct ck *c, const char *what, int64_t offset)
{
    fprintf(stderr, "compacted log, offset %lld of %lld: %s\n", (long long)offset,
            (long long)c->count, what);
    abort();
}

static void see_batch(struct view *v, struct bytes batch)
{
    struct batch_reader reader;
    struct record r;
    if (failed(batch_check_crc(batch))) wrong(v->c, "bad CRC", v->count);
    if (failed(batch_reader_init(&reader, batch, 1 << 20))) wrong(v->c, "bad batch", v->count);
    while (batch_reader_next(&reader, &r)) {
        if (r.offset >= v->c->attempted) wrong(v->c, "never written", r.offset);
        const struct ck_record *w = &v->c->records[r.offset];
        if (v->count && v->offsets[v->count - 1] >= r.offset) wrong(v->c, "order", r.offset);
        bool control = reader.header.attributes & BATCH_CONTROL;
        if (control != (w->state == CK_MARKER)) wrong(v->c, "a marker, or none", r.offset);
        if (!control && (r.key.len != 4 || memcmp(r.key.data, &w->key, 4) != 0 ||
                         (w->value ? r.value.len != 4 || memcmp(r.value.data, &w->value, 4) != 0
                                   : r.value.data != NULL)))
            wrong(v->c, "not the record that was written", r.offset);
        if (v->count < v->max) v->offsets[v->count++] = r.offset;
    }
    if (failed(batch_reader_result(&reader))) wrong(v->c, "bad records", v->count);
    batch_reader_done(&reader);
}

int ck_offsets(struct ck *c, int64_t *ret, int max)
{
    struct view v = { c, ret, max, 0 };
    struct buf out;
    struct bytes left, batch;
    struct batch_header h;
    buf_init(&out, 1u << 28);
    status s = kit_read_all(ck_log(c), plog_end(ck_log(c)), &out);
    if (failed(s)) wrong(c, status_name(s), -1);
    left = buf_bytes(&out);
    while (batch_next(&left, &batch, &h, NULL)) see_batch(&v, batch);
    if (left.len) wrong(c, "bytes behind the last batch", -1);
    buf_done(&out);
    return v.count;
}

/* --- a consumer of committed records, as Kafka's does it ---------------------------------------- */

struct told { /* the aborted transactions of one answer */
    struct aborted_txn txns[1024];
    int count;
    bool left_out[8]; /* of producer 70 + i: until its marker */
};

static void told_one(void *arg, const struct aborted_txn *txn)
{
    struct told *t = arg;
    assert(t->count < (int)ARRAY_LEN(t->txns));
    t->txns[t->count++] = *txn;
}

static void consume_batch(struct ck *c, struct told *t, struct bytes batch,
                          const struct batch_header *h)
{
    enum control_type type;
    int32_t epoch;
    for (int i = 0; i < t->count; i++)
        if (t->txns[i].first_offset <= batch_last_offset(h)) {
            t->left_out[t->txns[i].producer_id % 8] = true;
            t->txns[i].first_offset = INT64_MAX;
        }
    if (h->attributes & BATCH_CONTROL) {
        if (is_ok(batch_get_marker(batch, &type, &epoch)) && type == CONTROL_ABORT)
            t->left_out[h->producer_id % 8] = false;
        return;
    }
    struct batch_reader reader;
    struct record r;
    bool left_out = h->attributes & BATCH_TRANSACTIONAL && t->left_out[h->producer_id % 8];
    if (failed(batch_reader_init(&reader, batch, 1 << 20))) wrong(c, "bad batch", h->base_offset);
    while (batch_reader_next(&reader, &r)) {
        if (c->records[r.offset].state == CK_COMMITTED && left_out)
            wrong(c, "a committed record is not delivered", r.offset);
        if (c->records[r.offset].state == CK_ABORTED && !left_out)
            wrong(c, "an aborted record is delivered", r.offset);
    }
    batch_reader_done(&reader);
}

/* Reads all that is stable in one answer that begins at `from`. */
static void consume(struct ck *c, int64_t from)
{
    static struct told told;
    struct plog *log = ck_log(c);
    struct read_result result;
    struct bytes left, batch;
    struct batch_header h;
    struct buf out;
    buf_init(&out, 1u << 28);
    told = (struct told){ .count = 0 };
    if (failed(plog_read(log, from, plog_stable(log), 1u << 27, true, &out, &result)) ||
        failed(plog_aborted(log, from, result.next_offset, told_one, &told)))
        wrong(c, "not readable", from);
    left = buf_bytes(&out);
    while (batch_next(&left, &batch, &h, NULL)) consume_batch(c, &told, batch, &h);
    buf_done(&out);
}

void ck_check(struct ck *c)
{
    int64_t start = plog_start(ck_log(c)), end = plog_stable(ck_log(c));
    if (start < end) consume(c, start);
    if (start < end) consume(c, start + (int64_t)sim_below(c->kit.sim, (uint64_t)(end - start)));
    static int64_t offsets[CK_RECORDS];
    static bool there[CK_RECORDS];
    int n = ck_offsets(c, offsets, CK_RECORDS);
    memset(there, 0, sizeof there);
    for (int i = 0; i < n; i++) there[offsets[i]] = true;
    for (int64_t i = 0; i < c->count; i++) {
        const struct ck_record *w = &c->records[i];
        if (there[i] || w->state == CK_ABORTED || w->state == CK_MARKER || !w->value) continue;
        if (w->state == CK_OPEN) wrong(c, "a record of an open transaction is gone", i);
        bool later = false;
        for (int64_t k = i + 1; k < c->count && !later; k++)
            later = c->records[k].key == w->key && c->records[k].state <= CK_COMMITTED &&
                    c->records[k].state != CK_OPEN;
        if (!later) wrong(c, "the last record of a key is gone", i);
    }
    if (plog_end(ck_log(c)) < c->count) wrong(c, "the log ends too early", plog_end(ck_log(c)));
}
