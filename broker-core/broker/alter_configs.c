/* alter_configs.c - AlterConfigs (key 33), the older way: what a request names becomes all the configs
 * that a topic has of its own. It goes to the controller as an IncrementalAlterConfigs that sets these
 * and deletes the others. */
#include "broker/alter_configs.h"

#include "broker/admin.h"

enum { RESOURCE_TOPIC = 2, OPERATION_SET = 0, OPERATION_DELETE = 1 };

typedef struct alter_configs_request_alter_configs_resource asked_resource;
typedef struct alter_configs_response_alter_configs_resource_response resource_answer;
typedef struct incremental_alter_configs_request_alter_configs_resource forwarded_resource;
typedef struct incremental_alter_configs_request_alterable_config alteration;

struct replacing { /* of one request, in its arena */
    struct request *request;
    struct incremental_alter_configs_request forwarded;
    struct alter_configs_response response;
};

static void row_add(struct replacing *a, int8_t type, struct str name, int16_t error,
                    struct str message)
{
    a->response.responses[a->response.responses_count++] = (resource_answer){
        .error_code = error, .error_message = message, .resource_type = type, .resource_name = name };
}

static bool named(const asked_resource *asked, const char *config)
{
    for (int32_t i = 0; i < asked->configs_count; i++)
        if (str_eq_c(asked->configs[i].name, config)) return true;
    return false;
}

/* An unknown topic is the controller's to refuse. */
static bool alterations_fill(struct request *r, const asked_resource *asked, forwarded_resource *to)
{
    const struct topic *topic = image_topic(r->broker->image, asked->resource_name);
    int32_t set = asked->configs_count < 0 ? 0 : asked->configs_count;
    size_t own = topic ? topic->config.count : 0;
    to->resource_type = RESOURCE_TOPIC;
    to->resource_name = asked->resource_name;
    to->configs = ARENA_ARRAY(r->arena, alteration, (size_t)set + own);
    if (!to->configs) return false;
    for (int32_t i = 0; i < set; i++)
        to->configs[to->configs_count++] = (alteration){
            asked->configs[i].name, OPERATION_SET, asked->configs[i].value };
    for (size_t i = 0; i < own; i++) {
        const char *name = topic->config.overrides[i].info->name;
        if (!named(asked, name))
            to->configs[to->configs_count++] = (alteration){ str_c(name), OPERATION_DELETE, STR_NULL };
    }
    return true;
}

static void replacing_done(void *arg, status result, void *answer)
{
    struct replacing *a = arg;
    const struct incremental_alter_configs_response *from = answer;
    for (int32_t i = 0; i < a->forwarded.resources_count; i++) {
        struct str name = a->forwarded.resources[i].resource_name;
        status missing = is_ok(result) ? FAIL(UNKNOWN_SERVER_ERROR) : result;
        if (is_ok(result) && i < from->responses_count)
            row_add(a, RESOURCE_TOPIC, name, from->responses[i].error_code,
                    from->responses[i].error_message);
        else
            row_add(a, RESOURCE_TOPIC, name, status_kafka(missing), str_c(status_text(missing)));
    }
    request_reply(a->request, &a->response);
}

void handle_alter_configs(struct request *r)
{
    const struct alter_configs_request *body = r->body;
    int32_t n = body->resources_count < 0 ? 0 : body->resources_count;
    struct replacing *a = ARENA_NEW(r->arena, struct replacing);
    forwarded_resource *allowed = ARENA_ARRAY(r->arena, forwarded_resource, n);
    resource_answer *rows = ARENA_ARRAY(r->arena, resource_answer, n);
    if (request_out_of_memory(r)) return;
    a->request = r;
    wire_default(&alter_configs_response_message, &a->response);
    wire_default(&incremental_alter_configs_request_message, &a->forwarded);
    a->response.responses = rows;
    a->forwarded.resources = allowed;
    a->forwarded.validate_only = body->validate_only;
    for (int32_t i = 0; i < n; i++) {
        const asked_resource *asked = &body->resources[i];
        struct str message = STR_NULL;
        status refused = alter_configs_check(r, asked->resource_type, asked->resource_name, &message);
        if (failed(refused))
            row_add(a, asked->resource_type, asked->resource_name, status_kafka(refused), message);
        else if (alterations_fill(r, asked, &allowed[a->forwarded.resources_count]))
            a->forwarded.resources_count++;
    }
    if (request_out_of_memory(r)) return;
    if (!a->forwarded.resources_count) {
        request_reply(r, &a->response);
        return;
    }
    admin_submit(r, API_INCREMENTAL_ALTER_CONFIGS, INCREMENTAL_ALTER_CONFIGS_VERSION, &a->forwarded,
                 replacing_done, a);
}
