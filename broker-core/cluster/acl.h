/* acl.h - access control entries and Kafka's rule for them (StandardAuthorizer).
 *
 * Candidates: literal name equal, literal `*`, prefixed prefix; principal equal or User:*; host
 * equal or `*`. Any matching DENY wins, else any ALLOW, else deny. ALLOW Read, Write, Delete or
 * Alter implies Describe; AlterConfigs implies DescribeConfigs; ALL covers all. DENY implies none. */
#pragma once
#include "base/bytes.h"
#include "base/status.h"

/* Kafka's numbers (ResourceType, PatternType, AclOperation, AclPermissionType). */
enum acl_resource { RES_UNKNOWN, RES_ANY, RES_TOPIC, RES_GROUP, RES_CLUSTER, RES_TRANSACTIONAL_ID,
                    RES_DELEGATION_TOKEN, RES_USER };
enum acl_pattern { PAT_UNKNOWN, PAT_ANY, PAT_MATCH, PAT_LITERAL, PAT_PREFIXED };
enum acl_operation { OP_UNKNOWN, OP_ANY, OP_ALL, OP_READ, OP_WRITE, OP_CREATE, OP_DELETE, OP_ALTER,
                     OP_DESCRIBE, OP_CLUSTER_ACTION, OP_DESCRIBE_CONFIGS, OP_ALTER_CONFIGS,
                     OP_IDEMPOTENT_WRITE, OP_CREATE_TOKENS, OP_DESCRIBE_TOKENS,
                     OP_TWO_PHASE_COMMIT };
enum acl_permission { PERM_UNKNOWN, PERM_ANY, PERM_DENY, PERM_ALLOW };

struct acl {
    enum acl_resource resource;
    enum acl_pattern pattern;
    enum acl_operation operation;
    enum acl_permission permission;
    struct str name;      /* of the resource */
    struct str principal; /* "User:…" */
    struct str host;
};

struct acl_set { /* acl.c's own index inside */
    struct acl **items;
    size_t count, cap;
};

status acl_set_add(struct acl_set *set, const struct acl *acl); /* copies; there already: OK */
bool acl_set_remove(struct acl_set *set, const struct acl *acl);
void acl_set_done(struct acl_set *set);

bool acl_allows(const struct acl_set *set, struct str principal, struct str host,
                enum acl_operation operation, enum acl_resource resource, struct str name);
/* Is it forbidden by a DENY? What no entry is about is neither allowed nor denied. */
bool acl_denies(const struct acl_set *set, struct str principal, struct str host,
                enum acl_operation operation, enum acl_resource resource, struct str name);
/* May the principal do this on some resource of this type (InitProducerId: Write on any topic)? */
bool acl_allows_any(const struct acl_set *set, struct str principal, struct str host,
                    enum acl_operation operation, enum acl_resource resource);
/* A filter as in DescribeAcls/DeleteAcls: null strings and ANY match all; PAT_MATCH as in Kafka. */
bool acl_matches(const struct acl *filter, const struct acl *acl);

/* Names as REST shows them: "TOPIC", "LITERAL", "READ", "ALLOW"; *_UNKNOWN when not known
 * (case-insensitive). */
const char *acl_resource_name(enum acl_resource v);
const char *acl_pattern_name(enum acl_pattern v);
const char *acl_operation_name(enum acl_operation v);
const char *acl_permission_name(enum acl_permission v);
enum acl_resource acl_resource_of(struct str name);
enum acl_pattern acl_pattern_of(struct str name);
enum acl_operation acl_operation_of(struct str name);
enum acl_permission acl_permission_of(struct str name);
