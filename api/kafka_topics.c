/* kafka_topics.c - topics: list, get (READ); create, delete, more partitions (DOMAIN, answered once the
 * broker acknowledged). */
#include "api/handlers.h"
#include "api/json_text.h"
#include "api/kafka_topics.h"

/* --- shown ------------------------------------------------------------------------------------ */

static void put_operations(struct buf *out, const struct kafka_scope *s, struct str topic)
{
    static const enum acl_operation all[] = { OP_READ, OP_WRITE, OP_CREATE, OP_DELETE, OP_ALTER,
                                              OP_DESCRIBE, OP_DESCRIBE_CONFIGS, OP_ALTER_CONFIGS };
    const char *separator = "\"";
    JSON_TEXT(out, ",\"authorized_operations\":[");
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (!kafka_allows(s, all[i], RES_TOPIC, topic)) continue;
        buf_put_str(out, str_c(separator));
        buf_put_str(out, str_c(acl_operation_name(all[i])));
        JSON_TEXT(out, "\"");
        separator = ",\"";
    }
    JSON_TEXT(out, "]");
}

/* ,"name":{"related":"<topic's URL><tail>"} */
static void put_link(struct buf *out, const char *name, struct str topics, struct str topic,
                     const char *tail)
{
    JSON_TEXT(out, ",\"");
    buf_put_str(out, str_c(name));
    JSON_TEXT(out, "\":{\"related\":\"");
    buf_put_str(out, topics);
    json_text_encoded(out, topic);
    buf_put_str(out, str_c(tail));
    JSON_TEXT(out, "\"}");
}

/* A list has ten thousand of them: as text, without a tree. `topics`: the URL of the list and a '/'. */
static void put_topic(struct buf *out, const struct kafka_scope *s, struct str topics,
                      const struct delta_topic *t, bool operations)
{
    JSON_TEXT(out, "{\"kind\":\"KafkaTopic\",\"metadata\":{\"self\":\"");
    buf_put_str(out, topics);
    json_text_encoded(out, t->name);
    JSON_TEXT(out, "\",\"resource_name\":\"crn:///kafka=");
    buf_put_str(out, str_c(s->id));
    JSON_TEXT(out, "/topic=");
    json_text_inside(out, t->name);
    JSON_TEXT(out, "\"},\"cluster_id\":\"");
    buf_put_str(out, str_c(s->id));
    JSON_TEXT(out, "\",\"topic_name\":\"");
    json_text_inside(out, t->name);
    buf_put_str(out, t->internal ? STR("\",\"is_internal\":true") : STR("\",\"is_internal\":false"));
    JSON_TEXT(out, ",\"replication_factor\":");
    json_text_i64(out, t->replication_factor);
    JSON_TEXT(out, ",\"partitions_count\":");
    json_text_i64(out, t->partitions);
    put_link(out, "partitions", topics, t->name, "/partitions");
    put_link(out, "configs", topics, t->name, "/configs");
    put_link(out, "partition_reassignments", topics, t->name, "/partitions/-/reassignment");
    if (operations) put_operations(out, s, t->name);
    JSON_TEXT(out, "}");
}

static struct str topics_url(struct api_request *rq, const struct kafka_scope *s)
{
    return api_url(rq, KAFKA_BASE "/topics/", str_c(s->id));
}

json_t *kafka_topic_json(struct api_request *rq, const struct kafka_scope *s,
                         const struct delta_topic *t, bool operations)
{
    struct buf out;
    buf_init(&out, 64 << 10);
    put_topic(&out, s, topics_url(rq, s), t, operations);
    json_t *json = out.failed ? NULL : json_loadb((const char *)out.data, out.len, 0, NULL);
    buf_done(&out);
    return json;
}

static bool asks_operations(struct api_request *rq)
{
    return str_eq_c(rq->http->query(rq, "includeAuthorizedOperations", 0), "true") ||
           str_eq_c(rq->http->query(rq, "include_authorized_operations", 0), "true");
}

void kafka_topics_list(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    if (!s) return;
    struct topic_row *rows = NULL;
    size_t count = 0;
    status result = topics_list(rq->db, s->id, rq->arena, &rows, &count);
    if (failed(result)) {
        api_fail(rq, result, NULL);
        return;
    }
    bool operations = asks_operations(rq);
    struct str topics = topics_url(rq, s);
    struct buf out;
    bool first = true;
    api_kafka_list_begin(rq, "KafkaTopicList", &out);
    for (size_t i = 0; i < count; i++) {
        if (!kafka_allows(s, OP_DESCRIBE, RES_TOPIC, rows[i].topic.name)) continue;
        if (!first) JSON_TEXT(&out, ",");
        first = false;
        put_topic(&out, s, topics, &rows[i].topic, operations);
    }
    api_kafka_list_end(rq, &out);
}

void kafka_topics_get(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct topic_row row;
    struct buf out;
    if (!s || !kafka_topic(rq, s, &row)) return;
    buf_init(&out, 64 << 10);
    put_topic(&out, s, topics_url(rq, s), &row.topic, asks_operations(rq));
    rq->http->answer_bytes(rq, 200, "application/json", &out);
}

