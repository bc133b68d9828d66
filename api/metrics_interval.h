/* metrics_interval.h - the intervals of the metrics dialect: ISO 8601, and relative to now. Pure. */
#pragma once
#include "base/bytes.h"

struct metrics_interval {
    int64_t from, to; /* ms since 1970; from < to */
};
/* "A/B" where each is a time (2026-01-31T10:00:00Z, with offset; now, now-2h, now-5m|m: cut to the
 * minute, hour or day) or one of them a duration (PT1H30M, P7D). False: not understood, or longer than
 * 400 days. */
bool metrics_interval(const char *text, int64_t now, struct metrics_interval *ret);
