/* mem.c - counted allocation. Any thread. */
#include "base/mem.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int_least64_t outstanding;
static atomic_int_least64_t fail_in; /* 0 = never */

static int must_fail(void)
{
    if (atomic_load_explicit(&fail_in, memory_order_relaxed) == 0) return 0;
    return atomic_fetch_sub(&fail_in, 1) == 1;
}

void *mem_alloc(size_t size)
{
    if (must_fail()) return NULL;
    void *p = malloc(size ? size : 1);
    if (p) atomic_fetch_add_explicit(&outstanding, 1, memory_order_relaxed);
    return p;
}

void *mem_zalloc(size_t size)
{
    if (must_fail()) return NULL;
    void *p = calloc(1, size ? size : 1);
    if (p) atomic_fetch_add_explicit(&outstanding, 1, memory_order_relaxed);
    return p;
}

void *mem_realloc(void *p, size_t size)
{
    if (must_fail()) return NULL;
    void *q = realloc(p, size ? size : 1);
    if (q && !p) atomic_fetch_add_explicit(&outstanding, 1, memory_order_relaxed);
    return q;
}

char *mem_strdup(const char *s) { return mem_memdup(s, strlen(s) + 1); }

void *mem_memdup(const void *p, size_t size)
{
    void *q = mem_alloc(size);
    if (q && size) memcpy(q, p, size);
    return q;
}

void mem_free(void *p)
{
    if (!p) return;
    atomic_fetch_sub_explicit(&outstanding, 1, memory_order_relaxed);
    free(p);
}

int64_t mem_outstanding(void) { return atomic_load(&outstanding); }
void mem_fail_after(int64_t n) { atomic_store(&fail_in, n); }
int64_t mem_fail_left(void) { return atomic_load(&fail_in); }

void *mem_must(void *p)
{
    if (p) return p;
    fputs("fatal: out of memory\n", stderr);
    abort();
}

#define KEEP_BLOCK (64 << 20)  /* blocks up to this size come from the heap */
#define KEEP_TOTAL (128 << 20)

#ifdef M_MMAP_THRESHOLD
void mem_keep_freed(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, KEEP_BLOCK);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_TOTAL);
}
void mem_trim(void) { (void)malloc_trim(0); }
#else
void mem_keep_freed(void) {}
void mem_trim(void) {}
#endif
