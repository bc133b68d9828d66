/* list_transactions.c - ListTransactions (key 66, KIP-664, KIP-994, KIP-1152): transactional ids by state,
 * producer, how long their transaction is open, and a pattern of their names. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "broker/topic_regex.h"
#include "broker/txn.h"

typedef struct list_transactions_response_transaction_state out_state;

struct listing {
    struct request *request;
    const struct list_transactions_request *body;
    struct topic_regex *pattern; /* NULL: any */
    bool states[TXN_STATE_COUNT];
    int64_t now;
};

/* States whose names we do not know are told back. */
static bool fill_states(struct listing *l, struct list_transactions_response *response)
{
    int32_t n = l->body->state_filters_count;
    response->unknown_state_filters = ARENA_ARRAY(l->request->arena, struct str, n);
    if (response->unknown_state_filters == NULL) return false;
    for (int32_t i = 0; i < n; i++) {
        enum txn_state state;
        if (txn_state_parse(l->body->state_filters[i], &state)) l->states[state] = true;
        else response->unknown_state_filters[response->unknown_state_filters_count++] =
                 l->body->state_filters[i];
    }
    return true;
}

static bool is_asked_producer(const struct listing *l, int64_t producer_id)
{
    for (int32_t i = 0; i < l->body->producer_id_filters_count; i++)
        if (l->body->producer_id_filters[i] == producer_id) return true;
    return l->body->producer_id_filters_count <= 0;
}

static bool is_asked(const struct listing *l, const struct txn *t)
{
    if (!is_asked_producer(l, t->now.producer_id)) return false;
    if (l->body->state_filters_count > 0 && !l->states[t->now.state]) return false;
    if (l->body->duration_filter >= 0 && l->now - t->now.started_at <= l->body->duration_filter)
        return false;
    return (l->pattern == NULL || topic_regex_matches(l->pattern, t->id)) &&
           (l->request->super ||
            authorizer_allows(l->request->broker->image, l->request->principal,
                              l->request->client_host, OP_DESCRIBE, RES_TRANSACTIONAL_ID, t->id));
}

static bool fill(struct listing *l, struct list_transactions_response *response)
{
    const struct txn_coordinator *c = l->request->broker->txns;
    if (!fill_states(l, response)) return false;
    response->transaction_states = ARENA_ARRAY(l->request->arena, out_state, HASH_COUNT(c->txns));
    if (response->transaction_states == NULL) return false;
    for (const struct txn *t = c->txns; t != NULL; t = t->hh.next)
        if (is_asked(l, t))
            response->transaction_states[response->transaction_states_count++] =
                (out_state){ .transactional_id = t->id, .producer_id = t->now.producer_id,
                             .transaction_state = str_c(txn_state_name(t->now.state)) };
    return true;
}

void handle_list_transactions(struct request *r)
{
    struct listing l = { .request = r, .body = r->body, .now = loop_wall(r->broker->loop) };
    struct list_transactions_response response;
    wire_default(&list_transactions_response_message, &response);
    status s = txn_coordinator_ready(r->broker->txns);
    if (is_ok(s) && l.body->transactional_id_pattern.len > 0)
        s = topic_regex_new(l.body->transactional_id_pattern, &l.pattern);
    response.error_code = status_kafka(s);
    bool enough = failed(s) || fill(&l, &response);
    topic_regex_free(l.pattern);
    if (enough) request_reply(r, &response);
    else (void)request_out_of_memory(r);
}
