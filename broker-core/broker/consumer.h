/* consumer.h - groups of the consumer protocol (KIP-848): the coordinator assigns the partitions, and
 * leads every member there by its heartbeats alone. Shared by the consumer*.c files, the group_*.c
 * files that hand requests over, and the handlers. Loop thread only.
 *
 * Three epochs. The group's rises with every change of members, subscriptions or topics; the target
 * assignment is computed anew for it; each member follows at its own pace:
 *
 *   STABLE ------------ its assignment is that of its epoch
 *   UNREVOKED --------- it has to give partitions back first, and stays in its epoch until it has
 *   UNRELEASED -------- it is in the new epoch, but waits for partitions others still hold
 *
 * A partition is in the assignment (or the revocations) of one member at a time: that is the whole
 * safety of the protocol, and partitions are only given to a member once nobody has them.
 *
 * What happens is written first, in Kafka's records, and then made so in memory by replaying exactly
 * these records: a restart cannot see anything else than the running broker did. A request therefore
 * works on a consumer_op: the group as it is, and one member as it will be.
 *
 * A member may also speak the classic protocol (JoinGroup … LeaveGroup): its generation is its epoch,
 * its SyncGroup is answered with what heartbeats would say (consumer_classic.c). */
#pragma once
#include "broker/assign.h"
#include "broker/group.h"

enum consumer_state { CONSUMER_STABLE = 0, CONSUMER_UNREVOKED = 1, CONSUMER_UNRELEASED = 2 };
/* Of one member: more makes records whose replay would need too much memory. */
enum { CONSUMER_NAMES_MAX = 100000, CONSUMER_PROTOCOLS_MAX = 1000 };
enum { CONSUMER_JOIN_EPOCH = 0, CONSUMER_LEAVE_EPOCH = -1, CONSUMER_LEAVE_STATIC_EPOCH = -2 };

struct consumer_member {
    struct group *group;
    struct str id, client_id, client_host;            /* owned */
    struct str instance_id, rack_id, regex, assignor; /* owned; may be null */
    struct str *names;           /* subscribed topics, ascending; owned, one block */
    int32_t names_count;
    int32_t rebalance_timeout_ms;
    bool classic;                /* speaks the classic protocol; then also: */
    int32_t session_timeout_ms;
    struct group_protocol *protocols; /* owned, one block */
    int32_t protocols_count;

    int32_t epoch, previous_epoch;    /* -2: a static member that will be back */
    enum consumer_state state;
    struct tps assigned, revoking;    /* owned; what it has, what it is asked to give back */
    struct tps target;                /* owned; what it is to have */
    bool has_target, known;           /* replayed: its target, its metadata */

    struct timer session, rebalance, join, sync;
    int32_t rebalance_epoch;          /* the epoch that timer watches */
    UT_hash_handle hh;                /* by id */
};

struct consumer_regex {  /* an expression somebody subscribes with, and what it matched */
    struct str regex;    /* owned */
    struct str *topics;  /* ascending; owned, one block */
    int32_t topics_count;
    int64_t version, resolved_at; /* of the image; wall ms */
    struct consumer_regex *prev, *next;
};

struct consumer_group {
    struct consumer_member *members; /* uthash, in order of joining */
    struct consumer_regex *regexes;  /* utlist DL */
    int32_t epoch, assignment_epoch;
    int64_t metadata_hash;           /* of the subscribed topics, as of `epoch` */
    bool partition_metadata;         /* there is such a record of Kafka before 4.1 */
    int64_t checked_version;         /* image the topics were last compared with */
    uint64_t topics_seen;            /* the set of topics the expressions are matched with */
    int64_t topics_version;          /* the image it came with: older matches are out of date */
    bool regexes_stale;              /* some are: the next heartbeats go on */
};

