/* init_producer_id.c - InitProducerId (key 22) for idempotent producers.
 *
 * Ids are never used twice and need no file: the high 32 bits are the epoch of the store, which each
 * start raises and persists, the low ones count. */
#include "broker/handler.h"

#include "broker/authorizer.h"

static int64_t producer_id_next(struct broker *b)
{
    return (int64_t)store_epoch(b->store) << 32 | (b->next_producer++ & UINT32_MAX);
}

static status init_check(struct request *r)
{
    const struct init_producer_id_request *body = r->body;
    if (!str_is_null(body->transactional_id)) {
        if (!authorize(r, OP_WRITE, RES_TRANSACTIONAL_ID, body->transactional_id))
            return FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        /* There is no transaction coordinator yet, and no client may believe there is one. */
        return FAIL(INVALID_REQUEST);
    }
    if (!authorize(r, OP_IDEMPOTENT_WRITE, RES_CLUSTER, AUTHORIZER_CLUSTER) &&
        !authorize_any(r, OP_WRITE, RES_TOPIC))
        return FAIL(CLUSTER_AUTHORIZATION_FAILED);
    return r->broker->next_producer > UINT32_MAX ? FAIL(UNKNOWN_SERVER_ERROR) : OK;
}

void handle_init_producer_id(struct request *r)
{
    struct init_producer_id_response response;
    wire_default(&init_producer_id_response_message, &response);
    status checked = init_check(r);
    response.error_code = status_kafka(checked);
    response.producer_epoch = -1;
    if (is_ok(checked)) {
        response.producer_id = producer_id_next(r->broker);
        response.producer_epoch = 0;
    }
    request_reply(r, &response);
}
