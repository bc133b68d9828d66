/* refusals.h - who was turned away: wrong passwords, wrong keys, what no role allows; and what brokers saw on
 * their Kafka ports. Counted from any thread, and written to the audit log once a second, one row for all
 * alike and REFUSALS_A_MINUTE rows a minute, so that knocking costs the service next to nothing and pushes
 * nothing else out of the log; the rest is one row with a count. */
#pragma once
#include "domain/domain.h"

#define REFUSALS_KINDS 64 /* of a second; the rest are counted as one */
#define REFUSALS_A_MINUTE 120

status refusals_start(struct domain *domain); /* before any door opens */
void refusals_stop(struct domain *domain);    /* writes what waits; NULL ok */
/* Any thread. `actor` and `resource`: names that are known, never what was typed. */
void refusals_note(struct domain *domain, const char *operation, const char *actor, const char *door,
                   const char *address, const char *resource);
/* What a broker tells; it is hostile by assumption, so only operations that brokers have are taken. */
void refusals_of_broker(struct domain *domain, const char *cluster_id, const struct control_audit *audit);
