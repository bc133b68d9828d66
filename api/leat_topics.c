/* leat_topics.c - topics as the console's table shows them: rows, figures as last reported, offsets and
 * groups joined here, filtered, sorted and paged here. DOMAIN.
 *
 * Offsets are asked only for the page that is shown (or for all, when they are what it is sorted by).
 * With the broker away, what only it knows is null and the rest is shown. */
#include "api/handlers.h"
#include "api/kafka.h"

#include "domain/groups.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

struct entry {
    const struct delta_topic *topic;
    const struct engine_topic_figures *figures; /* a copy, or NULL */
    struct topic_offsets offsets;
    bool offsets_known;
    int64_t records;          /* sum of end - start; -1: not known */
    struct str worst_group;
    int64_t worst_lag;
    int32_t group_count;
};
struct view {
    struct api_request *rq;
    struct kafka_scope *scope;
    struct entry *entries;
    size_t count;             /* after the filter */
    size_t first, shown;      /* the page */
    struct topic_offsets *asked;
    size_t asked_from, asked_count;
    bool single;              /* one topic, with its partitions */
    bool groups_known;
};

/* --- an entry as JSON ------------------------------------------------------------------------- */

static struct str config_of(const struct delta_topic *t, const char *name)
{
    for (int32_t i = 0; i < t->config_count; i++) {
        if (str_eq_c(t->configs[i].name, name)) return t->configs[i].value;
    }
    const struct config_info *info = topic_config_info(str_c(name));
    return info ? str_c(info->default_value) : STR_NULL;
}

static json_t *number_config(const struct delta_topic *t, const char *name)
{
    struct str text = config_of(t, name);
    int64_t n;
    if (str_eq_c(text, "-1")) return json_integer(-1);
    return str_to_i64(text, &n) ? json_integer(n) : json_null();
}

static json_t *known_i64(int64_t n) { return n >= 0 ? json_integer(n) : json_null(); }

static json_t *entry_json(const struct view *v, const struct entry *e)
{
    const struct engine_topic_figures none = { 0 }, *f = e->figures ? e->figures : &none;
    const struct delta_topic *t = e->topic;
    char id[UUID_TEXT];
    uuid_format(t->id, id);
    json_t *worst = json_pack("{s:o, s:I}", "group", api_str(e->worst_group), "lag",
                              (json_int_t)e->worst_lag);
    json_t *o = json_object();
    PUT(o, "topic_name", api_str(t->name));
    PUT(o, "topic_id", json_string(id));
    PUT(o, "is_internal", json_boolean(t->internal));
    PUT(o, "partitions_count", json_integer(t->partitions));
    PUT(o, "replication_factor", json_integer(t->replication_factor));
    PUT(o, "records", known_i64(e->records));
    PUT(o, "bytes_stored", e->figures ? json_integer(f->bytes_stored) : json_null());
    PUT(o, "in_per_s", json_real(f->in_per_s));
    PUT(o, "out_per_s", json_real(f->out_per_s));
    PUT(o, "records_in_per_s", json_real(f->records_in_per_s));
    PUT(o, "records_out_per_s", json_real(f->records_out_per_s));
    PUT(o, "last_record_at", api_time(f->last_record_at));
    PUT(o, "retention_ms", number_config(t, "retention.ms"));
    PUT(o, "retention_bytes", number_config(t, "retention.bytes"));
    PUT(o, "cleanup_policy", api_str(config_of(t, "cleanup.policy")));
    json_object_set(o, "worst_group", e->worst_group.data ? worst : json_null());
    PUT(o, "group_count", v->groups_known ? json_integer(e->group_count) : json_null());
    json_decref(worst);
    return o;
}

static json_t *partitions_json(const struct entry *e)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < e->topic->partitions; i++) {
        bool known = e->offsets_known && i < e->offsets.count && is_ok(e->offsets.partitions[i].result);
        int64_t start = known ? e->offsets.partitions[i].start : -1;
        int64_t end = known ? e->offsets.partitions[i].end : -1;
        json_t *o = json_object();
        PUT(o, "partition_id", json_integer(i));
        PUT(o, "leader", known ? json_integer(1) : json_null());
        PUT(o, "replicas", json_pack("[i]", 1));
        PUT(o, "start_offset", known_i64(start));
        PUT(o, "end_offset", known_i64(end));
        PUT(o, "high_watermark", known_i64(end));
        PUT(o, "bytes", known_i64(known ? e->offsets.partitions[i].bytes : -1));
        json_array_append_new(list, o);
    }
    return list;
}

