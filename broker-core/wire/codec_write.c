/* codec_write.c - structs into bytes. The objects are our own; what can go wrong is a value that
 * the version cannot say, a length that its prefix cannot hold, and memory. */
#include "wire/codec_int.h"
#include "wire/varint.h"

struct out {
    struct buf *buf;
    int16_t version;
    bool flexible;
    struct buf *holes; /* NULL: there may be none */
    bool error;        /* an error code that is not 0 was written */
};

const uint8_t wire_hole[1] = { 0 };

static void put_uvarint(struct buf *buf, uint32_t v)
{
    uint8_t *p = buf_reserve(buf, UVARINT_MAX);
    if (p) buf->len += uvarint_write(p, v);
}

/* A length or count; -1 is null. */
static status put_length(struct out *out, bool compact, bool is_string, int64_t len)
{
    if (len > INT32_MAX) return FAIL(INVALID);
    if (compact) {
        put_uvarint(out->buf, (uint32_t)(len + 1));
    } else if (is_string) {
        if (len > INT16_MAX) return FAIL(INVALID);
        buf_put_be16(out->buf, (uint16_t)len);
    } else {
        buf_put_be32(out->buf, (uint32_t)len);
    }
    return OK;
}

static bool is_compact(const struct out *out, const struct wire_field *f)
{
    return out->flexible && !(f->flags & WIRE_CLASSIC);
}

static status write_hole(struct out *out, size_t len)
{
    struct wire_gap gap = { out->buf->len, len };
    if (!out->holes) return FAIL(INVALID);
    buf_put(out->holes, &gap, sizeof gap);
    return buf_check(out->holes);
}

static status write_text(struct out *out, const struct wire_field *f, bool may_be_null,
                         const uint8_t *at)
{
    const struct bytes *value = (const void *)at; /* struct str has the same form */
    bool is_null = !value->data && may_be_null;
    size_t len = value->data ? value->len : 0;
    if (len > INT32_MAX) return FAIL(INVALID);
    TRY(put_length(out, is_compact(out, f), f->type == WIRE_STRING, is_null ? -1 : (int64_t)len));
    if (value->data == wire_hole) return write_hole(out, len);
    if (len) buf_put(out->buf, value->data, len);
    return OK;
}

static void write_number(struct buf *buf, enum wire_type type, const uint8_t *at)
{
    uint64_t bits;
    switch (type) {
    case WIRE_BOOL: buf_put(buf, *(const bool *)at ? "\1" : "\0", 1); break;
    case WIRE_INT8: buf_put(buf, at, 1); break;
    case WIRE_INT16:
    case WIRE_UINT16: buf_put_be16(buf, *(const uint16_t *)(const void *)at); break;
    case WIRE_INT32:
    case WIRE_UINT32: buf_put_be32(buf, *(const uint32_t *)(const void *)at); break;
    case WIRE_INT64:
    case WIRE_FLOAT64:
        memcpy(&bits, at, sizeof bits);
        buf_put_be64(buf, bits);
        break;
    default: buf_put(buf, at, 16); break; /* WIRE_UUID */
    }
}

static status write_struct(struct out *out, const struct wire_struct *s, const uint8_t *object,
                           int depth);

static status write_value(struct out *out, const struct wire_field *f, bool may_be_null,
                          const uint8_t *at, int depth)
{
    if (f->type == WIRE_STRING || f->type == WIRE_BYTES) return write_text(out, f, may_be_null, at);
    if (f->type == WIRE_STRUCT) return write_struct(out, &wire_structs[f->of], at, depth + 1);
    if (f->flags & WIRE_ERROR_CODE && *(const int16_t *)(const void *)at) out->error = true;
    write_number(out->buf, (enum wire_type)f->type, at);
    return OK;
}

static status write_array(struct out *out, const struct wire_field *f, const uint8_t *object,
                          int depth)
{
    int32_t count = *(const int32_t *)(const void *)(object + f->count_at);
    const uint8_t *items = *(const uint8_t *const *)(const void *)(object + f->at);
    if (count < 0) count = wire_in(f->null, out->version) ? -1 : 0;
    TRY(put_length(out, is_compact(out, f), false, count));
    size_t size = wire_element_size(f);
    for (int32_t i = 0; i < count; i++) {
        TRY(write_value(out, f, false, items + (size_t)i * size, depth));
    }
    return OK;
}

static status write_nullable_struct(struct out *out, const struct wire_field *f, const uint8_t *at,
                                    int depth)
{
    const uint8_t *value = *(const uint8_t *const *)(const void *)at;
    if (wire_in(f->null, out->version)) {
        /* Kafka: a signed byte in its place, an unsigned number as a tagged field. */
        bool tagged = out->flexible && wire_in(f->tagged, out->version);
        buf_put(out->buf, value ? "\1" : tagged ? "\0" : "\xff", 1);
        if (!value) return OK;
    } else if (!value) {
        return FAIL(INVALID);
    }
    return write_struct(out, &wire_structs[f->of], value, depth + 1);
}

static status write_field(struct out *out, const struct wire_field *f, const uint8_t *object,
                          int depth)
{
    if (f->flags & WIRE_ARRAY) return write_array(out, f, object, depth);
    if (f->flags & WIRE_POINTER) return write_nullable_struct(out, f, object + f->at, depth);
    return write_value(out, f, wire_in(f->null, out->version), object + f->at, depth);
}

static bool is_default(const struct out *out, const struct wire_field *f, const uint8_t *object);

