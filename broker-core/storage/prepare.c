/* prepare.c - see prepare.h. */
#include "storage/prepare.h"

#include "storage/limits.h"
#include "storage/validate.h"

bool prepare_is_long(struct bytes batch, const struct log_config *config, int64_t now_ms)
{
    struct batch_header h;
    if (batch.len < PREPARE_INFLATE_LONG || failed(batch_header_peek(batch, &h))) return false;
    if (validate_must_inflate(&h, config, now_ms)) return true;
    return validate_must_recompress(&h, config) &&
           (batch_codec(&h) != CODEC_NONE || batch.len >= PREPARE_PACK_LONG);
}

static status pack(struct prepared *p, const struct log_config *config, struct append_result *result)
{
    status s = validate_recompress(bytes_of(p->batch, p->len), config, &p->packed, &p->header);
    if (s.code == E_INVALID_RECORD || s.code == E_LIMIT) return FAIL(INVALID_RECORD);
    if (failed(s)) {
        why_set(&result->why, "%s", status_text(s));
        return FAIL(KAFKA_STORAGE_ERROR);
    }
    p->batch = p->packed.data;
    p->len = p->packed.len;
    if ((int64_t)p->len <= config->max_message_bytes) return OK;
    why_set(&result->why, "In the codec of the topic the record batch has %zu bytes, max.message.bytes is "
                          "%lld.", p->len, (long long)config->max_message_bytes);
    return FAIL(MESSAGE_TOO_LARGE);
}

status prepare_batch(struct prepared *ret, uint8_t *batch, size_t len, const struct log_config *config,
                     enum append_origin origin, int64_t now_ms, struct append_result *ret_result)
{
    ret->batch = batch;
    ret->len = len;
    buf_init(&ret->packed, BATCH_STORED_MAX);
    *ret_result = (struct append_result){ .append_time_ms = -1 };
    TRY(validate_batch(batch, len, config, origin, now_ms, &ret->header, ret_result));
    return validate_must_recompress(&ret->header, config) ? pack(ret, config, ret_result) : OK;
}

void prepared_done(struct prepared *p) { buf_done(&p->packed); }
