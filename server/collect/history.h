/* history.h - the figures of every cluster over time, kept in DATA/history.db: a minute for 7 days, an
 * hour for 90. Losing the file loses charts and nothing else.
 *
 * Two seconds after each minute the domain thread copies what brokers last reported (they tell of a minute
 * within a second of its end); a lane makes increments of it and writes one transaction. A value of 0 is
 * not written; a row that is not there says that nobody looked, or that nothing was known of the cluster.
 *
 * Counters are totals of a broker process. One that ends as it should tells how far it came, which is kept
 * until the minute is over; of one that is killed the rest of a minute is missing (of a second while
 * somebody looks). The first take of a leatd goes on from what the one before it wrote. */
#pragma once
#include "base/buf.h"
#include "engine/engine.h"
#include "io/loop.h"
#include "store/db.h"
#include "supervise/supervisor.h"

enum series_kind { SERIES_COUNTER, SERIES_GAUGE, SERIES_PEAK };
enum series_label { SERIES_NONE, SERIES_TOPIC, SERIES_PRINCIPAL, SERIES_GROUP };
#define SERIES_LABELS_MAX 2
struct series_type {
    int number;
    const char *name; /* without "io.confluent.kafka.server/" */
    enum series_kind kind;
    enum series_label label;
    const char *unit, *text;
};
extern const struct series_type series_types[];
extern const size_t series_type_count;
#define SERIES_PREFIX "io.confluent.kafka.server/"
const struct series_type *series_by_name(struct str name); /* with or without the prefix; NULL: none */
const struct series_type *series_by_number(int number);    /* NULL: none */
/* "topic"; "principal_id"; "consumer_group_id" and "topic"; NULL behind the last. */
const char *series_label_name(enum series_label label, size_t i);

/* --- writing: the domain thread ---------------------------------------------------------------- */
struct history;
/* Opens the file, made anew when it is of no use (the old one is put aside), and begins. data_dir, db, engine
 * and supervisor must outlive it. max_bytes: of the file; 0: a tenth of the file system, at most 16 GiB. */
status history_start(const char *data_dir, int64_t max_bytes, struct loop *loop, struct db *db,
                     struct engine *engine, struct supervisor *supervisor, struct history **ret_history);
void history_stop(struct history *history); /* after the loop was freed; NULL ok */
struct history_cost { /* since leatd began, us */
    int64_t take_cpu, write_cpu; /* processor time on the domain thread, and on the lane */
    int64_t longest_take;        /* one turn of the domain thread */
};
struct history_cost history_cost(const struct history *history); /* domain thread */

/* --- reading: any thread ----------------------------------------------------------------------- */
struct history_point {
    int64_t at;       /* ms since 1970: the beginning of its minute or hour */
    int64_t observed; /* ms of it in which somebody looked: what its row was told */
    const struct series_type *type;
    struct str labels[SERIES_LABELS_MAX]; /* valid during the call */
    int64_t value;
};
#define HISTORY_PRINCIPALS 100 /* of a cluster that are kept: the first of engine_figures() */
#define HISTORY_MINUTE 60000 /* ms */
#define HISTORY_HOUR (60 * HISTORY_MINUTE)
#define HISTORY_TYPES_MAX 16
struct history_query {
    struct str cluster_id;
    const struct series_type *types[HISTORY_TYPES_MAX];
    size_t type_count;
    int64_t from, to; /* ms: from <= at < to */
    int64_t step;     /* HISTORY_MINUTE or HISTORY_HOUR; the hour under way is made of its minutes */
    /* The cluster was looked at, for `observed` ms of the minute or hour; its points follow. NULL ok. */
    void (*row)(void *arg, int64_t at, int64_t observed);
    void (*point)(void *arg, const struct history_point *p);
    void *arg;
};
/* The finest step in which all from there on is kept. */
int64_t history_step(int64_t from, int64_t now_wall);
/* Ascending by time. NOT_FOUND: there is no history yet. */
status history_read(const char *data_dir, const struct history_query *query);
