/* alert_notify.c - from what is owed to messages in the queue: one for each channel of the rule, of all
 * its alerts that began or ended since the last. Domain thread, inside the caller's transaction. */
#include "domain/alerts_int.h"

#include "base/log.h"

enum { OWED_MAX = ALERTS_OF_RULE_MAX };

struct owed {
    char (*ids)[ID_TEXT];
    size_t count;
    bool news;    /* not only repeats */
};

/* A silenced alert stays owed and is told when the silence ends; that something ended is always told.
 */
static status collect(struct domain *domain, const struct alert_rule *rule, int64_t now,
                      struct owed *ret)
{
    char cluster[ID_TEXT];
    status result = OK;
    struct db_query *q = DB(domain->db,
                            "SELECT id, cluster_id, resource, owed FROM alert WHERE rule_id = ? AND "
                            "owed <> '' ORDER BY seq LIMIT ?",
                            (const char *)rule->id, OWED_MAX);
    while (is_ok(result) && db_next(q)) {
        bool mute = false;
        DB_COPY(q, 1, cluster);
        if (!str_eq_c(db_text(q, 3), "resolved"))
            result = alert_silences_mute(domain->db, now, rule->id, cluster, db_text(q, 2), &mute);
        if (mute) continue;
        if (!str_eq_c(db_text(q, 3), "repeat")) ret->news = true;
        DB_COPY(q, 0, ret->ids[ret->count++]);
    }
    status ended = db_end(q);
    return failed(result) ? result : ended;
}

struct target_list {
    char ids[ALERT_CHANNELS_MAX][ID_TEXT];
    size_t count;
};

/* Its own; none named: every channel. Of a rule that is gone: who heard of it before. */
static status channels_of(struct domain *domain, const struct alert_rule *rule, struct target_list *ret)
{
    struct db_query *q;
    static const char named[] =
        "SELECT c.id FROM alert_rule_channel k JOIN alert_channel c ON c.id = k.channel_id "
        "WHERE k.rule_id = ? AND c.enabled = 1 LIMIT ?";
    static const char every[] = "SELECT id FROM alert_channel WHERE enabled = 1 AND ? <> '' LIMIT ?";
    static const char heard[] =
        "SELECT DISTINCT c.id FROM alert_delivery d JOIN alert_channel c ON c.id = "
        "d.channel_id WHERE d.rule_id = ? AND c.enabled = 1 LIMIT ?";
    if (!rule->created_at) q = DB(domain->db, heard, (const char *)rule->id, ALERT_CHANNELS_MAX);
    else if (rule->channel_count) q = DB(domain->db, named, (const char *)rule->id, ALERT_CHANNELS_MAX);
    else q = DB(domain->db, every, (const char *)rule->id, ALERT_CHANNELS_MAX);
    while (db_next(q)) DB_COPY(q, 0, ret->ids[ret->count++]);
    return db_end(q);
}

static status queue_all(struct domain *domain, const struct alert_rule *rule, int64_t now,
                        const struct owed *owed)
{
    struct target_list channels = { .count = 0 };
    TRY(channels_of(domain, rule, &channels));
    for (size_t i = 0; i < channels.count; i++)
        TRY(alert_queue_put(domain, channels.ids[i], rule->id, owed->news ? "alert" : "repeat", now,
                            owed->ids, owed->count));
    for (size_t i = 0; i < owed->count; i++)
        TRY(db_run(DB(domain->db, "UPDATE alert SET owed = '', told_at = ? WHERE id = ?", now,
                      (const char *)owed->ids[i])));
    TRY(db_run(
        DB(domain->db, "UPDATE alert_rule SET told_at = ? WHERE id = ?", now, (const char *)rule->id)));
    if (channels.count) alert_queue_kick(domain);
    return OK;
}

status alert_notify_rule(struct domain *domain, const struct alert_rule *rule, int64_t now,
                         bool at_once)
{
    struct owed owed = { .ids = NULL };
    if (!at_once && now - rule->told_at < rule->group_ms && now >= rule->told_at) return OK;
    owed.ids = mem_alloc(OWED_MAX * sizeof *owed.ids);
    if (!owed.ids) return FAIL(NO_MEMORY);
    status result = collect(domain, rule, now, &owed);
    if (is_ok(result) && owed.count) result = queue_all(domain, rule, now, &owed);
    mem_free(owed.ids);
    return result;
}