/* --- changed ---------------------------------------------------------------------------------- */

void kafka_change_done(struct api_request *rq, status result, int64_t version, int16_t error_code,
                       struct str message, int http, json_t *body)
{
    if (error_code) {
        json_decref(body);
        kafka_fail(rq, status_from_kafka(error_code), message);
        return;
    }
    api_reply_change(rq, result, NULL, http, version, body);
}

struct creation {
    struct api_request *rq;
    struct kafka_scope *scope;
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topic;
};

static void created(void *arg, status result, int64_t version, const void *response)
{
    struct creation *c = arg;
    struct api_request *rq = c->rq;
    const struct create_topics_response *r = response;
    if (!r || r->topics_count != 1) {
        api_fail(rq, failed(result) ? result : FAIL(UNKNOWN_SERVER_ERROR), NULL);
        return;
    }
    const struct create_topics_response_creatable_topic_result *row = &r->topics[0];
    struct delta_topic topic = { .name = c->topic.name, .partitions = row->num_partitions,
                                 .replication_factor = row->replication_factor };
    if (row->error_code == status_kafka(FAIL(INVALID_TOPIC_EXCEPTION))) {
        struct str text = arena_printf(rq->arena, "Payload error. %.*s",
                                       STR_ARG(row->error_message));
        api_fail_kafka(rq, 422, 42206, text.data);
        return;
    }
    struct str url = api_url(rq, KAFKA_BASE "/topics/%s", str_c(c->scope->id), topic.name);
    if (!row->error_code && url.data) rq->http->set_header(rq, "Location", url.data);
    kafka_change_done(rq, result, version, row->error_code, row->error_message,
                      c->request.validate_only ? 200 : 201, kafka_topic_json(rq, c->scope, &topic,
                      false));
}

/* configs: [{name, value?}] */
static bool read_configs(struct api_request *rq, const json_t *list,
                         struct create_topics_request_creatable_topic *topic)
{
    size_t count = json_array_size(list);
    if (list && !json_is_null(list) && !json_is_array(list)) {
        api_fail_kafka(rq, 400, 400, "Bad Request: configs must be a list.");
        return false;
    }
    topic->configs = ARENA_ARRAY(rq->arena, struct create_topics_request_creatable_topic_config,
                                 count + 1);
    for (size_t i = 0; topic->configs && i < count; i++) {
        const json_t *config = json_array_get(list, i);
        struct str name = api_get_str(config, "name");
        const json_t *value = json_object_get(config, "value");
        if (!name.data || (value && !json_is_string(value) && !json_is_null(value))) {
            api_fail_kafka(rq, 400, 400,
                           "Bad Request: a config is {\"name\": string, \"value\": string}.");
            return false;
        }
        topic->configs[topic->configs_count++] =
            (struct create_topics_request_creatable_topic_config){ name,
            api_get_str(config, "value") };
    }
    return true;
}

/* replicas_assignments: {"0": [1], …}: with one broker it says how many partitions there are. */
static bool read_assignments(struct api_request *rq, const json_t *object,
                             struct create_topics_request_creatable_topic *topic)
{
    const char *key;
    json_t *brokers;
    if (!json_object_size(object)) return true;
    topic->assignments = ARENA_ARRAY(rq->arena,
                                     struct create_topics_request_creatable_replica_assignment,
                                     json_object_size(object));
    json_object_foreach((json_t *)(uintptr_t)object, key, brokers) {
        int64_t partition;
        size_t n = json_array_size(brokers);
        int32_t *ids = ARENA_ARRAY(rq->arena, int32_t, n + 1);
        if (!topic->assignments || !ids || !str_to_i64(str_c(key), &partition) ||
            partition > INT32_MAX || !n) {
            api_fail_kafka(rq, 400, 400,
                           "Bad Request: replicas_assignments is {\"<partition>\": [broker, …]}.");
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            ids[i] = (int32_t)json_integer_value(json_array_get(brokers, i));
        }
        topic->assignments[topic->assignments_count++] =
            (struct create_topics_request_creatable_replica_assignment){ (int32_t)partition, ids,
            (int32_t)n };
    }
    topic->num_partitions = -1;
    topic->replication_factor = -1;
    return true;
}

static bool read_number(struct api_request *rq, const json_t *body, const char *name, int64_t max,
                        int64_t *ret)
{
    const json_t *value = json_object_get(body, name);
    *ret = -1;
    if (!value || json_is_null(value)) return true;
    if (json_is_integer(value) && json_integer_value(value) <= max &&
        json_integer_value(value) >= -1) {
        *ret = json_integer_value(value);
        return true;
    }
    struct str text = arena_printf(rq->arena, "Bad Request: %s must be a number of at most %lld.",
                                   name,
                                   (long long)max);
    api_fail_kafka(rq, 400, 400, text.data);
    return false;
}