static bool is_default_struct(const struct out *out, const struct wire_struct *s,
                              const uint8_t *object)
{
    for (int i = 0; i < s->field_count; i++) {
        if (!is_default(out, &wire_fields[s->first + i], object)) return false;
    }
    return true;
}

static bool is_default_text(const struct out *out, const struct wire_field *f, const uint8_t *at)
{
    const struct bytes *value = (const void *)at;
    if (f->flags & WIRE_DEFAULT_NULL) return !value->data;
    if (!value->data) return !wire_in(f->null, out->version); /* will be written as empty */
    return value->len == 0;
}

static bool is_default(const struct out *out, const struct wire_field *f, const uint8_t *object)
{
    static const struct uuid zero;
    const uint8_t *at = object + f->at;
    if (f->flags & WIRE_POINTER) {
        const uint8_t *value = *(const uint8_t *const *)(const void *)at;
        bool null = (f->flags & WIRE_DEFAULT_NULL) || !wire_in(f->tagged, out->version);
        if (null || value == NULL) return null && value == NULL;
        return is_default_struct(out, &wire_structs[f->of], value);
    }
    if (f->flags & WIRE_ARRAY) {
        int32_t count = *(const int32_t *)(const void *)(object + f->count_at);
        if (f->flags & WIRE_DEFAULT_NULL) return count < 0;
        return count == 0 || (count < 0 && !wire_in(f->null, out->version));
    }
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL: return *(const bool *)at == (f->default_number != 0);
    case WIRE_INT8: return *(const int8_t *)at == f->default_number;
    case WIRE_INT16: return *(const int16_t *)(const void *)at == f->default_number;
    case WIRE_UINT16: return *(const uint16_t *)(const void *)at == f->default_number;
    case WIRE_INT32: return *(const int32_t *)(const void *)at == f->default_number;
    case WIRE_UINT32: return *(const uint32_t *)(const void *)at == f->default_number;
    case WIRE_INT64: return *(const int64_t *)(const void *)at == f->default_number;
    case WIRE_FLOAT64: return *(const double *)(const void *)at == (double)f->default_number;
    case WIRE_STRING:
    case WIRE_BYTES: return is_default_text(out, f, at);
    case WIRE_UUID: return memcmp(at, &zero, sizeof zero) == 0;
    case WIRE_STRUCT: return is_default_struct(out, &wire_structs[f->of], at);
    }
    return true;
}

/* The size of a tagged value stands before it: one byte is kept free, and more room is made in the
 * rare case that the size needs it. */
static status write_tagged_value(struct out *out, const struct wire_field *f, const uint8_t *object,
                                 int depth)
{
    struct buf *buf = out->buf;
    put_uvarint(buf, f->tag);
    size_t size_at = buf->len;
    if (!buf_extend(buf, 1)) return FAIL(NO_MEMORY);
    TRY(write_field(out, f, object, depth));
    TRY(buf_check(buf));
    uint8_t prefix[UVARINT_MAX];
    size_t size = buf->len - size_at - 1;
    size_t n = uvarint_write(prefix, (uint32_t)size);
    if (n > 1) {
        if (!buf_extend(buf, n - 1)) return FAIL(NO_MEMORY);
        memmove(buf->data + size_at + n, buf->data + size_at + 1, size);
    }
    memcpy(buf->data + size_at, prefix, n);
    return OK;
}

static const struct wire_field *tag_to_write(const struct out *out, const struct wire_struct *s,
                                             uint16_t tag, const uint8_t *object)
{
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &wire_fields[s->first + i];
        if (f->tag != tag || !wire_in(f->tagged, out->version)) continue;
        if (!wire_in(f->in, out->version) || is_default(out, f, object)) continue;
        return f;
    }
    return NULL;
}

static status write_tagged(struct out *out, const struct wire_struct *s, const uint8_t *object,
                           int depth)
{
    uint32_t count = 0;
    for (uint16_t tag = 0; tag < s->tag_count; tag++) {
        if (tag_to_write(out, s, tag, object)) count++;
    }
    put_uvarint(out->buf, count);
    for (uint16_t tag = 0; count > 0 && tag < s->tag_count; tag++) {
        const struct wire_field *f = tag_to_write(out, s, tag, object);
        if (f) TRY(write_tagged_value(out, f, object, depth));
    }
    return OK;
}

static status write_struct(struct out *out, const struct wire_struct *s, const uint8_t *object,
                           int depth)
{
    if (depth > WIRE_DEPTH_MAX) return FAIL(LIMIT);
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &wire_fields[s->first + i];
        if (!wire_in(f->in, out->version)) {
            if (f->flags & WIRE_IGNORABLE || is_default(out, f, object)) continue;
            return FAIL(UNSUPPORTED_VERSION);
        }
        if (out->flexible && wire_in(f->tagged, out->version)) continue;
        TRY(write_field(out, f, object, depth));
    }
    return out->flexible ? write_tagged(out, s, object, depth) : OK;
}

status wire_encode(const struct wire_message *m, int16_t version, const void *object,
                   struct buf *out)
{
    return wire_encode_with_holes(m, version, object, out, NULL, NULL);
}

status wire_encode_with_holes(const struct wire_message *m, int16_t version, const void *object,
                              struct buf *out, struct buf *holes, bool *ret_error)
{
    if (!wire_knows(m, version)) return FAIL(UNSUPPORTED_VERSION);
    struct out writer = { out, version, wire_flexible(m, version), holes, false };
    size_t before = out->len;
    status result = write_struct(&writer, wire_body(m), object, 0);
    if (is_ok(result)) result = buf_check(out);
    if (failed(result)) out->len = before;
    if (ret_error) *ret_error = writer.error;
    return result;
}
