/* group_start.c - the group coordinator of a broker: wired to its image, store and loop. */
#include "broker/group_coordinator.h"
#include "broker/server.h"
#include "broker/time_lag.h"

static struct plog *log_of_broker(void *arg, const struct topic *topic, int32_t partition)
{
    return broker_log(arg, topic, partition);
}

static void committed(void *arg, const struct group *group, struct committed *offset, bool is_new)
{
    const struct broker *b = arg;
    time_lag_committed(b->time_lag, group, offset, is_new);
}

static void dropped(void *arg, struct committed *offset)
{
    const struct broker *b = arg;
    time_lag_dropped(b->time_lag, offset);
}

status group_coordinator_start(struct broker *broker, struct group_coordinator **ret_coordinator)
{
    struct group_options options;
    group_options_init(&options);
    options.loop = broker->loop;
    options.image = broker->image;
    options.store = broker->store;
    options.log = log_of_broker;
    options.committed = committed;
    options.dropped = dropped;
    options.arg = broker;
    struct group_coordinator *c = NULL;
    TRY(group_coordinator_new(&options, &c));
    group_coordinator_loading(c);
    *ret_coordinator = c;
    return OK;
}

void group_coordinator_stop(struct group_coordinator *c)
{
    group_coordinator_free(c);
}
