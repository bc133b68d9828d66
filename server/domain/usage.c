/* usage.c - counting what clusters use, and reading it back as lines of costs. */
#include "domain/usage.h"

#include "domain/clusters.h"

#include "base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    ROUND_MS = 60000,      /* all clusters are looked at */
    SLICE = 50,            /* of them at a time */
    SLICE_MS = 1000,
    QUIET_MS = 600000,     /* written at least so often, though nothing moved */
    NOW_MAX = 500,
    DAYS_AT_ONCE = USAGE_DAYS_KEPT,
};
#define HOUR_MS 3600000.0
#define DAY_MS 86400000LL
#define YOUNG_MS 3600000LL /* a cluster of which nothing is known yet: counted from its beginning */

const char *const usage_types[USAGE_TYPES] = {
    "KAFKA_STORAGE", "KAFKA_PARTITION", "KAFKA_NETWORK_READ", "KAFKA_NETWORK_WRITE", "KAFKA_BASE",
};
const char *const usage_units[USAGE_TYPES] = { "GB-hour", "Partition-hour", "GB", "GB", "Hour" };

struct usage {
    struct domain *domain;
    struct timer timer;
    char cursor[ID_TEXT];  /* the cluster looked at last in this round; "": a new round */
};

static void day_text(int64_t ms, char ret[USAGE_DAY_TEXT])
{
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    if (!gmtime_r(&seconds, &tm) || strftime(ret, USAGE_DAY_TEXT, "%Y-%m-%d", &tm) == 0) ret[0] = 0;
}

/* --- counting one cluster ------------------------------------------------------------------------------ */

struct seen {
    int64_t at, bytes_in, bytes_out, bytes_stored, partitions;
};

struct slice {
    struct domain *domain;
    int64_t now, count;
    bool forced;
    char last[ID_TEXT];
    status result;
};

static status read_seen(struct db *db, const struct cluster *c, int64_t now, const struct engine_figures *f,
                        struct seen *ret)
{
    bool young = now - c->created_at < YOUNG_MS;
    *ret = (struct seen){ .at = young ? c->created_at : now, .bytes_in = young || !f ? 0 : f->bytes_in,
                          .bytes_out = young || !f ? 0 : f->bytes_out };
    struct db_query *q = DB(db, "SELECT at, bytes_in, bytes_out, bytes_stored, partitions FROM usage_seen "
                                "WHERE cluster_id = ?", (const char *)c->id);
    if (db_next(q))
        *ret = (struct seen){ db_i64(q, 0), db_i64(q, 1), db_i64(q, 2), db_i64(q, 3), db_i64(q, 4) };
    return db_end(q);
}

static int64_t more(int64_t now, int64_t before) { return now >= before ? now - before : now; }

static status add_day(struct db *db, const struct cluster *c, const char *day, int64_t in, int64_t out,
                      double hours, const struct seen *held)
{
    TRY(db_run(DB(db, "INSERT OR IGNORE INTO usage_day (day, cluster_id, environment_id, display_name) "
                      "VALUES (?, ?, ?, ?)", day, (const char *)c->id, (const char *)c->environment_id,
                  (const char *)c->display_name)));
    return db_run(DB(db, "UPDATE usage_day SET bytes_in = bytes_in + ?, bytes_out = bytes_out + ?, "
                         "storage_byte_hours = storage_byte_hours + ?, "
                         "partition_hours = partition_hours + ?, base_hours = base_hours + ?, "
                         "display_name = ? WHERE day = ? AND cluster_id = ?",
                     in, out, hours * (double)held->bytes_stored, hours * (double)held->partitions,
                     c->paused_at ? 0.0 : hours, (const char *)c->display_name, day, (const char *)c->id));
}

/* The time since it was last seen, cut at midnights; the bytes belong to its end. */
static status add_time(struct db *db, const struct cluster *c, const struct seen *before, int64_t now,
                       int64_t in, int64_t out)
{
    int64_t from = before->at;
    char day[USAGE_DAY_TEXT];
    if (now - from > DAYS_AT_ONCE * DAY_MS) from = now - DAYS_AT_ONCE * DAY_MS;
    while (from < now) {
        int64_t midnight = (from / DAY_MS + 1) * DAY_MS;
        int64_t to = midnight < now ? midnight : now;
        day_text(from, day);
        TRY(add_day(db, c, day, 0, 0, (double)(to - from) / HOUR_MS, before));
        from = to;
    }
    if (in == 0 && out == 0) return OK;
    day_text(now, day);
    return add_day(db, c, day, in, out, 0, before);
}

