/* kafka_topic_configs.c - configs of topics: what is in effect (READ), set and reset (DOMAIN). A value
 * that a user set is DYNAMIC_TOPIC_CONFIG, also when it equals the default: tools compare by source. */
#include "api/handlers.h"
#include "api/kafka_topics.h"

/* --- shown ------------------------------------------------------------------------------------ */

static const struct delta_config *override_of(const struct delta_topic *t, const char *name)
{
    for (int32_t i = 0; i < t->config_count; i++) {
        if (str_eq_c(t->configs[i].name, name)) return &t->configs[i];
    }
    return NULL;
}

static json_t *synonym_json(const char *name, struct str value, const char *source)
{
    return json_pack("{s:s, s:o, s:s}", "name", name, "value", api_str(value), "source", source);
}

static json_t *config_json(struct api_request *rq, const struct kafka_scope *s,
                           const struct delta_topic *t, const struct config_info *info)
{
    const struct delta_config *set = override_of(t, info->name);
    const char *source = set ? "DYNAMIC_TOPIC_CONFIG" : "DEFAULT_CONFIG";
    struct str name = str_c(info->name), by_default = str_c(info->default_value);
    json_t *synonyms = json_array();
    if (set) json_array_append_new(synonyms, synonym_json(info->name, set->value, source));
    json_array_append_new(synonyms, synonym_json(info->name, by_default, "DEFAULT_CONFIG"));
    json_t *o = kafka_object(
        "KafkaTopicConfig", s->id,
        api_url(rq, KAFKA_BASE "/topics/%s/configs/%s", str_c(s->id), t->name, name),
        kafka_crn(rq, s->id, "/topic=%.*s/config=%s", STR_ARG(t->name), info->name));
    PUT(o, "topic_name", api_str(t->name));
    PUT(o, "name", json_string(info->name));
    PUT(o, "value", api_str(set ? set->value : by_default));
    PUT(o, "is_default", json_boolean(!set));
    PUT(o, "is_read_only", json_boolean(info->fixed));
    PUT(o, "is_sensitive", json_false());
    PUT(o, "source", json_string(source));
    PUT(o, "synonyms", synonyms);
    return o;
}

static void append_all(struct api_request *rq, const struct kafka_scope *s,
                       const struct delta_topic *t,
                       json_t *data)
{
    size_t count;
    const struct config_info *table = topic_config_table(&count);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(data, config_json(rq, s, t, &table[i]));
    }
}

/* The topic of the path whose configs the caller may see. */
static bool topic_configs(struct api_request *rq, const struct kafka_scope *s,
                          struct topic_row *ret)
{
    return s && kafka_topic(rq, s, ret) && kafka_permit(rq, s, OP_DESCRIBE_CONFIGS, RES_TOPIC,
        ret->topic.name);
}

void kafka_configs_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (!topic_configs(rq, s, &row)) return;
    json_t *data = json_array();
    append_all(rq, s, &row.topic, data);
    api_reply_kafka_list(rq, "KafkaTopicConfigList", data);
}

void kafka_configs_list_all(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row *rows = NULL;
    size_t count = 0;
    if (!s) return;
    status result = topics_list(rq->db, s->id, rq->arena, &rows, &count);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return;
    }
    json_t *data = json_array();
    for (size_t i = 0; i < count; i++) {
        if (kafka_allows(s, OP_DESCRIBE_CONFIGS, RES_TOPIC, rows[i].topic.name)) {
            append_all(rq, s, &rows[i].topic, data);
        }
    }
    api_reply_kafka_list(rq, "KafkaTopicConfigList", data);
}

/* What a topic of this name would get if it were made now. */
void kafka_configs_defaults(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (!s) return;
    struct delta_topic topic = { .name = api_param(rq, "topic_name") };
    if (!kafka_permit(rq, s, OP_DESCRIBE_CONFIGS, RES_TOPIC, topic.name)) return;
    json_t *data = json_array();
    append_all(rq, s, &topic, data);
    api_reply_kafka_list(rq, "KafkaTopicConfigList", data);
}

static void fail_unknown(struct api_request *rq, const struct kafka_scope *s, struct str name,
                         struct str topic)
{
    struct str text = arena_printf(rq->arena,
                                   "Config %.*s cannot be found for TOPIC %.*s in cluster %s.",
                                   STR_ARG(name), STR_ARG(topic), s->id);
    api_fail_kafka(rq, 404, 404, text.data);
}

void kafka_configs_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (!topic_configs(rq, s, &row)) return;
    struct str name = api_param(rq, "name");
    const struct config_info *info = topic_config_info(name);
    if (info) api_reply(rq, 200, config_json(rq, s, &row.topic, info));
    else fail_unknown(rq, s, name, row.topic.name);
}

/* --- changed ---------------------------------------------------------------------------------- */

