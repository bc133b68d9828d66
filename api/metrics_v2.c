/* metrics_v2.c - /v2/metrics/cloud: what the history keeps, in the metrics dialect: descriptors, queries,
 * attributes, export. HTTP threads; each request opens the history's file for itself. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/metrics_interval.h"
#include "base/hash.h"
#include "collect/history.h"
#include "domain/domain.h"

#include <stdio.h>
#include <stdlib.h>

#define CLUSTERS_MAX 50      /* of one query */
#define CELLS_MAX 300000     /* steps times groups */
#define FILTER_DEPTH_MAX 10
#define ROWS_DEFAULT 100
#define ROWS_MAX 1000
#define WRITTEN_AFTER_MS 5000 /* a minute is in the file a moment after it is over */
#define CLUSTER_FIELD "resource.kafka.id"

static bool refuse(struct api_request *rq, int http, const char *detail, const char *pointer)
{
    api_fail_at(rq, http, NULL, detail, pointer, NULL);
    return false;
}

/* --- descriptors ---------------------------------------------------------------------------------- */

static json_t *label_json(const char *key, const char *text)
{
    return json_pack("{s:s, s:s, s:b}", "key", key, "description", text, "exportable", 1);
}

static json_t *labels_json(const struct series_type *type)
{
    json_t *labels = json_array();
    const char *label;
    for (size_t i = 0; (label = series_label_name(type->label, i)); i++) {
        char key[40];
        snprintf(key, sizeof key, "metric.%s", label);
        const char *text = label[0] == 't' ? "The topic" : label[0] == 'p' ? "The principal"
                                                                           : "The consumer group";
        json_array_append_new(labels, label_json(key, text));
    }
    return labels;
}

static json_t *list_json(json_t *data)
{
    return json_pack("{s:o, s:{s:{s:i, s:i, s:n}}, s:{}}", "data", data, "meta", "pagination", "page_size",
                     (int)json_array_size(data), "total_size", (int)json_array_size(data),
                         "next_page_token",
                     "links");
}

void metrics_descriptors_metrics(struct api_request *rq)
{
    json_t *data = json_array();
    for (size_t i = 0; i < series_type_count; i++) {
        const struct series_type *t = &series_types[i];
        char name[80];
        snprintf(name, sizeof name, SERIES_PREFIX "%s", t->name);
        json_t *labels = labels_json(t);
        json_array_append_new(data, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:[s], s:o}", "name", name,
                                              "description", t->text, "unit", t->unit, "type",
                                              t->kind == SERIES_COUNTER ? "COUNTER_INT64" : "GAUGE_INT64",
                                              "lifecycle_stage", "GENERAL_AVAILABILITY", "exportable", 1,
                                              "resources", "kafka", "labels", labels));
    }
    api_reply(rq, 200, list_json(data));
}

void metrics_descriptors_resources(struct api_request *rq)
{
    json_t *kafka = json_pack("{s:s, s:s, s:[o]}", "type", "kafka", "description", "A Kafka cluster",
                              "labels",
                              label_json("kafka.id", "The id of the cluster, lkc-…"));
    api_reply(rq, 200, list_json(json_pack("[o]", kafka)));
}

/* --- what is asked for ------------------------------------------------------------------------------ */

enum aggregation { SUM, MAX, MIN, AVG };
struct query {
    struct api_request *rq;
    const struct series_type *type;
    enum aggregation aggregation;
    int64_t bucket;            /* ms; 0: all in one */
    struct metrics_interval interval;
    bool by_cluster, by_label[SERIES_LABELS_MAX]; /* groups */
    json_t *filter;            /* borrowed */
    struct str clusters[CLUSTERS_MAX];
    size_t cluster_count;
    int64_t limit;
    bool grouped;              /* the form of the answer */
    int order;                 /* by value: 1 ascending, -1 descending; 0: by time */
    /* while reading: */
    struct cell *cells;
    struct str cluster;
    bool too_much;
};
struct cell { /* the sum of a group's series in one step */
    int64_t value;
    UT_hash_handle hh;
    size_t key_len;
    char key[]; /* step, then the group: cluster, 0, label, 0, label */
};

/* Which label is meant by "metric.topic", "metric.label.topic", "metric.principal_id"; -1: none of it. */
static int label_of_field(const struct series_type *type, const char *field)
{
    const char *label, *dot = strrchr(field, '.');
    if (strncmp(field, "metric.", 7) != 0) return -1;
    for (int i = 0; (label = series_label_name(type->label, (size_t)i)); i++)
        if (strcmp(dot + 1, label) == 0) return i;
    return -1;
}

