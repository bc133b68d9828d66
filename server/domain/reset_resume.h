/* reset_resume.h - offset resets that a killed leatd had begun are finished by the next one. Domain thread.
 *
 * Offsets of a reset are absolute, so that a commit that may have come through is sent again. A group that
 * has members by then is left alone, and so are the groups of a broker that is away for a minute: a second
 * audit row says so. */
#pragma once
#include "domain/domain.h"
#include "wire/messages.h"

/* Notes the commit, in the transaction that is open. *ret_id names it. */
status reset_note(struct domain *domain, const char *cluster_id,
                  const struct offset_commit_request *request, int64_t *ret_id);
void reset_answered(struct domain *domain, int64_t id); /* whatever the answer was */
/* What the broker said of it, partition by partition: the first failure. */
status reset_result(const struct offset_commit_response *response);

void reset_resume_start(struct domain *domain);
void reset_resume_stop(struct domain *domain); /* behind engine_free: a call may be under way */
