/* kafka_topic_configs.c - configs of topics: what is in effect (READ), set and reset (DOMAIN). A value
 * that a user set is DYNAMIC_TOPIC_CONFIG, also when it equals the default: tools compare by source. */
#include "api/handlers.h"
#include "api/json_text.h"
#include "api/kafka_topics.h"

/* --- shown ------------------------------------------------------------------------------------ */

static const struct delta_config *override_of(const struct delta_topic *t, const char *name)
{
    for (int32_t i = 0; i < t->config_count; i++) {
        if (str_eq_c(t->configs[i].name, name)) return &t->configs[i];
    }
    return NULL;
}

static void put_member(struct buf *out, const char *name, struct str value)
{
    JSON_TEXT(out, "\"");
    buf_put_str(out, str_c(name));
    JSON_TEXT(out, "\":");
    json_text_str(out, value);
    JSON_TEXT(out, ",");
}

static void put_synonym(struct buf *out, struct str name, struct str value, const char *source)
{
    JSON_TEXT(out, "{");
    put_member(out, "name", name);
    put_member(out, "value", value);
    JSON_TEXT(out, "\"source\":\"");
    buf_put_str(out, str_c(source));
    JSON_TEXT(out, "\"}");
}

/* A cluster has a third of a million of them: as text. `topics`: the URL of the topics and a '/'. */
static void put_config(struct buf *out, const struct kafka_scope *s, struct str topics,
                       const struct delta_topic *t, const struct config_info *info)
{
    const struct delta_config *set = override_of(t, info->name);
    const char *source = set ? "DYNAMIC_TOPIC_CONFIG" : "DEFAULT_CONFIG";
    struct str name = str_c(info->name), by_default = str_c(info->default_value);
    JSON_TEXT(out, "{\"kind\":\"KafkaTopicConfig\",\"metadata\":{\"self\":\"");
    buf_put_str(out, topics);
    json_text_encoded(out, t->name);
    JSON_TEXT(out, "/configs/");
    json_text_encoded(out, name);
    JSON_TEXT(out, "\",\"resource_name\":\"crn:///kafka=");
    buf_put_str(out, str_c(s->id));
    JSON_TEXT(out, "/topic=");
    json_text_inside(out, t->name);
    JSON_TEXT(out, "/config=");
    buf_put_str(out, name);
    JSON_TEXT(out, "\"},\"cluster_id\":\"");
    buf_put_str(out, str_c(s->id));
    JSON_TEXT(out, "\",");
    put_member(out, "topic_name", t->name);
    put_member(out, "name", name);
    put_member(out, "value", set ? set->value : by_default);
    buf_put_str(out, set ? STR("\"is_default\":false,") : STR("\"is_default\":true,"));
    buf_put_str(out, info->fixed ? STR("\"is_read_only\":true,") : STR("\"is_read_only\":false,"));
    JSON_TEXT(out, "\"is_sensitive\":false,");
    put_member(out, "source", str_c(source));
    JSON_TEXT(out, "\"synonyms\":[");
    if (set) put_synonym(out, name, set->value, source);
    if (set) JSON_TEXT(out, ",");
    put_synonym(out, name, by_default, "DEFAULT_CONFIG");
    JSON_TEXT(out, "]}");
}

static struct str topics_url(struct api_request *rq, const struct kafka_scope *s)
{
    return api_url(rq, KAFKA_BASE "/topics/", str_c(s->id));
}

/* `first`: nothing is in the list yet. */
static void put_all(struct buf *out, const struct kafka_scope *s, struct str topics,
                    const struct delta_topic *t, bool first)
{
    size_t count;
    const struct config_info *table = topic_config_table(&count);
    for (size_t i = 0; i < count; i++) {
        if (!first || i) JSON_TEXT(out, ",");
        put_config(out, s, topics, t, &table[i]);
    }
}

