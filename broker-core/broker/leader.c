/* leader.c - the epoch of the one leader. Loop thread. */
#include "broker/leader.h"

status leader_epoch_check(const struct broker *b, int32_t epoch)
{
    int32_t ours = store_epoch(b->store);
    if (epoch < 0 || epoch == ours) return OK;
    return epoch < ours ? FAIL(FENCED_LEADER_EPOCH) : FAIL(UNKNOWN_LEADER_EPOCH);
}

bool leader_offline(const struct broker *b, const struct topic *topic, int32_t partition)
{
    if (!store_offline(b->store)) return false;
    const struct plog *log = store_find(b->store, topic->id, partition);
    return log && plog_offline(log);
}

bool leader_hinted(status error)
{
    return error.code == E_NOT_LEADER_OR_FOLLOWER || error.code == E_FENCED_LEADER_EPOCH;
}
