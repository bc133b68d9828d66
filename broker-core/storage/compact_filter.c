/* compact_filter.c - which records of a batch a compacted log keeps. */
#include "storage/compact_filter.h"

#include "base/hash.h"
#include "storage/limits.h"

struct filter_txn { /* a producer with records kept, or aborted ones met, since its last marker */
    int64_t producer_id;
    UT_hash_handle hh;
};

static void forget(struct filter *f, struct filter_txn *txn)
{
    HASH_DEL(f->kept, txn);
    mem_free(txn);
}

void filter_done(struct filter *f)
{
    struct filter_txn *txn, *next;
    HASH_ITER(hh, f->kept, txn, next) forget(f, txn);
    if (f->building) batch_builder_done(&f->builder);
    f->building = false;
    mem_free(TAKE(f->dropped));
    f->dropped_count = f->dropped_cap = 0;
}

void filter_group(struct filter *f, bool may_drop)
{
    f->may_drop = may_drop;
    f->dropped_count = 0;
}

static status remember(struct filter *f, int64_t producer_id)
{
    struct filter_txn *txn;
    HASH_FIND(hh, f->kept, &producer_id, sizeof producer_id, txn);
    if (txn) return OK;
    if (!(txn = mem_zalloc(sizeof *txn))) return FAIL(NO_MEMORY);
    txn->producer_id = producer_id;
    HASH_ADD(hh, f->kept, producer_id, sizeof txn->producer_id, txn);
    if (HASH_ADDED(hh, txn)) return OK;
    mem_free(txn);
    return FAIL(NO_MEMORY);
}

bool filter_is_aborted(const struct filter *f, const struct batch_header *h)
{
    size_t low = 0, high = f->aborted_count;
    if (!(h->attributes & BATCH_TRANSACTIONAL)) return false;
    while (low < high) { /* the last one of this producer that begins at or below the batch */
        size_t middle = low + (high - low) / 2;
        const struct aborted_txn *t = &f->aborted[middle];
        bool before = t->producer_id < h->producer_id ||
                      (t->producer_id == h->producer_id && t->first_offset <= h->base_offset);
        if (before) low = middle + 1;
        else high = middle;
    }
    if (low == 0) return false;
    const struct aborted_txn *t = &f->aborted[low - 1];
    return t->producer_id == h->producer_id && t->last_offset >= h->base_offset;
}

/* --- data ------------------------------------------------------------------------------------- */

static bool record_stays(const struct filter *f, const struct batch_header *h,
                         const struct record *r)
{
    if (!r->key.data || key_map_get(f->map, r->key) > r->offset) return false;
    if (r->value.data) return true;
    return !(h->attributes & BATCH_DELETE_HORIZON) || f->now < h->base_timestamp;
}

struct survey {
    int32_t kept;
    bool tombstones; /* among those kept */
};

static status survey_batch(const struct filter *f, struct bytes batch,
                           const struct batch_header *h, struct survey *ret)
{
    struct batch_reader reader;
    struct record r;
    *ret = (struct survey){ 0 };
    TRY(batch_reader_init(&reader, batch, BATCH_PLAIN_MAX));
    while (batch_reader_next(&reader, &r)) {
        if (!record_stays(f, h, &r)) continue;
        ret->kept++;
        if (!r.value.data) ret->tombstones = true;
    }
    status result = batch_reader_result(&reader);
    batch_reader_done(&reader);
    return result;
}

static struct batch_options options_like(const struct filter *f, const struct batch_header *h,
                                         bool horizon)
{
    struct batch_options o = batch_options_default;
    o.codec = batch_codec(h);
    o.base_offset = h->base_offset;
    o.leader_epoch = h->leader_epoch;
    o.attributes = (int16_t)(h->attributes & ~BATCH_CODEC_MASK & ~BATCH_DELETE_HORIZON);
    o.producer_id = h->producer_id;
    o.producer_epoch = h->producer_epoch;
    o.base_sequence = h->base_sequence;
    o.max = BATCH_PLAIN_MAX + BATCH_HEADER_SIZE;
    if (!horizon) return o;
    bool set = h->attributes & BATCH_DELETE_HORIZON;
    o.attributes |= BATCH_DELETE_HORIZON;
    o.delete_horizon = set ? h->base_timestamp : f->now + f->delete_retention;
    return o;
}

