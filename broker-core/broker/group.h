/* group.h - one consumer group: its members, protocols and committed offsets, and what may be done
 * with it. Shared by the group_*.c files and the handlers of the group APIs; loop thread only.
 *
 * States (Kafka's classic protocol):
 *   EMPTY -> PREPARING (members join) -> COMPLETING (leader assigns) -> STABLE
 *   any of the last three -> PREPARING (somebody joins, leaves or expires) -> EMPTY (nobody left)
 *
 * Requests that wait for others hang on their member as a `waiter`, which the handler keeps in its
 * request's arena; done() is called once, and the waiter is gone after it. */
#pragma once
#include "base/arena.h"
#include "broker/group_coordinator.h"

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD };
const char *group_state_name(enum group_state state); /* "PreparingRebalance" … */

struct group_protocol {
    struct str name;
    struct bytes metadata;
};

/* --- what a request asks ---------------------------------------------------------------------- */
/* Strings and arrays must live until the waiter is done. */
struct member_key {
    struct str group_id, member_id, instance_id; /* instance_id may be null */
    int32_t generation;
};
struct group_wait { /* an answer that waits until the group's records are durable */
    void (*done)(struct group_wait *wait, status result);
    struct plog_wait plog;
    struct plog *log;
    struct group_coordinator *coordinator; /* NULL: not waiting */
    struct group_wait *prev, *next;
};

struct join_request {
    struct str group_id, member_id, instance_id;
    struct str client_id, client_host, protocol_type;
    int32_t session_timeout_ms, rebalance_timeout_ms;
    const struct group_protocol *protocols;
    int32_t protocols_count;
    bool ask_member_id;   /* v4+: a first join is answered with MEMBER_ID_REQUIRED */
    bool skip_assignment; /* v9+: understands skip_assignment */
};
struct join_result {
    status error;
    int32_t generation;              /* -1 on error */
    struct str protocol_type, protocol; /* may be null */
    struct str leader, member_id;
    bool skip_assignment;
    const struct group *members_of;  /* the group whose members are listed; NULL: none */
};
struct join_waiter {
    void (*done)(struct join_waiter *waiter, const struct join_result *result);
    const struct join_request *request; /* lives as long as the waiter */
    struct member *member;  /* it hangs on; NULL when it does not */
    struct group_wait wait; /* static member replaced: until that is durable */
    int32_t generation;     /* consumer_classic.c: its answer */
    char member_id[512], old_leader[512];
};

struct sync_request {
    struct member_key key;
    struct str protocol_type, protocol; /* v5+, else null */
    const struct sync_assignment {
        struct str member_id;
        struct bytes assignment;
    } *assignments;
    int32_t assignments_count;
};
struct sync_result {
    status error;
    struct str protocol_type, protocol; /* null on error */
    struct bytes assignment;
};
struct sync_waiter {
    void (*done)(struct sync_waiter *waiter, const struct sync_result *result);
    struct member *member;
};

struct commit_item {
    struct str topic;
    struct uuid topic_id;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    struct str metadata; /* may be null */
    int64_t version;     /* end offset of the batch it is written in */
    status result;       /* OK: to be committed; set otherwise to leave it out */
};

/* --- the group -------------------------------------------------------------------------------- */
struct member {
    struct group *group;
    struct str id, instance_id;         /* owned; instance_id may be null */
    struct str client_id, client_host;  /* owned */
    int32_t session_timeout_ms, rebalance_timeout_ms;
    struct group_protocol *protocols;   /* owned, one block */
    int32_t protocols_count;
    struct bytes assignment;            /* owned; never null */
    bool is_new;                        /* has not got its first answer yet */
    bool joining;                       /* has (re)joined in this rebalance */
    bool sync_pending;                  /* got its join answer, has not synced yet */
    struct join_waiter *join;           /* its parked request; NULL also when that client is gone */
    struct sync_waiter *sync;
    struct timer session;
    UT_hash_handle hh; /* by id */
};

struct pending_member { /* was given an id, has not joined with it yet */
    struct group *group;
    struct timer expiry;
    struct str id;
    UT_hash_handle hh;
    char text[];
};