static void reply_all(struct api_request *rq, const struct kafka_scope *s, const struct delta_topic *t)
{
    struct buf out;
    api_kafka_list_begin(rq, "KafkaTopicConfigList", &out);
    put_all(&out, s, topics_url(rq, s), t, true);
    api_kafka_list_end(rq, &out);
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
    reply_all(rq, s, &row.topic);
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
    struct str topics = topics_url(rq, s);
    struct buf out;
    bool first = true;
    api_kafka_list_begin(rq, "KafkaTopicConfigList", &out);
    for (size_t i = 0; i < count; i++) {
        if (!kafka_allows(s, OP_DESCRIBE_CONFIGS, RES_TOPIC, rows[i].topic.name)) continue;
        put_all(&out, s, topics, &rows[i].topic, first);
        first = false;
    }
    api_kafka_list_end(rq, &out);
}

/* What a topic of this name would get if it were made now. */
void kafka_configs_defaults(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (!s) return;
    struct delta_topic topic = { .name = api_param(rq, "topic_name") };
    if (!kafka_permit(rq, s, OP_DESCRIBE_CONFIGS, RES_TOPIC, topic.name)) return;
    reply_all(rq, s, &topic);
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
    if (!info) {
        fail_unknown(rq, s, name, row.topic.name);
        return;
    }
    struct buf out;
    buf_init(&out, 1 << 20);
    put_config(&out, s, topics_url(rq, s), &row.topic, info);
    rq->http->answer_bytes(rq, 200, "application/json", &out);
}

/* --- changed ---------------------------------------------------------------------------------- */

enum { SET = 0, UNSET = 1 }; /* Kafka's AlterConfigOp */
enum { CONFIG_OF_TOPIC = 2 }; /* its resource type */
#define CHANGES_MAX 200 /* of one topic or broker in one request */

typedef struct incremental_alter_configs_request_alterable_config alteration;
typedef struct incremental_alter_configs_request_alter_configs_resource alter_resource;

static bool is_value(const json_t *value)
{
    return !value || json_is_null(value) || json_is_string(value);
}

/* One entry of :alter; false: answered. */
static bool read_entry(struct api_request *rq, const json_t *entry, alteration *ret)
{
    const json_t *operation = json_object_get(entry, "operation");
    const char *name = operation && !json_is_null(operation) ? json_string_value(operation) : "SET";
    ret->name = api_get_str(entry, "name");
    ret->value = api_get_str(entry, "value");
    if (!ret->name.data || !is_value(json_object_get(entry, "value"))) {
        api_fail_kafka(rq, 400, 400,
                       "Bad Request: an entry is {\"name\": string, \"value\": string, "
                       "\"operation\": \"SET\" or \"DELETE\"}.");
        return false;
    }
    if (!name || (strcmp(name, "SET") != 0 && strcmp(name, "DELETE") != 0)) {
        api_fail_kafka(rq, 400, 400, "Bad Request: operation must be SET or DELETE.");
        return false;
    }
    bool unset = strcmp(name, "DELETE") == 0 || !ret->value.data;
    ret->config_operation = unset ? UNSET : SET;
    if (unset) ret->value = STR_NULL;
    return true;
}

/* A list of entries; false: answered. */
static bool read_entries(struct api_request *rq, const json_t *list, alteration **ret,
                         int32_t *ret_count)
{
    size_t count = json_array_size(list);
    if (count == 0 || count > CHANGES_MAX) {
        struct str text = arena_printf(rq->arena, "Bad Request: the configs must be a list of 1 to %d "
                                                  "entries.", CHANGES_MAX);
        api_fail_kafka(rq, 400, 400, text.data);
        return false;
    }
    alteration *changes = ARENA_ARRAY(rq->arena, alteration, count);
    if (!changes) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_entry(rq, json_array_get(list, i), &changes[i])) return false;
    }
    *ret = changes;
    *ret_count = (int32_t)count;
    return true;
}

