/* leader.c - the epoch of the one leader. Loop thread. */
#include "broker/leader.h"

status leader_epoch_check(const struct broker *b, int32_t epoch)
{
    int32_t ours = store_epoch(b->store);
    if (epoch < 0 || epoch == ours) return OK;
    return epoch < ours ? FAIL(FENCED_LEADER_EPOCH) : FAIL(UNKNOWN_LEADER_EPOCH);
}

bool leader_hinted(status error)
{
    return error.code == E_NOT_LEADER_OR_FOLLOWER || error.code == E_FENCED_LEADER_EPOCH;
}
