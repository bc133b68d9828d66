/* group_log.c - groups as records of __consumer_offsets, in Kafka's formats: OffsetCommitKey (1) and
 * GroupMetadataKey (2), each behind its number; values behind their version. Loop thread.
 *
 * All records of a group are in one partition, abs(String.hashCode(group)) % partitions, and in the
 * order of events; a null value is a tombstone. Replaying a partition gives its groups. */
#include "broker/group.h"
#include "broker/replay.h"

#include "base/mem.h"
#include "broker/consumer.h"
#include "wire/batch.h"
#include "wire/codec.h"
#include "wire/messages.h"

enum {
    KEY_OFFSET_OLD = 0, KEY_OFFSET = 1, KEY_GROUP = 2,
    OFFSET_VERSION = 4,          /* of values; 4 carries the topic id */
    OFFSET_VERSION_EXPIRES = 1,  /* the one with an expiry of its own */
    GROUP_VERSION = 3,
    RECORD_MAX = 32 << 20,
};

struct group_batch {
    struct group_coordinator *coordinator;
    struct plog *log;
    struct batch_builder builder;
    struct buf key, value;
    int64_t now;
    int32_t count;
    status result;
    size_t id_len;
    char id[];
};

/* --- where a group lives ---------------------------------------------------------------------- */
/* The next UTF-16 code unit(s) of UTF-8 text; malformed bytes count as themselves. */
static uint32_t next_code(const uint8_t *p, size_t left, size_t *ret_used)
{
    static const uint8_t first_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 1;
    if (n > left) n = 1;
    uint32_t code = n == 1 ? p[0] : p[0] & first_mask[n];
    for (size_t i = 1; i < n; i++) code = code << 6 | (p[i] & 0x3f);
    *ret_used = n;
    return code;
}

int32_t group_hash(struct str id)
{
    uint32_t h = 0;
    for (size_t i = 0, used; i < id.len; i += used) {
        uint32_t code = next_code((const uint8_t *)id.data + i, id.len - i, &used);
        if (code >= 0x10000) {
            code -= 0x10000;
            h = 31 * h + (0xd800 | (code >> 10));
            code = 0xdc00 | (code & 0x3ff);
        }
        h = 31 * h + code;
    }
    return (int32_t)h;
}

struct plog *group_log_of(struct group_coordinator *c, struct str group_id)
{
    const struct topic *topic = image_topic(c->options.image, OFFSETS_TOPIC);
    if (topic == NULL || topic->partitions <= 0) return NULL;
    int32_t h = group_hash(group_id);
    int32_t positive = h == INT32_MIN ? 0 : h < 0 ? -h : h; /* Utils.abs */
    return c->options.log(c->options.arg, topic, positive % topic->partitions);
}

/* --- writing ---------------------------------------------------------------------------------- */
status group_batch_new(struct group_coordinator *c, struct str group_id,
                       struct group_batch **ret_batch)
{
    struct plog *log = group_log_of(c, group_id);
    if (log == NULL) return FAIL(COORDINATOR_NOT_AVAILABLE);
    struct group_batch *b = mem_zalloc(sizeof(*b) + group_id.len);
    if (b == NULL) return FAIL(NO_MEMORY);
    b->coordinator = c;
    b->log = log;
    b->now = loop_wall(c->options.loop);
    b->result = OK;
    b->id_len = group_id.len;
    memcpy(b->id, group_id.data, group_id.len);
    batch_builder_init(&b->builder, NULL);
    buf_init(&b->key, 1 << 17);
    buf_init(&b->value, RECORD_MAX);
    *ret_batch = b;
    return OK;
}

void group_batch_transactional(struct group_batch *b, int64_t producer_id, int16_t epoch)
{
    struct batch_options options = batch_options_default;
    options.attributes |= BATCH_TRANSACTIONAL;
    options.producer_id = producer_id;
    options.producer_epoch = epoch;
    batch_builder_done(&b->builder);
    batch_builder_init(&b->builder, &options);
}

void group_batch_free(struct group_batch *b)
{
    if (b == NULL) return;
    batch_builder_done(&b->builder);
    buf_done(&b->key);
    buf_done(&b->value);
    mem_free(b);
}

/* Number, then the message. */
static status put(struct buf *out, int16_t number, const struct wire_message *m, int16_t version,
                  const void *object)
{
    buf_put_be16(out, (uint16_t)number);
    return wire_encode(m, version, object, out);
}

