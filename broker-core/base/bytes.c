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

size_t str_utf8_length(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.data;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (n > s.len) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    bool wrong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || /* long, surrogate */
                 (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f);   /* long, beyond */
    return wrong ? 0 : n;
}

bool str_is_text(struct str s)
{
    while (s.len > 0) {
        size_t n = str_utf8_length(s);
        if (n == 0 || s.data[0] == 0) return false;
        s = (struct str){ s.data + n, s.len - n };
    }
    return true;
}