/* The batch anew with the records that stay; those of a marker (`all`) do. */
static status rebuild(struct filter *f, struct bytes batch, const struct batch_header *h,
                      bool horizon, bool all, struct buf *out)
{
    struct batch_reader reader;
    struct record r;
    if (f->building) batch_builder_done(&f->builder);
    struct batch_options options = options_like(f, h, horizon);
    batch_builder_init(&f->builder, &options);
    f->building = true;
    TRY(batch_reader_init(&reader, batch, BATCH_PLAIN_MAX));
    status s = OK;
    while (is_ok(s) && batch_reader_next(&reader, &r))
        if (all || record_stays(f, h, &r)) s = batch_builder_add_record(&f->builder, &r);
    if (is_ok(s)) s = batch_reader_result(&reader);
    batch_reader_done(&reader);
    TRY(s);
    batch_builder_keep_last_offset(&f->builder, batch_last_offset(h));
    return batch_builder_finish(&f->builder, out);
}

static status filter_data(struct filter *f, struct bytes batch, const struct batch_header *h,
                          struct buf *out, bool *ret_changed)
{
    struct survey found;
    TRY(survey_batch(f, batch, h, &found));
    *ret_changed = true;
    if (found.kept == 0) return OK;
    if (h->attributes & BATCH_TRANSACTIONAL) TRY(remember(f, h->producer_id));
    bool set = h->attributes & BATCH_DELETE_HORIZON;
    if (found.kept == h->record_count && found.tombstones <= set) {
        *ret_changed = false;
        buf_put(out, batch.data, batch.len);
        return buf_check(out);
    }
    return rebuild(f, batch, h, found.tombstones, false, out);
}

/* --- the rest --------------------------------------------------------------------------------- */

static status note_dropped(struct filter *f, int64_t offset)
{
    if (f->dropped_count == f->dropped_cap) {
        uint32_t cap = f->dropped_cap ? f->dropped_cap * 2 : 16;
        int64_t *grown = mem_realloc(f->dropped, cap * sizeof *grown);
        if (!grown) return FAIL(NO_MEMORY);
        f->dropped = grown;
        f->dropped_cap = cap;
    }
    f->dropped[f->dropped_count++] = offset;
    return OK;
}

/* The ABORT marker of a transaction without records. */
static status filter_abort(struct filter *f, struct bytes batch, const struct batch_header *h,
                           struct buf *out, bool *ret_changed)
{
    bool set = h->attributes & BATCH_DELETE_HORIZON;
    *ret_changed = true;
    if (!set) return rebuild(f, batch, h, true, true, out);
    if (f->may_drop && f->now >= h->base_timestamp) return note_dropped(f, h->base_offset);
    *ret_changed = false;
    buf_put(out, batch.data, batch.len);
    return buf_check(out);
}

static status filter_marker(struct filter *f, struct bytes batch, const struct batch_header *h,
                            struct buf *out, bool *ret_changed)
{
    enum control_type type;
    int32_t epoch;
    struct filter_txn *txn;
    status got = batch_get_marker(batch, &type, &epoch);
    if (failed(got) && got.code != E_NOT_FOUND) return got;
    HASH_FIND(hh, f->kept, &h->producer_id, sizeof h->producer_id, txn);
    if (is_ok(got) && type == CONTROL_ABORT && !txn)
        return filter_abort(f, batch, h, out, ret_changed);
    bool stays = is_ok(got) && txn;
    if (txn) forget(f, txn);
    *ret_changed = !stays;
    if (stays) buf_put(out, batch.data, batch.len);
    return buf_check(out);
}

status filter_batch(struct filter *f, struct bytes batch, const struct batch_header *h,
                    struct buf *out, bool *ret_changed)
{
    *ret_changed = true;
    if (h->record_count == 0) return OK;
    if (h->attributes & BATCH_CONTROL) return filter_marker(f, batch, h, out, ret_changed);
    if (filter_is_aborted(f, h)) return remember(f, h->producer_id);
    return filter_data(f, batch, h, out, ret_changed);
}

status filter_placeholder(const struct batch_header *h, struct buf *out)
{
    uint8_t *p = buf_extend(out, BATCH_HEADER_SIZE);
    if (!p) return FAIL(NO_MEMORY);
    struct batch_header empty = { .base_offset = h->base_offset,
                                  .leader_epoch = h->leader_epoch,
                                  .last_offset_delta = h->last_offset_delta,
                                  .base_timestamp = h->base_timestamp,
                                  .max_timestamp = h->max_timestamp,
                                  .producer_id = -1,
                                  .producer_epoch = -1,
                                  .base_sequence = -1,
                                  .size = BATCH_HEADER_SIZE };
    batch_header_write(p, &empty);
    return OK;
}