/* -1: the filter is not understood. */
static int matches(const struct query *q, json_t *filter, struct str cluster, const struct str *labels,
                   int depth)
{
    if (!filter) return 1;
    const char *op = json_string_value(json_object_get(filter, "op"));
    const char *field = json_string_value(json_object_get(filter, "field"));
    json_t *value = json_object_get(filter, "value"), *parts = json_object_get(filter, "filters"), *part;
    size_t i;
    if (!op || depth > FILTER_DEPTH_MAX) return -1;
    if (strcmp(op, "EQ") == 0 && field && json_is_string(value)) {
        struct str wanted = { json_string_value(value), json_string_length(value) };
        if (strcmp(field, CLUSTER_FIELD) == 0) return str_eq(cluster, wanted);
        int label = label_of_field(q->type, field);
        return label < 0 ? -1 : str_eq(labels[label], wanted);
    }
    if (strcmp(op, "NOT") == 0) {
        int inner = matches(q, json_object_get(filter, "filter"), cluster, labels, depth + 1);
        return inner < 0 || !json_object_get(filter, "filter") ? -1 : !inner;
    }
    bool all = strcmp(op, "AND") == 0;
    if ((!all && strcmp(op, "OR") != 0) || !json_is_array(parts)) return -1;
    int result = all;
    json_array_foreach(parts, i, part) {
        int one = matches(q, part, cluster, labels, depth + 1);
        if (one < 0) return -1;
        result = all ? result && one : result || one;
    }
    return result;
}

/* Every cluster that the filter names. */
static void name_clusters(struct query *q, json_t *filter, int depth)
{
    const char *field = json_string_value(json_object_get(filter, "field"));
    json_t *value = json_object_get(filter, "value"), *part;
    size_t i;
    if (depth > FILTER_DEPTH_MAX) return;
    if (field && strcmp(field, CLUSTER_FIELD) == 0 && json_is_string(value)) {
        struct str id = { json_string_value(value), json_string_length(value) };
        for (size_t n = 0; n < q->cluster_count; n++)
            if (str_eq(q->clusters[n], id)) return;
        q->too_much |= q->cluster_count == CLUSTERS_MAX;
        if (!q->too_much) q->clusters[q->cluster_count++] = id;
    }
    json_array_foreach(json_object_get(filter, "filters"), i, part) name_clusters(q, part, depth + 1);
    json_t *inner = json_object_get(filter, "filter");
    if (inner) name_clusters(q, inner, depth + 1);
}

static bool take_filter(struct query *q, json_t *body)
{
    q->filter = json_object_get(body, "filter");
    name_clusters(q, q->filter, 0);
    if (!q->cluster_count)
        return refuse(q->rq, 400,
                      "The filter has to name the clusters that are meant: {\"op\":\"EQ\",\"field\":"
                      "\"resource.kafka.id\",\"value\":\"lkc-…\"}.", "/filter");
    if (q->too_much) return refuse(q->rq, 400, "At most fifty clusters at a time.", "/filter");
    static const struct str none[SERIES_LABELS_MAX];
    if (matches(q, q->filter, STR(""), none, 0) < 0)
        return refuse(q->rq, 400,
                      "The filter is made of EQ on resource.kafka.id or a label of the metric, AND, OR "
                      "and NOT, at most ten deep.", "/filter");
    for (size_t i = 0; i < q->cluster_count; i++)
        if (!access_permit_cluster(q->rq, q->clusters[i])) return false;
    return true;
}

static bool take_metric(struct query *q, const char *name)
{
    q->type = name ? series_by_name(str_c(name)) : NULL;
    return q->type || refuse(q->rq, 400,
                             "There is no such metric; /v2/metrics/cloud/descriptors/metrics lists them.",
                             "/aggregations/0/metric");
}

static bool take_groups(struct query *q, json_t *body)
{
    json_t *field;
    size_t i;
    json_array_foreach(json_object_get(body, "group_by"), i, field) {
        const char *name = json_string_value(field);
        int label = name ? label_of_field(q->type, name) : -1;
        if (name && strcmp(name, CLUSTER_FIELD) == 0) q->by_cluster = true;
        else if (label >= 0) q->by_label[label] = true;
        else return refuse(q->rq, 400, "This metric cannot be grouped by that.", "/group_by");
    }
    return true;
}

