/* describe_configs.c - DescribeConfigs (key 32): every config of a topic with its source, and the
 * settings of the broker that clients look for. */
#include "broker/handler.h"

#include "broker/authorizer.h"

#define RESOURCE_TOPIC 2
#define RESOURCE_BROKER 4
enum { SOURCE_DYNAMIC_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5 };

typedef struct describe_configs_request_describe_configs_resource asked_resource;
typedef struct describe_configs_response_describe_configs_result resource_answer;
typedef struct describe_configs_response_describe_configs_resource_result config_row;
typedef struct describe_configs_response_describe_configs_synonym synonym;

static bool asked_for(const asked_resource *asked, const char *name)
{
    if (asked->configuration_keys_count < 0) return true; /* null: all */
    for (int32_t i = 0; i < asked->configuration_keys_count; i++)
        if (str_eq_c(asked->configuration_keys[i], name)) return true;
    return false;
}

/* --- topics ---------------------------------------------------------------------------------------- */

static const char *broker_default_of(const struct broker *b, const char *name)
{
    for (size_t i = 0; i < b->options.defaults_count; i++)
        if (strcmp(b->options.defaults[i].name, name) == 0) return b->options.defaults[i].value;
    return NULL;
}

static void synonym_add(config_row *row, struct str name, struct str value, int8_t source)
{
    row->synonyms[row->synonyms_count++] = (synonym){ name, value, source };
}

static void topic_config_row(struct request *r, const struct topic *topic,
                             const struct config_info *info, config_row *row)
{
    const struct describe_configs_request *body = r->body;
    bool is_default = true;
    struct str own = topic_config_get(&topic->config, info, &is_default);
    struct str name = str_c(info->name), preset = str_c(info->default_value);
    struct str set = str_c(broker_default_of(r->broker, info->name));
    wire_default_struct(&describe_configs_response_describe_configs_resource_result_struct, row);
    row->name = name;
    row->config_type = (int8_t)info->type;
    row->value = arena_str(r->arena, !is_default ? own : set.data ? set : preset);
    row->config_source = !is_default ? SOURCE_DYNAMIC_TOPIC
                         : set.data  ? SOURCE_STATIC_BROKER
                                     : SOURCE_DEFAULT;
    if (body->include_documentation) row->documentation = str_c(info->doc);
    if (!body->include_synonyms) return;
    row->synonyms = ARENA_ARRAY(r->arena, synonym, 3);
    if (!row->synonyms) return;
    if (!is_default) synonym_add(row, name, row->value, SOURCE_DYNAMIC_TOPIC);
    if (set.data) synonym_add(row, name, set, SOURCE_STATIC_BROKER);
    synonym_add(row, name, preset, SOURCE_DEFAULT);
}

static status topic_configs(struct request *r, const asked_resource *asked, resource_answer *answer)
{
    const struct topic *topic = image_topic(r->broker->image, asked->resource_name);
    if (!authorize(r, OP_DESCRIBE_CONFIGS, RES_TOPIC, asked->resource_name))
        return FAIL(TOPIC_AUTHORIZATION_FAILED);
    TRY(topic_name_check(asked->resource_name, NULL));
    if (!topic) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    size_t count;
    const struct config_info *table = topic_config_table(&count);
    answer->configs = ARENA_ARRAY(r->arena, config_row, count);
    if (!answer->configs) return FAIL(NO_MEMORY);
    for (size_t i = 0; i < count; i++)
        if (asked_for(asked, table[i].name))
            topic_config_row(r, topic, &table[i], &answer->configs[answer->configs_count++]);
    return OK;
}

/* --- the broker --------------------------------------------------------------------------------------- */

static void broker_config_row(struct request *r, const asked_resource *asked,
                              resource_answer *answer, const char *name, enum config_type type,
                              struct str value)
{
    if (!asked_for(asked, name)) return;
    config_row *row = &answer->configs[answer->configs_count++];
    wire_default_struct(&describe_configs_response_describe_configs_resource_result_struct, row);
    row->name = str_c(name);
    row->value = value;
    row->read_only = true;
    row->config_source = SOURCE_STATIC_BROKER;
    row->config_type = (int8_t)type;
    (void)r;
}

