/* uuid.c - identities, randomness from the kernel, base64. Any thread. */
#include "base/uuid.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

static const char url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char std_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void random_bytes(void *p, size_t n)
{
    uint8_t *at = p;
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) abort();
        at += got;
        n -= (size_t)got;
    }
}

struct uuid uuid_new(void)
{
    struct uuid u;
    do {
        random_bytes(u.b, sizeof u.b);
        u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
        u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    } while ((u.b[0] >> 2) == 62); /* '-' first would look like an option on command lines */
    return u;
}

void uuid_format(struct uuid u, char ret_text[UUID_TEXT])
{
    uint32_t bits = 0;
    int have = 0, at = 0;
    for (int i = 0; i < 16; i++) {
        bits = bits << 8 | u.b[i];
        for (have += 8; have >= 6; have -= 6) ret_text[at++] = url_alphabet[bits >> (have - 6) & 63];
    }
    ret_text[at++] = url_alphabet[bits << (6 - have) & 63];
    ret_text[at] = 0;
}

static int value_of(const char *alphabet, char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool uuid_parse(struct str text, struct uuid *ret)
{
    struct uuid u;
    uint32_t bits = 0;
    int have = 0, at = 0;
    if (text.len != UUID_TEXT - 1) return false;
    for (size_t i = 0; i < text.len; i++) {
        int v = value_of(url_alphabet, text.data[i]);
        if (v < 0) return false;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (at < 16) u.b[at++] = (uint8_t)(bits >> have);
    }
    *ret = u;
    return true;
}

size_t base64_encode(const void *p, size_t n, char *ret_text)
{
    const uint8_t *b = p;
    size_t at = 0;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)b[i] << 16;
        if (i + 1 < n) v |= (uint32_t)b[i + 1] << 8;
        if (i + 2 < n) v |= b[i + 2];
        ret_text[at++] = std_alphabet[v >> 18 & 63];
        ret_text[at++] = std_alphabet[v >> 12 & 63];
        ret_text[at++] = i + 1 < n ? std_alphabet[v >> 6 & 63] : '=';
        ret_text[at++] = i + 2 < n ? std_alphabet[v & 63] : '=';
    }
    ret_text[at] = 0;
    return at;
}

int64_t base64_decode(struct str text, uint8_t *ret, size_t size)
{
    size_t at = 0;
    if (text.len % 4) return -1;
    for (size_t i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;
        int pad = last ? (text.data[i + 3] == '=') + (text.data[i + 3] == '=' && text.data[i + 2] == '=') : 0;
        uint32_t v = 0;
        for (int k = 0; k < 4; k++) {
            int x = k >= 4 - pad ? 0 : value_of(std_alphabet, text.data[i + (size_t)k]);
            if (x < 0) return -1;
            v = v << 6 | (uint32_t)x;
        }
        for (int k = 0; k < 3 - pad; k++) {
            if (at == size) return -1;
            ret[at++] = (uint8_t)(v >> (16 - 8 * k));
        }
    }
    return (int64_t)at;
}