static bool read_validate_only(struct api_request *rq, const json_t *body, bool *ret)
{
    const json_t *value = json_object_get(body, "validate_only");
    *ret = json_is_true(value);
    if (!value || json_is_boolean(value) || json_is_null(value)) return true;
    api_fail_kafka(rq, 400, 400, "Bad Request: validate_only must be true or false.");
    return false;
}

bool kafka_config_changes(struct api_request *rq, alteration **ret, int32_t *ret_count,
                          bool *ret_validate_only)
{
    json_t *body = rq->method == DELETE ? NULL : api_body(rq);
    *ret_validate_only = false;
    if (rq->method != DELETE && !body) return false;
    if (rq->method == POST) {
        return read_validate_only(rq, body, ret_validate_only) &&
               read_entries(rq, json_object_get(body, "data"), ret, ret_count);
    }
    if (!is_value(json_object_get(body, "value"))) {
        api_fail_kafka(rq, 400, 400,
                       "Bad Request: value must be a string; numbers are written as strings too.");
        return false;
    }
    struct str value = api_get_str(body, "value");
    *ret = ARENA_NEW(rq->arena, alteration);
    *ret_count = 1;
    if (!*ret) api_fail(rq, FAIL(NO_MEMORY), NULL);
    else **ret = (alteration){ .name = api_param(rq, "name"), .value = value,
                               .config_operation = value.data ? SET : UNSET };
    return *ret != NULL;
}

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

static void alter(struct api_request *rq, const struct kafka_scope *s, alter_resource *resources,
                  int32_t count, bool validate_only, topics_done done, void *arg)
{
    struct incremental_alter_configs_request request;
    wire_default(&incremental_alter_configs_request_message, &request);
    request.resources = resources;
    request.resources_count = count;
    request.validate_only = validate_only;
    struct actor actor = kafka_actor(rq);
    topics_alter_configs(rq->domain, s->id, &actor, &request, rq->arena, done, arg);
}

/* PUT and DELETE of one config, and :alter. */
static void change(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    alter_resource resource;
    bool validate_only;
    wire_default_struct(&incremental_alter_configs_request_alter_configs_resource_struct, &resource);
    if (!s || !kafka_config_changes(rq, &resource.configs, &resource.configs_count, &validate_only)) {
        return;
    }
    if (!kafka_topic(rq, s, &row)) return;
    if (!kafka_permit(rq, s, OP_ALTER_CONFIGS, RES_TOPIC, row.topic.name)) return;
    for (int32_t i = 0; i < resource.configs_count; i++) {
        if (topic_config_info(resource.configs[i].name)) continue;
        fail_unknown(rq, s, resource.configs[i].name, row.topic.name);
        return;
    }
    resource.resource_type = CONFIG_OF_TOPIC;
    resource.resource_name = row.topic.name;
    alter(rq, s, &resource, 1, validate_only, altered, rq);
}

void kafka_configs_put(struct api_request *rq) { change(rq); }
void kafka_configs_delete(struct api_request *rq) { change(rq); }
void kafka_configs_alter(struct api_request *rq) { change(rq); }

/* --- of several topics at once: each of them all or nothing, one change for those that can be made --- */

struct many {
    struct api_request *rq;
    json_t *failures; /* of topics that were refused before */
    bool validate_only;
};

static void fail_one(struct many *m, struct str topic, int code, struct str message)
{
    json_array_append_new(m->failures, json_pack("{s:o, s:i, s:o}", "topic_name", api_str(topic),
                                                 "error_code", code, "message", api_str(message)));
}

