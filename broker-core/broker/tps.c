/* tps.c - sets of topic partitions as sorted arrays: every operation is one walk over two of them. */
#include "broker/tps.h"

#include "base/mem.h"

#include <stdlib.h>

int tp_cmp(const void *a, const void *b)
{
    const struct tp *x = a, *y = b;
    int c = memcmp(x->topic.b, y->topic.b, sizeof(x->topic.b));
    return c ? c : (x->partition > y->partition) - (x->partition < y->partition);
}

bool tps_has(const struct tps *set, struct tp tp)
{
    return set->count > 0 && bsearch(&tp, set->at, set->count, sizeof(tp), tp_cmp) != NULL;
}

bool tps_eq(const struct tps *a, const struct tps *b)
{
    if (a->count != b->count) return false;
    for (size_t i = 0; i < a->count; i++)
        if (tp_cmp(&a->at[i], &b->at[i]) != 0) return false;
    return true;
}

bool tps_within(const struct tps *part, const struct tps *whole)
{
    for (size_t i = 0; i < part->count; i++)
        if (!tps_has(whole, part->at[i])) return false;
    return true;
}

bool tps_touch(const struct tps *a, const struct tps *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (tps_has(b, a->at[i])) return true;
    return false;
}

/* --- new sets --------------------------------------------------------------------------------- */
struct tps tps_room(struct arena *arena, size_t count)
{
    return (struct tps){ ARENA_ARRAY(arena, struct tp, count), 0 };
}

struct tps tps_and(struct arena *arena, const struct tps *a, const struct tps *b)
{
    struct tps out = tps_room(arena, a->count);
    for (size_t i = 0; out.at != NULL && i < a->count; i++)
        if (tps_has(b, a->at[i])) out.at[out.count++] = a->at[i];
    return out;
}

struct tps tps_minus(struct arena *arena, const struct tps *a, const struct tps *b)
{
    struct tps out = tps_room(arena, a->count);
    for (size_t i = 0; out.at != NULL && i < a->count; i++)
        if (!tps_has(b, a->at[i])) out.at[out.count++] = a->at[i];
    return out;
}

struct tps tps_or(struct arena *arena, const struct tps *a, const struct tps *b)
{
    struct tps out = tps_room(arena, a->count + b->count);
    if (out.at == NULL) return out;
    for (size_t i = 0; i < a->count; i++) out.at[out.count++] = a->at[i];
    for (size_t i = 0; i < b->count; i++) out.at[out.count++] = b->at[i];
    tps_sort(&out);
    return out;
}

void tps_sort(struct tps *set)
{
    if (set->count < 2) return;
    qsort(set->at, set->count, sizeof(*set->at), tp_cmp);
    size_t n = 1;
    for (size_t i = 1; i < set->count; i++)
        if (tp_cmp(&set->at[i], &set->at[n - 1]) != 0) set->at[n++] = set->at[i];
    set->count = n;
}

/* --- owned sets ------------------------------------------------------------------------------- */
status tps_set(struct tps *field, const struct tps *value)
{
    struct tps copy = TPS_NONE;
    if (value->count > 0) {
        copy.at = mem_memdup(value->at, value->count * sizeof(*value->at));
        if (copy.at == NULL) return FAIL(NO_MEMORY);
        copy.count = value->count;
    }
    tps_clear(field);
    *field = copy;
    return OK;
}

void tps_clear(struct tps *field)
{
    mem_free(field->at);
    *field = TPS_NONE;
}

/* --- messages --------------------------------------------------------------------------------- */
struct wire_tps *tps_wire(struct arena *arena, const struct tps *set, int32_t *ret_count)
{
    size_t topics = 0;
    *ret_count = 0;
    for (size_t i = 0; i < set->count; i++)
        topics += i == 0 || !uuid_eq(set->at[i].topic, set->at[i - 1].topic);
    struct wire_tps *out = ARENA_ARRAY(arena, struct wire_tps, topics);
    int32_t *partitions = ARENA_ARRAY(arena, int32_t, set->count);
    if (out == NULL || partitions == NULL) return NULL;
    struct wire_tps *at = out - 1;
    for (size_t i = 0; i < set->count; i++) {
        if (i == 0 || !uuid_eq(set->at[i].topic, set->at[i - 1].topic)) {
            *++at = (struct wire_tps){ .topic_id = set->at[i].topic, .partitions = &partitions[i] };
            (*ret_count)++;
        }
        partitions[i] = set->at[i].partition;
        at->partitions_count++;
    }
    return out;
}

struct tps tps_unwire(struct arena *arena, const void *wire_tps, int32_t count)
{
    const struct wire_tps *in = wire_tps;
    size_t n = 0;
    for (int32_t i = 0; i < count; i++)
        if (in[i].partitions_count > 0) n += (size_t)in[i].partitions_count;
    struct tps out = tps_room(arena, n);
    for (int32_t i = 0; out.at != NULL && i < count; i++)
        for (int32_t k = 0; k < in[i].partitions_count; k++)
            out.at[out.count++] = (struct tp){ in[i].topic_id, in[i].partitions[k] };
    tps_sort(&out);
    return out;
}
