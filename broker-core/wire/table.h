/* table.h - the form of the tables that wiregen writes and codec.c walks. Others need
 * only the names of the structs it declares (wire_default_struct). */
#pragma once
#include "wire/codec.h"

enum wire_type {
    WIRE_BOOL,
    WIRE_INT8,
    WIRE_INT16,
    WIRE_UINT16,
    WIRE_INT32,
    WIRE_UINT32,
    WIRE_INT64,
    WIRE_FLOAT64,
    WIRE_STRING,
    WIRE_BYTES, /* also records */
    WIRE_UUID,
    WIRE_STRUCT,
};

enum wire_field_flags {
    WIRE_ARRAY = 1,
    WIRE_IGNORABLE = 2,
    WIRE_CLASSIC = 4,      /* never compact, even in flexible versions */
    WIRE_POINTER = 8,      /* nullable struct */
    WIRE_DEFAULT_NULL = 16, /* of a string, bytes, array, or nullable struct that is tagged */
    WIRE_ERROR_CODE = 32,   /* a number of which 0 says that nothing went wrong */
};

struct wire_range {
    int16_t from, to; /* from > to: never */
};

struct wire_field {
    char name[48];
    int64_t default_number;
    struct wire_range in;     /* versions that have the field */
    struct wire_range null;   /* versions in which it may be null */
    struct wire_range tagged; /* versions in which it is a tagged field */
    uint16_t tag;
    uint16_t of;       /* WIRE_STRUCT: index in wire_structs */
    uint16_t at;       /* offset in the C struct */
    uint16_t count_at; /* offset of <name>_count */
    uint8_t type;
    uint8_t flags;
};

struct wire_struct {
    uint16_t first; /* in wire_fields */
    uint16_t field_count;
    uint16_t tag_count; /* highest tag + 1 */
    uint16_t size;      /* of the C struct */
};

/* No pointers in them, so that all processes share their pages. */
extern const struct wire_field wire_fields[];
extern const struct wire_struct wire_structs[];
extern const struct wire_message *const wire_requests[];
extern const struct wire_message *const wire_responses[];
extern const int wire_request_count;
extern const int wire_response_count;

static inline const struct wire_struct *wire_body(const struct wire_message *m)
{
    return &wire_structs[m->body];
}
static inline bool wire_in(struct wire_range range, int16_t version)
{
    return version >= range.from && version <= range.to;
}
