/* describe_transactions.c - DescribeTransactions (key 65, KIP-664): the state of transactional ids. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "broker/txn.h"

typedef struct describe_transactions_response_transaction_state out_state;
typedef struct describe_transactions_response_topic_data out_topic;

static bool fill_topics(struct request *r, const struct txn_partitions *set, out_state *out)
{
    out->topics = ARENA_ARRAY(r->arena, out_topic, set->count);
    if (out->topics == NULL) return false;
    for (int32_t i = 0; i < set->count; i++) {
        if (!authorize(r, OP_DESCRIBE, RES_TOPIC, set->topics[i].name)) continue;
        out->topics[out->topics_count++] = (out_topic){ .topic = set->topics[i].name,
                                                        .partitions = set->topics[i].partitions,
                                                        .partitions_count = set->topics[i].count };
    }
    return true;
}

static status check(struct request *r, struct str id, const struct txn **ret_txn)
{
    if (!authorize(r, OP_DESCRIBE, RES_TRANSACTIONAL_ID, id))
        return FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    TRY(txn_coordinator_ready(r->broker->txns));
    if (id.len == 0) return FAIL(INVALID_REQUEST);
    *ret_txn = txn_find(r->broker->txns, id);
    return *ret_txn ? OK : FAIL(TRANSACTIONAL_ID_NOT_FOUND);
}

static bool fill(struct request *r, struct str id, out_state *out)
{
    const struct txn *t = NULL;
    wire_default_struct(&describe_transactions_response_transaction_state_struct, out);
    out->transactional_id = id;
    status s = check(r, id, &t);
    out->error_code = status_kafka(s);
    if (failed(s)) return true;
    out->transaction_state = str_c(txn_state_name(t->now.state));
    out->transaction_timeout_ms = t->now.timeout_ms;
    out->transaction_start_time_ms = t->now.started_at;
    out->producer_id = t->now.producer_id;
    out->producer_epoch = t->now.epoch;
    return fill_topics(r, &t->now.partitions, out);
}

void handle_describe_transactions(struct request *r)
{
    const struct describe_transactions_request *body = r->body;
    struct describe_transactions_response response;
    wire_default(&describe_transactions_response_message, &response);
    int32_t n = body->transactional_ids_count;
    response.transaction_states = ARENA_ARRAY(r->arena, out_state, n);
    bool ok = response.transaction_states != NULL;
    for (int32_t i = 0; ok && i < n; i++)
        ok = fill(r, body->transactional_ids[i], &response.transaction_states[i]);
    if (!ok) {
        (void)request_out_of_memory(r);
        return;
    }
    response.transaction_states_count = n;
    request_reply(r, &response);
}
