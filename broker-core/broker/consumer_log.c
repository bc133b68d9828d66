/* consumer_log.c - consumer-protocol groups as records of __consumer_offsets, in the formats of
 * Kafka 4.2. Loop thread.
 *
 *   3 the group's epoch (and the hash of its topics)   6 the epoch of the target assignment
 *   4 its topics (Kafka before 4.1; read, not written) 7 what a member is to have
 *   5 a member: subscription, client, timeouts         8 what it has, its epochs and its state
 *  16 a regular expression and the topics it matched
 *
 * Replaying makes what a record speaks of when it is not there yet: in a compacted log a member's
 * newer records may stand behind its older ones. */
#include "broker/consumer.h"

#include "base/mem.h"
#include "wire/codec.h"
#include "wire/messages.h"

enum { EPOCH = 3, TOPICS = 4, MEMBER = 5, TARGET_EPOCH = 6, TARGET = 7, CURRENT = 8, REGEX = 16 };
enum { VALUE_ARENA = 64 << 20 };

/* --- writing ---------------------------------------------------------------------------------- */
static void put_of_group(struct group_batch *b, int16_t kind, const struct wire_message *key_message,
                         const struct wire_message *value_message, const void *value)
{
    struct consumer_group_metadata_key key = { .group_id = group_batch_id(b) };
    group_batch_put(b, kind, key_message, &key, value_message, 0, value);
}

static void put_of_member(struct group_batch *b, int16_t kind, const struct wire_message *key_message,
                          struct str member_id, const struct wire_message *value_message,
                          const void *value)
{
    struct consumer_group_member_metadata_key key = { .group_id = group_batch_id(b),
                                                      .member_id = member_id };
    group_batch_put(b, kind, key_message, &key, value_message, 0, value);
}

void consumer_batch_member(struct group_batch *b, const struct consumer_member *m)
{
    typedef struct consumer_group_member_metadata_value_classic_protocol protocol;
    struct consumer_group_member_metadata_value v;
    struct consumer_group_member_metadata_value_classic_member_metadata classic;
    wire_default(&consumer_group_member_metadata_value_message, &v);
    v.instance_id = m->instance_id;
    v.rack_id = m->rack_id;
    v.client_id = m->client_id;
    v.client_host = m->client_host;
    v.subscribed_topic_names = m->names;
    v.subscribed_topic_names_count = m->names_count;
    v.subscribed_topic_regex = m->regex;
    v.rebalance_timeout_ms = m->rebalance_timeout_ms;
    v.server_assignor = m->assignor;
    CLEANUP_MEM protocol *protocols = NULL;
    if (m->classic) {
        protocols = mem_zalloc((size_t)(m->protocols_count + 1) * sizeof(*protocols));
        if (protocols == NULL) {
            group_batch_fail(b, FAIL(NO_MEMORY));
            return;
        }
        for (int32_t i = 0; i < m->protocols_count; i++)
            protocols[i] = (protocol){ m->protocols[i].name, m->protocols[i].metadata };
        classic.session_timeout_ms = m->session_timeout_ms;
        classic.supported_protocols = protocols;
        classic.supported_protocols_count = m->protocols_count;
        v.classic_member_metadata = &classic;
    }
    put_of_member(b, MEMBER, &consumer_group_member_metadata_key_message, m->id,
                  &consumer_group_member_metadata_value_message, &v);
}

void consumer_batch_epoch(struct group_batch *b, int32_t epoch, int64_t metadata_hash)
{
    struct consumer_group_metadata_value v = { .epoch = epoch, .metadata_hash = metadata_hash };
    put_of_group(b, EPOCH, &consumer_group_metadata_key_message,
                 &consumer_group_metadata_value_message, &v);
}

void consumer_batch_target(struct group_batch *b, struct str member_id, const struct tps *target)
{
    struct consumer_group_target_assignment_member_value v;
    struct arena arena;
    arena_init(&arena, VALUE_ARENA);
    wire_default(&consumer_group_target_assignment_member_value_message, &v);
    v.topic_partitions = (void *)tps_wire(&arena, target, &v.topic_partitions_count);
    if (arena.failed) group_batch_fail(b, FAIL(NO_MEMORY));
    put_of_member(b, TARGET, &consumer_group_target_assignment_member_key_message, member_id,
                  &consumer_group_target_assignment_member_value_message, &v);
    arena_done(&arena);
}

