/* control_frame.c - the framing of the control protocol, both ends. Any thread; no state. */
#include "cluster/control_frame.h"

#include "base/mem.h"
#include "wire/header.h"

/* Messages, and versions of them, that did not exist from the beginning. */
static const struct {
    const struct wire_message *message;
    int16_t version, protocol;
} since[] = {
    { &control_hold_message, 0, 2 },
    { &control_report_message, 1, 2 },
    { &control_report_message, 2, 3 },
    { &control_backup_message, 0, 4 },
    { &control_backup_part_message, 0, 4 },
    { &control_backup_taken_message, 0, 4 },
    { &control_format_message, 0, 4 },
    { &control_audit_message, 0, 4 },
    { &control_clients_message, 0, 5 },
    { &control_clients_part_message, 0, 5 },
    { &control_lags_message, 0, 5 },
    { &control_report_message, 3, 5 },
};

int16_t control_message_version(const struct wire_message *message, int16_t protocol)
{
    int16_t version = message->max_version;
    for (size_t i = ARRAY_LEN(since); i > 0; i--)
        if (since[i - 1].message == message && since[i - 1].protocol > protocol)
            version = since[i - 1].version - 1;
    return version;
}

status control_frame(struct buf *out, int16_t protocol, const struct wire_message *message,
                     const void *object)
{
    int16_t version = control_message_version(message, protocol);
    if (version < 0) return FAIL(UNSUPPORTED_VERSION);
    size_t begin = frame_begin(out);
    buf_put_be16(out, (uint16_t)message->key);
    buf_put_be16(out, (uint16_t)version);
    status s = buf_check(out);
    if (is_ok(s)) s = wire_encode(message, version, object, out);
    if (is_ok(s)) s = frame_end(out, begin);
    if (failed(s) && out->len > begin) out->len = begin;
    return s;
}

status control_parse(struct bytes frame, struct arena *arena,
                     const struct wire_message **ret_message, const void **ret_object)
{
    if (frame.len < 4) return FAIL(TRUNCATED);
    const struct wire_message *m = wire_find(WIRE_CONTROL, (int16_t)get_be16(frame.data));
    int16_t version = (int16_t)get_be16(frame.data + 2);
    if (!m || !wire_knows(m, version)) return FAIL(UNSUPPORTED_VERSION);
    void *object = arena_alloc(arena, wire_object_size(m));
    if (!object) return FAIL(NO_MEMORY);
    size_t used;
    wire_default(m, object);
    struct bytes body = bytes_of(frame.data + 4, frame.len - 4);
    TRY(wire_decode(m, version, body, arena, object, &used));
    if (used != body.len) return FAIL(MALFORMED);
    *ret_message = m;
    *ret_object = object;
    return OK;
}

bool control_hello_fits(const struct control_hello *hello)
{
    return hello->min_version <= CONTROL_VERSION_MAX && hello->max_version >= CONTROL_VERSION_MIN &&
           hello->min_version <= hello->max_version;
}

int16_t control_agreed(const struct control_hello *hello)
{
    return hello->max_version < CONTROL_VERSION_MAX ? hello->max_version : CONTROL_VERSION_MAX;
}
