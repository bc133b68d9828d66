/* kafka.h - what the nouns of /kafka/v3 (and /leat/v1's topics and groups) share: the cluster of the
 * path, who may do what, links.
 *
 * A cluster key's ACLs are checked here, over the database's rows and by the broker's own function
 * (acl_allows), for what leatd answers or changes by itself: topics, configs, ACLs. leatd owns these
 * rows, so this is the same decision, and it works with the broker away. There the roles of the key's
 * account count, too, as automation expects that makes an account with CloudClusterAdmin and goes on with a
 * cluster key of it; but nothing that an ACL denies. What only the broker knows (offsets, groups, records)
 * is asked of it as the key's principal, and the broker decides by ACLs alone. */
#pragma once
#include "api/api.h"

#include "cluster/acl.h"
#include "domain/acls.h"
#include "domain/clusters.h"
#include "domain/topics.h"
#include "identity/roles.h"

struct kafka_scope {
    struct cluster cluster;
    const char *id;          /* cluster.id */
    struct str principal;    /* whom the broker is told */
    struct str host;         /* of the caller */
    bool all;                /* session or cloud key: roles decide (api/access.h), no ACLs apply */
    struct api_request *rq;
    struct acl_set acls;     /* of a cluster key: the principal's */
    struct roles roles;      /* of a cluster key: its account's */
};
/* In the request's arena; kafka_scope_done frees the ACLs. NULL: answered 404. */
struct kafka_scope *kafka_scope(struct api_request *rq);
void kafka_scope_done(struct kafka_scope *scope); /* NULL ok */
static inline void kafka_scope_done_p(struct kafka_scope **p) { kafka_scope_done(*p); }
#define CLEANUP_SCOPE __attribute__((cleanup(kafka_scope_done_p)))

bool kafka_allows(const struct kafka_scope *scope, enum acl_operation operation,
                  enum acl_resource resource, struct str name);
/* False: answered 403. */
bool kafka_permit(struct api_request *rq, const struct kafka_scope *scope, enum acl_operation operation,
                  enum acl_resource resource, struct str name);
/* Of a listing: the broker has left out what a cluster key may not see; roles leave out the rest. */
bool kafka_shows_group(const struct kafka_scope *scope, struct str name);
#define KAFKA_CLUSTER_NAME STR("kafka-cluster")

/* The topic of the path, which the caller may describe. False: answered 404 or 403. */
bool kafka_topic(struct api_request *rq, const struct kafka_scope *scope, struct topic_row *ret);

/* Who makes a change, for the audit. */
struct actor kafka_actor(const struct api_request *rq);

/* {"related": url}; url as api_url's format behind /kafka/v3/clusters/{id}. */
#define KAFKA_BASE "/kafka/v3/clusters/%s"
json_t *kafka_related(struct str url);
/* An object of this dialect with what all have: kind, metadata, cluster_id. */
json_t *kafka_object(const char *kind, const char *cluster_id, struct str self, struct str crn);
#define PUT(object, name, value) json_object_set_new((object), (name), (value))
/* {"self": url, "resource_name": crn}; crn null: none. */
json_t *kafka_metadata(struct str self, struct str crn);
struct str kafka_crn(struct api_request *rq, const char *cluster_id, const char *format, ...);

/* An answer of the broker or the domain that failed, in this dialect. */
void kafka_fail(struct api_request *rq, status error, struct str message);
