/* fuzz_header.c - any bytes as a request frame: header, then the body it announces. Also as a
 * response frame. */
#include "fuzz.h"

#include "wire/header.h"

#include <stdlib.h>

#define ARENA_CAP (1u << 20)

static void parse_response(struct bytes frame)
{
    int32_t correlation;
    size_t at;
    for (int16_t key = 0; key < 4; key++) {
        for (int16_t version = 0; version < 14; version += 13) {
            status s = response_header_parse(frame, key, version, &correlation, &at);
            if (is_ok(s) && at > frame.len) abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes frame = { data, size };
    struct request_header h;
    struct arena arena;
    size_t at;
    parse_response(frame);
    if (failed(request_header_parse(frame, &h, &at))) return 0;
    if (at > size || h.client_id.len > size) abort();
    if (!h.request) return 0;
    arena_init(&arena, ARENA_CAP);
    void *object = arena_alloc(&arena, wire_object_size(h.request));
    struct bytes body = { data + at, size - at };
    if (object) (void)wire_decode(h.request, h.api_version, body, &arena, object, NULL);
    arena_done(&arena);
    return 0;
}
