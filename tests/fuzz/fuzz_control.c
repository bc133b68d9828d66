/* fuzz_control.c - any bytes as a frame of the control protocol: what leatd reads of a broker that may
 * be hostile. What can be read is written and read again, to the same bytes. */
#include "fuzz.h"

#include "cluster/control_frame.h"

#include <stdlib.h>

#define ARENA_CAP (4u << 20)
#define FRAME_CAP (4u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buf once, twice;
    const struct wire_message *message, *again;
    const void *object, *same;
    arena_init(&arena, ARENA_CAP);
    buf_init(&once, FRAME_CAP);
    buf_init(&twice, FRAME_CAP);
    if (is_ok(control_parse((struct bytes){ data, size }, &arena, &message, &object)) &&
        is_ok(control_frame(&once, CONTROL_VERSION_MAX, message, object))) {
        struct bytes frame = { once.data + 4, once.len - 4 };
        if (failed(control_parse(frame, &arena, &again, &same)) || again != message ||
            failed(control_frame(&twice, CONTROL_VERSION_MAX, again, same)) || twice.len != once.len ||
            memcmp(twice.data, once.data, once.len) != 0)
            abort();
    }
    buf_done(&once);
    buf_done(&twice);
    arena_done(&arena);
    return 0;
}
