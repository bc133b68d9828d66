/* describe_acls.c - DescribeAcls (key 29): the entries of the image that a filter matches. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "cluster/admin_acls.h"

static status describe(struct request *r, struct describe_acls_response *response, struct why *why)
{
    const struct describe_acls_request *body = r->body;
    struct acl filter = {
        .resource = (enum acl_resource)body->resource_type_filter,
        .pattern = (enum acl_pattern)body->pattern_type_filter,
        .operation = (enum acl_operation)body->operation,
        .permission = (enum acl_permission)body->permission_type,
        .name = body->resource_name_filter,
        .principal = body->principal_filter,
        .host = body->host_filter,
    };
    if (!authorize(r, OP_DESCRIBE, RES_CLUSTER, AUTHORIZER_CLUSTER))
        return FAIL(CLUSTER_AUTHORIZATION_FAILED);
    TRY(authorizer_configured(r, why));
    TRY(acl_filter_check(&filter, why));
    return acls_describe(&r->broker->image->acls, &filter, r->arena, response);
}

void handle_describe_acls(struct request *r)
{
    struct describe_acls_response response;
    struct why why = { "" };
    wire_default(&describe_acls_response_message, &response);
    status described = describe(r, &response, &why);
    response.error_code = status_kafka(described);
    if (failed(described))
        response.error_message = str_c(why.text[0] ? why.text : status_text(described));
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
