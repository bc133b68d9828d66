/* broker_config.c - the values behind broker_config.def. */
#include "broker/broker_config.h"

#include "broker/connection.h"

#include <string.h>

#define AUTHORIZER_CLASS "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
#define FETCH_MAX_BYTES (8 << 20) /* RESPONSE_MAX of fetch.c */

/* --- values ------------------------------------------------------------------------------------- */

static struct str number(struct request *r, int64_t n)
{
    return arena_printf(r->arena, "%lld", (long long)n);
}

/* "item,item" of what each endpoint is to be shown as. */
static struct str endpoints_text(struct request *r,
                                 struct str (*one)(struct arena *, const struct endpoint *))
{
    const struct broker *b = r->broker;
    struct str text = STR("");
    for (size_t i = 0; i < b->options.endpoint_count; i++) {
        struct str item = one(r->arena, &b->endpoints[i]);
        text = i ? arena_printf(r->arena, "%.*s,%.*s", STR_ARG(text), STR_ARG(item)) : item;
    }
    return text;
}

static struct str one_advertised(struct arena *arena, const struct endpoint *e)
{
    return arena_printf(arena, "%s://%s:%d", security_name(e->options->security), endpoint_host(e),
                        endpoint_port(e));
}

static struct str one_listener(struct arena *arena, const struct endpoint *e)
{
    return arena_printf(arena, "%s://%s:%u", security_name(e->options->security), e->options->addr,
                        listener_port(e->listener));
}

static struct str one_protocol(struct arena *arena, const struct endpoint *e)
{
    const char *name = security_name(e->options->security);
    return arena_printf(arena, "%s:%s", name, name);
}

static struct str value_advertised(struct request *r) { return endpoints_text(r, one_advertised); }
static struct str value_listeners(struct request *r) { return endpoints_text(r, one_listener); }
static struct str value_security_map(struct request *r) { return endpoints_text(r, one_protocol); }
static struct str value_log_dir(struct request *r) { return str_c(r->broker->log_dir); }
static struct str value_node_id(struct request *r) { return number(r, r->broker->options.node_id); }
static struct str value_idle(struct request *r) { return number(r, r->broker->options.max_idle_ms); }
static struct str value_fetch_max(struct request *r) { return number(r, FETCH_MAX_BYTES); }

static struct str value_one(struct request *r)
{
    (void)r;
    return STR("1");
}

static struct str value_roles(struct request *r)
{
    (void)r;
    return STR("broker,controller");
}

static struct str value_authorizer(struct request *r)
{
    return r->broker->image->limits.authorise ? STR(AUTHORIZER_CLASS) : STR_NULL;
}

static struct str value_auto_create(struct request *r)
{
    return r->broker->image->limits.auto_create_topics ? STR("true") : STR("false");
}

static struct str value_partitions(struct request *r)
{
    return number(r, r->broker->image->limits.default_partitions);
}

static struct str value_connections(struct request *r)
{
    int64_t most = r->broker->image->limits.connections;
    return most >= 0 ? number(r, most) : STR_NULL;
}

static struct str value_group_delay(struct request *r)
{
    return number(r, r->broker->image->limits.group_initial_delay_ms);
}

static struct str topic_partitions(struct request *r, const char *name)
{
    const struct topic *topic = image_topic(r->broker->image, str_c(name));
    return topic ? number(r, topic->partitions) : STR_NULL;
}

static struct str value_offsets_partitions(struct request *r)
{
    return topic_partitions(r, "__consumer_offsets");
}

static struct str value_transaction_partitions(struct request *r)
{
    return topic_partitions(r, "__transaction_state");
}

#define CONSUMER_GROUP_HEARTBEAT 68

static struct str value_protocols(struct request *r)
{
    (void)r;
    return handler_find(CONSUMER_GROUP_HEARTBEAT) ? STR("classic,consumer") : STR("classic");
}

static struct str value_mechanisms(struct request *r)
{
    const struct broker *b = r->broker;
    bool sasl = false;
    for (size_t i = 0; i < b->options.endpoint_count; i++)
        sasl = sasl || security_has_sasl(b->options.endpoints[i].security);
    if (!sasl) return STR_NULL;
    const struct sasl any = { .state = SASL_IDLE };
    struct sasl_source source = connection_sasl_source(r->connection);
    struct str names[SASL_MECHANISMS_MAX], text = STR("");
    size_t n = sasl_mechanisms(&any, &source, names);
    for (size_t i = 0; i < n; i++)
        text = i ? arena_printf(r->arena, "%.*s,%.*s", STR_ARG(text), STR_ARG(names[i])) : names[i];
    return text;
}

static const struct authentication *authentication_of(struct request *r)
{
    struct sasl_source source = connection_sasl_source(r->connection);
    return source.files ? &source.files->authentication : &source.image->authentication;
}

static struct str told(struct str text) { return text.len ? text : STR_NULL; }

static struct str value_reauth(struct request *r)
{
    int64_t ms = authentication_of(r)->max_reauth_ms;
    return ms ? number(r, ms) : STR_NULL;
}

static struct str value_audience(struct request *r) { return told(authentication_of(r)->audience); }
static struct str value_claim(struct request *r) { return told(authentication_of(r)->claim); }
static struct str value_issuer(struct request *r) { return told(authentication_of(r)->issuer); }

static struct str value_client_auth(struct request *r)
{
    switch (r->broker->options.client_auth) {
    case TLS_CLIENT_REQUESTED: return STR("requested");
    case TLS_CLIENT_REQUIRED: return STR("required");
    default: return STR_NULL;
    }
}

/* --- the table ---------------------------------------------------------------------------------- */

#define CONFIG_PASSWORD BROKER_CONFIG_PASSWORD
#define value_PRESET NULL
#define value_TOPIC NULL
static const struct broker_config configs[] = {
#define CONFIG(name, type, preset, how, topic, doc)                                                \
    { name, CONFIG_##type, preset, topic, value_##how, doc },
#include "broker/broker_config.def"
#undef CONFIG
};

const struct broker_config *broker_config_table(size_t *ret_count)
{
    *ret_count = ARRAY_LEN(configs);
    return configs;
}

const struct broker_config *broker_config_of_topic(const char *topic_config)
{
    for (size_t i = 0; i < ARRAY_LEN(configs); i++)
        if (configs[i].topic && strcmp(configs[i].topic, topic_config) == 0) return &configs[i];
    return NULL;
}

struct str broker_config_set(struct request *r, const struct broker_config *config)
{
    const struct broker_options *o = &r->broker->options;
    if (config->value) return config->value(r);
    for (size_t i = 0; config->topic && i < o->defaults_count; i++)
        if (strcmp(o->defaults[i].name, config->topic) == 0) return str_c(o->defaults[i].value);
    return STR_NULL;
}
