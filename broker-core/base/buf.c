/* buf.c - growable byte buffer. Any thread; one owner. */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

void buf_init(struct buf *b, size_t max) { *b = (struct buf){ .max = max }; }

void buf_done(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

status buf_check(const struct buf *b) { return b->failed ? FAIL(NO_MEMORY) : OK; }

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed) return NULL;
    if (n > b->max - b->len) {
        b->failed = true;
        return NULL;
    }
    size_t need = b->len + n;
    if (need > b->cap || !b->data) {
        size_t cap = b->cap ? b->cap : 256;
        while (cap < need) cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        if (cap > b->max && b->max >= need) cap = b->max;
        uint8_t *data = mem_realloc(b->data, cap);
        if (!data) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->cap = cap;
    }
    return b->data + b->len;
}

uint8_t *buf_extend(struct buf *b, size_t n)
{
    uint8_t *p = buf_reserve(b, n);
    if (p) b->len += n;
    return p;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    uint8_t *to = buf_extend(b, n);
    if (to && n) memcpy(to, p, n);
}

void buf_put_str(struct buf *b, struct str s) { buf_put(b, s.data, s.len); }

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    uint8_t *to = n < 0 ? NULL : buf_reserve(b, (size_t)n + 1);
    if (to) {
        vsnprintf((char *)to, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_put_be16(struct buf *b, uint16_t v)
{
    uint8_t *p = buf_extend(b, 2);
    if (p) put_be16(p, v);
}

void buf_put_be32(struct buf *b, uint32_t v)
{
    uint8_t *p = buf_extend(b, 4);
    if (p) put_be32(p, v);
}

void buf_put_be64(struct buf *b, uint64_t v)
{
    uint8_t *p = buf_extend(b, 8);
    if (p) put_be64(p, v);
}

struct buf buf_take(struct buf *b)
{
    struct buf taken = *b;
    *b = (struct buf){ .max = b->max };
    return taken;
}
