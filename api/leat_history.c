/* leat_history.c - GET /leat/v1/clusters/{cluster_id}/history: figures over time in steps, for charts and
 * people; null where nobody looked. HTTP threads. */
#include "api/control.h"
#include "api/handlers.h"
#include "api/kafka.h"
#include "base/hash.h"
#include "collect/history.h"
#include "domain/domain.h"

#define METRICS_MAX HISTORY_TYPES_MAX
#define STEPS_SHOWN 360   /* of a span */
#define STEPS_MAX 1500    /* when a step is asked for */
#define SERIES_MAX 600
#define LABELS_DEFAULT 10 /* of `by`, a metric */
#define LABELS_MAX 50
#define WRITTEN_AFTER_MS 5000 /* a minute is in the file a moment after it is over */
#define DAY (24LL * HISTORY_HOUR)

struct line { /* one series of the answer */
    size_t metric;
    int64_t *values; /* a step each */
    double weight;
    UT_hash_handle hh;
    size_t key_len;
    char key[];      /* the metric's number, then the label of `by` */
};
struct chart {
    struct api_request *rq;
    struct history_query query;
    struct str wanted[HISTORY_TYPES_MAX][SERIES_LABELS_MAX]; /* by metric: labels that are meant; NULL: any */
    int by[HISTORY_TYPES_MAX];  /* by metric: the label to tell apart; -1 none */
    struct str by_name;
    int64_t from, to, step, limit;
    size_t steps;
    int64_t *observed; /* by step: ms in which somebody looked */
    struct line *lines;
    bool too_much;
};

static bool refuse(struct chart *c, const char *parameter, const char *detail)
{
    api_fail_at(c->rq, 400, NULL, detail, NULL, parameter);
    return false;
}

/* --- what is asked for ---------------------------------------------------------------------------- */

static const struct { const char *name; int64_t ms, step; } spans[] = {
    { "15m", HISTORY_HOUR / 4, HISTORY_MINUTE },  { "1h", HISTORY_HOUR, HISTORY_MINUTE },
    { "6h", 6 * HISTORY_HOUR, HISTORY_MINUTE },   { "24h", DAY, 5 * HISTORY_MINUTE },
    { "7d", 7 * DAY, HISTORY_HOUR },              { "30d", 30 * DAY, 2 * HISTORY_HOUR },
    { "90d", 90 * DAY, 6 * HISTORY_HOUR },
};

static int label_named(const struct series_type *type, struct str name)
{
    const char *label;
    for (int i = 0; (label = series_label_name(type->label, (size_t)i)); i++)
        if (str_eq_c(name, label)) return i;
    return -1;
}

static bool take_metrics(struct chart *c)
{
    struct str name;
    for (int i = 0; (name = c->rq->http->query(c->rq, "metric", i)).data; i++) {
        const struct series_type *type = series_by_name(name);
        if (!type)
            return refuse(c, "metric", "There is no such metric; /v2/metrics/cloud/descriptors/metrics "
                                       "lists them.");
        if (i == METRICS_MAX) return refuse(c, "metric", "At most sixteen metrics at a time.");
        c->by[i] = -1;
        c->query.types[c->query.type_count++] = type;
    }
    return c->query.type_count || refuse(c, "metric", "Name a metric: metric=received_bytes.");
}

/* A label that a metric does not have is a mistake, and no answer of nothing. */
static bool take_label(struct chart *c, const char *name)
{
    struct str value = c->rq->http->query(c->rq, name, 0), by = c->rq->http->query(c->rq, "by", 0);
    for (size_t i = 0; i < c->query.type_count; i++) {
        int label = label_named(c->query.types[i], str_c(name));
        if (label < 0 && (value.data || str_eq_c(by, name)))
            return refuse(c, value.data ? name : "by", "One of the metrics has no such label.");
        if (value.data) c->wanted[i][label] = value;
        if (str_eq_c(by, name)) c->by[i] = label;
    }
    if (str_eq_c(by, name)) c->by_name = by;
    return true;
}

static bool take_labels(struct chart *c)
{
    struct str by = c->rq->http->query(c->rq, "by", 0);
    if (!take_label(c, "topic") || !take_label(c, "consumer_group_id") || !take_label(c, "principal_id"))
        return false;
    if (by.data && !c->by_name.data)
        return refuse(c, "by", "by is topic, consumer_group_id or principal_id.");
    return api_query_i64(c->rq, "limit", LABELS_DEFAULT, 1, LABELS_MAX, &c->limit);
}

