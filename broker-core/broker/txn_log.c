/* txn_log.c - transactional ids as records of __transaction_state, in Kafka's format: TransactionLogKey
 * (0) behind its number, TransactionLogValue (written in version 1, which TV1 brought; 0 is read, too)
 * behind its version. Loop thread.
 *
 * The newest record of an id says all of it; a null value is a tombstone. The epoch before the last bump
 * is in no record: a client whose InitProducerId spans a restart may be fenced, as with Kafka. */
#include "broker/group.h"
#include "broker/replay.h"
#include "broker/txn.h"

#include "base/mem.h"
#include "cluster/delta.h"
#include "wire/messages.h"

enum { KIND_TRANSACTION = 0, VALUE_VERSION = 1, KEY_MAX = 1 << 16, VALUE_MAX = 16 << 20 };

int32_t txn_log_partition(const struct txn_coordinator *c, struct str id)
{
    const struct topic *topic = image_topic(c->options.image, STR(TRANSACTION_STATE_TOPIC));
    if (topic == NULL || topic->partitions <= 0) return -1;
    int32_t h = group_hash(id);
    int32_t positive = h == INT32_MIN ? 0 : h < 0 ? -h : h; /* Utils.abs */
    return positive % topic->partitions;
}

/* --- writing ---------------------------------------------------------------------------------- */
static status put_value(struct buf *out, const struct txn_data *data)
{
    typedef struct transaction_log_value_partitions_schema row;
    struct transaction_log_value v;
    wire_default(&transaction_log_value_message, &v);
    v.producer_id = data->producer_id;
    if (data->previous_id != data->producer_id) v.previous_producer_id = data->previous_id;
    v.next_producer_id = data->next_id;
    v.producer_epoch = data->epoch;
    v.transaction_timeout_ms = data->timeout_ms;
    v.transaction_status = (int8_t)data->state;
    v.transaction_last_update_timestamp_ms = data->updated_at;
    v.transaction_start_timestamp_ms = data->started_at;
    v.client_transaction_version = data->client_version;
    v.transaction_partitions_count = -1;
    row *rows = mem_zalloc((size_t)(data->partitions.count + 1) * sizeof(*rows));
    if (rows == NULL) return FAIL(NO_MEMORY);
    for (int32_t i = 0; i < data->partitions.count; i++)
        rows[i] = (row){ .topic = data->partitions.topics[i].name,
                         .partition_ids = data->partitions.topics[i].partitions,
                         .partition_ids_count = data->partitions.topics[i].count };
    if (data->state != TXN_EMPTY) {
        v.transaction_partitions = rows;
        v.transaction_partitions_count = data->partitions.count;
    }
    buf_put_be16(out, VALUE_VERSION);
    status s = wire_encode(&transaction_log_value_message, VALUE_VERSION, &v, out);
    mem_free(rows);
    return is_ok(s) ? buf_check(out) : s;
}

static status put_batch(const struct txn_coordinator *c, struct str id, const struct txn_data *data,
                        struct buf *out)
{
    struct batch_builder builder;
    struct buf key, value;
    struct transaction_log_key k = { .transactional_id = id };
    buf_init(&key, KEY_MAX);
    buf_init(&value, VALUE_MAX);
    batch_builder_init(&builder, NULL);
    bool tombstone = data->state == TXN_DEAD;
    buf_put_be16(&key, KIND_TRANSACTION);
    status s = wire_encode(&transaction_log_key_message, 0, &k, &key);
    if (is_ok(s)) s = buf_check(&key);
    if (is_ok(s) && !tombstone) s = put_value(&value, data);
    if (is_ok(s))
        s = batch_builder_add(&builder, loop_wall(c->options.loop), buf_bytes(&key),
                              tombstone ? BYTES_NULL : buf_bytes(&value), NULL, 0);
    if (is_ok(s)) s = batch_builder_finish(&builder, out);
    batch_builder_done(&builder);
    buf_done(&key);
    buf_done(&value);
    return s;
}

