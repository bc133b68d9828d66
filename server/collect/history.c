/* history.c - one row a cluster and minute: the series that had a value, as varints; none: nothing was known
 * of the cluster. Taking on the domain thread, writing on a lane; the lane's tables are touched by nobody
 * else. */
#include "collect/history.h"

#include "base/hash.h"
#include "base/log.h"
#include "collect/history_rows.h"
#include "engine/lags.h"

#include <stdio.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define MINUTE_MS 60000
#define HISTORY_AFTER_MS 2000 /* a minute's end: every broker has told of it by then */
#define FIRST_TAKES 2
#define CARRIED_MINUTES 2
#define MINUTES_KEPT (7 * 24 * 60)
#define HOURS_KEPT (90 * 24)
#define CLUSTERS_MAX 5000
#define TOPICS_MAX 200          /* of a cluster, with series of their own; the others share one */
#define LAGS_MAX 200            /* a group and topic each; the furthest behind */
#define SERIES_MAX 1000000      /* remembered */
#define FILE_MAX (16LL << 30)   /* bytes: seven days of a hundred series of a thousand clusters; above it
                                   minutes are kept for a day less each hour */
#define TAKE_MAX (256u << 20)
#define ENDED_MAX (8u << 20)    /* of a cluster, until the minute is over */
#define PAGE 16384              /* bytes */
#define PAGES_SMALL 25000
#define CLUSTER_ID 64
#define OTHERS "(others)"
#define LABEL_MAX 520           /* bytes */

enum {
#define SERIES(symbol, number, name, kind, label, unit, text) S_##symbol = number,
#include "collect/series.def"
#undef SERIES
};

static const char schema[] =
    "PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS cluster (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;"
    "CREATE TABLE IF NOT EXISTS series (number INTEGER PRIMARY KEY, cluster INTEGER NOT NULL, type INTEGER "
    "NOT NULL, label TEXT NOT NULL, UNIQUE (cluster, type, label)) STRICT;"
    "CREATE TABLE IF NOT EXISTS minute (cluster INTEGER NOT NULL, at INTEGER NOT NULL, data BLOB NOT NULL, "
    "PRIMARY KEY (cluster, at)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS hour (cluster INTEGER NOT NULL, at INTEGER NOT NULL, data BLOB NOT NULL, "
    "PRIMARY KEY (cluster, at)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS total (cluster INTEGER PRIMARY KEY, at INTEGER NOT NULL, data BLOB NOT NULL) "
    "STRICT;";

struct known_series {
    int64_t number; /* of its row; 0: none, it is one of the others so far */
    int64_t last;   /* total when it was last taken */
    int64_t gained; /* in the minute being written, beside what the running total gained */
    int64_t sum;    /* of OTHERS: the totals it stands for, now */
    int64_t unknown; /* … of which it is not known where they stood: first minute */
    struct known_series *next; /* of those with `gained` */
    bool told;      /* last is known */
    bool listed;
    UT_hash_handle hh;
    char key[];     /* cluster, type, label */
};
struct known_cluster { /* of which a row was written: where its totals stood is known */
    int64_t number;
    UT_hash_handle hh;
};
struct seen { /* a cluster whose figures were taken. Domain thread */
    char cluster[CLUSTER_ID];
    int takes;
    UT_hash_handle hh;
};
/* What brokers and topics that are gone had counted: entries, until the minute is taken. Domain thread. */
struct ended {
    char cluster[CLUSTER_ID];
    int64_t take; /* before which it began */
    struct buf entries;
    UT_hash_handle hh;
};
struct history {
    struct loop *loop;
    const char *data_dir;
    int64_t max_bytes;    /* 0: see file_max */
    struct db *db, *file; /* file: the lane's */
    struct engine *engine;
    struct supervisor *supervisor;
    struct timer timer;
    struct job job;
    int64_t since;        /* ms since 1970: what is newer than that was never counted */
    struct ended *ended;
    struct seen *seen;
    int64_t takes;        /* so far; later nothing is new to the lane */
    bool busy;
    char (*taking)[CLUSTER_ID]; /* clusters of the take under way; NULL: none is */
    size_t taking_at, taking_count;
    struct timer more;
    struct history_cost cost;
    int64_t written_us;   /* of the job that is over */
    struct buf taken;     /* what the lane works on */
    int64_t minute;       /* of `taken`, since 1970 */
    /* the lane's: */
    struct known_series *series;
    int64_t hour;         /* up to which hours are made */
    int64_t minutes_kept;
    bool forgot;          /* clusters */
    int64_t own;          /* the first minute that this process wrote; 0: none yet */
    struct known_cluster *known;
    struct hour carried;  /* of the cluster being written: totals as the file has them */
    bool carried_own;     /* this process wrote them: what is fresh to it may be counted there */
};

