/* plog_read.c - reading a partition's log: whole stored batches, sizes, epochs. Loop thread.
 *
 * Bytes go out as they are stored; headers are walked to find where batches end. Each batch is checked,
 * CRC and offsets, whenever it goes out: the disk may have changed it since the last time. The place
 * where the last read ended is remembered: consumers go on from there. */
#include "storage/storage_int.h"

status plog_locate(struct plog *log, int64_t offset, int64_t *ret_at, int64_t *ret_position,
                   int64_t *ret_next)
{
    int64_t i = plog_segment_of(log, offset);
    if (i < 0) {
        damage_missing(log, offset, log->segments[0]->base);
        return FAIL(CORRUPT);
    }
    if (log->hint_offset == offset && log->hint_segment == log->segments[i]->base &&
        log->hint_position < log->segments[i]->size) {
        *ret_at = i;
        *ret_position = log->hint_position;
        *ret_next = offset;
        return OK;
    }
    for (; i < log->count; i++) {
        struct batch_header h;
        status s = segment_find(log->segments[i], offset, ret_position, &h);
        *ret_at = i;
        if (s.code == E_CORRUPT) damage_met(log, log->segments[i], *ret_position, -1);
        if (is_ok(s)) *ret_next = h.base_offset;
        if (s.code != E_NOT_FOUND) return s;
    }
    return FAIL(NOT_FOUND);
}

struct read_state {
    int64_t bound;
    size_t left;
    bool must_take; /* the next batch goes out whatever its size */
    bool full;
    bool any;       /* something was put out */
    struct plog *log;
    struct batch_chain chain;
    struct buf *out;
    struct read_result *result;
};

bool plog_epoch_fits(const struct plog *log, const struct batch_header *h)
{
    int32_t epoch = producer_state_epoch_at(&log->producers, h->base_offset);
    return epoch < 0 ? h->leader_epoch <= store_epoch(log->store) : epoch == h->leader_epoch;
}

/* Counts how many whole batches of the bytes at p may go out. CORRUPT: the one behind them is
 * damaged. */
static status read_measure(struct read_state *r, const uint8_t *p, size_t n, size_t *ret_take,
                           size_t *ret_need)
{
    size_t at = 0;
    *ret_need = *ret_take = 0;
    while (n - at >= BATCH_HEADER_SIZE) {
        struct batch_header h;
        if (failed(batch_header_peek(bytes_of(p + at, n - at), &h))) return FAIL(CORRUPT);
        if (!batch_chain_fits(&r->chain, &h) || !plog_epoch_fits(r->log, &h)) return FAIL(CORRUPT);
        if (batch_last_offset(&h) >= r->bound || (h.size > r->left - at && !r->must_take)) {
            r->full = true;
            break;
        }
        if (h.size > n - at) {
            *ret_need = h.size;
            break;
        }
        if (failed(batch_check_crc(bytes_of(p + at, h.size)))) return FAIL(CORRUPT);
        TRY(batch_chain_take(&r->chain, &h));
        at += h.size;
        *ret_take = at;
        r->any = true;
        r->must_take = false;
        r->result->next_offset = batch_last_offset(&h) + 1;
        if (at >= r->left) break;
    }
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
        int64_t from = *position;
        TRY(segment_pread(s, p, want, from, &n));
        if (n < want || n < BATCH_HEADER_SIZE) return FAIL(CORRUPT);
        status measured = read_measure(r, p, n, &take, &need);
        r->out->len += take;
        r->result->bytes += take;
        r->left -= take < r->left ? take : r->left;
        *position += (int64_t)take;
        if (take) segment_checked(s, from, *position);
        TRY(measured);
        if (take || r->full) return OK;
        if (need == 0 || (int64_t)need > s->size - *position) return FAIL(CORRUPT);
        want = need; /* the first batch is larger than what was asked for */
    }
    return FAIL(CORRUPT);
}

/* From the position to the end of the segment, or until it is enough. */
static status read_segment(struct plog *log, struct read_state *r, struct segment *s, int64_t position)
{
    status got = position < s->size ? segment_open(s, 0) : OK;
    while (is_ok(got) && position < s->size && !r->full && (r->left > 0 || r->must_take)) {
        if (r->any && r->left < BATCH_HEADER_SIZE) {
            r->full = true;
            break;
        }
        got = read_piece(r, s, &position, r->left);
        if (!r->any) break; /* or it failed; where the batch begins is not known here */
        log->hint_offset = r->result->next_offset;
        log->hint_segment = s->base;
        log->hint_position = position;
    }
    /* All of it was read: the next one has to begin where it ended. */
    if (is_ok(got) && position >= s->size && r->chain.next != s->end) got = FAIL(CORRUPT);
    if (got.code == E_CORRUPT) {
        log->hint_offset = -1;
        damage_met(log, s, position, r->chain.next);
    }
    return got;
}

static status read_segments(struct plog *log, struct read_state *r, int64_t i, int64_t position,
                            int64_t next)
{
    for (; i < log->count && !r->full && (r->left > 0 || r->must_take); i++, position = 0) {
        struct segment *s = log->segments[i];
        r->chain = segment_chain(s, position ? next : s->base);
        TRY(read_segment(log, r, s, position));
    }
    return OK;
}

status plog_read(struct plog *log, int64_t offset, int64_t bound, size_t max_bytes,
                 bool at_least_one, struct buf *out, struct read_result *ret_result)
{
    *ret_result = (struct read_result){ .next_offset = offset };
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (log->offline) return FAIL(KAFKA_STORAGE_ERROR);
    if (offset < log->start || offset > log->end) return FAIL(OFFSET_OUT_OF_RANGE);
    if (bound > log->end) bound = log->end;
    if (offset >= bound || (max_bytes == 0 && !at_least_one)) return OK;
    if (max_bytes > BATCH_STORED_MAX) max_bytes = BATCH_STORED_MAX;
    if (max_bytes > out->max - out->len && !at_least_one) max_bytes = out->max - out->len;
    int64_t i, position, next;
    status s = plog_locate(log, offset, &i, &position, &next);
    if (s.code == E_NOT_FOUND) return OK;
    TRY(s);
    struct read_state r = { .bound = bound,
                            .left = max_bytes,
                            .must_take = at_least_one,
                            .log = log,
                            .out = out,
                            .result = ret_result };
    s = read_segments(log, &r, i, position, next);
    return s.code == E_CORRUPT && r.any ? OK : s; /* the next read begins with the damage */
}

size_t plog_available(struct plog *log, int64_t offset, int64_t bound, size_t max)
{
    if (bound > log->end) bound = log->end;
    if (log->offline) return max; /* a read is refused at once */
    if (log->gone || offset < log->start || offset >= bound) return 0;
    int64_t next, from, from_position, to = log->count - 1, to_position = log->segments[to]->size;
    status found = plog_locate(log, offset, &from, &from_position, &next);
    if (failed(found)) return found.code == E_CORRUPT ? max : 0;
    if (bound < log->end) {
        int64_t i, position;
        if (failed(plog_locate(log, bound, &i, &position, &next))) return 0;
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
