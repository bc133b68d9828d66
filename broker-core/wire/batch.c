/* batch.c - the header of a record batch, and what may be changed in a stored one. Pure functions.
 *
 * Format 2, big-endian:
 *    0 base offset i64      21 attributes i16         43 producer id i64
 *    8 length i32           23 last offset delta i32  51 producer epoch i16
 *   12 leader epoch i32     27 base timestamp i64     53 base sequence i32
 *   16 magic i8 = 2         35 max timestamp i64      57 record count i32
 *   17 crc u32                                        61 records, compressed as one if so said
 * The length counts what follows it; the CRC-32C covers byte 21 to the end. */
#include "wire/batch.h"

#include "base/crc32c.h"

enum at {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_COUNT = 57,
};
#define RECORD_MIN 7 /* length, attributes, two deltas, key, value and header count: a byte each */

static status check(const struct batch_header *h, int32_t length)
{
    if (length < BATCH_HEADER_SIZE - BATCH_OVERHEAD) return FAIL(CORRUPT_MESSAGE);
    if (h->record_count < 0 || h->last_offset_delta < 0) return FAIL(CORRUPT_MESSAGE);
    if (h->base_offset < 0 || h->base_offset > INT64_MAX - 1 - h->last_offset_delta) {
        return FAIL(CORRUPT_MESSAGE);
    }
    enum codec codec = batch_codec(h);
    if (codec >= CODEC_COUNT) return FAIL(CORRUPT_MESSAGE);
    size_t records = h->size - BATCH_HEADER_SIZE;
    if (codec == CODEC_NONE && (size_t)h->record_count > records / RECORD_MIN) {
        return FAIL(CORRUPT_MESSAGE);
    }
    return OK;
}

status batch_header_peek(struct bytes in, struct batch_header *ret_header)
{
    if (in.len < BATCH_HEADER_SIZE) return FAIL(TRUNCATED);
    const uint8_t *p = in.data;
    if (p[AT_MAGIC] != BATCH_MAGIC) return FAIL(UNSUPPORTED_FOR_MESSAGE_FORMAT);
    int32_t length = (int32_t)get_be32(p + AT_LENGTH);
    struct batch_header h = {
        .base_offset = (int64_t)get_be64(p + AT_BASE_OFFSET),
        .leader_epoch = (int32_t)get_be32(p + AT_LEADER_EPOCH),
        .magic = (int8_t)p[AT_MAGIC],
        .crc = get_be32(p + AT_CRC),
        .attributes = (int16_t)get_be16(p + AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)get_be32(p + AT_LAST_DELTA),
        .base_timestamp = (int64_t)get_be64(p + AT_BASE_TIMESTAMP),
        .max_timestamp = (int64_t)get_be64(p + AT_MAX_TIMESTAMP),
        .producer_id = (int64_t)get_be64(p + AT_PRODUCER_ID),
        .producer_epoch = (int16_t)get_be16(p + AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)get_be32(p + AT_BASE_SEQUENCE),
        .record_count = (int32_t)get_be32(p + AT_COUNT),
        .size = (size_t)length + BATCH_OVERHEAD,
    };
    TRY(check(&h, length));
    *ret_header = h;
    return OK;
}

status batch_header_parse(struct bytes in, struct batch_header *ret_header)
{
    struct batch_header h;
    TRY(batch_header_peek(in, &h));
    if (h.size > in.len) return FAIL(TRUNCATED);
    *ret_header = h;
    return OK;
}

bool batch_next(struct bytes *records, struct bytes *ret_batch, struct batch_header *ret_header,
                status *ret_why)
{
    status why = OK;
    if (records->len > 0) why = batch_header_parse(*records, ret_header);
    if (ret_why) *ret_why = why;
    if (records->len == 0 || failed(why)) return false;
    *ret_batch = bytes_of(records->data, ret_header->size);
    records->data += ret_header->size;
    records->len -= ret_header->size;
    return true;
}

uint32_t batch_crc(struct bytes batch)
{
    return crc32c(0, batch.data + BATCH_CRC_FROM, batch.len - BATCH_CRC_FROM);
}

uint32_t batch_crc_field(struct bytes batch) { return get_be32(batch.data + AT_CRC); }

status batch_check_crc(struct bytes batch)
{
    if (batch.len < BATCH_HEADER_SIZE) return FAIL(CORRUPT_MESSAGE);
    return batch_crc(batch) == get_be32(batch.data + AT_CRC) ? OK : FAIL(CORRUPT_MESSAGE);
}

void batch_set_base_offset(uint8_t *batch, int64_t offset)
{
    put_be64(batch + AT_BASE_OFFSET, (uint64_t)offset);
}

void batch_set_leader_epoch(uint8_t *batch, int32_t epoch)
{
    put_be32(batch + AT_LEADER_EPOCH, (uint32_t)epoch);
}

void batch_set_append_time(uint8_t *batch, size_t len, int64_t now_ms)
{
    put_be16(batch + AT_ATTRIBUTES, get_be16(batch + AT_ATTRIBUTES) | BATCH_LOG_APPEND_TIME);
    put_be64(batch + AT_MAX_TIMESTAMP, (uint64_t)now_ms);
    put_be32(batch + AT_CRC, batch_crc(bytes_of(batch, len)));
}

void batch_header_write(uint8_t *batch, const struct batch_header *h)
{
    put_be64(batch + AT_BASE_OFFSET, (uint64_t)h->base_offset);
    put_be32(batch + AT_LENGTH, (uint32_t)(h->size - BATCH_OVERHEAD));
    put_be32(batch + AT_LEADER_EPOCH, (uint32_t)h->leader_epoch);
    batch[AT_MAGIC] = BATCH_MAGIC;
    put_be16(batch + AT_ATTRIBUTES, (uint16_t)h->attributes);
    put_be32(batch + AT_LAST_DELTA, (uint32_t)h->last_offset_delta);
    put_be64(batch + AT_BASE_TIMESTAMP, (uint64_t)h->base_timestamp);
    put_be64(batch + AT_MAX_TIMESTAMP, (uint64_t)h->max_timestamp);
    put_be64(batch + AT_PRODUCER_ID, (uint64_t)h->producer_id);
    put_be16(batch + AT_PRODUCER_EPOCH, (uint16_t)h->producer_epoch);
    put_be32(batch + AT_BASE_SEQUENCE, (uint32_t)h->base_sequence);
    put_be32(batch + AT_COUNT, (uint32_t)h->record_count);
    put_be32(batch + AT_CRC, batch_crc(bytes_of(batch, h->size)));
}