static int64_t wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- taking: one entry after the other in a buffer ---------------------------------------------- */

struct entry { /* then `cluster_len` bytes (0: as before) and `label_len` bytes */
    int64_t value;
    uint16_t cluster_len, label_len;
    uint8_t type;
    bool fresh; /* a total of which nothing was ever counted: all of it is news */
    bool ended; /* where it stood when its broker or topic ended: the next begins at 0 */
    bool rest;  /* counts under OTHERS */
};

struct taking {
    struct buf *out;
    struct db *db;
    const char *cluster;
    int64_t since;    /* as history's */
    bool fresh;       /* the broker began since */
    bool new_topics;  /* it did not, but some topics did */
    bool ended, rest; /* as an entry's */
};

static void put(const struct taking *t, int type, const char *label, int64_t value)
{
    struct entry e = { value, (uint16_t)strlen(t->cluster), (uint16_t)strlen(label), (uint8_t)type,
                       t->fresh, t->ended, t->rest };
    if (t->ended && series_by_number(type)->kind != SERIES_COUNTER) return;
    if ((t->ended || t->rest) && value == 0) return;
    buf_put(t->out, &e, sizeof e);
    buf_put(t->out, t->cluster, e.cluster_len);
    buf_put(t->out, label, e.label_len);
}

/* The broker's counters of a topic begin with the topic. */
static bool topic_fresh(const struct taking *t, const char *name)
{
    int64_t count = 0;
    if (t->fresh || !t->new_topics) return t->fresh;
    (void)db_one_i64(DB(t->db, "SELECT count(*) FROM topic WHERE cluster_id = ? AND name = ? AND "
                               "created_at >= ?", str_c(t->cluster), str_c(name), t->since),
                     &count);
    return count > 0;
}

static void put_topic(const struct taking *all, const struct engine_figures *f, size_t which)
{
    struct taking to = *all;
    const struct engine_topic_figures *t = &f->topics[which];
    to.rest = which >= TOPICS_MAX;
    to.fresh = topic_fresh(all, t->name);
    put(&to, S_RECEIVED_BYTES, t->name, t->bytes_in);
    put(&to, S_SENT_BYTES, t->name, t->bytes_out);
    put(&to, S_RECEIVED_RECORDS, t->name, t->records_in);
    put(&to, S_SENT_RECORDS, t->name, t->records_out);
    if (!to.rest) put(&to, S_RETAINED_BYTES, t->name, t->bytes_stored);
}

static void put_topics(const struct taking *to, const struct engine_figures *f)
{
    int64_t rest = 0;
    for (size_t i = 0; i < f->topic_count; i++) {
        put_topic(to, f, i);
        if (i >= TOPICS_MAX) rest += f->topics[i].bytes_stored;
    }
    if (f->topic_count > TOPICS_MAX) put(to, S_RETAINED_BYTES, OTHERS, rest);
}

static void put_principals(const struct taking *to, const struct engine_figures *f)
{
    for (size_t i = 0; i < f->principal_count && i < HISTORY_PRINCIPALS; i++) {
        const struct engine_principal_figures *p = &f->principals[i];
        put(to, S_REQUEST_BYTES, p->principal, p->bytes_in);
        put(to, S_RESPONSE_BYTES, p->principal, p->bytes_out);
        put(to, S_THROTTLE_MS, p->principal, p->throttle_ms);
    }
}

static int by_lag(const void *a, const void *b)
{
    const struct engine_lag *x = a, *y = b;
    return x->lag > y->lag ? -1 : x->lag < y->lag;
}

/* A group and its topic are one label: topics have no newline in them. */
static void put_lags(const struct taking *to, struct engine *engine, int64_t now)
{
    char label[600];
    size_t count = 0;
    const struct engine_lag *all = engine_lags(engine, to->cluster, &count);
    struct engine_lag *lags = count ? mem_memdup(all, count * sizeof *all) : NULL;
    int64_t rest = 0, rest_ms = 0;
    if (!lags) return;
    if (count > LAGS_MAX) qsort(lags, count, sizeof *lags, by_lag);
    for (size_t i = 0; i < count; i++) {
        int64_t ms = engine_time_lag(lags[i].oldest_at, now);
        if (i < LAGS_MAX) {
            snprintf(label, sizeof label, "%s\n%s", lags[i].group, lags[i].topic);
            put(to, S_CONSUMER_LAG, label, lags[i].lag);
            put(to, S_CONSUMER_TIME_LAG, label, ms);
        }
        if (i < LAGS_MAX) continue;
        rest += lags[i].lag;
        if (ms > rest_ms) rest_ms = ms;
    }
    if (count > LAGS_MAX) put(to, S_CONSUMER_LAG, OTHERS "\n" OTHERS, rest);
    if (count > LAGS_MAX) put(to, S_CONSUMER_TIME_LAG, OTHERS "\n" OTHERS, rest_ms);
    mem_free(lags);
}