static bool take_interval(struct query *q, json_t *body)
{
    json_t *list = json_object_get(body, "intervals");
    const char *text = json_string_value(json_array_get(list, 0));
    bool one = text && json_array_size(list) == 1;
    if (one && metrics_interval(text, domain_wall(), &q->interval)) return true;
    return refuse(q->rq, 400, "intervals wants one interval like 2026-01-31T10:00:00Z/PT1H, PT1H/now or "
                  "now-2h/now-1h.", "/intervals");
}

static bool take_limit(struct query *q, json_t *body)
{
    json_t *limit = json_object_get(body, "limit");
    const char *format = json_string_value(json_object_get(body, "format"));
    q->limit = limit ? json_integer_value(limit) : ROWS_DEFAULT;
    q->grouped = format && strcmp(format, "GROUPED") == 0;
    if (q->limit >= 1 && q->limit <= ROWS_MAX) return true;
    return refuse(q->rq, 400, "limit is from 1 to 1000.", "/limit");
}

static bool take_granularity(struct query *q, json_t *body)
{
    static const struct { const char *name; int minutes; } known[] = {
        { "PT1M", 1 }, { "PT5M", 5 }, { "PT15M", 15 }, { "PT30M", 30 }, { "PT1H", 60 }, { "PT4H", 240 },
        { "PT6H", 360 }, { "PT12H", 720 }, { "P1D", 1440 }, { "ALL", 0 },
    };
    const char *text = json_string_value(json_object_get(body, "granularity"));
    for (size_t i = 0; text && i < ARRAY_LEN(known); i++) {
        if (strcmp(text, known[i].name) != 0) continue;
        q->bucket = (int64_t)known[i].minutes * 60000;
        return true;
    }
    return refuse(q->rq, 400,
                  "granularity is one of PT1M, PT5M, PT15M, PT30M, PT1H, PT4H, PT6H, PT12H, P1D, ALL.",
                  "/granularity");
}

/* By value instead of by time: {"metric": the one that is asked for, "order": "DESCENDING"}. */
static bool take_order(struct query *q, json_t *body)
{
    json_t *list = json_object_get(body, "order_by"), *one = json_array_get(list, 0);
    const char *metric = json_string_value(json_object_get(one, "metric"));
    const char *order = json_string_value(json_object_get(one, "order"));
    if (!list || (json_is_array(list) && !one)) return true;
    q->order = !order || strcmp(order, "DESCENDING") == 0 ? -1 : strcmp(order, "ASCENDING") == 0;
    bool same = metric && series_by_name(str_c(metric)) == q->type;
    if (q->order && same && json_array_size(list) == 1) return true;
    return refuse(q->rq, 400, "order_by names the metric of the query, once, and ASCENDING or DESCENDING.",
                  "/order_by");
}

static bool take_aggregation(struct query *q, json_t *body)
{
    static const char *const names[] = { [SUM] = "SUM", [MAX] = "MAX", [MIN] = "MIN", [AVG] = "AVG" };
    json_t *one = json_array_get(json_object_get(body, "aggregations"), 0);
    const char *name = json_string_value(json_object_get(one, "agg"));
    if (json_array_size(json_object_get(body, "aggregations")) > 1)
        return refuse(q->rq, 400, "One aggregation at a time.", "/aggregations");
    if (!take_metric(q, json_string_value(json_object_get(one, "metric")))) return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (name && strcmp(name, names[i]) != 0) continue;
        q->aggregation = (enum aggregation)i;
        return true;
    }
    return refuse(q->rq, 400, "agg is one of SUM, MAX, MIN, AVG.", "/aggregations/0/agg");
}

/* --- reading ---------------------------------------------------------------------------------------- */

