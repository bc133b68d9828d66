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
#define CELLS_MAX 300000     /* buckets times groups */
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
    int64_t step;              /* of what is read: HISTORY_MINUTE or HISTORY_HOUR */
    /* while reading: */
    struct cell *cells;
    struct str cluster;
    int32_t *looked;           /* by step, of each cluster or of all: its weight; then sums of it */
    size_t steps;
    bool too_much;
};
struct cell { /* a group in one bucket */
    int64_t at, value, weight; /* the step under way: the sum of the group's series in it */
    int64_t sum, low, high, weights;
    UT_hash_handle hh;
    size_t key_len;
    char key[]; /* bucket, then the group: cluster, 0, label, 0, label */
};

enum { NO_LABEL = -1, CLUSTER_ID = -2 };

/* Which label is meant by "metric.topic", "metric.label.topic", "metric.principal_id"; or NO_LABEL. */
static int label_of_field(const struct series_type *type, const char *field)
{
    const char *label, *dot = strrchr(field, '.');
    if (strncmp(field, "metric.", 7) != 0) return NO_LABEL;
    for (int i = 0; (label = series_label_name(type->label, (size_t)i)); i++)
        if (strcmp(dot + 1, label) == 0) return i;
    return NO_LABEL;
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
    if (field && json_is_string(value)) {
        struct str wanted = { json_string_value(value), json_string_length(value) };
        int label = strcmp(field, CLUSTER_FIELD) == 0 ? CLUSTER_ID : label_of_field(q->type, field);
        if (label == NO_LABEL) return -1;
        int order = str_cmp(label == CLUSTER_ID ? cluster : labels[label], wanted);
        return strcmp(op, "EQ") == 0 ? order == 0 : strcmp(op, "GT") == 0 ? order > 0
               : strcmp(op, "GTE") == 0 ? order >= 0 : -1;
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
    const char *op = json_string_value(json_object_get(filter, "op"));
    json_t *value = json_object_get(filter, "value"), *part;
    size_t i;
    if (depth > FILTER_DEPTH_MAX) return;
    if (op && strcmp(op, "EQ") == 0 && field && strcmp(field, CLUSTER_FIELD) == 0 && json_is_string(value)) {
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
                      "The filter is made of EQ, GT and GTE on resource.kafka.id or a label of the metric, "
                      "AND, OR and NOT, at most ten deep.", "/filter");
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
    json_t *field, *list = json_object_get(body, "group_by");
    size_t i;
    if (list && !json_is_array(list))
        return refuse(q->rq, 400, "group_by is a list, like [\"metric.topic\"].", "/group_by");
    json_array_foreach(list, i, field) {
        const char *name = json_string_value(field);
        int label = name ? label_of_field(q->type, name) : -1;
        if (name && strcmp(name, CLUSTER_FIELD) == 0) q->by_cluster = true;
        else if (label >= 0) q->by_label[label] = true;
        else return refuse(q->rq, 400, "This metric cannot be grouped by that.", "/group_by");
    }
    return true;
}

/* What minutes were kept of is read by the minute; a request may be a while under way. */
static bool take_interval(struct query *q, json_t *body)
{
    json_t *list = json_object_get(body, "intervals");
    const char *text = json_string_value(json_array_get(list, 0));
    bool one = text && json_array_size(list) == 1;
    int64_t now = domain_wall();
    if (one && metrics_interval(text, now, &q->interval)) {
        q->step = history_step(q->interval.from + HISTORY_MINUTE, now);
        if (!q->bucket || q->bucket % q->step == 0) return true;
        return refuse(q->rq, 400,
                      "Beyond seven days only whole hours are kept: ask for PT1H or more, or a later "
                      "interval.", "/granularity");
    }
    return refuse(q->rq, 400, "intervals wants one interval like 2026-01-31T10:00:00Z/PT1H, PT1H/now or "
                  "now-2h/now-1h.", "/intervals");
}

static bool take_limit(struct query *q, json_t *body)
{
    json_t *limit = json_object_get(body, "limit");
    const char *format = json_string_value(json_object_get(body, "format"));
    q->limit = limit ? json_integer_value(limit) : ROWS_DEFAULT;
    q->grouped = format && strcmp(format, "GROUPED") == 0;
    if (json_object_get(body, "format") && !q->grouped && (!format || strcmp(format, "FLAT") != 0))
        return refuse(q->rq, 400, "format is FLAT or GROUPED.", "/format");
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

/* Where the time `at` stands in `looked`; what lies outside counts as its edge. */
static size_t step_at(const struct query *q, int64_t at)
{
    int64_t i = (at - q->interval.from + q->step - 1) / q->step;
    return at <= q->interval.from ? 0 : i < (int64_t)q->steps ? (size_t)i : q->steps;
}

static int32_t *looked_of(const struct query *q, const char *cluster)
{
    size_t i = 0;
    while (q->by_cluster && !str_eq_c(q->clusters[i], cluster)) i++;
    return q->looked + i * (q->steps + 1);
}

/* In a mean: of a gauge's hour the minutes in which somebody looked. */
static int32_t weight_of(const struct query *q, int64_t observed)
{
    return q->type->kind == SERIES_GAUGE ? (int32_t)(observed / HISTORY_MINUTE) : 1;
}

static void on_row(void *arg, int64_t at, int64_t observed)
{
    struct query *q = arg;
    size_t i = step_at(q, at);
    char cluster[64];
    if (i >= q->steps || !str_copy(cluster, sizeof cluster, q->cluster)) return;
    int32_t *looked = &looked_of(q, cluster)[i + 1], weight = weight_of(q, observed);
    if (weight > *looked) *looked = weight;
}

/* The cell of a key, made when there is none; NULL: there are too many. */
static struct cell *cell_of(struct query *q, const char *key, size_t len)
{
    struct cell *cell = NULL;
    HASH_FIND(hh, q->cells, key, len, cell);
    if (cell) return cell;
    cell = HASH_COUNT(q->cells) < CELLS_MAX ? mem_zalloc(sizeof *cell + len + 1) : NULL;
    if (cell) {
        memcpy(cell->key, key, len);
        cell->key_len = len;
        cell->at = INT64_MIN;
        HASH_ADD_KEYPTR(hh, q->cells, cell->key, len, cell);
    }
    if (cell && HASH_ADDED(hh, cell)) return cell;
    mem_free(cell);
    q->too_much = true;
    return NULL;
}

/* The step under way is over. */
static void close_step(struct cell *c)
{
    if (c->at == INT64_MIN) return;
    if (!c->weights || c->value < c->low) c->low = c->value;
    if (!c->weights || c->value > c->high) c->high = c->value;
    c->sum += c->value * c->weight;
    c->weights += c->weight;
    c->at = INT64_MIN;
    c->value = c->weight = 0;
}

static int64_t bucket_of(const struct query *q, int64_t at)
{
    return q->bucket ? at - at % q->bucket : q->interval.from;
}

static void on_point(void *arg, const struct history_point *p)
{
    struct query *q = arg;
    char key[sizeof(int64_t) + 700];
    const struct str *l = p->labels;
    if (q->too_much || matches(q, q->filter, q->cluster, l, 0) != 1) return;
    /* Clusters come one after another: what is added up over them is told apart by the step. */
    bool together = q->cluster_count > 1 && !q->by_cluster;
    int64_t begin = together ? p->at : bucket_of(q, p->at);
    int n = snprintf(key + sizeof begin, sizeof key - sizeof begin, "%.*s%c%.*s%c%.*s",
                     (int)(q->by_cluster ? q->cluster.len : 0), q->cluster.data, 0,
                     (int)(q->by_label[0] ? l[0].len : 0), l[0].data ? l[0].data : "", 0,
                     (int)(q->by_label[1] ? l[1].len : 0), l[1].data ? l[1].data : "");
    if (n < 0 || (size_t)n >= sizeof key - sizeof begin) return;
    memcpy(key, &begin, sizeof begin);
    struct cell *cell = cell_of(q, key, sizeof begin + (size_t)n);
    if (!cell) return;
    if (cell->at != p->at) close_step(cell);
    cell->at = p->at;
    int32_t weight = weight_of(q, p->observed);
    if (weight > cell->weight) cell->weight = weight;
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
    mem_free(q->looked);
}

static bool refuse_much(struct query *q)
{
    return refuse(q->rq, 422,
                  "That is too much to look at: ask for a shorter interval or fewer groups.", NULL);
}

static bool read_all(struct query *q)
{
    int64_t now = domain_wall(), end = q->interval.to < now ? q->interval.to : now;
    size_t lists = q->by_cluster ? q->cluster_count : 1;
    q->steps = end > q->interval.from ? (size_t)((end - q->interval.from) / q->step) + 2 : 0;
    q->looked = mem_zalloc(lists * (q->steps + 1) * sizeof *q->looked);
    status result = q->looked ? OK : FAIL(NO_MEMORY);
    for (size_t i = 0; is_ok(result) && i < q->cluster_count; i++) {
        q->cluster = q->clusters[i];
        struct history_query query = { .cluster_id = q->cluster, .types = { q->type }, .type_count = 1,
                                       .from = q->interval.from, .to = q->interval.to,
                                       .step = q->step, .row = on_row, .point = on_point, .arg = q };
        result = history_read(q->rq->domain->options.data_dir, &query);
    }
    if (q->too_much) return refuse_much(q);
    if (failed(result) && result.code != E_NOT_FOUND) {
        api_fail(q->rq, result, NULL);
        return false;
    }
    for (size_t i = 0; i < lists; i++)
        for (size_t k = 1; k <= q->steps; k++)
            q->looked[i * (q->steps + 1) + k] += q->looked[i * (q->steps + 1) + k - 1];
    return true;
}

/* --- answers ---------------------------------------------------------------------------------------- */

struct total { /* of a bucket and group */
    int64_t at;
    const char *cluster, *labels[SERIES_LABELS_MAX]; /* of a cell's key */
    int64_t sum, low, high, weights; /* weights: of the steps in which somebody looked */
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

/* The weights of the steps of a bucket. */
static int64_t looked_in(const struct query *q, const char *cluster, int64_t bucket)
{
    const int32_t *sums = looked_of(q, cluster);
    return sums[q->bucket ? step_at(q, bucket + q->bucket) : q->steps] - sums[step_at(q, bucket)];
}

/* A step in which somebody looked and that has no value was one of 0. */
static void count_zeros(const struct query *q, struct total *t)
{
    int64_t looked = looked_in(q, t->cluster, t->at);
    if (looked <= t->weights) return;
    t->weights = looked;
    if (t->low > 0) t->low = 0;
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
        close_step(c);
        const char *cluster = c->key + sizeof at, *first = cluster + strlen(cluster) + 1;
        t[n++] = (struct total){ bucket_of(q, at), cluster, { first, first + strlen(first) + 1 }, c->sum,
                                c->low, c->high, c->weights };
    }
    qsort(t, n, sizeof *t, by_group_and_time);
    for (size_t i = 0; i < n; i++) {
        struct total *last = out ? &t[out - 1] : NULL;
        if (!last || last->at != t[i].at || groups_differ(last, &t[i])) {
            t[out++] = t[i];
            continue;
        }
        last->sum += t[i].sum;
        last->weights += t[i].weights;
        if (t[i].low < last->low) last->low = t[i].low;
        if (t[i].high > last->high) last->high = t[i].high;
    }
    for (size_t i = 0; i < out; i++) count_zeros(q, &t[i]);
    *ret_count = out;
    return t;
}

/* The totals of every group with those of 0 between, where somebody looked; t is freed. NULL: too many. */
static struct total *fill(const struct query *q, struct total *t, size_t *count)
{
    size_t groups = 0, n = 0, i = 0;
    for (size_t k = 0; k < *count; k++) groups += k == 0 || groups_differ(&t[k], &t[k - 1]);
    int64_t first = bucket_of(q, q->interval.from), last = q->interval.from + (int64_t)q->steps * q->step;
    size_t buckets = groups ? (size_t)((last - first) / q->bucket) + 1 : 0;
    size_t room = groups * buckets + 1;
    struct total *all = room <= CELLS_MAX ? mem_alloc(room * sizeof *all) : NULL;
    for (size_t g = 0; all && g < groups; g++) {
        const struct total of = t[i];
        for (int64_t at = first; at <= last; at += q->bucket) {
            if (i < *count && t[i].at == at && !groups_differ(&t[i], &of)) {
                all[n++] = t[i++];
            } else if (looked_in(q, of.cluster, at) > 0) {
                all[n] = of;
                all[n].at = at;
                all[n].sum = all[n].low = all[n].high = 0;
                n++;
            }
        }
    }
    mem_free(t);
    *count = n;
    return all;
}

static double value_of(const struct query *q, const struct total *t)
{
    bool mean = q->aggregation == AVG || (q->aggregation == SUM && q->type->kind != SERIES_COUNTER);
    if (q->aggregation == MAX) return (double)t->high;
    if (q->aggregation == MIN) return (double)t->low;
    return mean ? (double)t->sum / (double)t->weights : (double)t->sum;
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
    else if (q->bucket && !(t = fill(q, t, &count))) refuse_much(q);
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
    struct str name;
    for (int i = 0; (name = rq->http->query(rq, "metric", i)).data; i++) {
        if (series_by_name(name)) continue;
        api_fail_at(rq, 400, NULL,
                    "There is no such metric; /v2/metrics/cloud/descriptors/metrics lists them.", NULL,
                    "metric");
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
