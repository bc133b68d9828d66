/* list_groups.c - ListGroups (key 16): the groups the principal may see (all with Describe on the
 * cluster), filtered by state (v4) and type (v5). */
#include "base/mem.h"
#include "broker/authorizer.h"
#include "broker/consumer.h"
#include "broker/handler.h"

#include <strings.h>

static bool is_listed(const struct str *filter, int32_t count, const char *name)
{
    if (count <= 0) return true;
    for (int32_t i = 0; i < count; i++)
        if (filter[i].len == strlen(name) && strncasecmp(filter[i].data, name, filter[i].len) == 0)
            return true;
    return false;
}

void handle_list_groups(struct request *r)
{
    const struct list_groups_request *body = r->body;
    const struct image *image = r->broker->image;
    struct list_groups_response response;
    wire_default(&list_groups_response_message, &response);
    status s = group_coordinator_ready(r->broker->groups);
    response.error_code = status_kafka(s);
    const struct group *g = is_ok(s) ? r->broker->groups->groups : NULL;
    size_t count = g ? HASH_COUNT(g) : 0;
    response.groups = ARENA_ARRAY(r->arena, struct list_groups_response_listed_group, count);
    if (request_out_of_memory(r)) return;
    bool all = r->super || authorizer_allows(image, r->principal, r->client_host, OP_DESCRIBE,
                                             RES_CLUSTER, AUTHORIZER_CLUSTER);
    for (; g != NULL; g = g->hh.next) {
        const char *type = g->consumer ? "consumer" : "classic";
        const char *state = g->consumer ? consumer_group_state(g) : group_state_name(g->state);
        if (!is_listed(body->types_filter, body->types_filter_count, type)) continue;
        if (!is_listed(body->states_filter, body->states_filter_count, state)) continue;
        if (!all && !authorizer_allows(image, r->principal, r->client_host, OP_DESCRIBE, RES_GROUP,
                                       g->id))
            continue;
        response.groups[response.groups_count++] = (struct list_groups_response_listed_group){
            .group_id = g->id,
            .protocol_type = str_is_null(g->protocol_type) ? STR("") : g->protocol_type,
            .group_state = str_c(state),
            .group_type = str_c(type),
        };
    }
    request_reply(r, &response);
}
