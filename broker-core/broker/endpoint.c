/* endpoint.c - the listeners of a broker. Loop thread.
 *
 * While the places for unfinished TLS handshakes are taken, a TLS listener accepts nothing: who waits
 * does so in the kernel's queue, and a place is free after a second at most. */
#include "broker/endpoint.h"

#include "base/log.h"
#include "base/mem.h"
#include "broker/connection.h"

static const char *const names[] = {
    [SECURITY_PLAINTEXT] = "PLAINTEXT",
    [SECURITY_SSL] = "SSL",
    [SECURITY_SASL_PLAINTEXT] = "SASL_PLAINTEXT",
    [SECURITY_SASL_SSL] = "SASL_SSL",
};

const char *security_name(enum security security) { return names[security]; }

bool security_parse(struct str name, enum security *ret_security)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!str_eq_c(name, names[i])) continue;
        *ret_security = (enum security)i;
        return true;
    }
    return false;
}

static void accepted(int fd, void *owner)
{
    struct endpoint *e = owner;
    connection_accept(e->broker, fd, e);
}

static void room_changed(void *arg, bool room)
{
    struct endpoint *e = arg;
    if (e->listener) listener_hold(e->listener, !room);
}

static status endpoint_bind(struct broker *b, struct endpoint *e, struct why *why)
{
    const struct endpoint_options *o = e->options;
    if (security_has_tls(o->security)) {
        TRY(tls_server_new(b->loop, &e->tls));
        tls_server_on_room(e->tls, room_changed, e);
    }
    status bound = listener_new(b->loop, o->addr, o->port, accepted, e, &e->listener);
    if (failed(bound)) why_set(why, "cannot listen on %s:%u: %s", o->addr, o->port, status_text(bound));
    return bound;
}

status endpoints_bind(struct broker *b, struct why *why)
{
    for (size_t i = 0; i < b->options.endpoint_count; i++) {
        struct endpoint *e = &b->endpoints[i];
        *e = (struct endpoint){ .broker = b, .options = &b->options.endpoints[i] };
        TRY(endpoint_bind(b, e, why));
    }
    return OK;
}

void endpoints_close(struct broker *b)
{
    for (size_t i = 0; i < b->options.endpoint_count; i++)
        listener_free(TAKE(b->endpoints[i].listener));
}

void endpoints_free(struct broker *b)
{
    for (size_t i = 0; i < b->options.endpoint_count; i++) tls_server_free(TAKE(b->endpoints[i].tls));
}

/* As in Kafka, a standalone broker's SASL_SSL asks for no client certificate; under leatd the one
 * port with TLS serves those who have one, and those who log in. */
void endpoints_tls_changed(struct broker *b)
{
    struct why why = { "" };
    for (size_t i = 0; i < b->options.endpoint_count; i++) {
        struct endpoint *e = &b->endpoints[i];
        struct tls_material material = b->files ? b->files->tls : b->image->tls;
        if (!e->tls || !material.chain.len) continue;
        if (b->options.standalone && security_has_sasl(e->options->security))
            material.client_auth = TLS_CLIENT_NONE;
        status set = tls_server_set(e->tls, &material, &why);
        if (failed(set))
            log_error("the certificate for %s cannot be used: %s", names[e->options->security],
                      why.text[0] ? why.text : status_text(set));
    }
}

const char *endpoint_host(const struct endpoint *e)
{
    return e->options->advertise_host[0] ? e->options->advertise_host : e->options->addr;
}

int32_t endpoint_port(const struct endpoint *e)
{
    return e->options->advertise_port ? e->options->advertise_port : listener_port(e->listener);
}
