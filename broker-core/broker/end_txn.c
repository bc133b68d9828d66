/* end_txn.c - EndTxn (key 26): commits or aborts. Answered when that is decided and durable; the markers
 * follow. From v5 on (KIP-890) each end raises the epoch, and the answer tells the new one. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "broker/txn.h"

#define FENCED_SINCE 2 /* older clients know INVALID_PRODUCER_EPOCH only */
#define TV2_SINCE 5

struct ending {
    struct txn_wait wait;
    struct request *request;
};

static void reply(struct request *r, const struct txn_result *result)
{
    struct end_txn_response response;
    wire_default(&end_txn_response_message, &response);
    status s = result->error;
    if (s.code == E_PRODUCER_FENCED && r->version < FENCED_SINCE) s = FAIL(INVALID_PRODUCER_EPOCH);
    response.error_code = status_kafka(s);
    response.producer_id = result->producer_id;
    response.producer_epoch = result->epoch;
    request_reply(r, &response);
}

static void ended(struct txn_wait *wait, const struct txn_result *result)
{
    reply(CONTAINER_OF(wait, struct ending, wait)->request, result);
}

void handle_end_txn(struct request *r)
{
    const struct end_txn_request *body = r->body;
    struct ending *e = ARENA_NEW(r->arena, struct ending);
    status s = body->transactional_id.len == 0 ? FAIL(INVALID_REQUEST)
                                               : txn_coordinator_ready(r->broker->txns);
    if (!authorize(r, OP_WRITE, RES_TRANSACTIONAL_ID, body->transactional_id))
        s = FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    if (e == NULL) s = FAIL(NO_MEMORY);
    if (failed(s)) {
        reply(r, &(struct txn_result){ s, -1, -1 });
        return;
    }
    const struct txn_key key = { body->transactional_id, body->producer_id, body->producer_epoch };
    e->request = r;
    e->wait.done = ended;
    txn_end(r->broker->txns, &key, body->committed, r->version >= TV2_SINCE, &e->wait);
}
