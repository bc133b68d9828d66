/* plog_time.c - finding records by time. Loop thread.
 *
 * Segments and batches know their greatest timestamp; within the batch that qualifies, the records
 * are walked (decompressed where needed, bounded). */
#include "storage/storage_int.h"

/* Position of the first batch at or behind the start with max timestamp >= ts. */
static status find_batch(struct plog *log, struct segment *s, int64_t ts,
                         struct segment_cursor *cursor, struct batch_header *ret_header)
{
    TRY(segment_seek(s, index_find_time(&s->index, ts), cursor));
    for (;;) {
        TRY(segment_header(cursor, ret_header));
        if (ret_header->max_timestamp >= ts && batch_last_offset(ret_header) >= log->start)
            return OK;
        segment_step(cursor, ret_header);
    }
}

/* Reads the batch at position for a walk over its records; on success both have to be ended. */
static status open_batch(struct segment *s, int64_t position, const struct batch_header *h,
                         struct buf *bytes, struct batch_reader *reader)
{
    buf_init(bytes, BATCH_STORED_MAX);
    status got = segment_read_batch(s, position, h->size, bytes);
    if (is_ok(got) && failed(batch_check_crc(buf_bytes(bytes)))) got = FAIL(CORRUPT);
    if (is_ok(got)) got = batch_reader_init(reader, buf_bytes(bytes), BATCH_PLAIN_MAX);
    if (failed(got)) buf_done(bytes);
    return got;
}

/* The first record with timestamp >= ts and offset >= from in the batch: NOT_FOUND if none. */
static status find_record(struct segment *s, int64_t position, const struct batch_header *h,
                          int64_t ts, int64_t from, struct record *ret_record)
{
    struct buf bytes;
    struct batch_reader reader;
    TRY(open_batch(s, position, h, &bytes, &reader));
    struct record r;
    bool found = false;
    while (!found && batch_reader_next(&reader, &r)) found = r.timestamp >= ts && r.offset >= from;
    status got = found ? OK : batch_reader_result(&reader);
    if (!found && is_ok(got)) got = FAIL(NOT_FOUND);
    *ret_record = r;
    batch_reader_done(&reader);
    buf_done(&bytes);
    return got;
}

/* Raises *max to the greatest timestamp of the records from `from` on. */
static status max_of_records(struct segment *s, int64_t position, const struct batch_header *h,
                             int64_t from, int64_t *max)
{
    struct buf bytes;
    struct batch_reader reader;
    TRY(open_batch(s, position, h, &bytes, &reader));
    struct record r;
    while (batch_reader_next(&reader, &r))
        if (r.offset >= from && r.timestamp > *max) *max = r.timestamp;
    status got = batch_reader_result(&reader);
    batch_reader_done(&reader);
    buf_done(&bytes);
    return got;
}

static status find_in_segment(struct plog *log, struct segment *s, int64_t ts,
                              struct record *ret_record, struct batch_header *ret_header)
{
    struct segment_cursor cursor;
    status got = find_batch(log, s, ts, &cursor, ret_header);
    while (is_ok(got)) {
        got = find_record(s, cursor.position, ret_header, ts, log->start, ret_record);
        if (got.code != E_NOT_FOUND) break;
        /* The header promised more than its records hold: go on behind it. */
        do {
            segment_step(&cursor, ret_header);
            got = segment_header(&cursor, ret_header);
        } while (is_ok(got) && ret_header->max_timestamp < ts);
    }
    if (got.code == E_CORRUPT) damage_met(log, s, cursor.position, cursor.next);
    return got;
}

status plog_offset_for_time(struct plog *log, int64_t ts, int64_t *ret_offset, int64_t *ret_ts,
                            int32_t *ret_epoch)
{
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (log->offline) return FAIL(KAFKA_STORAGE_ERROR);
    *ret_offset = *ret_ts = -1;
    *ret_epoch = -1;
    int64_t first = plog_segment_of(log, log->start);
    for (int64_t i = first < 0 ? 0 : first; i < log->count; i++) {
        struct segment *s = log->segments[i];
        struct record r;
        struct batch_header h;
        if (s->size == 0) continue;
        TRY(segment_need_index(s));
        if (s->max_timestamp < ts) continue;
        status got = find_in_segment(log, s, ts, &r, &h);
        if (got.code == E_NOT_FOUND) continue;
        TRY(got);
        if (r.offset >= log->high_watermark) return OK;
        *ret_offset = r.offset;
        *ret_ts = r.timestamp;
        *ret_epoch = h.leader_epoch;
        return OK;
    }
    return OK;
}

/* Greatest timestamp of a segment between log start and high watermark. */
static status max_below(struct plog *log, struct segment *s, int64_t *ret_max)
{
    TRY(segment_need_index(s));
    *ret_max = s->max_timestamp;
    if (s->end <= log->high_watermark && s->base >= log->start) return OK;
    *ret_max = INT64_MIN;
    struct segment_cursor cursor;
    struct batch_header h;
    TRY(segment_seek(s, 0, &cursor));
    status got;
    while (is_ok(got = segment_header(&cursor, &h)) && batch_last_offset(&h) < log->high_watermark) {
        /* Of the batch that contains the start, the greatest may lie below it. */
        if (h.base_offset < log->start && batch_last_offset(&h) >= log->start)
            TRY(max_of_records(s, cursor.position, &h, log->start, ret_max));
        else if (batch_last_offset(&h) >= log->start && h.max_timestamp > *ret_max)
            *ret_max = h.max_timestamp;
        segment_step(&cursor, &h);
    }
    if (got.code == E_CORRUPT) damage_met(log, s, cursor.position, cursor.next);
    return got.code == E_NOT_FOUND ? OK : got;
}

status plog_offset_of_max_time(struct plog *log, int64_t *ret_offset, int64_t *ret_ts,
                               int32_t *ret_epoch)
{
    int64_t max = INT64_MIN;
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (log->offline) return FAIL(KAFKA_STORAGE_ERROR);
    *ret_offset = *ret_ts = -1;
    *ret_epoch = -1;
    for (uint32_t i = 0; i < log->count; i++) {
        int64_t found;
        if (log->segments[i]->size == 0 || log->segments[i]->base >= log->high_watermark) continue;
        TRY(max_below(log, log->segments[i], &found));
        if (found > max) max = found;
    }
    if (max < 0) return OK;
    return plog_offset_for_time(log, max, ret_offset, ret_ts, ret_epoch);
}

int64_t plog_last_timestamp(const struct plog *log)
{
    if (!log->count || log->end == log->start) return -1;
    for (uint32_t i = log->count; i > 0; i--) {
        struct segment *s = log->segments[i - 1];
        if (s->size == 0) continue;
        if (failed(segment_need_index(s))) return -1;
        struct segment_cursor cursor;
        struct batch_header h;
        if (failed(segment_seek(s, s->last_position, &cursor))) return -1;
        return failed(segment_header(&cursor, &h)) ? -1 : h.max_timestamp;
    }
    return -1;
}
