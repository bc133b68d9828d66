/* varint.h - numbers of variable length: zigzag in records, unsigned for compact lengths. */
#pragma once
#include "base/bytes.h"

#define VARINT_MAX 10
#define UVARINT_MAX 5

/* Bytes read; 0 when the number is cut off or too long. */
static inline size_t uvarint_get(struct bytes in, uint32_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < UVARINT_MAX && i < in.len; i++) {
        v |= (uint64_t)(in.data[i] & 0x7f) << (7 * i);
        if (in.data[i] & 0x80) continue;
        if (v > UINT32_MAX) return 0;
        *ret = (uint32_t)v;
        return i + 1;
    }
    return 0;
}

static inline size_t uvarint_write(uint8_t *p, uint32_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7) p[n++] = (uint8_t)(v | 0x80);
    p[n++] = (uint8_t)v;
    return n;
}

static inline size_t varint_get(struct bytes in, int64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < VARINT_MAX && i < in.len; i++) {
        uint64_t group = in.data[i] & 0x7f;
        if (i == VARINT_MAX - 1 && group > 1) return 0;
        v |= group << (7 * i);
        if (in.data[i] & 0x80) continue;
        *ret = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
        return i + 1;
    }
    return 0;
}

static inline size_t varint_write(uint8_t *p, int64_t v)
{
    uint64_t z = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
    size_t n = 0;
    for (; z >= 0x80; z >>= 7) p[n++] = (uint8_t)(z | 0x80);
    p[n++] = (uint8_t)z;
    return n;
}

static inline size_t varint_size(int64_t v)
{
    uint8_t scratch[VARINT_MAX];
    return varint_write(scratch, v);
}
