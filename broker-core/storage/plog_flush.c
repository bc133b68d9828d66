/* plog_flush.c - flush.messages and flush.ms: how much of a topic with leat.flush=os, and for how long, only
 * the page cache may hold. Syncs segments themselves; the high watermark does not wait. A topic that
 * flushes is stricter than any such limit, so nothing happens there. Loop thread. */
#include "storage/storage_int.h"

struct plog_flush {
    struct timer timer;
    struct plog *log;
};

static void flush_ask(struct plog *log)
{
    if (log->unhanded == 0) return; /* a sync of it is in flight */
    log->want_direct = true;
    plog_queue(log);
}

static void flush_fire(struct timer *timer)
{
    struct plog *log = CONTAINER_OF(timer, struct plog_flush, timer)->log;
    if (!log->gone && !log->flushing && log->durable < log->end) flush_ask(log);
}

/* Without memory the next append tries again. */
static void flush_arm(struct plog *log)
{
    struct loop *loop = log->store->options.loop;
    if (!loop) return;
    if (!log->flush) {
        log->flush = mem_zalloc(sizeof *log->flush);
        if (!log->flush) return;
        log->flush->log = log;
        timer_init(&log->flush->timer, flush_fire);
    }
    if (log->flush->timer.slot) return;
    (void)loop_timer_set(loop, &log->flush->timer, loop_now(loop) + log->config.flush_ms);
}

void plog_flush_check(struct plog *log)
{
    if (log->flushing || log->gone || log->durable >= log->end) return;
    if (log->end - log->durable >= log->config.flush_messages) flush_ask(log);
    else if (log->config.flush_ms < FLUSH_MS_MAX) flush_arm(log);
}

void plog_flush_free(struct plog *log)
{
    if (!log->flush) return;
    loop_timer_clear(log->store->options.loop, &log->flush->timer);
    mem_free(log->flush);
    log->flush = NULL;
}
