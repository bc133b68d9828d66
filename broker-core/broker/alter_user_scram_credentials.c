/* alter_user_scram_credentials.c - AlterUserScramCredentials (key 51): Alter on the cluster, then the
 * controller decides. */
#include "broker/admin.h"
#include "broker/authorizer.h"
#include "broker/handler.h"

/* The same error for all users. */
static void refuse(struct request *r, status error)
{
    const struct alter_user_scram_credentials_request *body = r->body;
    int32_t deletions = body->deletions_count < 0 ? 0 : body->deletions_count;
    int32_t upsertions = body->upsertions_count < 0 ? 0 : body->upsertions_count;
    struct alter_user_scram_credentials_response response;
    wire_default(&alter_user_scram_credentials_response_message, &response);
    response.results = ARENA_ARRAY(
        r->arena, struct alter_user_scram_credentials_response_alter_user_scram_credentials_result,
        (size_t)deletions + (size_t)upsertions);
    if (request_out_of_memory(r)) return;
    response.results_count = deletions + upsertions;
    for (int32_t i = 0; i < response.results_count; i++) {
        wire_default_struct(
            &alter_user_scram_credentials_response_alter_user_scram_credentials_result_struct,
            &response.results[i]);
        response.results[i].user = i < deletions ? body->deletions[i].name
                                                 : body->upsertions[i - deletions].name;
        response.results[i].error_code = status_kafka(error);
        response.results[i].error_message = str_c(status_text(error));
    }
    request_reply(r, &response);
}

static void alter_done(void *arg, status result, void *answer)
{
    struct request *r = arg;
    if (failed(result)) refuse(r, result);
    else request_reply(r, answer);
}

void handle_alter_user_scram_credentials(struct request *r)
{
    if (!authorize(r, OP_ALTER, RES_CLUSTER, AUTHORIZER_CLUSTER))
        refuse(r, FAIL(CLUSTER_AUTHORIZATION_FAILED));
    else
        admin_submit(r, API_ALTER_USER_SCRAM_CREDENTIALS, ALTER_USER_SCRAM_CREDENTIALS_VERSION, r->body,
                     alter_done, r);
}
