/* create_acls.c - CreateAcls (key 30): Alter on the cluster, then the controller decides. */
#include "broker/admin.h"
#include "broker/authorizer.h"
#include "broker/handler.h"

/* The same error for all of them. */
static void refuse(struct request *r, status error, struct str sentence)
{
    const struct create_acls_request *body = r->body;
    int32_t n = body->creations_count < 0 ? 0 : body->creations_count;
    struct create_acls_response response;
    wire_default(&create_acls_response_message, &response);
    response.results = ARENA_ARRAY(r->arena, struct create_acls_response_acl_creation_result, n);
    if (request_out_of_memory(r)) return;
    response.results_count = n;
    for (int32_t i = 0; i < n; i++) {
        wire_default_struct(&create_acls_response_acl_creation_result_struct, &response.results[i]);
        response.results[i].error_code = status_kafka(error);
        response.results[i].error_message = sentence;
    }
    request_reply(r, &response);
}

static void create_acls_done(void *arg, status result, void *answer)
{
    struct request *r = arg;
    if (failed(result)) refuse(r, result, str_c(status_text(result)));
    else request_reply(r, answer);
}

void handle_create_acls(struct request *r)
{
    struct why why = { "" };
    status may = authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER)
                     ? authorizer_configured(r, &why)
                     : FAIL(CLUSTER_AUTHORIZATION_FAILED);
    if (failed(may)) refuse(r, may, str_c(why.text[0] ? why.text : status_text(may)));
    else admin_submit(r, API_CREATE_ACLS, CREATE_ACLS_VERSION, r->body, create_acls_done, r);
}
