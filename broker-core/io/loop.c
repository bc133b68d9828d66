/* loop.c - the event loop over epoll: readiness, timers, end-of-turn work, lanes.
 *
 * One thread runs the loop; each lane has at most one thread, which runs jobs in order and puts
 * them on the list of finished ones. The loop sleeps in epoll_wait; an eventfd wakes it for what
 * other threads did.
 *
 * Invariants: heap[i]->slot == i + 1 and no timer is later than its children; a watch that was
 * taken away is struck from the events of the turn that have not been handed out yet. */
#include "io/loop.h"

#include "base/mem.h"
#include "base/poison.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256
#define TIMERS_MAX (1u << 20)
#define DEFERRED_PER_TURN 100000 /* then events get their chance again */
#define LANE_STACK (512 * 1024)
#define BLOCKS_KEPT 64
#define MS 1000000LL /* in ns */
#define LONG_TURN (MS / 2)

struct spare_block {
    struct spare_block *next;
};

struct lane_thread {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, *last;
    bool started, stop;
};

struct loop {
    int epoll_fd, event_fd;
    struct watch event_watch;
    int64_t now, wall;
    int64_t woke; /* ns */
    struct loop_turns turns;
    struct epoll_event events[EVENTS_PER_TURN];
    int event_count, event_at; /* those of [event_at, event_count) are still to be handed out */
    struct timer **heap;
    size_t timers, heap_cap;
    uint32_t round; /* of firing them */
    struct deferred *deferred_first, *deferred_last;
    uint8_t *scratch;
    struct spare_block *blocks; /* those kept */
    int block_count;
    atomic_bool stop, woken;
    pthread_mutex_t finished_lock;
    struct job *finished_first, *finished_last;
    struct lane_thread lanes[LANE_COUNT];
};

static void loop_read_clocks(struct loop *loop);
static void loop_event_ready(struct watch *watch, uint32_t events);

status loop_new(struct loop **ret_loop)
{
    struct loop *loop = mem_zalloc(sizeof *loop);
    if (!loop) return FAIL(NO_MEMORY);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&loop->finished_lock, NULL);
    for (int i = 0; i < LANE_COUNT; i++) {
        loop->lanes[i].loop = loop;
        pthread_mutex_init(&loop->lanes[i].lock, NULL);
        pthread_cond_init(&loop->lanes[i].wake, NULL);
    }
    loop_read_clocks(loop);
    loop->event_watch = (struct watch){ .ready = loop_event_ready, .fd = loop->event_fd };
    status made = loop->epoll_fd < 0 || loop->event_fd < 0
                      ? status_from_errno(errno)
                      : loop_watch(loop, &loop->event_watch, EPOLLIN);
    if (failed(made)) {
        loop_free(loop);
        return made;
    }
    *ret_loop = loop;
    return OK;
}

static void lane_stop(struct lane_thread *lane)
{
    if (lane->started) {
        pthread_mutex_lock(&lane->lock);
        lane->stop = true;
        pthread_cond_signal(&lane->wake);
        pthread_mutex_unlock(&lane->lock);
        pthread_join(lane->thread, NULL);
    }
    pthread_mutex_destroy(&lane->lock);
    pthread_cond_destroy(&lane->wake);
}

void loop_free(struct loop *loop)
{
    if (!loop) return;
    for (int i = 0; i < LANE_COUNT; i++) lane_stop(&loop->lanes[i]);
    /* What ends of its own accord (streams that were just closed) waits in the deferred list. */
    for (struct deferred *d = loop->deferred_first; d; d = loop->deferred_first) {
        loop_undefer(loop, d);
        d->run(d);
    }
    if (loop->epoll_fd >= 0) close(loop->epoll_fd);
    if (loop->event_fd >= 0) close(loop->event_fd);
    pthread_mutex_destroy(&loop->finished_lock);
    loop_trim(loop);
    mem_free(loop->heap);
    mem_free(loop);
}