void consumer_batch_target_epoch(struct group_batch *b, int32_t epoch)
{
    struct consumer_group_target_assignment_metadata_value v = { .assignment_epoch = epoch };
    put_of_group(b, TARGET_EPOCH, &consumer_group_target_assignment_metadata_key_message,
                 &consumer_group_target_assignment_metadata_value_message, &v);
}

void consumer_batch_current(struct group_batch *b, const struct consumer_member *m)
{
    struct consumer_group_current_member_assignment_value v;
    struct arena arena;
    arena_init(&arena, VALUE_ARENA);
    wire_default(&consumer_group_current_member_assignment_value_message, &v);
    v.member_epoch = m->epoch;
    v.previous_member_epoch = m->previous_epoch;
    v.state = (int8_t)m->state;
    v.assigned_partitions =
        (void *)tps_wire(&arena, &m->assigned, &v.assigned_partitions_count);
    v.partitions_pending_revocation =
        (void *)tps_wire(&arena, &m->revoking, &v.partitions_pending_revocation_count);
    if (arena.failed) group_batch_fail(b, FAIL(NO_MEMORY));
    put_of_member(b, CURRENT, &consumer_group_current_member_assignment_key_message, m->id,
                  &consumer_group_current_member_assignment_value_message, &v);
    arena_done(&arena);
}

static void put_regex(struct group_batch *b, struct str regex,
                      const struct consumer_group_regular_expression_value *v)
{
    struct consumer_group_regular_expression_key key = { .group_id = group_batch_id(b),
                                                         .regular_expression = regex };
    group_batch_put(b, REGEX, &consumer_group_regular_expression_key_message, &key,
                    &consumer_group_regular_expression_value_message, 0, v);
}

void consumer_batch_regex(struct group_batch *b, const struct consumer_regex *r)
{
    struct consumer_group_regular_expression_value v = {
        .topics = r->topics, .topics_count = r->topics_count,
        .version = r->version, .timestamp = r->resolved_at,
    };
    put_regex(b, r->regex, &v);
}

void consumer_batch_no_regex(struct group_batch *b, struct str regex)
{
    put_regex(b, regex, NULL);
}

void consumer_batch_no_partition_metadata(struct group_batch *b)
{
    put_of_group(b, TOPICS, &consumer_group_partition_metadata_key_message, NULL, NULL);
}

void consumer_batch_no_member(struct group_batch *b, struct str id)
{
    put_of_member(b, CURRENT, &consumer_group_current_member_assignment_key_message, id, NULL, NULL);
    put_of_member(b, TARGET, &consumer_group_target_assignment_member_key_message, id, NULL, NULL);
    put_of_member(b, MEMBER, &consumer_group_member_metadata_key_message, id, NULL, NULL);
}

void consumer_batch_no_group(struct group_batch *b, const struct group *g)
{
    const struct consumer_regex *r;
    for (const struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next)
        consumer_batch_no_member(b, m->id);
    put_of_group(b, TARGET_EPOCH, &consumer_group_target_assignment_metadata_key_message, NULL, NULL);
    DL_FOREACH(g->consumer->regexes, r) consumer_batch_no_regex(b, r->regex);
    consumer_batch_no_partition_metadata(b); /* as Kafka, whether or not there is one */
    put_of_group(b, EPOCH, &consumer_group_metadata_key_message, NULL, NULL);
}

/* --- replaying: of the group ------------------------------------------------------------------ */
/* The group of a record; made for a value, NULL for the tombstone of what is not there. */
static status find_group(struct group_coordinator *c, struct str id, bool make,
                         struct group **ret_group)
{
    struct group *g = group_find(c, id);
    *ret_group = g && g->consumer ? g : NULL;
    if (*ret_group != NULL || !make) return OK;
    TRY(group_get(c, id, &g));
    TRY(consumer_group_new(g));
    *ret_group = g;
    return OK;
}

