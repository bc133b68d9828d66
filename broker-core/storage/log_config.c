/* log_config.c - Kafka 4.2's defaults for a topic's log. */
#include "storage/log_config.h"

const struct log_config log_config_default = {
    .retention_ms = 7LL * 24 * 3600 * 1000,
    .retention_bytes = -1,
    .segment_bytes = 1LL << 30,
    .segment_ms = 7LL * 24 * 3600 * 1000,
    .max_message_bytes = 1048588,
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = 3600 * 1000,
    .log_append_time = false,
    .delete_retention_ms = 24LL * 3600 * 1000,
    .max_compaction_lag_ms = INT64_MAX,
    .min_cleanable_dirty_ratio = 0.5,
    .cleanup_delete = true,
    .cleanup_compact = false,
    .flush = true,
    .flush_messages = INT64_MAX,
    .flush_ms = INT64_MAX,
    .index_interval_bytes = 4096,
    .index_bytes = 10485760,
    .compression = -1,
    .gzip_level = -1,
    .lz4_level = 9,
    .zstd_level = 3,
};
