/* compress.h - the codecs of record batches, whole blobs in and out. */
#pragma once
#include "base/buf.h"

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_COUNT };

#define COMPRESS_LEVEL_DEFAULT INT32_MIN

const char *compress_name(enum codec codec);                 /* "none", "gzip" … */
bool compress_by_name(struct str name, enum codec *ret_codec); /* also "uncompressed" */

/* Appends the compressed form of `in`: gzip member, xerial-framed snappy, LZ4 frame, zstd frame. */
status compress_pack(enum codec codec, int level, struct bytes in, struct buf *out);
/* Appends what `in` unpacks to, at most max bytes. CORRUPT when it is damaged, LIMIT when it is
 * larger. Accepts every legal form: several gzip members or frames one after another, snappy bare
 * or in xerial framing, LZ4 and zstd with or without content size and checksums. */
status compress_unpack(enum codec codec, struct bytes in, size_t max, struct buf *out);
