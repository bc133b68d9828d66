/* add_partitions_to_txn.c - AddPartitionsToTxn (key 24): partitions that a transaction is about to write
 * (v0-3, from producers), or several transactions at once, to add or to verify (v4+, between brokers:
 * ClusterAction). Answered when all of them are. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "broker/txn.h"

#define FENCED_SINCE 2 /* older clients know INVALID_PRODUCER_EPOCH only */
#define BATCHED_SINCE 4

typedef struct add_partitions_to_txn_request_add_partitions_to_txn_topic in_topic;
typedef struct add_partitions_to_txn_request_add_partitions_to_txn_transaction in_txn;
typedef struct add_partitions_to_txn_response_add_partitions_to_txn_topic_result out_topic;
typedef struct add_partitions_to_txn_response_add_partitions_to_txn_partition_result out_partition;
typedef struct add_partitions_to_txn_response_add_partitions_to_txn_result out_txn;

struct adding;
struct adding_one {
    struct txn_wait wait;
    struct adding *adding;
    out_txn *out;
};
struct adding {
    struct request *request;
    out_txn *results;
    struct adding_one *each;
    int32_t count, open;
};

static void reply(struct adding *a)
{
    struct request *r = a->request;
    struct add_partitions_to_txn_response response;
    wire_default(&add_partitions_to_txn_response_message, &response);
    if (r->version >= BATCHED_SINCE) {
        response.results_by_transaction = a->results;
        response.results_by_transaction_count = a->count;
    } else {
        response.results_by_topic_v3_and_below = a->results[0].topic_results;
        response.results_by_topic_v3_and_below_count = a->results[0].topic_results_count;
    }
    request_reply(r, &response);
}

static void one_over(struct adding *a)
{
    if (--a->open == 0) reply(a);
}

/* One error for all partitions of a transaction. */
static void fill_error(const struct adding *a, out_txn *out, status s)
{
    if (s.code == E_PRODUCER_FENCED && a->request->version < FENCED_SINCE)
        s = FAIL(INVALID_PRODUCER_EPOCH);
    for (int32_t i = 0; i < out->topic_results_count; i++)
        for (int32_t k = 0; k < out->topic_results[i].results_by_partition_count; k++)
            out->topic_results[i].results_by_partition[k].partition_error_code = status_kafka(s);
}

static void added(struct txn_wait *wait, const struct txn_result *result)
{
    struct adding_one *one = CONTAINER_OF(wait, struct adding_one, wait);
    fill_error(one->adding, one->out, result->error);
    one_over(one->adding);
}

static bool fill_topics(struct request *r, const in_txn *in, out_txn *out)
{
    out->transactional_id = in->transactional_id;
    out->topic_results = ARENA_ARRAY(r->arena, out_topic, in->topics_count);
    if (out->topic_results == NULL) return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        out_topic *t = &out->topic_results[out->topic_results_count++];
        t->name = in->topics[i].name;
        t->results_by_partition = ARENA_ARRAY(r->arena, out_partition, in->topics[i].partitions_count);
        if (t->results_by_partition == NULL) return false;
        for (int32_t k = 0; k < in->topics[i].partitions_count; k++)
            t->results_by_partition[t->results_by_partition_count++].partition_index =
                in->topics[i].partitions[k];
    }
    return true;
}

static status check_partition(struct request *r, struct str name, int32_t partition)
{
    const struct topic *topic = image_topic(r->broker->image, name);
    bool client = r->version < BATCHED_SINCE;
    bool internal = topic != NULL && topic->internal;
    if (client && (internal || !authorize(r, OP_WRITE, RES_TOPIC, name)))
        return FAIL(TOPIC_AUTHORIZATION_FAILED);
    if (topic == NULL || partition < 0 || partition >= topic->partitions)
        return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    return OK;
}

/* All or none: with one that may not be added, the others are not attempted. */
static bool check_partitions(struct request *r, out_txn *out)
{
    bool good = true;
    for (int32_t i = 0; i < out->topic_results_count; i++) {
        out_topic *t = &out->topic_results[i];
        for (int32_t k = 0; k < t->results_by_partition_count; k++) {
            out_partition *p = &t->results_by_partition[k];
            status s = check_partition(r, t->name, p->partition_index);
            p->partition_error_code = failed(s) ? status_kafka(s)
                                                : status_kafka(FAIL(OPERATION_NOT_ATTEMPTED));
            if (failed(s)) good = false;
        }
    }
    return good;
}

