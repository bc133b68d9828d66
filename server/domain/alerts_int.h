/* alerts_int.h - what the files of alerts share; inside server/domain only. Domain thread. */
#pragma once
#include "domain/alerts.h"
#include "notify/sender.h"

struct seal;

/* domain->alerts */
struct alerts {
    struct domain *domain;
    struct seal *seal;
    struct sender *sender;
    struct alert_eval *eval;   /* alert_eval.c's own */
    struct alert_queue *queue; /* alert_deliveries.c's own */
};

/* --- alert_eval.c ------------------------------------------------------------------------- */
status alert_eval_start(struct alerts *alerts);
void alert_eval_stop(struct alerts *alerts);
void alert_eval_rules_changed(struct domain *domain); /* they are read anew before the next round */
/* What the rule has open is resolved, and told, inside the caller's transaction. */
status alerts_end_rule(struct domain *domain, const struct alert_rule *rule, const char *reason);

/* --- alert_samples.c ---------------------------------------------------------------------- */
struct cluster;
/* A value of one resource, as a rule's kind measures it; `detail`: a sentence. */
struct alert_sample {
    struct str resource;
    double value;
    const char *detail;
};
typedef void (*alert_sample_each)(void *arg, const struct alert_sample *sample);

/* Failed requests of a cluster over the last ten seconds or more. */
struct alert_errors {
    int64_t at, requests, errors; /* when, and the totals then; at 0: not known */
    double percent;
    int64_t counted;              /* requests that percent is of */
};
void alert_errors_take(struct alert_errors *e, const struct engine_figures *f);

/* Calls each() for what is known of the kind; false: nothing is known. cluster NULL: kinds of the
 * machine. */
bool alert_samples(struct domain *domain, enum alert_kind kind, const struct cluster *cluster,
                   const struct alert_errors *errors, alert_sample_each each, void *arg);

/* --- alert_notify.c ----------------------------------------------------------------------- */
/* Queues what is owed of a rule, when its group_ms has passed (or at once). In the caller's
 * transaction. */
status alert_notify_rule(struct domain *domain, const struct alert_rule *rule, int64_t now,
                         bool at_once);

/* --- alert_deliveries.c ------------------------------------------------------------------- */
status alert_queue_start(struct alerts *alerts);
void alert_queue_stop(struct alerts *alerts);
/* Puts alerts into the message that waits for this rule and channel, or a new one; in a transaction. */
status alert_queue_put(struct domain *domain, const char *channel_id, const char *rule_id,
                       const char *cause, int64_t now, const char (*alerts)[ID_TEXT], size_t count);
void alert_queue_kick(struct domain *domain); /* something may be due: at the end of the turn */

/* --- alert_message.c ---------------------------------------------------------------------- */
/* The message of a delivery as its channel's type wants it; the alerts are as they are now. */
status alert_message_make(struct domain *domain, const struct alert_delivery *delivery,
                          const struct alert_channel *channel, struct send *send);
