/* unregister_broker.c - UnregisterBroker (key 64): takes a broker that is gone out of the metadata.
 * The only one there is lives, and a cluster cannot be without it. */
#include "broker/handler.h"

#include "broker/authorizer.h"

void handle_unregister_broker(struct request *r)
{
    const struct unregister_broker_request *body = r->body;
    struct unregister_broker_response response;
    wire_default(&unregister_broker_response_message, &response);
    status refused;
    if (!authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER)) {
        refused = FAIL(CLUSTER_AUTHORIZATION_FAILED);
        response.error_message = str_c(status_text(refused));
    } else if (body->broker_id != r->broker->options.node_id) {
        refused = FAIL(BROKER_ID_NOT_REGISTERED);
        response.error_message =
            arena_printf(r->arena, "Broker ID %d is not currently registered", body->broker_id);
    } else {
        refused = FAIL(INVALID_REQUEST);
        response.error_message = STR("The only broker of a cluster cannot be unregistered.");
    }
    response.error_code = status_kafka(refused);
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
