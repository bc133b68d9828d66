/* metrics.c - the figures of all clusters as Prometheus text. Domain thread; a scrape asks no broker,
 * it shows what they last reported.
 *
 * One family after the other, as the format wants it, so the clusters are gone through once a family. */
#include "collect/metrics.h"

#include "engine/lags.h"

#include <stdio.h>
#include <time.h>

#define CLUSTERS_MAX 5000
#define PRINCIPALS_MAX 100 /* likewise */
#define LAGS_MAX 200       /* groups and topics, likewise */
#define TOPICS_MAX 200 /* series per cluster and family: the rest is in the cluster's total */

struct row {
    char id[40], name[65], environment[65], plan[32];
    const struct engine_figures *figures; /* NULL: unknown */
    struct proc_info info;
    bool known;
};

struct scrape {
    struct db *db;
    struct engine *engine; /* NULL: none */
    struct buf *out;
    struct row *rows;
    size_t count;
};

/* A label's value: backslash, quote and newline escaped. */
static void put_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (const char *p = value; *p; p++) {
        if (*p == '\\' || *p == '"') buf_put(out, "\\", 1);
        if (*p == '\n') buf_put(out, "\\n", 2);
        else buf_put(out, p, 1);
    }
    buf_put(out, "\"", 1);
}

static void put_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_head(struct buf *out, const char *name, const struct row *row)
{
    buf_printf(out, "%s{", name);
    put_label(out, "cluster_id", row->id);
    buf_put(out, ",", 1);
    put_label(out, "cluster", row->name);
    buf_put(out, ",", 1);
    put_label(out, "environment", row->environment);
}

static void put_seconds(struct buf *out, int64_t us)
{
    buf_printf(out, "} %lld.%06lld\n", (long long)(us / 1000000), (long long)(us % 1000000));
}

static void put_value(struct buf *out, int64_t value) { buf_printf(out, "} %lld\n", (long long)value); }

static status read_rows(struct scrape *s, struct engine *engine, struct supervisor *supervisor)
{
    char proc[64];
    struct db_query *q = DB(s->db, "SELECT c.id, c.display_name, e.display_name, c.plan FROM cluster c "
                                   "JOIN environment e ON e.id = c.environment_id ORDER BY c.id LIMIT ?",
                            CLUSTERS_MAX);
    while (db_next(q)) {
        if (s->count % 64 == 0) {
            struct row *more = mem_realloc(s->rows, (s->count + 64) * sizeof *more);
            if (!more) break;
            s->rows = more;
        }
        struct row *row = &s->rows[s->count++];
        *row = (struct row){ .known = false };
        DB_COPY(q, 0, row->id);
        DB_COPY(q, 1, row->name);
        DB_COPY(q, 2, row->environment);
        DB_COPY(q, 3, row->plan);
        snprintf(proc, sizeof proc, "%s-1", row->id);
        row->known = supervisor && supervisor_info(supervisor, proc, &row->info);
        row->figures = engine ? engine_figures(engine, row->id) : NULL;
        if (row->figures && !row->figures->known) row->figures = NULL;
    }
    return db_end(q);
}

static void put_processes(const struct scrape *s)
{
    struct buf *out = s->out;
    put_family(out, "leat_broker_up", "gauge", "1 while the broker of this cluster serves.");
    for (size_t i = 0; i < s->count; i++) {
        put_head(out, "leat_broker_up", &s->rows[i]);
        put_value(out, s->rows[i].known && s->rows[i].info.state == PROC_RUNNING);
    }
    put_family(out, "leat_broker_state", "gauge",
               "The state of the broker's process: 1 for the one it is in.");
    for (size_t i = 0; i < s->count; i++) {
        put_head(out, "leat_broker_state", &s->rows[i]);
        buf_put(out, ",", 1);
        put_label(out, "state", s->rows[i].known ? proc_state_name(s->rows[i].info.state) : "stopped");
        put_value(out, 1);
    }
    static const struct { const char *name, *type, *help; size_t at; bool wide; } rows[] = {
        { "leat_broker_restarts_total", "counter", "Restarts of the broker since leatd started.",
          offsetof(struct proc_info, restarts), false },
        { "leat_broker_memory_bytes", "gauge", "Resident memory of the broker.",
          offsetof(struct proc_info, memory_bytes), true },
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        put_family(out, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < s->count; i++) {
            const char *at = (const char *)&s->rows[i].info + rows[r].at;
            put_head(out, rows[r].name, &s->rows[i]);
            put_value(out, rows[r].wide ? *(const int64_t *)(const void *)at
                                        : *(const int *)(const void *)at);
        }
    }
    put_family(out, "leat_broker_cpu_seconds_total", "counter", "Processor time of the broker.");
    for (size_t i = 0; i < s->count; i++) {
        put_head(out, "leat_broker_cpu_seconds_total", &s->rows[i]);
        put_seconds(out, s->rows[i].info.cpu_ms * 1000);
    }
}

