/* txn_offset_commit.c - TxnOffsetCommit (key 28): offsets of a group as part of a transaction; they hold
 * with its commit. Up to v4 the transaction must have the group's partition (AddOffsetsToTxn), from v5
 * on it is added (KIP-890). Answered when the offsets are durable. */
#include "broker/authorizer.h"
#include "broker/group.h"
#include "broker/handler.h"
#include "broker/txn.h"

#define ABORTABLE_SINCE 4
#define TV2_SINCE 5

typedef struct txn_offset_commit_request_txn_offset_commit_request_topic in_topic;
typedef struct txn_offset_commit_request_txn_offset_commit_request_partition in_partition;
typedef struct txn_offset_commit_response_txn_offset_commit_response_topic out_topic;
typedef struct txn_offset_commit_response_txn_offset_commit_response_partition out_partition;

struct committing {
    struct request *request;
    struct commit_item *items; /* of all topics, in the order of the request */
    size_t count;
    status whole; /* an error for every partition that has none of its own */
    struct txn_partitions joined; /* the group's partition of the offsets topic */
    struct txn_wait join;
    struct group_wait wait;
};

static void reply(struct committing *c)
{
    struct request *r = c->request;
    const struct txn_offset_commit_request *body = r->body;
    struct txn_offset_commit_response response;
    wire_default(&txn_offset_commit_response_message, &response);
    txn_partitions_done(&c->joined);
    response.topics = ARENA_ARRAY(r->arena, out_topic, body->topics_count);
    if (request_out_of_memory(r)) return;
    const struct commit_item *item = c->items;
    for (int32_t i = 0; i < body->topics_count; i++) {
        int32_t m = body->topics[i].partitions_count;
        out_topic *t = &response.topics[i];
        t->name = body->topics[i].name;
        t->partitions = ARENA_ARRAY(r->arena, out_partition, m);
        if (request_out_of_memory(r)) return;
        for (int32_t k = 0; k < m; k++, item++) {
            t->partitions[k].partition_index = item->partition;
            t->partitions[k].error_code =
                status_kafka(failed(item->result) ? item->result : c->whole);
        }
        t->partitions_count = m;
    }
    response.topics_count = body->topics_count;
    request_reply(r, &response);
}

static void durable(struct group_wait *wait, status result)
{
    struct committing *c = CONTAINER_OF(wait, struct committing, wait);
    if (failed(result)) c->whole = FAIL(COORDINATOR_NOT_AVAILABLE);
    reply(c);
}

/* --- what is asked ---------------------------------------------------------------------------- */
static status check_topic(struct request *r, struct str name, const struct topic **ret_topic)
{
    if (!authorize(r, OP_READ, RES_TOPIC, name)) return FAIL(TOPIC_AUTHORIZATION_FAILED);
    *ret_topic = image_topic(r->broker->image, name);
    return *ret_topic ? OK : FAIL(UNKNOWN_TOPIC_OR_PARTITION);
}

static struct commit_item *fill_topic(struct request *r, struct commit_item *item, const in_topic *t)
{
    const struct topic *topic = NULL;
    status s = check_topic(r, t->name, &topic);
    for (int32_t k = 0; k < t->partitions_count; k++, item++) {
        const in_partition *p = &t->partitions[k];
        *item = (struct commit_item){ .partition = p->partition_index,
                                      .offset = p->committed_offset,
                                      .leader_epoch = p->committed_leader_epoch,
                                      .metadata = p->committed_metadata,
                                      .result = s };
        if (failed(s)) continue;
        item->topic = topic->name;
        item->topic_id = topic->id;
        if (p->partition_index < 0 || p->partition_index >= topic->partitions)
            item->result = FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    }
    return item;
}

static bool fill(struct committing *c, struct request *r)
{
    const struct txn_offset_commit_request *body = r->body;
    for (int32_t i = 0; i < body->topics_count; i++)
        if (body->topics[i].partitions_count > 0) c->count += (size_t)body->topics[i].partitions_count;
    c->items = ARENA_ARRAY(r->arena, struct commit_item, c->count);
    if (c->items == NULL) return false;
    struct commit_item *item = c->items;
    for (int32_t i = 0; i < body->topics_count; i++) item = fill_topic(r, item, &body->topics[i]);
    return true;
}

