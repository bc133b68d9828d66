/* delete_groups.c - DeleteGroups (key 42): empty groups with their offsets; answered when the
 * tombstones are durable. */
#include "base/mem.h"
#include "broker/audit.h"
#include "broker/authorizer.h"
#include "broker/consumer.h"
#include "broker/handler.h"

#include <stdio.h>

struct deleting {
    struct request *request;
    struct group_wait wait;
    struct tombstone {
        struct plog *log; /* NULL: nothing to wait for */
        int64_t end;
        status result;
    } *each;
    int32_t count, waited;
};

static void note(const struct request *r, struct str group)
{
    char resource[272];
    if (r->local) return; /* leatd tells of what it does itself */
    snprintf(resource, sizeof resource, "group=%.*s", STR_ARG(group));
    audit_note(r->broker->audit, AUDIT_GROUP_DELETED, r->principal, r->client_host.data, resource, "");
}

static void reply(struct deleting *d)
{
    struct request *r = d->request;
    const struct delete_groups_request *body = r->body;
    struct delete_groups_response response;
    wire_default(&delete_groups_response_message, &response);
    response.results = ARENA_ARRAY(r->arena, struct delete_groups_response_deletable_group_result,
                                   d->count);
    if (request_out_of_memory(r)) return;
    for (int32_t i = 0; i < d->count; i++) {
        response.results[i].group_id = body->groups_names[i];
        response.results[i].error_code = status_kafka(d->each[i].result);
        if (is_ok(d->each[i].result)) note(r, body->groups_names[i]);
    }
    response.results_count = d->count;
    request_reply(r, &response);
}

static void go_on(struct deleting *d)
{
    while (d->waited < d->count) {
        struct tombstone *t = &d->each[d->waited++];
        if (t->log == NULL || plog_high_watermark(t->log) >= t->end) continue;
        group_wait_durable(d->request->broker->groups, &d->wait, t->log, t->end);
        return;
    }
    reply(d);
}

static void durable(struct group_wait *wait, status result)
{
    struct deleting *d = CONTAINER_OF(wait, struct deleting, wait);
    if (is_ok(result)) {
        go_on(d);
        return;
    }
    for (int32_t i = d->waited - 1; i < d->count; i++)
        if (is_ok(d->each[i].result)) d->each[i].result = FAIL(COORDINATOR_NOT_AVAILABLE);
    reply(d);
}

static status delete_one(struct request *r, struct str id, struct tombstone *t)
{
    if (!authorize(r, OP_DELETE, RES_GROUP, id)) return FAIL(GROUP_AUTHORIZATION_FAILED);
    TRY(group_coordinator_ready(r->broker->groups));
    return group_delete(r->broker->groups, id, &t->log, &t->end);
}

void handle_delete_groups(struct request *r)
{
    const struct delete_groups_request *body = r->body;
    struct deleting *d = ARENA_NEW(r->arena, struct deleting);
    int32_t n = consumer_sort_names(body->groups_names, body->groups_names_count); /* each once */
    if (d != NULL) d->each = ARENA_ARRAY(r->arena, struct tombstone, n);
    if (request_out_of_memory(r)) return;
    d->request = r;
    d->count = n;
    d->wait.done = durable;
    for (int32_t i = 0; i < n; i++)
        d->each[i].result = delete_one(r, body->groups_names[i], &d->each[i]);
    go_on(d);
}