static void many_altered(void *arg, status result, int64_t version, const void *response)
{
    struct many *m = arg;
    const struct incremental_alter_configs_response *r = response;
    if (!r) {
        json_decref(m->failures);
        api_fail(m->rq, failed(result) ? result : FAIL(UNKNOWN_SERVER_ERROR), NULL);
        return;
    }
    for (int32_t i = 0; i < r->responses_count; i++) {
        if (!r->responses[i].error_code) continue;
        status why = status_from_kafka(r->responses[i].error_code);
        fail_one(m, r->responses[i].resource_name, api_kafka_code(why), r->responses[i].error_message);
    }
    if (json_array_size(m->failures) == 0) {
        json_decref(m->failures);
        api_reply_change(m->rq, result, NULL, 204, version, NULL);
    } else {
        api_reply_change(m->rq, result, NULL, 207, version, json_pack("{s:o}", "failures", m->failures));
    }
}

/* May it be changed, and is every name known? What fails is noted. */
static bool alterable(struct many *m, const struct kafka_scope *s, const alter_resource *r)
{
    struct arena *arena = m->rq->arena;
    struct topic_row row;
    struct str topic = r->resource_name;
    if (!kafka_allows(s, OP_ALTER_CONFIGS, RES_TOPIC, topic)) {
        fail_one(m, topic, 40301, arena_printf(arena, "Not authorized: %.*s may not ALTER_CONFIGS of "
                                                      "the TOPIC %.*s.",
                                               STR_ARG(s->principal), STR_ARG(topic)));
        return false;
    }
    if (failed(topics_get(m->rq->db, s->id, topic, arena, &row))) {
        fail_one(m, topic, 40403, arena_printf(arena, "Topic %.*s cannot be found.", STR_ARG(topic)));
        return false;
    }
    for (int32_t i = 0; i < r->configs_count; i++) {
        if (topic_config_info(r->configs[i].name)) continue;
        fail_one(m, topic, 404, arena_printf(arena, "Config %.*s cannot be found for TOPIC %.*s in "
                                                    "cluster %s.",
                                             STR_ARG(r->configs[i].name), STR_ARG(topic), s->id));
        return false;
    }
    return true;
}

/* The entries of the body as resources. False: answered. */
static bool read_topics(struct many *m, const json_t *data, alter_resource **ret, size_t *ret_count)
{
    struct api_request *rq = m->rq;
    size_t count = json_array_size(data);
    if (count == 0 || count > ADMIN_TOPICS_MAX) {
        api_fail_kafka(rq, 400, 400, "Bad Request: data must be a list of 1 to 1000 topics.");
        return false;
    }
    alter_resource *resources = ARENA_ARRAY(rq->arena, alter_resource, count);
    for (size_t i = 0; resources && i < count; i++) {
        const json_t *entry = json_array_get(data, i);
        alter_resource *r = &resources[i];
        wire_default_struct(&incremental_alter_configs_request_alter_configs_resource_struct, r);
        r->resource_type = CONFIG_OF_TOPIC;
        r->resource_name = api_get_str(entry, "topic_name");
        if (!r->resource_name.data) {
            api_fail_kafka(rq, 400, 400, "Bad Request: topic_name is missing.");
            return false;
        }
        if (!read_entries(rq, json_object_get(entry, "configs"), &r->configs, &r->configs_count)) {
            return false;
        }
    }
    if (!resources) api_fail(rq, FAIL(NO_MEMORY), NULL);
    *ret = resources;
    *ret_count = count;
    return resources != NULL;
}

void kafka_configs_alter_all(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    json_t *body = s ? api_body(rq) : NULL;
    struct many *m = body ? ARENA_NEW(rq->arena, struct many) : NULL;
    alter_resource *resources;
    size_t count;
    int32_t kept = 0;
    if (!m) return;
    m->rq = rq;
    if (!read_validate_only(rq, body, &m->validate_only) ||
        !read_topics(m, json_object_get(body, "data"), &resources, &count)) {
        return;
    }
    m->failures = json_array();
    for (size_t i = 0; i < count; i++) {
        if (alterable(m, s, &resources[i])) resources[kept++] = resources[i];
    }
    alter(rq, s, resources, kept, m->validate_only, many_altered, m);
}
