/* plog_txn.c - transactions in a partition's log: markers, the last stable offset, what was aborted.
 * Loop thread. */
#include "storage/storage_int.h"

int64_t plog_stable(const struct plog *log)
{
    int64_t unstable = txns_unstable(&log->producers.txns);
    if (unstable < log->start) unstable = log->start; /* DeleteRecords may pass it */
    return unstable < log->high_watermark ? unstable : log->high_watermark;
}

bool plog_txn_open(const struct plog *log, int64_t producer_id, int16_t *ret_epoch,
                   int64_t *ret_first_offset)
{
    return producer_state_txn(&log->producers, producer_id, ret_epoch, ret_first_offset);
}

void plog_producers(const struct plog *log,
                    void (*each)(void *arg, const struct plog_producer *producer), void *arg)
{
    producer_state_each(&log->producers, each, arg);
}

/* --- markers ---------------------------------------------------------------------------------- */

static status marker_write(struct plog *log, struct buf *marker, struct batch_header *ret_header)
{
    TRY(batch_header_peek(buf_bytes(marker), ret_header));
    return plog_append_stored(log, marker->data, marker->len, ret_header);
}

static status marker_append(struct plog *log, int64_t producer_id, int16_t producer_epoch,
                            const struct producer_marker *marker, struct append_result *result)
{
    int64_t now = store_wall(log->store);
    struct batch_header h;
    struct buf out;
    buf_init(&out, BATCH_STORED_MAX);
    status s = batch_put_marker(&out, marker->type, producer_id, producer_epoch,
                                marker->coordinator_epoch, now);
    if (is_ok(s) && log->config.log_append_time) {
        batch_set_append_time(out.data, out.len, now);
        result->append_time_ms = now;
    }
    if (is_ok(s)) s = marker_write(log, &out, &h);
    buf_done(&out);
    if (failed(s)) {
        why_set(&result->why, "%s", status_text(s));
        return FAIL(KAFKA_STORAGE_ERROR);
    }
    result->base_offset = h.base_offset;
    plog_account(log, &h, marker);
    return OK;
}

status plog_append_marker(struct plog *log, int64_t producer_id, int16_t producer_epoch,
                          bool commit, int32_t coordinator_epoch, bool tv2,
                          struct append_result *ret)
{
    struct store *store = log->store;
    struct producer_marker marker = { commit ? CONTROL_COMMIT : CONTROL_ABORT, coordinator_epoch };
    *ret = (struct append_result){ .base_offset = -1, .append_time_ms = -1 };
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (failed(store->failure) || store->stopping || log->offline) return FAIL(KAFKA_STORAGE_ERROR);
    TRY(producer_state_check_marker(&log->producers, producer_id, producer_epoch,
                                    coordinator_epoch, tv2, &ret->duplicate));
    if (!ret->duplicate)
        TRY(marker_append(log, producer_id, producer_epoch, &marker, ret));
    ret->end_offset = log->end;
    store_settle(store);
    return OK;
}

/* --- what was aborted ------------------------------------------------------------------------- */

struct aborted_caller {
    void (*each)(void *arg, const struct aborted_txn *txn);
    void *arg;
};

static void aborted_one(void *arg, const struct aborted_entry *e)
{
    const struct aborted_caller *c = arg;
    c->each(c->arg, &(struct aborted_txn){ e->producer_id, e->first, e->last });
}

status plog_aborted(struct plog *log, int64_t from, int64_t to,
                    void (*each)(void *arg, const struct aborted_txn *txn), void *arg)
{
    struct aborted_caller c = { each, arg };
    if (log->gone) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (log->offline) return FAIL(KAFKA_STORAGE_ERROR);
    struct aborted_index *index = &log->producers.aborted;
    struct read_miss *miss = log->store->files.miss;
    int64_t base;
    if (!miss) return aborted_find(index, log->store->fs, log->folder, from, to, aborted_one, &c);
    status found = aborted_find_near(index, log->store->fs, log->folder, from, to, aborted_one, &c, &base);
    if (found.code == E_BUSY)
        *miss = (struct read_miss){ .segment = plog_active(log), .at = base, .aborted = true,
                                     .topic = log->key.topic, .partition = log->key.partition };
    return found;
}