int64_t loop_nanos(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void loop_read_clocks(struct loop *loop)
{
    loop->woke = loop_nanos();
    loop->now = loop->woke / MS;
    loop->wall = clock_ms(CLOCK_REALTIME);
}

int64_t loop_now(const struct loop *loop) { return loop->now; }
int64_t loop_wall(const struct loop *loop) { return loop->wall; }
const struct loop_turns *loop_turns(const struct loop *loop) { return &loop->turns; }

bool loop_turn_is_long(const struct loop *loop) { return loop_nanos() - loop->woke > LONG_TURN; }

/* --- turns ---------------------------------------------------------------------------------- */

static int loop_timeout(const struct loop *loop, int max_wait_ms)
{
    if (loop->deferred_first || atomic_load(&loop->stop)) return 0;
    if (!loop->timers) return max_wait_ms;
    int64_t wait = loop->heap[0]->at - clock_ms(CLOCK_MONOTONIC);
    if (wait < 0) wait = 0;
    if (wait > INT_MAX) wait = INT_MAX;
    return max_wait_ms >= 0 && max_wait_ms < wait ? max_wait_ms : (int)wait;
}

static void loop_fire_timers(struct loop *loop)
{
    /* A timer that is set to now meanwhile waits for the next turn, behind all that are due. */
    uint32_t round = ++loop->round;
    while (loop->timers && loop->heap[0]->at <= loop->now && loop->heap[0]->round != round) {
        struct timer *timer = loop->heap[0];
        loop_timer_clear(loop, timer);
        timer->fire(timer);
    }
}

static void loop_run_deferred(struct loop *loop)
{
    for (int left = DEFERRED_PER_TURN; left && loop->deferred_first; left--) {
        struct deferred *d = loop->deferred_first;
        loop_undefer(loop, d);
        d->run(d);
    }
}

static void loop_count_turn(struct loop *loop)
{
    struct loop_turns *turns = &loop->turns;
    int64_t took = loop_nanos() - loop->woke;
    turns->count++;
    turns->over_1ms += took > MS;
    turns->over_10ms += took > 10 * MS;
    if (took > turns->longest_ns) turns->longest_ns = took;
}

void loop_turn(struct loop *loop, int max_wait_ms)
{
    int n = epoll_wait(loop->epoll_fd, loop->events, EVENTS_PER_TURN,
                       loop_timeout(loop, max_wait_ms));
    loop_read_clocks(loop);
    loop->event_count = n > 0 ? n : 0;
    for (loop->event_at = 0; loop->event_at < loop->event_count;) {
        struct epoll_event *e = &loop->events[loop->event_at++];
        struct watch *watch = e->data.ptr;
        if (watch) watch->ready(watch, e->events);
    }
    loop->event_count = loop->event_at = 0;
    loop_fire_timers(loop);
    loop_run_deferred(loop);
    loop_count_turn(loop);
}

void loop_run(struct loop *loop)
{
    while (!atomic_load(&loop->stop)) loop_turn(loop, -1);
    atomic_store(&loop->stop, false);
}

static void loop_wake(struct loop *loop)
{
    if (atomic_exchange(&loop->woken, true)) return;
    uint64_t one = 1;
    ssize_t n = write(loop->event_fd, &one, sizeof one);
    (void)n; /* only fails when the counter is not zero: awake already */
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->stop, true);
    loop_wake(loop);
}

/* --- timers: a binary heap ------------------------------------------------------------------- */

static bool timer_before(const struct timer *a, const struct timer *b)
{
    return a->at != b->at ? a->at < b->at : (int32_t)(a->round - b->round) < 0;
}

static void heap_put(struct loop *loop, size_t i, struct timer *timer)
{
    loop->heap[i] = timer;
    timer->slot = i + 1;
}

static void heap_up(struct loop *loop, size_t i, struct timer *timer)
{
    for (; i > 0 && timer_before(timer, loop->heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap_put(loop, i, loop->heap[(i - 1) / 2]);
    heap_put(loop, i, timer);
}

static void heap_down(struct loop *loop, size_t i, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= loop->timers) break;
        if (child + 1 < loop->timers && timer_before(loop->heap[child + 1], loop->heap[child])) child++;
        if (!timer_before(loop->heap[child], timer)) break;
        heap_put(loop, i, loop->heap[child]);
        i = child;
    }
    heap_put(loop, i, timer);
}

static void heap_settle(struct loop *loop, size_t i, struct timer *timer)
{
    if (i > 0 && timer_before(timer, loop->heap[(i - 1) / 2])) heap_up(loop, i, timer);
    else heap_down(loop, i, timer);
}

void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    *timer = (struct timer){ .fire = fire };
}

status loop_timer_set(struct loop *loop, struct timer *timer, int64_t at_ms)
{
    timer->at = at_ms < loop->now ? loop->now : at_ms; /* so that rounds order what is due */
    timer->round = loop->round;
    if (timer->slot) {
        heap_settle(loop, timer->slot - 1, timer);
        return OK;
    }
    if (loop->timers == loop->heap_cap) {
        size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 16;
        if (cap > TIMERS_MAX) return FAIL(LIMIT);
        struct timer **heap = mem_realloc(loop->heap, cap * sizeof *heap);
        if (!heap) return FAIL(NO_MEMORY);
        loop->heap = heap;
        loop->heap_cap = cap;
    }
    heap_up(loop, loop->timers++, timer);
    return OK;
}

void loop_timer_clear(struct loop *loop, struct timer *timer)
{
    if (!timer->slot) return;
    size_t i = timer->slot - 1;
    timer->slot = 0;
    struct timer *last = loop->heap[--loop->timers];
    if (last != timer) heap_settle(loop, i, last);
}

