/* txn_start.c - the transaction coordinator of a broker: wired to its image, store, loop and group
 * coordinator; and markers into partitions of this broker. */
#include "broker/group.h"
#include "broker/server.h"
#include "broker/txn_coordinator.h"

static struct plog *log_of_broker(void *arg, const struct topic *topic, int32_t partition)
{
    return broker_log(arg, topic, partition);
}

static int64_t next_producer_id(void *arg) { return broker_producer_id(arg); }

status broker_write_marker(struct broker *b, const struct txn_marker *m, int32_t coordinator_epoch,
                           struct plog **ret_log, int64_t *ret_end)
{
    const struct topic *topic = image_topic(b->image, m->topic);
    *ret_log = NULL;
    if (topic == NULL || m->partition < 0 || m->partition >= topic->partitions) return OK;
    /* What it ends may not have been read yet. */
    if (str_eq(m->topic, OFFSETS_TOPIC) && b->loading.phase == LOADING_GROUPS)
        return FAIL(COORDINATOR_LOAD_IN_PROGRESS);
    struct plog *log = broker_log(b, topic, m->partition);
    if (log == NULL) return FAIL(NO_MEMORY);
    struct append_result result = { 0 };
    TRY(plog_append_marker(log, m->producer_id, m->producer_epoch, m->commit, coordinator_epoch, m->tv2,
                           &result));
    if (str_eq(m->topic, OFFSETS_TOPIC) && b->groups != NULL)
        group_txn_end(b->groups, m->partition, m->producer_id, m->commit, result.end_offset);
    *ret_log = log;
    *ret_end = result.end_offset;
    return OK;
}

/* The coordinator's epoch is the store's: each start raises it. */
static status marker_of_coordinator(void *arg, const struct txn_marker *marker, struct plog **ret_log,
                                    int64_t *ret_end)
{
    struct broker *b = arg;
    return broker_write_marker(b, marker, store_epoch(b->store), ret_log, ret_end);
}

status txn_coordinator_start(struct broker *broker, struct txn_coordinator **ret_coordinator)
{
    struct txn_options options;
    txn_options_init(&options);
    options.loop = broker->loop;
    options.image = broker->image;
    options.store = broker->store;
    options.log = log_of_broker;
    options.producer_id = next_producer_id;
    options.marker = marker_of_coordinator;
    options.arg = broker;
    struct txn_coordinator *c = NULL;
    TRY(txn_coordinator_new(&options, &c));
    txn_coordinator_loading(c);
    *ret_coordinator = c;
    return OK;
}

void txn_coordinator_stop(struct txn_coordinator *c) { txn_coordinator_free(c); }
