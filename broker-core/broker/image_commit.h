/* image_commit.h - one change of a broker's image at a time: checked, made durable by a job off the
 * loop, then applied and told to the broker's observer. Loop thread. Embedded in whoever controls. */
#pragma once
#include "broker/server.h"

struct image_commit {
    struct broker *broker;
    struct job job;
    struct buf delta, whole;
    status written;
    void (*done)(void *arg, status result);
    void *arg;
    bool busy;
};
void image_commit_init(struct image_commit *commit, struct broker *broker);
/* Takes the delta (also on failure). done() comes later, from the loop; on a failure right away
 * (CONFLICT: not this image's next delta, MALFORMED …) it is not called. BUSY: one is on its way. */
status image_commit_start(struct image_commit *commit, struct buf *take_delta,
                          void (*done)(void *arg, status result), void *arg);
/* Turns the loop until the change on its way has ended; done() is called as always. */
void image_commit_finish(struct image_commit *commit);
