/* controller.h - where a broker takes changes of metadata: leatd over the control socket, or the
 * local controller of a standalone broker. A handler authorises, then submits the (decoded) Kafka
 * admin request; the answer is the decoded Kafka response.
 *
 * When done() is called with OK the change is in this broker's image and durable. */
#pragma once
#include "base/arena.h"

struct controller;
struct controller_ops {
    /* `request` and `arena` stay valid until done(); the response is allocated from `arena`.
     * REQUEST_TIMED_OUT when leatd is away or does not answer within 5 s. */
    void (*submit)(struct controller *controller, int16_t api_key, int16_t version,
                   const void *request, struct str principal, struct arena *arena,
                   void (*done)(void *arg, status result, void *response), void *arg);
};
struct controller {
    const struct controller_ops *ops;
};
