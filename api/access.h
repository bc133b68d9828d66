/* access.h - what the roles of a session or a cloud key let it do. server/http calls access_check before
 * a body is read; handlers of IN_HANDLER rows (access.def) ask for what only they know. For a
 * cluster key all questions here are answered yes: api/kafka.h decides, by ACLs and its account's roles. */
#pragma once
#include "api/api.h"
#include "identity/roles.h"

enum access_where {
    WHERE_SIGNED_IN, WHERE_ORGANIZATION, WHERE_ENVIRONMENT, WHERE_CLUSTER, WHERE_TOPIC, WHERE_GROUP,
    WHERE_API_KEY, WHERE_CLIENT_QUOTA, WHERE_ROLE_BINDING, WHERE_TOPIC_REQUEST, WHERE_USER,
    WHERE_IN_HANDLER, WHERE_COUNT
};
struct access_rule {
    const char *operation;
    enum access_where where;
    enum permission permission;
};
/* NULL: none, which refuses. */
const struct access_rule *access_rule(const struct api_route *route);
const char *access_where_name(enum access_where where); /* "cluster" … as /leat/v1/operations tells */

/* Loads the caller's roles and decides by the row of the route. False: answered 403, or 404 where the
 * caller may not know that there is such a thing. */
bool access_check(struct api_request *rq, struct db *db);

/* The permission of the route's row, there. Marks the request as asked. */
bool access_allows(struct api_request *rq, const struct role_scope *target);
bool access_allows_for(struct api_request *rq, enum permission permission, const struct role_scope *target);
bool access_everywhere(struct api_request *rq); /* the permission in the whole organisation */
/* The same, and false: answered 403 or 404. */
bool access_permit(struct api_request *rq, const struct role_scope *target);
/* By the id of a cluster alone, which need not exist. */
bool access_permit_cluster(struct api_request *rq, struct str cluster_id);
/* Any role on or in it; a GET that goes on to list what is in it counts as asked. */
bool access_sees_cluster(struct api_request *rq, const char *environment_id, const char *cluster_id);
/* For lists whose rows are asked about one by one: how many rows to read for a page. */
int64_t access_limit(struct api_request *rq, int page_size);
/* -1 (not said) unless the caller sees all rows. */
int64_t access_total(struct api_request *rq, int64_t total);
/* The handler decided by another rule than a role (an own key, an own request). */
void access_mark_asked(struct api_request *rq);
/* May this answer go out? False for a good answer of an IN_HANDLER row about which nobody asked. */
bool access_was_asked(const struct api_request *rq, int http);
