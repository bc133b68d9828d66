/* producer_state.c - idempotent and transactional producers and leader epochs of one partition.
 *
 * Each producer keeps its epoch and its last five batches, oldest first. The table is in order of
 * last use, so expiration and the cap look at its front only, but for producers with a transaction
 * open: those stay. Loop thread, or recovery. */
#include "storage/producer_state.h"

#include "base/crc32c.h"
#include "base/hash.h"

struct producer {
    int64_t id;
    int64_t seen_ms;
    int64_t last_timestamp;  /* of the last batch or marker */
    int32_t coordinator_epoch; /* of the last marker; -1: none */
    int16_t epoch;
    uint8_t count;           /* batches written under that epoch, at most five */
    struct txn *txn;         /* open, or NULL */
    struct producer_batch batches[PRODUCER_BATCHES];
    UT_hash_handle hh;
};

#define SNAPSHOT_HEADER 40
#define SNAPSHOT_EPOCH 16
#define SNAPSHOT_PRODUCER 40
#define SNAPSHOT_PRODUCER_1 24 /* in LPS1, which knew no transactions */
#define SNAPSHOT_BATCH 24

void producer_state_done(struct producer_state *ps)
{
    struct producer *p, *next;
    HASH_ITER(hh, ps->table, p, next)
    {
        HASH_DELETE(hh, ps->table, p);
        mem_free(p);
    }
    mem_free(ps->epochs);
    txns_done(&ps->txns);
    aborted_done(&ps->aborted);
    *ps = (struct producer_state){ 0 };
}

static struct producer *producer_find(const struct producer_state *ps, int64_t id)
{
    struct producer *p = NULL;
    if (ps->table) HASH_FIND(hh, ps->table, &id, sizeof id, p);
    return p;
}

/* --- checks ----------------------------------------------------------------------------------- */

static status check_sequence(const struct producer *p, const struct batch_header *h,
                             enum append_origin origin)
{
    if (!p) { /* new or expired: any sequence, unless every end of a transaction starts anew */
        bool anew = origin == APPEND_VERIFIED_TV2 && h->base_sequence != 0;
        return anew ? FAIL(OUT_OF_ORDER_SEQUENCE_NUMBER) : OK;
    }
    bool known = p->epoch == h->producer_epoch && p->count > 0;
    int32_t expected = known ? batch_sequence_add(p->batches[p->count - 1].last, 1) : 0;
    return h->base_sequence == expected ? OK : FAIL(OUT_OF_ORDER_SEQUENCE_NUMBER);
}

static status check_transaction(const struct producer_state *ps, const struct producer *p,
                                const struct batch_header *h)
{
    bool open = p && p->txn;
    if (!(h->attributes & BATCH_TRANSACTIONAL)) return open ? FAIL(INVALID_TXN_STATE) : OK;
    if (!open && ps->txns.open >= TXNS_OPEN_MAX) return FAIL(KAFKA_STORAGE_ERROR);
    return OK;
}

status producer_state_check(const struct producer_state *ps, const struct batch_header *h,
                            enum append_origin origin, bool *ret_duplicate,
                            struct producer_batch *ret_first)
{
    *ret_duplicate = false;
    if (h->producer_id < 0) return OK;
    bool coordinator = origin == APPEND_COORDINATOR;
    const struct producer *p = producer_find(ps, h->producer_id);
    bool same = p && p->epoch == h->producer_epoch;
    int32_t last = batch_last_sequence(h);
    for (int i = 0; same && !coordinator && i < p->count; i++) {
        if (p->batches[i].first != h->base_sequence || p->batches[i].last != last) continue;
        *ret_duplicate = true;
        *ret_first = p->batches[i];
        return OK;
    }
    if (p && h->producer_epoch < p->epoch) return FAIL(INVALID_PRODUCER_EPOCH);
    if (origin == APPEND_CLIENT && h->attributes & BATCH_TRANSACTIONAL && !(same && p->txn))
        return FAIL(INVALID_TXN_STATE);
    if (!coordinator) TRY(check_sequence(p, h, origin));
    return check_transaction(ps, p, h);
}

status producer_state_check_marker(const struct producer_state *ps, int64_t id, int16_t epoch,
                                   int32_t coordinator_epoch, bool tv2, bool *ret_duplicate)
{
    const struct producer *p = producer_find(ps, id);
    *ret_duplicate = false;
    if (!p) return OK;
    if (epoch < p->epoch || (tv2 && epoch == p->epoch && p->txn))
        return FAIL(INVALID_PRODUCER_EPOCH);
    if (coordinator_epoch < p->coordinator_epoch) return FAIL(TRANSACTION_COORDINATOR_FENCED);
    *ret_duplicate = tv2 && epoch == p->epoch && p->count == 0 && p->coordinator_epoch >= 0;
    return OK;
}

