/* codec_read.c - bytes into structs. The input is hostile: every length is compared with what is
 * left before it is believed, and an array is allocated only if its elements could be there. */
#include "wire/codec_int.h"
#include "wire/varint.h"

struct in {
    const uint8_t *p;
    const uint8_t *end;
    struct arena *arena;
    int16_t version;
    bool flexible;
};

static size_t left(const struct in *in) { return (size_t)(in->end - in->p); }

static status take(struct in *in, size_t n, const uint8_t **ret)
{
    if (n > left(in)) return FAIL(TRUNCATED);
    *ret = in->p;
    in->p += n;
    return OK;
}

static status take_uvarint(struct in *in, uint32_t *ret)
{
    size_t n = uvarint_get(bytes_of(in->p, left(in)), ret);
    if (n == 0) return left(in) < UVARINT_MAX ? FAIL(TRUNCATED) : FAIL(MALFORMED);
    in->p += n;
    return OK;
}

/* The length of a string, bytes or array; -1 for null. */
static status take_length(struct in *in, const struct wire_field *f, bool may_be_null,
                          int64_t *ret)
{
    const uint8_t *p;
    int64_t len;
    if (in->flexible && !(f->flags & WIRE_CLASSIC)) {
        uint32_t v;
        TRY(take_uvarint(in, &v));
        len = (int64_t)v - 1;
    } else if (f->type == WIRE_STRING && !(f->flags & WIRE_ARRAY)) {
        TRY(take(in, 2, &p));
        len = (int16_t)get_be16(p);
    } else {
        TRY(take(in, 4, &p));
        len = (int32_t)get_be32(p);
    }
    if (len < -1 || (len == -1 && !may_be_null)) return FAIL(MALFORMED);
    *ret = len;
    return OK;
}

/* Strings within an array have the length of a string, not of an array. */
static status take_text_length(struct in *in, const struct wire_field *f, bool may_be_null,
                               int64_t *ret)
{
    struct wire_field one = { .type = f->type, .flags = f->flags & WIRE_CLASSIC };
    return take_length(in, &one, may_be_null, ret);
}

static status read_text(struct in *in, const struct wire_field *f, bool may_be_null, uint8_t *at)
{
    int64_t len;
    TRY(take_text_length(in, f, may_be_null, &len));
    struct bytes *value = (void *)at; /* struct str has the same form */
    if (len < 0) {
        *value = BYTES_NULL;
        return OK;
    }
    const uint8_t *p;
    TRY(take(in, (size_t)len, &p));
    *value = bytes_of(p, (size_t)len);
    return OK;
}

static double to_double(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static status read_number(struct in *in, enum wire_type type, uint8_t *at)
{
    static const uint8_t sizes[] = {
        [WIRE_BOOL] = 1,  [WIRE_INT8] = 1,   [WIRE_INT16] = 2,
        [WIRE_UINT16] = 2, [WIRE_INT32] = 4, [WIRE_UINT32] = 4,
        [WIRE_INT64] = 8, [WIRE_FLOAT64] = 8, [WIRE_UUID] = 16,
    };
    const uint8_t *p;
    TRY(take(in, sizes[type], &p));
    switch (type) {
    case WIRE_BOOL: *(bool *)at = *p != 0; break;
    case WIRE_INT8: *at = *p; break;
    case WIRE_INT16:
    case WIRE_UINT16: *(uint16_t *)(void *)at = get_be16(p); break;
    case WIRE_INT32:
    case WIRE_UINT32: *(uint32_t *)(void *)at = get_be32(p); break;
    case WIRE_INT64: *(uint64_t *)(void *)at = get_be64(p); break;
    case WIRE_FLOAT64: *(double *)(void *)at = to_double(get_be64(p)); break;
    case WIRE_UUID: memcpy(at, p, 16); break;
    default: return FAIL(MALFORMED);
    }
    return OK;
}

static status read_struct(struct in *in, const struct wire_struct *s, void *object, int depth);

static status read_value(struct in *in, const struct wire_field *f, bool may_be_null, uint8_t *at,
                         int depth)
{
    if (f->type == WIRE_STRING || f->type == WIRE_BYTES) return read_text(in, f, may_be_null, at);
    if (f->type != WIRE_STRUCT) return read_number(in, (enum wire_type)f->type, at);
    return read_struct(in, &wire_structs[f->of], at, depth + 1);
}

/* Least number of bytes one element can have on the wire: a bound for counts. */
static size_t least_size(const struct in *in, const struct wire_field *f)
{
    static const uint8_t least[] = {
        [WIRE_BOOL] = 1,  [WIRE_INT8] = 1,   [WIRE_INT16] = 2,
        [WIRE_UINT16] = 2, [WIRE_INT32] = 4, [WIRE_UINT32] = 4,
        [WIRE_INT64] = 8, [WIRE_FLOAT64] = 8, [WIRE_UUID] = 16,
        [WIRE_STRING] = 1, [WIRE_BYTES] = 1,
    };
    if (f->type != WIRE_STRUCT) return least[f->type];
    const struct wire_struct *s = &wire_structs[f->of];
    size_t sum = in->flexible ? 1 : 0;
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *g = &wire_fields[s->first + i];
        if (!wire_in(g->in, in->version)) continue;
        if (in->flexible && wire_in(g->tagged, in->version)) continue;
        bool plain = g->type != WIRE_STRUCT && !(g->flags & WIRE_ARRAY);
        sum += plain ? least[g->type] : 1;
    }
    return sum ? sum : 1;
}

