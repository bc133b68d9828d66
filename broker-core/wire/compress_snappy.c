/* compress_snappy.c - snappy, bare and in the framing of xerial's snappy-java, which most clients
 * use: 8 magic bytes, int32 version 1, int32 compatible version 1, then blocks, each an int32 size
 * and a bare snappy block. Streams may follow one another, header included. */
#include "wire/compress_int.h"

#include <snappy-c.h>

#define XERIAL_HEADER 16
#define XERIAL_BLOCK (32 * 1024)
/* A copy of 64 bytes takes 3, so no legal block unpacks to more than 22 times its size. */
#define EXPANSION_MAX 22

static const uint8_t xerial_magic[8] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0 };

static bool is_xerial(struct bytes in)
{
    return in.len >= XERIAL_HEADER && memcmp(in.data, xerial_magic, sizeof xerial_magic) == 0;
}

static status pack_block(struct bytes in, struct buf *out)
{
    size_t size = snappy_max_compressed_length(in.len);
    uint8_t *at = buf_reserve(out, 4 + size);
    if (!at) return FAIL(NO_MEMORY);
    if (snappy_compress((const char *)in.data, in.len, (char *)at + 4, &size) != SNAPPY_OK) {
        return FAIL(NO_MEMORY);
    }
    put_be32(at, (uint32_t)size);
    out->len += 4 + size;
    return OK;
}

status compress_snappy_pack(struct bytes in, struct buf *out)
{
    buf_put(out, xerial_magic, sizeof xerial_magic);
    buf_put_be32(out, 1);
    buf_put_be32(out, 1);
    do {
        size_t n = in.len < XERIAL_BLOCK ? in.len : XERIAL_BLOCK;
        TRY(pack_block(bytes_of(in.data, n), out));
        in.data += n;
        in.len -= n;
    } while (in.len > 0);
    return buf_check(out);
}

static status unpack_block(struct bytes in, size_t max, struct buf *out)
{
    size_t size;
    const char *data = (const char *)in.data;
    if (snappy_uncompressed_length(data, in.len, &size) != SNAPPY_OK) return FAIL(CORRUPT);
    if (size / EXPANSION_MAX > in.len) return FAIL(CORRUPT);
    if (size > max) return FAIL(LIMIT);
    uint8_t *at = buf_reserve(out, size);
    if (!at) return FAIL(NO_MEMORY);
    if (snappy_uncompress(data, in.len, (char *)at, &size) != SNAPPY_OK) return FAIL(CORRUPT);
    out->len += size;
    return OK;
}

status compress_snappy_unpack(struct bytes in, size_t max, struct buf *out)
{
    if (!is_xerial(in)) return unpack_block(in, max, out);
    size_t begin = out->len;
    while (in.len > 0) {
        if (is_xerial(in)) {
            in.data += XERIAL_HEADER;
            in.len -= XERIAL_HEADER;
            continue;
        }
        if (in.len < 4) return FAIL(CORRUPT);
        size_t size = get_be32(in.data);
        if (size > in.len - 4) return FAIL(CORRUPT);
        if (size > 0) TRY(unpack_block(bytes_of(in.data + 4, size), max - (out->len - begin), out));
        in.data += 4 + size;
        in.len -= 4 + size;
    }
    return OK;
}
