/* codec.h - one walker that reads and writes every message of the schema text.
 *
 * Message X of schema/kafka.txt or schema/leat.txt is `struct x_in_snake_case` (generated header
 * "wire/messages.h") described by `x_in_snake_case_message` (the two headers have wire_ in
 * front; header.h has what to use instead). In the structs:
 *   string -> struct str, bytes and records -> struct bytes, uuid -> struct uuid;
 *   a nullable string or bytes that is null has data == NULL;
 *   []T -> T *name and int32_t name_count, -1 when null;
 *   a struct is embedded, a nullable struct is a pointer (NULL when null).
 * What is null in a field that may not be null is written as empty, so a zeroed string is "". A
 * zeroed object is not the default one: wire_default() first, then set fields. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/uuid.h"

#define WIRE_DEPTH_MAX 16          /* structs within structs */
#define WIRE_VERSION_NONE INT16_MAX /* as flex_from: never flexible */

enum wire_kind {
    WIRE_REQUEST,
    WIRE_RESPONSE,
    WIRE_HEADER,
    WIRE_DATA,
    WIRE_COORDINATOR_KEY,
    WIRE_COORDINATOR_VALUE,
    WIRE_CONTROL, /* between leatd and a broker; its KEY is the message number */
    WIRE_IMAGE,   /* a record of the metadata image; its KEY is the record type */
};

struct wire_struct; /* table of fields: wire/table.h */

struct wire_message {
    char name[56]; /* "MetadataRequest" */
    enum wire_kind kind;
    uint16_t body;       /* index in wire_structs (table.h) */
    int16_t key;         /* API key or record type, -1 when there is none */
    int16_t min_version;
    int16_t max_version;
    int16_t flex_from;   /* first flexible version, or WIRE_VERSION_NONE */
    bool unstable_last;  /* max_version is not to be advertised */
};

const struct wire_message *wire_request(int16_t api_key);  /* NULL: unknown */
const struct wire_message *wire_response(int16_t api_key); /* NULL: unknown */
/* The first message of this kind and key (keys of coordinator records repeat between topics:
 * name those by their symbol). NULL: there is none. */
const struct wire_message *wire_find(enum wire_kind kind, int16_t key);
extern const struct wire_message *const wire_messages[]; /* every one; ends with NULL */

static inline bool wire_knows(const struct wire_message *m, int16_t version)
{
    return version >= m->min_version && version <= m->max_version;
}
static inline bool wire_flexible(const struct wire_message *m, int16_t version)
{
    return version >= m->flex_from;
}
size_t wire_object_size(const struct wire_message *m); /* sizeof its struct */

/* Every field gets its default. */
void wire_default(const struct wire_message *m, void *object);
/* The same for one element of an array of structs: every nested struct X has a table X_struct, as
 * metadata_response_metadata_response_topic_struct. */
void wire_default_struct(const struct wire_struct *s, void *object);

/* The int32 of this name right under the message, in its struct; NULL when this version has none. */
int32_t *wire_find_int32(const struct wire_message *m, int16_t version, const char *name, void *object);

/* Reads one message. Strings and bytes are views into `in`; arrays and nullable structs come from
 * the arena. Bytes behind the message are left alone; ret_used (NULL ok) says where it ended.
 * TRUNCATED, MALFORMED, NO_MEMORY (arena), UNSUPPORTED_VERSION; *ret_object is undefined then. */
status wire_decode(const struct wire_message *m, int16_t version, struct bytes in,
                   struct arena *arena, void *ret_object, size_t *ret_used);

/* Appends one message. UNSUPPORTED_VERSION when a field that is not ignorable has a value that is
 * not its default and the version lacks it; INVALID when something is too long; NO_MEMORY. What
 * was written before a failure is cut off again. */
status wire_encode(const struct wire_message *m, int16_t version, const void *object,
                   struct buf *out);

/* Bytes that are sent from elsewhere: of a bytes field whose data is wire_hole only the length is
 * written, and holes (of struct wire_gap) says before which byte of `out` the rest belongs. Not in a
 * tagged field. ret_error (NULL ok): some ErrorCode in it is not 0. Otherwise as wire_encode, which
 * refuses such a field. */
struct wire_gap {
    size_t at, len;
};
extern const uint8_t wire_hole[1];
status wire_encode_with_holes(const struct wire_message *m, int16_t version, const void *object,
                              struct buf *out, struct buf *holes, bool *ret_error);

/* The name of an API ("Metadata"), or "?" ; NUL-terminated and static. */
const char *wire_api_name(int16_t api_key);
