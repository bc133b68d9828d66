/* codec.c - finding messages, default values. The two directions are codec_read.c and
 * codec_write.c. Pure functions over constant tables: any thread.
 *
 * Encoding, for all of them. Integers are big-endian. In classic versions a string has an int16
 * length, bytes an int32 length and an array an int32 count, -1 meaning null. In flexible versions
 * each of these is an unsigned varint of the length plus one, 0 meaning null, and every struct (the
 * body too) ends with its tagged fields: their number, then tag, size and value of each, in order
 * of tags, those with their default left out. A nullable struct begins with an int8, 1 or -1. */
#include "wire/codec_int.h"

#include <assert.h>

static const struct wire_message *at_key(const struct wire_message *const *index, int count,
                                         int16_t key)
{
    return key >= 0 && key < count ? index[key] : NULL;
}

const struct wire_message *wire_request(int16_t api_key)
{
    return at_key(wire_requests, wire_request_count, api_key);
}

const struct wire_message *wire_response(int16_t api_key)
{
    return at_key(wire_responses, wire_response_count, api_key);
}

const struct wire_message *wire_find(enum wire_kind kind, int16_t key)
{
    for (const struct wire_message *const *m = wire_messages; *m; m++) {
        if ((*m)->kind == kind && (*m)->key == key) return *m;
    }
    return NULL;
}

size_t wire_object_size(const struct wire_message *m) { return wire_body(m)->size; }

/* "MetadataRequest" without "Request", made once for each key. */
const char *wire_api_name(int16_t api_key)
{
    static _Thread_local char name[sizeof((struct wire_message *)0)->name];
    const struct wire_message *m = wire_request(api_key);
    if (!m) return "?";
    size_t len = strlen(m->name) - (sizeof "Request" - 1);
    memcpy(name, m->name, len);
    name[len] = 0;
    return name;
}

size_t wire_type_size(enum wire_type type)
{
    static const uint8_t sizes[] = {
        [WIRE_BOOL] = sizeof(bool),     [WIRE_INT8] = 1,
        [WIRE_INT16] = 2,               [WIRE_UINT16] = 2,
        [WIRE_INT32] = 4,               [WIRE_UINT32] = 4,
        [WIRE_INT64] = 8,               [WIRE_FLOAT64] = sizeof(double),
        [WIRE_STRING] = sizeof(struct str), [WIRE_BYTES] = sizeof(struct bytes),
        [WIRE_UUID] = sizeof(struct uuid),
    };
    assert(type < WIRE_STRUCT);
    return sizes[type];
}

static void default_value(const struct wire_field *f, uint8_t *p)
{
    switch ((enum wire_type)f->type) {
    case WIRE_BOOL: *(bool *)p = f->default_number != 0; break;
    case WIRE_INT8: *(int8_t *)p = (int8_t)f->default_number; break;
    case WIRE_INT16:
    case WIRE_UINT16: *(uint16_t *)(void *)p = (uint16_t)f->default_number; break;
    case WIRE_INT32:
    case WIRE_UINT32: *(uint32_t *)(void *)p = (uint32_t)f->default_number; break;
    case WIRE_INT64: *(int64_t *)(void *)p = f->default_number; break;
    case WIRE_FLOAT64: *(double *)(void *)p = (double)f->default_number; break;
    case WIRE_STRING:
        *(struct str *)(void *)p = f->flags & WIRE_DEFAULT_NULL ? STR_NULL : STR("");
        break;
    case WIRE_BYTES:
        *(struct bytes *)(void *)p = f->flags & WIRE_DEFAULT_NULL ? BYTES_NULL : bytes_of("", 0);
        break;
    case WIRE_UUID: *(struct uuid *)(void *)p = (struct uuid){ { 0 } }; break;
    case WIRE_STRUCT: wire_default_struct(&wire_structs[f->of], p); break;
    }
}

void wire_default_struct(const struct wire_struct *s, void *object)
{
    memset(object, 0, s->size);
    for (const struct wire_field *f = &wire_fields[s->first], *end = f + s->field_count; f < end;
         f++) {
        uint8_t *p = (uint8_t *)object + f->at;
        if (f->flags & WIRE_POINTER) continue;
        if (f->flags & WIRE_ARRAY) {
            int32_t *count = (void *)((uint8_t *)object + f->count_at);
            *count = f->flags & WIRE_DEFAULT_NULL ? -1 : 0;
        } else {
            default_value(f, p);
        }
    }
}

void wire_default(const struct wire_message *m, void *object)
{
    wire_default_struct(wire_body(m), object);
}

int32_t *wire_find_int32(const struct wire_message *m, int16_t version, const char *name, void *object)
{
    const struct wire_struct *s = wire_body(m);
    for (int i = 0; i < s->field_count; i++) {
        const struct wire_field *f = &wire_fields[s->first + i];
        if (f->type == WIRE_INT32 && !(f->flags & WIRE_ARRAY) && wire_in(f->in, version) &&
            strcmp(f->name, name) == 0)
            return (int32_t *)((char *)object + f->at);
    }
    return NULL;
}
