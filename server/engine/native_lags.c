/* native_lags.c - how far groups are behind, as brokers told: a table by group and topic. Domain thread.
 *
 * A broker that is greeted tells everything between a message with Begin and one with End; what it had said
 * before counts until then, so that nothing that is behind looks read for a moment. */
#include "engine/native_int.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_MAX 255
#define TOPIC_MAX 249

struct lag_row {
    struct engine_partition_lag told;
    uint32_t round;
};
struct lag_topic {
    struct lag_row *rows; /* by partition */
    uint32_t count, cap;
    size_t group_len, topic_len;
    UT_hash_handle hh;
    char text[];          /* group NUL topic NUL: the key, without the last */
};

static size_t make_key(char key[GROUP_MAX + TOPIC_MAX + 2], struct str group, struct str topic)
{
    if (group.len > GROUP_MAX || topic.len > TOPIC_MAX || !topic.len) return 0;
    if (group.len) memcpy(key, group.data, group.len);
    key[group.len] = 0;
    memcpy(key + group.len + 1, topic.data, topic.len);
    key[group.len + 1 + topic.len] = 0;
    return group.len + 1 + topic.len;
}

static struct lag_topic *topic_find(const struct node_lags *l, struct str group, struct str topic)
{
    char key[GROUP_MAX + TOPIC_MAX + 2];
    size_t len = make_key(key, group, topic);
    struct lag_topic *t = NULL;
    if (len) HASH_FIND(hh, l->topics, key, len, t);
    return t;
}

static struct lag_topic *topic_get(struct node_lags *l, struct str group, struct str topic)
{
    char key[GROUP_MAX + TOPIC_MAX + 2];
    size_t len = make_key(key, group, topic);
    struct lag_topic *t = topic_find(l, group, topic);
    if (t || !len) return t;
    t = mem_zalloc(sizeof *t + len + 1);
    if (!t) return NULL;
    memcpy(t->text, key, len + 1);
    t->group_len = group.len;
    t->topic_len = topic.len;
    HASH_ADD_KEYPTR(hh, l->topics, t->text, len, t);
    if (HASH_ADDED(hh, t)) return t;
    mem_free(t);
    return NULL;
}

static void topic_free(struct node_lags *l, struct lag_topic *t)
{
    HASH_DEL(l->topics, t);
    l->row_count -= t->count;
    mem_free(t->rows);
    mem_free(t);
}

/* Place of the first row whose partition is not below. */
static uint32_t place(const struct lag_topic *t, int32_t partition)
{
    uint32_t low = 0, high = t->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->rows[middle].told.partition < partition) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void row_drop(struct node_lags *l, struct lag_topic *t, uint32_t at)
{
    memmove(&t->rows[at], &t->rows[at + 1], (t->count - at - 1) * sizeof *t->rows);
    t->count--;
    l->row_count--;
}

static struct lag_row *row_get(struct node_lags *l, struct lag_topic *t, int32_t partition)
{
    uint32_t at = place(t, partition);
    if (at < t->count && t->rows[at].told.partition == partition) return &t->rows[at];
    if (l->row_count >= NODE_LAGS_MAX) return NULL;
    if (t->count == t->cap) {
        uint32_t cap = t->cap ? t->cap * 2 : 1;
        struct lag_row *rows = mem_realloc(t->rows, cap * sizeof *rows);
        if (!rows) return NULL;
        t->rows = rows;
        t->cap = cap;
    }
    memmove(&t->rows[at + 1], &t->rows[at], (t->count - at) * sizeof *t->rows);
    t->count++;
    l->row_count++;
    return &t->rows[at];
}

static void apply_row(struct node_lags *l, struct lag_topic *t,
                      const struct control_lags_lag_partition *p)
{
    uint32_t at = place(t, p->partition);
    if (p->lag < 0) {
        if (at < t->count && t->rows[at].told.partition == p->partition) row_drop(l, t, at);
        return;
    }
    struct lag_row *row = row_get(l, t, p->partition);
    if (row)
        *row = (struct lag_row){ { p->partition, p->committed, p->lag, p->oldest_at < 0 ? -1 : p->oldest_at },
                                 l->round };
}

