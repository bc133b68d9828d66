/* client_fetch.c - records and offsets of one partition. Loop thread. */
#include "client/client_int.h"

#define FETCH_VERSION_MAX 12 /* 13 names topics by their id */
#define ANSWER_MS 30000      /* on top of what the broker was asked to wait */

struct fetch_op {
    client_fetch_done done;
    void *arg;
    int64_t offset;
};

static int64_t offset_behind(struct bytes records, int64_t offset)
{
    struct bytes batch;
    struct batch_header h;
    while (batch_next(&records, &batch, &h, NULL)) {
        if (batch_last_offset(&h) >= offset) offset = batch_last_offset(&h) + 1;
    }
    return offset;
}

static void fetched(void *arg, status result, const void *response)
{
    struct fetch_op op = *(struct fetch_op *)arg;
    const struct fetch_response *r = response;
    mem_free(arg);
    if (is_ok(result) && r->error_code) result = status_from_kafka(r->error_code);
    if (is_ok(result) && (r->responses_count != 1 || r->responses[0].partitions_count != 1)) {
        result = FAIL(MALFORMED);
    }
    if (failed(result)) {
        op.done(op.arg, result, NULL);
        return;
    }
    const struct fetch_response_partition_data *p = r->responses[0].partitions;
    struct client_fetched f = {
        .high_watermark = p->high_watermark,
        .log_start = p->log_start_offset,
        .next_offset = offset_behind(p->records, op.offset),
        .records = p->records.data ? p->records : bytes_of("", 0),
        .aborted = p->aborted_transactions,
        .aborted_count = p->aborted_transactions_count > 0 ? p->aborted_transactions_count : 0,
    };
    op.done(op.arg, p->error_code ? status_from_kafka(p->error_code) : OK, &f);
}

static status fetch_send(struct client *client, struct fetch_request *rq, struct str topic,
                         int32_t partition, struct fetch_op *op)
{
    struct fetch_request_fetch_topic t;
    struct fetch_request_fetch_partition p;
    wire_default_struct(&fetch_request_fetch_topic_struct, &t);
    wire_default_struct(&fetch_request_fetch_partition_struct, &p);
    p.partition = partition;
    p.fetch_offset = op->offset;
    p.partition_max_bytes = rq->max_bytes;
    t.topic = topic;
    t.partitions = &p;
    t.partitions_count = 1;
    rq->topics = &t;
    rq->topics_count = 1;
    return client_call_to(client, API_FETCH, FETCH_VERSION_MAX, rq, rq->max_wait_ms + ANSWER_MS,
                          fetched, op);
}

status client_fetch(struct client *client, struct str topic, int32_t partition, int64_t offset,
                    int max_wait_ms, int32_t min_bytes, int32_t max_bytes, bool read_committed,
                    client_fetch_done done, void *arg)
{
    struct fetch_request rq;
    wire_default(&fetch_request_message, &rq);
    rq.max_wait_ms = max_wait_ms;
    rq.min_bytes = min_bytes;
    rq.max_bytes = max_bytes;
    rq.isolation_level = read_committed;
    struct fetch_op *op = mem_zalloc(sizeof *op);
    if (!op) return FAIL(NO_MEMORY);
    *op = (struct fetch_op){ done, arg, offset };
    status sent = fetch_send(client, &rq, topic, partition, op);
    if (failed(sent)) mem_free(op);
    return sent;
}

/* --- offsets ---------------------------------------------------------------------------------- */

struct list_op {
    client_offset_done done;
    void *arg;
};

static void listed(void *arg, status result, const void *response)
{
    struct list_op op = *(struct list_op *)arg;
    const struct list_offsets_response *r = response;
    mem_free(arg);
    if (is_ok(result) && (r->topics_count != 1 || r->topics[0].partitions_count != 1)) {
        result = FAIL(MALFORMED);
    }
    if (failed(result)) {
        op.done(op.arg, result, -1, -1);
        return;
    }
    const struct list_offsets_response_list_offsets_partition_response *p = r->topics[0].partitions;
    op.done(op.arg, p->error_code ? status_from_kafka(p->error_code) : OK, p->offset, p->timestamp);
}

status client_list_offset(struct client *client, struct str topic, int32_t partition,
                          int64_t timestamp, client_offset_done done, void *arg)
{
    struct list_offsets_request rq;
    struct list_offsets_request_list_offsets_topic t;
    struct list_offsets_request_list_offsets_partition p;
    wire_default(&list_offsets_request_message, &rq);
    wire_default_struct(&list_offsets_request_list_offsets_topic_struct, &t);
    wire_default_struct(&list_offsets_request_list_offsets_partition_struct, &p);
    p.partition_index = partition;
    p.timestamp = timestamp;
    t.name = topic;
    t.partitions = &p;
    t.partitions_count = 1;
    rq.replica_id = -1;
    rq.topics = &t;
    rq.topics_count = 1;
    struct list_op *op = mem_zalloc(sizeof *op);
    if (!op) return FAIL(NO_MEMORY);
    *op = (struct list_op){ done, arg };
    status sent = client_call(client, API_LIST_OFFSETS, -1, &rq, listed, op);
    if (failed(sent)) mem_free(op);
    return sent;
}
