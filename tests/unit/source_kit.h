/* source_kit.h - a stream's sources for tests: bytes by a rule, given in small pieces, now and then BUSY
 * until the end of the turn, and counted. */
#pragma once
#include "io/stream.h"

struct kit_sources {
    struct loop *loop;
    int alive;        /* made and not freed */
    int busy_every;   /* each so-many-th read; 0: never */
    size_t piece_max; /* given at a time */
    size_t fails_at;  /* a byte that cannot be read; SIZE_MAX: none */
    int reads;
    int astray;       /* reads where no source is read, and false news of what was sent */
};
struct stream_source *kit_source(struct kit_sources *kit, uint8_t seed);
static inline uint8_t kit_byte(uint8_t seed, size_t at) { return (uint8_t)(at * 131 + seed + at / 251); }
/* A frame of `count` parts of sizes[i] (seed i) with three bytes before and two behind each: sent on the
 * stream, and what it has to look like (without its size) appended to `expected`. */
status kit_send_parts(struct kit_sources *kit, struct stream *stream, const size_t *sizes, int count,
                      struct buf *expected);
