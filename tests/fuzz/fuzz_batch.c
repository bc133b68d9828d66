/* fuzz_batch.c - any bytes as record batches: CRC is not looked at, so that damage gets through. */
#include "fuzz.h"

#include "wire/batch.h"

#include <stdlib.h>

#define PLAIN_MAX (256u << 10)

static void read_all(struct bytes batch)
{
    struct batch_reader r;
    struct record record;
    if (failed(batch_reader_init(&r, batch, PLAIN_MAX))) return;
    int64_t last = r.header.base_offset - 1;
    while (batch_reader_next(&r, &record)) {
        struct record_header header;
        size_t position = 0;
        if (record.offset <= last || record.offset > batch_last_offset(&r.header)) abort();
        last = record.offset;
        for (int32_t i = 0; i < record.header_count; i++) {
            if (failed(record_header_next(&record, &position, &header))) abort();
        }
        if (position != record.headers.len) abort();
    }
    batch_reader_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes run = { data, size }, batch;
    struct batch_header h;
    while (batch_next(&run, &batch, &h, NULL)) {
        if (batch.len != h.size || batch.len > size) abort();
        read_all(batch);
        (void)batch_validate(batch, PLAIN_MAX, NULL);
        (void)batch_check_crc(batch);
    }
    return 0;
}
