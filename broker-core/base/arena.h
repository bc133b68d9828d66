/* arena.h - memory with the lifetime of one request: taken piece by piece, given back at once.
 *
 * The arena has a cap; past it (or without memory) allocations return NULL and the sticky
 * `failed` flag is set, which the request checks once. All memory comes zeroed. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

struct arena {
    struct arena_chunk *chunks;
    uint8_t *next;
    size_t left;
    size_t used; /* bytes taken from the heap */
    size_t cap;
    bool failed;
};

void arena_init(struct arena *a, size_t cap);
void arena_reset(struct arena *a); /* everything is given back; one chunk may be kept */
void arena_done(struct arena *a);
status arena_check(const struct arena *a); /* NO_MEMORY when failed */

void *arena_alloc(struct arena *a, size_t size);              /* zeroed, aligned to 16 */
void *arena_array(struct arena *a, size_t count, size_t size); /* overflow-checked */
#define ARENA_NEW(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_array((a), (size_t)(n), sizeof(type)))
struct str arena_str(struct arena *a, struct str s);          /* copy, with a NUL behind it */
const char *arena_cstr(struct arena *a, struct str s);
struct bytes arena_bytes(struct arena *a, struct bytes b);
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
