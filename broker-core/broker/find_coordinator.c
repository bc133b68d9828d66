/* find_coordinator.c - FindCoordinator (key 10): this broker coordinates every group and every
 * transaction. */
#include "broker/authorizer.h"
#include "broker/group_coordinator.h"
#include "broker/handler.h"
#include "broker/txn_coordinator.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1 };

/* It is here, and will say itself that it loads. */
static status is_here(status ready)
{
    return ready.code == E_COORDINATOR_LOAD_IN_PROGRESS ? OK : ready;
}

static status check(struct request *r, int8_t key_type, struct str key, const char **ret_text)
{
    *ret_text = NULL;
    if (key_type == KEY_TRANSACTION) {
        if (authorize(r, OP_DESCRIBE, RES_TRANSACTIONAL_ID, key))
            return is_here(txn_coordinator_ready(r->broker->txns));
        *ret_text = "The principal may not describe this transactional id.";
        return FAIL(TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if (key_type != KEY_GROUP) {
        *ret_text = "This type of coordinator is not known.";
        return FAIL(INVALID_REQUEST);
    }
    if (!authorize(r, OP_DESCRIBE, RES_GROUP, key)) {
        *ret_text = "The principal may not describe this group.";
        return FAIL(GROUP_AUTHORIZATION_FAILED);
    }
    return is_here(group_coordinator_ready(r->broker->groups));
}

static void fill(struct request *r, int8_t key_type, struct str key,
                 struct find_coordinator_response_coordinator *c)
{
    const char *text;
    status s = check(r, key_type, key, &text);
    wire_default_struct(&find_coordinator_response_coordinator_struct, c);
    c->key = key;
    c->error_code = status_kafka(s);
    c->error_message = str_c(failed(s) && text == NULL ? status_text(s) : text);
    c->node_id = failed(s) ? -1 : r->broker->options.node_id;
    c->port = failed(s) ? -1 : endpoint_port(r->endpoint);
    c->host = failed(s) ? STR("") : str_c(endpoint_host(r->endpoint));
}

void handle_find_coordinator(struct request *r)
{
    const struct find_coordinator_request *body = r->body;
    struct find_coordinator_response response;
    wire_default(&find_coordinator_response_message, &response);
    if (r->version < 4) {
        struct find_coordinator_response_coordinator c;
        fill(r, body->key_type, body->key, &c);
        response.error_code = c.error_code;
        response.error_message = c.error_message;
        response.node_id = c.node_id;
        response.host = c.host;
        response.port = c.port;
    } else {
        int32_t n = body->coordinator_keys_count;
        response.coordinators =
            ARENA_ARRAY(r->arena, struct find_coordinator_response_coordinator, n);
        if (request_out_of_memory(r)) return;
        for (int32_t i = 0; i < n; i++)
            fill(r, body->key_type, body->coordinator_keys[i], &response.coordinators[i]);
        response.coordinators_count = n;
    }
    request_reply(r, &response);
}
