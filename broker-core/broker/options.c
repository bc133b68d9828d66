/* options.c - arguments of leat-broker to struct broker_options. Unknown names and bad values are
 * refused with a sentence. --set takes Kafka's broker names. */
#include "broker/options.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

#define STANDARD_AUTHORIZER "org.apache.kafka.metadata.authorizer.StandardAuthorizer"

const char options_help[] =
    "leat-broker: one Kafka-compatible broker\n"
    "\n"
    "  leat-broker --standalone --data DIR [--listen [KIND://]ADDR:PORT]... [--set NAME=VALUE]...\n"
    "  leat-broker --data DIR --run DIR --listen [KIND://]ADDR:PORT --advertise [KIND://]HOST:PORT\n"
    "              --cluster-id ID [--node-id N]\n"
    "  leat-broker check DIR                 verifies what lies in a data folder\n"
    "  leat-broker dump FILE [--records]     prints a file of one: a segment, a snapshot, a journal, …\n"
    "\n"
    "  --standalone        on its own: no leatd; loopback only unless with SASL_SSL, or with SSL and\n"
    "                      ssl.client.auth=required\n"
    "  --data DIR          where records live; made when it is not there\n"
    "  --run DIR           where kafka.sock and control.sock are bound\n"
    "  --listen K://A:P    once for each kind: PLAINTEXT, SASL_PLAINTEXT, SSL, SASL_SSL; default kind\n"
    "                      PLAINTEXT (SASL_PLAINTEXT under leatd); default 127.0.0.1:9092; port 0\n"
    "                      takes a free one\n"
    "  --advertise K://H:P what clients of that kind are told; default: the address listened on\n"
    "  --cluster-id ID     identity of the cluster\n"
    "  --node-id N         broker id, default 1\n"
    "  --user UID          started as root: becomes that user and group, whose --data and --run are\n"
    "  --set NAME=VALUE    standalone: a setting by Kafka's broker name, such as num.partitions,\n"
    "                      auto.create.topics.enable, log.retention.ms, ssl.client.auth,\n"
    "                      connections.max.reauth.ms, sasl.oauthbearer.jwks.endpoint.url=file:PATH,\n"
    "                      sasl.oauthbearer.expected.issuer, ….expected.audience, ….sub.claim.name;\n"
    "                      authorizer.class.name=" STANDARD_AUTHORIZER "\n"
    "                      turns ACLs on, super.users=User:a;User:b names who is above them;\n"
    "                      leat.strict.replication=true refuses replication factors above 1\n"
    "\n"
    "  Files of a standalone broker, read again on SIGHUP:\n"
    "  --tls-certificate FILE  PEM, the certificate first, then its chain\n"
    "  --tls-key FILE          PEM; default: in the same file\n"
    "  --tls-client-ca FILE    PEM: who may sign the certificates of clients\n"
    "  --users FILE            lines NAME:PASSWORD, for PLAIN and SCRAM\n"
    "  --help, --version\n";

/* --- addresses ------------------------------------------------------------------------------------ */

/* "host:port", "[::1]:port": cuts it in two. */
static status address_split(const char *text, char *host, size_t host_size, uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || !str_to_i64(str_c(colon + 1), &port) || port > 65535) return FAIL(INVALID);
    struct str name = { text, (size_t)(colon - text) };
    if (name.len >= 2 && name.data[0] == '[' && name.data[name.len - 1] == ']')
        name = (struct str){ name.data + 1, name.len - 2 };
    if (!name.len || !str_copy(host, host_size, name)) return FAIL(INVALID);
    *ret_port = (uint16_t)port;
    return OK;
}

/* The endpoint of the kind a text begins with, "SASL_SSL://…"; made when there is none yet. */
static struct endpoint_options *endpoint_of(struct broker_options *b, const char **text)
{
    const char *sep = strstr(*text, "://");
    enum security kind = b->standalone ? SECURITY_PLAINTEXT : SECURITY_SASL_PLAINTEXT;
    if (sep) {
        if (!security_parse((struct str){ *text, (size_t)(sep - *text) }, &kind)) return NULL;
        *text = sep + 3;
    }
    for (size_t i = 0; i < b->endpoint_count; i++)
        if (b->endpoints[i].security == kind) return &b->endpoints[i];
    if (b->endpoint_count == ENDPOINTS_MAX) return NULL;
    struct endpoint_options *e = &b->endpoints[b->endpoint_count++];
    *e = (struct endpoint_options){ .security = kind };
    return e;
}

