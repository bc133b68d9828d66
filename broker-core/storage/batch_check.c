/* batch_check.c - see batch_check.h. */
#include "storage/batch_check.h"

#include "base/crc32c.h"
#include "storage/storage_int.h"

void batch_check_begin(struct batch_check *check, const struct log_span *span)
{
    *check = (struct batch_check){ .chain = segment_chain(span->segment, span->first),
                                   .position = span->position,
                                   .end = span->position + (int64_t)span->len };
}

static status header_over(struct batch_check *check, const struct plog *log)
{
    struct batch_header h;
    if (failed(batch_header_peek(bytes_of(check->header, sizeof check->header), &h))) return FAIL(CORRUPT);
    if (check->position + (int64_t)h.size > check->end) return FAIL(CORRUPT); /* no CRC covers that */
    if (log && !plog_epoch_fits(log, &h)) return FAIL(CORRUPT);
    TRY(batch_chain_take(&check->chain, &h));
    check->expected = h.crc;
    check->crc = crc32c(0, check->header + BATCH_CRC_FROM, sizeof check->header - BATCH_CRC_FROM);
    check->left = h.size - sizeof check->header;
    return OK;
}

static status batch_over(struct batch_check *check)
{
    struct batch_header h;
    if (check->crc != check->expected) return FAIL(CORRUPT);
    TRY(batch_header_peek(bytes_of(check->header, sizeof check->header), &h));
    check->position += (int64_t)h.size;
    check->have = 0;
    return OK;
}

status batch_check_feed(struct batch_check *check, const struct plog *log, const uint8_t *p, size_t n)
{
    while (n > 0) {
        bool header = check->have < sizeof check->header;
        size_t want = header ? sizeof check->header - check->have : check->left;
        size_t take = want < n ? want : n;
        if (header) {
            memcpy(check->header + check->have, p, take);
            check->have += take;
            if (check->have == sizeof check->header) TRY(header_over(check, log));
        } else {
            check->crc = crc32c(check->crc, p, take);
            check->left -= take;
        }
        p += take;
        n -= take;
        if (check->have == sizeof check->header && check->left == 0) TRY(batch_over(check));
    }
    return OK;
}