static void put_counts(const struct taking *to, const struct engine_figures *f)
{
    put_topics(to, f);
    put_principals(to, f);
    put(to, S_REQUEST_COUNT, "", f->requests);
    put(to, S_ERROR_COUNT, "", f->errors);
}

/* In how many minutes the cluster's figures were taken: of those that were, no topic is news for long. */
static int takes_of(const struct history *h, const char *id)
{
    struct seen *s = NULL;
    HASH_FIND_STR(h->seen, id, s);
    return s ? s->takes : 0;
}

static void note_take(struct history *h, const char *id)
{
    struct seen *s = NULL;
    HASH_FIND_STR(h->seen, id, s);
    if (!s && HASH_COUNT(h->seen) < CLUSTERS_MAX && (s = mem_zalloc(sizeof *s))) {
        snprintf(s->cluster, sizeof s->cluster, "%s", id);
        HASH_ADD_STR(h->seen, cluster, s);
        if (!HASH_ADDED(hh, s)) mem_free(TAKE(s));
    }
    if (s && s->takes < FIRST_TAKES) s->takes++;
}

static struct taking taking_of(const struct history *h, const char *id, const struct engine_figures *f,
                               struct buf *out)
{
    struct taking to = { .out = out, .db = h->db, .cluster = id, .since = h->since, .fresh = f->from_start };
    int64_t newer = 0;
    if (to.fresh || takes_of(h, id) >= FIRST_TAKES) return to;
    (void)db_one_i64(DB(h->db, "SELECT count(*) FROM cluster WHERE id = ? AND created_at >= ?", str_c(id),
                        h->since), &newer);
    to.fresh = newer > 0;
    (void)db_one_i64(DB(h->db, "SELECT count(*) FROM topic WHERE cluster_id = ? AND created_at >= ?",
                        str_c(id), h->since), &newer);
    to.new_topics = newer > 0;
    return to;
}

static void put_cluster(struct history *h, const char *id, int64_t partitions)
{
    char proc[64];
    struct proc_info info = { 0 };
    const struct engine_figures *f = engine_figures(h->engine, id);
    if (!f || !f->known) return;
    struct taking to = taking_of(h, id, f, &h->taken);
    note_take(h, id);
    put_counts(&to, f);
    put_lags(&to, h->engine, wall_ms());
    put(&to, S_CONNECTIONS, "", f->connections);
    put(&to, S_PARTITIONS, "", partitions);
    snprintf(proc, sizeof proc, "%.40s-1", id);
    if (!supervisor_info(h->supervisor, proc, &info) || info.pid <= 0) return;
    put(&to, S_CPU_MS, "", info.cpu_ms);
    put(&to, S_MEMORY_BYTES, "", info.memory_bytes);
}

/* --- what ends within a minute -------------------------------------------------------------------- */

static struct ended *ended_of(struct history *h, const char *cluster)
{
    struct ended *e = NULL;
    HASH_FIND_STR(h->ended, cluster, e);
    if (e || HASH_COUNT(h->ended) >= CLUSTERS_MAX) return e;
    e = mem_zalloc(sizeof *e);
    if (!e) return NULL;
    snprintf(e->cluster, sizeof e->cluster, "%s", cluster);
    e->take = h->takes;
    buf_init(&e->entries, ENDED_MAX);
    HASH_ADD_STR(h->ended, cluster, e);
    if (HASH_ADDED(hh, e)) return e;
    mem_free(e);
    return NULL;
}

static void ended_free(struct history *h, struct ended *e)
{
    HASH_DEL(h->ended, e);
    buf_done(&e->entries);
    mem_free(e);
}

static void life_ended(void *arg, const char *cluster, const struct engine_figures *last)
{
    struct ended *e = ended_of(arg, cluster);
    if (!e) return;
    struct taking to = taking_of(arg, e->cluster, last, &e->entries);
    to.ended = true;
    put_counts(&to, last);
}

static void topic_ended(void *arg, const char *cluster, const struct engine_figures *all, size_t which)
{
    struct ended *e = ended_of(arg, cluster);
    if (!e) return;
    struct taking to = taking_of(arg, e->cluster, all, &e->entries);
    to.ended = true;
    put_topic(&to, all, which);
}

