/* mem.h - heap allocation, counted so that tests can find leaks and make the n-th one fail. */
#pragma once
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t size);               /* NULL when out of memory */
void *mem_zalloc(size_t size);              /* zeroed */
void *mem_realloc(void *p, size_t size);    /* p may be NULL; on failure p stays valid */
char *mem_strdup(const char *s);
void *mem_memdup(const void *p, size_t size);
void mem_free(void *p);                     /* NULL ok */

/* For a whole program, once, at its start: large blocks that were freed stay with the process for the
 * next ones, instead of new pages from the kernel each time, until mem_trim. */
void mem_keep_freed(void);
void mem_trim(void); /* gives back what is free; takes about a millisecond */

int64_t mem_outstanding(void);              /* blocks allocated and not yet freed */
void mem_fail_after(int64_t n);             /* tests: the n-th allocation from now fails (n >= 1); 0: none */
int64_t mem_fail_left(void);                /* the n that is left: tells how many there were since */

/* For allocations at start or in paths with no way to report: logs and aborts instead of NULL. */
void *mem_must(void *p);

/* DEFINE_CLEANUP(segment): segment_free_p() for use with CLEANUP(segment) struct segment *s = NULL; */
#define DEFINE_CLEANUP(name)                                                                       \
    static inline void name##_free_p(struct name **p) { name##_free(*p); }
#define CLEANUP(name) __attribute__((cleanup(name##_free_p)))
static inline void mem_free_p(void *p) { mem_free(*(void **)p); }
#define CLEANUP_MEM __attribute__((cleanup(mem_free_p)))

/* Hands a pointer over: the value of p, and p becomes NULL. */
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) take_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))