static void on_point(void *arg, const struct history_point *p)
{
    struct query *q = arg;
    char key[sizeof(int64_t) + 700];
    const struct str *l = p->labels;
    struct cell *cell = NULL;
    if (q->too_much || matches(q, q->filter, q->cluster, l, 0) != 1) return;
    int n = snprintf(key + sizeof p->at, sizeof key - sizeof p->at, "%.*s%c%.*s%c%.*s",
                     (int)(q->by_cluster ? q->cluster.len : 0), q->cluster.data, 0,
                     (int)(q->by_label[0] ? l[0].len : 0), l[0].data ? l[0].data : "", 0,
                     (int)(q->by_label[1] ? l[1].len : 0), l[1].data ? l[1].data : "");
    if (n < 0 || (size_t)n >= sizeof key - sizeof p->at) return;
    memcpy(key, &p->at, sizeof p->at);
    size_t len = sizeof p->at + (size_t)n;
    HASH_FIND(hh, q->cells, key, len, cell);
    if (!cell) {
        cell = HASH_COUNT(q->cells) < CELLS_MAX ? mem_zalloc(sizeof *cell + len + 1) : NULL;
        if (cell) {
            memcpy(cell->key, key, len);
            cell->key_len = len;
            HASH_ADD_KEYPTR(hh, q->cells, cell->key, len, cell);
        }
        if (!cell || !HASH_ADDED(hh, cell)) {
            mem_free(cell);
            q->too_much = true;
            return;
        }
    }
    if (q->type->kind != SERIES_PEAK) cell->value += p->value;
    else if (p->value > cell->value) cell->value = p->value;
}

static void cells_free(struct query *q)
{
    struct cell *c, *next;
    HASH_ITER(hh, q->cells, c, next) {
        HASH_DEL(q->cells, c);
        mem_free(c);
    }
}

static bool read_all(struct query *q)
{
    status result = OK;
    for (size_t i = 0; is_ok(result) && i < q->cluster_count; i++) {
        q->cluster = q->clusters[i];
        struct history_query query = { .cluster_id = q->cluster, .types = { q->type }, .type_count = 1,
                                       .from = q->interval.from, .to = q->interval.to,
                                       .step = history_step(q->interval.from, domain_wall()),
                                       .point = on_point, .arg = q };
        result = history_read(q->rq->domain->options.data_dir, &query);
    }
    if (q->too_much)
        return refuse(q->rq, 422,
                      "That is too much to look at: ask for a shorter interval or fewer groups.", NULL);
    if (is_ok(result) || result.code == E_NOT_FOUND) return true;
    api_fail(q->rq, result, NULL);
    return false;
}

/* --- answers ---------------------------------------------------------------------------------------- */

struct total { /* of a bucket and group */
    int64_t at;
    const char *cluster, *labels[SERIES_LABELS_MAX]; /* of a cell's key */
    int64_t sum, low, high, steps;
};

static int groups_differ(const struct total *x, const struct total *y)
{
    int order = strcmp(x->cluster, y->cluster);
    for (size_t i = 0; !order && i < SERIES_LABELS_MAX; i++) order = strcmp(x->labels[i], y->labels[i]);
    return order;
}