struct committed {
    int64_t offset;
    int32_t leader_epoch;
    int32_t partition;
    int64_t committed_at;  /* wall, ms */
    int64_t expires_at;    /* wall, ms; -1: by the retention of the broker */
    int64_t version;       /* end offset of its batch: the greatest one holds */
    struct uuid topic_id;  /* zero: not known */
    struct str topic, metadata; /* owned: in `text` */
    struct lag_entry *lag; /* time_lag.c's; NULL: it is not followed */
    UT_hash_handle hh;     /* by key */
    size_t key_len;
    uint8_t *key;
    char text[];
};

struct group {
    struct group_coordinator *coordinator;
    struct str id;                       /* owned */
    enum group_state state, before;      /* before: the state in front of this one */
    int64_t state_at;                    /* wall, ms */
    int32_t generation;
    struct str protocol_type, protocol;  /* owned; null when none */
    struct member *leader;
    struct member *members;              /* uthash in order of joining */
    struct pending_member *pending;
    struct committed *offsets;
    struct consumer_group *consumer;     /* of the consumer protocol (consumer.h); else NULL */
    struct pending_offset *pending_offsets; /* of open transactions; uthash by key */
    struct timer rebalance;              /* PREPARING: end of the join phase; else: of the sync phase */
    bool initial;                        /* PREPARING out of EMPTY: newcomers are waited for */
    bool newcomer;                       /* one came during this delay */
    int32_t delay_left_ms;
    int64_t written;                     /* end offset of the last record of this group */
    uint64_t changed;                    /* another number whenever the set of its offsets changes */
    UT_hash_handle hh;                   /* by id */
};

struct group_pass { /* group_expire.c: over all groups, in as many turns as it takes */
    bool running;
    bool failed;              /* nothing more of this group can be written now */
    int64_t now, next;        /* wall, ms: when it began; when the next one has to */
    struct group *group;      /* where it is */
    struct committed *offset; /* of that group; NULL: all were looked at */
    int looked;               /* at so many offsets since it last asked for the time */
};

struct group_coordinator {
    struct group_options options;
    struct group *groups;
    struct group_txn *txns;              /* open transactions with offsets; uthash by key */
    struct group_wait *waits;            /* utlist DL */
    struct timer expiry;
    struct group_pass pass;
    uint64_t changes;        /* the last number given to a group */
    bool loaded;
    bool loading;
    bool begins;             /* all is read; groups before `beginning` have begun to live */
    struct group *beginning;
    bool damaged; /* a partition of the offsets topic cannot be read: no group is served */
};

/* --- group.c: the data ------------------------------------------------------------------------ */
struct group *group_find(struct group_coordinator *c, struct str id);
/* Made if absent. NO_MEMORY; LIMIT past groups_max. The id may be empty: for offsets only. */
status group_get(struct group_coordinator *c, struct str id, struct group **ret_group);
void group_free(struct group *group); /* out of the table too; waiters get UNKNOWN_MEMBER_ID */
void group_enter(struct group *group, enum group_state state);
/* Owned strings: replaces what is there; false = out of memory (and unchanged). */
bool group_set_text(struct str *field, struct str value);
bool group_set_bytes(struct bytes *field, struct bytes value);

struct member *group_find_member(const struct group *group, struct str id);
struct member *group_static_member(const struct group *group, struct str instance_id);
struct pending_member *group_pending(const struct group *group, struct str id);
/* A new member, in the table; the first becomes leader. NULL: no memory. */
struct member *group_add_member(struct group *group, const struct join_request *q, struct str id);
status group_set_protocols(struct member *m, const struct group_protocol *protocols, int32_t n);
/* Out of the table and freed; its waiters are answered `why`. Another member becomes leader. */
void group_remove_member(struct member *member, status why);
status group_rename_member(struct member *member, struct str id);
/* One block; NULL: no memory. */
struct group_protocol *group_copy_protocols(const struct group_protocol *protocols, int32_t n);
bool group_same_protocols(const struct member *m, const struct group_protocol *p, int32_t n);
bool group_supports(const struct group *group, struct str type, const struct group_protocol *p,
                    int32_t n);
