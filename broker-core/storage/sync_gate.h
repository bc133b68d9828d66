/* sync_gate.h - commits have the right of way on the disk.
 *
 * Producers wait for the sync of a commit, and the disk does one thing after the other. Work on a lane that
 * moves many bytes (cold reads, checkpoints, compaction) goes step by step, and before each step
 * waits until no commit is being synced, within bounds. Any thread. */
#pragma once
#include <pthread.h>
#include <stdint.h>

struct sync_gate {
    pthread_mutex_t lock;
    pthread_cond_t open;
    uint32_t syncs;    /* under way */
    int64_t closed_at; /* ns, of the last commit */
    int64_t paid_at;   /* ns; what was read beside commits is paid for then */
};

void sync_gate_init(struct sync_gate *gate);
void sync_gate_done(struct sync_gate *gate);
void sync_gate_close(struct sync_gate *gate); /* a commit begins to write */
void sync_gate_open(struct sync_gate *gate);  /* it is synced, or failed */
/* Returns when no commit is being synced, and after max_ns at the latest. */
void sync_gate_wait(struct sync_gate *gate, int64_t max_ns);
/* Call before each step that moves bytes. Beside commits of the last 20 ms such work gets 256 MB a second:
 * what is faster takes the disk, and the processor, from the producers. Nothing waits when nobody commits. */
void sync_gate_pace(struct sync_gate *gate, int64_t bytes);
