/* index.h - where in a segment an offset or a time is: a sparse table, ascending in all columns.
 *
 * One entry each INDEX_INTERVAL bytes at first (or what the topic says); a full table drops every second
 * entry and doubles its interval, so a segment of any size costs at most 64 KiB. Lookups give a batch at or
 * before the one wanted; the reader walks on from there. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

struct index_entry {
    uint32_t relative;   /* base offset of the batch, from the segment's */
    uint32_t position;
    int64_t max_before;  /* greatest timestamp of all batches before it; INT64_MIN at the front */
};

struct index {
    struct index_entry *entries;
    uint32_t count, cap;
    uint32_t interval;
    uint32_t max; /* entries */
};

void index_init(struct index *index);
void index_done(struct index *index); /* empty again */
/* What a topic asks for (index.interval.bytes, segment.index.bytes), within what memory allows. One that
 * is made again by a scan has the usual limits. */
void index_limit(struct index *index, int64_t interval_bytes, int64_t index_bytes);
/* Tells of a batch; kept when far enough from the last entry. Out of memory: not kept. */
void index_add(struct index *index, uint32_t relative, uint32_t position, int64_t max_before);
/* Position of the last entry at or before; 0 when there is none. */
uint32_t index_find_offset(const struct index *index, uint32_t relative);
/* The last entry at or before both a position and an offset; NULL: none. */
const struct index_entry *index_before(const struct index *index, uint32_t position, int64_t relative);
/* The first entry behind a position; NULL when there is none. */
const struct index_entry *index_after(const struct index *index, uint32_t position);
/* Position from where the first batch with a timestamp >= ts must be looked for. */
uint32_t index_find_time(const struct index *index, int64_t ts);
/* Forgets what lies at or behind position. */
void index_cut(struct index *index, uint32_t position);
