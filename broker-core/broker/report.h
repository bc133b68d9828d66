/* report.h - the figures of a broker as a ControlReport: what changed since the last one. */
#pragma once
#include "broker/server.h"

struct report; /* remembers what was told */

status report_new(struct broker *broker, struct report **ret_report);
void report_free(struct report *report); /* NULL ok */
void report_forget(struct report *report); /* the next one is whole: somebody new listens */
/* Its counters are about to go: the next report tells how far they came. */
void report_topic_ends(struct report *report, const struct topic *topic);
/* Appends a frame with what changed, or nothing when nothing did and it was not asked for `anyway`. */
status report_frame(struct report *report, int16_t protocol, bool anyway, struct buf *out,
                    bool *ret_changed);
/* ms until a broker whom nobody watches tells of the minute: 0 to 999 ms after its end, each cluster at
 * its own moment, so that leatd's history has the figures while the minute is new. wall: ms since 1970. */
int64_t report_minute_left(const char *cluster_id, int64_t wall);
