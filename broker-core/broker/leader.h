/* leader.h - leader epochs in requests (KIP-320), and what a client whose epoch is behind is told
 * about the leader (KIP-951). Every partition is led by this broker; its epoch is the store's.
 * Loop thread. */
#pragma once
#include "broker/server.h"

/* Is the epoch that a client believes in the one of now? -1: it does not say. FENCED_LEADER_EPOCH
 * below, UNKNOWN_LEADER_EPOCH above. */
status leader_epoch_check(const struct broker *b, int32_t epoch);

/* The partition's log is damaged and offline (plog_offline): it has no leader until that is mended, as
 * in Kafka when the only log directory with a replica has failed. */
bool leader_offline(const struct broker *b, const struct topic *topic, int32_t partition);

/* KIP-951: does this error of a partition come with the leader and where it is reached? */
bool leader_hinted(status error);