/* They stand before what the cluster counts now. */
static void take_ended(struct history *h, const char *cluster)
{
    struct ended *e = NULL;
    HASH_FIND_STR(h->ended, cluster, e);
    if (!e) return;
    if (is_ok(buf_check(&e->entries))) buf_put(&h->taken, e->entries.data, e->entries.len);
    else log_warn("history: %s ended too often in a minute to count all of it", cluster);
    ended_free(h, e);
}

static void forget_ended(struct history *h, int64_t before)
{
    struct ended *e, *next;
    HASH_ITER(hh, h->ended, e, next)
        if (e->take < before) ended_free(h, e);
}

/* --- writing: on the lane ------------------------------------------------------------------------ */

static status number_of_cluster(struct db *db, struct str id, int64_t *ret)
{
    TRY(db_run(DB(db, "INSERT OR IGNORE INTO cluster (id) VALUES (?)", id)));
    return db_one_i64(DB(db, "SELECT number FROM cluster WHERE id = ?", id), ret);
}

static status number_of_series(struct db *db, int64_t cluster, int type, struct str label, int64_t *ret)
{
    static const char find[] = "SELECT number FROM series WHERE cluster = ? AND type = ? AND label = ?";
    status found = db_one_i64(DB(db, find, cluster, (int64_t)type, label), ret);
    if (found.code != E_NOT_FOUND) return found;
    TRY(db_run(DB(db, "INSERT INTO series (cluster, type, label) VALUES (?, ?, ?)", cluster, (int64_t)type,
                  label)));
    return db_one_i64(DB(db, find, cluster, (int64_t)type, label), ret);
}

/* A row of its own, and where it stood when a leatd before this one wrote it. */
static status find_row(struct history *h, int64_t cluster, const struct entry *e, struct str label,
                       struct known_series *s)
{
    TRY(number_of_series(h->file, cluster, e->type, label, &s->number));
    struct hour_sum *before;
    HASH_FIND(hh, h->carried.sums, &s->number, sizeof s->number, before);
    if (s->told || !before || (e->fresh && !h->carried_own)) return OK;
    s->told = true;
    s->last = before->sum;
    return OK;
}

static status series_of(struct history *h, int64_t cluster, const struct entry *e, const char *label,
                        struct known_series **ret)
{
    char key[sizeof(int64_t) + 1 + LABEL_MAX];
    struct known_series *s = NULL;
    size_t label_len = e->label_len < LABEL_MAX ? e->label_len : LABEL_MAX;
    size_t len = sizeof cluster + 1 + label_len;
    memcpy(key, &cluster, sizeof cluster);
    key[sizeof cluster] = (char)e->type;
    memcpy(key + sizeof cluster + 1, label, label_len);
    HASH_FIND(hh, h->series, key, len, s);
    *ret = s;
    if (!s && HASH_COUNT(h->series) >= SERIES_MAX) return OK;
    if (!s) {
        s = mem_zalloc(sizeof *s + len);
        if (!s) return FAIL(NO_MEMORY);
        memcpy(s->key, key, len);
        HASH_ADD_KEYPTR(hh, h->series, s->key, len, s);
        if (!HASH_ADDED(hh, s)) {
            mem_free(s);
            return FAIL(NO_MEMORY);
        }
    }
    *ret = s;
    return s->number || e->rest ? OK : find_row(h, cluster, e, (struct str){ label, label_len }, s);
}

/* Brokers go on without leatd: what they counted while it was away for a minute or two belongs to the first
 * minute; after a longer time it would be a peak that never was. What this process wrote itself, before
 * minutes that could not be written, holds for ever. */
static status carry_totals(struct history *h, int64_t cluster)
{
    status result = OK;
    int64_t since = h->minute - CARRIED_MINUTES;
    struct db_query *q = DB(h->file, "SELECT data, at FROM total WHERE cluster = ? AND at >= ?", cluster,
                            h->own && h->own < since ? h->own : since);
    while (is_ok(result) && db_next(q)) {
        h->carried_own = h->own && db_i64(q, 1) >= h->own;
        result = hour_add(&h->carried, db_bytes(q, 0));
    }
    status ended = db_end(q);
    return failed(result) ? result : ended;
}

/* What a counter gained since it was last looked at. */
static int64_t gain(bool first, struct known_series *s, const struct entry *e)
{
    bool news = s->told || e->fresh || !first;
    bool same_life = s->told && e->value >= s->last; /* a new one begins at 0 */
    int64_t gained = same_life ? e->value - s->last : e->value;
    s->last = e->ended ? 0 : e->value;
    s->told = true;
    return news ? gained : 0;
}

