/* topic_requests.h - a topic and its ACLs asked for together by someone who may not create them, and
 * approved or declined by someone who may. An approval makes topic and ACLs in one transaction, by the
 * rules of topics.h and acls.h. Reading: any thread with its own database; all else: domain thread. */
#pragma once
#include "domain/domain.h"

#include <jansson.h>

#define TOPIC_REQUESTS_PENDING_MAX 500 /* of a cluster */
#define TOPIC_REQUESTS_KEPT 20000      /* the newest; those that wait are never dropped */
#define TOPIC_REQUEST_ACCESS_MAX 20    /* principals of a request */

/* Views: valid during the call that hands it over. */
struct topic_request {
    int64_t seq, partitions /* -1: as usual */, requested_at, decided_at;
    struct str id, cluster_id, state, topic;
    struct str configs; /* JSON: {"retention.ms": "3600000"} */
    struct str access;  /* JSON: [{"principal": "User:sa-…", "operations": ["READ"], "group": "g"}] */
    struct str justification, reason, requested_by, decided_by;
};
typedef void (*topic_request_each)(void *arg, const struct topic_request *request);

struct topic_request_filter {
    struct str cluster_id, state, requested_by; /* null: any */
};
/* Newest first, those with a seq below `before` (0: from the newest). */
status topic_requests_list(struct db *db, const struct topic_request_filter *filter, int64_t before,
                           int64_t limit, topic_request_each each, void *arg);
status topic_requests_count(struct db *db, const struct topic_request_filter *filter, int64_t *ret);
status topic_requests_get(struct db *db, struct str id, topic_request_each each, void *arg);

/* What is asked for; `who` (u-…, sa-…) asks. A request that could not be approved now is refused at once:
 * PRECONDITION with a sentence; EXISTS: the topic; LIMIT; NOT_FOUND: the cluster. */
struct topic_wish {
    struct str cluster_id, topic, justification;
    int64_t partitions;
    json_t *configs, *access; /* borrowed; NULL: none */
};
status topic_requests_create(struct domain *domain, const struct actor *actor, const char *who,
                             const struct topic_wish *wish, struct arena *arena, char ret_id[ID_TEXT],
                             struct why *why);

enum topic_decision { TOPIC_REQUEST_APPROVE, TOPIC_REQUEST_DECLINE, TOPIC_REQUEST_WITHDRAW };
/* NOT_FOUND; CONFLICT: it was decided already; NOT_PERMITTED: someone else's request is withdrawn;
 * PRECONDITION: the topic or its ACLs cannot be as asked (any more), nothing was changed. */
void topic_requests_decide(struct domain *domain, const struct actor *actor, const char *who, struct str id,
                           enum topic_decision decision, struct str reason, struct arena *arena,
                           domain_done done, void *arg);
