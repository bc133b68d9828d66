/* alert_rules.c - rows of rules and of the channels each names. Reading: any thread; changes: domain
 * thread. */
#include "domain/alerts_int.h"

#include "domain/clusters.h"
#include "domain/environments.h"

#include <math.h>

const struct alert_kind_info alert_kinds[ALERT_KIND_COUNT] = {
#define KIND(symbol, name, unit, resource, threshold, text) { name, unit, resource, threshold, text },
#include "domain/alert_kinds.def"
#undef KIND
};

const struct alert_rule alert_rule_new = { .severity = "warning",
                                           .enabled = true,
                                           .for_ms = 60000,
                                           .resolve_ms = 60000,
                                           .group_ms = 60000,
                                           .repeat_ms = 14400000 };

bool alert_kind_of(struct str name, enum alert_kind *ret)
{
    for (int i = 0; i < ALERT_KIND_COUNT; i++) {
        if (!str_eq_c(name, alert_kinds[i].name)) continue;
        *ret = (enum alert_kind)i;
        return true;
    }
    return false;
}

bool alert_pattern_fits(const char *pattern, struct str name)
{
    size_t n = strlen(pattern);
    if (n == 0) return true;
    if (pattern[n - 1] == '*') return str_starts(name, (struct str){ pattern, n - 1 });
    return str_eq_c(name, pattern);
}

/* --- rows -------------------------------------------------------------------------------------------
 */

#define COLUMNS                                                                                     \
    "SELECT r.id, r.name, r.kind, r.severity, r.enabled, r.environment_id, r.cluster_id, "           \
    "c.environment_id, r.resource, r.threshold, r.for_ms, r.resolve_ms, r.group_ms, r.repeat_ms, "    \
    "r.description, r.told_at, r.created_at, r.updated_at, (SELECT group_concat(channel_id, char(10)) " \
    "FROM alert_rule_channel k WHERE k.rule_id = r.id) "                                             \
    "FROM alert_rule r LEFT JOIN cluster c ON c.id = r.cluster_id "

static void read_channels(struct str text, struct alert_rule *r)
{
    while (text.len && r->channel_count < ALERT_RULE_CHANNELS_MAX) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t n = end ? (size_t)(end - text.data) : text.len;
        str_copy(r->channels[r->channel_count++], ID_TEXT, (struct str){ text.data, n });
        if (end) n++;
        text = (struct str){ text.data + n, text.len - n };
    }
}

/* False: a kind that this program does not know. */
static bool read_row(const struct db_query *q, struct alert_rule *r)
{
    *r = (struct alert_rule){ .enabled = db_i64(q, 4) != 0,
                              .threshold = db_f64(q, 9),
                              .for_ms = db_i64(q, 10),
                              .resolve_ms = db_i64(q, 11),
                              .group_ms = db_i64(q, 12),
                              .repeat_ms = db_i64(q, 13),
                              .told_at = db_i64(q, 15),
                              .created_at = db_i64(q, 16),
                              .updated_at = db_i64(q, 17) };
    DB_COPY(q, 0, r->id);
    DB_COPY(q, 1, r->name);
    DB_COPY(q, 3, r->severity);
    DB_COPY(q, 5, r->environment_id);
    DB_COPY(q, 6, r->cluster_id);
    DB_COPY(q, 7, r->cluster_environment);
    DB_COPY(q, 8, r->resource);
    DB_COPY(q, 14, r->description);
    read_channels(db_text(q, 18), r);
    return alert_kind_of(db_text(q, 2), &r->kind);
}

status alert_rules_get(struct db *db, struct str id, struct alert_rule *ret)
{
    struct db_query *q = DB(db, COLUMNS "WHERE r.id = ?", id);
    bool found = db_next(q) && read_row(q, ret);
    TRY(db_end(q));
    return found ? OK : FAIL(NOT_FOUND);
}

