/* log_source.h - a stretch of a log as something a stream sends: read when there is room for it, from
 * the page cache, or brought there on a lane. Loop thread. */
#pragma once
#include "io/stream.h"
#include "storage/plog.h"

/* Pins the segment of the span until it is freed. NULL: no memory, or so many are out that their
 * descriptors would become too many: read the span at once (plog_span_read). */
struct stream_source *log_source_new(struct plog *log, const struct log_span *span);
