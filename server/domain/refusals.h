/* refusals.h - who was turned away: wrong passwords, wrong keys, what no role allows. Counted from any
 * thread, and written to the audit log once a second, one row for all alike, so that knocking costs the
 * service next to nothing. */
#pragma once
#include "domain/domain.h"

#define REFUSALS_KINDS 64 /* of a second; the rest are counted as one */

status refusals_start(struct domain *domain); /* before any door opens */
void refusals_stop(struct domain *domain);    /* writes what waits; NULL ok */
/* Any thread. `actor` and `resource`: names that are known, never what was typed. */
void refusals_note(struct domain *domain, const char *operation, const char *actor, const char *door,
                   const char *address, const char *resource);
