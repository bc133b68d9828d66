/* rolling.h - clusters started anew one after the other, and onto the program that is installed now.
 * Domain thread. */
#pragma once
#include "domain/domain.h"

struct rolling_state {
    enum rolling_phase { ROLLING_NONE, ROLLING_RUNNING, ROLLING_DONE, ROLLING_FAILED } phase;
    int64_t total, done;         /* clusters */
    int64_t started_at, finished_at;
    char cluster_id[ID_TEXT];    /* that is started anew now, or did not come back */
    char reason[256];            /* of a failure */
};
/* Starts every cluster that should run anew, one at a time: the next one when the last serves. It stops
 * at one that does not come back in two minutes. A leatd that is killed goes on at its next start.
 * CONFLICT while one is under way. */
status rolling_begin(struct domain *domain, const struct actor *actor, struct why *why);
void rolling_look(const struct domain *domain, struct rolling_state *ret);
void rolling_start(struct domain *domain); /* with leatd: goes on with one that was under way */
void rolling_stop(struct domain *domain);

/* One cluster onto the program that is installed now. *ret_restarts is false when it runs that already.
 * NOT_FOUND; CONFLICT while it is paused or being deleted. */
status rolling_upgrade(struct domain *domain, const struct actor *actor, struct str cluster_id,
                       bool *ret_restarts, struct why *why);
/* No way back to an older program is wanted: its data folder may be written in the newest format from now
 * on. NOT_FOUND; CONFLICT: its broker is of an older version, which would not know it. */
status rolling_confirm(struct domain *domain, const struct actor *actor, struct str cluster_id,
                       struct why *why);
