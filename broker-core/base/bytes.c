/* bytes.c - the few operations on views that are not inline. Any thread. */
#include "base/bytes.h"

bool str_copy(char *field, size_t size, struct str s)
{
    if (s.len >= size) {
        field[0] = 0;
        return false;
    }
    if (s.len) memcpy(field, s.data, s.len);
    field[s.len] = 0;
    return true;
}

bool str_to_i64(struct str s, int64_t *ret)
{
    if (s.len == 0 || s.len > 19) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') return false;
        v = v * 10 + (uint64_t)(s.data[i] - '0');
    }
    if (v > INT64_MAX) return false;
    *ret = (int64_t)v;
    return true;
}

bool bytes_eq_secret(const void *a, const void *b, size_t len)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t diff = 0;
    for (size_t i = 0; i < len; i++) diff |= x[i] ^ y[i];
    return diff == 0;
}
