/* alerts.h - rules that watch clusters, what they find, whom it is told.
 *
 * A rule's condition is looked at every two seconds, of each resource (a cluster, a group, a principal)
 * by itself. What holds is pending, after for_ms firing, and resolved when it has not held for
 * resolve_ms. Messages are of a rule: everything that began or ended since the last one, at most one in
 * group_ms, and again every repeat_ms while something fires. What is not known (a broker that is away)
 * changes nothing. All of it is in the database, so a restart or a kill forgets nothing.
 *
 * Reading rows: any thread, with that thread's database; everything else: domain thread. */
#pragma once
#include "domain/domain.h"

#define ALERT_RULES_MAX 500
#define ALERT_CHANNELS_MAX 100
#define ALERT_SILENCES_MAX 500
#define ALERTS_OF_RULE_MAX 1000  /* open at a time; what is more is not kept */
#define ALERTS_KEPT 20000        /* resolved ones, and at most 90 days */
#define ALERT_DELIVERIES_KEPT 5000
#define ALERT_RECIPIENTS_MAX 20
#define ALERT_RESOURCE_MAX 256
#define ALERT_MS_MAX (7LL * 86400000)

enum alert_kind {
#define KIND(symbol, name, unit, resource, threshold, text) ALERT_##symbol,
#include "domain/alert_kinds.def"
#undef KIND
    ALERT_KIND_COUNT
};
struct alert_kind_info {
    const char *name, *unit, *resource;
    bool threshold;
    const char *text;
};
extern const struct alert_kind_info alert_kinds[ALERT_KIND_COUNT];
bool alert_kind_of(struct str name, enum alert_kind *ret);
/* A JSON string. Names of groups are what clients say: a byte that is no UTF-8 is told as a question mark. */
struct json_t *alert_text_json(struct str s);

/* --- rules (alert_rules.c) ---------------------------------------------------------------- */

#define ALERT_RULE_CHANNELS_MAX 20
struct alert_rule {
    char id[ID_TEXT], name[NAME_MAX_BYTES + 1];
    enum alert_kind kind;
    char severity[16];                                       /* critical, warning, info */
    bool enabled;
    char environment_id[ID_TEXT], cluster_id[ID_TEXT];       /* "": all; at most one of them is set */
    char cluster_environment[ID_TEXT];                       /* of cluster_id */
    char resource[ALERT_RESOURCE_MAX]; /* name, or its beginning and a *; "": all */
    double threshold;
    int64_t for_ms, resolve_ms, group_ms, repeat_ms;
    char description[TEXT_MAX_BYTES + 1];
    char channels[ALERT_RULE_CHANNELS_MAX][ID_TEXT];
    size_t channel_count;                                    /* 0: every channel */
    int64_t told_at, created_at, updated_at;
};
extern const struct alert_rule alert_rule_new; /* what holds where nothing is said */
typedef void (*alert_rule_each)(void *arg, const struct alert_rule *rule);
status alert_rules_get(struct db *db, struct str id, struct alert_rule *ret); /* NOT_FOUND */
/* In order of id behind `after`; all of them, when limit is ALERT_RULES_MAX. */
status alert_rules_list(struct db *db, struct str after, int64_t limit, alert_rule_each each,
                        void *arg);
/* INVALID (a sentence), EXISTS: the name, LIMIT. rule->id is made. */
status alert_rules_create(struct domain *domain, const struct actor *actor, struct alert_rule *rule,
                          struct why *why);
/* The kind stays. What no longer fits is resolved, and told so. */
status alert_rules_update(struct domain *domain, const struct actor *actor,
                          const struct alert_rule *rule, struct why *why);
status alert_rules_delete(struct domain *domain, const struct actor *actor, struct str id,
                          struct why *why);
bool alert_pattern_fits(const char *pattern, struct str name);

/* --- channels (alert_channels.c) ---------------------------------------------------------- */

struct alert_channel {
    char id[ID_TEXT], name[NAME_MAX_BYTES + 1], type[16];
    bool enabled;
    char url[1024], tls[16], sender[256], username[256];
    char recipients[ALERT_RECIPIENTS_MAX * 256]; /* each with a newline behind it */
    char ca_pem[16384];
    bool has_secret;
    int64_t created_at, updated_at, sent_at, failed_at;
    char error[256];
};
typedef void (*alert_channel_each)(void *arg, const struct alert_channel *channel);
status alert_channels_get(struct db *db, struct str id, struct alert_channel *ret);
status alert_channels_list(struct db *db, struct str after, int64_t limit, alert_channel_each each,
                           void *arg);
