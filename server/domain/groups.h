/* groups.h - consumer groups with members, committed offsets and lag: one join for everything that
 * shows a group. Asked of the broker as a principal, whose ACLs apply there. Domain thread. */
#pragma once
#include "domain/offsets.h"

#define GROUPS_MAX 10000

struct group_partition {
    struct str topic;
    int32_t partition;
};
struct group_member {
    struct str member_id, instance_id /* null: dynamic */, client_id, client_host;
    struct group_partition *assigned;
    int32_t assigned_count;
};
struct group_lag {
    struct str topic;
    int32_t partition;
    const struct group_member *member; /* NULL: nobody reads it now */
    int64_t current, start, end;       /* start, end: -1 when the topic is gone or not visible */
    int64_t lag;
    int64_t time_lag;                  /* ms, see engine/lags.h; -1: not known */
};
struct group_info {
    struct str id, state, type, protocol_type, protocol;
    struct group_member *members;
    int32_t member_count;
    struct group_lag *lags;   /* partitions with a committed offset; by topic, partition */
    int32_t lag_count;
    int64_t total_lag, max_lag;
    const struct group_lag *worst; /* NULL: no lags */
    int64_t time_lag;         /* ms, the greatest one; -1: none is known */
    bool mixed;               /* members of both protocols, during a migration */
    status result;            /* of this group: GROUP_ID_NOT_FOUND, GROUP_AUTHORIZATION_FAILED */
};
/* All groups that the principal may see (id null), or one. Results live in the arena, which must
 * live until done(). With `lags` false, only the first two steps are done. */
typedef void (*groups_done)(void *arg, status result, struct group_info *groups, int32_t count);
void groups_load(struct domain *domain, const char *cluster_id, struct str principal, struct str id,
                 bool lags, struct arena *arena, groups_done done, void *arg);

/* {"topic-partition": offset} of what it has committed in a topic (null: all; partition -1: all), for the
 * audit log; the first 500. */
json_t *groups_offsets_json(const struct group_info *group, struct str topic, int32_t partition);

typedef void (*group_deleted)(void *arg, status result);
void groups_delete(struct domain *domain, const char *cluster_id, struct str principal,
                   struct str id, struct arena *arena, group_deleted done, void *arg);
