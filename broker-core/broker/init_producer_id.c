/* init_producer_id.c - InitProducerId (key 22): an id for an idempotent producer, or the next epoch of
 * a transactional one (KIP-98, KIP-360).
 *
 * Ids are never used twice and need no file: the high 32 bits are the epoch of the store, which each
 * start raises and persists, the low ones count. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "broker/txn.h"

#define FENCED_SINCE 4 /* older clients know INVALID_PRODUCER_EPOCH only */

int64_t broker_producer_id(struct broker *b)
{
    if (b->next_producer > UINT32_MAX) return -1;
    return (int64_t)store_epoch(b->store) << 32 | (b->next_producer++ & UINT32_MAX);
}

struct initialising {
    struct txn_wait wait;
    struct request *request;
};

static void reply(struct request *r, status s, int64_t producer_id, int16_t epoch)
{
    struct init_producer_id_response response;
    wire_default(&init_producer_id_response_message, &response);
    if (s.code == E_PRODUCER_FENCED && r->version < FENCED_SINCE) s = FAIL(INVALID_PRODUCER_EPOCH);
    response.error_code = status_kafka(s);
    response.producer_id = failed(s) ? -1 : producer_id;
    response.producer_epoch = failed(s) ? -1 : epoch;
    request_reply(r, &response);
}

static void initialised(struct txn_wait *wait, const struct txn_result *result)
{
    struct initialising *i = CONTAINER_OF(wait, struct initialising, wait);
    reply(i->request, result->error, result->producer_id, result->epoch);
}

static status check_transactional(struct request *r)
{
    const struct init_producer_id_request *body = r->body;
    if (!authorize(r, OP_WRITE, RES_TRANSACTIONAL_ID, body->transactional_id))
        return FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    if ((body->producer_id == -1) != (body->producer_epoch == -1)) return FAIL(INVALID_REQUEST);
    if (body->transactional_id.len == 0) return FAIL(INVALID_REQUEST);
    return txn_coordinator_ready(r->broker->txns);
}

static void init_transactional(struct request *r)
{
    const struct init_producer_id_request *body = r->body;
    struct initialising *i = ARENA_NEW(r->arena, struct initialising);
    status s = check_transactional(r);
    if (i == NULL) s = FAIL(NO_MEMORY);
    if (failed(s)) {
        reply(r, s, -1, -1);
        return;
    }
    i->request = r;
    i->wait.done = initialised;
    txn_init(r->broker->txns, body->transactional_id, body->transaction_timeout_ms, body->producer_id,
             body->producer_epoch, &i->wait);
}

void handle_init_producer_id(struct request *r)
{
    const struct init_producer_id_request *body = r->body;
    if (!str_is_null(body->transactional_id)) {
        init_transactional(r);
        return;
    }
    if (!authorize(r, OP_IDEMPOTENT_WRITE, RES_CLUSTER, AUTHORIZER_CLUSTER) &&
        !authorize_any(r, OP_WRITE, RES_TOPIC)) {
        reply(r, FAIL(CLUSTER_AUTHORIZATION_FAILED), -1, -1);
        return;
    }
    int64_t id = broker_producer_id(r->broker);
    reply(r, id < 0 ? FAIL(UNKNOWN_SERVER_ERROR) : OK, id, 0);
}
