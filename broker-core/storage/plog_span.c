/* plog_span.c - where in its segment lies what a fetch may have: the same batches plog_read would put
 * out of that segment, found from the index and a few headers instead of their bytes. Loop thread. */
#include "base/mem.h"
#include "storage/batch_check.h"
#include "storage/storage_int.h"

struct span_end {
    int64_t position, next; /* behind the last batch, and the offset there */
};

/* Walks on from *end while whole batches fit. */
static status span_walk(struct segment *s, int64_t limit, int64_t bound, bool must_take,
                        struct span_end *end)
{
    struct segment_cursor c;
    struct batch_header h;
    TRY(segment_seek(s, end->position, &c));
    while (c.position < s->size) {
        TRY(segment_header(&c, &h));
        if (batch_last_offset(&h) >= bound) break;
        if (c.position + (int64_t)h.size > limit && !must_take) break;
        must_take = false;
        segment_step(&c, &h);
        *end = (struct span_end){ c.position, batch_last_offset(&h) + 1 };
    }
    return OK;
}

static status span_end(struct segment *s, int64_t limit, int64_t bound, bool must_take,
                       struct span_end *end)
{
    if (limit >= s->size && s->end <= bound) {
        *end = (struct span_end){ s->size, s->end };
        return OK;
    }
    const struct index_entry *e = s->indexed ? index_before(&s->index, (uint32_t)limit, bound - s->base)
                                             : NULL;
    if (e && e->position > end->position) {
        *end = (struct span_end){ e->position, s->base + e->relative };
        must_take = false;
    }
    return span_walk(s, limit, bound, must_take, end);
}

/* How many records there are: as many as offsets, but where compaction has been. */
static status span_count(int64_t from, struct log_span *span)
{
    span->records = span->next_offset - from;
    if (!span->segment->sparse) return OK;
    struct segment_cursor c;
    struct batch_header h;
    TRY(segment_seek(span->segment, span->position, &c));
    for (span->records = 0; c.position < span->position + (int64_t)span->len;) {
        TRY(segment_header(&c, &h));
        span->records += h.record_count;
        segment_step(&c, &h);
    }
    return OK;
}

status plog_span(struct plog *log, int64_t offset, int64_t bound, size_t max_bytes, bool at_least_one,
                 struct log_span *ret_span)
{
    *ret_span = (struct log_span){ .next_offset = offset };
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (log->offline) return FAIL(KAFKA_STORAGE_ERROR);
    if (offset < log->start || offset > log->end) return FAIL(OFFSET_OUT_OF_RANGE);
    if (bound > log->end) bound = log->end;
    if (offset >= bound || (max_bytes == 0 && !at_least_one)) return OK;
    if (max_bytes > BATCH_STORED_MAX) max_bytes = BATCH_STORED_MAX;
    int64_t i, position, next;
    status found = plog_locate(log, offset, &i, &position, &next);
    if (found.code == E_NOT_FOUND) return OK;
    TRY(found);
    struct segment *s = log->segments[i];
    TRY(segment_open(s, 0));
    int64_t limit = s->size - position < (int64_t)max_bytes ? s->size : position + (int64_t)max_bytes;
    if (segment_unchecked(s, position, limit)) {
        ret_span->unchecked = true;
        return OK;
    }
    struct span_end end = { position, offset };
    TRY(span_end(s, limit, bound, at_least_one, &end));
    struct log_span span = { .segment = s, .position = position,
                             .len = (size_t)(end.position - position), .first = next,
                             .next_offset = end.next };
    TRY(span_count(offset, &span));
    *ret_span = span;
    log->hint_offset = span.next_offset;
    log->hint_segment = s->base;
    log->hint_position = end.position;
    return OK;
}

status plog_span_read(struct plog *log, const struct log_span *span, struct buf *out)
{
    struct batch_check check;
    size_t before = out->len;
    if (!span->len) return OK;
    TRY(segment_read_batch(span->segment, span->position, span->len, out));
    batch_check_begin(&check, span);
    status good = batch_check_feed(&check, log, out->data + before, span->len);
    if (failed(good)) {
        damage_met(log, span->segment, check.position, check.chain.next);
        out->len = before;
    }
    return good;
}
