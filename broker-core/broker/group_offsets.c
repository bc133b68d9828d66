/* group_offsets.c - the offsets a group has committed. Loop thread.
 *
 * In memory they hang on the group, by (partition, topic name); each commit replaces the entry. A
 * commit is written to the offsets topic first and answered once that is durable; a reader is
 * answered once all it is shown is durable (group_wait_written). */
#include "broker/consumer.h"

#include "base/mem.h"

enum { METADATA_MAX = 4096, TOPIC_MAX = 249 };
enum { OFFSETS_A_LOOK = 256 }; /* of a deletion, between two looks at how long the turn is */
enum { BEGUN_MAX = 3 };        /* so often a deletion begins anew; then it pauses no more */

static size_t make_key(uint8_t *key, struct str topic, int32_t partition)
{
    put_be32(key, (uint32_t)partition);
    if (topic.len > 0) memcpy(key + 4, topic.data, topic.len);
    return 4 + topic.len;
}

struct committed *group_offset(const struct group *g, struct str topic, int32_t partition)
{
    uint8_t key[4 + TOPIC_MAX];
    struct committed *o = NULL;
    if (topic.len > TOPIC_MAX) return NULL;
    size_t len = make_key(key, topic, partition);
    HASH_FIND(hh, g->offsets, key, len, o);
    return o;
}

static void forget(struct group *g, struct committed *o)
{
    struct group_pass *pass = &g->coordinator->pass;
    if (pass->offset == o) pass->offset = o->hh.next;
    g->changed = ++g->coordinator->changes;
    HASH_DEL(g->offsets, o);
    mem_free(o);
}

void group_drop_offset(struct group *g, struct committed *o)
{
    const struct group_options *options = &g->coordinator->options;
    if (options->dropped) options->dropped(options->arg, o);
    forget(g, o);
}

/* One block: the struct, key (partition, topic) and metadata. */
status group_put_offset(struct group *g, const struct commit_item *item, int64_t committed_at,
                        int64_t expires_at)
{
    if (item->topic.len > TOPIC_MAX) return FAIL(INVALID_TOPIC_EXCEPTION);
    struct committed *o = mem_zalloc(sizeof(*o) + 4 + item->topic.len + 1 + item->metadata.len + 1);
    if (o == NULL) return FAIL(NO_MEMORY);
    o->offset = item->offset;
    o->leader_epoch = item->leader_epoch;
    o->partition = item->partition;
    o->committed_at = committed_at;
    o->expires_at = expires_at;
    o->version = item->version;
    o->topic_id = item->topic_id;
    o->key = (uint8_t *)o->text;
    o->key_len = make_key(o->key, item->topic, item->partition);
    o->topic = (struct str){ o->text + 4, item->topic.len };
    char *metadata = o->text + o->key_len + 1;
    if (item->metadata.len > 0) memcpy(metadata, item->metadata.data, item->metadata.len);
    o->metadata = (struct str){ metadata, item->metadata.len };
    struct committed *before = group_offset(g, item->topic, item->partition);
    HASH_ADD_KEYPTR(hh, g->offsets, o->key, o->key_len, o);
    if (!HASH_ADDED(hh, o)) {
        mem_free(o);
        return FAIL(NO_MEMORY);
    }
    const struct group_options *options = &g->coordinator->options;
    g->changed = ++g->coordinator->changes;
    bool is_new = before == NULL;
    if (before != NULL) {
        o->lag = before->lag;
        forget(g, before);
    }
    if (options->committed) options->committed(options->arg, g, o, is_new);
    return OK;
}

/* --- committing ------------------------------------------------------------------------------- */
struct committing { /* one request */
    const struct member_key *key;
    int16_t version;     /* of OffsetCommit */
    bool transactional;
    int64_t producer_id; /* of the transaction */
    int16_t producer_epoch;
    int64_t expires_at;
};

static bool is_anonymous(const struct member_key *key)
{
    return key->generation < 0 && key->member_id.len == 0 && str_is_null(key->instance_id);
}

/* Who may commit: members of the current generation; without a generation (a consumer that
 * assigns itself, an administrator) anybody while the group is empty. In a transaction the state of
 * the group does not matter, and old producers do not say which member they are. */