/* secret: the key of signatures (null: one is made, and told in ret_secret), the whole URL of Slack,
 * the password; sealed, and never told again. */
status alert_channels_create(struct domain *domain, const struct actor *actor,
                             struct alert_channel *channel, struct str secret,
                             char ret_secret[SECRET_TEXT], struct why *why);
/* secret null: it stays. */
status alert_channels_update(struct domain *domain, const struct actor *actor,
                             const struct alert_channel *channel, struct str secret, struct why *why);
/* CONFLICT: a rule names it. */
status alert_channels_delete(struct domain *domain, const struct actor *actor, struct str id,
                             struct why *why);
/* Appends the secret; nothing, when there is none. CORRUPT: it was sealed under another key. */
status alert_channels_secret(struct domain *domain, const char *id, struct buf *out);

/* --- silences (alert_silences.c) ---------------------------------------------------------- */

struct alert_silence {
    char id[ID_TEXT], rule_id[ID_TEXT], cluster_id[ID_TEXT], environment_id[ID_TEXT] /* of either */;
    char resource[ALERT_RESOURCE_MAX];
    int64_t starts_at, ends_at, created_at;
    char comment[TEXT_MAX_BYTES + 1], created_by[64];
};
typedef void (*alert_silence_each)(void *arg, const struct alert_silence *silence);
status alert_silences_get(struct db *db, struct str id, struct alert_silence *ret);
status alert_silences_list(struct db *db, struct str after, int64_t limit, alert_silence_each each,
                           void *arg);
status alert_silences_create(struct domain *domain, const struct actor *actor,
                             struct alert_silence *silence, struct why *why);
status alert_silences_delete(struct domain *domain, const struct actor *actor, struct str id);
/* Is a message about this muted now? Of those that hold at `at`; one query. */
status alert_silences_mute(struct db *db, int64_t at, const char *rule_id, const char *cluster_id,
                           struct str resource, bool *ret);

/* --- alerts (alert_history.c) ------------------------------------------------------------- */

/* Views: valid during the call. */
struct alert {
    int64_t seq;
    struct str id, rule_id, rule_name, kind, severity, description, environment_id, cluster_id,
        cluster_name;
    struct str resource, state, detail, reason, owed;
    double threshold, value, worst;
    int64_t pending_at, fired_at, resolved_at, told_at;
};
typedef void (*alert_each)(void *arg, const struct alert *alert);
struct alert_filter {
    struct str state /* null: any; "open": pending and firing */, rule_id, cluster_id, severity;
    int64_t before; /* seq; 0: from the newest */
};
status alerts_list(struct db *db, const struct alert_filter *filter, int64_t limit, alert_each each,
                   void *arg);
status alerts_count(struct db *db, const struct alert_filter *filter, int64_t *ret);
/* Of a delivery, newest first. */
status alerts_of_delivery(struct db *db, int64_t delivery, int64_t limit, alert_each each, void *arg);

/* --- deliveries (alert_deliveries.c) ------------------------------------------------------ */

struct alert_delivery {
    int64_t seq;
    char id[ID_TEXT], channel_id[ID_TEXT], rule_id[ID_TEXT], cause[16], state[16], error[256];
    int64_t created_at, next_at, attempts, done_at, http_status, alert_count;
};
typedef void (*alert_delivery_each)(void *arg, const struct alert_delivery *delivery);
/* Newest first, of a channel or (null) all. */
status alert_deliveries_list(struct db *db, struct str channel_id, int64_t before, int64_t limit,
                             alert_delivery_each each, void *arg);
/* A message about nothing, tried once at once. done(): OK, or UNAVAILABLE with a sentence. */
void alert_channels_test(struct domain *domain, const struct actor *actor, struct str id,
                         domain_done done, void *arg);

/* --- life --------------------------------------------------------------------------------- */
status alerts_start(struct domain *domain);
void alerts_stop(struct domain *domain); /* after the engine is gone; not started: ok */
