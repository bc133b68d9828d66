/* create_topics.c - CreateTopics (key 19): authorised here, decided by the controller. */
#include "broker/admin.h"
#include "broker/authorizer.h"
#include "broker/handler.h"

#define STRICT_SINCE 6 /* KIP-599: these clients know THROTTLING_QUOTA_EXCEEDED */

typedef struct create_topics_request_creatable_topic asked_topic;
typedef struct create_topics_response_creatable_topic_result topic_answer;

struct create_topics { /* of one request, in its arena */
    struct request *request;
    struct create_topics_request forwarded; /* what may be done */
    struct create_topics_response response; /* rows of what may not, then the controller's */
};

static bool create_allowed(struct request *r, struct str name)
{
    return authorize(r, OP_CREATE, RES_CLUSTER, AUTHORIZER_CLUSTER) ||
           authorize(r, OP_CREATE, RES_TOPIC, name);
}

/* KIP-599: what will fail anyway because the topic is there is not charged. */
static status create_may(struct request *r, const asked_topic *asked)
{
    const struct image *image = r->broker->image;
    if (!create_allowed(r, asked->name)) return FAIL(TOPIC_AUTHORIZATION_FAILED);
    if (image_topic(image, asked->name)) return OK;
    int32_t partitions = asked->assignments_count > 0 ? asked->assignments_count
                         : asked->num_partitions > 0  ? asked->num_partitions
                                                      : image->limits.default_partitions;
    return quota_mutate(r, r->version >= STRICT_SINCE, partitions);
}

static topic_answer *row_add(struct create_topics *c)
{
    topic_answer *row = &c->response.topics[c->response.topics_count++];
    wire_default_struct(&create_topics_response_creatable_topic_result_struct, row);
    return row;
}

static void rows_failed(struct create_topics *c, status why)
{
    for (int32_t i = 0; i < c->forwarded.topics_count; i++) {
        topic_answer *row = row_add(c);
        row->name = c->forwarded.topics[i].name;
        row->error_code = status_kafka(why);
        row->error_message = str_c(status_text(why));
    }
}

/* KIP-525: configs come only to those who may see them. */
static void row_hide_configs(struct request *r, topic_answer *row)
{
    if (row->error_code || authorize(r, OP_DESCRIBE_CONFIGS, RES_TOPIC, row->name)) return;
    row->topic_config_error_code = status_kafka(FAIL(TOPIC_AUTHORIZATION_FAILED));
    row->num_partitions = -1;
    row->replication_factor = -1;
    row->configs = NULL;
    row->configs_count = -1;
}

static void create_topics_done(void *arg, status result, void *answer)
{
    struct create_topics *c = arg;
    struct request *r = c->request;
    const struct create_topics_response *from = answer;
    if (failed(result)) rows_failed(c, result);
    for (int32_t i = 0; is_ok(result) && i < from->topics_count &&
                        i < c->forwarded.topics_count; i++) {
        topic_answer *row = row_add(c);
        *row = from->topics[i];
        row_hide_configs(r, row);
    }
    request_reply(r, &c->response);
}

void handle_create_topics(struct request *r)
{
    const struct create_topics_request *body = r->body;
    struct create_topics *c = ARENA_NEW(r->arena, struct create_topics);
    int32_t n = body->topics_count < 0 ? 0 : body->topics_count;
    asked_topic *allowed = ARENA_ARRAY(r->arena, asked_topic, n);
    topic_answer *rows = ARENA_ARRAY(r->arena, topic_answer, n);
    if (request_out_of_memory(r)) return;
    c->request = r;
    wire_default(&create_topics_response_message, &c->response);
    c->response.topics = rows;
    c->forwarded = *body;
    c->forwarded.topics = allowed;
    c->forwarded.topics_count = 0;
    for (int32_t i = 0; i < n; i++) {
        status may = create_may(r, &body->topics[i]);
        if (is_ok(may)) {
            allowed[c->forwarded.topics_count++] = body->topics[i];
            continue;
        }
        topic_answer *row = row_add(c);
        row->name = body->topics[i].name;
        row->error_code = status_kafka(may);
        row->error_message = str_c(status_text(may));
    }
    if (!c->forwarded.topics_count) {
        request_reply(r, &c->response);
        return;
    }
    admin_submit(r, API_CREATE_TOPICS, CREATE_TOPICS_VERSION, &c->forwarded, create_topics_done, c);
}