status alert_rules_list(struct db *db, struct str after, int64_t limit, alert_rule_each each, void *arg)
{
    struct alert_rule rule;
    struct db_query *q = DB(db, COLUMNS "WHERE r.id > ? ORDER BY r.id LIMIT ?",
                            str_is_null(after) ? STR("") : after, limit);
    while (db_next(q))
        if (read_row(q, &rule)) each(arg, &rule);
    return db_end(q);
}

/* --- what a rule may be ------------------------------------------------------------------- */

static status refuse(struct why *why, const char *sentence)
{
    why_set(why, "%s", sentence);
    return FAIL(INVALID);
}

static bool duration_is_sound(int64_t ms) { return ms >= 0 && ms <= ALERT_MS_MAX; }

static status check_where(struct db *db, const struct alert_rule *r, struct why *why)
{
    struct cluster c;
    struct environment e;
    bool machine = strcmp(alert_kinds[r->kind].resource, "machine") == 0;
    if (r->cluster_id[0] && r->environment_id[0])
        return refuse(why, "A rule is of a cluster, of an environment or of all: name one of the two.");
    if (machine && (r->cluster_id[0] || r->environment_id[0]))
        return refuse(
            why, "This kind is about the service itself: it has neither a cluster nor an environment.");
    if (r->resource[0] && (machine || !alert_kinds[r->kind].resource[0]))
        return refuse(why, "This kind has one alert a cluster: resource stays empty.");
    if (r->cluster_id[0] && failed(clusters_get(db, str_c(r->cluster_id), &c)))
        return refuse(why, "There is no such cluster.");
    if (r->environment_id[0] && failed(environments_get(db, str_c(r->environment_id), &e)))
        return refuse(why, "There is no such environment.");
    return OK;
}

static status check_rule(struct db *db, const struct alert_rule *r, struct why *why)
{
    int64_t known = 0;
    TRY(name_check(str_c(r->name), why));
    TRY(text_check(str_c(r->description), why));
    if (strcmp(r->severity, "critical") != 0 && strcmp(r->severity, "warning") != 0 &&
        strcmp(r->severity, "info") != 0)
        return refuse(why, "severity is critical, warning or info.");
    if (!isfinite(r->threshold) || r->threshold < 0 || r->threshold > 1e15)
        return refuse(why, "threshold is a number from 0.");
    if (!duration_is_sound(r->for_ms) || !duration_is_sound(r->resolve_ms) ||
        !duration_is_sound(r->group_ms) || !duration_is_sound(r->repeat_ms))
        return refuse(why, "for_ms, resolve_ms, group_ms and repeat_ms are from 0 to seven days.");
    if (r->repeat_ms > 0 && r->repeat_ms < 60000)
        return refuse(why, "repeat_ms is 0 (never) or at least a minute.");
    TRY(check_where(db, r, why));
    for (size_t i = 0; i < r->channel_count; i++) {
        TRY(db_one_i64(DB(db, "SELECT count(*) FROM alert_channel WHERE id = ?",
                          (const char *)r->channels[i]), &known));
        if (!known) return refuse(why, "channels names one that there is not.");
    }
    return OK;
}

/* --- changes ------------------------------------------------------------------------------ */

