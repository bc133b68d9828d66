/* history_rows.h - rows of history.db: a series' number and its value, again and again, as varints, and how
 * the minutes of an hour become one row. A number is written as the distance from the one before, which is
 * mostly 1; a row that does not begin with ROW_DISTANCES is of before, with the numbers themselves. An
 * hour's row begins with ROW_MINUTES, which is no series, and how many minutes it is made of; one of before
 * does not. */
#pragma once
#include "base/buf.h"
#include "base/hash.h"
#include "collect/history.h"

#define ROW_DISTANCES (-1)
#define ROW_MINUTES 0
/* *last: 0 before the first; row_put's own. */
void row_put(struct buf *row, int64_t *last, int64_t series, int64_t value);
struct row {
    struct bytes left;
    int64_t last;
    bool distances;
};
void row_begin(struct row *row, struct bytes data);
bool row_next(struct row *row, int64_t *ret_series, int64_t *ret_value); /* false: no more, or damaged */

struct hour_sum { /* of one series */
    int64_t series, sum, peak;
    UT_hash_handle hh;
};
struct hour { /* zero-initialised */
    struct hour_sum *sums;
    int64_t rows;
};
status hour_add(struct hour *hour, struct bytes data); /* of a minute */
/* A counter's hour is the sum of its minutes, a gauge's their mean, a peak's the greatest. */
int64_t hour_value(const struct hour *hour, const struct hour_sum *sum, enum series_kind kind);
void hour_done(struct hour *hour); /* and it may be used again */
