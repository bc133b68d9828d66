/* history_read.c - reading history.db: any thread, each with a connection of its own. */
#include "base/hash.h"
#include "base/mem.h"
#include "collect/history_rows.h"

#include <stdio.h>
#include <unistd.h>

#define MINUTES_KEPT_MS (7LL * 24 * HISTORY_HOUR)

struct label { /* of one series */
    int64_t series;
    const struct series_type *type;
    UT_hash_handle hh;
    struct str parts[SERIES_LABELS_MAX];
    char text[];
};
struct reading {
    const struct history_query *query;
    struct db *db;
    int64_t cluster; /* its number in the file */
    struct label *labels;
};

static void label_split(struct label *l, size_t len)
{
    l->parts[0] = (struct str){ l->text, len };
    if (l->type->label != SERIES_GROUP) return;
    size_t at = len;
    while (at > 0 && l->text[at - 1] != '\n') at--;
    l->parts[0].len = at ? at - 1 : 0;
    l->parts[1] = (struct str){ l->text + at, len - at };
}

static status label_add(struct reading *r, const struct series_type *type, int64_t series, struct str text)
{
    struct label *l = mem_zalloc(sizeof *l + text.len + 1);
    if (!l) return FAIL(NO_MEMORY);
    l->series = series;
    l->type = type;
    memcpy(l->text, text.data, text.len);
    label_split(l, text.len);
    HASH_ADD(hh, r->labels, series, sizeof l->series, l);
    if (HASH_ADDED(hh, l)) return OK;
    mem_free(l);
    return FAIL(NO_MEMORY);
}

static status read_labels(struct reading *r, const struct series_type *type)
{
    struct db_query *q = DB(r->db, "SELECT number, label FROM series WHERE cluster = ? AND type = ?",
                            r->cluster, (int64_t)type->number);
    status result = OK;
    while (is_ok(result) && db_next(q)) result = label_add(r, type, db_i64(q, 0), db_text(q, 1));
    status ended = db_end(q);
    return failed(result) ? result : ended;
}

struct looked { /* of a minute or an hour */
    int64_t at, observed;
};

static void tell_row(const struct reading *r, struct looked of)
{
    if (r->query->row) r->query->row(r->query->arg, of.at, of.observed);
}

static void tell(const struct reading *r, struct looked of, const struct label *l, int64_t value)
{
    struct history_point p = { .at = of.at, .observed = of.observed, .type = l->type, .value = value };
    memcpy(p.labels, l->parts, sizeof p.labels);
    r->query->point(r->query->arg, &p);
}

/* An hour's row of before: its minutes are counted while they are kept, of which an older one is the sign;
 * later it counts as a whole one. */
static int64_t minutes_of_before(const struct reading *r, int64_t at)
{
    int64_t first = at / HISTORY_MINUTE, count = 0;
    (void)db_one_i64(DB(r->db, "SELECT EXISTS (SELECT 1 FROM minute WHERE cluster = ? AND at < ?) * (SELECT "
                               "count(*) FROM minute WHERE cluster = ? AND at >= ? AND at < ?)",
                        r->cluster, first, r->cluster, first, first + HISTORY_HOUR / HISTORY_MINUTE),
                     &count); /* logged */
    return count;
}

static struct looked looked_of(const struct reading *r, int64_t at, struct bytes data, int64_t step)
{
    int64_t series, minutes = 0;
    struct row row;
    if (step == HISTORY_MINUTE) return (struct looked){ at, step };
    row_begin(&row, data);
    if (!row_next(&row, &series, &minutes) || series != ROW_MINUTES) minutes = minutes_of_before(r, at);
    int64_t observed = minutes * HISTORY_MINUTE;
    return (struct looked){ at, minutes > 0 && observed < step ? observed : step };
}

static void read_row(const struct reading *r, struct looked of, struct bytes data)
{
    int64_t series, value;
    struct row row;
    tell_row(r, of);
    row_begin(&row, data);
    while (row_next(&row, &series, &value)) {
        struct label *l = NULL;
        HASH_FIND(hh, r->labels, &series, sizeof series, l);
        if (l) tell(r, of, l, value);
    }
}

