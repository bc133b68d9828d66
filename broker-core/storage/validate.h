/* validate.h - may this batch be appended? Kafka's LogValidator and what stands before it. */
#pragma once
#include "storage/plog.h"
#include "wire/batch.h"

/* Checks the batch and, for LogAppendTime or a wrong max timestamp, corrects it in place. Fills the
 * header as it is to be stored; why, bad_record and append_time_ms of the result. */
status validate_batch(uint8_t *batch, size_t len, const struct log_config *config,
                      enum append_origin origin, int64_t now_ms, struct batch_header *ret_header,
                      struct append_result *result);
