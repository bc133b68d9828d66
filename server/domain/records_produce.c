/* records_produce.c - records of one request to their partitions: one batch a partition at a time, in
 * order, acks=all. Domain thread. */
#include "domain/records.h"

#include "cluster/topic_config.h"
#include "domain/topics.h"
#include "wire/messages.h"

enum { PRODUCE = 0, PRODUCE_VERSION = 9 };
#define BATCH_BYTES (768 << 10) /* the most, where the topic allows it */
#define RECORD_FRAME 40         /* around key and value of a record, at most */

struct produce {
    struct domain *domain;
    struct produce_target target;
    size_t batch_bytes;
    struct produce_item *items;
    int32_t count;
    int32_t *next_in;      /* per item: the next item of the same partition, or -1 */
    int32_t *first, *last; /* per partition: its chain of items not sent yet, or -1 */
    int32_t *sent_from, *sent_count; /* per partition: the batch under way */
    struct arena *arena;
    produce_done done;
    void *arg;
};

/* murmur2 with Kafka's seed, so that a key meets the partition its Java producer would choose. */
static uint32_t murmur2(struct bytes key)
{
    const uint32_t m = 0x5bd1e995u;
    uint32_t h = 0x9747b28cu ^ (uint32_t)key.len;
    size_t i = 0;
    for (; i + 4 <= key.len; i += 4) {
        uint32_t k = get_le32(key.data + i) * m;
        h = (h * m) ^ ((k ^ k >> 24) * m);
    }
    size_t left = key.len - i;
    if (left > 2) h ^= (uint32_t)key.data[i + 2] << 16;
    if (left > 1) h ^= (uint32_t)key.data[i + 1] << 8;
    if (left > 0) h = (h ^ key.data[i]) * m;
    h = (h ^ h >> 13) * m;
    return h ^ h >> 15;
}

static void choose_partitions(struct produce *p)
{
    uint32_t any;
    random_bytes(&any, sizeof any);
    for (int32_t i = 0; i < p->count; i++) {
        struct produce_item *item = &p->items[i];
        if (item->skip) continue;
        if (item->partition < 0) {
            uint32_t h = item->key.data ? murmur2(item->key) & 0x7fffffffu : any;
            item->partition = (int32_t)(h % (uint32_t)p->target.partitions);
        }
        int32_t k = item->partition;
        p->next_in[i] = -1;
        if (p->first[k] < 0) p->first[k] = i;
        else p->next_in[p->last[k]] = i;
        p->last[k] = i;
    }
}

static size_t item_size(const struct produce_item *item)
{
    size_t n = RECORD_FRAME + item->key.len + item->value.len;
    for (int32_t i = 0; i < item->header_count; i++) {
        n += 12 + item->headers[i].key.len + item->headers[i].value.len;
    }
    return n;
}

/* One batch from the front of a partition's chain. */
static status make_batch(struct produce *p, int32_t partition, struct bytes *ret)
{
    struct batch_builder builder;
    struct buf out;
    size_t size = BATCH_HEADER_SIZE;
    int64_t now = domain_wall();
    status result = OK;
    batch_builder_init(&builder, NULL);
    buf_init(&out, 64 << 20);
    p->sent_from[partition] = p->first[partition];
    p->sent_count[partition] = 0;
    int32_t i = p->first[partition];
    for (; i >= 0; i = p->next_in[i]) {
        struct produce_item *item = &p->items[i];
        size += item_size(item);
        if (p->sent_count[partition] && size > p->batch_bytes) break;
        if (item->timestamp < 0) item->timestamp = now;
        result = batch_builder_add(&builder, item->timestamp, item->key, item->value, item->headers,
                                   item->header_count);
        if (failed(result)) break;
        p->sent_count[partition]++;
    }
    p->first[partition] = i;
    if (is_ok(result)) result = batch_builder_finish(&builder, &out);
    if (is_ok(result)) *ret = arena_bytes(p->arena, buf_bytes(&out));
    batch_builder_done(&builder);
    buf_done(&out);
    return is_ok(result) ? arena_check(p->arena) : result;
}

static void fail_all(struct produce *p, status result)
{
    for (int32_t i = 0; i < p->count; i++) {
        if (!p->items[i].skip && p->items[i].offset < 0 && is_ok(p->items[i].result)) {
            p->items[i].result = result;
        }
    }
    p->done(p->arg);
}

typedef struct produce_response_partition_produce_response partition_answer;

/* Why the n-th record of a refused batch is not in the log: its own fault, or that of another. */
static struct str record_message(struct produce *p, const partition_answer *at, int32_t n)
{
    for (int32_t i = 0; i < at->record_errors_count; i++) {
        if (at->record_errors[i].batch_index != n) continue;
        struct str own = at->record_errors[i].batch_index_error_message;
        return arena_str(p->arena, own.len ? own : at->error_message);
    }
    if (at->record_errors_count == 0) return arena_str(p->arena, at->error_message);
    return arena_printf(p->arena, "The broker refused the batch that this record was in, for another "
                                  "record of it: %.*s", STR_ARG(at->error_message));
}