static bool take_span(struct chart *c, int64_t end)
{
    struct str span = c->rq->http->query(c->rq, "span", 0);
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        if (!str_eq_c(span.data ? span : STR("1h"), spans[i].name)) continue;
        c->to = end;
        c->from = end - spans[i].ms;
        c->step = spans[i].step;
        return true;
    }
    return refuse(c, "span", "span is 15m, 1h, 6h, 24h, 7d, 30d or 90d; or give from and to.");
}

/* The step that gives no more values than a chart has room for. */
static int64_t step_for(int64_t ms)
{
    static const int64_t minutes[] = { 1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 720 };
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(minutes) && ms > minutes[i] * HISTORY_MINUTE * STEPS_SHOWN) i++;
    return minutes[i] * HISTORY_MINUTE;
}

static bool take_from_to(struct chart *c, int64_t now, int64_t end)
{
    if (!api_query_i64(c->rq, "from", end - HISTORY_HOUR, now - 91 * DAY, end, &c->from) ||
        !api_query_i64(c->rq, "to", end, c->from, INT64_MAX / 2, &c->to))
        return false;
    if (c->to > end) c->to = end;
    if (c->to <= c->from)
        return refuse(c, "to", "to lies behind from, and a minute is there when it is over.");
    c->step = step_for(c->to - c->from);
    return true;
}

/* Steps begin at whole multiples of theirs; the last one may be cut by `to`, which is moved on to where a
 * minute or an hour ends that is kept as one. */
static bool take_time(struct chart *c)
{
    int64_t now = domain_wall(), end = now - WRITTEN_AFTER_MS, step;
    bool given = c->rq->http->query(c->rq, "from", 0).data || c->rq->http->query(c->rq, "to", 0).data;
    end -= end % HISTORY_MINUTE;
    if (given ? !take_from_to(c, now, end) : !take_span(c, end)) return false;
    if (!api_query_i64(c->rq, "step", c->step, HISTORY_MINUTE, DAY, &step)) return false;
    if (step % HISTORY_MINUTE || (c->to - c->from) / step > STEPS_MAX)
        return refuse(c, "step", "step is in whole minutes (ms), and no more than 1500 of them at a time.");
    bool hours = step % HISTORY_HOUR == 0 || history_step(c->from, now) == HISTORY_HOUR;
    if (hours && step % HISTORY_HOUR)
        return refuse(c, "step", "Beyond seven days only whole hours (3600000 ms) are kept.");
    c->query.step = hours ? HISTORY_HOUR : HISTORY_MINUTE;
    c->to += c->query.step - 1;
    c->to -= c->to % c->query.step;
    if (c->to > end) c->to = end;
    c->step = step;
    c->from -= c->from % step;
    c->steps = (size_t)((c->to - c->from + step - 1) / step);
    c->query.from = c->from;
    c->query.to = c->to;
    return true;
}

/* --- reading ---------------------------------------------------------------------------------------- */

static struct line *line_of(struct chart *c, size_t metric, struct str label)
{
    char key[1 + 600];
    struct line *l = NULL;
    size_t len = 1 + (label.len < 600 ? label.len : 600);
    key[0] = (char)metric;
    if (label.len) memcpy(key + 1, label.data, len - 1);
    HASH_FIND(hh, c->lines, key, len, l);
    if (l) return l;
    l = HASH_COUNT(c->lines) < SERIES_MAX ? mem_zalloc(sizeof *l + len) : NULL;
    if (!l) return NULL;
    l->metric = metric;
    l->key_len = len;
    memcpy(l->key, key, len);
    l->values = mem_zalloc(c->steps * sizeof *l->values);
    if (l->values) HASH_ADD_KEYPTR(hh, c->lines, l->key, len, l);
    if (l->values && HASH_ADDED(hh, l)) return l;
    mem_free(l->values);
    mem_free(l);
    return NULL;
}

static void on_row(void *arg, int64_t at, int64_t observed)
{
    struct chart *c = arg;
    c->observed[(at - c->from) / c->step] += observed;
}

static void on_point(void *arg, const struct history_point *p)
{
    struct chart *c = arg;
    for (size_t m = 0; m < c->query.type_count; m++) {
        if (c->query.types[m] != p->type) continue;
        bool meant = true;
        for (size_t i = 0; i < SERIES_LABELS_MAX; i++)
            meant &= !c->wanted[m][i].data || str_eq(c->wanted[m][i], p->labels[i]);
        if (!meant) continue;
        struct line *l = line_of(c, m, c->by[m] < 0 ? STR("") : p->labels[c->by[m]]);
        if (!l) {
            c->too_much = true;
            return;
        }
        int64_t *value = &l->values[(p->at - c->from) / c->step];
        if (p->type->kind == SERIES_GAUGE) *value += p->value * (p->observed / HISTORY_MINUTE);
        else if (p->type->kind == SERIES_COUNTER) *value += p->value;
        else if (p->value > *value) *value = p->value;
    }
}