/* Names as in Kafka, with the topic config that says the same. */
static const struct {
    const char *name, *topic_name;
} broker_log_names[] = {
    { "log.retention.ms", "retention.ms" },
    { "log.retention.bytes", "retention.bytes" },
    { "log.segment.bytes", "segment.bytes" },
    { "log.roll.ms", "segment.ms" },
    { "log.cleanup.policy", "cleanup.policy" },
    { "log.message.timestamp.type", "message.timestamp.type" },
    { "message.max.bytes", "max.message.bytes" },
    { "compression.type", "compression.type" },
    { "min.insync.replicas", "min.insync.replicas" },
};
#define BROKER_ROWS_MORE 7

static struct str listeners_text(struct request *r)
{
    struct str text = STR("");
    for (size_t i = 0; i < r->broker->options.endpoint_count; i++) {
        const struct endpoint *e = &r->broker->endpoints[i];
        text = arena_printf(r->arena, "%.*s%s%s://%s:%d", STR_ARG(text), i ? "," : "",
                            security_name(e->options->security), endpoint_host(e),
                            endpoint_port(e));
    }
    return text;
}

static status broker_configs(struct request *r, const asked_resource *asked,
                             resource_answer *answer)
{
    struct broker *b = r->broker;
    const struct limits *limits = &b->image->limits;
    int64_t id = -1;
    if (!authorize(r, OP_DESCRIBE_CONFIGS, RES_CLUSTER, AUTHORIZER_CLUSTER))
        return FAIL(CLUSTER_AUTHORIZATION_FAILED);
    if (asked->resource_name.len &&
        (!str_to_i64(asked->resource_name, &id) || id != b->options.node_id))
        return FAIL(INVALID_REQUEST);
    answer->configs = ARENA_ARRAY(r->arena, config_row,
                                  ARRAY_LEN(broker_log_names) + BROKER_ROWS_MORE);
    if (!answer->configs) return FAIL(NO_MEMORY);
    broker_config_row(r, asked, answer, "broker.id", CONFIG_INT,
                      arena_printf(r->arena, "%d", b->options.node_id));
    broker_config_row(r, asked, answer, "advertised.listeners", CONFIG_STRING, listeners_text(r));
    broker_config_row(r, asked, answer, "auto.create.topics.enable", CONFIG_BOOLEAN,
                      limits->auto_create_topics ? STR("true") : STR("false"));
    broker_config_row(r, asked, answer, "delete.topic.enable", CONFIG_BOOLEAN, STR("true"));
    broker_config_row(r, asked, answer, "num.partitions", CONFIG_INT,
                      arena_printf(r->arena, "%d", limits->default_partitions));
    broker_config_row(r, asked, answer, "default.replication.factor", CONFIG_INT, STR("1"));
    broker_config_row(r, asked, answer, "group.initial.rebalance.delay.ms", CONFIG_INT,
                      arena_printf(r->arena, "%d", limits->group_initial_delay_ms));
    for (size_t i = 0; i < ARRAY_LEN(broker_log_names); i++) {
        const struct config_info *info = topic_config_info(str_c(broker_log_names[i].topic_name));
        const char *set = broker_default_of(b, broker_log_names[i].topic_name);
        if (info)
            broker_config_row(r, asked, answer, broker_log_names[i].name, info->type,
                              str_c(set ? set : info->default_value));
    }
    return OK;
}

void handle_describe_configs(struct request *r)
{
    const struct describe_configs_request *body = r->body;
    struct describe_configs_response response;
    wire_default(&describe_configs_response_message, &response);
    int32_t n = body->resources_count < 0 ? 0 : body->resources_count;
    response.results = ARENA_ARRAY(r->arena, resource_answer, n);
    if (request_out_of_memory(r)) return;
    response.results_count = n;
    for (int32_t i = 0; i < n; i++) {
        const asked_resource *asked = &body->resources[i];
        resource_answer *answer = &response.results[i];
        wire_default_struct(&describe_configs_response_describe_configs_result_struct, answer);
        answer->resource_type = asked->resource_type;
        answer->resource_name = asked->resource_name;
        status described = asked->resource_type == RESOURCE_TOPIC ? topic_configs(r, asked, answer)
                           : asked->resource_type == RESOURCE_BROKER
                               ? broker_configs(r, asked, answer)
                               : FAIL(INVALID_REQUEST);
        answer->error_code = status_kafka(described);
        if (failed(described)) answer->error_message = str_c(status_text(described));
    }
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