enum { SET = 0, UNSET = 1 }; /* Kafka's AlterConfigOp */

static void altered(void *arg, status result, int64_t version, const void *response)
{
    struct api_request *rq = arg;
    const struct incremental_alter_configs_response *r = response;
    if (!r || r->responses_count != 1) {
        api_fail(rq, failed(result) ? result : FAIL(UNKNOWN_SERVER_ERROR), NULL);
        return;
    }
    kafka_change_done(rq, result, version, r->responses[0].error_code,
                      r->responses[0].error_message, 204, NULL);
}

static void alter(struct api_request *rq, const struct kafka_scope *s, struct str topic,
                  struct incremental_alter_configs_request_alterable_config *configs, int32_t count,
                  bool validate_only)
{
    struct incremental_alter_configs_request_alter_configs_resource resource;
    struct incremental_alter_configs_request request;
    if (!kafka_permit(rq, s, OP_ALTER_CONFIGS, RES_TOPIC, topic)) return;
    for (int32_t i = 0; i < count; i++) {
        if (topic_config_info(configs[i].name)) continue;
        fail_unknown(rq, s, configs[i].name, topic);
        return;
    }
    wire_default(&incremental_alter_configs_request_message, &request);
    wire_default_struct(&incremental_alter_configs_request_alter_configs_resource_struct,
                        &resource);
    resource.resource_type = 2; /* TOPIC */
    resource.resource_name = topic;
    resource.configs = configs;
    resource.configs_count = count;
    request.resources = &resource;
    request.resources_count = 1;
    request.validate_only = validate_only;
    struct actor actor = kafka_actor(rq);
    topics_alter_configs(rq->domain, s->id, &actor, &request, rq->arena, altered, rq);
}

static bool is_value(const json_t *value)
{
    return !value || json_is_null(value) || json_is_string(value);
}

void kafka_configs_put(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    json_t *body = s ? api_body(rq) : NULL;
    if (!body || !kafka_topic(rq, s, &row)) return;
    if (!is_value(json_object_get(body, "value"))) {
        api_fail_kafka(rq, 400, 400,
                       "Bad Request: value must be a string; numbers are written as strings too.");
        return;
    }
    struct str value = api_get_str(body, "value");
    struct incremental_alter_configs_request_alterable_config one = {
        .name = api_param(rq, "name"), .config_operation = value.data ? SET : UNSET,
            .value = value };
    alter(rq, s, row.topic.name, &one, 1, false);
}

void kafka_configs_delete(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    if (!s || !kafka_topic(rq, s, &row)) return;
    struct incremental_alter_configs_request_alterable_config one = { .name = api_param(rq, "name"),
                                                                      .config_operation = UNSET };
    alter(rq, s, row.topic.name, &one, 1, false);
}

/* One entry of :alter; false: answered. */
static bool read_entry(struct api_request *rq, const json_t *entry,
                       struct incremental_alter_configs_request_alterable_config *ret)
{
    struct str operation = api_get_str(entry, "operation");
    const json_t *value = json_object_get(entry, "value");
    ret->name = api_get_str(entry, "name");
    ret->value = api_get_str(entry, "value");
    if (!ret->name.data || !is_value(value)) {
        api_fail_kafka(rq, 400, 400,
                       "Bad Request: an entry is {\"name\": string, \"value\": string, "
                        "\"operation\": \"SET\" or \"DELETE\"}.");
        return false;
    }
    if (operation.data && !str_eq_c(operation, "SET") && !str_eq_c(operation, "DELETE")) {
        api_fail_kafka(rq, 400, 400, "Bad Request: operation must be SET or DELETE.");
        return false;
    }
    bool unset = str_eq_c(operation, "DELETE") || !ret->value.data;
    ret->config_operation = unset ? UNSET : SET;
    if (unset) ret->value = STR_NULL;
    return true;
}

void kafka_configs_alter(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    json_t *body = s ? api_body(rq) : NULL;
    if (!body || !kafka_topic(rq, s, &row)) return;
    const json_t *data = json_object_get(body, "data");
    size_t count = json_array_size(data);
    if (count == 0 || count > 200) {
        api_fail_kafka(rq, 400, 400, "Bad Request: data must be a list of 1 to 200 entries.");
        return;
    }
    struct incremental_alter_configs_request_alterable_config *configs =
        ARENA_ARRAY(rq->arena, struct incremental_alter_configs_request_alterable_config, count);
    for (size_t i = 0; configs && i < count; i++) {
        if (!read_entry(rq, json_array_get(data, i), &configs[i])) return;
    }
    if (!configs) api_fail(rq, FAIL(NO_MEMORY), NULL);
    else alter(rq, s, row.topic.name, configs, (int32_t)count, json_is_true(json_object_get(body,
        "validate_only")));
}
