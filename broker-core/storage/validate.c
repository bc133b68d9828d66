/* validate.c - what a batch must satisfy to become part of a log. Loop thread; no state.
 *
 * The order of the checks is Kafka's (ProduceRequest.validateRecords, UnifiedLog.
 * analyzeAndValidateRecords, LogValidator), since clients see which error comes first. Compressed
 * records are looked into only where a rule needs it: keys of a compacted topic, timestamps where
 * message.timestamp.before.max.ms is set, or where the header's greatest one is too late. Otherwise
 * the header is believed, and nothing that clients send is inflated. */
#include "storage/validate.h"

#include "storage/limits.h"

#define RECORD_SIZE_MIN 7u /* length, attributes, two deltas, no key, no value, no headers */

static status invalid(struct append_result *r, const char *text)
{
    why_set(&r->why, "%s", text);
    return FAIL(INVALID_RECORD);
}

/* One batch of format 2, whole, and nothing behind it. */
static status validate_shape(struct bytes in, struct batch_header *ret_header,
                             struct append_result *r)
{
    status s = batch_header_peek(in, ret_header);
    if (s.code == E_UNSUPPORTED_FOR_MESSAGE_FORMAT)
        return invalid(r, "Record batches must have magic version 2.");
    if (s.code == E_TRUNCATED) {
        why_set(&r->why, "The record batch ends within its header.");
        return FAIL(CORRUPT_MESSAGE);
    }
    TRY(s);
    if (ret_header->size > in.len) {
        why_set(&r->why, "The record batch is shorter than its length says.");
        return FAIL(CORRUPT_MESSAGE);
    }
    if (ret_header->size < in.len)
        return invalid(r, "There must be exactly one record batch for each partition.");
    return OK;
}

static status validate_client_header(const struct batch_header *h, const struct log_config *config,
                                     struct append_result *r)
{
    if (h->base_offset != 0) return invalid(r, "The base offset of a batch must be 0.");
    if (h->attributes & BATCH_CONTROL)
        return invalid(r, "Clients may not write control batches.");
    if (h->record_count <= 0) return invalid(r, "The batch has no records.");
    if (h->last_offset_delta + 1LL != h->record_count)
        return invalid(r, "The record count does not match the last offset delta.");
    if ((uint32_t)h->record_count > BATCH_PLAIN_MAX / RECORD_SIZE_MIN)
        return invalid(r, "The batch claims more records than a batch can hold.");
    if (h->producer_id >= 0 && (h->base_sequence < 0 || h->producer_epoch < 0))
        return invalid(r, "A batch with a producer id needs an epoch and a sequence.");
    if (h->attributes & BATCH_DELETE_HORIZON)
        return invalid(r, "Clients may not set a delete horizon.");
    if (h->attributes & BATCH_TRANSACTIONAL && h->producer_id < 0)
        return invalid(r, "A transactional batch needs a producer id.");
    if (h->attributes & BATCH_LOG_APPEND_TIME && !config->log_append_time) {
        why_set(&r->why, "Clients may not set the timestamp type LogAppendTime.");
        return FAIL(INVALID_TIMESTAMP);
    }
    return OK;
}

static bool timestamp_ok(int64_t ts, const struct log_config *config, int64_t now_ms)
{
    if (ts < 0) return ts == -1;
    if (ts <= now_ms) return now_ms - ts <= config->timestamp_before_max_ms;
    return ts - now_ms <= config->timestamp_after_max_ms;
}

void record_error_explain(const struct record_error *e, struct why *why)
{
    switch (e->fault) {
    case RECORD_WITHOUT_KEY:
        why_set(why, "Compacted topic cannot accept message without key: record %d has none.", e->index);
        break;
    case RECORD_OFFSET:
        why_set(why, "Offsets within the batch are not consecutive at record %d.", e->index);
        break;
    case RECORD_TIMESTAMP:
        why_set(why, "Timestamp %lld of record %d is out of range. The timestamp should be within "
                     "[%lld, %lld].", (long long)e->timestamp, e->index, (long long)e->earliest,
                (long long)e->latest);
        break;
    case RECORD_UNREADABLE: why_set(why, "Record %d of the batch cannot be read.", e->index); break;
    }
}

