/* alert_silences.c - rows of silences, and whether one mutes. Reading: any thread; changes: domain
 * thread. */
#include "domain/alerts.h"

#include "domain/clusters.h"

#define COLUMNS                                                                                      \
    "SELECT s.id, s.rule_id, s.cluster_id, s.resource, s.starts_at, s.ends_at, s.comment, s.created_by, " \
    "s.created_at, coalesce(c.environment_id, r.environment_id, rc.environment_id) FROM alert_silence s "  \
    "LEFT JOIN cluster c ON c.id = s.cluster_id LEFT JOIN alert_rule r ON r.id = s.rule_id "          \
    "LEFT JOIN cluster rc ON rc.id = r.cluster_id "

static void read_row(const struct db_query *q, struct alert_silence *s)
{
    *s = (struct alert_silence){ .starts_at = db_i64(q, 4),
                                 .ends_at = db_i64(q, 5),
                                 .created_at = db_i64(q, 8) };
    DB_COPY(q, 0, s->id);
    DB_COPY(q, 1, s->rule_id);
    DB_COPY(q, 2, s->cluster_id);
    DB_COPY(q, 3, s->resource);
    DB_COPY(q, 6, s->comment);
    DB_COPY(q, 7, s->created_by);
    DB_COPY(q, 9, s->environment_id);
}

status alert_silences_get(struct db *db, struct str id, struct alert_silence *ret)
{
    struct db_query *q = DB(db, COLUMNS "WHERE s.id = ?", id);
    bool found = db_next(q);
    if (found) read_row(q, ret);
    TRY(db_end(q));
    return found ? OK : FAIL(NOT_FOUND);
}

status alert_silences_list(struct db *db, struct str after, int64_t limit, alert_silence_each each,
                           void *arg)
{
    struct alert_silence s;
    struct db_query *q = DB(db, COLUMNS "WHERE s.id > ? ORDER BY s.id LIMIT ?",
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q)) {
        read_row(q, &s);
        each(arg, &s);
    }
    return db_end(q);
}

status alert_silences_mute(struct db *db, int64_t at, const char *rule_id, const char *cluster_id,
                           struct str resource, bool *ret)
{
    char pattern[ALERT_RESOURCE_MAX];
    *ret = false;
    struct db_query *q =
        DB(db,
           "SELECT resource FROM alert_silence WHERE starts_at <= ?1 AND ends_at > ?1 AND "
           "(rule_id IS NULL OR rule_id = ?2) AND (cluster_id IS NULL OR cluster_id = ?3)",
           at, rule_id, cluster_id);
    while (db_next(q)) {
        DB_COPY(q, 0, pattern);
        if (alert_pattern_fits(pattern, resource)) *ret = true;
    }
    return db_end(q);
}

/* --- changes ------------------------------------------------------------------------------ */

static status check(struct domain *domain, const struct alert_silence *s, struct why *why)
{
    struct cluster c;
    struct alert_rule rule;
    TRY(text_check(str_c(s->comment), why));
    if (s->ends_at <= s->starts_at || s->ends_at <= s->created_at)
        why_set(why, "A silence ends after it begins, and later than now.");
    else if (s->ends_at - s->starts_at > 366LL * 86400000)
        why_set(why, "A silence lasts at most a year; switch the rule off instead.");
    else if (s->rule_id[0] && failed(alert_rules_get(domain->db, str_c(s->rule_id), &rule)))
        why_set(why, "There is no such rule.");
    else if (s->cluster_id[0] && failed(clusters_get(domain->db, str_c(s->cluster_id), &c)))
        why_set(why, "There is no such cluster.");
    else return OK;
    return FAIL(INVALID);
}

status alert_silences_create(struct domain *domain, const struct actor *actor, struct alert_silence *s,
                             struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    int64_t count = 0;
    secret_id_new("as-", s->id);
    s->created_at = domain_wall();
    if (!s->starts_at) s->starts_at = s->created_at;
    TRY(change_begin(domain, NULL, actor, &change));
    /* Those that ended a month ago have told what they had to tell. */
    TRY(db_run(DB(domain->db, "DELETE FROM alert_silence WHERE ends_at < ?",
                  s->created_at - 30LL * 86400000)));
    TRY(check(domain, s, why));
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM alert_silence"), &count));
    if (count >= ALERT_SILENCES_MAX) {
        why_set(why, "There are %d silences already, which is the most.", ALERT_SILENCES_MAX);
        return FAIL(LIMIT);
    }
    struct db_query *q =
        DB(domain->db, "INSERT INTO alert_silence VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
           (const char *)s->id, s->rule_id[0] ? str_c(s->rule_id) : STR_NULL,
           s->cluster_id[0] ? str_c(s->cluster_id) : STR_NULL, (const char *)s->resource, s->starts_at,
           s->ends_at, (const char *)s->comment, (const char *)s->created_by, s->created_at);
    TRY(db_run(q));
    TRY(change_audit(change, "alert_silence.create", s->id, NULL));
    return change_commit_now(&change);
}

status alert_silences_delete(struct domain *domain, const struct actor *actor, struct str id)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct alert_silence s;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(alert_silences_get(domain->db, id, &s));
    TRY(db_run(DB(domain->db, "DELETE FROM alert_silence WHERE id = ?", id)));
    TRY(change_audit(change, "alert_silence.delete", s.id, NULL));
    return change_commit_now(&change);
}
