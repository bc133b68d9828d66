/* prepare.h - what an append does before it needs the log: the batch is checked, stamped and, where the
 * topic wants another codec, packed anew. Any thread; no state.
 *
 * Reading or packing the records of one batch can take longer than a loop may stand still (zstd at its
 * greatest level: a second for a megabyte), so who appends what prepare_is_long() tells prepares it on a
 * lane and hands the outcome to plog_append_prepared(). */
#pragma once
#include "storage/plog.h"
#include "wire/batch.h"

struct prepared {
    struct batch_header header; /* as it is to be stored */
    uint8_t *batch;             /* what is to be stored: what was given, or in `packed` */
    size_t len;
    struct buf packed;
};
/* May preparing this batch of a client take longer than a fraction of a millisecond? */
bool prepare_is_long(struct bytes batch, const struct log_config *config, int64_t now_ms);
/* Checks the batch and changes it in place. Errors and what *ret_result says of them: see plog_append.
 * The batch has to stay until it is appended. prepared_done() in any case. */
status prepare_batch(struct prepared *ret, uint8_t *batch, size_t len, const struct log_config *config,
                     enum append_origin origin, int64_t now_ms, struct append_result *ret_result);
void prepared_done(struct prepared *p);
/* plog_append for a batch whose preparation went well; *result is what that left. Within the `append`
 * of the same log's configuration, or a moment after it was changed. */
status plog_append_prepared(struct plog *log, const struct prepared *p, enum append_origin origin,
                            struct append_result *result);
