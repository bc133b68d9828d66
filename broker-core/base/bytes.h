/* bytes.h - views of bytes and text that somebody else owns. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* data == NULL means null (as Kafka's null bytes); empty is non-NULL with len 0. */
struct bytes {
    const uint8_t *data;
    size_t len;
};

/* Text, not NUL-terminated. data == NULL means null. */
struct str {
    const char *data;
    size_t len;
};

#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_NULL ((struct str){ NULL, 0 })
#define BYTES_NULL ((struct bytes){ NULL, 0 })
/* For printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).len, ((s).data ? (s).data : "")

static inline struct str str_c(const char *c) { return c ? (struct str){ c, strlen(c) } : STR_NULL; }
static inline bool str_is_null(struct str s) { return s.data == NULL; }
static inline bool str_is_empty(struct str s) { return s.len == 0; }
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.data == NULL) == (b.data == NULL) &&
           (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool str_eq_c(struct str a, const char *b) { return str_eq(a, str_c(b)); }
static inline bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}
static inline int str_cmp(struct str a, struct str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}
static inline struct bytes bytes_of(const void *p, size_t len)
{
    return (struct bytes){ (const uint8_t *)p, len };
}
static inline struct bytes str_bytes(struct str s) { return bytes_of(s.data, s.len); }
static inline struct str bytes_str(struct bytes b) { return (struct str){ (const char *)b.data, b.len }; }

/* Copies s into a fixed field with a NUL; false (and an empty field) when it does not fit. */
bool str_copy(char *field, size_t size, struct str s);
/* Bytes of the UTF-8 character (RFC 3629) that s, which is not empty, begins with; 0: it is none. */
size_t str_utf8_length(struct str s);
/* Well-formed UTF-8 without a zero byte: fit for a name that JSON and a database keep. */
bool str_is_text(struct str s);
/* Decimal without sign, spaces or overflow; false otherwise. */
bool str_to_i64(struct str s, int64_t *ret);
/* Comparison that takes the same time wherever the difference is. */
bool bytes_eq_secret(const void *a, const void *b, size_t len);

/* Big-endian, as Kafka's wire. */
static inline uint16_t get_be16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t get_be64(const uint8_t *p)
{
    return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}
static inline void put_be16(uint8_t *p, uint16_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }
static inline void put_be32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24); p[1] = (uint8_t)(v >> 16); p[2] = (uint8_t)(v >> 8); p[3] = (uint8_t)v;
}
static inline void put_be64(uint8_t *p, uint64_t v)
{
    put_be32(p, (uint32_t)(v >> 32)); put_be32(p + 4, (uint32_t)v);
}
/* Little-endian, as our own files. */
static inline uint16_t get_le16(const uint8_t *p) { return (uint16_t)(p[1] << 8 | p[0]); }
static inline uint32_t get_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}
static inline uint64_t get_le64(const uint8_t *p)
{
    return (uint64_t)get_le32(p + 4) << 32 | get_le32(p);
}
static inline void put_le16(uint8_t *p, uint16_t v) { p[1] = (uint8_t)(v >> 8); p[0] = (uint8_t)v; }
static inline void put_le32(uint8_t *p, uint32_t v)
{
    p[3] = (uint8_t)(v >> 24); p[2] = (uint8_t)(v >> 16); p[1] = (uint8_t)(v >> 8); p[0] = (uint8_t)v;
}
static inline void put_le64(uint8_t *p, uint64_t v)
{
    put_le32(p + 4, (uint32_t)(v >> 32)); put_le32(p, (uint32_t)v);
}