static void batch_answered(struct produce *p, int32_t partition, const partition_answer *at)
{
    status result = at ? status_from_kafka(at->error_code) : FAIL(UNKNOWN_SERVER_ERROR);
    int32_t i = p->sent_from[partition];
    for (int32_t n = 0; n < p->sent_count[partition] && i >= 0; n++, i = p->next_in[i]) {
        struct produce_item *item = &p->items[i];
        item->result = result;
        if (failed(result)) {
            if (at) item->message = record_message(p, at, n);
            continue;
        }
        item->offset = at->base_offset + n;
        if (at->log_append_time_ms >= 0) item->timestamp = at->log_append_time_ms;
    }
    p->sent_count[partition] = 0;
}

static void send(struct produce *p);

static void answered(void *arg, status result, const void *response)
{
    struct produce *p = arg;
    const struct produce_response *r = response;
    if (failed(result)) {
        fail_all(p, result);
        return;
    }
    for (int32_t t = 0; t < r->responses_count; t++) {
        for (int32_t k = 0; k < r->responses[t].partition_responses_count; k++) {
            const partition_answer *at = &r->responses[t].partition_responses[k];
            if (at->index >= 0 && at->index < p->target.partitions) batch_answered(p, at->index, at);
        }
    }
    for (int32_t k = 0; k < p->target.partitions; k++) {
        if (p->sent_count[k]) batch_answered(p, k, NULL);
    }
    send(p);
}

static void send(struct produce *p)
{
    struct produce_request request;
    struct produce_request_topic_produce_data topic;
    wire_default(&produce_request_message, &request);
    wire_default_struct(&produce_request_topic_produce_data_struct, &topic);
    topic.name = p->target.topic;
    topic.partition_data = ARENA_ARRAY(p->arena, struct produce_request_partition_produce_data,
                                       p->target.partitions);
    status result = arena_check(p->arena);
    for (int32_t k = 0; is_ok(result) && k < p->target.partitions; k++) {
        if (p->first[k] < 0) continue;
        struct produce_request_partition_produce_data *data =
            &topic.partition_data[topic.partition_data_count++];
        data->index = k;
        result = make_batch(p, k, &data->records);
    }
    if (failed(result)) {
        fail_all(p, result);
        return;
    }
    if (topic.partition_data_count == 0) {
        p->done(p->arg);
        return;
    }
    request.acks = -1;
    request.timeout_ms = CALL_TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    engine_call(p->domain->engine, p->target.cluster_id, p->target.principal, PRODUCE,
                PRODUCE_VERSION, &request, p->arena, 2 * CALL_TIMEOUT_MS, answered, p);
}

status records_message_bytes(struct db *db, const char *cluster_id, const struct delta_topic *topic,
                             int64_t *ret)
{
    struct limits limits;
    struct str name = STR("max.message.bytes");
    struct str value = str_c(topic_config_info(name)->default_value);
    int64_t bytes = 0;
    TRY(topics_limits(db, cluster_id, &limits));
    for (int32_t i = 0; i < topic->config_count; i++) {
        if (str_eq(topic->configs[i].name, name)) value = topic->configs[i].value;
    }
    if (!str_to_i64(value, &bytes)) return FAIL(CORRUPT);
    if (limits.message_bytes >= 0 && bytes > limits.message_bytes) bytes = limits.message_bytes;
    *ret = bytes;
    return OK;
}

void records_produce(struct domain *domain, const struct produce_target *target,
                     struct produce_item *items, int32_t count, struct arena *arena,
                     produce_done done, void *arg)
{
    int32_t partitions = target->partitions;
    struct produce *p = ARENA_NEW(arena, struct produce);
    int32_t *room = ARENA_ARRAY(arena, int32_t, count + 4 * (int64_t)partitions + 1);
    for (int32_t i = 0; i < count; i++) {
        items[i].offset = -1;
        if (!items[i].skip) items[i].result = p && room ? OK : FAIL(NO_MEMORY);
    }
    if (!p || !room) {
        done(arg);
        return;
    }
    *p = (struct produce){ .domain = domain, .target = *target, .items = items, .count = count,
                           .batch_bytes = BATCH_BYTES, .next_in = room, .first = room + count,
                           .last = room + count + partitions,
                           .sent_from = room + count + 2 * partitions,
                           .sent_count = room + count + 3 * partitions, .arena = arena,
                           .done = done, .arg = arg };
    if (target->message_bytes < BATCH_BYTES) p->batch_bytes = (size_t)target->message_bytes;
    for (int32_t k = 0; k < partitions; k++) p->first[k] = -1;
    choose_partitions(p);
    send(p);
}
