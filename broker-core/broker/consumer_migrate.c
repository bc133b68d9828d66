/* consumer_migrate.c - a group goes from one protocol to the other while its members live on, each
 * time as one batch of records: the group of the old kind ends in it, that of the new one begins.
 *
 * Up: the first ConsumerGroupHeartbeat in a classic group of consumers. Down: the last member of the
 * consumer protocol went, or a classic one took its place (KIP-345). Loop thread. */
#include "broker/consumer.h"

#include "base/mem.h"
#include "wire/codec.h"
#include "wire/messages.h"

enum { KEY_GROUP = 2, GROUP_VERSION = 3 };

/* --- the embedded consumer protocol ----------------------------------------------------------- */
static status read_version(struct bytes in, const struct wire_message *m, int16_t *ret_version)
{
    if (in.len < 2) return FAIL(MALFORMED);
    int16_t version = (int16_t)get_be16(in.data);
    if (version < 0) return FAIL(MALFORMED);
    *ret_version = version > m->max_version ? m->max_version : version; /* they only add fields */
    return OK;
}

status consumer_decode_subscription(struct arena *arena, struct bytes in,
                                    struct consumer_protocol_subscription *ret)
{
    int16_t version;
    TRY(read_version(in, &consumer_protocol_subscription_message, &version));
    wire_default(&consumer_protocol_subscription_message, ret);
    TRY(wire_decode(&consumer_protocol_subscription_message, version,
                    bytes_of(in.data + 2, in.len - 2), arena, ret, NULL));
    return ret->topics_count <= CONSUMER_NAMES_MAX ? OK : FAIL(MALFORMED);
}

static status decode_assignment(struct arena *arena, const struct image *image, struct bytes in,
                                struct tps *ret_set)
{
    struct consumer_protocol_assignment a;
    int16_t version;
    *ret_set = TPS_NONE;
    if (in.len == 0) return OK;
    TRY(read_version(in, &consumer_protocol_assignment_message, &version));
    TRY(wire_decode(&consumer_protocol_assignment_message, version,
                    bytes_of(in.data + 2, in.len - 2), arena, &a, NULL));
    if (a.user_data.len > 0) return FAIL(GROUP_ID_NOT_FOUND); /* would be lost */
    size_t n = 0;
    for (int32_t i = 0; i < a.assigned_partitions_count; i++)
        n += (size_t)a.assigned_partitions[i].partitions_count;
    *ret_set = tps_room(arena, n);
    TRY(arena_check(arena));
    for (int32_t i = 0; i < a.assigned_partitions_count; i++) {
        const struct topic *t = image_topic(image, a.assigned_partitions[i].topic);
        for (int32_t k = 0; t != NULL && k < a.assigned_partitions[i].partitions_count; k++)
            ret_set->at[ret_set->count++] =
                (struct tp){ t->id, a.assigned_partitions[i].partitions[k] };
    }
    tps_sort(ret_set);
    return OK;
}

struct bytes consumer_encode_assignment(struct arena *arena, const struct image *image,
                                        const struct tps *set, struct bytes subscription)
{
    struct consumer_protocol_assignment a;
    int16_t version = 0;
    int32_t count;
    struct wire_tps *topics = tps_wire(arena, set, &count);
    wire_default(&consumer_protocol_assignment_message, &a);
    a.assigned_partitions =
        ARENA_ARRAY(arena, struct consumer_protocol_assignment_topic_partition, count);
    if (topics == NULL || a.assigned_partitions == NULL) return BYTES_NULL;
    for (int32_t i = 0; i < count; i++) {
        const struct topic *t = image_topic_by_id(image, topics[i].topic_id);
        if (t == NULL) continue;
        a.assigned_partitions[a.assigned_partitions_count].topic = t->name;
        a.assigned_partitions[a.assigned_partitions_count].partitions = topics[i].partitions;
        a.assigned_partitions[a.assigned_partitions_count++].partitions_count =
            topics[i].partitions_count;
    }
    (void)read_version(subscription, &consumer_protocol_assignment_message, &version);
    struct buf out;
    buf_init(&out, 16 << 20);
    buf_put_be16(&out, (uint16_t)version);
    status s = wire_encode(&consumer_protocol_assignment_message, version, &a, &out);
    struct bytes copy = is_ok(s) ? arena_bytes(arena, buf_bytes(&out)) : BYTES_NULL;
    if (failed(s)) arena->failed = true;
    buf_done(&out);
    return copy;
}

