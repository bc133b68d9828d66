/* batch_check.h - stored batches on their way out are checked once more, in pieces of any size: what
 * the disk gives back may be other than what was checked when it was written, or first read. A CRC of
 * bytes that are in hand costs a tenth of what sending them does. */
#pragma once
#include "storage/plog.h"
#include "storage/segment.h"

struct batch_check {
    struct batch_chain chain;
    int64_t position; /* in the segment: of the batch at hand, behind the last good one */
    int64_t end;      /* of what comes */
    size_t have;      /* of its header */
    size_t left;      /* of what the CRC covers, once the header is there */
    uint32_t crc, expected;
    uint8_t header[BATCH_HEADER_SIZE];
};
void batch_check_begin(struct batch_check *check, const struct log_span *span);
/* The bytes that follow. CORRUPT: the batch at check->position is damaged. The log tells of the leader
 * epochs, which no CRC covers; NULL: it is gone. */
status batch_check_feed(struct batch_check *check, const struct plog *log, const uint8_t *p, size_t n);