/* --- consumer.c: the data ---------------------------------------------------------------------- */
status consumer_group_new(struct group *group); /* into group->consumer; there: OK */
void consumer_group_free(struct group *group);  /* out of it; no consumer group: ok */
struct consumer_member *consumer_find(const struct group *group, struct str id);
struct consumer_member *consumer_static(const struct group *group, struct str instance_id);
status consumer_add(struct group *group, struct str id, struct consumer_member **ret_member);
void consumer_remove(struct consumer_member *member); /* timers, table, memory */
struct consumer_regex *consumer_regex(const struct group *group, struct str regex);
void consumer_drop_regex(struct group *group, struct consumer_regex *regex);
/* One block with copies; NULL: no memory. `names` of an arena: consumer_sort_names. */
struct str *consumer_copy_names(const struct str *names, int32_t count);
int32_t consumer_sort_names(struct str *names, int32_t count); /* doubles go; the new count */
bool consumer_same_names(const struct consumer_member *a, const struct consumer_member *b);
bool consumer_has_name(const struct str *names, int32_t count, struct str name);
const char *consumer_group_state(const struct group *group); /* "Stable", "Reconciling" … */
bool consumer_reconciled(const struct consumer_member *member, int32_t assignment_epoch);
size_t consumer_classic_count(const struct group *group);
bool consumer_subscribed(const struct group *group, struct str topic);
/* What most of them ask for; the default when nobody does. */
const struct assignor *consumer_assignor(const struct consumer_member **members, size_t count);
void consumer_begin(struct group *group); /* after a restart: timers run */

/* --- consumer_log.c: records ------------------------------------------------------------------- */
void consumer_batch_member(struct group_batch *batch, const struct consumer_member *member);
void consumer_batch_epoch(struct group_batch *batch, int32_t epoch, int64_t metadata_hash);
void consumer_batch_target(struct group_batch *batch, struct str member_id, const struct tps *target);
void consumer_batch_target_epoch(struct group_batch *batch, int32_t epoch);
void consumer_batch_current(struct group_batch *batch, const struct consumer_member *member);
void consumer_batch_regex(struct group_batch *batch, const struct consumer_regex *regex);
void consumer_batch_no_regex(struct group_batch *batch, struct str regex);
void consumer_batch_no_partition_metadata(struct group_batch *batch);
void consumer_batch_no_member(struct group_batch *batch, struct str member_id); /* all of its records */
void consumer_batch_no_group(struct group_batch *batch, const struct group *group);
/* One record, by its kind (3 to 8, 16); value null: a tombstone. */
status consumer_replay(struct group_coordinator *c, int16_t kind, struct bytes key,
                       struct bytes value, struct arena *arena);

/* --- a change in the making --------------------------------------------------------------------- */
struct consumer_op {
    struct group *group;
    struct consumer_group *consumer;
    struct arena arena;
    struct group_batch *batch;
    bool has_now;                     /* it is about a member: */
    const struct consumer_member *before;   /* as it is; NULL: it is new */
    const struct consumer_member *replaced; /* the static member whose place it takes, or NULL */
    struct consumer_member now;       /* as it will be; everything borrowed */
    bool subscription_changed;
    const struct consumer_member **leaving;
    size_t leaving_count;
    struct consumer_regex *regexes;   /* DL in the arena: those in effect afterwards */
    int32_t epoch, assignment_epoch;  /* afterwards */
    uint64_t topics_seen;             /* likewise */
    int64_t topics_version;
    bool regexes_stale;
};
status consumer_op_init(struct consumer_op *op, struct group *group);
void consumer_op_done(struct consumer_op *op);
/* Writes and replays: op->before and what op->now borrowed may be gone afterwards. */
status consumer_op_commit(struct consumer_op *op);

/* --- consumer_target.c: subscriptions, epochs and the target ------------------------------------- */
bool consumer_op_subscribes(const struct consumer_op *op, const struct consumer_member *member,
                            struct str topic);
/* Those of the group after the change. */
const struct consumer_member **consumer_op_members(struct consumer_op *op, size_t *ret_count);
status consumer_op_hash(struct consumer_op *op, int64_t *ret_hash);
/* A new epoch when `bump` is set or the topics have changed. */
status consumer_op_epoch(struct consumer_op *op, bool bump);
/* A new target when the epoch is ahead of it; op->now.target is set either way. */
status consumer_op_target(struct consumer_op *op);

