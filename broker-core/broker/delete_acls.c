/* delete_acls.c - DeleteAcls (key 31): Alter on the cluster, then the controller decides. */
#include "broker/admin.h"
#include "broker/authorizer.h"
#include "broker/handler.h"

/* The same error for all filters. */
static void refuse(struct request *r, status error, struct str sentence)
{
    const struct delete_acls_request *body = r->body;
    int32_t n = body->filters_count < 0 ? 0 : body->filters_count;
    struct delete_acls_response response;
    wire_default(&delete_acls_response_message, &response);
    response.filter_results =
        ARENA_ARRAY(r->arena, struct delete_acls_response_delete_acls_filter_result, n);
    if (request_out_of_memory(r)) return;
    response.filter_results_count = n;
    for (int32_t i = 0; i < n; i++) {
        struct delete_acls_response_delete_acls_filter_result *row = &response.filter_results[i];
        wire_default_struct(&delete_acls_response_delete_acls_filter_result_struct, row);
        row->error_code = status_kafka(error);
        row->error_message = sentence;
    }
    request_reply(r, &response);
}

static void delete_acls_done(void *arg, status result, void *answer)
{
    struct request *r = arg;
    if (failed(result)) refuse(r, result, str_c(status_text(result)));
    else request_reply(r, answer);
}

void handle_delete_acls(struct request *r)
{
    struct why why = { "" };
    status may = authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER)
                     ? authorizer_configured(r, &why)
                     : FAIL(CLUSTER_AUTHORIZATION_FAILED);
    if (failed(may)) refuse(r, may, str_c(why.text[0] ? why.text : status_text(may)));
    else admin_submit(r, API_DELETE_ACLS, DELETE_ACLS_VERSION, r->body, delete_acls_done, r);
}
