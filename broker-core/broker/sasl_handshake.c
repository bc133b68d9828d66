/* sasl_handshake.c - SaslHandshake (key 17): the client names its mechanism. After version 0 the
 * tokens come as bare frames, after version 1 as SaslAuthenticate requests. */
#include "broker/connection.h"

#include "base/log.h"

void handle_sasl_handshake(struct request *r)
{
    const struct sasl_handshake_request *body = r->body;
    struct connection *c = r->connection;
    struct sasl_handshake_response response;
    wire_default(&sasl_handshake_response_message, &response);
    struct str names[SASL_MECHANISMS_MAX];
    /* A listener without SASL knows none. */
    bool offered = c->local || security_has_sasl(c->endpoint->options->security);
    response.mechanisms = names;
    response.mechanisms_count = offered ? (int32_t)sasl_mechanisms(&c->sasl, names) : 0;
    status started = offered ? sasl_start(&c->sasl, body->mechanism) : FAIL(ILLEGAL_SASL_STATE);
    response.error_code = status_kafka(started);
    if (failed(started)) {
        r->broker->stats.authentication_failures++;
        request_reply_and_close(r, &response);
        return;
    }
    c->raw_tokens = r->version == 0;
    request_reply(r, &response);
}