static status check_consumer(struct group *g, const struct committing *q)
{
    const struct member_key *key = q->key;
    const struct consumer_member *m = consumer_find(g, key->member_id);
    if (key->generation < 0 && g->consumer->members == NULL) return OK;
    if (q->transactional && is_anonymous(key)) return OK;
    if (m == NULL) return FAIL(UNKNOWN_MEMBER_ID);
    if (!q->transactional && !m->classic && q->version < 9) return FAIL(UNSUPPORTED_VERSION);
    if (key->generation == m->epoch) return OK;
    return m->classic || q->transactional ? FAIL(ILLEGAL_GENERATION) : FAIL(STALE_MEMBER_EPOCH);
}

static status check_commit(struct group *g, const struct committing *q)
{
    const struct member_key *key = q->key;
    if (key->generation < 0 && g->state == GROUP_EMPTY) return OK;
    if (is_anonymous(key)) return q->transactional ? OK : FAIL(UNKNOWN_MEMBER_ID);
    struct member *m;
    TRY(group_check_member(g, key->member_id, key->instance_id, &m));
    if (key->generation != g->generation) return FAIL(ILLEGAL_GENERATION);
    if (q->transactional) return OK;
    if (g->state == GROUP_COMPLETING) return FAIL(REBALANCE_IN_PROGRESS);
    group_restart_session(m, m->session_timeout_ms);
    return OK;
}

static status find_committing(struct group_coordinator *c, const struct committing *q,
                              struct group **ret_group)
{
    const struct member_key *key = q->key;
    struct group *g = group_find(c, key->group_id);
    if (g == NULL) {
        if (key->generation >= 0)
            return !q->transactional && q->version >= 9 ? FAIL(GROUP_ID_NOT_FOUND)
                                                        : FAIL(ILLEGAL_GENERATION);
        TRY(group_get(c, key->group_id, &g));
    }
    TRY(g->consumer ? check_consumer(g, q) : check_commit(g, q));
    *ret_group = g;
    return OK;
}

static status write_items(struct group *g, const struct committing *q, struct commit_item *items,
                          size_t count, struct plog **ret_log, int64_t *ret_end, size_t *ret_written)
{
    CLEANUP(group_batch) struct group_batch *b = NULL;
    int64_t now = loop_wall(g->coordinator->options.loop);
    size_t written = 0;
    TRY(group_batch_new(g->coordinator, g->id, &b));
    if (q->transactional) group_batch_transactional(b, q->producer_id, q->producer_epoch);
    for (size_t i = 0; i < count; i++) {
        if (items[i].metadata.len > METADATA_MAX && is_ok(items[i].result))
            items[i].result = FAIL(OFFSET_METADATA_TOO_LARGE);
        if (failed(items[i].result)) continue;
        group_batch_offset(b, &items[i], now, q->expires_at);
        written++;
    }
    *ret_written = written;
    return group_batch_append(b, ret_log, ret_end);
}

static status commit(struct group_coordinator *c, const struct committing *q,
                     struct commit_item *items, size_t count, struct group_wait *wait)
{
    struct group *g;
    struct plog *log = NULL;
    int64_t end = 0, now = loop_wall(c->options.loop);
    size_t written = 0;
    wait->coordinator = NULL;
    TRY(find_committing(c, q, &g));
    TRY(write_items(g, q, items, count, &log, &end, &written));
    if (written == 0) return OK;
    for (size_t i = 0; i < count; i++) {
        if (failed(items[i].result)) continue;
        items[i].version = end;
        items[i].result = q->transactional
                              ? group_put_pending(g, q->producer_id, &items[i], now)
                              : group_put_offset(g, &items[i], now, q->expires_at);
    }
    group_expire_by(c, group_next_expiry(g));
    group_wait_durable(c, wait, log, end);
    return OK;
}

status group_commit(struct group_coordinator *c, const struct member_key *key, int16_t version,
                    struct commit_item *items, size_t count, int64_t retention_ms,
                    struct group_wait *wait)
{
    struct committing q = { .key = key, .version = version, .expires_at = -1 };
    if (retention_ms >= 0) q.expires_at = loop_wall(c->options.loop) + retention_ms;
    return commit(c, &q, items, count, wait);
}

