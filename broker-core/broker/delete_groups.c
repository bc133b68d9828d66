/* delete_groups.c - DeleteGroups (key 42): empty groups with their offsets, each at a stroke, all in as many
 * turns as they take; answered when the tombstones are durable. */
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
    int32_t count, deleted, waited;
    struct group_deletion now; /* of the group that is under way */
    struct timer next;         /* set: it goes on in the next turn */
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

static status delete_one(struct deleting *d, struct str id, bool *ret_more)
{
    struct request *r = d->request;
    struct tombstone *t = &d->each[d->deleted];
    if (d->now.batch == NULL) {
        if (!authorize(r, OP_DELETE, RES_GROUP, id)) return FAIL(GROUP_AUTHORIZATION_FAILED);
        TRY(group_coordinator_ready(r->broker->groups));
        d->now = (struct group_deletion){ .coordinator = r->broker->groups, .id = id };
    }
    return group_delete_some(&d->now, ret_more, &t->log, &t->end);
}

/* The client is gone: of the group that is under way nothing has been written. */
static void abandoned(struct request *r)
{
    struct deleting *d = r->state;
    loop_timer_clear(r->broker->loop, &d->next);
    group_deletion_done(&d->now);
    request_drop(r);
}

/* False: the turn is long, and some are left. */
static bool delete_some(struct deleting *d, bool may_pause)
{
    const struct delete_groups_request *body = d->request->body;
    for (int n = 0; d->deleted < d->count; d->deleted++) {
        if (may_pause && n++ > 0 && loop_turn_is_long(d->request->broker->loop)) return false;
        bool more = false;
        do {
            d->each[d->deleted].result = delete_one(d, body->groups_names[d->deleted], &more);
            if (more && may_pause) return false;
        } while (more);
        group_deletion_done(&d->now);
    }
    return true;
}

static void delete_all(struct deleting *d)
{
    struct request *r = d->request;
    r->abandoned = NULL;
    for (bool may_pause = true; !delete_some(d, may_pause); may_pause = false) {
        if (failed(loop_timer_set(r->broker->loop, &d->next, loop_now(r->broker->loop)))) continue;
        r->abandoned = abandoned;
        return;
    }
    go_on(d);
}

static void next_turn(struct timer *timer) { delete_all(CONTAINER_OF(timer, struct deleting, next)); }

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
    timer_init(&d->next, next_turn);
    r->state = d;
    delete_all(d);
}