/* --- folding ---------------------------------------------------------------------------------- */

static status epoch_note(struct producer_state *ps, int32_t epoch, int64_t start)
{
    if (ps->epoch_count && ps->epochs[ps->epoch_count - 1].epoch >= epoch) return OK;
    if (epoch < 0) return OK;
    if (ps->epoch_count == EPOCHS_MAX) {
        memmove(ps->epochs, ps->epochs + 1, (EPOCHS_MAX - 1) * sizeof *ps->epochs);
        ps->epoch_count--;
    }
    if (ps->epoch_count == ps->epoch_cap) {
        uint32_t cap = ps->epoch_cap ? ps->epoch_cap * 2 : 2;
        struct epoch_start *e = mem_realloc(ps->epochs, cap * sizeof *e);
        if (!e) return FAIL(NO_MEMORY);
        ps->epochs = e;
        ps->epoch_cap = cap;
    }
    ps->epochs[ps->epoch_count++] = (struct epoch_start){ epoch, start };
    return OK;
}

void producer_state_doubt_epoch(struct producer_state *ps, int32_t epoch, int64_t last)
{
    if (!ps->epoch_count || epoch < 0) return;
    const struct epoch_start *newest = &ps->epochs[ps->epoch_count - 1];
    if (newest->epoch > epoch && newest->start == last) ps->epoch_count--;
}

static void producer_remove(struct producer_state *ps, struct producer *p)
{
    HASH_DELETE(hh, ps->table, p);
    ps->count--;
    mem_free(p);
}

static status producer_insert(struct producer_state *ps, struct producer *p)
{
    HASH_ADD(hh, ps->table, id, sizeof p->id, p);
    if (!HASH_ADDED(hh, p)) {
        mem_free(p);
        return FAIL(NO_MEMORY);
    }
    ps->count++;
    if (ps->count <= PRODUCERS_MAX) return OK;
    struct producer *unused = ps->table; /* there is one: fewer transactions may be open */
    while (unused->txn && unused->hh.next) unused = unused->hh.next;
    if (!unused->txn && unused != p) producer_remove(ps, unused);
    return OK;
}

static void fold_data(struct producer *p, const struct batch_header *h)
{
    p->last_timestamp = h->max_timestamp;
    if (h->base_sequence < 0) return; /* a coordinator's own */
    if (p->count == PRODUCER_BATCHES) {
        memmove(p->batches, p->batches + 1, (PRODUCER_BATCHES - 1) * sizeof *p->batches);
        p->count--;
    }
    p->batches[p->count++] = (struct producer_batch){ h->base_sequence, batch_last_sequence(h),
                                                      batch_last_offset(h), h->max_timestamp };
}

static void fold_marker(struct producer_state *ps, struct producer *p, const struct batch_header *h,
                        const struct producer_marker *marker)
{
    p->last_timestamp = h->max_timestamp;
    p->coordinator_epoch = marker->coordinator_epoch;
    if (!p->txn) return;
    struct aborted_entry e = { .producer_id = p->id, .first = p->txn->first,
                               .last = batch_last_offset(h) };
    txns_end(&ps->txns, p->txn, e.last);
    p->txn = NULL;
    e.stable = txns_oldest_open(&ps->txns);
    if (e.stable > e.last) e.stable = e.last + 1;
    if (marker->type == CONTROL_ABORT) aborted_add(&ps->aborted, &e);
}

status producer_state_fold(struct producer_state *ps, const struct batch_header *h,
                           const struct producer_marker *marker, int64_t now_ms)
{
    TRY(epoch_note(ps, h->leader_epoch, h->base_offset));
    if (h->producer_id < 0 || (h->attributes & BATCH_CONTROL && !marker)) return OK;
    struct producer *p = producer_find(ps, h->producer_id);
    struct txn *txn = p ? p->txn : NULL;
    if (marker) {
        if (txn && marker->type == CONTROL_ABORT) TRY(aborted_reserve(&ps->aborted));
    } else if (!txn && h->attributes & BATCH_TRANSACTIONAL) {
        txn = txns_begin(&ps->txns, h->base_offset);
        if (!txn) return FAIL(NO_MEMORY);
    }
    if (p) { /* to the end: used last */
        HASH_DELETE(hh, ps->table, p);
        ps->count--;
    } else {
        p = mem_zalloc(sizeof *p);
        if (!p) return FAIL(NO_MEMORY);
        p->id = h->producer_id;
        p->coordinator_epoch = -1;
    }
    if (p->epoch != h->producer_epoch) p->count = 0;
    p->epoch = h->producer_epoch;
    p->seen_ms = now_ms;
    p->txn = txn;
    if (marker) fold_marker(ps, p, h, marker);
    else fold_data(p, h);
    return producer_insert(ps, p);
}

