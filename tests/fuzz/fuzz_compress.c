/* fuzz_compress.c - any bytes as compressed data; the first byte chooses the codec. */
#include "fuzz.h"

#include "wire/compress.h"

#include <stdlib.h>

#define PLAIN_MAX (256u << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out;
    if (size < 1) return 0;
    buf_init(&out, PLAIN_MAX);
    struct bytes in = { data + 1, size - 1 };
    status s = compress_unpack((enum codec)(data[0] % CODEC_COUNT), in, PLAIN_MAX, &out);
    if (failed(s) && out.len != 0) abort();
    if (out.len > PLAIN_MAX) abort();
    buf_done(&out);
    return 0;
}
