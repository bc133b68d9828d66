/* alter_client_quotas.c - AlterClientQuotas (key 49): AlterConfigs on the cluster, then the controller
 * decides. */
#include "broker/admin.h"
#include "broker/authorizer.h"
#include "broker/handler.h"

typedef struct alter_client_quotas_request_entry_data asked_entry;

/* The same error for all entities. */
static void refuse(struct request *r, status error)
{
    const struct alter_client_quotas_request *body = r->body;
    int32_t n = body->entries_count < 0 ? 0 : body->entries_count;
    struct alter_client_quotas_response response;
    wire_default(&alter_client_quotas_response_message, &response);
    response.entries = ARENA_ARRAY(r->arena, struct alter_client_quotas_response_entry_data, n);
    if (request_out_of_memory(r)) return;
    response.entries_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct alter_client_quotas_response_entry_data *row = &response.entries[i];
        const asked_entry *asked = &body->entries[i];
        int32_t parts = asked->entity_count < 0 ? 0 : asked->entity_count;
        wire_default_struct(&alter_client_quotas_response_entry_data_struct, row);
        row->error_code = status_kafka(error);
        row->error_message = str_c(status_text(error));
        row->entity =
            ARENA_ARRAY(r->arena, struct alter_client_quotas_response_entity_data, parts);
        if (request_out_of_memory(r)) return;
        row->entity_count = parts;
        for (int32_t k = 0; k < parts; k++) {
            row->entity[k].entity_type = asked->entity[k].entity_type;
            row->entity[k].entity_name = asked->entity[k].entity_name;
        }
    }
    request_reply(r, &response);
}

static void alter_done(void *arg, status result, void *answer)
{
    struct request *r = arg;
    if (failed(result)) refuse(r, result);
    else request_reply(r, answer);
}

void handle_alter_client_quotas(struct request *r)
{
    if (!authorize(r, OP_ALTER_CONFIGS, RES_CLUSTER, AUTHORIZER_CLUSTER))
        refuse(r, FAIL(CLUSTER_AUTHORIZATION_FAILED));
    else
        admin_submit(r, API_ALTER_CLIENT_QUOTAS, ALTER_CLIENT_QUOTAS_VERSION, r->body, alter_done, r);
}
