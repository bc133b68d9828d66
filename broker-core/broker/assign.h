/* assign.h - who gets which partitions: the two server-side assignors of KIP-848. Pure computation.
 *
 * uniform: as even as the subscriptions allow, and then as little moved as possible. When all members
 *   subscribe to the same topics no two differ by more than one partition; else the most loaded
 *   subscribers of a topic give to its least loaded ones until that evens nothing out any more.
 * range: of every topic each subscriber gets one run of partitions, in the order of instance ids,
 *   then of member ids; topics with equally many partitions are thereby dealt out alike. */
#pragma once
#include "broker/tps.h"

struct assign_topic {
    struct uuid id;
    int32_t partitions;
};
struct assign_member {
    struct str id, instance_id;   /* instance_id may be null */
    const int32_t *topics;        /* subscribed: indices into the topics, ascending, each once */
    int32_t topics_count;
    struct tps before;            /* what it was to have so far; may name what is gone */
    struct tps after;             /* the answer, in the arena */
};
struct assign_problem {
    struct arena *arena;
    struct assign_member *members;
    int32_t members_count;
    const struct assign_topic *topics; /* ascending by id */
    int32_t topics_count;
};

struct assignor {
    struct str name;
    status (*assign)(struct assign_problem *problem); /* NO_MEMORY */
};
const struct assignor *assignor_find(struct str name); /* NULL: not supported */
const struct assignor *assignor_at(size_t index);       /* NULL: no more; the default is first */
#define ASSIGNOR_NAMES "uniform, range"

/* --- between assign.c and assign_uneven.c ----------------------------------------------------- */
struct assign_work {
    struct assign_problem *problem;
    int32_t *first; /* of each topic: where its partitions begin in owner */
    int32_t *owner; /* member index, or -1 */
    int32_t total;
};
int32_t assign_topic_index(const struct assign_problem *problem, struct uuid id); /* -1: none */
bool assign_subscribes(const struct assign_member *member, int32_t topic);
/* All subscriptions need not be the same. */
status assign_uneven(struct assign_work *work);
