/* group_start.c - the group coordinator of a broker: wired to its image, store and loop. */
#include "broker/group_coordinator.h"
#include "broker/server.h"

static struct plog *log_of_broker(void *arg, const struct topic *topic, int32_t partition)
{
    return broker_log(arg, topic, partition);
}

status group_coordinator_start(struct broker *broker, struct group_coordinator **ret_coordinator)
{
    struct group_options options;
    group_options_init(&options);
    options.loop = broker->loop;
    options.image = broker->image;
    options.store = broker->store;
    options.log = log_of_broker;
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
