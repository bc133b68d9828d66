/* tps.h - sets of topic partitions, as consumer groups give them out: sorted by topic id and
 * partition, each once. A set is either the caller's own on the heap (tps_set, tps_clear) or taken
 * from an arena (all the others); nothing here keeps a pointer. */
#pragma once
#include "base/arena.h"
#include "base/uuid.h"

struct tp {
    struct uuid topic;
    int32_t partition;
};
struct tps {
    struct tp *at;
    size_t count;
};
#define TPS_NONE ((struct tps){ NULL, 0 })

int tp_cmp(const void *a, const void *b); /* for qsort and bsearch */
bool tps_has(const struct tps *set, struct tp tp);
bool tps_eq(const struct tps *a, const struct tps *b);
bool tps_within(const struct tps *part, const struct tps *whole);
bool tps_touch(const struct tps *a, const struct tps *b); /* have one in common */

/* In the arena; when that is out of memory an empty set (and the arena says so). */
struct tps tps_and(struct arena *arena, const struct tps *a, const struct tps *b);
struct tps tps_minus(struct arena *arena, const struct tps *a, const struct tps *b);
struct tps tps_or(struct arena *arena, const struct tps *a, const struct tps *b);
/* Room for count partitions, to be appended in any order and put right by tps_sort. */
struct tps tps_room(struct arena *arena, size_t count);
void tps_sort(struct tps *set); /* in place, doubles go */

/* On the heap: *field, which it frees, becomes a copy. NO_MEMORY: unchanged. */
status tps_set(struct tps *field, const struct tps *value);
void tps_clear(struct tps *field);

/* The form all messages have: partitions grouped by topic. The generated structs differ in name
 * only, so a message's field is set to (void *)tps_wire(). */
struct wire_tps {
    struct uuid topic_id;
    int32_t *partitions;
    int32_t partitions_count;
};
struct wire_tps *tps_wire(struct arena *arena, const struct tps *set, int32_t *ret_count);
struct tps tps_unwire(struct arena *arena, const void *wire_tps, int32_t count);
