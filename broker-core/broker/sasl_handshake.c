/* sasl_handshake.c - SaslHandshake (key 17): the client names its mechanism. After version 0 the
 * tokens come as bare frames, after version 1 as SaslAuthenticate requests. */
#include "broker/connection.h"

#include "base/log.h"

#define REAUTHENTICATION_MS 1000 /* not more often */

/* KIP-368: only a session that ends is authenticated again, by version 1, and not all the time. */
static bool may_start(struct connection *c, int16_t version)
{
    int64_t now = loop_now(c->broker->loop);
    if (!sasl_was_authenticated(&c->sasl)) return true;
    if (c->session_until < 0 || version == 0) return false;
    if (c->reauthenticated_at && now - c->reauthenticated_at < REAUTHENTICATION_MS) return false;
    c->reauthenticated_at = now;
    return true;
}

void handle_sasl_handshake(struct request *r)
{
    const struct sasl_handshake_request *body = r->body;
    struct connection *c = r->connection;
    struct sasl_source source = connection_sasl_source(c);
    struct sasl_handshake_response response;
    wire_default(&sasl_handshake_response_message, &response);
    struct str names[SASL_MECHANISMS_MAX];
    /* A listener without SASL knows none. */
    bool offered = c->local || security_has_sasl(c->endpoint->options->security);
    response.mechanisms = names;
    if (offered && !may_start(c, r->version)) {
        response.error_code = status_kafka(FAIL(ILLEGAL_SASL_STATE));
        request_reply(r, &response); /* the session it has goes on */
        return;
    }
    response.mechanisms_count = offered ? (int32_t)sasl_mechanisms(&c->sasl, &source, names) : 0;
    status started = offered ? sasl_start(&c->sasl, &source, body->mechanism) : FAIL(ILLEGAL_SASL_STATE);
    response.error_code = status_kafka(started);
    if (failed(started)) {
        r->broker->stats.authentication_failures++;
        request_reply_and_close(r, &response);
        return;
    }
    c->raw_tokens = r->version == 0;
    request_reply(r, &response);
}
