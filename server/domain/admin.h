/* admin.h - Kafka admin requests that a broker forwards, carried out by the same functions as REST.
 * Domain thread. The broker has authorised the principal; the request concerns only its cluster. */
#pragma once
#include "domain/domain.h"

/* From engine_events.admin: answers with engine_answer(token, …), now or later. What this service
 * does not know is answered UNSUPPORTED_VERSION. */
void admin_forwarded(struct domain *domain, const char *cluster_id,
                     const struct engine_admin *admin);