static status read_value(const struct wire_message *m, struct bytes value, struct arena *arena,
                         void *ret)
{
    if (value.len < 2) return FAIL(CORRUPT);
    return wire_decode(m, (int16_t)get_be16(value.data), bytes_of(value.data + 2, value.len - 2),
                       arena, ret, NULL);
}

static status replay_group(struct group_coordinator *c, int16_t kind, struct bytes in,
                           struct bytes value, struct arena *arena)
{
    struct consumer_group_metadata_key key; /* the same for all three */
    TRY(wire_decode(&consumer_group_metadata_key_message, 0, in, arena, &key, NULL));
    struct group *g;
    bool gone = value.data == NULL;
    TRY(find_group(c, key.group_id, !gone, &g));
    if (g == NULL) return OK;
    if (kind == TOPICS) {
        g->consumer->partition_metadata = !gone;
    } else if (kind == TARGET_EPOCH) {
        struct consumer_group_target_assignment_metadata_value v = { 0 };
        if (!gone)
            TRY(read_value(&consumer_group_target_assignment_metadata_value_message, value, arena, &v));
        g->consumer->assignment_epoch = gone ? -1 : v.assignment_epoch;
    } else if (gone) {
        consumer_group_free(g); /* its offsets stay */
    } else {
        struct consumer_group_metadata_value v;
        TRY(read_value(&consumer_group_metadata_value_message, value, arena, &v));
        g->consumer->epoch = v.epoch;
        g->consumer->metadata_hash = v.metadata_hash;
    }
    return OK;
}

/* --- replaying: of a member ------------------------------------------------------------------- */
static status set_protocols(struct consumer_member *m,
                            const struct consumer_group_member_metadata_value *v, struct arena *arena)
{
    const struct consumer_group_member_metadata_value_classic_member_metadata *in =
        v->classic_member_metadata;
    struct group_protocol *own = NULL;
    int32_t n = in ? in->supported_protocols_count : 0;
    if (n == 0) in = NULL; /* what is left out reads as an empty one */
    if (in != NULL) {
        struct group_protocol *list = ARENA_ARRAY(arena, struct group_protocol, n);
        for (int32_t i = 0; list != NULL && i < n; i++)
            list[i] = (struct group_protocol){ in->supported_protocols[i].name,
                                               in->supported_protocols[i].metadata };
        own = list ? group_copy_protocols(list, n) : NULL;
        if (own == NULL) return FAIL(NO_MEMORY);
    }
    mem_free(m->protocols);
    m->protocols = own;
    m->protocols_count = n;
    m->classic = in != NULL;
    m->session_timeout_ms = in ? in->session_timeout_ms : 0;
    return OK;
}

static status replay_metadata(struct consumer_member *m, struct bytes value, struct arena *arena)
{
    struct consumer_group_member_metadata_value v;
    TRY(read_value(&consumer_group_member_metadata_value_message, value, arena, &v));
    int32_t n = consumer_sort_names(v.subscribed_topic_names, v.subscribed_topic_names_count);
    struct str *names = consumer_copy_names(v.subscribed_topic_names, n);
    if (names == NULL) return FAIL(NO_MEMORY);
    mem_free(m->names);
    m->names = names;
    m->names_count = n;
    if (!group_set_text(&m->instance_id, v.instance_id) || !group_set_text(&m->rack_id, v.rack_id) ||
        !group_set_text(&m->client_id, v.client_id) ||
        !group_set_text(&m->client_host, v.client_host) ||
        !group_set_text(&m->regex, v.subscribed_topic_regex) ||
        !group_set_text(&m->assignor, v.server_assignor))
        return FAIL(NO_MEMORY);
    m->rebalance_timeout_ms = v.rebalance_timeout_ms;
    TRY(set_protocols(m, &v, arena));
    m->known = true;
    return OK;
}

static status replay_target(struct consumer_member *m, struct bytes value, struct arena *arena)
{
    struct consumer_group_target_assignment_member_value v;
    TRY(read_value(&consumer_group_target_assignment_member_value_message, value, arena, &v));
    struct tps target = tps_unwire(arena, v.topic_partitions, v.topic_partitions_count);
    TRY(arena_check(arena));
    m->has_target = true;
    return tps_set(&m->target, &target);
}

