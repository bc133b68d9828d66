/* pause.h - clusters whose processes rest while all they hold stays. Domain thread, but for pause_text. */
#pragma once
#include "domain/clusters.h"

/* Ends the cluster's processes, in order, and keeps them away until resume: records, topics and keys
 * stay, changes are taken and wait. `reason` (up to 512 bytes, may be empty) is shown to whoever asks.
 * Pausing again replaces the reason only. NOT_FOUND; CONFLICT while it is being deleted. */
status clusters_pause(struct domain *domain, const struct actor *actor, struct str id, struct str reason,
                      struct why *why);
/* Starts them again; nothing when it was not paused. NOT_FOUND; CONFLICT while it is being deleted, or when
 * its time on its plan is over (lifetimes.h). */
status clusters_resume_paused(struct domain *domain, const struct actor *actor, struct str id,
                              struct why *why);
/* Why a paused cluster does not answer, as a sentence; false: it is not paused. */
bool pause_text(struct db *db, struct str cluster_id, struct why *ret);