struct pending_row { /* of one cluster */
    struct buf values, totals;
    struct known_series *gained; /* what is still to be put */
    int64_t cluster, last_value, last_total;
    bool first; /* of a total from before this process it is not known what is news */
};

static struct bytes content(const struct buf *b) { return b->len ? buf_bytes(b) : bytes_of("", 0); }

static void put_value(struct pending_row *row, struct known_series *s, enum series_kind kind, int64_t value)
{
    if (value) row_put(&row->values, &row->last_value, s->number, value);
    if (kind == SERIES_COUNTER) row_put(&row->totals, &row->last_total, s->number, s->last);
}

static void put_later(struct pending_row *row, struct known_series *s, int64_t gained)
{
    s->gained += gained;
    if (s->listed) return;
    s->listed = true;
    s->next = row->gained;
    row->gained = s;
}

/* Of series that nothing counts any more, and of OTHERS. */
static void put_gained(struct pending_row *row)
{
    while (row->gained) {
        struct known_series *s = row->gained;
        row->gained = s->next;
        s->listed = false;
        if (row->first && s->told && s->unknown > s->last) s->gained += s->unknown - s->last;
        if (s->sum) s->last = s->sum;
        if (s->gained || s->sum) put_value(row, s, SERIES_COUNTER, s->gained);
        s->gained = s->sum = s->unknown = 0;
    }
}

static status put_entry(struct history *h, struct pending_row *row, const struct entry *e, const char *label)
{
    struct known_series *s = NULL, *counted = NULL;
    const struct series_type *type = series_by_number(e->type);
    TRY(series_of(h, row->cluster, e, label, &s));
    if (!s || !type) return OK;
    if (type->kind != SERIES_COUNTER) {
        put_value(row, s, type->kind, e->value);
        return OK;
    }
    bool unknown = row->first && !s->told && !e->fresh;
    int64_t gained = gain(row->first, s, e);
    if (e->rest) {
        const struct entry others = { .type = e->type, .label_len = sizeof OTHERS - 1 };
        TRY(series_of(h, row->cluster, &others, OTHERS, &counted));
        if (!counted) return OK;
        counted->unknown += unknown ? e->value : 0;
        counted->sum += e->ended ? 0 : e->value;
        put_later(row, counted, gained);
    } else if (e->ended) {
        put_later(row, s, gained);
    } else {
        put_value(row, s, type->kind, gained + s->gained);
        s->gained = 0;
    }
    return OK;
}

static status know_cluster(struct history *h, int64_t number)
{
    struct known_cluster *c = mem_zalloc(sizeof *c);
    if (!c) return FAIL(NO_MEMORY);
    c->number = number;
    HASH_ADD(hh, h->known, number, sizeof c->number, c);
    if (HASH_ADDED(hh, c)) return OK;
    mem_free(c);
    return FAIL(NO_MEMORY);
}

/* A broker may be heard of minutes after this process began: each cluster has a first minute of its own. */
static status begin_row(struct history *h, struct str id, struct pending_row *row)
{
    struct known_cluster *known = NULL;
    TRY(number_of_cluster(h->file, id, &row->cluster));
    HASH_FIND(hh, h->known, &row->cluster, sizeof row->cluster, known);
    row->first = !known;
    return row->first ? carry_totals(h, row->cluster) : OK;
}

static status write_row(struct history *h, struct pending_row *row)
{
    put_gained(row);
    hour_done(&h->carried);
    status result = buf_check(&row->values);
    if (is_ok(result)) result = buf_check(&row->totals);
    if (is_ok(result) && row->cluster)
        result = db_run(DB(h->file, "INSERT OR REPLACE INTO minute VALUES (?, ?, ?)", row->cluster, h->minute,
                           content(&row->values)));
    if (is_ok(result) && row->cluster)
        result = db_run(DB(h->file, "INSERT OR REPLACE INTO total VALUES (?, ?, ?)", row->cluster, h->minute,
                           content(&row->totals)));
    if (is_ok(result) && row->first) result = know_cluster(h, row->cluster);
    buf_clear(&row->values);
    buf_clear(&row->totals);
    row->last_value = row->last_total = 0;
    row->first = false;
    return result;
}

