/* incremental_alter_configs.c - IncrementalAlterConfigs (key 44): topics go to the controller; the
 * settings of the broker belong to its plan and cannot be changed by a client. */
#include "broker/admin.h"
#include "broker/alter_configs.h"
#include "broker/authorizer.h"
#include "broker/handler.h"

#define RESOURCE_TOPIC 2
#define RESOURCE_BROKER 4

typedef struct incremental_alter_configs_request_alter_configs_resource asked_resource;
typedef struct incremental_alter_configs_response_alter_configs_resource_response resource_answer;

struct alter_configs { /* of one request, in its arena */
    struct request *request;
    struct incremental_alter_configs_request forwarded;
    struct incremental_alter_configs_response response;
};

static void row_add(struct alter_configs *a, const asked_resource *asked, int16_t error,
                    struct str message)
{
    resource_answer *row = &a->response.responses[a->response.responses_count++];
    wire_default_struct(&incremental_alter_configs_response_alter_configs_resource_response_struct,
                        row);
    row->resource_type = asked->resource_type;
    row->resource_name = asked->resource_name;
    row->error_code = error;
    row->error_message = message;
}

status alter_configs_check(struct request *r, int8_t resource_type, struct str name,
                           struct str *ret_message)
{
    status refused = OK;
    if (resource_type == RESOURCE_TOPIC) {
        if (!authorize(r, OP_ALTER_CONFIGS, RES_TOPIC, name))
            refused = FAIL(TOPIC_AUTHORIZATION_FAILED);
    } else if (resource_type == RESOURCE_BROKER) {
        refused = authorize(r, OP_ALTER_CONFIGS, RES_CLUSTER, AUTHORIZER_CLUSTER)
                      ? FAIL(POLICY_VIOLATION)
                      : FAIL(CLUSTER_AUTHORIZATION_FAILED);
    } else {
        *ret_message = STR("Only topics have configs that can be changed here.");
        return FAIL(INVALID_REQUEST);
    }
    if (failed(refused)) *ret_message = str_c(status_text(refused));
    if (refused.code == E_POLICY_VIOLATION)
        *ret_message = STR("The settings of a broker come from the plan of its cluster.");
    return refused;
}

static void alter_configs_done(void *arg, status result, void *answer)
{
    struct alter_configs *a = arg;
    const struct incremental_alter_configs_response *from = answer;
    for (int32_t i = 0; i < a->forwarded.resources_count; i++) {
        const asked_resource *asked = &a->forwarded.resources[i];
        if (failed(result))
            row_add(a, asked, status_kafka(result), str_c(status_text(result)));
        else if (i < from->responses_count)
            row_add(a, asked, from->responses[i].error_code, from->responses[i].error_message);
        else
            row_add(a, asked, status_kafka(FAIL(UNKNOWN_SERVER_ERROR)), STR_NULL);
    }
    request_reply(a->request, &a->response);
}

void handle_incremental_alter_configs(struct request *r)
{
    const struct incremental_alter_configs_request *body = r->body;
    int32_t n = body->resources_count < 0 ? 0 : body->resources_count;
    struct alter_configs *a = ARENA_NEW(r->arena, struct alter_configs);
    asked_resource *allowed = ARENA_ARRAY(r->arena, asked_resource, n);
    resource_answer *rows = ARENA_ARRAY(r->arena, resource_answer, n);
    if (request_out_of_memory(r)) return;
    a->request = r;
    wire_default(&incremental_alter_configs_response_message, &a->response);
    a->response.responses = rows;
    a->forwarded = *body;
    a->forwarded.resources = allowed;
    a->forwarded.resources_count = 0;
    for (int32_t i = 0; i < n; i++) {
        struct str message = STR_NULL;
        status refused = alter_configs_check(r, body->resources[i].resource_type,
                                             body->resources[i].resource_name, &message);
        if (failed(refused)) row_add(a, &body->resources[i], status_kafka(refused), message);
        else allowed[a->forwarded.resources_count++] = body->resources[i];
    }
    if (!a->forwarded.resources_count) {
        request_reply(r, &a->response);
        return;
    }
    admin_submit(r, API_INCREMENTAL_ALTER_CONFIGS, INCREMENTAL_ALTER_CONFIGS_VERSION, &a->forwarded,
                 alter_configs_done, a);
}
