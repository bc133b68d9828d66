/* sync_gate.c - see sync_gate.h. */
#include "storage/sync_gate.h"

#include "io/loop.h"

#include <time.h>

#define SECOND 1000000000LL

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
