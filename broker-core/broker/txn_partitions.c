/* txn_partitions.c - the partitions of a transaction: topics by name, their partitions ascending. */
#include "broker/txn.h"

#include "base/mem.h"

void txn_partitions_done(struct txn_partitions *set)
{
    for (int32_t i = 0; i < set->count; i++) {
        mem_free((char *)(uintptr_t)set->topics[i].name.data);
        mem_free(set->topics[i].partitions);
    }
    mem_free(set->topics);
    *set = (struct txn_partitions){ 0 };
}

static struct txn_topic *find_topic(const struct txn_partitions *set, struct str name)
{
    for (int32_t i = 0; i < set->count; i++)
        if (str_eq(set->topics[i].name, name)) return &set->topics[i];
    return NULL;
}

/* The first place whose partition is not smaller. */
static int32_t place_of(const struct txn_topic *t, int32_t partition)
{
    int32_t low = 0, high = t->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (t->partitions[middle] < partition) low = middle + 1;
        else high = middle;
    }
    return low;
}

static bool topic_has(const struct txn_topic *t, int32_t partition)
{
    int32_t at = place_of(t, partition);
    return at < t->count && t->partitions[at] == partition;
}

bool txn_partitions_has(const struct txn_partitions *set, struct str topic, int32_t partition)
{
    const struct txn_topic *t = find_topic(set, topic);
    return t && topic_has(t, partition);
}

bool txn_partitions_has_all(const struct txn_partitions *set, const struct txn_partitions *subset)
{
    for (int32_t i = 0; i < subset->count; i++) {
        const struct txn_topic *wanted = &subset->topics[i], *have = find_topic(set, wanted->name);
        for (int32_t k = 0; k < wanted->count; k++)
            if (!have || !topic_has(have, wanted->partitions[k])) return false;
    }
    return true;
}

static struct txn_topic *add_topic(struct txn_partitions *set, struct str name)
{
    if (set->count == set->cap) {
        int32_t cap = set->cap ? set->cap * 2 : 4;
        struct txn_topic *topics = mem_realloc(set->topics, (size_t)cap * sizeof(*topics));
        if (!topics) return NULL;
        set->topics = topics;
        set->cap = cap;
    }
    char *copy = mem_alloc(name.len + 1);
    if (!copy) return NULL;
    if (name.len) memcpy(copy, name.data, name.len);
    copy[name.len] = 0;
    struct txn_topic *t = &set->topics[set->count++];
    *t = (struct txn_topic){ .name = { copy, name.len } };
    return t;
}

status txn_partitions_add(struct txn_partitions *set, struct str topic, int32_t partition)
{
    struct txn_topic *t = find_topic(set, topic);
    if (!t) t = add_topic(set, topic);
    if (!t) return FAIL(NO_MEMORY);
    int32_t at = place_of(t, partition);
    if (at < t->count && t->partitions[at] == partition) return OK;
    if (t->count == t->cap) {
        int32_t cap = t->cap ? t->cap * 2 : 4;
        int32_t *p = mem_realloc(t->partitions, (size_t)cap * sizeof(*p));
        if (!p) return FAIL(NO_MEMORY);
        t->partitions = p;
        t->cap = cap;
    }
    memmove(&t->partitions[at + 1], &t->partitions[at],
            (size_t)(t->count - at) * sizeof(*t->partitions));
    t->partitions[at] = partition;
    t->count++;
    set->total++;
    return OK;
}

status txn_partitions_add_all(struct txn_partitions *set, const struct txn_partitions *more)
{
    for (int32_t i = 0; i < more->count; i++)
        for (int32_t k = 0; k < more->topics[i].count; k++)
            TRY(txn_partitions_add(set, more->topics[i].name, more->topics[i].partitions[k]));
    return OK;
}