static int by_group_and_time(const void *a, const void *b)
{
    const struct total *x = a, *y = b;
    int order = groups_differ(x, y);
    return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

static int by_time(const void *a, const void *b)
{
    const struct total *x = a, *y = b;
    return x->at != y->at ? (x->at < y->at ? -1 : 1) : by_group_and_time(a, b);
}

/* Cells become buckets, in order of group and time. */
static struct total *fold(struct query *q, size_t *ret_count)
{
    size_t n = 0, out = 0;
    struct total *t = mem_zalloc((HASH_COUNT(q->cells) + 1) * sizeof *t);
    struct cell *c, *next;
    if (!t) return NULL;
    HASH_ITER(hh, q->cells, c, next) {
        int64_t at;
        memcpy(&at, c->key, sizeof at);
        if (q->bucket) at -= at % q->bucket;
        else at = q->interval.from;
        const char *cluster = c->key + sizeof at, *first = cluster + strlen(cluster) + 1;
        t[n++] = (struct total){ at, cluster, { first, first + strlen(first) + 1 }, c->value, c->value,
                                c->value, 1 };
    }
    qsort(t, n, sizeof *t, by_group_and_time);
    for (size_t i = 0; i < n; i++) {
        struct total *last = out ? &t[out - 1] : NULL;
        if (!last || last->at != t[i].at || groups_differ(last, &t[i])) {
            t[out++] = t[i];
            continue;
        }
        last->sum += t[i].sum;
        last->steps++;
        if (t[i].low < last->low) last->low = t[i].low;
        if (t[i].high > last->high) last->high = t[i].high;
    }
    *ret_count = out;
    return t;
}

static double value_of(const struct query *q, const struct total *t)
{
    bool mean = q->aggregation == AVG || (q->aggregation == SUM && q->type->kind != SERIES_COUNTER);
    if (q->aggregation == MAX) return (double)t->high;
    if (q->aggregation == MIN) return (double)t->low;
    return mean ? (double)t->sum / (double)t->steps : (double)t->sum;
}

static void put_group(const struct query *q, json_t *row, const struct total *t)
{
    char key[40];
    if (q->by_cluster) json_object_set_new(row, CLUSTER_FIELD, json_string(t->cluster));
    for (size_t i = 0; i < SERIES_LABELS_MAX; i++) {
        if (!q->by_label[i]) continue;
        snprintf(key, sizeof key, "metric.%s", series_label_name(q->type->label, i));
        json_object_set_new(row, key, json_string(t->labels[i]));
    }
}

static json_t *point_json(const struct query *q, const struct total *t)
{
    return json_pack("{s:o, s:f}", "timestamp", api_time(t->at), "value", value_of(q, t));
}

struct ranked {
    size_t at; /* of a group: its first total */
    double value;
};

static int by_value(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;
    return x < y ? -1 : x > y;
}

/* The places of count totals, each or the first one of each group, in the order that was asked for. */
static struct ranked *rank(const struct query *q, const struct total *t, size_t count, bool groups,
                           size_t *ret_count)
{
    struct ranked *r = mem_zalloc((count + 1) * sizeof *r);
    size_t n = 0;
    for (size_t i = 0; r && i < count; i++) {
        bool same = groups && i && groups_differ(&t[i], &t[i - 1]) == 0;
        if (!same) r[n++].at = i;
        r[n - 1].value += value_of(q, &t[i]) * (q->order < 0 ? -1 : 1);
    }
    if (q->order && n) qsort(r, n, sizeof *r, by_value);
    *ret_count = n;
    return r;
}

static json_t *flat_json(const struct query *q, struct total *t, size_t count)
{
    json_t *data = json_array();
    qsort(t, count, sizeof *t, by_time);
    struct ranked *r = rank(q, t, count, false, &count);
    for (size_t i = 0; i < count && (int64_t)i < q->limit; i++) {
        const struct total *one = r ? &t[r[i].at] : &t[i];
        json_t *row = point_json(q, one);
        put_group(q, row, one);
        json_array_append_new(data, row);
    }
    mem_free(r);
    return json_pack("{s:o}", "data", data);
}

/* The limit counts groups. */
static json_t *grouped_json(const struct query *q, const struct total *t, size_t count)
{
    json_t *data = json_array();
    size_t groups = 0;
    struct ranked *r = rank(q, t, count, true, &groups);
    for (size_t g = 0; r && g < groups && (int64_t)g < q->limit; g++) {
        json_t *row = json_object(), *points = json_array();
        put_group(q, row, &t[r[g].at]);
        for (size_t i = r[g].at; i < count && groups_differ(&t[i], &t[r[g].at]) == 0; i++)
            json_array_append_new(points, point_json(q, &t[i]));
        json_object_set_new(row, "points", points);
        json_array_append_new(data, row);
    }
    mem_free(r);
    return json_pack("{s:o}", "data", data);
}

static void answer(struct query *q, json_t *(*form)(const struct query *q, struct total *t, size_t count))
{
    size_t count = 0;
    struct total *t = fold(q, &count);
    if (!t) api_fail(q->rq, FAIL(NO_MEMORY), NULL);
    else api_reply(q->rq, 200, form(q, t, count));
    mem_free(t);
}

static json_t *query_form(const struct query *q, struct total *t, size_t count)
{
    return q->grouped ? grouped_json(q, t, count) : flat_json(q, t, count);
}

void metrics_query(struct api_request *rq)
{
    struct query q = { .rq = rq };
    json_t *body = api_body(rq);
    if (!body || !take_aggregation(&q, body) || !take_granularity(&q, body) || !take_interval(&q, body) ||
        !take_groups(&q, body) || !take_limit(&q, body) || !take_order(&q, body) || !take_filter(&q, body))
        return;
    if (read_all(&q)) answer(&q, query_form);
    cells_free(&q);
}

static json_t *attributes_form(const struct query *q, struct total *t, size_t count)
{
    json_t *data = json_array();
    for (size_t i = 0; i < count && (int64_t)i < q->limit; i++) {
        json_t *row = json_object();
        put_group(q, row, &t[i]);
        json_array_append_new(data, row);
    }
    return list_json(data);
}

/* The values that the fields of group_by had. */
void metrics_attributes(struct api_request *rq)
{
    struct query q = { .rq = rq };
    json_t *body = api_body(rq);
    if (!body || !take_metric(&q, json_string_value(json_object_get(body, "metric"))) ||
        !take_groups(&q, body) || !take_interval(&q, body) || !take_limit(&q, body) ||
        !take_filter(&q, body))
        return;
    if (read_all(&q)) answer(&q, attributes_form);
    cells_free(&q);
}

/* --- export ---------------------------------------------------------------------------------------- */

struct export {
    struct buf *out;
    const struct series_type *type;
    struct str cluster;
    int64_t newest;
    bool open; /* OpenMetrics: times are in seconds */
};

static void put_escaped(struct buf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == '\\' || s.data[i] == '"') buf_put(out, "\\", 1);
        if (s.data[i] == '\n') buf_put(out, "\\n", 2);
        else buf_put(out, s.data + i, 1);
    }
}

