/* metadata.c - Metadata (key 3): the one broker, topics and their partitions. Topics that are named
 * and do not exist are made first when the cluster and the client allow it; the answer waits. */
#include "broker/handler.h"

#include "broker/admin.h"
#include "broker/authorizer.h"
#include "broker/leader.h"

typedef struct metadata_response_metadata_response_topic topic_answer;
typedef struct metadata_response_metadata_response_partition partition_answer;

struct metadata { /* of one request, in its arena */
    struct request *request;
    struct create_topics_request create;
    const struct create_topics_response *created; /* NULL: nothing was made */
    status create_result;
};

/* --- topics ----------------------------------------------------------------------------------------- */

static void topic_partitions(struct request *r, const struct topic *topic, topic_answer *answer)
{
    struct broker *b = r->broker;
    partition_answer *p = ARENA_ARRAY(r->arena, partition_answer, topic->partitions);
    int32_t *node = ARENA_NEW(r->arena, int32_t);
    if (!p || !node) return;
    *node = b->options.node_id;
    for (int32_t i = 0; i < topic->partitions; i++) {
        p[i].partition_index = i;
        p[i].leader_id = b->options.node_id;
        p[i].leader_epoch = store_epoch(b->store);
        /* The replication factor is virtual: only the broker that is there is named. */
        p[i].replica_nodes = p[i].isr_nodes = node;
        p[i].replica_nodes_count = p[i].isr_nodes_count = 1;
        if (!leader_offline(b, topic, i)) continue;
        p[i].error_code = status_kafka(FAIL(LEADER_NOT_AVAILABLE));
        p[i].leader_id = -1;
        p[i].offline_replicas = node;
        p[i].offline_replicas_count = 1;
    }
    answer->partitions = p;
    answer->partitions_count = topic->partitions;
}

static void topic_fill(struct request *r, const struct topic *topic, topic_answer *answer)
{
    const struct metadata_request *body = r->body;
    wire_default_struct(&metadata_response_metadata_response_topic_struct, answer);
    answer->name = arena_str(r->arena, topic->name);
    answer->topic_id = topic->id;
    answer->is_internal = topic->internal;
    if (body->include_topic_authorized_operations)
        answer->topic_authorized_operations = authorized_operations(r, RES_TOPIC, topic->name);
    topic_partitions(r, topic, answer);
}

static void topic_error(topic_answer *answer, struct str name, struct uuid id, status error)
{
    wire_default_struct(&metadata_response_metadata_response_topic_struct, answer);
    answer->name = name;
    answer->topic_id = id;
    answer->error_code = status_kafka(error);
}

/* What became of a topic that was to be made. */
static status creation_error(const struct metadata *m, struct str name)
{
    if (failed(m->create_result)) return FAIL(LEADER_NOT_AVAILABLE);
    for (int32_t i = 0; m->created && i < m->created->topics_count; i++) {
        if (!str_eq(m->created->topics[i].name, name)) continue;
        int16_t code = m->created->topics[i].error_code;
        return code ? status_from_kafka(code) : FAIL(LEADER_NOT_AVAILABLE);
    }
    return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
}

/* Versions 10 and 11 have a field for ids, which Kafka does not serve before 12. */
static bool ids_too_early(const struct request *r,
                          const struct metadata_request_metadata_request_topic *asked)
{
    return r->version < 12 && (str_is_null(asked->name) || !uuid_is_zero(asked->topic_id));
}

static bool asks_to_create(const struct request *r)
{
    const struct metadata_request *body = r->body;
    return r->broker->image->limits.auto_create_topics &&
           (r->version < 4 || body->allow_auto_topic_creation);
}

static bool may_create(struct request *r, struct str name)
{
    return authorize(r, OP_CREATE, RES_CLUSTER, AUTHORIZER_CLUSTER) ||
           authorize(r, OP_CREATE, RES_TOPIC, name);
}

static void topic_named(const struct metadata *m,
                        const struct metadata_request_metadata_request_topic *asked,
                        topic_answer *answer)
{
    struct request *r = m->request;
    const struct image *image = r->broker->image;
    bool by_id = str_is_null(asked->name);
    const struct topic *topic = by_id ? image_topic_by_id(image, asked->topic_id)
                                      : image_topic(image, asked->name);
    struct str name = topic ? topic->name : asked->name;
    struct uuid none = { { 0 } };
    if (ids_too_early(r, asked))
        topic_error(answer, str_is_null(asked->name) ? STR("") : asked->name, asked->topic_id,
                    FAIL(INVALID_REQUEST));
    else if (by_id && !topic)
        topic_error(answer, STR_NULL, asked->topic_id, FAIL(UNKNOWN_TOPIC_ID));
    else if (!authorize(r, OP_DESCRIBE, RES_TOPIC, name))
        /* Who may not see the topic does not learn its id from its name, nor the name from its id. */
        topic_error(answer, asked->name, by_id ? asked->topic_id : none,
                    FAIL(TOPIC_AUTHORIZATION_FAILED));
    else if (topic)
        topic_fill(r, topic, answer);
    else if (failed(topic_name_check(asked->name, NULL)))
        topic_error(answer, asked->name, none, FAIL(INVALID_TOPIC_EXCEPTION));
    else if (asks_to_create(r) && !may_create(r, asked->name))
        topic_error(answer, asked->name, none, FAIL(TOPIC_AUTHORIZATION_FAILED));
    else
        topic_error(answer, asked->name, none, creation_error(m, asked->name));
}

