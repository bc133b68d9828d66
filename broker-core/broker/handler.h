/* handler.h - one Kafka request and how it is answered; what every handler (one file per API key)
 * is written against.
 *
 * A handler gets a decoded request, and answers it once: at once or later, by request_reply() or
 * one of its sisters. After that call the request is gone: do not touch it again. Replies leave a
 * connection in the order its requests came, so one that waits holds back the later ones.
 *
 * If the connection ends while a request waits, `abandoned` is called (when set) and the request
 * still has to be answered by request_reply() or request_drop(); the answer then goes nowhere.
 * Loop thread only. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "broker/server.h"
#include "wire/codec.h"
#include "wire/header.h"
#include "wire/messages.h"

struct connection;

enum handler_flags {
    HANDLER_BEFORE_AUTH = 1, /* may come on a connection that is not authenticated yet */
    HANDLER_BORROWS = 2,     /* body points into the frame: valid only until the handler returns */
    HANDLER_OPTIONAL_REPLY = 4, /* may be answered by request_no_reply (Produce with acks=0) */
};

struct request {
    struct broker *broker;
    struct connection *connection; /* NULL once it has ended */
    struct request_header header;
    int16_t version;       /* = header.api_version */
    void *body;            /* struct <api>_request; lives in the arena until answered */
    struct arena *arena;   /* for the response and whatever else lives until answered */
    struct str principal;  /* "User:alice"; standalone: "User:ANONYMOUS" */
    struct str client_host; /* "127.0.0.1" */
    struct str client_id;  /* "" when the client sent none */
    bool super;            /* leatd itself (kafka.sock as User:leat): ACLs and quotas do not apply */
    bool local;            /* came over kafka.sock */
    const struct endpoint *endpoint; /* it came by; the first one for kafka.sock */
    size_t frame_bytes;    /* size of the request on the wire */
    int64_t arrived;       /* loop_now at arrival, ms */

    /* Free for the handler that parks the request. */
    void *state;
    void (*abandoned)(struct request *r);

    int32_t throttle_ms;   /* of quotas charged beside the handler's own: the answer's throttle_time_ms
                              is raised to it, and the connection is not read for so long */

    int64_t work_since;    /* quota_request.c's own: ns, 0: not measured now */
    /* connection.c's own */
    const struct handler *handler;
    struct request *prev, *next;
    struct buf reply;
    struct stream_part *parts; /* of the reply: bytes that are read when they are sent */
    int part_count;
    bool answered;
    bool silent;         /* no bytes are sent */
    bool close_after;
    bool throttled;      /* the connection was muted because of it */
    size_t charged;      /* bytes of the broker's memory budget it holds */
    struct arena memory;
};

struct handler {
    int16_t api_key, min_version, max_version;
    unsigned flags;
    void (*handle)(struct request *r);
    const char *name;
};
const struct handler *handler_find(int16_t api_key); /* NULL: not served */
const struct handler *handler_table(size_t *ret_count);

/* `response` is a struct <api>_response of the request's version. */
void request_reply(struct request *r, const void *response);
/* KIP-219: the connection is not read for so long from now; replies under way still leave. Called by
 * a handler whose answer waits, at the moment of the charge. 0: nothing. */
void request_throttle(struct request *r, int32_t ms);
/* The connection is not read until the request lets go (once each): what comes behind it has to wait for
 * more than its place in the row of answers. */
void request_hold(struct request *r, bool hold);
/* Reply and throttle (unless it was throttled before). The handler has put throttle_time_ms into the
 * response itself. */
void request_reply_throttled(struct request *r, const void *response, int32_t throttle_ms);
/* Before the reply: a part of it, for the next bytes field of the response whose data is wire_hole. Takes
 * the source when OK; NO_MEMORY. */
status request_add_part(struct request *r, struct stream_source *source, size_t len);
void request_drop_parts(struct request *r); /* the reply has none after all */
/* Reply, then close (failed authentication). */
void request_reply_and_close(struct request *r, const void *response);
/* acks=0: no bytes; the next request may be answered. */
void request_no_reply(struct request *r, int32_t throttle_ms);
/* The request cannot be answered: one log line, and the connection closes after earlier replies. */
void request_close(struct request *r, const char *why);
/* The connection is gone (or the broker stops): free the request without an answer. */
void request_drop(struct request *r);
/* arena ran out: answers as request_close; true when so. */
bool request_out_of_memory(struct request *r);

/* handlers.def lists every API that is served; these are their functions. */
#define HANDLER(key, name, min, max, flags) void handle_##name(struct request *r);
#include "broker/handlers.def"
#undef HANDLER