/* --- end of turn ------------------------------------------------------------------------------ */

void loop_defer(struct loop *loop, struct deferred *d)
{
    if (d->queued) return;
    d->queued = true;
    d->next = NULL;
    d->prev = loop->deferred_last;
    if (d->prev) d->prev->next = d;
    else loop->deferred_first = d;
    loop->deferred_last = d;
}

void loop_undefer(struct loop *loop, struct deferred *d)
{
    if (!d->queued) return;
    d->queued = false;
    if (d->prev) d->prev->next = d->next;
    else loop->deferred_first = d->next;
    if (d->next) d->next->prev = d->prev;
    else loop->deferred_last = d->prev;
    d->prev = d->next = NULL;
}

/* --- descriptors -------------------------------------------------------------------------------- */

status loop_watch(struct loop *loop, struct watch *watch, uint32_t events)
{
    if (watch->added && watch->events == events) return OK;
    struct epoll_event e = { .events = events, .data.ptr = watch };
    int op = watch->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(loop->epoll_fd, op, watch->fd, &e) < 0) return status_from_errno(errno);
    watch->added = true;
    watch->events = events;
    return OK;
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
    if (!watch->added) return;
    watch->added = false;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->event_at; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch) loop->events[i].data.ptr = NULL;
}

uint8_t *loop_scratch(struct loop *loop)
{
    if (!loop->scratch) loop->scratch = mem_alloc(LOOP_SCRATCH);
    return loop->scratch;
}

void *loop_block(struct loop *loop)
{
    struct spare_block *block = loop->blocks;
    if (!block) return mem_alloc(LOOP_BLOCK);
    unpoison(block, LOOP_BLOCK);
    loop->blocks = block->next;
    loop->block_count--;
    return block;
}

void loop_block_free(struct loop *loop, void *p)
{
    struct spare_block *block = p;
    if (loop->block_count == BLOCKS_KEPT) {
        mem_free(block);
        return;
    }
    block->next = loop->blocks;
    loop->blocks = block;
    loop->block_count++;
    poison(block, LOOP_BLOCK);
}

void loop_trim(struct loop *loop)
{
    while (loop->blocks) mem_free(loop_block(loop));
    mem_free(TAKE(loop->scratch));
}

/* --- lanes ---------------------------------------------------------------------------------------- */

static void *lane_run(void *arg)
{
    struct lane_thread *lane = arg;
    pthread_mutex_lock(&lane->lock);
    for (;;) {
        struct job *job = lane->first;
        if (!job) {
            if (lane->stop) break;
            pthread_cond_wait(&lane->wake, &lane->lock);
            continue;
        }
        lane->first = job->next;
        if (!lane->first) lane->last = NULL;
        pthread_mutex_unlock(&lane->lock);
        job->work(job);
        loop_post(lane->loop, job);
        pthread_mutex_lock(&lane->lock);
    }
    pthread_mutex_unlock(&lane->lock);
    return NULL;
}

static status lane_start(struct lane_thread *lane)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, LANE_STACK);
    /* Signals are the loop thread's. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&lane->thread, &attr, lane_run, lane);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (error) return status_from_errno(error);
    lane->started = true;
    return OK;
}

status loop_submit(struct loop *loop, struct job *job, enum lane which)
{
    struct lane_thread *lane = &loop->lanes[which];
    if (!lane->started) TRY(lane_start(lane));
    job->next = NULL;
    job->queued_at = loop->now;
    pthread_mutex_lock(&lane->lock);
    if (lane->last) lane->last->next = job;
    else lane->first = job;
    lane->last = job;
    pthread_cond_signal(&lane->wake);
    pthread_mutex_unlock(&lane->lock);
    return OK;
}

void loop_post(struct loop *loop, struct job *job)
{
    pthread_mutex_lock(&loop->finished_lock);
    job->next = NULL;
    if (loop->finished_last) loop->finished_last->next = job;
    else loop->finished_first = job;
    loop->finished_last = job;
    pthread_mutex_unlock(&loop->finished_lock);
    loop_wake(loop);
}

/* Another thread woke the loop: hand out the finished jobs that are there now. */
static void loop_event_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct loop *loop = CONTAINER_OF(watch, struct loop, event_watch);
    uint64_t count;
    ssize_t n = read(loop->event_fd, &count, sizeof count);
    (void)n;
    atomic_store(&loop->woken, false);
    pthread_mutex_lock(&loop->finished_lock);
    struct job *job = loop->finished_first;
    loop->finished_first = loop->finished_last = NULL;
    pthread_mutex_unlock(&loop->finished_lock);
    while (job) {
        struct job *next = job->next;
        job->done(job);
        job = next;
    }
}
