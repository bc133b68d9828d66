/* write_txn_markers.c - WriteTxnMarkers (key 27): ends transactions in partitions of this broker, as an
 * administrator does with one that was left hanging (KIP-664). Needs Alter or ClusterAction on the
 * cluster. Answered when every marker is durable. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "broker/txn_coordinator.h"

typedef struct write_txn_markers_request_writable_txn_marker in_marker;
typedef struct write_txn_markers_response_writable_txn_marker_result out_marker;
typedef struct write_txn_markers_response_writable_txn_marker_topic_result out_topic;
typedef struct write_txn_markers_response_writable_txn_marker_partition_result out_partition;

struct writing;
struct writing_one {
    struct plog_wait wait;
    struct writing *writing;
    out_partition *out;
    struct plog *log; /* NULL: not waiting */
};
struct writing {
    struct request *request;
    struct write_txn_markers_response response;
    struct writing_one *each;
    int32_t count, open;
};

static void one_over(struct writing *w)
{
    if (--w->open == 0) request_reply(w->request, &w->response);
}

static void durable(struct plog_wait *wait, status result)
{
    struct writing_one *one = CONTAINER_OF(wait, struct writing_one, wait);
    one->log = NULL;
    if (failed(result)) one->out->error_code = status_kafka(FAIL(UNKNOWN_TOPIC_OR_PARTITION));
    one_over(one->writing);
}

static void abandoned(struct request *r)
{
    struct writing *w = r->state;
    for (int32_t i = 0; i < w->count; i++)
        if (w->each[i].log != NULL) plog_unwait(w->each[i].log, &w->each[i].wait);
    request_drop(r);
}

static bool fill(struct request *r, const in_marker *in, out_marker *out, int32_t *count)
{
    out->producer_id = in->producer_id;
    out->topics = ARENA_ARRAY(r->arena, out_topic, in->topics_count);
    if (out->topics == NULL) return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        out_topic *t = &out->topics[out->topics_count++];
        t->name = in->topics[i].name;
        t->partitions = ARENA_ARRAY(r->arena, out_partition, in->topics[i].partition_indexes_count);
        if (t->partitions == NULL) return false;
        for (int32_t k = 0; k < in->topics[i].partition_indexes_count; k++, ++*count)
            t->partitions[t->partitions_count++].partition_index = in->topics[i].partition_indexes[k];
    }
    return true;
}

static void write_one(struct writing *w, const in_marker *in, struct str topic, out_partition *out)
{
    struct broker *b = w->request->broker;
    const struct txn_marker marker = {
        .topic = topic, .partition = out->partition_index, .producer_id = in->producer_id,
        .producer_epoch = in->producer_epoch, .commit = in->transaction_result,
        .tv2 = in->transaction_version >= 2,
    };
    struct plog *log = NULL;
    int64_t end = 0;
    status s = broker_write_marker(b, &marker, in->coordinator_epoch, &log, &end);
    if (is_ok(s) && log == NULL) s = FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    out->error_code = status_kafka(s);
    if (failed(s)) return;
    struct writing_one *one = &w->each[w->count++];
    *one = (struct writing_one){ .wait = { .done = durable }, .writing = w, .out = out, .log = log };
    w->open++;
    plog_wait(log, &one->wait, end);
}

static void write_all(struct writing *w)
{
    const struct write_txn_markers_request *body = w->request->body;
    for (int32_t i = 0; i < body->markers_count; i++) {
        out_marker *m = &w->response.markers[i];
        for (int32_t t = 0; t < m->topics_count; t++)
            for (int32_t p = 0; p < m->topics[t].partitions_count; p++)
                write_one(w, &body->markers[i], m->topics[t].name, &m->topics[t].partitions[p]);
    }
}

static void refuse_all(struct writing *w, status why)
{
    for (int32_t i = 0; i < w->response.markers_count; i++) {
        out_marker *m = &w->response.markers[i];
        for (int32_t t = 0; t < m->topics_count; t++)
            for (int32_t p = 0; p < m->topics[t].partitions_count; p++)
                m->topics[t].partitions[p].error_code = status_kafka(why);
    }
}

void handle_write_txn_markers(struct request *r)
{
    const struct write_txn_markers_request *body = r->body;
    struct writing *w = ARENA_NEW(r->arena, struct writing);
    out_marker *markers = ARENA_ARRAY(r->arena, out_marker, body->markers_count);
    int32_t partitions = 0;
    bool ok = w != NULL && markers != NULL;
    for (int32_t i = 0; ok && i < body->markers_count; i++)
        ok = fill(r, &body->markers[i], &markers[i], &partitions);
    if (ok) w->each = ARENA_ARRAY(r->arena, struct writing_one, partitions);
    if (!ok || w->each == NULL) {
        (void)request_out_of_memory(r);
        return;
    }
    wire_default(&write_txn_markers_response_message, &w->response);
    w->request = r;
    w->response.markers = markers;
    w->response.markers_count = body->markers_count;
    w->open = 1;
    r->state = w;
    r->abandoned = abandoned;
    if (authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER) ||
        authorize(r, OP_CLUSTER_ACTION, RES_CLUSTER, AUTHORIZER_CLUSTER))
        write_all(w);
    else
        refuse_all(w, FAIL(CLUSTER_AUTHORIZATION_FAILED));
    one_over(w);
}
