/* consumer_target.c - what a change means for the group: which topics it subscribes to, whether that
 * is a new epoch, and who is to have what in it. Also begins and ends a consumer_op. Loop thread. */
#include "broker/consumer.h"

#include "base/mem.h"

#include <stdlib.h>

enum { OP_ARENA = 128 << 20 };

/* --- a change, from begin to end -------------------------------------------------------------- */
status consumer_op_init(struct consumer_op *op, struct group *g)
{
    *op = (struct consumer_op){ .group = g, .consumer = g->consumer };
    TRY(group_batch_new(g->coordinator, g->id, &op->batch));
    arena_init(&op->arena, OP_ARENA);
    op->epoch = g->consumer->epoch;
    op->assignment_epoch = g->consumer->assignment_epoch;
    op->topics_seen = g->consumer->topics_seen;
    op->topics_version = g->consumer->topics_version;
    op->regexes_stale = g->consumer->regexes_stale;
    const struct consumer_regex *r;
    DL_FOREACH(g->consumer->regexes, r) {
        struct consumer_regex *copy = ARENA_NEW(&op->arena, struct consumer_regex);
        if (copy == NULL) break;
        *copy = *r;
        DL_APPEND(op->regexes, copy);
    }
    if (!op->arena.failed) return OK;
    consumer_op_done(op);
    return FAIL(NO_MEMORY);
}

void consumer_op_done(struct consumer_op *op)
{
    if (op->batch == NULL) return;
    group_batch_free(TAKE(op->batch));
    arena_done(&op->arena);
}

status consumer_op_commit(struct consumer_op *op)
{
    TRY(arena_check(&op->arena));
    TRY(group_batch_commit(op->batch));
    struct consumer_group *c = op->group->consumer;
    if (c == NULL) return OK;
    c->topics_seen = op->topics_seen;
    c->topics_version = op->topics_version;
    c->regexes_stale = op->regexes_stale;
    return OK;
}

/* --- who and what ----------------------------------------------------------------------------- */
static bool is_leaving(const struct consumer_op *op, const struct consumer_member *m)
{
    for (size_t i = 0; i < op->leaving_count; i++)
        if (op->leaving[i] == m) return true;
    return false;
}

const struct consumer_member **consumer_op_members(struct consumer_op *op, size_t *ret_count)
{
    size_t max = HASH_COUNT(op->consumer->members) + 1, n = 0;
    const struct consumer_member **all =
        ARENA_ARRAY(&op->arena, const struct consumer_member *, max);
    bool placed = !op->has_now;
    *ret_count = 0;
    if (all == NULL) return NULL;
    for (const struct consumer_member *m = op->consumer->members; m != NULL; m = m->hh.next) {
        bool same = m == op->before || m == op->replaced;
        if (is_leaving(op, m) || (same && placed)) continue;
        all[n++] = same ? &op->now : m;
        placed = placed || same;
    }
    if (!placed) all[n++] = &op->now;
    *ret_count = n;
    return all;
}

static const struct consumer_regex *regex_of(const struct consumer_op *op,
                                             const struct consumer_member *m)
{
    const struct consumer_regex *r;
    if (m->regex.len == 0) return NULL;
    DL_FOREACH(op->regexes, r) if (str_cmp(r->regex, m->regex) == 0) return r;
    return NULL;
}

bool consumer_op_subscribes(const struct consumer_op *op, const struct consumer_member *m,
                            struct str topic)
{
    if (consumer_has_name(m->names, m->names_count, topic)) return true;
    const struct consumer_regex *r = regex_of(op, m);
    return r != NULL && consumer_has_name(r->topics, r->topics_count, topic);
}

/* Names somebody subscribes to, ascending. */
static struct str *all_names(struct consumer_op *op, const struct consumer_member **members,
                             size_t count, int32_t *ret_count)
{
    const struct consumer_regex *r;
    int32_t max = 0, n = 0;
    /* Mostly all subscribe to the same: who is like the one before adds nothing. */
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !consumer_same_names(members[i], members[i - 1]))
            max += members[i]->names_count;
    DL_FOREACH(op->regexes, r) max += r->topics_count;
    struct str *names = ARENA_ARRAY(&op->arena, struct str, max);
    *ret_count = 0;
    if (names == NULL) return NULL;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && consumer_same_names(members[i], members[i - 1])) continue;
        for (int32_t k = 0; k < members[i]->names_count; k++) names[n++] = members[i]->names[k];
    }
    DL_FOREACH(op->regexes, r)
        for (int32_t k = 0; k < r->topics_count; k++) names[n++] = r->topics[k];
    *ret_count = consumer_sort_names(names, n);
    return names;
}

/* --- the epoch -------------------------------------------------------------------------------- */
static uint64_t mix(uint64_t hash, const void *p, size_t len) /* FNV-1a */
{
    const uint8_t *b = p;
    for (size_t i = 0; i < len; i++) hash = (hash ^ b[i]) * 0x100000001b3u;
    return hash;
}

