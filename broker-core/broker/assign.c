/* assign.c - the assignors: range, and uniform for members that all subscribe to the same topics.
 *
 * All work on one flat array, the owner of each partition of each topic; what each member gets is
 * read out of it at the end. */
#include "broker/assign.h"

#include <stdlib.h>

static status assign_range(struct assign_problem *p);
static status assign_uniform(struct assign_problem *p);

static const struct assignor assignors[] = {
    { { "uniform", 7 }, assign_uniform },
    { { "range", 5 }, assign_range },
};

const struct assignor *assignor_find(struct str name)
{
    for (size_t i = 0; i < sizeof(assignors) / sizeof(assignors[0]); i++)
        if (str_eq(assignors[i].name, name)) return &assignors[i];
    return NULL;
}

const struct assignor *assignor_at(size_t index)
{
    return index < sizeof(assignors) / sizeof(assignors[0]) ? &assignors[index] : NULL;
}

int32_t assign_topic_index(const struct assign_problem *p, struct uuid id)
{
    int32_t low = 0, high = p->topics_count - 1;
    while (low <= high) {
        int32_t middle = low + (high - low) / 2;
        int c = memcmp(id.b, p->topics[middle].id.b, sizeof(id.b));
        if (c == 0) return middle;
        if (c < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return -1;
}

bool assign_subscribes(const struct assign_member *m, int32_t topic)
{
    int32_t low = 0, high = m->topics_count - 1;
    while (low <= high) {
        int32_t middle = low + (high - low) / 2;
        if (m->topics[middle] == topic) return true;
        if (topic < m->topics[middle])
            high = middle - 1;
        else
            low = middle + 1;
    }
    return false;
}

/* --- before and after ------------------------------------------------------------------------- */
static status begin(struct assign_problem *p, struct assign_work *ret_work)
{
    struct assign_work w = { .problem = p };
    w.first = ARENA_ARRAY(p->arena, int32_t, p->topics_count);
    if (w.first == NULL) return FAIL(NO_MEMORY);
    for (int32_t t = 0; t < p->topics_count; t++) {
        w.first[t] = w.total;
        w.total += p->topics[t].partitions;
    }
    w.owner = ARENA_ARRAY(p->arena, int32_t, w.total);
    if (w.owner == NULL) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < w.total; i++) w.owner[i] = -1;
    *ret_work = w;
    return OK;
}

static status finish(struct assign_work *w)
{
    struct assign_problem *p = w->problem;
    size_t *counts = ARENA_ARRAY(p->arena, size_t, p->members_count);
    if (counts == NULL) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < w->total; i++)
        if (w->owner[i] >= 0) counts[w->owner[i]]++;
    for (int32_t m = 0; m < p->members_count; m++) {
        p->members[m].after = tps_room(p->arena, counts[m]);
        if (p->members[m].after.at == NULL) return FAIL(NO_MEMORY);
    }
    for (int32_t t = 0; t < p->topics_count; t++)
        for (int32_t k = 0; k < p->topics[t].partitions; k++) {
            int32_t owner = w->owner[w->first[t] + k];
            if (owner < 0) continue;
            struct tps *after = &p->members[owner].after;
            after->at[after->count++] = (struct tp){ p->topics[t].id, k };
        }
    return OK;
}

/* --- range ------------------------------------------------------------------------------------ */
static int by_instance_then_id(const void *a, const void *b, void *arg)
{
    const struct assign_problem *p = arg;
    const struct assign_member *x = &p->members[*(const int32_t *)a];
    const struct assign_member *y = &p->members[*(const int32_t *)b];
    bool x_fixed = !str_is_null(x->instance_id), y_fixed = !str_is_null(y->instance_id);
    if (x_fixed != y_fixed) return x_fixed ? -1 : 1;
    return x_fixed ? str_cmp(x->instance_id, y->instance_id) : str_cmp(x->id, y->id);
}

