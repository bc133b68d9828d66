/* offset_delete.c - OffsetDelete (key 47): drops committed offsets of a group that is empty, or of
 * topics no member of it subscribes to. */
#include "base/mem.h"
#include "broker/audit.h"
#include "broker/authorizer.h"
#include "broker/group.h"
#include "broker/handler.h"

#include <stdio.h>

typedef struct offset_delete_request_offset_delete_request_topic in_topic;
typedef struct offset_delete_response_offset_delete_response_topic out_topic;
typedef struct offset_delete_response_offset_delete_response_partition out_partition;

struct dropping {
    struct request *request;
    struct offset_delete_response response;
    struct group_wait wait;
};

static status find(struct request *r, struct group **ret_group)
{
    const struct offset_delete_request *body = r->body;
    if (!authorize(r, OP_DELETE, RES_GROUP, body->group_id)) return FAIL(GROUP_AUTHORIZATION_FAILED);
    if (body->group_id.len == 0) return FAIL(INVALID_GROUP_ID);
    TRY(group_coordinator_ready(r->broker->groups));
    struct group *g = group_find(r->broker->groups, body->group_id);
    if (g == NULL) return FAIL(GROUP_ID_NOT_FOUND);
    if (g->state != GROUP_EMPTY && !str_eq(g->protocol_type, STR("consumer")))
        return FAIL(NON_EMPTY_GROUP);
    *ret_group = g;
    return OK;
}

static void note(const struct request *r, struct str group, struct str topic, int32_t partition,
                 int64_t offset)
{
    char resource[272], name[280];
    snprintf(resource, sizeof resource, "group=%.*s", STR_ARG(group));
    snprintf(name, sizeof name, "%.*s-%d", STR_ARG(topic), (int)partition);
    audit_note_change(r->broker->audit, AUDIT_OFFSETS_DELETED, r->principal, r->client_host.data,
                      resource, name, offset, -1);
}

static status drop(struct request *r, struct group *g, struct str topic, const int32_t *partitions,
                   size_t n)
{
    if (!authorize(r, OP_READ, RES_TOPIC, topic)) return FAIL(TOPIC_AUTHORIZATION_FAILED);
    if (image_topic(r->broker->image, topic) == NULL) return FAIL(UNKNOWN_TOPIC_OR_PARTITION);
    if (g->state != GROUP_EMPTY && group_subscribes(g, topic) != 0)
        return FAIL(GROUP_SUBSCRIBED_TO_TOPIC);
    for (size_t i = 0; i < n && !r->local; i++) { /* leatd tells of what it does itself */
        const struct offset_delete_request *body = r->body;
        const struct committed *there = group_offset(g, topic, partitions[i]);
        if (there) note(r, body->group_id, topic, partitions[i], there->offset);
    }
    return group_delete_offsets(g, topic, partitions, n);
}

static bool put_topic(struct request *r, struct group *g, const in_topic *in, out_topic *out)
{
    int32_t n = in->partitions_count < 0 ? 0 : in->partitions_count;
    int32_t *partitions = ARENA_ARRAY(r->arena, int32_t, n);
    out->name = in->name;
    out->partitions = ARENA_ARRAY(r->arena, out_partition, n);
    if (partitions == NULL || out->partitions == NULL) return false;
    const struct topic *topic = image_topic(r->broker->image, in->name);
    size_t known = 0;
    for (int32_t i = 0; i < n; i++) {
        int32_t index = in->partitions[i].partition_index;
        if (topic != NULL && index >= 0 && index < topic->partitions) partitions[known++] = index;
    }
    status s = drop(r, g, in->name, partitions, known);
    for (int32_t i = 0; i < n; i++) {
        int32_t index = in->partitions[i].partition_index;
        bool gone = topic == NULL || index < 0 || index >= topic->partitions;
        status result = is_ok(s) && gone ? FAIL(UNKNOWN_TOPIC_OR_PARTITION) : s;
        out->partitions[i] = (out_partition){ index, status_kafka(result) };
    }
    out->partitions_count = n;
    return true;
}

static void durable(struct group_wait *wait, status result)
{
    struct dropping *d = CONTAINER_OF(wait, struct dropping, wait);
    if (failed(result)) d->response.error_code = status_kafka(FAIL(COORDINATOR_NOT_AVAILABLE));
    request_reply(d->request, &d->response);
}

void handle_offset_delete(struct request *r)
{
    const struct offset_delete_request *body = r->body;
    struct dropping *d = ARENA_NEW(r->arena, struct dropping);
    if (request_out_of_memory(r)) return;
    wire_default(&offset_delete_response_message, &d->response);
    d->request = r;
    d->wait.done = durable;
    struct group *g = NULL;
    status s = find(r, &g);
    d->response.error_code = status_kafka(s);
    int32_t n = failed(s) || body->topics_count < 0 ? 0 : body->topics_count;
    d->response.topics = ARENA_ARRAY(r->arena, out_topic, n);
    bool ok = d->response.topics != NULL;
    for (int32_t i = 0; ok && i < n; i++)
        ok = put_topic(r, g, &body->topics[i], &d->response.topics[d->response.topics_count++]);
    if (!ok) {
        (void)request_out_of_memory(r);
        return;
    }
    if (g == NULL || !group_wait_written(g, &d->wait)) request_reply(r, &d->response);
}
