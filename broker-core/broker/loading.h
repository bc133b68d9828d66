/* loading.h - at start the coordinators read their topics: what does not take long before anybody is
 * served, the rest some batches a turn of the loop, while clients are told COORDINATOR_LOAD_IN_PROGRESS.
 * Groups first: the transactions that go on afterwards may end in __consumer_offsets. Loop thread. */
#pragma once
#include "base/buf.h"
#include "broker/replay.h"
#include "storage/warm.h"

struct broker;
enum loading_phase { LOADING_GROUPS, LOADING_TXNS, LOADING_DONE };

struct loading { /* zeroed: LOADING_GROUPS, nothing read yet */
    enum loading_phase phase;
    int32_t partition; /* of the phase's topic */
    bool reading;      /* of that; `at` is set */
    int64_t at;
    struct buf chunk;
    struct bytes left; /* of it: batches not loaded yet */
    struct bytes batch; /* the one at hand, while the cursor is open */
    struct replay_cursor cursor;
    struct timer next;
    struct warm warm;
    struct read_miss miss;
    int misses;
};

void loading_start(struct broker *broker); /* both coordinators are there */
void loading_stop(struct broker *broker);  /* before they go; twice ok */
