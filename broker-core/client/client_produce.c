/* client_produce.c - one batch to one partition. Loop thread. */
#include "client/client_int.h"

#include <time.h>

#define TIMEOUT_MS 30000
#define VERSION_MAX 12 /* 13 names topics by their id */
#define BATCH_MAX (64u << 20)

struct produce_op {
    client_produced done;
    void *arg;
};

static void produced(void *arg, status result, const void *response)
{
    struct produce_op op = *(struct produce_op *)arg;
    const struct produce_response *r = response;
    mem_free(arg);
    if (failed(result)) {
        op.done(op.arg, result, -1, -1, STR_NULL);
        return;
    }
    if (r->responses_count != 1 || r->responses[0].partition_responses_count != 1) {
        op.done(op.arg, FAIL(MALFORMED), -1, -1, STR_NULL);
        return;
    }
    const struct produce_response_partition_produce_response *p =
        r->responses[0].partition_responses;
    op.done(op.arg, p->error_code ? status_from_kafka(p->error_code) : OK, p->base_offset,
            p->log_append_time_ms, p->error_message);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static status put_batch(enum codec codec, const struct client_record *records, int count,
                        struct buf *out)
{
    struct batch_options options = batch_options_default;
    struct batch_builder b;
    options.codec = codec;
    batch_builder_init(&b, &options);
    status result = OK;
    for (int i = 0; i < count && is_ok(result); i++) {
        const struct client_record *r = &records[i];
        result = batch_builder_add(&b, r->timestamp < 0 ? now_ms() : r->timestamp, r->key, r->value,
                                   r->headers, r->header_count);
    }
    if (is_ok(result)) result = batch_builder_finish(&b, out);
    batch_builder_done(&b);
    return result;
}

static status send(struct client *client, struct str topic, int32_t partition, struct bytes batch,
                   struct produce_op *op)
{
    struct produce_request rq;
    struct produce_request_topic_produce_data t;
    struct produce_request_partition_produce_data p;
    wire_default(&produce_request_message, &rq);
    wire_default_struct(&produce_request_topic_produce_data_struct, &t);
    wire_default_struct(&produce_request_partition_produce_data_struct, &p);
    p.index = partition;
    p.records = batch;
    t.name = topic;
    t.partition_data = &p;
    t.partition_data_count = 1;
    rq.acks = -1;
    rq.timeout_ms = TIMEOUT_MS;
    rq.topic_data = &t;
    rq.topic_data_count = 1;
    return client_call_to(client, API_PRODUCE, VERSION_MAX, &rq, 0, produced, op);
}

status client_produce(struct client *client, struct str topic, int32_t partition,
                      enum codec codec, const struct client_record *records, int count,
                      client_produced done, void *arg)
{
    if (count < 1) return FAIL(INVALID);
    struct produce_op *op = mem_zalloc(sizeof *op);
    if (!op) return FAIL(NO_MEMORY);
    *op = (struct produce_op){ done, arg };
    struct buf batch;
    buf_init(&batch, BATCH_MAX);
    status result = put_batch(codec, records, count, &batch);
    if (is_ok(result)) result = send(client, topic, partition, buf_bytes(&batch), op);
    buf_done(&batch);
    if (failed(result)) mem_free(op);
    return result;
}
