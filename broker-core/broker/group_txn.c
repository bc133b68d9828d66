/* group_txn.c - offsets that are committed as part of a transaction (KIP-98, KIP-447). Loop thread.
 *
 * They are records of the offsets topic like others, under their producer's id and epoch, and pending
 * until that producer's marker stands in the same partition: COMMIT makes them the group's offsets,
 * ABORT forgets them. Of two commits of one partition the one whose record is later holds, however their
 * transactions end. Readers who ask for stable offsets are told to come again while one is pending. */
#include "broker/group.h"

#include "base/mem.h"

enum { TOPIC_MAX = 249 };

/* --- what is pending -------------------------------------------------------------------------- */
static size_t make_key(uint8_t *key, int64_t producer_id, struct str topic, int32_t partition)
{
    put_be64(key, (uint64_t)producer_id);
    put_be32(key + 8, (uint32_t)partition);
    if (topic.len > 0) memcpy(key + 12, topic.data, topic.len);
    return 12 + topic.len;
}

/* The transaction in the partition of the offsets topic that the group lives in. */
static struct group_txn *find_txn(struct group_coordinator *c, int32_t partition, int64_t producer_id)
{
    struct group_txn_key key = { producer_id, partition };
    struct group_txn *t = NULL;
    HASH_FIND(hh, c->txns, &key, sizeof(key), t);
    return t;
}

static status get_txn(struct group_coordinator *c, int32_t partition, int64_t producer_id,
                      struct group_txn **ret)
{
    struct group_txn *t = find_txn(c, partition, producer_id);
    if (t == NULL) {
        t = mem_zalloc(sizeof(*t));
        if (t == NULL) return FAIL(NO_MEMORY);
        t->key = (struct group_txn_key){ producer_id, partition };
        HASH_ADD(hh, c->txns, key, sizeof(t->key), t);
        if (!HASH_ADDED(hh, t)) {
            mem_free(t);
            return FAIL(NO_MEMORY);
        }
    }
    *ret = t;
    return OK;
}

static void free_if_empty(struct group_coordinator *c, struct group_txn *t)
{
    if (t->offsets != NULL) return;
    HASH_DEL(c->txns, t);
    mem_free(t);
}

static void drop(struct pending_offset *p)
{
    struct group_txn *t = p->txn;
    struct group_coordinator *c = p->group->coordinator;
    HASH_DEL(p->group->pending_offsets, p);
    DL_DELETE(t->offsets, p);
    mem_free(p);
    free_if_empty(c, t);
}

void group_drop_pending(struct group *g)
{
    while (g->pending_offsets != NULL) drop(g->pending_offsets);
}

/* One block: the struct, key (producer, partition, topic) and metadata. */
static struct pending_offset *pending_new(struct group *g, int64_t producer_id,
                                          const struct commit_item *item, int64_t committed_at)
{
    struct pending_offset *p = mem_zalloc(sizeof(*p) + 12 + item->topic.len + item->metadata.len + 1);
    if (p == NULL) return NULL;
    p->group = g;
    p->committed_at = committed_at;
    p->key_len = make_key(p->key, producer_id, item->topic, item->partition);
    p->item = *item;
    p->item.topic = (struct str){ (char *)p->key + 12, item->topic.len };
    char *metadata = (char *)p->key + p->key_len;
    if (item->metadata.len > 0) memcpy(metadata, item->metadata.data, item->metadata.len);
    p->item.metadata = (struct str){ metadata, item->metadata.len };
    return p;
}

status group_put_pending(struct group *g, int64_t producer_id, const struct commit_item *item,
                         int64_t committed_at)
{
    if (item->topic.len > TOPIC_MAX) return FAIL(INVALID_TOPIC_EXCEPTION);
    struct plog *log = group_log_of(g->coordinator, g->id);
    struct pending_offset *p = log ? pending_new(g, producer_id, item, committed_at) : NULL;
    if (p == NULL) return FAIL(NO_MEMORY);
    struct pending_offset *before = NULL;
    HASH_FIND(hh, g->pending_offsets, p->key, p->key_len, before);
    if (failed(get_txn(g->coordinator, plog_partition(log), producer_id, &p->txn))) {
        mem_free(p);
        return FAIL(NO_MEMORY);
    }
    HASH_ADD(hh, g->pending_offsets, key, p->key_len, p);
    if (!HASH_ADDED(hh, p)) {
        free_if_empty(g->coordinator, p->txn);
        mem_free(p);
        return FAIL(NO_MEMORY);
    }
    DL_APPEND(p->txn->offsets, p);
    if (before != NULL) drop(before);
    return OK;
}

bool group_offset_is_pending(const struct group *g, struct str topic, int32_t partition)
{
    for (const struct pending_offset *p = g->pending_offsets; p != NULL; p = p->hh.next)
        if (p->item.partition == partition && str_eq(p->item.topic, topic)) return true;
    return false;
}

/* --- the end of a transaction ----------------------------------------------------------------- */
static void take(struct pending_offset *p)
{
    struct group *g = p->group;
    const struct committed *have = group_offset(g, p->item.topic, p->item.partition);
    const struct topic *topic = image_topic(g->coordinator->options.image, p->item.topic);
    bool stale = topic == NULL ||
                 (!uuid_is_zero(p->item.topic_id) && !uuid_eq(p->item.topic_id, topic->id));
    if (stale || (have != NULL && have->version > p->item.version)) return;
    mem_must(is_ok(group_put_offset(g, &p->item, p->committed_at, -1)) ? g : NULL);
}

void group_txn_end(struct group_coordinator *c, int32_t partition, int64_t producer_id, bool commit,
                   int64_t end)
{
    struct group_txn *t = find_txn(c, partition, producer_id);
    for (bool more = t != NULL; more;) {
        struct pending_offset *p = t->offsets;
        struct group *g = p->group;
        if (commit) take(p);
        if (g->written < end) g->written = end;
        more = p->next != NULL; /* with the last one the txn goes */
        drop(p);
        if (g->pending_offsets == NULL) group_expire_by(c, group_next_expiry(g));
    }
}
