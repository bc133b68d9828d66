/* history_rows.c - see history_rows.h. */
#include "collect/history_rows.h"

#include "base/mem.h"
#include "wire/varint.h"

void row_put(struct buf *row, int64_t *last, int64_t series, int64_t value)
{
    uint8_t bytes[3 * VARINT_MAX];
    size_t n = row->len ? 0 : varint_write(bytes, ROW_DISTANCES);
    n += varint_write(bytes + n, series - *last);
    n += varint_write(bytes + n, value);
    *last = series;
    buf_put(row, bytes, n);
}

static bool take(struct row *row, int64_t *ret)
{
    size_t n = varint_get(row->left, ret);
    if (!n || n > row->left.len) return false;
    row->left = bytes_of(row->left.data + n, row->left.len - n);
    return true;
}

void row_begin(struct row *row, struct bytes data)
{
    int64_t first;
    *row = (struct row){ .left = data };
    row->distances = take(row, &first) && first == ROW_DISTANCES;
    if (!row->distances) row->left = data;
}

bool row_next(struct row *row, int64_t *ret_series, int64_t *ret_value)
{
    if (!take(row, ret_series) || !take(row, ret_value)) return false;
    if (row->distances) *ret_series += row->last;
    row->last = *ret_series;
    return true;
}

status hour_add(struct hour *hour, struct bytes data)
{
    int64_t series, value;
    struct row row;
    row_begin(&row, data);
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
