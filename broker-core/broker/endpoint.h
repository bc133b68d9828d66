/* endpoint.h - the addresses a broker listens on: Kafka's listeners, at most one of each security
 * protocol. A client is told the address of the endpoint it came by. Loop thread only. */
#pragma once
#include "base/status.h"
#include "io/listener.h"
#include "io/stream.h"
#include "io/tls.h"

/* Kafka's SecurityProtocol and its numbers. */
enum security { SECURITY_PLAINTEXT, SECURITY_SSL, SECURITY_SASL_PLAINTEXT, SECURITY_SASL_SSL };
#define ENDPOINTS_MAX 4
const char *security_name(enum security security); /* "SASL_SSL" */
bool security_parse(struct str name, enum security *ret_security);
static inline bool security_has_tls(enum security s)
{
    return s == SECURITY_SSL || s == SECURITY_SASL_SSL;
}
static inline bool security_has_sasl(enum security s)
{
    return s == SECURITY_SASL_PLAINTEXT || s == SECURITY_SASL_SSL;
}

struct endpoint_options {
    enum security security;
    char addr[64];            /* numeric */
    uint16_t port;            /* 0: any free one */
    char advertise_host[256]; /* "": addr */
    uint16_t advertise_port;  /* 0: the port bound */
};

struct broker;
struct endpoint {
    struct broker *broker;
    const struct endpoint_options *options;
    struct listener *listener;
    struct tls_server *tls; /* NULL without TLS */
};

/* Binds what the options name; a sentence in `why`. */
status endpoints_bind(struct broker *broker, struct why *why);
void endpoints_close(struct broker *broker); /* accepts nothing any more */
void endpoints_free(struct broker *broker);  /* when their connections are gone */
/* New connections are served with what the broker's image (or files) hold now. */
void endpoints_tls_changed(struct broker *broker);

/* What clients are told. */
const char *endpoint_host(const struct endpoint *endpoint);
int32_t endpoint_port(const struct endpoint *endpoint);