static status assign_range(struct assign_problem *p)
{
    struct assign_work w;
    TRY(begin(p, &w));
    int32_t *order = ARENA_ARRAY(p->arena, int32_t, p->members_count);
    int32_t *left = ARENA_ARRAY(p->arena, int32_t, p->topics_count); /* subscribers to be served */
    int32_t *next = ARENA_ARRAY(p->arena, int32_t, p->topics_count);
    if (order == NULL || left == NULL || next == NULL) return FAIL(NO_MEMORY);
    for (int32_t m = 0; m < p->members_count; m++) {
        order[m] = m;
        for (int32_t i = 0; i < p->members[m].topics_count; i++) left[p->members[m].topics[i]]++;
    }
    if (p->members_count > 1)
        qsort_r(order, (size_t)p->members_count, sizeof(*order), by_instance_then_id, p);
    for (int32_t i = 0; i < p->members_count; i++) {
        const struct assign_member *m = &p->members[order[i]];
        for (int32_t k = 0; k < m->topics_count; k++) {
            int32_t t = m->topics[k];
            /* The rest, divided among who is left, rounded up: the first ones get one more. */
            int32_t rest = p->topics[t].partitions - next[t];
            int32_t quota = (rest + left[t] - 1) / left[t];
            left[t]--;
            for (int32_t n = 0; n < quota; n++) w.owner[w.first[t] + next[t]++] = order[i];
        }
    }
    return finish(&w);
}

/* --- uniform, all members alike --------------------------------------------------------------- */
struct sharing {
    struct assign_work *work;
    int32_t minimum, extras;  /* everybody's share; how many get one more */
    int32_t *quota;           /* what each member still lacks */
    int32_t *free;            /* partitions to be given out */
    int32_t free_count;
};

static void find_free(struct sharing *s)
{
    struct assign_work *w = s->work;
    const struct assign_problem *p = w->problem;
    for (int32_t m = 0; m < p->members_count; m++)
        for (size_t i = 0; i < p->members[m].before.count; i++) {
            const struct tp *tp = &p->members[m].before.at[i];
            int32_t t = assign_topic_index(p, tp->topic);
            if (t >= 0 && tp->partition < p->topics[t].partitions)
                w->owner[w->first[t] + tp->partition] = m;
        }
    for (int32_t i = 0; i < w->total; i++)
        if (w->owner[i] < 0) s->free[s->free_count++] = i;
}

/* Keeps up to `quota` of what the member had; the rest is free. Returns what is left of the quota. */
static int32_t keep(struct sharing *s, int32_t m, int32_t quota)
{
    struct assign_work *w = s->work;
    const struct assign_problem *p = w->problem;
    const struct tps *before = &p->members[m].before;
    for (size_t i = 0; i < before->count; i++) {
        int32_t t = assign_topic_index(p, before->at[i].topic);
        if (t < 0 || before->at[i].partition >= p->topics[t].partitions) continue;
        int32_t at = w->first[t] + before->at[i].partition;
        if (w->owner[at] != m) continue; /* somebody else's, too: the last one has it */
        if (quota > 0) {
            quota--;
        } else {
            w->owner[at] = -1;
            s->free[s->free_count++] = at;
        }
    }
    return quota;
}

static void settle(struct sharing *s, int32_t m)
{
    bool extra = s->extras > 0;
    int32_t members = s->work->problem->members_count;
    int32_t quota = keep(s, m, s->minimum + extra);
    /* Its extra partition is for a member that has it already, as long as enough others follow. */
    if (quota > 0 && extra && members - m > s->extras) {
        quota--;
        extra = false;
    }
    s->quota[m] = quota;
    s->extras -= extra;
}

static status assign_even(struct assign_work *w)
{
    struct assign_problem *p = w->problem;
    struct sharing s = { .work = w, .minimum = w->total / p->members_count,
                         .extras = w->total % p->members_count };
    s.quota = ARENA_ARRAY(p->arena, int32_t, p->members_count);
    s.free = ARENA_ARRAY(p->arena, int32_t, w->total);
    if (s.quota == NULL || s.free == NULL) return FAIL(NO_MEMORY);
    find_free(&s);
    for (int32_t m = 0; m < p->members_count; m++) settle(&s, m);
    int32_t next = 0;
    for (int32_t m = 0; m < p->members_count; m++)
        for (; s.quota[m] > 0 && next < s.free_count; s.quota[m]--) w->owner[s.free[next++]] = m;
    return finish(w);
}

static bool all_alike(const struct assign_problem *p)
{
    for (int32_t m = 0; m < p->members_count; m++) /* topics are those somebody subscribes to */
        if (p->members[m].topics_count != p->topics_count) return false;
    return true;
}

static status assign_uniform(struct assign_problem *p)
{
    struct assign_work w;
    if (p->members_count == 0) return OK;
    TRY(begin(p, &w));
    if (all_alike(p)) return assign_even(&w);
    TRY(assign_uneven(&w));
    return finish(&w);
}