static void add(struct group_batch *b, status encoded, bool tombstone)
{
    if (failed(b->result)) return;
    b->result = encoded;
    if (is_ok(b->result)) b->result = buf_check(&b->key);
    if (is_ok(b->result)) b->result = buf_check(&b->value);
    if (is_ok(b->result))
        b->result = batch_builder_add(&b->builder, b->now, buf_bytes(&b->key),
                                      tombstone ? BYTES_NULL : buf_bytes(&b->value), NULL, 0);
    if (is_ok(b->result)) b->count++;
    buf_clear(&b->key);
    buf_clear(&b->value);
}

void group_batch_put(struct group_batch *b, int16_t kind, const struct wire_message *key_message,
                     const void *key, const struct wire_message *value_message, int16_t version,
                     const void *value)
{
    status s = put(&b->key, kind, key_message, 0, key);
    if (is_ok(s) && value != NULL) s = put(&b->value, version, value_message, version, value);
    add(b, s, value == NULL);
}

void group_batch_fail(struct group_batch *b, status why)
{
    if (is_ok(b->result)) b->result = why;
}

struct str group_batch_id(const struct group_batch *b)
{
    return (struct str){ b->id, b->id_len };
}

static status put_group_key(struct group_batch *b)
{
    struct group_metadata_key key = { .group = { b->id, b->id_len } };
    return put(&b->key, KEY_GROUP, &group_metadata_key_message, 0, &key);
}

static status put_offset_key(struct group_batch *b, struct str topic, int32_t partition)
{
    struct offset_commit_key key = { .group = { b->id, b->id_len }, .topic = topic,
                                     .partition = partition };
    return put(&b->key, KEY_OFFSET, &offset_commit_key_message, 0, &key);
}

static status put_group_value(struct group_batch *b, const struct group *g)
{
    size_t n = HASH_COUNT(g->members);
    struct group_metadata_value_member_metadata *members = mem_zalloc((n + 1) * sizeof(*members));
    if (members == NULL) return FAIL(NO_MEMORY);
    struct group_metadata_value v;
    wire_default(&group_metadata_value_message, &v);
    v.protocol_type = str_is_null(g->protocol_type) ? STR("") : g->protocol_type;
    v.generation = g->generation;
    v.protocol = g->protocol;
    v.leader = g->leader ? g->leader->id : STR_NULL;
    v.current_state_timestamp = g->state_at;
    v.members = members;
    for (const struct member *m = g->members; m != NULL; m = m->hh.next) {
        struct group_metadata_value_member_metadata *e = &members[v.members_count++];
        e->member_id = m->id;
        e->group_instance_id = m->instance_id;
        e->client_id = m->client_id;
        e->client_host = m->client_host;
        e->rebalance_timeout = m->rebalance_timeout_ms;
        e->session_timeout = m->session_timeout_ms;
        e->subscription = group_metadata_of(m, g->protocol);
        e->assignment = m->assignment;
    }
    status s = put(&b->value, GROUP_VERSION, &group_metadata_value_message, GROUP_VERSION, &v);
    mem_free(members);
    return s;
}

void group_batch_metadata(struct group_batch *b, const struct group *g)
{
    status s = put_group_key(b);
    if (is_ok(s)) s = put_group_value(b, g);
    add(b, s, false);
}

void group_batch_no_group(struct group_batch *b)
{
    add(b, put_group_key(b), true);
}

void group_batch_offset(struct group_batch *b, const struct commit_item *item,
                        int64_t committed_at, int64_t expires_at)
{
    struct offset_commit_value v;
    wire_default(&offset_commit_value_message, &v);
    v.offset = item->offset;
    v.leader_epoch = item->leader_epoch;
    v.metadata = str_is_null(item->metadata) ? STR("") : item->metadata;
    v.commit_timestamp = committed_at;
    int16_t version = OFFSET_VERSION;
    if (expires_at >= 0) {
        version = OFFSET_VERSION_EXPIRES;
        v.expire_timestamp = expires_at;
    } else {
        v.topic_id = item->topic_id;
    }
    status s = put_offset_key(b, item->topic, item->partition);
    if (is_ok(s)) s = put(&b->value, version, &offset_commit_value_message, version, &v);
    add(b, s, false);
}

void group_batch_no_offset(struct group_batch *b, struct str topic, int32_t partition)
{
    add(b, put_offset_key(b, topic, partition), true);
}

static status append(struct group_batch *b, struct buf *out, struct append_result *ret_appended)
{
    TRY(batch_builder_finish(&b->builder, out));
    return plog_append(b->log, out->data, out->len, APPEND_COORDINATOR, ret_appended);
}

