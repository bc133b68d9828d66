/* compress_int.h - shared by compress.c and compress_snappy.c. */
#pragma once
#include "wire/compress.h"

status compress_snappy_pack(struct bytes in, struct buf *out);
status compress_snappy_unpack(struct bytes in, size_t max, struct buf *out);
