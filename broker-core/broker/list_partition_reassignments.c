/* list_partition_reassignments.c - ListPartitionReassignments (key 46): partitions do not move on one
 * broker, so there is never one under way. */
#include "broker/handler.h"

#include "broker/authorizer.h"

void handle_list_partition_reassignments(struct request *r)
{
    struct list_partition_reassignments_response response;
    wire_default(&list_partition_reassignments_response_message, &response);
    response.error_message = STR_NULL;
    if (!authorize(r, OP_DESCRIBE, RES_CLUSTER, AUTHORIZER_CLUSTER)) {
        response.error_code = status_kafka(FAIL(CLUSTER_AUTHORIZATION_FAILED));
        response.error_message = str_c(status_text(FAIL(CLUSTER_AUTHORIZATION_FAILED)));
    }
    request_reply(r, &response);
}