/* The protocol most members prefer among those all of them have; null when there is none. */
struct str group_vote(const struct group *group);
struct bytes group_metadata_of(const struct member *m, struct str protocol); /* empty if none */
int32_t group_rebalance_timeout(const struct group *group);
status group_add_pending(struct group *group, struct str id, int32_t timeout_ms);
void group_remove_pending(struct pending_member *pending);
/* UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID or OK with the member. */
status group_check_member(const struct group *group, struct str member_id, struct str instance_id,
                          struct member **ret_member);

/* --- group_join.c: joining and rebalancing ---------------------------------------------------- */
void group_join(struct group_coordinator *c, const struct join_request *q, struct join_waiter *w);
/* The client is gone. True: the waiter was parked and is forgotten (done() will not be called). */
bool group_join_abandon(struct join_waiter *w);
void group_prepare_rebalance(struct group *group);
void group_maybe_complete_join(struct group *group); /* PREPARING, and nobody is waited for */
void group_join_phase_over(struct group *group);     /* the timer fired */
/* After members went: rebalance, or complete the join phase that waited for them. */
void group_members_left(struct group *group);
void group_answer_join(struct member *m, const struct join_result *result); /* if one is parked */

/* --- group_sync.c: assignments, heartbeats, sessions ------------------------------------------ */
void group_sync(struct group_coordinator *c, const struct sync_request *q, struct sync_waiter *w);
bool group_sync_abandon(struct sync_waiter *w);
status group_heartbeat(struct group_coordinator *c, const struct member_key *key);
void group_answer_sync(struct member *m, status error); /* if one is parked */
void group_refuse_syncs(struct group *group, status error);
void group_restart_session(struct member *m, int32_t timeout_ms);
void group_start_sync_phase(struct group *group); /* timer */
void group_sync_phase_over(struct group *group);  /* the timer fired */
void group_session_expired(struct timer *timer);

/* --- group_leave.c ---------------------------------------------------------------------------- */
/* GROUP-wide error, or OK and an error for each member in ret_errors. */
status group_leave(struct group_coordinator *c, struct str group_id,
                   const struct member_key *members, int32_t count, status *ret_errors);

/* --- group_offsets.c -------------------------------------------------------------------------- */
struct committed *group_offset(const struct group *group, struct str topic, int32_t partition);
/* Puts (replaces) one in memory. */
status group_put_offset(struct group *group, const struct commit_item *item, int64_t committed_at,
                        int64_t expires_at);
void group_drop_offset(struct group *group, struct committed *offset);
/* Checks the member, writes all items whose result is OK, and calls wait->done() once they are
 * durable; on an error here nothing was written and done() is not called. retention_ms -1: none. */
status group_commit(struct group_coordinator *c, const struct member_key *key, int16_t version,
                    struct commit_item *items, size_t count, int64_t retention_ms,
                    struct group_wait *wait);
/* The same as part of a transaction (TxnOffsetCommit): pending until group_txn_end. */
status group_commit_txn(struct group_coordinator *c, const struct member_key *key,
                        int64_t producer_id, int16_t producer_epoch, struct commit_item *items,
                        size_t count, struct group_wait *wait);
/* Removes a group with all its offsets, as one batch: after a crash all of it is there or nothing. Making the
 * batch takes as many turns as it needs; what changes meanwhile is in it, too. */
struct group_deletion {
    struct group_coordinator *coordinator;
    struct str id;             /* the caller's */
    bool at_once;              /* in this turn */
    struct group_batch *batch; /* the rest is group_delete_some's own; zero at first */
    struct committed *at;
    uint64_t changed;
    int begun;
};
/* NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND; OK and *ret_more: call again in another turn. Else *ret_log and
 * *ret_end (may be NULL) say what to wait for. group_deletion_done in any case. */
status group_delete_some(struct group_deletion *d, bool *ret_more, struct plog **ret_log, int64_t *ret_end);
void group_deletion_done(struct group_deletion *d);
/* At once. */
status group_delete(struct group_coordinator *c, struct str id, struct plog **ret_log,
                    int64_t *ret_end);
