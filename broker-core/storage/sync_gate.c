/* sync_gate.c - see sync_gate.h. */
#include "storage/sync_gate.h"

#include "io/loop.h"

#include <time.h>

#define SECOND 1000000000LL
#define LIVE (20 * 1000 * 1000LL)    /* ns; who committed that long ago commits still */
#define BYTES_PER_S (256 * 1000000LL) /* beside commits */

void sync_gate_init(struct sync_gate *gate)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->open, &attr);
    pthread_condattr_destroy(&attr);
}

void sync_gate_done(struct sync_gate *gate)
{
    pthread_cond_destroy(&gate->open);
    pthread_mutex_destroy(&gate->lock);
}

void sync_gate_close(struct sync_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->syncs++;
    gate->closed_at = loop_nanos();
    pthread_mutex_unlock(&gate->lock);
}

void sync_gate_open(struct sync_gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    if (--gate->syncs == 0) pthread_cond_broadcast(&gate->open);
    pthread_mutex_unlock(&gate->lock);
}

void sync_gate_wait(struct sync_gate *gate, int64_t max_ns)
{
    int64_t until = loop_nanos() + max_ns;
    struct timespec at = { until / SECOND, until % SECOND };
    int error = 0;
    pthread_mutex_lock(&gate->lock);
    while (gate->syncs && !error) error = pthread_cond_timedwait(&gate->open, &gate->lock, &at);
    pthread_mutex_unlock(&gate->lock);
}

void sync_gate_pace(struct sync_gate *gate, int64_t bytes)
{
    int64_t now = loop_nanos(), from;
    pthread_mutex_lock(&gate->lock);
    bool live = gate->syncs || now - gate->closed_at < LIVE;
    from = live && gate->paid_at > now ? gate->paid_at : now;
    gate->paid_at = from + (live ? bytes * SECOND / BYTES_PER_S : 0);
    pthread_mutex_unlock(&gate->lock);
    struct timespec at = { from / SECOND, from % SECOND };
    if (from > now) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}
