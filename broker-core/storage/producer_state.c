/* producer_state.c - idempotent producers and leader epochs of one partition.
 *
 * Each producer keeps its epoch and its last five batches, oldest first. The table is in order of
 * last use, so expiration and the cap look at its front only. Loop thread, or recovery. */
#include "storage/producer_state.h"

#include "base/crc32c.h"
#include "base/hash.h"

struct producer {
    int64_t id;
    int64_t seen_ms;
    int16_t epoch;
    uint8_t count;
    struct producer_batch batches[PRODUCER_BATCHES];
    UT_hash_handle hh;
};

#define SNAPSHOT_HEADER 40
#define SNAPSHOT_EPOCH 16
#define SNAPSHOT_PRODUCER 24
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
    *ps = (struct producer_state){ 0 };
}

static struct producer *producer_find(const struct producer_state *ps, int64_t id)
{
    struct producer *p = NULL;
    if (ps->table) HASH_FIND(hh, ps->table, &id, sizeof id, p);
    return p;
}

status producer_state_check(const struct producer_state *ps, const struct batch_header *h,
                            bool *ret_duplicate, struct producer_batch *ret_first)
{
    *ret_duplicate = false;
    if (h->producer_id < 0) return OK;
    struct producer *p = producer_find(ps, h->producer_id);
    if (!p || p->count == 0) return OK; /* new or expired: any sequence */
    int32_t last = batch_last_sequence(h);
    for (int i = 0; i < p->count && p->epoch == h->producer_epoch; i++) {
        if (p->batches[i].first != h->base_sequence || p->batches[i].last != last) continue;
        *ret_duplicate = true;
        *ret_first = p->batches[i];
        return OK;
    }
    if (h->producer_epoch < p->epoch) return FAIL(INVALID_PRODUCER_EPOCH);
    if (h->producer_epoch > p->epoch)
        return h->base_sequence == 0 ? OK : FAIL(OUT_OF_ORDER_SEQUENCE_NUMBER);
    if (h->base_sequence != batch_sequence_add(p->batches[p->count - 1].last, 1))
        return FAIL(OUT_OF_ORDER_SEQUENCE_NUMBER);
    return OK;
}

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
    if (ps->count > PRODUCERS_MAX) producer_remove(ps, ps->table);
    return OK;
}

status producer_state_fold(struct producer_state *ps, const struct batch_header *h, int64_t now_ms)
{
    TRY(epoch_note(ps, h->leader_epoch, h->base_offset));
    if (h->producer_id < 0 || h->attributes & BATCH_CONTROL) return OK;
    struct producer *p = producer_find(ps, h->producer_id);
    if (p) { /* to the end: used last */
        HASH_DELETE(hh, ps->table, p);
        ps->count--;
    } else {
        p = mem_zalloc(sizeof *p);
        if (!p) return FAIL(NO_MEMORY);
        p->id = h->producer_id;
    }
    if (p->epoch != h->producer_epoch) p->count = 0;
    p->epoch = h->producer_epoch;
    p->seen_ms = now_ms;
    if (p->count == PRODUCER_BATCHES) {
        memmove(p->batches, p->batches + 1, (PRODUCER_BATCHES - 1) * sizeof *p->batches);
        p->count--;
    }
    p->batches[p->count++] = (struct producer_batch){ h->base_sequence, batch_last_sequence(h),
                                                      batch_last_offset(h), h->max_timestamp };
    return producer_insert(ps, p);
}

void producer_state_expire(struct producer_state *ps, int64_t unused_since_ms)
{
    while (ps->table && ps->table->seen_ms < unused_since_ms) producer_remove(ps, ps->table);
}

bool producer_state_find(const struct producer_state *ps, int64_t id, int16_t *ret_epoch,
                         int32_t *ret_last_sequence)
{
    struct producer *p = producer_find(ps, id);
    if (!p || !p->count) return false;
    *ret_epoch = p->epoch;
    *ret_last_sequence = p->batches[p->count - 1].last;
    return true;
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
    TRY(buf_check(out));
    h = out->data + begin;
    size_t length = out->len - begin;
    memcpy(h, "LPS1", 4);
    put_le32(h + 8, (uint32_t)length);
    put_le64(h + 16, (uint64_t)offset);
    put_le32(h + 24, ps->epoch_count);
    put_le32(h + 28, ps->count);
    put_le32(h + 4, crc32c(0, h + 8, length - 8));
    return OK;
}

static status decode_producers(const uint8_t *b, const uint8_t *end, uint32_t count,
                               int64_t now_ms, struct producer_state *ps)
{
    for (; count; count--) {
        if (end - b < SNAPSHOT_PRODUCER || b[18] > PRODUCER_BATCHES) return FAIL(CORRUPT);
        if (end - b < SNAPSHOT_PRODUCER + b[18] * SNAPSHOT_BATCH) return FAIL(CORRUPT);
        struct producer *p = mem_zalloc(sizeof *p);
        if (!p) return FAIL(NO_MEMORY);
        p->id = (int64_t)get_le64(b);
        p->seen_ms = (int64_t)get_le64(b + 8);
        if (p->seen_ms > now_ms) p->seen_ms = now_ms;
        p->epoch = (int16_t)get_le16(b + 16);
        p->count = b[18];
        b += SNAPSHOT_PRODUCER;
        for (int i = 0; i < p->count; i++, b += SNAPSHOT_BATCH)
            p->batches[i] = (struct producer_batch){ (int32_t)get_le32(b), (int32_t)get_le32(b + 4),
                                                     (int64_t)get_le64(b + 8),
                                                     (int64_t)get_le64(b + 16) };
        if (producer_find(ps, p->id)) {
            mem_free(p);
            return FAIL(CORRUPT);
        }
        TRY(producer_insert(ps, p));
    }
    return b == end ? OK : FAIL(CORRUPT);
}

status producer_state_decode(struct bytes in, int64_t offset, int64_t now_ms,
                             struct producer_state *ret)
{
    const uint8_t *h = in.data;
    if (in.len < SNAPSHOT_HEADER || memcmp(h, "LPS1", 4) != 0) return FAIL(CORRUPT);
    if (get_le32(h + 8) != in.len || get_le32(h + 4) != crc32c(0, h + 8, in.len - 8))
        return FAIL(CORRUPT);
    uint32_t epochs = get_le32(h + 24), producers = get_le32(h + 28);
    if ((int64_t)get_le64(h + 16) != offset || epochs > EPOCHS_MAX || producers > PRODUCERS_MAX)
        return FAIL(CORRUPT);
    if (in.len < SNAPSHOT_HEADER + (size_t)epochs * SNAPSHOT_EPOCH) return FAIL(CORRUPT);
    const uint8_t *e = h + SNAPSHOT_HEADER;
    status s = OK;
    for (uint32_t i = 0; i < epochs && is_ok(s); i++, e += SNAPSHOT_EPOCH)
        s = epoch_note(ret, (int32_t)get_le32(e), (int64_t)get_le64(e + 8));
    if (is_ok(s)) s = decode_producers(e, in.data + in.len, producers, now_ms, ret);
    if (failed(s)) producer_state_done(ret);
    return s;
}
