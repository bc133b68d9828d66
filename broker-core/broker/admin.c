/* admin.c - the way of an admin request from its handler to the controller. Loop thread. */
#include "broker/admin.h"

void admin_submit(struct request *r, int16_t api_key, int16_t version, const void *body,
                  controller_done done, void *arg)
{
    struct controller *controller = r->broker->controller;
    struct controller_request request = {
        .api_key = api_key,
        .version = version,
        .body = body,
        .principal = r->principal,
        .client_host = r->client_host,
        .arena = r->arena,
    };
    controller->ops->submit(controller, &request, done, arg);
}