status group_batch_append(struct group_batch *b, struct plog **ret_log, int64_t *ret_end)
{
    if (failed(b->result)) return FAIL(COORDINATOR_NOT_AVAILABLE);
    if (ret_log) *ret_log = b->log;
    if (ret_end) *ret_end = plog_end(b->log);
    if (b->count == 0) return OK;
    struct buf out;
    struct append_result appended;
    buf_init(&out, RECORD_MAX * 2);
    status s = append(b, &out, &appended);
    buf_done(&out);
    if (s.code == E_INVALID_PRODUCER_EPOCH) return s; /* of a transaction */
    if (failed(s)) return FAIL(COORDINATOR_NOT_AVAILABLE);
    struct group *g = group_find(b->coordinator, (struct str){ b->id, b->id_len });
    if (g != NULL) g->written = appended.end_offset;
    if (ret_end) *ret_end = appended.end_offset;
    return OK;
}

status group_write(struct group *g, struct plog **ret_log, int64_t *ret_end)
{
    CLEANUP(group_batch) struct group_batch *b = NULL;
    TRY(group_batch_new(g->coordinator, g->id, &b));
    group_batch_metadata(b, g);
    return group_batch_append(b, ret_log, ret_end);
}

/* --- waiting ---------------------------------------------------------------------------------- */
static void wait_over(struct plog_wait *plog, status result)
{
    struct group_wait *w = CONTAINER_OF(plog, struct group_wait, plog);
    DL_DELETE(w->coordinator->waits, w);
    w->done(w, result);
}

void group_wait_durable(struct group_coordinator *c, struct group_wait *w, struct plog *log,
                        int64_t end)
{
    w->coordinator = c;
    w->log = log;
    w->plog = (struct plog_wait){ .done = wait_over };
    DL_APPEND(c->waits, w);
    plog_wait(log, &w->plog, end);
}

bool group_wait_written(struct group *g, struct group_wait *w)
{
    if (g->written == 0) return false;
    struct plog *log = group_log_of(g->coordinator, g->id);
    if (log == NULL || plog_high_watermark(log) >= g->written) return false;
    group_wait_durable(g->coordinator, w, log, g->written);
    return true;
}

/* --- replaying -------------------------------------------------------------------------------- */
/* Offsets of a topic that is gone, or was made anew under its name, are of no use. */
static bool is_stale(struct group_coordinator *c, struct str topic, struct uuid id)
{
    const struct topic *now = image_topic(c->options.image, topic);
    return now == NULL || (!uuid_is_zero(id) && !uuid_eq(id, now->id));
}

static status load_offset(struct group_coordinator *c, const struct batch_header *h,
                          struct bytes key_bytes, struct bytes value, struct arena *arena)
{
    struct offset_commit_key key;
    struct offset_commit_value v;
    TRY(wire_decode(&offset_commit_key_message, 0, key_bytes, arena, &key, NULL));
    struct group *g = group_find(c, key.group);
    if (value.data == NULL) {
        struct committed *o = g ? group_offset(g, key.topic, key.partition) : NULL;
        if (o != NULL) group_drop_offset(g, o);
        return OK;
    }
    if (value.len < 2) return FAIL(CORRUPT);
    int16_t version = (int16_t)get_be16(value.data);
    TRY(wire_decode(&offset_commit_value_message, version,
                    bytes_of(value.data + 2, value.len - 2), arena, &v, NULL));
    if (is_stale(c, key.topic, v.topic_id)) return OK;
    TRY(group_get(c, key.group, &g));
    struct commit_item item = { .topic = key.topic, .topic_id = v.topic_id,
                                .partition = key.partition, .offset = v.offset,
                                .leader_epoch = v.leader_epoch, .metadata = v.metadata,
                                .version = batch_last_offset(h) + 1 };
    if (h->attributes & BATCH_TRANSACTIONAL)
        return group_put_pending(g, h->producer_id, &item, v.commit_timestamp);
    return group_put_offset(g, &item, v.commit_timestamp, v.expire_timestamp);
}

static status load_member(struct group *g, const struct group_metadata_value *v,
                          const struct group_metadata_value_member_metadata *e)
{
    struct group_protocol protocol = { str_is_null(v->protocol) ? STR("") : v->protocol,
                                       e->subscription };
    struct join_request q = { .instance_id = e->group_instance_id, .client_id = e->client_id,
                              .client_host = e->client_host, .protocol_type = v->protocol_type,
                              .session_timeout_ms = e->session_timeout,
                              .rebalance_timeout_ms = e->rebalance_timeout < 0
                                                          ? e->session_timeout
                                                          : e->rebalance_timeout,
                              .protocols = &protocol, .protocols_count = 1 };
    if (group_find_member(g, e->member_id) != NULL) return FAIL(CORRUPT);
    struct member *m = group_add_member(g, &q, e->member_id);
    if (m == NULL || !group_set_bytes(&m->assignment, e->assignment)) return FAIL(NO_MEMORY);
    if (str_eq(e->member_id, v->leader)) g->leader = m;
    return OK;
}