static status write_taken(struct history *h)
{
    struct pending_row row = { .cluster = 0 };
    struct str id = STR_NULL;
    status result = OK;
    buf_init(&row.values, 16 << 20);
    buf_init(&row.totals, 16 << 20);
    for (size_t at = 0; at < h->taken.len && is_ok(result);) {
        struct entry e;
        memcpy(&e, h->taken.data + at, sizeof e);
        const char *text = (const char *)h->taken.data + at + sizeof e, *label = text + e.cluster_len;
        at += sizeof e + e.cluster_len + e.label_len;
        if (!id.data || !str_eq(id, (struct str){ text, e.cluster_len })) {
            result = write_row(h, &row);
            id = (struct str){ text, e.cluster_len };
            if (is_ok(result)) result = begin_row(h, id, &row);
        }
        if (is_ok(result)) result = put_entry(h, &row, &e, label);
    }
    if (is_ok(result)) result = write_row(h, &row);
    buf_done(&row.values);
    buf_done(&row.totals);
    hour_done(&h->carried);
    return result;
}

/* --- hours ----------------------------------------------------------------------------------------- */

static enum series_kind kind_of(struct db *db, int64_t series)
{
    int64_t type = 0;
    (void)db_one_i64(DB(db, "SELECT type FROM series WHERE number = ?", series), &type);
    const struct series_type *t = series_by_number((int)type);
    return t ? t->kind : SERIES_COUNTER;
}

static status write_hour(struct history *h, int64_t cluster, int64_t hour)
{
    struct hour all = { 0 };
    struct hour_sum *s, *next;
    struct buf row;
    int64_t last = 0;
    status result = OK;
    struct db_query *q = DB(h->file, "SELECT data FROM minute WHERE cluster = ? AND at >= ? AND at < ?",
                            cluster, hour * 60, hour * 60 + 60);
    while (is_ok(result) && db_next(q)) result = hour_add(&all, db_bytes(q, 0));
    status ended = db_end(q);
    if (is_ok(result)) result = ended;
    buf_init(&row, 16 << 20);
    row_put(&row, &last, ROW_MINUTES, all.rows);
    HASH_ITER(hh, all.sums, s, next)
        row_put(&row, &last, s->series, hour_value(&all, s, kind_of(h->file, s->series)));
    if (is_ok(result)) result = buf_check(&row);
    if (is_ok(result) && all.rows)
        result = db_run(DB(h->file, "INSERT OR REPLACE INTO hour VALUES (?, ?, ?)", cluster, hour,
                           content(&row)));
    buf_done(&row);
    hour_done(&all);
    return result;
}

/* What the file may have. */
static int64_t file_max(const struct history *h)
{
    struct statvfs fs;
    if (h->max_bytes) return h->max_bytes;
    if (statvfs(h->data_dir, &fs) < 0) return FILE_MAX;
    int64_t tenth = (int64_t)(fs.f_blocks / 10 * fs.f_frsize);
    return tenth < FILE_MAX ? tenth : FILE_MAX;
}

/* Of a cluster that is long gone nothing stays. */
static status forget_cluster(struct history *h, int64_t cluster)
{
    int64_t rows = 0;
    TRY(db_one_i64(DB(h->file, "SELECT EXISTS (SELECT 1 FROM minute WHERE cluster = ?) + "
                               "EXISTS (SELECT 1 FROM hour WHERE cluster = ?)", cluster, cluster), &rows));
    if (rows) return OK;
    TRY(db_run(DB(h->file, "DELETE FROM series WHERE cluster = ?", cluster)));
    TRY(db_run(DB(h->file, "DELETE FROM total WHERE cluster = ?", cluster)));
    h->forgot = true;
    return db_run(DB(h->file, "DELETE FROM cluster WHERE number = ?", cluster));
}

static status forget_old(struct history *h, const int64_t *clusters, size_t count)
{
    int64_t pages = 0, spare = 0, page_size = 0;
    TRY(db_one_i64(DB(h->file, "PRAGMA page_count"), &pages));
    TRY(db_one_i64(DB(h->file, "PRAGMA page_size"), &page_size));
    TRY(db_one_i64(DB(h->file, "PRAGMA freelist_count"), &spare));
    bool large = (pages - spare) * page_size > file_max(h) && h->minutes_kept > 24 * 60;
    h->minutes_kept = large ? h->minutes_kept - 24 * 60 : MINUTES_KEPT;
    if (large) log_warn("history.db is full: minutes are kept for %lld h", (long long)h->minutes_kept / 60);
    for (size_t i = 0; i < count; i++) {
        TRY(db_run(DB(h->file, "DELETE FROM minute WHERE cluster = ? AND at < ?", clusters[i],
                      h->minute - h->minutes_kept)));
        TRY(db_run(DB(h->file, "DELETE FROM hour WHERE cluster = ? AND at < ?", clusters[i],
                      h->minute / 60 - HOURS_KEPT)));
        TRY(forget_cluster(h, clusters[i]));
    }
    return db_script(h->file, "PRAGMA incremental_vacuum(2000)");
}

