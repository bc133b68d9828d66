/* batch_build.c - making record batches: for our own topics, the client, and rewriting. */
#include "wire/batch.h"
#include "wire/varint.h"

const struct batch_options batch_options_default = {
    .codec = CODEC_NONE,
    .level = COMPRESS_LEVEL_DEFAULT,
    .leader_epoch = -1,
    .producer_id = -1,
    .producer_epoch = -1,
    .base_sequence = -1,
    .max = 64u << 20,
};

static void start(struct batch_builder *b)
{
    buf_clear(&b->out);
    b->base_timestamp = b->max_timestamp = -1;
    b->count = 0;
    b->last_delta = -1;
}

void batch_builder_init(struct batch_builder *b, const struct batch_options *options)
{
    *b = (struct batch_builder){ .options = options ? *options : batch_options_default };
    buf_init(&b->out, b->options.max);
    start(b);
}

void batch_builder_done(struct batch_builder *b) { buf_done(&b->out); }

static size_t text_size(struct bytes v)
{
    return varint_size(v.data ? (int64_t)v.len : -1) + (v.data ? v.len : 0);
}

static uint8_t *put_text(uint8_t *p, struct bytes v)
{
    p += varint_write(p, v.data ? (int64_t)v.len : -1);
    if (v.data && v.len) {
        memcpy(p, v.data, v.len);
        p += v.len;
    }
    return p;
}

/* The room for one record, with everything in it up to the header count. */
static status put_record(struct batch_builder *b, const struct record *record,
                         uint8_t **ret_headers)
{
    int64_t delta = record->offset - b->options.base_offset;
    if (record->offset < b->options.base_offset) return FAIL(INVALID);
    if (delta <= b->last_delta || delta > INT32_MAX - 1) return FAIL(INVALID);
    if (record->key.len > INT32_MAX || record->value.len > INT32_MAX) return FAIL(LIMIT);
    bool first = b->count == 0;
    bool horizon = b->options.attributes & BATCH_DELETE_HORIZON;
    int64_t from = horizon ? b->options.delete_horizon : record->timestamp;
    int64_t base = first ? from : b->base_timestamp;
    int64_t time_delta;
    if (__builtin_sub_overflow(record->timestamp, base, &time_delta)) return FAIL(INVALID);
    size_t size = 1 + varint_size(time_delta) + varint_size(delta) + text_size(record->key) +
                  text_size(record->value) + varint_size(record->header_count) +
                  record->headers.len;
    size_t before = b->out.len ? b->out.len : BATCH_HEADER_SIZE;
    size_t need = varint_size((int64_t)size) + size;
    if (before > b->options.max || need > b->options.max - before) return FAIL(LIMIT);
    if (b->out.len == 0 && !buf_extend(&b->out, BATCH_HEADER_SIZE)) return FAIL(NO_MEMORY);
    uint8_t *p = buf_extend(&b->out, need);
    if (!p) return FAIL(NO_MEMORY);
    p += varint_write(p, (int64_t)size);
    *p++ = 0;
    p += varint_write(p, time_delta);
    p += varint_write(p, delta);
    p = put_text(p, record->key);
    p = put_text(p, record->value);
    p += varint_write(p, record->header_count);
    *ret_headers = p;
    b->base_timestamp = base;
    if (first || record->timestamp > b->max_timestamp) b->max_timestamp = record->timestamp;
    b->last_delta = (int32_t)delta;
    b->count++;
    return OK;
}

status batch_builder_add_record(struct batch_builder *b, const struct record *record)
{
    uint8_t *headers;
    TRY(put_record(b, record, &headers));
    if (record->headers.len) memcpy(headers, record->headers.data, record->headers.len);
    return OK;
}

