/* log_config.h - the settings of a topic that its partition logs obey (Kafka's names and units). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct log_config {
    int64_t retention_ms;    /* -1 = for ever */
    int64_t retention_bytes; /* per partition; -1 = no limit */
    int64_t segment_bytes;
    int64_t segment_ms;
    int64_t max_message_bytes;          /* of one batch */
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    bool log_append_time;    /* message.timestamp.type=LogAppendTime */
    bool cleanup_delete;     /* cleanup.policy contains delete */
    bool cleanup_compact;    /* … contains compact */
    int64_t delete_retention_ms;   /* compaction: of tombstones, after they were met first */
    int64_t min_compaction_lag_ms, max_compaction_lag_ms; /* age of records, see Kafka */
    double min_cleanable_dirty_ratio;
    bool flush;              /* false: leat.flush=os, the page cache is enough */
    int64_t flush_messages, flush_ms; /* without `flush`: what the page cache alone may hold */
    int64_t segment_jitter_ms;    /* at most so much is taken off segment_ms, by the segment */
    int64_t index_interval_bytes; /* of log between two entries of the index */
    int64_t index_bytes;          /* of the index of a segment, 8 an entry as in Kafka */
    int64_t file_delete_delay_ms; /* of a removed segment; 0 = at once */
    bool internal;           /* a topic of ours: not counted in store_user_bytes */
    int8_t compression;      /* -1 = producer's; else a codec to enforce (0 none … 4 zstd) */
    int32_t gzip_level, lz4_level, zstd_level; /* … and how hard; -1 of gzip: zlib's own */
};

/* Kafka 4.2's defaults, and leat.flush = fsync. */
extern const struct log_config log_config_default;
