/* describe_client_quotas.c - DescribeClientQuotas (key 48): the quotas of the image, those of REST among
 * them. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "cluster/admin_quotas.h"

void handle_describe_client_quotas(struct request *r)
{
    struct describe_client_quotas_response response;
    struct why why = { "" };
    wire_default(&describe_client_quotas_response_message, &response);
    status described =
        authorize(r, OP_DESCRIBE_CONFIGS, RES_CLUSTER, AUTHORIZER_CLUSTER)
            ? quotas_describe(r->broker->image->quotas, r->body, r->arena, &response, &why)
            : FAIL(CLUSTER_AUTHORIZATION_FAILED);
    response.error_code = status_kafka(described);
    if (failed(described)) {
        response.error_message = str_c(why.text[0] ? why.text : status_text(described));
        response.entries = NULL;
        response.entries_count = -1; /* null */
    }
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
