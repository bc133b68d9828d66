/* arena.c - capped per-request memory. One owner. */
#include "base/arena.h"

#include "base/mem.h"
#include "base/poison.h"

#include <stdarg.h>
#include <stdio.h>

#define CHUNK_SIZE (16 * 1024)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
    _Alignas(16) uint8_t data[];
};

void arena_init(struct arena *a, size_t cap) { *a = (struct arena){ .cap = cap }; }

void arena_reset(struct arena *a)
{
    struct arena_chunk *keep = NULL;
    while (a->chunks) {
        struct arena_chunk *c = a->chunks;
        a->chunks = c->next;
        if (!keep && c->size == CHUNK_SIZE) keep = c;
        else mem_free(c);
    }
    size_t cap = a->cap;
    *a = (struct arena){ .cap = cap };
    if (!keep) return;
    keep->next = NULL;
    poison(keep->data, keep->size);
    a->chunks = keep;
    a->next = keep->data;
    a->left = keep->size;
    a->used = keep->size;
}

void arena_done(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *c = a->chunks;
        a->chunks = c->next;
        mem_free(c);
    }
    arena_init(a, a->cap);
}

status arena_check(const struct arena *a) { return a->failed ? FAIL(NO_MEMORY) : OK; }

void *arena_alloc(struct arena *a, size_t size)
{
    if (a->failed) return NULL;
    if (size == 0) size = 1; /* NULL is out of memory, never just nothing */
    size_t need = (size + 15) & ~(size_t)15;
    if (need < size) need = SIZE_MAX;
    if (need > a->left) {
        size_t chunk = need > CHUNK_SIZE ? need : CHUNK_SIZE;
        struct arena_chunk *c = NULL;
        if (chunk <= a->cap && a->used <= a->cap - chunk) c = mem_alloc(sizeof *c + chunk);
        if (!c) {
            a->failed = true;
            return NULL;
        }
        c->size = chunk;
        c->next = a->chunks;
        a->chunks = c;
        a->used += chunk;
        a->next = c->data;
        a->left = chunk;
    }
    void *p = a->next;
    unpoison(p, need);
    a->next += need;
    a->left -= need;
    memset(p, 0, size);
    return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        a->failed = true;
        return NULL;
    }
    return arena_alloc(a, total);
}

struct str arena_str(struct arena *a, struct str s)
{
    if (!s.data) return STR_NULL;
    char *p = arena_alloc(a, s.len + 1);
    if (!p) return STR_NULL;
    if (s.len) memcpy(p, s.data, s.len);
    return (struct str){ p, s.len };
}

const char *arena_cstr(struct arena *a, struct str s) { return arena_str(a, s).data; }

struct bytes arena_bytes(struct arena *a, struct bytes b)
{
    if (!b.data) return BYTES_NULL;
    uint8_t *p = arena_alloc(a, b.len ? b.len : 1);
    if (!p) return BYTES_NULL;
    if (b.len) memcpy(p, b.data, b.len);
    return (struct bytes){ p, b.len };
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p) vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p ? (struct str){ p, (size_t)n } : STR_NULL;
}