static void apply_topic(struct node_lags *l, struct str group, const struct control_lags_lag_topic *told)
{
    struct lag_topic *t = topic_get(l, group, told->topic);
    if (!t) return;
    for (int32_t i = 0; i < told->partitions_count; i++) apply_row(l, t, &told->partitions[i]);
    if (!t->count) topic_free(l, t);
}

/* What was not told again in this round is no more. */
static void drop_old(struct node_lags *l)
{
    struct lag_topic *t, *next;
    HASH_ITER(hh, l->topics, t, next) {
        for (uint32_t i = t->count; i > 0; i--)
            if (t->rows[i - 1].round != l->round) row_drop(l, t, i - 1);
        if (!t->count) topic_free(l, t);
    }
}

void lags_apply(struct node_lags *l, const struct control_lags *m)
{
    if (m->begin) l->round++;
    for (int32_t g = 0; g < m->groups_count; g++)
        for (int32_t i = 0; i < m->groups[g].topics_count; i++)
            apply_topic(l, m->groups[g].group, &m->groups[g].topics[i]);
    if (m->end) drop_old(l);
    l->known |= m->end;
    l->listed = false;
}

void lags_clear(struct node_lags *l)
{
    struct lag_topic *t, *next;
    HASH_ITER(hh, l->topics, t, next) topic_free(l, t);
    mem_free(l->list);
    *l = (struct node_lags){ 0 };
}

static int by_name(const void *a, const void *b)
{
    const struct engine_lag *x = a, *y = b;
    int c = strcmp(x->group, y->group);
    return c ? c : strcmp(x->topic, y->topic);
}

static struct engine_lag sum(const struct lag_topic *t)
{
    struct engine_lag s = { .group = t->text, .topic = t->text + t->group_len + 1, .oldest_at = -1 };
    int64_t most = -1;
    for (uint32_t i = 0; i < t->count; i++) {
        const struct engine_partition_lag *p = &t->rows[i].told;
        if (s.lag <= INT64_MAX - p->lag) s.lag += p->lag;
        if (p->lag > most) {
            most = p->lag;
            s.most_partition = p->partition;
        }
        if (p->oldest_at < 0 || (s.oldest_at >= 0 && p->oldest_at >= s.oldest_at)) continue;
        s.oldest_at = p->oldest_at;
        s.oldest_partition = p->partition;
    }
    return s;
}

const struct engine_lag *engine_lags(struct engine *engine, const char *cluster_id, size_t *ret_count)
{
    struct node *node = engine_node(engine, cluster_id);
    *ret_count = 0;
    if (!node || !node->lags.topics) return NULL;
    struct node_lags *l = &node->lags;
    if (!l->listed) {
        struct engine_lag *list = mem_alloc(HASH_COUNT(l->topics) * sizeof *list);
        if (!list) return NULL;
        mem_free(l->list);
        l->list = list;
        l->list_count = 0;
        for (const struct lag_topic *t = l->topics; t; t = t->hh.next) list[l->list_count++] = sum(t);
        qsort(list, l->list_count, sizeof *list, by_name);
        l->listed = true;
    }
    *ret_count = l->list_count;
    return l->list;
}

bool engine_lags_known(struct engine *engine, const char *cluster_id)
{
    const struct node *node = engine_node(engine, cluster_id);
    return node && node->lags.known;
}

const struct engine_partition_lag *engine_lag_of(struct engine *engine, const char *cluster_id,
                                                 struct str group, struct str topic, int32_t partition)
{
    const struct node *node = engine_node(engine, cluster_id);
    const struct lag_topic *t = node ? topic_find(&node->lags, group, topic) : NULL;
    uint32_t at = t ? place(t, partition) : 0;
    return t && at < t->count && t->rows[at].told.partition == partition ? &t->rows[at].told : NULL;
}
