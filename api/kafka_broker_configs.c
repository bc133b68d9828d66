/* kafka_broker_configs.c - configs of the broker and of the cluster (what holds for all its brokers), as
 * the broker itself describes them. They come from the plan of the cluster, so that a change is
 * refused, by the broker and in its words. DOMAIN. */
#include "api/handlers.h"
#include "api/kafka_topics.h"

#include "domain/offsets.h" /* CALL_TIMEOUT_MS */
#include "wire/messages.h"

enum { DESCRIBE_CONFIGS = 32, DESCRIBE_CONFIGS_VERSION = 4 };
enum { INCREMENTAL_ALTER_CONFIGS = 44, INCREMENTAL_ALTER_CONFIGS_VERSION = 1 };
enum { RESOURCE_BROKER = 4 };

typedef struct describe_configs_response_describe_configs_resource_result config_row;
typedef struct describe_configs_response_describe_configs_result described;
typedef struct incremental_alter_configs_request_alterable_config alteration;

struct view {
    struct api_request *rq;
    const char *cluster_id;
    struct str principal;
    bool of_cluster;      /* /broker-configs, not a broker's */
    struct str name;      /* one config, or null */
    alteration *changes;  /* after their names were looked up */
    int32_t change_count;
    bool validate_only;
};

/* --- shown ------------------------------------------------------------------------------------ */

static const char *source_name(int8_t source)
{
    static const char *const names[] = { "UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG",
                                         "DYNAMIC_DEFAULT_BROKER_CONFIG", "STATIC_BROKER_CONFIG",
                                         "DEFAULT_CONFIG", "DYNAMIC_BROKER_LOGGER_CONFIG" };
    return source > 0 && (size_t)source < ARRAY_LEN(names) ? names[source] : names[0];
}

static json_t *synonyms_json(const config_row *row)
{
    json_t *list = json_array();
    for (int32_t i = 0; i < row->synonyms_count; i++) {
        json_array_append_new(list, json_pack("{s:o, s:o, s:s}", "name", api_str(row->synonyms[i].name),
                                              "value", api_str(row->synonyms[i].value), "source",
                                              source_name(row->synonyms[i].source)));
    }
    return list;
}

static json_t *config_json(const struct view *v, const config_row *row)
{
    struct api_request *rq = v->rq;
    struct str id = str_c(v->cluster_id);
    struct str self = v->of_cluster ? api_url(rq, KAFKA_BASE "/broker-configs/%s", id, row->name)
                                    : api_url(rq, KAFKA_BASE "/brokers/1/configs/%s", id, row->name);
    struct str crn = kafka_crn(rq, v->cluster_id, "/broker%s=%.*s", v->of_cluster ? "-config" : "=1/config",
                               STR_ARG(row->name));
    json_t *o = kafka_object(v->of_cluster ? "KafkaClusterConfig" : "KafkaBrokerConfig", v->cluster_id,
                             self, crn);
    if (v->of_cluster) PUT(o, "config_type", json_string("BROKER"));
    else PUT(o, "broker_id", json_integer(1));
    PUT(o, "name", api_str(row->name));
    PUT(o, "value", row->is_sensitive ? json_null() : api_str(row->value));
    PUT(o, "is_default", json_boolean(strcmp(source_name(row->config_source), "DEFAULT_CONFIG") == 0));
    PUT(o, "is_read_only", json_boolean(row->read_only));
    PUT(o, "is_sensitive", json_boolean(row->is_sensitive));
    PUT(o, "source", json_string(source_name(row->config_source)));
    PUT(o, "synonyms", synonyms_json(row));
    return o;
}

static void fail_unknown(const struct view *v, struct str name)
{
    struct str text = arena_printf(v->rq->arena, "Config %.*s cannot be found for BROKER %s in cluster %s.",
                                   STR_ARG(name), v->of_cluster ? "<default>" : "1", v->cluster_id);
    api_fail_kafka(v->rq, 404, 404, text.data);
}

/* --- changed: refused by the broker ------------------------------------------------------------ */

static void altered(void *arg, status result, const void *response)
{
    struct view *v = arg;
    const struct incremental_alter_configs_response *r = response;
    if (is_ok(result) && r->responses_count != 1) result = FAIL(UNKNOWN_SERVER_ERROR);
    struct str message = STR_NULL;
    if (is_ok(result)) {
        result = status_from_kafka(r->responses[0].error_code);
        message = r->responses[0].error_message;
    }
    if (failed(result)) kafka_fail(v->rq, result, message);
    else api_reply(v->rq, 204, NULL);
}

