/* assign_uneven.c - the uniform assignor for members with different subscriptions.
 *
 * 1. Members keep what they had and still subscribe to.
 * 2. Partitions without an owner go, topic by topic (those with the most partitions for each of
 *    their subscribers first), to the subscriber that has the fewest of all topics together.
 * 3. Topic by topic again, the subscribers that have the most give to those that have the fewest,
 *    until they differ by one at most or have nothing of this topic to give. Evening out one topic
 *    may upset another with overlapping subscribers, so this goes round until a whole round changes
 *    nothing, 16 times at most. */
#include "broker/assign.h"

#include <stdlib.h>

enum { ROUNDS_MAX = 16 };

struct uneven {
    struct assign_work *work;
    int32_t *loads;             /* partitions of each member */
    int32_t **subscribers;      /* of each topic: members, ascending */
    int32_t *subscribers_count;
    int32_t *topics;            /* in the order of step 2 and 3 */
    int32_t *scratch;           /* partitions of one topic by owner */
    int32_t *from, *to;         /* of each member: its run in scratch */
};

/* Subscribers of one topic by load, ascending: `low` grows from the left end, `high` from the right
 * end; each is a run of members that stand at one level once it is through. */
struct scale {
    const int32_t *loads;
    int32_t *members;
    int32_t count;
    int32_t low_end, low_level, low_next;
    int32_t high_begin, high_end, high_level, high_next;
};

/* --- the scale -------------------------------------------------------------------------------- */
static int by_load(const void *a, const void *b, void *arg)
{
    const int32_t *loads = arg;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    if (loads[x] != loads[y]) return loads[x] < loads[y] ? -1 : 1;
    return (x > y) - (x < y);
}

/* Returns by how much the loads differ. */
static int32_t weigh(struct scale *s, struct uneven *u, int32_t topic)
{
    s->loads = u->loads;
    s->count = u->subscribers_count[topic];
    memcpy(s->members, u->subscribers[topic], (size_t)s->count * sizeof(*s->members));
    if (s->count > 1)
        qsort_r(s->members, (size_t)s->count, sizeof(*s->members), by_load, u->loads);
    int32_t least = u->loads[s->members[0]], most = u->loads[s->members[s->count - 1]];
    s->low_end = s->low_next = 0;
    s->low_level = least - 1;
    s->high_begin = s->high_end = s->count;
    s->high_level = most + 1;
    s->high_next = s->count - 1;
    return most - least;
}

static int32_t least_loaded(struct scale *s)
{
    if (s->low_next >= s->low_end) { /* all of the run have got one: it stands a level higher */
        s->low_level++;
        while (s->low_end < s->count && s->loads[s->members[s->low_end]] == s->low_level)
            s->low_end++;
        s->low_next = 0;
    }
    return s->members[s->low_next++];
}

static int32_t most_loaded(struct scale *s) /* -1: nobody is left */
{
    if (s->high_next < s->high_begin) {
        bool empty = s->high_end <= s->high_begin && s->high_begin > 0;
        s->high_level = empty ? s->loads[s->members[s->high_begin - 1]] : s->high_level - 1;
        while (s->high_begin > 0 && s->loads[s->members[s->high_begin - 1]] == s->high_level)
            s->high_begin--;
        s->high_next = s->high_end - 1;
    }
    return s->high_next < 0 ? -1 : s->members[s->high_next--];
}

/* The member most_loaded() just named has nothing to give. */
static void leave_out(struct scale *s)
{
    int32_t *it = &s->members[s->high_next + 1], *last = &s->members[--s->high_end], member = *it;
    *it = *last;
    *last = member;
}

static bool is_level(const struct scale *s)
{
    return s->high_level - s->low_level <= 1;
}

/* --- the three steps -------------------------------------------------------------------------- */
static void give(struct uneven *u, int32_t at, int32_t member)
{
    int32_t *owner = &u->work->owner[at];
    if (*owner >= 0) u->loads[*owner]--;
    *owner = member;
    u->loads[member]++;
}

static void keep(struct uneven *u)
{
    const struct assign_problem *p = u->work->problem;
    for (int32_t m = 0; m < p->members_count; m++) {
        const struct assign_member *member = &p->members[m];
        for (size_t i = 0; i < member->before.count; i++) {
            const struct tp *tp = &member->before.at[i];
            int32_t t = assign_topic_index(p, tp->topic);
            if (t >= 0 && tp->partition < p->topics[t].partitions && assign_subscribes(member, t))
                give(u, u->work->first[t] + tp->partition, m);
        }
    }
}

static void give_free(struct uneven *u, struct scale *s)
{
    const struct assign_problem *p = u->work->problem;
    for (int32_t i = 0; i < p->topics_count; i++) {
        int32_t t = u->topics[i], first = u->work->first[t];
        bool weighed = false;
        for (int32_t k = 0; k < p->topics[t].partitions; k++) {
            if (u->work->owner[first + k] >= 0 || u->subscribers_count[t] == 0) continue;
            if (!weighed) (void)weigh(s, u, t);
            weighed = true;
            give(u, first + k, least_loaded(s));
        }
    }
}

