/* compress.c - gzip, LZ4 and zstd through their libraries; snappy is in compress_snappy.c. Any
 * thread: every call has its own context.
 *
 * Unpacking never believes a size that the input claims: output grows as it comes, up to the
 * caller's bound; one byte more ends it. */
#include "wire/compress_int.h"

#include "base/mem.h"

#include <lz4frame.h>
#include <zlib.h>
#include <zstd.h>

#define STEP (64 * 1024) /* output room asked for at a time */

static const char *const names[CODEC_COUNT] = { "none", "gzip", "snappy", "lz4", "zstd" };

const char *compress_name(enum codec codec) { return codec < CODEC_COUNT ? names[codec] : "?"; }

bool compress_by_name(struct str name, enum codec *ret_codec)
{
    if (str_eq_c(name, "uncompressed")) {
        *ret_codec = CODEC_NONE;
        return true;
    }
    for (int i = 0; i < CODEC_COUNT; i++) {
        if (!str_eq_c(name, names[i])) continue;
        *ret_codec = (enum codec)i;
        return true;
    }
    return false;
}

/* --- output with a bound ---------------------------------------------------------------------- */

/* Where the next output goes: room in the buffer, or, at the bound, one spare byte whose use shows
 * that there is too much. */
struct room {
    struct buf *out;
    size_t begin;
    size_t max;
    uint8_t spare;
};

static status room_next(struct room *r, uint8_t **ret_at, size_t *ret_size)
{
    size_t done = r->out->len - r->begin;
    if (done == r->max) {
        *ret_at = &r->spare;
        *ret_size = 1;
        return OK;
    }
    size_t size = r->max - done < STEP ? r->max - done : STEP;
    uint8_t *at = buf_reserve(r->out, size);
    if (!at) return FAIL(NO_MEMORY);
    *ret_at = at;
    *ret_size = size;
    return OK;
}

static status room_used(struct room *r, const uint8_t *at, size_t n)
{
    if (at == &r->spare) return n ? FAIL(LIMIT) : OK;
    r->out->len += n;
    return OK;
}

/* --- gzip ------------------------------------------------------------------------------------- */

#define GZIP_WINDOW (15 + 16) /* largest window, gzip wrapper only */

static voidpf gzip_alloc(voidpf unused, uInt count, uInt size)
{
    (void)unused;
    return mem_zalloc((size_t)count * size);
}

static void gzip_free(voidpf unused, voidpf p)
{
    (void)unused;
    mem_free(p);
}

static status gzip_pack(int level, struct bytes in, struct buf *out)
{
    z_stream z = { .zalloc = gzip_alloc, .zfree = gzip_free };
    if (level < 1 || level > 9) level = Z_DEFAULT_COMPRESSION;
    if (in.len > UINT32_MAX / 2) return FAIL(LIMIT);
    if (deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return FAIL(NO_MEMORY);
    }
    size_t bound = deflateBound(&z, in.len);
    uint8_t *to = buf_reserve(out, bound);
    int result = Z_MEM_ERROR;
    if (to) {
        z.next_in = (Bytef *)(uintptr_t)in.data;
        z.avail_in = (uInt)in.len;
        z.next_out = to;
        z.avail_out = (uInt)bound;
        result = deflate(&z, Z_FINISH);
        if (result == Z_STREAM_END) out->len += z.total_out;
    }
    deflateEnd(&z);
    return result == Z_STREAM_END ? OK : FAIL(NO_MEMORY);
}

static status gzip_members(z_stream *z, struct room *room)
{
    for (;;) {
        uint8_t *at;
        size_t size;
        TRY(room_next(room, &at, &size));
        z->next_out = at;
        z->avail_out = (uInt)size;
        uInt in_before = z->avail_in;
        int result = inflate(z, Z_NO_FLUSH);
        TRY(room_used(room, at, size - z->avail_out));
        if (result == Z_STREAM_END) {
            if (z->avail_in == 0) return OK;
            if (inflateReset(z) != Z_OK) return FAIL(CORRUPT);
            continue;
        }
        if (result == Z_MEM_ERROR) return FAIL(NO_MEMORY);
        if (result != Z_OK) return FAIL(CORRUPT);
        if (z->avail_out == size && z->avail_in == in_before) return FAIL(CORRUPT);
    }
}

static status gzip_unpack(struct bytes in, struct room *room)
{
    z_stream z = { .zalloc = gzip_alloc, .zfree = gzip_free };
    if (in.len > UINT32_MAX) return FAIL(LIMIT);
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK) return FAIL(NO_MEMORY);
    z.next_in = (Bytef *)(uintptr_t)in.data;
    z.avail_in = (uInt)in.len;
    status result = gzip_members(&z, room);
    inflateEnd(&z);
    return result;
}

/* --- LZ4 frames ------------------------------------------------------------------------------- */