static void alter(struct view *v)
{
    struct incremental_alter_configs_request_alter_configs_resource resource;
    struct incremental_alter_configs_request request;
    wire_default(&incremental_alter_configs_request_message, &request);
    wire_default_struct(&incremental_alter_configs_request_alter_configs_resource_struct, &resource);
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = v->of_cluster ? STR("") : STR("1");
    resource.configs = v->changes;
    resource.configs_count = v->change_count;
    request.resources = &resource;
    request.resources_count = 1;
    request.validate_only = v->validate_only;
    engine_call(v->rq->domain->engine, v->cluster_id, v->principal, INCREMENTAL_ALTER_CONFIGS,
                INCREMENTAL_ALTER_CONFIGS_VERSION, &request, v->rq->arena, CALL_TIMEOUT_MS, altered, v);
}

/* --- asked ------------------------------------------------------------------------------------ */

static const config_row *row_find(const described *d, struct str name)
{
    for (int32_t i = 0; i < d->configs_count; i++) {
        if (str_eq(d->configs[i].name, name)) return &d->configs[i];
    }
    return NULL;
}

static void show(struct view *v, const described *d)
{
    if (v->name.data) {
        const config_row *row = row_find(d, v->name);
        if (row) api_reply(v->rq, 200, config_json(v, row));
        else fail_unknown(v, v->name);
        return;
    }
    json_t *data = json_array();
    for (int32_t i = 0; i < d->configs_count; i++) {
        json_array_append_new(data, config_json(v, &d->configs[i]));
    }
    api_reply_kafka_list(v->rq, v->of_cluster ? "KafkaClusterConfigList" : "KafkaBrokerConfigList", data);
}

static void change(struct view *v, const described *d)
{
    for (int32_t i = 0; i < v->change_count; i++) {
        if (row_find(d, v->changes[i].name)) continue;
        fail_unknown(v, v->changes[i].name);
        return;
    }
    alter(v);
}

static void answered(void *arg, status result, const void *response)
{
    struct view *v = arg;
    const struct describe_configs_response *r = response;
    if (is_ok(result) && r->results_count != 1) result = FAIL(UNKNOWN_SERVER_ERROR);
    struct str message = STR_NULL;
    if (is_ok(result)) {
        result = status_from_kafka(r->results[0].error_code);
        message = r->results[0].error_message;
    }
    if (failed(result)) kafka_fail(v->rq, result, message);
    else if (v->changes) change(v, &r->results[0]);
    else show(v, &r->results[0]);
}

/* The names that can be changed for all brokers are those that a broker has: its own are asked for. */
static void describe(struct view *v)
{
    struct describe_configs_request_describe_configs_resource resource;
    struct describe_configs_request request;
    wire_default(&describe_configs_request_message, &request);
    wire_default_struct(&describe_configs_request_describe_configs_resource_struct, &resource);
    resource.resource_type = RESOURCE_BROKER;
    resource.resource_name = v->of_cluster && !v->changes ? STR("") : STR("1");
    resource.configuration_keys_count = -1;
    request.resources = &resource;
    request.resources_count = 1;
    request.include_synonyms = true;
    engine_call(v->rq->domain->engine, v->cluster_id, v->principal, DESCRIBE_CONFIGS,
                DESCRIBE_CONFIGS_VERSION, &request, v->rq->arena, CALL_TIMEOUT_MS, answered, v);
}

/* NULL: answered. */
static struct view *view_new(struct api_request *rq, const struct kafka_scope *s, bool of_cluster)
{
    if (!s || (!of_cluster && api_param(rq, "broker_id").data && !kafka_broker(rq))) return NULL;
    struct view *v = ARENA_NEW(rq->arena, struct view);
    if (!v) {
        api_fail(rq, FAIL(NO_MEMORY), NULL);
        return NULL;
    }
    *v = (struct view){ .rq = rq, .cluster_id = s->id, .principal = s->principal,
                        .of_cluster = of_cluster };
    return v;
}

static void list(struct api_request *rq, bool of_cluster)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct view *v = view_new(rq, s, of_cluster);
    if (!v) return;
    v->name = api_param(rq, "name");
    describe(v);
}

/* PUT and DELETE of one, or the entries of :alter. */
static void write(struct api_request *rq, bool of_cluster)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct view *v = view_new(rq, s, of_cluster);
    if (!v || !kafka_config_changes(rq, &v->changes, &v->change_count, &v->validate_only)) return;
    describe(v);
}

void kafka_cluster_configs_list(struct api_request *rq) { list(rq, true); }
void kafka_cluster_configs_get(struct api_request *rq) { list(rq, true); }
void kafka_cluster_configs_put(struct api_request *rq) { write(rq, true); }
void kafka_cluster_configs_delete(struct api_request *rq) { write(rq, true); }
void kafka_cluster_configs_alter(struct api_request *rq) { write(rq, true); }
void kafka_broker_configs_list(struct api_request *rq) { list(rq, false); }
void kafka_broker_configs_list_all(struct api_request *rq) { list(rq, false); }
void kafka_broker_configs_get(struct api_request *rq) { list(rq, false); }
void kafka_broker_configs_put(struct api_request *rq) { write(rq, false); }
void kafka_broker_configs_delete(struct api_request *rq) { write(rq, false); }
void kafka_broker_configs_alter(struct api_request *rq) { write(rq, false); }
