/* authorizer.h - may this principal do this? The one question every handler asks.
 *
 * The rules are cluster/acl.h's; here stand what lies around them: the super users (leatd itself,
 * and image->super_users) and clusters without authorisation (limits.authorise is
 * false: everything is allowed). */
#pragma once
#include "cluster/image.h"

struct request;

#define AUTHORIZER_SUPER STR("User:leat")
#define AUTHORIZER_CLUSTER STR("kafka-cluster") /* the name of the one RES_CLUSTER resource */
#define AUTHORIZER_NOT_ASKED INT32_MIN          /* authorized_operations when not requested */

bool authorizer_allows(const struct image *image, struct str principal, struct str host,
                       enum acl_operation operation, enum acl_resource resource, struct str name);
/* … on some resource of this type (InitProducerId: Write on any topic). */
bool authorizer_allows_any(const struct image *image, struct str principal, struct str host,
                           enum acl_operation operation, enum acl_resource resource);
/* The same for who sent a request; a refusal is counted (stats.authorization_failures). */
bool authorize(struct request *r, enum acl_operation operation, enum acl_resource resource,
               struct str name);
bool authorize_any(struct request *r, enum acl_operation operation, enum acl_resource resource);
int32_t authorized_operations(struct request *r, enum acl_resource resource, struct str name);

/* SECURITY_DISABLED with a sentence when the broker has no ACLs (limits.authorise is off). */
status authorizer_configured(const struct request *r, struct why *why);

/* Kafka's authorized_operations bit field: bit i = operation code i, of those the resource has. */
int32_t authorizer_operations(const struct image *image, struct str principal, struct str host,
                              enum acl_resource resource, struct str name);