static void reply(struct view *v)
{
    struct api_request *rq = v->rq;
    if (v->single) {
        json_t *topic = entry_json(v, &v->entries[0]);
        json_object_set_new(topic, "kind", json_string("Topic"));
        json_object_set_new(topic, "partitions", partitions_json(&v->entries[0]));
        api_reply(rq, 200, topic);
        return;
    }
    json_t *data = json_array();
    char next[24];
    for (size_t i = v->first; i < v->first + v->shown; i++) {
        json_array_append_new(data, entry_json(v, &v->entries[i]));
    }
    snprintf(next, sizeof next, "%zu", v->first + v->shown);
    api_reply_list(rq, NULL, "TopicList", data, v->first + v->shown < v->count ? next : NULL,
                   (int64_t)v->count);
}

/* --- groups ----------------------------------------------------------------------------------- */

static struct entry *entry_of(struct view *v, struct str topic)
{
    for (size_t i = v->first; i < v->first + v->shown; i++) {
        if (str_eq(v->entries[i].topic->name, topic)) return &v->entries[i];
    }
    return NULL;
}

static void join_group(struct view *v, const struct group_info *g)
{
    for (int32_t i = 0; i < g->lag_count;) { /* lags are in order of topic */
        struct str topic = g->lags[i].topic;
        int64_t lag = 0;
        for (; i < g->lag_count && str_eq(g->lags[i].topic, topic); i++) lag += g->lags[i].lag;
        struct entry *e = entry_of(v, topic);
        if (!e) continue;
        e->group_count++;
        if (e->worst_group.data && lag <= e->worst_lag) continue;
        e->worst_group = g->id;
        e->worst_lag = lag;
    }
}

static void groups_known(void *arg, status result, struct group_info *groups, int32_t count)
{
    struct view *v = arg;
    v->groups_known = is_ok(result);
    for (int32_t i = 0; is_ok(result) && i < count; i++) join_group(v, &groups[i]);
    reply(v);
}

/* --- offsets, order, page --------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct entry *)a)->topic->name, ((const struct entry *)b)->topic->name);
}
static int compare(double x, double y, const void *a, const void *b)
{
    return x != y ? (x < y ? -1 : 1) : by_name(a, b);
}
static int by_partitions(const void *a, const void *b)
{
    return compare(((const struct entry *)a)->topic->partitions,
                   ((const struct entry *)b)->topic->partitions, a, b);
}
static double bytes_of_entry(const struct entry *e) { return e->figures
                                                     ? (double)e->figures->bytes_stored : -1; }
static int by_bytes(const void *a, const void *b) { return compare(bytes_of_entry(a),
    bytes_of_entry(b), a, b); }
static double in_of(const struct entry *e) { return e->figures ? e->figures->in_per_s : -1; }
static int by_in(const void *a, const void *b) { return compare(in_of(a), in_of(b), a, b); }
static int by_records(const void *a, const void *b)
{
    return compare((double)((const struct entry *)a)->records,
                   (double)((const struct entry *)b)->records, a, b);
}

static const struct {
    const char *name;
    int (*order)(const void *a, const void *b);
} orders[] = { { "name", by_name }, { "partitions", by_partitions }, { "bytes", by_bytes },
               { "records", by_records }, { "in", by_in } };

static void sort_entries(struct view *v)
{
    struct str sort = v->rq->http->query(v->rq, "sort", 0), order = v->rq->http->query(v->rq,
        "order", 0);
    int (*by)(const void *a, const void *b) = by_name;
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        if (str_eq_c(sort, orders[i].name)) by = orders[i].order;
    }
    if (v->count) qsort(v->entries, v->count, sizeof *v->entries, by);
    if (!str_eq_c(order, "desc")) return;
    for (size_t i = 0; i < v->count / 2; i++) {
        struct entry swap = v->entries[i];
        v->entries[i] = v->entries[v->count - 1 - i];
        v->entries[v->count - 1 - i] = swap;
    }
}

/* Sizes may be missing (the principal may not describe the cluster): they are null then. */
static void sizes_known(void *arg, status result)
{
    struct view *v = arg;
    (void)result;
    groups_load(v->rq->domain, v->scope->id, v->scope->principal, STR_NULL, true, v->rq->arena,
                groups_known, v);
}

static void offsets_known(void *arg, status result)
{
    struct view *v = arg;
    for (size_t i = 0; is_ok(result) && i < v->asked_count; i++) {
        struct entry *e = &v->entries[v->asked_from + i];
        e->offsets = v->asked[i];
        e->offsets_known = true;
        e->records = 0;
        for (int32_t k = 0; k < e->offsets.count; k++) {
            const struct partition_offsets *o = &e->offsets.partitions[k];
            if (is_ok(o->result) && o->end > o->start && o->start >= 0) {
                e->records += o->end - o->start;
            }
        }
    }
    if (v->asked_count > v->shown) sort_entries(v); /* sorted by records: all were asked */
    if (failed(result)) {
        reply(v);
        return;
    }
    if (v->single)
        sizes_load(v->rq->domain, v->scope->id, v->scope->principal, v->asked,
                   (int32_t)v->asked_count, v->rq->arena, sizes_known, v);
    else sizes_known(v, OK);
}

