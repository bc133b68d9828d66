/* sasl_authenticate.c - SaslAuthenticate (key 36), and the bare tokens that follow version 0 of
 * SaslHandshake. A failure is answered with one general sentence, then the connection closes. */
#include "broker/connection.h"

#include "base/log.h"

#define TOKEN_OUT_MAX 4096

static status authenticate_step(struct connection *c, struct bytes token, struct buf *out)
{
    struct broker *b = c->broker;
    bool again = c->authenticated;
    struct sasl_source source = { b->image, b->files };
    status stepped = sasl_step(&c->sasl, &source, token, out);
    if (is_ok(stepped) && c->sasl.state == SASL_DONE) {
        connection_authenticated(c);
        return OK;
    }
    if (failed(stepped)) {
        b->stats.authentication_failures++;
        log_warn("client %s%s%s: %s failed", c->host, *c->software ? " " : "", c->software,
                 again ? "authentication again" : "authentication");
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