static bool any_left(const struct committing *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (is_ok(c->items[i].result)) return true;
    return false;
}

/* --- the group's partition is in the transaction ---------------------------------------------- */
static void commit(struct committing *c)
{
    struct request *r = c->request;
    const struct txn_offset_commit_request *body = r->body;
    const struct member_key key = { .group_id = body->group_id, .member_id = body->member_id,
                                    .instance_id = body->group_instance_id,
                                    .generation = body->generation_id };
    c->whole = group_commit_txn(r->broker->groups, &key, body->producer_id, body->producer_epoch,
                                c->items, c->count, &c->wait);
    if (failed(c->whole) || c->wait.coordinator == NULL) reply(c);
}

static void joined(struct txn_wait *join, const struct txn_result *result)
{
    struct committing *c = CONTAINER_OF(join, struct committing, join);
    c->request->abandoned = NULL;
    c->whole = result->error;
    if (failed(c->whole)) reply(c);
    else commit(c);
}

static void abandoned(struct request *r)
{
    struct committing *c = r->state;
    if (!txn_join_abandon(&c->join)) return;
    txn_partitions_done(&c->joined);
    request_drop(r);
}

static void join_or_verify(struct committing *c, const struct plog *log)
{
    struct request *r = c->request;
    const struct txn_offset_commit_request *body = r->body;
    const struct txn_key key = { body->transactional_id, body->producer_id, body->producer_epoch };
    int16_t epoch;
    bool open = plog_txn_open(log, key.producer_id, &epoch, NULL) && epoch == key.epoch;
    if (r->version < TV2_SINCE) {
        if (!open)
            c->whole = txn_verify(r->broker->txns, &key, OFFSETS_TOPIC, plog_partition(log),
                                  r->version >= ABORTABLE_SINCE);
        if (failed(c->whole)) reply(c);
        else commit(c);
    } else if (open && txn_line_is_empty(r->broker->txns, key.id)) {
        commit(c);
    } else {
        c->whole = txn_partitions_add(&c->joined, OFFSETS_TOPIC, plog_partition(log));
        if (failed(c->whole)) {
            reply(c);
            return;
        }
        r->state = c;
        r->abandoned = abandoned;
        c->join.done = joined;
        txn_join(r->broker->txns, &key, &c->joined, &c->join);
    }
}

static status check(struct request *r)
{
    const struct txn_offset_commit_request *body = r->body;
    if (!authorize(r, OP_WRITE, RES_TRANSACTIONAL_ID, body->transactional_id))
        return FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    if (!authorize(r, OP_READ, RES_GROUP, body->group_id)) return FAIL(GROUP_AUTHORIZATION_FAILED);
    if (body->group_id.len == 0) return FAIL(INVALID_GROUP_ID);
    if (body->transactional_id.len == 0) return FAIL(INVALID_REQUEST);
    TRY(group_coordinator_ready(r->broker->groups));
    return txn_coordinator_ready(r->broker->txns);
}

void handle_txn_offset_commit(struct request *r)
{
    const struct txn_offset_commit_request *body = r->body;
    struct committing *c = ARENA_NEW(r->arena, struct committing);
    if (c == NULL || !fill(c, r)) {
        (void)request_out_of_memory(r);
        return;
    }
    c->request = r;
    c->wait.done = durable;
    c->whole = check(r);
    const struct plog *log = is_ok(c->whole) ? group_log_of(r->broker->groups, body->group_id) : NULL;
    if (is_ok(c->whole) && log == NULL) c->whole = FAIL(COORDINATOR_NOT_AVAILABLE);
    for (size_t i = 0; failed(c->whole) && i < c->count; i++) c->items[i].result = OK;
    if (failed(c->whole) || !any_left(c)) reply(c);
    else join_or_verify(c, log);
}