status group_commit_txn(struct group_coordinator *c, const struct member_key *key,
                        int64_t producer_id, int16_t producer_epoch, struct commit_item *items,
                        size_t count, struct group_wait *wait)
{
    struct committing q = { .key = key, .transactional = true, .producer_id = producer_id,
                            .producer_epoch = producer_epoch, .expires_at = -1 };
    return commit(c, &q, items, count, wait);
}

/* --- deleting --------------------------------------------------------------------------------- */
static status deletion_find(struct group_deletion *d, struct group **ret_group)
{
    struct group *g = group_find(d->coordinator, d->id);
    if (g == NULL || g->state == GROUP_DEAD) return FAIL(GROUP_ID_NOT_FOUND);
    if (g->state != GROUP_EMPTY) return FAIL(NON_EMPTY_GROUP);
    *ret_group = g;
    if (d->batch != NULL && d->changed == g->changed) return OK;
    group_deletion_done(d);
    d->at = g->offsets;
    d->changed = g->changed;
    d->begun++;
    return group_batch_new(d->coordinator, d->id, &d->batch);
}

/* False: the turn is long, and some are left. */
static bool deletion_collect(struct group_deletion *d)
{
    bool pauses = !d->at_once && d->begun < BEGUN_MAX;
    for (int n = 1; d->at != NULL; n++) {
        group_batch_no_offset(d->batch, d->at->topic, d->at->partition);
        d->at = d->at->hh.next;
        if (!pauses || n % OFFSETS_A_LOOK != 0) continue;
        if (loop_turn_is_long(d->coordinator->options.loop)) return d->at == NULL;
    }
    return true;
}

status group_delete_some(struct group_deletion *d, bool *ret_more, struct plog **ret_log, int64_t *ret_end)
{
    struct group *g;
    *ret_more = false;
    TRY(deletion_find(d, &g));
    if (!deletion_collect(d)) {
        *ret_more = true;
        return OK;
    }
    if (g->consumer != NULL)
        consumer_batch_no_group(d->batch, g);
    else
        group_batch_no_group(d->batch);
    TRY(group_batch_append(d->batch, ret_log, ret_end));
    if (g->pending_offsets == NULL)
        group_free(g);
    else /* as a replay sees it: what a transaction has under way outlives the deletion */
        while (g->offsets != NULL) group_drop_offset(g, g->offsets);
    return OK;
}

void group_deletion_done(struct group_deletion *d) { group_batch_free(TAKE(d->batch)); }

status group_delete(struct group_coordinator *c, struct str id, struct plog **ret_log,
                    int64_t *ret_end)
{
    struct group_deletion d = { .coordinator = c, .id = id, .at_once = true };
    bool more;
    status s = group_delete_some(&d, &more, ret_log, ret_end);
    group_deletion_done(&d);
    return s;
}

static bool is_listed(const struct committed *o, struct str topic, const int32_t *partitions,
                      size_t count)
{
    if (!str_eq(o->topic, topic)) return false;
    if (partitions == NULL) return true;
    for (size_t i = 0; i < count; i++)
        if (partitions[i] == o->partition) return true;
    return false;
}

status group_delete_offsets(struct group *g, struct str topic, const int32_t *partitions,
                            size_t count)
{
    CLEANUP(group_batch) struct group_batch *b = NULL;
    for (struct committed *o = g->offsets; o != NULL; o = o->hh.next) {
        if (!is_listed(o, topic, partitions, count)) continue;
        if (b == NULL) TRY(group_batch_new(g->coordinator, g->id, &b));
        group_batch_no_offset(b, o->topic, o->partition);
    }
    if (b == NULL) return OK;
    TRY(group_batch_append(b, NULL, NULL));
    struct committed *o, *tmp;
    HASH_ITER(hh, g->offsets, o, tmp) {
        if (is_listed(o, topic, partitions, count)) group_drop_offset(g, o);
    }
    return OK;
}