/* --- the answer --------------------------------------------------------------------------------------- */

static const char *kind_name(enum series_kind kind) { return kind == SERIES_COUNTER ? "counter" : "gauge"; }

static json_t *values_json(const struct chart *c, const struct line *l)
{
    json_t *values = json_array();
    bool mean = c->query.types[l->metric]->kind == SERIES_GAUGE;
    for (size_t i = 0; i < c->steps; i++) {
        int64_t minutes = c->observed[i] / HISTORY_MINUTE, value = l->values ? l->values[i] : 0;
        if (mean && minutes) value = (value + minutes / 2) / minutes;
        json_array_append_new(values, minutes ? json_integer(value) : json_null());
    }
    return values;
}

static json_t *line_json(const struct chart *c, const struct line *l)
{
    const struct series_type *type = c->query.types[l->metric];
    json_t *o = json_pack("{s:s, s:s, s:s}", "metric", type->name, "kind", kind_name(type->kind), "unit",
                          type->unit);
    for (size_t i = 0; i < SERIES_LABELS_MAX && o; i++)
        if (c->wanted[l->metric][i].data)
            PUT(o, series_label_name(type->label, i), api_str(c->wanted[l->metric][i]));
    if (c->by[l->metric] >= 0)
        PUT(o, series_label_name(type->label, (size_t)c->by[l->metric]),
            api_str((struct str){ l->key + 1, l->key_len - 1 }));
    PUT(o, "values", values_json(c, l));
    return o;
}

static int by_metric_and_weight(const void *a, const void *b)
{
    const struct line *x = *(struct line *const *)a, *y = *(struct line *const *)b;
    if (x->metric != y->metric) return x->metric < y->metric ? -1 : 1;
    return x->weight > y->weight ? -1 : x->weight < y->weight;
}

/* Where nothing was counted there is still a line. */
static bool add_missing(struct chart *c)
{
    for (size_t m = 0; m < c->query.type_count; m++)
        if (c->by[m] < 0 && !line_of(c, m, STR(""))) return false;
    return true;
}

static json_t *lines_json(struct chart *c)
{
    size_t n = 0, shown[HISTORY_TYPES_MAX] = { 0 };
    struct line *l, *next, **all = mem_zalloc((HASH_COUNT(c->lines) + 1) * sizeof *all);
    json_t *series = json_array();
    HASH_ITER(hh, c->lines, l, next) {
        for (size_t i = 0; i < c->steps; i++) l->weight += (double)l->values[i];
        if (all) all[n++] = l;
    }
    if (n) qsort(all, n, sizeof *all, by_metric_and_weight);
    for (size_t i = 0; i < n; i++)
        if ((int64_t)shown[all[i]->metric]++ < c->limit) json_array_append_new(series, line_json(c, all[i]));
    mem_free(all);
    return series;
}

/* For how long of each step somebody looked: what a counter's step is divided by. */
static json_t *observed_json(const struct chart *c)
{
    json_t *observed = json_array();
    for (size_t i = 0; i < c->steps; i++) json_array_append_new(observed, json_integer(c->observed[i]));
    return observed;
}

static void answer(struct chart *c)
{
    if (c->too_much || !add_missing(c)) {
        api_fail_at(c->rq, 422, NULL, "That is too much to look at: ask for fewer metrics.", NULL, "metric");
        return;
    }
    json_t *o = json_pack("{s:I, s:I, s:I}", "from", (json_int_t)c->from, "to", (json_int_t)c->to, "step_ms",
                          (json_int_t)c->step);
    PUT(o, "observed_ms", observed_json(c));
    PUT(o, "series", lines_json(c));
    api_reply(c->rq, 200, o);
}

void leat_history_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct chart c = { .rq = rq };
    struct line *l, *next;
    if (!s || !take_metrics(&c) || !take_labels(&c) || !take_time(&c)) return;
    c.query.cluster_id = str_c(s->id);
    c.query.row = on_row;
    c.query.point = on_point;
    c.query.arg = &c;
    c.observed = mem_zalloc(c.steps * sizeof *c.observed);
    status result = c.observed ? history_read(rq->domain->options.data_dir, &c.query) : FAIL(NO_MEMORY);
    if (is_ok(result) || result.code == E_NOT_FOUND) answer(&c);
    else api_fail(rq, result, NULL);
    HASH_ITER(hh, c.lines, l, next) {
        HASH_DEL(c.lines, l);
        mem_free(l->values);
        mem_free(l);
    }
    mem_free(c.observed);
}