static status replay_current(struct consumer_member *m, struct bytes value, struct arena *arena)
{
    struct consumer_group_current_member_assignment_value v;
    TRY(read_value(&consumer_group_current_member_assignment_value_message, value, arena, &v));
    struct tps assigned = tps_unwire(arena, v.assigned_partitions, v.assigned_partitions_count);
    struct tps revoking = tps_unwire(arena, v.partitions_pending_revocation,
                                     v.partitions_pending_revocation_count);
    TRY(arena_check(arena));
    if (v.state < CONSUMER_STABLE || v.state > CONSUMER_UNRELEASED) return FAIL(CORRUPT);
    TRY(tps_set(&m->assigned, &assigned));
    TRY(tps_set(&m->revoking, &revoking));
    m->epoch = v.member_epoch;
    m->previous_epoch = v.previous_member_epoch;
    m->state = (enum consumer_state)v.state;
    return OK;
}

static void forget(struct consumer_member *m, int16_t kind)
{
    if (kind == MEMBER) {
        consumer_remove(m);
    } else if (kind == TARGET) {
        tps_clear(&m->target);
        m->has_target = false;
    } else {
        tps_clear(&m->assigned);
        tps_clear(&m->revoking);
        m->epoch = m->previous_epoch = 0;
        m->state = CONSUMER_STABLE;
    }
}

static status replay_member(struct group_coordinator *c, int16_t kind, struct bytes in,
                            struct bytes value, struct arena *arena)
{
    struct consumer_group_member_metadata_key key; /* the same for all three */
    TRY(wire_decode(&consumer_group_member_metadata_key_message, 0, in, arena, &key, NULL));
    struct group *g;
    TRY(find_group(c, key.group_id, value.data != NULL, &g));
    if (g == NULL) return OK;
    struct consumer_member *m = consumer_find(g, key.member_id);
    if (value.data == NULL) {
        if (m != NULL) forget(m, kind);
        return OK;
    }
    if (m == NULL) TRY(consumer_add(g, key.member_id, &m));
    return kind == MEMBER   ? replay_metadata(m, value, arena)
           : kind == TARGET ? replay_target(m, value, arena)
                            : replay_current(m, value, arena);
}

/* --- replaying: an expression ----------------------------------------------------------------- */
static status replay_regex(struct group_coordinator *c, struct bytes in, struct bytes value,
                           struct arena *arena)
{
    struct consumer_group_regular_expression_key key;
    struct consumer_group_regular_expression_value v;
    TRY(wire_decode(&consumer_group_regular_expression_key_message, 0, in, arena, &key, NULL));
    struct group *g;
    TRY(find_group(c, key.group_id, value.data != NULL, &g));
    if (g == NULL) return OK;
    struct consumer_regex *r = consumer_regex(g, key.regular_expression);
    if (r != NULL) consumer_drop_regex(g, r);
    if (value.data == NULL) return OK;
    TRY(read_value(&consumer_group_regular_expression_value_message, value, arena, &v));
    r = mem_zalloc(sizeof(*r));
    if (r == NULL) return FAIL(NO_MEMORY);
    r->topics_count = consumer_sort_names(v.topics, v.topics_count);
    r->topics = consumer_copy_names(v.topics, r->topics_count);
    if (r->topics == NULL || !group_set_text(&r->regex, key.regular_expression)) {
        mem_free(r->topics);
        mem_free(r);
        return FAIL(NO_MEMORY);
    }
    r->version = v.version;
    r->resolved_at = v.timestamp;
    DL_APPEND(g->consumer->regexes, r);
    return OK;
}

status consumer_replay(struct group_coordinator *c, int16_t kind, struct bytes key,
                       struct bytes value, struct arena *arena)
{
    switch (kind) {
    case EPOCH:
    case TOPICS:
    case TARGET_EPOCH:
        return replay_group(c, kind, key, value, arena);
    case MEMBER:
    case TARGET:
    case CURRENT:
        return replay_member(c, kind, key, value, arena);
    case REGEX:
        return replay_regex(c, key, value, arena);
    default:
        return OK; /* share and streams groups */
    }
}
