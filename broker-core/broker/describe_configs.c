/* describe_configs.c - DescribeConfigs (key 32): every config of a topic, of this broker, of its logger,
 * of a group or of a subscription to client metrics, with where its value comes from. */
#include "broker/handler.h"

#include "broker/authorizer.h"
#include "broker/broker_config.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_BROKER_LOGGER = 8,
       RESOURCE_CLIENT_METRICS = 16, RESOURCE_GROUP = 32 };
enum { SOURCE_DYNAMIC_TOPIC = 1, SOURCE_STATIC_BROKER = 4, SOURCE_DEFAULT = 5,
       SOURCE_BROKER_LOGGER = 6 };

typedef struct describe_configs_request_describe_configs_resource asked_resource;
typedef struct describe_configs_response_describe_configs_result resource_answer;
typedef struct describe_configs_response_describe_configs_resource_result config_row;
typedef struct describe_configs_response_describe_configs_synonym synonym;

static bool asked_for(const asked_resource *asked, const char *name)
{
    if (asked->configuration_keys_count <= 0) return true; /* null or empty: all */
    for (int32_t i = 0; i < asked->configuration_keys_count; i++)
        if (str_eq_c(asked->configuration_keys[i], name)) return true;
    return false;
}

/* --- rows ---------------------------------------------------------------------------------------- */

static config_row *row_add(struct request *r, resource_answer *answer, const char *name, int8_t type,
                           const char *doc)
{
    const struct describe_configs_request *body = r->body;
    config_row *row = &answer->configs[answer->configs_count++];
    wire_default_struct(&describe_configs_response_describe_configs_resource_result_struct, row);
    row->name = str_c(name);
    row->config_type = type;
    row->config_source = SOURCE_DEFAULT;
    if (body->include_documentation) row->documentation = str_c(doc);
    if (body->include_synonyms) row->synonyms = ARENA_ARRAY(r->arena, synonym, 3);
    return row;
}

/* Where the value may come from, strongest first: the first one that is there is its source. Listed
 * when the client asked for synonyms. */
static void row_from(config_row *row, bool *found, const char *name, struct str value, int8_t source)
{
    if (!*found) row->config_source = source;
    *found = true;
    if (row->synonyms)
        row->synonyms[row->synonyms_count++] = (synonym){ str_c(name), value, source };
}

/* What the broker as a whole says, under its own name of the config. */
static void row_from_broker(config_row *row, bool *found, const struct broker_config *config,
                            struct str set)
{
    if (set.data) row_from(row, found, config->name, set, SOURCE_STATIC_BROKER);
    if (config->preset) row_from(row, found, config->name, str_c(config->preset), SOURCE_DEFAULT);
}

/* --- topics -------------------------------------------------------------------------------------- */

static struct str broker_default_of(const struct broker *b, const char *name)
{
    for (size_t i = 0; i < b->options.defaults_count; i++)
        if (strcmp(b->options.defaults[i].name, name) == 0)
            return str_c(b->options.defaults[i].value);
    return STR_NULL;
}

static void topic_config_row(struct request *r, const struct topic *topic,
                             const struct config_info *info, resource_answer *answer)
{
    bool is_default = true, found = false;
    struct str own = topic_config_get(&topic->config, info, &is_default);
    struct str set = broker_default_of(r->broker, info->name);
    const struct broker_config *broker_side = broker_config_of_topic(info->name);
    config_row *row = row_add(r, answer, info->name, (int8_t)info->type, info->doc);
    row->value = arena_str(r->arena, !is_default ? own : set.data ? set : str_c(info->default_value));
    if (!is_default) row_from(row, &found, info->name, row->value, SOURCE_DYNAMIC_TOPIC);
    if (broker_side) row_from_broker(row, &found, broker_side, set);
    else if (set.data) row_from(row, &found, info->name, set, SOURCE_STATIC_BROKER);
}

static status topic_configs(struct request *r, const asked_resource *asked, resource_answer *answer,
                            struct why *why)
{
    const struct topic *topic = image_topic(r->broker->image, asked->resource_name);
    if (!authorize(r, OP_DESCRIBE_CONFIGS, RES_TOPIC, asked->resource_name))
        return FAIL(TOPIC_AUTHORIZATION_FAILED);
    TRY(topic_name_check(asked->resource_name, why));
    if (!topic) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    size_t count;
    const struct config_info *table = topic_config_table(&count);
    answer->configs = ARENA_ARRAY(r->arena, config_row, count);
    if (!answer->configs) return FAIL(NO_MEMORY);
    for (size_t i = 0; i < count; i++)
        if (asked_for(asked, table[i].name)) topic_config_row(r, topic, &table[i], answer);
    return OK;
}

/* --- the broker ---------------------------------------------------------------------------------- */

static status cluster_allowed(struct request *r)
{
    return authorize(r, OP_DESCRIBE_CONFIGS, RES_CLUSTER, AUTHORIZER_CLUSTER)
               ? OK
               : FAIL(CLUSTER_AUTHORIZATION_FAILED);
}

static status broker_id_check(const struct broker *b, struct str name, struct why *why)
{
    int64_t id = -1;
    if (!str_to_i64(name, &id)) {
        why_set(why, "Broker id must be an integer, but it is: %.*s", STR_ARG(name));
        return FAIL(INVALID_REQUEST);
    }
    if (id == b->options.node_id) return OK;
    why_set(why, "Unexpected broker id, expected %d or empty string, but received %.*s",
            b->options.node_id, STR_ARG(name));
    return FAIL(INVALID_REQUEST);
}

