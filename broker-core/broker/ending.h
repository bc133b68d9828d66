/* ending.h - the partitions of deleted topics, which end some at a time: ten thousand at once would keep
 * everybody else waiting. The image has forgotten the topic already, so no request reaches them any
 * more; those that wait for one of them are answered when it ends. Loop thread. */
#pragma once
#include "base/uuid.h"
#include "io/loop.h"

struct broker;
struct ending;
struct endings { /* zeroed: none */
    struct ending *first; /* utlist DL */
    struct timer next;
};

/* What the broker knows of the topic ends: logs, who waits for them, counters. */
void endings_add(struct broker *broker, struct uuid topic, int32_t partitions);
void endings_finish(struct broker *broker); /* all of it, now */