void kafka_topics_create(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    json_t *body = s ? api_body(rq) : NULL;
    struct creation *c = body ? ARENA_NEW(rq->arena, struct creation) : NULL;
    if (!c) return;
    int64_t partitions, factor;
    *c = (struct creation){ .rq = rq, .scope = s };
    wire_default(&create_topics_request_message, &c->request);
    wire_default_struct(&create_topics_request_creatable_topic_struct, &c->topic);
    c->topic.name = api_get_str(body, "topic_name");
    if (!c->topic.name.data) {
        api_fail_kafka(rq, 400, 400, "Bad Request: topic_name is missing.");
        return;
    }
    if (!read_number(rq, body, "partitions_count", INT32_MAX, &partitions)) return;
    if (!read_number(rq, body, "replication_factor", INT16_MAX, &factor)) return;
    c->topic.num_partitions = (int32_t)partitions;
    c->topic.replication_factor = (int16_t)factor;
    if (!read_configs(rq, json_object_get(body, "configs"), &c->topic)) return;
    if (!read_assignments(rq, json_object_get(body, "replicas_assignments"), &c->topic)) return;
    /* As the broker: CREATE on the cluster or on a topic of this name. */
    if (!kafka_allows(s, OP_CREATE, RES_CLUSTER, KAFKA_CLUSTER_NAME) &&
        !kafka_permit(rq, s, OP_CREATE, RES_TOPIC, c->topic.name)) {
        return;
    }
    c->request.validate_only = json_is_true(json_object_get(body, "validate_only"));
    c->request.topics = &c->topic;
    c->request.topics_count = 1;
    struct actor actor = kafka_actor(rq);
    topics_create(rq->domain, s->id, &actor, &c->request, 7, rq->arena, created, c);
}

struct one_topic {
    struct api_request *rq;
    struct kafka_scope *scope;
    struct topic_row row;
    struct delete_topics_request_delete_topic_state deletion;
    struct create_partitions_request_create_partitions_topic addition;
};

static void deleted(void *arg, status result, int64_t version, const void *response)
{
    struct one_topic *o = arg;
    const struct delete_topics_response *r = response;
    if (!r || r->responses_count != 1) {
        api_fail(o->rq, failed(result) ? result : FAIL(UNKNOWN_SERVER_ERROR), NULL);
        return;
    }
    kafka_change_done(o->rq, result, version, r->responses[0].error_code,
                      r->responses[0].error_message, 204, NULL);
}

/* NULL: answered. */
static struct one_topic *one_topic(struct api_request *rq, struct kafka_scope *s,
                                   enum acl_operation operation)
{
    struct one_topic *o = s ? ARENA_NEW(rq->arena, struct one_topic) : NULL;
    if (!o || !kafka_topic(rq, s, &o->row)) return NULL;
    if (!kafka_permit(rq, s, operation, RES_TOPIC, o->row.topic.name)) return NULL;
    o->rq = rq;
    o->scope = s;
    return o;
}

void kafka_topics_delete(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    struct one_topic *o = one_topic(rq, s, OP_DELETE);
    if (!o) return;
    struct delete_topics_request request;
    wire_default(&delete_topics_request_message, &request);
    o->deletion.name = o->row.topic.name;
    request.topics = &o->deletion;
    request.topics_count = 1;
    struct actor actor = kafka_actor(rq);
    topics_delete(rq->domain, s->id, &actor, &request, 6, rq->arena, deleted, o);
}

static void enlarged(void *arg, status result, int64_t version, const void *response)
{
    struct one_topic *o = arg;
    const struct create_partitions_response *r = response;
    if (!r || r->results_count != 1) {
        api_fail(o->rq, failed(result) ? result : FAIL(UNKNOWN_SERVER_ERROR), NULL);
        return;
    }
    o->row.topic.partitions = o->addition.count;
    kafka_change_done(o->rq, result, version, r->results[0].error_code, r->results[0].error_message,
                      200,
                      kafka_topic_json(o->rq, o->scope, &o->row.topic, false));
}

void kafka_topics_patch(struct api_request *rq)
{
    CLEANUP_SCOPE struct kafka_scope *s = kafka_scope(rq);
    json_t *body = s ? api_body(rq) : NULL;
    struct one_topic *o = body ? one_topic(rq, s, OP_ALTER) : NULL;
    int64_t count;
    const json_t *only = o ? json_object_get(body, "validate_only") : NULL;
    if (!o || !read_number(rq, body, "partitions_count", INT32_MAX, &count)) return;
    if (only && !json_is_boolean(only)) {
        api_fail_kafka(rq, 400, 400, "Bad Request: validate_only must be true or false.");
        return;
    }
    if (count < 0) {
        api_fail_kafka(rq, 400, 400, "Bad Request: partitions_count is missing.");
        return;
    }
    struct create_partitions_request request;
    wire_default(&create_partitions_request_message, &request);
    o->addition = (struct create_partitions_request_create_partitions_topic){
        .name = o->row.topic.name, .count = (int32_t)count, .assignments_count = -1 };
    request.validate_only = json_is_true(only);
    request.topics = &o->addition;
    request.topics_count = 1;
    struct actor actor = kafka_actor(rq);
    topics_add_partitions(rq->domain, s->id, &actor, &request, rq->arena, enlarged, o);
}