static status load_metadata(struct group *g, const struct group_metadata_value *v)
{
    while (g->members != NULL) group_remove_member(g->members, FAIL(UNKNOWN_MEMBER_ID));
    if (!group_set_text(&g->protocol_type, v->protocol_type.len ? v->protocol_type : STR_NULL) ||
        !group_set_text(&g->protocol, v->protocol))
        return FAIL(NO_MEMORY);
    g->generation = v->generation;
    for (int32_t i = 0; i < v->members_count; i++) TRY(load_member(g, v, &v->members[i]));
    if (str_is_null(v->leader)) g->leader = NULL; /* a rebalance was about to begin */
    group_enter(g, g->members ? GROUP_STABLE : GROUP_EMPTY);
    if (v->current_state_timestamp >= 0) g->state_at = v->current_state_timestamp;
    return OK;
}

/* Its offsets, if it has any, stay: they have tombstones of their own. */
static void end_classic(struct group *g)
{
    while (g->members != NULL) group_remove_member(g->members, FAIL(REBALANCE_IN_PROGRESS));
    while (g->pending != NULL) group_remove_pending(g->pending);
    if (g->consumer != NULL) return;
    loop_timer_clear(g->coordinator->options.loop, &g->rebalance);
    (void)group_set_text(&g->protocol_type, STR_NULL); /* takes no memory */
    (void)group_set_text(&g->protocol, STR_NULL);
    g->generation = 0;
    g->initial = false;
    group_enter(g, GROUP_EMPTY);
}

static status load_group(struct group_coordinator *c, struct bytes key_bytes, struct bytes value,
                         struct arena *arena)
{
    struct group_metadata_key key;
    struct group_metadata_value v;
    TRY(wire_decode(&group_metadata_key_message, 0, key_bytes, arena, &key, NULL));
    struct group *g = group_find(c, key.group);
    if (value.data == NULL) {
        if (g != NULL) end_classic(g);
        return OK;
    }
    if (value.len < 2) return FAIL(CORRUPT);
    int16_t version = (int16_t)get_be16(value.data);
    TRY(wire_decode(&group_metadata_value_message, version,
                    bytes_of(value.data + 2, value.len - 2), arena, &v, NULL));
    TRY(group_get(c, key.group, &g));
    return load_metadata(g, &v);
}

struct loading_log {
    struct replay replay;
    struct group_coordinator *coordinator;
    int32_t partition;
};

/* Kinds of records this version does not know are left alone. */
static status load_record(struct replay *r, const struct batch_header *h, int16_t kind,
                          struct bytes key, struct bytes value, struct arena *arena)
{
    struct group_coordinator *c = CONTAINER_OF(r, struct loading_log, replay)->coordinator;
    return kind == KEY_OFFSET || kind == KEY_OFFSET_OLD ? load_offset(c, h, key, value, arena)
           : kind == KEY_GROUP                          ? load_group(c, key, value, arena)
                                        : consumer_replay(c, kind, key, value, arena);
}

static status load_marker(struct replay *r, const struct batch_header *h, bool commit)
{
    const struct loading_log *l = CONTAINER_OF(r, struct loading_log, replay);
    group_txn_end(l->coordinator, l->partition, h->producer_id, commit, batch_last_offset(h) + 1);
    return OK;
}

status group_batch_commit(struct group_batch *b)
{
    if (failed(b->result)) return FAIL(COORDINATOR_NOT_AVAILABLE);
    if (b->count == 0) return OK;
    struct group *g = group_find(b->coordinator, group_batch_id(b));
    struct loading_log loading = { .replay = { .record = load_record }, .coordinator = b->coordinator };
    struct buf out;
    struct append_result appended;
    buf_init(&out, RECORD_MAX * 2);
    status s = append(b, &out, &appended);
    if (is_ok(s)) {
        if (g != NULL) g->written = appended.end_offset;
        /* It is written; a memory that says otherwise must not go on. */
        mem_must(is_ok(replay_batch(&loading.replay, buf_bytes(&out))) ? b : NULL);
    }
    buf_done(&out);
    return is_ok(s) ? OK : FAIL(COORDINATOR_NOT_AVAILABLE);
}

status group_load_batch(struct group_coordinator *c, int32_t partition, struct bytes batch,
                        struct replay_cursor *cursor, const struct loop *loop)
{
    struct loading_log loading = { .replay = { .record = load_record, .marker = load_marker },
                                   .coordinator = c, .partition = partition };
    return replay_some(&loading.replay, batch, cursor, loop);
}

status group_load(struct group_coordinator *c, struct plog *log)
{
    struct loading_log loading = { .replay = { .record = load_record, .marker = load_marker },
                               .coordinator = c, .partition = plog_partition(log) };
    return replay_log(&loading.replay, log);
}
