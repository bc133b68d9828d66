/* request_pool.c - requests kept for the next ones. What is in the pool is poisoned, so that a handler
 * that touches its request after the answer is found out. */
#include "broker/request_pool.h"

#include "base/mem.h"
#include "base/poison.h"
#include "broker/handler.h"

#define REPLY_KEPT 4096 /* bytes of a reply's buffer that stay with a request */

static struct request *pool_pop(struct request_pool *pool)
{
    struct request *r = pool->first;
    unpoison(r, sizeof *r);
    pool->first = r->next;
    r->next = NULL;
    if (--pool->count < pool->unused) pool->unused = pool->count;
    return r;
}

static void request_done(struct request *r)
{
    arena_done(&r->memory);
    buf_done(&r->reply);
    mem_free(r);
}

struct request *request_take(struct broker *b, size_t memory_cap, size_t reply_cap)
{
    struct request *r = b->spare.count ? pool_pop(&b->spare) : mem_zalloc(sizeof *r);
    if (!r) return NULL;
    r->memory.cap = memory_cap;
    r->reply.max = reply_cap;
    return r;
}

void request_give(struct broker *b, struct request *r)
{
    struct request_pool *pool = &b->spare;
    if (pool->count >= REQUEST_POOL_MAX) {
        request_done(r);
        return;
    }
    arena_reset(&r->memory);
    buf_clear(&r->reply);
    if (r->reply.cap > REPLY_KEPT) buf_done(&r->reply);
    *r = (struct request){ .memory = r->memory, .reply = r->reply, .next = pool->first };
    pool->first = r;
    poison(r, sizeof *r);
    if (++pool->count > REQUEST_POOL_IDLE) broker_keeps_memory(b);
}

bool request_pool_trim(struct broker *b)
{
    struct request_pool *pool = &b->spare;
    for (int unused = pool->unused; unused > 0 && pool->count > REQUEST_POOL_IDLE; unused--)
        request_done(pool_pop(pool));
    pool->unused = pool->count;
    return pool->count > REQUEST_POOL_IDLE;
}

void request_pool_free(struct broker *b)
{
    while (b->spare.count) request_done(pool_pop(&b->spare));
}