/* --- up --------------------------------------------------------------------------------------- */
static status convert_up(const struct group *g, const struct member *m, struct arena *arena,
                         struct consumer_member *out)
{
    struct consumer_protocol_subscription s;
    struct str protocol = str_is_null(g->protocol) ? group_vote(g) : g->protocol;
    if (m->protocols_count > CONSUMER_PROTOCOLS_MAX ||
        failed(consumer_decode_subscription(arena, group_metadata_of(m, protocol), &s)))
        return FAIL(GROUP_ID_NOT_FOUND);
    *out = (struct consumer_member){
        .id = m->id, .instance_id = m->instance_id, .rack_id = s.rack_id.len > 0 ? s.rack_id : STR_NULL,
        .regex = STR(""),
        .client_id = m->client_id, .client_host = m->client_host, .names = s.topics,
        .names_count = consumer_sort_names(s.topics, s.topics_count),
        .rebalance_timeout_ms = m->rebalance_timeout_ms, .classic = true,
        .session_timeout_ms = m->session_timeout_ms, .protocols = m->protocols,
        .protocols_count = m->protocols_count, .epoch = g->generation,
        .previous_epoch = g->generation,
    };
    status read = decode_assignment(arena, g->coordinator->options.image, m->assignment,
                                    &out->assigned);
    out->target = out->assigned;
    return failed(read) && read.code != E_NO_MEMORY ? FAIL(GROUP_ID_NOT_FOUND) : read;
}

static status write_upgrade(struct group *g, struct group_batch *b, struct arena *arena)
{
    size_t n = HASH_COUNT(g->members), i = 0;
    struct consumer_member *all = ARENA_ARRAY(arena, struct consumer_member, n);
    if (all == NULL) return FAIL(NO_MEMORY);
    for (const struct member *m = g->members; m != NULL; m = m->hh.next)
        TRY(convert_up(g, m, arena, &all[i++]));
    group_batch_no_group(b);
    for (i = 0; i < n; i++) consumer_batch_member(b, &all[i]);
    consumer_batch_epoch(b, g->generation, 0); /* the newcomer makes a new one, with its hash */
    for (i = 0; i < n; i++) consumer_batch_target(b, all[i].id, &all[i].target);
    consumer_batch_target_epoch(b, g->generation);
    for (i = 0; i < n; i++) consumer_batch_current(b, &all[i]);
    return group_batch_commit(b);
}

status consumer_upgrade(struct group *g)
{
    if (!str_eq(g->protocol_type, STR("consumer")) ||
        HASH_COUNT(g->members) > (size_t)g->coordinator->options.group_max_size)
        return FAIL(GROUP_ID_NOT_FOUND);
    CLEANUP(group_batch) struct group_batch *b = NULL;
    TRY(group_batch_new(g->coordinator, g->id, &b));
    struct arena arena;
    arena_init(&arena, 64 << 20);
    status s = write_upgrade(g, b, &arena);
    arena_done(&arena);
    if (failed(s)) return s;
    for (struct consumer_member *m = g->consumer->members; m != NULL; m = m->hh.next)
        consumer_arm_session(m);
    return OK;
}

/* --- down ------------------------------------------------------------------------------------- */
bool consumer_can_downgrade(const struct group *g, const struct consumer_member **leaving,
                            size_t count)
{
    size_t all = HASH_COUNT(g->consumer->members), classic = consumer_classic_count(g);
    for (size_t i = 0; i < count; i++) classic -= leaving[i]->classic;
    return all > count && classic == all - count &&
           all - count <= (size_t)g->coordinator->options.group_max_size;
}

static bool has_protocol(const struct consumer_member *m, struct str name)
{
    for (int32_t i = 0; i < m->protocols_count; i++)
        if (str_cmp(m->protocols[i].name, name) == 0) return true;
    return false;
}

static bool all_have(const struct consumer_member **all, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (!has_protocol(all[i], name)) return false;
    return true;
}

/* The protocol most of them prefer of those all have. */
static struct str vote(const struct consumer_member **all, size_t n)
{
    struct str best = STR_NULL;
    size_t most = 0;
    for (int32_t p = 0; p < all[0]->protocols_count; p++) {
        struct str name = all[0]->protocols[p].name;
        size_t votes = 0;
        for (size_t i = 0; i < n; i++)
            for (int32_t k = 0; k < all[i]->protocols_count; k++) {
                if (!all_have(all, n, all[i]->protocols[k].name)) continue;
                votes += str_cmp(all[i]->protocols[k].name, name) == 0;
                break;
            }
        if (votes <= most || !all_have(all, n, name)) continue;
        most = votes;
        best = name;
    }
    return best;
}