static void put_totals(const struct scrape *s)
{
    static const struct { const char *name, *type, *help; size_t at; } rows[] = {
        { "leat_bytes_in_total", "counter", "Bytes of record batches produced.",
          offsetof(struct engine_figures, bytes_in) },
        { "leat_bytes_out_total", "counter", "Bytes of record batches fetched.",
          offsetof(struct engine_figures, bytes_out) },
        { "leat_records_in_total", "counter", "Records produced.",
          offsetof(struct engine_figures, records_in) },
        { "leat_records_out_total", "counter", "Records fetched.",
          offsetof(struct engine_figures, records_out) },
        { "leat_requests_total", "counter", "Kafka requests.",
          offsetof(struct engine_figures, requests) },
        { "leat_errors_total", "counter", "Kafka requests answered with an error.",
          offsetof(struct engine_figures, errors) },
        { "leat_connections", "gauge", "Client connections.",
          offsetof(struct engine_figures, connections) },
        { "leat_stored_bytes", "gauge", "Bytes stored.",
          offsetof(struct engine_figures, bytes_stored) },
        { "leat_damaged_partitions", "gauge", "Partitions with files that are damaged.",
          offsetof(struct engine_figures, damaged_partitions) },
        { "leat_broker_turns_over_1ms_total", "counter",
          "Turns of the broker's event loop that kept everybody else waiting for more than 1 ms.",
          offsetof(struct engine_figures, turns_over_1ms) },
        { "leat_broker_turns_over_10ms_total", "counter", "The same, for more than 10 ms.",
          offsetof(struct engine_figures, turns_over_10ms) },
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        put_family(s->out, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < s->count; i++) {
            if (!s->rows[i].figures) continue;
            const char *at = (const char *)s->rows[i].figures + rows[r].at;
            put_head(s->out, rows[r].name, &s->rows[i]);
            put_value(s->out, *(const int64_t *)(const void *)at);
        }
    }
}

static void put_times(const struct scrape *s)
{
    static const struct { const char *name, *type, *help; size_t at; int64_t us; } rows[] = {
        { "leat_throttle_seconds_total", "counter", "Time for which clients were held back by quotas.",
          offsetof(struct engine_figures, throttle_ms), 1000 },
        { "leat_broker_longest_turn_seconds", "gauge",
          "The longest turn of the broker's event loop since it started.",
          offsetof(struct engine_figures, longest_turn_us), 1 },
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        put_family(s->out, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < s->count; i++) {
            if (!s->rows[i].figures) continue;
            const char *at = (const char *)s->rows[i].figures + rows[r].at;
            put_head(s->out, rows[r].name, &s->rows[i]);
            put_seconds(s->out, *(const int64_t *)(const void *)at * rows[r].us);
        }
    }
}

static void put_principals(const struct scrape *s)
{
    static const struct { const char *name, *help; size_t at; bool time; } rows[] = {
        { "leat_principal_bytes_in_total", "Bytes that the principal produced.",
          offsetof(struct engine_principal_figures, bytes_in), false },
        { "leat_principal_bytes_out_total", "Bytes that the principal fetched.",
          offsetof(struct engine_principal_figures, bytes_out), false },
        { "leat_principal_throttle_seconds_total", "Time for which the principal was held back by quotas.",
          offsetof(struct engine_principal_figures, throttle_ms), true },
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        put_family(s->out, rows[r].name, "counter", rows[r].help);
        for (size_t i = 0; i < s->count; i++) {
            const struct engine_figures *f = s->rows[i].figures;
            for (size_t p = 0; f && p < f->principal_count && p < PRINCIPALS_MAX; p++) {
                const char *at = (const char *)&f->principals[p] + rows[r].at;
                put_head(s->out, rows[r].name, &s->rows[i]);
                buf_put(s->out, ",", 1);
                put_label(s->out, "principal", f->principals[p].principal);
                if (rows[r].time) put_seconds(s->out, *(const int64_t *)(const void *)at * 1000);
                else put_value(s->out, *(const int64_t *)(const void *)at);
            }
        }
    }
}

