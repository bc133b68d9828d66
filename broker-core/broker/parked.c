/* parked.c - who waits for which partition. The list of a log hangs on plog_user. Loop thread. */
#include "broker/parked.h"

#include "base/hash.h"

static void parked_late(struct timer *timer)
{
    struct parked *p = CONTAINER_OF(timer, struct parked, timer);
    p->late = true;
    loop_defer(p->loop, &p->deferred);
}

static void parked_run(struct deferred *d)
{
    struct parked *p = CONTAINER_OF(d, struct parked, deferred);
    p->wake(p);
}

void parked_init(struct parked *p, struct loop *loop, struct parked_log *logs,
                 void (*wake)(struct parked *parked))
{
    *p = (struct parked){ .loop = loop, .logs = logs, .wake = wake };
    timer_init(&p->timer, parked_late);
    p->deferred.run = parked_run;
}

void parked_add(struct parked *p, struct plog *log)
{
    struct parked_log *at = &p->logs[p->count++];
    struct parked_log *first = plog_user(log);
    *at = (struct parked_log){ .log = log, .parked = p };
    DL_APPEND(first, at);
    plog_set_user(log, first);
}

status parked_until(struct parked *p, int64_t at_ms)
{
    return loop_timer_set(p->loop, &p->timer, at_ms);
}

static void parked_forget(struct parked_log *at)
{
    struct parked_log *first = plog_user(at->log);
    DL_DELETE(first, at);
    plog_set_user(at->log, first);
    at->log = NULL;
}

void parked_leave(struct parked *p)
{
    for (int32_t i = 0; i < p->count; i++)
        if (p->logs[i].log) parked_forget(&p->logs[i]);
    p->count = 0;
    loop_timer_clear(p->loop, &p->timer);
    loop_undefer(p->loop, &p->deferred);
}

void parked_moved(struct plog *log)
{
    struct parked_log *at;
    for (at = plog_user(log); at; at = at->next) loop_defer(at->parked->loop, &at->parked->deferred);
}

void parked_log_ends(struct plog *log)
{
    for (struct parked_log *at = plog_user(log); at; at = plog_user(log)) {
        loop_defer(at->parked->loop, &at->parked->deferred);
        parked_forget(at);
    }
}
