/* produce_pack.h - batches of a Produce request whose records have to be inflated or packed anew, which
 * may take long, are prepared on a lane (storage/prepare.h) before the request goes on.
 *
 * The connection is not read meanwhile, so batches of one producer keep their order. Loop thread. */
#pragma once
#include "broker/handler.h"
#include "storage/prepare.h"

struct pack_item {
    const void *of;       /* the partition's data in the request */
    struct log_config config;
    struct prepared prepared;
    struct append_result result;
    status outcome;
    uint8_t *batch;
    size_t len;
};
struct pack { /* of one request, in its arena; zeroed: nothing to prepare */
    struct job job;
    struct request *request;
    struct pack_item *items; /* in the order of the request */
    int32_t count, next;
    int64_t now_ms;
    bool abandoned;
    void (*done)(struct pack *pack);
};
/* How many batches of the request take long? */
int32_t pack_count(struct request *r, const struct produce_request *body);
/* Prepares them; the body lives as long as the request. done() is called, unless the connection ends
 * before: then the request is dropped. False: it cannot be done (memory). */
bool pack_start(struct pack *pack, struct request *r, const struct produce_request *body, int32_t count,
                void (*done)(struct pack *pack));
/* What was prepared for this partition's data, each in its turn; NULL: nothing. */
struct pack_item *pack_item_of(struct pack *pack, const void *data);
void pack_free(struct pack *pack); /* what the items own; twice ok */