static void ask_offsets(struct view *v, bool all)
{
    v->asked_from = all ? 0 : v->first;
    v->asked_count = all ? v->count : v->shown;
    v->asked = ARENA_ARRAY(v->rq->arena, struct topic_offsets, v->asked_count + 1);
    for (size_t i = 0; v->asked && i < v->asked_count; i++) {
        const struct delta_topic *t = v->entries[v->asked_from + i].topic;
        v->asked[i] = offsets_of_topic(t->name, t->partitions, v->rq->arena);
    }
    if (v->rq->arena->failed) {
        api_fail(v->rq, FAIL(NO_MEMORY), NULL);
        return;
    }
    offsets_load(v->rq->domain, v->scope->id, v->scope->principal, v->asked,
                 (int32_t)v->asked_count, v->rq->arena,
                 offsets_known, v);
}

/* --- rows and figures ------------------------------------------------------------------------- */

static bool matches(struct str name, struct str filter)
{
    if (filter.len == 0) return true;
    for (size_t i = 0; i + filter.len <= name.len; i++) {
        if (strncasecmp(name.data + i, filter.data, filter.len) == 0) return true;
    }
    return false;
}

/* A copy: reports go on while offsets are asked for. */
static const struct engine_topic_figures *figures_of(struct view *v, struct str topic)
{
    const struct engine_topic_figures *now = engine_topic_figures(v->rq->domain->engine, v->scope->id,
                                                                  topic);
    struct engine_topic_figures *copy = now ? ARENA_NEW(v->rq->arena, struct engine_topic_figures) : NULL;
    if (copy) *copy = *now;
    return copy;
}

static struct view *view_new(struct api_request *rq, struct kafka_scope *s, size_t entries)
{
    struct view *v = ARENA_NEW(rq->arena, struct view);
    if (v) {
        *v = (struct view){ .rq = rq, .scope = s };
        v->entries = ARENA_ARRAY(rq->arena, struct entry, entries + 1);
    }
    if (v && v->entries) return v;
    api_fail(rq, FAIL(NO_MEMORY), NULL);
    return NULL;
}

static void view_add(struct view *v, const struct topic_row *row)
{
    v->entries[v->count++] = (struct entry){ .topic = &row->topic, .records = -1,
                                             .figures = figures_of(v, row->topic.name) };
}

void leat_topics_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row *rows = NULL;
    struct api_page page;
    size_t count = 0;
    int64_t first = 0;
    if (!s || !api_page(rq, &page)) return;
    if (page.after.data && !str_to_i64(page.after, &first)) {
        api_fail_at(rq, 400, NULL, "This page_token is not one of ours.", NULL, "page_token");
        return;
    }
    status result = topics_list(rq->db, s->id, rq->arena, &rows, &count);
    struct view *v = is_ok(result) ? view_new(rq, s, count) : NULL;
    if (failed(result)) api_fail(rq, result, NULL);
    if (!v) return;
    struct str filter = rq->http->query(rq, "filter", 0);
    bool internal = str_eq_c(rq->http->query(rq, "internal", 0), "true");
    (void)engine_figures(rq->domain->engine, s->id); /* rates of a broker that is silent become 0 */
    engine_watch(rq->domain->engine, s->id);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].topic.internal && !internal) continue;
        if (!kafka_allows(s, OP_DESCRIBE, RES_TOPIC, rows[i].topic.name)) continue;
        if (matches(rows[i].topic.name, filter)) view_add(v, &rows[i]);
    }
    sort_entries(v);
    v->first = (size_t)first < v->count ? (size_t)first : v->count;
    v->shown = v->count - v->first < (size_t)page.size ? v->count - v->first : (size_t)page.size;
    ask_offsets(v, str_eq_c(rq->http->query(rq, "sort", 0), "records"));
}

void leat_topics_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row *row = s ? ARENA_NEW(rq->arena, struct topic_row) : NULL;
    if (!row || !kafka_topic(rq, s, row)) return;
    struct view *v = view_new(rq, s, 1);
    if (!v) return;
    (void)engine_figures(rq->domain->engine, s->id);
    view_add(v, row);
    engine_watch(rq->domain->engine, s->id);
    v->single = true;
    v->shown = 1;
    ask_offsets(v, false);
}