static void topics_all(struct request *r, struct metadata_response *response)
{
    const struct image *image = r->broker->image;
    response->topics = ARENA_ARRAY(r->arena, topic_answer, HASH_COUNT(image->topics));
    if (!response->topics) return;
    struct topic *topic, *next;
    HASH_ITER(hh, image->topics, topic, next) {
        if (!authorize(r, OP_DESCRIBE, RES_TOPIC, topic->name)) continue;
        topic_fill(r, topic, &response->topics[response->topics_count++]);
    }
}

static bool asks_for_all(const struct request *r)
{
    const struct metadata_request *body = r->body;
    return r->version == 0 ? body->topics_count <= 0 : body->topics_count < 0;
}

static void metadata_answer(struct metadata *m)
{
    struct request *r = m->request;
    const struct metadata_request *body = r->body;
    struct broker *b = r->broker;
    struct metadata_response response;
    struct metadata_response_metadata_response_broker self = {
        .node_id = b->options.node_id,
        .host = str_c(endpoint_host(r->endpoint)),
        .port = endpoint_port(r->endpoint),
    };
    wire_default(&metadata_response_message, &response);
    response.brokers = &self;
    response.brokers_count = 1;
    response.cluster_id = str_c(b->image->cluster_id);
    response.controller_id = b->options.node_id;
    if (body->include_cluster_authorized_operations)
        response.cluster_authorized_operations =
            authorized_operations(r, RES_CLUSTER, AUTHORIZER_CLUSTER);
    if (asks_for_all(r)) {
        topics_all(r, &response);
    } else if (body->topics_count > 0) {
        response.topics = ARENA_ARRAY(r->arena, topic_answer, body->topics_count);
        response.topics_count = response.topics ? body->topics_count : 0;
        for (int32_t i = 0; i < response.topics_count; i++)
            topic_named(m, &body->topics[i], &response.topics[i]);
    }
    if (!request_out_of_memory(r)) request_reply(r, &response);
}

/* --- auto-creation ------------------------------------------------------------------------------------- */

static bool is_missing(struct request *r, struct str name)
{
    return !str_is_null(name) && !image_topic(r->broker->image, name) &&
           is_ok(topic_name_check(name, NULL)) && authorize(r, OP_DESCRIBE, RES_TOPIC, name);
}

static bool listed(const struct create_topics_request *create, struct str name)
{
    for (int32_t i = 0; i < create->topics_count; i++)
        if (str_eq(create->topics[i].name, name)) return true;
    return false;
}

/* Fills m->create with what is missing. */
static void metadata_missing(struct metadata *m)
{
    struct request *r = m->request;
    const struct metadata_request *body = r->body;
    wire_default(&create_topics_request_message, &m->create);
    if (!asks_to_create(r) || body->topics_count <= 0) return;
    for (int32_t i = 0; i < body->topics_count; i++) {
        struct str name = body->topics[i].name;
        if (!is_missing(r, name) || !may_create(r, name) || listed(&m->create, name)) continue;
        if (!m->create.topics)
            m->create.topics = ARENA_ARRAY(
                r->arena, struct create_topics_request_creatable_topic, body->topics_count);
        if (!m->create.topics) return;
        struct create_topics_request_creatable_topic *t =
            &m->create.topics[m->create.topics_count++];
        wire_default_struct(&create_topics_request_creatable_topic_struct, t);
        t->name = name;
        t->num_partitions = -1;
        t->replication_factor = -1;
    }
}

static void metadata_created(void *arg, status result, void *response)
{
    struct metadata *m = arg;
    m->create_result = result;
    m->created = is_ok(result) ? response : NULL;
    metadata_answer(m);
}

void handle_metadata(struct request *r)
{
    struct metadata *m = ARENA_NEW(r->arena, struct metadata);
    if (!m) {
        (void)request_out_of_memory(r);
        return;
    }
    m->request = r;
    m->create_result = OK;
    metadata_missing(m);
    if (!m->create.topics_count) {
        metadata_answer(m);
        return;
    }
    (void)quota_mutate(r, false,
                       (int64_t)m->create.topics_count * r->broker->image->limits.default_partitions);
    admin_submit(r, API_CREATE_TOPICS, CREATE_TOPICS_VERSION, &m->create, metadata_created, m);
}