void producer_state_expire(struct producer_state *ps, int64_t unused_since_ms)
{
    struct producer *p, *next;
    for (p = ps->table; p && p->seen_ms < unused_since_ms; p = next) {
        next = p->hh.next;
        if (!p->txn) producer_remove(ps, p);
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

bool producer_state_find(const struct producer_state *ps, int64_t id, int16_t *ret_epoch,
                         int32_t *ret_last_sequence)
{
    struct producer *p = producer_find(ps, id);
    if (!p || !p->count) return false;
    *ret_epoch = p->epoch;
    *ret_last_sequence = p->batches[p->count - 1].last;
    return true;
}

bool producer_state_txn(const struct producer_state *ps, int64_t id, int16_t *ret_epoch,
                        int64_t *ret_first)
{
    struct producer *p = producer_find(ps, id);
    if (!p || !p->txn) return false;
    if (ret_epoch) *ret_epoch = p->epoch;
    if (ret_first) *ret_first = p->txn->first;
    return true;
}

void producer_state_each(const struct producer_state *ps,
                         void (*each)(void *arg, const struct plog_producer *p), void *arg)
{
    for (const struct producer *p = ps->table; p; p = p->hh.next) {
        struct plog_producer out = { .producer_id = p->id,
                                     .epoch = p->epoch,
                                     .last_sequence = p->count ? p->batches[p->count - 1].last : -1,
                                     .last_timestamp = p->last_timestamp,
                                     .coordinator_epoch = p->coordinator_epoch,
                                     .txn_first_offset = p->txn ? p->txn->first : -1 };
        each(arg, &out);
    }
}

int32_t producer_state_epoch_at(const struct producer_state *ps, int64_t offset)
{
    for (uint32_t i = ps->epoch_count; i > 0; i--)
        if (ps->epochs[i - 1].start <= offset) return ps->epochs[i - 1].epoch;
    return -1;
}

/* --- snapshot --------------------------------------------------------------------------------- */

static void put_producer(struct buf *out, const struct producer *p)
{
    uint8_t *b = buf_extend(out, SNAPSHOT_PRODUCER + (size_t)p->count * SNAPSHOT_BATCH);
    if (!b) return;
    memset(b, 0, SNAPSHOT_PRODUCER);
    put_le64(b, (uint64_t)p->id);
    put_le64(b + 8, (uint64_t)p->seen_ms);
    put_le16(b + 16, (uint16_t)p->epoch);
    b[18] = p->count;
    put_le32(b + 20, (uint32_t)p->coordinator_epoch);
    put_le64(b + 24, (uint64_t)p->last_timestamp);
    put_le64(b + 32, (uint64_t)(p->txn ? p->txn->first : -1));
    b += SNAPSHOT_PRODUCER;
    for (int i = 0; i < p->count; i++, b += SNAPSHOT_BATCH) {
        put_le32(b, (uint32_t)p->batches[i].first);
        put_le32(b + 4, (uint32_t)p->batches[i].last);
        put_le64(b + 8, (uint64_t)p->batches[i].last_offset);
        put_le64(b + 16, (uint64_t)p->batches[i].timestamp);
    }
}

status producer_state_encode(const struct producer_state *ps, int64_t offset, struct buf *out)
{
    size_t begin = out->len;
    uint8_t *h = buf_extend(out, SNAPSHOT_HEADER);
    if (!h) return buf_check(out);
    memset(h, 0, SNAPSHOT_HEADER);
    for (uint32_t i = 0; i < ps->epoch_count; i++) {
        uint8_t *e = buf_extend(out, SNAPSHOT_EPOCH);
        if (!e) return buf_check(out);
        put_le32(e, (uint32_t)ps->epochs[i].epoch);
        put_le32(e + 4, 0);
        put_le64(e + 8, (uint64_t)ps->epochs[i].start);
    }
    for (const struct producer *p = ps->table; p; p = p->hh.next) put_producer(out, p);
    aborted_put(&ps->aborted, out);
    TRY(buf_check(out));
    h = out->data + begin;
    size_t length = out->len - begin;
    memcpy(h, "LPS2", 4);
    put_le32(h + 8, (uint32_t)length);
    put_le64(h + 16, (uint64_t)offset);
    put_le32(h + 24, ps->epoch_count);
    put_le32(h + 28, ps->count);
    put_le32(h + 32, ps->aborted.file_count);
    put_le32(h + 36, ps->aborted.recent_count);
    put_le32(h + 4, crc32c(0, h + 8, length - 8));
    return OK;
}

/* Takes one producer off the bytes; `size`: of what stands before its batches. */
static status decode_producer(const uint8_t **at, const uint8_t *end, size_t size, int64_t now_ms,
                              int64_t offset, struct producer_state *ps)
{
    const uint8_t *b = *at;
    size_t left = (size_t)(end - b);
    if (left < size || b[18] > PRODUCER_BATCHES) return FAIL(CORRUPT);
    if (left < size + (size_t)b[18] * SNAPSHOT_BATCH) return FAIL(CORRUPT);
    if (producer_find(ps, (int64_t)get_le64(b))) return FAIL(CORRUPT);
    int64_t txn = size < SNAPSHOT_PRODUCER ? -1 : (int64_t)get_le64(b + 32);
    if (txn >= offset) return FAIL(CORRUPT);
    struct producer *p = mem_zalloc(sizeof *p);
    if (!p) return FAIL(NO_MEMORY);
    p->id = (int64_t)get_le64(b);
    p->seen_ms = (int64_t)get_le64(b + 8);
    if (p->seen_ms > now_ms) p->seen_ms = now_ms;
    p->epoch = (int16_t)get_le16(b + 16);
    p->count = b[18];
    p->coordinator_epoch = size < SNAPSHOT_PRODUCER ? -1 : (int32_t)get_le32(b + 20);
    p->last_timestamp = size < SNAPSHOT_PRODUCER ? -1 : (int64_t)get_le64(b + 24);
    b += size;
    for (int i = 0; i < p->count; i++, b += SNAPSHOT_BATCH)
        p->batches[i] = (struct producer_batch){ (int32_t)get_le32(b), (int32_t)get_le32(b + 4),
                                                 (int64_t)get_le64(b + 8),
                                                 (int64_t)get_le64(b + 16) };
    if (size < SNAPSHOT_PRODUCER && p->count) p->last_timestamp = p->batches[p->count - 1].timestamp;
    if (txn >= 0 && !(p->txn = txns_restore(&ps->txns, txn))) {
        mem_free(p);
        return FAIL(NO_MEMORY);
    }
    *at = b;
    return producer_insert(ps, p);
}

static status decode_body(struct bytes in, size_t size, int64_t offset, int64_t now_ms,
                          struct producer_state *ret)
{
    const uint8_t *h = in.data, *end = in.data + in.len, *at = h + SNAPSHOT_HEADER;
    uint32_t epochs = get_le32(h + 24), producers = get_le32(h + 28);
    uint32_t files = get_le32(h + 32), entries = get_le32(h + 36);
    if ((int64_t)get_le64(h + 16) != offset || epochs > EPOCHS_MAX || producers > PRODUCERS_MAX)
        return FAIL(CORRUPT);
    if (in.len < SNAPSHOT_HEADER + (size_t)epochs * SNAPSHOT_EPOCH) return FAIL(CORRUPT);
    for (; epochs; epochs--, at += SNAPSHOT_EPOCH)
        TRY(epoch_note(ret, (int32_t)get_le32(at), (int64_t)get_le64(at + 8)));
    for (; producers; producers--) TRY(decode_producer(&at, end, size, now_ms, offset, ret));
    txns_sort(&ret->txns);
    uint64_t rest = (uint64_t)files * ABORTED_FILE_SIZE + (uint64_t)entries * ABORTED_ENTRY_SIZE;
    if ((uint64_t)(end - at) != rest) return FAIL(CORRUPT);
    return aborted_get(&ret->aborted, at, files, at + (size_t)files * ABORTED_FILE_SIZE, entries);
}

size_t producer_state_size(struct bytes in)
{
    uint32_t size = in.len < SNAPSHOT_HEADER ? 0 : get_le32(in.data + 8);
    return size >= SNAPSHOT_HEADER && size <= in.len ? size : in.len;
}

status producer_state_decode(struct bytes in, int64_t offset, int64_t now_ms,
                             struct producer_state *ret)
{
    const uint8_t *h = in.data;
    if (in.len < SNAPSHOT_HEADER) return FAIL(CORRUPT);
    bool first = memcmp(h, "LPS1", 4) == 0;
    bool newer = memcmp(h, "LPS", 3) == 0 && h[3] > '2' && h[3] <= '9';
    if (!first && !newer && memcmp(h, "LPS2", 4) != 0) return FAIL(CORRUPT);
    if (get_le32(h + 8) != in.len || get_le32(h + 4) != crc32c(0, h + 8, in.len - 8))
        return FAIL(CORRUPT);
    if (newer) return FAIL(FORMAT); /* whole, so that it is no damage */
    size_t size = first ? SNAPSHOT_PRODUCER_1 : SNAPSHOT_PRODUCER;
    status s = decode_body(in, size, offset, now_ms, ret);
    if (failed(s)) producer_state_done(ret);
    return s;
}