static status count_one(struct domain *domain, const struct cluster *c, int64_t now, bool forced)
{
    struct db *db = domain->db;
    struct seen before, after;
    const struct engine_figures *f = domain->engine ? engine_figures(domain->engine, c->id) : NULL;
    if (f && !f->known) f = NULL;
    TRY(read_seen(db, c, now, f, &before));
    after = before;
    after.at = now > before.at ? now : before.at;
    if (f) {
        after.bytes_in = f->bytes_in;
        after.bytes_out = f->bytes_out;
        after.bytes_stored = f->bytes_stored;
    }
    TRY(db_one_i64(DB(db, "SELECT coalesce(sum(partitions), 0) FROM topic WHERE cluster_id = ? AND "
                          "internal = 0", (const char *)c->id), &after.partitions));
    int64_t in = more(after.bytes_in, before.bytes_in), out = more(after.bytes_out, before.bytes_out);
    bool moved = in || out || after.bytes_stored != before.bytes_stored ||
                 after.partitions != before.partitions;
    if (!forced && !moved && now - before.at < QUIET_MS) return OK;
    TRY(add_time(db, c, &before, now, in, out));
    return db_run(DB(db, "INSERT OR REPLACE INTO usage_seen VALUES (?, ?, ?, ?, ?, ?)", (const char *)c->id,
                     after.at, after.bytes_in, after.bytes_out, after.bytes_stored, after.partitions));
}

/* --- rounds -------------------------------------------------------------------------------------------- */

static void count_next(void *arg, const struct cluster *c)
{
    struct slice *s = arg;
    str_copy(s->last, sizeof s->last, str_c(c->id));
    s->count++;
    if (!c->deleting && is_ok(s->result)) s->result = count_one(s->domain, c, s->now, s->forced);
}

/* So many clusters behind `after`, in a transaction. */
static void count_slice(struct domain *domain, const char *after, int64_t max, bool forced, struct slice *s)
{
    *s = (struct slice){ .domain = domain, .now = domain_wall(), .forced = forced, .result = OK };
    status result = db_begin(domain->db);
    if (is_ok(result)) {
        result = clusters_list(domain->db, STR_NULL, str_c(after), max, count_next, s);
        if (is_ok(result)) result = s->result;
        if (is_ok(result)) result = db_commit(domain->db);
        else db_rollback(domain->db);
    }
    if (failed(result)) log_warn("what clusters use is not counted (%s); tried again", status_text(result));
}

static void forget_old(struct domain *domain)
{
    char oldest[USAGE_DAY_TEXT];
    day_text(domain_wall() - USAGE_DAYS_KEPT * DAY_MS, oldest);
    (void)db_run(DB(domain->db, "DELETE FROM usage_day WHERE day < ?", (const char *)oldest)); /* logged */
    (void)db_run(DB(domain->db, "DELETE FROM usage_seen WHERE cluster_id NOT IN (SELECT id FROM cluster)"));
}

static void look(struct timer *timer)
{
    struct slice s;
    struct usage *u = CONTAINER_OF(timer, struct usage, timer);
    count_slice(u->domain, u->cursor, SLICE, false, &s);
    bool over = s.count < SLICE;
    if (over) forget_old(u->domain);
    str_copy(u->cursor, sizeof u->cursor, over ? STR("") : str_c(s.last));
    (void)loop_timer_set(u->domain->loop, timer, loop_now(u->domain->loop) + (over ? ROUND_MS : SLICE_MS));
}

void usage_last(struct domain *domain, const char *cluster_id)
{
    struct cluster c;
    status result = clusters_get(domain->db, str_c(cluster_id), &c);
    if (is_ok(result)) result = db_begin(domain->db);
    if (failed(result)) return; /* nothing is lost but the last minute */
    result = count_one(domain, &c, domain_wall(), true);
    if (is_ok(result)) result = db_commit(domain->db);
    else db_rollback(domain->db);
    if (failed(result)) log_warn("the last use of %s is not counted (%s)", cluster_id, status_text(result));
}

void usage_now(struct domain *domain)
{
    struct slice s;
    count_slice(domain, "", NOW_MAX, true, &s);
}

status usage_start(struct domain *domain)
{
    struct usage *u = mem_zalloc(sizeof *u);
    if (!u) return FAIL(NO_MEMORY);
    u->domain = domain;
    timer_init(&u->timer, look);
    domain->usage = u;
    return loop_timer_set(domain->loop, &u->timer, loop_now(domain->loop) + SLICE_MS);
}