static status write_hours(struct history *h)
{
    int64_t numbers[CLUSTERS_MAX], upto = h->minute / 60;
    size_t count = 0;
    if (h->hour >= upto) return OK;
    struct db_query *q = DB(h->file, "SELECT number FROM cluster LIMIT ?", CLUSTERS_MAX);
    while (count < CLUSTERS_MAX && db_next(q)) numbers[count++] = db_i64(q, 0);
    TRY(db_end(q));
    for (; h->hour < upto; h->hour++)
        for (size_t i = 0; i < count; i++) TRY(write_hour(h, numbers[i], h->hour));
    return forget_old(h, numbers, count);
}

static void forget_series(struct history *h)
{
    struct known_series *s, *next;
    struct known_cluster *c, *other;
    HASH_ITER(hh, h->known, c, other) {
        HASH_DEL(h->known, c);
        mem_free(c);
    }
    HASH_ITER(hh, h->series, s, next) {
        HASH_DEL(h->series, s);
        mem_free(s);
    }
}

/* Processor time of this thread. */
static int64_t cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* What was remembered of a minute that was not written, or was forgotten, names rows that are not there. */
static void write_minute(struct history *h)
{
    status result = db_begin(h->file);
    if (is_ok(result)) result = write_taken(h);
    if (is_ok(result)) result = write_hours(h);
    if (is_ok(result)) result = db_commit(h->file);
    else db_rollback(h->file);
    if (is_ok(result) && !h->own) h->own = h->minute;
    if (failed(result)) log_warn("history: a minute was not written: %s", status_text(result));
    if (is_ok(result) && !h->forgot) return;
    forget_series(h);
    h->forgot = false;
}

static void work(struct job *job)
{
    struct history *h = CONTAINER_OF(job, struct history, job);
    int64_t begin = cpu_us();
    write_minute(h);
    h->written_us = cpu_us() - begin;
}

static void written(struct job *job)
{
    struct history *h = CONTAINER_OF(job, struct history, job);
    h->cost.write_cpu += h->written_us;
    h->busy = false;
    buf_done(&h->taken);
    buf_init(&h->taken, TAKE_MAX);
}

/* --- the minute -------------------------------------------------------------------------------------- */

/* All is taken: the lane may write it. */
static void take_over(struct history *h)
{
    h->takes++;
    if (failed(buf_check(&h->taken)) || !h->taken.len) {
        buf_clear(&h->taken);
        return;
    }
    h->job.work = work;
    h->job.done = written;
    h->busy = is_ok(loop_submit(h->loop, &h->job, LANE_BACKGROUND));
    if (!h->busy) buf_clear(&h->taken);
}

static void take_cluster(struct history *h, const char *id)
{
    int64_t partitions = 0;
    (void)db_one_i64(DB(h->db, "SELECT coalesce(sum(partitions), 0) FROM topic WHERE cluster_id = ? AND "
                               "internal = 0", str_c(id)), &partitions);
    put_cluster(h, id, partitions);
}

/* As many clusters as one turn has time for. */
static void take_more(struct history *h)
{
    int64_t begin = cpu_us();
    while (h->taking_at < h->taking_count) {
        const char *id = h->taking[h->taking_at++];
        take_ended(h, id);
        take_cluster(h, id);
        if (loop_turn_is_long(h->loop)) break;
    }
    begin = cpu_us() - begin;
    h->cost.take_cpu += begin;
    if (begin > h->cost.longest_take) h->cost.longest_take = begin;
    if (h->taking_at < h->taking_count && is_ok(loop_timer_set(h->loop, &h->more, loop_now(h->loop)))) return;
    mem_free(TAKE(h->taking));
    forget_ended(h, h->takes); /* of clusters that are gone */
    take_over(h);
}

static void on_more(struct timer *timer) { take_more(CONTAINER_OF(timer, struct history, more)); }

static void take(struct history *h, int64_t now_wall)
{
    int64_t minute = (now_wall - MINUTE_MS / 2) / MINUTE_MS; /* the one that is over */
    if (h->busy || h->taking) return; /* the disk is slow: without this minute; counters come with the next */
    if (h->takes && minute == h->minute) return; /* the clock was set back: the row is written */
    h->taking = mem_alloc(CLUSTERS_MAX * sizeof *h->taking);
    if (!h->taking) return;
    h->minute = minute;
    h->taking_at = h->taking_count = 0;
    struct db_query *q = DB(h->db, "SELECT id FROM cluster ORDER BY id LIMIT ?", CLUSTERS_MAX);
    while (db_next(q)) {
        DB_COPY(q, 0, h->taking[h->taking_count]);
        h->taking_count++;
    }
    (void)db_end(q); /* logged; what was taken counts */
    take_more(h);
}

