/* describe_user_scram_credentials.c - DescribeUserScramCredentials (key 50): mechanisms and iterations
 * of SCRAM users, from the image. API keys are not among them. */
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "cluster/admin_scram.h"

typedef struct describe_user_scram_credentials_request request_body;
typedef struct describe_user_scram_credentials_response response_body;
typedef struct describe_user_scram_credentials_response_describe_user_scram_credentials_result row;
typedef struct describe_user_scram_credentials_response_credential_info info;

static row *row_add(response_body *response, struct str user)
{
    row *r = &response->results[response->results_count++];
    wire_default_struct(
        &describe_user_scram_credentials_response_describe_user_scram_credentials_result_struct, r);
    r->user = user;
    return r;
}

static void put_infos(struct arena *arena, const struct credential *c, row *r)
{
    r->credential_infos = ARENA_ARRAY(arena, info, 2);
    if (!r->credential_infos) return;
    for (int i = 0; i < 2; i++) {
        if (c->scram[i].iterations == 0) continue;
        info *entry = &r->credential_infos[r->credential_infos_count++];
        wire_default_struct(&describe_user_scram_credentials_response_credential_info_struct, entry);
        entry->mechanism = (int8_t)(SCRAM_SHA_256 + i);
        entry->iterations = c->scram[i].iterations;
    }
}

static status describe_all(struct request *r, response_body *response)
{
    const struct image *image = r->broker->image;
    response->results = ARENA_ARRAY(r->arena, row, HASH_COUNT(image->credentials));
    TRY(arena_check(r->arena));
    for (const struct credential *c = image->credentials; c; c = c->hh.next)
        if (credential_is_scram_user(c)) put_infos(r->arena, c, row_add(response, c->login));
    return arena_check(r->arena);
}

static int32_t mentions(const request_body *body, struct str user, int32_t until)
{
    int32_t n = 0;
    for (int32_t i = 0; i < until; i++) n += str_eq(body->users[i].name, user);
    return n;
}

static status describe_asked(struct request *r, response_body *response)
{
    const request_body *body = r->body;
    if (body->users_count > ADMIN_SCRAM_ASKED_MAX) return FAIL(INVALID_REQUEST);
    response->results = ARENA_ARRAY(r->arena, row, body->users_count);
    TRY(arena_check(r->arena));
    for (int32_t i = 0; i < body->users_count; i++) {
        struct str user = body->users[i].name;
        if (mentions(body, user, i)) continue; /* told with the first */
        row *answer = row_add(response, user);
        const struct credential *c = image_credential(r->broker->image, user);
        if (mentions(body, user, body->users_count) > 1) {
            answer->error_code = status_kafka(FAIL(DUPLICATE_RESOURCE));
            answer->error_message = arena_printf(
                r->arena, "Cannot describe SCRAM credentials for the same user twice in a single "
                          "request: %.*s", STR_ARG(user));
        } else if (!c || !credential_is_scram_user(c)) {
            answer->error_code = status_kafka(FAIL(RESOURCE_NOT_FOUND));
            answer->error_message = arena_printf(
                r->arena, "Attempt to describe a user credential that does not exist: %.*s",
                STR_ARG(user));
        } else {
            put_infos(r->arena, c, answer);
        }
    }
    return arena_check(r->arena);
}

void handle_describe_user_scram_credentials(struct request *r)
{
    const request_body *body = r->body;
    response_body response;
    wire_default(&describe_user_scram_credentials_response_message, &response);
    status described = !authorize(r, OP_DESCRIBE, RES_CLUSTER, AUTHORIZER_CLUSTER)
                           ? FAIL(CLUSTER_AUTHORIZATION_FAILED)
                       : body->users_count > 0 ? describe_asked(r, &response)
                                               : describe_all(r, &response);
    response.error_code = status_kafka(described);
    if (failed(described)) response.error_message = str_c(status_text(described));
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
