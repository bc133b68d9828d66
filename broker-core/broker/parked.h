/* parked.h - requests that wait for partitions to move (fetches with max_wait): woken at most once
 * a turn, by the high watermark, the end of a log, or their time. Embedded in their owner. */
#pragma once
#include "io/loop.h"
#include "storage/plog.h"

struct parked;
struct parked_log { /* one partition waited for */
    struct plog *log; /* NULL: not waiting */
    struct parked *parked;
    struct parked_log *prev, *next;
};
struct parked {
    struct loop *loop;
    struct parked_log *logs;
    int32_t count;
    bool late;   /* its time is over */
    /* End of the turn: something happened. Still parked: parked_leave when it is enough. */
    void (*wake)(struct parked *parked);
    struct timer timer;
    struct deferred deferred;
};

/* `logs` is the caller's and has room for every parked_add that follows. */
void parked_init(struct parked *parked, struct loop *loop, struct parked_log *logs,
                 void (*wake)(struct parked *parked));
void parked_add(struct parked *parked, struct plog *log);
status parked_until(struct parked *parked, int64_t at_ms);
void parked_leave(struct parked *parked); /* not parked: ok */

void parked_moved(struct plog *log);    /* wakes everyone who waits for it */
void parked_log_ends(struct plog *log); /* the same, and the log is forgotten */
