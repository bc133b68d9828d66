/* offset_reset.h - moves a group's committed offsets: a plan first, then (unless it is a dry run) one
 * OffsetCommit as leatd's own principal. Domain thread.
 *
 * The audit row stands before the commit is sent, with every offset before and after; when the broker
 * refuses, a second row says so. What a killed leatd had begun the next one finishes (reset_resume.h).
 * A group with members is never moved: the broker checks it again. */
#pragma once
#include "domain/groups.h"

#define RESET_PARTITIONS_MAX 20000

enum reset_to { RESET_EARLIEST, RESET_LATEST, RESET_OFFSET, RESET_TIME, RESET_SHIFT, RESET_GROUP };
const char *reset_to_name(enum reset_to to); /* "earliest" … "group" */

struct reset_topic {
    struct str topic;
    const int32_t *partitions;
    int32_t count;              /* 0: all of the topic's */
};
struct reset_query {
    const char *cluster_id;
    struct str group;
    enum reset_to to;
    int64_t value;              /* the offset; ms since 1970; how many records on (negative: back) */
    struct str from_group;      /* RESET_GROUP */
    const struct reset_topic *topics;
    int32_t topic_count;        /* 0: the topics that the group (of RESET_GROUP: the other) committed */
    bool dry_run;
};
struct reset_row {
    struct str topic;
    int32_t partition;
    int64_t current;            /* -1: the group committed none here */
    int64_t start, end;         /* of the log */
    int64_t target;
    bool clamped;               /* what was asked for lies outside the log */
};
struct reset_plan {
    struct reset_row *rows;     /* by topic, partition */
    int32_t count;
    struct str blocked;         /* a sentence: who has to stop first; null: nobody */
    bool applied;
};
/* Everything lives in the arena, until done(). NON_EMPTY_GROUP with a sentence naming members;
 * GROUP_ID_NOT_FOUND; UNKNOWN_TOPIC_OR_PARTITION and PRECONDITION (nothing to move) with a sentence.
 * A group that does not exist is made when topics or another group are named. */
typedef void (*reset_done)(void *arg, status result, const struct why *why,
                           const struct reset_plan *plan);
void offset_reset(struct domain *domain, const struct actor *actor, const struct reset_query *query,
                  struct arena *arena, reset_done done, void *arg);

/* Forgets what a group committed for a topic: OffsetDelete. partition -1: all of its partitions.
 * GROUP_SUBSCRIBED_TO_TOPIC: a member reads it. */
void offset_delete(struct domain *domain, const struct actor *actor, const char *cluster_id,
                   struct str group, struct str topic, int32_t partition, struct arena *arena,
                   group_deleted done, void *arg);