static void set_timer(struct history *h)
{
    int64_t wait = MINUTE_MS - (wall_ms() - HISTORY_AFTER_MS) % MINUTE_MS;
    if (wait < MINUTE_MS / 60) wait += MINUTE_MS; /* it rang a moment early */
    (void)loop_timer_set(h->loop, &h->timer, loop_now(h->loop) + wait);
}

static void on_minute(struct timer *timer)
{
    struct history *h = CONTAINER_OF(timer, struct history, timer);
    take(h, wall_ms());
    set_timer(h);
}

struct history_cost history_cost(const struct history *h) { return h->cost; }

/* Rows of a hundred series do not fit into pages of 4 KiB well. A file that is large stays as it is. */
static status set_pages(struct db *db)
{
    int64_t pages = 0, size = 0;
    TRY(db_one_i64(DB(db, "PRAGMA page_count"), &pages));
    TRY(db_one_i64(DB(db, "PRAGMA page_size"), &size));
    if (size >= PAGE || pages > PAGES_SMALL) return OK;
    return db_script(db, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 16384;"
                         "PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA journal_mode = WAL");
}

static status open_file(const char *data_dir, struct db **ret_db)
{
    static const char *const beside[] = { "-wal", "-shm" };
    char path[512], aside[540];
    snprintf(path, sizeof path, "%s/history.db", data_dir);
    for (int tries = 0;; tries++) {
        status result = db_open_writer(path, ret_db);
        if (is_ok(result)) result = set_pages(*ret_db);
        if (is_ok(result)) result = db_script(*ret_db, schema);
        if (is_ok(result) || tries == 1) return result;
        db_free(*ret_db);
        *ret_db = NULL;
        snprintf(aside, sizeof aside, "%s.broken", path);
        log_warn("%s cannot be used (%s): it is put aside as %s and made anew", path, status_text(result),
                 aside);
        if (rename(path, aside) != 0) return result;
        for (size_t i = 0; i < ARRAY_LEN(beside); i++) { /* would be taken for the new file's */
            snprintf(aside, sizeof aside, "%s%s", path, beside[i]);
            unlink(aside);
        }
    }
}

/* What was made after the last minute that a leatd before this one wrote was counted by nobody. */
static status look_back(struct history *h)
{
    int64_t now = wall_ms(), last = 0;
    TRY(db_one_i64(DB(h->file, "SELECT coalesce(max(at), 0) FROM total"), &last));
    bool carried = last >= now / MINUTE_MS - CARRIED_MINUTES && (last + 1) * MINUTE_MS <= now;
    h->since = carried ? (last + 1) * MINUTE_MS : now;
    return OK;
}

status history_start(const char *data_dir, int64_t max_bytes, struct loop *loop, struct db *db,
                     struct engine *engine, struct supervisor *supervisor, struct history **ret_history)
{
    struct history *h = mem_zalloc(sizeof *h);
    if (!h) return FAIL(NO_MEMORY);
    *h = (struct history){ .loop = loop, .data_dir = data_dir, .max_bytes = max_bytes, .db = db,
                           .engine = engine, .supervisor = supervisor,
                           .minutes_kept = MINUTES_KEPT };
    buf_init(&h->taken, TAKE_MAX);
    timer_init(&h->timer, on_minute);
    timer_init(&h->more, on_more);
    status result = open_file(data_dir, &h->file);
    if (is_ok(result))
        result = db_one_i64(DB(h->file, "SELECT coalesce(max(at) + 1, unixepoch() / 3600) FROM hour"),
                            &h->hour);
    if (is_ok(result)) result = look_back(h);
    if (failed(result)) {
        history_stop(h);
        return result;
    }
    set_timer(h);
    engine_set_endings(engine, &(struct engine_endings){ life_ended, topic_ended, h });
    *ret_history = h;
    return OK;
}

void history_stop(struct history *h)
{
    struct seen *s, *next;
    if (!h) return;
    forget_series(h);
    forget_ended(h, INT64_MAX);
    HASH_ITER(hh, h->seen, s, next) {
        HASH_DEL(h->seen, s);
        mem_free(s);
    }
    mem_free(h->taking);
    buf_done(&h->taken);
    db_free(h->file);
    mem_free(h);
}
