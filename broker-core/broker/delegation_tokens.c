/* delegation_tokens.c - CreateDelegationToken (key 38), RenewDelegationToken (39),
 * ExpireDelegationToken (40), DescribeDelegationToken (41): answered as a Kafka without a token secret
 * does. It takes these requests from authenticated clients alone, which is asked first. */
#include "broker/handler.h"

#include "broker/sasl.h"

#define NO_TIME -1

static int16_t tokens_refused(const struct request *r)
{
    enum security security = r->endpoint->options->security;
    bool certified = security == SECURITY_SSL && !str_eq_c(r->principal, PRINCIPAL_ANONYMOUS);
    bool known = r->local || security_has_sasl(security) || certified;
    return status_kafka(known ? FAIL(DELEGATION_TOKEN_AUTH_DISABLED)
                              : FAIL(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED));
}

/* "User:alice" in its two halves. */
static void principal_split(struct str principal, struct str *ret_type, struct str *ret_name)
{
    const char *colon = principal.len ? memchr(principal.data, ':', principal.len) : NULL;
    size_t type = colon ? (size_t)(colon - principal.data) : 0;
    *ret_type = (struct str){ principal.data, type };
    *ret_name = colon ? (struct str){ colon + 1, principal.len - type - 1 } : principal;
}

void handle_create_delegation_token(struct request *r)
{
    const struct create_delegation_token_request *body = r->body;
    struct create_delegation_token_response response;
    wire_default(&create_delegation_token_response_message, &response);
    response.error_code = tokens_refused(r);
    principal_split(r->principal, &response.principal_type, &response.principal_name);
    if (r->version >= 3) { /* KIP-373: for somebody else */
        response.token_requester_principal_type = response.principal_type;
        response.token_requester_principal_name = response.principal_name;
        if (body->owner_principal_name.len) {
            response.principal_type =
                str_is_null(body->owner_principal_type) ? STR("") : body->owner_principal_type;
            response.principal_name = body->owner_principal_name;
        }
    }
    response.issue_timestamp_ms = response.expiry_timestamp_ms = response.max_timestamp_ms = NO_TIME;
    request_reply(r, &response);
}

void handle_renew_delegation_token(struct request *r)
{
    struct renew_delegation_token_response response;
    wire_default(&renew_delegation_token_response_message, &response);
    response.error_code = tokens_refused(r);
    response.expiry_timestamp_ms = NO_TIME;
    request_reply(r, &response);
}

void handle_expire_delegation_token(struct request *r)
{
    struct expire_delegation_token_response response;
    wire_default(&expire_delegation_token_response_message, &response);
    response.error_code = tokens_refused(r);
    response.expiry_timestamp_ms = NO_TIME;
    request_reply(r, &response);
}

void handle_describe_delegation_token(struct request *r)
{
    struct describe_delegation_token_response response;
    wire_default(&describe_delegation_token_response_message, &response);
    response.error_code = tokens_refused(r);
    request_reply(r, &response);
}