static void put_topics(const struct scrape *s)
{
    static const struct { const char *name, *type, *help; size_t at; } rows[] = {
        { "leat_topic_bytes_in_total", "counter", "Bytes produced to the topic.",
          offsetof(struct engine_topic_figures, bytes_in) },
        { "leat_topic_bytes_out_total", "counter", "Bytes fetched from the topic.",
          offsetof(struct engine_topic_figures, bytes_out) },
        { "leat_topic_records_in_total", "counter", "Records produced to the topic.",
          offsetof(struct engine_topic_figures, records_in) },
        { "leat_topic_stored_bytes", "gauge", "Bytes the topic stores.",
          offsetof(struct engine_topic_figures, bytes_stored) },
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        put_family(s->out, rows[r].name, rows[r].type, rows[r].help);
        for (size_t i = 0; i < s->count; i++) {
            const struct engine_figures *f = s->rows[i].figures;
            for (size_t t = 0; f && t < f->topic_count && t < TOPICS_MAX; t++) {
                const char *at = (const char *)&f->topics[t] + rows[r].at;
                put_head(s->out, rows[r].name, &s->rows[i]);
                buf_put(s->out, ",", 1);
                put_label(s->out, "topic", f->topics[t].name);
                put_value(s->out, *(const int64_t *)(const void *)at);
            }
        }
    }
}

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void put_lags(const struct scrape *s)
{
    static const struct { const char *name, *help; } rows[] = {
        { "leat_consumer_lag_records", "Offsets that the group is behind the high watermark of the topic." },
        { "leat_consumer_time_lag_seconds",
          "Age of the oldest record of the topic that the group has not read." },
    };
    int64_t now = wall_ms();
    for (size_t r = 0; r < ARRAY_LEN(rows) && s->engine; r++) {
        put_family(s->out, rows[r].name, "gauge", rows[r].help);
        for (size_t i = 0; i < s->count; i++) {
            size_t count = 0;
            const struct engine_lag *lags = engine_lags(s->engine, s->rows[i].id, &count);
            for (size_t n = 0; n < count && n < LAGS_MAX; n++) {
                put_head(s->out, rows[r].name, &s->rows[i]);
                buf_put(s->out, ",", 1);
                put_label(s->out, "consumer_group", lags[n].group);
                buf_put(s->out, ",", 1);
                put_label(s->out, "topic", lags[n].topic);
                if (r) put_seconds(s->out, engine_time_lag(lags[n].oldest_at, now) * 1000);
                else put_value(s->out, lags[n].lag);
            }
        }
    }
}

static void put_history(const struct scrape *s, const struct history *history)
{
    static const struct { const char *name, *type, *help; size_t at; } rows[] = {
        { "leat_history_take_cpu_seconds_total", "counter",
          "Processor time for looking at all clusters each minute.",
          offsetof(struct history_cost, take_cpu) },
        { "leat_history_write_cpu_seconds_total", "counter", "Processor time for writing history.db.",
          offsetof(struct history_cost, write_cpu) },
        { "leat_history_longest_take_seconds", "gauge", "The longest look at all clusters.",
          offsetof(struct history_cost, longest_take) },
    };
    struct history_cost cost = history_cost(history);
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        int64_t us = *(const int64_t *)(const void *)((const char *)&cost + rows[r].at);
        put_family(s->out, rows[r].name, rows[r].type, rows[r].help);
        buf_printf(s->out, "%s %lld.%06lld\n", rows[r].name, (long long)(us / 1000000),
                   (long long)(us % 1000000));
    }
}

static void put_counts(const struct scrape *s)
{
    static const struct { const char *name, *help, *sql; } rows[] = {
        { "leat_clusters", "Clusters.", "SELECT count(*) FROM cluster" },
        { "leat_topics", "Topics of all clusters, without internal ones.",
          "SELECT count(*) FROM topic WHERE internal = 0" },
        { "leat_partitions", "Partitions of all clusters, without internal ones.",
          "SELECT coalesce(sum(partitions), 0) FROM topic WHERE internal = 0" },
    };
    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        int64_t n = 0;
        if (failed(db_one_i64(db_query(s->db, rows[r].sql), &n))) continue;
        put_family(s->out, rows[r].name, "gauge", rows[r].help);
        buf_printf(s->out, "%s %lld\n", rows[r].name, (long long)n);
    }
}

status metrics_text(struct db *db, struct engine *engine, struct supervisor *supervisor,
                    const struct history *history, struct buf *out)
{
    struct scrape s = { .db = db, .engine = engine, .out = out };
    status result = read_rows(&s, engine, supervisor);
    put_counts(&s);
    put_processes(&s);
    put_totals(&s);
    put_times(&s);
    put_topics(&s);
    put_principals(&s);
    put_lags(&s);
    if (history) put_history(&s, history);
    mem_free(s.rows);
    return failed(result) ? result : buf_check(out);
}