status batch_builder_add(struct batch_builder *b, int64_t timestamp, struct bytes key,
                         struct bytes value, const struct record_header *headers, int count)
{
    struct record record = { .offset = b->options.base_offset + b->last_delta + 1,
                             .timestamp = timestamp,
                             .key = key,
                             .value = value,
                             .header_count = count };
    for (int i = 0; i < count; i++) {
        if (headers[i].key.len > INT32_MAX || headers[i].value.len > INT32_MAX) return FAIL(LIMIT);
        struct bytes name = headers[i].key.data ? str_bytes(headers[i].key) : bytes_of("", 0);
        record.headers.len += text_size(name) + text_size(headers[i].value);
    }
    uint8_t *p;
    TRY(put_record(b, &record, &p));
    for (int i = 0; i < count; i++) {
        struct bytes name = headers[i].key.data ? str_bytes(headers[i].key) : bytes_of("", 0);
        p = put_text(p, name);
        p = put_text(p, headers[i].value);
    }
    return OK;
}

size_t batch_builder_size(const struct batch_builder *b)
{
    return b->out.len ? b->out.len : BATCH_HEADER_SIZE;
}

void batch_builder_keep_last_offset(struct batch_builder *b, int64_t last_offset)
{
    int64_t delta = last_offset - b->options.base_offset;
    if (delta > b->last_delta && delta < INT32_MAX) b->last_delta = (int32_t)delta;
}

static status put_batch(struct batch_builder *b, struct buf *out)
{
    if (b->out.len == 0 && !buf_extend(&b->out, BATCH_HEADER_SIZE)) return FAIL(NO_MEMORY);
    enum codec codec = b->options.codec;
    if (codec == CODEC_NONE || b->count == 0) {
        buf_put(out, b->out.data, b->out.len);
        return buf_check(out);
    }
    struct bytes plain = { b->out.data + BATCH_HEADER_SIZE, b->out.len - BATCH_HEADER_SIZE };
    if (!buf_extend(out, BATCH_HEADER_SIZE)) return FAIL(NO_MEMORY);
    return compress_pack(codec, b->options.level, plain, out);
}

status batch_builder_finish(struct batch_builder *b, struct buf *out)
{
    if (b->last_delta < 0) return FAIL(INVALID);
    size_t begin = out->len;
    status result = put_batch(b, out);
    if (is_ok(result) && out->len - begin > INT32_MAX) result = FAIL(LIMIT);
    if (failed(result)) {
        if (!out->failed) out->len = begin;
        return result;
    }
    struct batch_header h = {
        .base_offset = b->options.base_offset,
        .leader_epoch = b->options.leader_epoch,
        .attributes = (int16_t)((b->options.attributes & ~BATCH_CODEC_MASK) |
                                (b->count ? (int)b->options.codec : 0)),
        .last_offset_delta = b->last_delta,
        .base_timestamp = b->base_timestamp,
        .max_timestamp = b->max_timestamp,
        .producer_id = b->options.producer_id,
        .producer_epoch = b->options.producer_epoch,
        .base_sequence = b->options.base_sequence,
        .record_count = b->count,
        .size = out->len - begin,
    };
    batch_header_write(out->data + begin, &h);
    start(b);
    return OK;
}

status batch_put_marker(struct buf *out, enum control_type type, int64_t producer_id,
                        int16_t producer_epoch, int32_t coordinator_epoch, int64_t timestamp)
{
    uint8_t key[4] = { 0 }, value[6] = { 0 }; /* both begin with version 0 */
    put_be16(key + 2, (uint16_t)type);
    put_be32(value + 2, (uint32_t)coordinator_epoch);
    struct batch_options options = batch_options_default;
    options.attributes = BATCH_TRANSACTIONAL | BATCH_CONTROL;
    options.producer_id = producer_id;
    options.producer_epoch = producer_epoch;
    struct batch_builder b;
    batch_builder_init(&b, &options);
    status result = batch_builder_add(&b, timestamp, bytes_of(key, sizeof key),
                                      bytes_of(value, sizeof value), NULL, 0);
    if (is_ok(result)) result = batch_builder_finish(&b, out);
    batch_builder_done(&b);
    return result;
}
