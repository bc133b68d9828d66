/* offset_commit.c - OffsetCommit (key 8): answered when the offsets are durable. Topics come by
 * name up to v9, by id from v10. */
#include "base/mem.h"
#include "broker/authorizer.h"
#include "broker/group.h"
#include "broker/handler.h"

typedef struct offset_commit_request_offset_commit_request_topic in_topic;
typedef struct offset_commit_request_offset_commit_request_partition in_partition;
typedef struct offset_commit_response_offset_commit_response_topic out_topic;
typedef struct offset_commit_response_offset_commit_response_partition out_partition;

struct committing {
    struct request *request;
    struct commit_item *items; /* of all topics, in the order of the request */
    size_t count;
    status whole; /* an error for every partition that has none of its own */
    struct group_wait wait;
};

static void reply(struct committing *c)
{
    struct request *r = c->request;
    const struct offset_commit_request *body = r->body;
    struct offset_commit_response response;
    wire_default(&offset_commit_response_message, &response);
    int32_t n = body->topics_count < 0 ? 0 : body->topics_count;
    response.topics = ARENA_ARRAY(r->arena, out_topic, n);
    if (request_out_of_memory(r)) return;
    const struct commit_item *item = c->items;
    for (int32_t i = 0; i < n; i++) {
        int32_t m = body->topics[i].partitions_count < 0 ? 0 : body->topics[i].partitions_count;
        out_topic *t = &response.topics[i];
        t->name = body->topics[i].name;
        t->topic_id = body->topics[i].topic_id;
        t->partitions = ARENA_ARRAY(r->arena, out_partition, m);
        if (request_out_of_memory(r)) return;
        for (int32_t k = 0; k < m; k++, item++) {
            t->partitions[k].partition_index = item->partition;
            t->partitions[k].error_code =
                status_kafka(failed(item->result) ? item->result : c->whole);
        }
        t->partitions_count = m;
    }
    response.topics_count = n;
    request_reply(r, &response);
}

static void durable(struct group_wait *wait, status result)
{
    struct committing *c = CONTAINER_OF(wait, struct committing, wait);
    if (failed(result)) c->whole = FAIL(COORDINATOR_NOT_AVAILABLE);
    reply(c);
}

static status check_topic(struct request *r, const in_topic *t,
                          const struct topic **ret_topic)
{
    const struct image *image = r->broker->image;
    const struct topic *topic;
    if (r->version >= 10) {
        topic = image_topic_by_id(image, t->topic_id);
        if (topic == NULL) return FAIL(UNKNOWN_TOPIC_ID);
        if (!authorize(r, OP_READ, RES_TOPIC, topic->name)) return FAIL(TOPIC_AUTHORIZATION_FAILED);
    } else {
        if (!authorize(r, OP_READ, RES_TOPIC, t->name)) return FAIL(TOPIC_AUTHORIZATION_FAILED);
        topic = image_topic(image, t->name);
        if (topic == NULL) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    }
    *ret_topic = topic;
    return OK;
}

static struct commit_item *fill_topic(struct request *r, struct commit_item *item,
                                      const in_topic *t)
{
    const struct topic *topic = NULL;
    status s = check_topic(r, t, &topic);
    for (int32_t k = 0; k < t->partitions_count; k++, item++) {
        const in_partition *p = &t->partitions[k];
        *item = (struct commit_item){ .partition = p->partition_index,
                                      .offset = p->committed_offset,
                                      .leader_epoch = p->committed_leader_epoch,
                                      .metadata = p->committed_metadata,
                                      .result = s };
        if (failed(s)) continue;
        item->topic = topic->name;
        item->topic_id = topic->id;
        if (p->partition_index < 0 || p->partition_index >= topic->partitions)
            item->result = FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    }
    return item;
}

static bool fill(struct committing *c, struct request *r)
{
    const struct offset_commit_request *body = r->body;
    for (int32_t i = 0; i < body->topics_count; i++)
        if (body->topics[i].partitions_count > 0)
            c->count += (size_t)body->topics[i].partitions_count;
    c->items = ARENA_ARRAY(r->arena, struct commit_item, c->count);
    if (c->items == NULL) return false;
    struct commit_item *item = c->items;
    for (int32_t i = 0; i < body->topics_count; i++) item = fill_topic(r, item, &body->topics[i]);
    return true;
}

void handle_offset_commit(struct request *r)
{
    const struct offset_commit_request *body = r->body;
    struct committing *c = ARENA_NEW(r->arena, struct committing);
    if (c == NULL || !fill(c, r)) {
        (void)request_out_of_memory(r);
        return;
    }
    c->request = r;
    c->wait.done = durable;
    struct member_key key = { .group_id = body->group_id, .member_id = body->member_id,
                              .instance_id = body->group_instance_id,
                              .generation = body->generation_id_or_member_epoch };
    c->whole = authorize(r, OP_READ, RES_GROUP, body->group_id)
                   ? group_coordinator_ready(r->broker->groups)
                   : FAIL(GROUP_AUTHORIZATION_FAILED);
    if (is_ok(c->whole))
        c->whole = group_commit(r->broker->groups, &key, r->version, c->items, c->count,
                                body->retention_time_ms, &c->wait);
    if (failed(c->whole) || c->wait.coordinator == NULL) reply(c);
}
