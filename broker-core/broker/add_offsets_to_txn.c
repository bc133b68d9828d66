/* add_offsets_to_txn.c - AddOffsetsToTxn (key 25): a transaction is about to commit offsets of a group;
 * the group's partition of __consumer_offsets becomes part of it. */
#include "broker/authorizer.h"
#include "broker/group.h"
#include "broker/handler.h"
#include "broker/txn.h"

#define FENCED_SINCE 2 /* older clients know INVALID_PRODUCER_EPOCH only */

struct adding {
    struct txn_wait wait;
    struct request *request;
};

static void reply(struct request *r, status s)
{
    struct add_offsets_to_txn_response response;
    wire_default(&add_offsets_to_txn_response_message, &response);
    if (s.code == E_PRODUCER_FENCED && r->version < FENCED_SINCE) s = FAIL(INVALID_PRODUCER_EPOCH);
    response.error_code = status_kafka(s);
    request_reply(r, &response);
}

static void added(struct txn_wait *wait, const struct txn_result *result)
{
    reply(CONTAINER_OF(wait, struct adding, wait)->request, result->error);
}

static status check(struct request *r)
{
    const struct add_offsets_to_txn_request *body = r->body;
    if (!authorize(r, OP_WRITE, RES_TRANSACTIONAL_ID, body->transactional_id))
        return FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    if (!authorize(r, OP_READ, RES_GROUP, body->group_id)) return FAIL(GROUP_AUTHORIZATION_FAILED);
    if (body->transactional_id.len == 0) return FAIL(INVALID_REQUEST);
    TRY(group_coordinator_ready(r->broker->groups));
    return txn_coordinator_ready(r->broker->txns);
}

void handle_add_offsets_to_txn(struct request *r)
{
    const struct add_offsets_to_txn_request *body = r->body;
    struct adding *a = ARENA_NEW(r->arena, struct adding);
    struct txn_partitions set = { 0 };
    status s = a ? check(r) : FAIL(NO_MEMORY);
    const struct plog *log = is_ok(s) ? group_log_of(r->broker->groups, body->group_id) : NULL;
    if (is_ok(s))
        s = log ? txn_partitions_add(&set, OFFSETS_TOPIC, plog_partition(log))
                : FAIL(COORDINATOR_NOT_AVAILABLE);
    if (is_ok(s)) {
        const struct txn_key key = { body->transactional_id, body->producer_id, body->producer_epoch };
        a->request = r;
        a->wait.done = added;
        txn_add(r->broker->txns, &key, &set, false, &a->wait);
    } else {
        reply(r, s);
    }
    txn_partitions_done(&set);
}