static void verify(struct adding_one *one, const in_txn *in)
{
    struct txn_coordinator *c = one->adding->request->broker->txns;
    const struct txn_key key = { in->transactional_id, in->producer_id, in->producer_epoch };
    const struct txn *t = txn_find(c, key.id);
    for (int32_t i = 0; i < one->out->topic_results_count; i++) {
        out_topic *topic = &one->out->topic_results[i];
        for (int32_t k = 0; k < topic->results_by_partition_count; k++) {
            out_partition *p = &topic->results_by_partition[k];
            p->partition_error_code =
                status_kafka(t ? txn_rule_verify(t, &key, topic->name, p->partition_index)
                               : FAIL(INVALID_PRODUCER_ID_MAPPING));
        }
    }
    one_over(one->adding);
}

static void add(struct adding_one *one, const in_txn *in)
{
    struct request *r = one->adding->request;
    const struct txn_key key = { in->transactional_id, in->producer_id, in->producer_epoch };
    struct txn_partitions set = { 0 };
    status s = OK;
    for (int32_t i = 0; is_ok(s) && i < in->topics_count; i++)
        for (int32_t k = 0; is_ok(s) && k < in->topics[i].partitions_count; k++)
            s = txn_partitions_add(&set, in->topics[i].name, in->topics[i].partitions[k]);
    one->wait.done = added;
    if (is_ok(s)) txn_add(r->broker->txns, &key, &set, r->version >= BATCHED_SINCE, &one->wait);
    else added(&one->wait, &(struct txn_result){ s, -1, -1 });
    txn_partitions_done(&set);
}

static void handle_one(struct adding_one *one, const in_txn *in)
{
    struct request *r = one->adding->request;
    status s = in->transactional_id.len == 0 ? FAIL(INVALID_REQUEST)
                                             : txn_coordinator_ready(r->broker->txns);
    if (r->version < BATCHED_SINCE && !authorize(r, OP_WRITE, RES_TRANSACTIONAL_ID, in->transactional_id))
        s = FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    if (failed(s)) {
        fill_error(one->adding, one->out, s);
        one_over(one->adding);
    } else if (!check_partitions(r, one->out)) {
        one_over(one->adding);
    } else if (in->verify_only) {
        verify(one, in);
    } else {
        add(one, in);
    }
}

void handle_add_partitions_to_txn(struct request *r)
{
    const struct add_partitions_to_txn_request *body = r->body;
    in_txn old = { .transactional_id = body->v3_and_below_transactional_id,
                   .producer_id = body->v3_and_below_producer_id,
                   .producer_epoch = body->v3_and_below_producer_epoch,
                   .topics = body->v3_and_below_topics,
                   .topics_count = body->v3_and_below_topics_count };
    bool batched = r->version >= BATCHED_SINCE;
    const in_txn *txns = batched ? body->transactions : &old;
    int32_t n = batched ? body->transactions_count : 1;
    if (batched && !authorize(r, OP_CLUSTER_ACTION, RES_CLUSTER, AUTHORIZER_CLUSTER)) {
        struct add_partitions_to_txn_response response;
        wire_default(&add_partitions_to_txn_response_message, &response);
        response.error_code = status_kafka(FAIL(CLUSTER_AUTHORIZATION_FAILED));
        request_reply(r, &response);
        return;
    }
    struct adding *a = ARENA_NEW(r->arena, struct adding);
    out_txn *results = ARENA_ARRAY(r->arena, out_txn, n);
    struct adding_one *each = ARENA_ARRAY(r->arena, struct adding_one, n);
    bool ok = a != NULL && results != NULL && each != NULL;
    for (int32_t i = 0; ok && i < n; i++) ok = fill_topics(r, &txns[i], &results[i]);
    if (!ok) {
        (void)request_out_of_memory(r);
        return;
    }
    *a = (struct adding){ .request = r, .results = results, .each = each, .count = n, .open = n + 1 };
    for (int32_t i = 0; i < n; i++) {
        each[i].adding = a;
        each[i].out = &results[i];
        handle_one(&each[i], &txns[i]);
    }
    one_over(a);
}
