/* list_config_resources.c - ListConfigResources (key 74, KIP-1142; version 0 is KIP-1000's
 * ListClientMetricsResources): which resources have configs. Groups and client metrics appear once
 * they have configs of their own, which this broker does not keep. */
#include "broker/handler.h"

#include "broker/authorizer.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_BROKER_LOGGER = 8,
       RESOURCE_CLIENT_METRICS = 16, RESOURCE_GROUP = 32 };

typedef struct list_config_resources_response_config_resource resource_row;

static bool supported(int8_t type, int16_t version)
{
    if (type == RESOURCE_CLIENT_METRICS) return true;
    return version >= 1 && (type == RESOURCE_TOPIC || type == RESOURCE_BROKER ||
                            type == RESOURCE_BROKER_LOGGER || type == RESOURCE_GROUP);
}

/* An empty list asks for every type that the version has. */
static bool wanted(const struct request *r, int8_t type)
{
    const struct list_config_resources_request *body = r->body;
    if (r->version < 1) return type == RESOURCE_CLIENT_METRICS;
    if (body->resource_types_count <= 0) return true;
    for (int32_t i = 0; i < body->resource_types_count; i++)
        if (body->resource_types[i] == type) return true;
    return false;
}

static void resources_fill(struct request *r, struct list_config_resources_response *response)
{
    const struct broker *b = r->broker;
    size_t most = HASH_COUNT(b->image->topics) + 2;
    response->config_resources = ARENA_ARRAY(r->arena, resource_row, most);
    resource_row *row = response->config_resources;
    if (!row) return;
    struct str self = arena_printf(r->arena, "%d", b->options.node_id);
    if (wanted(r, RESOURCE_BROKER_LOGGER)) *row++ = (resource_row){ self, RESOURCE_BROKER_LOGGER };
    if (wanted(r, RESOURCE_BROKER)) *row++ = (resource_row){ self, RESOURCE_BROKER };
    if (wanted(r, RESOURCE_TOPIC)) {
        struct topic *topic, *next;
        HASH_ITER(hh, b->image->topics, topic, next)
            *row++ = (resource_row){ arena_str(r->arena, topic->name), RESOURCE_TOPIC };
    }
    response->config_resources_count = (int32_t)(row - response->config_resources);
}

void handle_list_config_resources(struct request *r)
{
    const struct list_config_resources_request *body = r->body;
    struct list_config_resources_response response;
    wire_default(&list_config_resources_response_message, &response);
    status refused = OK;
    if (!authorize(r, OP_DESCRIBE_CONFIGS, RES_CLUSTER, AUTHORIZER_CLUSTER))
        refused = FAIL(CLUSTER_AUTHORIZATION_FAILED);
    for (int32_t i = 0; is_ok(refused) && i < body->resource_types_count; i++)
        if (!supported(body->resource_types[i], r->version)) refused = FAIL(UNSUPPORTED_VERSION);
    response.error_code = status_kafka(refused);
    if (is_ok(refused)) resources_fill(r, &response);
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
