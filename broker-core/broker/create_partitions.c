/* create_partitions.c - CreatePartitions (key 37): authorised here, decided by the controller. */
#include "broker/admin.h"
#include "broker/authorizer.h"
#include "broker/handler.h"

#define STRICT_SINCE 3 /* KIP-599: these clients know THROTTLING_QUOTA_EXCEEDED */

typedef struct create_partitions_request_create_partitions_topic asked_topic;
typedef struct create_partitions_response_create_partitions_topic_result topic_answer;

struct create_partitions { /* of one request, in its arena */
    struct request *request;
    struct create_partitions_request forwarded;
    struct create_partitions_response response;
};

static void row_add(struct create_partitions *c, struct str name, int16_t error, struct str message)
{
    topic_answer *row = &c->response.results[c->response.results_count++];
    wire_default_struct(&create_partitions_response_create_partitions_topic_result_struct, row);
    row->name = name;
    row->error_code = error;
    row->error_message = message;
}

static status create_may(struct request *r, const asked_topic *asked)
{
    if (!authorize(r, OP_ALTER, RES_TOPIC, asked->name)) return FAIL(TOPIC_AUTHORIZATION_FAILED);
    const struct topic *topic = image_topic(r->broker->image, asked->name);
    if (!topic || asked->count <= topic->partitions) return OK; /* will be refused */
    return quota_mutate(r, r->version >= STRICT_SINCE, asked->count - topic->partitions);
}

static void create_partitions_done(void *arg, status result, void *answer)
{
    struct create_partitions *c = arg;
    const struct create_partitions_response *from = answer;
    for (int32_t i = 0; i < c->forwarded.topics_count; i++) {
        struct str name = c->forwarded.topics[i].name;
        if (failed(result))
            row_add(c, name, status_kafka(result), str_c(status_text(result)));
        else if (i < from->results_count)
            row_add(c, name, from->results[i].error_code, from->results[i].error_message);
        else
            row_add(c, name, status_kafka(FAIL(UNKNOWN_SERVER_ERROR)), STR_NULL);
    }
    request_reply(c->request, &c->response);
}

void handle_create_partitions(struct request *r)
{
    const struct create_partitions_request *body = r->body;
    int32_t n = body->topics_count < 0 ? 0 : body->topics_count;
    struct create_partitions *c = ARENA_NEW(r->arena, struct create_partitions);
    asked_topic *allowed = ARENA_ARRAY(r->arena, asked_topic, n);
    topic_answer *rows = ARENA_ARRAY(r->arena, topic_answer, n);
    if (request_out_of_memory(r)) return;
    c->request = r;
    wire_default(&create_partitions_response_message, &c->response);
    c->response.results = rows;
    c->forwarded = *body;
    c->forwarded.topics = allowed;
    c->forwarded.topics_count = 0;
    for (int32_t i = 0; i < n; i++) {
        status may = create_may(r, &body->topics[i]);
        if (is_ok(may)) allowed[c->forwarded.topics_count++] = body->topics[i];
        else row_add(c, body->topics[i].name, status_kafka(may), str_c(status_text(may)));
    }
    if (!c->forwarded.topics_count) {
        request_reply(r, &c->response);
        return;
    }
    admin_submit(r, API_CREATE_PARTITIONS, CREATE_PARTITIONS_VERSION, &c->forwarded,
                 create_partitions_done, c);
}