/* Deletes offsets of one topic (OffsetDelete, topic gone). */
status group_delete_offsets(struct group *group, struct str topic, const int32_t *partitions,
                            size_t count);

/* --- group_txn.c: offsets of open transactions ------------------------------------------------ */
struct group_txn_key { /* without padding: it is hashed */
    int64_t producer_id;
    int64_t partition;           /* of the offsets topic */
};
struct group_txn {
    struct group_txn_key key;
    struct pending_offset *offsets; /* utlist DL */
    UT_hash_handle hh;
};
struct pending_offset {
    struct group *group;
    struct group_txn *txn;
    struct pending_offset *prev, *next; /* of the txn */
    struct commit_item item;            /* its texts are in `key` */
    int64_t committed_at;
    UT_hash_handle hh;                  /* of the group, by producer, partition and topic */
    size_t key_len;
    uint8_t key[];
};
status group_put_pending(struct group *group, int64_t producer_id, const struct commit_item *item,
                         int64_t committed_at);
bool group_offset_is_pending(const struct group *group, struct str topic, int32_t partition);
void group_drop_pending(struct group *group); /* all */
/* The marker in `partition` of the offsets topic, whose batch ends at `end`: what was pending there
 * holds, or is forgotten. */
void group_txn_end(struct group_coordinator *c, int32_t partition, int64_t producer_id, bool commit,
                   int64_t end);

/* --- group_expire.c --------------------------------------------------------------------------- */
/* When something of this group could next expire (wall ms), INT64_MAX: never. */
int64_t group_next_expiry(const struct group *group);
void group_expire_by(struct group_coordinator *c, int64_t wall_ms); /* makes sure the timer fires */
void group_expire_fire(struct timer *timer);
void group_expire_skip(struct group *group); /* it goes */
/* Is some member subscribed to this topic? -1: not known (another protocol type). */
int group_subscribes(const struct group *group, struct str topic);

/* --- group_log.c: the records ----------------------------------------------------------------- */
struct group_batch;
struct wire_message;
status group_batch_new(struct group_coordinator *c, struct str group_id,
                       struct group_batch **ret_batch);
void group_batch_free(struct group_batch *batch); /* NULL ok */
DEFINE_CLEANUP(group_batch);
/* Errors are kept in the batch and come out of group_batch_append. */
void group_batch_metadata(struct group_batch *batch, const struct group *group);
/* Before the first record: they are part of this producer's transaction. */
void group_batch_transactional(struct group_batch *batch, int64_t producer_id, int16_t epoch);
void group_batch_no_group(struct group_batch *batch);
void group_batch_offset(struct group_batch *batch, const struct commit_item *item,
                        int64_t committed_at, int64_t expires_at);
void group_batch_no_offset(struct group_batch *batch, struct str topic, int32_t partition);
/* Any record: its kind, key and value (NULL: a tombstone), the value in that version. */
void group_batch_put(struct group_batch *batch, int16_t kind, const struct wire_message *key_message,
                     const void *key, const struct wire_message *value_message, int16_t version,
                     const void *value);
void group_batch_fail(struct group_batch *batch, status why);
struct str group_batch_id(const struct group_batch *batch); /* of its group */
/* Appends, and replays what was appended: what is in the log is so in memory. */
status group_batch_commit(struct group_batch *batch);
/* Nothing in it: OK. COORDINATOR_NOT_AVAILABLE when it cannot be written. */
status group_batch_append(struct group_batch *batch, struct plog **ret_log, int64_t *ret_end);
/* done() comes on a later callback, never from here. */
void group_wait_durable(struct group_coordinator *c, struct group_wait *wait, struct plog *log,
                        int64_t end);
/* Until everything written of this group so far is durable. False: it is already. */
bool group_wait_written(struct group *group, struct group_wait *wait);
/* Metadata record of the group now, not waited for. */
status group_write(struct group *group, struct plog **ret_log, int64_t *ret_end);
struct plog *group_log_of(struct group_coordinator *c, struct str group_id);
/* Java's String.hashCode of UTF-8 text. */
int32_t group_hash(struct str id);
status group_load(struct group_coordinator *c, struct plog *log);