status txn_log_append(struct txn_coordinator *c, struct str id, const struct txn_data *data,
                      struct plog **ret_log, int64_t *ret_end)
{
    const struct topic *topic = image_topic(c->options.image, STR(TRANSACTION_STATE_TOPIC));
    int32_t partition = txn_log_partition(c, id);
    if (partition < 0) return FAIL(COORDINATOR_NOT_AVAILABLE);
    struct plog *log = c->options.log(c->options.arg, topic, partition);
    if (log == NULL) return FAIL(COORDINATOR_NOT_AVAILABLE);
    struct append_result result = { 0 };
    struct buf batch;
    buf_init(&batch, VALUE_MAX + KEY_MAX);
    status s = put_batch(c, id, data, &batch);
    if (is_ok(s)) s = plog_append(log, batch.data, batch.len, APPEND_COORDINATOR, &result);
    buf_done(&batch);
    if (failed(s)) return s.code == E_NO_MEMORY ? s : FAIL(COORDINATOR_NOT_AVAILABLE);
    *ret_log = log;
    *ret_end = result.end_offset;
    return OK;
}

/* --- replaying -------------------------------------------------------------------------------- */
struct loading_log {
    struct replay replay;
    struct txn_coordinator *coordinator;
};

static status load_partitions(const struct transaction_log_value *v, struct txn_partitions *set)
{
    for (int32_t i = 0; i < v->transaction_partitions_count; i++)
        for (int32_t k = 0; k < v->transaction_partitions[i].partition_ids_count; k++)
            TRY(txn_partitions_add(set, v->transaction_partitions[i].topic,
                                   v->transaction_partitions[i].partition_ids[k]));
    return OK;
}

static status load_value(struct txn_coordinator *c, struct str id,
                         const struct transaction_log_value *v)
{
    struct txn *t = txn_find(c, id);
    if (v->transaction_status < TXN_EMPTY || v->transaction_status > TXN_COMPLETE_ABORT)
        return FAIL(CORRUPT);
    if (t == NULL) TRY(txn_add_id(c, id, v->producer_id, &t));
    txn_data_done(&t->now);
    t->now = (struct txn_data){
        .producer_id = v->producer_id,
        .previous_id = v->previous_producer_id,
        .next_id = v->next_producer_id,
        .epoch = v->producer_epoch,
        .last_epoch = TXN_EPOCH_NONE,
        .timeout_ms = v->transaction_timeout_ms,
        .state = (enum txn_state)v->transaction_status,
        .client_version = v->client_transaction_version,
        .started_at = v->transaction_start_timestamp_ms,
        .updated_at = v->transaction_last_update_timestamp_ms,
    };
    return load_partitions(v, &t->now.partitions);
}

static status load_record(struct replay *r, const struct batch_header *h, int16_t kind,
                          struct bytes key, struct bytes value, struct arena *arena)
{
    (void)h;
    struct txn_coordinator *c = CONTAINER_OF(r, struct loading_log, replay)->coordinator;
    struct transaction_log_key k;
    struct transaction_log_value v;
    if (kind != KIND_TRANSACTION) return OK; /* of a version that knows more */
    TRY(wire_decode(&transaction_log_key_message, 0, key, arena, &k, NULL));
    if (value.data == NULL) {
        struct txn *t = txn_find(c, k.transactional_id);
        if (t != NULL) txn_free(t);
        return OK;
    }
    if (value.len < 2) return FAIL(CORRUPT);
    TRY(wire_decode(&transaction_log_value_message, (int16_t)get_be16(value.data),
                    bytes_of(value.data + 2, value.len - 2), arena, &v, NULL));
    return load_value(c, k.transactional_id, &v);
}

status txn_log_load(struct txn_coordinator *c, struct plog *log)
{
    struct loading_log loading = { .replay = { .record = load_record }, .coordinator = c };
    return replay_log(&loading.replay, log);
}

status txn_load_batch(struct txn_coordinator *c, struct bytes batch,
                        struct replay_cursor *cursor, const struct loop *loop)
{
    struct loading_log loading = { .replay = { .record = load_record }, .coordinator = c };
    return replay_some(&loading.replay, batch, cursor, loop);
}
