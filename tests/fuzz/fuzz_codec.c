/* fuzz_codec.c - any bytes as any message. The first two bytes choose the message, the third the
 * version. What could be read must be written, and written the same the second time. */
#include "fuzz.h"

#include "wire/messages.h"

#include <stdlib.h>

#define ARENA_CAP (1u << 20)
#define OUT_MAX (4u << 20)

static void require(bool condition)
{
    if (!condition) abort();
}

static void check_again(const struct wire_message *m, int16_t version, const void *object,
                        struct arena *arena)
{
    struct buf first, second;
    size_t used;
    buf_init(&first, OUT_MAX);
    buf_init(&second, OUT_MAX);
    require(is_ok(wire_encode(m, version, object, &first)));
    void *back = arena_alloc(arena, wire_object_size(m));
    if (back && is_ok(wire_decode(m, version, buf_bytes(&first), arena, back, &used))) {
        require(used == first.len);
        require(is_ok(wire_encode(m, version, back, &second)));
        require(first.len == second.len);
        require(first.len == 0 || memcmp(first.data, second.data, first.len) == 0);
    } else {
        require(arena->failed);
    }
    buf_done(&first);
    buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count = 0;
    struct arena arena;
    if (size < 3) return 0;
    while (wire_messages[count]) count++;
    const struct wire_message *m = wire_messages[get_be16(data) % count];
    int versions = m->max_version - m->min_version + 1;
    int16_t version = (int16_t)(m->min_version + data[2] % versions);
    arena_init(&arena, ARENA_CAP);
    void *object = arena_alloc(&arena, wire_object_size(m));
    struct bytes in = { data + 3, size - 3 };
    size_t used;
    if (object && is_ok(wire_decode(m, version, in, &arena, object, &used))) {
        require(used <= in.len);
        check_again(m, version, object, &arena);
    }
    arena_done(&arena);
    return 0;
}
