/* header.h - what stands around a message: frame size, request header, response header.
 *
 * Frame: int32 size, header, body. The request header is v2 in flexible versions of the API and v1
 * otherwise; the response header v1 or v0, but always v0 for ApiVersions. */
#pragma once
#include "wire/codec.h"

struct request_header {
    int16_t api_key;
    int16_t api_version;
    int32_t correlation_id;
    struct str client_id; /* view into the frame; null is "" */
    /* Both NULL when the key or the version is not in the schema: the body cannot be read. */
    const struct wire_message *request;
    const struct wire_message *response;
};

/* `frame` is without its size. *ret_body_at is where the body begins (meaningless when
 * ret_header->request is NULL). TRUNCATED or MALFORMED. */
status request_header_parse(struct bytes frame, struct request_header *ret_header,
                            size_t *ret_body_at);
/* client_id null: written as null. The version must be known. */
status request_header_put(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id,
                          struct str client_id);

void response_header_put(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id);
status response_header_parse(struct bytes frame, int16_t api_key, int16_t version,
                             int32_t *ret_correlation_id, size_t *ret_body_at);

/* Leaves room for the size and returns where; frame_end fills it in. */
size_t frame_begin(struct buf *out);
status frame_end(struct buf *out, size_t begin); /* NO_MEMORY when the buffer failed */

/* Whole frames, ready for stream_send; on failure `out` is as before. */
status response_frame(struct buf *out, const struct request_header *to, const void *response);
/* The answer to an ApiVersions request of a version we do not know is a v0 body: this one takes the
 * version of the body apart from the header. */
status response_frame_as(struct buf *out, const struct request_header *to, int16_t version,
                         const void *response);
/* As above; holes and ret_error as of wire_encode_with_holes (NULL: none), and the frame's size counts
 * them. */
status response_frame_with_holes(struct buf *out, const struct request_header *to, int16_t version,
                                 const void *response, struct buf *holes, bool *ret_error);
status request_frame(struct buf *out, int16_t api_key, int16_t version, int32_t correlation_id,
                     struct str client_id, const void *request);
