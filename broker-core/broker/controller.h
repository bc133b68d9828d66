/* controller.h - where a broker takes changes of metadata: leatd over the control socket, or the
 * local controller of a standalone broker. A handler authorises, then submits the (decoded) Kafka
 * admin request; the answer is the decoded Kafka response.
 *
 * When done() is called with OK the change is in this broker's image and durable. */
#pragma once
#include "base/arena.h"

struct controller;
struct controller_request {
    int16_t api_key, version;
    const void *body;     /* the decoded request; valid until done(), as is the arena */
    struct str principal; /* who asks, and from where: for the audit; valid during submit() */
    struct str client_host;
    struct arena *arena;  /* the response is allocated from it */
};
typedef void (*controller_done)(void *arg, status result, void *response);
struct controller_ops {
    /* REQUEST_TIMED_OUT when leatd is away or does not answer within 5 s. */
    void (*submit)(struct controller *controller, const struct controller_request *request,
                   controller_done done, void *arg);
};
struct controller {
    const struct controller_ops *ops;
};
