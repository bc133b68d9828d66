/* batch.h - record batches of format 2: header, CRC, reading and building.
 *
 * A batch is stored and sent as the producer made it; only base offset and leader epoch (outside
 * the CRC), and for LogAppendTime the timestamp type and max timestamp, are changed in place. */
#pragma once
#include "base/arena.h"
#include "wire/compress.h"

#define BATCH_OVERHEAD 12   /* base offset and length: what the length does not count */
#define BATCH_HEADER_SIZE 61
#define BATCH_MAGIC 2
#define BATCH_CRC_FROM 21    /* what the CRC covers, to the end */
#define BATCH_MAGIC_AT 16   /* position of that byte */

enum batch_attributes {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08,
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40, /* base_timestamp is the horizon (KIP-534) */
};
enum control_type { CONTROL_ABORT = 0, CONTROL_COMMIT = 1 };

struct batch_header {
    int64_t base_offset;
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;   /* -1: not idempotent */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count;
    size_t size;           /* of the whole batch */
};

static inline enum codec batch_codec(const struct batch_header *h)
{
    return (enum codec)(h->attributes & BATCH_CODEC_MASK);
}
static inline int64_t batch_last_offset(const struct batch_header *h)
{
    return h->base_offset + h->last_offset_delta;
}
/* Sequences go on at 0 after 2^31-1. */
static inline int32_t batch_sequence_add(int32_t sequence, int32_t n)
{
    return (int32_t)(((int64_t)sequence + n) & INT32_MAX);
}
static inline int32_t batch_last_sequence(const struct batch_header *h)
{
    return h->base_sequence < 0 ? -1 : batch_sequence_add(h->base_sequence, h->last_offset_delta);
}

/* --- the header ------------------------------------------------------------------------------- */
/* Reads the header of the batch at the front of `in` (>= BATCH_HEADER_SIZE bytes), whose records
 * need not be there. TRUNCATED: fewer bytes; UNSUPPORTED_FOR_MESSAGE_FORMAT: another magic;
 * CORRUPT_MESSAGE: impossible size, count, delta, or codec. */
status batch_header_peek(struct bytes in, struct batch_header *ret_header);
/* The same, and the whole batch must be there (TRUNCATED). */
status batch_header_parse(struct bytes in, struct batch_header *ret_header);
/* Takes the first whole batch off the front of a run of batches: false at the end, at a cut-off
 * batch or at damage (see *ret_why: OK, TRUNCATED, or the error; NULL ok). */
bool batch_next(struct bytes *records, struct bytes *ret_batch, struct batch_header *ret_header,
                status *ret_why);

uint32_t batch_crc(struct bytes batch);          /* computed over the bytes */
uint32_t batch_crc_field(struct bytes batch);    /* what the header says */
status batch_check_crc(struct bytes batch);      /* CORRUPT_MESSAGE */
void batch_set_base_offset(uint8_t *batch, int64_t offset);
void batch_set_leader_epoch(uint8_t *batch, int32_t epoch);
/* Writes header and CRC over a batch of h->size bytes whose records are in place. */
void batch_header_write(uint8_t *batch, const struct batch_header *h);
/* LogAppendTime: bit, max timestamp and a new CRC. */
void batch_set_append_time(uint8_t *batch, size_t len, int64_t now_ms);

/* --- reading ---------------------------------------------------------------------------------- */
struct record_header {
    struct str key;
    struct bytes value;
};
struct record {
    int64_t offset;
    int64_t timestamp;
    struct bytes key;       /* null: data NULL */
    struct bytes value;
    struct bytes headers;   /* as on the wire, behind the count */
    int32_t header_count;
    int32_t size;           /* bytes of the record on the wire, uncompressed */
};
struct batch_reader {
    struct batch_header header;
    struct buf plain; /* what was decompressed */
    struct bytes left;
    int32_t records_left;
    int64_t last_delta;
    status result;
};
/* The batch must stay alive while records are used. max_plain bounds what decompression may make
 * (LIMIT). Does not check the CRC. On failure nothing has to be freed. */
status batch_reader_init(struct batch_reader *r, struct bytes batch, size_t max_plain);
void batch_reader_done(struct batch_reader *r); /* after init only; twice ok */
/* False after the last record or at damage: batch_reader_result() says which. Offsets within a
 * batch must rise. */
bool batch_reader_next(struct batch_reader *r, struct record *ret_record);
status batch_reader_result(const struct batch_reader *r); /* OK or CORRUPT_MESSAGE */
/* Next header of a record: starts with *position = 0 and count down yourself. */
status record_header_next(const struct record *record, size_t *position,
                          struct record_header *ret_header);
/* All headers into the arena; *ret_headers has record->header_count elements. */
status record_headers(const struct record *record, struct arena *arena,
                      struct record_header **ret_headers);
/* Walks the records of a batch and checks what a producer's batch must satisfy: framing, count,
 * consecutive offsets from 0. ret_bad (NULL ok): index of the first bad record, or -1. */
status batch_validate(struct bytes batch, size_t max_plain, int32_t *ret_bad);

/* --- building --------------------------------------------------------------------------------- */
struct batch_options {
    enum codec codec;
    int level;               /* COMPRESS_LEVEL_DEFAULT; used when codec is set */
    int64_t base_offset;
    int32_t leader_epoch;
    int16_t attributes;      /* LOG_APPEND_TIME, TRANSACTIONAL, CONTROL, DELETE_HORIZON */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int64_t delete_horizon;  /* ms since 1970; used when attributes say DELETE_HORIZON */
    size_t max;              /* largest uncompressed size */
};
/* codec none, level default, base 0, epoch -1, no producer, 64 MiB. */
extern const struct batch_options batch_options_default;

struct batch_builder {
    struct batch_options options;
    struct buf out; /* header room, then records */
    int64_t base_timestamp;
    int64_t max_timestamp;
    int32_t count;
    int32_t last_delta;
};
/* options NULL: the defaults. */
void batch_builder_init(struct batch_builder *b, const struct batch_options *options);
void batch_builder_done(struct batch_builder *b);
/* Appends at the next offset. Null key or value: data NULL. LIMIT past options.max. */
status batch_builder_add(struct batch_builder *b, int64_t timestamp, struct bytes key,
                         struct bytes value, const struct record_header *headers, int count);
/* Appends a record read from elsewhere under its own offset (>= base_offset, rising), with its
 * headers as they are: for rewriting batches. */
status batch_builder_add_record(struct batch_builder *b, const struct record *record);
size_t batch_builder_size(const struct batch_builder *b); /* uncompressed, so far */
/* last_offset_delta stays at least this (compaction keeps the range of offsets of a batch). */
void batch_builder_keep_last_offset(struct batch_builder *b, int64_t last_offset);
/* Compresses, fills in header and CRC, appends the batch to `out`; b is ready for the next one
 * (same options). A batch without records is legal only for compaction. */
status batch_builder_finish(struct batch_builder *b, struct buf *out);

/* A control batch with one end-transaction marker (KIP-98). */
status batch_put_marker(struct buf *out, enum control_type type, int64_t producer_id,
                        int16_t producer_epoch, int32_t coordinator_epoch, int64_t timestamp);
/* What the marker in a control batch says. NOT_FOUND: it holds no record, or one of another type;
 * CORRUPT_MESSAGE. */
status batch_get_marker(struct bytes batch, enum control_type *ret_type,
                        int32_t *ret_coordinator_epoch);