void usage_stop(struct domain *domain)
{
    struct usage *u = TAKE(domain->usage);
    if (!u) return;
    usage_now(domain);
    loop_timer_clear(domain->loop, &u->timer);
    mem_free(u);
}

/* --- reading ------------------------------------------------------------------------------------------- */

bool usage_is_day(struct str text)
{
    char own[USAGE_DAY_TEXT], again[USAGE_DAY_TEXT];
    struct tm tm = { 0 };
    if (text.len != USAGE_DAY_TEXT - 1 || !str_copy(own, sizeof own, text)) return false;
    if (sscanf(own, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3) return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    time_t at = timegm(&tm);
    return strftime(again, sizeof again, "%Y-%m-%d", gmtime_r(&at, &tm)) && strcmp(own, again) == 0;
}

static void next_day_of(const char *day, char ret[USAGE_DAY_TEXT])
{
    struct tm tm = { 0 };
    ret[0] = 0;
    if (sscanf(day, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3) return;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    day_text((int64_t)timegm(&tm) * 1000 + DAY_MS, ret);
}

struct reading {
    const struct usage_line *after;
    double prices[USAGE_TYPES];
    bool (*each)(void *arg, const struct usage_line *line);
    void *arg;
};

/* The lines of a row; false: no more are wanted. */
static bool read_row(const struct reading *r, const struct db_query *q)
{
    static const double giga = 1e9;
    const double quantities[USAGE_TYPES] = {
        db_f64(q, 6) / giga, db_f64(q, 7), (double)db_i64(q, 5) / giga, (double)db_i64(q, 4) / giga,
        db_f64(q, 8),
    };
    struct usage_line line = { .type = NULL };
    DB_COPY(q, 0, line.day);
    DB_COPY(q, 1, line.cluster_id);
    DB_COPY(q, 2, line.environment_id);
    DB_COPY(q, 3, line.display_name);
    next_day_of(line.day, line.next_day);
    bool same = strcmp(line.day, r->after->day) == 0 && strcmp(line.cluster_id, r->after->cluster_id) == 0;
    for (int i = same ? r->after->index + 1 : 0; i < USAGE_TYPES; i++) {
        line.index = i;
        line.type = usage_types[i];
        line.unit = usage_units[i];
        line.quantity = quantities[i];
        line.price = r->prices[i];
        if (line.quantity > 0 && !r->each(r->arg, &line)) return false;
    }
    return true;
}

status usage_lines(struct db *db, const char *start, const char *end, const struct usage_line *after,
                   bool (*each)(void *arg, const struct usage_line *line), void *arg)
{
    struct reading r = { .after = after, .each = each, .arg = arg };
    TRY(usage_prices(db, r.prices));
    struct db_query *q = DB(db, "SELECT day, cluster_id, environment_id, display_name, bytes_in, bytes_out, "
                                "storage_byte_hours, partition_hours, base_hours FROM usage_day "
                                "WHERE day >= ?1 AND day < ?2 AND (day, cluster_id) >= (?3, ?4) "
                                "ORDER BY day, cluster_id", start, end, (const char *)after->day,
                            (const char *)after->cluster_id);
    while (db_next(q)) {
        if (!read_row(&r, q)) break;
    }
    return db_end(q);
}

/* --- prices -------------------------------------------------------------------------------------------- */

static int type_of(struct str name)
{
    for (int i = 0; i < USAGE_TYPES; i++) {
        if (str_eq_c(name, usage_types[i])) return i;
    }
    return -1;
}

status usage_prices(struct db *db, double ret_prices[USAGE_TYPES])
{
    for (int i = 0; i < USAGE_TYPES; i++) ret_prices[i] = 0;
    struct db_query *q = DB(db, "SELECT line_type, price FROM price");
    while (db_next(q)) {
        int type = type_of(db_text(q, 0));
        if (type >= 0) ret_prices[type] = db_f64(q, 1);
    }
    return db_end(q);
}

status usage_prices_set(struct domain *domain, const struct actor *actor, const double prices[USAGE_TYPES])
{
    CLEANUP_CHANGE struct change *change = NULL;
    TRY(change_begin(domain, NULL, actor, &change));
    for (int i = 0; i < USAGE_TYPES; i++)
        TRY(db_run(DB(domain->db, "INSERT INTO price VALUES (?1, ?2) ON CONFLICT (line_type) DO UPDATE SET "
                                  "price = ?2", usage_types[i], prices[i])));
    TRY(change_audit(change, "prices.set", "prices", NULL));
    return change_commit_now(&change);
}