static status read_array(struct in *in, const struct wire_field *f, uint8_t *object, int depth)
{
    int64_t count;
    TRY(take_length(in, f, wire_in(f->null, in->version), &count));
    *(int32_t *)(void *)(object + f->count_at) = (int32_t)count;
    *(void **)(void *)(object + f->at) = NULL;
    if (count <= 0) return OK;
    if ((uint64_t)count > left(in) / least_size(in, f)) return FAIL(TRUNCATED);
    size_t size = wire_element_size(f);
    uint8_t *items = arena_array(in->arena, (size_t)count, size);
    if (!items) return FAIL(NO_MEMORY);
    *(void **)(void *)(object + f->at) = items;
    for (int64_t i = 0; i < count; i++, items += size) {
        if (f->type == WIRE_STRUCT) wire_default_struct(&wire_structs[f->of], items);
        TRY(read_value(in, f, false, items, depth));
    }
    return OK;
}

static status read_nullable_struct(struct in *in, const struct wire_field *f, uint8_t *at,
                                   int depth)
{
    if (wire_in(f->null, in->version)) {
        const uint8_t *there;
        TRY(take(in, 1, &there));
        bool tagged = in->flexible && wire_in(f->tagged, in->version);
        if ((int8_t)*there < (tagged ? 1 : 0)) {
            *(void **)(void *)at = NULL;
            return OK;
        }
    }
    const struct wire_struct *s = &wire_structs[f->of];
    void *value = arena_alloc(in->arena, s->size);
    if (!value) return FAIL(NO_MEMORY);
    wire_default_struct(s, value);
    *(void **)(void *)at = value;
    return read_struct(in, s, value, depth + 1);
}

static status read_field(struct in *in, const struct wire_field *f, uint8_t *object, int depth)
{
    if (f->flags & WIRE_ARRAY) return read_array(in, f, object, depth);
    if (f->flags & WIRE_POINTER) return read_nullable_struct(in, f, object + f->at, depth);
    return read_value(in, f, wire_in(f->null, in->version), object + f->at, depth);
}

static const struct wire_field *find_tag(const struct wire_struct *s, int16_t version, uint32_t tag)
{
    if (tag >= s->tag_count) return NULL;
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &wire_fields[s->first + i];
        if (f->tag == tag && wire_in(f->tagged, version) && wire_in(f->in, version)) return f;
    }
    return NULL;
}

static status read_tagged(struct in *in, const struct wire_struct *s, uint8_t *object, int depth)
{
    uint32_t count, tag, size;
    TRY(take_uvarint(in, &count));
    for (int64_t last = -1; count > 0; count--, last = tag) {
        TRY(take_uvarint(in, &tag));
        TRY(take_uvarint(in, &size));
        if ((int64_t)tag <= last) return FAIL(MALFORMED); /* each once, in order */
        if (size > left(in)) return FAIL(TRUNCATED);
        const struct wire_field *f = find_tag(s, in->version, tag);
        if (!f) {
            in->p += size;
            continue;
        }
        struct in value = *in;
        value.end = in->p + size;
        status result = read_field(&value, f, object, depth);
        if (result.code == E_TRUNCATED) return FAIL(MALFORMED); /* its size is at fault */
        TRY(result);
        in->p += size;
    }
    return OK;
}

/* A tagged struct that may be null, but is not by default, is an empty one when it is left out. */
static status default_tagged(struct in *in, const struct wire_struct *s, uint8_t *object)
{
    for (int i = 0; s->tag_count > 0 && i < s->field_count; i++) {
        const struct wire_field *f = &wire_fields[s->first + i];
        if (!(f->flags & WIRE_POINTER) || (f->flags & WIRE_DEFAULT_NULL) ||
            !wire_in(f->tagged, in->version) || !wire_in(f->in, in->version))
            continue;
        void *value = arena_alloc(in->arena, wire_structs[f->of].size);
        if (!value) return FAIL(NO_MEMORY);
        wire_default_struct(&wire_structs[f->of], value);
        *(void **)(void *)(object + f->at) = value;
    }
    return OK;
}

static status read_struct(struct in *in, const struct wire_struct *s, void *object, int depth)
{
    if (depth > WIRE_DEPTH_MAX) return FAIL(LIMIT);
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &wire_fields[s->first + i];
        if (!wire_in(f->in, in->version)) continue;
        if (in->flexible && wire_in(f->tagged, in->version)) continue;
        TRY(read_field(in, f, object, depth));
    }
    if (!in->flexible) return OK;
    TRY(default_tagged(in, s, object));
    return read_tagged(in, s, object, depth);
}

status wire_decode(const struct wire_message *m, int16_t version, struct bytes in,
                   struct arena *arena, void *ret_object, size_t *ret_used)
{
    if (!wire_knows(m, version)) return FAIL(UNSUPPORTED_VERSION);
    const uint8_t *start = in.data ? in.data : (const uint8_t *)"";
    struct in reader = { start, start + in.len, arena, version, wire_flexible(m, version) };
    wire_default(m, ret_object);
    TRY(read_struct(&reader, wire_body(m), ret_object, 0));
    if (ret_used) *ret_used = (size_t)(reader.p - start);
    return OK;
}