static status address_parse(struct broker_options *b, bool listen, const char *text)
{
    struct endpoint_options *e = endpoint_of(b, &text);
    if (!e) return FAIL(INVALID);
    if (!listen)
        return address_split(text, e->advertise_host, sizeof e->advertise_host, &e->advertise_port);
    return e->addr[0] ? FAIL(INVALID) : address_split(text, e->addr, sizeof e->addr, &e->port);
}

static bool address_numeric(const char *host, bool *ret_loopback)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        *ret_loopback = ntohl(v4.s_addr) >> 24 == 127;
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6) != 1) return false;
    *ret_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
    return true;
}

/* --- --set ------------------------------------------------------------------------------------------- */

static status set_bool(struct str value, bool *ret)
{
    if (str_eq(value, STR("true"))) *ret = true;
    else if (str_eq(value, STR("false"))) *ret = false;
    else return FAIL(INVALID);
    return OK;
}

static status set_int(struct str value, int64_t min, int64_t max, int64_t *ret)
{
    int64_t n;
    if (!str_to_i64(value, &n) || n < min || n > max) return FAIL(INVALID);
    *ret = n;
    return OK;
}

static status set_client_auth(struct str value, enum tls_client_auth *ret)
{
    if (str_eq(value, STR("none"))) *ret = TLS_CLIENT_NONE;
    else if (str_eq(value, STR("requested"))) *ret = TLS_CLIENT_REQUESTED;
    else if (str_eq(value, STR("required"))) *ret = TLS_CLIENT_REQUIRED;
    else return FAIL(INVALID);
    return OK;
}

/* Kafka's broker name of a topic config, with the factor from its unit to ours. */
static const struct {
    const char *name, *topic_name;
    int64_t factor; /* 0: taken as it is */
} set_topic[] = {
    { "log.retention.ms", "retention.ms", 0 },
    { "log.retention.minutes", "retention.ms", 60 * 1000 },
    { "log.retention.hours", "retention.ms", 60 * 60 * 1000 },
    { "log.retention.bytes", "retention.bytes", 0 },
    { "log.segment.bytes", "segment.bytes", 0 },
    { "log.roll.ms", "segment.ms", 0 },
    { "log.roll.hours", "segment.ms", 60 * 60 * 1000 },
    { "log.cleanup.policy", "cleanup.policy", 0 },
    { "log.message.timestamp.type", "message.timestamp.type", 0 },
    { "log.message.timestamp.before.max.ms", "message.timestamp.before.max.ms", 0 },
    { "log.message.timestamp.after.max.ms", "message.timestamp.after.max.ms", 0 },
    { "message.max.bytes", "max.message.bytes", 0 },
    { "compression.type", "compression.type", 0 },
    { "min.insync.replicas", "min.insync.replicas", 0 },
    { "leat.flush", "leat.flush", 0 },
};

static status set_topic_default(struct options *o, const char *topic_name, struct str value,
                                int64_t factor, struct why *why)
{
    struct broker_options *b = &o->broker;
    if (b->defaults_count == BROKER_MAX_DEFAULTS) return FAIL(LIMIT);
    char *text = o->values[b->defaults_count];
    int64_t n;
    if (factor && str_to_i64(value, &n) && n <= INT64_MAX / factor)
        snprintf(text, sizeof o->values[0], "%" PRId64, n * factor);
    else if (!str_copy(text, sizeof o->values[0], value))
        return FAIL(INVALID);
    TRY(topic_config_check(str_c(topic_name), str_c(text), why));
    b->defaults[b->defaults_count++] = (struct broker_default){ topic_name, text };
    return OK;
}

/* Values live as long as the arguments do. */
static status set_authentication(struct options *o, struct str name, struct str value, bool *ret_known)
{
    struct authentication *a = &o->broker.authentication;
    int64_t n;
    if (str_eq(name, STR("connections.max.reauth.ms")))
        return set_int(value, 0, INT32_MAX, &a->max_reauth_ms);
    if (value.len > OAUTH_TEXT_MAX) return FAIL(INVALID);
    if (str_eq(name, STR("sasl.oauthbearer.expected.issuer"))) {
        a->issuer = value;
    } else if (str_eq(name, STR("sasl.oauthbearer.expected.audience"))) {
        a->audience = value;
    } else if (str_eq(name, STR("sasl.oauthbearer.sub.claim.name"))) {
        a->claim = value;
    } else if (str_eq(name, STR("sasl.oauthbearer.clock.skew.seconds"))) {
        TRY(set_int(value, 0, OAUTH_SKEW_MAX_MS / 1000, &n));
        a->skew_ms = n * 1000;
    } else if (str_eq(name, STR("sasl.oauthbearer.jwks.endpoint.url"))) {
        /* A broker fetches nothing. */
        if (!str_starts(value, STR("file:"))) return FAIL(INVALID);
        size_t from = str_starts(value, STR("file://")) ? 7 : 5;
        o->broker.files.jwks = value.data + from; /* to the end of the argument */
    } else {
        *ret_known = false;
    }
    return OK;
}

