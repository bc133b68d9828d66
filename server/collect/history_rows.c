/* history_rows.c - see history_rows.h. */
#include "collect/history_rows.h"

#include "base/mem.h"
#include "wire/varint.h"

void row_put(struct buf *row, int64_t series, int64_t value)
{
    uint8_t bytes[24];
    size_t n = varint_write(bytes, series);
    n += varint_write(bytes + n, value);
    buf_put(row, bytes, n);
}

bool row_next(struct bytes *left, int64_t *ret_series, int64_t *ret_value)
{
    size_t n = varint_get(*left, ret_series);
    if (!n || n > left->len) return false;
    struct bytes rest = bytes_of(left->data + n, left->len - n);
    size_t m = varint_get(rest, ret_value);
    if (!m || m > rest.len) return false;
    *left = bytes_of(rest.data + m, rest.len - m);
    return true;
}

status hour_add(struct hour *hour, struct bytes row)
{
    int64_t series, value;
    hour->rows++;
    while (row_next(&row, &series, &value)) {
        struct hour_sum *s = NULL;
        HASH_FIND(hh, hour->sums, &series, sizeof series, s);
        if (!s) {
            s = mem_zalloc(sizeof *s);
            if (!s) return FAIL(NO_MEMORY);
            s->series = series;
            HASH_ADD(hh, hour->sums, series, sizeof s->series, s);
            if (!HASH_ADDED(hh, s)) {
                mem_free(s);
                return FAIL(NO_MEMORY);
            }
        }
        s->sum += value;
        if (value > s->peak) s->peak = value;
    }
    return OK;
}

int64_t hour_value(const struct hour *hour, const struct hour_sum *sum, enum series_kind kind)
{
    if (kind == SERIES_PEAK) return sum->peak;
    return kind == SERIES_GAUGE ? (sum->sum + hour->rows / 2) / hour->rows : sum->sum;
}

void hour_done(struct hour *hour)
{
    struct hour_sum *s, *next;
    HASH_ITER(hh, hour->sums, s, next) {
        HASH_DEL(hour->sums, s);
        mem_free(s);
    }
    hour->rows = 0;
}
