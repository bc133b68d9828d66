/* time_lag.h - how far consumer groups are behind, told to leatd: for each committed offset the lag in
 * offsets and the timestamp of the first record from there on that read_committed would return. Loop
 * thread.
 *
 * The lag is what Kafka's tools show: high watermark less committed offset. Time lag is now less the
 * timestamp; that subtraction is leatd's, so that a group that stands still is told of once.
 *
 * Something is looked at only after time_lag_touch, at most once an interval, and told only when it is
 * another than before: an idle broker has no timer and says nothing. The record is looked for on a lane
 * (storage/first_unread.h), one search at a time, and the answer is kept: as long as the group commits
 * nothing beyond that record and neither the log start nor compaction may have taken it away, it holds.
 * Groups of both protocols; there are no share groups here. */
#pragma once
#include "broker/group.h"
#include "broker/server.h"
#include "wire/messages.h"

#define TIME_LAG_MAX 10000 /* committed offsets that are followed; others are counted */

struct time_lag;

struct time_lag_listener {
    /* False: it could not be told. */
    bool (*send)(void *arg, const struct control_lags *message);
    /* How often it may be told, in ms; -1: nobody listens, or not to this. */
    int64_t (*interval)(void *arg);
    void *arg;
};
status time_lag_new(struct broker *broker, const struct time_lag_listener *listener,
                    struct time_lag **ret_time_lag);
void time_lag_free(struct time_lag *t); /* NULL ok; before the store and the groups go */
/* Somebody new listens, who is told everything, or nobody does. NULL ok. */
void time_lag_forget(struct time_lag *t);
/* Something moved: a log, a committed offset. Cheap; NULL ok. */
void time_lag_touch(struct time_lag *t);
void time_lag_hurry(struct time_lag *t); /* the interval has become shorter */

/* What group_options asks for: an offset was committed (is_new: the first of its partition), or goes. */
void time_lag_committed(struct time_lag *t, const struct group *group, struct committed *offset,
                        bool is_new);
void time_lag_dropped(struct time_lag *t, struct committed *offset);