static int by_owner(const void *a, const void *b, void *arg)
{
    const int32_t *owner = arg;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    if (owner[x] != owner[y]) return owner[x] < owner[y] ? -1 : 1;
    return (x > y) - (x < y);
}

static void sort_by_owner(struct uneven *u, int32_t topic)
{
    const struct assign_problem *p = u->work->problem;
    int32_t n = p->topics[topic].partitions, first = u->work->first[topic];
    for (int32_t m = 0; m < p->members_count; m++) u->from[m] = u->to[m] = 0;
    for (int32_t k = 0; k < n; k++) u->scratch[k] = first + k;
    if (n > 1) qsort_r(u->scratch, (size_t)n, sizeof(*u->scratch), by_owner, u->work->owner);
    for (int32_t k = 0; k < n; k++) {
        int32_t m = u->work->owner[u->scratch[k]];
        if (u->to[m] == 0) u->from[m] = k;
        u->to[m] = k + 1;
    }
}

static int32_t giver(struct uneven *u, struct scale *s)
{
    for (;;) {
        int32_t m = most_loaded(s);
        if (m < 0 || u->to[m] > u->from[m]) return m;
        leave_out(s);
    }
}

static bool even_out(struct uneven *u, struct scale *s, int32_t topic)
{
    bool moved = false;
    if (weigh(s, u, topic) <= 1) return false;
    sort_by_owner(u, topic);
    while (!is_level(s)) {
        int32_t m = giver(u, s);
        if (m < 0) break;
        int32_t at = u->scratch[--u->to[m]];
        int32_t taker = least_loaded(s);
        if (is_level(s)) break;
        give(u, at, taker);
        moved = true;
    }
    return moved;
}

static void balance(struct uneven *u, struct scale *s)
{
    int32_t last = -1; /* the topic something was moved in last: back there, all is quiet */
    for (int round = 0; round < ROUNDS_MAX; round++)
        for (int32_t i = 0; i < u->work->problem->topics_count; i++) {
            int32_t t = u->topics[i];
            if (u->subscribers_count[t] < 2) continue;
            if (t == last) return;
            if (even_out(u, s, t) || last < 0) last = t;
        }
}

/* --- preparation ------------------------------------------------------------------------------ */
/* Kafka compares ids as two signed numbers. */
static int id_cmp(struct uuid a, struct uuid b)
{
    a.b[0] ^= 0x80;
    b.b[0] ^= 0x80;
    a.b[8] ^= 0x80;
    b.b[8] ^= 0x80;
    return memcmp(a.b, b.b, sizeof(a.b));
}

static int by_weight(const void *a, const void *b, void *arg)
{
    const struct uneven *u = arg;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    const struct assign_topic *topics = u->work->problem->topics;
    double wx = (double)topics[x].partitions / u->subscribers_count[x];
    double wy = (double)topics[y].partitions / u->subscribers_count[y];
    if (wx > wy || wx < wy) return wx > wy ? -1 : 1;
    if (u->subscribers_count[x] != u->subscribers_count[y])
        return u->subscribers_count[x] < u->subscribers_count[y] ? -1 : 1;
    return id_cmp(topics[x].id, topics[y].id);
}

static status list_subscribers(struct uneven *u)
{
    struct assign_problem *p = u->work->problem;
    for (int32_t m = 0; m < p->members_count; m++)
        for (int32_t i = 0; i < p->members[m].topics_count; i++)
            u->subscribers_count[p->members[m].topics[i]]++;
    for (int32_t t = 0; t < p->topics_count; t++) {
        u->topics[t] = t;
        u->subscribers[t] = ARENA_ARRAY(p->arena, int32_t, u->subscribers_count[t]);
        if (u->subscribers[t] == NULL) return FAIL(NO_MEMORY);
        u->subscribers_count[t] = 0;
    }
    for (int32_t m = 0; m < p->members_count; m++)
        for (int32_t i = 0; i < p->members[m].topics_count; i++) {
            int32_t t = p->members[m].topics[i];
            u->subscribers[t][u->subscribers_count[t]++] = m;
        }
    if (p->topics_count > 1)
        qsort_r(u->topics, (size_t)p->topics_count, sizeof(*u->topics), by_weight, u);
    return OK;
}

status assign_uneven(struct assign_work *work)
{
    struct assign_problem *p = work->problem;
    struct uneven u = { .work = work };
    struct scale s = { 0 };
    if (p->topics_count == 0) return OK;
    u.loads = ARENA_ARRAY(p->arena, int32_t, p->members_count);
    u.subscribers = ARENA_ARRAY(p->arena, int32_t *, p->topics_count);
    u.subscribers_count = ARENA_ARRAY(p->arena, int32_t, p->topics_count);
    u.topics = ARENA_ARRAY(p->arena, int32_t, p->topics_count);
    u.scratch = ARENA_ARRAY(p->arena, int32_t, work->total);
    u.from = ARENA_ARRAY(p->arena, int32_t, p->members_count);
    u.to = ARENA_ARRAY(p->arena, int32_t, p->members_count);
    s.members = ARENA_ARRAY(p->arena, int32_t, p->members_count);
    TRY(arena_check(p->arena));
    TRY(list_subscribers(&u));
    keep(&u);
    give_free(&u, &s);
    balance(&u, &s);
    return OK;
}
