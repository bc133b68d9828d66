/* fuzz_filter.c - any bytes as a filter of records, held against records of any bytes: what people write in
 * a search box, and what strangers produced. The input is the filter, a zero byte, then the record. */
#include "fuzz.h"

#include "domain/record_filter.h"

#include <stdlib.h>

#define STEPS (1 << 20)

static void match(struct record_filter *filter, struct bytes data)
{
    struct record r = { .offset = 5, .timestamp = 1700000000000, .value = data };
    int64_t steps = STEPS;
    bool first = false, second = false;
    size_t half = data.len / 2;
    r.key = bytes_of(data.data, half);
    r.headers = bytes_of(data.data + half, data.len - half);
    r.header_count = data.len ? data.data[0] % 8 : 0;
    status result = record_filter_match(filter, 1, &r, &steps, &first);
    if (steps > STEPS || (failed(result) && result.code != E_LIMIT)) abort();
    if (failed(result)) return;
    steps = STEPS;
    if (failed(record_filter_match(filter, 1, &r, &steps, &second)) || first != second) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t n = zero ? (size_t)(zero - data) : size;
    struct arena arena;
    struct record_filter *filter = NULL;
    struct why why;
    size_t at = 0;
    arena_init(&arena, 1 << 20);
    status read = record_filter_parse((struct str){ (const char *)data, n }, &arena, &filter, &at, &why);
    if (is_ok(read)) {
        match(filter, zero ? bytes_of(zero + 1, size - n - 1) : bytes_of(data, size));
        record_filter_done(filter);
    } else if (read.code != E_INVALID || at < 1 || at > n + 1 || !why.text[0]) {
        abort();
    }
    arena_done(&arena);
    return 0;
}