static status lz4_pack(int level, struct bytes in, struct buf *out)
{
    LZ4F_preferences_t p = { .frameInfo = { .blockSizeID = LZ4F_max64KB,
                                            .blockMode = LZ4F_blockIndependent },
                             .compressionLevel = level < 1 ? 0 : level > 12 ? 12 : level };
    size_t bound = LZ4F_compressFrameBound(in.len, &p);
    uint8_t *to = buf_reserve(out, bound);
    if (!to) return FAIL(NO_MEMORY);
    size_t n = LZ4F_compressFrame(to, bound, in.data, in.len, &p);
    if (LZ4F_isError(n)) return FAIL(NO_MEMORY);
    out->len += n;
    return OK;
}

static status lz4_frames(LZ4F_dctx *lz4, struct bytes in, struct room *room)
{
    size_t hint = 1; /* 0 when a frame is complete */
    for (;;) {
        uint8_t *at;
        size_t size, in_size = in.len;
        TRY(room_next(room, &at, &size));
        size_t room_size = size;
        hint = LZ4F_decompress(lz4, at, &size, in.data, &in_size, NULL);
        if (LZ4F_isError(hint)) return FAIL(CORRUPT);
        TRY(room_used(room, at, size));
        in.data += in_size;
        in.len -= in_size;
        if (in.len == 0 && size < room_size) return hint == 0 ? OK : FAIL(CORRUPT);
        if (in.len == 0 && hint == 0) return OK;
        if (in_size == 0 && size == 0) return FAIL(CORRUPT);
    }
}

static status lz4_unpack(struct bytes in, struct room *room)
{
    LZ4F_dctx *lz4;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION))) return FAIL(NO_MEMORY);
    status result = lz4_frames(lz4, in, room);
    LZ4F_freeDecompressionContext(lz4);
    return result;
}

/* --- zstd ------------------------------------------------------------------------------------- */

static status zstd_pack(int level, struct bytes in, struct buf *out)
{
    if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel()) level = ZSTD_CLEVEL_DEFAULT;
    size_t bound = ZSTD_compressBound(in.len);
    uint8_t *to = buf_reserve(out, bound);
    if (!to) return FAIL(NO_MEMORY);
    size_t n = ZSTD_compress(to, bound, in.data, in.len, level);
    if (ZSTD_isError(n)) return FAIL(NO_MEMORY);
    out->len += n;
    return OK;
}

static status zstd_frames(ZSTD_DCtx *zstd, struct bytes bytes, struct room *room)
{
    ZSTD_inBuffer in = { bytes.data, bytes.len, 0 };
    for (;;) {
        uint8_t *at;
        size_t size, in_before = in.pos;
        TRY(room_next(room, &at, &size));
        ZSTD_outBuffer out = { at, size, 0 };
        size_t hint = ZSTD_decompressStream(zstd, &out, &in);
        if (ZSTD_isError(hint)) return FAIL(CORRUPT);
        TRY(room_used(room, at, out.pos));
        if (in.pos == in.size && hint == 0) return OK;
        if (in.pos == in.size && out.pos < size) return FAIL(CORRUPT);
        if (in.pos == in_before && out.pos == 0) return FAIL(CORRUPT);
    }
}

static status zstd_unpack(struct bytes in, struct room *room)
{
    ZSTD_DCtx *zstd = ZSTD_createDCtx();
    if (!zstd) return FAIL(NO_MEMORY);
    status result = zstd_frames(zstd, in, room);
    ZSTD_freeDCtx(zstd);
    return result;
}

/* --- both directions -------------------------------------------------------------------------- */

status compress_pack(enum codec codec, int level, struct bytes in, struct buf *out)
{
    if (!in.data) in = bytes_of("", 0);
    switch (codec) {
    case CODEC_NONE: buf_put(out, in.data, in.len); return buf_check(out);
    case CODEC_GZIP: return gzip_pack(level, in, out);
    case CODEC_SNAPPY: return compress_snappy_pack(in, out);
    case CODEC_LZ4: return lz4_pack(level, in, out);
    case CODEC_ZSTD: return zstd_pack(level, in, out);
    case CODEC_COUNT: break;
    }
    return FAIL(UNSUPPORTED_COMPRESSION_TYPE);
}

static status unpack(enum codec codec, struct bytes in, struct room *room)
{
    switch (codec) {
    case CODEC_NONE:
        if (in.len > room->max) return FAIL(LIMIT);
        buf_put(room->out, in.data, in.len);
        return buf_check(room->out);
    case CODEC_GZIP: return gzip_unpack(in, room);
    case CODEC_SNAPPY: return compress_snappy_unpack(in, room->max, room->out);
    case CODEC_LZ4: return lz4_unpack(in, room);
    case CODEC_ZSTD: return zstd_unpack(in, room);
    case CODEC_COUNT: break;
    }
    return FAIL(UNSUPPORTED_COMPRESSION_TYPE);
}

status compress_unpack(enum codec codec, struct bytes in, size_t max, struct buf *out)
{
    struct room room = { .out = out, .begin = out->len, .max = max };
    if (in.len == 0 && codec != CODEC_NONE) return FAIL(CORRUPT);
    status result = unpack(codec, in, &room);
    if (failed(result)) out->len = room.begin;
    return result;
}
