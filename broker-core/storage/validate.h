/* validate.h - may this batch be appended? Kafka's LogValidator and what stands before it. */
#pragma once
#include "storage/plog.h"
#include "wire/batch.h"

/* Has a client's batch to be inflated before it may be appended? */
bool validate_must_inflate(const struct batch_header *h, const struct log_config *config,
                           int64_t now_ms);
/* The topic's compression.type is a codec and the batch has another: appends the same records,
 * packed as the topic wants them, to `out`. The batch was validated. */
bool validate_must_recompress(const struct batch_header *h, const struct log_config *config);
status validate_recompress(struct bytes batch, const struct log_config *config, struct buf *out,
                           struct batch_header *ret_header);

/* Checks the batch and, for LogAppendTime or a wrong max timestamp, corrects it in place. Fills the
 * header as it is to be stored; why, bad records and append_time_ms of the result. */
status validate_batch(uint8_t *batch, size_t len, const struct log_config *config,
                      enum append_origin origin, int64_t now_ms, struct batch_header *ret_header,
                      struct append_result *result);