static status set_one(struct options *o, struct str name, struct str value, bool *ret_known,
                      struct why *why)
{
    struct limits *limits = &o->broker.limits;
    int64_t n = 0;
    *ret_known = true;
    if (str_eq(name, STR("num.partitions"))) {
        TRY(set_int(value, 1, 10000, &n));
        limits->default_partitions = (int32_t)n;
    } else if (str_eq(name, STR("auto.create.topics.enable"))) {
        TRY(set_bool(value, &limits->auto_create_topics));
    } else if (str_eq(name, STR("leat.strict.replication"))) {
        TRY(set_bool(value, &limits->strict_replication));
    } else if (str_eq(name, STR("group.initial.rebalance.delay.ms"))) {
        TRY(set_int(value, 0, INT32_MAX, &n));
        limits->group_initial_delay_ms = (int32_t)n;
    } else if (str_eq(name, STR("connections.max.idle.ms"))) {
        TRY(set_int(value, 1, INT64_MAX / 2, &o->broker.max_idle_ms));
    } else if (str_eq(name, STR("authorizer.class.name"))) {
        limits->authorise = value.len > 0;
        if (limits->authorise && !str_eq_c(value, STANDARD_AUTHORIZER)) return FAIL(INVALID);
    } else if (str_eq(name, STR("super.users"))) {
        if (!str_copy(o->super_users, sizeof o->super_users, value)) return FAIL(INVALID);
        o->broker.super_users = o->super_users;
    } else if (str_starts(name, STR("sasl.oauthbearer.")) ||
               str_eq(name, STR("connections.max.reauth.ms"))) {
        return set_authentication(o, name, value, ret_known);
    } else if (str_eq(name, STR("ssl.client.auth"))) {
        TRY(set_client_auth(value, &o->broker.client_auth));
    } else if (str_eq(name, STR("max.connections"))) {
        TRY(set_int(value, 1, INT32_MAX, &limits->connections));
    } else {
        for (size_t i = 0; i < ARRAY_LEN(set_topic); i++)
            if (str_eq_c(name, set_topic[i].name))
                return set_topic_default(o, set_topic[i].topic_name, value, set_topic[i].factor,
                                         why);
        *ret_known = false;
    }
    return OK;
}

static status set_parse(struct options *o, const char *text, struct why *why)
{
    const char *equals = strchr(text, '=');
    if (!equals) {
        why_set(why, "--set %s: expected NAME=VALUE", text);
        return FAIL(INVALID);
    }
    struct str name = { text, (size_t)(equals - text) }, value = str_c(equals + 1);
    bool known;
    struct why detail = { "" };
    status set = set_one(o, name, value, &known, &detail);
    if (!known) {
        why_set(why, "--set %.*s: there is no such setting", STR_ARG(name));
        return FAIL(INVALID);
    }
    if (failed(set))
        why_set(why, "--set %.*s: \"%.*s\" is not a legal value%s%s", STR_ARG(name),
                STR_ARG(value), detail.text[0] ? ": " : "", detail.text);
    return set;
}

/* --- arguments ------------------------------------------------------------------------------------------ */

static status parse_value(struct options *o, const char *name, const char *value, struct why *why)
{
    struct broker_options *b = &o->broker;
    int64_t n;
    if (strcmp(name, "--data") == 0) {
        b->data_dir = value;
    } else if (strcmp(name, "--run") == 0) {
        b->run_dir = value;
    } else if (strcmp(name, "--cluster-id") == 0) {
        b->cluster_id = value;
    } else if (strcmp(name, "--set") == 0) {
        return set_parse(o, value, why);
    } else if (strcmp(name, "--node-id") == 0) {
        if (!str_to_i64(str_c(value), &n) || n > INT32_MAX) {
            why_set(why, "--node-id %s: expected a number from 0 on", value);
            return FAIL(INVALID);
        }
        b->node_id = (int32_t)n;
    } else if (strcmp(name, "--user") == 0) {
        if (!str_to_i64(str_c(value), &n) || n < 1 || n >= UINT32_MAX) {
            why_set(why, "--user %s: expected the number of a user other than root", value);
            return FAIL(INVALID);
        }
        b->uid = (uint32_t)n;
    } else if (strcmp(name, "--listen") == 0 || strcmp(name, "--advertise") == 0) {
        bool listen = strcmp(name, "--listen") == 0;
        if (failed(address_parse(b, listen, value))) {
            why_set(why, "%s %s: expected %s, with KIND:// (PLAINTEXT, SASL_PLAINTEXT, SSL, SASL_SSL) "
                         "in front when there are several, one of each", name, value,
                    listen ? "ADDR:PORT" : "HOST:PORT");
            return FAIL(INVALID);
        }
    } else if (strcmp(name, "--tls-certificate") == 0) {
        b->files.tls_certificate = value;
    } else if (strcmp(name, "--tls-key") == 0) {
        b->files.tls_key = value;
    } else if (strcmp(name, "--tls-client-ca") == 0) {
        b->files.tls_client_ca = value;
    } else if (strcmp(name, "--users") == 0) {
        b->files.users = value;
    } else {
        why_set(why, "unknown argument %s (--help lists them)", name);
        return FAIL(INVALID);
    }
    return OK;
}