static status read_rows(const struct reading *r, const char *sql, int64_t step, int64_t from, int64_t to)
{
    struct db_query *q = DB(r->db, sql, r->cluster, (from + step - 1) / step, (to + step - 1) / step);
    while (db_next(q)) {
        struct bytes data = db_bytes(q, 1);
        read_row(r, looked_of(r, db_i64(q, 0) * step, data, step), data);
    }
    return db_end(q);
}

static const char minutes_sql[] =
    "SELECT at, data FROM minute WHERE cluster = ? AND at >= ? AND at < ? ORDER BY at";
static const char hours_sql[] =
    "SELECT at, data FROM hour WHERE cluster = ? AND at >= ? AND at < ? ORDER BY at";

static void hour_tell(const struct reading *r, struct hour *hour, int64_t at)
{
    struct hour_sum *s, *next;
    struct looked of = { at, hour->rows * HISTORY_MINUTE };
    if (hour->rows) tell_row(r, of);
    HASH_ITER(hh, hour->sums, s, next) {
        struct label *l = NULL;
        HASH_FIND(hh, r->labels, &s->series, sizeof s->series, l);
        if (l) tell(r, of, l, hour_value(hour, s, l->type->kind));
    }
    hour_done(hour);
}

/* Hours that are not made yet. */
static status read_hours_of_minutes(const struct reading *r, int64_t from, int64_t to)
{
    struct hour hour = { 0 };
    int64_t at = 0;
    status result = OK;
    struct db_query *q = DB(r->db, minutes_sql, r->cluster, from / HISTORY_MINUTE, to / HISTORY_MINUTE);
    while (is_ok(result) && db_next(q)) {
        int64_t of = db_i64(q, 0) * HISTORY_MINUTE / HISTORY_HOUR * HISTORY_HOUR;
        if (of != at) hour_tell(r, &hour, at);
        at = of;
        result = hour_add(&hour, db_bytes(q, 1));
    }
    status ended = db_end(q);
    if (is_ok(result) && is_ok(ended)) hour_tell(r, &hour, at);
    hour_done(&hour);
    return failed(result) ? result : ended;
}

static status read_hours(const struct reading *r)
{
    int64_t made = 0;
    const struct history_query *q = r->query;
    TRY(db_one_i64(DB(r->db, "SELECT coalesce(max(at) + 1, 0) FROM hour"), &made));
    made *= HISTORY_HOUR;
    TRY(read_rows(r, hours_sql, HISTORY_HOUR, q->from, q->to < made ? q->to : made));
    int64_t from = q->from > made ? q->from : made;
    return from < q->to ? read_hours_of_minutes(r, from, q->to) : OK;
}

static status read_cluster(struct reading *r)
{
    const struct history_query *q = r->query;
    status found = db_one_i64(DB(r->db, "SELECT number FROM cluster WHERE id = ?", q->cluster_id),
                              &r->cluster);
    if (found.code == E_NOT_FOUND) return OK;
    TRY(found);
    for (size_t i = 0; i < q->type_count; i++) TRY(read_labels(r, q->types[i]));
    return q->step == HISTORY_HOUR ? read_hours(r)
                                   : read_rows(r, minutes_sql, HISTORY_MINUTE, q->from, q->to);
}

int64_t history_step(int64_t from, int64_t now_wall)
{
    return from >= now_wall - MINUTES_KEPT_MS ? HISTORY_MINUTE : HISTORY_HOUR;
}

status history_read(const char *data_dir, const struct history_query *query)
{
    char path[512];
    CLEANUP(db) struct db *db = NULL;
    snprintf(path, sizeof path, "%s/history.db", data_dir);
    if (access(path, R_OK) != 0) return FAIL(NOT_FOUND);
    TRY(db_open_reader(path, &db));
    struct reading r = { .query = query, .db = db };
    status result = read_cluster(&r);
    struct label *l, *next;
    HASH_ITER(hh, r.labels, l, next) {
        HASH_DEL(r.labels, l);
        mem_free(l);
    }
    return result;
}
