/* header.c - frames and headers, written by hand because they decide how the rest is read. */
#include "wire/header.h"

#include "wire/varint.h"

#define API_VERSIONS 18
#define TAGS_MAX 64 /* in a header; clients send none */

static status take_number(struct bytes frame, size_t *at, uint32_t *ret)
{
    size_t n = uvarint_get(bytes_of(frame.data + *at, frame.len - *at), ret);
    if (n == 0) return FAIL(TRUNCATED);
    *at += n;
    return OK;
}

/* Steps over tagged fields: we know none in a header. */
static status skip_tags(struct bytes frame, size_t *at)
{
    uint32_t count, tag, size;
    TRY(take_number(frame, at, &count));
    if (count > TAGS_MAX) return FAIL(MALFORMED);
    for (; count > 0; count--) {
        TRY(take_number(frame, at, &tag));
        TRY(take_number(frame, at, &size));
        if (size > frame.len - *at) return FAIL(TRUNCATED);
        *at += size;
    }
    return OK;
}

status request_header_parse(struct bytes frame, struct request_header *ret_header,
                            size_t *ret_body_at)
{
    if (frame.len < 10) return FAIL(TRUNCATED);
    struct request_header h = {
        .api_key = (int16_t)get_be16(frame.data),
        .api_version = (int16_t)get_be16(frame.data + 2),
        .correlation_id = (int32_t)get_be32(frame.data + 4),
        .client_id = STR(""),
    };
    int16_t len = (int16_t)get_be16(frame.data + 8);
    size_t at = 10;
    if (len < -1) return FAIL(MALFORMED);
    if (len > 0) {
        if ((size_t)len > frame.len - at) return FAIL(TRUNCATED);
        h.client_id = (struct str){ (const char *)frame.data + at, (size_t)len };
        at += (size_t)len;
    }
    const struct wire_message *m = wire_request(h.api_key);
    if (m && wire_knows(m, h.api_version)) {
        h.request = m;
        h.response = wire_response(h.api_key);
        if (wire_flexible(m, h.api_version)) TRY(skip_tags(frame, &at));
    }
    *ret_header = h;
    *ret_body_at = at;
    return OK;
}

status request_header_put(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id,
                          struct str client_id)
{
    const struct wire_message *m = wire_request(api_key);
    if (!m || !wire_knows(m, version)) return FAIL(UNSUPPORTED_VERSION);
    if (client_id.len > INT16_MAX) return FAIL(INVALID);
    buf_put_be16(out, (uint16_t)api_key);
    buf_put_be16(out, (uint16_t)version);
    buf_put_be32(out, (uint32_t)correlation_id);
    buf_put_be16(out, client_id.data ? (uint16_t)client_id.len : UINT16_MAX);
    if (client_id.data) buf_put_str(out, client_id);
    if (wire_flexible(m, version)) buf_put(out, "\0", 1);
    return buf_check(out);
}

static bool has_tags(int16_t api_key, int16_t version)
{
    const struct wire_message *m = wire_response(api_key);
    return api_key != API_VERSIONS && m && wire_flexible(m, version);
}

void response_header_put(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id)
{
    buf_put_be32(out, (uint32_t)correlation_id);
    if (has_tags(api_key, version)) buf_put(out, "\0", 1);
}

status response_header_parse(struct bytes frame, int16_t api_key, int16_t version,
                             int32_t *ret_correlation_id, size_t *ret_body_at)
{
    if (frame.len < 4) return FAIL(TRUNCATED);
    size_t at = 4;
    if (has_tags(api_key, version)) TRY(skip_tags(frame, &at));
    *ret_correlation_id = (int32_t)get_be32(frame.data);
    *ret_body_at = at;
    return OK;
}

size_t frame_begin(struct buf *out)
{
    size_t begin = out->len;
    buf_put_be32(out, 0);
    return begin;
}

static status frame_end_with(struct buf *out, size_t begin, size_t more)
{
    TRY(buf_check(out));
    size_t size = out->len - begin - 4 + more;
    if (size > INT32_MAX) return FAIL(LIMIT);
    put_be32(out->data + begin, (uint32_t)size);
    return OK;
}

status frame_end(struct buf *out, size_t begin) { return frame_end_with(out, begin, 0); }

status response_frame_as(struct buf *out, const struct request_header *to, int16_t version,
                         const void *response)
{
    return response_frame_with_holes(out, to, version, response, NULL, NULL);
}

static size_t holes_size(const struct buf *holes)
{
    const struct wire_gap *gaps = holes ? (const void *)holes->data : NULL;
    size_t size = 0;
    for (size_t i = 0; holes && i < holes->len / sizeof *gaps; i++) size += gaps[i].len;
    return size;
}

status response_frame_with_holes(struct buf *out, const struct request_header *to, int16_t version,
                                 const void *response, struct buf *holes, bool *ret_error)
{
    const struct wire_message *m = wire_response(to->api_key);
    if (!m) return FAIL(UNSUPPORTED_VERSION);
    size_t begin = frame_begin(out);
    response_header_put(out, to->api_key, version, to->correlation_id);
    status result = wire_encode_with_holes(m, version, response, out, holes, ret_error);
    if (is_ok(result)) result = frame_end_with(out, begin, holes_size(holes));
    if (failed(result)) out->len = begin;
    return result;
}

status response_frame(struct buf *out, const struct request_header *to, const void *response)
{
    return response_frame_as(out, to, to->api_version, response);
}

status request_frame(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id,
                     struct str client_id, const void *request)
{
    size_t begin = frame_begin(out);
    status result = request_header_put(out, api_key, version, correlation_id, client_id);
    if (is_ok(result)) result = wire_encode(wire_request(api_key), version, request, out);
    if (is_ok(result)) result = frame_end(out, begin);
    if (failed(result)) out->len = begin;
    return result;
}
