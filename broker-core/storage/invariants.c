/* invariants.c - the invariants of the commit journal, asserted after every completion in debug builds and in
 * the programs of the suite breaks. Numbers as in FORMAT.md. */
#include "storage/invariants.h"

#ifdef LEAT_INVARIANTS
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define INVARIANT_LOGS 256

#define HOLDS(log, condition, text)                                                                \
    do {                                                                                           \
        if (!(condition)) violated(log, text, #condition);                                         \
    } while (0)

static _Noreturn void violated(const struct plog *log, const char *text, const char *condition)
{
    fprintf(stderr, "invariant: %s (%s)", text, condition);
    if (log)
        fprintf(stderr,
                " in %s: start %" PRId64 " high watermark %" PRId64 " durable %" PRId64
                " handed %" PRId64 " end %" PRId64,
                log->folder ? log->folder : "a log without a folder", log->start, log->high_watermark,
                log->durable, log->handed, log->end);
    fputc('\n', stderr);
    abort();
}

/* Bytes behind what was handed to a commit. */
static int64_t bytes_unhanded(const struct plog *log)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < log->count; i++) {
        const struct segment *s = log->segments[i];
        if (s->base > log->handed_segment) bytes += s->size;
        else if (s->base == log->handed_segment) bytes += s->size - log->handed_position;
    }
    return bytes;
}

static int64_t bytes_stored(const struct plog *log)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < log->count; i++) bytes += log->segments[i]->size;
    return bytes;
}

static void check_log(const struct plog *log)
{
    bool quiet = log->store->rounds_out == 0 && !log->direct && !log->store->checkpoint;
    HOLDS(log, log->handed <= log->end && (!log->flushing || log->durable <= log->handed),
          "1: durable <= handed <= end");
    HOLDS(log, !log->flushing || log->high_watermark <= log->durable || log->high_watermark <= log->os_end,
          "1: readers see what is durable");
    HOLDS(log, log->high_watermark <= log->end, "1: the high watermark lies in the log");
    HOLDS(log, !log->flushing || bytes_unhanded(log) == log->unhanded,
          "2: what is journaled next continues what was handed");
    HOLDS(log, !quiet || !log->flushing || log->want_direct || log->handed == log->durable,
          "2: what was handed and is not in flight is durable");
    HOLDS(log, log->rp.offset <= log->durable, "6: the recovery point is durable");
    HOLDS(log, log->rp.segment <= log->rp.offset && log->rp.snapshot <= log->rp.offset,
          "6: segment and snapshot of the recovery point lie below it");
    HOLDS(log, log->start <= log->start_wanted && log->start_handed <= log->start_wanted,
          "10: the log start moves forward");
    HOLDS(log, log->start <= log->high_watermark, "10: the log start is durable");
    HOLDS(log, bytes_stored(log) == log->bytes, "the log has the size of its segments");
}

void store_check(const struct store *store)
{
    if (failed(store->failure)) return;
#ifdef LEAT_BREAKS
    if (storage_break != BREAK_NONE) return; /* what comes of it is to be noticed, not this */
#endif
    HOLDS(NULL, store->previous < store->sequence, "4: a sequence names one frame");
    HOLDS(NULL, store->first <= store->sequence, "5: the file in use begins with a live frame");
    HOLDS(NULL, store->rounds_out > 0 || store->position % FRAME_ALIGN == 0, "3: frames begin on pages");
    int seen = 0;
    int64_t unfolded = 0;
    for (const struct plog *log = store->logs; log && seen < INVARIANT_LOGS; log = log->hh.next, seen++)
        check_log(log), unfolded += log->since_snapshot;
    HOLDS(NULL, seen == INVARIANT_LOGS || unfolded == store->unfolded, "the logs have what there is to fold");
}
#else
typedef int invariants_are_not_compiled; /* a translation unit needs something in it */
#endif
