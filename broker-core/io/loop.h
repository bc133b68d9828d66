/* loop.h - the event loop: one thread that owns its connections, timers and state.
 *
 * Everything here is called on the loop's own thread unless it says "any thread". While there is
 * nothing to do the loop sleeps in epoll_wait until the next deadline of a timer, for ever when there
 * is none: an idle process uses no CPU. Callbacks must not block; what blocks is
 * submitted as a job to a lazily started pool thread and comes back as a completion. */
#pragma once
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

status loop_new(struct loop **ret_loop);
/* NULL ok. Jobs that were submitted are still run and waited for; their done() is not called. */
void loop_free(struct loop *loop);
void loop_run(struct loop *loop);  /* until loop_stop */
/* One turn: waits at most max_wait_ms (-1: for ever) for events and handles them. For tests. */
void loop_turn(struct loop *loop, int max_wait_ms);
void loop_stop(struct loop *loop); /* any thread */

int64_t loop_now(const struct loop *loop);  /* ms, CLOCK_MONOTONIC, read once a turn */
int64_t loop_wall(const struct loop *loop); /* ms since 1970, read once a turn */
int64_t loop_nanos(void);                   /* ns, CLOCK_MONOTONIC, read now; any thread */

/* How long turns kept everybody else waiting: from waking up to going to sleep again. */
struct loop_turns {
    uint64_t count, over_1ms, over_10ms; /* the latter among those over 1 ms */
    int64_t longest_ns;
};
const struct loop_turns *loop_turns(const struct loop *loop);
/* Who has much to do asks now and then, and goes on in another turn (a timer that is set to now) when
 * this one has kept everybody else waiting long enough. */
bool loop_turn_is_long(const struct loop *loop);

/* --- timers: embedded in their owner, zero-initialised by timer_init ------------------------- */
struct timer {
    void (*fire)(struct timer *timer);
    int64_t at; /* ms on loop_now's clock */
    size_t slot; /* 0 = not set */
    uint32_t round; /* of firing before which it was set */
};
void timer_init(struct timer *timer, void (*fire)(struct timer *timer));
status loop_timer_set(struct loop *loop, struct timer *timer, int64_t at_ms); /* moves it if set */
void loop_timer_clear(struct loop *loop, struct timer *timer);                /* not set: ok */

/* --- end of turn: run once after the events of this turn, in order of deferral ---------------- */
struct deferred {
    void (*run)(struct deferred *deferred);
    struct deferred *prev, *next;
    bool queued;
};
void loop_defer(struct loop *loop, struct deferred *deferred);        /* queued already: ok */
void loop_undefer(struct loop *loop, struct deferred *deferred);      /* not queued: ok */

/* --- readiness of a descriptor (used by stream.c, pidfds, listeners) --------------------------- */
struct watch {
    void (*ready)(struct watch *watch, uint32_t events); /* EPOLLIN … */
    int fd;
    uint32_t events;
    bool added;
};
status loop_watch(struct loop *loop, struct watch *watch, uint32_t events); /* add or change */
void loop_unwatch(struct loop *loop, struct watch *watch); /* safe inside any callback */

/* --- blocking work ------------------------------------------------------------------------------ */
enum lane {
    LANE_COMMIT,     /* one thread: journal commits, in order of submission */
    LANE_DIRECT,     /* two threads: syncs of large appends, which commits do not wait for */
    LANE_DIRECT_2,
    LANE_BACKGROUND, /* one thread: checkpoints, hashing */
    LANE_DELETION,   /* one thread: unlinking large files takes long, and nothing waits for it */
    LANE_READ,       /* one thread: what was read on the loop and is not in memory */
    LANE_COMPACTION, /* one thread: writing logs anew takes long, and nothing waits for it */
    LANE_PACK,       /* one thread: inflating and packing what producers send */
    LANE_COUNT
};
struct job {
    void (*work)(struct job *job); /* on the lane's thread */
    void (*done)(struct job *job); /* on the loop thread, afterwards */
    struct job *next;
    int64_t queued_at;
};
/* The job must stay alive until done() was called. Each lane's thread starts at its first job. */
status loop_submit(struct loop *loop, struct job *job, enum lane lane);

/* Any thread: run job->done on the loop thread soon (job->work is not called). */
void loop_post(struct loop *loop, struct job *job);

/* Blocks of LOOP_BLOCK bytes for what lives about a turn: the loop keeps some for the next time, until
 * loop_trim. Not zeroed; NULL without memory. */
#define LOOP_BLOCK 1024
void *loop_block(struct loop *loop);
void loop_block_free(struct loop *loop, void *block);
void loop_trim(struct loop *loop);

/* LOOP_SCRATCH bytes to read into, shared by all streams of the loop: valid until the caller returns to
 * the loop or calls back anybody who may read. Made at first use, until loop_trim; NULL without memory. */
#define LOOP_SCRATCH (768u << 10)
uint8_t *loop_scratch(struct loop *loop);
