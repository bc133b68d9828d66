/* describe_cluster.c - DescribeCluster (key 60). */
#include "broker/handler.h"

#include "broker/authorizer.h"

#define ENDPOINT_BROKERS 1
#define ENDPOINT_CONTROLLERS 2

void handle_describe_cluster(struct request *r)
{
    const struct describe_cluster_request *body = r->body;
    struct broker *b = r->broker;
    struct describe_cluster_response response;
    struct describe_cluster_response_describe_cluster_broker self = {
        .broker_id = b->options.node_id,
        .host = str_c(endpoint_host(r->endpoint)),
        .port = endpoint_port(r->endpoint),
    };
    wire_default(&describe_cluster_response_message, &response);
    response.endpoint_type = ENDPOINT_BROKERS;
    response.cluster_id = str_c(b->image->cluster_id);
    response.controller_id = b->options.node_id;
    if (r->version >= 1 && body->endpoint_type != ENDPOINT_BROKERS) {
        /* KIP-919: controllers are asked on their own listener, which clients cannot reach. */
        response.error_code = status_kafka(body->endpoint_type == ENDPOINT_CONTROLLERS
                                               ? FAIL(MISMATCHED_ENDPOINT_TYPE)
                                               : FAIL(UNSUPPORTED_ENDPOINT_TYPE));
        response.error_message = STR("This listener serves brokers.");
    } else {
        response.brokers = &self;
        response.brokers_count = 1;
    }
    if (body->include_cluster_authorized_operations)
        response.cluster_authorized_operations =
            authorized_operations(r, RES_CLUSTER, AUTHORIZER_CLUSTER);
    request_reply(r, &response);
}
