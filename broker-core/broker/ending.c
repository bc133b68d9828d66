/* ending.c - see ending.h. */
#include "broker/ending.h"

#include "base/hash.h"
#include "base/mem.h"
#include "broker/parked.h"
#include "broker/server.h"

#define ENDS_A_TURN 256 /* partitions; each takes a microsecond, three when its file is open */

struct ending {
    struct uuid topic;
    int32_t at, partitions; /* those below `at` have ended */
    struct ending *prev, *next;
};

/* As many of its partitions as the budget has. */
static void end_some(struct broker *b, struct ending *e, int32_t *budget)
{
    int32_t from = e->at, left = e->partitions - from;
    e->at += left < *budget ? left : *budget;
    *budget -= e->at - from + 1; /* the topic itself counts, too */
    for (int32_t p = from; p < e->at; p++) {
        struct plog *log = store_find(b->store, e->topic, p);
        if (log) parked_log_ends(log);
    }
    store_delete_topic(b->store, e->topic, from, e->at);
}

static void end_topics(struct broker *b, int32_t budget)
{
    while (b->endings.first && budget > 0) {
        struct ending *e = b->endings.first;
        end_some(b, e, &budget);
        if (e->at < e->partitions) return;
        stats_forget_topic(&b->stats, e->topic); /* parked fetches had its counters */
        DL_DELETE(b->endings.first, e);
        mem_free(e);
    }
}

static void endings_fire(struct timer *timer)
{
    struct broker *b = CONTAINER_OF(timer, struct broker, endings.next);
    end_topics(b, ENDS_A_TURN);
    if (b->endings.first && failed(loop_timer_set(b->loop, timer, loop_now(b->loop)))) endings_finish(b);
}

void endings_add(struct broker *b, struct uuid topic, int32_t partitions)
{
    struct ending *e = mem_must(mem_zalloc(sizeof *e));
    *e = (struct ending){ .topic = topic, .partitions = partitions };
    DL_APPEND(b->endings.first, e);
    if (b->endings.next.slot) return;
    timer_init(&b->endings.next, endings_fire);
    if (failed(loop_timer_set(b->loop, &b->endings.next, loop_now(b->loop)))) endings_finish(b);
}

void endings_finish(struct broker *b)
{
    loop_timer_clear(b->loop, &b->endings.next);
    while (b->endings.first) end_topics(b, INT32_MAX);
}
