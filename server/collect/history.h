/* history.h - the figures of every cluster over time, kept in DATA/history.db: a minute for 7 days, an
 * hour for 90. Losing the file loses charts and nothing else.
 *
 * Two seconds after each minute the domain thread copies what brokers last reported (they tell of a minute
 * within a second of its end); a lane makes increments of it and writes one transaction. A value of 0 is
 * not written: an idle cluster costs nothing. */
#pragma once
#include "base/buf.h"
#include "engine/engine.h"
#include "io/loop.h"
#include "store/db.h"
#include "supervise/supervisor.h"

enum series_kind { SERIES_COUNTER, SERIES_GAUGE };
enum series_label { SERIES_NONE, SERIES_TOPIC, SERIES_PRINCIPAL };
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
const char *series_label_name(enum series_label label);    /* "topic", "principal_id"; NULL: none */

/* --- writing: the domain thread ---------------------------------------------------------------- */
struct history;
/* Opens the file, made anew when it is of no use (the old one is put aside), and begins. db, engine and
 * supervisor must outlive it. */
status history_start(const char *data_dir, struct loop *loop, struct db *db, struct engine *engine,
                     struct supervisor *supervisor, struct history **ret_history);
void history_stop(struct history *history); /* after the loop was freed; NULL ok */
/* Takes the figures as of this minute (ms since 1970), as the timer does. */
void history_take(struct history *history, int64_t now_wall);

/* --- reading: any thread ----------------------------------------------------------------------- */
struct history_point {
    int64_t at;           /* ms since 1970: the beginning of its minute or hour */
    struct str label;     /* the topic or principal; valid during the call */
    int64_t value;
};
/* Every value of one kind of a cluster with from <= at < to (ms), ascending by time; by the minute where
 * minutes are kept, else by the hour. *ret_step: ms between values. NOT_FOUND: there is no history yet. */
status history_read(const char *data_dir, struct str cluster_id, const struct series_type *type, int64_t from,
                    int64_t to, void (*point)(void *arg, const struct history_point *p), void *arg,
                    int64_t *ret_step);