struct walk { /* over the records of a client's batch */
    const struct log_config *config;
    struct append_result *result;
    bool times;     /* are timestamps bounded? */
    bool bad_times; /* some are out of bounds */
    int64_t now_ms, max;
    int32_t index;
};

static void blame(struct walk *w, enum record_fault fault, int64_t timestamp)
{
    const struct log_config *c = w->config;
    struct append_result *r = w->result;
    bool always = c->timestamp_before_max_ms > w->now_ms;
    if (r->bad_count < RECORD_ERRORS_MAX)
        r->bad[r->bad_count] = (struct record_error){
            .index = w->index, .fault = fault, .timestamp = timestamp,
            .earliest = always ? 0 : w->now_ms - c->timestamp_before_max_ms,
            .latest = c->timestamp_after_max_ms > INT64_MAX - w->now_ms
                          ? INT64_MAX : w->now_ms + c->timestamp_after_max_ms,
        };
    r->bad_count++;
    if (fault == RECORD_TIMESTAMP) w->bad_times = true;
}

static void walk_record(struct walk *w, const struct record *record, int64_t base)
{
    if (record->offset - base != w->index) blame(w, RECORD_OFFSET, 0);
    else if (w->config->cleanup_compact && !record->key.data) blame(w, RECORD_WITHOUT_KEY, 0);
    else if (w->times && !timestamp_ok(record->timestamp, w->config, w->now_ms))
        blame(w, RECORD_TIMESTAMP, record->timestamp);
    if (record->timestamp > w->max) w->max = record->timestamp;
    w->index++;
}

/* As Kafka does, one bad timestamp decides the error of the whole batch. */
static status walk_verdict(const struct walk *w)
{
    struct append_result *r = w->result;
    struct why first;
    if (r->bad_count == 0) return OK;
    record_error_explain(&r->bad[0], &first);
    if (r->bad_count == 1) r->why = first;
    else why_set(&r->why, "%d records of the batch were refused; the first: %s", r->bad_count, first.text);
    return w->bad_times ? FAIL(INVALID_TIMESTAMP) : FAIL(INVALID_RECORD);
}

/* Walks the records: framing, dense offsets, keys, timestamps; the true max timestamp is in w. */
static status validate_records(struct bytes batch, struct walk *w)
{
    struct batch_reader reader;
    struct record record;
    TRY(batch_reader_init(&reader, batch, BATCH_PLAIN_MAX));
    while (batch_reader_next(&reader, &record)) walk_record(w, &record, reader.header.base_offset);
    status s = batch_reader_result(&reader);
    batch_reader_done(&reader);
    if (is_ok(s)) return walk_verdict(w);
    w->result->bad_count = 0;
    blame(w, RECORD_UNREADABLE, 0);
    status verdict = walk_verdict(w);
    return s.code == E_CORRUPT_MESSAGE ? verdict : s.code == E_LIMIT ? FAIL(MESSAGE_TOO_LARGE) : s;
}

bool validate_must_inflate(const struct batch_header *h, const struct log_config *config,
                           int64_t now_ms)
{
    if (batch_codec(h) == CODEC_NONE) return false;
    if (config->cleanup_compact) return true;
    return !config->log_append_time && (config->timestamp_before_max_ms != INT64_MAX ||
                                        !timestamp_ok(h->max_timestamp, config, now_ms));
}

static status validate_client(struct bytes in, const struct log_config *config, int64_t now_ms,
                              const struct batch_header *h, int64_t *ret_max,
                              struct append_result *r)
{
    TRY(validate_client_header(h, config, r));
    struct walk w = { .config = config, .result = r, .times = !config->log_append_time,
                      .now_ms = now_ms, .max = -1 };
    *ret_max = h->max_timestamp;
    if (batch_codec(h) != CODEC_NONE && !validate_must_inflate(h, config, now_ms)) return OK;
    TRY(validate_records(in, &w));
    *ret_max = w.max;
    return OK;
}