/* Clients cannot change any of them: they are the plan's, or the command line's. */
static void broker_config_row(struct request *r, const struct broker_config *config,
                              resource_answer *answer)
{
    bool found = false;
    config_row *row = row_add(r, answer, config->name, config->type, config->doc);
    row->read_only = true;
    row->is_sensitive = config->type == BROKER_CONFIG_PASSWORD;
    struct str set = row->is_sensitive ? STR_NULL : broker_config_set(r, config);
    row->value = set.data ? set : str_c(config->preset);
    row_from_broker(row, &found, config, set);
}

/* Without a name: what holds for all brokers and was changed while they run, which nothing is. */
static status broker_configs(struct request *r, const asked_resource *asked, resource_answer *answer,
                             struct why *why)
{
    TRY(cluster_allowed(r));
    if (!asked->resource_name.len) return OK;
    TRY(broker_id_check(r->broker, asked->resource_name, why));
    size_t count;
    const struct broker_config *table = broker_config_table(&count);
    answer->configs = ARENA_ARRAY(r->arena, config_row, count);
    if (!answer->configs) return FAIL(NO_MEMORY);
    for (size_t i = 0; i < count; i++)
        if (asked_for(asked, table[i].name)) broker_config_row(r, &table[i], answer);
    return OK;
}

static status logger_configs(struct request *r, const asked_resource *asked, resource_answer *answer,
                             struct why *why)
{
    TRY(cluster_allowed(r));
    if (!asked->resource_name.len) {
        why_set(why, "Broker id must not be empty");
        return FAIL(INVALID_REQUEST);
    }
    TRY(broker_id_check(r->broker, asked->resource_name, why));
    answer->configs = ARENA_ARRAY(r->arena, config_row, 1);
    if (!answer->configs) return FAIL(NO_MEMORY);
    if (!asked_for(asked, "root")) return OK;
    config_row *row = row_add(r, answer, "root", 0, NULL);
    row->value = STR("INFO");
    row->config_source = SOURCE_BROKER_LOGGER;
    row->read_only = true;
    return OK;
}

/* --- groups and client metrics: what holds without configs of their own, which are not kept -------- */

struct preset {
    const char *name;
    int8_t type;
    const char *value, *doc;
};

static status presets(struct request *r, const asked_resource *asked, resource_answer *answer,
                      const struct preset *table, size_t count, bool synonyms)
{
    answer->configs = ARENA_ARRAY(r->arena, config_row, count);
    if (!answer->configs) return FAIL(NO_MEMORY);
    for (size_t i = 0; i < count; i++) {
        if (!asked_for(asked, table[i].name)) continue;
        bool found = false;
        config_row *row = row_add(r, answer, table[i].name, table[i].type, table[i].doc);
        row->value = str_c(table[i].value);
        if (synonyms) row_from(row, &found, table[i].name, row->value, SOURCE_DEFAULT);
    }
    return OK;
}

static status group_configs(struct request *r, const asked_resource *asked, resource_answer *answer,
                            struct why *why)
{
    static const struct preset table[] = {
        { "consumer.heartbeat.interval.ms", CONFIG_INT, "5000",
          "How often a member of the group tells that it lives." },
        { "consumer.session.timeout.ms", CONFIG_INT, "45000",
          "A member of the group that is silent for so long is taken for dead." },
    };
    if (!authorize(r, OP_DESCRIBE_CONFIGS, RES_GROUP, asked->resource_name))
        return FAIL(GROUP_AUTHORIZATION_FAILED);
    if (asked->resource_name.len) return presets(r, asked, answer, table, ARRAY_LEN(table), true);
    why_set(why, "Group name must not be empty");
    return FAIL(INVALID_REQUEST);
}

static status metrics_configs(struct request *r, const asked_resource *asked, resource_answer *answer,
                              struct why *why)
{
    static const struct preset table[] = {
        { "interval.ms", CONFIG_INT, "300000", "How often clients would push their metrics." },
        { "match", CONFIG_LIST, "", "Which clients are meant." },
        { "metrics", CONFIG_LIST, "", "Which metrics are asked for." },
    };
    TRY(cluster_allowed(r));
    if (asked->resource_name.len) return presets(r, asked, answer, table, ARRAY_LEN(table), false);
    why_set(why, "Client metrics subscription name must not be empty");
    return FAIL(INVALID_REQUEST);
}

/* --- the request --------------------------------------------------------------------------------- */

static status describe(struct request *r, const asked_resource *asked, resource_answer *answer,
                       struct why *why)
{
    switch (asked->resource_type) {
    case RESOURCE_TOPIC: return topic_configs(r, asked, answer, why);
    case RESOURCE_BROKER: return broker_configs(r, asked, answer, why);
    case RESOURCE_BROKER_LOGGER: return logger_configs(r, asked, answer, why);
    case RESOURCE_GROUP: return group_configs(r, asked, answer, why);
    case RESOURCE_CLIENT_METRICS: return metrics_configs(r, asked, answer, why);
    default:
        why_set(why, "Unexpected resource type %d for resource %.*s", asked->resource_type,
                STR_ARG(asked->resource_name));
        return FAIL(INVALID_REQUEST);
    }
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
        struct why why = { "" };
        wire_default_struct(&describe_configs_response_describe_configs_result_struct, answer);
        answer->resource_type = asked->resource_type;
        answer->resource_name = asked->resource_name;
        status described = describe(r, asked, answer, &why);
        answer->error_code = status_kafka(described);
        if (failed(described))
            answer->error_message = arena_str(
                r->arena, str_c(why.text[0] ? why.text : status_text(described)));
    }
    if (!request_out_of_memory(r)) request_reply(r, &response);
}