/* --- consumer_regex.c ----------------------------------------------------------------------------- */
struct consumer_context { /* who asks, for the ACLs of topics an expression matches */
    struct str principal, client_host;
    bool super; /* above the ACLs */
};
/* Matches what is new, or everything when topics have come since: *ret_changed when the topics of an
 * expression did. */
/* INVALID_REGULAR_EXPRESSION */
status consumer_check_regex(struct str regex);
/* Is it time, though neither topics nor subscriptions changed? */
bool consumer_op_regexes_due(const struct consumer_op *op);
/* `who` NULL: only drops those nobody subscribes with any more. */
status consumer_op_regexes(struct consumer_op *op, const struct consumer_context *who,
                           bool *ret_changed);

/* --- consumer_reconcile.c -------------------------------------------------------------------------- */
/* One step of op->now towards its target; `owned` is what it says it has, NULL when it said nothing. */
void consumer_reconcile(struct consumer_op *op, const struct tps *owned);
/* Does it wait for partitions somebody still has? */
bool consumer_waits(const struct consumer_member *member);

/* --- consumer_heartbeat.c ----------------------------------------------------------------------- */
struct consumer_heartbeat {
    struct str group_id, member_id, instance_id, rack_id, client_id, client_host;
    struct consumer_context who;
    int32_t epoch, rebalance_timeout_ms; /* -1: unchanged */
    const struct str *names;             /* NULL: unchanged */
    int32_t names_count;
    struct str regex, assignor;          /* null: unchanged */
    bool has_owned;
    struct tps owned;
};
struct consumer_answer {
    struct str member_id;
    int32_t epoch, interval_ms;
    bool has_assignment;
    struct tps assignment;   /* in the arena that was given */
    struct why why;
};
/* On OK the answer has to wait until group_wait_written() of the group. */
status consumer_heartbeat(struct group_coordinator *c, const struct consumer_heartbeat *q,
                          struct arena *arena, struct consumer_answer *ret_answer);
/* Members go: the group goes on without them, or becomes a classic one when only such are left. */
status consumer_fence(struct group *group, const struct consumer_member **members, size_t count);
/* Finds (or makes, for `joining`) the member of a request and lays the ground for op->now. The
 * records that replace a static member are in the batch then. */
status consumer_op_member(struct consumer_op *op, struct str id, struct str instance_id, bool joining,
                          bool classic);
void consumer_arm(struct consumer_member *member, struct timer *timer, int32_t ms);
void consumer_arm_session(struct consumer_member *member);
void consumer_arm_rebalance(struct consumer_member *member); /* as its state asks */
void consumer_timers_init(struct consumer_member *member);

/* --- consumer_classic.c: classic requests in such a group --------------------------------------- */
void consumer_classic_join(struct group *group, const struct join_request *q, struct join_waiter *w);
void consumer_classic_sync(struct group *group, const struct sync_request *q, struct sync_waiter *w);
status consumer_classic_heartbeat(struct group *group, const struct member_key *key);
status consumer_classic_leave(struct group *group, const struct member_key *members, int32_t count,
                              status *ret_errors);

/* --- consumer_migrate.c ------------------------------------------------------------------------- */
/* A classic group of consumers becomes one of this protocol; its members stay what they are.
 * GROUP_ID_NOT_FOUND when it cannot. */
status consumer_upgrade(struct group *group);
/* Could it become a classic group without those? */
bool consumer_can_downgrade(const struct group *group, const struct consumer_member **leaving,
                            size_t count);
/* It becomes one; `joining` (NULL: none) comes in place of the one member that does not stay, and
 * keeps its assignment when `keep` is set: then there is no rebalance. */
status consumer_downgrade(struct consumer_op *op, bool keep);
/* The consumer protocol's bytes for an assignment, in the version of `subscription`. */
struct bytes consumer_encode_assignment(struct arena *arena, const struct image *image,
                                        const struct tps *set, struct bytes subscription);
struct consumer_protocol_subscription;
status consumer_decode_subscription(struct arena *arena, struct bytes in,
                                    struct consumer_protocol_subscription *ret);
