/* records_produce.c - records of one request to their partitions: one batch a partition at a time, in
 * order, acks=all. Domain thread. */
#include "domain/records.h"

#include "wire/messages.h"

enum { PRODUCE = 0, PRODUCE_VERSION = 9 };
#define BATCH_BYTES (768 << 10) /* below the default max.message.bytes; a larger record goes alone */

struct produce {
    struct domain *domain;
    const char *cluster_id;
    struct str principal, topic;
    int32_t partitions;
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
            item->partition = (int32_t)(h % (uint32_t)p->partitions);
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
    size_t n = 32 + item->key.len + item->value.len;
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
    size_t size = 0;
    status result = OK;
    batch_builder_init(&builder, NULL);
    buf_init(&out, 64 << 20);
    p->sent_from[partition] = p->first[partition];
    p->sent_count[partition] = 0;
    int32_t i = p->first[partition];
    for (; i >= 0; i = p->next_in[i]) {
        const struct produce_item *item = &p->items[i];
        size += item_size(item);
        if (p->sent_count[partition] && size > BATCH_BYTES) break;
        result = batch_builder_add(&builder, item->timestamp >= 0 ? item->timestamp : domain_wall(),
                                   item->key,
                                   item->value, item->headers, item->header_count);
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

static void batch_answered(struct produce *p, int32_t partition, status result, int64_t base,
                           struct str message)
{
    int32_t i = p->sent_from[partition];
    for (int32_t n = 0; n < p->sent_count[partition] && i >= 0; n++, i = p->next_in[i]) {
        p->items[i].result = result;
        if (is_ok(result)) p->items[i].offset = base + n;
        else p->items[i].message = arena_str(p->arena, message);
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
            const struct produce_response_partition_produce_response *at =
                &r->responses[t].partition_responses[k];
            if (at->index < 0 || at->index >= p->partitions) continue;
            batch_answered(p, at->index, status_from_kafka(at->error_code), at->base_offset,
                           at->error_message);
        }
    }
    for (int32_t k = 0; k < p->partitions; k++) {
        if (p->sent_count[k]) batch_answered(p, k, FAIL(UNKNOWN_SERVER_ERROR), 0, STR_NULL);
    }
    send(p);
}

static void send(struct produce *p)
{
    struct produce_request request;
    struct produce_request_topic_produce_data topic;
    wire_default(&produce_request_message, &request);
    wire_default_struct(&produce_request_topic_produce_data_struct, &topic);
    topic.name = p->topic;
    topic.partition_data = ARENA_ARRAY(p->arena, struct produce_request_partition_produce_data,
                                       p->partitions);
    status result = arena_check(p->arena);
    for (int32_t k = 0; is_ok(result) && k < p->partitions; k++) {
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
    engine_call(p->domain->engine, p->cluster_id, p->principal, PRODUCE, PRODUCE_VERSION, &request,
                p->arena,
                2 * CALL_TIMEOUT_MS, answered, p);
}

void records_produce(struct domain *domain, const char *cluster_id, struct str principal,
                     struct str topic, int32_t partitions, struct produce_item *items,
                     int32_t count, struct arena *arena, produce_done done, void *arg)
{
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
    *p = (struct produce){ .domain = domain, .cluster_id = cluster_id, .principal = principal, .topic = topic,
                           .partitions = partitions, .items = items, .count = count,
                           .next_in = room,
                           .first = room + count, .last = room + count + partitions,
                           .sent_from = room + count + 2 * partitions,
                           .sent_count = room + count + 3 * partitions, .arena = arena,
                           .done = done, .arg = arg };
    for (int32_t k = 0; k < partitions; k++) p->first[k] = -1;
    choose_partitions(p);
    send(p);
}