static struct bytes metadata_of(const struct consumer_member *m, struct str protocol)
{
    for (int32_t i = 0; i < m->protocols_count; i++)
        if (str_cmp(m->protocols[i].name, protocol) == 0) return m->protocols[i].metadata;
    return bytes_of("", 0);
}

/* Without a leader when a rebalance has to follow: a restart in between then knows, too. */
static status write_downgrade(struct consumer_op *op, const struct consumer_member **all, size_t n,
                              bool keep)
{
    struct group *g = op->group;
    struct group_metadata_key key = { .group = g->id };
    struct group_metadata_value v;
    wire_default(&group_metadata_value_message, &v);
    v.members = ARENA_ARRAY(&op->arena, struct group_metadata_value_member_metadata, n);
    if (v.members == NULL) return FAIL(NO_MEMORY);
    v.protocol_type = STR("consumer");
    v.generation = op->consumer->epoch;
    v.protocol = vote(all, n);
    v.leader = keep ? all[0]->id : STR_NULL;
    v.current_state_timestamp = loop_wall(g->coordinator->options.loop);
    for (size_t i = 0; i < n; i++) {
        struct group_metadata_value_member_metadata *e = &v.members[v.members_count++];
        e->member_id = all[i]->id;
        e->group_instance_id = all[i]->instance_id;
        e->client_id = all[i]->client_id;
        e->client_host = all[i]->client_host;
        e->rebalance_timeout = all[i]->rebalance_timeout_ms;
        e->session_timeout = all[i]->session_timeout_ms;
        e->subscription = metadata_of(all[i], v.protocol);
        e->assignment = consumer_encode_assignment(&op->arena, g->coordinator->options.image,
                                                   &all[i]->target, e->subscription);
    }
    if (op->has_now) consumer_batch_no_member(op->batch, op->now.id);
    consumer_batch_no_group(op->batch, g);
    group_batch_put(op->batch, KEY_GROUP, &group_metadata_key_message, &key,
                    &group_metadata_value_message, GROUP_VERSION, &v);
    return consumer_op_commit(op);
}

/* The record has the one protocol that was chosen; the members still have all of theirs. */
struct kept {
    struct str id;
    struct group_protocol *protocols;
    int32_t count;
};

static status keep_protocols(struct consumer_op *op, const struct consumer_member **all, size_t n,
                             struct kept **ret_kept)
{
    struct kept *kept = ARENA_ARRAY(&op->arena, struct kept, n);
    if (kept == NULL) return FAIL(NO_MEMORY);
    for (size_t i = 0; i < n; i++) {
        kept[i].id = arena_str(&op->arena, all[i]->id);
        kept[i].count = all[i]->protocols_count;
        kept[i].protocols = ARENA_ARRAY(&op->arena, struct group_protocol, kept[i].count);
        for (int32_t k = 0; kept[i].protocols != NULL && k < kept[i].count; k++)
            kept[i].protocols[k] = (struct group_protocol){
                arena_str(&op->arena, all[i]->protocols[k].name),
                arena_bytes(&op->arena, all[i]->protocols[k].metadata)
            };
    }
    *ret_kept = kept;
    return arena_check(&op->arena);
}

status consumer_downgrade(struct consumer_op *op, bool keep)
{
    struct group *g = op->group;
    struct kept *kept = NULL;
    size_t n;
    const struct consumer_member **all = consumer_op_members(op, &n);
    TRY(arena_check(&op->arena));
    TRY(keep_protocols(op, all, n, &kept));
    TRY(write_downgrade(op, all, n, keep));
    if (g->leader == NULL) g->leader = g->members;
    for (size_t i = 0; i < n; i++) {
        struct member *m = group_find_member(g, kept[i].id);
        if (m == NULL) continue;
        /* Without memory for it the one protocol it has will do. */
        (void)group_set_protocols(m, kept[i].protocols, kept[i].count);
        group_restart_session(m, m->session_timeout_ms);
    }
    if (!keep) group_prepare_rebalance(g);
    return OK;
}
