/* buf.h - a growable byte buffer with a hard maximum.
 *
 * A write that would pass the maximum, or finds no memory, sets the sticky `failed` flag and
 * writes nothing; the user checks once at the end. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
};

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);                 /* frees; the buf may be initialised again */
void buf_clear(struct buf *b);                /* len 0, failed false; keeps the memory */
status buf_check(const struct buf *b);        /* NO_MEMORY when failed */

/* Room for n bytes at the end without changing len; NULL when failed. */
uint8_t *buf_reserve(struct buf *b, size_t n);
/* Appends n bytes and returns where they are (to be filled in); NULL when failed. */
uint8_t *buf_extend(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_put_str(struct buf *b, struct str s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_put_be16(struct buf *b, uint16_t v);
void buf_put_be32(struct buf *b, uint32_t v);
void buf_put_be64(struct buf *b, uint64_t v);
static inline struct bytes buf_bytes(const struct buf *b) { return bytes_of(b->data, b->len); }
/* Hands the memory over: the result owns it (buf_done), b is empty with the same maximum. */
struct buf buf_take(struct buf *b);
