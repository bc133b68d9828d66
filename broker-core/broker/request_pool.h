/* request_pool.h - requests that were answered, kept with their memory for the next ones: a request that
 * needs no more than the last one takes nothing from the heap. Loop thread only. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct broker;
struct request;

#define REQUEST_POOL_MAX 64  /* so many are kept while the broker is busy */
#define REQUEST_POOL_IDLE 2  /* … and when it is not */

struct request_pool { /* zeroed: empty */
    struct request *first; /* by next */
    int count;
    int unused;            /* the least there were since the last trim */
};

/* All zero but `memory` and `reply`, which are empty, have the caps given and may hold memory. NULL:
 * out of memory. */
struct request *request_take(struct broker *broker, size_t memory_cap, size_t reply_cap);
void request_give(struct broker *broker, struct request *r); /* what it holds goes or is kept */
/* Frees what was not needed since the last call; true when there is more to give back later. */
bool request_pool_trim(struct broker *broker);
void request_pool_free(struct broker *broker); /* all of it */
