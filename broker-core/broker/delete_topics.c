/* delete_topics.c - DeleteTopics (key 20), by name or (v6+) by topic id. The controller is always
 * asked by name. */
#include "broker/admin.h"
#include "broker/authorizer.h"
#include "broker/handler.h"
#include "cluster/admin_topics.h"

#define STRICT_SINCE 5 /* KIP-599: these clients know THROTTLING_QUOTA_EXCEEDED */

typedef struct delete_topics_request_delete_topic_state asked_topic;
typedef struct delete_topics_response_deletable_topic_result topic_answer;

struct delete_topics { /* of one request, in its arena */
    struct request *request;
    struct delete_topics_request forwarded;
    bool *repeated; /* of each forwarded topic: it is named more than once */
    struct delete_topics_response response; /* rows of what is refused, then the controller's */
};

static void row_add(struct delete_topics *d, struct str name, struct uuid id, status error)
{
    topic_answer *row = &d->response.responses[d->response.responses_count++];
    wire_default_struct(&delete_topics_response_deletable_topic_result_struct, row);
    row->name = name;
    row->topic_id = id;
    row->error_code = status_kafka(error);
    if (failed(error)) row->error_message = str_c(status_text(error));
}

/* Who may not describe a topic does not learn whether it exists. */
static status delete_check(struct request *r, bool by_id, struct str name,
                           const struct topic *topic)
{
    if (by_id && !topic) return FAIL(UNKNOWN_TOPIC_ID);
    if (!authorize(r, OP_DELETE, RES_TOPIC, name))
        return by_id && !authorize(r, OP_DESCRIBE, RES_TOPIC, name)
                   ? FAIL(UNKNOWN_TOPIC_ID)
                   : FAIL(TOPIC_AUTHORIZATION_FAILED);
    return topic ? OK : FAIL(UNKNOWN_TOPIC_OR_PARTITION);
}

static void delete_one(struct delete_topics *d, const asked_topic *asked)
{
    struct request *r = d->request;
    bool by_id = str_is_null(asked->name);
    const struct image *image = r->broker->image;
    const struct topic *topic = by_id ? image_topic_by_id(image, asked->topic_id)
                                      : image_topic(image, asked->name);
    struct str name = by_id && topic ? arena_str(r->arena, topic->name) : asked->name;
    status checked = delete_check(r, by_id, name, topic);
    if (is_ok(checked)) checked = quota_mutate(r, r->version >= STRICT_SINCE, topic->partitions);
    if (failed(checked)) {
        row_add(d, asked->name, asked->topic_id, checked);
        return;
    }
    /* A list that is too long to be served is not searched. */
    for (int32_t i = 0; i < d->forwarded.topics_count && i < ADMIN_TOPICS_MAX; i++)
        if (uuid_eq(d->forwarded.topics[i].topic_id, topic->id)) {
            d->repeated[i] = true;
            return;
        }
    d->forwarded.topics[d->forwarded.topics_count++] = (asked_topic){ name, topic->id };
}

/* Kafka refuses a topic that is named twice, once. */
static void refuse_repeated(struct delete_topics *d)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < d->forwarded.topics_count; i++) {
        asked_topic asked = d->forwarded.topics[i];
        if (d->repeated[i]) row_add(d, asked.name, (struct uuid){ { 0 } }, FAIL(INVALID_REQUEST));
        else d->forwarded.topics[kept++] = asked;
    }
    d->forwarded.topics_count = kept;
}

static void delete_topics_done(void *arg, status result, void *answer)
{
    struct delete_topics *d = arg;
    const struct delete_topics_response *from = answer;
    for (int32_t i = 0; i < d->forwarded.topics_count; i++) {
        const asked_topic *asked = &d->forwarded.topics[i];
        status one = result;
        if (is_ok(result))
            one = i >= from->responses_count        ? FAIL(UNKNOWN_SERVER_ERROR)
                  : from->responses[i].error_code   ? status_from_kafka(from->responses[i].error_code)
                                                    : OK;
        row_add(d, asked->name, asked->topic_id, one);
    }
    request_reply(d->request, &d->response);
}

void handle_delete_topics(struct request *r)
{
    const struct delete_topics_request *body = r->body;
    bool states = r->version >= DELETE_TOPICS_VERSION;
    int32_t n = states ? body->topics_count : body->topic_names_count;
    if (n < 0) n = 0;
    struct delete_topics *d = ARENA_NEW(r->arena, struct delete_topics);
    if (!d) {
        (void)request_out_of_memory(r);
        return;
    }
    asked_topic *allowed = ARENA_ARRAY(r->arena, asked_topic, n);
    topic_answer *rows = ARENA_ARRAY(r->arena, topic_answer, n);
    d->repeated = ARENA_ARRAY(r->arena, bool, n);
    if (request_out_of_memory(r)) return;
    d->request = r;
    wire_default(&delete_topics_response_message, &d->response);
    wire_default(&delete_topics_request_message, &d->forwarded);
    d->response.responses = rows;
    d->forwarded.topics = allowed;
    d->forwarded.timeout_ms = body->timeout_ms;
    for (int32_t i = 0; i < n; i++) {
        asked_topic asked = states ? body->topics[i] : (asked_topic){ .name = body->topic_names[i] };
        bool has_name = !str_is_null(asked.name);
        if (states && has_name == !uuid_is_zero(asked.topic_id))
            row_add(d, asked.name, asked.topic_id, FAIL(INVALID_REQUEST)); /* exactly one of the two */
        else delete_one(d, &asked);
    }
    refuse_repeated(d);
    if (!d->forwarded.topics_count) {
        request_reply(r, &d->response);
        return;
    }
    /* By name alone: a state that names both is not legal. */
    struct delete_topics_request *forwarded = ARENA_NEW(r->arena, struct delete_topics_request);
    asked_topic *names = ARENA_ARRAY(r->arena, asked_topic, d->forwarded.topics_count);
    if (request_out_of_memory(r)) return;
    *forwarded = d->forwarded;
    forwarded->topics = names;
    for (int32_t i = 0; i < d->forwarded.topics_count; i++) names[i].name = allowed[i].name;
    admin_submit(r, API_DELETE_TOPICS, DELETE_TOPICS_VERSION, forwarded, delete_topics_done, d);
}
