/* batch_read.c - the records of a batch. The batch may come from a client: every length is checked.
 *
 * A record: length, attributes i8, timestamp delta, offset delta, key length (-1 null), key, value
 * length, value, header count, and for each header key length, key, value length, value. All
 * numbers but the attributes are zigzag varints. */
#include "wire/batch.h"

#include "base/mem.h"
#include "wire/varint.h"

static status take_varint(struct bytes *in, int64_t *ret)
{
    size_t n = varint_get(*in, ret);
    if (n == 0) return FAIL(CORRUPT_MESSAGE);
    in->data += n;
    in->len -= n;
    return OK;
}

/* A length and so many bytes; -1 is null. */
static status take_bytes(struct bytes *in, struct bytes *ret)
{
    int64_t len;
    TRY(take_varint(in, &len));
    if (len < -1 || len > (int64_t)in->len) return FAIL(CORRUPT_MESSAGE);
    *ret = len < 0 ? BYTES_NULL : bytes_of(in->data, (size_t)len);
    if (len > 0) {
        in->data += len;
        in->len -= (size_t)len;
    }
    return OK;
}

static status take_header(struct bytes *in, struct record_header *ret)
{
    struct bytes key;
    TRY(take_bytes(in, &key));
    if (!key.data) return FAIL(CORRUPT_MESSAGE);
    TRY(take_bytes(in, &ret->value));
    ret->key = bytes_str(key);
    return OK;
}

static status check_headers(struct bytes headers, int64_t count)
{
    struct record_header unused;
    if (count < 0 || count > (int64_t)headers.len / 2) return FAIL(CORRUPT_MESSAGE);
    for (; count > 0; count--) TRY(take_header(&headers, &unused));
    return headers.len == 0 ? OK : FAIL(CORRUPT_MESSAGE);
}

status batch_reader_init(struct batch_reader *r, struct bytes batch, size_t max_plain)
{
    struct batch_header h;
    TRY(batch_header_parse(batch, &h));
    struct bytes records = { batch.data + BATCH_HEADER_SIZE, h.size - BATCH_HEADER_SIZE };
    struct buf plain;
    buf_init(&plain, max_plain);
    if (batch_codec(&h) != CODEC_NONE && h.record_count > 0) {
        status unpacked = compress_unpack(batch_codec(&h), records, max_plain, &plain);
        if (failed(unpacked)) {
            buf_done(&plain);
            return unpacked.code == E_CORRUPT ? FAIL(CORRUPT_MESSAGE) : unpacked;
        }
        records = buf_bytes(&plain);
    }
    *r = (struct batch_reader){ .header = h,
                                .plain = plain,
                                .left = records,
                                .records_left = h.record_count,
                                .last_delta = -1,
                                .result = OK };
    return OK;
}

void batch_reader_done(struct batch_reader *r)
{
    buf_done(&r->plain);
    r->left = BYTES_NULL;
    r->records_left = 0;
}

static status take_record(struct batch_reader *r, struct record *ret)
{
    int64_t len, timestamp_delta, delta, header_count;
    size_t before = r->left.len;
    TRY(take_varint(&r->left, &len));
    if (len < 1 || len > (int64_t)r->left.len) return FAIL(CORRUPT_MESSAGE);
    struct bytes in = { r->left.data + 1, (size_t)len - 1 }; /* behind the attributes, unused */
    TRY(take_varint(&in, &timestamp_delta));
    TRY(take_varint(&in, &delta));
    if (delta <= r->last_delta || delta > r->header.last_offset_delta) return FAIL(CORRUPT_MESSAGE);
    TRY(take_bytes(&in, &ret->key));
    TRY(take_bytes(&in, &ret->value));
    TRY(take_varint(&in, &header_count));
    TRY(check_headers(in, header_count));
    r->left.data += len;
    r->left.len -= (size_t)len;
    r->last_delta = delta;
    ret->offset = r->header.base_offset + delta;
    uint64_t timestamp = (uint64_t)r->header.base_timestamp + (uint64_t)timestamp_delta;
    bool append_time = r->header.attributes & BATCH_LOG_APPEND_TIME;
    ret->timestamp = append_time ? r->header.max_timestamp : (int64_t)timestamp;
    ret->headers = in;
    ret->header_count = (int32_t)header_count;
    ret->size = (int32_t)(before - r->left.len);
    return OK;
}

bool batch_reader_next(struct batch_reader *r, struct record *ret_record)
{
    if (failed(r->result)) return false;
    if (r->records_left == 0) {
        bool rest = r->left.len > 0 && r->header.record_count > 0;
        if (rest) r->result = FAIL(CORRUPT_MESSAGE);
        return false;
    }
    struct record record;
    r->result = take_record(r, &record);
    if (failed(r->result)) return false;
    r->records_left--;
    *ret_record = record;
    return true;
}

status batch_reader_result(const struct batch_reader *r) { return r->result; }

status record_header_next(const struct record *record, size_t *position,
                          struct record_header *ret_header)
{
    if (*position > record->headers.len) return FAIL(CORRUPT_MESSAGE);
    struct bytes in = { record->headers.data + *position, record->headers.len - *position };
    TRY(take_header(&in, ret_header));
    *position = record->headers.len - in.len;
    return OK;
}

status record_headers(const struct record *record, struct arena *arena,
                      struct record_header **ret_headers)
{
    struct record_header *headers = ARENA_ARRAY(arena, struct record_header, record->header_count);
    if (!headers) return FAIL(NO_MEMORY);
    size_t position = 0;
    for (int32_t i = 0; i < record->header_count; i++) {
        TRY(record_header_next(record, &position, &headers[i]));
    }
    *ret_headers = headers;
    return OK;
}

status batch_validate(struct bytes batch, size_t max_plain, int32_t *ret_bad)
{
    struct batch_reader r;
    struct record record;
    if (ret_bad) *ret_bad = -1;
    TRY(batch_reader_init(&r, batch, max_plain));
    int32_t i = 0;
    while (batch_reader_next(&r, &record)) {
        if (r.last_delta != i) r.result = FAIL(CORRUPT_MESSAGE);
        else i++;
    }
    status result = r.result;
    if (is_ok(result) && i != r.header.last_offset_delta + 1) result = FAIL(CORRUPT_MESSAGE);
    else if (failed(result) && ret_bad && i < r.header.record_count) *ret_bad = i;
    batch_reader_done(&r);
    return result;
}

/* --- markers -------------------------------------------------------------------------------- */

#define MARKER_PLAIN_MAX 65536 /* more is no control record */

status batch_get_marker(struct bytes batch, enum control_type *ret_type,
                        int32_t *ret_coordinator_epoch)
{
    struct batch_reader r;
    struct record record;
    TRY(batch_reader_init(&r, batch, MARKER_PLAIN_MAX));
    bool there = batch_reader_next(&r, &record);
    status result = there ? OK : batch_reader_result(&r);
    if (!there && is_ok(result)) result = FAIL(NOT_FOUND);
    if (is_ok(result) && (record.key.len < 4 || record.value.len < 6))
        result = FAIL(CORRUPT_MESSAGE);
    if (is_ok(result)) {
        int16_t type = (int16_t)get_be16(record.key.data + 2);
        *ret_type = type == CONTROL_COMMIT ? CONTROL_COMMIT : CONTROL_ABORT;
        *ret_coordinator_epoch = (int32_t)get_be32(record.value.data + 2);
        if (type != CONTROL_COMMIT && type != CONTROL_ABORT) result = FAIL(NOT_FOUND);
    }
    batch_reader_done(&r);
    return result;
}