static void export_point(void *arg, const struct history_point *p)
{
    struct export *e = arg;
    const char *label;
    if (p->at != e->newest) return;
    buf_printf(e->out, "confluent_kafka_server_%s{kafka_id=\"%.*s\"", e->type->name, (int)e->cluster.len,
               e->cluster.data);
    for (size_t i = 0; (label = series_label_name(p->type->label, i)); i++) {
        buf_printf(e->out, ",%s=\"", label);
        put_escaped(e->out, p->labels[i]);
        buf_put(e->out, "\"", 1);
    }
    buf_printf(e->out, "} %lld %lld\n", (long long)p->value, (long long)(e->open ? p->at / 1000 : p->at));
}

static bool is_wanted(struct api_request *rq, const struct series_type *type)
{
    struct str name = rq->http->query(rq, "metric", 0);
    if (!name.data) return true;
    for (int i = 0; name.data; name = rq->http->query(rq, "metric", ++i))
        if (series_by_name(name) == type) return true;
    return false;
}

static status export_series(struct api_request *rq, const struct str *clusters, int count, struct export *e)
{
    buf_printf(e->out, "# HELP confluent_kafka_server_%s %s\n# TYPE confluent_kafka_server_%s gauge\n",
               e->type->name, e->type->text, e->type->name);
    for (int n = 0; n < count; n++) {
        e->cluster = clusters[n];
        struct history_query query = { .cluster_id = e->cluster, .types = { e->type }, .type_count = 1,
                                       .from = e->newest, .to = e->newest + HISTORY_MINUTE,
                                       .step = HISTORY_MINUTE, .point = export_point, .arg = e };
        status result = history_read(rq->domain->options.data_dir, &query);
        if (failed(result) && result.code != E_NOT_FOUND) return result;
    }
    return OK;
}

/* The values of the newest minute that is over. */
void metrics_export(struct api_request *rq)
{
    struct str clusters[CLUSTERS_MAX];
    const char *accept = rq->http->header(rq, "Accept");
    bool open = accept && strstr(accept, "application/openmetrics-text");
    int count = 0;
    for (; count < CLUSTERS_MAX; count++) {
        clusters[count] = rq->http->query(rq, CLUSTER_FIELD, count);
        if (!clusters[count].data) break;
        if (!access_permit_cluster(rq, clusters[count])) return;
    }
    if (!count || rq->http->query(rq, CLUSTER_FIELD, CLUSTERS_MAX).data) {
        api_fail_at(rq, 400, NULL, "Name the clusters: resource.kafka.id=lkc-…, at most fifty.", NULL,
                    CLUSTER_FIELD);
        return;
    }
    struct buf out;
    status result = OK;
    buf_init(&out, 64 << 20);
    int64_t now = domain_wall() - WRITTEN_AFTER_MS, newest = now - now % HISTORY_MINUTE - HISTORY_MINUTE;
    for (size_t i = 0; i < series_type_count && is_ok(result); i++) {
        struct export e = { .out = &out, .type = &series_types[i], .newest = newest, .open = open };
        if (is_wanted(rq, e.type)) result = export_series(rq, clusters, count, &e);
    }
    if (open) buf_put_str(&out, STR("# EOF\n"));
    if (is_ok(result)) {
        rq->http->answer_bytes(rq, 200, open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                             : "text/plain; version=0.0.4; charset=utf-8", &out);
        return;
    }
    buf_done(&out);
    api_fail(rq, result, NULL);
}
