/* crc32c.c - CRC-32C. Any thread.
 *
 * The instruction has a latency of three cycles and a throughput of one, so three independent
 * streams of BLOCK bytes run side by side; a stream is moved over the BLOCK bytes behind it by a
 * table lookup (multiplication by x^(8*BLOCK) modulo the polynomial). */
#include "base/crc32c.h"

#include "base/bytes.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#define INSTRUCTION __attribute__((target("sse4.2")))
#define STEP8(crc, v) __builtin_ia32_crc32di((crc), (v))
#define STEP1(crc, v) __builtin_ia32_crc32qi((crc), (v))
#elif defined(__aarch64__) && defined(__GNUC__) && !defined(__clang__) && \
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <sys/auxv.h>
#define INSTRUCTION __attribute__((target("+crc")))
#define STEP8(crc, v) __builtin_aarch64_crc32cx((uint32_t)(crc), (v))
#define STEP1(crc, v) __builtin_aarch64_crc32cb((crc), (v))
#define HWCAP_HAS_CRC32 (1ul << 7)
#endif

#define POLY 0x82f63b78u /* reflected */
#define BLOCK 1024

static uint32_t table[8][256];
static uint32_t shift_table[4][256]; /* over BLOCK zero bytes */
static bool have_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t zeros(uint32_t crc, size_t n)
{
    while (n--) crc = crc >> 8 ^ table[0][crc & 0xff];
    return crc;
}

static void fill_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ POLY : c >> 1;
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
    for (int t = 0; t < 4; t++) { /* linear: the shift of a sum is the sum of the shifts */
        for (uint32_t i = 1; i < 256; i++) {
            uint32_t low = i & -i;
            shift_table[t][i] = i == low ? zeros(i << (8 * t), BLOCK)
                                         : shift_table[t][low] ^ shift_table[t][i ^ low];
        }
    }
#if defined(__x86_64__)
    have_instruction = __builtin_cpu_supports("sse4.2");
#elif defined(INSTRUCTION)
    have_instruction = getauxval(AT_HWCAP) & HWCAP_HAS_CRC32;
#endif
}

static uint32_t by_table(uint32_t crc, const uint8_t *p, size_t len)
{
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t v = get_le64(p) ^ crc;
        crc = table[7][v & 0xff] ^ table[6][v >> 8 & 0xff] ^ table[5][v >> 16 & 0xff] ^
              table[4][v >> 24 & 0xff] ^ table[3][v >> 32 & 0xff] ^ table[2][v >> 40 & 0xff] ^
              table[1][v >> 48 & 0xff] ^ table[0][v >> 56];
    }
    while (len--) crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
    return crc;
}

#ifdef INSTRUCTION
static uint32_t shift(uint32_t crc)
{
    return shift_table[0][crc & 0xff] ^ shift_table[1][crc >> 8 & 0xff] ^
           shift_table[2][crc >> 16 & 0xff] ^ shift_table[3][crc >> 24];
}

static uint64_t word(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

INSTRUCTION static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t len)
{
    uint64_t c = crc;
    for (; len >= 3 * BLOCK; p += 3 * BLOCK, len -= 3 * BLOCK) {
        uint64_t c1 = 0, c2 = 0;
        for (size_t i = 0; i < BLOCK; i += 8) {
            c = STEP8(c, word(p + i));
            c1 = STEP8(c1, word(p + BLOCK + i));
            c2 = STEP8(c2, word(p + 2 * BLOCK + i));
        }
        c = shift((uint32_t)c) ^ c1;
        c = shift((uint32_t)c) ^ c2;
    }
    for (; len >= 8; p += 8, len -= 8) c = STEP8(c, word(p));
    crc = (uint32_t)c;
    while (len--) crc = STEP1(crc, *p++);
    return crc;
}
#endif

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&once, fill_tables);
    return ~by_table(~crc, data, len);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&once, fill_tables);
#ifdef INSTRUCTION
    if (have_instruction) return ~by_instruction(~crc, data, len);
#endif
    return ~by_table(~crc, data, len);
}