/* Kafka, too, corrects a max timestamp that the records do not bear out: indexes rely on it. */
static void set_max_timestamp(uint8_t *batch, size_t len, int64_t max)
{
    put_be64(batch + 35, (uint64_t)max);
    put_be32(batch + 17, batch_crc(bytes_of(batch, len)));
}

bool validate_must_recompress(const struct batch_header *h, const struct log_config *config)
{
    return config->compression >= 0 && (int)batch_codec(h) != config->compression &&
           !(h->attributes & BATCH_CONTROL);
}

static int level_of(const struct log_config *config)
{
    switch (config->compression) {
    case CODEC_GZIP: return config->gzip_level;
    case CODEC_LZ4: return config->lz4_level;
    case CODEC_ZSTD: return config->zstd_level;
    default: return COMPRESS_LEVEL_DEFAULT;
    }
}

static status copy_records(struct bytes batch, struct batch_builder *builder)
{
    struct batch_reader reader;
    struct record record;
    TRY(batch_reader_init(&reader, batch, BATCH_PLAIN_MAX));
    status s = OK;
    while (is_ok(s) && batch_reader_next(&reader, &record))
        s = batch_builder_add_record(builder, &record);
    if (is_ok(s)) s = batch_reader_result(&reader);
    batch_reader_done(&reader);
    return s.code == E_CORRUPT_MESSAGE ? FAIL(INVALID_RECORD) : s;
}

status validate_recompress(struct bytes batch, const struct log_config *config, struct buf *out,
                           struct batch_header *ret_header)
{
    struct batch_header h;
    struct batch_builder builder;
    TRY(batch_header_peek(batch, &h));
    struct batch_options options = batch_options_default;
    options.codec = (enum codec)config->compression;
    options.level = level_of(config);
    options.attributes = (int16_t)(h.attributes & ~BATCH_CODEC_MASK);
    options.producer_id = h.producer_id;
    options.producer_epoch = h.producer_epoch;
    options.base_sequence = h.base_sequence;
    options.max = BATCH_PLAIN_MAX;
    batch_builder_init(&builder, &options);
    status s = copy_records(batch, &builder);
    if (is_ok(s)) s = batch_builder_finish(&builder, out);
    batch_builder_done(&builder);
    TRY(s);
    if (h.attributes & BATCH_LOG_APPEND_TIME)
        batch_set_append_time(out->data, out->len, h.max_timestamp);
    return batch_header_peek(buf_bytes(out), ret_header);
}

status validate_batch(uint8_t *batch, size_t len, const struct log_config *config,
                      enum append_origin origin, int64_t now_ms, struct batch_header *ret_header,
                      struct append_result *result)
{
    struct bytes in = { batch, len };
    struct batch_header h;
    int64_t max = 0;
    TRY(validate_shape(in, &h, result));
    if (origin != APPEND_COORDINATOR && (int64_t)len > config->max_message_bytes) {
        why_set(&result->why, "The record batch has %zu bytes, max.message.bytes is %lld.", len,
                (long long)config->max_message_bytes);
        return FAIL(MESSAGE_TOO_LARGE);
    }
    if (len > BATCH_STORED_MAX) return FAIL(MESSAGE_TOO_LARGE);
    TRY(batch_check_crc(in));
    if (origin != APPEND_COORDINATOR) {
        TRY(validate_client(in, config, now_ms, &h, &max, result));
    } else {
        if (h.record_count <= 0) return invalid(result, "The batch has no records.");
        max = h.max_timestamp;
    }
    if (config->log_append_time) {
        batch_set_append_time(batch, len, now_ms);
        result->append_time_ms = now_ms;
    } else if (max != h.max_timestamp) {
        set_max_timestamp(batch, len, max);
    }
    return batch_header_peek(in, ret_header);
}