static status write_row(struct db *db, const struct alert_rule *r)
{
    struct db_query *q = db_query(
        db,
        "INSERT INTO alert_rule (id, name, kind, severity, enabled, environment_id, cluster_id, "
        "resource, threshold, for_ms, resolve_ms, group_ms, repeat_ms, description, told_at, "
        "created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON "
        "CONFLICT (id) DO UPDATE SET name = excluded.name, severity = excluded.severity, enabled = "
        "excluded.enabled, environment_id = excluded.environment_id, cluster_id = excluded.cluster_id, "
        "resource = excluded.resource, threshold = excluded.threshold, for_ms = excluded.for_ms, "
        "resolve_ms = excluded.resolve_ms, group_ms = excluded.group_ms, repeat_ms = "
        "excluded.repeat_ms, description = excluded.description, updated_at = excluded.updated_at");
    db_bind_cstr(q, r->id);
    db_bind_cstr(q, r->name);
    db_bind_cstr(q, alert_kinds[r->kind].name);
    db_bind_cstr(q, r->severity);
    db_bind_i64(q, r->enabled);
    db_bind_str(q, r->environment_id[0] ? str_c(r->environment_id) : STR_NULL);
    db_bind_str(q, r->cluster_id[0] ? str_c(r->cluster_id) : STR_NULL);
    db_bind_cstr(q, r->resource);
    db_bind_f64(q, r->threshold);
    db_bind_i64(q, r->for_ms);
    db_bind_i64(q, r->resolve_ms);
    db_bind_i64(q, r->group_ms);
    db_bind_i64(q, r->repeat_ms);
    db_bind_cstr(q, r->description);
    db_bind_i64(q, r->told_at);
    db_bind_i64(q, r->created_at);
    db_bind_i64(q, r->updated_at);
    return db_run(q);
}

static status write_rule(struct db *db, const struct alert_rule *r, struct why *why)
{
    status result = write_row(db, r);
    if (result.code == E_EXISTS) why_set(why, "A rule named %s exists already.", r->name);
    TRY(result);
    TRY(db_run(DB(db, "DELETE FROM alert_rule_channel WHERE rule_id = ?", (const char *)r->id)));
    for (size_t i = 0; i < r->channel_count; i++)
        TRY(db_run(DB(db, "INSERT OR IGNORE INTO alert_rule_channel VALUES (?, ?)", (const char *)r->id,
                      (const char *)r->channels[i])));
    return OK;
}

status alert_rules_create(struct domain *domain, const struct actor *actor, struct alert_rule *rule,
                          struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    int64_t count = 0;
    secret_id_new("ar-", rule->id);
    rule->created_at = rule->updated_at = domain_wall();
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(check_rule(domain->db, rule, why));
    TRY(db_one_i64(DB(domain->db, "SELECT count(*) FROM alert_rule"), &count));
    if (count >= ALERT_RULES_MAX) {
        why_set(why, "There are %d rules already, which is the most.", ALERT_RULES_MAX);
        return FAIL(LIMIT);
    }
    TRY(write_rule(domain->db, rule, why));
    TRY(change_audit(change, "alert_rule.create", rule->id, NULL));
    alert_eval_rules_changed(domain);
    return change_commit_now(&change);
}

status alert_rules_update(struct domain *domain, const struct actor *actor,
                          const struct alert_rule *rule, struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct alert_rule before;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(alert_rules_get(domain->db, str_c(rule->id), &before));
    struct alert_rule after = *rule;
    after.kind = before.kind;
    after.updated_at = domain_wall();
    TRY(check_rule(domain->db, &after, why));
    TRY(write_rule(domain->db, &after, why));
    if (before.enabled && !after.enabled)
        TRY(alerts_end_rule(domain, &after, "The rule was switched off."));
    TRY(change_audit(change, "alert_rule.update", after.id, NULL));
    alert_eval_rules_changed(domain);
    return change_commit_now(&change);
}

status alert_rules_delete(struct domain *domain, const struct actor *actor, struct str id,
                          struct why *why)
{
    CLEANUP_CHANGE struct change *change = NULL;
    struct alert_rule rule;
    (void)why;
    TRY(change_begin(domain, NULL, actor, &change));
    TRY(alert_rules_get(domain->db, id, &rule));
    TRY(alerts_end_rule(domain, &rule, "The rule was deleted."));
    TRY(db_run(DB(domain->db, "DELETE FROM alert_rule WHERE id = ?", id)));
    TRY(change_audit(change, "alert_rule.delete", rule.id, NULL));
    alert_eval_rules_changed(domain);
    return change_commit_now(&change);
}
