/* replay.c - see replay.h. Reads about READ_CHUNK bytes at a time, whole batches. */
#include "broker/replay.h"

enum { READ_CHUNK = 1 << 20, MAX_PLAIN = 64 << 20,
       RECORDS_A_LOOK = 64 /* records, between two looks at how long the turn is */ };

static status one_record(struct replay *r, const struct batch_header *h, const struct record *record,
                         struct arena *arena)
{
    if (record->key.data == NULL || record->key.len < 2) return OK;
    int16_t kind = (int16_t)get_be16(record->key.data);
    struct bytes key = bytes_of(record->key.data + 2, record->key.len - 2);
    status s = r->record(r, h, kind, key, record->value, arena);
    arena_reset(arena);
    return s;
}

static status one_marker(struct replay *r, const struct batch_header *h, struct bytes batch)
{
    enum control_type type;
    int32_t epoch;
    if (r->marker == NULL) return OK;
    status s = batch_get_marker(batch, &type, &epoch);
    if (s.code == E_NOT_FOUND) return OK; /* another kind of control record */
    return is_ok(s) ? r->marker(r, h, type == CONTROL_COMMIT) : s;
}

void replay_end(struct replay_cursor *cursor)
{
    if (cursor->open) batch_reader_done(&cursor->reader);
    cursor->open = false;
}

static status one_batch(struct replay *r, const struct batch_header *h, struct bytes batch,
                        struct replay_cursor *cursor, const struct loop *loop, struct arena *arena)
{
    struct record record;
    if (h->attributes & BATCH_CONTROL) return one_marker(r, h, batch);
    if (!cursor->open) TRY(batch_reader_init(&cursor->reader, batch, MAX_PLAIN));
    cursor->open = true;
    status s = OK;
    for (uint32_t n = 1; is_ok(s) && batch_reader_next(&cursor->reader, &record); n++) {
        s = one_record(r, h, &record, arena);
        if (is_ok(s) && loop && n % RECORDS_A_LOOK == 0 && loop_turn_is_long(loop)) return OK;
    }
    if (is_ok(s)) s = batch_reader_result(&cursor->reader);
    replay_end(cursor);
    return s;
}

status replay_some(struct replay *r, struct bytes batch, struct replay_cursor *cursor,
                   const struct loop *loop)
{
    struct batch_header header;
    struct arena arena;
    TRY(batch_header_parse(batch, &header));
    arena_init(&arena, MAX_PLAIN);
    status s = one_batch(r, &header, batch, cursor, loop, &arena);
    arena_done(&arena);
    return s;
}

status replay_batch(struct replay *r, struct bytes batch)
{
    struct replay_cursor cursor = { 0 };
    return replay_some(r, batch, &cursor, NULL);
}

status replay_log(struct replay *r, struct plog *log)
{
    struct replay_cursor cursor = { 0 };
    struct arena arena;
    struct buf chunk;
    arena_init(&arena, MAX_PLAIN);
    buf_init(&chunk, MAX_PLAIN);
    int64_t at = plog_start(log), end = plog_high_watermark(log);
    status s = plog_offline(log) ? FAIL(KAFKA_STORAGE_ERROR) : OK;
    while (is_ok(s) && at < end) {
        struct read_result read;
        buf_clear(&chunk);
        s = plog_read(log, at, end, READ_CHUNK, true, &chunk, &read);
        if (is_ok(s) && read.bytes == 0) s = FAIL(CORRUPT);
        if (failed(s)) break;
        struct bytes left = buf_bytes(&chunk), batch;
        struct batch_header header;
        while (is_ok(s) && batch_next(&left, &batch, &header, NULL))
            s = one_batch(r, &header, batch, &cursor, NULL, &arena);
        at = read.next_offset;
    }
    buf_done(&chunk);
    arena_done(&arena);
    return s;
}
