/* lifetimes.h - clusters whose plan ends after a while (trials): they are paused then, with a reason, and
 * keep all they hold. Another plan, or a longer lifetime of their own, lets them be resumed. Domain
 * thread. */
#pragma once
#include "domain/domain.h"

status lifetimes_start(struct domain *domain);
void lifetimes_stop(struct domain *domain);
/* Something changed that may bring an end nearer: looks at the next turn. */
void lifetimes_soon(struct domain *domain);
/* When a cluster ends, ms since 1970; -1: never. Any thread, with that thread's database. */
status lifetimes_end(struct db *db, const char *cluster_id, int64_t *ret_at);
/* CONFLICT with a sentence when its end has come. */
status lifetimes_check(struct db *db, const char *cluster_id, struct why *why);
