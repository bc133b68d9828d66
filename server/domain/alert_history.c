/* alert_history.c - reading alerts, open and resolved. Any thread, with that thread's database. */
#include "domain/alerts.h"

#define COLUMNS                                                                                       \
    "SELECT seq, id, rule_id, rule_name, kind, severity, threshold, description, environment_id, "    \
    "cluster_id, cluster_name, resource, state, value, worst, detail, pending_at, fired_at, "         \
    "resolved_at, reason, owed, told_at FROM alert "

static struct alert row_of(const struct db_query *q)
{
    return (struct alert){
        .seq = db_i64(q, 0),
        .id = db_text(q, 1),
        .rule_id = db_text(q, 2),
        .rule_name = db_text(q, 3),
        .kind = db_text(q, 4),
        .severity = db_text(q, 5),
        .threshold = db_f64(q, 6),
        .description = db_text(q, 7),
        .environment_id = db_text(q, 8),
        .cluster_id = db_text(q, 9),
        .cluster_name = db_text(q, 10),
        .resource = db_text(q, 11),
        .state = db_text(q, 12),
        .value = db_f64(q, 13),
        .worst = db_f64(q, 14),
        .detail = db_text(q, 15),
        .pending_at = db_i64(q, 16),
        .fired_at = db_i64(q, 17),
        .resolved_at = db_i64(q, 18),
        .reason = db_text(q, 19),
        .owed = db_text(q, 20),
        .told_at = db_i64(q, 21),
    };
}

static status read_all(struct db_query *q, alert_each each, void *arg)
{
    while (db_next(q)) {
        const struct alert a = row_of(q);
        each(arg, &a);
    }
    return db_end(q);
}

/* ?1 state, ?2 rule, ?3 cluster, ?4 severity */
#define WHERE                                                                                       \
    "WHERE (?1 = '' OR state = ?1 OR (?1 = 'open' AND state <> 'resolved')) AND (?2 = '' OR rule_id = ?2) " \
    "AND (?3 = '' OR cluster_id = ?3) AND (?4 = '' OR severity = ?4) "

static struct str given(struct str s) { return str_is_null(s) ? STR("") : s; }

status alerts_list(struct db *db, const struct alert_filter *f, int64_t limit, alert_each each,
                   void *arg)
{
    return read_all(DB(db, COLUMNS WHERE "AND (?5 = 0 OR seq < ?5) ORDER BY seq DESC LIMIT ?6",
                       given(f->state), given(f->rule_id), given(f->cluster_id), given(f->severity),
                       f->before, limit),
                    each, arg);
}

status alerts_count(struct db *db, const struct alert_filter *f, int64_t *ret)
{
    return db_one_i64(DB(db, "SELECT count(*) FROM alert " WHERE, given(f->state), given(f->rule_id),
                         given(f->cluster_id), given(f->severity)), ret);
}

status alerts_of_delivery(struct db *db, int64_t delivery, int64_t limit, alert_each each, void *arg)
{
    return read_all(DB(db,
                       COLUMNS
                       "WHERE id IN (SELECT alert_id FROM alert_delivery_alert WHERE delivery = ?) "
                       "ORDER BY state, seq DESC LIMIT ?",
                       delivery, limit),
                    each, arg);
}
