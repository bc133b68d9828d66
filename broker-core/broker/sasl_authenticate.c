/* sasl_authenticate.c - SaslAuthenticate (key 36), and the bare tokens that follow version 0 of
 * SaslHandshake. A failure is answered with one general sentence, then the connection closes. */
#include "broker/connection.h"

#include "base/log.h"
#include "broker/audit.h"

#include <stdio.h>

#define TOKEN_OUT_MAX 4096

struct sasl_source connection_sasl_source(const struct connection *c)
{
    const struct broker *b = c->broker;
    return (struct sasl_source){ b->image, b->files, loop_wall(b->loop) };
}

/* KIP-368: how long the session may last, by its credential and by the broker's rule; -1: for ever. */
static int64_t session_lifetime(const struct connection *c)
{
    const struct broker *b = c->broker;
    int64_t max = (b->files ? b->files : b->image)->authentication.max_reauth_ms;
    int64_t lifetime = max > 0 ? max : -1;
    if (c->local) return -1;
    if (!c->sasl.expires_ms) return lifetime;
    int64_t left = c->sasl.expires_ms - loop_wall(b->loop);
    if (left < 0) left = 0;
    return lifetime < 0 || left < lifetime ? left : lifetime;
}

static void note_refusal(const struct connection *c)
{
    char reason[160];
    snprintf(reason, sizeof reason, "%s%s%s", sasl_mechanism(&c->sasl), c->sasl.why ? ": " : "",
             c->sasl.why ? c->sasl.why : "");
    audit_note(c->broker->audit, AUDIT_LOGIN_FAILED, str_c(c->sasl.tried), c->host, "", reason);
}

static status authenticate_step(struct connection *c, struct bytes token, struct buf *out)
{
    struct broker *b = c->broker;
    bool again = c->authenticated;
    struct sasl_source source = connection_sasl_source(c);
    status stepped = sasl_step(&c->sasl, &source, token, out);
    if (is_ok(stepped) && c->sasl.state == SASL_DONE) {
        connection_authenticated(c);
        if (!c->local) audit_note(b->audit, AUDIT_LOGIN, c->principal, c->host, "", sasl_mechanism(&c->sasl));
        int64_t lifetime = session_lifetime(c);
        c->session_until = lifetime < 0 ? -1 : loop_now(b->loop) + lifetime;
        return OK;
    }
    if (failed(stepped)) {
        b->stats.authentication_failures++;
        if (!c->local) note_refusal(c);
        log_warn("client %s%s%s: %s failed%s%s", c->host, *c->software ? " " : "", c->software,
                 again ? "authentication again" : "authentication", c->sasl.why ? ": " : "",
                 c->sasl.why ? c->sasl.why : "");
    }
    return stepped;
}

void handle_sasl_authenticate(struct request *r)
{
    const struct sasl_authenticate_request *body = r->body;
    struct sasl_authenticate_response response;
    wire_default(&sasl_authenticate_response_message, &response);
    struct buf out;
    buf_init(&out, TOKEN_OUT_MAX);
    status stepped = body->auth_bytes.len > SASL_TOKEN_MAX
                         ? FAIL(SASL_AUTHENTICATION_FAILED)
                         : authenticate_step(r->connection, body->auth_bytes, &out);
    response.error_code = status_kafka(stepped);
    if (failed(stepped)) {
        response.error_message = str_c(status_text(stepped));
        response.auth_bytes = bytes_of("", 0);
        request_reply_and_close(r, &response);
    } else {
        response.auth_bytes = arena_bytes(r->arena, bytes_of(out.data ? out.data : (uint8_t *)"",
                                                             out.len));
        struct connection *c = r->connection;
        if (c->sasl.state == SASL_DONE && c->session_until >= 0)
            response.session_lifetime_ms = c->session_until - loop_now(r->broker->loop);
        request_reply(r, &response);
    }
    buf_done(&out);
}

void connection_raw_token(struct connection *c, struct bytes token)
{
    struct buf out;
    buf_init(&out, TOKEN_OUT_MAX);
    buf_put_be32(&out, 0);
    status stepped = authenticate_step(c, token, &out);
    if (failed(stepped)) {
        buf_done(&out);
        connection_close(c);
        return;
    }
    put_be32(out.data, (uint32_t)(out.len - 4));
    if (failed(stream_send(c->stream, &out))) connection_close(c);
}
