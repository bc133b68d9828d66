/* usage.h - what clusters use, a row a cluster and UTC day, for costs: bytes in and out, byte-hours stored,
 * partition-hours, hours served. Counted from the brokers' totals about once a minute; what is counted is
 * in the database with how far it reaches, so that neither a restart nor a kill of leatd counts anything
 * twice or (while the broker goes on) leaves it out. Domain thread, but for reading. */
#pragma once
#include "domain/domain.h"

#define USAGE_DAYS_KEPT 800
#define USAGE_DAY_TEXT 11

status usage_start(struct domain *domain);
void usage_stop(struct domain *domain); /* counts once more; while engine and database are there */
/* Of one cluster, before it goes. */
void usage_last(struct domain *domain, const char *cluster_id);
/* Counts now, so that what is read next is of this moment: up to so many clusters. */
void usage_now(struct domain *domain);

/* One row of a bill: the resource's cost of one kind on one day. */
struct usage_line {
    const char *type;                    /* KAFKA_STORAGE, … */
    const char *unit;
    double quantity, price;
    char day[USAGE_DAY_TEXT], next_day[USAGE_DAY_TEXT];
    char cluster_id[ID_TEXT], environment_id[ID_TEXT], display_name[NAME_MAX_BYTES + 1];
    int index;                           /* of the lines of a day and cluster */
};
/* Lines with a quantity, of days from `start` to before `end` (YYYY-MM-DD), by day, cluster and index.
 * each() false: stop. `after`: a line of before, its day, cluster and index (day "" : from the first). */
status usage_lines(struct db *db, const char *start, const char *end, const struct usage_line *after,
                   bool (*each)(void *arg, const struct usage_line *line), void *arg);
/* true for a date of the calendar, written YYYY-MM-DD. */
bool usage_is_day(struct str text);

/* --- prices ------------------------------------------------------------------------------------------ */
#define USAGE_TYPES 5
extern const char *const usage_types[USAGE_TYPES];
extern const char *const usage_units[USAGE_TYPES];
status usage_prices(struct db *db, double ret_prices[USAGE_TYPES]);
status usage_prices_set(struct domain *domain, const struct actor *actor, const double prices[USAGE_TYPES]);