/* Over id, name and partitions of all subscribed topics that exist; only ever compared with itself. */
status consumer_op_hash(struct consumer_op *op, int64_t *ret_hash)
{
    size_t members_count;
    int32_t names_count;
    const struct consumer_member **members = consumer_op_members(op, &members_count);
    struct str *names = all_names(op, members, members_count, &names_count);
    TRY(arena_check(&op->arena));
    uint64_t hash = 0;
    for (int32_t i = 0; i < names_count; i++) {
        const struct topic *t = image_topic(op->group->coordinator->options.image, names[i]);
        if (t == NULL) continue;
        uint8_t partitions[4];
        put_be32(partitions, (uint32_t)t->partitions);
        if (hash == 0) hash = 0xcbf29ce484222325u;
        hash = mix(hash, t->id.b, sizeof(t->id.b));
        hash = mix(hash, t->name.data, t->name.len);
        hash = mix(hash, partitions, sizeof(partitions));
    }
    *ret_hash = (int64_t)hash;
    return OK;
}

status consumer_op_epoch(struct consumer_op *op, bool bump)
{
    int64_t hash;
    TRY(consumer_op_hash(op, &hash));
    if (bump || hash != op->consumer->metadata_hash)
        consumer_batch_epoch(op->batch, ++op->epoch, hash);
    if (op->consumer->partition_metadata) consumer_batch_no_partition_metadata(op->batch);
    return OK;
}

/* --- the target ------------------------------------------------------------------------------- */
static int topic_cmp(const void *a, const void *b)
{
    const struct assign_topic *x = a, *y = b;
    return memcmp(x->id.b, y->id.b, sizeof(x->id.b));
}

static status list_topics(struct consumer_op *op, struct assign_problem *p,
                          const struct consumer_member **members)
{
    int32_t names_count;
    struct str *names = all_names(op, members, (size_t)p->members_count, &names_count);
    struct assign_topic *topics = ARENA_ARRAY(&op->arena, struct assign_topic, names_count);
    TRY(arena_check(&op->arena));
    for (int32_t i = 0; i < names_count; i++) {
        const struct topic *t = image_topic(op->group->coordinator->options.image, names[i]);
        if (t != NULL)
            topics[p->topics_count++] = (struct assign_topic){ t->id, t->partitions };
    }
    qsort(topics, (size_t)p->topics_count, sizeof(*topics), topic_cmp);
    p->topics = topics;
    return OK;
}

static int index_cmp(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void put_index(struct consumer_op *op, const struct assign_problem *p, struct str name,
                      int32_t *topics, int32_t *count)
{
    const struct topic *t = image_topic(op->group->coordinator->options.image, name);
    if (t != NULL) topics[(*count)++] = assign_topic_index(p, t->id);
}

static status fill_member(struct consumer_op *op, struct assign_problem *p,
                          const struct consumer_member *m, struct assign_member *out)
{
    const struct consumer_regex *r = regex_of(op, m);
    int32_t n = 0, unique = 0;
    int32_t *topics =
        ARENA_ARRAY(&op->arena, int32_t, m->names_count + (r ? r->topics_count : 0));
    TRY(arena_check(&op->arena));
    for (int32_t i = 0; i < m->names_count; i++) put_index(op, p, m->names[i], topics, &n);
    for (int32_t i = 0; r != NULL && i < r->topics_count; i++)
        put_index(op, p, r->topics[i], topics, &n);
    qsort(topics, (size_t)n, sizeof(*topics), index_cmp);
    for (int32_t i = 0; i < n; i++)
        if (i == 0 || topics[i] != topics[i - 1]) topics[unique++] = topics[i];
    *out = (struct assign_member){ .id = m->id, .instance_id = m->instance_id, .topics = topics,
                                   .topics_count = unique, .before = m->target };
    return OK;
}

static void fill_alike(const struct consumer_member *m, const struct assign_member *like,
                       struct assign_member *out)
{
    *out = (struct assign_member){ .id = m->id, .instance_id = m->instance_id,
                                   .topics = like->topics, .topics_count = like->topics_count,
                                   .before = m->target };
}

status consumer_op_target(struct consumer_op *op)
{
    if (op->epoch <= op->assignment_epoch) return OK;
    size_t n;
    const struct consumer_member **members = consumer_op_members(op, &n);
    struct assign_problem p = { .arena = &op->arena, .members_count = (int32_t)n };
    p.members = ARENA_ARRAY(&op->arena, struct assign_member, n);
    TRY(arena_check(&op->arena));
    TRY(list_topics(op, &p, members));
    for (size_t i = 0; i < n; i++)
        if (i > 0 && str_eq(members[i]->regex, members[i - 1]->regex) &&
            consumer_same_names(members[i], members[i - 1]))
            fill_alike(members[i], &p.members[i - 1], &p.members[i]);
        else
            TRY(fill_member(op, &p, members[i], &p.members[i]));
    TRY(consumer_assignor(members, n)->assign(&p));
    for (size_t i = 0; i < n; i++) {
        const struct tps *after = &p.members[i].after;
        if (!members[i]->has_target || !tps_eq(after, &members[i]->target))
            consumer_batch_target(op->batch, members[i]->id, after);
        if (members[i] == &op->now) op->now.target = *after;
    }
    op->assignment_epoch = op->epoch;
    consumer_batch_target_epoch(op->batch, op->epoch);
    return OK;
}
