/* plog_read.c - reading a partition's log: whole stored batches, sizes, epochs. Loop thread.
 *
 * Bytes go out as they are stored; headers are walked to find where batches end, CRCs are left to
 * the consumer. The place where the last read ended is remembered: consumers go on from there. */
#include "storage/storage_int.h"

static status damage(status s)
{
    return s.code == E_NOT_FOUND || s.code == E_CORRUPT ? FAIL(CORRUPT) : s;
}

status plog_locate(struct plog *log, int64_t offset, int64_t *ret_at, int64_t *ret_position)
{
    int64_t i = plog_segment_of(log, offset);
    if (i < 0) i = 0;
    if (log->hint_offset == offset && log->hint_segment == log->segments[i]->base &&
        log->hint_position < log->segments[i]->size) {
        *ret_at = i;
        *ret_position = log->hint_position;
        return OK;
    }
    for (; i < log->count; i++) {
        struct batch_header h;
        status s = segment_find(log->segments[i], offset, ret_position, &h);
        *ret_at = i;
        if (s.code != E_NOT_FOUND) return s;
    }
    return FAIL(NOT_FOUND);
}

struct read_state {
    int64_t bound;
    size_t left;
    bool must_take; /* the next batch goes out whatever its size */
    bool full;
    struct buf *out;
    struct read_result *result;
};

/* Counts how many whole batches of the bytes at p may go out. */
static status read_measure(struct read_state *r, const uint8_t *p, size_t n, size_t *ret_take,
                           size_t *ret_need)
{
    size_t at = 0;
    *ret_need = 0;
    while (n - at >= BATCH_HEADER_SIZE) {
        struct batch_header h;
        if (failed(batch_header_peek(bytes_of(p + at, n - at), &h))) return FAIL(CORRUPT);
        if (batch_last_offset(&h) >= r->bound || (h.size > r->left - at && !r->must_take)) {
            r->full = true;
            break;
        }
        if (h.size > n - at) {
            *ret_need = h.size;
            break;
        }
        at += h.size;
        r->must_take = false;
        r->result->next_offset = batch_last_offset(&h) + 1;
        if (at >= r->left) break;
    }
    *ret_take = at;
    return OK;
}

/* Reads up to `want` bytes at position into out and keeps the whole batches that may go. */
static status read_piece(struct read_state *r, struct segment *s, int64_t *position, size_t want)
{
    if (want < BATCH_HEADER_SIZE) want = BATCH_HEADER_SIZE;
    for (int attempt = 0; attempt < 2; attempt++) {
        if ((int64_t)want > s->size - *position) want = (size_t)(s->size - *position);
        uint8_t *p = buf_reserve(r->out, want);
        if (!p) return FAIL(NO_MEMORY);
        size_t n, take, need;
        TRY(segment_pread(s, p, want, *position, &n));
        if (n < want || n < BATCH_HEADER_SIZE) return FAIL(CORRUPT);
        TRY(read_measure(r, p, n, &take, &need));
        r->out->len += take;
        r->result->bytes += take;
        r->left -= take < r->left ? take : r->left;
        *position += (int64_t)take;
        if (take || r->full) return OK;
        if (need == 0 || (int64_t)need > s->size - *position) return FAIL(CORRUPT);
        want = need; /* the first batch is larger than what was asked for */
    }
    return FAIL(CORRUPT);
}

static status read_segments(struct plog *log, struct read_state *r, int64_t i, int64_t position)
{
    bool first = true;
    for (; i < log->count && !r->full; i++, position = 0) {
        struct segment *s = log->segments[i];
        if (position < s->size) TRY(segment_open(s, 0));
        while (position < s->size && !r->full && (r->left > 0 || r->must_take)) {
            if (!first && r->left < BATCH_HEADER_SIZE) return OK;
            TRY(read_piece(r, s, &position, r->left));
            first = false;
            log->hint_offset = r->result->next_offset;
            log->hint_segment = s->base;
            log->hint_position = position;
        }
        if (r->left == 0) break;
    }
    return OK;
}

status plog_read(struct plog *log, int64_t offset, int64_t bound, size_t max_bytes,
                 bool at_least_one, struct buf *out, struct read_result *ret_result)
{
    *ret_result = (struct read_result){ .next_offset = offset };
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (offset < log->start || offset > log->end) return FAIL(OFFSET_OUT_OF_RANGE);
    if (bound > log->end) bound = log->end;
    if (offset >= bound || (max_bytes == 0 && !at_least_one)) return OK;
    if (max_bytes > BATCH_STORED_MAX) max_bytes = BATCH_STORED_MAX;
    if (max_bytes > out->max - out->len && !at_least_one) max_bytes = out->max - out->len;
    int64_t i, position;
    status s = plog_locate(log, offset, &i, &position);
    if (s.code == E_NOT_FOUND) return OK;
    TRY(damage(s));
    struct read_state r = { .bound = bound,
                            .left = max_bytes,
                            .must_take = at_least_one,
                            .out = out,
                            .result = ret_result };
    return damage(read_segments(log, &r, i, position));
}

size_t plog_available(struct plog *log, int64_t offset, int64_t bound, size_t max)
{
    if (bound > log->end) bound = log->end;
    if (log->gone || offset < log->start || offset >= bound) return 0;
    int64_t from, from_position, to = log->count - 1, to_position = log->segments[to]->size;
    if (failed(plog_locate(log, offset, &from, &from_position))) return 0;
    if (bound < log->end) {
        int64_t i, position;
        if (failed(plog_locate(log, bound, &i, &position))) return 0;
        to = i;
        to_position = position;
    }
    int64_t bytes = to_position - from_position;
    for (int64_t i = from; i < to && bytes < (int64_t)max; i++) bytes += log->segments[i]->size;
    if (bytes < 0) bytes = 0;
    return (size_t)bytes < max ? (size_t)bytes : max;
}

/* --- epochs ----------------------------------------------------------------------------------- */

int32_t plog_epoch_at(struct plog *log, int64_t offset)
{
    return producer_state_epoch_at(&log->producers, offset);
}

void plog_epoch_end(struct plog *log, int32_t epoch, int32_t *ret_epoch, int64_t *ret_end)
{
    const struct producer_state *ps = &log->producers;
    int32_t current = (int32_t)log->store->generation;
    *ret_epoch = -1;
    *ret_end = -1;
    if (epoch < 0 || epoch > current) return;
    *ret_epoch = epoch;
    *ret_end = log->end;
    if (epoch == current) return;
    /* The end of an epoch is where the next one starts; the current one starts at the end of the
     * log as long as nothing was written under it. */
    for (uint32_t i = ps->epoch_count; i > 0; i--) {
        const struct epoch_start *e = &ps->epochs[i - 1];
        if (e->epoch <= epoch) {
            *ret_epoch = e->epoch;
            return;
        }
        *ret_end = e->start > log->start ? e->start : log->start;
    }
}
