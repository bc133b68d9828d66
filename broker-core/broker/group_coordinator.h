/* group_coordinator.h - the consumer groups of a broker: their lives and their committed offsets.
 *
 * Every change is a record of Kafka's format in the internal topic __consumer_offsets, partition
 * abs(hash of the group id) % partitions; an answer waits until it is durable. At start the topic
 * is replayed (loading.h). Timers only, no ticks. Loop thread only. */
#pragma once
#include "cluster/image.h"
#include "io/loop.h"
#include "storage/plog.h"

#define OFFSETS_TOPIC STR("__consumer_offsets")

struct committed;
struct group;
struct group_coordinator;

struct group_options {
    struct loop *loop;
    const struct image *image;
    struct store *store;
    /* The log of a partition of the offsets topic; NULL: out of memory. */
    struct plog *(*log)(void *arg, const struct topic *topic, int32_t partition);
    /* An offset holds from now on (is_new: the first one of its partition), or goes. NULL ok. */
    void (*committed)(void *arg, const struct group *group, struct committed *offset, bool is_new);
    void (*dropped)(void *arg, struct committed *offset);
    void *arg;
    int64_t offsets_retention_ms;    /* offsets.retention.minutes */
    int32_t session_min_ms, session_max_ms; /* group.{min,max}.session.timeout.ms */
    int32_t group_max_size;          /* group.max.size */
    int32_t consumer_session_ms, consumer_heartbeat_ms; /* group.consumer.… .ms */
    int32_t new_member_ms;           /* how long a JoinGroup without heartbeats may wait */
    size_t groups_max;
};
void group_options_init(struct group_options *options); /* Kafka's defaults; loop … arg unset */

status group_coordinator_new(const struct group_options *options,
                             struct group_coordinator **ret_coordinator);
/* Unanswered requests are dropped (their done() is called with CLOSED). NULL ok. */
void group_coordinator_free(struct group_coordinator *coordinator);

/* The same for a broker: after its store and image are open. */
struct broker;
status group_coordinator_start(struct broker *broker, struct group_coordinator **ret_coordinator);
void group_coordinator_stop(struct group_coordinator *coordinator); /* NULL ok */

/* The topic is about to go: its committed offsets go with it. */
void group_coordinator_topic_deleted(struct group_coordinator *coordinator, struct topic *topic);
/* Also when the offsets topic arrived in the image after the start: loads it. */
status group_coordinator_load(struct group_coordinator *coordinator);
/* The same piece by piece: COORDINATOR_LOAD_IN_PROGRESS from _loading on, until _loaded has said true,
 * which takes as many calls as the loop's turns have no time for (NULL: one). Not `read`: there is no
 * such topic yet. Or until _unreadable: no group is served, since one that is not there would begin
 * anew, without its offsets. */
void group_coordinator_loading(struct group_coordinator *coordinator);
struct replay_cursor;
status group_load_batch(struct group_coordinator *coordinator, int32_t partition, struct bytes batch,
                        struct replay_cursor *cursor, const struct loop *loop); /* see replay.h */
bool group_coordinator_loaded(struct group_coordinator *coordinator, bool read, const struct loop *loop);
void group_coordinator_unreadable(struct group_coordinator *coordinator);
/* COORDINATOR_NOT_AVAILABLE until it is loaded (NULL ok: then too). Handlers ask first. */
status group_coordinator_ready(struct group_coordinator *coordinator);
