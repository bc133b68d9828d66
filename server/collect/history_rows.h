/* history_rows.h - rows of history.db: pairs of a series' number and its value, as varints, and how the
 * minutes of an hour become one row. */
#pragma once
#include "base/buf.h"
#include "base/hash.h"
#include "collect/history.h"

void row_put(struct buf *row, int64_t series, int64_t value);
/* Takes the next pair off; false: none is left, or it is damaged. */
bool row_next(struct bytes *left, int64_t *ret_series, int64_t *ret_value);

struct hour_sum { /* of one series */
    int64_t series, sum, peak;
    UT_hash_handle hh;
};
struct hour { /* zero-initialised */
    struct hour_sum *sums;
    int64_t rows;
};
status hour_add(struct hour *hour, struct bytes row);
/* A counter's hour is the sum of its minutes, a gauge's their mean, a peak's the greatest. */
int64_t hour_value(const struct hour *hour, const struct hour_sum *sum, enum series_kind kind);
void hour_done(struct hour *hour); /* and it may be used again */