/* What is wrong with a listener, or NULL. */
static const char *endpoint_check(const struct broker_options *b, const struct endpoint_options *e)
{
    bool loopback = false;
    bool safe = e->security == SECURITY_SASL_SSL ||
                (e->security == SECURITY_SSL && b->client_auth == TLS_CLIENT_REQUIRED);
    if (!e->addr[0]) return "--advertise names a kind that is not listened on";
    if (!address_numeric(e->addr, &loopback))
        return "--listen: the address must be a number such as 127.0.0.1 or ::1";
    if (!b->standalone)
        return e->security == SECURITY_PLAINTEXT ? "PLAINTEXT goes with --standalone only" : NULL;
    if (!loopback && !safe)
        return "--standalone listens on loopback addresses only, but for SASL_SSL and for SSL with "
               "ssl.client.auth=required";
    if (security_has_tls(e->security) && !b->files.tls_certificate)
        return "a listener with TLS needs --tls-certificate FILE";
    return NULL;
}

static status options_check(struct options *o, struct why *why)
{
    struct broker_options *b = &o->broker;
    bool files = b->files.tls_certificate || b->files.tls_key || b->files.tls_client_ca || b->files.users ||
                 b->files.jwks;
    const char *text = NULL;
    if (!b->data_dir || !*b->data_dir) text = "--data DIR is missing";
    else if (b->standalone && b->run_dir)
        text = "--run is for brokers under leatd, not with --standalone";
    else if (!b->standalone && !b->run_dir) text = "either --standalone or --run DIR is missing";
    else if (!b->standalone && (!b->cluster_id || !*b->cluster_id))
        text = "--cluster-id ID is missing";
    else if (b->cluster_id && strlen(b->cluster_id) >= sizeof((struct image *)0)->cluster_id)
        text = "--cluster-id is too long";
    else if (files && !b->standalone)
        text = "--tls-certificate and its like go with --standalone only: leatd decides for its brokers";
    else if (b->client_auth != TLS_CLIENT_NONE && !b->files.tls_client_ca)
        text = "ssl.client.auth needs --tls-client-ca FILE";
    for (size_t i = 0; i < b->endpoint_count && !text; i++) text = endpoint_check(b, &b->endpoints[i]);
    if (!text) return OK;
    why_set(why, "%s", text);
    return FAIL(INVALID);
}

status options_parse(struct options *o, int count, const char *const *arguments, struct why *why)
{
    broker_options_init(&o->broker);
    o->broker.authentication.skew_ms = 30000; /* Kafka's default */
    o->broker.endpoint_count = 0;
    for (int i = 0; i < count; i++) o->broker.standalone |= strcmp(arguments[i], "--standalone") == 0;
    bool set = false;
    for (int i = 0; i < count; i++) {
        if (strcmp(arguments[i], "--standalone") == 0) continue;
        if (strncmp(arguments[i], "--", 2) != 0 || i + 1 == count) {
            why_set(why, strncmp(arguments[i], "--", 2) ? "unexpected argument %s"
                                                        : "%s: unknown, or its value is missing",
                    arguments[i]);
            return FAIL(INVALID);
        }
        set |= strcmp(arguments[i], "--set") == 0;
        TRY(parse_value(o, arguments[i], arguments[i + 1], why));
        i++;
    }
    if (set && !o->broker.standalone) {
        why_set(why, "--set goes with --standalone only: leatd decides for its brokers");
        return FAIL(INVALID);
    }
    if (!o->broker.endpoint_count) TRY(address_parse(&o->broker, true, "127.0.0.1:9092"));
    return options_check(o, why);
}

