/* hash.c - SipHash-1-3 with a random key per process. Any thread. */
#include "base/hash.h"

#include "base/uuid.h"

#include <pthread.h>

static uint64_t key0, key1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    random_bytes(&key0, sizeof key0);
    random_bytes(&key1, sizeof key1);
}

#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))
#define ROUND(a, b, c, d)                                                                          \
    do {                                                                                           \
        a += b; b = ROTL(b, 13); b ^= a; a = ROTL(a, 32);                                          \
        c += d; d = ROTL(d, 16); d ^= c;                                                           \
        a += d; d = ROTL(d, 21); d ^= a;                                                           \
        c += b; b = ROTL(b, 17); b ^= c; c = ROTL(c, 32);                                          \
    } while (0)

uint32_t hash_keyed(const void *key, size_t len)
{
    pthread_once(&once, draw_key);
    uint64_t a = key0 ^ 0x736f6d6570736575, b = key1 ^ 0x646f72616e646f6d;
    uint64_t c = key0 ^ 0x6c7967656e657261, d = key1 ^ 0x7465646279746573;
    const uint8_t *p = key;
    size_t left = len;
    for (; left >= 8; p += 8, left -= 8) {
        uint64_t m = get_le64(p);
        d ^= m;
        ROUND(a, b, c, d);
        a ^= m;
    }
    uint64_t m = (uint64_t)len << 56;
    for (size_t i = 0; i < left; i++) m |= (uint64_t)p[i] << (8 * i);
    d ^= m;
    ROUND(a, b, c, d);
    a ^= m;
    c ^= 0xff;
    ROUND(a, b, c, d);
    ROUND(a, b, c, d);
    ROUND(a, b, c, d);
    uint64_t h = a ^ b ^ c ^ d;
    return (uint32_t)(h ^ h >> 32);
}
